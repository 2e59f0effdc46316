//! What people see: the summary of a run, its progress, its log lines.
//!
//! This folder takes values and makes text; it asks nobody for anything. Of the effects it has one: progress, notices
//! and log lines go to standard error, all through one [`Progress`], so that they cannot tear each other. The summary
//! is only rendered here; the command line prints it.
//!
//! | file | decides |
//! | --- | --- |
//! | `summary.rs` | what a run comes to, as text and as JSON |
//! | `money.rs` | what it cost, and whether the balance bears it out |
//! | `collected.rs` | what became of tasks and videos |
//! | `counts.rs`, `causes.rs` | how many rows are in which state, and why |
//! | `ending.rs` | the exit code |
//! | `hints.rs` | what to do next |
//! | `notice.rs` | the same in short, for people who were not there |
//! | `overview.rs`, `rows.rs` | what the live page, the report and the metrics show |
//! | `html/` | the live page and the report |
//! | `metrics.rs` | the same for Prometheus |
//! | `progress/` | a block of lines on a terminal, or a line now and then where there is none |
//! | `logs.rs`, `secrets.rs` | log lines, and what never shows in them |
//! | `wording.rs`, `wrap.rs` | how numbers and durations are written, and lines broken on a narrow terminal |

mod causes;
mod collected;
mod counts;
mod ending;
mod hints;
pub mod html;
pub mod logs;
mod metrics;
mod money;
mod notice;
mod overview;
mod progress;
mod rows;
mod secrets;
mod summary;
mod wording;
mod wrap;

pub use causes::{Cause, Causes, MOST_CAUSES_TOLD, is_troubled};
pub use collected::Collected;
pub use counts::Counts;
pub use ending::{Ending, exit_of};
pub use hints::{BALANCE_UNREAD, remedy, row_remedy};
pub use metrics::{CONTENT_TYPE as METRICS_CONTENT_TYPE, FIRST_WORDS as METRICS_FIRST_WORDS, metrics, metrics_at_end};
pub use money::{Account, Bill, Cost};
pub use notice::{notice, notice_of_failure};
pub use overview::{
    Distribution, History, MOST_OUTCOMES, MOST_SLICES, MOST_TIMELINES, Outcome, Overview, PauseSpan, RunSpan, Slice,
    Step, Timeline,
};
pub use progress::{Budget, ImageCounts, Ink, MeasuredRate, Pause, Progress, Size, Snapshot, Target, TaskCounts};
pub use rows::{Media, RequestStory, RowCard, RowStory, RowsPage, RowsQuery};
pub use secrets::Secrets;
pub use summary::{Command, ExtraTask, Halt, Signal, Summary};
pub use wording::{counted, credits};
pub use wrap::wrapped;
