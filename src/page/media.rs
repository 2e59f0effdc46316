//! The pictures and videos of the rows: files of this machine, and pictures on the web that are fetched here, so that a
//! browser asks nobody but us.
//!
//! A viewer chooses a row, never a place: what is read is what the ledger has for that row, and it is only shown if its
//! bytes are a picture or a video.

pub(super) mod file;
mod remote;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, ETAG};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::answer::{sentence, with_type};
use super::board::blocking;
use super::routes::has_version;
use crate::image::ImageKind;
use crate::view;
use remote::{Picture, Remote};

pub use remote::{Reach, RemoteConfig};

/// Where pictures and videos are.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// What relative paths of videos start at.
    pub folder: PathBuf,
    /// How pictures on the web are fetched.
    pub remote: RemoteConfig,
}

/// Opens the picture that a cell of the manifest names, if it may be shown. Called where blocking is allowed.
pub type OpenImage = Arc<dyn Fn(&str) -> io::Result<File> + Send + Sync>;

/// Finds pictures and videos.
pub(super) struct Media {
    folder: PathBuf,
    open_image: OpenImage,
    remote: Remote,
}

impl Media {
    pub(super) fn new(config: MediaConfig, open_image: OpenImage) -> Media {
        Media {
            folder: config.folder,
            open_image,
            remote: Remote::new(config.remote),
        }
    }

    /// The picture that a row was made from.
    pub(super) async fn image(&self, image: Option<view::Media>, head: &Parts) -> Response {
        match image {
            Some(view::Media { file: Some(name), .. }) => {
                let open = Arc::clone(&self.open_image);
                let is_image = |head: &[u8]| ImageKind::of(head).map(ImageKind::media_type);
                let found = blocking(move || file::examine(open(&name)?, is_image)).await;
                file::answer(found, head)
            }
            Some(view::Media { url: Some(url), .. }) => match self.remote.picture(&url).await {
                Ok(Picture { bytes, kind, etag }) => {
                    // The address has the row's number and no more: what is there may be another picture by now.
                    let caching = [(CACHE_CONTROL, "private, no-cache"), (ETAG, etag.as_str())];
                    match has_version(&head.headers, &etag) {
                        true => (StatusCode::NOT_MODIFIED, caching).into_response(),
                        false => (caching, with_type(kind.media_type(), bytes)).into_response(),
                    }
                }
                Err(why) => sentence(why.status(), &why.to_string(), false),
            },
            _ => sentence(StatusCode::NOT_FOUND, "the row has no picture", false),
        }
    }

    /// The video that was saved for a row.
    pub(super) async fn video(&self, video: Option<view::Media>, head: &Parts) -> Response {
        let Some(name) = video.and_then(|video| video.file) else {
            return sentence(StatusCode::NOT_FOUND, "no video of this row is saved", false);
        };
        let path = self.folder.join(name);
        let found = blocking(move || file::examine(file::open(&path)?, file::video_type)).await;
        file::answer(found, head)
    }
}
