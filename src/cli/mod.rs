//! The command line: one file a command. It joins the layers, and it alone prints.
//!
//! Standard output carries a command's summary (or its JSON) and nothing else; everything said on the way goes to
//! standard error, through `console::Console`.

mod api;
mod background;
mod balance;
mod check;
mod closing;
mod collect;
mod collecting;
mod console;
mod eta;
mod failure;
mod init;
mod intake;
mod manual;
mod meter;
mod metrics_file;
mod news;
mod notices;
mod observer;
mod open_batch;
mod outputs;
mod overview;
mod page;
mod receiving;
mod report;
mod run;
mod same_name;
pub mod sandbox;
mod serve;
mod settle;
mod shown;
mod signals;
mod status;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::escape;
use crate::job::origin;
use crate::tables;

use failure::Failure;

/// Turn a spreadsheet of images and prompts into Hailuo 2.3 videos through Kie.ai.
///
/// Every row is submitted exactly once, at the speed the account allows (20 requests per 10 s), and no task id is ever
/// lost. Run the same command again after a crash, a halt or an edit of the manifest: it goes on with what is left.
/// `collect`, or `run --download`, waits for the tasks and saves the videos.
#[derive(Debug, Parser)]
#[command(name = "hailuo-batch", version, max_term_width = 100, after_long_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  hailuo-batch init shots.xlsx                        a manifest to start from
  hailuo-batch run samples/quickstart.csv --sandbox   a trial: no key, no network, no cost
  KIE_API_KEY=… hailuo-batch run shots.csv            the real thing; run it again to go on
  KIE_API_KEY=… hailuo-batch collect shots.csv        wait for its tasks, save the videos

Exit codes:
  0    all rows are done as asked
  1    it finished, but some rows are invalid, rejected, failed or changed after they were sent;
       or were waited for and have not ended or are not saved; or there are no results
  2    usage, configuration or an unreadable manifest; nothing was sent
  3    halted (401, 402, 505, balance, budget, patience, a failing disk); run it again to go on
  4    some rows are unknown and need a decision: `hailuo-batch settle`
  5    another run holds this ledger
  130  interrupted (SIGINT): requests in flight were finished, nothing is lost
  143  the same after SIGTERM or SIGHUP
Where several apply: 130 and 143 before 3, 3 before 4, 4 before 1.

Every option can also be set in the environment (HAILUO_BATCH_RATE for --rate) and in a job file
(--job). The API key is read from KIE_API_KEY or --api-key-file, the key of callbacks from
KIE_WEBHOOK_KEY or --webhook-key-file, the page's token from HAILUO_BATCH_TOKEN or --token-file;
none of them is ever shown.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::RunArgs>),
    Check(Box<check::CheckArgs>),
    Status(status::StatusArgs),
    Collect(Box<collect::CollectArgs>),
    Serve(Box<serve::ServeArgs>),
    Report(report::ReportArgs),
    Settle(settle::SettleArgs),
    Init(init::InitArgs),
    Sandbox(sandbox::SandboxArgs),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
}

/// Runs the program with these arguments and says how it ended.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    forbid_core_dumps();
    tell_of_panics_once();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let words = words_of(&arguments);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let ended = match cli.command {
        Command::Run(args) => in_runtime(run::run(*args, words)),
        Command::Check(args) => check::run(*args),
        Command::Status(args) => status::run(args),
        Command::Collect(args) => in_runtime(collect::run(*args, words)),
        Command::Serve(args) => in_runtime(serve::run(*args, words)),
        Command::Report(args) => report::run(args),
        Command::Settle(args) => settle::run(args),
        Command::Init(args) => init::run(&args),
        Command::Sandbox(args) => in_runtime(async { Ok(sandbox::run(args).await.map(|()| ExitCode::SUCCESS)?) }),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    };
    ended.unwrap_or_else(|failure| failure.report().into())
}

/// The command line as hints repeat it and summaries record it: without the one secret that may stand in it.
fn words_of(arguments: &[OsString]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for argument in arguments.iter().skip(1) {
        let word = argument.to_string_lossy();
        let is_token = words.last().is_some_and(|last| last == "--token");
        words.push(match word.split_once('=') {
            _ if is_token => "…".to_owned(),
            Some(("--token", _)) => "--token=…".to_owned(),
            _ => word.into_owned(),
        });
    }
    words
}

fn in_runtime<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    let ended = runtime.block_on(command);
    // Whatever still runs only looks on (a results file being written is replaced atomically or not at all).
    runtime.shutdown_background();
    ended
}

/// Help and version go to standard output and are no failure; a mistake is 2.
fn usage(error: &clap::Error) -> ExitCode {
    let mut text = error.render().to_string();
    if let Some(variable) = origin::variable_behind(error) {
        text = format!("{text}\nnote: the value is from the environment variable {variable}\n");
    }
    if error.use_stderr() {
        // It repeats what was given.
        console::to_stderr(&escape::lines_for_terminal(&text));
        ExitCode::from(2)
    } else {
        console::to_stdout(&text);
        ExitCode::SUCCESS
    }
}

/// The API key is in memory: a core dump would store it.
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Where even this is refused there is nothing more to be done about it.
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )
    .ok();
}

/// A panic that is caught and told as an error is not told as a panic as well.
fn tell_of_panics_once() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !tables::panics_are_caught() {
            tell(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn a_token_is_no_part_of_what_hints_repeat() {
        let words = |line: &str| words_of(&line.split(' ').map(OsString::from).collect::<Vec<_>>()).join(" ");
        assert_eq!(
            words("program run a.csv --token secret --json"),
            "run a.csv --token … --json"
        );
        assert_eq!(
            words("program run --token=secret --token-file=x"),
            "run --token=… --token-file=x"
        );
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
