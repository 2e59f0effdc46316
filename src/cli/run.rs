//! `hailuo-batch run`: the main job, from the manifest to the results file.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use reqwest::header::HeaderValue;
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

use crate::clock::Wall;
use crate::dispatch::{
    self, DispatchConfig, Halt, ReadImage, RetryConfig, RunReport, Standing, TokenSource, UploadedImages, Watch,
};
use crate::job::{Job, Settings};
use crate::kie::client::{QUESTION_TIMEOUT, UPLOAD_TIMEOUT};
use crate::kie::upload::upload_url;
use crate::kie::{Client, ClientConfig};
use crate::ledger::{LedgerError, Reader, Realm, Store};
use crate::manifest::{ImageFiles, Images, Survey};
use crate::rate::Rate;
use crate::results::{Columns, ResultsWriter};
use crate::sandbox::{self, Sandbox, SandboxConfig};
use crate::view::{self, Command, Counts, Ending, Summary};

use super::background::{Background, blocking};
use super::console::Console;
use super::failure::Failure;
use super::intake;
use super::news;
use super::outputs::{estimate, kinds_of, selection_of, summary_of, write_results};
use super::signals::Signals;

/// Submit every row that is not done; run it again to go on
///
/// Each row of the manifest becomes one request to the API, in the manifest's order, at the speed the account allows.
/// What becomes of it is in the ledger before anything else happens, and in the results file at the end (and once a
/// minute until then). Rows that are done are never sent again.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hailuo-batch run samples/quickstart.csv --sandbox\n  hailuo-batch run shots.csv \
                        --budget 3000 --until 06:00\n\nExit codes: see hailuo-batch --help"
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
    let job = Job::load(args.settings)?;
    let console = Console::new(&job)?;
    let authorization = authorization(&job, &console)?;
    // Before anything is paid for: a results file that cannot be written in the end helps nobody.
    try_results_place(&job)?;
    let mut images = intake::images_of(&job);
    let survey = look_through(&job, &mut images, &console)?;
    let mut store = open_ledger(&job, &console)?;
    let recovered = store.recover(Wall::System.now())?;
    let imported = intake::import(&mut store, &job, &survey, &mut images)?;
    store.remember_images(images.learned())?;
    news::tell_of_the_past(&console, &recovered, &imported, &selection);
    let files = images.files();
    drop((survey, images));

    let console_of_signals = console.clone();
    let signals = Signals::listen(move |signal| news::tell_of_signal(&console_of_signals, signal))?;
    let (store, report) = send(store, &job, &console, authorization, files, &signals).await?;
    let path = job.results.clone();
    let written = blocking({
        let ledger = job.ledger.clone();
        move || write_results(&ledger, &path)
    })
    .await;
    console.progress.finish();

    let mut summary = match summary_of(&job, selection, Command::Run) {
        Ok(summary) => summary,
        // Not 2, which would say that nothing was sent.
        Err(failure) => {
            failure.report();
            return Ok(Ending::Halted.into());
        }
    };
    // Held until here: nobody else can have changed what the results and the summary say.
    drop(store);
    summary.command_line = words;
    fill_in(&mut summary, &report, &job, &signals, started.elapsed());
    match &written {
        Ok(()) => summary.results = Some(job.results.display().to_string()),
        Err(failure) => {
            failure.report();
            summary.results_failed = true;
        }
    }
    Ok(console.conclude(job.output.json, &summary))
}

/// Proves that results can be written where they are wanted, by beginning a file there and giving it up.
fn try_results_place(job: &Job) -> Result<(), Failure> {
    drop(ResultsWriter::create(&job.results, &Columns::Named(Vec::new()))?);
    // A slip of the pen in `--results` must not cost somebody another spreadsheet.
    if let Ok(file) = fs::File::open(&job.results) {
        let mut head = Vec::new();
        file.take(64 * 1024).read_to_end(&mut head).ok();
        if !head.is_empty() && !String::from_utf8_lossy(&head).contains("task_id") {
            return Err(Failure::NotResults {
                path: job.results.clone(),
            });
        }
    }
    Ok(())
}

/// The header that carries the key; the sandbox takes any.
fn authorization(job: &Job, console: &Console) -> Result<HeaderValue, Failure> {
    if job.sandbox {
        return Ok(HeaderValue::from_static("Bearer sandbox"));
    }
    let (key, warning) = job.api_key()?;
    key.hide_in(|secret| console.secrets.hide(secret));
    if let Some(warning) = warning {
        console.warn(&warning);
    }
    Ok(key.authorization_header())
}

/// The first reading: tells every problem of the manifest before money is spent.
fn look_through(job: &Job, images: &mut Images, console: &Console) -> Result<Survey, Failure> {
    let survey = intake::survey(job, images)?;
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

/// Sends what is queued and gives the ledger back, with the run's end noted in it.
async fn send(
    mut store: Store,
    job: &Job,
    console: &Console,
    authorization: HeaderValue,
    files: ImageFiles,
    signals: &Signals,
) -> Result<(Store, RunReport), Failure> {
    let reader = Reader::open(&job.ledger)?;
    let counts: Counts = reader.counts()?.into_iter().collect();
    let target = if job.sandbox {
        "the sandbox"
    } else {
        job.base_url.as_str()
    };
    news::warn_of_another_place(console, job, store.last_target()?);
    if counts.queued == 0 {
        let run_id = store.begin_run(Wall::System, target)?;
        store.end_run(run_id, Wall::System.now(), None)?;
        let nothing = RunReport {
            standing: Standing::default(),
            halt: None,
            ledger_error: None,
            time_is_up: false,
        };
        return Ok((store, nothing));
    }
    let sandbox = if job.sandbox {
        Some(start_sandbox(job).await?)
    } else {
        None
    };
    let base_url = match &sandbox {
        Some(sandbox) => Url::parse(&sandbox.url()).map_err(|error| Failure::EmbeddedSandbox(error.into()))?,
        None => job.base_url.clone(),
    };
    let client = client_config(job, base_url)?;
    store.keep_uploads_of(client.upload_url.as_str())?;
    let client = Arc::new(Client::new(&client, authorization)?);
    let spent = if job.budget.is_some() { reader.spent()?.0 } else { 0.0 };
    drop(reader);
    let config = dispatch_config(job, spent, store.last_attempts(LAST_ATTEMPTS)?);
    news::tell_of_the_plan(console, job, counts.queued);

    let (standing, watched) = watch::channel(Standing::default());
    let notices = console.clone();
    let watch = Watch {
        standing,
        notice: Arc::new(move |notice| news::tell(&notices, &notice)),
    };
    // Not before everything else that can fail: a run that never began must not be left open in the ledger.
    let run_id = store.begin_run(Wall::System, target)?;
    let (writer, thread) = store.into_writer(run_id)?;
    let background = Background::start(job, console, counts.queued, watched, signals.stop.clone());
    let read: ReadImage = Arc::new(move |path, sha256| intake::image_for_upload(&files, path, sha256));
    let images = UploadedImages::new(Arc::clone(&client), writer.clone(), read, Wall::System);
    let mut report = dispatch::run(client, images, writer, config, signals.stop.clone(), watch).await;
    background.end().await;
    let mut store = match blocking(move || thread.join()).await {
        Ok(store) => store,
        // The ledger's thread found its own rules broken: end as visibly as it did.
        Err(panic) => std::panic::resume_unwind(panic),
    };
    if let Some(sandbox) = sandbox {
        sandbox.stop().await;
    }
    let halted = halted_by(&report);
    let halted = halted.as_ref().map(|halt| (halt.code.as_str(), halt.message.as_str()));
    if let Err(error) = store.end_run(run_id, Wall::System.now(), halted) {
        // A ledger that has failed before cannot note its own failure either.
        report.ledger_error.get_or_insert(error);
    }
    Ok((store, report))
}

async fn start_sandbox(job: &Job) -> Result<Sandbox, Failure> {
    let failed = |error: std::io::Error| Failure::EmbeddedSandbox(error.into());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    // The real limit, whatever --rate says: that is what the trial is to show. The account never runs dry, so that a
    // manifest of any length can be tried.
    let limit = if job.rate == Rate::Off {
        Rate::Off
    } else {
        Rate::ACCOUNT
    };
    let config = SandboxConfig {
        limit,
        credits: None,
        keep_requests: false,
        // Enough for the tasks that a trial waits for, and nothing against a million prompts.
        keep_params: 4_000,
        ..SandboxConfig::default()
    };
    sandbox::start(config, listener)
        .await
        .map_err(|error| Failure::EmbeddedSandbox(Box::new(error)))
}

fn client_config(job: &Job, base_url: Url) -> Result<ClientConfig, Failure> {
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|source| Failure::CaFile {
            path: path.clone(),
            source,
        })
    };
    Ok(ClientConfig {
        upload_url: upload_url(&base_url, None),
        base_url,
        connect_timeout: job.connect_timeout,
        timeout: job.timeout,
        question_timeout: QUESTION_TIMEOUT,
        upload_timeout: UPLOAD_TIMEOUT,
        reuse_connections: job.reuse_connections,
        extra_roots_pem: job.ca_file.as_ref().map(read).transpose()?,
        no_proxy: job.sandbox,
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
        let message = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}. {}", error.help()),
            None => format!("{error}. {}", error.help()),
        };
        return Some(view::Halt {
            code: "ledger".into(),
            message,
        });
    }
    report.halt.as_ref().map(|halt: &Halt| view::Halt {
        code: halt.code().to_owned(),
        message: halt.message(),
    })
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
