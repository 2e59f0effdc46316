//! `hailuo-batch completions` and `hailuo-batch man`, both from the definition of the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::failure::Failure;
use super::{Cli, console};

/// Print a completion script for a shell
///
/// Example: hailuo-batch completions bash > /etc/bash_completion.d/hailuo-batch
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell to complete for
    shell: Shell,
}

/// Print the manual page, or write one for each command
///
/// Example: hailuo-batch man | man -l -
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write hailuo-batch.1 and a page for each command into this folder instead of printing one
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hailuo-batch", &mut script);
    console::to_stdout(&String::from_utf8_lossy(&script));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(args: &ManArgs) -> Result<ExitCode, Failure> {
    if let Some(dir) = &args.dir {
        let failed = |source| Failure::Write {
            path: dir.clone(),
            source,
        };
        std::fs::create_dir_all(dir).map_err(failed)?;
        clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .expect("a vector takes every byte");
    console::to_stdout(&String::from_utf8_lossy(&page));
    Ok(ExitCode::SUCCESS)
}
