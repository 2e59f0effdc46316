//! Where each setting came from, so that a complaint can name the place the user has to change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::escape;

/// Prefix of the environment variable of every option: `HAILUO_BATCH_RATE` for `--rate`.
pub const ENVIRONMENT_PREFIX: &str = "HAILUO_BATCH_";

/// The one option with an environment variable that other programs share.
pub const BASE_URL_VARIABLE: &str = "KIE_BASE_URL";

/// The place a setting was given in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// On the command line.
    Flag,
    /// In the environment.
    Environment,
    /// In this job file.
    File(PathBuf),
}

/// The [`Source`] of every setting that was given, by key (`max_attempts`).
///
/// Flattened into a clap struct as its *first* field it takes no arguments and records where the others came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Source>);

impl Origins {
    /// Every one of `keys` given in the job file `path`.
    pub(crate) fn in_file<'a>(path: &Path, keys: impl IntoIterator<Item = &'a str>) -> Origins {
        Origins(
            keys.into_iter()
                .map(|key| (key.to_owned(), Source::File(path.to_owned())))
                .collect(),
        )
    }

    /// Where `key` was given; `None` if it was not.
    pub fn source(&self, key: &str) -> Option<&Source> {
        self.0.get(key)
    }

    /// These sources, and `lower`'s where these have none.
    pub fn or(mut self, lower: Origins) -> Origins {
        for (key, source) in lower.0 {
            self.0.entry(key).or_insert(source);
        }
        self
    }

    /// The setting in words: `` `--rate` ``, `` `HAILUO_BATCH_RATE` `` or `` `rate` in `nightly.toml` ``.
    pub fn name(&self, key: &str) -> String {
        match self.source(key) {
            Some(Source::Flag) if key == "manifest" => "`MANIFEST`".to_owned(),
            Some(Source::Flag) | None => format!("`{}`", flag(key)),
            Some(Source::Environment) => format!("`{}`", variable(key)),
            Some(Source::File(path)) => {
                format!("`{key}` in `{}`", escape::for_terminal(&path.to_string_lossy()))
            }
        }
    }
}

/// The flag of a key: `--max-attempts`.
pub fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

/// The environment variable of a key: `HAILUO_BATCH_MAX_ATTEMPTS`.
pub fn variable(key: &str) -> String {
    if key == "base_url" {
        BASE_URL_VARIABLE.to_owned()
    } else {
        format!("{ENVIRONMENT_PREFIX}{}", key.to_uppercase())
    }
}

impl FromArgMatches for Origins {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = matches.ids().filter_map(|id| {
            let source = match matches.value_source(id.as_str())? {
                ValueSource::CommandLine => Source::Flag,
                ValueSource::EnvVariable => Source::Environment,
                _ => return None,
            };
            Some((id.as_str().to_owned(), source))
        });
        Ok(Origins(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let newer = Origins::from_arg_matches(matches)?;
        *self = newer.or(std::mem::take(self));
        Ok(())
    }
}

impl Args for Origins {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}
