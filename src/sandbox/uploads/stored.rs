//! The URL of an uploaded file: `/uploads/<path>/<name>?size=…&sha256=…&check=…`.

use sha2::{Digest, Sha256};
use url::Url;

/// Where uploaded files are.
pub(in crate::sandbox) const PATH: &str = "/uploads/";

/// An uploaded file, as its URL tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct StoredFile {
    /// `uploadPath/fileName`, percent-encoded.
    pub(super) encoded_path: String,
    pub(super) size_bytes: u64,
    /// In hexadecimal digits.
    pub(super) sha256: String,
}

impl StoredFile {
    /// A file under this path, whose parts are not encoded yet.
    pub(super) fn new<'a>(
        parts: impl IntoIterator<Item = &'a str>,
        size_bytes: u64,
        sha256: String,
    ) -> Option<StoredFile> {
        let mut url = Url::parse("http://localhost").ok()?;
        url.path_segments_mut().ok()?.extend(parts);
        Some(StoredFile {
            encoded_path: url.path().trim_start_matches('/').to_owned(),
            size_bytes,
            sha256,
        })
    }

    /// Path and query of its URL.
    pub(super) fn path(&self) -> String {
        let StoredFile {
            encoded_path,
            size_bytes,
            sha256,
        } = self;
        format!(
            "{PATH}{encoded_path}?size={size_bytes}&sha256={sha256}&check={:016x}",
            self.check()
        )
    }

    /// Reads path and query; `None` for what no sandbox gave.
    pub(in crate::sandbox) fn read(path: &str) -> Option<StoredFile> {
        let (encoded_path, query) = path.strip_prefix(PATH)?.split_once('?')?;
        let (size, query) = query.strip_prefix("size=")?.split_once("&sha256=")?;
        let (sha256, check) = query.split_once("&check=")?;
        let file = StoredFile {
            encoded_path: encoded_path.to_owned(),
            size_bytes: size.parse().ok()?,
            sha256: sha256.to_owned(),
        };
        (check == format!("{:016x}", file.check())).then_some(file)
    }

    fn check(&self) -> u64 {
        let StoredFile {
            encoded_path,
            size_bytes,
            sha256,
        } = self;
        let mut hasher = Sha256::new();
        hasher.update(format!("an upload to the sandbox {encoded_path} {size_bytes} {sha256}"));
        let mut check = [0; 8];
        check.copy_from_slice(&hasher.finalize()[..8]);
        u64::from_be_bytes(check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_back_unless_it_was_changed() {
        let file = StoredFile::new(["batch 7", "é?&#.png"], 1_234, "ab".repeat(32)).unwrap();
        let path = file.path();
        assert!(
            path.starts_with("/uploads/batch%207/%C3%A9%3F&%23.png?size=1234&"),
            "{path}"
        );
        assert_eq!(StoredFile::read(&path), Some(file));
        for changed in [
            path.replace("1234", "1235"),
            path.replace("batch", "botch"),
            path.replace("abab", "abba"),
            path.replace("&check=", "&check=0"),
            "/uploads/x.png".to_owned(),
            "/files/x.mp4?size=1&sha256=2&check=3".to_owned(),
        ] {
            assert_eq!(StoredFile::read(&changed), None, "{changed}");
        }
    }
}
