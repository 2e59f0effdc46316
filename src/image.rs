//! What can be said of an image file from its first bytes and its size: whether the API takes it, and why not.
//!
//! Values only: whoever reads the file hands its first bytes in. What counts is the content; a JPEG that is named `.png`
//! is a JPEG.

use std::fmt;
use std::io::Cursor;
use std::path::PathBuf;
use std::str::FromStr;

use infer::MatcherType;
use url::Url;

use crate::row::{ImageHash, UnknownWord};

/// Largest image, in bytes. The API's page says 10.0 MB (`kie-api` reference §1.2) and not which megabyte: this is the
/// smaller one.
pub const MOST_BYTES: u64 = 10_000_000;

/// The short side must be longer than this, in pixels (the model's maker, `kie-api` reference §1.2).
pub const TOO_SHORT: u32 = 300;

/// How many of a file's first bytes to hand in. The size of a JPEG stands behind its metadata, in segments of 64 KB;
/// the colour profile alone may have half a megabyte.
pub const HEAD_BYTES: usize = 1 << 20;

/// More pixels than this are no picture of [`MOST_BYTES`] but a broken or malicious header.
const MOST_PIXELS: u64 = 1 << 28;

/// A kind of image that the API takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageKind {
    /// Joint Photographic Experts Group.
    Jpeg,
    /// Portable Network Graphics.
    Png,
    /// Google's successor of both.
    Webp,
}

impl ImageKind {
    /// Every kind.
    pub const ALL: [ImageKind; 3] = [ImageKind::Jpeg, ImageKind::Png, ImageKind::Webp];

    /// The word for it in records.
    pub fn as_str(self) -> &'static str {
        match self {
            ImageKind::Jpeg => "jpeg",
            ImageKind::Png => "png",
            ImageKind::Webp => "webp",
        }
    }

    /// What an HTTP request calls it.
    pub fn media_type(self) -> &'static str {
        match self {
            ImageKind::Jpeg => "image/jpeg",
            ImageKind::Png => "image/png",
            ImageKind::Webp => "image/webp",
        }
    }

    /// How a file's name ends, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            ImageKind::Jpeg => "jpg",
            ImageKind::Png => "png",
            ImageKind::Webp => "webp",
        }
    }

    /// The kind that a file with these first bytes is, whatever its name.
    pub fn of(head: &[u8]) -> Option<ImageKind> {
        if head.starts_with(b"\xff\xd8\xff") {
            Some(ImageKind::Jpeg)
        } else if head.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(ImageKind::Png)
        } else if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
            Some(ImageKind::Webp)
        } else {
            None
        }
    }
}

impl FromStr for ImageKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ImageKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// Width and height in pixels, as the file stores them: a camera's note to turn the picture is not followed. None of the
/// limits below changes when the two are swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dimensions {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

impl Dimensions {
    /// The dimensions in the header of an image, if they are there and can be those of a picture.
    fn of(head: &[u8]) -> Option<Dimensions> {
        let size = imagesize::reader_size(Cursor::new(head)).ok()?;
        let (width, height) = (u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?);
        let pixels = u64::from(width) * u64::from(height);
        (1..=MOST_PIXELS)
            .contains(&pixels)
            .then_some(Dimensions { width, height })
    }

    /// Whether the short side is too short for the model.
    fn is_too_small(self) -> bool {
        self.width.min(self.height) <= TOO_SHORT
    }

    /// Whether the shape is outside of what the model takes, 2:5 to 5:2 (the model's maker, `kie-api` reference §1.2).
    fn is_too_narrow(self) -> bool {
        let (short, long) = (self.width.min(self.height), self.width.max(self.height));
        2 * u64::from(long) > 5 * u64::from(short)
    }
}

impl fmt::Display for Dimensions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} × {}", self.width, self.height)
    }
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// An image the API takes.
    Image(ImageKind),
    /// Something else, in words that fit behind "is": `a GIF image`.
    Other(&'static str),
}

/// What a file is, as far as its first bytes and its size tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Size of the file.
    pub bytes: u64,
    /// What it holds.
    pub content: Content,
    /// `None` if they cannot be made out.
    pub dimensions: Option<Dimensions>,
}

/// What keeps an image from becoming a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The file has no bytes.
    Empty,
    /// It is no image the API takes, but what the text says.
    NotAnImage(&'static str),
    /// It has more than [`MOST_BYTES`].
    TooLarge {
        /// Size of the file.
        bytes: u64,
    },
    /// The short side is not longer than [`TOO_SHORT`].
    TooSmall(Dimensions),
    /// It is narrower than 2:5 or wider than 5:2.
    TooNarrow(Dimensions),
    /// The dimensions cannot be made out: the only fault with which it may become one all the same.
    Unmeasured,
}

impl Look {
    /// A look at a file of so many `bytes` that begins with `head`: [`HEAD_BYTES`], or all if there are fewer.
    pub fn of(head: &[u8], bytes: u64) -> Look {
        match ImageKind::of(head) {
            Some(kind) => Look {
                bytes,
                content: Content::Image(kind),
                dimensions: Dimensions::of(head),
            },
            None => Look {
                bytes,
                content: Content::Other(name_of(head)),
                dimensions: None,
            },
        }
    }

    /// Whether the API should take the file.
    pub fn is_sendable(&self) -> bool {
        self.faults().iter().all(|fault| *fault == Fault::Unmeasured)
    }

    /// What is wrong with the file; of what is no image, nothing but that.
    pub fn faults(&self) -> Vec<Fault> {
        if self.bytes == 0 {
            return vec![Fault::Empty];
        }
        if let Content::Other(what) = self.content {
            return vec![Fault::NotAnImage(what)];
        }
        let mut faults = Vec::new();
        if self.bytes > MOST_BYTES {
            faults.push(Fault::TooLarge { bytes: self.bytes });
        }
        match self.dimensions {
            None => faults.push(Fault::Unmeasured),
            Some(dimensions) => {
                if dimensions.is_too_small() {
                    faults.push(Fault::TooSmall(dimensions));
                }
                if dimensions.is_too_narrow() {
                    faults.push(Fault::TooNarrow(dimensions));
                }
            }
        }
        faults
    }
}

/// What tells one state of a file from another without reading it. Times are nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    /// Its size.
    pub bytes: u64,
    /// When its content was last written, as programs may say (`mtime`).
    pub modified_ns: i64,
    /// When the system last saw it change, which no program can set (`ctime`).
    pub changed_ns: i64,
    /// Its number in the file system: a file moved over another brings its own.
    pub inode: u64,
}

/// The whole of an image that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Its content, at most [`MOST_BYTES`].
    pub bytes: Vec<u8>,
    /// What kind of image it is.
    pub kind: ImageKind,
}

/// What is known of a local image that can be sent: enough to leave the file unread while its stamp stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageFacts {
    /// The state of the file that the others belong to.
    pub stamp: FileStamp,
    /// Hash of its content.
    pub sha256: ImageHash,
    /// What kind of image it is.
    pub kind: ImageKind,
    /// `None` if they could not be made out.
    pub dimensions: Option<Dimensions>,
}

impl ImageFacts {
    /// The look that led to these facts.
    pub fn look(&self) -> Look {
        Look {
            bytes: self.stamp.bytes,
            content: Content::Image(self.kind),
            dimensions: self.dimensions,
        }
    }
}

/// The path that an `image_url` without a web scheme means, to be joined to the manifest's folder: the text itself, or
/// what a `file://` URL of this computer names. `None` for the `file://` URL of another computer.
pub fn path_of(image_url: &str) -> Option<PathBuf> {
    let scheme = image_url.get(..5);
    if !scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:")) {
        return Some(PathBuf::from(image_url));
    }
    Url::parse(image_url).ok()?.to_file_path().ok()
}

/// What a file is that is no image the API takes.
fn name_of(head: &[u8]) -> &'static str {
    let Some(found) = infer::get(head) else {
        return name_of_text(head);
    };
    match found.mime_type() {
        // Not with the whole signature, which is made to show what a transfer as text breaks.
        "image/jpeg" | "image/png" | "image/webp" => "a damaged image",
        "image/gif" => "a GIF image",
        "image/bmp" => "a BMP image",
        "image/tiff" => "a TIFF image",
        "image/heif" => "a HEIC image",
        "image/avif" => "an AVIF image",
        "image/jxl" => "a JPEG XL image",
        "image/jp2" => "a JPEG 2000 image",
        "image/vnd.adobe.photoshop" => "a Photoshop file",
        "image/vnd.microsoft.icon" => "an icon",
        "application/pdf" => "a PDF document",
        "text/html" => "an HTML page",
        "text/xml" => name_of_text(head),
        _ => match found.matcher_type() {
            MatcherType::Image => "an image of another kind",
            MatcherType::Video => "a video",
            MatcherType::Audio => "a sound recording",
            MatcherType::Archive => "an archive",
            MatcherType::Book | MatcherType::Doc => "a document",
            MatcherType::App => "a program",
            MatcherType::Font => "a font",
            MatcherType::Text => "text",
            MatcherType::Custom => "something else",
        },
    }
}

/// The same for files without a signature.
fn name_of_text(head: &[u8]) -> &'static str {
    // A character may be cut in two at the end of the head.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return "something else",
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.contains('\0') {
        return "something else";
    }
    let is_markup = text.starts_with('<');
    if is_markup && text.contains("<svg") {
        "an SVG drawing"
    } else if text.starts_with("version https://git-lfs.") {
        "a Git LFS pointer, not the image"
    } else {
        "text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend(b"\x08\x02\0\0\0");
        bytes
    }

    /// A JPEG whose metadata has so many segments of 64 KB before the size.
    fn jpeg(width: u16, height: u16, segments: usize) -> Vec<u8> {
        let mut bytes = b"\xff\xd8".to_vec();
        for _ in 0..segments {
            bytes.extend(b"\xff\xe1\xff\xff");
            bytes.extend([0; 0xfffd]);
        }
        bytes.extend(b"\xff\xc0\0\x11\x08");
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.extend(b"\x03\x01\x22\0\x02\x11\x01\x03\x11\x01");
        bytes
    }

    fn webp(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
        bytes.extend(&(width - 1).to_le_bytes()[..3]);
        bytes.extend(&(height - 1).to_le_bytes()[..3]);
        bytes
    }

    fn look(bytes: &[u8]) -> Look {
        Look::of(&bytes[..bytes.len().min(HEAD_BYTES)], bytes.len() as u64)
    }

    #[test]
    fn the_three_kinds_are_told_by_their_bytes_and_measured() {
        let dimensions = Some(Dimensions {
            width: 1280,
            height: 720,
        });
        for (kind, bytes) in [
            (ImageKind::Png, png(1280, 720)),
            (ImageKind::Jpeg, jpeg(1280, 720, 0)),
            // As phones and image programs write it: preview, place, colour profile.
            (ImageKind::Jpeg, jpeg(1280, 720, 12)),
            (ImageKind::Webp, webp(1280, 720)),
        ] {
            let look = look(&bytes);
            assert_eq!((look.content, look.dimensions), (Content::Image(kind), dimensions));
            assert_eq!(look.faults(), []);
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }

    #[test]
    fn what_is_no_image_is_called_by_its_name() {
        for (head, what) in [
            (&b"GIF89a\x01\0\x01\0"[..], "a GIF image"),
            (b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0", "a BMP image"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC image"),
            (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "an AVIF image"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "a video"),
            (b"%PDF-1.7\n", "a PDF document"),
            (b"PK\x03\x04\x14\0\0\0", "an archive"),
            (b"<!DOCTYPE html><html>", "an HTML page"),
            (b"\n<svg xmlns=\"http://www.w3.org/2000/svg\">", "an SVG drawing"),
            (b"<?xml version=\"1.0\"?>\n<!-- x --><svg/>", "an SVG drawing"),
            (b"<?xml version=\"1.0\"?><feed/>", "text"),
            (b"{\"error\":\"not found\"}", "text"),
            ("caf\u{e9}".as_bytes().split_last().unwrap().1, "text"),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                "a Git LFS pointer, not the image",
            ),
            (b"\x89PNG\n\x1a\n", "a damaged image"),
            (b"RIFF\0\0\0\0WAVEfmt ", "a sound recording"),
            (b"\0\0\0\0", "something else"),
        ] {
            let look = look(head);
            assert_eq!(look.faults(), [Fault::NotAnImage(what)], "{head:?}");
            assert!(!look.is_sendable());
        }
        assert_eq!(look(b"").faults(), [Fault::Empty]);
    }

    #[test]
    fn the_limits_are_where_they_are_said_to_be() {
        let faults = |width, height| look(&png(width, height)).faults();
        let both = |width, height| Dimensions { width, height };
        assert_eq!(faults(301, 301), []);
        assert_eq!(faults(300, 301), [Fault::TooSmall(both(300, 301))]);
        assert_eq!(faults(301, 300), [Fault::TooSmall(both(301, 300))]);
        assert_eq!(faults(1000, 400), []);
        assert_eq!(faults(400, 1000), []);
        assert_eq!(faults(1001, 400), [Fault::TooNarrow(both(1001, 400))]);
        assert_eq!(faults(400, 1001), [Fault::TooNarrow(both(400, 1001))]);
        let tiny = both(16, 900);
        assert_eq!(faults(16, 900), [Fault::TooSmall(tiny), Fault::TooNarrow(tiny)]);
        let heavy = |bytes| Look::of(&png(400, 400), bytes).faults();
        assert_eq!(heavy(10_000_000), []);
        assert_eq!(heavy(10_000_001), [Fault::TooLarge { bytes: 10_000_001 }]);
    }

    #[test]
    fn dimensions_that_are_missing_or_absurd_are_none() {
        let odd = [
            png(0, 400),
            png(u32::MAX, u32::MAX),
            png(1 << 14, (1 << 14) + 1),
            png(400, 400)[..18].to_vec(),
            jpeg(400, 400, 2)[..70_000].to_vec(),
            b"\xff\xd8\xff\xe1\0\0\0\0".to_vec(),
            b"RIFF\0\0\0\0WEBP".to_vec(),
            b"RIFF\0\0\0\0WEBPnone\0\0".to_vec(),
            // The size comes later than anybody looks.
            jpeg(400, 400, HEAD_BYTES / 0xffff + 1),
        ];
        for bytes in odd {
            let look = look(&bytes);
            assert_eq!((look.faults(), look.is_sendable()), (vec![Fault::Unmeasured], true));
        }
    }

    #[test]
    fn a_path_is_the_text_or_what_a_file_url_names() {
        for (text, path) in [
            ("images/a b.png", Some("images/a b.png")),
            ("/srv/1.png", Some("/srv/1.png")),
            ("file:///srv/a%20b.png", Some("/srv/a b.png")),
            ("FILE://localhost/srv/%E8%88%B9.png", Some("/srv/船.png")),
            ("file.png", Some("file.png")),
            ("file://nas/1.png", None),
        ] {
            assert_eq!(path_of(text), path.map(PathBuf::from), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd_to_look_at(
            kind in 0_usize..4,
            cut in 0_usize..40,
            rest in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let heads = [png(400, 400), jpeg(400, 400, 0), webp(400, 400), Vec::new()];
            let mut bytes = heads[kind].clone();
            bytes.truncate(cut);
            bytes.extend(rest);
            let look = look(&bytes);
            if let Some(Dimensions { width, height }) = look.dimensions {
                prop_assert!(matches!(look.content, Content::Image(_)));
                prop_assert!((1..=MOST_PIXELS).contains(&(u64::from(width) * u64::from(height))));
            }
        }
    }
}
