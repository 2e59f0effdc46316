//! From what was given to what a run works with: defaults filled in, rules checked, nothing left open.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::address::is_this_machine;
use crate::clock::UnixMillis;
use crate::job::error::JobError;
use crate::job::key::{
    ApiKey, GivenToken, KEY_VARIABLE, KeyPlace, PageToken, TokenPlace, WEBHOOK_KEY_VARIABLE, WebhookKey,
};
use crate::job::notices::{self, Notices};
use crate::job::origin::{self, Origins, Source};
use crate::job::settings::{
    CodeFilter, Collecting, LogFormat, OnUnknown, ProgressMode, Receiving, RetryRejected, Settings,
};
use crate::job::until::{Moment, Until};
use crate::job::{duration, file, paths};
use crate::manifest::{ColumnMap, Mapping, Reading};
use crate::price::PriceTable;
use crate::rate::{Rate, SPACING};

/// Which columns hold which fields.
fn columns(origins: &Origins, mappings: Option<Vec<Mapping>>) -> Result<ColumnMap, JobError> {
    ColumnMap::new(mappings.unwrap_or_default()).map_err(|error| {
        let what = format!("{}: {error}", origins.name("map"));
        JobError::setting(
            what,
            "write it once for each field, like `--map prompt=Description --map image=Photo`",
        )
    })
}

/// The settings of a batch, complete.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The input file. Whether it can be read is found by its reader.
    pub manifest: PathBuf,
    /// Where the results go; the extension is one of [`paths::RESULT_EXTENSIONS`], and no other file of the job is meant.
    pub results: PathBuf,
    /// The SQLite file of the durable record.
    pub ledger: PathBuf,
    /// Whether the user has named it.
    pub ledger_is_named: bool,
    /// How the manifest is read.
    pub reading: Reading,

    /// Where the API is; ends in `/`, so that [`Url::join`] keeps its path. Without meaning for a sandbox.
    pub base_url: Url,
    /// Run against the embedded sandbox instead.
    pub sandbox: bool,
    /// callBackUrl of rows that have none of their own: `--callback-url`, or `--public-url`, which is received here.
    pub callback_url: Option<Url>,
    /// Where local images are uploaded, where the user has said so; ends in `/` like `base_url`. `None` leaves it to
    /// the API's address.
    pub upload_url: Option<Url>,
    /// Where the key may be found; read it with [`Job::api_key`].
    pub key_place: KeyPlace,
    /// Where the key that callbacks are signed with may be found; read it with [`Job::webhook_key`].
    pub webhook_key_place: KeyPlace,
    /// Send several submissions over one connection.
    pub reuse_connections: bool,
    /// More certificates to trust, as PEM.
    pub ca_file: Option<PathBuf>,

    /// What the account allows; [`Rate::Off`] only for servers that are not kie.ai.
    pub rate: Rate,
    /// Requests that may leave at once; at most the requests of a window.
    pub burst: NonZeroU32,
    /// Requests in flight.
    pub concurrency: usize,
    /// Rows to send in this run; `None` for all.
    pub limit: Option<u64>,
    /// No row is started from this moment on: the earlier of `--until` and `--for`. May lie in the past.
    pub stop_at: Option<UnixMillis>,
    /// Send nothing if any row is invalid.
    pub strict: bool,
    /// Let local images lie outside of the manifest's folder.
    pub allow_outside: bool,
    /// Where `check` lists every problem.
    pub problems: Option<PathBuf>,
    /// Where `report` writes.
    pub report: PathBuf,
    /// `check` looks at images on the web.
    pub images: bool,
    /// It also does where they are in private networks.
    pub allow_private_hosts: bool,

    /// Attempts of a row in all, for answers that are the row's own trouble.
    pub max_attempts: u32,
    /// How long a run goes on without one success.
    pub patience: Duration,
    /// The first pause after a 455.
    pub maintenance_pause: Duration,
    /// For the answer to a submission, from the start of its request. Always longer than `connect_timeout`.
    pub timeout: Duration,
    /// For the connection, with DNS and TLS.
    pub connect_timeout: Duration,
    /// What to do with rows whose request got no answer.
    pub on_unknown: OnUnknown,
    /// Which rejected and failed rows to queue again; `None` for none.
    pub retry_rejected: Option<CodeFilter>,
    /// Which failed rows to queue again; `None` for none.
    pub retry_failed: Option<CodeFilter>,
    /// Send accepted rows again whose content has changed.
    pub resubmit_changed: bool,
    /// Go on after many equal rejections in a row.
    pub keep_going: bool,

    /// Credits that may be spent; finite and not negative. `None` for no limit.
    pub budget: Option<f64>,
    /// What a clip costs.
    pub prices: PriceTable,
    /// Send nothing if the account holds less than the rows will cost.
    pub require_balance: bool,

    /// What becomes of tasks once they are accepted.
    pub collect: Collect,

    /// Who may look on.
    pub viewing: Viewing,

    /// Whom to tell how it ended.
    pub notices: Notices,

    /// Where the metrics are kept; `None`: nowhere.
    pub metrics_file: Option<PathBuf>,
    /// What to say, and how.
    pub output: Output,
    /// Things that are allowed and probably not meant, one sentence each; to be shown before the run.
    pub warnings: Vec<String>,
}

/// What becomes of tasks once they are accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Collect {
    /// A run stays until its tasks have ended. Says nothing to the commands that collect, which always do.
    pub wait: bool,
    /// Where videos are saved; `None`: nowhere, by `run`, and in [`paths::videos`] by the commands that collect.
    pub folder: Option<PathBuf>,
    /// The pattern of their names; `None` for the usual one.
    pub name: Option<String>,
    /// How long to wait for tasks that do not end.
    pub wait_for: Option<Duration>,
    /// How often to ask for their state.
    pub poll_rate: Rate,
    /// Videos to fetch at once.
    pub downloads: usize,
    /// Fetch saved videos again whose file is gone.
    pub fetch_missing: bool,
    /// Where to listen, for viewers and for callbacks.
    pub listen: Option<SocketAddr>,
    /// Where the API reaches that place.
    pub public_url: Option<Url>,
}

/// Who may look on, where a command listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Viewing {
    /// What viewers have to know; read it with [`Job::page_token`].
    pub token_place: Option<TokenPlace>,
    /// Names that the page answers to beside its own.
    pub hosts: Vec<String>,
}

/// What to say, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The summary as one JSON object.
    pub json: bool,
    /// How to show where the run stands.
    pub progress: ProgressMode,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Nothing but errors.
    pub quiet: bool,
}

/// The API's address (its reference pages, read in November 2026).
pub const BASE_URL: &str = "https://api.kie.ai";

/// One at a time: an even stream is the only shape that fixed, sliding, leaky and counting windows all accept.
pub const BURST: NonZeroU32 = NonZeroU32::MIN;

/// A crash leaves at most this many rows unknown; at 20 per 10 s it is enough for answers that take 8 s.
pub const CONCURRENCY: u32 = 16;

/// More would need more file descriptors than a process usually may have (1,024).
pub const CONCURRENCY_RANGE: RangeInclusive<u64> = 1..=1024;

/// Three in all: a trouble that survives two pauses is not a passing one.
pub const MAX_ATTEMPTS: u32 = 3;

/// More attempts than this are not patience but a loop.
pub const MAX_ATTEMPTS_RANGE: RangeInclusive<u64> = 1..=100;

/// Longer than a deployment or a failing node takes, shorter than a night: it bounds the unknown rows of an outage.
pub const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The API's maintenance takes minutes; asking more often only adds refused calls.
pub const MAINTENANCE_PAUSE: Duration = Duration::from_secs(60);

/// A time-out too early costs a decision and maybe a second payment, one too late only a slot: Stripe waits 80 s,
/// OpenAI 600 s.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// Below this every slow answer would become an unknown row.
pub const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1);

/// Nothing has been sent when connecting fails, so giving up is free; lost SYNs are repeated after 1, 3 and 7 s.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The API's older pages name this limit for a key; nothing newer does (its reference, section 3).
pub const POLL_RATE: Rate = Rate::Limited {
    requests: NonZeroU32::new(10).expect("ten is not zero"),
    window: Duration::from_secs(1),
};

/// Enough to fill a usual line; each takes about a megabyte of memory and two file descriptors.
pub const DOWNLOADS: u32 = 4;

/// More would only divide the line.
pub const DOWNLOADS_RANGE: RangeInclusive<u64> = 1..=64;

/// Below a second, pauses and limits of a run are slips of the pen.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

impl Job {
    /// The job that flags and environment (`given`) make together with the job file they name.
    pub fn load(given: Settings) -> Result<Job, JobError> {
        let settings = match given.files.job.clone() {
            Some(path) => {
                let below = file::read(&path)?;
                paths::refuse_files_of_another_batch(&given, &below)?;
                given.merge(below)
            }
            None => given,
        };
        let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        // A limit or a place that was meant and is not heard of costs money: better nothing is sent.
        if let Some(misspelt) = origin::misspelt_variables(variables).into_iter().next() {
            return Err(JobError::setting(
                misspelt,
                "rename it, or take it out of the environment",
            ));
        }
        Job::resolve(settings, &Moment::now())
    }

    /// The job as `run` does it: without a wait nothing is received and no video saved, whatever a job file has for the
    /// commands that collect later.
    pub fn for_run(mut self) -> Job {
        if !self.collect.wait {
            self.collect.folder = None;
            self.collect.listen = None;
        }
        self
    }

    /// The job that `settings` make at `moment`, once everything is merged.
    pub fn resolve(settings: Settings, moment: &Moment) -> Result<Job, JobError> {
        let Settings {
            files,
            planning,
            intake,
            place,
            sending,
            access,
            collecting,
            receiving,
            checking,
            presenting,
            notifying,
            monitoring,
            reporting,
        } = settings;
        let origins = &files.origins;
        let mut warnings = Vec::new();

        let manifest = paths::manifest(files.manifest)?;
        let results = paths::results(origins, files.results, &manifest)?;
        let ledger = paths::ledger(origins, files.ledger, &manifest)?;
        let report = paths::report(&manifest);
        let inputs = [
            ("the manifest", Some(&manifest)),
            ("the job file", files.job.as_ref()),
            ("the file with the API key", access.api_key_file.as_ref()),
            ("the file with the webhook key", receiving.webhook_key_file.as_ref()),
            ("the file with the page's token", receiving.token_file.as_ref()),
            ("the file with the certificates", place.ca_file.as_ref()),
        ];
        let mut outputs = vec![
            ("results", "results", results.as_path()),
            ("ledger", "ledger", ledger.as_path()),
        ];
        if let Some(problems) = &checking.problems {
            outputs.push(("problems", "list of problems", problems));
        }
        if let Some(metrics) = &monitoring.metrics_file {
            outputs.push(("metrics_file", "metrics", metrics));
            warnings.extend(no_collector_reads(origins, metrics));
        }
        if let Some(report) = &presenting.output {
            outputs.push(("output", "report", report));
        }
        paths::keep_apart(origins, &outputs, &inputs)?;

        let sandbox = place.sandbox.unwrap_or(false);
        let base_url = server(origins, "base_url", place.base_url, sandbox)?
            .unwrap_or_else(|| Url::parse(BASE_URL).expect("the default is a URL"));
        let upload_url = server(origins, "upload_url", sending.upload_url, sandbox)?;
        let reaches_kie = !sandbox && is_kie(&base_url);
        let rate = rate(origins, planning.rate, reaches_kie, &base_url)?;
        let burst = burst(origins, planning.burst, rate)?;
        if reaches_kie {
            warnings.extend(above_the_account(origins, rate, burst));
        }
        let (callback_url, doubt) = callback_url(origins, planning.callback_url, &receiving, reaches_kie)?;
        warnings.extend(doubt);
        let (notices, doubts) = notices::resolve(origins, notifying)?;
        warnings.extend(doubts);

        let stop_at = stop_at(origins, planning.until.as_ref(), planning.run_for, moment)?;
        if stop_at.is_some_and(|stop_at| stop_at <= moment.unix()) {
            warnings.push(format!(
                "{} is already past: no row will be started",
                origins.name("until")
            ));
        }

        let at_least = |key, given: Option<Duration>, default, shortest| match given {
            Some(given) if given < shortest => Err(JobError::setting(
                format!(
                    "{} is {}, and the shortest is {}",
                    origins.name(key),
                    written(given),
                    written(shortest)
                ),
                format!("leave it out for {}", written(default)),
            )),
            _ => Ok(given.unwrap_or(default)),
        };
        let timeout = at_least("timeout", sending.timeout, TIMEOUT, SHORTEST_TIMEOUT)?;
        let concurrency = within(
            origins,
            "concurrency",
            planning.concurrency,
            CONCURRENCY,
            CONCURRENCY_RANGE,
        )?;

        Ok(Job {
            results,
            ledger,
            ledger_is_named: origins.source("ledger").is_some(),
            reading: Reading {
                columns: columns(origins, intake.map)?,
                encoding: intake.encoding,
                delimiter: intake.delimiter,
                sheet: intake.sheet,
                hidden_rows: intake.hidden_rows.unwrap_or(false),
            },
            base_url,
            sandbox,
            callback_url,
            upload_url,
            key_place: key_place(origins, "api_key_file", access.api_key_file),
            webhook_key_place: key_place(origins, "webhook_key_file", receiving.webhook_key_file.clone()),
            reuse_connections: sending.reuse_connections.unwrap_or(false),
            ca_file: place.ca_file,
            rate,
            burst,
            concurrency: usize::try_from(concurrency).unwrap_or(usize::MAX),
            limit: limit(origins, planning.limit)?,
            stop_at,
            strict: planning.strict.unwrap_or(false),
            allow_outside: planning.allow_outside.unwrap_or(false),
            problems: checking.problems,
            report: presenting.output.unwrap_or(report),
            images: checking.images.unwrap_or(false),
            allow_private_hosts: checking.allow_private_hosts.unwrap_or(false),
            max_attempts: within(
                origins,
                "max_attempts",
                sending.max_attempts,
                MAX_ATTEMPTS,
                MAX_ATTEMPTS_RANGE,
            )?,
            patience: at_least("patience", sending.patience, PATIENCE, SHORTEST_PAUSE)?,
            maintenance_pause: at_least(
                "maintenance_pause",
                sending.maintenance_pause,
                MAINTENANCE_PAUSE,
                SHORTEST_PAUSE,
            )?,
            timeout,
            connect_timeout: connect_timeout(timeout),
            on_unknown: sending.on_unknown.unwrap_or_default(),
            retry_rejected: planning.retry_rejected.and_then(|RetryRejected(filter)| filter),
            retry_failed: planning.retry_failed.and_then(|RetryRejected(filter)| filter),
            resubmit_changed: planning.resubmit_changed.unwrap_or(false),
            keep_going: sending.keep_going.unwrap_or(false),
            budget: budget(origins, planning.budget)?,
            prices: match &planning.price {
                Some(own) => PriceTable::published().with(own),
                None => PriceTable::published(),
            },
            require_balance: sending.require_balance.unwrap_or(false),
            collect: collect(origins, collecting, &receiving, sending.wait)?,
            viewing: viewing(origins, receiving)?,
            notices,
            metrics_file: monitoring.metrics_file,
            output: Output {
                json: reporting.json.unwrap_or(false),
                progress: reporting.progress.unwrap_or_default(),
                log_format: reporting.log_format.unwrap_or_default(),
                verbose: reporting.verbose,
                quiet: reporting.quiet.unwrap_or(false),
            },
            manifest,
            warnings,
        })
    }

    /// The API key, and a warning about the way it is kept. Not needed with a sandbox.
    pub fn api_key(&self) -> Result<(ApiKey, Option<String>), JobError> {
        Ok(self.key_place.api_key(std::env::var_os(KEY_VARIABLE))?)
    }

    /// The key that callbacks are signed with, and a warning about the way it is kept; `None` if there is none, and any call
    /// has to be believed to come from the API.
    pub fn webhook_key(&self) -> Result<Option<(WebhookKey, Option<String>)>, JobError> {
        let environment = std::env::var_os(WEBHOOK_KEY_VARIABLE);
        Ok(self.webhook_key_place.webhook_key(environment)?)
    }

    /// What viewers of the page have to know, and a warning about the way it is kept; `None`: nothing.
    pub fn page_token(&self) -> Result<Option<(PageToken, Option<String>)>, JobError> {
        let read = |place: &TokenPlace| place.read();
        Ok(self.viewing.token_place.as_ref().map(read).transpose()?)
    }
}

fn collect(
    origins: &Origins,
    given: Collecting,
    receiving: &Receiving,
    wait: Option<bool>,
) -> Result<Collect, JobError> {
    let downloads = within(origins, "downloads", given.downloads, DOWNLOADS, DOWNLOADS_RANGE)?;
    let reasons = [
        (
            "download",
            given.download.is_some(),
            "videos can only be fetched when their tasks have ended",
        ),
        ("listen", receiving.listen.is_some(), "callbacks come when tasks end"),
    ];
    for (key, is_given, why) in reasons {
        if wait == Some(false) && is_given && origins.source("wait") == origins.source(key) {
            return Err(JobError::setting(
                format!(
                    "{} and {} contradict each other: {why}",
                    origins.name("wait"),
                    origins.name(key)
                ),
                "leave one of them out; `hailuo-batch collect` waits for the tasks later",
            ));
        }
    }
    let stays = wait.unwrap_or(reasons.iter().any(|(_, is_given, _)| *is_given));
    Ok(Collect {
        wait: stays,
        folder: given.download,
        name: given.name,
        wait_for: given.wait_for,
        poll_rate: given.poll_rate.unwrap_or(POLL_RATE),
        downloads: usize::try_from(downloads).unwrap_or(usize::MAX),
        fetch_missing: given.fetch_missing.unwrap_or(false),
        listen: receiving.listen,
        public_url: receiving.public_url.clone(),
    })
}

/// Where the API sends the callbacks of rows that name no place of their own, and what is probably not meant about it.
fn callback_url(
    origins: &Origins,
    elsewhere: Option<Url>,
    given: &Receiving,
    reaches_kie: bool,
) -> Result<(Option<Url>, Option<String>), JobError> {
    let here = given.public_url.clone();
    if here.is_some() && elsewhere.is_some() {
        return Err(JobError::setting(
            format!(
                "{} and {} contradict each other: a row has one callback URL",
                origins.name("public_url"),
                origins.name("callback_url")
            ),
            "give one of them: the first for callbacks to `--listen`, the second for a server of your own",
        ));
    }
    let key = if here.is_some() { "public_url" } else { "callback_url" };
    let url = here.or(elsewhere);
    let unreachable = url.as_ref().filter(|url| reaches_kie && is_this_machine(url));
    let doubt = unreachable.map(|url| {
        let name = origins.name(key);
        format!("{name} is on this machine, where the API cannot reach it: {url}")
    });
    Ok((url, doubt))
}

/// Who may look on. Of a token and a file with one, the one that was given in the higher place counts.
fn viewing(origins: &Origins, given: Receiving) -> Result<Viewing, JobError> {
    let (token, file) = (origins.source("token"), origins.source("token_file"));
    // Set but empty is how an unset secret looks in many schedulers; a flag that is empty is a slip.
    let is_unset = |given: &GivenToken| given.is_blank() && token == Some(&Source::Environment);
    let token_place = match (given.token.filter(|given| !is_unset(given)), given.token_file) {
        (Some(_), Some(_)) if token == file => {
            return Err(JobError::setting(
                format!(
                    "{} and {} contradict each other: there is one token",
                    origins.name("token"),
                    origins.name("token_file")
                ),
                "leave one of them out",
            ));
        }
        (Some(given), path) if path.is_none() || file != Some(&Source::Flag) => Some(TokenPlace::Given {
            token: given,
            named_by: origins.name("token"),
        }),
        (_, path) => path.map(|path| TokenPlace::File(key_place(origins, "token_file", Some(path)))),
    };
    Ok(Viewing {
        token_place,
        hosts: given.allow_host.unwrap_or_default(),
    })
}

/// A warning if the metrics are where node_exporter does not look for them.
fn no_collector_reads(origins: &Origins, metrics: &Path) -> Option<String> {
    metrics
        .extension()
        .is_none_or(|extension| extension != "prom")
        .then(|| {
            format!(
                "{} does not end in `.prom`: node_exporter's textfile collector reads no other files",
                origins.name("metrics_file")
            )
        })
}

fn key_place(origins: &Origins, setting: &str, file: Option<PathBuf>) -> KeyPlace {
    KeyPlace {
        file_wins: origins.source(setting) == Some(&Source::Flag),
        named_by: origins.name(setting),
        file,
    }
}

/// The address of a server that the key is sent to, as `key` gives it; `None` for the default.
fn server(origins: &Origins, key: &str, given: Option<Url>, sandbox: bool) -> Result<Option<Url>, JobError> {
    let Some(mut url) = given else {
        return Ok(None);
    };
    if sandbox {
        // A flag may send a job file's batch to the sandbox, and `KIE_BASE_URL` may stand there for other programs; but
        // both on one command line, or in one file, cannot be meant.
        let place = origins.source("sandbox").filter(|place| **place != Source::Environment);
        if place.is_some() && place == origins.source(key) {
            return Err(JobError::setting(
                format!(
                    "{} and {} contradict each other: the sandbox has an address of its own",
                    origins.name("sandbox"),
                    origins.name(key)
                ),
                "leave one of them out",
            ));
        }
        return Ok(None);
    }
    let name = origins.name(key);
    if url.query().is_some() || url.fragment().is_some() {
        return Err(JobError::setting(
            format!("{name} has a `?` or `#` part"),
            format!("give only the beginning that all requests share, like `{BASE_URL}`"),
        ));
    }
    if url.scheme() == "http" && !is_this_machine(&url) {
        return Err(JobError::setting(
            format!("{name} is plain http, and the API key would travel unprotected: {url}"),
            "write `https://`; plain http is only for a server on this machine",
        ));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(Some(url))
}

fn is_kie(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    host == "kie.ai" || host.ends_with(".kie.ai")
}

fn rate(origins: &Origins, given: Option<Rate>, reaches_kie: bool, base_url: &Url) -> Result<Rate, JobError> {
    match given {
        Some(Rate::Off) if reaches_kie => Err(JobError::setting(
            format!(
                "{} is off, which `{}` does not allow",
                origins.name("rate"),
                base_url.host_str().unwrap_or_default()
            ),
            format!(
                "leave it out for {}; `off` is only for a server of your own",
                Rate::ACCOUNT
            ),
        )),
        _ => Ok(given.unwrap_or(Rate::ACCOUNT)),
    }
}

fn burst(origins: &Origins, given: Option<u32>, rate: Rate) -> Result<NonZeroU32, JobError> {
    let Some(given) = given else {
        return Ok(BURST);
    };
    let most = match rate {
        Rate::Limited { requests, .. } => requests,
        Rate::Off => NonZeroU32::MAX,
    };
    NonZeroU32::new(given).filter(|burst| *burst <= most).ok_or_else(|| {
        JobError::setting(
            format!(
                "{} is {given}, and a rate of {rate} allows 1 to {most} at once",
                origins.name("burst")
            ),
            format!("leave it out for {BURST}, an even stream"),
        )
    })
}

/// A warning if `rate` and `burst` let more requests into the account's window than accounts have at first.
fn above_the_account(origins: &Origins, rate: Rate, burst: NonZeroU32) -> Option<String> {
    let (
        Rate::Limited { requests, window },
        Rate::Limited {
            requests: usual,
            window: span,
        },
    ) = (rate, Rate::ACCOUNT)
    else {
        return None;
    };
    // The pace sends one request every `SPACING` windows/requests, the slots at most so many in each window: the lesser holds.
    let spacing = window.mul_f64(SPACING).as_nanos() / u128::from(requests.get());
    let paced = u128::from(burst.get()) + span.as_nanos() / spacing.max(1);
    let slotted = u128::from(requests.get()) * span.as_nanos().div_ceil(window.as_nanos());
    let most = paced.min(slotted);
    let name = origins.name(if origins.source("rate").is_some() {
        "rate"
    } else {
        "burst"
    });
    (most > u128::from(usual.get())).then(|| {
        format!(
            "{name} lets {most} requests into {}; the API allows {usual} unless support has raised your account's limit",
            written(span)
        )
    })
}

fn within(
    origins: &Origins,
    key: &str,
    given: Option<u32>,
    default: u32,
    range: RangeInclusive<u64>,
) -> Result<u32, JobError> {
    match given {
        Some(given) if !range.contains(&u64::from(given)) => Err(JobError::setting(
            format!(
                "{} is {given}, and must be from {} to {}",
                origins.name(key),
                range.start(),
                range.end()
            ),
            format!("leave it out for {default}"),
        )),
        _ => Ok(given.unwrap_or(default)),
    }
}

fn limit(origins: &Origins, given: Option<u64>) -> Result<Option<u64>, JobError> {
    match given {
        Some(0) => Err(JobError::setting(
            format!("{} is 0, so no row would be sent", origins.name("limit")),
            "use `hailuo-batch check` to send nothing, or leave it out for all rows",
        )),
        given => Ok(given),
    }
}

fn budget(origins: &Origins, given: Option<f64>) -> Result<Option<f64>, JobError> {
    match given {
        Some(credits) if !credits.is_finite() || credits < 0.0 => Err(JobError::setting(
            format!("{} is not an amount of credits: {credits}", origins.name("budget")),
            "write a number that is not negative, like `6000`, or leave it out for no limit",
        )),
        given => Ok(given),
    }
}

fn stop_at(
    origins: &Origins,
    until: Option<&Until>,
    run_for: Option<Duration>,
    moment: &Moment,
) -> Result<Option<UnixMillis>, JobError> {
    let clock = match until {
        Some(until) => Some(moment.next(until).ok_or_else(|| {
            JobError::setting(
                format!("{} is beyond the calendar", origins.name("until")),
                "write a time like `06:00` or `2026-11-23 06:00`",
            )
        })?),
        None => None,
    };
    let stopwatch = match run_for {
        Some(run_for) if run_for < SHORTEST_PAUSE => {
            return Err(JobError::setting(
                format!(
                    "{} is {}, so no row would be sent",
                    origins.name("for"),
                    written(run_for)
                ),
                "write how long the run may start rows, like `2h`, or leave it out for no limit",
            ));
        }
        Some(run_for) => {
            let millis = i64::try_from(run_for.as_millis()).unwrap_or(i64::MAX);
            Some(UnixMillis(moment.unix().0.saturating_add(millis)))
        }
        None => None,
    };
    Ok(clock.into_iter().chain(stopwatch).min())
}

/// Connecting must fail before the whole request does: only then is it certain that nothing was sent.
fn connect_timeout(timeout: Duration) -> Duration {
    CONNECT_TIMEOUT.min(timeout * 4 / 5)
}

fn written(duration: Duration) -> String {
    duration::written(duration)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Run {
        #[command(flatten)]
        settings: Settings,
    }

    /// 2026-11-22T22:30:00Z, seen from Greenwich.
    fn evening() -> Moment {
        Moment::at(UnixMillis(1_795_386_600_000), 0)
    }

    fn flags(arguments: &str) -> Settings {
        Run::try_parse_from(["run"].into_iter().chain(arguments.split_whitespace()))
            .unwrap_or_else(|error| panic!("{error}"))
            .settings
    }

    fn job(arguments: &str) -> Job {
        Job::resolve(flags(arguments), &evening()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn complaint(arguments: &str) -> String {
        told(&Job::resolve(flags(arguments), &evening()).unwrap_err())
    }

    fn told(error: &JobError) -> String {
        match error.help() {
            Some(help) => format!("{error}\n  help: {help}"),
            None => error.to_string(),
        }
    }

    /// A folder with `job.toml` of this content, and the path of that file.
    fn job_file(content: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.toml");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn a_manifest_alone_makes_a_job_of_defaults() {
        insta::assert_debug_snapshot!(job("shots/clips.csv"), @r#"
        Job {
            manifest: "shots/clips.csv",
            results: "shots/clips.results.csv",
            ledger: "shots/clips.csv.ledger",
            ledger_is_named: false,
            reading: Reading {
                columns: ColumnMap {
                    mappings: [],
                },
                encoding: None,
                delimiter: None,
                sheet: None,
                hidden_rows: false,
            },
            base_url: Url {
                scheme: "https",
                cannot_be_a_base: false,
                username: "",
                password: None,
                host: Some(
                    Domain(
                        "api.kie.ai",
                    ),
                ),
                port: None,
                path: "/",
                query: None,
                fragment: None,
            },
            sandbox: false,
            callback_url: None,
            upload_url: None,
            key_place: KeyPlace {
                file: None,
                named_by: "`--api-key-file`",
                file_wins: false,
            },
            webhook_key_place: KeyPlace {
                file: None,
                named_by: "`--webhook-key-file`",
                file_wins: false,
            },
            reuse_connections: false,
            ca_file: None,
            rate: Limited {
                requests: 20,
                window: 10s,
            },
            burst: 1,
            concurrency: 16,
            limit: None,
            stop_at: None,
            strict: false,
            allow_outside: false,
            problems: None,
            report: "shots/clips.report.html",
            images: false,
            allow_private_hosts: false,
            max_attempts: 3,
            patience: 900s,
            maintenance_pause: 60s,
            timeout: 120s,
            connect_timeout: 10s,
            on_unknown: Hold,
            retry_rejected: None,
            retry_failed: None,
            resubmit_changed: false,
            keep_going: false,
            budget: None,
            prices: PriceTable {
                prices: [
                    (
                        Six,
                        P768,
                        30.0,
                    ),
                    (
                        Ten,
                        P768,
                        50.0,
                    ),
                    (
                        Six,
                        P1080,
                        50.0,
                    ),
                ],
                overridden: false,
            },
            require_balance: false,
            collect: Collect {
                wait: false,
                folder: None,
                name: None,
                wait_for: None,
                poll_rate: Limited {
                    requests: 10,
                    window: 1s,
                },
                downloads: 4,
                fetch_missing: false,
                listen: None,
                public_url: None,
            },
            viewing: Viewing {
                token_place: None,
                hosts: [],
            },
            notices: Notices {
                webhook: None,
                format: Auto,
                on: Always,
                ping: None,
            },
            metrics_file: None,
            output: Output {
                json: false,
                progress: Auto,
                log_format: Text,
                verbose: 0,
                quiet: false,
            },
            warnings: [],
        }
        "#);
    }

    #[test]
    fn results_stand_beside_the_manifest_in_its_format() {
        for (manifest, results, ledger) in [
            ("clips.csv", "clips.results.csv", "clips.csv.ledger"),
            ("in/clips.TSV", "in/clips.results.tsv", "in/clips.TSV.ledger"),
            ("clips.v2.jsonl", "clips.v2.results.jsonl", "clips.v2.jsonl.ledger"),
            ("clips.ndjson", "clips.results.jsonl", "clips.ndjson.ledger"),
            ("clips.xlsx", "clips.results.xlsx", "clips.xlsx.ledger"),
            ("镜头.XLSM", "镜头.results.xlsx", "镜头.XLSM.ledger"),
            ("clips.xlsb", "clips.results.xlsx", "clips.xlsb.ledger"),
            ("clips.xls", "clips.results.xlsx", "clips.xls.ledger"),
            ("clips.ods", "clips.results.xlsx", "clips.ods.ledger"),
            ("clips.txt", "clips.results.csv", "clips.txt.ledger"),
            ("clips", "clips.results.csv", "clips.ledger"),
        ] {
            let job = job(manifest);
            assert_eq!(job.results, Path::new(results));
            assert_eq!(job.ledger, Path::new(ledger));
        }
    }

    #[test]
    fn a_flag_wins_over_the_job_file_and_the_job_file_over_the_default() {
        let (folder, path) = job_file(
            "manifest = \"clips.csv\"\nconcurrency = 4\nmax_attempts = 5\nsandbox = true\nverbose = 1\n\
             retry_rejected = true\n",
        );
        let given = flags(&format!(
            "--job {} --concurrency 8 --sandbox=no --retry-rejected=no",
            path.display()
        ));
        let job = Job::load(given).unwrap();
        assert_eq!(job.manifest, folder.path().join("clips.csv"));
        assert_eq!((job.concurrency, job.max_attempts, job.burst), (8, 5, BURST));
        assert_eq!((job.sandbox, job.output.verbose, job.retry_rejected), (false, 1, None));
    }

    /// Not a test: the child process of the next one, which prints what its own environment makes of a job file.
    #[test]
    #[ignore = "the child process of another test"]
    fn child_with_an_environment() {
        let arguments = std::env::var("TEST_ARGUMENTS").unwrap();
        let parsed = Run::try_parse_from(["run"].into_iter().chain(arguments.split_whitespace()));
        match parsed.map(|run| Job::load(run.settings)) {
            Ok(Ok(job)) => println!(
                "\n> {} {} {} {} {} {:?}",
                job.concurrency,
                job.max_attempts,
                job.timeout.as_secs(),
                job.output.verbose,
                job.base_url,
                job.warnings
            ),
            Ok(Err(error)) => println!("\n> {error}"),
            Err(error) => println!("\n> refused: {:?}", origin::variable_behind(&error)),
        }
    }

    fn in_environment(variables: &[(&str, &str)], arguments: &str) -> String {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--ignored",
                "--nocapture",
                "job::resolve::tests::child_with_an_environment",
            ])
            .env("TEST_ARGUMENTS", arguments)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("> "));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_the_environment_over_the_job_file() {
        let (_folder, path) = job_file("manifest = \"c.csv\"\nconcurrency = 4\nmax_attempts = 5\ntimeout = \"99s\"\n");
        let arguments = format!("--concurrency 8 --job {}", path.display());
        let variables = [
            ("HAILUO_BATCH_CONCURRENCY", "6"),
            ("HAILUO_BATCH_MAX_ATTEMPTS", "7"),
            ("HAILUO_BATCH_VERBOSE", "2"),
            ("KIE_BASE_URL", "http://127.0.0.1:9/kie"),
        ];
        assert_eq!(
            in_environment(&variables, &arguments),
            "8 7 99 2 http://127.0.0.1:9/kie/ []"
        );
    }

    #[test]
    fn a_sandbox_wins_over_an_address_from_elsewhere() {
        let variables = [("KIE_BASE_URL", "http://127.0.0.1:9"), ("HAILUO_BATCH_SANDBOX", "1")];
        assert_eq!(
            in_environment(&variables, "clips.csv"),
            "16 3 120 0 https://api.kie.ai/ []"
        );
    }

    #[test]
    fn complaints_name_the_variable_they_come_from() {
        for (variables, expected) in [
            (
                vec![("HAILUO_BATCH_CONCURRENCY", "0")],
                "`HAILUO_BATCH_CONCURRENCY` is 0, and must be from 1 to 1024",
            ),
            (
                vec![("HAILUO_BATCH_RATE", "twenty")],
                "refused: Some(\"HAILUO_BATCH_RATE\")",
            ),
            (
                vec![("HAILUO_BATCH_API_KEY", "x"), ("HAILUO_BATCH_WEBHOOK_KEY", "x")],
                "the environment variable `HAILUO_BATCH_API_KEY` has no effect: the nearest is `KIE_API_KEY`",
            ),
            (
                vec![("HAILUO_BATCH_BUGET", "9"), ("HAILUO_BATCH_SERVICE_HOST", "10.0.0.1")],
                "the environment variable `HAILUO_BATCH_BUGET` has no effect: the nearest is `HAILUO_BATCH_BUDGET`",
            ),
            (
                vec![("HAILUO_BATCH_BASE_URL", "http://127.0.0.1:9")],
                "the environment variable `HAILUO_BATCH_BASE_URL` has no effect: the nearest is `KIE_BASE_URL`",
            ),
            (
                vec![("HAILUO_BATCH_SERVICE_HOST", "10.0.0.1")],
                "16 3 120 0 https://api.kie.ai/ []",
            ),
        ] {
            assert_eq!(in_environment(&variables, "clips.csv"), expected);
        }
    }

    #[test]
    fn complaints_name_the_setting_and_say_what_to_do() {
        let all = [
            "",
            "-",
            "clips.csv --results out.txt",
            "clips.csv --results out.xls",
            "clips.csv --results clips.csv",
            "clips.csv --results ./clips.csv",
            "clips.csv --results x.csv --ledger x.csv",
            "clips.csv --ledger clips.results.csv",
            "clips.csv --ledger clips.csv",
            "clips.csv --ledger postgres://me:secret@db.example/kie",
            "clips.csv --base-url http://api.kie.ai",
            "clips.csv --base-url https://api.kie.ai/?a=b",
            "clips.csv --sandbox --base-url https://api.kie.ai",
            "clips.csv --upload-url http://files.example.org",
            "clips.csv --upload-url https://files.example.org/#x",
            "clips.csv --sandbox --upload-url https://files.example.org",
            "clips.csv --webhook-key-file hook.csv --results hook.csv",
            "clips.csv --rate off",
            "clips.csv --burst 0",
            "clips.csv --burst 21",
            "clips.csv --concurrency 1025",
            "clips.csv --max-attempts 0",
            "clips.csv --limit 0",
            "clips.csv --timeout 500ms",
            "clips.csv --patience 0s",
            "clips.csv --for 0s",
            "clips.csv --budget=-1",
            "clips.csv --budget nan",
            "clips.csv --callback-url https://a.example --public-url https://b.example",
        ]
        .map(|arguments| format!("{arguments}\n{}", complaint(arguments)));
        insta::assert_snapshot!(all.join("\n"), @"
        no manifest is given
          help: write it after the command, like `hailuo-batch run clips.csv`, or name a job file with `--job`
        -
        the manifest cannot come from standard input: a batch must find its rows again in a second run
          help: save it to a file, and give the file's name
        clips.csv --results out.txt
        `--results` has no format that can be written: out.txt
          help: end the file's name in one of `.csv`, `.tsv`, `.jsonl`, `.xlsx`
        clips.csv --results out.xls
        `--results` has no format that can be written: out.xls
          help: end the file's name in `.xlsx`, the one kind of workbook that is written
        clips.csv --results clips.csv
        `--results` is the manifest itself: clips.csv
          help: every file of a batch needs a name of its own
        clips.csv --results ./clips.csv
        `--results` is the manifest itself: ./clips.csv
          help: every file of a batch needs a name of its own
        clips.csv --results x.csv --ledger x.csv
        `--results` would make results and ledger one file: x.csv
          help: every file of a batch needs a name of its own
        clips.csv --ledger clips.results.csv
        `--ledger` would make results and ledger one file: clips.results.csv
          help: every file of a batch needs a name of its own
        clips.csv --ledger clips.csv
        `--ledger` is the manifest itself: clips.csv
          help: every file of a batch needs a name of its own
        clips.csv --ledger postgres://me:secret@db.example/kie
        `--ledger` is a URL, and this version keeps ledgers in SQLite files only
          help: give a path on a local disk, or leave it out for one beside the manifest
        clips.csv --base-url http://api.kie.ai
        `--base-url` is plain http, and the API key would travel unprotected: http://api.kie.ai/
          help: write `https://`; plain http is only for a server on this machine
        clips.csv --base-url https://api.kie.ai/?a=b
        `--base-url` has a `?` or `#` part
          help: give only the beginning that all requests share, like `https://api.kie.ai`
        clips.csv --sandbox --base-url https://api.kie.ai
        `--sandbox` and `--base-url` contradict each other: the sandbox has an address of its own
          help: leave one of them out
        clips.csv --upload-url http://files.example.org
        `--upload-url` is plain http, and the API key would travel unprotected: http://files.example.org/
          help: write `https://`; plain http is only for a server on this machine
        clips.csv --upload-url https://files.example.org/#x
        `--upload-url` has a `?` or `#` part
          help: give only the beginning that all requests share, like `https://api.kie.ai`
        clips.csv --sandbox --upload-url https://files.example.org
        `--sandbox` and `--upload-url` contradict each other: the sandbox has an address of its own
          help: leave one of them out
        clips.csv --webhook-key-file hook.csv --results hook.csv
        `--results` is the file with the webhook key itself: hook.csv
          help: every file of a batch needs a name of its own
        clips.csv --rate off
        `--rate` is off, which `api.kie.ai` does not allow
          help: leave it out for 20/10s; `off` is only for a server of your own
        clips.csv --burst 0
        `--burst` is 0, and a rate of 20/10s allows 1 to 20 at once
          help: leave it out for 1, an even stream
        clips.csv --burst 21
        `--burst` is 21, and a rate of 20/10s allows 1 to 20 at once
          help: leave it out for 1, an even stream
        clips.csv --concurrency 1025
        `--concurrency` is 1025, and must be from 1 to 1024
          help: leave it out for 16
        clips.csv --max-attempts 0
        `--max-attempts` is 0, and must be from 1 to 100
          help: leave it out for 3
        clips.csv --limit 0
        `--limit` is 0, so no row would be sent
          help: use `hailuo-batch check` to send nothing, or leave it out for all rows
        clips.csv --timeout 500ms
        `--timeout` is 500ms, and the shortest is 1s
          help: leave it out for 2m
        clips.csv --patience 0s
        `--patience` is 0s, and the shortest is 1s
          help: leave it out for 15m
        clips.csv --for 0s
        `--for` is 0s, so no row would be sent
          help: write how long the run may start rows, like `2h`, or leave it out for no limit
        clips.csv --budget=-1
        `--budget` is not an amount of credits: -1
          help: write a number that is not negative, like `6000`, or leave it out for no limit
        clips.csv --budget nan
        `--budget` is not an amount of credits: NaN
          help: write a number that is not negative, like `6000`, or leave it out for no limit
        clips.csv --callback-url https://a.example --public-url https://b.example
        `--public-url` and `--callback-url` contradict each other: a row has one callback URL
          help: give one of them: the first for callbacks to `--listen`, the second for a server of your own
        ");
    }

    #[test]
    fn a_complaint_about_a_job_file_names_it() {
        let settings = file::parse(Path::new("nightly.toml"), "manifest = \"clips.csv\"\nburst = 40").unwrap();
        let error = Job::resolve(settings, &evening()).unwrap_err();
        insta::assert_snapshot!(error, @"`burst` in `nightly.toml` is 40, and a rate of 20/10s allows 1 to 20 at once");
    }

    #[test]
    fn a_job_file_that_is_not_there_is_named() {
        let error = Job::load(flags("--job no/such.toml")).unwrap_err();
        insta::assert_snapshot!(told(&error), @"
        cannot read the job file `no/such.toml`
          help: check the path after `--job`
        ");
    }

    #[test]
    fn another_manifest_does_not_write_into_the_files_of_the_job() {
        let (_folder, path) = job_file("manifest = \"clips.csv\"\nresults = \"out.csv\"\n");
        let job_flag = format!("--job {}", path.display());
        let error = Job::load(flags(&format!("other.csv {job_flag}"))).unwrap_err();
        let text = told(&error).replace(&*path.parent().unwrap().to_string_lossy(), "FOLDER");
        insta::assert_snapshot!(text, @"
        `results` in `FOLDER/job.toml` belongs to its manifest `FOLDER/clips.csv`, and `MANIFEST` is another: other.csv
          help: give `--results` for this manifest, or take `results` out of the job file
        ");
        let own = format!("{} {job_flag}", path.with_file_name("clips.csv").display());
        assert!(Job::load(flags(&own)).is_ok());
        assert!(Job::load(flags(&format!("other.csv --results o.csv {job_flag}"))).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_manifest_is_the_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("clips.csv");
        fs::write(&manifest, "").unwrap();
        let soft = folder.path().join("soft.csv");
        let hard = folder.path().join("hard.csv");
        std::os::unix::fs::symlink(&manifest, &soft).unwrap();
        fs::hard_link(&manifest, &hard).unwrap();
        for link in [soft, hard] {
            let text = complaint(&format!("{} --results {}", manifest.display(), link.display()));
            assert!(text.starts_with("`--results` is the manifest itself"), "{text}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        for url in [
            "http://localhost:8080",
            "http://127.0.0.2/x",
            "http://[::1]:1",
            "http://api.localhost",
            "https://a.example",
        ] {
            let job = job(&format!("clips.csv --rate off --base-url {url}"));
            assert!(job.base_url.as_str().ends_with('/'));
        }
        for url in ["http://kie.example", "http://10.0.0.1", "http://localhost.example"] {
            assert!(
                complaint(&format!("clips.csv --base-url {url}")).contains("unprotected"),
                "{url}"
            );
        }
        for url in ["https://api.kie.ai.", "https://API.KIE.AI/x"] {
            assert!(
                complaint(&format!("clips.csv --rate off --base-url {url}")).contains("does not allow"),
                "{url}"
            );
        }
    }

    #[test]
    fn a_rate_above_the_accounts_is_warned_of() {
        for (arguments, most) in [
            ("--rate 20/10s", None),
            ("--rate 20/10s --burst 20", None),
            ("--rate 2/s", None),
            ("--rate 120/60s", None),
            ("--rate 120/60s --burst 40", Some("59")),
            ("--rate 40/10s", Some("39")),
            ("--rate 100/1s", Some("953")),
            ("--rate 40/10s --sandbox", None),
            ("--rate 40/10s --base-url http://localhost", None),
        ] {
            let warnings = job(&format!("clips.csv {arguments}")).warnings;
            match most {
                Some(most) => assert!(warnings[0].contains(&format!("lets {most} requests")), "{warnings:?}"),
                None => assert_eq!(warnings, [""; 0], "{arguments}"),
            }
        }
        insta::assert_snapshot!(job("clips.csv --rate 40/10s").warnings[0], @"`--rate` lets 39 requests into 10s; the API allows 20 unless support has raised your account's limit");
    }

    #[test]
    fn the_earlier_of_until_and_for_stops_the_run() {
        let at = |arguments: &str| {
            let job = job(&format!("clips.csv {arguments}"));
            (job.stop_at.map(UnixMillis::to_rfc3339), job.warnings)
        };
        let clean = |time: &str| (Some(time.to_owned()), Vec::new());
        assert_eq!(at(""), (None, Vec::new()));
        assert_eq!(at("--until 06:00"), clean("2026-11-23T06:00:00.000Z"));
        assert_eq!(at("--for 2h"), clean("2026-11-23T00:30:00.000Z"));
        assert_eq!(at("--for 2h --until 06:00"), clean("2026-11-23T00:30:00.000Z"));
        assert_eq!(at("--for 9h --until 06:00"), clean("2026-11-23T06:00:00.000Z"));
        let (_, warnings) = at("--until 2026-11-22T22:00:00Z");
        insta::assert_snapshot!(warnings[0], @"`--until` is already past: no row will be started");
    }

    #[test]
    fn connecting_always_gives_up_before_the_request() {
        for (timeout, connect) in [("120s", 10_000), ("10s", 8_000), ("1s", 800)] {
            let job = job(&format!("clips.csv --timeout {timeout}"));
            assert_eq!(job.connect_timeout, Duration::from_millis(connect));
            assert!(job.connect_timeout < job.timeout);
        }
    }

    #[test]
    fn a_callback_url_on_this_machine_is_warned_of() {
        let warnings = job("clips.csv --callback-url http://localhost:9/hook").warnings;
        insta::assert_snapshot!(warnings[0], @"`--callback-url` is on this machine, where the API cannot reach it: http://localhost:9/hook");
        assert!(
            job("clips.csv --sandbox --callback-url http://localhost:9/hook")
                .warnings
                .is_empty()
        );
    }

    #[test]
    fn callbacks_go_to_the_public_url_or_to_a_server_of_ones_own() {
        let url = "https://hooks.example.org/kie";
        let resolved = |arguments: &str| {
            let job = job(&format!("clips.csv {arguments}")).for_run();
            (job.callback_url.map(String::from), job.warnings)
        };
        let to = |url: &str| (Some(url.to_owned()), Vec::new());
        assert_eq!(resolved(""), (None, Vec::new()));
        assert_eq!(resolved(&format!("--callback-url {url}")), to(url));
        assert_eq!(resolved(&format!("--public-url {url}")), to(url));
        assert_eq!(resolved(&format!("--listen 0.0.0.0:8787 --public-url {url}")), to(url));
        let local = "http://127.0.0.1:8787/";
        assert_eq!(resolved(&format!("--sandbox --public-url {local}")), to(local));

        // Somebody may only want to look on.
        assert_eq!(resolved("--listen 127.0.0.1:8787"), (None, Vec::new()));
        let (_, warnings) = resolved("--listen 127.0.0.1:8787 --public-url http://localhost:8787");
        assert_eq!(warnings.len(), 1);
        insta::assert_snapshot!(warnings[0], @"`--public-url` is on this machine, where the API cannot reach it: http://localhost:8787/");
    }

    #[test]
    fn the_token_of_the_higher_place_counts() {
        const TOKEN: &str = "0123456789abcdef";
        let flag = || flags(&format!("clips.csv --token {TOKEN}"));
        let file_flag = || flags("clips.csv --token-file flag-token");
        let below = || file::parse(Path::new("j.toml"), "token_file = \"file-token\"").unwrap();
        let place = |settings: Settings| Job::resolve(settings, &evening()).unwrap().viewing.token_place;
        let file = |place: Option<TokenPlace>| match place {
            Some(TokenPlace::File(place)) => place.file.map(|path| path.display().to_string()),
            _ => None,
        };
        assert_eq!(place(flags("clips.csv")), None);
        assert_eq!(
            file(place(flags("clips.csv").merge(below()))).as_deref(),
            Some("file-token")
        );
        assert_eq!(file(place(file_flag().merge(below()))).as_deref(), Some("flag-token"));
        assert!(
            matches!(place(flag().merge(below())), Some(TokenPlace::Given { named_by, .. }) if named_by == "`--token`")
        );
        // An empty flag is a slip, and refused where it is read; an empty variable is none at all.
        assert!(matches!(
            place(flags("clips.csv --token=").merge(below())),
            Some(TokenPlace::Given { .. })
        ));
        let text = complaint(&format!("clips.csv --token {TOKEN} --token-file x"));
        assert!(
            text.contains("contradict each other") && !text.contains(TOKEN),
            "{text}"
        );
        assert!(!format!("{:?}", place(flag())).contains(TOKEN));
    }

    #[test]
    fn names_of_hosts_stand_alone() {
        let hosts = |arguments: &str| job(arguments).viewing.hosts;
        assert_eq!(
            hosts("clips.csv --allow-host studio.lan,[fe80::1] --allow-host b"),
            ["studio.lan", "[fe80::1]", "b"]
        );
        for name in ["http://a", "a:80", "a/b", "", "[x]"] {
            let words = ["run", "clips.csv", "--allow-host", name];
            assert!(Run::try_parse_from(words).is_err(), "{name}");
        }
        let settings = file::parse(Path::new("j.toml"), "allow_host = \"studio.lan\"").unwrap();
        assert_eq!(settings.receiving.allow_host, Some(vec!["studio.lan".to_owned()]));
        assert!(file::parse(Path::new("j.toml"), "allow_host = [\"a:80\"]").is_err());
    }

    #[test]
    fn whether_a_run_waits_is_nothing_to_the_commands_that_collect() {
        let text = "manifest = \"clips.csv\"\nwait = false\n";
        let (_folder, path) = job_file(text);
        let load = || {
            Job::load(flags(&format!(
                "--job {} --download v --listen 127.0.0.1:9",
                path.display()
            )))
            .unwrap()
        };
        let job = load();
        assert!(!job.collect.wait);
        assert_eq!(job.collect.folder, Some(PathBuf::from("v")));
        assert_eq!(job.collect.listen, Some("127.0.0.1:9".parse().unwrap()));
        let run = load().for_run();
        assert_eq!((run.collect.folder, run.collect.listen), (None, None));
        assert_eq!(run.warnings, [""; 0], "nothing is listened to");

        for key in ["download = \"v\"", "listen = \"127.0.0.1:9\""] {
            let settings = file::parse(Path::new("j.toml"), &format!("{text}{key}\n")).unwrap();
            let error = Job::resolve(settings, &evening()).unwrap_err().to_string();
            assert!(error.contains("contradict each other"), "{error}");
        }
    }

    #[test]
    fn every_job_file_of_the_repository_resolves() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs");
        let mut seen = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            seen += 1;
            let mut settings = file::read(&path).unwrap_or_else(|error| panic!("{error}"));
            settings.files.manifest.get_or_insert("clips.csv".into());
            let job = Job::resolve(settings, &evening()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(job.warnings, [""; 0], "{}", path.display());
        }
        assert!(seen >= 3, "{seen}");
    }

    #[test]
    fn own_prices_and_a_budget_are_taken() {
        use crate::row::{ClipLength, Resolution};
        let job = job("clips.csv --price 10s-768P=45 --budget 0");
        assert_eq!(job.prices.price_of(ClipLength::Ten, Resolution::P768), Some(45.0));
        assert_eq!(job.budget, Some(0.0));
    }
}
