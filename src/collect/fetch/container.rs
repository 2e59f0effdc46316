//! Whether bytes are a video: MP4 or QuickTime, a row of boxes of which each begins with its length and its kind
//! (ISO/IEC 14496-12, 4.2).

use std::io::{self, Read, Seek, SeekFrom};

use crate::escape;

/// Bytes that show whether a file is a video: its first box's length and kind, and the brand.
pub(super) const SIGNATURE_BYTES: usize = 12;

/// Boxes we look at before we believe the rest. A video in fragments has two per second or so.
const MOST_BOXES: usize = 100_000;

/// Whether a file that begins like this may be a video; needs [`SIGNATURE_BYTES`].
pub(super) fn begins_like_a_video(head: &[u8]) -> bool {
    head.get(4..8) == Some(b"ftyp") && head.len() >= SIGNATURE_BYTES
}

/// What a walk over a file's boxes shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Structure {
    /// It has what a video needs, up to its last box's end. Bytes behind that which are no box do no harm.
    Whole,
    /// Its last box is longer than what is there.
    CutOff {
        /// The box's kind, such as `mdat`; made harmless.
        kind: String,
        /// How many bytes are missing.
        missing: u64,
    },
    /// The box that tells of the tracks (`moov`) or the one with the pictures (`mdat`) is not in it.
    Lacks(&'static str),
}

/// Looks at the boxes of the first level of a file of `length` bytes.
pub(super) fn structure_of(mut file: impl Read + Seek, length: u64) -> io::Result<Structure> {
    let (mut has_tracks, mut has_pictures) = (false, false);
    let mut at = 0;
    for _ in 0..MOST_BOXES {
        let left = length - at;
        let Some((kind, size)) = read_box(&mut file, at, left)? else {
            break;
        };
        has_tracks |= kind == *b"moov";
        has_pictures |= kind == *b"mdat";
        if size > left {
            return Ok(Structure::CutOff {
                kind: escape::excerpt(&String::from_utf8_lossy(&kind), 4),
                missing: size - left,
            });
        }
        at += size;
    }
    Ok(match (has_tracks, has_pictures) {
        (true, true) => Structure::Whole,
        (false, _) => Structure::Lacks("moov"),
        (true, false) => Structure::Lacks("mdat"),
    })
}

/// Kind and size of the box at `at`; `None` where no box begins.
fn read_box(mut file: impl Read + Seek, at: u64, left: u64) -> io::Result<Option<([u8; 4], u64)>> {
    if left < 8 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    let mut short = [0; 8];
    file.read_exact(&mut short)?;
    let [a, b, c, d, kind @ ..] = short;
    let (size, smallest) = match u32::from_be_bytes([a, b, c, d]) {
        // To the end of the file.
        0 => (left, 8),
        1 if left >= 16 => {
            let mut long = [0; 8];
            file.read_exact(&mut long)?;
            (u64::from_be_bytes(long), 16)
        }
        size => (u64::from(size), 8),
    };
    Ok((size >= smallest && kind != [0; 4]).then_some((kind, size)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: &[u8; 4], content: usize) -> Vec<u8> {
        let size = u32::try_from(content + 8).unwrap();
        [&size.to_be_bytes()[..], kind, &vec![7; content]].concat()
    }

    fn structure(bytes: &[u8]) -> Structure {
        structure_of(Cursor::new(bytes), bytes.len() as u64).unwrap()
    }

    #[test]
    fn every_cut_of_a_video_is_noticed() {
        // Both orders are usual: tracks first for playing while loading, last when they were written at the end.
        for kinds in [[b"moov", b"mdat"], [b"mdat", b"moov"]] {
            let video = [boxed(b"ftyp", 16), boxed(kinds[0], 50), boxed(kinds[1], 70)].concat();
            assert_eq!(structure(&video), Structure::Whole);
            for length in 0..video.len() {
                assert_ne!(structure(&video[..length]), Structure::Whole, "{length}");
            }
            assert_eq!(
                structure(&video[..video.len() - 3]),
                Structure::CutOff {
                    kind: String::from_utf8(kinds[1].to_vec()).unwrap(),
                    missing: 3
                }
            );
        }
    }

    #[test]
    fn odd_lengths_are_read_as_the_standard_has_them() {
        let start = [boxed(b"ftyp", 16), boxed(b"moov", 8)].concat();
        let to_the_end = [&start[..], &[0, 0, 0, 0], b"mdat", &[7; 99]].concat();
        assert_eq!(structure(&to_the_end), Structure::Whole);
        let long = [&start[..], &[0, 0, 0, 1], b"mdat", &26_u64.to_be_bytes(), &[7; 10]].concat();
        assert_eq!(structure(&long), Structure::Whole);
        assert_eq!(
            structure(&long[..long.len() - 1]),
            Structure::CutOff {
                kind: "mdat".to_owned(),
                missing: 1
            }
        );
        let huge = [&start[..], &[0, 0, 0, 1], b"mdat", &u64::MAX.to_be_bytes(), &[7; 10]].concat();
        assert!(matches!(structure(&huge), Structure::CutOff { .. }));
        let padded = [&start[..], &boxed(b"mdat", 5)[..], &[0; 21]].concat();
        assert_eq!(structure(&padded), Structure::Whole);
        let endless = [start, boxed(b"mdat", 0), boxed(b"free", 0).repeat(MOST_BOXES + 5)].concat();
        assert_eq!(structure(&endless), Structure::Whole);
        assert_eq!(structure(&boxed(b"ftyp", 16)), Structure::Lacks("moov"));
        assert_eq!(
            structure(&[0, 0, 0, 1, b'm', b'd', b'a', b't', 0]),
            Structure::Lacks("moov")
        );
    }

    #[test]
    fn a_video_begins_with_its_brand() {
        for other in [
            &b""[..],
            b"<html><body>Sorry",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"\0\0\0\x20ftypis",
        ] {
            assert!(!begins_like_a_video(other));
        }
        assert!(begins_like_a_video(b"\0\0\0\x20ftypisom"));
        assert!(begins_like_a_video(b"\0\0\0\x14ftypqt  "));
    }
}
