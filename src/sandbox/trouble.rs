//! Every word of the vocabulary and what it troubles: a request, a poll, an upload, a task, its file or its callback.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::faults::{Fault, FaultError};

/// One word, like `500`, `poll-429:ra=5`, `task-fail` or `file-cut`.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// Strikes a createTask request.
    Request(Fault),
    /// Strikes a recordInfo request.
    Poll(Fault),
    /// Strikes an upload.
    Upload(Fault),
    /// What becomes of a task.
    Task(TaskTrouble),
    /// What becomes of its file.
    File(FileTrouble),
    /// What becomes of its callback.
    Callback(CallbackTrouble),
}

/// What becomes of a task, where it is not a video after the usual time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskTrouble {
    /// It ends another way.
    Ends(Ending),
    /// Its generation takes this long.
    Slow(Duration),
}

/// How a task goes and ends. It is part of the task's id, by its place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A video.
    Video,
    /// State `fail` with this code and text; the credits come back.
    Failure {
        /// `failCode`.
        code: &'static str,
        /// `failMsg`.
        text: &'static str,
    },
    /// It waits for ever.
    Never,
    /// A video, by way of a state that nobody documented.
    OddState,
    /// Success without a link.
    NoUrl,
    /// A video, but without a record for the first half of its time.
    LateRecord,
    /// A record never shows.
    NoRecord,
}

impl Ending {
    /// An image that the vendor cannot fetch.
    pub(super) const NO_IMAGE: Ending = failure("400", "The input image could not be fetched");

    /// Every ending with its word. Ids hold places in this list: entries may be added, and never move.
    const ALL: [(&'static str, Ending); 11] = [
        ("", Ending::Video),
        ("task-fail", failure("500", "Internal Error, Please try again later.")),
        (
            "task-fail-400",
            failure("400", "The input was flagged as sensitive content"),
        ),
        (
            "task-fail-422",
            failure("422", "The prompt contains prohibited content"),
        ),
        ("task-fail-501", failure("501", "Generation failed")),
        ("task-fail-image", Ending::NO_IMAGE),
        ("task-never", Ending::Never),
        ("task-odd-state", Ending::OddState),
        ("task-no-url", Ending::NoUrl),
        ("task-late-record", Ending::LateRecord),
        ("task-no-record", Ending::NoRecord),
    ];

    /// Its place in the list.
    pub(super) fn number(self) -> u8 {
        number_in(&Ending::ALL, self)
    }

    /// The ending at this place, if there is one.
    pub(super) fn numbered(number: u8) -> Option<Ending> {
        Ending::ALL.get(usize::from(number)).map(|(_, ending)| *ending)
    }

    /// Whether there is a video in the end.
    pub(super) fn is_video(self) -> bool {
        matches!(self, Ending::Video | Ending::OddState | Ending::LateRecord)
    }
}

const fn failure(code: &'static str, text: &'static str) -> Ending {
    Ending::Failure { code, text }
}

/// What becomes of a task's file. It is part of the task's id, by its place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileTrouble {
    /// Nothing: the whole file, each time.
    None,
    /// The link of the record is refused; a fresh one works.
    Gone,
    /// The file is no more, and no fresh link is given.
    Expired,
    /// The first transfer breaks off half-way.
    Cut,
    /// An error page with status 200 in the file's place.
    Html,
    /// Half a file, and then a byte now and then, without end or length.
    Endless,
    /// Every transfer ends a byte before the promised length.
    WrongLength,
    /// The link leads on to another host name.
    Elsewhere,
}

impl FileTrouble {
    /// Every trouble with its word; entries never move, as in [`Ending::ALL`].
    const ALL: [(&'static str, FileTrouble); 8] = [
        ("", FileTrouble::None),
        ("file-gone", FileTrouble::Gone),
        ("file-expired", FileTrouble::Expired),
        ("file-cut", FileTrouble::Cut),
        ("file-html", FileTrouble::Html),
        ("file-endless", FileTrouble::Endless),
        ("file-wrong-length", FileTrouble::WrongLength),
        ("file-elsewhere", FileTrouble::Elsewhere),
    ];

    /// Its place in the list.
    pub(super) fn number(self) -> u8 {
        number_in(&FileTrouble::ALL, self)
    }

    /// The trouble at this place, if there is one.
    pub(super) fn numbered(number: u8) -> Option<FileTrouble> {
        FileTrouble::ALL.get(usize::from(number)).map(|(_, trouble)| *trouble)
    }
}

/// What becomes of a task's callback, where it does not come once and in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackTrouble {
    /// It comes twice.
    Twice,
    /// It comes this long after the task's end.
    Late(Duration),
    /// It does not come.
    Never,
    /// Its signature is wrong, and its body claims that the task failed.
    Forged,
    /// The task ends at once, and the callback is answered before createTask is.
    First,
    /// The task's id is in `data.task_id` instead of `data.taskId`.
    Snake,
}

impl CallbackTrouble {
    const ALL: [(&'static str, CallbackTrouble); 5] = [
        ("callback-twice", CallbackTrouble::Twice),
        ("callback-never", CallbackTrouble::Never),
        ("callback-forged", CallbackTrouble::Forged),
        ("callback-first", CallbackTrouble::First),
        ("callback-snake", CallbackTrouble::Snake),
    ];
}

fn number_in<T: PartialEq>(list: &[(&str, T)], wanted: T) -> u8 {
    let place = list.iter().position(|(_, entry)| *entry == wanted);
    // Both lists are shorter than 32 and name every value there is.
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0)
}

fn named<T: Copy>(list: &[(&str, T)], word: &str) -> Option<T> {
    let entry = list.iter().find(|(known, _)| !word.is_empty() && *known == word);
    entry.map(|(_, value)| *value)
}

fn lasting(word: &str, prefix: &str) -> Option<Duration> {
    humantime::parse_duration(word.strip_prefix(prefix)?).ok()
}

impl FromStr for Trouble {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.trim();
        if let Some(fault) = word.strip_prefix("poll-") {
            return unbilled(fault, word).map(Trouble::Poll);
        }
        if let Some(fault) = word.strip_prefix("upload-") {
            return unbilled(fault, word).map(Trouble::Upload);
        }
        let of_task = named(&Ending::ALL, word)
            .map(TaskTrouble::Ends)
            .or_else(|| lasting(word, "task-slow=").map(TaskTrouble::Slow));
        let of_callback =
            named(&CallbackTrouble::ALL, word).or_else(|| lasting(word, "callback-late=").map(CallbackTrouble::Late));
        if let Some(trouble) = of_task {
            Ok(Trouble::Task(trouble))
        } else if let Some(trouble) = named(&FileTrouble::ALL, word) {
            Ok(Trouble::File(trouble))
        } else if let Some(trouble) = of_callback {
            Ok(Trouble::Callback(trouble))
        } else {
            word.parse().map(Trouble::Request)
        }
    }
}

/// A fault of a request that creates nothing: `:billed` would mean nothing there.
fn unbilled(fault: &str, word: &str) -> Result<Fault, FaultError> {
    let fault: Fault = fault.parse().map_err(|error| match error {
        FaultError::Unknown(_) => FaultError::Unknown(word.to_owned()),
        other => other,
    })?;
    if fault.word().ends_with(":billed") || fault.word().contains(":billed:") {
        return Err(FaultError::Modifier {
            word: word.to_owned(),
            modifier: "billed".to_owned(),
        });
    }
    Ok(fault)
}

/// The words beside those of createTask, for the list of known ones.
pub(super) fn known_words() -> String {
    let endings = Ending::ALL.iter().map(|(word, _)| *word);
    let files = FileTrouble::ALL.iter().map(|(word, _)| *word);
    let callbacks = CallbackTrouble::ALL.iter().map(|(word, _)| *word);
    let words: Vec<&str> = endings
        .chain(["task-slow=DURATION"])
        .chain(files)
        .chain(callbacks)
        .chain(["callback-late=DURATION"])
        .filter(|word| !word.is_empty())
        .collect();
    words.join(", ")
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn word_of<T: PartialEq>(list: &[(&'static str, T)], wanted: &T) -> &'static str {
            list.iter()
                .find(|(_, entry)| entry == wanted)
                .map_or("", |(word, _)| word)
        }
        match self {
            Trouble::Request(fault) => write!(formatter, "{fault}"),
            Trouble::Poll(fault) => write!(formatter, "poll-{fault}"),
            Trouble::Upload(fault) => write!(formatter, "upload-{fault}"),
            Trouble::Task(TaskTrouble::Ends(ending)) => formatter.write_str(word_of(&Ending::ALL, ending)),
            Trouble::Task(TaskTrouble::Slow(time)) => {
                write!(formatter, "task-slow={}", humantime::format_duration(*time))
            }
            Trouble::File(trouble) => formatter.write_str(word_of(&FileTrouble::ALL, trouble)),
            Trouble::Callback(CallbackTrouble::Late(time)) => {
                write!(formatter, "callback-late={}", humantime::format_duration(*time))
            }
            Trouble::Callback(trouble) => formatter.write_str(word_of(&CallbackTrouble::ALL, trouble)),
        }
    }
}

/// What is to become of one task: by a tag in its prompt, or by chance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TaskTroubles {
    pub(super) ending: Option<Ending>,
    pub(super) generation: Option<Duration>,
    pub(super) file: Option<FileTrouble>,
    pub(super) callback: Option<CallbackTrouble>,
}

impl TaskTroubles {
    /// Adds a word; what is not about a task comes back. Of two words on one matter the last one counts.
    pub(super) fn add(&mut self, trouble: Trouble) -> Option<Trouble> {
        match trouble {
            Trouble::Task(TaskTrouble::Ends(ending)) => self.ending = Some(ending),
            Trouble::Task(TaskTrouble::Slow(time)) => self.generation = Some(time),
            Trouble::File(trouble) => self.file = Some(trouble),
            Trouble::Callback(trouble) => self.callback = Some(trouble),
            other @ (Trouble::Request(_) | Trouble::Poll(_) | Trouble::Upload(_)) => return Some(other),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_and_written_back() {
        let listed = known_words();
        let words = listed.split(", ").filter(|word| !word.contains("DURATION"));
        let more = [
            "task-slow=20s",
            "callback-late=5s",
            "poll-500",
            "poll-429:ra=5",
            "poll-garbage",
            "poll-hang",
            "poll-slow=3s",
            "upload-401",
            "upload-page502",
            "lost",
            "429:ra=30",
        ];
        for word in words.chain(more) {
            assert_eq!(word.parse::<Trouble>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn the_help_explains_every_word() {
        for word in known_words().split(", ") {
            let word = word.replace("DURATION", "");
            assert!(super::super::faults::VOCABULARY.contains(&word), "{word}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused_by_its_whole_word() {
        for word in [
            "poll-500:billed",
            "upload-page502:billed:ra=3",
            "poll-508",
            "task-",
            "task-slow",
            "file-",
            "",
        ] {
            let error = word.parse::<Trouble>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{word}`")), "{word}: {error}");
        }
    }

    #[test]
    fn numbers_lead_back_to_endings_and_troubles() {
        for (_, ending) in Ending::ALL {
            assert_eq!(Ending::numbered(ending.number()), Some(ending));
        }
        for (_, trouble) in FileTrouble::ALL {
            assert_eq!(FileTrouble::numbered(trouble.number()), Some(trouble));
        }
        assert_eq!((Ending::numbered(31), FileTrouble::numbered(15)), (None, None));
    }
}
