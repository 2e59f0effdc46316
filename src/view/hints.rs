//! What to do next: the last lines of a summary.

use super::summary::{Command, Halt, Summary};
use super::wording::{are, counted, shell_word};
use crate::escape;

/// One sentence for each thing that is left to do, the most pressing first.
pub(super) fn hints(summary: &Summary) -> Vec<String> {
    let counts = &summary.counts;
    let mut hints = Vec::new();
    if let Some(halt) = &summary.halted {
        hints.push(format!("{}: {}", remedy(halt), again(summary)));
    } else if counts.queued > 0 && summary.command != Command::Collect {
        hints.push(match summary.command {
            Command::Check => format!("send the queued rows with {}", again(summary)),
            _ => format!("go on with the queued rows: {}", again(summary)),
        });
    }
    if counts.unknown > 0 {
        hints.push(format!(
            "{} may have been taken and paid for; decide what to do about {}: {}",
            counted(counts.unknown, "unknown row"),
            if counts.unknown == 1 { "it" } else { "them" },
            command("settle", summary)
        ));
    }
    if counts.invalid > 0 {
        let rows = those(counts.invalid, "invalid row");
        hints.push(format!("correct {rows} in the manifest, then {}", again(summary)));
    }
    if counts.rejected + counts.failed > 0 {
        let rows = those(counts.rejected + counts.failed, "row");
        hints.push(format!(
            "correct {rows} that did not make it and run again, or try again without a change: \
             `hailuo-batch run {} --retry-rejected`",
            selection(summary)
        ));
    }
    if counts.accepted > 0 && summary.command != Command::Check {
        hints.push(format!(
            "{} {} under way; wait for them and fetch the videos: `hailuo-batch collect {} --download videos`",
            counted(counts.accepted, "task"),
            are(counts.accepted),
            selection(summary)
        ));
    }
    if let (Some(results), 1..) = (&summary.results, counts.taken()) {
        let results = escape::for_terminal(results);
        let column = if counts.saved == counts.rows() {
            "video_file"
        } else {
            "task_id"
        };
        let what = if counts.saved == counts.rows() {
            "videos"
        } else {
            "task ids"
        };
        hints.push(format!("the {what} are in the column `{column}` of `{results}`"));
    }
    hints
}

/// What has to change before more rows can be sent.
fn remedy(halt: &Halt) -> &'static str {
    match &*halt.code {
        "401" => {
            "set `KIE_API_KEY` to a key that is valid (see https://kie.ai/api-key; it may also be bound to other IP \
             addresses), then run the same command"
        }
        "402" => "top up the account (see https://kie.ai/pricing), then run the same command",
        "403" => {
            "something in front of the API refused this machine: try without the proxy or from another network, with \
             the same command"
        }
        "404" | "422" => "the API does not know the model: look for a newer hailuo-batch, then run the same command",
        "433" => {
            "the key has reached its own limit: raise it at https://kie.ai/api-key or wait until it is reset (by the \
             hour or at 00:00 UTC), then run the same command"
        }
        "505" => "Kie.ai has switched the model off: run the same command once it is back",
        "budget" => "give a larger `--budget`, then run the same command",
        "patience" => {
            "the API has not taken a row for a long time: run the same command later, or give it more `--patience`"
        }
        "repeated" => {
            "see whether the message concerns all rows; then correct them and run the same command, or add \
             `--keep-going`"
        }
        "ledger" => "see that the ledger's disk or database works and has room, then run the same command",
        _ => "run the same command once the cause is gone",
    }
}

/// `the row`, `the 12 rows`.
fn those(number: u64, noun: &str) -> String {
    match number {
        1 => format!("the {noun}"),
        _ => format!("the {}", counted(number, noun)),
    }
}

fn again(summary: &Summary) -> String {
    command("run", summary)
}

fn command(name: &str, summary: &Summary) -> String {
    format!("`hailuo-batch {name} {}`", selection(summary))
}

fn selection(summary: &Summary) -> String {
    let words: Vec<_> = summary.selection.iter().map(|word| shell_word(word)).collect();
    match words.is_empty() {
        true => "MANIFEST".to_owned(),
        false => escape::for_terminal(&words.join(" ")).into_owned(),
    }
}
