//! A file that is replaced in one step: a reader, and a crash, find the old one or the new one.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use super::{Purpose, TableError};

/// As many symbolic links as Linux itself follows before it gives up.
const MOST_LINKS: usize = 40;

/// The new content of a file, beside the old one until [`commit`](AtomicFile::commit). Dropped, it leaves no trace.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    temporary: NamedTempFile,
    prefix: String,
}

impl AtomicFile {
    /// Begins a file that will replace the one at `path`, or the one that `path` is a symbolic link to. Until it is
    /// complete it is called `.hailuo-batch-NOUN-XXXXXX.tmp`; a leftover of a machine that lost its power can be deleted.
    pub fn create(path: &Path, purpose: Purpose) -> Result<AtomicFile, TableError> {
        let failed = |source| TableError::write(path, purpose, source);
        let target = behind_links(path).map_err(failed)?;
        let old = match fs::symlink_metadata(&target) {
            Ok(metadata) if metadata.is_file() => Some(metadata),
            Ok(_) => {
                return Err(TableError::NotAFile {
                    path: path.to_owned(),
                    purpose,
                });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let prefix = format!(".hailuo-batch-{}-", purpose.noun);
        let temporary = open_beside(&target, &prefix, old.as_ref()).map_err(failed)?;
        Ok(AtomicFile {
            target,
            temporary,
            prefix,
        })
    }

    /// Where the file will stand; what else is temporary has its place here, too: there is room, and nobody else reads it.
    pub fn directory(&self) -> &Path {
        directory_of(&self.target)
    }

    /// The same content behind `head`. Costs a copy of the file.
    pub(super) fn prepended(self, head: &[u8]) -> io::Result<AtomicFile> {
        let mut old = self.temporary.as_file();
        let temporary = open_beside(&self.target, &self.prefix, Some(&old.metadata()?))?;
        let mut new = temporary.as_file();
        new.write_all(head)?;
        old.seek(SeekFrom::Start(0))?;
        io::copy(&mut old, &mut new)?;
        Ok(AtomicFile { temporary, ..self })
    }

    /// Lets everyone read the file who may enter its folder, whatever the umask says; one that replaces another keeps the
    /// rights of that.
    pub fn let_everyone_read(&self) -> io::Result<()> {
        if fs::symlink_metadata(&self.target).is_ok() {
            return Ok(());
        }
        let file = self.temporary.as_file();
        let mode = file.metadata()?.mode() & 0o777;
        file.set_permissions(Permissions::from_mode(mode | 0o444))
    }

    /// Makes the content durable, puts it in place, and makes that durable too.
    pub fn commit(self) -> io::Result<()> {
        self.temporary.as_file().sync_all()?;
        self.temporary.persist(&self.target).map_err(|error| error.error)?;
        make_entry_durable(&self.target)
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

fn open_beside(target: &Path, prefix: &str, old: Option<&Metadata>) -> io::Result<NamedTempFile> {
    // Temporary files are private by default; results are for the people who may read the manifest. The system takes
    // the umask off what we ask for here.
    let fresh_mode = old.map_or(0o666, |_| 0o600);
    let temporary = Builder::new()
        .prefix(prefix)
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

/// Makes durable that there is a file of this name: the file itself has to be on the disk already.
pub fn make_entry_durable(path: &Path) -> io::Result<()> {
    match File::open(directory_of(path)).and_then(|directory| directory.sync_all()) {
        // Some network file systems cannot sync a directory; the file is complete and in place all the same.
        Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Err(error),
        _ => Ok(()),
    }
}

/// The folder in which `path` is; the current one for a mere name.
pub fn directory_of(path: &Path) -> &Path {
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

    const PURPOSE: Purpose = Purpose {
        noun: "results",
        option: "--results",
        remains: "",
    };

    fn create(path: &Path) -> AtomicFile {
        AtomicFile::create(path, PURPOSE).unwrap()
    }

    fn replace(path: &Path, content: &str) {
        let mut file = create(path);
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
    fn a_new_file_for_everyone_can_be_read_by_everyone_and_an_old_one_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.prom");
        let file = create(&path);
        file.temporary
            .as_file()
            .set_permissions(Permissions::from_mode(0o600))
            .unwrap();
        file.let_everyone_read().unwrap();
        file.commit().unwrap();
        assert_eq!(mode_of(&path), 0o644);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let file = create(&path);
        file.let_everyone_read().unwrap();
        file.commit().unwrap();
        assert_eq!(mode_of(&path), 0o600);
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
        let refused = |path: &Path| AtomicFile::create(path, PURPOSE).unwrap_err();
        assert!(matches!(refused(&link), TableError::Write { .. }));
        assert!(matches!(refused(directory.path()), TableError::NotAFile { .. }));
    }

    #[test]
    fn a_file_that_is_given_up_leaves_the_old_one_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let results = directory.path().join("results.csv");
        fs::write(&results, "old").unwrap();
        let mut file = create(&results);
        file.write_all(b"half of the n").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&results).unwrap(), "old");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_head_that_is_put_before_the_content_changes_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let results = directory.path().join("results.csv");
        fs::write(&results, "old").unwrap();
        fs::set_permissions(&results, Permissions::from_mode(0o640)).unwrap();
        let mut file = create(&results);
        let body = "a line of many\n".repeat(100_000);
        file.write_all(body.as_bytes()).unwrap();
        let mut file = file.prepended(b"head\n").unwrap();
        file.write_all(b"and more").unwrap();
        assert_eq!(fs::read_to_string(&results).unwrap(), "old");
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&results).unwrap(), format!("head\n{body}and more"));
        assert_eq!(mode_of(&results), 0o640);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
