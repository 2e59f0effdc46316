//! What a path that names no file may have meant.

use std::fs;
use std::path::{Path, PathBuf};

/// Most files of a folder that are compared.
const MOST_NAMES: usize = 4_096;

/// Most paths that get a suggestion: a report shows no more places of a problem.
const MOST_SUGGESTIONS: u32 = 1_000;

/// How alike two names must be (Jaro-Winkler, 1 is the same).
const ALIKE: f64 = 0.9;

/// The images in the folder that was last asked about, so that a manifest full of slips lists its folder once.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    folder: Option<PathBuf>,
    names: Vec<String>,
    asked: u32,
}

impl Neighbours {
    /// The name of the image beside `path` that is most like its own: in other letters, of another extension, misspelt.
    pub(super) fn nearest(&mut self, path: &Path) -> Option<&str> {
        self.asked = self.asked.saturating_add(1);
        let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
        if self.asked > MOST_SUGGESTIONS {
            return None;
        }
        if self.folder.as_deref() != Some(folder) {
            self.names = images_in(folder);
            self.folder = Some(folder.to_owned());
        }
        let others = self.names.iter().filter(|other| *other != name);
        others
            .map(|other| (likeness(name, other), other))
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, other)| other.as_str())
    }
}

fn images_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries
        .take(MOST_NAMES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| has_image_extension(name)).collect();
    // Folders list their files in any order, and equally good suggestions should not change from run to run.
    names.sort_unstable();
    names
}

fn likeness(name: &str, other: &str) -> f64 {
    let (name, other) = (name.to_lowercase(), other.to_lowercase());
    // `take-12.png` is no slip of the pen for `take-13.png`.
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    if digits(&name) != digits(&other) {
        return 0.0;
    }
    if stem(&name) == stem(&other) {
        return 1.0;
    }
    strsim::jaro_winkler(&name, &other)
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn has_image_extension(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["jpg", "jpeg", "png", "webp"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_near_and_another_take_is_not() {
        let near = |name, other| likeness(name, other) >= ALIKE;
        for (name, other) in [
            ("boat.png", "Boat.PNG"),
            ("boat.jpg", "boat.jpeg"),
            ("boat", "boat.webp"),
            ("habour.png", "harbour.png"),
            ("小船.jpg", "小船.png"),
        ] {
            assert!(near(name, other), "{name} {other}");
        }
        for (name, other) in [
            ("take-12.png", "take-13.png"),
            ("boat.png", "train.png"),
            ("a.png", "b.png"),
        ] {
            assert!(!near(name, other), "{name} {other}");
        }
    }
}
