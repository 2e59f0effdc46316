//! `hailuo-batch run`: the main job, from the manifest to the results file.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use reqwest::header::HeaderValue;
use tokio::sync::watch;

use crate::clock::Wall;
use crate::collect::CollectReport;
use crate::dispatch::{
    self, DispatchConfig, Halt, ReadImage, RetryConfig, RunReport, Standing, TokenSource, UploadedImages, Watch,
};
use crate::job::{Job, Settings};
use crate::ledger::{Balance, LedgerError, Reader, Realm, Store};
use crate::manifest::{ImageFiles, Images, ReadAs, Survey};
use crate::results::{Columns, Layout};
use crate::view::{self, Command, Counts, Ending, Summary};

use super::api::{Service, authorization};
use super::background::{Background, blocking};
use super::balance::{self, Opening, Vigil};
use super::collecting::{self, Collector, Manner};
use super::console::Console;
use super::failure::Failure;
use super::intake;
use super::metrics_file::{self, MetricsFile};
use super::news;
use super::notices::{self, Account, Ended, Occasion};
use super::observer::{Sending, Watched, live_of};
use super::outputs::{begin_results, estimate, kinds_of, note_results, selection_of, summary_of, write_results};
use super::receiving::{Plan, Purpose, Reception};
use super::same_name;
use super::signals::Signals;

/// Submit every row that is not done; run it again to go on
///
/// Each row of the manifest becomes one request to the API, in the manifest's order, at the speed the account allows.
/// What becomes of it is in the ledger before anything else happens, and in the results file at the end (and once a
/// minute until then). Rows that are done are never sent again.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hailuo-batch run samples/quickstart.csv --sandbox --download videos\n  \
                        hailuo-batch run shots.csv --budget 3000 --until 06:00\n\nExit codes: see hailuo-batch --help"
)]
pub(super) struct RunArgs {
    #[command(flatten)]
    settings: Settings,
}

/// More than any window holds in practice: the limiter takes from it what still counts.
const LAST_ATTEMPTS: u32 = 4_096;

/// `words` are the command line as it was given: what hints repeat.
pub(super) async fn run(args: RunArgs, words: Vec<String>) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let selection = selection_of(&args.settings.files);
    let job = Job::load(args.settings)?.for_run();
    let console = Console::new(&job)?;
    // Most of the program: on the heap it is moved as a pointer.
    let work = Box::pin(run_job(&job, &console, started, selection, words));
    Ok(notices::around(&job, &console, Occasion::Run, work).await)
}

async fn run_job(
    job: &Job,
    console: &Console,
    started: Instant,
    selection: Vec<String>,
    words: Vec<String>,
) -> Result<Ended, Failure> {
    let authorization = authorization(job, console)?;
    collecting::names_of(job)?;
    let listen = job.collect.listen;
    let plan = listen.map(|address| Plan::of(job, console, address, Purpose::Run));
    let plan = plan.transpose()?;
    if let Some(folder) = &job.collect.folder {
        collecting::make_folder(folder)?;
    }
    // Before anything is paid for: a results file that cannot be written in the end helps nobody.
    try_results_place(job)?;
    MetricsFile::try_place(job)?;
    let mut images = intake::images_of(job);
    let survey = look_through(job, &mut images, console)?;
    same_name::refuse_a_second_ledger(job)?;
    let mut store = open_ledger(job, console)?;
    let recovered = store.recover(Wall::System.now())?;
    let imported = intake::import(&mut store, job, &survey, &mut images)?;
    store.remember_images(images.learned())?;
    news::tell_of_the_past(console, &recovered, &imported, &survey.ground, &selection);
    let files = images.files();
    drop((survey, images));

    let signals = Signals::listen(console, news::tell_of_signal)?;
    let Sent {
        store,
        report,
        collected,
        refused,
        reception,
    } = send(store, job, console, authorization, files, plan, &signals).await?;
    news::tell_of_announced(
        console,
        Reader::open(&job.ledger).and_then(|reader| reader.announced_rows()),
    );
    let written = blocking({
        let job = job.clone();
        move || write_results(&job)
    })
    .await;
    console.progress.finish();

    let mut summary = match summary_of(job, selection, Command::Run) {
        Ok(summary) => summary,
        // Not 2, which would say that nothing was sent.
        Err(error) => {
            let failure = Failure::from(error);
            failure.report();
            return Ok(Ended {
                ending: Ending::Halted,
                account: Account::Failure(failure.told()),
            });
        }
    };
    // Held until here: nobody else can have changed what the results and the summary say.
    drop(store);
    summary.command_line = words;
    fill_in(&mut summary, &report, job, &signals, started.elapsed());
    summary.halted = summary.halted.or(refused);
    if let Some(collected) = collected.as_ref().filter(|_| job.collect.wait) {
        collecting::fill_in(&mut summary, collected, job.collect.folder.is_some());
    }
    note_results(&mut summary, job, &written);
    metrics_file::write_last(job, console, &summary).await;
    let ending = console.conclude(job.output.json, &summary);
    if let Some(reception) = reception {
        reception.end().await;
    }
    Ok(Ended {
        ending,
        account: Account::Summary(Box::new(summary)),
    })
}

/// Proves that results can be written where they are wanted, by beginning a file there and giving it up.
fn try_results_place(job: &Job) -> Result<(), Failure> {
    let no_columns = Layout::of(Columns::Named(Vec::new()));
    begin_results(&job.results, &no_columns).map(drop)
}

/// The first reading: tells every problem of the manifest before money is spent.
fn look_through(job: &Job, images: &mut Images, console: &Console) -> Result<Survey, Failure> {
    let survey = intake::survey(job, images)?;
    refuse_a_guess(job, &survey.read_as)?;
    news::tell_how_it_was_read(console, &survey.read_as);
    if !survey.report.is_empty() {
        let mut text = String::new();
        survey.report.render(&job.manifest, &mut text);
        console.block(&text);
    }
    if job.strict && survey.invalid > 0 {
        return Err(Failure::Strict {
            invalid: survey.invalid,
            rows: survey.rows,
        });
    }
    if job.budget.is_some() && estimate(&job.prices, kinds_of(&survey)).is_none() {
        return Err(Failure::Unpriced {
            rows: u64::from(survey.valid_by_kind.total()),
        });
    }
    Ok(survey)
}

/// A text in the wrong encoding makes videos of nonsense, at the full price. What is UTF-8 by all appearances is sent.
fn refuse_a_guess(job: &Job, read_as: &ReadAs) -> Result<(), Failure> {
    match read_as.encoding {
        Some(encoding) if !read_as.encoding_is_sure && !encoding.is_utf8() => Err(Failure::GuessedEncoding {
            manifest: job.manifest.clone(),
            encoding: encoding.to_string(),
            sample: read_as.sample.clone().unwrap_or_default(),
        }),
        _ => Ok(()),
    }
}

/// Opens the ledger. Trials in the sandbox make way for real rows, and never the other way round.
fn open_ledger(job: &Job, console: &Console) -> Result<Store, Failure> {
    let realm = if job.sandbox { Realm::Sandbox } else { Realm::Api };
    match Store::open(&job.ledger, realm) {
        Err(LedgerError::OtherRealm {
            found: Realm::Sandbox, ..
        }) => {
            let aside = Store::set_aside(&job.ledger)?;
            console.notice(&format!(
                "note: `{}` recorded trials in the sandbox; it is `{}` now, and a new ledger begins",
                job.ledger.display(),
                aside.display()
            ));
            Ok(Store::open(&job.ledger, realm)?)
        }
        opened => Ok(opened?),
    }
}

/// What sending came to.
struct Sent {
    /// The ledger, with the run's end noted in it.
    store: Store,
    report: RunReport,
    /// What was collected, if the run stayed for its tasks.
    collected: Option<CollectReport>,
    /// Why the run did not even begin.
    refused: Option<view::Halt>,
    /// Viewers, who are to see how it ended.
    reception: Option<Reception>,
}

impl Sent {
    fn nothing(job: &Job, store: Store, refused: Option<view::Halt>) -> Sent {
        let report = RunReport {
            standing: Standing::default(),
            halt: None,
            ledger_error: None,
            time_is_up: false,
        };
        Sent {
            store,
            report,
            collected: job.collect.wait.then(CollectReport::default),
            refused,
            reception: None,
        }
    }
}

/// Sends what is queued, and stays for the tasks if the job says so.
async fn send(
    mut store: Store,
    job: &Job,
    console: &Console,
    authorization: HeaderValue,
    files: ImageFiles,
    plan: Option<Plan>,
    signals: &Signals,
) -> Result<Sent, Failure> {
    let reader = Reader::open(&job.ledger)?;
    let counts: Counts = reader.counts()?.into_iter().collect();
    let target = if job.sandbox {
        "the sandbox"
    } else {
        job.base_url.as_str()
    };
    news::warn_of_another_place(console, job, store.last_target()?);
    let folder = job.collect.folder.as_deref();
    if let Some(folder) = folder {
        collecting::tidy(folder, &reader);
    }
    // Rows whose task a callback has named are not sent before its record was read, whoever waits for what.
    let announced = reader.announced_rows()?;
    let to_collect = match job.collect.wait {
        true => collecting::to_collect(job, &counts, folder.is_some()) + announced + reader.given_up_rows()?,
        false => announced,
    };
    if counts.queued == 0 && to_collect == 0 {
        let run_id = store.begin_run(Wall::System, target)?;
        store.end_run(run_id, Wall::System.now(), None)?;
        return Ok(Sent::nothing(job, store, None));
    }
    let service = Service::reach(job, authorization).await?;
    store.keep_uploads_of(service.upload_url.as_str())?;
    let spent = if job.budget.is_some() { reader.spent()?.0 } else { 0.0 };
    drop(reader);
    let config = dispatch_config(job, spent, store.last_attempts(LAST_ATTEMPTS)?);
    let listener = match plan {
        Some(plan) => Some(plan.bind(console).await?),
        None => None,
    };
    let collector = match job.collect.wait || announced > 0 {
        true => {
            let manner = Manner {
                callbacks: listener.is_some() && job.callback_url.is_some(),
                forever: false,
                wait_for: (!job.collect.wait).then_some(collecting::FOR_ANNOUNCED),
            };
            Some(Collector::prepare(job, console, &service, &mut store, folder, manner)?)
        }
        false => None,
    };
    let opening = match counts.queued {
        0 => Opening::without_balance(),
        _ => balance::open(job, &service.client, console, signals.stop.clone()).await?,
    };
    match &collector {
        _ if opening.halt.is_some() => {}
        Some(collector) if counts.queued == 0 => news::tell_of_the_collection(console, collector.waiting, folder),
        _ => news::tell_of_the_plan(console, job, counts.queued),
    }

    let (standing, watched) = watch::channel(Standing::default());
    let notices = console.clone();
    let watch = Watch {
        standing,
        notice: Arc::new(move |notice| news::tell(&notices, &notice)),
    };
    // Not before everything else that can fail: a run that never began must not be left open in the ledger.
    let run_id = store.begin_run(Wall::System, target)?;
    if let Some(before) = opening.before {
        store.note_balance(run_id, Balance::Before, before)?;
    }
    if let Some(halt) = opening.halt {
        store.end_run(run_id, Wall::System.now(), Some((&halt.code, &halt.message)))?;
        return Ok(Sent::nothing(job, store, Some(halt)));
    }
    let (writer, thread) = store.into_writer(run_id)?;
    let vigil = Vigil::start(job, Arc::clone(&service.client), console, opening, watched.clone());
    let (feeding, is_feeding) = watch::channel(true);
    let wake = collector.as_ref().map(|collector| Arc::clone(&collector.wake));
    let reception = listener
        .zip(wake)
        .map(|(listener, wake)| listener.start(console, writer.clone(), wake));
    let reception = reception.transpose()?;
    let collecting = collector.map(|collector| {
        let waiting = collector.waiting;
        let (collecting, standing) = collector.start(console, writer.clone(), is_feeding, signals.stop.clone());
        (collecting, (waiting, standing))
    });
    let to_send = job.limit.map_or(counts.queued, |limit| limit.min(counts.queued));
    // A collector that only asks for a task that a callback named waits for nobody else's.
    let is_shown = job.collect.wait || to_send == 0;
    let watched = Watched {
        sending: Some(Sending {
            rows: to_send,
            spent_before: spent,
            standing: watched,
        }),
        collecting: collecting
            .as_ref()
            .filter(|_| is_shown)
            .map(|(_, watched)| watched.clone()),
    };
    let live = live_of(watched.clone(), job);
    if let Some(reception) = &reception {
        reception.show_work(Arc::clone(&live), watched);
    }
    let background = Background::start(job, console, live, signals.stop.clone());
    let client = Arc::clone(&service.client);
    let read: ReadImage = Arc::new(move |path, sha256| intake::image_for_upload(&files, path, sha256));
    let images = UploadedImages::new(Arc::clone(&client), writer.clone(), read, Wall::System);
    let mut report = dispatch::run(client, images, writer, config, signals.stop.clone(), watch).await;
    vigil.end().await;
    // What has been accepted is paid for: it is waited for whatever ended the sending.
    feeding.send_replace(false);
    let collected = match collecting {
        Some((collecting, _)) => Some(collecting::ended(collecting).await),
        None => None,
    };
    if let Some(reception) = &reception {
        reception.work_is_done();
    }
    background.end().await;
    let mut store = collecting::joined(thread).await;
    if report.standing.requests > 0
        && !job.sandbox
        && let Err(error) = balance::note_after(&mut store, run_id, &*service.client, signals.stop.clone()).await
    {
        report.ledger_error.get_or_insert(error);
    }
    service.leave().await;
    let halted = halted_by(&report);
    let halted = halted.as_ref().map(|halt| (halt.code.as_str(), halt.message.as_str()));
    if let Err(error) = store.end_run(run_id, Wall::System.now(), halted) {
        // A ledger that has failed before cannot note its own failure either.
        report.ledger_error.get_or_insert(error);
    }
    Ok(Sent {
        store,
        report,
        collected,
        refused: None,
        reception,
    })
}

fn dispatch_config(job: &Job, spent: f64, last_attempts: Vec<crate::ledger::LastAttempt>) -> DispatchConfig {
    let prices = job.prices.clone();
    DispatchConfig {
        rate: job.rate,
        burst: job.burst,
        concurrency: job.concurrency,
        max_attempts: job.max_attempts,
        retry: RetryConfig::default(),
        patience: job.patience,
        maintenance_pause: job.maintenance_pause,
        on_unknown: job.on_unknown,
        keep_going: job.keep_going,
        budget: job.budget,
        spent,
        cost_of: Arc::new(move |length, resolution| prices.price_of(length, resolution)),
        callback_url: job.callback_url.clone(),
        limit: job.limit,
        stop_at: job.stop_at,
        last_attempts,
        wall: Wall::System,
        tokens: TokenSource::System,
        seed: None,
        #[cfg(test)]
        planted: None,
    }
}

fn halted_by(report: &RunReport) -> Option<view::Halt> {
    if let Some(error) = &report.ledger_error {
        return Some(halted_by_ledger(error));
    }
    report.halt.as_ref().map(|halt: &Halt| view::Halt {
        code: halt.code().to_owned(),
        message: halt.message(),
    })
}

pub(super) fn halted_by_ledger(error: &LedgerError) -> view::Halt {
    let message = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}. {}", error.help()),
        None => format!("{error}. {}", error.help()),
    };
    view::Halt {
        code: "ledger".into(),
        message,
    }
}

fn fill_in(summary: &mut Summary, report: &RunReport, job: &Job, signals: &Signals, elapsed: Duration) {
    let standing = &report.standing;
    summary.newly_accepted = standing.accepted;
    summary.requests = standing.requests;
    summary.retries = standing.retries;
    summary.rate_limited = standing.rate_limited;
    summary.elapsed = elapsed;
    summary.halted = halted_by(report);
    summary.interrupted = signals.first();
    summary.limited = match (report.time_is_up, job.limit) {
        (true, _) => Some("the time limit".into()),
        (false, Some(limit)) if standing.started >= limit => Some(format!("--limit {limit}")),
        (false, _) => None,
    };
}
