//! `hailuo-batch settle`: decide what becomes of rows whose answer was lost.

mod from;
mod report;
mod row_name;

use std::collections::HashSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::clock::Wall;
use crate::escape;
use crate::job::{Access, Files, Job, Place, Reporting, Settings};
use crate::ledger::{AttemptRow, Decision, LedgerError, Reader, Settled, Store};
use crate::price::usd;
use crate::rate::Rate;
use crate::row::TaskId;
use crate::view::Ending;

use super::console::Console;
use super::failure::Failure;
use super::outputs::{ground_of, selection_of, write_results};
use row_name::RowName;

/// List the unknown rows and decide what becomes of them
///
/// An unknown row was sent and its answer was lost: it may have been taken and paid for. Look for its task in the
/// provider's log (https://kie.ai/logs), then say what is so; or copy the log's task ids into a file and let --from find
/// out whose they are. Without an option the rows are listed. ROW is the row's `id`; without one, its number in the column
/// `row` of the results, or the name in the list if it left the manifest. Several are separated by commas.
#[derive(Debug, Args)]
#[expect(
    rustdoc::bare_urls,
    reason = "the doc comment is the help text, where `<…>` would be shown"
)]
#[command(
    after_help = "Examples:\n  hailuo-batch settle shots.csv\n  hailuo-batch settle shots.csv --from ids.txt\n  \
                        hailuo-batch settle shots.csv --accept a-17=7d3f5a90c1b84e6fa2d4078b9e61c35f --drop=a-18\n  hailuo-batch settle shots.csv --resubmit"
)]
pub(super) struct SettleArgs {
    #[command(flatten)]
    files: Files,

    /// Accept, of the task ids in FILE, what is an unknown row's
    ///
    /// The file (`-`: standard input) may be anything copied from the provider's log: a list, a table, an export. The record of
    /// each task is read. It belongs to the row whose token is in its callback URL; without a token, to the unknown row that
    /// asked for the same prompt, image, length and resolution at that time, give or take 5 minutes. Only what is
    /// unambiguous is accepted; what became of each id is said. Needs the API key. Example: --from ids.txt
    #[arg(
        long, value_name = "FILE", conflicts_with_all = ["accept", "resubmit", "drop"],
        help_heading = "Decisions"
    )]
    from: Option<PathBuf>,

    /// Say what --from would accept, and accept nothing
    #[arg(long, requires = "from", help_heading = "Decisions")]
    dry_run: bool,

    /// Record that ROW was taken as this task; the row may be left out when only one is unknown. May be repeated
    #[arg(long, value_name = "[ROW=]TASK_ID", help_heading = "Decisions")]
    accept: Vec<String>,

    /// Queue these rows again, or all unknown ones, even if that pays twice
    #[arg(long, value_name = "ROW,…", num_args = 0..=1, require_equals = true, default_missing_value = ALL, help_heading = "Decisions")]
    resubmit: Option<String>,

    /// Give these rows up, or all unknown ones: they are neither sent again nor waited for
    #[arg(long, value_name = "ROW,…", num_args = 0..=1, require_equals = true, default_missing_value = ALL, help_heading = "Decisions")]
    drop: Option<String>,

    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    access: Access,

    /// Look at tasks at most N times in any window of DURATION
    ///
    /// Default: 10/1s. Example: --poll-rate 5/1s
    #[arg(
        long,
        value_name = "N/DURATION",
        env = "HAILUO_BATCH_POLL_RATE",
        hide_env = true,
        help_heading = "API"
    )]
    poll_rate: Option<Rate>,

    #[command(flatten)]
    reporting: Reporting,
}

/// What `--resubmit` and `--drop` mean without a value. Not an empty one: a script whose variable is empty means none.
const ALL: &str = "\0all";

/// A row that waits for a decision.
struct Unknown {
    name: RowName,
    message: String,
    prompt: String,
    last: Option<AttemptRow>,
}

pub(super) fn run(args: SettleArgs) -> Result<ExitCode, Failure> {
    if let Some(source) = args.from.clone() {
        return super::in_runtime(async move { from::run(args, &source).await });
    }
    let selection = selection_of(&args.files);
    let job = Job::load(Settings {
        files: args.files.clone(),
        reporting: args.reporting.clone(),
        ..Settings::default()
    })?;
    let console = Console::new(&job)?;
    let decides = !args.accept.is_empty() || args.resubmit.is_some() || args.drop.is_some();
    if decides {
        let mut store = Store::open_existing(&job.ledger)?;
        store.recover(Wall::System.now())?;
        let rows = unknown_rows(&job)?;
        let ids = ids_like_numbers(&job)?;
        let Decisions { made, not_sendable } = decisions_of(&args, &rows, &ids)?;
        for row in not_sendable {
            console.warn(&format!("{} {GONE}: left as it is", row.name));
        }
        for (row, decision) in &made {
            carry_out(&mut store, &console, row, decision)?;
        }
        drop(store);
        if args.files.results.is_some() || job.results.exists() {
            write_results(&job)?;
        }
    }
    let left = unknown_rows(&job)?;
    if job.output.json {
        console.answer_json(&as_json(&left));
    } else {
        console.answer(&as_text(&left, &selection, decides));
    }
    Ok(if left.is_empty() {
        Ending::Done
    } else {
        Ending::Undecided
    }
    .into())
}

fn unknown_rows(job: &Job) -> Result<Vec<Unknown>, Failure> {
    let reader = Reader::open(&job.ledger)?;
    let ground = ground_of(&reader)?;
    let mut rows = Vec::new();
    reader.for_each_unknown(|row| {
        rows.push(Unknown {
            name: RowName::of(row, &ground),
            message: row.error_message.unwrap_or("being sent").to_owned(),
            prompt: String::new(),
            last: None,
        });
        Ok::<_, LedgerError>(())
    })?;
    for row in &mut rows {
        if let Some(submission) = reader.submission(row.name.row_id)? {
            row.prompt = submission.prompt.into_owned();
        }
        row.last = reader.attempts(row.name.row_id)?.pop();
    }
    Ok(rows)
}

/// The ids in the manifest that could be taken for a row's number.
fn ids_like_numbers(job: &Job) -> Result<HashSet<String>, Failure> {
    let mut ids = HashSet::new();
    Reader::open(&job.ledger)?.for_each_row(|row| {
        ids.extend(row.id.filter(|id| number_in(id).is_some()).map(str::to_owned));
        Ok::<_, LedgerError>(())
    })?;
    Ok(ids)
}

/// Why a row is not queued again.
const GONE: &str = "is no longer in the manifest, so it would never be sent again";

struct Decisions<'r> {
    made: Vec<(&'r Unknown, Decision)>,
    /// Rows that `--resubmit` without a list passes over: they left the manifest.
    not_sendable: Vec<&'r Unknown>,
}

fn decisions_of<'r>(args: &SettleArgs, rows: &'r [Unknown], ids: &HashSet<String>) -> Result<Decisions<'r>, Failure> {
    let find = |wanted: &str| find(wanted, rows, ids);
    let mut decisions: Vec<(&Unknown, Decision)> = Vec::new();
    let mut not_sendable = Vec::new();
    for accept in &args.accept {
        let (row, task_id) = match accept.rsplit_once('=') {
            Some((row, task_id)) => (find(row)?, task_id),
            None => match rows {
                [only] => (only, accept.as_str()),
                [] => {
                    return Err(refused(
                        format!("`--accept {}`: no row is unknown", shown(accept)),
                        "`hailuo-batch status` shows where the batch stands",
                    ));
                }
                _ => {
                    return Err(refused(
                        format!(
                            "`--accept {}` does not say for which of {} unknown rows",
                            shown(accept),
                            rows.len()
                        ),
                        "write `--accept ROW=TASK_ID`",
                    ));
                }
            },
        };
        let task_id = TaskId::new(task_id.trim()).ok_or_else(|| {
            refused(
                format!("`{}` is not a task id", shown(task_id)),
                "copy it from https://kie.ai/logs",
            )
        })?;
        decisions.push((row, Decision::Accept(task_id)));
    }
    if args.resubmit.as_deref() == Some(ALL) && args.drop.as_deref() == Some(ALL) {
        return Err(refused(
            "`--resubmit` and `--drop` both speak of all unknown rows".into(),
            "name the rows of one of them, like `--drop=a-17`",
        ));
    }
    for (list, decision) in [(&args.resubmit, Decision::Resubmit), (&args.drop, Decision::Drop)] {
        match list.as_deref() {
            None => {}
            // All that no other option speaks of.
            Some(ALL) => {
                let spoken_for: Vec<i64> = decisions.iter().map(|(row, _)| row.name.row_id).collect();
                for row in rows.iter().filter(|row| !spoken_for.contains(&row.name.row_id)) {
                    if decision == Decision::Resubmit && row.name.number == 0 {
                        // Unless `--drop` speaks of it.
                        not_sendable.push(row);
                    } else {
                        decisions.push((row, decision.clone()));
                    }
                }
            }
            Some(list) => {
                // An id may hold a comma itself.
                let names: Vec<&str> = match rows.iter().any(|row| row.name.id.as_deref() == Some(list)) {
                    true => vec![list],
                    false => list.split(',').collect(),
                };
                for name in names {
                    let row = find(name)?;
                    if decision == Decision::Resubmit && row.name.number == 0 {
                        return Err(refused(
                            format!("{} {GONE}", row.name),
                            "add it to the manifest again and `run`, then resubmit it; or decide with --accept or --drop",
                        ));
                    }
                    decisions.push((row, decision.clone()));
                }
            }
        }
    }
    let mut seen: Vec<i64> = decisions.iter().map(|(row, _)| row.name.row_id).collect();
    seen.sort_unstable();
    if let Some(twice) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
        let row = rows.iter().find(|row| row.name.row_id == twice[0]);
        let name = row.map(|row| row.name.to_string()).unwrap_or_default();
        return Err(refused(format!("{name} is named twice"), "give each row one decision"));
    }
    not_sendable.retain(|row| !seen.contains(&row.name.row_id));
    Ok(Decisions {
        made: decisions,
        not_sendable,
    })
}

/// The row a user means: by its id; by its number or our own name for it only if it has no id, since a number may be
/// another row's id, and the wrong row would be paid for twice.
fn find<'r>(wanted: &str, rows: &'r [Unknown], ids: &HashSet<String>) -> Result<&'r Unknown, Failure> {
    let wanted = wanted.trim();
    if let Some(row) = rows.iter().find(|row| row.name.id.as_deref() == Some(wanted)) {
        return Ok(row);
    }
    let gone = rows.iter().find(|row| row.name.own().as_deref() == Some(wanted));
    let number = number_in(wanted);
    let by_number = rows
        .iter()
        .find(|row| row.name.number > 0 && Some(row.name.number) == number);
    match (gone, by_number) {
        (Some(row), _) => Ok(row),
        (
            None,
            Some(Unknown {
                name: RowName { id: Some(id), .. },
                ..
            }),
        ) => Err(refused(
            format!(
                "no unknown row has the id `{wanted}`; row {wanted} has the id `{}`",
                shown(id)
            ),
            "name a row by its id; `hailuo-batch settle` without options lists the unknown rows",
        )),
        (None, Some(_)) if ids.contains(wanted) => Err(refused(
            format!("`{wanted}` is the id of a row that is not unknown, and the number of one that is"),
            "give the row with that number an id in the manifest and `run`, then name it by its id",
        )),
        (None, Some(row)) => Ok(row),
        (None, None) => Err(refused(
            format!("no unknown row has the id or number `{}`", shown(wanted)),
            "`hailuo-batch settle` without options lists the unknown rows",
        )),
    }
}

/// The row number that `text` is, in its only spelling.
fn number_in(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}

fn carry_out(store: &mut Store, console: &Console, row: &Unknown, decision: &Decision) -> Result<(), Failure> {
    let name = &row.name;
    match store.settle(row.name.row_id, decision, Wall::System.now())? {
        Settled::Now(state) => {
            console.notice(&format!("{name} is {state} now"));
            Ok(())
        }
        Settled::NotUnknown(state) => {
            console.warn(&format!("{name} is {state}, not unknown: left as it is"));
            Ok(())
        }
        Settled::NoSuchRow => Err(refused(
            format!("{name} is not in the ledger"),
            "list the rows and try again",
        )),
        Settled::TaskIdTaken => Err(refused(
            format!("another row already has the task id given for {name}"),
            "one task belongs to one row: compare the prompts in https://kie.ai/logs",
        )),
    }
}

fn refused(what: String, help: &str) -> Failure {
    Failure::Settle {
        what,
        help: help.to_owned(),
    }
}

fn shown(text: &str) -> String {
    escape::excerpt(text, 80)
}

/// Credits at stake: what the rows' last requests cost if they were taken. `None` when a price is not known.
fn at_stake(rows: &[Unknown]) -> Option<f64> {
    rows.iter()
        .map(|row| row.last.as_ref().and_then(|last| last.cost))
        .sum()
}

fn as_text(rows: &[Unknown], selection: &[String], decided: bool) -> String {
    if rows.is_empty() {
        return if decided {
            "no unknown rows are left\n".into()
        } else {
            "no row is unknown\n".into()
        };
    }
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| writeln!(text, "{words}").expect("a string takes text");
    let noun = if rows.len() == 1 { "row" } else { "rows" };
    match at_stake(rows) {
        Some(credits) => line(format_args!(
            "{} unknown {noun}, {credits} credits ({:.2} USD) at stake",
            rows.len(),
            usd(credits)
        )),
        None => line(format_args!(
            "{} unknown {noun}; what is at stake is unknown",
            rows.len()
        )),
    }
    for row in rows {
        let place = row.name.place();
        let sent = row
            .last
            .as_ref()
            .map(|last| format!(", sent {}", last.began_at.to_rfc3339()))
            .unwrap_or_default();
        line(format_args!("  {}{place}{sent}", row.name));
        line(format_args!("    {}", escape::excerpt(&row.prompt, 90)));
        line(format_args!("    {}", escape::excerpt(&row.message, 200)));
    }
    let selection = escape::for_shell(selection);
    line(format_args!(""));
    line(format_args!(
        "help: look for these prompts in https://kie.ai/logs, then"
    ));
    line(format_args!(
        "  by task id: hailuo-batch settle {selection} --from FILE  (with the log's task ids in it)"
    ));
    line(format_args!(
        "  taken:      hailuo-batch settle {selection} --accept ROW=TASK_ID"
    ));
    line(format_args!(
        "  not there:  hailuo-batch settle {selection} --resubmit=ROW,…  (then run again)"
    ));
    line(format_args!(
        "  give up:    hailuo-batch settle {selection} --drop=ROW,…"
    ));
    text
}

fn as_json(rows: &[Unknown]) -> serde_json::Value {
    let listed: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name.selector(),
                "row": (row.name.number > 0).then_some(row.name.number),
                "line": (row.name.line > 0).then_some(row.name.line),
                "id": row.name.id,
                "prompt": row.prompt,
                "message": row.message,
                "sent_at": row.last.as_ref().map(|last| last.began_at.to_rfc3339()),
                "credits": row.last.as_ref().and_then(|last| last.cost),
            })
        })
        .collect();
    json!({ "unknown": rows.len(), "credits_at_stake": at_stake(rows), "rows": listed })
}
