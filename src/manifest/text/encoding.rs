//! Encodings of text, by the names people know them by.

use std::fmt;
use std::str::FromStr;

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, GB18030, GBK, MACINTOSH, REPLACEMENT, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252,
    X_MAC_CYRILLIC, X_USER_DEFINED,
};
use serde::{Serialize, Serializer};

use crate::escape;

/// How the characters of a file are written as bytes.
///
/// GBK and GB2312 are always read as GB18030, which contains both: files said to be in one of them often hold a few
/// characters more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

impl Encoding {
    /// What every file should be in.
    pub const UTF_8: Encoding = Encoding(UTF_8);
    /// What spreadsheet programs call `Unicode text`.
    pub const UTF_16LE: Encoding = Encoding(UTF_16LE);
    /// The same with the bytes of each pair swapped.
    pub const UTF_16BE: Encoding = Encoding(UTF_16BE);
    /// Of Windows in mainland China, as the standard of 2005 extends it to all of Unicode.
    pub const GB18030: Encoding = Encoding(GB18030);
    /// Of Windows in Taiwan and Hong Kong.
    pub const BIG5: Encoding = Encoding(BIG5);
    /// Of Windows in Japan.
    pub const SHIFT_JIS: Encoding = Encoding(SHIFT_JIS);
    /// Of old Unix systems in Japan.
    pub const EUC_JP: Encoding = Encoding(EUC_JP);
    /// Of Windows in Korea, which extends the standard of this name.
    pub const EUC_KR: Encoding = Encoding(EUC_KR);
    /// Of Windows in Western Europe and the Americas.
    pub const WINDOWS_1252: Encoding = Encoding(WINDOWS_1252);
    /// What Excel for the Mac writes when it is not told otherwise.
    pub const MAC_ROMAN: Encoding = Encoding(MACINTOSH);

    /// Some names that [`FromStr`] takes, as messages list them.
    pub const USUAL: &'static str = "`utf-8`, `utf-16`, `gb18030`, `big5`, `shift-jis`, `euc-kr` or `windows-1252`";

    /// Whether the bytes of a file are read as they are.
    pub fn is_utf8(self) -> bool {
        self.0 == UTF_8
    }

    /// Whether each character is written as two bytes or four.
    pub fn is_utf16(self) -> bool {
        self.0 == UTF_16LE || self.0 == UTF_16BE
    }

    /// Whether each character is one byte.
    pub(super) fn is_single_byte(self) -> bool {
        self.0.is_single_byte()
    }

    /// Whether it decodes bytes that it has no character for to control characters.
    pub(super) fn has_unused_bytes(self) -> bool {
        !self.is_utf8() && !self.is_utf16()
    }

    /// The encoding as the crate that decodes it knows it.
    pub(super) fn inner(self) -> &'static encoding_rs::Encoding {
        self.0
    }

    pub(super) fn of(inner: &'static encoding_rs::Encoding) -> Encoding {
        Encoding(if inner == GBK { GB18030 } else { inner })
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.name();
        if let Some(number) = name.strip_prefix("windows-") {
            return write!(formatter, "Windows-{number}");
        }
        formatter.write_str(match name {
            "gb18030" => "GB18030",
            "Shift_JIS" => "Shift-JIS",
            "macintosh" => "Mac Roman",
            "x-mac-cyrillic" => "Mac Cyrillic",
            plain => plain,
        })
    }
}

impl Serialize for Encoding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text names no encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownEncoding {
    /// A word of Windows for whatever its own language uses.
    #[error("`{0}` is another encoding in each language of Windows: write which one, {usual}", usual = Encoding::USUAL)]
    Ambiguous(String),
    /// None that this program can read.
    #[error("`{0}` is no encoding this program reads: write {usual}", usual = Encoding::USUAL)]
    Unknown(String),
}

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    /// Takes the labels of the WHATWG's Encoding Standard and the names of code pages, in any case and with or without
    /// the marks between their parts.
    fn from_str(text: &str) -> Result<Encoding, UnknownEncoding> {
        let shown = || escape::excerpt(text.trim(), 40);
        let plain: String = text
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|character| character.to_ascii_lowercase())
            .collect();
        if ["ansi", "acp", "oem", "mbcs", "default"].contains(&plain.as_str()) {
            return Err(UnknownEncoding::Ambiguous(shown()));
        }
        let listed = NAMES.iter().find(|(name, _)| *name == plain).map(|(_, inner)| *inner);
        let known = listed.or_else(|| encoding_rs::Encoding::for_label(text.as_bytes()));
        // The standard knows both only to refuse them.
        let known = known.filter(|inner| *inner != REPLACEMENT && *inner != X_USER_DEFINED);
        known.map(Encoding::of).ok_or_else(|| UnknownEncoding::Unknown(shown()))
    }
}

/// Names the standard does not know, without the marks between their parts.
#[rustfmt::skip]
const NAMES: &[(&str, &encoding_rs::Encoding)] = &[
    ("utf8", UTF_8), ("utf8sig", UTF_8), ("utf8bom", UTF_8), ("utf8mb4", UTF_8), ("cp65001", UTF_8),
    ("utf16", UTF_16LE), ("utf16le", UTF_16LE), ("utf16be", UTF_16BE), ("ucs2", UTF_16LE), ("cp1200", UTF_16LE),
    ("cp1201", UTF_16BE),
    ("gb18030", GB18030), ("gb180302005", GB18030), ("gb180302022", GB18030), ("gbk", GB18030), ("gb2312", GB18030),
    ("cp936", GB18030), ("ms936", GB18030), ("windows936", GB18030), ("cp54936", GB18030), ("euccn", GB18030),
    ("big5", BIG5), ("cp950", BIG5), ("ms950", BIG5), ("windows950", BIG5), ("big5hkscs", BIG5),
    ("shiftjis", SHIFT_JIS), ("sjis", SHIFT_JIS), ("cp932", SHIFT_JIS), ("ms932", SHIFT_JIS),
    ("windows932", SHIFT_JIS), ("windows31j", SHIFT_JIS),
    ("eucjp", EUC_JP), ("ujis", EUC_JP),
    ("euckr", EUC_KR), ("cp949", EUC_KR), ("ms949", EUC_KR), ("windows949", EUC_KR), ("uhc", EUC_KR),
    ("windows1252", WINDOWS_1252), ("cp1252", WINDOWS_1252), ("latin1", WINDOWS_1252), ("iso88591", WINDOWS_1252),
    ("western", WINDOWS_1252),
    ("macroman", MACINTOSH), ("mac", MACINTOSH), ("cp10000", MACINTOSH), ("maccyrillic", X_MAC_CYRILLIC),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_standards_name_the_same_encodings() {
        for (encoding, names) in [
            (Encoding::UTF_8, "utf-8 UTF8 utf_8 utf-8-sig UTF-8-BOM cp65001"),
            (Encoding::UTF_16LE, "utf-16 UTF-16LE utf16 unicode UCS-2"),
            (Encoding::UTF_16BE, "utf-16be UTF16BE"),
            (
                Encoding::GB18030,
                "gb18030 GBK gb2312 GB_2312-80 cp936 GB18030-2022 x-gbk",
            ),
            (Encoding::BIG5, "big5 Big-5 cp950 big5-hkscs x-x-big5"),
            (
                Encoding::SHIFT_JIS,
                "shift-jis Shift_JIS sjis SJIS cp932 ms_kanji Windows-31J",
            ),
            (Encoding::EUC_JP, "euc-jp EUC_JP"),
            (Encoding::EUC_KR, "euc-kr cp949 ks_c_5601-1987 UHC"),
            (
                Encoding::WINDOWS_1252,
                "windows-1252 cp1252 latin1 Latin-1 iso-8859-1 us-ascii",
            ),
            (Encoding::MAC_ROMAN, "macintosh mac-roman"),
        ] {
            for name in names.split(' ') {
                assert_eq!(name.parse(), Ok(encoding), "{name}");
                assert_eq!(format!(" {name} ").parse(), Ok(encoding), "{name}");
            }
        }
        let cyrillic: Encoding = "cp1251".parse().unwrap();
        assert_eq!(cyrillic.to_string(), "Windows-1251");
    }

    #[test]
    fn every_name_shown_is_one_that_can_be_written() {
        for inner in NAMES.iter().map(|(_, inner)| *inner) {
            let encoding = Encoding::of(inner);
            assert_eq!(encoding.to_string().parse(), Ok(encoding));
        }
        let names = [
            (Encoding::UTF_8, "UTF-8"),
            (Encoding::UTF_16LE, "UTF-16LE"),
            (Encoding::of(GBK), "GB18030"),
            (Encoding::SHIFT_JIS, "Shift-JIS"),
            (Encoding::BIG5, "Big5"),
            (Encoding::WINDOWS_1252, "Windows-1252"),
            (Encoding::MAC_ROMAN, "Mac Roman"),
        ];
        for (encoding, name) in names {
            assert_eq!(encoding.to_string(), name);
            assert_eq!(serde_json::to_string(&encoding).unwrap(), format!("\"{name}\""));
        }
    }

    #[test]
    fn what_names_no_encoding_is_refused_with_the_usual_ones() {
        for name in ["", "utf-9", "cp437", "hz-gb-2312", "x-user-defined", "\u{1b}[2J"] {
            let error = name.parse::<Encoding>().unwrap_err();
            assert!(matches!(error, UnknownEncoding::Unknown(_)), "{name}");
            assert!(!error.to_string().contains('\u{1b}'));
            assert!(
                error.to_string().contains("write `utf-8`, `utf-16`, `gb18030`"),
                "{error}"
            );
        }
        let error = "ANSI".parse::<Encoding>().unwrap_err().to_string();
        assert!(
            error.starts_with("`ANSI` is another encoding in each language of Windows: write which one"),
            "{error}"
        );
    }
}
