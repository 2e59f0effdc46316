//! The file while it is fetched: hashed as it grows, checked when it is whole, put in its place in one step.
//!
//! Everything in here blocks; it runs on tokio's threads for that.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with, statvfs};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::collect::fetch::container::{self, SIGNATURE_BYTES, Structure};
use crate::collect::fetch::error::folder_of;
use crate::collect::fetch::note::{self, Note};
use crate::collect::fetch::{FetchError, Fetched};
use crate::web::page;

/// Bytes between two looks at the room on the disk, which others fill as well. With a few downloads at once this stays
/// far below the reserve of 256 MB.
const BYTES_BETWEEN_LOOKS: u64 = 16 * 1024 * 1024;

/// Bytes that are read at once to hash what is there already.
const READ_BYTES: usize = 256 * 1024;

/// What a download is to become, and within which bounds.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The file's final path.
    pub(super) target: PathBuf,
    /// Its path until then, in the same folder.
    pub(super) part: PathBuf,
    pub(super) task: String,
    /// The link, as messages show it.
    pub(super) link: String,
    /// A file at `target` is ours and may be replaced.
    pub(super) replace: bool,
    pub(super) largest_bytes: u64,
    pub(super) keep_free_bytes: u64,
}

/// What was found at a place.
#[derive(Debug)]
pub(super) enum Opening {
    /// The very file, left by a run that ended before it could tell anybody.
    Finished(Fetched),
    /// A part, perhaps empty.
    Part(Box<Part>),
}

/// What is asked of the host to go on with a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rest {
    /// Bytes that are here: at least one, and fewer than `bytes`.
    pub(super) from: u64,
    /// Length of the whole file.
    pub(super) bytes: u64,
    /// Its strong validator.
    pub(super) etag: String,
}

/// A file on its way. Locked, so that no other process writes it as well.
#[derive(Debug)]
pub(super) struct Part {
    place: Place,
    file: File,
    hasher: Sha256,
    written: u64,
    /// The file's first bytes, at most [`page::HEAD_BYTES`].
    head: Vec<u8>,
    /// Length of the whole file, where the host has told it.
    bytes: Option<u64>,
    /// The validator in the note; without one the part cannot be continued.
    etag: Option<String>,
    next_look: u64,
}

impl Place {
    /// Opens the part, hashing what is there if it can be continued.
    pub(super) fn open(self) -> Result<Opening, FetchError> {
        let found = Note::read(&self.part);
        if let Some(there) = metadata_of(&self.target)? {
            if let Some(fetched) = self.finished_before(&there, found.as_ref())? {
                return Ok(Opening::Finished(fetched));
            }
            if !(self.replace && there.is_file()) {
                return Err(taken(&self.target, &there));
            }
        }
        let file = self.lock()?;
        let length = file.metadata().map_err(|error| self.io("read", error))?.len();
        let mut part = Part {
            place: self,
            file,
            hasher: Sha256::new(),
            written: 0,
            head: Vec::new(),
            bytes: None,
            etag: None,
            next_look: 0,
        };
        part.take_over(length, found)?;
        Ok(Opening::Part(Box::new(part)))
    }

    /// Whether the file in the target's place is this task's, complete: a run was killed after the rename.
    fn finished_before(&self, there: &Metadata, found: Option<&Note>) -> Result<Option<Fetched>, FetchError> {
        let Some(Note::Complete { task, sha256, bytes }) = found else {
            return Ok(None);
        };
        if *task != self.task || !there.is_file() || there.len() != *bytes {
            return Ok(None);
        }
        let failed = |error| FetchError::io(&self.target, "read", error);
        let mut file = open_existing(&self.target).map_err(failed)?;
        let mut hasher = Sha256::new();
        feed(&mut file, |piece| hasher.update(piece)).map_err(failed)?;
        let is_it = <[u8; 32]>::from(hasher.finalize()) == *sha256;
        Ok(is_it.then_some(Fetched {
            bytes: *bytes,
            sha256: *sha256,
        }))
    }

    /// The part's file, made if need be, with nobody else at it.
    fn lock(&self) -> Result<File, FetchError> {
        // Another process may finish, and rename, the very file that we are opening: then there is one more turn.
        for _ in 0..3 {
            let file = match open_part(&self.part) {
                Ok(file) => file,
                Err(error) => {
                    return Err(match metadata_of(&self.part)? {
                        Some(odd) if !odd.is_file() => taken(&self.part, &odd),
                        _ => self.io("open", error),
                    });
                }
            };
            let opened = file.metadata().map_err(|error| self.io("read", error))?;
            if !opened.is_file() {
                return Err(taken(&self.part, &opened));
            }
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    let reason = format!("another process is fetching it into `{}`", self.part.display());
                    return Err(FetchError::again(&self.link, reason));
                }
                // A file system without locks is no reason to fetch nothing.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            // A second name is that of a finished video, where a rename had to be made of two steps (see `put`).
            if opened.nlink() > 1 {
                fs::remove_file(&self.part).map_err(|error| self.io("remove", error))?;
                continue;
            }
            let still_there = metadata_of(&self.part)?;
            if still_there.is_some_and(|there| (there.dev(), there.ino()) == (opened.dev(), opened.ino())) {
                return Ok(file);
            }
        }
        Err(FetchError::again(
            &self.link,
            format!("`{}` is being replaced again and again", self.part.display()),
        ))
    }

    fn io(&self, doing: &'static str, error: io::Error) -> FetchError {
        FetchError::io(&self.part, doing, error)
    }

    /// Whether `coming` more bytes leave the reserve alone. Disks that tell nothing are believed to have room.
    fn has_room_for(&self, coming: u64) -> bool {
        let Ok(disk) = statvfs(folder_of(&self.part)) else {
            return true;
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        disk.f_blocks == 0 || free >= coming.saturating_add(self.keep_free_bytes)
    }

    /// Moves the part to the target: in one step, and never over a file of somebody else's.
    fn put(&self) -> Result<(), FetchError> {
        let failed = |error| FetchError::io(&self.target, "move the finished file to", error);
        if self.replace {
            return match metadata_of(&self.target)? {
                Some(odd) if !odd.is_file() => Err(taken(&self.target, &odd)),
                _ => fs::rename(&self.part, &self.target).map_err(failed),
            };
        }
        let outcome = match renameat_with(CWD, &self.part, CWD, &self.target, RenameFlags::NOREPLACE) {
            // Not every file system can: then a link, which replaces nothing either, and the old name goes.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match fs::hard_link(&self.part, &self.target) {
                // The file is in its place: an old name that stays is cleared away by whoever opens it next (see `lock`).
                Ok(()) => {
                    drop(fs::remove_file(&self.part));
                    Ok(())
                }
                // Neither can (exFAT): between this look and the rename somebody could still put a file there.
                Err(error) if error.kind() != ErrorKind::AlreadyExists && metadata_of(&self.target)?.is_none() => {
                    fs::rename(&self.part, &self.target)
                }
                Err(error) => Err(error),
            },
            other => other.map_err(io::Error::from),
        };
        outcome.map_err(|error| match metadata_of(&self.target) {
            Ok(Some(there)) if error.kind() == ErrorKind::AlreadyExists => taken(&self.target, &there),
            _ => failed(error),
        })
    }
}

impl Part {
    /// Goes on with the `length` bytes that are in the file, if the note allows it.
    fn take_over(&mut self, length: u64, found: Option<Note>) -> Result<(), FetchError> {
        let (bytes, etag, expected) = match found {
            Some(Note::Begun {
                task,
                boot,
                etag,
                bytes,
            }) if task == self.place.task && note::boot_id().is_some_and(|this| this == boot) => {
                (bytes, Some(etag), None)
            }
            Some(Note::Complete { task, sha256, bytes }) if task == self.place.task && length == bytes => {
                (bytes, None, Some(sha256))
            }
            _ => return Ok(()),
        };
        if length == 0 || length > bytes {
            return Ok(());
        }
        let Part {
            file,
            hasher,
            head,
            place,
            ..
        } = self;
        let hashed = feed(file, |piece| {
            hasher.update(piece);
            head.extend_from_slice(&piece[..piece.len().min(page::HEAD_BYTES - head.len())]);
        });
        self.written = hashed.map_err(|error| place.io("read", error))?;
        (self.bytes, self.etag) = (Some(bytes), etag);
        let is_another = expected.is_some_and(|sha256| sha256 != <[u8; 32]>::from(self.hasher.clone().finalize()));
        if is_another || self.written != length {
            // Empty until the answer to a request for the whole file makes it so.
            self.forget();
        }
        Ok(())
    }

    /// What is still to be asked for; `None` for the whole file.
    pub(super) fn rest(&self) -> Option<Rest> {
        let (bytes, etag) = (self.bytes?, self.etag.clone()?);
        (self.written > 0 && self.written < bytes).then_some(Rest {
            from: self.written,
            bytes,
            etag,
        })
    }

    /// Whether every byte is here.
    pub(super) fn is_complete(&self) -> bool {
        self.bytes == Some(self.written) && self.written > 0
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    fn forget(&mut self) {
        self.hasher = Sha256::new();
        self.written = 0;
        self.head.clear();
        (self.bytes, self.etag) = (None, None);
    }

    /// Begins again, with a file of `bytes` that has this strong validator, as far as that is known.
    pub(super) fn restart(&mut self, bytes: Option<u64>, etag: Option<String>) -> Result<(), FetchError> {
        self.forget();
        // In this order, so that no note ever speaks of another file's bytes.
        let emptied = note::remove(&self.place.part)
            .and_then(|()| self.file.set_len(0))
            .and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|error| self.place.io("write", error))?;
        self.bytes = bytes;
        if let (Some(bytes), Some(etag), Some(boot)) = (bytes, etag, note::boot_id()) {
            let note = Note::Begun {
                task: self.place.task.clone(),
                boot,
                etag: etag.clone(),
                bytes,
            };
            note.write(&self.place.part)
                .map_err(|error| self.place.io("write the note of", error))?;
            self.etag = Some(etag);
        }
        Ok(())
    }

    /// Says no before the first byte, where what is announced is too much.
    pub(super) fn make_sure_of_room(&mut self) -> Result<(), FetchError> {
        let coming = self.bytes.map(|bytes| bytes - self.written);
        if self.bytes.is_some_and(|bytes| bytes > self.place.largest_bytes) {
            return Err(self.too_large());
        }
        if !self.place.has_room_for(coming.unwrap_or(0)) {
            return Err(self.disk_full(coming));
        }
        self.next_look = self.written + BYTES_BETWEEN_LOOKS;
        Ok(())
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), FetchError> {
        let written = self.written + chunk.len() as u64;
        if written > self.place.largest_bytes {
            return Err(self.too_large());
        }
        if self.bytes.is_some_and(|bytes| written > bytes) {
            // Whatever this is, it is not the file that the note speaks of.
            self.etag = None;
            return Err(FetchError::again(
                &self.place.link,
                "more bytes came than were announced",
            ));
        }
        if self.head.len() < page::HEAD_BYTES {
            let had_signature = self.head.len() >= SIGNATURE_BYTES;
            let room = page::HEAD_BYTES - self.head.len();
            self.head.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if !had_signature && self.head.len() >= SIGNATURE_BYTES {
                self.check_signature()?;
            }
        }
        self.hasher.update(chunk);
        let stored = self.file.write_all(chunk);
        stored.map_err(|error| self.place.io("write", error))?;
        self.written = written;
        if written >= self.next_look {
            self.next_look = written + BYTES_BETWEEN_LOOKS;
            if !self.place.has_room_for(0) {
                return Err(self.disk_full(self.bytes.map(|bytes| bytes - written)));
            }
        }
        Ok(())
    }

    /// The stream has ended: checks the file, makes it durable and puts it in its place.
    pub(super) fn finish(self) -> Result<Fetched, FetchError> {
        self.finish_with(sync_folder)
    }

    fn finish_with(mut self, sync_folder: impl FnOnce(&Path) -> io::Result<()>) -> Result<Fetched, FetchError> {
        let fetched = match self.complete() {
            Ok(fetched) => fetched,
            Err(error) => {
                self.discard();
                return Err(error);
            }
        };
        // The file is in its place: its note stays whatever happens, or the next try would not know it for its own.
        let target = &self.place.target;
        sync_folder(folder_of(target)).map_err(|error| FetchError::io(target, "sync the folder of", error))?;
        Ok(fetched)
    }

    fn complete(&mut self) -> Result<Fetched, FetchError> {
        let place = &self.place;
        let again = |reason| Err(FetchError::again(&place.link, reason));
        if let Some(bytes) = self.bytes.filter(|bytes| *bytes != self.written) {
            return again(format!("it ended after {} of {bytes} bytes", self.written));
        }
        self.check_signature()?;
        let structure = container::structure_of(&self.file, self.written);
        match structure.map_err(|error| place.io("read", error))? {
            Structure::Whole => {}
            Structure::CutOff { kind, missing } => {
                return again(format!("the video is cut off: its `{kind}` box lacks {missing} bytes"));
            }
            Structure::Lacks(kind) => return again(format!("the video is not complete: it has no `{kind}` box")),
        }
        self.file.sync_all().map_err(|error| place.io("sync", error))?;
        let fetched = Fetched {
            bytes: self.written,
            sha256: self.hasher.clone().finalize().into(),
        };
        let note = Note::Complete {
            task: place.task.clone(),
            sha256: fetched.sha256,
            bytes: fetched.bytes,
        };
        let noted = note.write(&place.part).and_then(|note| note.sync_all());
        noted.map_err(|error| place.io("write the note of", error))?;
        place.put()?;
        Ok(fetched)
    }

    /// What becomes of the file after `error`: it stays where the next try, perhaps with a fresh link, can go on from it.
    pub(super) fn give_up(self, error: &FetchError) {
        let is_passing = match error {
            FetchError::Again { .. } | FetchError::NotThere { .. } | FetchError::Refused { .. } => true,
            FetchError::NotAVideo { .. }
            | FetchError::TooLarge { .. }
            | FetchError::DiskFull { .. }
            | FetchError::Taken { .. }
            | FetchError::Io { .. } => false,
        };
        if !is_passing || self.rest().is_none() {
            self.discard();
        }
    }

    fn discard(self) {
        // What cannot be removed is begun again by the next try; the error that led here is the one to tell.
        drop(note::remove(&self.place.part));
        drop(fs::remove_file(&self.place.part));
    }

    fn check_signature(&self) -> Result<(), FetchError> {
        if container::begins_like_a_video(&self.head) {
            return Ok(());
        }
        Err(FetchError::NotAVideo {
            link: self.place.link.clone(),
            looks_like: page::looks_like(&self.head),
        })
    }

    fn too_large(&self) -> FetchError {
        FetchError::TooLarge {
            link: self.place.link.clone(),
            most: self.place.largest_bytes,
        }
    }

    fn disk_full(&self, needed: Option<u64>) -> FetchError {
        FetchError::DiskFull {
            folder: folder_of(&self.place.part).to_owned(),
            needed,
        }
    }
}

/// Opens the part for reading and writing, or makes it. Never through a symbolic link, and never waits for a pipe.
fn open_part(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

fn open_existing(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// Reads a file from where it stands to its end. Returns how many bytes that were.
fn feed(file: &mut File, mut consume: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut buffer = vec![0; READ_BYTES];
    let mut total = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(length) => {
                consume(&buffer[..length]);
                total += length as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What is at `path` itself, not behind a link there.
fn metadata_of(path: &Path) -> Result<Option<Metadata>, FetchError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FetchError::io(path, "look at", error)),
    }
}

fn taken(path: &Path, there: &Metadata) -> FetchError {
    let kind = there.file_type();
    FetchError::Taken {
        path: path.to_owned(),
        by: if kind.is_file() {
            "a file"
        } else if kind.is_dir() {
            "a folder"
        } else if kind.is_symlink() {
            "a symbolic link"
        } else {
            "something that is no file"
        },
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some network file systems cannot sync a folder; the file is complete and in place all the same.
        Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_its_place_is_known_again_though_its_folder_could_not_be_synced() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place {
            target: folder.path().join("a.mp4"),
            part: folder.path().join(".a.mp4.part"),
            task: "t1".into(),
            link: "files.example.org/a.mp4".into(),
            replace: false,
            largest_bytes: 1 << 20,
            keep_free_bytes: 0,
        };
        let Opening::Part(mut part) = place.clone().open().unwrap() else {
            panic!("nothing is there yet");
        };
        let video: Vec<u8> = [&b"ftyp"[..], b"moov", b"mdat"]
            .into_iter()
            .flat_map(|kind| [&16_u32.to_be_bytes()[..], kind, &[0; 8]].concat())
            .collect();
        part.push(&video).unwrap();
        let error = part
            .finish_with(|_| Err(io::Error::other("the disk is tired")))
            .unwrap_err();
        assert!(matches!(error, FetchError::Io { .. }), "{error}");
        match place.open().unwrap() {
            Opening::Finished(fetched) => assert_eq!(fetched.bytes, video.len() as u64),
            Opening::Part(_) => panic!("fetched a second time"),
        }
    }
}
