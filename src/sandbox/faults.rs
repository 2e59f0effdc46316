//! The faults that can strike an answer, and the words for them.
//!
//! The same words are used in `--fault WORD=RATE` (see `plan.rs`), in tags of a prompt (see `script.rs`) and in the books.
//! `trouble.rs` has the words for what comes after an answer.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::trouble;

/// A refusal in the API's envelope. The texts are those the API was seen or documented to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The envelope's `code`, and the HTTP status where errors are put there.
    pub code: u16,
    /// The envelope's `msg`.
    pub text: &'static str,
}

impl Refusal {
    const fn new(code: u16, text: &'static str) -> Refusal {
        Refusal { code, text }
    }
}

/// 401: no key, or the wrong one.
pub(super) const NO_ACCESS: Refusal = Refusal::new(401, "You do not have access permissions");
/// 402: the balance does not cover the request (the apostrophe is the API's own).
pub(super) const NO_CREDITS: Refusal = Refusal::new(
    402,
    "Credits insufficient : Your current balance isn\u{2019}t enough to run this request. Please top up to continue.",
);
/// 404 for a path or method that does not exist.
pub(super) const NOT_FOUND: Refusal = Refusal::new(404, "Not Found");
/// 422: a model nobody offers.
pub(super) const NO_SUCH_MODEL: Refusal = Refusal::new(422, "The model name you specified is not supported.");
/// 429: the window is full.
pub(super) const TOO_MANY: Refusal = Refusal::new(429, "Rate limit exceeded");
/// 500 that means a missing field.
pub(super) const REQUIRED: Refusal = Refusal::new(500, "This field is required");

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The envelope says no.
    Refuse(Refusal),
    /// The connection is closed (FIN) without a reply.
    Close,
    /// The connection is reset (RST) without a reply.
    Reset,
    /// The connection stays open without a reply until the client leaves.
    Hang,
    /// The reply ends in the middle of its body.
    Cut,
    /// A proxy's HTML page with this HTTP status, without an envelope.
    Page(u16),
    /// HTTP 200 with an empty body.
    Empty,
    /// HTTP 200 with an HTML page.
    Garbage,
    /// `code` 200 without a task id.
    NoId,
    /// HTTP 307 to the same place.
    Redirect,
    /// The proper answer, this much later.
    Slow(Duration),
}

/// One fault as its word describes it: `500`, `429:ra=30`, `page502:billed`, `slow=5s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is done.
    pub kind: FaultKind,
    /// Whether the task is created and paid before the fault strikes.
    pub billed: bool,
    /// Value of a `Retry-After` header, sent as written: nonsense is worth testing too.
    pub retry_after: Option<String>,
    word: String,
}

impl Fault {
    /// The word it was made from.
    pub fn word(&self) -> &str {
        &self.word
    }

    /// Whether the request is looked at first, and may be refused for its own sake.
    pub(super) fn lets_through(&self) -> bool {
        self.billed || matches!(self.kind, FaultKind::Slow(_))
    }
}

/// Every plain word with what it does; `true` where the task is created and billed.
const WORDS: [(&str, FaultKind, bool); 24] = [
    ("401", FaultKind::Refuse(NO_ACCESS), false),
    ("402", FaultKind::Refuse(NO_CREDITS), false),
    ("404", FaultKind::Refuse(NOT_FOUND), false),
    (
        "404:model",
        FaultKind::Refuse(Refusal::new(404, NO_SUCH_MODEL.text)),
        false,
    ),
    ("422", FaultKind::Refuse(Refusal::new(422, "Invalid parameter")), false),
    ("422:model", FaultKind::Refuse(NO_SUCH_MODEL), false),
    ("429", FaultKind::Refuse(TOO_MANY), false),
    (
        "433",
        FaultKind::Refuse(Refusal::new(433, "Sub-key Usage Exceeds Limit")),
        false,
    ),
    (
        "455",
        FaultKind::Refuse(Refusal::new(455, "Service is under maintenance")),
        false,
    ),
    (
        "500",
        FaultKind::Refuse(Refusal::new(
            500,
            "Server exception, please try again later or contact customer service",
        )),
        false,
    ),
    (
        "500:maintenance",
        FaultKind::Refuse(Refusal::new(
            500,
            "The server is currently being maintained, please try again later~",
        )),
        false,
    ),
    ("500:required", FaultKind::Refuse(REQUIRED), false),
    (
        "500:paused",
        FaultKind::Refuse(Refusal::new(500, "This interface is temporarily paused")),
        false,
    ),
    (
        "500:credits",
        FaultKind::Refuse(Refusal::new(500, "Credits insufficient")),
        false,
    ),
    ("501", FaultKind::Refuse(Refusal::new(501, "Generation Failed")), false),
    (
        "505",
        FaultKind::Refuse(Refusal::new(505, "This interface is disabled")),
        false,
    ),
    ("lost", FaultKind::Close, true),
    ("drop", FaultKind::Close, false),
    ("reset", FaultKind::Reset, true),
    ("hang", FaultKind::Hang, true),
    ("cut", FaultKind::Cut, true),
    ("empty", FaultKind::Empty, false),
    ("garbage", FaultKind::Garbage, false),
    ("noid", FaultKind::NoId, true),
];

/// What the words mean, for `--help`.
pub const VOCABULARY: &str = "\
Faults:
  401 402 404 404:model 422 422:model 429 433 455 500 501 505
                   the API's refusal with that code; nothing is billed
  500:maintenance 500:required 500:paused 500:credits
                   the other things a 500 can mean, told apart by their text
  lost             billed; the connection is closed without a reply
  drop             not billed; the connection is closed without a reply
  reset            billed; the connection is reset (RST)
  hang             billed; never answered
  cut              billed; the reply ends inside its body
  noid             billed; code 200 without a task id
  empty, garbage   HTTP 200 without a body, with an HTML page
  page502          a proxy's HTML page; any status from 400 to 599
  redirect         HTTP 307 to itself
  slow=5s          the proper answer, so much later
  WORD:ra=30       with a `Retry-After` header (refusals and pages)
  WORD:billed      the task was created and billed all the same (500s, pages, empty, garbage)
  poll-WORD        the same for a look at a task (recordInfo); `--fault` only
  upload-WORD      the same for an upload; `--fault` only

What becomes of a task:
  task-fail        it fails with code 500 (task-fail-400, task-fail-422, task-fail-501: with that one)
  task-fail-image  it fails because its image could not be fetched
  task-never       it waits for ever
  task-slow=30s    its generation takes so long
  task-odd-state   a video, by way of a state that nobody documented
  task-no-url      success without a link
  task-late-record no record for the first half of its time
  task-no-record   no record, ever

What becomes of its file:
  file-gone        the record's link is refused (403); a fresh one works
  file-expired     404, and no fresh link is given
  file-cut         the first transfer breaks off half-way
  file-html        an error page with status 200
  file-endless     half a file, then a byte now and then, for ever
  file-wrong-length  every transfer ends a byte before the promised length
  file-elsewhere   the link redirects to another host name

What becomes of its callback:
  callback-twice   it comes twice
  callback-late=5s it comes so long after the end
  callback-never   it does not come
  callback-forged  wrongly signed, with a body that claims failure
  callback-first   the task ends at once, and its callback comes before the answer to createTask
  callback-snake   the id is in `data.task_id` instead of `data.taskId`

Tags in a prompt, for that content only:
  [sandbox:429]          the first arrival gets a 429, later ones the proper answer
  [sandbox:500,lost,ok]  one word for each arrival in turn
  [sandbox:500*]         for ever (the last word repeats)
  [sandbox:lost,task-fail,callback-twice]
                         words of tasks, files and callbacks stand anywhere in the tag and hold for all its tasks";

/// Why a text is not a fault.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FaultError {
    /// No such word.
    #[error("`{0}` is not a fault: known are {known}", known = known_words())]
    Unknown(String),
    /// A modifier that would mean nothing there.
    #[error("`{word}` cannot be combined with `{modifier}`")]
    Modifier {
        /// The word without the modifier.
        word: String,
        /// `billed` or `ra=…`.
        modifier: String,
    },
    /// `--fault 500` or `--fault 500=2`.
    #[error("`{0}` is not a fault with its rate: write the word and a share from 0 to 1, like `500=0.05`")]
    Rate(String),
    /// A word that cannot stand in a prompt: the request it would strike does not bring one.
    #[error("`{0}` strikes by `--fault` only, not by a tag")]
    NotInTag(String),
    /// The shares of one kind of fault add up to more than one.
    #[error("the rates of the faults of one kind add up to {0}, which is more than 1")]
    TooMuch(f64),
}

fn known_words() -> String {
    let plain: Vec<&str> = WORDS.iter().map(|(word, ..)| *word).collect();
    format!(
        "{}, redirect, page400 to page599, slow=DURATION, each with `:ra=SECONDS` or `:billed` after it where that means \
         something, or `poll-` or `upload-` before it; {}",
        plain.join(", "),
        trouble::known_words()
    )
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (mut word, mut billed, mut retry_after) = (text, false, None);
        // Modifiers stand behind the word; what is left must be a word of the vocabulary.
        while let Some((head, tail)) = word.rsplit_once(':') {
            if tail == "billed" {
                billed = true;
            } else if let Some(value) = tail.strip_prefix("ra=") {
                retry_after = Some(value.to_owned());
            } else {
                break;
            }
            word = head;
        }
        let (kind, bills) = meaning(word).ok_or_else(|| FaultError::Unknown(text.to_owned()))?;
        let refused = |modifier: &str| FaultError::Modifier {
            word: word.to_owned(),
            modifier: modifier.to_owned(),
        };
        if billed && !may_be_billed(kind) {
            return Err(refused("billed"));
        }
        match &retry_after {
            Some(value) if !takes_retry_after(kind, value) => return Err(refused(&format!("ra={value}"))),
            Some(_) | None => {}
        }
        Ok(Fault {
            kind,
            billed: billed || bills,
            retry_after,
            word: text.to_owned(),
        })
    }
}

fn meaning(word: &str) -> Option<(FaultKind, bool)> {
    if let Some((_, kind, billed)) = WORDS.iter().find(|(known, ..)| *known == word) {
        return Some((*kind, *billed));
    }
    if word == "redirect" {
        return Some((FaultKind::Redirect, false));
    }
    if let Some(status) = word.strip_prefix("page") {
        let status = status.parse().ok().filter(|status| (400..=599).contains(status))?;
        return Some((FaultKind::Page(status), false));
    }
    let delay = word.strip_prefix("slow=")?;
    let delay = humantime::parse_duration(delay).ok()?;
    Some((FaultKind::Slow(delay), false))
}

/// A refusal costs nothing by its nature, but for the 500 that may fall on either side of the charge.
fn may_be_billed(kind: FaultKind) -> bool {
    match kind {
        FaultKind::Refuse(refusal) => refusal.code == 500,
        FaultKind::Page(_) | FaultKind::Empty | FaultKind::Garbage => true,
        FaultKind::Close
        | FaultKind::Reset
        | FaultKind::Hang
        | FaultKind::Cut
        | FaultKind::NoId
        | FaultKind::Redirect
        | FaultKind::Slow(_) => false,
    }
}

fn takes_retry_after(kind: FaultKind, value: &str) -> bool {
    let has_headers = matches!(kind, FaultKind::Refuse(_) | FaultKind::Page(_));
    has_headers && !value.is_empty() && value.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_and_written_back() {
        let more = [
            "redirect",
            "page524",
            "page502:billed",
            "slow=5s",
            "429:ra=30",
            "500:maintenance:ra=1e12",
            "500:billed",
            "page503:ra=soon:billed",
        ];
        for word in WORDS.iter().map(|(word, ..)| *word).chain(more) {
            assert_eq!(word.parse::<Fault>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn a_word_says_whether_the_task_is_paid() {
        for (word, billed) in [
            ("lost", true),
            ("drop", false),
            ("page502", false),
            ("page502:billed", true),
            ("500", false),
            ("500:billed", true),
            ("empty:billed", true),
        ] {
            assert_eq!(word.parse::<Fault>().unwrap().billed, billed, "{word}");
        }
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_known_ones() {
        let message = "508".parse::<Fault>().unwrap_err().to_string();
        for word in [
            "508",
            "500:maintenance",
            "lost",
            "page400",
            "slow=",
            "poll-",
            "task-never",
        ] {
            assert!(message.contains(word), "{message}");
        }
        for text in [
            "page200",
            "slow=",
            "500:sad",
            "",
            "lost:billed",
            "429:billed",
            "lost:ra=3",
            "429:ra=",
            "429:ra=a\rb",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text:?}");
        }
    }
}
