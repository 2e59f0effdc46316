//! `settle --from`: rows get their tasks by task ids that were copied from the provider's log.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU32;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Wall;
use crate::collect::look_up::{Looked, look_up};
use crate::collect::matching::{Asked, Bearing, LostRow, Matcher, Request, Sender, Verdict};
use crate::collect::pasted::{MOST_IDS, Pasted, task_ids_in};
use crate::job::{Collecting, Job, Settings};
use crate::kie::TaskRecord;
use crate::ledger::{Decision, LedgerError, Reader, Settled, Store};
use crate::manifest::Ground;
use crate::pace::Pace;
use crate::rate::Rate;
use crate::row::{RowState, Submission, TaskId};
use crate::view::Ending;

use super::report::{Fate, Report};
use super::row_name::RowName;
use super::{SettleArgs, as_json, as_text, refused, shown, unknown_rows};
use crate::cli::api::{Service, authorization};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::news;
use crate::cli::outputs::{ground_of, selection_of, write_results};

/// Largest text that is searched for task ids: MOST_IDS lines of an export with prompts in them.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(10);

pub(super) async fn run(args: SettleArgs, source: &Path) -> Result<ExitCode, Failure> {
    let selection = selection_of(&args.files);
    let job = Job::load(Settings {
        files: args.files.clone(),
        place: args.place,
        access: args.access,
        collecting: Collecting {
            poll_rate: args.poll_rate,
            ..Collecting::default()
        },
        reporting: args.reporting,
        ..Settings::default()
    })?;
    let console = Console::new(&job)?;
    let pasted = ids_in(source)?;
    let authorization = authorization(&job, &console)?;
    // Held to the end, so that what the records are compared with stays as it is. Rows that a dead run left are unknown
    // whether or not anything is accepted.
    let mut store = Store::open_existing(&job.ledger)?;
    store.recover(Wall::System.now())?;
    let batch = Batch::open(&job)?;
    news::warn_of_another_place(&console, &job, store.last_target()?);

    let mut fates = batch.known(&pasted)?;
    let asked_for: Vec<TaskId> = pasted
        .ids
        .iter()
        .map(|id| &id.task)
        .filter(|task| !fates.contains_key(*task))
        .cloned()
        .collect();
    let service = Service::reach(&job, authorization).await?;
    let mut matcher = Matcher::new(batch.lost()?);
    let mut progress = Told::new(&console, &job, asked_for.len());
    look_up(
        Arc::clone(&service.client),
        asked_for,
        pace_of(job.collect.poll_rate),
        |task, looked| {
            progress.looked();
            match looked {
                Looked::Record(record) => matcher.add(&record, batch.bearing_of(&record)?),
                Looked::Missing => drop(fates.insert(task, Fate::Missing)),
                Looked::Unread { code, message } => drop(fates.insert(task, Fate::Unread { code, message })),
            }
            Ok::<_, Failure>(())
        },
    )
    .await?;
    service.leave().await;

    for (task, verdict) in matcher.verdicts() {
        let fate = match verdict {
            Verdict::Ours { row_id, attempt, by } => {
                let row = batch.name(row_id)?;
                let decision = Decision::Found {
                    task: task.clone(),
                    attempt,
                };
                let settled = match args.dry_run {
                    true => Settled::Now(RowState::Accepted),
                    false => store.settle(row_id, &decision, Wall::System.now())?,
                };
                match settled {
                    Settled::Now(_) => Fate::Accepted { row, by },
                    Settled::NotUnknown(_) | Settled::NoSuchRow | Settled::TaskIdTaken => Fate::Known { row },
                }
            }
            other => batch.fate_of(other)?,
        };
        fates.insert(task, fate);
    }
    let report = Report::new(pasted, fates, args.dry_run);
    if report.accepted() > 0 && !args.dry_run && (args.files.results.is_some() || job.results.exists()) {
        write_results(&job)?;
    }
    drop(store);
    let left = unknown_rows(&job)?;
    let written = if job.output.json {
        let mut object = as_json(&left);
        report.add_to(&mut object);
        console.answer_json(&object)
    } else {
        console.answer(&format!("{report}\n{}", as_text(&left, &selection, true)))
    };
    Ok(match (left.is_empty(), written) {
        (false, _) => Ending::Undecided,
        (true, false) => Ending::SomeFailed,
        (true, true) => Ending::Done,
    }
    .into())
}

/// The task ids in a file, or on standard input.
fn ids_in(source: &Path) -> Result<Pasted, Failure> {
    let mut bytes = Vec::new();
    let read = if source.as_os_str() == "-" {
        io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes)
    } else {
        File::open(source).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::Read {
        path: source.to_owned(),
        source: error,
    })?;
    let name = shown(&source.to_string_lossy());
    if bytes.len() as u64 > MOST_BYTES {
        return Err(refused(
            format!("`{name}` has more than {} MB", MOST_BYTES >> 20),
            "keep the lines of the time in which the rows became unknown",
        ));
    }
    if bytes.contains(&0) {
        return Err(refused(
            format!("`{name}` is not a text in UTF-8"),
            "save it as plain text or CSV, in UTF-8",
        ));
    }
    let pasted = task_ids_in(&String::from_utf8_lossy(&bytes)).map_err(|_| {
        refused(
            format!("`{name}` has more than {MOST_IDS} task ids"),
            "keep the lines of the time in which the rows became unknown",
        )
    })?;
    if pasted.ids.is_empty() {
        return Err(refused(
            format!("`{name}` has no task id in it"),
            "copy the task ids from https://kie.ai/logs: 32 hexadecimal digits each, or `task_…`, or one alone on its line",
        ));
    }
    Ok(pasted)
}

/// The batch that the tasks may belong to, as its ledger has it.
struct Batch {
    reader: Reader,
}

impl Batch {
    fn open(job: &Job) -> Result<Batch, Failure> {
        let reader = Reader::open(&job.ledger)?;
        let ledger = shown(&job.ledger.to_string_lossy());
        match (reader.is_trial()?, job.sandbox) {
            (true, false) => Err(refused(
                format!("the rows of `{ledger}` were sent to the sandbox"),
                "add `--sandbox`, or name the ledger of the real rows with `--ledger`",
            )),
            (false, true) => Err(refused(
                format!("the rows of `{ledger}` were not sent to the embedded sandbox"),
                "leave `--sandbox` out",
            )),
            _ => Ok(Batch { reader }),
        }
    }

    /// Those of the tasks that rows of the ledger have or had.
    fn known(&self, pasted: &Pasted) -> Result<HashMap<TaskId, Fate>, Failure> {
        let mut rows: HashMap<&str, Option<i64>> = pasted.ids.iter().map(|id| (id.task.as_str(), None)).collect();
        self.reader.for_each_task(|task, row_id| {
            if let Some(row) = rows.get_mut(task) {
                *row = Some(row_id);
            }
        })?;
        let mut known = HashMap::new();
        for id in &pasted.ids {
            if let Some(row_id) = rows.get(id.task.as_str()).copied().flatten() {
                let row = self.name(row_id)?;
                known.insert(id.task.clone(), Fate::Known { row });
            }
        }
        Ok(known)
    }

    /// The rows whose answers were lost.
    fn lost(&self) -> Result<Vec<LostRow>, Failure> {
        let mut row_ids = Vec::new();
        self.reader.for_each_unknown(|row| {
            row_ids.extend(row.row_id);
            Ok::<_, LedgerError>(())
        })?;
        let mut lost = Vec::with_capacity(row_ids.len());
        for row_id in row_ids {
            let Some(submission) = self.reader.submission(row_id)? else {
                continue;
            };
            let requests = self.reader.attempts(row_id)?.into_iter();
            let requests = requests.filter(|request| matches!(request.result.as_deref(), None | Some("unknown")));
            lost.push(LostRow {
                row_id,
                content: submission.content(),
                asked: self.asked_by(row_id, &submission)?,
                callback_url: submission.callback_url.map(Cow::into_owned),
                requests: requests
                    .map(|request| Request {
                        attempt: request.id,
                        began_at: request.began_at,
                        given_up_at: request.answered_at,
                    })
                    .collect(),
            });
        }
        Ok(lost)
    }

    /// What a row asks for with this submission; `None` if the API cannot know its image.
    fn asked_by(&self, row_id: i64, submission: &Submission<'_>) -> Result<Option<Asked>, Failure> {
        let image_url = self.reader.image_url(row_id)?;
        Ok(image_url.map(|image_url| Asked::by(submission, image_url)))
    }

    /// The request whose token the record's callback URL bears.
    fn bearing_of(&self, record: &TaskRecord) -> Result<Bearing, Failure> {
        let Some(token) = Bearing::token_of(record) else {
            return Ok(Bearing::None);
        };
        let bearer = self.reader.bearer(crate::ledger::AttemptId(token.attempt))?;
        let Some(bearer) = bearer.filter(|bearer| token.secret.is(&bearer.token)) else {
            return Ok(Bearing::Foreign);
        };
        let mut standing = None;
        self.reader.row(bearer.row_id, |row| {
            standing = Some((row.state, row.task_id.map(str::to_owned)));
            Ok::<_, Failure>(())
        })?;
        let Some((state, task)) = standing else {
            return Ok(Bearing::Foreign);
        };
        let asked = match self.reader.submission(bearer.row_id)? {
            Some(submission) => self.asked_by(bearer.row_id, &submission)?,
            None => None,
        };
        Ok(Bearing::Ours(Sender {
            row_id: bearer.row_id,
            attempt: crate::ledger::AttemptId(token.attempt),
            state,
            asked,
            task: bearer.task_id.or(task),
        }))
    }

    fn name(&self, row_id: i64) -> Result<RowName, Failure> {
        let ground = ground_of(&self.reader)?;
        let mut name = None;
        self.reader.row(row_id, |row| {
            name = Some(RowName::of(row, &ground));
            Ok::<_, Failure>(())
        })?;
        Ok(name.unwrap_or(RowName {
            row_id,
            number: 0,
            line: 0,
            ground: Ground::default(),
            id: None,
        }))
    }

    fn names(&self, row_ids: &[i64]) -> Result<Vec<RowName>, Failure> {
        row_ids.iter().map(|row_id| self.name(*row_id)).collect()
    }

    fn fate_of(&self, verdict: Verdict) -> Result<Fate, Failure> {
        Ok(match verdict {
            Verdict::Ours { row_id, by, .. } => Fate::Accepted {
                row: self.name(row_id)?,
                by,
            },
            Verdict::Extra { row_id, task } => Fate::Extra {
                row: self.name(row_id)?,
                task,
            },
            Verdict::Outdated { row_id } => Fate::Outdated {
                row: self.name(row_id)?,
            },
            Verdict::Several { rows, rivals } => Fate::Several {
                rows: self.names(&rows)?,
                rivals,
            },
            Verdict::OtherTime { rows, distance_ms } => Fate::OtherTime {
                rows: self.names(&rows)?,
                distance_ms,
            },
            Verdict::Untold => Fate::Untold,
            Verdict::OtherModel(model) => Fate::OtherModel(model),
            Verdict::NotOurs => Fate::NotOurs,
        })
    }
}

fn pace_of(rate: Rate) -> Option<Pace> {
    match rate {
        Rate::Limited { requests, window } => Some(Pace::new(requests, window, NonZeroU32::MIN, None)),
        Rate::Off => None,
    }
}

/// What is told of the looks while they are made.
struct Told<'c> {
    console: &'c Console,
    total: usize,
    looked: usize,
    last: Instant,
}

impl Told<'_> {
    fn new<'c>(console: &'c Console, job: &Job, total: usize) -> Told<'c> {
        if total > 0 {
            let time = crate::cli::outputs::time_for(job.collect.poll_rate, total as u64);
            let time = time.filter(|time| *time >= TELL_EVERY).map(|time| {
                let seconds = Duration::from_secs(time.as_secs());
                format!(
                    ", about {} at {}",
                    humantime::format_duration(seconds),
                    job.collect.poll_rate
                )
            });
            let tasks = if total == 1 { "task" } else { "tasks" };
            console.notice(&format!("looking at {total} {tasks}{}", time.unwrap_or_default()));
        }
        Told {
            console,
            total,
            looked: 0,
            last: Instant::now(),
        }
    }

    fn looked(&mut self) {
        self.looked += 1;
        if self.last.elapsed() >= TELL_EVERY {
            self.last = Instant::now();
            self.console
                .notice(&format!("looked at {} of {} tasks", self.looked, self.total));
        }
    }
}
