//! A file that is replaced in one step: a reader, and a crash, find the old one or the new one.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use super::ResultsError;

/// How the file is called until it is complete. A leftover of a machine that lost its power can be deleted.
const TEMPORARY_PREFIX: &str = ".hailuo-batch-results-";

/// As many symbolic links as Linux itself follows before it gives up.
const MOST_LINKS: usize = 40;

/// The new content of a file, beside the old one until [`commit`](AtomicFile::commit). Dropped, it leaves no trace.
#[derive(Debug)]
pub(super) struct AtomicFile {
    target: PathBuf,
    temporary: NamedTempFile,
}

impl AtomicFile {
    pub(super) fn create(path: &Path) -> Result<AtomicFile, ResultsError> {
        let failed = |source| ResultsError::write(path, source);
        let target = behind_links(path).map_err(failed)?;
        let old = match fs::symlink_metadata(&target) {
            Ok(metadata) if metadata.is_file() => Some(metadata),
            Ok(_) => return Err(ResultsError::NotAFile { path: path.to_owned() }),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let temporary = open_beside(&target, old.as_ref()).map_err(failed)?;
        Ok(AtomicFile { target, temporary })
    }

    /// Makes the content durable, puts it in place, and makes that durable too.
    pub(super) fn commit(self) -> io::Result<()> {
        self.temporary.as_file().sync_all()?;
        self.temporary.persist(&self.target).map_err(|error| error.error)?;
        match File::open(directory_of(&self.target)).and_then(|directory| directory.sync_all()) {
            // Some network file systems cannot sync a directory; the file is complete and in place all the same.
            Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Err(error),
            _ => Ok(()),
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temporary.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.flush()
    }
}

/// The path that `path` leads to if it is a symbolic link, which may not exist yet. A rename would replace the link.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = directory_of(&target).join(next),
            // Not a link, or nothing at all.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => return Ok(target),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn open_beside(target: &Path, old: Option<&Metadata>) -> io::Result<NamedTempFile> {
    // Temporary files are private by default; results are for the people who may read the manifest. The system takes
    // the umask off what we ask for here.
    let fresh_mode = old.map_or(0o666, |_| 0o600);
    let temporary = Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .suffix(".tmp")
        .permissions(Permissions::from_mode(fresh_mode))
        .tempfile_in(directory_of(target))?;
    if let Some(old) = old {
        let fresh = temporary.as_file().metadata()?;
        if (fresh.uid(), fresh.gid()) != (old.uid(), old.gid()) {
            // Only root can give files away; for anyone else the file changes hands, as it does with an editor.
            std::os::unix::fs::fchown(temporary.as_file(), Some(old.uid()), Some(old.gid())).ok();
        }
        let mode = Permissions::from_mode(old.mode() & 0o777);
        temporary.as_file().set_permissions(mode)?;
    }
    Ok(temporary)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn replace(path: &Path, content: &str) {
        let mut file = AtomicFile::create(path).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file.commit().unwrap();
    }

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_new_file_has_the_mode_any_new_file_has() {
        let directory = tempfile::tempdir().unwrap();
        let ordinary = directory.path().join("ordinary");
        File::create(&ordinary).unwrap();
        let results = directory.path().join("results.csv");
        replace(&results, "new");
        assert_eq!(mode_of(&results), mode_of(&ordinary));
    }

    #[test]
    fn a_replaced_file_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let results = directory.path().join("results.csv");
        for mode in [0o600, 0o640, 0o664] {
            fs::write(&results, "old").unwrap();
            fs::set_permissions(&results, Permissions::from_mode(mode)).unwrap();
            replace(&results, "new");
            assert_eq!(mode_of(&results), mode, "{mode:o}");
            assert_eq!(fs::read_to_string(&results).unwrap(), "new");
        }
    }

    #[test]
    fn a_link_stays_a_link_and_its_file_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("elsewhere")).unwrap();
        let link = directory.path().join("results.csv");
        symlink("elsewhere/real.csv", &link).unwrap();
        for content in ["first", "second"] {
            replace(&link, content);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            let real = directory.path().join("elsewhere/real.csv");
            assert_eq!(fs::read_to_string(real).unwrap(), content);
        }
    }

    #[test]
    fn links_in_a_circle_and_directories_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("circle.csv");
        symlink("circle.csv", &link).unwrap();
        assert!(matches!(AtomicFile::create(&link), Err(ResultsError::Write { .. })));
        assert!(matches!(
            AtomicFile::create(directory.path()),
            Err(ResultsError::NotAFile { .. })
        ));
    }

    #[test]
    fn a_file_that_is_given_up_leaves_the_old_one_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let results = directory.path().join("results.csv");
        fs::write(&results, "old").unwrap();
        let mut file = AtomicFile::create(&results).unwrap();
        file.write_all(b"half of the n").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&results).unwrap(), "old");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
