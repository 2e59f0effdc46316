//! A file that was not there before: it appears whole, in one step, and takes nothing's place.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::tables::{directory_of, make_entry_durable};
use crate::template::TemplateError;

/// A file's content, beside where it will be until [`place`](NewFile::place). Dropped, it leaves no trace.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    temporary: NamedTempFile,
}

impl NewFile {
    /// Writes `content` beside `path`, unless something is there already, be it a link that leads nowhere.
    pub fn prepare(path: &Path, content: &[u8]) -> Result<NewFile, TemplateError> {
        match fs::symlink_metadata(path) {
            Ok(_) => return Err(TemplateError::Exists { path: path.to_owned() }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(path, error)),
        }
        let write = || {
            let mut temporary = Builder::new()
                .prefix(".hailuo-batch-init-")
                .suffix(".tmp")
                // Temporary files are private by default. The system takes the umask off what we ask for here.
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(directory_of(path))?;
            temporary.write_all(content)?;
            temporary.as_file().sync_all()?;
            Ok(temporary)
        };
        Ok(NewFile {
            path: path.to_owned(),
            temporary: write().map_err(|error| failed(path, error))?,
        })
    }

    /// Gives the file its name, unless something has taken it since.
    pub fn place(self) -> Result<(), TemplateError> {
        let NewFile { path, temporary } = self;
        temporary
            .persist_noclobber(&path)
            .map_err(|error| match error.error.kind() {
                ErrorKind::AlreadyExists => TemplateError::Exists { path: path.clone() },
                _ => failed(&path, error.error),
            })?;
        make_entry_durable(&path).map_err(|error| failed(&path, error))
    }
}

fn failed(path: &Path, source: io::Error) -> TemplateError {
    TemplateError::Write {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn a_file_appears_whole_and_with_the_mode_of_any_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shots.csv");
        let file = NewFile::prepare(&path, b"prompt\n").unwrap();
        assert!(!path.exists());
        file.place().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"prompt\n");
        let ordinary = File::create(folder.path().join("ordinary")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode(), ordinary.metadata().unwrap().mode());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn whatever_is_there_stays_also_if_it_came_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shots.csv");
        let prepared = NewFile::prepare(&path, b"new").unwrap();
        fs::write(&path, "the user's").unwrap();
        assert!(matches!(prepared.place(), Err(TemplateError::Exists { .. })));
        assert!(matches!(
            NewFile::prepare(&path, b"new"),
            Err(TemplateError::Exists { .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "the user's");
        let link = folder.path().join("link.csv");
        symlink("nowhere.csv", &link).unwrap();
        assert!(matches!(
            NewFile::prepare(&link, b"new"),
            Err(TemplateError::Exists { .. })
        ));
        assert!(matches!(
            NewFile::prepare(folder.path(), b"new"),
            Err(TemplateError::Exists { .. })
        ));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no/shots.csv");
        assert!(matches!(NewFile::prepare(&path, b""), Err(TemplateError::Write { .. })));
    }
}
