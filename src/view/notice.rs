//! How a command ended, for people who were not there: the text of a notice.
//!
//! Plain lines, harmless for a terminal; what else a chat makes of them is for whoever sends them
//! ([`crate::notify`]).

use std::fmt::{self, Display, Formatter};

use super::hints::hints;
use super::summary::{one_cause, why_halted, write_sent};
use super::wording::{counted, grouped};
use super::{Ending, Summary, collected, money};
use crate::escape;
use crate::row::RowState;

/// Causes of trouble in a notice; the summary names more, the results all.
const CAUSES: usize = 3;

/// Things to do next in a notice, the most pressing.
const HINTS: usize = 3;

/// Longest line, in characters: a hint repeats the command line, and whoever wrote that may have been thorough.
const LINE: usize = 400;

/// Longest name of a batch, in characters.
const NAME: usize = 80;

/// The end of a `command` that has a summary. `name` is what the batch is called: the file name of its manifest.
pub fn notice(command: &str, name: &str, summary: &Summary, ending: Ending) -> String {
    let mut text = title(command, name, ending, summary.sandbox);
    for line in Body(summary).to_string().lines() {
        push(&mut text, line);
    }
    text
}

/// The end of a `command` that could not do its work: `told` is what it said about that, made harmless already.
pub fn notice_of_failure(command: &str, name: &str, ending: Ending, told: &str) -> String {
    let mut text = title(command, name, ending, false);
    for line in told.lines() {
        push(&mut text, line.trim_start());
    }
    text
}

/// `hailuo-batch run shots.csv: halted (exit code 3)`.
fn title(command: &str, name: &str, ending: Ending, sandbox: bool) -> String {
    let name = escape::excerpt(name, NAME);
    let how = match ending {
        Ending::Done => "done",
        Ending::SomeFailed => "ended, and some rows did not make it or are not there yet",
        Ending::Refused => "could not do its work",
        Ending::Halted => "halted",
        Ending::Undecided => "ended, and some rows need a decision",
        Ending::Locked => "did not begin, as another run holds the ledger",
        Ending::Interrupted => "interrupted (SIGINT)",
        Ending::Terminated => "told to end (SIGTERM)",
    };
    let trial = if sandbox { "trial in the sandbox: " } else { "" };
    let code = ending.code();
    format!("hailuo-batch {command} {name}: {trial}{how} (exit code {code})")
}

fn push(text: &mut String, line: &str) {
    text.push('\n');
    text.push_str(&escape::excerpt(line, LINE));
}

/// What stands below the title.
struct Body<'a>(&'a Summary);

impl Display for Body<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let summary = self.0;
        if let Some(halt) = &summary.halted {
            writeln!(formatter, "halted: {}", why_halted(halt))?;
        }
        writeln!(formatter, "{}", counts(summary))?;
        write_sent(summary, formatter)?;
        collected::write(summary, formatter)?;
        collected::write_expiry(summary, formatter)?;
        money::write_spent(summary, formatter)?;
        for cause in summary.causes.iter().take(CAUSES) {
            writeln!(formatter, "{}", one_cause(cause))?;
        }
        match summary.causes.len() {
            0..=CAUSES => {}
            all => writeln!(formatter, "and {}", counted((all - CAUSES) as u64, "other cause"))?,
        }
        for hint in hints(summary).iter().take(HINTS) {
            writeln!(formatter, "help: {hint}")?;
        }
        Ok(())
    }
}

/// `3,412 rows: 3,200 queued, 212 accepted`.
fn counts(summary: &Summary) -> String {
    let states: Vec<String> = RowState::ALL
        .into_iter()
        .map(|state| (state, summary.counts.of(state)))
        .filter(|(_, rows)| *rows > 0)
        .map(|(state, rows)| format!("{} {state}", grouped(rows)))
        .collect();
    let rows = counted(summary.counts.rows(), "row");
    match states.is_empty() {
        true => rows,
        false => format!("{rows}: {}", states.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::view::{Cause, Collected, Cost, Halt, exit_of};

    fn batch(states: &[(RowState, u64)]) -> Summary {
        Summary {
            selection: vec!["shots.csv".into()],
            counts: states.iter().copied().collect(),
            elapsed: Duration::from_secs(140),
            cost: Cost {
                spent_credits: Some(6_360.0),
                usd_per_credit: Some(0.005),
                ..Cost::default()
            },
            results: Some("shots.results.csv".into()),
            ledger: "shots.csv.ledger".into(),
            ..Summary::default()
        }
    }

    fn told(summary: &Summary) -> String {
        notice("run", "shots.csv", summary, exit_of(summary))
    }

    #[test]
    fn a_good_night_is_short() {
        let summary = Summary {
            newly_accepted: 212,
            requests: 214,
            retries: 2,
            collected: Some(Collected {
                saving: true,
                looks: 900,
                succeeded: 212,
                saved: 212,
                saved_bytes: 1_500_000_000,
                ..Collected::default()
            }),
            ..batch(&[(RowState::Saved, 212)])
        };
        insta::assert_snapshot!(told(&summary), @"
        hailuo-batch run shots.csv: done (exit code 0)
        212 rows: 212 saved
        this run: 212 accepted with 214 requests, 2 of them repeated, in 2 min 20 s
        collected: 212 tasks succeeded, 212 videos saved (1.50 GB), with 900 looks
        cost so far: 6,360 credits (31.80 USD)
        help: what became of each row is in `shots.results.csv`
        ");
    }

    #[test]
    fn a_halt_says_why_and_what_to_do() {
        let summary = Summary {
            newly_accepted: 212,
            requests: 213,
            halted: Some(Halt {
                code: "402".into(),
                message: "the account has too few credits".into(),
            }),
            command_line: ["run", "shots.csv", "--budget", "6000"].map(str::to_owned).into(),
            ..batch(&[(RowState::Accepted, 212), (RowState::Queued, 3_200)])
        };
        insta::assert_snapshot!(told(&summary), @"
        hailuo-batch run shots.csv: halted (exit code 3)
        halted: the account has too few credits (402)
        3,412 rows: 3,200 queued, 212 accepted
        this run: 212 accepted with 213 requests, in 2 min 20 s
        cost so far: 6,360 credits (31.80 USD)
        help: top up the account (see https://kie.ai/pricing), then run the same command: `hailuo-batch run shots.csv --budget 6000`
        help: the task ids are in the column `task_id` of `shots.results.csv`
        help: wait for the tasks and save the videos: `hailuo-batch collect shots.csv`
        ");
    }

    #[test]
    fn only_the_first_causes_are_told_and_no_line_is_endless() {
        let cause = |code: &str, message: &str| Cause {
            state: RowState::Rejected,
            code: code.into(),
            message: message.into(),
            count: 2,
            first_rows: vec![1, 2],
        };
        let summary = Summary {
            causes: vec![
                cause("422", &"image ".repeat(100)),
                cause("500", "line\nbreak\u{1b}[2J"),
                cause("501", ""),
                cause("503", ""),
                cause("505", ""),
            ],
            ..batch(&[(RowState::Rejected, 10)])
        };
        let text = told(&summary);
        assert!(text.lines().all(|line| line.chars().count() <= LINE + 1), "{text}");
        insta::assert_snapshot!(text, @r#"
        hailuo-batch run shots.csv: ended, and some rows did not make it or are not there yet (exit code 1)
        10 rows: 10 rejected
        this run: nothing was sent
        2 rejected: 422: image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image image…
        2 rejected: 500: line\nbreak\u{1b}[2J (rows 1, 2)
        2 rejected: 501 (rows 1, 2)
        and 2 other causes
        help: correct the 10 rows that did not make it and run again, or try again without a change: `hailuo-batch run shots.csv --retry-rejected`
        "#);
    }

    #[test]
    fn every_ending_has_its_words() {
        let endings = [
            Ending::Done,
            Ending::SomeFailed,
            Ending::Refused,
            Ending::Halted,
            Ending::Undecided,
            Ending::Locked,
            Ending::Interrupted,
            Ending::Terminated,
        ];
        let titles = endings.map(|ending| title("collect", "shots.csv", ending, ending == Ending::Done));
        insta::assert_snapshot!(titles.join("\n"), @"
        hailuo-batch collect shots.csv: trial in the sandbox: done (exit code 0)
        hailuo-batch collect shots.csv: ended, and some rows did not make it or are not there yet (exit code 1)
        hailuo-batch collect shots.csv: could not do its work (exit code 2)
        hailuo-batch collect shots.csv: halted (exit code 3)
        hailuo-batch collect shots.csv: ended, and some rows need a decision (exit code 4)
        hailuo-batch collect shots.csv: did not begin, as another run holds the ledger (exit code 5)
        hailuo-batch collect shots.csv: interrupted (SIGINT) (exit code 130)
        hailuo-batch collect shots.csv: told to end (SIGTERM) (exit code 143)
        ");
    }

    #[test]
    fn a_failure_repeats_what_was_said() {
        let told = "error: cannot read `shots.csv`\n  because: No such file or directory (os error 2)\n  help: check the path\n";
        insta::assert_snapshot!(notice_of_failure("run", "shots.csv", Ending::Refused, told), @"
        hailuo-batch run shots.csv: could not do its work (exit code 2)
        error: cannot read `shots.csv`
        because: No such file or directory (os error 2)
        help: check the path
        ");
    }
}
