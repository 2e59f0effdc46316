//! Where text goes. A reader that has left (`| head`, a closed terminal) is no error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use crate::job::{Job, LogFormat, ProgressMode};
use crate::view::logs::{self, LogConfig};
use crate::view::{Ending, Progress, Secrets, Summary, Target, exit_of, wrapped};

use super::failure::Failure;

/// Standard error during a command: progress, notices and log lines, without secrets.
#[derive(Debug, Clone)]
pub(super) struct Console {
    pub progress: Progress,
    pub secrets: Secrets,
    quiet: bool,
    /// Log lines are JSON, so notices are, too.
    json: bool,
}

impl Console {
    /// Sets up what the job's output options ask for.
    pub(super) fn new(job: &Job) -> Result<Console, Failure> {
        let output = &job.output;
        let secrets = Secrets::default();
        // Before the first line is written: libraries log what they connect to.
        job.notices.hide_in(|secret| secrets.hide(secret));
        let json = output.log_format == LogFormat::Json;
        let mode = match output.progress {
            _ if output.quiet => ProgressMode::None,
            ProgressMode::Auto if json => ProgressMode::None,
            asked => asked,
        };
        let target = Target::stderr(|name| std::env::var(name).ok());
        let progress = Progress::new(mode, target, secrets.clone());
        let config = LogConfig {
            format: output.log_format,
            verbosity: if output.quiet {
                -1
            } else {
                i8::try_from(output.verbose).unwrap_or(i8::MAX)
            },
            filter: std::env::var("HAILUO_BATCH_LOG").ok(),
        };
        logs::init(&config, &progress)?;
        let console = Console {
            progress,
            secrets,
            quiet: output.quiet,
            json,
        };
        job.warnings.iter().for_each(|warning| console.warn(warning));
        Ok(console)
    }

    /// Something worth a line: `paused 8 s: the API answered 429`.
    pub(super) fn notice(&self, text: &str) {
        if self.json {
            tracing::warn!("{text}");
        } else {
            self.progress.notice(text);
        }
    }

    /// Something that is allowed and probably not meant.
    pub(super) fn warn(&self, text: &str) {
        if self.json {
            tracing::warn!("{text}");
        } else if !self.quiet {
            self.progress
                .paragraph(&format!("warning: {}", crate::escape::for_terminal(text)));
        }
    }

    /// Text of several lines whose outside parts are escaped already, unless `--quiet`.
    pub(super) fn block(&self, text: &str) {
        if !self.quiet {
            self.progress.lines(text);
        }
    }

    /// Something that must be seen whatever the options say.
    pub(super) fn alarm(&self, text: &str) {
        if self.json {
            tracing::error!("{text}");
        } else {
            self.progress
                .lines(&format!("error: {}", crate::escape::for_terminal(text)));
        }
    }

    /// The command's result, on standard output; outside parts are escaped already. False if it cannot be written there.
    pub(super) fn answer(&self, text: &str) -> bool {
        let written = write(io::stdout().lock(), &self.secrets.redact(text));
        if let Err(error) = &written {
            self.alarm(&format!("cannot write to standard output: {error}"));
        }
        written.is_ok()
    }

    /// The command's result as one JSON object on a line.
    pub(super) fn answer_json(&self, object: &impl Display) -> bool {
        let object = object.to_string();
        self.answer(&format!("{}\n", crate::escape::for_json(&object)))
    }

    /// The summary as the command's result, and how it ended. A script that gets no summary must not see success.
    pub(super) fn conclude(&self, json: bool, summary: &Summary) -> Ending {
        let written = if json {
            self.answer_json(&summary.to_json())
        } else {
            let text = summary.to_string();
            self.answer(&match columns_of_stdout() {
                Some(columns) => wrapped(&text, columns),
                None => text.into(),
            })
        };
        match (written, exit_of(summary)) {
            (false, Ending::Done) => Ending::SomeFailed,
            (_, ending) => ending,
        }
    }
}

/// How wide the terminal behind standard output is; `None` where there is none, or it does not tell.
fn columns_of_stdout() -> Option<usize> {
    let stdout = io::stdout();
    let size = stdout
        .is_terminal()
        .then(|| rustix::termios::tcgetwinsize(&stdout).ok())??;
    Some(size.ws_col.into()).filter(|columns| *columns > 0)
}

pub(super) fn to_stdout(text: &str) {
    write(io::stdout().lock(), text).ok();
}

pub(super) fn to_stderr(text: &str) {
    // Nobody is left to tell.
    write(io::stderr().lock(), text).ok();
}

fn write(mut out: impl Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has seen enough is no error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
