//! A file that is shown, whole or in part, read as it is sent.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, IF_RANGE, RANGE,
};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use rustix::fs::OFlags;

use crate::byte_range::{Part, part_of};
use crate::page::answer::sentence;
use crate::page::board::blocking;
use crate::page::routes::has_version;
use crate::server::{Feed, streamed};

/// Bytes that are read at a time; two pieces of it are in memory for each viewer.
const PIECE: u64 = 128 * 1024;

/// First bytes by which a file is known.
const HEAD: u64 = 64;

/// A file that may be shown.
#[derive(Debug)]
pub(super) struct Shown {
    file: File,
    length: u64,
    content_type: &'static str,
    /// Another one for every state of the file.
    etag: String,
}

/// Opens a regular file, links followed, and nothing else.
pub(super) fn open(path: &Path) -> io::Result<File> {
    // Asked before opening: to open a device is to do something with it.
    if !fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new()
        .read(true)
        // And what took its place since then must not make us wait for a writer.
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// The file, if `type_of` knows what it is by its first bytes.
pub(super) fn examine(file: File, type_of: impl Fn(&[u8]) -> Option<&'static str>) -> io::Result<Shown> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let head = read(&file, 0..metadata.len().min(HEAD))?;
    let content_type = type_of(&head).ok_or(io::ErrorKind::InvalidData)?;
    let etag = format!(
        "\"{:x}-{:x}-{:x}-{:x}\"",
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec()
    );
    Ok(Shown {
        file,
        length: metadata.len(),
        content_type,
        etag,
    })
}

/// What a browser is to take a video for: whatever was saved is made of boxes as MP4 is (QuickTime, too), and a browser
/// that is told so looks for itself.
pub(super) fn video_type(head: &[u8]) -> Option<&'static str> {
    (head.get(4..8) == Some(b"ftyp")).then_some("video/mp4")
}

/// The file, or the part of it that is asked for.
pub(super) fn answer(found: io::Result<Shown>, head: &Parts) -> Response {
    let shown = match found {
        Ok(shown) => shown,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return sentence(StatusCode::NOT_FOUND, "the file is none that can be shown", false);
        }
        Err(error) => {
            tracing::debug!(%error, "a file cannot be shown");
            return sentence(StatusCode::NOT_FOUND, "the file is not there, or cannot be read", false);
        }
    };
    let text_of = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let Shown {
        file,
        length,
        content_type,
        etag,
    } = shown;
    let (status, part) = match part_of(text_of(RANGE), text_of(IF_RANGE), &etag, length) {
        _ if has_version(&head.headers, &etag) => (StatusCode::NOT_MODIFIED, None),
        Part::Whole => (StatusCode::OK, Some(0..length)),
        Part::Some(part) => (StatusCode::PARTIAL_CONTENT, Some(part)),
        Part::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, None),
    };
    let bytes = part.clone().map_or(0, |part| part.end - part.start);
    let body = match part.clone() {
        Some(part) if head.method == Method::GET && !part.is_empty() => send(file, part),
        _ => Body::empty(),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // It is asked for again each time, and sent again only if it has changed.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.extend(HeaderValue::from_str(&etag).ok().map(|etag| (ETAG, etag)));
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(CONTENT_LENGTH, bytes.into());
    }
    let range = match (status, part) {
        (StatusCode::PARTIAL_CONTENT, Some(part)) => Some(format!("bytes {}-{}/{length}", part.start, part.end - 1)),
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => Some(format!("bytes */{length}")),
        _ => None,
    };
    let range = range.and_then(|range| HeaderValue::from_str(&range).ok());
    headers.extend(range.map(|range| (CONTENT_RANGE, range)));
    response
}

/// A part of a file, read as it is sent.
pub(in crate::page) fn send(file: File, part: Range<u64>) -> Body {
    let (feed, body) = streamed();
    // It ends with the part, and when its viewer has left.
    tokio::spawn(async move {
        if let Err(error) = feed_with(&feed, Arc::new(file), part).await {
            // The answer ends early, which its viewer sees.
            tracing::debug!(%error, "a file was not sent to its end");
        }
    });
    body
}

async fn feed_with(feed: &Feed, file: Arc<File>, mut part: Range<u64>) -> io::Result<()> {
    while !part.is_empty() {
        let next = part.start..part.end.min(part.start + PIECE);
        part.start = next.end;
        let of_task = Arc::clone(&file);
        let piece = blocking(move || read(&of_task, next)).await?;
        if feed.send(piece).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Exactly these bytes.
fn read(file: &File, part: Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(part.end - part.start).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, part.start)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn videos_are_known_by_their_bytes() {
        for (head, expected) in [
            (&b"\0\0\0\x18ftypmp42\0\0\0\0isommp42"[..], Some("video/mp4")),
            (b"\0\0\0\x18ftypnone\0\0\0\0none", Some("video/mp4")),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", Some("video/mp4")),
            (b"\x1a\x45\xdf\xa3\x93\x42\x82\x88webm", None),
            (b"<!DOCTYPE html><script>", None),
            (b"\x89PNG\r\n\x1a\n\0\0\0\x0d", None),
            (b"", None),
        ] {
            assert_eq!(video_type(head), expected, "{head:?}");
        }
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open(folder.path()).is_err());
        assert!(open(Path::new("/dev/zero")).is_err());
        assert!(open(&folder.path().join("none")).is_err());
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(open(&pipe).is_err());
    }
}
