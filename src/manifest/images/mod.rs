//! Local images: an `image_url` that is a path, from the manifest's folder on.
//!
//! Each file is read once in a process, however many rows name it and however often the manifest is read, and not at all
//! if an earlier run left word of it ([`Images::remember`]).

mod content;
mod file;
mod near;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::escape;
use crate::image::{self, Fault, FileStamp, ImageFacts};
use crate::manifest::fingerprint::Fingerprint;
use crate::manifest::images::file::{Found, Trouble};
use crate::manifest::images::near::Neighbours;
use crate::manifest::problem::grouped;
use crate::manifest::{Field, Problem, Rule, web_url};
use crate::row::ImageHash;

pub use content::{ImageFiles, StaleImage};

/// Most memory for what is remembered of images: enough for some 80,000 of them. Those beyond it are read again each
/// time a row names them.
const MOST_HELD_BYTES: usize = 32 << 20;

/// Longest path in a message, in characters.
const MOST_SHOWN: usize = 80;

/// The local images of a manifest, for all readings of it.
///
/// Holds at most 32 MB, and [`image::HEAD_BYTES`] to read with; nothing as long as all images are on the web.
#[derive(Debug)]
pub struct Images {
    /// Absolute, without links.
    folder: PathBuf,
    allow_outside: bool,
    /// By the text of `image_url`.
    seen: HashMap<Box<str>, Seen>,
    /// What earlier runs knew, until it is asked for.
    remembered: HashMap<PathBuf, ImageFacts>,
    held_bytes: usize,
    /// What this reading of the manifest met.
    fingerprint: Option<Fingerprint>,
    neighbours: Neighbours,
    buffer: Vec<u8>,
}

/// An image that can be sent, as a row needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LocalImage {
    pub(super) sha256: ImageHash,
    pub(super) bytes: u64,
}

/// What came of looking at a path.
#[derive(Debug)]
struct Seen {
    /// The state of the file then; `None` if there was no regular file.
    stamp: Option<FileStamp>,
    /// `None` if the image cannot be sent.
    facts: Option<ImageFacts>,
    /// The file was read for it, and the facts are good for later runs.
    is_learned: bool,
    problems: Box<[Problem]>,
}

impl Images {
    /// The images of the manifest at this path. `allow_outside` lets them lie outside of its folder.
    pub fn beside(manifest: &Path, allow_outside: bool) -> Images {
        // A manifest that cannot be resolved cannot be opened either, which its reader says better.
        let manifest = fs::canonicalize(manifest).unwrap_or_else(|_| manifest.to_owned());
        Images {
            folder: manifest.parent().unwrap_or(Path::new("")).to_owned(),
            allow_outside,
            seen: HashMap::new(),
            remembered: HashMap::new(),
            held_bytes: 0,
            fingerprint: None,
            neighbours: Neighbours::default(),
            buffer: Vec::new(),
        }
    }

    /// The files themselves, for whoever sends the rows.
    pub fn files(&self) -> ImageFiles {
        ImageFiles {
            folder: self.folder.clone(),
        }
    }

    /// Takes what [`Images::learned`] gave an earlier run. A file whose stamp is still the same is not read again.
    ///
    /// Whatever is too much for the memory set aside is forgotten.
    pub fn remember(&mut self, facts: impl IntoIterator<Item = (PathBuf, ImageFacts)>) {
        for (path, facts) in facts {
            let weight = weight_of_remembered(&path);
            if self.held_bytes + weight > MOST_HELD_BYTES {
                return;
            }
            if self.remembered.insert(path, facts).is_none() {
                self.held_bytes += weight;
            }
        }
    }

    /// What was found by reading files in this process, by absolute path, for later runs to [`remember`](Images::remember).
    ///
    /// Files that were written less than two seconds before they were read are left out: a second change could have left
    /// their stamp as it is.
    pub fn learned(&self) -> impl Iterator<Item = (PathBuf, ImageFacts)> {
        self.seen.iter().filter_map(|(text, seen)| {
            let facts = seen.facts.filter(|_| seen.is_learned)?;
            Some((self.folder.join(image::path_of(text)?), facts))
        })
    }

    /// Begins another reading of the manifest.
    pub(super) fn begin(&mut self) {
        self.fingerprint = None;
    }

    /// What this reading has met up to now; `None` if no row named a file.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// The image that a row names with a text that is no web address, which is what `rule` says of it. What is wrong with
    /// it is added to `problems`.
    pub(super) fn judge(&mut self, text: &str, rule: Rule, problems: &mut Vec<Problem>) -> Option<LocalImage> {
        let path = image::path_of(text).map(|path| self.folder.join(path));
        let stamp = path.as_deref().and_then(file::stamp_of);
        // One look in the table for the rows of an image that many share.
        if let Some(seen) = self.seen.get(text).filter(|seen| seen.stamp == stamp) {
            note(&mut self.fingerprint, seen);
            return seen.tell(problems);
        }
        let seen = self.look(text, path.as_deref(), stamp, rule);
        note(&mut self.fingerprint, &seen);
        let image = seen.tell(problems);
        self.keep(text, seen);
        image
    }

    fn look(&mut self, text: &str, path: Option<&Path>, stamp: Option<FileStamp>, rule: Rule) -> Seen {
        let found = match path {
            Some(path) => self.find(path),
            None => Err(Trouble::Missing),
        };
        match found {
            Ok(found) => Seen {
                stamp: Some(found.facts.stamp),
                facts: Some(found.facts),
                is_learned: found.is_lasting,
                problems: found
                    .facts
                    .look()
                    .faults()
                    .iter()
                    .map(|fault| problem_of_fault(&shown(text), fault))
                    .collect(),
            },
            Err(trouble) => Seen {
                stamp,
                facts: None,
                is_learned: false,
                problems: self.problems_of(text, path, &trouble, rule),
            },
        }
    }

    fn find(&mut self, path: &Path) -> Result<Found, Trouble> {
        let real = file::locate(path, (!self.allow_outside).then_some(&self.folder))?;
        let known = self.remembered.remove(path);
        if known.is_some() {
            self.held_bytes -= weight_of_remembered(path);
        }
        file::read(&real, known, &mut self.buffer)
    }

    fn problems_of(&mut self, text: &str, path: Option<&Path>, trouble: &Trouble, rule: Rule) -> Box<[Problem]> {
        let shown = shown(text);
        let problem = match trouble {
            Trouble::Faulty(look) => {
                return look
                    .faults()
                    .iter()
                    .map(|fault| problem_of_fault(&shown, fault))
                    .collect();
            }
            Trouble::Missing => return [self.missing(text, path, rule)].into(),
            Trouble::Outside => problem(Rule::ImageOutside, shown),
            Trouble::NotAFile(what) => problem(Rule::ImageNotAFile, format!("{shown} is {what}")),
            Trouble::Unreadable(why) => problem(Rule::ImageUnreadable, format!("{shown}: {why}")),
        };
        [problem].into()
    }

    fn missing(&mut self, text: &str, path: Option<&Path>, rule: Rule) -> Problem {
        if path.is_some_and(Path::is_symlink) {
            return problem(Rule::ImageMissing, format!("{}, a link to nothing", shown(text)));
        }
        if let Some(near) = path.and_then(|path| self.near(text, path)) {
            let found = format!("{}, did you mean `{}`?", shown(text), shown(&near));
            return problem(Rule::ImageMissing, found);
        }
        if rule == Rule::NotAbsolute {
            // More likely an address without its beginning.
            return problem(rule, web_url::shown(text));
        }
        let hint = if text.starts_with('~') {
            ", and only a shell knows what `~` is"
        } else {
            ""
        };
        problem(Rule::ImageMissing, format!("{}{hint}", shown(text)))
    }

    /// The text that may have been meant by one that names no file.
    fn near(&mut self, text: &str, path: &Path) -> Option<String> {
        let may_look = |path: &Path| self.allow_outside || file::stays_inside(&self.folder, path);
        if text.contains('\\') {
            let turned = text.replace('\\', "/");
            let path = self.folder.join(&turned);
            return (may_look(&path) && file::stamp_of(&path).is_some()).then_some(turned);
        }
        if !may_look(path) {
            return None;
        }
        let name = self.neighbours.nearest(path)?;
        let folder = text.rfind('/').map_or("", |slash| &text[..=slash]);
        Some(format!("{folder}{name}"))
    }

    fn keep(&mut self, text: &str, seen: Seen) {
        let weight = seen.weight(text);
        let replaced = self.seen.get(text).map_or(0, |old| old.weight(text));
        let held = self.held_bytes - replaced + weight;
        if held <= MOST_HELD_BYTES {
            self.held_bytes = held;
            self.seen.insert(text.into(), seen);
        } else if self.seen.remove(text).is_some() {
            self.held_bytes -= replaced;
        }
    }
}

impl Seen {
    fn tell(&self, problems: &mut Vec<Problem>) -> Option<LocalImage> {
        problems.extend_from_slice(&self.problems);
        self.facts.map(|facts| LocalImage {
            sha256: facts.sha256,
            bytes: facts.stamp.bytes,
        })
    }

    /// What it takes in memory, counting the part of the table that is kept free.
    fn weight(&self, text: &str) -> usize {
        let problems: usize = self
            .problems
            .iter()
            .map(|problem| size_of::<Problem>() + problem.found.capacity())
            .sum();
        2 * size_of::<(Box<str>, Seen)>() + text.len() + problems
    }
}

fn weight_of_remembered(path: &Path) -> usize {
    2 * size_of::<(PathBuf, ImageFacts)>() + path.as_os_str().len()
}

/// An image is part of the manifest as a prompt is: with another content, or once it is there at all, the manifest is
/// another one, even though its own bytes are the same.
fn note(fingerprint: &mut Option<Fingerprint>, seen: &Seen) {
    let fingerprint = fingerprint.get_or_insert_default();
    match &seen.facts {
        Some(facts) => fingerprint.add(&facts.sha256.0),
        None => {
            // Which of the two is said depends on the search for near names, which does not go on for ever.
            let same = |rule| {
                if rule == Rule::NotAbsolute {
                    Rule::ImageMissing
                } else {
                    rule
                }
            };
            let rules: Vec<Rule> = seen.problems.iter().map(|problem| same(problem.rule)).collect();
            fingerprint.add(format!("{rules:?} {:?}", seen.stamp).as_bytes());
        }
    }
}

pub(super) fn problem(rule: Rule, found: String) -> Problem {
    Problem::of_column(rule, Field::ImageUrl.as_str(), found)
}

/// What is wrong with an image that messages call `shown`.
pub(super) fn problem_of_fault(shown: &str, fault: &Fault) -> Problem {
    match fault {
        Fault::Empty => problem(Rule::NotAnImage, format!("{shown} is empty")),
        Fault::NotAnImage(what) => problem(Rule::NotAnImage, format!("{shown} is {what}")),
        Fault::TooLarge { bytes } => problem(Rule::ImageTooLarge, format!("{shown} has {} bytes", grouped(*bytes))),
        Fault::TooSmall(dimensions) => problem(Rule::ImageTooSmall, format!("{shown} is {dimensions}")),
        Fault::TooNarrow(dimensions) => problem(Rule::ImageTooNarrow, format!("{shown} is {dimensions}")),
        Fault::Unmeasured => problem(Rule::ImageUnmeasured, shown.to_owned()),
    }
}

fn shown(text: &str) -> String {
    escape::excerpt(text, MOST_SHOWN)
}

#[cfg(test)]
mod tests;
