//! The content of a local image, read whole when it is about to be uploaded.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::image::{self, ImageFile, ImageKind, MOST_BYTES};
use crate::manifest::images::file::{self, Trouble};
use crate::row::ImageHash;

/// The local images of a manifest that has been read, for whoever sends its rows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ImageFiles {
    /// Absolute, without links.
    pub(super) folder: PathBuf,
}

/// Why the image of a row is not what it was when the manifest was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StaleImage {
    /// Nothing is there.
    #[error("the image is no longer there")]
    Missing,
    /// It holds something else now.
    #[error("the image was changed after the manifest was read")]
    Changed,
    /// It became what the text says: a folder, a pipe.
    #[error("the image is {0} now")]
    NotAFile(&'static str),
    /// It cannot be read, for this reason.
    #[error("the image cannot be read: {0}")]
    Unreadable(String),
}

impl StaleImage {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            StaleImage::Changed => "run again, which sends the row with the new image",
            StaleImage::Missing | StaleImage::NotAFile(_) | StaleImage::Unreadable(_) => {
                "put it right, and run again with `--retry-rejected=image`"
            }
        }
    }
}

impl From<Trouble> for StaleImage {
    fn from(trouble: Trouble) -> StaleImage {
        match trouble {
            Trouble::Missing => StaleImage::Missing,
            Trouble::Outside | Trouble::Faulty(_) => StaleImage::Changed,
            Trouble::NotAFile(what) => StaleImage::NotAFile(what),
            Trouble::Unreadable(why) => StaleImage::Unreadable(why),
        }
    }
}

impl ImageFiles {
    /// The image of a row with these two in its submission. Waits for the disk; takes as much memory as the image, at
    /// most [`MOST_BYTES`].
    ///
    /// Only the content that was seen when the manifest was read is given out. So it does not matter where a link leads
    /// by now: a file outside of the manifest's folder that was not allowed then cannot get in.
    pub fn read(&self, image_url: &str, sha256: ImageHash) -> Result<ImageFile, StaleImage> {
        let path = image::path_of(image_url).ok_or(StaleImage::Missing)?;
        let (file, _) = file::open(&self.folder.join(path))?;
        let bytes = whole(&file).map_err(|error| file::unreadable(&error))?;
        let is_same = bytes.len() as u64 <= MOST_BYTES && <[u8; 32]>::from(Sha256::digest(&bytes)) == sha256.0;
        match ImageKind::of(&bytes) {
            Some(kind) if is_same => Ok(ImageFile { bytes, kind }),
            _ => Err(StaleImage::Changed),
        }
    }
}

impl ImageFiles {
    /// Opens the image that a cell names, to be looked at; with `allow_outside` also outside of the manifest's folder.
    pub fn open(&self, image_url: &str, allow_outside: bool) -> Result<File, StaleImage> {
        let path = image::path_of(image_url).ok_or(StaleImage::Missing)?;
        let real = file::locate(&self.folder.join(path), (!allow_outside).then_some(&self.folder))?;
        Ok(file::open(&real)?.0)
    }
}

/// The whole file, or a byte more than any image may have.
fn whole(file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
