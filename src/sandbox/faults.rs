//! The faults the sandbox can play, the words for them, and which one strikes.
//!
//! The same words are used in `--fault WORD=RATE`, in tags of a prompt (see `script.rs`) and in the books.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

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

Tags in a prompt, for that content only:
  [sandbox:429]          the first arrival gets a 429, later ones the proper answer
  [sandbox:500,lost,ok]  one word for each arrival in turn
  [sandbox:500*]         for ever (the last word repeats)";

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
    /// The shares of a plan add up to more than one.
    #[error("the rates of all faults add up to {0}, which is more than 1")]
    TooMuch(f64),
}

fn known_words() -> String {
    let plain: Vec<&str> = WORDS.iter().map(|(word, ..)| *word).collect();
    format!(
        "{}, redirect, page400 to page599, slow=DURATION, and `:ra=SECONDS` or `:billed` after a word",
        plain.join(", ")
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

/// A fault and the share of requests it strikes: `500=0.05`.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// What strikes.
    pub fault: Fault,
    /// From 0 to 1.
    pub share: f64,
}

impl FromStr for FaultRule {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || FaultError::Rate(text.to_owned());
        let (word, share) = text.rsplit_once('=').unwrap_or((text, ""));
        let share = share
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|share| (0.0..=1.0).contains(share));
        match (word.parse::<Fault>(), share) {
            (Ok(fault), Some(share)) => Ok(FaultRule { fault, share }),
            // `slow=5s` alone ends here too: its `=` is not a rate's.
            (_, None) if text.parse::<Fault>().is_ok() => Err(wrong()),
            (Err(error), _) => Err(error),
            (Ok(_), None) => Err(wrong()),
        }
    }
}

/// Which fault strikes how often. At most one strikes a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultPlan {
    rules: Vec<FaultRule>,
}

impl FaultPlan {
    /// A plan of these rules, unless they ask for more than every request.
    pub fn new(rules: Vec<FaultRule>) -> Result<FaultPlan, FaultError> {
        let sum: f64 = rules.iter().map(|rule| rule.share).sum();
        // A hundred times 0.01 is a little more than 1.
        if sum > 1.0 + 1e-9 {
            return Err(FaultError::TooMuch(sum));
        }
        Ok(FaultPlan { rules })
    }

    /// The fault for the next request, if any.
    pub fn strike(&self, random: &mut fastrand::Rng) -> Option<&Fault> {
        if self.rules.is_empty() {
            return None;
        }
        let mut left = random.f64();
        self.rules.iter().find_map(|rule| {
            left -= rule.share;
            (left < 0.0).then_some(&rule.fault)
        })
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
        let message = "508=0.1".parse::<FaultRule>().unwrap_err().to_string();
        for word in ["508", "500:maintenance", "lost", "page400", "slow="] {
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

    #[test]
    fn a_rule_is_a_word_and_a_share() {
        for (text, word, share) in [
            ("500=0.05", "500", 0.05),
            ("429:ra=30=1", "429:ra=30", 1.0),
            ("slow=5s=0.5", "slow=5s", 0.5),
        ] {
            let rule: FaultRule = text.parse().unwrap();
            assert_eq!((rule.fault.word(), rule.share), (word, share));
        }
        for text in ["500", "500=", "500=1.5", "500=-1", "500=NaN", "slow=5s"] {
            assert!(
                matches!(text.parse::<FaultRule>(), Err(FaultError::Rate(_))),
                "{text:?}"
            );
        }
    }

    #[test]
    fn shares_hold_and_the_seed_decides() {
        let rules = ["500=0.2", "lost=0.1"].map(|text| text.parse().unwrap());
        let plan = FaultPlan::new(rules.to_vec()).unwrap();
        let words = |seed: u64| -> Vec<Option<String>> {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..10_000)
                .map(|_| plan.strike(&mut random).map(Fault::to_string))
                .collect()
        };
        let drawn = words(7);
        let count = |word: &str| drawn.iter().flatten().filter(|drawn| *drawn == word).count();
        assert!((1_850..2_150).contains(&count("500")), "{}", count("500"));
        assert!((900..1_100).contains(&count("lost")), "{}", count("lost"));
        assert_eq!(drawn, words(7));
        assert_ne!(drawn, words(8));
    }

    #[test]
    fn a_plan_for_more_than_every_request_is_refused() {
        let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        assert!(FaultPlan::new(rules(&["500=0.6", "lost=0.6"])).is_err());
        let all = FaultPlan::new(rules(&["500=0.6", "lost=0.4"])).unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        assert!((0..1_000).all(|_| all.strike(&mut random).is_some()));
    }
}
