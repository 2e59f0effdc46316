//! Every option as the user gave it, or did not: the same struct for flags, environment and job file.
//!
//! The doc comments are the help text. A default is not written into clap: an option that was not given stays `None`,
//! so that a job file below the flags can still speak; [`super::resolve`] fills in the rest.

#![allow(
    rustdoc::bare_urls,
    reason = "the doc comments are the help text, where `<…>` would be shown"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use url::Url;

use crate::job::duration;
use crate::job::key::GivenToken;
use crate::job::notices::{GivenUrl, NoticeFormat, NoticeOn};
use crate::job::origin::Origins;
use crate::job::until::Until;
use crate::manifest::{Delimiter, Encoding, Mapping};
use crate::price::PriceOverride;
use crate::rate::Rate;

const FILES: &str = "Input and output";
const PACE: &str = "Pace and limits";
const RETRIES: &str = "Retries and unknown rows";
const COLLECTING: &str = "Waiting and downloads";
const MONEY: &str = "Money";
const API: &str = "API";
const CALLBACKS: &str = "Page and callbacks";
const NOTICES: &str = "Notices";
const OUTPUT: &str = "Output";

/// Everything that can be set: what `run` takes, and what a job file may hold beside it for other commands.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Settings {
    /// Which files.
    #[command(flatten)]
    pub files: Files,
    /// What a run would do.
    #[command(flatten)]
    pub planning: Planning,
    /// How the manifest is read.
    #[command(flatten)]
    pub intake: Intake,
    /// Which API.
    #[command(flatten)]
    pub place: Place,
    /// How a run sends.
    #[command(flatten)]
    pub sending: Sending,
    /// What it takes to talk to the API.
    #[command(flatten)]
    pub access: Access,
    /// What becomes of tasks.
    #[command(flatten)]
    pub collecting: Collecting,
    /// How others look on, and how calls of the API are received.
    #[command(flatten)]
    pub receiving: Receiving,
    /// How images on the web are looked at; no run does that.
    #[arg(skip)]
    pub checking: Checking,
    /// Where a report goes; no run writes one.
    #[arg(skip)]
    pub presenting: Presenting,
    /// Whom to tell how it ended.
    #[command(flatten)]
    pub notifying: Notifying,
    /// What monitoring is told.
    #[command(flatten)]
    pub monitoring: Monitoring,
    /// What to say.
    #[command(flatten)]
    pub reporting: Reporting,
}

/// The files of a batch, for every command that reads one.
///
/// Flatten it before the other structs: its first field records where all settings came from.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Files {
    /// Where each setting was given.
    #[command(flatten)]
    pub origins: Origins,

    /// Manifest: one row per video, as XLSX, ODS, CSV, TSV or JSONL.
    ///
    /// May be left out when a job file names it.
    #[arg(value_name = "MANIFEST", env = "HAILUO_BATCH_MANIFEST", hide_env = true)]
    pub manifest: Option<PathBuf>,

    /// Read settings from a TOML job file.
    ///
    /// Its keys are the long flags with `_` for `-`, those of --notify-… in a table `[notify]`; paths in it are relative to
    /// its folder. A flag wins over the environment (HAILUO_BATCH_RATE for --rate, and so on), and the environment over the
    /// job file. Example: --job jobs/nightly.toml
    #[arg(long, value_name = "FILE", env = "HAILUO_BATCH_JOB", hide_env = true, help_heading = FILES)]
    pub job: Option<PathBuf>,

    /// Write the results to FILE.
    ///
    /// The extension decides the format: csv, tsv, jsonl or xlsx. Default: STEM.results.EXT beside the manifest.
    /// Example: --results out/clips.csv
    #[arg(long, value_name = "FILE", env = "HAILUO_BATCH_RESULTS", hide_env = true, help_heading = FILES)]
    pub results: Option<PathBuf>,

    /// Keep the durable record of the batch in PATH.
    ///
    /// A SQLite file on a local disk; it makes a second run go on where the first one ended.
    /// Default: MANIFEST.ledger. Example: --ledger /var/lib/hailuo-batch/clips.ledger
    #[arg(long, value_name = "PATH", env = "HAILUO_BATCH_LEDGER", hide_env = true, help_heading = FILES)]
    pub ledger: Option<PathBuf>,
}

/// How the manifest is read, for the commands that read it.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Intake {
    /// Read the text of the manifest in ENCODING.
    ///
    /// For CSV, TSV and JSONL: utf-8, utf-16, gb18030, big5, shift-jis, euc-kr, windows-1252 or any other name of the WHATWG's
    /// list. Default: found out, and said if it is not UTF-8. Example: --encoding gb18030
    #[arg(long, value_name = "ENCODING", env = "HAILUO_BATCH_ENCODING", hide_env = true, help_heading = FILES)]
    pub encoding: Option<Encoding>,

    /// Take MARK for what stands between the cells of a CSV or TSV file.
    ///
    /// One of `,`, `;`, `|` and tab. Default: found out, and said if it is not what the file's name says.
    /// Example: --delimiter tab
    #[arg(long, value_name = "MARK", env = "HAILUO_BATCH_DELIMITER", hide_env = true, help_heading = FILES)]
    pub delimiter: Option<Delimiter>,

    /// Read the sheet of this name or number.
    ///
    /// Of a workbook; numbers count from 1. Default: the first visible sheet whose header names a prompt and an image.
    /// Example: --sheet Shots
    #[arg(long, value_name = "SHEET", env = "HAILUO_BATCH_SHEET", hide_env = true, help_heading = FILES)]
    pub sheet: Option<String>,

    /// Read rows that the workbook hides, too.
    ///
    /// Hidden by hand or by a filter. Default: no; they are left out and counted, so that nobody pays for what they do
    /// not see. Example: --hidden-rows
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_HIDDEN_ROWS", hide_env = true, help_heading = FILES
    )]
    pub hidden_rows: Option<bool>,

    /// Take FIELD from the column of this name.
    ///
    /// For columns that go by none of the names this program knows. FIELD is prompt, image_url, id, duration, resolution
    /// or callback_url. May be given once for each field; in the environment a line each. Default: none.
    /// Example: --map prompt=描述
    #[arg(
        long, value_name = "FIELD=COLUMN", value_delimiter = '\n',
        env = "HAILUO_BATCH_MAP", hide_env = true, help_heading = FILES
    )]
    pub map: Option<Vec<Mapping>>,
}

/// What decides which rows a run sends, how fast and for how much: `check` computes with it, `run` does it.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Planning {
    /// Send at most N requests in any window of DURATION.
    ///
    /// No window of that length ever sees more than N, retries included. Default: 20/10s, the API's limit for an
    /// account. `off` is only for a server of your own. Example: --rate 10/10s
    #[arg(long, value_name = "N/DURATION", env = "HAILUO_BATCH_RATE", hide_env = true, help_heading = PACE)]
    pub rate: Option<Rate>,

    /// Let up to N requests leave at once when the window allows it.
    ///
    /// 1 sends an even stream, which every way of counting a window accepts. From 1 to the N of --rate.
    /// Default: 1. Example: --burst 5
    #[arg(
        long, value_name = "N", value_parser = whole::<u32>,
        env = "HAILUO_BATCH_BURST", hide_env = true, help_heading = PACE
    )]
    pub burst: Option<u32>,

    /// Have at most N requests in flight.
    ///
    /// This is also the most rows one crash can leave unknown. From 1 to 1024. Default: 16. Example: --concurrency 4
    #[arg(
        long, value_name = "N", value_parser = whole::<u32>,
        env = "HAILUO_BATCH_CONCURRENCY", hide_env = true, help_heading = PACE
    )]
    pub concurrency: Option<u32>,

    /// Send at most N rows in this run.
    ///
    /// The rest stays queued. Default: all. Example: --limit 10
    #[arg(
        long, value_name = "N", value_parser = whole::<u64>,
        env = "HAILUO_BATCH_LIMIT", hide_env = true, help_heading = PACE
    )]
    pub limit: Option<u64>,

    /// Start no more rows after TIME.
    ///
    /// A local time (the next time the clock shows it), a local date and time, or RFC 3339. The rest stays queued.
    /// With --for the earlier of both counts. Default: none. Example: --until 06:00
    #[arg(long, value_name = "TIME", env = "HAILUO_BATCH_UNTIL", hide_env = true, help_heading = PACE)]
    pub until: Option<Until>,

    /// Start no more rows after DURATION.
    ///
    /// Counted from the start of the run; the rest stays queued. Default: none. Example: --for 2h
    #[arg(
        id = "for", long = "for", value_name = "DURATION", value_parser = duration::parse,
        env = "HAILUO_BATCH_FOR", hide_env = true, help_heading = PACE
    )]
    pub run_for: Option<Duration>,

    /// Send nothing at all if any row is invalid.
    ///
    /// Default: no; the valid rows are sent and the others reported. Example: --strict
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_STRICT", hide_env = true, help_heading = PACE
    )]
    pub strict: Option<bool>,

    /// Let `image_url` name files outside of the manifest's folder.
    ///
    /// Paths are relative to that folder. One that leads out of it, also through a link, makes its row invalid, so that
    /// a manifest from somewhere else cannot upload just any image of this computer. Default: no.
    /// Example: --allow-outside
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_ALLOW_OUTSIDE", hide_env = true, help_heading = FILES
    )]
    pub allow_outside: Option<bool>,

    /// Queue rejected and failed rows again, all or those with these error codes.
    ///
    /// A comma list of the codes in the results. Rows that `settle --drop` gave up may have been paid for, so they are
    /// sent again only where `dropped` is in the list. Default: no. Example: --retry-rejected=422,500,dropped
    #[arg(
        long, value_name = "CODES", num_args = 0..=1, require_equals = true, default_missing_value = "all",
        env = "HAILUO_BATCH_RETRY_REJECTED", hide_env = true, help_heading = RETRIES
    )]
    pub retry_rejected: Option<RetryRejected>,

    /// Queue failed rows again, all or those with these error codes.
    ///
    /// Their tasks ended without a video. Each is a new task, with a cost of its own; the earlier one stays in the
    /// ledger. What may have been paid for (`no_record`, `no_result`) only where it is named. Default: no.
    /// Example: --retry-failed=500
    #[arg(
        long, value_name = "CODES", num_args = 0..=1, require_equals = true, default_missing_value = "all",
        env = "HAILUO_BATCH_RETRY_FAILED", hide_env = true, help_heading = RETRIES
    )]
    pub retry_failed: Option<RetryRejected>,

    /// Send accepted rows again whose content has changed under the same `id`.
    ///
    /// They are paid for again. Default: no; they are reported. Example: --resubmit-changed
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_RESUBMIT_CHANGED", hide_env = true, help_heading = RETRIES
    )]
    pub resubmit_changed: Option<bool>,

    /// Stop before the batch has cost more than CREDITS.
    ///
    /// In credits (1 credit is 0.005 USD), by the prices of --price, over all runs of this ledger; unknown rows count,
    /// as they may have been paid for. Default: none. Example: --budget 6000
    #[arg(
        long, value_name = "CREDITS", value_parser = number,
        env = "HAILUO_BATCH_BUDGET", hide_env = true, help_heading = MONEY
    )]
    pub budget: Option<f64>,

    /// Reckon with these prices, in credits for a video.
    ///
    /// One number for every row, or a price for each kind of clip. Default: the published prices
    /// (6s-768P=30,10s-768P=50,6s-1080P=50). Example: --price 6s-768P=27,10s-768P=45
    #[arg(long, value_name = "CREDITS", env = "HAILUO_BATCH_PRICE", hide_env = true, help_heading = MONEY)]
    pub price: Option<PriceOverride>,

    /// Have the API call URL when a task ends.
    ///
    /// For every row that has no callback_url of its own. Default: none.
    /// Example: --callback-url https://hooks.example.org/kie
    #[arg(
        long, value_name = "URL", value_parser = web_address,
        env = "HAILUO_BATCH_CALLBACK_URL", hide_env = true, help_heading = API
    )]
    pub callback_url: Option<Url>,
}

/// What only a run that sends needs.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Sending {
    /// Stay until the tasks have ended.
    ///
    /// Default: no, unless --download or --listen is given; `collect` does it later.
    /// Example: --wait
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_WAIT", hide_env = true, help_heading = COLLECTING
    )]
    pub wait: Option<bool>,

    /// Send nothing if the account holds fewer credits than the rows will cost.
    ///
    /// The run halts before its first request then, and also if the balance cannot be read. Default: no; it only warns.
    /// Example: --require-balance
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_REQUIRE_BALANCE", hide_env = true, help_heading = MONEY
    )]
    pub require_balance: Option<bool>,

    /// Try a row at most N times when the API answers with a passing trouble of its own.
    ///
    /// Pauses for the rate limit and for maintenance do not count. From 1 to 100. Default: 3. Example: --max-attempts 5
    #[arg(
        long, value_name = "N", value_parser = whole::<u32>,
        env = "HAILUO_BATCH_MAX_ATTEMPTS", hide_env = true, help_heading = RETRIES
    )]
    pub max_attempts: Option<u32>,

    /// Halt after DURATION without one success.
    ///
    /// The rest stays queued for the next run. Default: 15m. Example: --patience 1h
    #[arg(
        long, value_name = "DURATION", value_parser = duration::parse,
        env = "HAILUO_BATCH_PATIENCE", hide_env = true, help_heading = RETRIES
    )]
    pub patience: Option<Duration>,

    /// Pause for DURATION when the API says it is in maintenance (455).
    ///
    /// The pauses grow until it ends. Default: 1m. Example: --maintenance-pause 5m
    #[arg(
        long, value_name = "DURATION", value_parser = duration::parse,
        env = "HAILUO_BATCH_MAINTENANCE_PAUSE", hide_env = true, help_heading = RETRIES
    )]
    pub maintenance_pause: Option<Duration>,

    /// Wait DURATION for the answer to a submission.
    ///
    /// Giving up early makes an unknown row: it may have been taken and paid for. Connecting has 10 s of its own.
    /// At least 1s. Default: 2m. Example: --timeout 3m
    #[arg(
        long, value_name = "DURATION", value_parser = duration::parse,
        env = "HAILUO_BATCH_TIMEOUT", hide_env = true, help_heading = RETRIES
    )]
    pub timeout: Option<Duration>,

    /// Hold rows whose request got no answer, or send them again.
    ///
    /// Sent again, a row may be paid for twice. Default: hold. Example: --on-unknown resubmit
    #[arg(
        long, value_name = "WHAT", value_enum, env = "HAILUO_BATCH_ON_UNKNOWN", hide_env = true, help_heading = RETRIES
    )]
    pub on_unknown: Option<OnUnknown>,

    /// Go on when ten rows in a row are rejected for the same reason.
    ///
    /// Default: no; that halts the run, as something is wrong with the whole batch. Example: --keep-going
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_KEEP_GOING", hide_env = true, help_heading = RETRIES
    )]
    pub keep_going: Option<bool>,

    /// Upload local images to the server at URL.
    ///
    /// The API key is sent there as well. Plain http only to this machine. Default: https://kieai.redpandaai.co for
    /// https://api.kie.ai, else the address of --base-url. Example: --upload-url http://127.0.0.1:8080
    #[arg(
        long, value_name = "URL", value_parser = web_address,
        env = "HAILUO_BATCH_UPLOAD_URL", hide_env = true, help_heading = API
    )]
    pub upload_url: Option<Url>,

    /// Send several submissions over one connection.
    ///
    /// Faster for high limits; a connection that the server closes can then leave a row unknown. Default: no.
    /// Example: --reuse-connections
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_REUSE_CONNECTIONS", hide_env = true, help_heading = API
    )]
    pub reuse_connections: Option<bool>,
}

/// Which API.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Place {
    /// Run against an embedded stand-in for the API.
    ///
    /// Needs no key and no network, and costs nothing. Default: no. Example: --sandbox
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_SANDBOX", hide_env = true, help_heading = API
    )]
    pub sandbox: Option<bool>,

    /// Send requests to the API at URL.
    ///
    /// Also from KIE_BASE_URL. Plain http only to this machine. Default: https://api.kie.ai
    /// Example: --base-url http://127.0.0.1:8080
    #[arg(
        long, value_name = "URL", value_parser = web_address, env = "KIE_BASE_URL", hide_env = true, help_heading = API
    )]
    pub base_url: Option<Url>,

    /// Trust the certificates in FILE as well as the system's.
    ///
    /// PEM, for a network whose proxy signs its own certificates. Default: none. Example: --ca-file company.pem
    #[arg(long, value_name = "FILE", env = "HAILUO_BATCH_CA_FILE", hide_env = true, help_heading = API)]
    pub ca_file: Option<PathBuf>,
}

/// What only `check` does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Checking {
    /// List every problem in FILE.
    ///
    /// One line for each, with row, place, column, value and what to do. The extension decides the format: xlsx, csv, tsv
    /// or jsonl. Default: none; the summary shows the first of each kind. Example: --problems problems.xlsx
    #[arg(long, value_name = "FILE", env = "HAILUO_BATCH_PROBLEMS", hide_env = true, help_heading = FILES)]
    pub problems: Option<PathBuf>,

    /// Look at every image on the web.
    ///
    /// Is it there, is it a JPEG, PNG or WebP of at most 10 MB, and has it a size and a shape that the model takes? Each
    /// address is asked once, for its first bytes only, without any key. What is surely wrong makes its rows invalid; what
    /// may be passing, or so only from here, is a warning. Default: no. Example: --images
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_IMAGES", hide_env = true, help_heading = FILES
    )]
    pub images: Option<bool>,

    /// Look at images in private networks and on this machine, too.
    ///
    /// Without it a manifest from somewhere else cannot have this machine ask inside of its network: neither an address nor
    /// a redirect leads there. Default: no. Example: --allow-private-hosts
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_ALLOW_PRIVATE_HOSTS", hide_env = true, help_heading = FILES
    )]
    pub allow_private_hosts: Option<bool>,
}

/// What only `report` does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Presenting {
    /// Write the report to FILE.
    ///
    /// One HTML file that holds everything but the videos, which it looks for where they are saved, seen from its own
    /// folder. Default: STEM.report.html beside the manifest. Example: --output reports/clips.html
    #[arg(long, value_name = "FILE", env = "HAILUO_BATCH_OUTPUT", hide_env = true, help_heading = FILES)]
    pub output: Option<PathBuf>,
}

/// What it takes to talk to the API.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Access {
    /// Read the API key from FILE.
    ///
    /// The file holds the key and nothing else. Default: the environment variable KIE_API_KEY.
    /// Example: --api-key-file ~/.config/kie-api-key
    #[arg(long, value_name = "FILE", env = "HAILUO_BATCH_API_KEY_FILE", hide_env = true, help_heading = API)]
    pub api_key_file: Option<PathBuf>,
}

/// What becomes of tasks once they are accepted.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Collecting {
    /// Save the videos in folder DIR.
    ///
    /// It is made if need be. A video is fetched once; a file that was broken off is gone on with. The API keeps videos
    /// for 14 days. With it `run` stays until the tasks have ended. Default: none; for `collect` STEM.videos beside the
    /// manifest. Example: --download videos
    #[arg(long, value_name = "DIR", env = "HAILUO_BATCH_DOWNLOAD", hide_env = true, help_heading = COLLECTING)]
    pub download: Option<PathBuf>,

    /// Name videos by this pattern.
    ///
    /// Fields: {row} (place in the manifest; {row:05} fills up with zeros), {id}, {task} and {prompt}. Characters that
    /// a file name cannot have become `_`; a name that is taken gets a number. Default: {row:05}-{id}.mp4
    /// Example: --name '{id}.mp4'
    #[arg(long, value_name = "PATTERN", env = "HAILUO_BATCH_NAME", hide_env = true, help_heading = COLLECTING)]
    pub name: Option<String>,

    /// Wait for tasks no longer than DURATION.
    ///
    /// Counted from when the last row was sent. Tasks that have not ended by then stay accepted, and `collect` looks at
    /// them again. Default: until they end.
    /// Example: --wait-for 30m
    #[arg(
        long, value_name = "DURATION", value_parser = duration::parse,
        env = "HAILUO_BATCH_WAIT_FOR", hide_env = true, help_heading = COLLECTING
    )]
    pub wait_for: Option<Duration>,

    /// Ask for the state of tasks at most N times in any window of DURATION.
    ///
    /// It takes nothing from --rate. Default: 10/1s. Example: --poll-rate 5/1s
    #[arg(long, value_name = "N/DURATION", env = "HAILUO_BATCH_POLL_RATE", hide_env = true, help_heading = COLLECTING)]
    pub poll_rate: Option<Rate>,

    /// Fetch up to N videos at once.
    ///
    /// From 1 to 64. Default: 4. Example: --downloads 8
    #[arg(
        long, value_name = "N", value_parser = whole::<u32>,
        env = "HAILUO_BATCH_DOWNLOADS", hide_env = true, help_heading = COLLECTING
    )]
    pub downloads: Option<u32>,

    /// Fetch saved videos again that are no longer where they were saved.
    ///
    /// Default: no; a video that was saved once is yours to move. Example: --fetch-missing
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_FETCH_MISSING", hide_env = true, help_heading = COLLECTING
    )]
    pub fetch_missing: Option<bool>,
}

/// What only a command that listens needs: for a browser that looks on, and for calls of the API.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Receiving {
    /// Show the batch as a page on ADDR, and take callbacks there.
    ///
    /// An address of this machine and a port; port 0 takes any that is free. The page is for browsers on this machine, or
    /// for whoever knows the --token; where callbacks are led here (--public-url, --callback-url) there is none without a
    /// token. Tasks are looked at when their callback comes, and now and then anyway; `run` stays until they have ended.
    /// Default: none; for `serve` 127.0.0.1:8787. Example: --listen 127.0.0.1:8080
    #[arg(long, value_name = "ADDR", env = "HAILUO_BATCH_LISTEN", hide_env = true, help_heading = CALLBACKS)]
    pub listen: Option<SocketAddr>,

    /// Have the API send its callbacks to URL, which leads to --listen.
    ///
    /// Each row's callBackUrl is this URL with a token of the row's own. Default: none.
    /// Example: --public-url https://hooks.example.org/kie
    #[arg(
        long, value_name = "URL", value_parser = web_address,
        env = "HAILUO_BATCH_PUBLIC_URL", hide_env = true, help_heading = CALLBACKS
    )]
    pub public_url: Option<Url>,

    /// Read the key that callbacks are signed with from FILE.
    ///
    /// The file holds the webhook key of https://kie.ai/settings and nothing else. Default: the environment variable
    /// KIE_WEBHOOK_KEY. Example: --webhook-key-file ~/.config/kie-webhook-key
    #[arg(
        long, value_name = "FILE", env = "HAILUO_BATCH_WEBHOOK_KEY_FILE", hide_env = true, help_heading = CALLBACKS
    )]
    pub webhook_key_file: Option<PathBuf>,

    /// Ask for TOKEN before the page is shown.
    ///
    /// At least 16 characters without spaces. Needed wherever others than this machine can reach the page. Flags show in
    /// the list of processes: better set HAILUO_BATCH_TOKEN, or name a file. A browser is asked for it once; programs send
    /// it as `Authorization: Bearer TOKEN`. Default: none. Example: --token "$(openssl rand -hex 16)"
    #[arg(long, value_name = "TOKEN", env = "HAILUO_BATCH_TOKEN", hide_env = true, help_heading = CALLBACKS)]
    pub token: Option<GivenToken>,

    /// Read that token from FILE.
    ///
    /// The file holds the token and nothing else. Default: none. Example: --token-file ~/.config/hailuo-page-token
    #[arg(long, value_name = "FILE", env = "HAILUO_BATCH_TOKEN_FILE", hide_env = true, help_heading = CALLBACKS)]
    pub token_file: Option<PathBuf>,

    /// Show the page to browsers that ask for it by NAME.
    ///
    /// Without a port. Answered to are localhost and loopback addresses; with a token also every other address, this
    /// machine's name and that of --public-url. Other names are refused, since any web site could make one of its own lead
    /// here and read the page. Needs a token: a name that others use leads others here. May be given more than once; in the
    /// environment with commas between. Default: none. Example: --allow-host studio.lan
    #[arg(
        long, value_name = "NAME", value_delimiter = ',', value_parser = host_name,
        env = "HAILUO_BATCH_ALLOW_HOST", hide_env = true, help_heading = CALLBACKS
    )]
    pub allow_host: Option<Vec<String>>,
}

/// Whom to tell how a command ended.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Notifying {
    /// Post the summary to the webhook at URL when the command has ended.
    ///
    /// For Slack, Feishu, and whatever takes JSON. The URL is a secret, and flags show in the list of processes: better set
    /// HAILUO_BATCH_NOTIFY_WEBHOOK, or name it in a job file that nobody else can read. `off` takes back what a job file
    /// says. Default: none. Example: --notify-webhook https://hooks.slack.com/services/…
    #[arg(long, value_name = "URL", env = "HAILUO_BATCH_NOTIFY_WEBHOOK", hide_env = true, help_heading = NOTICES)]
    pub notify_webhook: Option<GivenUrl>,

    /// Write for Slack, for Feishu, or as JSON.
    ///
    /// The first two get a text, JSON a text and the summary: for programs, Mattermost and Rocket.Chat. Default: auto (by
    /// the webhook's host: slack, feishu, else json). Example: --notify-format feishu
    #[arg(
        long, value_name = "FORMAT", value_enum, env = "HAILUO_BATCH_NOTIFY_FORMAT", hide_env = true,
        help_heading = NOTICES
    )]
    pub notify_format: Option<NoticeFormat>,

    /// Post every time, or only if something is wrong.
    ///
    /// Trouble is every exit code but 0. Default: always. Example: --notify-on trouble
    #[arg(
        long, value_name = "WHEN", value_enum, env = "HAILUO_BATCH_NOTIFY_ON", hide_env = true, help_heading = NOTICES
    )]
    pub notify_on: Option<NoticeOn>,

    /// Tell the monitor at URL when the command begins and how it ends.
    ///
    /// As Healthchecks understands it: URL/start, then URL itself after success and URL/CODE after any other exit code.
    /// `serve` does not ping, as it is not meant to end. The URL is a secret like that of the webhook; `off` as there.
    /// Default: none. Example: --notify-ping https://hc-ping.com/UUID
    #[arg(long, value_name = "URL", env = "HAILUO_BATCH_NOTIFY_PING", hide_env = true, help_heading = NOTICES)]
    pub notify_ping: Option<GivenUrl>,
}

/// What monitoring is told, by the commands that know where a batch stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Monitoring {
    /// Keep the batch's metrics in FILE, for Prometheus.
    ///
    /// In its text format, written at the end and every 15 seconds until then. For node_exporter's textfile collector, which
    /// reads only names that end in .prom. Default: none.
    /// Example: --metrics-file /var/lib/prometheus/node-exporter/clips.prom
    #[arg(long, value_name = "FILE", env = "HAILUO_BATCH_METRICS_FILE", hide_env = true, help_heading = OUTPUT)]
    pub metrics_file: Option<PathBuf>,
}

/// What a command says, and how.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Reporting {
    /// Print the summary as one JSON object on standard output.
    ///
    /// Default: no. Example: --json
    #[arg(
        long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_JSON", hide_env = true, help_heading = OUTPUT
    )]
    pub json: Option<bool>,

    /// Show progress on standard error as bars, as plain lines, or not at all.
    ///
    /// Bars are drawn anew as things change; a plain line comes every ten seconds. Default: auto (bars on a terminal, else
    /// plain lines). Example: --progress plain
    #[arg(
        long, value_name = "WHEN", value_enum, env = "HAILUO_BATCH_PROGRESS", hide_env = true, help_heading = OUTPUT
    )]
    pub progress: Option<ProgressMode>,

    /// Write log lines as text or as JSON objects.
    ///
    /// Default: text. Example: --log-format json
    #[arg(
        long, value_name = "FORMAT", value_enum, env = "HAILUO_BATCH_LOG_FORMAT", hide_env = true, help_heading = OUTPUT
    )]
    pub log_format: Option<LogFormat>,

    /// Log more: -v every row, -vv every request, -vvv the libraries too.
    #[arg(
        short, long, action = ArgAction::Count, env = "HAILUO_BATCH_VERBOSE", hide_env = true, help_heading = OUTPUT
    )]
    pub verbose: u8,

    /// Say nothing on standard error but errors.
    ///
    /// Default: no. Example: --quiet
    #[arg(
        short, long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes",
        value_parser = yes_or_no, env = "HAILUO_BATCH_QUIET", hide_env = true, help_heading = OUTPUT
    )]
    pub quiet: Option<bool>,
}

/// What to do with rows whose request got no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OnUnknown {
    /// Leave them until you settle them
    #[default]
    Hold,
    /// Send them again, at the risk of paying twice
    Resubmit,
}

/// How a run shows where it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, else plain lines
    #[default]
    Auto,
    /// Lines with bars, drawn anew as things change
    Bar,
    /// A line every ten seconds
    Plain,
    /// Nothing
    None,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Which of the rejected and failed rows are queued again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeFilter {
    /// All of them.
    All,
    /// Those whose `error_code` is one of these, in lower case.
    Codes(Vec<String>),
}

impl CodeFilter {
    /// Whether a row with this `error_code` is meant.
    pub fn matches(&self, error_code: &str) -> bool {
        match self {
            CodeFilter::All => true,
            CodeFilter::Codes(codes) => codes.iter().any(|code| code.eq_ignore_ascii_case(error_code)),
        }
    }
}

/// `--retry-rejected` as it was given: `None` is an explicit `no`, which takes back what a job file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryRejected(pub Option<CodeFilter>);

/// Why a text is not a list of error codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an error code: write codes from the results with commas between, like `422,500,dropped`")]
pub struct CodesError(String);

impl FromStr for RetryRejected {
    type Err = CodesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "all" => return Ok(RetryRejected(Some(CodeFilter::All))),
            word => match yes_or_no(word) {
                Ok(true) if word != "1" => return Ok(RetryRejected(Some(CodeFilter::All))),
                Ok(false) if word != "0" => return Ok(RetryRejected(None)),
                _ => {}
            },
        }
        let codes = text
            .split(',')
            .map(|code| code.trim().to_ascii_lowercase())
            .map(|code| {
                let sane = !code.is_empty() && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if sane { Ok(code) } else { Err(CodesError(code)) }
            });
        Ok(RetryRejected(Some(CodeFilter::Codes(codes.collect::<Result<_, _>>()?))))
    }
}

/// A switch: alone it means yes; `no` takes back what a job file says.
fn yes_or_no(text: &str) -> Result<bool, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err("write `yes` or `no`"),
    }
}

fn whole<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.trim().parse().map_err(|_| "write a whole number, like `10`")
}

fn number(text: &str) -> Result<f64, &'static str> {
    text.trim().parse().map_err(|_| "write a number, like `6000`")
}

/// The name of a host as browsers send it, or an address.
pub(crate) fn host_name(text: &str) -> Result<String, &'static str> {
    let name = text.trim();
    let is_name = |name: &str| {
        let sane = |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
        !name.is_empty() && name.chars().all(sane)
    };
    let is_address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_address = is_address.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
    match is_name(name) || is_address {
        true => Ok(name.to_owned()),
        false => Err("write the name alone, without `http://` and port, like `studio.lan`"),
    }
}

/// An absolute http or https URL without credentials: what a base URL and a callback URL must be.
pub(crate) fn web_address(text: &str) -> Result<Url, &'static str> {
    let url: Url = text
        .trim()
        .parse()
        .map_err(|_| "this is not a whole URL: write one like `https://api.example.org`")?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("this is not a web address: it must begin with `https://` or `http://`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL with a user name or password in it would show them in logs: leave them out");
    }
    Ok(url)
}

/// The fields of a struct, each from the upper one, or the lower one where the upper has none. A field that is
/// missing here does not compile.
macro_rules! each_or {
    ($name:ident { $upper:ident, $lower:ident; $($field:ident),* $(,)? } $(, $extra:ident: $value:expr)?) => {
        $name { $($field: $upper.$field.or($lower.$field),)* $($extra: $value)? }
    };
}

impl Settings {
    /// These settings, and `lower`'s wherever these say nothing.
    pub fn merge(mut self, lower: Settings) -> Settings {
        self.forget_blanks();
        Settings {
            files: self.files.merge(lower.files),
            planning: self.planning.merge(lower.planning),
            intake: self.intake.merge(lower.intake),
            place: self.place.merge(lower.place),
            sending: self.sending.merge(lower.sending),
            access: self.access.merge(lower.access),
            collecting: self.collecting.merge(lower.collecting),
            receiving: self.receiving.merge(lower.receiving),
            checking: self.checking.merge(lower.checking),
            presenting: self.presenting.merge(lower.presenting),
            notifying: self.notifying.merge(lower.notifying),
            monitoring: self.monitoring.merge(lower.monitoring),
            reporting: self.reporting.merge(lower.reporting),
        }
    }

    /// A secret that is set but empty says nothing: that is how an unset one looks in many schedulers.
    fn forget_blanks(&mut self) {
        let given = &mut self.notifying;
        for (key, url) in [
            ("notify_webhook", &mut given.notify_webhook),
            ("notify_ping", &mut given.notify_ping),
        ] {
            if url.take_if(|url| url.is_blank()).is_some() {
                self.files.origins.forget(key);
            }
        }
    }
}

impl Files {
    fn merge(self, lower: Files) -> Files {
        each_or!(Files { self, lower; origins, manifest, job, results, ledger })
    }
}

impl Intake {
    fn merge(self, lower: Intake) -> Intake {
        each_or!(Intake { self, lower; encoding, delimiter, sheet, hidden_rows, map })
    }
}

impl Planning {
    fn merge(self, lower: Planning) -> Planning {
        each_or!(Planning {
            self, lower;
            rate, burst, concurrency, limit, until, run_for, strict, allow_outside, retry_rejected, retry_failed,
            resubmit_changed, budget, price, callback_url,
        })
    }
}

impl Sending {
    fn merge(self, lower: Sending) -> Sending {
        each_or!(Sending {
            self, lower;
            wait, require_balance, max_attempts, patience, maintenance_pause, timeout, on_unknown, keep_going,
            upload_url, reuse_connections,
        })
    }
}

impl Place {
    fn merge(self, lower: Place) -> Place {
        each_or!(Place { self, lower; sandbox, base_url, ca_file })
    }
}

impl Access {
    fn merge(self, lower: Access) -> Access {
        each_or!(Access { self, lower; api_key_file })
    }
}

impl Collecting {
    fn merge(self, lower: Collecting) -> Collecting {
        each_or!(Collecting {
            self, lower;
            download, name, wait_for, poll_rate, downloads, fetch_missing,
        })
    }
}

impl Receiving {
    fn merge(self, lower: Receiving) -> Receiving {
        each_or!(Receiving {
            self, lower;
            listen, public_url, webhook_key_file, token, token_file, allow_host,
        })
    }
}

impl Presenting {
    fn merge(self, lower: Presenting) -> Presenting {
        each_or!(Presenting { self, lower; output })
    }
}

impl Checking {
    fn merge(self, lower: Checking) -> Checking {
        each_or!(Checking { self, lower; problems, images, allow_private_hosts })
    }
}

impl Notifying {
    fn merge(self, lower: Notifying) -> Notifying {
        each_or!(Notifying { self, lower; notify_webhook, notify_format, notify_on, notify_ping })
    }
}

impl Monitoring {
    fn merge(self, lower: Monitoring) -> Monitoring {
        each_or!(Monitoring { self, lower; metrics_file })
    }
}

impl Reporting {
    fn merge(self, lower: Reporting) -> Reporting {
        let verbose = if self.verbose > 0 { self.verbose } else { lower.verbose };
        each_or!(Reporting { self, lower; json, progress, log_format, quiet }, verbose: verbose)
    }
}

impl From<(Files, Reporting)> for Settings {
    fn from((files, reporting): (Files, Reporting)) -> Settings {
        Settings {
            files,
            reporting,
            ..Settings::default()
        }
    }
}

impl From<(Files, Planning, Intake, Place, Checking, Reporting)> for Settings {
    fn from(
        (files, planning, intake, place, checking, reporting): (Files, Planning, Intake, Place, Checking, Reporting),
    ) -> Settings {
        Settings {
            files,
            planning,
            intake,
            place,
            checking,
            reporting,
            ..Settings::default()
        }
    }
}

impl
    From<(
        Files,
        Place,
        Access,
        Collecting,
        Receiving,
        Notifying,
        Monitoring,
        Reporting,
    )> for Settings
{
    fn from(
        parts: (
            Files,
            Place,
            Access,
            Collecting,
            Receiving,
            Notifying,
            Monitoring,
            Reporting,
        ),
    ) -> Settings {
        let (files, place, access, collecting, receiving, notifying, monitoring, reporting) = parts;
        Settings {
            files,
            place,
            access,
            collecting,
            receiving,
            notifying,
            monitoring,
            reporting,
            ..Settings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{Arg, CommandFactory, Parser};

    use super::*;
    use crate::job::{duration::written, file, origin, resolve};

    /// Submit every row that is not done
    #[derive(Debug, Parser)]
    #[command(name = "run", term_width = 100)]
    struct Run {
        #[command(flatten)]
        settings: Settings,
    }

    /// Every setting of any command.
    #[derive(Debug, Parser)]
    struct Everything {
        #[command(flatten)]
        _settings: Settings,
        #[command(flatten)]
        _checking: Checking,
        #[command(flatten)]
        _presenting: Presenting,
    }

    fn arguments() -> Vec<Arg> {
        let mut command = Everything::command();
        command.build();
        let ours = |arg: &&Arg| arg.get_id() != "help";
        command.get_arguments().filter(ours).cloned().collect()
    }

    #[test]
    fn the_keys_of_a_job_file_are_the_flags() {
        let flags: BTreeSet<String> = arguments().iter().map(|arg| arg.get_id().to_string()).collect();
        let mut keys: BTreeSet<String> = file::key_names().map(str::to_owned).collect();
        // A job file does not name another one, and holds no secret of ours.
        keys.extend(["job", "token"].map(str::to_owned));
        assert_eq!(flags, keys);
    }

    #[test]
    fn every_option_has_its_flag_its_variable_and_its_place_in_the_help() {
        for arg in arguments() {
            let key = arg.get_id().as_str();
            let variable = arg.get_env().unwrap().to_str().unwrap();
            assert_eq!(variable, origin::variable(key));
            assert!(arg.is_hide_env_set(), "{key}");
            if key != "manifest" {
                assert_eq!(format!("--{}", arg.get_long().unwrap()), origin::flag(key));
                assert!(arg.get_help_heading().is_some(), "{key}");
            }
        }
    }

    #[test]
    fn every_option_says_what_it_does_its_default_and_an_example() {
        for arg in arguments() {
            let key = arg.get_id().as_str();
            let first = arg.get_help().unwrap().to_string();
            assert!(first.len() < 90 && !first.contains('\n'), "{key}: {first}");
            let whole = arg.get_long_help().map(|text| text.to_string()).unwrap_or_default();
            if !["manifest", "job", "verbose"].contains(&key) {
                assert!(whole.contains("Default: "), "{key}: {whole}");
                assert!(
                    whole.contains(&format!("xample: {}", origin::flag(key))),
                    "{key}: {whole}"
                );
            }
        }
    }

    #[test]
    fn the_help_names_the_defaults_that_apply() {
        let published: Vec<String> = [(6, "768P"), (10, "768P"), (6, "1080P")]
            .iter()
            .map(|(seconds, lines)| {
                use crate::price::PriceTable;
                use crate::row::{ClipLength, Resolution};
                let length = if *seconds == 6 {
                    ClipLength::Six
                } else {
                    ClipLength::Ten
                };
                let resolution = if *lines == "768P" {
                    Resolution::P768
                } else {
                    Resolution::P1080
                };
                let price = PriceTable::published().price_of(length, resolution).unwrap();
                format!("{seconds}s-{lines}={price}")
            })
            .collect();
        for (key, default) in [
            ("rate", Rate::ACCOUNT.to_string()),
            ("burst", resolve::BURST.to_string()),
            ("concurrency", resolve::CONCURRENCY.to_string()),
            ("max_attempts", resolve::MAX_ATTEMPTS.to_string()),
            ("patience", written(resolve::PATIENCE)),
            ("maintenance_pause", written(resolve::MAINTENANCE_PAUSE)),
            ("timeout", written(resolve::TIMEOUT)),
            ("poll_rate", resolve::POLL_RATE.to_string()),
            ("downloads", resolve::DOWNLOADS.to_string()),
            ("base_url", resolve::BASE_URL.to_owned()),
            ("upload_url", "https://kieai.redpandaai.co".to_owned()),
            ("price", format!("the published prices ({})", published.join(","))),
        ] {
            let arg = arguments().into_iter().find(|arg| arg.get_id() == key).unwrap();
            let help = arg.get_long_help().unwrap().to_string().replace('\n', " ");
            assert!(help.contains(&format!("Default: {default}")), "{key}: {help}");
        }
    }

    #[test]
    fn the_short_help_fits_a_screen() {
        insta::assert_snapshot!(Run::command().render_help(), @"
        Submit every row that is not done

        Usage: run [OPTIONS] [MANIFEST]

        Arguments:
          [MANIFEST]  Manifest: one row per video, as XLSX, ODS, CSV, TSV or JSONL

        Options:
          -h, --help  Print help (see more with '--help')

        Input and output:
              --job <FILE>                Read settings from a TOML job file
              --results <FILE>            Write the results to FILE
              --ledger <PATH>             Keep the durable record of the batch in PATH
              --allow-outside[=<yes|no>]  Let `image_url` name files outside of the manifest's folder
              --encoding <ENCODING>       Read the text of the manifest in ENCODING
              --delimiter <MARK>          Take MARK for what stands between the cells of a CSV or TSV file
              --sheet <SHEET>             Read the sheet of this name or number
              --hidden-rows[=<yes|no>]    Read rows that the workbook hides, too
              --map <FIELD=COLUMN>        Take FIELD from the column of this name

        Pace and limits:
              --rate <N/DURATION>  Send at most N requests in any window of DURATION
              --burst <N>          Let up to N requests leave at once when the window allows it
              --concurrency <N>    Have at most N requests in flight
              --limit <N>          Send at most N rows in this run
              --until <TIME>       Start no more rows after TIME
              --for <DURATION>     Start no more rows after DURATION
              --strict[=<yes|no>]  Send nothing at all if any row is invalid

        Retries and unknown rows:
              --retry-rejected[=<CODES>]      Queue rejected and failed rows again, all or those with these
                                              error codes
              --retry-failed[=<CODES>]        Queue failed rows again, all or those with these error codes
              --resubmit-changed[=<yes|no>]   Send accepted rows again whose content has changed under the
                                              same `id`
              --max-attempts <N>              Try a row at most N times when the API answers with a passing
                                              trouble of its own
              --patience <DURATION>           Halt after DURATION without one success
              --maintenance-pause <DURATION>  Pause for DURATION when the API says it is in maintenance
                                              (455)
              --timeout <DURATION>            Wait DURATION for the answer to a submission
              --on-unknown <WHAT>             Hold rows whose request got no answer, or send them again
                                              [possible values: hold, resubmit]
              --keep-going[=<yes|no>]         Go on when ten rows in a row are rejected for the same reason

        Money:
              --budget <CREDITS>            Stop before the batch has cost more than CREDITS
              --price <CREDITS>             Reckon with these prices, in credits for a video
              --require-balance[=<yes|no>]  Send nothing if the account holds fewer credits than the rows
                                            will cost

        API:
              --callback-url <URL>            Have the API call URL when a task ends
              --sandbox[=<yes|no>]            Run against an embedded stand-in for the API
              --base-url <URL>                Send requests to the API at URL
              --ca-file <FILE>                Trust the certificates in FILE as well as the system's
              --upload-url <URL>              Upload local images to the server at URL
              --reuse-connections[=<yes|no>]  Send several submissions over one connection
              --api-key-file <FILE>           Read the API key from FILE

        Waiting and downloads:
              --wait[=<yes|no>]           Stay until the tasks have ended
              --download <DIR>            Save the videos in folder DIR
              --name <PATTERN>            Name videos by this pattern
              --wait-for <DURATION>       Wait for tasks no longer than DURATION
              --poll-rate <N/DURATION>    Ask for the state of tasks at most N times in any window of
                                          DURATION
              --downloads <N>             Fetch up to N videos at once
              --fetch-missing[=<yes|no>]  Fetch saved videos again that are no longer where they were saved

        Page and callbacks:
              --listen <ADDR>            Show the batch as a page on ADDR, and take callbacks there
              --public-url <URL>         Have the API send its callbacks to URL, which leads to --listen
              --webhook-key-file <FILE>  Read the key that callbacks are signed with from FILE
              --token <TOKEN>            Ask for TOKEN before the page is shown
              --token-file <FILE>        Read that token from FILE
              --allow-host <NAME>        Show the page to browsers that ask for it by NAME

        Notices:
              --notify-webhook <URL>    Post the summary to the webhook at URL when the command has ended
              --notify-format <FORMAT>  Write for Slack, for Feishu, or as JSON [possible values: auto,
                                        json, slack, feishu]
              --notify-on <WHEN>        Post every time, or only if something is wrong [possible values:
                                        always, trouble]
              --notify-ping <URL>       Tell the monitor at URL when the command begins and how it ends

        Output:
              --metrics-file <FILE>  Keep the batch's metrics in FILE, for Prometheus
              --json[=<yes|no>]      Print the summary as one JSON object on standard output
              --progress <WHEN>      Show progress on standard error as bars, as plain lines, or not at all
                                     [possible values: auto, bar, plain, none]
              --log-format <FORMAT>  Write log lines as text or as JSON objects [possible values: text,
                                     json]
          -v, --verbose...           Log more: -v every row, -vv every request, -vvv the libraries too
          -q, --quiet[=<yes|no>]     Say nothing on standard error but errors
        ");
    }

    #[test]
    fn flags_are_read() {
        let run = Run::parse_from([
            "run",
            "clips.csv",
            "--rate",
            "10/10s",
            "--for=2h",
            "--sandbox",
            "--strict=no",
            "-vv",
            "-q",
            "--retry-rejected",
            "--price",
            "30",
            "--on-unknown",
            "resubmit",
            "--until",
            "06:00",
        ]);
        let Settings {
            files,
            planning,
            place,
            sending,
            receiving,
            reporting,
            ..
        } = run.settings;
        assert_eq!(files.manifest, Some("clips.csv".into()));
        assert_eq!(
            (reporting.verbose, reporting.quiet, reporting.json),
            (2, Some(true), None)
        );
        assert_eq!(planning.rate, Some("10/10s".parse().unwrap()));
        assert_eq!(planning.run_for, Some(Duration::from_secs(7200)));
        assert_eq!((place.sandbox, planning.strict), (Some(true), Some(false)));
        assert_eq!(planning.retry_rejected, Some(RetryRejected(Some(CodeFilter::All))));
        assert_eq!(sending.on_unknown, Some(OnUnknown::Resubmit));
        assert_eq!((sending.timeout, receiving), (None, Receiving::default()));
        assert_eq!(files.origins.name("rate"), "`--rate`");
        assert_eq!(files.origins.name("manifest"), "`MANIFEST`");
    }

    #[test]
    fn a_secret_that_is_set_but_empty_takes_nothing_back() {
        let below = || file::parse("night.toml".as_ref(), "notify.ping = \"https://hc-ping.com/x\"").unwrap();
        for (given, expected, source) in [
            (
                "--notify-ping=",
                "https://hc-ping.com/x",
                "`notify.ping` in `night.toml`",
            ),
            ("--notify-ping=off", "off", "`--notify-ping`"),
        ] {
            let merged = Run::parse_from(["run", "clips.csv", given]).settings.merge(below());
            assert_eq!(merged.notifying.notify_ping, Some(expected.parse().unwrap()));
            assert_eq!(merged.files.origins.name("notify_ping"), source);
        }
    }

    #[test]
    fn a_switch_does_not_swallow_the_manifest() {
        let run = Run::parse_from(["run", "--retry-rejected", "--json", "clips.csv"]);
        assert_eq!(run.settings.files.manifest, Some("clips.csv".into()));
    }

    #[test]
    fn flags_that_cannot_be_read_say_what_to_write() {
        let refused = |argument: &str| {
            let error = Run::try_parse_from(["run", "clips.csv", argument]).unwrap_err();
            error.to_string().lines().next().unwrap().to_owned()
        };
        let all: Vec<String> = [
            "--rate=20",
            "--timeout=90",
            "--budget=1,500",
            "--limit=-1",
            "--burst=1.5",
            "--price=cheap",
            "--until=6pm",
            "--base-url=api.kie.ai",
            "--callback-url=ftp://x.example",
            "--base-url=https://me:secret@x.example",
            "--sandbox=maybe",
            "--retry-rejected=4 22",
            "--on-unknown=ask",
        ]
        .map(refused)
        .into();
        insta::assert_snapshot!(all.join("\n"), @"
        error: invalid value '20' for '--rate <N/DURATION>': `20` is not a rate: write how many per how long, like `20/10s`
        error: invalid value '90' for '--timeout <DURATION>': `90` has no unit: write `90s` for seconds or `90m` for minutes
        error: invalid value '1,500' for '--budget <CREDITS>': write a number, like `6000`
        error: invalid value '-1' for '--limit <N>': write a whole number, like `10`
        error: invalid value '1.5' for '--burst <N>': write a whole number, like `10`
        error: invalid value 'cheap' for '--price <CREDITS>': `cheap` is not a price: write credits, like `30`, or `6s-768P=30,10s-768P=50`
        error: invalid value '6pm' for '--until <TIME>': `6pm` is not a time: write `06:00`, `2026-11-23 06:00` or `2026-11-23T06:00:00Z`
        error: invalid value 'api.kie.ai' for '--base-url <URL>': this is not a whole URL: write one like `https://api.example.org`
        error: invalid value 'ftp://x.example' for '--callback-url <URL>': this is not a web address: it must begin with `https://` or `http://`
        error: invalid value 'https://me:secret@x.example' for '--base-url <URL>': a URL with a user name or password in it would show them in logs: leave them out
        error: invalid value 'maybe' for '--sandbox[=<yes|no>]': write `yes` or `no`
        error: invalid value '4 22' for '--retry-rejected[=<CODES>]': `4 22` is not an error code: write codes from the results with commas between, like `422,500,dropped`
        error: invalid value 'ask' for '--on-unknown <WHAT>'
        ");
    }

    #[test]
    fn error_codes_are_a_comma_list() {
        let read = |text: &str| text.parse::<RetryRejected>().map(|read| read.0);
        let codes = |codes: &[&str]| Ok(Some(CodeFilter::Codes(codes.iter().map(|&c| c.to_owned()).collect())));
        assert_eq!(read("422, 500,Dropped"), codes(&["422", "500", "dropped"]));
        assert_eq!(read("1"), codes(&["1"]));
        assert_eq!(read("all"), Ok(Some(CodeFilter::All)));
        assert_eq!(read("no"), Ok(None));
        for text in ["", "422,", "4-22", "422;500"] {
            assert!(read(text).is_err(), "{text}");
        }
        let filter = read("http_502,422").unwrap().unwrap();
        assert!(filter.matches("422") && filter.matches("HTTP_502") && !filter.matches("500"));
        assert!(CodeFilter::All.matches("anything"));
    }
}
