//! `POST /api/file-stream-upload` and `GET /uploads/…`.

use std::fmt::Write;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::Wall;
use crate::sandbox::body::ReplyBody;
use crate::sandbox::faults::{FaultKind, NO_ACCESS, NOT_FOUND, Refusal};
use crate::sandbox::reply::{Hangup, Reply, add_retry_after, broken, whole};
use crate::sandbox::request::key_fits;
use crate::sandbox::routes::UPLOAD;
use crate::sandbox::server::Server;

use super::multipart::{Event, Multipart, Part};
use super::stored::StoredFile;

/// Largest file the API advises for uploads by URL; for streams it states no limit.
const LARGEST_FILE_BYTES: u64 = 100 << 20;

/// What boundaries, heads and the other fields may take beside the file.
const LARGEST_REST_BYTES: u64 = 64 << 10;

/// Longest path or name.
const LONGEST_TEXT_BYTES: usize = 512;

const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");

/// What the upload host saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadBooks {
    /// Files that were taken, also where a fault hid that from the client.
    pub stored: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests for uploaded files with an `Authorization` header.
    pub fetched_with_key: u64,
}

/// What is wrong with an upload.
#[derive(Debug)]
enum Failure {
    Refused(u16, String),
    /// The client left in mid-body.
    Gone,
}

fn bad_request(text: impl Into<String>) -> Failure {
    Failure::Refused(400, text.into())
}

/// Answers an upload.
pub(in crate::sandbox) async fn file_stream_upload(server: &Server, request: Request<Incoming>) -> Reply {
    let taken = if request.method() != Method::POST {
        Err(Failure::Refused(405, "Method Not Allowed".to_owned()))
    } else if !key_fits(server, &request) {
        Err(Failure::Refused(NO_ACCESS.code, NO_ACCESS.text.to_owned()))
    } else {
        receive(request).await.and_then(Received::check)
    };
    let (fault, proper, in_status) = {
        let mut account = server.account();
        let (fault, in_status) = account.strike_upload();
        let proper = match taken {
            Ok(upload) if fault.as_ref().is_none_or(|fault| fault.lets_through()) => {
                account.uploads.stored += 1;
                account.uploads.bytes += upload.stored.size_bytes;
                Ok(upload.success(&server.url))
            }
            // Struck before anything is stored.
            Ok(upload) => Ok(upload.success(&server.url)),
            Err(Failure::Gone) => return Err(Hangup::Close),
            Err(Failure::Refused(code, text)) => {
                account.uploads.refused += 1;
                Err((code, text))
            }
        };
        (fault, proper, in_status)
    };
    match (proper, fault) {
        (Err((code, text)), _) => Ok(refusal(code, &text, in_status)),
        (Ok(proper), None) => Ok(whole(StatusCode::OK, JSON, proper.into())),
        (Ok(proper), Some(fault)) => {
            if !fault.lets_through() {
                server.account().uploads.refused += 1;
            }
            if let FaultKind::Refuse(Refusal { code, text }) = fault.kind {
                let mut response = refusal(code, text, in_status);
                add_retry_after(&mut response, &fault);
                return Ok(response);
            }
            broken(&fault, proper, in_status, UPLOAD).await
        }
    }
}

/// The fields of an upload as they came.
#[derive(Debug, Default)]
struct Received {
    path: Vec<u8>,
    name: Vec<u8>,
    file: Option<ReceivedFile>,
}

#[derive(Debug)]
struct ReceivedFile {
    part: Part,
    size_bytes: u64,
    hasher: Sha256,
}

async fn receive(request: Request<Incoming>) -> Result<Received, Failure> {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let mut multipart = Multipart::new(content_type).map_err(|error| bad_request(error.to_string()))?;
    let too_large = || Failure::Refused(413, format!("the file has more than {LARGEST_FILE_BYTES} bytes"));
    let mut body = request.into_body();
    let mut left = LARGEST_FILE_BYTES + LARGEST_REST_BYTES;
    // Told at once: a client that announces too much may wait for leave to send it.
    if body.size_hint().lower() > left {
        return Err(too_large());
    }
    let mut received = Received::default();
    let mut field = Field::Other;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Failure::Gone)?.into_data() else {
            continue;
        };
        left = left.checked_sub(data.len() as u64).ok_or_else(too_large)?;
        multipart
            .feed(&data, |event| received.take(&mut field, event))
            .map_err(|error| bad_request(error.to_string()))?;
    }
    multipart.finish().map_err(|error| bad_request(error.to_string()))?;
    Ok(received)
}

/// The field that a part fills.
#[derive(Debug, Clone, Copy)]
enum Field {
    File,
    Path,
    Name,
    Other,
}

impl Received {
    fn take(&mut self, field: &mut Field, event: Event<'_>) {
        match event {
            Event::Begin(part) => {
                *field = match part.name.as_str() {
                    "file" => Field::File,
                    "uploadPath" => Field::Path,
                    "fileName" => Field::Name,
                    _ => Field::Other,
                };
                if let Field::File = field {
                    self.file = Some(ReceivedFile {
                        part,
                        size_bytes: 0,
                        hasher: Sha256::new(),
                    });
                }
            }
            Event::Data(data) => match (field, &mut self.file) {
                (Field::File, Some(file)) => {
                    file.size_bytes += data.len() as u64;
                    file.hasher.update(data);
                }
                (Field::Path, _) => add_text(&mut self.path, data),
                (Field::Name, _) => add_text(&mut self.name, data),
                (Field::File | Field::Other, _) => {}
            },
            Event::End => *field = Field::Other,
        }
    }

    fn check(self) -> Result<Upload, Failure> {
        let file = self.file.ok_or_else(|| bad_request("file is required"))?;
        let path = text_of(self.path, "uploadPath")?;
        if path.is_empty() {
            return Err(bad_request("uploadPath is required"));
        }
        let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
        if !path.split('/').all(is_plain) {
            return Err(bad_request(
                "uploadPath must not begin or end with a slash, or lead upwards",
            ));
        }
        let name = match text_of(self.name, "fileName")? {
            name if name.is_empty() => made_up_name(file.part.file_name.as_deref()),
            name => name,
        };
        if name.contains('/') || !is_plain(&name) {
            return Err(bad_request("fileName must be a plain name"));
        }
        let mut sha256 = String::new();
        for byte in file.hasher.finalize() {
            write!(sha256, "{byte:02x}").expect("writing to a string cannot fail");
        }
        let parts = path.split('/').chain([name.as_str()]);
        let stored =
            StoredFile::new(parts, file.size_bytes, sha256).ok_or_else(|| bad_request("uploadPath is wrong"))?;
        let mime_type = file
            .part
            .content_type
            .unwrap_or_else(|| "application/octet-stream".to_owned());
        Ok(Upload {
            stored,
            path,
            name,
            mime_type,
        })
    }
}

/// Keeps what fits, and one byte more, so that a longer text can be told.
fn add_text(text: &mut Vec<u8>, data: &[u8]) {
    let room = (LONGEST_TEXT_BYTES + 1).saturating_sub(text.len());
    text.extend_from_slice(&data[..data.len().min(room)]);
}

fn text_of(bytes: Vec<u8>, field: &str) -> Result<String, Failure> {
    if bytes.len() > LONGEST_TEXT_BYTES {
        return Err(bad_request(format!("{field} is too long")));
    }
    String::from_utf8(bytes).map_err(|_| bad_request(format!("{field} is not UTF-8")))
}

/// What the API calls a file without a name: `<epoch ms>-<random>.<ext>`.
fn made_up_name(file_name: Option<&str>) -> String {
    let extension = file_name
        .and_then(|name| name.rsplit_once('.'))
        .map_or("bin", |(_, extension)| extension);
    let extension: String = extension.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    format!("{}-{:08x}.{extension}", Wall::System.now().0, fastrand::u32(..))
}

/// A good upload.
#[derive(Debug)]
struct Upload {
    stored: StoredFile,
    path: String,
    name: String,
    mime_type: String,
}

impl Upload {
    fn success(&self, base: &str) -> String {
        let data = json!({
            "success": true,
            "fileName": self.name,
            "filePath": format!("{}/{}", self.path, self.name),
            "downloadUrl": format!("{base}{}", self.stored.path()),
            "fileSize": self.stored.size_bytes,
            "mimeType": self.mime_type,
            "uploadedAt": Wall::System.now().to_rfc3339(),
        });
        json!({"success": true, "code": 200, "msg": "File uploaded successfully", "data": data}).to_string()
    }
}

/// An error as the upload host puts it.
fn refusal(code: u16, text: &str, in_status: bool) -> Response<ReplyBody> {
    let status = StatusCode::from_u16(code).ok().filter(|_| in_status);
    let body = json!({"success": false, "code": code, "msg": text}).to_string();
    whole(status.unwrap_or(StatusCode::OK), JSON, body.into())
}

/// Answers a request for an uploaded file with what is known of it: the bytes themselves are not kept.
pub(in crate::sandbox) fn show(server: &Server, request: &Request<Incoming>) -> Response<ReplyBody> {
    let with_key = request.headers().contains_key(AUTHORIZATION);
    server.account().uploads.fetched_with_key += u64::from(with_key);
    let url = request.uri().path_and_query().map_or("", |url| url.as_str());
    match StoredFile::read(url) {
        Some(file) => {
            let known: Value = json!({"fileSize": file.size_bytes, "sha256": file.sha256});
            whole(StatusCode::OK, JSON, Bytes::from(known.to_string()))
        }
        None => {
            let Refusal { code, text } = NOT_FOUND;
            refusal(code, text, true)
        }
    }
}
