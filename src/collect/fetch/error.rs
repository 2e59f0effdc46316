//! Why a file is not there, told apart by what the caller does next.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::web::link::Refused;

/// Texts of the server in here are cut and escaped; links are shown as host and path, since what is behind the `?` may
/// be a signature.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The host has no such file, or not for this link: 400, 401, 403, 404, 410 and other 4xx. A fresh link may help.
    #[error("`{link}` is not there (HTTP {status}){}", quoted(said))]
    NotThere {
        /// Where it should be.
        link: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of what the host wrote; empty if nothing.
        said: String,
    },
    /// It did not work this time: 408, 425, 429, 5xx, a break, a time-out, a trickle, another process at the same file.
    /// What is here already is kept where the next try can go on from it.
    #[error("`{link}`: {reason}")]
    Again {
        /// What was fetched.
        link: String,
        /// What happened.
        reason: String,
        /// How long the host asks us to stay away.
        retry_after: Option<Duration>,
    },
    /// The host sent something, and it is no MP4 or QuickTime file.
    #[error("`{link}` is not a video but {looks_like}")]
    NotAVideo {
        /// Where it came from.
        link: String,
        /// What it is instead.
        looks_like: String,
    },
    /// Larger than a file may be.
    #[error("`{link}` has more than the {most} bytes that a file may have")]
    TooLarge {
        /// Where it is.
        link: String,
        /// The limit in bytes.
        most: u64,
    },
    /// No room, or not without touching the reserve. Nothing of the file is left on the disk.
    #[error("the disk that holds `{}` has no room for {}", folder.display(), what_needs(*needed))]
    DiskFull {
        /// Where the file was to go.
        folder: PathBuf,
        /// Bytes that the file still needed, where that was known.
        needed: Option<u64>,
    },
    /// Something that is not ours stands where the file, or its part, is to go. It was left as it is.
    #[error("`{}` is there already: {by}", path.display())]
    Taken {
        /// Where.
        path: PathBuf,
        /// What stands there: `a file`, `a folder`, `a symbolic link`, …
        by: &'static str,
    },
    /// The disk refused.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What we were doing.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A link that we do not follow, or a proxy that lets nothing through.
    #[error("`{link}` is refused: {reason}")]
    Refused {
        /// The link, or the one it led to.
        link: String,
        /// Why.
        reason: String,
    },
}

impl FetchError {
    /// The word for the results' `error_code`: `expired`, `disk_full` or `download`.
    pub fn code(&self) -> &'static str {
        match self {
            FetchError::NotThere { .. } => "expired",
            FetchError::DiskFull { .. } => "disk_full",
            FetchError::Again { .. }
            | FetchError::NotAVideo { .. }
            | FetchError::TooLarge { .. }
            | FetchError::Taken { .. }
            | FetchError::Io { .. }
            | FetchError::Refused { .. } => "download",
        }
    }

    /// What the user can do, where there is something.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            FetchError::NotThere { .. } => Some("files are kept for 14 days; what is gone has to be made again"),
            FetchError::Again { .. } => Some("run `collect` again later: it goes on where this ended"),
            FetchError::NotAVideo { .. } => {
                Some("run `collect` again later; if it stays so, ask Kie.ai's support about the task")
            }
            FetchError::TooLarge { .. } => None,
            FetchError::DiskFull { .. } => Some(
                "make room, or choose a folder on another disk, then run `collect` again: 256 MB are always left free",
            ),
            FetchError::Taken { .. } => Some("move it away, or choose another folder or name"),
            FetchError::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Some("the folder does not exist: create it, or choose another place"),
                io::ErrorKind::PermissionDenied => Some("this user may not write there: choose another place"),
                io::ErrorKind::ReadOnlyFilesystem => Some("the place is read-only: choose another"),
                _ => None,
            },
            FetchError::Refused { .. } => {
                Some("check the proxy settings of the environment, and the link in the results")
            }
        }
    }

    /// The error for what the file system said about `path`.
    pub(super) fn io(path: &Path, doing: &'static str, source: io::Error) -> FetchError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                FetchError::DiskFull {
                    folder: folder_of(path).to_owned(),
                    needed: None,
                }
            }
            _ => FetchError::Io {
                path: path.to_owned(),
                doing,
                source,
            },
        }
    }

    /// [`FetchError::Again`] without a wish of the host's.
    pub(super) fn again(link: &str, reason: impl Into<String>) -> FetchError {
        FetchError::Again {
            link: link.to_owned(),
            reason: reason.into(),
            retry_after: None,
        }
    }
}

impl From<Refused> for FetchError {
    fn from(Refused { link, why }: Refused) -> FetchError {
        FetchError::Refused {
            link,
            reason: why.to_string(),
        }
    }
}

/// The folder that `path` is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn quoted(said: &str) -> String {
    if said.is_empty() {
        String::new()
    } else {
        format!("; the host says: {said}")
    }
}

fn what_needs(needed: Option<u64>) -> String {
    match needed {
        Some(bytes) => format!("the {bytes} bytes that are to come"),
        None => "the file".to_owned(),
    }
}
