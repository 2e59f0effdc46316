//! One image file: found without leaving the manifest's folder, opened without waiting, and read once.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use crate::clock::Wall;
use crate::image::{Content, FileStamp, HEAD_BYTES, ImageFacts, Look};
use crate::row::ImageHash;

/// A file that was written this shortly before it was read may be written again without its stamp showing it: file
/// systems tell time in steps of up to two seconds (FAT).
const SETTLED_NS: i64 = 2_000_000_000;

/// Why there is no image to send.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing is there.
    Missing,
    /// It is outside of the manifest's folder.
    Outside,
    /// It is what the text says: a folder, a pipe.
    NotAFile(&'static str),
    /// It cannot be read, for this reason.
    Unreadable(String),
    /// It was read, and it will not do.
    Faulty(Look),
}

/// A file that can be sent.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) facts: ImageFacts,
    /// The facts come from reading the file, and will hold as long as its stamp.
    pub(super) is_lasting: bool,
}

/// The stamp of the regular file at `path`, links followed; `None` if there is none.
pub(super) fn stamp_of(path: &Path) -> Option<FileStamp> {
    let metadata = fs::metadata(path).ok()?;
    metadata.is_file().then(|| stamp(&metadata))
}

/// Where `path` really is. With a `folder`, which has no links in it, it must not be elsewhere.
pub(super) fn locate(path: &Path, folder: Option<&PathBuf>) -> Result<PathBuf, Trouble> {
    let real = fs::canonicalize(path).map_err(|error| not_found(&error))?;
    match folder {
        Some(folder) if !real.starts_with(folder) => Err(Trouble::Outside),
        _ => Ok(real),
    }
}

/// Whether `path` stays in `folder` as it is written, which says nothing about links.
pub(super) fn stays_inside(folder: &Path, path: &Path) -> bool {
    path.strip_prefix(folder)
        .is_ok_and(|rest| rest.components().all(|part| part != Component::ParentDir))
}

/// Looks at the file, and hashes it if it can be sent. `known` is taken instead if it is of the same file in the same
/// state. `buffer` is there to be used again.
pub(super) fn read(path: &Path, known: Option<ImageFacts>, buffer: &mut Vec<u8>) -> Result<Found, Trouble> {
    let (mut file, stamp) = open(path)?;
    if let Some(facts) = known.filter(|known| known.stamp == stamp)
        && facts.look().is_sendable()
    {
        return Ok(Found {
            facts,
            is_lasting: false,
        });
    }
    let began_ns = Wall::System.now().0.saturating_mul(1_000_000);
    read_piece(&mut file, buffer).map_err(|error| unreadable(&error))?;
    let look = Look::of(buffer, stamp.bytes);
    let kind = match look.content {
        Content::Image(kind) if look.is_sendable() => kind,
        _ => return Err(Trouble::Faulty(look)),
    };
    let sha256 = hash(&mut file, buffer, stamp)?;
    Ok(Found {
        facts: ImageFacts {
            stamp,
            sha256,
            kind,
            dimensions: look.dimensions,
        },
        is_lasting: began_ns.saturating_sub(stamp.modified_ns.max(stamp.changed_ns)) >= SETTLED_NS,
    })
}

/// Opens a regular file, links followed, and nothing else.
pub(super) fn open(path: &Path) -> Result<(File, FileStamp), Trouble> {
    // Asked before opening: to open a device is to do something with it.
    refuse_special(fs::metadata(path).map_err(|error| not_found(&error))?.file_type())?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        // And what took its place since then must not make us wait for a writer.
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| not_found(&error))?;
    let metadata = file.metadata().map_err(|error| unreadable(&error))?;
    refuse_special(metadata.file_type())?;
    Ok((file, stamp(&metadata)))
}

/// The hash of a file whose first piece is in `buffer`. A file that is not in the same state all the time is refused.
fn hash(file: &mut File, buffer: &mut Vec<u8>, stamp_before: FileStamp) -> Result<ImageHash, Trouble> {
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    while !buffer.is_empty() && bytes <= stamp_before.bytes {
        hasher.update(&buffer);
        bytes += buffer.len() as u64;
        read_piece(file, buffer).map_err(|error| unreadable(&error))?;
    }
    let stamp_after = stamp(&file.metadata().map_err(|error| unreadable(&error))?);
    if bytes != stamp_before.bytes || stamp_after != stamp_before {
        return Err(Trouble::Unreadable("it changed while it was being read".to_owned()));
    }
    Ok(ImageHash(hasher.finalize().into()))
}

/// Fills `buffer` with the file's next bytes; it is empty at the end.
fn read_piece(file: &mut File, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    file.take(HEAD_BYTES as u64).read_to_end(buffer).map(drop)
}

fn stamp(metadata: &Metadata) -> FileStamp {
    let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    FileStamp {
        bytes: metadata.len(),
        modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
    }
}

fn refuse_special(kind: FileType) -> Result<(), Trouble> {
    if kind.is_file() {
        return Ok(());
    }
    Err(Trouble::NotAFile(if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else {
        "a device or socket"
    }))
}

fn not_found(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => Trouble::Missing,
        _ => unreadable(error),
    }
}

pub(super) fn unreadable(error: &io::Error) -> Trouble {
    let text = error.to_string();
    // The number says nothing that the words do not.
    let words = text.split(" (os error").next().unwrap_or_default();
    Trouble::Unreadable(words.to_lowercase())
}
