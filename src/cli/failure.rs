//! Why a command could not do its work at all, and the exit code that says so.

use std::error::Error;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::collect::look_up::Stopped;
use crate::job::JobError;
use crate::kie::ClientError;
use crate::ledger::LedgerError;
use crate::manifest::ManifestError;
use crate::tables::TableError;
use crate::template::TemplateError;
use crate::view::logs::LogError;
use crate::view::{Ending, Halt, counted, remedy};
use crate::web;

use super::console;
use super::sandbox::SandboxCommandError;

/// A failure of a whole command. Rows that fail are no failure: they are in the summary.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Job(#[from] JobError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Hosts(#[from] web::client::ClientError),
    #[error(transparent)]
    Sandbox(#[from] SandboxCommandError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("cannot read the certificates in `{}`", path.display())]
    CaFile { path: PathBuf, source: io::Error },
    #[error("cannot start the embedded sandbox")]
    EmbeddedSandbox(#[source] Box<dyn Error + Send + Sync>),
    #[error("cannot start the program's threads")]
    Runtime(#[source] io::Error),
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// What stands in the results' place was not written by us.
    #[error("`{}` is not a results file, and the results would replace it", path.display())]
    NotResults { path: PathBuf },
    /// What stands in the place of the list of problems was not written by us.
    #[error("`{}` is not a list of problems, and the list would replace it", path.display())]
    NotProblems { path: PathBuf },
    /// What stands in the metrics' place was not written by us.
    #[error("`{}` holds no metrics of hailuo-batch, and they would replace it", path.display())]
    NotMetrics { path: PathBuf },
    /// What stands in the report's place was not written by us.
    #[error("`{}` is not a report, and the report would replace it", path.display())]
    NotReport { path: PathBuf },
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// Videos cannot be saved there.
    #[error("cannot save videos in `{}`", path.display())]
    Folder { path: PathBuf, source: io::Error },
    /// Callbacks cannot be received there.
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    /// A ledger of trials, and no `--sandbox`.
    #[error("`{}` recorded trials in the sandbox, whose tasks the real API does not know", path.display())]
    Trial { path: PathBuf },
    /// A manifest of another format and the same name was sent before.
    #[error(
        "`{}` records {} as sent already, and `{}` may hold the same rows",
        other.display(), counted(*rows, "row"), manifest.display()
    )]
    SecondLedger {
        manifest: PathBuf,
        own: PathBuf,
        other: PathBuf,
        rows: u64,
    },
    /// The encoding of the manifest is a guess.
    #[error("`{}`: what its text is in is a guess: in {encoding} it reads `{sample}`", manifest.display())]
    GuessedEncoding {
        manifest: PathBuf,
        encoding: String,
        sample: String,
    },
    /// `--strict`.
    #[error("{invalid} of {rows} rows {} invalid, and `--strict` sends nothing then", if *.invalid == 1 { "is" } else { "are" })]
    Strict { invalid: u32, rows: u32 },
    /// A budget is set and a price is not known.
    #[error("a budget needs the price of every row, and {rows} rows have none")]
    Unpriced { rows: u64 },
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// Of no use to go on looking at tasks; nothing was decided by what was seen until then.
    #[error("{}; nothing was changed", .0.message())]
    LookUp(Stopped),
    /// A decision of `settle` that cannot be carried out.
    #[error("{what}")]
    Settle { what: String, help: String },
}

impl Failure {
    /// Says what happened and what to do on standard error, and gives the ending that it is.
    pub(super) fn report(&self) -> Ending {
        console::to_stderr(&self.told());
        self.ending()
    }

    /// What happened and what to do, on several lines.
    pub(super) fn told(&self) -> String {
        let mut text = format!("error: {self}\n");
        let mut source = self.source();
        let mut said = self.to_string();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Some layers repeat their source in their own text.
            if !said.contains(&cause_text) {
                writeln!(text, "  because: {}", crate::escape::for_terminal(&cause_text)).expect("a string takes text");
            }
            said = cause_text;
            source = cause.source();
        }
        if let Some(help) = self.help() {
            writeln!(text, "  help: {help}").expect("a string takes text");
        }
        // Paths and texts of other layers come as they are.
        crate::escape::lines_for_terminal(&text).into_owned()
    }

    /// What happened and why, for a warning.
    pub(super) fn in_one_line(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                write!(text, ": {cause_text}").expect("a string takes text");
            }
            source = cause.source();
        }
        text
    }

    fn ending(&self) -> Ending {
        match self {
            Failure::Ledger(LedgerError::Locked { .. }) => Ending::Locked,
            Failure::LookUp(_) => Ending::Halted,
            _ => Ending::Refused,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Failure::Job(error) => error.help(),
            Failure::Manifest(error) => error.help(),
            Failure::Ledger(error) => Some(error.help()),
            Failure::Table(error) => Some(error.help()),
            Failure::Template(error) => error.help().map(str::to_owned),
            Failure::Log(error) => Some(error.help().into()),
            Failure::Client(_) | Failure::Hosts(_) => {
                Some("check the proxy settings of the environment; on a slim system install `ca-certificates`".into())
            }
            Failure::CaFile { .. } => Some("give a PEM file with `--ca-file`".into()),
            Failure::SecondLedger { own, other, .. } => Some(format!(
                "`--ledger {}` goes on with those rows and pays for none twice; `--ledger {}` says that these are others",
                other.display(),
                own.display()
            )),
            Failure::GuessedEncoding { encoding, .. } => Some(format!(
                "if that reads right, say so with `--encoding {}`; if not, with the encoding it is in",
                encoding.to_lowercase()
            )),
            Failure::Strict { .. } => Some("correct the rows above, or leave `--strict` out to send the others".into()),
            Failure::Unpriced { .. } => Some("give their price with `--price`".into()),
            Failure::Settle { help, .. } => Some(help.clone()),
            Failure::NotResults { .. } => Some("name another file with `--results`, or move this one away".into()),
            Failure::NotMetrics { .. } => Some("name another file with `--metrics-file`, or move this one away".into()),
            Failure::NotReport { .. } => Some("name another file with `--output`, or move this one away".into()),
            Failure::NotProblems { .. } => Some("name another file with `--problems`, or move this one away".into()),
            Failure::Listen { .. } => {
                Some("choose a free port, or another address of this machine, with `--listen`".into())
            }
            Failure::Folder { .. } => Some("choose another folder with `--download`".into()),
            Failure::Trial { .. } => Some("add `--sandbox` to go on with the trial".into()),
            Failure::Write { .. } | Failure::Read { .. } => Some("check the path and its permissions".into()),
            Failure::LookUp(stopped) => Some(
                remedy(&Halt {
                    code: stopped.code().to_owned(),
                    message: stopped.message(),
                })
                .into(),
            ),
            Failure::Sandbox(_) | Failure::EmbeddedSandbox(_) | Failure::Runtime(_) | Failure::Signals(_) => None,
        }
    }
}

impl From<Arc<LedgerError>> for Failure {
    fn from(error: Arc<LedgerError>) -> Failure {
        Failure::Ledger((*error).clone())
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Failure {
        Failure::LookUp(stopped)
    }
}
