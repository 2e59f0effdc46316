use super::*;
use crate::view::Causes;

fn batch(states: &[(RowState, u64)]) -> Summary {
    Summary {
        selection: vec!["clips.csv".into()],
        counts: states.iter().copied().collect(),
        elapsed: Duration::from_millis(1_700_400),
        cost: Cost {
            spent_credits: Some(95_400.0),
            estimated_credits: Some(600.0),
            usd_per_credit: Some(0.005),
            price_source: Some("kie.ai/pricing, read on 2026-11-22".into()),
            ..Cost::default()
        },
        results: Some("clips.results.csv".into()),
        ledger: "clips.csv.ledger".into(),
        ..Summary::default()
    }
}

fn halted(code: &str, message: &str) -> Summary {
    Summary {
        newly_accepted: 212,
        requests: 213,
        halted: Some(Halt {
            code: code.into(),
            message: message.into(),
        }),
        ..batch(&[(RowState::Accepted, 212), (RowState::Queued, 3_200)])
    }
}

#[test]
fn all_accepted() {
    let summary = Summary {
        newly_accepted: 3_180,
        requests: 3_195,
        retries: 15,
        rate_limited: 3,
        ..batch(&[(RowState::Accepted, 3_180)])
    };
    insta::assert_snapshot!(summary.to_string(), @"
    3,180 rows
      accepted      3,180

    this run: 3,180 accepted with 3,195 requests, 15 of them repeated, 3 answered 429, in 28 min 21 s
    cost so far: 95,400 credits (477.00 USD)
    prices: kie.ai/pricing, read on 2026-11-22

    results: clips.results.csv
    ledger: clips.csv.ledger

    help: the task ids are in the column `task_id` of `clips.results.csv`
    help: wait for the tasks and save the videos: `hailuo-batch collect clips.csv`
    ");
}

#[test]
fn mixed() {
    let mut causes = Causes::default();
    for row in 2..122 {
        causes.add(
            row,
            RowState::Rejected,
            Some("422"),
            Some("image_url is \u{1b}[31mnot reachable"),
        );
    }
    causes.add(700, RowState::Unknown, Some("timeout"), Some("no answer within 120 s"));
    for row in [41, 90] {
        causes.add(row, RowState::Invalid, Some("invalid"), Some("`prompt` is empty"));
    }
    let summary = Summary {
        newly_accepted: 880,
        requests: 1_001,
        causes: causes.top(10),
        cost: Cost::default(),
        ..batch(&[
            (RowState::Accepted, 877),
            (RowState::Rejected, 120),
            (RowState::Unknown, 1),
            (RowState::Invalid, 2),
        ])
    };
    insta::assert_snapshot!(summary.to_string(), @r#"
    1,000 rows
      invalid           2
      accepted        877
      rejected        120
      unknown           1

    this run: 880 accepted with 1,001 requests, in 28 min 21 s
    cost so far: unknown

    why:
      120 rejected: 422: image_url is \u{1b}[31mnot reachable (rows 2, 3, 4, 5, 6, …)
      2 invalid: `prompt` is empty (rows 41, 90)
      1 unknown: timeout: no answer within 120 s (row 700)

    results: clips.results.csv
    ledger: clips.csv.ledger

    help: 1 unknown row may have been taken and paid for; decide what to do about it: `hailuo-batch settle clips.csv`
    help: correct the 2 invalid rows in the manifest, then `hailuo-batch run clips.csv`
    help: correct the 120 rows that did not make it and run again, or try again without a change: `hailuo-batch run clips.csv --retry-rejected`
    help: the task ids are in the column `task_id` of `clips.results.csv`
    help: wait for the tasks and save the videos: `hailuo-batch collect clips.csv`
    "#);
}

#[test]
fn halted_by_402() {
    let summary = halted(
        "402",
        "Credits insufficient : Your current balance isn’t enough to run this request.",
    );
    insta::assert_snapshot!(summary.to_string(), @"
    3,412 rows
      queued        3,200
      accepted        212

    halted: Credits insufficient : Your current balance isn’t enough to run this request. (402)
      note: 3,200 rows are still queued in `clips.csv.ledger`; nothing was lost

    this run: 212 accepted with 213 requests, in 28 min 21 s
    cost so far: 95,400 credits (477.00 USD)
    cost of the queued rows: 600 credits (3.00 USD)
    prices: kie.ai/pricing, read on 2026-11-22

    results: clips.results.csv
    ledger: clips.csv.ledger

    help: top up the account (see https://kie.ai/pricing), then run the same command: `hailuo-batch run clips.csv`
    help: the task ids are in the column `task_id` of `clips.results.csv`
    help: wait for the tasks and save the videos: `hailuo-batch collect clips.csv`
    ");
}

#[test]
fn interrupted() {
    let summary = Summary {
        halted: None,
        interrupted: Some(Signal::Interrupt),
        selection: vec!["--job".into(), "my jobs/nightly.toml".into()],
        ..halted("", "")
    };
    insta::assert_snapshot!(summary.to_string(), @"
    3,412 rows
      queued        3,200
      accepted        212

    interrupted by SIGINT: the requests in flight were finished
      note: 3,200 rows are still queued in `clips.csv.ledger`; nothing was lost

    this run: 212 accepted with 213 requests, in 28 min 21 s
    cost so far: 95,400 credits (477.00 USD)
    cost of the queued rows: 600 credits (3.00 USD)
    prices: kie.ai/pricing, read on 2026-11-22

    results: clips.results.csv
    ledger: clips.csv.ledger

    help: go on with the queued rows: `hailuo-batch run --job 'my jobs/nightly.toml'`
    help: the task ids are in the column `task_id` of `clips.results.csv`
    help: wait for the tasks and save the videos: `hailuo-batch collect --job 'my jobs/nightly.toml'`
    ");
}

#[test]
fn stopped_by_a_limit() {
    let summary = Summary {
        halted: None,
        limited: Some("--limit 212".into()),
        ..halted("", "")
    };
    insta::assert_snapshot!(summary.to_string(), @"
    3,412 rows
      queued        3,200
      accepted        212

    stopped early, as `--limit 212` asked: 3,200 rows are still queued

    this run: 212 accepted with 213 requests, in 28 min 21 s
    cost so far: 95,400 credits (477.00 USD)
    cost of the queued rows: 600 credits (3.00 USD)
    prices: kie.ai/pricing, read on 2026-11-22

    results: clips.results.csv
    ledger: clips.csv.ledger

    help: go on with the queued rows: `hailuo-batch run clips.csv`
    help: the task ids are in the column `task_id` of `clips.results.csv`
    help: wait for the tasks and save the videos: `hailuo-batch collect clips.csv`
    ");
}

#[test]
fn nothing_to_do() {
    let summary = batch(&[(RowState::Saved, 40)]);
    insta::assert_snapshot!(summary.to_string(), @r"
    40 rows
      saved            40

    this run: nothing was sent
    cost so far: 95,400 credits (477.00 USD)
    prices: kie.ai/pricing, read on 2026-11-22

    results: clips.results.csv
    ledger: clips.csv.ledger

    help: the task ids are in the column `task_id` of `clips.results.csv`
    ");
}

#[test]
fn checked() {
    let summary = Summary {
        command: Command::Check,
        estimated_time: Some(Duration::from_millis(1_680_525)),
        results: None,
        ledger: String::new(),
        ..batch(&[(RowState::Queued, 20), (RowState::Invalid, 1)])
    };
    insta::assert_snapshot!(summary.to_string(), @r"
    21 rows
      invalid           1
      queued           20

    cost of the queued rows: 600 credits (3.00 USD)
    time for the queued rows: about 28 min 1 s
    prices: kie.ai/pricing, read on 2026-11-22

    help: send the queued rows with `hailuo-batch run clips.csv`
    help: correct the invalid row in the manifest, then `hailuo-batch run clips.csv`
    ");
}

#[test]
fn json_has_the_keys_of_the_contract() {
    let summary = halted("402", "no credits");
    insta::assert_snapshot!(summary.to_json(), @r#"{"rows":3412,"invalid":0,"queued":3200,"accepted":212,"rejected":0,"unknown":0,"succeeded":0,"failed":0,"saved":0,"sandbox":false,"changed":0,"unknown_elsewhere":0,"extra_tasks":[],"newly_accepted":212,"requests":213,"retries":0,"rate_limited":0,"collected":null,"first_expiry":null,"elapsed_seconds":1700.4,"spent_credits":95400.0,"consumed_credits":0.0,"ended_tasks":0,"untold_tasks":0,"unended_credits":0.0,"unknown_credits":0.0,"estimated_credits":600.0,"balance_before":null,"balance_after":null,"unexplained_credits":null,"usd_per_credit":0.005,"price_source":"kie.ai/pricing, read on 2026-11-22","estimated_seconds":null,"at_work":null,"halted":{"code":"402","message":"no credits"},"interrupted":null,"limited":null,"causes":[],"results":"clips.results.csv","ledger":"clips.csv.ledger","exit_code":3}"#);
    let json: serde_json::Value = serde_json::from_str(&summary.to_json()).unwrap();
    let states = RowState::ALL.iter().filter_map(|state| json[state.as_str()].as_u64());
    assert_eq!(states.sum::<u64>(), json["rows"].as_u64().unwrap());
}

#[test]
fn text_from_outside_cannot_drive_the_terminal() {
    let summary = Summary {
        selection: vec!["a\u{1b}[2J.csv".into()],
        ledger: "b\u{1b}[2J".into(),
        results: Some("c\u{1b}[2J".into()),
        ..halted("4\u{1b}[2J", "d\u{1b}[2J\n\u{202e}")
    };
    let text = summary.to_string();
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
}

#[test]
fn a_trial_stays_a_trial_and_is_not_taken_for_videos() {
    let summary = Summary {
        sandbox: true,
        ..batch(&[(RowState::Invalid, 1), (RowState::Accepted, 11)])
    };
    let text = summary.to_string();
    let (_, help) = text.split_once("\n\nhelp: ").unwrap();
    insta::assert_snapshot!(help, @"
    correct the invalid row in the manifest, then `hailuo-batch run clips.csv --sandbox`
    help: look at `clips.results.csv`; this was a trial: without `--sandbox` and with `KIE_API_KEY` set it is the real thing
    help: wait for the tasks and save the videos: `hailuo-batch collect clips.csv --sandbox`
    ");
}

#[test]
fn rows_that_were_given_up_are_not_offered_for_another_try() {
    let hint = |codes: &[&str]| {
        let mut causes = Causes::default();
        for code in codes {
            causes.add(1, RowState::Rejected, Some(code), None);
        }
        let summary = Summary {
            causes: causes.top(10),
            ..batch(&[(RowState::Rejected, codes.len() as u64)])
        };
        summary.to_string()
    };
    assert!(!hint(&["dropped"]).contains("--retry-rejected"));
    assert!(hint(&["dropped", "422"]).contains("`hailuo-batch run clips.csv --retry-rejected`"));
}
