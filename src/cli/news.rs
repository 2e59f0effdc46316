//! What a run says on standard error: what it found, what it is about to do, what happens.

use std::path::Path;
use std::time::Duration;

use url::Url;

use crate::dispatch::Notice;
use crate::job::Job;
use crate::ledger::{ImportStats, LedgerError, Recovered};
use crate::manifest::{Ground, ReadAs, Remark};
use crate::row::RowState;
use crate::view::{Signal, counted};

use super::collecting::Waiting;
use super::console::Console;
use super::outputs::time_for;

/// What was found out about the manifest's file, where that may not be what the user thinks.
pub(super) fn tell_how_it_was_read(console: &Console, read_as: &ReadAs) {
    for remark in read_as.remarks() {
        match remark {
            Remark::Note(text) => console.notice(&format!("note: {text}")),
            Remark::Warning(text) => console.warn(&text),
        }
    }
}

pub(super) fn tell_of_the_past(
    console: &Console,
    recovered: &Recovered,
    imported: &ImportStats,
    ground: &Ground,
    selection: &[String],
) {
    tell_of_recovery(console, recovered, selection);
    if imported.brought > 0 {
        console.notice(&format!(
            "note: the manifest is a results file: {} taken over with the outcome it says; without its columns `status` \
             and `task_id` they would be sent as new rows",
            if imported.brought == 1 { "1 row was".into() } else { format!("{} were", rows(imported.brought)) }
        ));
    }
    if imported.renamed > 0 {
        console.notice(&format!(
            "note: {} recognised by their content under another `id` or place, and not sent again",
            if imported.renamed == 1 {
                "1 row was".into()
            } else {
                format!("{} were", rows(imported.renamed))
            }
        ));
    }
    if imported.requeued > 0 {
        console.notice(&format!("{} queued again, as asked", rows(imported.requeued)));
    }
    if imported.edited > 0 {
        console.notice(&format!("{} with new content queued", rows(imported.edited)));
    }
    for changed in &imported.changed_places {
        let id = changed.id.as_deref().map(|id| format!(" (`{id}`)")).unwrap_or_default();
        let advice = match changed.state {
            RowState::Unknown => "settle it first: `hailuo-batch settle`",
            _ => "it was not sent again; `--resubmit-changed` does, and pays for it",
        };
        let when = match changed.state {
            RowState::Unknown => "sent, and its answer is unknown".to_owned(),
            state => state.to_string(),
        };
        console.warn(&format!(
            "{}{id} was changed after it was {when}: {advice}",
            ground.position(changed.line, None).in_words()
        ));
    }
    let more = imported.changed - imported.changed_places.len() as u64;
    if more > 0 {
        console.warn(&format!(
            "and {} changed after {} accepted, too",
            if more == 1 {
                "1 more row was".to_owned()
            } else {
                format!("{more} more rows were")
            },
            if more == 1 { "it was" } else { "they were" }
        ));
    }
    if imported.gone > 0 {
        console.notice(&format!(
            "note: {} in the ledger and no longer in the manifest, and may have been paid for; where a row without an \
             `id` was edited, its new content counts as a new row",
            if imported.gone == 1 {
                "1 row is".into()
            } else {
                format!("{} are", rows(imported.gone))
            }
        ));
    }
}

/// What an earlier run left behind when it died.
pub(super) fn tell_of_recovery(console: &Console, recovered: &Recovered, selection: &[String]) {
    if recovered.from_reserve > 0 {
        console.notice(&format!(
            "recovered: {} got the task ids that an earlier run could only write to its reserve file",
            rows(recovered.from_reserve)
        ));
    }
    if recovered.left_sending > 0 {
        console.warn(&format!(
            "an earlier run ended while {} being sent; they may have been taken and are unknown now: see \
             `hailuo-batch settle {}`",
            if recovered.left_sending == 1 {
                "1 row was".into()
            } else {
                format!("{} were", rows(recovered.left_sending))
            },
            selection.join(" ")
        ));
    }
}

fn rows(count: u64) -> String {
    if count == 1 {
        "1 row".to_owned()
    } else {
        format!("{count} rows")
    }
}

/// Rows that are neither sent nor accepted, because the record of a task could not be read.
pub(super) fn tell_of_announced(console: &Console, announced: Result<u64, LedgerError>) {
    match announced {
        Ok(0) => {}
        Ok(announced) => console.notice(&format!(
            "{} a task that a callback named and whose record could not be read yet; until then {} not sent again",
            if announced == 1 {
                "1 row has".to_owned()
            } else {
                format!("{announced} rows have")
            },
            if announced == 1 { "it is" } else { "they are" }
        )),
        Err(error) => tracing::warn!(%error, "the ledger could not be asked for announced tasks"),
    }
}

/// What a collector is about to do.
pub(super) fn tell_of_the_collection(console: &Console, waiting: Waiting, folder: Option<&Path>) {
    let videos = match folder {
        Some(folder) => format!(", saving videos in `{}`", folder.display()),
        None => String::new(),
    };
    let what = match (waiting.tasks, waiting.videos) {
        (tasks, 0) => format!("waiting for {}", counted(tasks, "task")),
        (0, finished) => format!("fetching {}", counted(finished, "finished video")),
        (tasks, finished) => format!(
            "waiting for {}, fetching {}",
            counted(tasks, "task"),
            counted(finished, "finished video")
        ),
    };
    console.notice(&format!("{what}{videos}"));
}

fn name_of(signal: Signal) -> &'static str {
    match signal {
        Signal::Interrupt => "interrupted",
        Signal::Terminate => "asked to end",
    }
}

pub(super) fn tell_of_signal_to_collector(console: &Console, signal: Signal) {
    let name = name_of(signal);
    console.notice(&format!(
        "{name}: nothing is lost, the next `collect` goes on from here"
    ));
}

pub(super) fn tell_of_signal_to_viewers(console: &Console, signal: Signal) {
    console.notice(&format!("{}: the page is no longer shown", name_of(signal)));
}

pub(super) fn tell_of_signal_to_looker(console: &Console, signal: Signal) {
    console.notice(&format!("{}: no more images are looked at", name_of(signal)));
}

pub(super) fn tell_of_signal(console: &Console, signal: Signal) {
    let name = name_of(signal);
    console.notice(&format!(
        "{name}: nothing more is started; the requests in flight are being finished (again: leave at once, they become \
         unknown)"
    ));
}

/// Rows sent to a server on this machine count as done for the real API too, and the other way round. That errs on the
/// side of not paying; but whoever has only rehearsed will want to know.
pub(super) fn warn_of_another_place(console: &Console, job: &Job, last: Option<String>) {
    let here = |url: &str| {
        Url::parse(url)
            .ok()
            .map(|url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")))
    };
    let Some(last) = last.filter(|last| here(last).is_some() && here(last) != here(job.base_url.as_str())) else {
        return;
    };
    console.warn(&format!(
        "rows of `{}` were sent to {last} before; they count as done for {} too. For a fresh start give another `--ledger`",
        job.ledger.display(),
        job.base_url
    ));
}

pub(super) fn tell_of_the_plan(console: &Console, job: &Job, queued: u64) {
    let rows = job.limit.map_or(queued, |limit| limit.min(queued));
    let time = match time_for(job.rate, rows).filter(|time| time.as_secs() > 0) {
        Some(time) => format!(
            ", about {} at {}",
            humantime::format_duration(Duration::from_secs(time.as_secs())),
            job.rate
        ),
        None => String::new(),
    };
    let place = if job.sandbox {
        "to the sandbox".to_owned()
    } else {
        format!("to {}", job.base_url)
    };
    console.notice(&format!(
        "sending {rows} {} {place}{time}",
        if rows == 1 { "row" } else { "rows" }
    ));
}

pub(super) fn tell(console: &Console, notice: &Notice) {
    let lasting = |duration: &Duration| {
        humantime::format_duration(Duration::from_millis(
            u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        ))
        .to_string()
    };
    match notice {
        // Progress shows pauses itself.
        Notice::Paused { reason, wait, code } => {
            tracing::info!(?reason, wait_ms = wait.as_millis(), %code, "paused");
        }
        Notice::Resumed { reason } => tracing::info!(?reason, "resumed"),
        Notice::Slower { spacing } => console.notice(&format!(
            "slower: one request every {}, as something else seems to use the account",
            lasting(spacing)
        )),
        Notice::Halted(halt) => console.notice(&format!("halted: {} ({})", halt.message(), halt.code())),
        Notice::TimeIsUp => console.notice("time is up: nothing more is started"),
        Notice::NotRecorded { row, task_id } => console.alarm(&format!(
            "row {row} was accepted as task {task_id}, and the ledger could not record it; it is in the reserve file \
             beside the ledger if that could be written, and the next run takes it from there: keep this line"
        )),
    }
}
