//! Where a video lies, seen from the results.

use std::path::{Component, Path, PathBuf, absolute};

/// The way from the folder of the results to files that are named from the manifest's folder.
#[derive(Debug)]
pub(super) struct Files {
    /// The folder of the results, and the manifest's; `None` where the system does not say where we are.
    folders: Option<(PathBuf, PathBuf)>,
}

impl Files {
    /// For results at `path`, of a manifest in `manifest_folder`.
    pub(super) fn of(path: &Path, manifest_folder: &Path) -> Files {
        let whole = |folder: &Path| match folder.as_os_str().is_empty() {
            true => absolute("."),
            false => absolute(folder),
        };
        let results = path.parent().map(whole);
        let folders = results.and_then(|results| Some((results.ok()?, whole(manifest_folder).ok()?)));
        Files { folders }
    }

    /// The way to `file` as a link takes it; `None` where there is none, as between two drives.
    ///
    /// It is a matter of names: whoever follows a link resolves `..` by the name of the folder, whatever links to
    /// folders there are.
    pub(super) fn link_of(&self, file: &str) -> Option<String> {
        let (results, manifest) = self.folders.as_ref()?;
        let file = plain(&manifest.join(file));
        let results = plain(results);
        let shared = results
            .components()
            .zip(file.components())
            .take_while(|(one, other)| one == other)
            .count();
        // Nothing but the root in common: the file is on another disk, or in another world.
        if shared < 2 {
            return None;
        }
        let up = results.components().skip(shared).map(|_| "..");
        let down = file.components().skip(shared).map(|part| part.as_os_str().to_str());
        let parts: Option<Vec<&str>> = up.map(Some).chain(down).collect();
        Some(parts?.join("/"))
    }
}

/// A path without `.`, and without `..` as far as the names go.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_from_the_folder_of_the_results() {
        for (results, manifest, file, link) in [
            (
                "/srv/a/clips.results.xlsx",
                "/srv/a",
                "clips.videos/1.mp4",
                "clips.videos/1.mp4",
            ),
            (
                "/srv/a/out/r.xlsx",
                "/srv/a",
                "clips.videos/1.mp4",
                "../clips.videos/1.mp4",
            ),
            ("/srv/out/r.xlsx", "/srv/a", "v/1.mp4", "../a/v/1.mp4"),
            ("/srv/r.xlsx", "/srv/a/b", "v/一 只.mp4", "a/b/v/一 只.mp4"),
            ("/srv/a/r.xlsx", "/srv/a", "/srv/videos/1.mp4", "../videos/1.mp4"),
            ("/srv/a/../b/./r.xlsx", "/srv/b", "1.mp4", "1.mp4"),
            ("/srv/b/r.xlsx", "/srv/b", "../1.mp4", "../1.mp4"),
        ] {
            let files = Files::of(Path::new(results), Path::new(manifest));
            assert_eq!(
                files.link_of(file).as_deref(),
                Some(link),
                "{results} {manifest} {file}"
            );
        }
        let files = Files::of(Path::new("/srv/a/r.xlsx"), Path::new("/srv/a"));
        assert_eq!(files.link_of("/mnt/videos/1.mp4"), None);
    }

    #[test]
    fn folders_without_a_name_are_the_one_we_are_in() {
        let files = Files::of(Path::new("r.xlsx"), Path::new(""));
        assert_eq!(files.link_of("videos/1.mp4").as_deref(), Some("videos/1.mp4"));
    }
}
