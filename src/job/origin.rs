//! Where each setting came from, so that a complaint can name the place the user has to change.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::escape;
use crate::job::file;
use crate::job::key::{KEY_VARIABLE, WEBHOOK_KEY_VARIABLE};

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

    /// Takes `key` for not given.
    pub(super) fn forget(&mut self, key: &str) {
        self.0.remove(key);
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
                let key = file::written(key);
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

/// What is to be said of variables with our prefix that belong to no option but look like one: a `HAILUO_BATCH_BUGDET` would
/// otherwise go unnoticed. Others are left alone, as schedulers invent names of their own (`HAILUO_BATCH_SERVICE_HOST`).
pub(crate) fn misspelt_variables(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut warnings: Vec<String> = names
        .into_iter()
        .filter_map(|name| {
            let meant = meant_by(name.strip_prefix(ENVIRONMENT_PREFIX)?)?;
            Some(format!(
                "the environment variable `{}` has no effect: the nearest is `{meant}`",
                escape::for_terminal(&name)
            ))
        })
        .collect();
    warnings.sort();
    warnings
}

/// The variable that `HAILUO_BATCH_<rest>` may have been meant for; `None` if it is one itself, or like none.
fn meant_by(rest: &str) -> Option<String> {
    let key = rest.to_lowercase();
    match key.as_str() {
        "api_key" => return Some(KEY_VARIABLE.to_owned()),
        "webhook_key" => return Some(WEBHOOK_KEY_VARIABLE.to_owned()),
        _ => {}
    }
    let options = file::key_names().chain(["job", "token"]);
    if rest == rest.to_uppercase() && key != "base_url" && options.clone().any(|name| name == key) {
        return None;
    }
    file::nearest(&key, options).map(variable)
}

/// Where the value that clap refuses comes from, if it is the environment: clap itself names only the flag.
pub fn variable_behind(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (flag, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let flag = flag.split(['=', ' ', '[', '<']).next()?;
    let variable = variable(&flag.strip_prefix("--")?.replace('-', "_"));
    let is_flag = |argument: OsString| argument.to_string_lossy().split('=').next() == Some(flag);
    let from_variable = std::env::var_os(&variable).is_some_and(|held| held.to_string_lossy() == value);
    (from_variable && !std::env::args_os().any(is_flag)).then_some(variable)
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
