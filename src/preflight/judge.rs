//! What the first bytes of a file mean.

use crate::finding::Finding;
use crate::image::{Content, ImageKind, Look};
use crate::web::page;

/// What has come of a file, from its first byte on.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
    /// Length of the whole file, if it is known.
    pub(super) total: Option<u64>,
    /// How it is compressed, by the host's word.
    pub(super) packing: Option<&'static str>,
}

impl Head {
    /// Whether more bytes would tell nothing new: an image whose size was found, or enough of something else.
    pub(super) fn suffices(&self) -> bool {
        match ImageKind::of(&self.bytes) {
            Some(_) => self.look().dimensions.is_some(),
            None => self.bytes.len() >= page::HEAD_BYTES,
        }
    }

    /// Whether everything is known but whether it is too large.
    pub(super) fn lacks_only_its_length(&self) -> bool {
        self.total.is_none() && self.look().is_sendable()
    }

    /// What is worth a word about the file.
    pub(super) fn finding(&self) -> Option<Finding> {
        let look = self.look();
        if matches!(look.content, Content::Other(_)) && !self.bytes.is_empty() {
            if let Some(packing) = self.packing {
                let words = format!("it comes compressed ({packing}), which was not asked for");
                return Some(Finding::Unreached(words));
            }
            if let Some(page) = page::web_page(&self.bytes) {
                return Some(Finding::Page(page));
            }
        }
        let faults = look.faults();
        (!faults.is_empty()).then_some(Finding::Faulty(faults))
    }

    /// A length that is not known is taken for small enough.
    fn look(&self) -> Look {
        Look::of(&self.bytes, self.total.unwrap_or(self.bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Dimensions, Fault, MOST_BYTES};

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend(b"\x08\x02\0\0\0");
        bytes
    }

    fn finding(bytes: &[u8], total: Option<u64>, packing: Option<&'static str>) -> Option<Finding> {
        let bytes = bytes.to_vec();
        Head { bytes, total, packing }.finding()
    }

    #[test]
    fn the_bytes_count_and_not_what_is_said_of_them() {
        let good = png(512, 512);
        assert_eq!(finding(&good, Some(90_000), None), None);
        // A header that is wrong: compressed bytes would not begin like this.
        assert_eq!(finding(&good, Some(90_000), Some("gzip")), None);
        assert_eq!(
            finding(b"\x1f\x8b\x08\0", None, Some("gzip")),
            Some(Finding::Unreached(
                "it comes compressed (gzip), which was not asked for".into()
            ))
        );
        let faulty = |faults| Some(Finding::Faulty(faults));
        assert_eq!(
            finding(b"\x1f\x8b\x08\0", None, None),
            faulty(vec![Fault::NotAnImage("an archive")])
        );
        assert_eq!(
            finding(b"<!doctype html><title>Sign in</title>", None, None),
            Some(Finding::Page("a web page: Sign in".into()))
        );
        assert_eq!(finding(b"", Some(0), Some("gzip")), faulty(vec![Fault::Empty]));
        let tiny = Dimensions { width: 16, height: 900 };
        assert_eq!(
            finding(&png(16, 900), Some(MOST_BYTES + 1), None),
            faulty(vec![
                Fault::TooLarge { bytes: MOST_BYTES + 1 },
                Fault::TooSmall(tiny),
                Fault::TooNarrow(tiny)
            ])
        );
        assert_eq!(
            finding(&png(512, 512)[..20], Some(MOST_BYTES), None),
            faulty(vec![Fault::Unmeasured])
        );
    }

    #[test]
    fn reading_ends_when_nothing_new_can_come() {
        let suffices = |bytes: &[u8]| {
            let bytes = bytes.to_vec();
            let head = Head {
                bytes,
                ..Head::default()
            };
            head.suffices()
        };
        assert!(suffices(&png(512, 512)) && suffices(&png(1, 1)));
        assert!(!suffices(&png(512, 512)[..20]) && !suffices(b""));
        assert!(!suffices(&[b'x'; 4_095]) && suffices(&[b'x'; 4_096]));
    }
}
