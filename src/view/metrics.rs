//! A batch as Prometheus reads it: the text format 0.0.4.
//!
//! Every figure comes from the ledger, so that it does not begin anew with each run; what can go down again is a gauge.
//! Each sample has the label `batch`: the files of several batches can stand beside each other. Labels hold neither prompts
//! nor addresses nor messages, and few values: states, words, and codes of which an [`Overview`] has a bounded number.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use super::{Distribution, Ending, Overview, Step};
use crate::clock::UnixMillis;
use crate::escape::excerpt;
use crate::price::tidy;
use crate::rate::Rate;
use crate::row::RowState;

/// The media type of this text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How a text of ours begins, and nobody else's.
pub const FIRST_WORDS: &str = "# HELP hailuo_batch_build_info ";

/// Longest name of a batch in a label, in characters.
const NAME_CHARACTERS: usize = 200;

/// Longest code in a label, in characters.
const CODE_CHARACTERS: usize = 40;

/// The metrics of a batch as it is now.
pub fn metrics(overview: &Overview) -> String {
    let mut page = Page::of(overview);
    page.about(overview);
    page.rows(overview);
    page.requests(overview);
    page.tasks(overview);
    page.money(overview);
    page.run(overview);
    page.text
}

/// The same at the end of a command, which ended like this.
pub fn metrics_at_end(overview: &Overview, ending: Ending) -> String {
    let mut text = metrics(overview);
    let mut page = Page::of(overview);
    page.gauge(
        "last_run_exit_code",
        "Exit code of the command that wrote this when it ended.",
        ending.code(),
    );
    text.push_str(&page.text);
    text
}

/// The text as it grows. Names are given without the program's own, which goes before all of them.
struct Page {
    text: String,
    /// The label of every sample.
    batch: String,
}

/// A label that tells the samples of a metric apart.
type Label<'a> = (&'a str, &'a str);

impl Page {
    fn of(overview: &Overview) -> Page {
        Page {
            text: String::new(),
            batch: format!("batch=\"{}\"", escaped(&excerpt(&overview.name, NAME_CHARACTERS))),
        }
    }

    fn about(&mut self, overview: &Overview) {
        self.family("build_info", "gauge", "The program's version, in a label; always 1.");
        self.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        self.moment(
            "read_timestamp_seconds",
            "When this was read from the ledger, in seconds since 1970.",
            Some(overview.at),
        );
        self.gauge(
            "sandbox",
            "1 if the rows were sent to the sandbox: nothing was charged.",
            u8::from(overview.summary.sandbox),
        );
    }

    fn rows(&mut self, overview: &Overview) {
        let summary = &overview.summary;
        self.family("rows", "gauge", "Rows of the manifest by state; each is counted once.");
        for state in RowState::ALL {
            self.sample("rows", &[("state", state.as_str())], summary.counts.of(state));
        }
        self.gauge(
            "changed_rows",
            "Rows whose content was changed after it may have been paid for.",
            summary.changed,
        );
        self.gauge(
            "unknown_rows_elsewhere",
            "Rows of unknown fate that the manifest no longer has.",
            summary.unknown_elsewhere,
        );
        self.gauge(
            "extra_tasks",
            "Tasks that no row has; they may have been charged.",
            summary.cost.bill.extra,
        );
        self.gauge(
            "saved_bytes",
            "Bytes of the saved videos.",
            overview.history.saved_bytes,
        );
        self.moment(
            "first_expiry_timestamp_seconds",
            "When the API deletes the first video that is not saved, in seconds since 1970; absent if there is none.",
            summary.first_expiry,
        );
    }

    fn requests(&mut self, overview: &Overview) {
        let (summary, history) = (&overview.summary, &overview.history);
        self.counter("requests", "createTask requests, of all runs.", summary.requests);
        self.counter("retries", "Requests that were not their row's first.", summary.retries);
        self.counter("rate_limited", "Requests that were answered 429.", summary.rate_limited);
        self.outcomes(
            overview,
            Step::Request,
            "request_outcomes",
            "Requests by what they came to and the API's code; not a counter, as a callback can make an unknown one accepted.",
        );
        self.histogram(
            "request_duration_seconds",
            "From the beginning of a request to its answer, in seconds.",
            &history.latency,
        );
        self.moment(
            "last_accepted_timestamp_seconds",
            "When the API took a row last, in seconds since 1970; absent if it never did.",
            history.last_accepted_at,
        );
        if let Rate::Limited { requests, window } = overview.rate {
            self.gauge(
                "rate_limit_requests_per_second",
                "Requests per second that the account allows on average; absent without a limit.",
                f64::from(requests.get()) / window.as_secs_f64(),
            );
        }
    }

    fn tasks(&mut self, overview: &Overview) {
        self.outcomes(
            overview,
            Step::Task,
            "task_outcomes",
            "Tasks that have ended, by how and the API's code; not a counter, as the code of a task is forgotten when its row \
             gets another.",
        );
        self.histogram(
            "task_duration_seconds",
            "From a row's acceptance to the end of its task, in seconds, of tasks that ended with a video.",
            &overview.history.generation,
        );
    }

    fn money(&mut self, overview: &Overview) {
        let cost = &overview.summary.cost;
        let bill = &cost.bill;
        self.amount(
            "credits_spent",
            "Credits of all requests that were taken or may have been: by the API's word, else by their price; absent if a \
             price is not known. Not a counter, as tasks that fail give theirs back.",
            cost.spent_credits,
        );
        self.amount(
            "credits_consumed",
            "Credits that the ended tasks have consumed.",
            Some(bill.consumed),
        );
        self.amount(
            "credits_at_work",
            "Credits that the tasks at work will have consumed, by their price.",
            Some(bill.at_work + bill.unwatched),
        );
        self.amount(
            "credits_in_doubt",
            "Credits that requests without an answer, and tasks that no row has, may have cost.",
            Some(bill.unknown),
        );
        self.amount(
            "credits_queued",
            "Credits that the queued rows will cost; absent if a price is not known.",
            cost.estimated_credits,
        );
        self.amount(
            "account_credits",
            "Credits that the account held when a run read them last; absent if none did.",
            cost.account.and_then(|account| account.after.or(account.before)),
        );
    }

    fn run(&mut self, overview: &Overview) {
        let (summary, history) = (&overview.summary, &overview.history);
        self.gauge(
            "at_work",
            "1 while a process works on the ledger.",
            u8::from(summary.at_work.is_some() || overview.live.is_some()),
        );
        let left = overview.pause_left();
        self.gauge(
            "paused",
            "1 while an answer of the API, or trouble on the way to it, makes everyone wait.",
            u8::from(left.is_some()),
        );
        self.gauge(
            "pause_remaining_seconds",
            "How much of the pause is left, in seconds; 0 without one.",
            left.unwrap_or_default().as_secs_f64(),
        );
        self.family(
            "halted",
            "gauge",
            "1 if the last run stopped with rows left, with the code of the reason; else 0 and no code.",
        );
        let code = summary.halted.as_ref().map(|halt| code_label(&halt.code));
        self.sample(
            "halted",
            &[("code", code.as_deref().unwrap_or_default())],
            u8::from(code.is_some()),
        );
        self.counter("runs", "Runs that made a request.", history.runs);
        let last = history.last_run.as_ref();
        self.moment(
            "last_run_start_timestamp_seconds",
            "When the last run began, in seconds since 1970; absent before the first.",
            last.map(|run| run.started_at),
        );
        self.moment(
            "last_run_end_timestamp_seconds",
            "When the last run ended, in seconds since 1970; absent while it is at work, and if it died.",
            last.and_then(|run| run.ended_at),
        );
    }

    fn outcomes(&mut self, overview: &Overview, of: Step, name: &str, help: &str) {
        // Two codes may look the same once they are fit for a label.
        let mut counts: BTreeMap<(&str, String), u64> = BTreeMap::new();
        for outcome in overview.history.outcomes.iter().filter(|outcome| outcome.of == of) {
            *counts.entry((&outcome.result, code_label(&outcome.code))).or_default() += outcome.count;
        }
        if counts.is_empty() {
            return;
        }
        self.family(name, "gauge", help);
        for ((result, code), count) in counts {
            self.sample(name, &[("result", result), ("code", &code)], count);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, seen: &Distribution) {
        self.family(name, "histogram", help);
        let buckets = format!("{name}_bucket");
        let mut so_far = 0;
        for (bound, count) in &seen.bins {
            so_far += count;
            self.sample(&buckets, &[("le", &bound.to_string())], so_far);
        }
        self.sample(&buckets, &[("le", "+Inf")], seen.count());
        self.sample(&format!("{name}_sum"), &[], seen.sum);
        self.sample(&format!("{name}_count"), &[], seen.count());
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        let name = format!("{name}_total");
        self.family(&name, "counter", help);
        self.sample(&name, &[], value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn amount(&mut self, name: &str, help: &str, credits: Option<f64>) {
        if let Some(credits) = credits {
            self.gauge(name, help, tidy(credits));
        }
    }

    fn moment(&mut self, name: &str, help: &str, moment: Option<UnixMillis>) {
        if let Some(UnixMillis(millis)) = moment {
            // Digits, as a float would round the years to come.
            let (sign, millis) = if millis < 0 {
                ("-", millis.unsigned_abs())
            } else {
                ("", millis.unsigned_abs())
            };
            self.gauge(
                name,
                help,
                format_args!("{sign}{}.{:03}", millis / 1_000, millis % 1_000),
            );
        }
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.write(format_args!(
            "# HELP hailuo_batch_{name} {help}\n# TYPE hailuo_batch_{name} {kind}\n"
        ));
    }

    fn sample(&mut self, name: &str, labels: &[Label<'_>], value: impl Display) {
        self.write(format_args!("hailuo_batch_{name}{{"));
        let batch = std::mem::take(&mut self.batch);
        self.write(format_args!("{batch}"));
        self.batch = batch;
        for (label, text) in labels {
            self.write(format_args!(",{label}=\"{}\"", escaped(text)));
        }
        self.write(format_args!("}} {value}\n"));
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a string takes text");
    }
}

/// A code as a label: it may be the server's own text.
fn code_label(code: &str) -> String {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' => character,
        _ => '_',
    };
    code.chars().take(CODE_CHARACTERS).map(plain).collect()
}

/// Text between the quotes of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
