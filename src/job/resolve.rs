//! From what was given to what a run works with: defaults filled in, rules checked, nothing left open.

use std::ffi::OsString;
use std::fs;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::{Host, Url};

use super::error::{JobError, shown};
use super::key::{ApiKey, KEY_VARIABLE, KeyPlace};
use super::origin::{self, Origins, Source};
use super::settings::{CodeFilter, LogFormat, OnUnknown, ProgressMode, RetryRejected, Settings};
use super::until::Moment;
use super::{duration, file};
use crate::clock::UnixMillis;
use crate::kie::price::PriceTable;
use crate::rate::Rate;

/// The settings of a batch, complete.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The input file. Whether it can be read is found by its reader.
    pub manifest: PathBuf,
    /// Where the results go; the extension is one of [`RESULT_EXTENSIONS`], and no other file of the job is meant.
    pub results: PathBuf,
    /// The SQLite file of the durable record.
    pub ledger: PathBuf,

    /// Where the API is; ends in `/`, so that [`Url::join`] keeps its path. Without meaning for a sandbox.
    pub base_url: Url,
    /// Run against the embedded sandbox instead.
    pub sandbox: bool,
    /// callBackUrl of rows that have none of their own.
    pub callback_url: Option<Url>,
    /// Where the key may be found; read it with [`Job::api_key`].
    pub key_place: KeyPlace,
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
    /// Send accepted rows again whose content has changed.
    pub resubmit_changed: bool,
    /// Go on after many equal rejections in a row.
    pub keep_going: bool,

    /// Credits that may be spent; finite and not negative. `None` for no limit.
    pub budget: Option<f64>,
    /// What a clip costs.
    pub prices: PriceTable,

    /// What to say, and how.
    pub output: Output,
    /// Things that are allowed and probably not meant, one sentence each; to be shown before the run.
    pub warnings: Vec<String>,
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

/// Below a second, pauses and limits of a run are slips of the pen.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The formats results are written in, by extension.
pub const RESULT_EXTENSIONS: [&str; 3] = ["csv", "tsv", "jsonl"];

impl Job {
    /// The job that flags and environment (`given`) make together with the job file they name.
    pub fn load(given: Settings) -> Result<Job, JobError> {
        let settings = match given.common.job.clone() {
            Some(path) => {
                let below = file::read(&path)?;
                refuse_files_of_another_batch(&given, &below)?;
                given.merge(below)
            }
            None => given,
        };
        let mut job = Job::resolve(settings, &Moment::now())?;
        let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        job.warnings.extend(origin::misspelt_variables(variables));
        Ok(job)
    }

    /// The job that `settings` make at `moment`, once everything is merged.
    pub fn resolve(settings: Settings, moment: &Moment) -> Result<Job, JobError> {
        let Settings {
            common,
            planning,
            sending,
        } = settings;
        let origins = &common.origins;
        let mut warnings = Vec::new();

        let manifest = manifest(common.manifest)?;
        let results = results(origins, common.results, &manifest)?;
        let ledger = ledger(origins, common.ledger, &manifest)?;
        let inputs = [
            ("the manifest", Some(&manifest)),
            ("the job file", common.job.as_ref()),
            ("the file with the API key", sending.api_key_file.as_ref()),
            ("the file with the certificates", sending.ca_file.as_ref()),
        ];
        keep_apart(origins, &results, &ledger, &inputs)?;

        let sandbox = planning.sandbox.unwrap_or(false);
        let base_url = base_url(origins, planning.base_url, sandbox)?;
        let reaches_kie = !sandbox && is_kie(&base_url);
        let rate = rate(origins, planning.rate, reaches_kie, &base_url)?;
        let burst = burst(origins, planning.burst, rate)?;
        if reaches_kie {
            warnings.extend(above_the_account(origins, rate, burst));
        }
        if let Some(url) = planning.callback_url.as_ref().filter(|url| is_loopback(url))
            && reaches_kie
        {
            let name = origins.name("callback_url");
            warnings.push(format!(
                "{name} is on this machine, where the API cannot reach it: {url}"
            ));
        }

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
            base_url,
            sandbox,
            callback_url: planning.callback_url,
            key_place: KeyPlace {
                file_wins: origins.source("api_key_file") == Some(&Source::Flag),
                named_by: origins.name("api_key_file"),
                file: sending.api_key_file,
            },
            reuse_connections: sending.reuse_connections.unwrap_or(false),
            ca_file: sending.ca_file,
            rate,
            burst,
            concurrency: usize::try_from(concurrency).unwrap_or(usize::MAX),
            limit: limit(origins, planning.limit)?,
            stop_at,
            strict: planning.strict.unwrap_or(false),
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
            resubmit_changed: planning.resubmit_changed.unwrap_or(false),
            keep_going: sending.keep_going.unwrap_or(false),
            budget: budget(origins, planning.budget)?,
            prices: match &planning.price {
                Some(own) => PriceTable::published().with(own),
                None => PriceTable::published(),
            },
            output: Output {
                json: common.json.unwrap_or(false),
                progress: common.progress.unwrap_or_default(),
                log_format: common.log_format.unwrap_or_default(),
                verbose: common.verbose,
                quiet: common.quiet.unwrap_or(false),
            },
            manifest,
            warnings,
        })
    }

    /// The API key, and a warning about the way it is kept. Not needed with a sandbox.
    pub fn api_key(&self) -> Result<(ApiKey, Option<String>), JobError> {
        Ok(self.key_place.read(std::env::var_os(KEY_VARIABLE))?)
    }
}

/// A job file's results and ledger belong to its own manifest: with another one they would be overwritten.
fn refuse_files_of_another_batch(given: &Settings, below: &Settings) -> Result<(), JobError> {
    let (Some(own), Some(theirs)) = (&given.common.manifest, &below.common.manifest) else {
        return Ok(());
    };
    if is_same_file(own, theirs) {
        return Ok(());
    }
    for (key, is_given, is_below) in [
        (
            "results",
            given.common.results.is_some(),
            below.common.results.is_some(),
        ),
        ("ledger", given.common.ledger.is_some(), below.common.ledger.is_some()),
    ] {
        if is_below && !is_given {
            return Err(JobError::setting(
                format!(
                    "{} belongs to its manifest `{}`, and `MANIFEST` is another: {}",
                    below.common.origins.name(key),
                    shown(theirs),
                    shown(own)
                ),
                format!(
                    "give `{}` for this manifest, or take `{key}` out of the job file",
                    origin::flag(key)
                ),
            ));
        }
    }
    Ok(())
}

fn manifest(given: Option<PathBuf>) -> Result<PathBuf, JobError> {
    let help = "write it after the command, like `hailuo-batch run clips.csv`, or name a job file with `--job`";
    match given {
        Some(path) if path == Path::new("-") => Err(JobError::setting(
            "the manifest cannot come from standard input: a batch must find its rows again in a second run",
            "save it to a file, and give the file's name",
        )),
        Some(path) if !path.as_os_str().is_empty() => Ok(path),
        _ => Err(JobError::setting("no manifest is given", help)),
    }
}

fn results(origins: &Origins, given: Option<PathBuf>, manifest: &Path) -> Result<PathBuf, JobError> {
    let Some(given) = given else {
        return Ok(default_results(manifest));
    };
    if result_extension(&given).is_none() {
        return Err(JobError::setting(
            format!(
                "{} has no format that can be written: {}",
                origins.name("results"),
                shown(&given)
            ),
            format!("end the file's name in one of {}", listed(&RESULT_EXTENSIONS)),
        ));
    }
    Ok(given)
}

/// `clips.results.csv` for `clips.csv`. A manifest with an extension of its own kind (`clips.txt`) gets CSV.
fn default_results(manifest: &Path) -> PathBuf {
    let extension = match manifest.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("ndjson") => "jsonl",
        _ => result_extension(manifest).unwrap_or("csv"),
    };
    let mut name = manifest.file_stem().unwrap_or_default().to_owned();
    name.push(".results.");
    name.push(extension);
    manifest.with_file_name(name)
}

fn result_extension(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?;
    RESULT_EXTENSIONS
        .into_iter()
        .find(|known| extension.eq_ignore_ascii_case(known))
}

fn ledger(origins: &Origins, given: Option<PathBuf>, manifest: &Path) -> Result<PathBuf, JobError> {
    let Some(given) = given else {
        let mut name = OsString::from(manifest.file_name().unwrap_or_default());
        name.push(".ledger");
        return Ok(manifest.with_file_name(name));
    };
    // The address itself is not shown: it may hold a password.
    if given.to_str().is_some_and(|text| text.contains("://")) {
        return Err(JobError::setting(
            format!(
                "{} is a URL, and this version keeps ledgers in SQLite files only",
                origins.name("ledger")
            ),
            "give a path on a local disk, or leave it out for one beside the manifest",
        ));
    }
    Ok(given)
}

/// Results and ledger are written: neither may be another file of the job.
fn keep_apart(
    origins: &Origins,
    results: &Path,
    ledger: &Path,
    inputs: &[(&str, Option<&PathBuf>)],
) -> Result<(), JobError> {
    let help = "every file of a batch needs a name of its own";
    for (key, output) in [("results", results), ("ledger", ledger)] {
        for (what, input) in inputs {
            if input.is_some_and(|input| is_same_file(output, input)) {
                let name = origins.name(key);
                return Err(JobError::setting(
                    format!("{name} is {what} itself: {}", shown(output)),
                    help,
                ));
            }
        }
    }
    if is_same_file(results, ledger) {
        let name = origins.name(if origins.source("results").is_some() {
            "results"
        } else {
            "ledger"
        });
        return Err(JobError::setting(
            format!("{name} would make results and ledger one file: {}", shown(results)),
            help,
        ));
    }
    Ok(())
}

/// Whether two paths name one file, which need not exist yet.
fn is_same_file(one: &Path, other: &Path) -> bool {
    canonical(one) == canonical(other) || have_one_inode(one, other)
}

fn canonical(path: &Path) -> PathBuf {
    if let Ok(whole) = fs::canonicalize(path) {
        return whole;
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match (fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(unix)]
fn have_one_inode(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn have_one_inode(_: &Path, _: &Path) -> bool {
    false
}

fn base_url(origins: &Origins, given: Option<Url>, sandbox: bool) -> Result<Url, JobError> {
    let default = || Url::parse(BASE_URL).expect("the default is a URL");
    let Some(mut url) = given else {
        return Ok(default());
    };
    if sandbox {
        // A flag may send a job file's batch to the sandbox; both in one place cannot be meant.
        if origins.source("sandbox").is_some() && origins.source("sandbox") == origins.source("base_url") {
            return Err(JobError::setting(
                format!(
                    "{} and {} contradict each other: the sandbox has an address of its own",
                    origins.name("sandbox"),
                    origins.name("base_url")
                ),
                "leave one of them out",
            ));
        }
        return Ok(default());
    }
    let name = origins.name("base_url");
    if url.query().is_some() || url.fragment().is_some() {
        return Err(JobError::setting(
            format!("{name} has a `?` or `#` part"),
            format!("give only the beginning that all requests share, like `{BASE_URL}`"),
        ));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(JobError::setting(
            format!("{name} is plain http, and the API key would travel unprotected: {url}"),
            "write `https://`; plain http is only for a server on this machine",
        ));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn is_kie(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    host == "kie.ai" || host.ends_with(".kie.ai")
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
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
    // The pace sends one request every 1.05 windows/requests, the slots at most so many in each window: the lesser holds.
    let spacing = window.as_nanos() * 105 / 100 / u128::from(requests.get());
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
    until: Option<&super::until::Until>,
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

fn listed(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`.{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
