//! Why a job cannot be run as given. All of it is found before anything is sent.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::escape;
use crate::job::key::KeyError;

/// Why the settings do not make a job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The job file could not be read at all.
    #[error("cannot read the job file `{}`", shown(.path))]
    Unreadable {
        /// As the user gave it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The job file was read, and these things in it are wrong: at least one, in the order of the file.
    #[error("{}", listed(.0))]
    File(Vec<FileProblem>),
    /// One setting breaks a rule, or two contradict each other.
    #[error("{what}")]
    Setting {
        /// The complaint, which names the setting by the place it was given in.
        what: String,
        /// What to do.
        help: String,
    },
    /// The API key is missing or cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl JobError {
    /// What to do about it; `None` where the message itself says so.
    pub fn help(&self) -> Option<String> {
        match self {
            JobError::Unreadable { .. } => Some("check the path after `--job`".to_owned()),
            JobError::File(problems) => match problems.as_slice() {
                [only] => Some(only.help.clone()),
                _ => None,
            },
            JobError::Setting { help, .. } => Some(help.clone()),
            JobError::Key(error) => Some(error.help()),
        }
    }

    pub(crate) fn setting(what: impl Into<String>, help: impl Into<String>) -> JobError {
        JobError::Setting {
            what: what.into(),
            help: help.into(),
        }
    }
}

/// One thing wrong in a job file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// The file, as the user gave it.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there; never the value of a key that may be secret.
    pub what: String,
    /// What to write instead.
    pub help: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FileProblem {
            path,
            line,
            column,
            what,
            ..
        } = self;
        write!(formatter, "{}:{line}:{column}: {what}", shown(path))
    }
}

/// One problem is the message; several stand below each other, each with its own advice, after their count.
fn listed(problems: &[FileProblem]) -> String {
    match problems {
        [] => "the job file is wrong".to_owned(),
        [only] => only.to_string(),
        [first, ..] => problems.iter().fold(
            format!("{} problems in the job file `{}`", problems.len(), shown(&first.path)),
            |text, problem| format!("{text}\n  {problem}\n    help: {}", problem.help),
        ),
    }
}

pub(super) fn shown(path: &Path) -> String {
    escape::for_terminal(&path.to_string_lossy()).into_owned()
}
