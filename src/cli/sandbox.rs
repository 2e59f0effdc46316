//! `hailuo-batch sandbox`: the stand-in API as a server of its own, for any client.

use std::env;
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

use crate::rate::Rate;
use crate::sandbox::config::{DEFAULT_CREDITS, DEFAULT_KEEP_PARAMS, DEFAULT_POLL_LIMIT};
use crate::sandbox::faults::VOCABULARY;
use crate::sandbox::{
    self, Books, ErrorStyle, FaultError, FaultPlan, FaultRule, KeyPolicy, Latency, SandboxConfig, SandboxError,
    WebhookKey,
};

/// Rows that `billed twice` names on the terminal; `GET /sandbox/books` has them all.
const MOST_NAMED: usize = 10;

/// Serve a local stand-in for the API, without a key and without a network
///
/// It answers as the API does: createTask, recordInfo, the balance, uploads, download-url. Its tasks end after a while
/// with a small video, or as a tag in the prompt says; callbacks are posted to this machine only. It writes down every
/// createTask request that reaches it. Ask it with `GET /sandbox/books` (counts, credits, what was billed twice) and
/// `GET /sandbox/requests`; change it with `POST /sandbox/top-up {"credits": 300}` and
/// `POST /sandbox/faults {"faults": ["500=0.1"]}`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Use --help for the faults and for examples", after_long_help = after_long_help())]
pub struct SandboxArgs {
    /// Port to listen on; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 8787)]
    pub port: u16,

    /// Address to listen on; anything but a loopback address opens the sandbox to others
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,

    /// Most createTask requests in any window of that length, like `20/10s`, or `off`
    #[arg(long, value_name = "N/DURATION", default_value_t = Rate::ACCOUNT)]
    pub limit: Rate,

    /// Let refused requests fill the window as well
    #[arg(long)]
    pub count_refused: bool,

    /// How long an answer takes: a duration like `200ms` or a range like `50ms..300ms`
    #[arg(long, value_name = "DURATION", default_value = "0")]
    pub latency: Latency,

    /// How long a task takes from its creation to its end: a duration or a range
    #[arg(long, value_name = "DURATION", default_value = "2s..5s")]
    pub generate: Latency,

    /// Most looks at tasks (recordInfo) in any window of that length, or `off`
    #[arg(long, value_name = "N/DURATION", default_value_t = DEFAULT_POLL_LIMIT)]
    pub poll_limit: Rate,

    /// How long the link to a video works after its task's end, like `24h`
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
    pub link_life: Duration,

    /// Send videos with so many bytes a second (otherwise as fast as the machine can)
    #[arg(long, value_name = "BYTES")]
    pub file_speed: Option<NonZeroU64>,

    /// Sign callbacks with the webhook key in this environment variable
    #[arg(long, value_name = "VARIABLE")]
    pub webhook_key_env: Option<String>,

    /// Let a fault strike this share of the requests, like `500=0.05`; may be repeated
    #[arg(long = "fault", value_name = "WORD=SHARE", value_delimiter = ',')]
    pub faults: Vec<FaultRule>,

    /// Make the faults strike the same arrivals every time
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// Credits on the account, or `unlimited`; a 6 s clip in 768P costs 30
    #[arg(long, value_name = "CREDITS", default_value_t = Credits(Some(DEFAULT_CREDITS)))]
    pub credits: Credits,

    /// Where errors are put: `http` (in the HTTP status too), `body` (always HTTP 200), `mixed`
    #[arg(long, value_name = "STYLE", default_value = "mixed")]
    pub errors: ErrorStyle,

    /// Append one JSON line for each createTask request to this file, before its answer leaves
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,

    /// Let in only the key in this environment variable (otherwise any key that is not empty)
    #[arg(long, value_name = "VARIABLE")]
    pub api_key_env: Option<String>,

    /// Keep no requests in memory, for benchmarks; `/sandbox/requests` is then empty
    #[arg(long)]
    pub forget_requests: bool,
}

fn after_long_help() -> String {
    format!(
        "{VOCABULARY}

Examples:
  hailuo-batch sandbox --port 8787
  hailuo-batch sandbox --limit 20/10s --latency 50ms..300ms --fault 500=0.05 --fault lost=0.01 --seed 1
  hailuo-batch run clips.csv --base-url http://127.0.0.1:8787"
    )
}

/// A balance on the command line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Credits(
    /// `None` never runs out.
    pub Option<f64>,
);

impl fmt::Display for Credits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(credits) => write!(formatter, "{credits}"),
            None => formatter.write_str("unlimited"),
        }
    }
}

/// Why a text is not a balance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a balance: write a number of credits, or `unlimited`")]
pub struct CreditsError(String);

impl FromStr for Credits {
    type Err = CreditsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unlimited" {
            return Ok(Credits(None));
        }
        let credits = text.parse::<f64>().ok();
        match credits.filter(|credits| credits.is_finite() && *credits >= 0.0) {
            Some(credits) => Ok(Credits(Some(credits))),
            None => Err(CreditsError(text.to_owned())),
        }
    }
}

/// Why the sandbox cannot serve. All of these are mistakes in how it was started.
#[derive(Debug, thiserror::Error)]
pub enum SandboxCommandError {
    /// The faults do not fit together.
    #[error("in `--fault`: {0}")]
    Faults(#[from] FaultError),
    /// A flag names a variable that holds nothing.
    #[error("the environment variable `{variable}` of `{flag}` is not set, or empty")]
    NoSecret {
        /// The variable.
        variable: String,
        /// The flag.
        flag: &'static str,
    },
    /// The port is taken, or the address is not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// It could not be set up.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Neither standard output nor a signal handler could be used.
    #[error("cannot talk to the terminal")]
    Terminal(#[from] io::Error),
}

/// Serves until SIGINT or SIGTERM; prints the address first and the books at the end.
pub async fn run(args: SandboxArgs) -> Result<(), SandboxCommandError> {
    let address = SocketAddr::new(args.listen, args.port);
    let config = config_of(args)?;
    // Before the address is told: whoever reads it may send a signal at once.
    let stop_requested = StopSignals::listen()?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| SandboxCommandError::Listen { address, source })?;
    let sandbox = sandbox::start(config, listener).await?;
    if !address.ip().is_loopback() {
        say(
            io::stderr().lock(),
            &format!(
                "warning: anyone who reaches {} can use this sandbox and read what was sent to it\n",
                sandbox.url()
            ),
        )?;
    }
    say(io::stdout().lock(), &format!("listening on {}\n", sandbox.url()))?;
    stop_requested.wait().await;
    let books = sandbox.stop().await;
    say(io::stderr().lock(), &summary_of(&books))?;
    Ok(())
}

fn config_of(args: SandboxArgs) -> Result<SandboxConfig, SandboxCommandError> {
    let key = match args.api_key_env {
        None => KeyPolicy::AnyKey,
        Some(variable) => KeyPolicy::Only(secret_in(variable, "--api-key-env")?),
    };
    let webhook_key = args
        .webhook_key_env
        .map(|variable| secret_in(variable, "--webhook-key-env"))
        .transpose()?;
    Ok(SandboxConfig {
        limit: args.limit,
        generation: args.generate,
        poll_limit: args.poll_limit,
        link_life: args.link_life,
        file_speed: args.file_speed,
        webhook_key: webhook_key.map(WebhookKey::new),
        count_refused: args.count_refused,
        latency: args.latency,
        faults: FaultPlan::new(args.faults)?,
        seed: args.seed,
        credits: args.credits.0,
        errors: args.errors,
        journal: args.journal,
        key,
        keep_requests: !args.forget_requests,
        keep_params: if args.forget_requests { 0 } else { DEFAULT_KEEP_PARAMS },
    })
}

/// The secret in an environment variable that a flag names: flags themselves show in lists of processes.
fn secret_in(variable: String, flag: &'static str) -> Result<String, SandboxCommandError> {
    match env::var(&variable) {
        Ok(secret) if !secret.trim().is_empty() => Ok(secret.trim().to_owned()),
        Ok(_) | Err(_) => Err(SandboxCommandError::NoSecret { variable, flag }),
    }
}

fn summary_of(books: &Books) -> String {
    use fmt::Write;
    let mut text = format!(
        "{} requests: {} tasks billed for {} credits, {} refused with 429\n",
        books.requests, books.accepted, books.billed_credits, books.refused_429
    );
    let mut line = |line: fmt::Arguments<'_>| writeln!(text, "{line}").expect("writing to a string cannot fail");
    if let Some(most) = books.max_in_window {
        line(format_args!("busiest window: {most} requests"));
    }
    line(format_args!(
        "tasks: {} credits consumed, {} given back",
        books.consumed_credits, books.returned_credits
    ));
    let (polls, files) = (&books.polls, &books.files);
    line(format_args!(
        "looks at tasks: {}, {} refused, at most {} in a second",
        polls.requests, polls.refused, polls.most_in_a_second
    ));
    line(format_args!(
        "videos: {} requests, {} served, {} fresh links",
        files.requests, files.served, files.fresh_links
    ));
    if files.with_key > 0 || books.uploads.fetched_with_key > 0 {
        let shown = files.with_key + books.uploads.fetched_with_key;
        line(format_args!("the key was shown to the file host {shown} times"));
    }
    line(format_args!(
        "uploads: {} with {} bytes, {} refused",
        books.uploads.stored, books.uploads.bytes, books.uploads.refused
    ));
    let callbacks = &books.callbacks;
    line(format_args!(
        "callbacks: {} answered, {} failed, {} undeliverable",
        callbacks.answered, callbacks.failed, callbacks.undeliverable
    ));
    if let Some(balance) = books.balance {
        line(format_args!("balance: {balance} credits"));
    }
    line(format_args!("billed twice: {}", books.billed_twice.len()));
    for twice in books.billed_twice.iter().take(MOST_NAMED) {
        line(format_args!("  {} times: {}", twice.count, twice.prompt));
    }
    if let Some(more @ 1..) = books.billed_twice.len().checked_sub(MOST_NAMED) {
        line(format_args!("  and {more} more"));
    }
    if let Some(error) = &books.journal_error {
        line(format_args!("the journal is not complete: {error}"));
    }
    text
}

/// Writes at once; a reader that has left is no error.
fn say(mut output: impl Write, text: &str) -> io::Result<()> {
    let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// The signals that end a server.
struct StopSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignals {
    fn listen() -> io::Result<StopSignals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(StopSignals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl StopSignals {
    fn listen() -> io::Result<StopSignals> {
        Ok(StopSignals {})
    }

    async fn wait(self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        sandbox: SandboxArgs,
    }

    fn parsed(flags: &str) -> Result<SandboxArgs, String> {
        Cli::try_parse_from(["sandbox"].into_iter().chain(flags.split_whitespace()))
            .map(|cli| cli.sandbox)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_account() {
        let config = config_of(parsed("").unwrap()).unwrap();
        let default = SandboxConfig::default();
        assert_eq!(format!("{config:?}"), format!("{default:?}"));
    }

    #[test]
    fn flags_become_the_config() {
        let args = parsed(
            "--port 0 --limit 5/1s --latency 1ms..2ms --fault 500=0.1,lost=0.2 --fault slow=5s=0.1 --seed 3 \
             --fault poll-429:ra=3=0.5,task-never=0.1 --credits unlimited --errors body --forget-requests \
             --generate 30s..2m --poll-limit off --link-life 1m --file-speed 5000",
        )
        .unwrap();
        assert_eq!((args.port, args.faults.len()), (0, 5));
        let config = config_of(args).unwrap();
        assert_eq!(config.limit, "5/1s".parse().unwrap());
        assert_eq!(
            (config.credits, config.keep_requests, config.keep_params),
            (None, false, 0)
        );
        assert_eq!(
            (config.generation, config.poll_limit),
            ("30s..2m".parse().unwrap(), Rate::Off)
        );
        assert_eq!(
            (config.link_life, config.file_speed),
            (Duration::from_secs(60), NonZeroU64::new(5_000))
        );
        assert_eq!(config.errors, ErrorStyle::Body);
    }

    #[test]
    fn mistakes_are_told_with_what_would_be_right() {
        for (flags, advice) in [
            ("--fault 508=0.1", "known are 401, 402"),
            ("--fault 500", "like `500=0.05`"),
            ("--limit 20", "like `20/10s`"),
            ("--credits=-1", "`unlimited`"),
            ("--errors both", "`http`, `body` and `mixed`"),
            ("--generate soon", "like `50ms..300ms`"),
            ("--poll-limit 10", "like `20/10s`"),
            ("--fault task-nevr=0.1", "task-never"),
        ] {
            let message = parsed(flags).unwrap_err();
            assert!(message.contains(advice), "{message}");
        }
        let too_much = config_of(parsed("--fault 500=0.9,lost=0.9").unwrap()).unwrap_err();
        assert!(too_much.to_string().contains("more than 1"), "{too_much}");
        let no_key = config_of(parsed("--api-key-env HAILUO_BATCH_NO_SUCH_KEY").unwrap()).unwrap_err();
        assert!(no_key.to_string().contains("HAILUO_BATCH_NO_SUCH_KEY"), "{no_key}");
        let no_key = config_of(parsed("--webhook-key-env HAILUO_BATCH_NO_SUCH_KEY").unwrap()).unwrap_err();
        assert!(
            no_key.to_string().contains("of `--webhook-key-env` is not set"),
            "{no_key}"
        );
    }

    #[test]
    fn the_help_explains_every_fault() {
        let help = SandboxArgs::augment_args(Command::new("sandbox")).render_long_help();
        let help = help.to_string();
        for word in [
            "lost",
            "page502",
            "slow=5s",
            "WORD:ra=30",
            "[sandbox:500*]",
            "poll-WORD",
            "task-never",
            "file-cut",
            "callback-forged",
            "--fault lost=0.01",
        ] {
            assert!(help.contains(word), "{word}");
        }
    }
}
