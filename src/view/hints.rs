//! What to do next: the last lines of a summary.

use super::summary::{Command, Halt, Summary};
use super::wording::{counted, grouped, has};
use crate::escape;
use crate::kie::Remedy;
use crate::row::RowState;

/// One sentence for each thing that is left to do, the most pressing first.
pub(super) fn hints(summary: &Summary) -> Vec<String> {
    let counts = &summary.counts;
    let mut hints = Vec::new();
    if summary.at_work.is_some() {
        // Whatever is left to do is done by the run, or is to be looked at when it has ended.
        return hints;
    }
    if let Some(halt) = &summary.halted {
        hints.push(format!("{}: {}", remedy(halt), same(summary)));
    } else if counts.queued > 0 && summary.invalid_by_image == 0 {
        hints.push(match summary.command {
            Command::Check => format!("send the queued rows with {}", again(summary)),
            _ => format!("go on with the queued rows: {}", again(summary)),
        });
    }
    let unknown = counts.unknown + summary.unknown_elsewhere;
    if unknown > 0 {
        hints.push(format!(
            "{} may have been taken and paid for; decide what to do about {}: {}",
            counted(unknown, "unknown row"),
            if unknown == 1 { "it" } else { "them" },
            command("settle", summary)
        ));
    }
    if counts.invalid > 0 {
        let rows = those(counts.invalid, "invalid row");
        let first = match summary.invalid_by_image {
            0 => String::new(),
            all if all == counts.invalid => {
                " first, as a run looks at no image on the web and would send them".to_owned()
            }
            some => format!(
                " first, as a run looks at no image on the web and would send {} of them",
                grouped(some)
            ),
        };
        hints.push(format!(
            "correct {rows} in the manifest{first}, then {}",
            again(summary)
        ));
    }
    if summary.changed > 0 {
        hints.push(format!(
            "change {} back, or pay for the new content: {}",
            those(summary.changed, "changed row"),
            again_with("--resubmit-changed", summary)
        ));
    }
    let unsaved = summary.collected.as_ref().is_some_and(|collected| collected.saving) && counts.succeeded > 0;
    if summary.collected.is_some() && (counts.accepted > 0 || unsaved) {
        let what = match (counts.accepted, unsaved) {
            (0, _) => "fetch the other videos".to_owned(),
            (open, _) => format!("look again at {} that {} not ended", those(open, "task"), has(open)),
        };
        hints.push(format!("{what}: {}", collect(summary)));
    }
    if counts.failed > 0 {
        hints.push(format!(
            "{} ended without a video (failed tasks are free as a rule); make {}: {}",
            counted(counts.failed, "task"),
            if counts.failed == 1 {
                "it anew, as a new task"
            } else {
                "them anew, each as a new task"
            },
            again_with("--retry-failed", summary)
        ));
    }
    let tried_again = counts.rejected.saturating_sub(given_up(summary));
    if tried_again > 0 {
        let rows = those(tried_again, "row");
        hints.push(format!(
            "correct {rows} that did not make it and run again, or try again without a change: {}",
            again_with("--retry-rejected", summary)
        ));
    }
    if let (Some(results), 1..) = (&summary.results, counts.taken()) {
        let results = escape::for_terminal(results);
        hints.push(match (&summary.collected, summary.sandbox) {
            (_, true) => format!(
                "look at `{results}`; this was a trial: without `--sandbox` and with `KIE_API_KEY` set it is the real thing"
            ),
            (Some(_), false) => format!("what became of each row is in `{results}`"),
            (None, false) => format!("the task ids are in the column `task_id` of `{results}`"),
        });
    }
    if summary.collected.is_none() && counts.accepted + counts.succeeded > 0 {
        hints.push(format!("wait for the tasks and save the videos: {}", collect(summary)));
    }
    hints
}

fn collect(summary: &Summary) -> String {
    if summary.collected.is_some() && !summary.command_line.is_empty() {
        return same(summary);
    }
    let collecting = options(&summary.collecting);
    format!(
        "`hailuo-batch collect {}{}{collecting}`",
        selection(summary),
        place(summary)
    )
}

/// How the message of a halt begins whose code is `balance`, when the balance is not known.
pub const BALANCE_UNREAD: &str = "the balance could not be read";

/// Rows that the user has given up: they are only tried again by their code.
fn given_up(summary: &Summary) -> u64 {
    let dropped = summary.causes.iter().filter(|cause| cause.code == "dropped");
    dropped.map(|cause| cause.count).sum()
}

/// What has to change before more can be asked of the API.
pub fn remedy(halt: &Halt) -> &'static str {
    let code = match halt.code.strip_prefix("http_").unwrap_or(&halt.code) {
        // These codes mean several things; our own sentence says which.
        "429" | "500" if halt.message.starts_with(Remedy::TopUp.trouble()) => "402",
        "500" if halt.message.starts_with(Remedy::Model.trouble()) => "505",
        "connect" if halt.message.starts_with(Remedy::Proxy.trouble()) => "407",
        "404" | "405" if halt.message.starts_with(Remedy::UploadUrl.trouble()) => "upload",
        code => code,
    };
    match code {
        "401" => {
            "set `KIE_API_KEY` to a key that is valid (see https://kie.ai/api-key; it may also be bound to other IP \
             addresses), then run the same command"
        }
        "402" => "top up the account (see https://kie.ai/pricing), then run the same command",
        "307" | "301" | "302" | "303" | "308" => {
            "the server redirects: check `--base-url` and whether a login page of this network is in the way, then run \
             the same command"
        }
        "403" => {
            "something in front of the API refused this machine: try without the proxy or from another network, with \
             the same command"
        }
        "407" => {
            "put the proxy's login into its address (`HTTPS_PROXY=http://name:password@proxy:3128`) or go without the \
             proxy (`NO_PROXY`), then run the same command"
        }
        // Of the failures to connect only a bad certificate halts under this code.
        "connect" => {
            "check `--base-url` and this machine's clock; if a proxy signs the connection, trust its certificate with \
             `--ca-file`; then run the same command"
        }
        "404" | "422" => "the API does not know the model: look for a newer hailuo-batch, then run the same command",
        "433" => {
            "the key has reached its own limit: raise it at https://kie.ai/api-key or wait until it is reset (by the \
             hour or at 00:00 UTC), then run the same command"
        }
        "505" => "Kie.ai has switched the model off: run the same command once it is back",
        "balance" if halt.message.starts_with(BALANCE_UNREAD) => {
            "see that the key is right and that the API answers, or leave `--require-balance` out; then run the same command"
        }
        "balance" => {
            "top up the account (see https://kie.ai/pricing), send fewer rows with `--limit`, or leave \
             `--require-balance` out; then run the same command"
        }
        "upload" => "check `--upload-url` (and `--base-url`, where uploads go else), then run the same command",
        "budget" => "give a larger `--budget`, then run the same command",
        "patience" => {
            "see whether the network and https://kie.ai work, then run the same command; `--patience` says how long a \
             run tries"
        }
        "repeated" => {
            "see whether the message concerns all rows; then correct them and run the same command, or add \
             `--keep-going`"
        }
        "ledger" => "see that the ledger's disk works and has room, then run the same command",
        "retry_after" => "run the same command after that time",
        _ => "run the same command once the cause is gone",
    }
}

/// What to do about the trouble of one row in this state; `None`: nothing, or nobody knows. `code` is the row's error code,
/// empty if it has none.
pub fn row_remedy(state: RowState, code: &str) -> Option<&'static str> {
    let by_code = match code.strip_prefix("http_").unwrap_or(code) {
        "changed" => {
            "change the row back, or run with `--resubmit-changed` to pay for its new content; what is shown is of the earlier one"
        }
        "dropped" => "run with `--retry-rejected=dropped` to send it after all; it may have been paid for already",
        "image" => "see that the image file is there and does not change, then run with `--retry-rejected`",
        "upload" => "see what the message says about the image, then run with `--retry-rejected`",
        "no_record" | "no_result" => {
            "`collect` looks once more; making it anew with `--retry-failed` and this code may pay for it twice"
        }
        "expired" => {
            "the API deletes videos after 14 days: it can only be made anew; give the row another `id` and run again"
        }
        "disk_full" => "make room, or choose a folder on another disk with `--download`, then run `collect` again",
        "download" => "run `collect` again: it goes on where it ended",
        "halted" => "do what the message says, then run again: the row is still queued, and nothing was sent for it",
        "400" | "422" | "501" if state == RowState::Failed => {
            "the API could not use the prompt or the image, or does not allow them: change the row, then run with `--retry-failed`"
        }
        "400" | "404" | "422" if state == RowState::Rejected => {
            "the API does not take what the row says: correct it and run again, or send it as it is with `--retry-rejected`"
        }
        _ => "",
    };
    let by_state = match state {
        _ if !by_code.is_empty() => by_code,
        RowState::Invalid => "correct the row in the manifest, then run again",
        RowState::Rejected => "correct the row and run again, or send it as it is with `--retry-rejected`",
        RowState::Unknown => {
            "it may have been taken and paid for: a callback may still name its task; else decide with `settle`, which \
             never sends it again by itself"
        }
        RowState::Failed => "run with `--retry-failed` to make it anew, as a new task; failed tasks are free as a rule",
        RowState::Succeeded => "run `collect` to save the video before the API deletes it, 14 days after it was made",
        RowState::Queued | RowState::Sending | RowState::Accepted | RowState::Saved => return None,
    };
    Some(by_state)
}

/// `the row`, `the 12 rows`.
fn those(number: u64, noun: &str) -> String {
    match number {
        1 => format!("the {noun}"),
        _ => format!("the {}", counted(number, noun)),
    }
}

/// The run to make again.
fn again(summary: &Summary) -> String {
    match summary.command {
        Command::Collect => format!("`hailuo-batch run {}{}`", selection(summary), place(summary)),
        Command::Run | Command::Check | Command::Status => same(summary),
    }
}

/// The command that was given.
pub(super) fn same(summary: &Summary) -> String {
    if summary.command_line.is_empty() {
        return format!("`hailuo-batch run {}{}`", selection(summary), place(summary));
    }
    // With every option it was given: without its budget or its server it would be another run.
    format!("`hailuo-batch {}`", escape::for_shell(&summary.command_line))
}

/// What keeps a trial a trial when its command is repeated.
fn trial(summary: &Summary) -> &'static str {
    if summary.sandbox { " --sandbox" } else { "" }
}

/// The run to make again, with one option more.
fn again_with(option: &str, summary: &Summary) -> String {
    let run = again(summary);
    match summary.command_line.iter().any(|word| word == option) {
        true => run,
        false => format!("{} {option}`", run.trim_end_matches('`')),
    }
}

/// What leads to the same server.
fn place(summary: &Summary) -> String {
    format!("{}{}", trial(summary), options(&summary.place))
}

/// Words for the shell, with a space before them.
fn options(words: &[String]) -> String {
    match words.is_empty() {
        true => String::new(),
        false => format!(" {}", escape::for_shell(words)),
    }
}

fn command(name: &str, summary: &Summary) -> String {
    format!("`hailuo-batch {name} {}`", selection(summary))
}

fn selection(summary: &Summary) -> String {
    match summary.selection.is_empty() {
        true => "MANIFEST".to_owned(),
        false => escape::for_shell(&summary.selection),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_told_what_to_do_by_its_code_and_else_by_its_state() {
        for (state, code, expected) in [
            (RowState::Invalid, "invalid", Some("correct the row")),
            (RowState::Rejected, "422", Some("correct it and run again")),
            (RowState::Failed, "422", Some("change the row")),
            (RowState::Failed, "500", Some("--retry-failed")),
            (RowState::Failed, "no_record", Some("may pay for it twice")),
            (RowState::Rejected, "dropped", Some("--retry-rejected=dropped")),
            (RowState::Rejected, "image", Some("image file")),
            (RowState::Unknown, "timeout", Some("settle")),
            (RowState::Unknown, "http_502", Some("settle")),
            (RowState::Succeeded, "expired", Some("made anew")),
            (RowState::Succeeded, "", Some("collect")),
            (RowState::Queued, "halted", Some("still queued")),
            (RowState::Accepted, "changed", Some("--resubmit-changed")),
            (RowState::Queued, "connect", None),
            (RowState::Saved, "", None),
        ] {
            let remedy = row_remedy(state, code);
            assert_eq!(remedy.is_some(), expected.is_some(), "{state} {code}: {remedy:?}");
            assert!(
                remedy.unwrap_or_default().contains(expected.unwrap_or_default()),
                "{state} {code}: {remedy:?}"
            );
        }
    }
}
