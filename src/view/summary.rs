//! What an invocation comes to: the one thing that goes to standard output.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::hints::hints;
use super::wording::{are, counted, grouped, has, lasting};
use super::{Cause, Collected, Cost, Counts, collected, exit_of, money};
use crate::clock::UnixMillis;
use crate::escape;
use crate::row::RowState;

/// Where the batch stands, what this invocation did, and what it cost. `Display` is the text for people,
/// [`to_json`](Summary::to_json) the object for scripts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// What was asked for, which decides what is still open.
    pub command: Command,
    /// The arguments that name this batch, such as `clips.csv` or `--job nightly.toml`: what hints suggest to repeat.
    pub selection: Vec<String>,
    /// Where the rows are sent, as options: `--base-url URL`, unless it is the usual place.
    pub place: Vec<String>,
    /// Where videos go and how they are named, as options.
    pub collecting: Vec<String>,
    /// The command line of this run after the program's name: what hints repeat. Empty: hints name only the batch.
    pub command_line: Vec<String>,
    /// The rows were sent to the embedded sandbox: nothing was charged.
    pub sandbox: bool,
    /// All rows of the manifest by state, over all runs.
    pub counts: Counts,
    /// Of the invalid rows those that a run would send all the same: only a look at their images has shown what is wrong.
    pub invalid_by_image: u64,
    /// Rows whose content was changed after it may have been paid for: what is recorded is of the earlier content.
    pub changed: u64,
    /// Unknown rows that the manifest no longer has; in no count by state.
    pub unknown_elsewhere: u64,
    /// Tasks that callbacks named and no row has; they may have been charged.
    pub extra_tasks: Vec<ExtraTask>,
    /// Rows that the API took in this run.
    pub newly_accepted: u64,
    /// HTTP requests to createTask in this run.
    pub requests: u64,
    /// Those of them that were not a row's first.
    pub retries: u64,
    /// Those of them that were answered 429.
    pub rate_limited: u64,
    /// What became of tasks; `None` where nobody waited for them.
    pub collected: Option<Collected>,
    /// When the API deletes the first video that is not saved; `None` if there is none such.
    pub first_expiry: Option<UnixMillis>,
    /// How long the invocation took.
    pub elapsed: Duration,
    /// Credits, as far as they are known.
    pub cost: Cost,
    /// How long sending the queued rows will take; `None` where nobody worked it out.
    pub estimated_time: Option<Duration>,
    /// Who is sending rows at this moment, if somebody is.
    pub at_work: Option<String>,
    /// Why nothing more was sent, if so.
    pub halted: Option<Halt>,
    /// The signal that ended the run early.
    pub interrupted: Option<Signal>,
    /// The option that left rows queued on purpose, such as `--limit 100`.
    pub limited: Option<String>,
    /// The main reasons for trouble, the most frequent first.
    pub causes: Vec<Cause>,
    /// Path of the results file; `None` if none was written.
    pub results: Option<String>,
    /// The results were to be written and could not be.
    pub results_failed: bool,
    /// The ledger as it may be shown: a path, or a URL without its password.
    pub ledger: String,
}

/// A task that no row has: of a request that was answered with an error, or of content that was edited since.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ExtraTask {
    /// The row it was made for, by its place in the manifest; `None` if the manifest no longer has it.
    pub row: Option<u32>,
    /// The API's name for it.
    pub task_id: String,
}

/// What the user asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Command {
    /// Only validate.
    Check,
    /// Send what is queued.
    #[default]
    Run,
    /// Only look.
    Status,
    /// Wait for tasks, save videos.
    Collect,
}

/// Why a run sends nothing more.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Halt {
    /// The API's number, or one of our words (`budget`, `patience`, …).
    pub code: String,
    /// What the API or we say about it.
    pub message: String,
}

/// A request to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Signal {
    /// From the user, mostly with Ctrl-C.
    #[serde(rename = "SIGINT")]
    Interrupt,
    /// From the system.
    #[serde(rename = "SIGTERM")]
    Terminate,
}

impl Summary {
    /// The summary as one JSON object on one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a summary has only numbers, strings and lists of them")
    }

    /// Rows that the command should have brought further and did not, although nothing told it to stop early. There
    /// should be none; but if our own accounts are wrong, the exit code must not be 0.
    pub(super) fn left_over(&self) -> u64 {
        let Counts { queued, sending, .. } = self.counts;
        match self.command {
            // Another run may be at work.
            Command::Check | Command::Status | Command::Collect => 0,
            Command::Run if self.limited.is_some() => sending,
            Command::Run => sending + queued,
        }
    }
}

/// The keys are a part of the contract: add, never rename.
impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = |duration: Duration| (duration.as_secs_f64() * 1000.0).round() / 1000.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("rows", &self.counts.rows())?;
        for state in RowState::ALL {
            // No row is left sending when a run has ended, so the key shows only in the status of a run at work.
            if state != RowState::Sending || self.counts.sending > 0 {
                map.serialize_entry(state.as_str(), &self.counts.of(state))?;
            }
        }
        map.serialize_entry("sandbox", &self.sandbox)?;
        map.serialize_entry("changed", &self.changed)?;
        map.serialize_entry("unknown_elsewhere", &self.unknown_elsewhere)?;
        map.serialize_entry("extra_tasks", &self.extra_tasks)?;
        map.serialize_entry("newly_accepted", &self.newly_accepted)?;
        map.serialize_entry("requests", &self.requests)?;
        map.serialize_entry("retries", &self.retries)?;
        map.serialize_entry("rate_limited", &self.rate_limited)?;
        map.serialize_entry("collected", &self.collected)?;
        map.serialize_entry("first_expiry", &self.first_expiry.map(UnixMillis::to_rfc3339))?;
        map.serialize_entry("elapsed_seconds", &seconds(self.elapsed))?;
        money::serialize(&self.cost, &mut map)?;
        map.serialize_entry("estimated_seconds", &self.estimated_time.map(seconds))?;
        map.serialize_entry("at_work", &self.at_work)?;
        map.serialize_entry("halted", &self.halted)?;
        map.serialize_entry("interrupted", &self.interrupted)?;
        map.serialize_entry("limited", &self.limited)?;
        map.serialize_entry("causes", &self.causes)?;
        map.serialize_entry("results", &self.results)?;
        map.serialize_entry("ledger", &self.ledger)?;
        map.serialize_entry("exit_code", &exit_of(self).code())?;
        map.end()
    }
}

impl Display for Summary {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write_counts(self, formatter)?;
        write_end(self, formatter)?;
        write_work(self, formatter)?;
        write_causes(self, formatter)?;
        write_files(self, formatter)?;
        for (index, hint) in hints(self).iter().enumerate() {
            let gap = if index == 0 { "\n" } else { "" };
            writeln!(formatter, "{gap}help: {hint}")?;
        }
        Ok(())
    }
}

/// The states that rows are in, in columns, and what they do not tell.
fn write_counts(summary: &Summary, formatter: &mut Formatter<'_>) -> fmt::Result {
    writeln!(formatter, "{}", counted(summary.counts.rows(), "row"))?;
    for state in RowState::ALL {
        match summary.counts.of(state) {
            0 => {}
            rows => writeln!(formatter, "  {:<9} {:>9}", state.as_str(), grouped(rows))?,
        }
    }
    if summary.changed > 0 {
        writeln!(
            formatter,
            "  of these {:>9} changed after being sent",
            grouped(summary.changed)
        )?;
    }
    if summary.unknown_elsewhere > 0 {
        let rows = counted(summary.unknown_elsewhere, "unknown row");
        writeln!(formatter, "and {rows} no longer in the manifest")?;
    }
    for ExtraTask { row, task_id } in &summary.extra_tasks {
        let row = row.map_or_else(String::new, |row| format!(" of row {row}"));
        let task_id = escape::excerpt(task_id, 64);
        writeln!(formatter, "and an extra task{row}, perhaps charged: {task_id}")?;
    }
    Ok(())
}

/// What stopped the run, with its code.
pub(super) fn why_halted(Halt { code, message }: &Halt) -> String {
    let code = escape::excerpt(code, 40);
    let message = escape::excerpt(message, 300);
    // The API's own code is in our sentence already.
    match message.contains(&format!("({code}")) {
        true => message,
        false => format!("{message} ({code})"),
    }
}

/// Why the run stopped before its end, if it did.
fn write_end(summary: &Summary, formatter: &mut Formatter<'_>) -> fmt::Result {
    if let Some(halt) = &summary.halted {
        writeln!(formatter, "\nhalted: {}", why_halted(halt))?;
    }
    if let Some(signal) = summary.interrupted {
        let by = match signal {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        };
        let what = match summary.command {
            Command::Collect => "what was collected is recorded",
            Command::Check => "not every image was looked at",
            Command::Run | Command::Status => "the requests in flight were finished",
        };
        writeln!(formatter, "\ninterrupted by {by}: {what}")?;
    }
    if let Some(owner) = &summary.at_work {
        writeln!(formatter, "\na run is at work: {owner}")?;
    }
    if let Some(collected) = &summary.collected {
        let open = summary.counts.accepted;
        if open > 0 {
            let tasks = counted(open, "task");
            let why = match collected.time_is_up {
                true => "within the time to wait",
                false => "yet",
            };
            writeln!(
                formatter,
                "\n{tasks} {} not ended {why}; nothing is sent again",
                has(open)
            )?;
        }
    }
    let queued = summary.counts.queued;
    let stopped = summary.halted.is_some() || summary.interrupted.is_some();
    if stopped && queued > 0 {
        let rows = counted(queued, "row");
        let ledger = escape::for_terminal(&summary.ledger);
        writeln!(
            formatter,
            "  note: {rows} {} still queued in `{ledger}`; nothing was lost",
            are(queued)
        )?;
    } else if let (Some(option), false, 1..) = (&summary.limited, stopped, queued) {
        let option = escape::for_terminal(option);
        writeln!(
            formatter,
            "\nstopped early, as `{option}` asked: {} {} still queued",
            counted(queued, "row"),
            are(queued)
        )?;
    }
    Ok(())
}

/// What this invocation did, and the costs.
fn write_work(summary: &Summary, formatter: &mut Formatter<'_>) -> fmt::Result {
    writeln!(formatter)?;
    write_sent(summary, formatter)?;
    collected::write(summary, formatter)?;
    collected::write_expiry(summary, formatter)?;
    money::write_spent(summary, formatter)?;
    if summary.counts.queued > 0 {
        let cost = money::amount(summary.cost.estimated_credits, &summary.cost);
        writeln!(formatter, "cost of the queued rows: {cost}")?;
        if let Some(time) = summary.estimated_time {
            writeln!(formatter, "time for the queued rows: about {}", lasting(time))?;
        }
    }
    money::write_balance(summary, formatter)?;
    money::write_source(summary, formatter)
}

/// What this run has sent, if it was one.
pub(super) fn write_sent(summary: &Summary, formatter: &mut Formatter<'_>) -> fmt::Result {
    if summary.command != Command::Run {
        return Ok(());
    }
    if summary.requests == 0 {
        return writeln!(formatter, "this run: nothing was sent");
    }
    write!(
        formatter,
        "this run: {} accepted with ",
        grouped(summary.newly_accepted)
    )?;
    write!(formatter, "{}", counted(summary.requests, "request"))?;
    if summary.retries > 0 {
        write!(formatter, ", {} of them repeated", grouped(summary.retries))?;
    }
    if summary.rate_limited > 0 {
        write!(formatter, ", {} answered 429", grouped(summary.rate_limited))?;
    }
    writeln!(formatter, ", in {}", lasting(summary.elapsed))
}

/// The main reasons for trouble, each with its first rows.
fn write_causes(summary: &Summary, formatter: &mut Formatter<'_>) -> fmt::Result {
    if summary.causes.is_empty() {
        return Ok(());
    }
    writeln!(formatter, "\nwhy:")?;
    for cause in &summary.causes {
        writeln!(formatter, "  {}", one_cause(cause))?;
    }
    Ok(())
}

/// `120 rejected: 422: the image cannot be read (rows 2, 3, …)`.
pub(super) fn one_cause(cause: &Cause) -> String {
    let Cause {
        state,
        code,
        message,
        count,
        first_rows,
    } = cause;
    let mut text = format!("{} {state}", grouped(*count));
    // An invalid row's code says `invalid` once more.
    let code = Some(&**code).filter(|code| !code.is_empty() && *code != state.as_str());
    for part in code.into_iter().chain((!message.is_empty()).then_some(&**message)) {
        text.push_str(": ");
        text.push_str(&escape::for_terminal(part));
    }
    let mut rows: Vec<_> = first_rows.iter().map(ToString::to_string).collect();
    if *count > first_rows.len() as u64 {
        rows.push("…".to_owned());
    }
    let noun = if *count == 1 { "row" } else { "rows" };
    format!("{text} ({noun} {})", rows.join(", "))
}

fn write_files(summary: &Summary, formatter: &mut Formatter<'_>) -> fmt::Result {
    let ledger = Some(&summary.ledger).filter(|ledger| !ledger.is_empty());
    let files = [("results", summary.results.as_ref()), ("ledger", ledger)];
    let mut gap = "\n";
    for (name, path) in files {
        if let Some(path) = path {
            writeln!(formatter, "{gap}{name}: {}", escape::for_terminal(path))?;
            gap = "";
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
