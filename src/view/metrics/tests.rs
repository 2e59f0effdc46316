use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::view::{Account, Bill, Cause, Cost, Counts, Halt, History, Outcome, Pause, RunSpan, Snapshot, Summary};

fn outcome(of: Step, result: &str, code: &str, count: u64) -> Outcome {
    Outcome {
        of,
        result: result.to_owned(),
        code: code.to_owned(),
        count,
    }
}

fn eventful() -> Overview {
    let distribution = Distribution {
        bins: vec![(0.5, 3), (2.5, 4)],
        beyond: 1,
        sum: 9.25,
        quantiles: Some([0.5, 2.0, 7.0]),
        longest: 7.0,
    };
    Overview {
        at: UnixMillis(1_790_000_000_042),
        name: "shots.csv".to_owned(),
        summary: Summary {
            counts: Counts {
                queued: 5,
                accepted: 2,
                saved: 7,
                ..Counts::default()
            },
            requests: 9,
            retries: 1,
            rate_limited: 1,
            halted: Some(Halt {
                code: "402".to_owned(),
                message: "top up".to_owned(),
            }),
            first_expiry: Some(UnixMillis(1_790_900_000_500)),
            cost: Cost {
                spent_credits: Some(270.000_000_000_000_06),
                bill: Bill {
                    consumed: 210.0,
                    at_work: 60.0,
                    ..Bill::default()
                },
                estimated_credits: Some(150.0),
                account: Some(Account {
                    before: Some(300.0),
                    after: Some(30.0),
                    ..Account::default()
                }),
                ..Cost::default()
            },
            ..Summary::default()
        },
        rate: Rate::ACCOUNT,
        history: History {
            runs: 2,
            last_run: Some(RunSpan {
                started_at: UnixMillis(1_789_999_000_000),
                ended_at: Some(UnixMillis(1_789_999_600_000)),
            }),
            last_accepted_at: Some(UnixMillis(1_789_999_500_000)),
            latency: distribution,
            outcomes: vec![
                outcome(Step::Request, "accepted", "", 7),
                outcome(Step::Request, "again", "429", 1),
                outcome(Step::Request, "unknown", "timeout", 1),
                outcome(Step::Task, "succeeded", "", 7),
            ],
            saved_bytes: 14_000_000,
            ..History::default()
        },
        live: None,
    }
}

#[test]
fn every_figure_has_its_name_its_unit_and_its_meaning() {
    let text = metrics_at_end(&eventful(), Ending::Halted);
    insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

/// The names and labels of all samples.
fn series(text: &str) -> Vec<&str> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

fn value(text: &str, series: &str) -> Option<String> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("hailuo_batch_{series} ")));
    line.map(str::to_owned)
}

#[test]
fn no_sample_is_there_twice_and_each_belongs_to_the_batch() {
    let mut overview = eventful();
    // They look the same in a label.
    overview.history.outcomes.extend([
        outcome(Step::Task, "failed", "a\"b", 2),
        outcome(Step::Task, "failed", "a b", 3),
    ]);
    let text = metrics(&overview);
    let all = series(&text);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert!(
        all.iter().all(|series| series.contains("{batch=\"shots.csv\"")),
        "{all:?}"
    );
    let merged = value(
        &text,
        "task_outcomes{batch=\"shots.csv\",result=\"failed\",code=\"a_b\"}",
    );
    assert_eq!(merged.as_deref(), Some("5"));
}

#[test]
fn text_of_others_cannot_break_out_of_its_label() {
    let mut overview = eventful();
    overview.name = "a\"} 1\n\\shots\u{1b}[2J.csv".to_owned();
    let odd = "4\"} 2\nhailuo_batch_rows 9 更".repeat(9);
    overview.history.outcomes = vec![outcome(Step::Request, "rejected", &odd, 1)];
    overview.summary.halted = Some(Halt {
        code: odd,
        message: String::new(),
    });
    overview.summary.causes = vec![Cause {
        state: RowState::Rejected,
        code: "422".to_owned(),
        message: "a prompt that nobody else should read".to_owned(),
        count: 1,
        first_rows: vec![1],
    }];
    let text = metrics(&overview);
    assert!(!text.contains("a prompt"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once("} ").unwrap();
        assert!(series.contains(r#"{batch="a\"} 1\\n\\shots\\u{1b}[2J.csv""#), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    let code = text.split("code=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(code, "4___2_hailuo_batch_rows_9__4___2_hailuo_");
}

#[test]
fn what_is_not_known_is_absent_and_not_zero() {
    let mut overview = eventful();
    overview.summary.cost = Cost::default();
    overview.summary.first_expiry = None;
    overview.summary.halted = None;
    overview.rate = Rate::Off;
    overview.history.last_run = Some(RunSpan::default());
    let text = metrics(&overview);
    let absent = [
        "credits_spent",
        "credits_queued",
        "account_credits",
        "first_expiry",
        "rate_limit_requests",
        "last_run_end",
        "last_run_exit_code",
    ];
    for name in absent {
        assert!(!text.contains(&format!("hailuo_batch_{name}")), "{name}");
    }
    assert_eq!(
        value(&text, "halted{batch=\"shots.csv\",code=\"\"}").as_deref(),
        Some("0")
    );
}

#[test]
fn buckets_add_up() {
    let text = metrics(&eventful());
    let bucket = |le: &str| {
        value(
            &text,
            &format!("request_duration_seconds_bucket{{batch=\"shots.csv\",le=\"{le}\"}}"),
        )
    };
    assert_eq!(["0.5", "2.5", "+Inf"].map(|le| bucket(le).unwrap()), ["3", "7", "8"]);
    assert_eq!(
        value(&text, "request_duration_seconds_count{batch=\"shots.csv\"}").unwrap(),
        "8"
    );
}

#[test]
fn a_pause_is_known_from_the_run_here_and_from_answers_elsewhere() {
    let paused = |overview: &Overview| {
        let text = metrics(overview);
        ["paused", "pause_remaining_seconds"]
            .map(|name| value(&text, &format!("{name}{{batch=\"shots.csv\"}}")).unwrap())
    };
    let mut overview = eventful();
    assert_eq!(paused(&overview), ["0", "0"]);
    overview.history.timelines = vec![crate::view::Timeline {
        pauses: vec![crate::view::PauseSpan {
            until: UnixMillis(overview.at.0 + 2_500),
            ..Default::default()
        }],
        ..Default::default()
    }];
    assert_eq!(paused(&overview), ["0", "0"], "nobody is at work who would wait");
    overview.summary.at_work = Some("process 7".to_owned());
    assert_eq!(paused(&overview), ["1", "2.5"]);
    overview.live = Some(Snapshot::default());
    assert_eq!(paused(&overview), ["0", "0"]);
    overview.live = Some(Snapshot {
        pause: Some(Pause {
            remaining: Duration::from_millis(1_500),
            reason: "the API answered 429".to_owned(),
        }),
        ..Snapshot::default()
    });
    assert_eq!(paused(&overview), ["1", "1.5"]);
}

#[test]
fn moments_are_written_to_the_millisecond() {
    for (millis, text) in [(0, "0.000"), (1_790_000_000_042, "1790000000.042"), (-1_500, "-1.500")] {
        let overview = Overview {
            at: UnixMillis(millis),
            ..eventful()
        };
        let written = value(&metrics(&overview), "read_timestamp_seconds{batch=\"shots.csv\"}");
        assert_eq!(written.as_deref(), Some(text));
    }
}
