//! The results file and the summary, both made from the ledger alone.

use std::path::Path;
use std::time::Duration;

use crate::collect::FILES_LIVE;
use crate::job::Job;
use crate::job::resolve::BASE_URL;
use crate::ledger::{self, LedgerError, Money, Reader, Store};
use crate::manifest::{Field, Ground, Survey};
use crate::price::{PriceTable, USD_PER_CREDIT};
use crate::rate::{Rate, SPACING};
use crate::results::{self, Closing, Columns, Dialect, Layout, ResultRow, ResultsWriter};
use crate::row::{ClipLength, Resolution};
use crate::view::{self, Account, Bill, Causes, Command, Cost, Counts, ExtraTask, Halt, Summary, is_troubled};

use super::closing::closing_of;
use super::failure::Failure;
use super::intake::{COLUMNS_NOTE, DIALECT_NOTE, FORMAT_NOTE};
use super::shown::{settled, trouble_of, troubled_states};

/// How many tasks a summary names that no row has.
const EXTRA_TASKS: u32 = 100;

/// How many causes of trouble a summary names.
const CAUSES: usize = view::MOST_CAUSES_TOLD;

/// Writes the results of `job` from its ledger, atomically.
pub(super) fn write_results(job: &Job) -> Result<(), Failure> {
    let reader = Reader::open(&job.ledger)?;
    let halt = reader.last_halt()?;
    let at_work = Store::owner(&job.ledger).is_some();
    let mut writer = begin_results(&job.results, &layout_of(job, &reader)?)?;
    let mut causes = Causes::default();
    reader.for_each_row(|row| {
        let (error_code, error_message) = trouble_of(row, halt.as_ref());
        let state = settled(row.state, at_work);
        let (code, message) = trouble_of(row, None);
        if writer.has_summary() && is_troubled(state, code) {
            causes.add(row.number, state, code, message);
        }
        writer.write(&ResultRow {
            number: row.number,
            cells: row.cells,
            state,
            task_id: row.task_id,
            error_code,
            error_message,
            attempts: row.attempts,
            submitted_at: row.submitted_at,
            completed_at: row.completed_at,
            credits: row.credits,
            video_url: row.video_url,
            video_file: row.video_file,
        })?;
        Ok::<_, Failure>(())
    })?;
    let closing = match writer.has_summary() {
        true => closing_of(job, &reader, halt.as_ref(), causes)?,
        false => Closing::default(),
    };
    Ok(writer.finish(&closing)?)
}

/// Begins results at `path`, if they would not take the place of somebody's own file.
pub(super) fn begin_results(path: &Path, layout: &Layout) -> Result<ResultsWriter, Failure> {
    let writer = ResultsWriter::create(path, layout)?;
    match results::may_be_replaced(path) {
        true => Ok(writer),
        false => Err(Failure::NotResults { path: path.to_owned() }),
    }
}

/// What an import has left in the ledger about the manifest; of ledgers from before there was such a note, little.
pub(super) fn layout_of(job: &Job, reader: &Reader) -> Result<Layout, LedgerError> {
    let note = |name| reader.meta(name);
    let read = |json: &String| serde_json::from_str(json).ok();
    let names: Vec<String> = note(COLUMNS_NOTE)?.as_ref().and_then(read).unwrap_or_default();
    let dialect = note(DIALECT_NOTE)?.and_then(|json| serde_json::from_str(&json).ok());
    let mut dialect: Dialect = dialect.unwrap_or_default();
    if dialect.image_column.is_none() {
        let images = |name: &&String| Field::of_name(name) == Some(Field::ImageUrl);
        dialect.image_column = names.iter().find(images).cloned();
    }
    Ok(Layout {
        columns: match note(FORMAT_NOTE)?.as_deref() {
            Some("objects") => Columns::Objects(names),
            _ => Columns::Named(names),
        },
        dialect,
        folder: job.manifest.parent().map(Path::to_owned).unwrap_or_default(),
    })
}

/// What the places of the manifest are, by what the last import has left in the ledger.
pub(super) fn ground_of(reader: &Reader) -> Result<Ground, LedgerError> {
    let dialect: Option<Dialect> = reader
        .meta(DIALECT_NOTE)?
        .and_then(|json| serde_json::from_str(&json).ok());
    let sheet = dialect.and_then(|dialect| dialect.sheet);
    Ok(sheet.map_or_else(Ground::default, |sheet| Ground::sheet(sheet.into())))
}

/// Where the results are, in the summary; or, told at once, why they are not there.
pub(super) fn note_results(summary: &mut Summary, job: &Job, written: &Result<(), Failure>) {
    match written {
        Ok(()) => summary.results = Some(job.results.display().to_string()),
        Err(failure) => {
            failure.report();
            summary.results_failed = true;
        }
    }
}

/// What the ledger says about the batch, for the part of a [`Summary`] that does not depend on this run.
pub(super) fn summary_of(job: &Job, selection: Vec<String>, command: Command) -> Result<Summary, LedgerError> {
    summary_from(&Reader::open(&job.ledger)?, job, selection, command)
}

/// Where the batch stands, with the requests of all its runs.
pub(super) fn status_of(job: &Job, reader: &Reader, selection: Vec<String>) -> Result<Summary, LedgerError> {
    let totals = reader.totals()?;
    Ok(Summary {
        requests: totals.requests,
        retries: totals.retries,
        rate_limited: totals.rate_limited,
        ..summary_from(reader, job, selection, Command::Status)?
    })
}

fn summary_from(reader: &Reader, job: &Job, selection: Vec<String>, command: Command) -> Result<Summary, LedgerError> {
    let owner = Store::owner(&job.ledger);
    let counts = reader
        .counts()?
        .into_iter()
        .map(|(state, rows)| (settled(state, owner.is_some()), rows));
    let counts: Counts = counts.collect();
    let standing = reader.standing_apart()?;
    let troubled =
        counts.invalid + counts.rejected + counts.unknown + counts.failed + counts.succeeded + standing.changed > 0;
    let mut causes = Causes::default();
    let mut queued = Vec::new();
    if troubled {
        reader.for_each_row_in(&troubled_states(standing.changed), |row| {
            let (code, message) = trouble_of(row, None);
            if is_troubled(row.state, code) {
                causes.add(row.number, row.state, code, message);
            }
            Ok::<_, LedgerError>(())
        })?;
    }
    if counts.queued > 0 {
        queued = reader.queued_by_kind(None)?;
    }
    let (spent, unpriced) = reader.spent()?;
    let cost = Cost {
        spent_credits: (unpriced == 0).then_some(spent),
        bill: bill_of(&reader.money()?),
        estimated_credits: estimate(&job.prices, queued.iter().copied()),
        // A run speaks of its own balance only; `status` of the last one known.
        account: reader
            .account()?
            .filter(|account| account.is_latest || command == Command::Status)
            .map(|account| account_of(&account)),
        usd_per_credit: Some(USD_PER_CREDIT),
        price_source: Some(job.prices.source().to_owned()),
    };
    let halted = reader.last_halt()?.map(|(code, message)| Halt { code, message });
    Ok(Summary {
        command,
        selection,
        place: place_of(job),
        collecting: collecting_of(job),
        sandbox: reader.is_trial()?,
        first_expiry: reader.oldest_unsaved()?.map(|ended| ended.after(FILES_LIVE)),
        counts,
        changed: standing.changed,
        unknown_elsewhere: standing.unknown_elsewhere,
        extra_tasks: extra_tasks(reader)?,
        at_work: owner
            .filter(|_| command == Command::Status)
            .map(|owner| owner.to_string()),
        cost,
        estimated_time: time_for(job.rate, counts.queued),
        halted: halted.filter(|_| command == Command::Status && counts.queued > 0),
        causes: causes.top(CAUSES),
        ledger: job.ledger.display().to_string(),
        ..Summary::default()
    })
}

fn bill_of(money: &Money) -> Bill {
    Bill {
        consumed: money.consumed,
        consumed_by_price: money.consumed_by_price,
        ended: money.ended,
        untold: money.untold,
        at_work: money.at_work,
        working: money.working,
        unwatched: money.unwatched,
        unwatched_tasks: money.unwatched_tasks,
        unknown: money.unknown,
        unanswered: money.unanswered,
        extra: money.extra,
    }
}

fn account_of(account: &ledger::Account) -> Account {
    Account {
        before: account.before,
        after: account.after,
        accepted: account.accepted,
        unknown: account.unknown,
    }
}

/// The options that lead to the same server.
fn place_of(job: &Job) -> Vec<String> {
    match job.sandbox || job.base_url.as_str().trim_end_matches('/') == BASE_URL {
        true => Vec::new(),
        false => vec!["--base-url".to_owned(), job.base_url.to_string()],
    }
}

/// The options by which videos go where they went.
fn collecting_of(job: &Job) -> Vec<String> {
    let folder = job.collect.folder.as_ref().map(|folder| folder.display().to_string());
    let options = [("--download", folder), ("--name", job.collect.name.clone())];
    let given = options
        .into_iter()
        .filter_map(|(flag, value)| Some([flag.to_owned(), value?]));
    given.flatten().collect()
}

fn extra_tasks(reader: &Reader) -> Result<Vec<ExtraTask>, LedgerError> {
    let found = reader.extra_tasks(EXTRA_TASKS)?.into_iter();
    Ok(found.map(|(row, task_id)| ExtraTask { row, task_id }).collect())
}

/// Credits for rows of these kinds; `None` as soon as one price is not known.
pub(super) fn estimate(
    prices: &PriceTable,
    kinds: impl IntoIterator<Item = (ClipLength, Resolution, u64)>,
) -> Option<f64> {
    kinds.into_iter().try_fold(0.0, |sum, (length, resolution, rows)| {
        #[expect(clippy::cast_precision_loss, reason = "a manifest has at most a million rows")]
        prices
            .price_of(length, resolution)
            .map(|price| sum + price * rows as f64)
    })
}

/// How many valid rows of each kind a manifest has.
pub(super) fn kinds_of(survey: &Survey) -> Vec<(ClipLength, Resolution, u64)> {
    survey
        .valid_by_kind
        .iter()
        .map(|(length, resolution, rows)| (length, resolution, u64::from(rows)))
        .collect()
}

/// How long sending `rows` takes at the even pace of `rate`; `None` without a limit.
pub(super) fn time_for(rate: Rate, rows: u64) -> Option<Duration> {
    let Rate::Limited { requests, window } = rate else {
        return None;
    };
    #[expect(clippy::cast_precision_loss, reason = "a manifest has at most a million rows")]
    let spacings = rows.saturating_sub(1) as f64;
    Some(window.div_f64(f64::from(requests.get())).mul_f64(SPACING * spacings))
}

/// The words that name this batch in the commands that hints suggest.
pub(super) fn selection_of(files: &crate::job::Files) -> Vec<String> {
    let word = |path: &Path| path.display().to_string();
    let mut words = Vec::new();
    if let Some(manifest) = &files.manifest {
        words.push(word(manifest));
    }
    if let Some(job) = &files.job {
        words.extend(["--job".to_owned(), word(job)]);
    }
    if let Some(results) = &files.results {
        words.extend(["--results".to_owned(), word(results)]);
    }
    if let Some(ledger) = &files.ledger {
        words.extend(["--ledger".to_owned(), word(ledger)]);
    }
    words
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::intake;
    use crate::job::paths::RESULT_EXTENSIONS;
    use crate::job::{Files, Settings};
    use crate::ledger::Realm;
    use crate::results::FactValue;
    use crate::row::RowState;

    /// A batch whose manifest was just imported.
    fn imported(folder: &Path, manifest: &str) -> Job {
        fs::write(folder.join("clips.csv"), manifest).unwrap();
        let files = Files {
            manifest: Some(folder.join("clips.csv")),
            results: Some(folder.join("out.xlsx")),
            ..Files::default()
        };
        let job = Job::load(Settings {
            files,
            ..Settings::default()
        })
        .unwrap();
        let mut images = intake::images_of(&job);
        let survey = intake::survey(&job, &mut images).unwrap();
        let mut store = Store::open(&job.ledger, Realm::Api).unwrap();
        intake::import(&mut store, &job, &survey, &mut images).unwrap();
        job
    }

    fn leave_note(job: &Job, dialect: &str) {
        let ledger = rusqlite::Connection::open(&job.ledger).unwrap();
        let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
        ledger.execute(sql, [DIALECT_NOTE, dialect]).unwrap();
    }

    #[test]
    fn every_extension_that_settings_take_is_a_format_that_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::of(Columns::Named(Vec::new()));
        for extension in RESULT_EXTENSIONS {
            let path = folder.path().join(format!("out.{extension}"));
            assert!(ResultsWriter::create(&path, &layout).is_ok(), "{extension}");
        }
    }

    #[test]
    fn results_follow_the_manifest_as_far_as_the_ledger_knows_it() {
        let folder = tempfile::tempdir().unwrap();
        let job = imported(
            folder.path(),
            "prompt,图片,note\na boat,https://img.example.org/1.png,x\n",
        );
        let layout = || layout_of(&job, &Reader::open(&job.ledger).unwrap()).unwrap();
        let names = ["prompt", "图片", "note"].map(str::to_owned).to_vec();
        assert_eq!(layout().columns, Columns::Named(names));
        assert_eq!(layout().folder, folder.path());
        // An alias says what it is.
        assert_eq!(layout().dialect.image_column.as_deref(), Some("图片"));
        leave_note(
            &job,
            r#"{"delimiter":";","sheet":"Shots","surplus":true,"image_column":"note"}"#,
        );
        assert_eq!(
            layout().dialect,
            Dialect {
                delimiter: Some(';'),
                byte_order_mark: false,
                sheet: Some("Shots".to_owned()),
                surplus: true,
                image_column: Some("note".to_owned()),
            }
        );
        // A note that nobody can read is as good as none.
        leave_note(&job, "{");
        assert_eq!(layout().dialect.delimiter, None);
        assert_eq!(layout().dialect.image_column.as_deref(), Some("图片"));
    }

    #[test]
    fn the_summary_of_a_workbook_tells_cost_and_troubles() {
        let folder = tempfile::tempdir().unwrap();
        let job = imported(
            folder.path(),
            "prompt,image_url\na boat,https://img.example.org/1.png\na lake,no address\n",
        );
        let reader = Reader::open(&job.ledger).unwrap();
        let mut causes = Causes::default();
        causes.add(2, RowState::Invalid, Some("invalid"), Some("no image"));
        let halt = ("402".to_owned(), "no more credits".to_owned());
        let closing = closing_of(&job, &reader, Some(&halt), causes).unwrap();
        assert_eq!(closing.title, "Results of clips.csv");
        let fact = |label: &str| {
            let found = closing.facts.iter().find(|fact| fact.label == label);
            found.map(|fact| fact.value.clone())
        };
        assert_eq!(fact("spent, in credits"), Some(FactValue::Number(0.0)));
        assert_eq!(fact("still to be spent, in credits"), Some(FactValue::Number(30.0)));
        assert_eq!(fact("still to be spent, in US dollars"), Some(FactValue::Money(0.15)));
        assert_eq!(
            fact("the last run was halted"),
            Some(FactValue::Text("no more credits (402)".to_owned()))
        );
        assert_eq!(fact("trial"), None);
        let [cause] = &*closing.causes else {
            panic!("{closing:?}")
        };
        assert_eq!(
            (cause.rows, &*cause.first_rows, &*cause.message),
            (1, &[2][..], "no image")
        );
        write_results(&job).unwrap();
        assert!(crate::results::may_be_replaced(&job.results));
    }
}
