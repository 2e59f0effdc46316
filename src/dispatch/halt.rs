//! Why nothing more is sent in a run.

use std::time::Duration;

use crate::clock::UnixMillis;
use crate::kie::Remedy;

/// The reason of a halt: the rest stays queued and the next run goes on with it.
#[derive(Debug, Clone, PartialEq)]
pub enum Halt {
    /// The API refuses everything.
    Refused {
        /// Number of the row it happened at: it may be that row alone that is refused, in every run.
        row: u32,
        /// Its code.
        code: String,
        /// Its text.
        message: String,
        /// What the user has to do.
        remedy: Remedy,
    },
    /// The next row would exceed the budget.
    Budget {
        /// Credits it was set to.
        budget: f64,
        /// Credits spent or reserved, over all runs.
        spent: f64,
    },
    /// Nothing succeeded for so long.
    Patience {
        /// For how long.
        patience: Duration,
        /// The last trouble: code and text.
        last: Option<(String, String)>,
    },
    /// The API asks to stay away for longer than a run waits.
    RetryAfter {
        /// For how long.
        wait: Duration,
        /// Until when.
        until: UnixMillis,
    },
    /// Row after row was rejected for the same reason: something is wrong with the whole batch.
    EqualRejections {
        /// How many in a row.
        count: u32,
        /// Their code.
        code: String,
        /// Their text.
        message: String,
    },
}

impl Halt {
    /// The API's code, or one of our words: `budget`, `patience`, `retry_after`, `repeated`.
    pub fn code(&self) -> &str {
        match self {
            Halt::Refused { code, .. } => code,
            Halt::Budget { .. } => "budget",
            Halt::Patience { .. } => "patience",
            Halt::RetryAfter { .. } => "retry_after",
            Halt::EqualRejections { .. } => "repeated",
        }
    }

    /// One sentence that says what happened. Holds the server's text as it came.
    pub fn message(&self) -> String {
        match self {
            Halt::Refused {
                row, message, remedy, ..
            } => {
                let what = remedy.trouble();
                match message.as_str() {
                    "" => format!("{what} (at row {row})"),
                    said => format!("{what} (at row {row}): {said}"),
                }
            }
            Halt::Budget { budget, spent } => {
                format!("the next row would exceed the budget of {budget} credits; {spent} are spent or reserved")
            }
            Halt::Patience { patience, last } => {
                let patience = humantime::format_duration(*patience);
                match last {
                    Some((code, message)) if message.is_empty() => {
                        format!("nothing succeeded for {patience}; the last trouble was {code}")
                    }
                    Some((code, message)) => {
                        format!("nothing succeeded for {patience}; the last trouble was {code}: {message}")
                    }
                    None => format!("nothing succeeded for {patience}"),
                }
            }
            Halt::RetryAfter { wait, until } => format!(
                "the API asks to stay away for {}, until {}",
                humantime::format_duration(Duration::from_secs(wait.as_secs())),
                until.to_rfc3339()
            ),
            Halt::EqualRejections { count, code, message } => {
                format!("{count} rows in a row were rejected for the same reason: {code}: {message}")
            }
        }
    }
}
