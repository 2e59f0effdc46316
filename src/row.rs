//! A row and what is known of it: the words every layer shares.
//!
//! Values only: nothing here reads a file, a socket or a clock.

mod callback_token;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use callback_token::{CallbackToken, NotAToken};

/// The one model this program submits to (`kie-api` reference, createTask body).
pub const MODEL: &str = "hailuo/2-3-image-to-video-standard";

/// The columns that a results file has behind the manifest's own, in this order. A part of the contract: scripts read
/// them. In a manifest columns of these names are replaced, so that a results file is itself a good manifest.
pub const RESULTS_COLUMNS: [&str; 11] = [
    "row",
    "status",
    "task_id",
    "error_code",
    "error_message",
    "attempts",
    "submitted_at",
    "completed_at",
    "credits",
    "video_url",
    "video_file",
];

/// The column that a results file has behind the manifest's own if some row of it has more cells than the header: they
/// stand in it, joined by the delimiter. A row with text in a column of this name is invalid until it is mended.
pub const SURPLUS_COLUMN: &str = "surplus_cells";

/// Where a row stands between the manifest and the finished video.
///
/// The moves between states are decided in [`crate::ledger::state`], and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowState {
    /// Never sent: the manifest's row breaks a rule.
    Invalid,
    /// Waiting to be sent, for the first time or again.
    Queued,
    /// An attempt's intent is committed, its outcome is not.
    Sending,
    /// The API took the row and gave a task id.
    Accepted,
    /// The API said no, for good.
    Rejected,
    /// Sent, and no answer came: it may have been taken and may have cost money.
    Unknown,
    /// The task ended with a video.
    Succeeded,
    /// The task ended without one.
    Failed,
    /// The video is on disk.
    Saved,
}

impl RowState {
    /// Every state, in the order a row passes them.
    pub const ALL: [RowState; 9] = [
        RowState::Invalid,
        RowState::Queued,
        RowState::Sending,
        RowState::Accepted,
        RowState::Rejected,
        RowState::Unknown,
        RowState::Succeeded,
        RowState::Failed,
        RowState::Saved,
    ];

    /// The word for it in results, JSON and the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            RowState::Invalid => "invalid",
            RowState::Queued => "queued",
            RowState::Sending => "sending",
            RowState::Accepted => "accepted",
            RowState::Rejected => "rejected",
            RowState::Unknown => "unknown",
            RowState::Succeeded => "succeeded",
            RowState::Failed => "failed",
            RowState::Saved => "saved",
        }
    }
}

impl fmt::Display for RowState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for RowState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        RowState::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// A word that is none of the expected ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown word: {0}")]
pub struct UnknownWord(pub String);

/// Length of the clip. The API wants it as a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum ClipLength {
    /// 6 seconds, the API's default.
    #[default]
    #[serde(rename = "6")]
    Six,
    /// 10 seconds; not offered with 1080P.
    #[serde(rename = "10")]
    Ten,
}

impl ClipLength {
    /// As the API spells it, in seconds.
    pub fn as_str(self) -> &'static str {
        match self {
            ClipLength::Six => "6",
            ClipLength::Ten => "10",
        }
    }
}

/// Resolution of the clip, with the API's capital P.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Resolution {
    /// 768P, the API's default.
    #[default]
    #[serde(rename = "768P")]
    P768,
    /// 1080P; only with 6 seconds.
    #[serde(rename = "1080P")]
    P1080,
}

impl Resolution {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Resolution::P768 => "768P",
            Resolution::P1080 => "1080P",
        }
    }
}

/// A validated row, ready to become a createTask request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission<'a> {
    /// At most 5,000 code points, not blank; sent as the manifest has it.
    pub prompt: Cow<'a, str>,
    /// Absolute http or https URL without credentials; or, where [`image_sha256`](Submission::image_sha256) is set, the
    /// path of a local image as the manifest has it, which the API must never see.
    pub image_url: Cow<'a, str>,
    /// What the local image contains, which is what will be uploaded; `None` if the API fetches the image itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_sha256: Option<ImageHash>,
    /// Seconds of video.
    #[serde(rename = "duration")]
    pub length: ClipLength,
    /// Lines of video.
    pub resolution: Resolution,
    /// Only JSONL rows in the API's own form can set it; `None` leaves the API's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nsfw_checker: Option<bool>,
    /// The row's own callback URL; `None` takes the job's, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<Cow<'a, str>>,
}

impl Submission<'_> {
    /// What tells this submission from another: everything that shapes the video.
    ///
    /// The callback URL is left out on purpose: a new receiver is no reason to pay for the same video again.
    pub fn content(&self) -> ContentHash {
        let mut hasher = Sha256::new();
        let [fields @ .., checker] = self.content_parts();
        // Each field is preceded by its length, so that no two different rows share a byte string.
        for field in fields {
            hasher.update((field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        hasher.update(checker);
        ContentHash(first_half(hasher))
    }

    /// What [`Submission::content`] is a hash of: submissions with the same parts ask for the same video.
    ///
    /// A local image counts by its content: a moved or renamed file asks for the same video, an edited one for another.
    pub fn content_parts(&self) -> [&[u8]; 5] {
        [
            self.prompt.as_bytes(),
            match &self.image_sha256 {
                Some(ImageHash(sha256)) => sha256,
                None => self.image_url.as_bytes(),
            },
            self.length.as_str().as_bytes(),
            self.resolution.as_str().as_bytes(),
            match self.nsfw_checker {
                None => &[],
                Some(false) => &[0],
                Some(true) => &[1],
            },
        ]
    }

    /// The same submission, owning its text.
    pub fn into_owned(self) -> Submission<'static> {
        Submission {
            prompt: Cow::Owned(self.prompt.into_owned()),
            image_url: Cow::Owned(self.image_url.into_owned()),
            image_sha256: self.image_sha256,
            length: self.length,
            resolution: self.resolution,
            nsfw_checker: self.nsfw_checker,
            callback_url: self.callback_url.map(|url| Cow::Owned(url.into_owned())),
        }
    }
}

/// SHA-256 of an image file's whole content; in JSON and in text 64 lower-case hexadecimal digits, as `sha256sum` prints.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ImageHash(pub [u8; 32]);

impl fmt::Display for ImageHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ImageHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ImageHash({self})")
    }
}

impl FromStr for ImageHash {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownWord(text.to_owned());
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return Err(unknown());
        };
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
            .collect();
        let sha256 = bytes.and_then(|bytes| bytes.try_into().ok());
        sha256.map(ImageHash).ok_or_else(unknown)
    }
}

impl From<ImageHash> for String {
    fn from(hash: ImageHash) -> String {
        hash.to_string()
    }
}

impl TryFrom<String> for ImageHash {
    type Error = UnknownWord;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Hash of what a submission sends (see [`Submission::content`]): the first 128 bits of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(pub [u8; 16]);

impl fmt::Debug for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ContentHash({})", hex(&self.0))
    }
}

/// What a row is known by in the ledger, across runs and edits of the manifest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey(pub [u8; 16]);

impl RowKey {
    /// The key of a row that has an `id`.
    pub fn of_id(id: &str) -> RowKey {
        let mut hasher = Sha256::new();
        hasher.update(b"id:");
        hasher.update(id);
        RowKey(first_half(hasher))
    }

    /// The key of a row without an `id`: its content, and which of its identical copies it is (0 for the first).
    pub fn of_content(content: ContentHash, copy: u32) -> RowKey {
        let mut hasher = Sha256::new();
        hasher.update(b"content:");
        hasher.update(content.0);
        hasher.update(copy.to_le_bytes());
        RowKey(first_half(hasher))
    }
}

impl fmt::Debug for RowKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RowKey({})", hex(&self.0))
    }
}

/// The API's name for a task: opaque text (two shapes are known), never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(String);

impl TaskId {
    /// Longest id we take, in bytes; the known shapes have 25 and 32.
    pub const MAX_BYTES: usize = 256;

    /// `None` for text that cannot be a task id: empty, over-long, or with characters that do not print.
    pub fn new(text: &str) -> Option<TaskId> {
        let sane = !text.is_empty() && text.len() <= TaskId::MAX_BYTES && text.chars().all(|c| c.is_ascii_graphic());
        sane.then(|| TaskId(text.to_owned()))
    }

    /// The id as the API wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// 128 unguessable bits that belong to one attempt: the callback URL carries them, so that a callback can name the
/// row it speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(pub [u8; 16]);

impl Token {
    /// The token in 32 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }

    /// Whether both are the same, in a time that does not tell where they differ.
    pub fn is(&self, other: &Token) -> bool {
        let differing = self.0.iter().zip(&other.0).fold(0, |seen, (a, b)| seen | (a ^ b));
        std::hint::black_box(differing) == 0
    }

    /// The token behind 32 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Token> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16)
            .ok()
            .map(|bits| Token(bits.to_be_bytes()))
    }
}

impl fmt::Debug for Token {
    /// Only the first digits: whoever knows a whole token can speak for its row.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({}…)", hex(&self.0[..4]))
    }
}

fn first_half(hasher: Sha256) -> [u8; 16] {
    let digest = hasher.finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission(prompt: &'static str) -> Submission<'static> {
        Submission {
            prompt: prompt.into(),
            image_url: "https://img.example.org/a.png".into(),
            image_sha256: None,
            length: ClipLength::Six,
            resolution: Resolution::P768,
            nsfw_checker: None,
            callback_url: None,
        }
    }

    #[test]
    fn content_depends_on_what_shapes_the_video_and_on_nothing_else() {
        let plain = submission("a boat");
        let other_receiver = Submission {
            callback_url: Some("https://me.example.org".into()),
            ..plain.clone()
        };
        let longer = Submission {
            length: ClipLength::Ten,
            ..plain.clone()
        };
        let checked = Submission {
            nsfw_checker: Some(false),
            ..plain.clone()
        };
        assert_eq!(plain.content(), other_receiver.content());
        assert_ne!(plain.content(), longer.content());
        assert_ne!(plain.content(), checked.content());
        assert_ne!(plain.content(), submission("a boat ").content());
    }

    #[test]
    fn a_local_image_counts_by_its_content_and_not_by_its_name() {
        let local = |name: &'static str, byte| Submission {
            image_url: name.into(),
            image_sha256: Some(ImageHash([byte; 32])),
            ..submission("a boat")
        };
        assert_eq!(local("a.png", 1).content(), local("copies/b.png", 1).content());
        assert_ne!(local("a.png", 1).content(), local("a.png", 2).content());
        assert_ne!(local("a.png", 1).content(), submission("a boat").content());
    }

    #[test]
    fn a_submission_without_a_local_image_is_written_as_before() {
        let plain = submission("a boat");
        let json =
            r#"{"prompt":"a boat","image_url":"https://img.example.org/a.png","duration":"6","resolution":"768P"}"#;
        assert_eq!(serde_json::to_string(&plain).unwrap(), json);
        assert_eq!(serde_json::from_str::<Submission<'_>>(json).unwrap(), plain);
        let local = Submission {
            image_sha256: Some(ImageHash([0x0f; 32])),
            ..plain
        };
        let json = serde_json::to_string(&local).unwrap();
        assert!(
            json.contains(&format!(r#","image_sha256":"{}","#, "0f".repeat(32))),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Submission<'_>>(&json).unwrap(), local);
    }

    #[test]
    fn only_64_hexadecimal_digits_are_the_hash_of_an_image() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(text.parse::<ImageHash>().unwrap().to_string(), text);
        for odd in [
            "",
            "e3",
            &text[1..],
            &format!("{text}0"),
            &format!("{text}00"),
            &text.replace('f', "g"),
        ] {
            assert!(odd.parse::<ImageHash>().is_err(), "{odd}");
        }
    }

    #[test]
    fn keys_of_ids_contents_and_copies_never_meet() {
        let content = submission("a boat").content();
        let keys = [
            RowKey::of_id("1"),
            RowKey::of_content(content, 0),
            RowKey::of_content(content, 1),
        ];
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    }

    #[test]
    fn a_task_id_is_printable_and_short() {
        assert!(TaskId::new("task_hailuo_1790000004242").is_some());
        for odd in ["", "a b", "a\u{1b}[31m", "\u{4efb}\u{52a1}", &"x".repeat(257)] {
            assert_eq!(TaskId::new(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_token_survives_its_hex_form_and_hides_in_debug_output() {
        let token = Token([0xab; 16]);
        assert_eq!(Token::from_hex(&token.to_hex()), Some(token));
        assert_eq!(Token::from_hex("+b"), None);
        assert!(!format!("{token:?}").contains(&token.to_hex()));
    }
}
