//! Uploads: `POST /api/file-stream-upload` and the URLs it gives.
//!
//! Nothing is kept of an upload: its URL says how large the file was and what its hash is, so that any sandbox can tell
//! whether it gave the URL, and the same file under the same name gets the same URL.

mod multipart;
mod serve;
mod stored;

pub use serve::UploadBooks;
pub(super) use serve::{file_stream_upload, show};
pub(super) use stored::{PATH, StoredFile};
