//! A job file: one flat list of TOML keys, named like the flags with `_` for `-`; and those of `--notify-…` in a table of
//! their own, `[notify]`.
//!
//! The keys are read one by one from the parsed table rather than by serde, so that every wrong one is reported, in one
//! go and with its place.

use std::borrow::Cow;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::job::duration;
use crate::job::error::{FileProblem, JobError};
use crate::job::key::{KEY_VARIABLE, WEBHOOK_KEY_VARIABLE};
use crate::job::notices::GivenUrl;
use crate::job::origin::{self, Origins};
use crate::job::settings::{CodeFilter, RetryRejected, Settings, host_name, web_address};
use crate::manifest::Mapping;

/// One key of a job file: its name, a value to write, and how it gets into the settings.
struct Key {
    /// Like the flag's. Behind [`IN_TABLE`] it is a key of [`TABLE`].
    name: &'static str,
    /// As it stands in the file, right of the `=`.
    example: &'static str,
    take: fn(&mut Settings, &Value<'_>) -> Result<(), Wrong>,
}

/// The one table of a job file: what stands in it belongs together, and half of it is secret.
const TABLE: &str = "notify";

/// How the names begin whose keys stand in it.
const IN_TABLE: &str = "notify_";

/// Every key there is. A test holds it against the flags.
#[rustfmt::skip]
const KEYS: &[Key] = &[
    Key { name: "manifest", example: "\"clips.csv\"", take: |s, v| v.path().map(|x| s.files.manifest = Some(x)) },
    Key { name: "results", example: "\"clips.results.csv\"", take: |s, v| v.path().map(|x| s.files.results = Some(x)) },
    Key { name: "ledger", example: "\"clips.csv.ledger\"", take: |s, v| v.path().map(|x| s.files.ledger = Some(x)) },
    Key { name: "encoding", example: "\"gb18030\"", take: |s, v| v.parsed(str::parse).map(|x| s.intake.encoding = Some(x)) },
    Key { name: "delimiter", example: "\";\"", take: |s, v| v.parsed(str::parse).map(|x| s.intake.delimiter = Some(x)) },
    Key { name: "sheet", example: "\"Shots\"", take: |s, v| v.parsed(|text| Ok::<_, String>(text.to_owned())).map(|x| s.intake.sheet = Some(x)) },
    Key { name: "hidden_rows", example: "true", take: |s, v| v.switch().map(|x| s.intake.hidden_rows = Some(x)) },
    Key { name: "map", example: "{ prompt = \"描述\", image_url = \"图\" }", take: |s, v| v.mappings().map(|x| s.intake.map = Some(x)) },
    Key { name: "metrics_file", example: "\"clips.prom\"", take: |s, v| v.path().map(|x| s.monitoring.metrics_file = Some(x)) },
    Key { name: "json", example: "true", take: |s, v| v.switch().map(|x| s.reporting.json = Some(x)) },
    Key { name: "progress", example: "\"plain\"", take: |s, v| v.word().map(|x| s.reporting.progress = Some(x)) },
    Key { name: "log_format", example: "\"json\"", take: |s, v| v.word().map(|x| s.reporting.log_format = Some(x)) },
    Key { name: "verbose", example: "1", take: |s, v| v.whole().map(|x| s.reporting.verbose = x) },
    Key { name: "quiet", example: "true", take: |s, v| v.switch().map(|x| s.reporting.quiet = Some(x)) },
    Key { name: "rate", example: "\"20/10s\"", take: |s, v| v.parsed(str::parse).map(|x| s.planning.rate = Some(x)) },
    Key { name: "burst", example: "1", take: |s, v| v.whole().map(|x| s.planning.burst = Some(x)) },
    Key { name: "concurrency", example: "16", take: |s, v| v.whole().map(|x| s.planning.concurrency = Some(x)) },
    Key { name: "limit", example: "100", take: |s, v| v.whole().map(|x| s.planning.limit = Some(x)) },
    Key { name: "until", example: "\"06:00\"", take: |s, v| v.parsed(str::parse).map(|x| s.planning.until = Some(x)) },
    Key { name: "for", example: "\"2h\"", take: |s, v| v.duration().map(|x| s.planning.run_for = Some(x)) },
    Key { name: "strict", example: "true", take: |s, v| v.switch().map(|x| s.planning.strict = Some(x)) },
    Key { name: "allow_outside", example: "true", take: |s, v| v.switch().map(|x| s.planning.allow_outside = Some(x)) },
    Key { name: "retry_rejected", example: "[422, 500, \"dropped\"]", take: |s, v| v.codes().map(|x| s.planning.retry_rejected = Some(x)) },
    Key { name: "retry_failed", example: "[500]", take: |s, v| v.codes().map(|x| s.planning.retry_failed = Some(x)) },
    Key { name: "resubmit_changed", example: "true", take: |s, v| v.switch().map(|x| s.planning.resubmit_changed = Some(x)) },
    Key { name: "budget", example: "6000", take: |s, v| v.number().map(|x| s.planning.budget = Some(x)) },
    Key { name: "price", example: "\"6s-768P=30,10s-768P=50\"", take: |s, v| v.parsed(str::parse).map(|x| s.planning.price = Some(x)) },
    Key { name: "callback_url", example: "\"https://hooks.example.org/kie\"", take: |s, v| v.parsed(web_address).map(|x| s.planning.callback_url = Some(x)) },
    Key { name: "sandbox", example: "true", take: |s, v| v.switch().map(|x| s.place.sandbox = Some(x)) },
    Key { name: "base_url", example: "\"https://api.kie.ai\"", take: |s, v| v.parsed(web_address).map(|x| s.place.base_url = Some(x)) },
    Key { name: "problems", example: "\"problems.xlsx\"", take: |s, v| v.path().map(|x| s.checking.problems = Some(x)) },
    Key { name: "images", example: "true", take: |s, v| v.switch().map(|x| s.checking.images = Some(x)) },
    Key { name: "allow_private_hosts", example: "true", take: |s, v| v.switch().map(|x| s.checking.allow_private_hosts = Some(x)) },
    Key { name: "output", example: "\"clips.report.html\"", take: |s, v| v.path().map(|x| s.presenting.output = Some(x)) },
    Key { name: "wait", example: "true", take: |s, v| v.switch().map(|x| s.sending.wait = Some(x)) },
    Key { name: "require_balance", example: "true", take: |s, v| v.switch().map(|x| s.sending.require_balance = Some(x)) },
    Key { name: "download", example: "\"videos\"", take: |s, v| v.path().map(|x| s.collecting.download = Some(x)) },
    Key { name: "name", example: "\"{row:05}-{id}.mp4\"", take: |s, v| v.parsed(|text| Ok::<_, String>(text.to_owned())).map(|x| s.collecting.name = Some(x)) },
    Key { name: "wait_for", example: "\"30m\"", take: |s, v| v.duration().map(|x| s.collecting.wait_for = Some(x)) },
    Key { name: "poll_rate", example: "\"10/1s\"", take: |s, v| v.parsed(str::parse).map(|x| s.collecting.poll_rate = Some(x)) },
    Key { name: "downloads", example: "4", take: |s, v| v.whole().map(|x| s.collecting.downloads = Some(x)) },
    Key { name: "fetch_missing", example: "true", take: |s, v| v.switch().map(|x| s.collecting.fetch_missing = Some(x)) },
    Key { name: "listen", example: "\"127.0.0.1:8787\"", take: |s, v| v.parsed(str::parse::<std::net::SocketAddr>).map(|x| s.receiving.listen = Some(x)) },
    Key { name: "public_url", example: "\"https://hooks.example.org/kie\"", take: |s, v| v.parsed(web_address).map(|x| s.receiving.public_url = Some(x)) },
    Key { name: "max_attempts", example: "3", take: |s, v| v.whole().map(|x| s.sending.max_attempts = Some(x)) },
    Key { name: "patience", example: "\"15m\"", take: |s, v| v.duration().map(|x| s.sending.patience = Some(x)) },
    Key { name: "maintenance_pause", example: "\"60s\"", take: |s, v| v.duration().map(|x| s.sending.maintenance_pause = Some(x)) },
    Key { name: "timeout", example: "\"120s\"", take: |s, v| v.duration().map(|x| s.sending.timeout = Some(x)) },
    Key { name: "on_unknown", example: "\"hold\"", take: |s, v| v.word().map(|x| s.sending.on_unknown = Some(x)) },
    Key { name: "keep_going", example: "true", take: |s, v| v.switch().map(|x| s.sending.keep_going = Some(x)) },
    Key { name: "api_key_file", example: "\"kie-api-key\"", take: |s, v| v.path().map(|x| s.access.api_key_file = Some(x)) },
    Key { name: "upload_url", example: "\"https://kieai.redpandaai.co\"", take: |s, v| v.parsed(web_address).map(|x| s.sending.upload_url = Some(x)) },
    Key { name: "reuse_connections", example: "true", take: |s, v| v.switch().map(|x| s.sending.reuse_connections = Some(x)) },
    Key { name: "ca_file", example: "\"company.pem\"", take: |s, v| v.path().map(|x| s.place.ca_file = Some(x)) },
    Key { name: "webhook_key_file", example: "\"kie-webhook-key\"", take: |s, v| v.path().map(|x| s.receiving.webhook_key_file = Some(x)) },
    Key { name: "token_file", example: "\"page-token\"", take: |s, v| v.path().map(|x| s.receiving.token_file = Some(x)) },
    Key { name: "allow_host", example: "[\"studio.lan\"]", take: |s, v| v.hosts().map(|x| s.receiving.allow_host = Some(x)) },
    Key { name: "notify_webhook", example: "\"https://hooks.slack.com/services/…\"", take: |s, v| v.secret_url().map(|x| s.notifying.notify_webhook = Some(x)) },
    Key { name: "notify_format", example: "\"feishu\"", take: |s, v| v.word().map(|x| s.notifying.notify_format = Some(x)) },
    Key { name: "notify_on", example: "\"trouble\"", take: |s, v| v.word().map(|x| s.notifying.notify_on = Some(x)) },
    Key { name: "notify_ping", example: "\"https://hc-ping.com/UUID\"", take: |s, v| v.secret_url().map(|x| s.notifying.notify_ping = Some(x)) },
];

/// Names people give a key they should not write here; compared without `_` and `-`.
const SECRETS: [&str; 5] = ["apikey", "kieapikey", "key", "secret", "authorization"];

/// The same for the key that callbacks are signed with.
const WEBHOOK_SECRETS: [&str; 4] = ["webhookkey", "kiewebhookkey", "webhookhmackey", "webhooksecret"];

/// The same for the token that the page asks for.
const PAGE_SECRETS: [&str; 2] = ["token", "pagetoken"];

/// How alike a misspelt key must be to the one that is suggested (Jaro-Winkler, 1 is the same).
const ALIKE: f64 = 0.85;

/// Largest job file read, in bytes: a file above it is a manifest given by mistake.
const LARGEST: u64 = 1024 * 1024;

/// Reads the job file at `path`. Paths in it are taken from its folder.
pub fn read(path: &Path) -> Result<Settings, JobError> {
    let unreadable = |source| JobError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a full file from a cut one, also where the length is not known before.
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let refused = |reason: &str| unreadable(io::Error::new(io::ErrorKind::InvalidData, reason));
    if bytes.len() as u64 > LARGEST {
        return Err(refused("it is too large for a job file"));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8 text"))?;
    parse(path, &text)
}

/// The settings in `text`, which is the content of `path`.
pub fn parse(path: &Path, text: &str) -> Result<Settings, JobError> {
    let problem = |at: usize, wrong: Wrong| {
        let (line, column) = place_of(text, at);
        FileProblem {
            path: path.to_owned(),
            line,
            column,
            what: wrong.what,
            help: wrong.help,
        }
    };
    let table = DeTable::parse(text).map_err(|error| {
        // The parser's own display quotes the line, which may hold a key: only its message is taken.
        let at = error.span().map_or(0, |span| span.start);
        let wrong = Wrong {
            what: format!(
                "this is not TOML: {}",
                error.message().lines().collect::<Vec<_>>().join(", ")
            ),
            help: "write `key = value`, with text in quotes, like `rate = \"20/10s\"`".to_owned(),
        };
        JobError::File(vec![problem(at, wrong)])
    })?;

    let mut reader = Reader {
        folder: path.parent().unwrap_or(Path::new("")),
        settings: Settings::default(),
        given: Vec::new(),
        wrong: Vec::new(),
    };
    for (written, value) in table.get_ref() {
        match value.get_ref() {
            DeValue::Table(keys) if normal(written.get_ref()) == TABLE => {
                keys.iter()
                    .for_each(|(written, value)| reader.read(Some(TABLE), written, value));
            }
            _ => reader.read(None, written, value),
        }
    }
    if !reader.wrong.is_empty() {
        let mut problems: Vec<FileProblem> = reader.wrong.into_iter().map(|(at, wrong)| problem(at, wrong)).collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        return Err(JobError::File(problems));
    }
    let mut settings = reader.settings;
    settings.files.origins = Origins::in_file(path, reader.given);
    Ok(settings)
}

/// What has been read so far.
struct Reader<'a> {
    /// Where paths begin.
    folder: &'a Path,
    settings: Settings,
    /// The keys that were given.
    given: Vec<&'static str>,
    /// What is wrong, and at which byte.
    wrong: Vec<(usize, Wrong)>,
}

impl Reader<'_> {
    /// Takes a key, of a table or of none, into the settings.
    fn read(&mut self, table: Option<&str>, written: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let at = written.span().start;
        let name = normal(written.get_ref());
        let key = KEYS.iter().find(|key| (key.table(), key.own_name()) == (table, &*name));
        let Some(key) = key else {
            self.wrong
                .push((at, unknown(table, written.get_ref(), value.get_ref())));
            return;
        };
        if self.given.contains(&key.name) {
            let wrong = Wrong {
                what: format!("`{}` is given twice", key.written()),
                help: "`-` and `_` are the same in a key: keep one of the two".to_owned(),
            };
            self.wrong.push((at, wrong));
            return;
        }
        self.given.push(key.name);
        let folder = self.folder;
        if let Err(wrong) = (key.take)(&mut self.settings, &Value { key, folder, value }) {
            self.wrong.push((value.span().start, wrong));
        }
    }
}

/// A key as we name it.
fn normal(written: &str) -> String {
    written.replace('-', "_")
}

impl Key {
    /// The table that it stands in.
    fn table(&self) -> Option<&'static str> {
        self.name.starts_with(IN_TABLE).then_some(TABLE)
    }

    /// What it is called there.
    fn own_name(&self) -> &'static str {
        self.name.strip_prefix(IN_TABLE).unwrap_or(self.name)
    }

    /// How it is written in one word.
    fn written(&self) -> String {
        match self.table() {
            Some(table) => format!("{table}.{}", self.own_name()),
            None => self.name.to_owned(),
        }
    }

    /// A line that gives it.
    fn example_line(&self) -> String {
        format!("{} = {}", self.written(), self.example)
    }
}

/// What is wrong with a key or its value, and what to write. The value itself is not shown unless its parser does.
struct Wrong {
    what: String,
    help: String,
}

/// A value of the file, for one key.
struct Value<'a> {
    key: &'a Key,
    folder: &'a Path,
    value: &'a Spanned<DeValue<'a>>,
}

impl Value<'_> {
    fn path(&self) -> Result<PathBuf, Wrong> {
        match self.value.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => Err(self.wrong("is empty")),
            // A URL in a path's place is refused later, by what it is: it must not look like a file of the folder.
            DeValue::String(text) if text.contains("://") => Ok(PathBuf::from(&**text)),
            DeValue::String(text) => Ok(self.folder.join(&**text)),
            _ => Err(self.expected("text")),
        }
    }

    fn switch(&self) -> Result<bool, Wrong> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.expected("`true` or `false`")),
        }
    }

    fn whole<T: TryFrom<u64>>(&self) -> Result<T, Wrong> {
        match self.value.get_ref() {
            DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .and_then(|number| T::try_from(number).ok())
                .ok_or_else(|| self.wrong("is out of range")),
            _ => Err(self.expected("a whole number")),
        }
    }

    fn number(&self) -> Result<f64, Wrong> {
        match self.value.get_ref() {
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok(),
            DeValue::Float(float) => float.as_str().parse().ok(),
            _ => None,
        }
        .ok_or_else(|| self.expected("a number"))
    }

    fn word<T: ValueEnum>(&self) -> Result<T, Wrong> {
        let DeValue::String(text) = self.value.get_ref() else {
            return Err(self.expected("text"));
        };
        T::from_str(text, true).map_err(|_| {
            let words: Vec<String> = T::value_variants()
                .iter()
                .filter_map(|variant| variant.to_possible_value())
                .map(|value| format!("`{}`", value.get_name()))
                .collect();
            self.wrong(&format!("must be one of {}", words.join(", ")))
        })
    }

    fn duration(&self) -> Result<Duration, Wrong> {
        self.parsed(duration::parse)
    }

    /// A URL that is a secret: nobody's complaint about it may repeat it.
    fn secret_url(&self) -> Result<GivenUrl, Wrong> {
        let DeValue::String(text) = self.value.get_ref() else {
            return Err(self.expected("text"));
        };
        let Ok(given) = text.parse::<GivenUrl>();
        given.url().map(|_| given).map_err(|why| self.wrong(why))
    }

    /// Text, read as the flag reads it. A number or a date is taken as its text: `price = 30`, `until = 06:00:00`.
    fn parsed<T, E: Display>(&self, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Wrong> {
        let text = match self.value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().to_owned(),
            DeValue::Float(float) => float.as_str().to_owned(),
            DeValue::Datetime(moment) => moment.to_string(),
            DeValue::Integer(_) | DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => {
                return Err(self.expected("text"));
            }
        };
        parse(&text).map_err(|error| self.wrong(&format!("cannot be read: {error}")))
    }

    fn codes(&self) -> Result<RetryRejected, Wrong> {
        let all = |all: bool| RetryRejected(all.then_some(CodeFilter::All));
        match self.value.get_ref() {
            DeValue::Boolean(value) => Ok(all(*value)),
            DeValue::Array(codes) => {
                let codes: Option<Vec<&str>> = codes
                    .iter()
                    .map(|code| match code.get_ref() {
                        DeValue::String(text) if !text.contains(',') => Some(&**text),
                        DeValue::Integer(integer) if integer.radix() == 10 => Some(integer.as_str()),
                        _ => None,
                    })
                    .collect();
                let codes = codes.ok_or_else(|| self.expected("a list of error codes"))?;
                if codes.is_empty() {
                    return Ok(all(false));
                }
                codes
                    .join(",")
                    .parse()
                    .map_err(|error| self.wrong(&format!("cannot be read: {error}")))
            }
            _ => self.parsed(str::parse),
        }
    }

    /// `FIELD=COLUMN` once or in a list, or a table of fields and their columns.
    fn mappings(&self) -> Result<Vec<Mapping>, Wrong> {
        let read = |text: &str| {
            text.parse::<Mapping>()
                .map_err(|error| self.wrong(&format!("cannot be read: {error}")))
        };
        let text_of = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            _ => Err(self.expected("names of columns")),
        };
        match self.value.get_ref() {
            DeValue::Array(entries) => entries.iter().map(|entry| read(&text_of(entry)?)).collect(),
            DeValue::Table(columns) => columns
                .iter()
                .map(|(field, column)| read(&format!("{}={}", field.get_ref(), text_of(column)?)))
                .collect(),
            _ => Ok(vec![self.parsed(str::parse)?]),
        }
    }

    /// The name of one host, or a list of them.
    fn hosts(&self) -> Result<Vec<String>, Wrong> {
        let name_in = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::String(text) => host_name(text).map_err(|why| self.wrong(&format!("cannot be read: {why}"))),
            _ => Err(self.expected("names of hosts")),
        };
        match self.value.get_ref() {
            DeValue::Array(names) => names.iter().map(name_in).collect(),
            _ => Ok(vec![name_in(self.value)?]),
        }
    }

    /// The value is of another type than the key takes.
    fn expected(&self, what: &str) -> Wrong {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "`true` or `false`",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.wrong(&format!("takes {what}, and this is {found}"))
    }

    fn wrong(&self, what: &str) -> Wrong {
        Wrong {
            what: format!("`{}` {what}", self.key.written()),
            help: format!("write it like `{}`", self.key.example_line()),
        }
    }
}

fn unknown(table: Option<&str>, written: &str, value: &DeValue<'_>) -> Wrong {
    let shown = crate::escape::excerpt(written, 60);
    let name = normal(written).to_ascii_lowercase();
    match table {
        Some(table) => Wrong {
            what: format!("unknown key `{shown}` in `[{table}]`"),
            help: unknown_in_table(&name, table),
        },
        None => unknown_in_list(&name, shown, value),
    }
}

/// What to do about a key that the table does not have.
fn unknown_in_table(name: &str, table: &str) -> String {
    let keys = || KEYS.iter().filter(|key| key.table() == Some(table));
    if let Some(key) = KEYS.iter().find(|key| key.table().is_none() && key.name == name) {
        // Whatever is written below a table's name is in the table.
        return format!("`{}` is a key of the whole job: write it above `[{table}]`", key.name);
    }
    let nearest = nearest(name, keys().map(Key::own_name));
    match keys().find(|key| Some(key.own_name()) == nearest) {
        Some(key) => format!("the nearest key is `{}`, like `{}`", key.own_name(), key.example_line()),
        None => {
            let names: Vec<String> = keys().map(|key| format!("`{}`", key.own_name())).collect();
            format!("its keys are {}", names.join(", "))
        }
    }
}

fn unknown_in_list(name: &str, shown: String, value: &DeValue<'_>) -> Wrong {
    let plain = name.replace('_', "");
    let secret = if SECRETS.contains(&plain.as_str()) {
        Some((KEY_VARIABLE.to_owned(), "api_key_file"))
    } else if WEBHOOK_SECRETS.contains(&plain.as_str()) {
        Some((WEBHOOK_KEY_VARIABLE.to_owned(), "webhook_key_file"))
    } else if PAGE_SECRETS.contains(&plain.as_str()) {
        Some((origin::variable("token"), "token_file"))
    } else {
        None
    };
    if let Some((variable, key)) = secret {
        return Wrong {
            what: format!("`{shown}` does not belong in a job file"),
            help: format!(
                "keep keys out of job files, which are copied and committed: set `{variable}`, or name a file that holds \
                 the key with `{key}`"
            ),
        };
    }
    let nearest = nearest(name, key_names()).and_then(|name| KEYS.iter().find(|key| key.name == name));
    let help = match (value, nearest) {
        (DeValue::Table(_), _) => {
            format!("the only table is `[{TABLE}]`: all other keys stand in one flat list above it")
        }
        _ if name == TABLE => format!("`{TABLE}` is a table: write `[{TABLE}]` and its keys below"),
        (_, Some(key)) => format!("the nearest key is `{}`, like `{}`", key.written(), key.example_line()),
        (_, None) => "the keys are the long flags of `hailuo-batch run --help`, with `_` for `-`".to_owned(),
    };
    Wrong {
        what: format!("unknown key `{shown}`"),
        help,
    }
}

/// Line and column of a byte, both from 1, the column in characters.
fn place_of(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// Every key of a job file, named like its flag.
pub(super) fn key_names() -> impl Iterator<Item = &'static str> + Clone {
    KEYS.iter().map(|key| key.name)
}

/// The key of this name and a value for it, as they stand in a file.
pub(super) fn key_with_example(name: &str) -> Option<(String, &'static str)> {
    let key = KEYS.iter().find(|key| key.name == name)?;
    Some((key.written(), key.example))
}

/// The key of this name as it stands in a file: `notify.ping` for `notify_ping`.
pub(super) fn written(name: &str) -> String {
    let key = KEYS.iter().find(|key| key.name == name);
    key.map_or_else(|| name.to_owned(), Key::written)
}

/// The one of `names` that `word` is most like, if it is like any.
pub(super) fn nearest(word: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    names
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::NoticeOn;
    use crate::job::settings::{LogFormat, OnUnknown, ProgressMode};

    fn parsed(text: &str) -> Settings {
        parse(Path::new("jobs/nightly.toml"), text).unwrap()
    }

    fn complaint(text: &str) -> String {
        let error = parse(Path::new("nightly.toml"), text).unwrap_err();
        match error.help() {
            Some(help) => format!("{error}\nhelp: {help}"),
            None => error.to_string(),
        }
    }

    #[test]
    fn every_key_takes_its_own_example() {
        for key in KEYS {
            let text = key.example_line();
            let settings = parsed(&text);
            assert_ne!(settings, Settings::default(), "{text}");
            assert_eq!(
                settings.files.origins.name(key.name),
                format!("`{}` in `jobs/nightly.toml`", key.written())
            );
            // The value must have landed somewhere, not only its origin.
            let without_origin = Settings {
                files: crate::job::settings::Files {
                    origins: Origins::default(),
                    ..settings.files
                },
                ..settings
            };
            assert_ne!(without_origin, Settings::default(), "{text}");
        }
    }

    #[test]
    fn a_job_file_is_read_with_its_paths_relative_to_it() {
        let settings = parsed(
            "\u{feff}# nightly\r\nmanifest = \"../clips.csv\"\r\nresults = \"/srv/out.csv\"\r\nmax-attempts = 5\r\n\
             timeout = \"2m\"\r\nprice = 30\r\nuntil = 06:00:00\r\non_unknown = \"Resubmit\"\r\nprogress = \"plain\"\r\n\
             log_format = \"json\"\r\nretry_rejected = [422, \"dropped\"]\r\nbudget = 1_500.5\r\n",
        );
        assert_eq!(settings.files.manifest, Some(PathBuf::from("jobs/../clips.csv")));
        assert_eq!(settings.files.results, Some(PathBuf::from("/srv/out.csv")));
        assert_eq!(settings.reporting.progress, Some(ProgressMode::Plain));
        assert_eq!(settings.reporting.log_format, Some(LogFormat::Json));
        assert_eq!(settings.planning.price, Some("30".parse().unwrap()));
        assert_eq!(settings.planning.until, Some("06:00".parse().unwrap()));
        assert_eq!(settings.planning.retry_rejected, Some("422,dropped".parse().unwrap()));
        assert_eq!(settings.planning.budget, Some(1500.5));
        assert_eq!(settings.sending.max_attempts, Some(5));
        assert_eq!(settings.sending.timeout, Some(Duration::from_secs(120)));
        assert_eq!(settings.sending.on_unknown, Some(OnUnknown::Resubmit));
    }

    #[test]
    fn one_problem_is_the_message() {
        insta::assert_snapshot!(complaint("# job\n\n  rat = \"20/10s\"\n"), @r#"
        nightly.toml:3:3: unknown key `rat`
        help: the nearest key is `rate`, like `rate = "20/10s"`
        "#);
        insta::assert_snapshot!(complaint("timeout = 90"), @r#"
        nightly.toml:1:11: `timeout` cannot be read: `90` has no unit: write `90s` for seconds or `90m` for minutes
        help: write it like `timeout = "120s"`
        "#);
        insta::assert_snapshot!(complaint("concurrency = \"16\""), @"
        nightly.toml:1:15: `concurrency` takes a whole number, and this is text
        help: write it like `concurrency = 16`
        ");
        insta::assert_snapshot!(complaint("on_unknown = \"retry\""), @r#"
        nightly.toml:1:14: `on_unknown` must be one of `hold`, `resubmit`
        help: write it like `on_unknown = "hold"`
        "#);
        insta::assert_snapshot!(complaint("rate = 20/10s"), @r#"
        nightly.toml:1:8: this is not TOML: string values must be quoted, expected literal string
        help: write `key = value`, with text in quotes, like `rate = "20/10s"`
        "#);
        insta::assert_snapshot!(complaint("[retry]\nmax_attempts = 3"), @"
        nightly.toml:1:2: unknown key `retry`
        help: the only table is `[notify]`: all other keys stand in one flat list above it
        ");
        insta::assert_snapshot!(complaint("max-attempts = 3\nmax_attempts = 4"), @"
        nightly.toml:2:1: `max_attempts` is given twice
        help: `-` and `_` are the same in a key: keep one of the two
        ");
        insta::assert_snapshot!(complaint("upload = \"out\""), @r#"
        nightly.toml:1:1: unknown key `upload`
        help: the nearest key is `upload_url`, like `upload_url = "https://kieai.redpandaai.co"`
        "#);
    }

    #[test]
    fn whom_to_tell_stands_in_a_table() {
        let table =
            "[notify]\nwebhook = \"https://hooks.slack.com/services/T0/B0/x\"\non = \"trouble\"\nping = \"off\"\n";
        let dotted = "notify.webhook = \"https://hooks.slack.com/services/T0/B0/x\"\nnotify.on = \"trouble\"\nnotify.ping = \"off\"\n";
        assert_eq!(parsed(table), parsed(dotted));
        let notifying = parsed(table).notifying;
        assert_eq!(notifying.notify_on, Some(NoticeOn::Trouble));
        assert_eq!(notifying.notify_ping, Some("off".parse().unwrap()));
        assert_eq!(notifying.notify_format, None);
    }

    #[test]
    fn a_wrong_key_of_the_table_is_told_with_its_place_and_no_secret() {
        insta::assert_snapshot!(complaint(
            "rate = \"20/10s\"\n[notify]\nwebhok = \"https://hooks.slack.com/canary\"\nping = \"hc-ping.com/canary\"\n\
             on = \"error\"\nbudget = 100\nsecret = \"canary\"\n"
        ), @r#"
        5 problems in the job file `nightly.toml`
          nightly.toml:3:1: unknown key `webhok` in `[notify]`
            help: the nearest key is `webhook`, like `notify.webhook = "https://hooks.slack.com/services/…"`
          nightly.toml:4:8: `notify.ping` is not a whole URL
            help: write it like `notify.ping = "https://hc-ping.com/UUID"`
          nightly.toml:5:6: `notify.on` must be one of `always`, `trouble`
            help: write it like `notify.on = "trouble"`
          nightly.toml:6:1: unknown key `budget` in `[notify]`
            help: `budget` is a key of the whole job: write it above `[notify]`
          nightly.toml:7:1: unknown key `secret` in `[notify]`
            help: its keys are `webhook`, `format`, `on`, `ping`
        "#);
        insta::assert_snapshot!(complaint("notify_ping = \"https://hc-ping.com/canary\""), @r#"
        nightly.toml:1:1: unknown key `notify_ping`
        help: the nearest key is `notify.ping`, like `notify.ping = "https://hc-ping.com/UUID"`
        "#);
        insta::assert_snapshot!(complaint("notify = \"https://hc-ping.com/canary\""), @"
        nightly.toml:1:1: unknown key `notify`
        help: `notify` is a table: write `[notify]` and its keys below
        ");
        insta::assert_snapshot!(complaint("[notify]\nping = 7"), @r#"
        nightly.toml:2:8: `notify.ping` takes text, and this is a number
        help: write it like `notify.ping = "https://hc-ping.com/UUID"`
        "#);
        insta::assert_snapshot!(complaint("[[notify]]\nping = \"off\""), @"
        nightly.toml:1:3: unknown key `notify`
        help: `notify` is a table: write `[notify]` and its keys below
        ");
    }

    #[test]
    fn all_problems_are_told_in_one_go() {
        insta::assert_snapshot!(complaint("bugdet = 100\nlimit = -1\nconcurency = 4\nburst = 1\njob = \"x\"\n"), @"
        4 problems in the job file `nightly.toml`
          nightly.toml:1:1: unknown key `bugdet`
            help: the nearest key is `budget`, like `budget = 6000`
          nightly.toml:2:9: `limit` is out of range
            help: write it like `limit = 100`
          nightly.toml:3:1: unknown key `concurency`
            help: the nearest key is `concurrency`, like `concurrency = 16`
          nightly.toml:5:1: unknown key `job`
            help: the keys are the long flags of `hailuo-batch run --help`, with `_` for `-`
        ");
    }

    #[test]
    fn an_api_key_in_a_job_file_is_refused_and_not_shown() {
        for name in ["api_key", "api-key", "KIE_API_KEY", "token"] {
            let text = complaint(&format!("{name} = \"sk-0123456789\""));
            assert!(text.contains("does not belong in a job file"), "{text}");
            assert!(!text.contains("0123"), "{text}");
        }
        insta::assert_snapshot!(complaint("api_key = \"sk-0123456789\""), @"
        nightly.toml:1:1: `api_key` does not belong in a job file
        help: keep keys out of job files, which are copied and committed: set `KIE_API_KEY`, or name a file that holds the key with `api_key_file`
        ");
        insta::assert_snapshot!(complaint("webhook-secret = \"sk-0123456789\""), @"
        nightly.toml:1:1: `webhook-secret` does not belong in a job file
        help: keep keys out of job files, which are copied and committed: set `KIE_WEBHOOK_KEY`, or name a file that holds the key with `webhook_key_file`
        ");
        for broken in [
            "api_key = sk-0123456789",
            "api_key = \"sk-0123456789",
            "api_key_file = [\"sk-0123456789\"]",
        ] {
            assert!(!complaint(broken).contains("0123"), "{}", complaint(broken));
        }
    }
}
