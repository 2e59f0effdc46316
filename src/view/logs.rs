//! Log lines on standard error: one line an event, escaped, without secrets, and never through the bar.

use std::io::{self, Write};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use super::Progress;
use crate::escape;
use crate::job::LogFormat;

/// What is logged, and how.
#[derive(Debug, Clone, Default)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// How often `-v` was given, less how often `-q` was: from −2 (nothing) over 0 (warnings) to 3 (everything).
    pub verbosity: i8,
    /// The content of `HAILUO_BATCH_LOG`: directives such as `info,hailuo_batch::dispatch=trace`, which replace
    /// `verbosity`.
    pub filter: Option<String>,
}

/// A filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`HAILUO_BATCH_LOG` is not a filter: {filter}")]
pub struct LogError {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

impl LogError {
    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        "write a level, or levels by module: `info,hailuo_batch::dispatch=trace`"
    }
}

/// Logs to where `progress` is shown, from now on and for the whole process. A second call changes nothing: there is
/// one log, and tests in one process share it.
pub fn init(config: &LogConfig, progress: &Progress) -> Result<(), LogError> {
    // The only error is that there is a subscriber already.
    subscriber(config, progress)?.try_init().ok();
    Ok(())
}

/// What [`init`] installs.
pub fn subscriber(
    config: &LogConfig,
    progress: &Progress,
) -> Result<Box<dyn Subscriber + Send + Sync + 'static>, LogError> {
    let writer = LogWriter {
        progress: progress.clone(),
        format: config.format,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(config)?)
        .with_writer(writer)
        .with_ansi(false);
    Ok(match config.format {
        // The module is for those who look for a bug, not for those who read a warning.
        // Without colours: the escape codes of a colour and of an attack look the same.
        LogFormat::Text => Box::new(builder.with_target(config.verbosity >= 2).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

fn filter(config: &LogConfig) -> Result<EnvFilter, LogError> {
    let directives = match &config.filter {
        Some(filter) if !filter.trim().is_empty() => filter,
        _ => directives(config.verbosity),
    };
    EnvFilter::builder().parse(directives).map_err(|source| LogError {
        filter: escape::for_terminal(directives).into_owned(),
        source,
    })
}

/// Other people's crates stay at warnings until everything is asked for: their lines show what is in a request.
fn directives(verbosity: i8) -> &'static str {
    match verbosity {
        ..=-2 => "off",
        -1 => "error",
        0 => "warn",
        1 => "warn,hailuo_batch=info",
        2 => "warn,hailuo_batch=debug",
        3.. => "debug,hailuo_batch=trace",
    }
}

#[derive(Debug)]
struct LogWriter {
    progress: Progress,
    format: LogFormat,
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine {
            writer: self,
            line: Vec::new(),
        }
    }
}

/// One event, written as one line when it is complete.
struct LogLine<'a> {
    writer: &'a LogWriter,
    line: Vec<u8>,
}

impl Write for LogLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine<'_> {
    fn drop(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.strip_suffix('\n').unwrap_or(&line);
        if line.is_empty() {
            return;
        }
        self.writer.progress.lines(&match self.writer.format {
            LogFormat::Text => escape::for_terminal(line),
            LogFormat::Json => escape::for_json(line),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, error, info, trace, warn};

    use super::*;
    use crate::job::ProgressMode;
    use crate::view::{Secrets, Target};

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(config: &LogConfig, events: impl FnOnce()) -> String {
        let paper = Paper::default();
        let secrets = Secrets::default();
        secrets.hide("sk-12345");
        let progress = Progress::new(ProgressMode::None, Target::writer(paper.clone()), secrets);
        tracing::subscriber::with_default(subscriber(config, &progress).unwrap(), events);
        let bytes = paper.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn every_level() {
        error!(target: "hailuo_batch::kie", "ours at error");
        warn!(target: "hailuo_batch::kie", "ours at warn");
        info!(target: "hailuo_batch::kie", "ours at info");
        debug!(target: "hailuo_batch::kie", "ours at debug");
        trace!(target: "hailuo_batch::kie", "ours at trace");
        error!(target: "hyper::client", "theirs at error");
        warn!(target: "hyper::client", "theirs at warn");
        info!(target: "hyper::client", "theirs at info");
        debug!(target: "hyper::client", "theirs at debug");
        trace!(target: "hyper::client", "theirs at trace");
    }

    #[test]
    fn each_v_and_q_moves_the_level() {
        for (verbosity, ours, theirs) in [(-2, 0, 0), (-1, 1, 1), (0, 2, 2), (1, 3, 2), (2, 4, 2), (3, 5, 4)] {
            let config = LogConfig {
                verbosity,
                ..LogConfig::default()
            };
            let text = logged(&config, every_level);
            assert_eq!(text.matches("ours").count(), ours, "{verbosity}: {text}");
            assert_eq!(text.matches("theirs").count(), theirs, "{verbosity}: {text}");
        }
    }

    #[test]
    fn the_environment_overrides_the_flags() {
        let config = LogConfig {
            verbosity: -2,
            filter: Some("off,hailuo_batch::kie=debug".into()),
            ..LogConfig::default()
        };
        let text = logged(&config, every_level);
        assert_eq!((text.matches("ours").count(), text.matches("theirs").count()), (4, 0));
        let wrong = LogConfig {
            filter: Some("hailuo_batch=loud".into()),
            ..config
        };
        let progress = Progress::new(ProgressMode::None, Target::writer(io::sink()), Secrets::default());
        let error = subscriber(&wrong, &progress).err().unwrap();
        assert_eq!(
            error.to_string(),
            "`HAILUO_BATCH_LOG` is not a filter: hailuo_batch=loud"
        );
    }

    fn hostile_event() {
        let body = "key sk-12345 \u{1b}[2J\u{9b}2J\r\n2026-01-01T00:00:00Z ERROR forged \u{202e}";
        warn!(row = 7, body, "the API said {body}");
    }

    #[test]
    fn an_event_is_one_line_without_controls_or_secrets() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let config = LogConfig {
                format,
                ..LogConfig::default()
            };
            let text = logged(&config, hostile_event);
            let line = text.strip_suffix('\n').unwrap();
            assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
            assert!(!line.contains("12345") && line.contains("[redacted]"), "{line:?}");
        }
    }

    #[test]
    fn json_lines_are_json_and_keep_the_text() {
        let config = LogConfig {
            format: LogFormat::Json,
            ..LogConfig::default()
        };
        let line = logged(&config, hostile_event);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["row"], 7);
        assert_eq!(json["level"], "WARN");
        assert!(json["message"].as_str().unwrap().ends_with('\u{202e}'), "{line}");
    }
}
