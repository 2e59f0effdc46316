//! The note beside a part: what has to be known to go on with it, or to know it again once it is the video.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

/// What a note's name has after that of its part.
const ENDING: &str = ".json";

/// Longest note we read. Ours have some 300 bytes.
const MOST_BYTES: u64 = 4096;

/// There is no link in it: links can be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(super) enum Note {
    /// The part is the beginning of a file that can be continued.
    Begun {
        /// The task that made the file; no other task's file is continued.
        task: String,
        /// Which boot of the machine wrote the part (see [`boot_id`]).
        boot: String,
        /// The host's strong validator of the file.
        etag: String,
        /// Length of the whole file.
        bytes: u64,
    },
    /// The part was complete, checked and on the disk, and about to become the video.
    Complete {
        /// The task that made the file.
        task: String,
        /// SHA-256 of the file.
        sha256: [u8; 32],
        /// Its length.
        bytes: u64,
    },
}

impl Note {
    /// The note of `part`, if there is a readable one. A note cut off by a crash is none.
    pub(super) fn read(part: &Path) -> Option<Note> {
        let mut text = Vec::new();
        let no_follow = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(no_follow.bits().cast_signed())
            .open(path_of(part))
            .ok()?;
        file.take(MOST_BYTES).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes the note of `part` anew. A link that somebody put in its place is removed, not followed.
    pub(super) fn write(&self, part: &Path) -> io::Result<File> {
        remove(part)?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(path_of(part))?;
        file.write_all(&serde_json::to_vec(self).map_err(io::Error::other)?)?;
        Ok(file)
    }
}

/// Notes in `folder` of parts that have become videos: the part's path, and the task that made it.
pub(super) fn of_finished_in(folder: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let mut finished = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let Some(part) = name.strip_suffix(ENDING).filter(|part| part.ends_with(".part")) else {
            continue;
        };
        let part = folder.join(part);
        if let Some(Note::Complete { task, .. }) = Note::read(&part)
            && fs::symlink_metadata(&part).is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            finished.push((part, task));
        }
    }
    Ok(finished)
}

/// Removes the note of `part`, if there is one.
pub(super) fn remove(part: &Path) -> io::Result<()> {
    match fs::remove_file(path_of(part)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path_of(part: &Path) -> PathBuf {
    let mut path = OsString::from(part);
    path.push(ENDING);
    path.into()
}

/// Names this boot of the machine.
///
/// A part that is written but not yet synced survives the end of our process and not that of the machine: after a power
/// cut it may have the right length and holes. So a part is only continued within the boot that wrote it.
pub(super) fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}
