use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::kie::{EchoedRequest, TaskState};
use crate::row::{ClipLength, Resolution};

/// When the requests of these tests began.
const BEGAN: i64 = 1_790_000_000_000;
const MINUTE: i64 = 60_000;

fn submission(prompt: &str) -> Submission<'static> {
    Submission {
        prompt: prompt.to_owned().into(),
        image_url: "https://img.example.org/a.png".into(),
        length: ClipLength::Six,
        resolution: Resolution::P768,
        nsfw_checker: None,
        image_sha256: None,
        callback_url: None,
    }
}

fn asked(prompt: &str) -> Asked {
    Asked::by(&submission(prompt), "https://img.example.org/a.png".to_owned())
}

/// A row that was sent at `minute`, and given up two minutes later. Its request has the row's number.
fn lost(row_id: i64, prompt: &str, minute: i64) -> LostRow {
    LostRow {
        row_id,
        content: submission(prompt).content(),
        asked: Some(asked(prompt)),
        callback_url: None,
        requests: vec![Request {
            attempt: AttemptId(row_id),
            began_at: UnixMillis(BEGAN + minute * MINUTE),
            given_up_at: Some(UnixMillis(BEGAN + (minute + 2) * MINUTE)),
        }],
    }
}

/// The record of a task that was made at `minute`.
fn record(id: &str, prompt: &str, minute: i64) -> TaskRecord {
    TaskRecord {
        task_id: TaskId::new(id).unwrap(),
        model: MODEL.to_owned(),
        state: TaskState::Waiting,
        result_urls: Vec::new(),
        fail_code: None,
        fail_message: None,
        credits: None,
        created_at: Some(UnixMillis(BEGAN + minute * MINUTE)),
        completed_at: None,
        request: EchoedRequest {
            model: Some(MODEL.to_owned()),
            callback_url: None,
            prompt: Some(prompt.to_owned()),
            image_url: Some("https://img.example.org/a.png".to_owned()),
            duration: Some("6".to_owned()),
            resolution: Some("768P".to_owned()),
        },
    }
}

fn from(row_id: i64, state: RowState) -> Bearing {
    Bearing::Ours(Sender {
        row_id,
        attempt: AttemptId(row_id),
        state,
        asked: Some(asked("boat")),
        task: None,
    })
}

fn verdicts(lost: Vec<LostRow>, records: Vec<(TaskRecord, Bearing)>) -> Vec<Verdict> {
    let mut matcher = Matcher::new(lost);
    for (record, bearing) in &records {
        matcher.add(record, bearing.clone());
    }
    let verdicts = matcher.verdicts();
    let tasks: Vec<_> = verdicts.iter().map(|(task, _)| task.clone()).collect();
    assert_eq!(
        tasks,
        records
            .iter()
            .map(|(record, _)| record.task_id.clone())
            .collect::<Vec<_>>()
    );
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}

fn by_content(lost: Vec<LostRow>, records: Vec<TaskRecord>) -> Vec<Verdict> {
    verdicts(
        lost,
        records.into_iter().map(|record| (record, Bearing::None)).collect(),
    )
}

fn ours(row_id: i64, by: Evidence) -> Verdict {
    Verdict::Ours {
        row_id,
        attempt: AttemptId(row_id),
        by,
    }
}

#[test]
fn one_record_and_one_row() {
    let boat = || lost(1, "boat", 0);
    let other = |change: fn(&mut TaskRecord)| {
        let mut record = record("t", "boat", 1);
        change(&mut record);
        record
    };
    let late = |distance_ms| Verdict::OtherTime {
        rows: vec![1],
        distance_ms,
    };
    let table: [(&str, TaskRecord, Verdict); 14] = [
        ("as it was sent", record("t", "boat", 1), ours(1, Evidence::Content)),
        (
            "five minutes early",
            record("t", "boat", -5),
            ours(1, Evidence::Content),
        ),
        ("five minutes late", record("t", "boat", 7), ours(1, Evidence::Content)),
        ("too early", record("t", "boat", -6), late(Some(-6 * MINUTE))),
        ("too late", record("t", "boat", 62), late(Some(60 * MINUTE))),
        ("no time", other(|record| record.created_at = None), late(None)),
        ("another prompt", record("t", "Boat", 1), Verdict::NotOurs),
        (
            "another image",
            other(|record| record.request.image_url = Some("https://img.example.org/b.png".into())),
            Verdict::NotOurs,
        ),
        (
            "another length",
            other(|record| record.request.duration = Some("10".into())),
            Verdict::NotOurs,
        ),
        (
            "another resolution",
            other(|record| record.request.resolution = Some("1080P".into())),
            Verdict::NotOurs,
        ),
        (
            "no prompt",
            other(|record| record.request.prompt = None),
            Verdict::Untold,
        ),
        (
            "no request at all",
            other(|record| record.request = EchoedRequest::default()),
            Verdict::Untold,
        ),
        (
            "another model",
            other(|record| record.model = "veo3".into()),
            Verdict::OtherModel("veo3".into()),
        ),
        (
            "a model in the request alone",
            other(|record| record.model.clear()),
            ours(1, Evidence::Content),
        ),
    ];
    for (name, record, verdict) in table {
        assert_eq!(by_content(vec![boat()], vec![record]), [verdict], "{name}");
    }
}

#[test]
fn a_callback_url_without_a_token_is_only_ours_if_it_is_the_rows_own() {
    const OWN: &str = "https://me.example.org/hook?clip=1";
    let content = || ours(1, Evidence::Content);
    let table = [
        ("none, of a row without", None, None, content()),
        ("none, of a row with its own", Some(OWN), None, content()),
        ("an empty one", Some(OWN), Some(""), content()),
        ("the row's own, as 0.1.0 sent it", Some(OWN), Some(OWN), content()),
        (
            "somebody else's",
            None,
            Some("https://other-team.example/hook"),
            Verdict::NotOurs,
        ),
        (
            "somebody else's, of a row with its own",
            Some(OWN),
            Some("https://other-team.example/hook"),
            Verdict::NotOurs,
        ),
        (
            "nearly the row's own",
            Some(OWN),
            Some("https://me.example.org/hook?clip=10"),
            Verdict::NotOurs,
        ),
        (
            "with a token of another program",
            Some(OWN),
            Some("https://me.example.org/hook?clip=1&token=x"),
            Verdict::NotOurs,
        ),
        ("no URL at all", None, Some("n/a"), Verdict::NotOurs),
    ];
    for (name, own, repeated, verdict) in table {
        let mut row = lost(1, "boat", 0);
        row.callback_url = own.map(str::to_owned);
        let mut record = record("t", "boat", 1);
        record.request.callback_url = repeated.map(str::to_owned);
        assert_eq!(Bearing::token_of(&record), None, "{name}");
        assert_eq!(by_content(vec![row], vec![record]), [verdict], "{name}");
    }
    // Of equal rows, it is the one's whose URL it is.
    let mut second = lost(2, "boat", 0);
    second.callback_url = Some(OWN.to_owned());
    let mut record = record("t", "boat", 1);
    record.request.callback_url = Some(OWN.to_owned());
    assert_eq!(
        by_content(vec![lost(1, "boat", 0), second], vec![record]),
        [ours(2, Evidence::Content)]
    );
}

#[test]
fn a_token_is_proof_for_rows_without_a_task() {
    let boat = |minute| record("t", "boat", minute);
    let other_task = Bearing::Ours(Sender {
        row_id: 1,
        attempt: AttemptId(1),
        state: RowState::Saved,
        asked: None,
        task: Some("first".into()),
    });
    let table = [
        ("unknown", boat(0), from(1, RowState::Unknown), ours(1, Evidence::Token)),
        // The token is stronger than the clock, and than what is left of the request.
        (
            "far off",
            boat(9_999),
            from(1, RowState::Unknown),
            ours(1, Evidence::Token),
        ),
        (
            "untold",
            TaskRecord {
                request: EchoedRequest::default(),
                ..boat(0)
            },
            from(1, RowState::Unknown),
            ours(1, Evidence::Token),
        ),
        (
            "queued again",
            boat(0),
            from(1, RowState::Queued),
            ours(1, Evidence::Token),
        ),
        (
            "given up",
            boat(0),
            from(1, RowState::Rejected),
            ours(1, Evidence::Token),
        ),
        (
            "queued and edited",
            record("t", "an earlier boat", 0),
            from(1, RowState::Queued),
            Verdict::Outdated { row_id: 1 },
        ),
        (
            "has a task",
            boat(0),
            other_task,
            Verdict::Extra {
                row_id: 1,
                task: "first".into(),
            },
        ),
        ("of another ledger", boat(0), Bearing::Foreign, Verdict::NotOurs),
        (
            "another model",
            TaskRecord {
                model: "veo3".into(),
                ..boat(0)
            },
            from(1, RowState::Unknown),
            Verdict::OtherModel("veo3".into()),
        ),
    ];
    for (name, record, bearing, verdict) in table {
        assert_eq!(
            verdicts(vec![lost(1, "boat", 0)], vec![(record, bearing)]),
            [verdict],
            "{name}"
        );
    }
}

#[test]
fn two_tasks_of_one_row_are_left_to_the_user() {
    let several = || Verdict::Several {
        rows: vec![1],
        rivals: 1,
    };
    let records = || vec![record("s", "boat", 0), record("t", "boat", 1)];
    assert_eq!(by_content(vec![lost(1, "boat", 0)], records()), [several(), several()]);
    let claims = records().into_iter().map(|record| (record, from(1, RowState::Unknown)));
    assert_eq!(
        verdicts(vec![lost(1, "boat", 0)], claims.collect()),
        [several(), several()]
    );
}

#[test]
fn what_a_token_explains_is_explained() {
    let [token, fits] = [record("s", "boat", 0), record("t", "boat", 1)];
    let records = vec![(fits, Bearing::None), (token, from(1, RowState::Unknown))];
    let extra = Verdict::Extra {
        row_id: 1,
        task: "s".into(),
    };
    assert_eq!(
        verdicts(vec![lost(1, "boat", 0)], records.clone()),
        [extra, ours(1, Evidence::Token)]
    );
    // With a second row there is one left that it fits.
    assert_eq!(
        verdicts(vec![lost(1, "boat", 0), lost(2, "boat", 0)], records),
        [ours(2, Evidence::Content), ours(1, Evidence::Token)]
    );
}

#[test]
fn equal_rows_share_what_fits_them() {
    let rows = || vec![lost(1, "boat", 0), lost(2, "boat", 0)];
    let records = |minutes: &[i64]| -> Vec<TaskRecord> {
        let record = |(index, minute): (usize, &i64)| record(&format!("t{index}"), "boat", *minute);
        minutes.iter().enumerate().map(record).collect()
    };
    let content = |row_id| ours(row_id, Evidence::Content);
    assert_eq!(by_content(rows(), records(&[1, 0])), [content(2), content(1)]);
    assert_eq!(by_content(rows(), records(&[1])), [content(1)]);
    let several = Verdict::Several {
        rows: vec![1, 2],
        rivals: 2,
    };
    assert_eq!(by_content(rows(), records(&[0, 1, 2])), vec![several; 3]);
    // Times tell them apart, and the row that can only have the one task gets it.
    let rows = || vec![lost(1, "boat", 0), lost(2, "boat", 60)];
    assert_eq!(by_content(rows(), records(&[61, 1])), [content(2), content(1)]);
    let mut long = rows();
    long[0].requests[0].given_up_at = Some(UnixMillis(BEGAN + 62 * MINUTE));
    assert_eq!(by_content(long, records(&[10, 61])), [content(1), content(2)]);
}

#[test]
fn rows_that_differ_in_what_no_record_repeats_are_told_apart_by_nobody() {
    let mut checked = lost(2, "boat", 0);
    checked.content = Submission {
        nsfw_checker: Some(true),
        ..submission("boat")
    }
    .content();
    let several = Verdict::Several {
        rows: vec![1, 2],
        rivals: 0,
    };
    assert_eq!(
        by_content(vec![lost(1, "boat", 0), checked], vec![record("t", "boat", 0)]),
        [several]
    );
}

#[test]
fn a_row_may_have_been_taken_by_any_of_its_requests() {
    let mut twice = lost(1, "boat", 0);
    twice.requests.push(Request {
        attempt: AttemptId(9),
        began_at: UnixMillis(BEGAN + 60 * MINUTE),
        given_up_at: None,
    });
    let attempt = |minute| match by_content(vec![twice.clone()], vec![record("t", "boat", minute)])[..] {
        [Verdict::Ours { attempt, .. }] => Some(attempt.0),
        _ => None,
    };
    // Of a run that died nobody knows when it gave up.
    assert_eq!(
        [1, 30, 61, 75, 76].map(attempt),
        [Some(1), None, Some(9), Some(9), None]
    );
}

#[test]
fn a_row_whose_image_the_api_cannot_know_fits_nothing() {
    let mut local = lost(1, "boat", 0);
    local.asked = None;
    assert_eq!(
        by_content(vec![local], vec![record("t", "boat", 0)]),
        [Verdict::NotOurs]
    );
}

/// A row: what it asks for, its hidden setting, when it was sent, and perhaps which callback URL it has of its own.
type Row = (u8, bool, i64, Option<u8>);

/// A record: what it asks for, when it was made, perhaps which row's token it bears, and perhaps which callback URL it
/// has, without a token.
type Record = (u8, i64, Option<usize>, Option<u8>);

fn hook(of: u8) -> String {
    format!("https://hooks.example.org/{of}")
}

fn prompt(kind: u8) -> String {
    format!("clip {kind}")
}

fn rows_of(rows: &[Row]) -> Vec<LostRow> {
    let row = |(index, (kind, checked, minute, own)): (usize, &Row)| {
        let row_id = i64::try_from(index).unwrap() + 1;
        let content = Submission {
            nsfw_checker: checked.then_some(true),
            ..submission(&prompt(*kind))
        }
        .content();
        LostRow {
            content,
            callback_url: own.map(hook),
            ..lost(row_id, &prompt(*kind), *minute)
        }
    };
    rows.iter().enumerate().map(row).collect()
}

fn records_of(records: &[Record], rows: &[Row]) -> Vec<(TaskRecord, Bearing)> {
    let record = |(index, (kind, minute, bears, url)): (usize, &Record)| {
        let bearing = match bears.filter(|row| *row < rows.len()) {
            Some(row) => from(i64::try_from(row).unwrap() + 1, RowState::Unknown),
            None => Bearing::None,
        };
        let mut record = record(&format!("t{index}"), &prompt(*kind), *minute);
        record.request.callback_url = url.map(hook);
        (record, bearing)
    };
    records.iter().enumerate().map(record).collect()
}

fn some_rows() -> impl Strategy<Value = Vec<Row>> {
    let own = prop::option::weighted(0.3, 0..2u8);
    prop::collection::vec((0..3u8, prop::bool::weighted(0.1), 0..40i64, own), 0..8)
}

fn some_records() -> impl Strategy<Value = Vec<Record>> {
    let token = prop::option::weighted(0.2, 0..8usize);
    let url = prop::option::weighted(0.3, 0..3u8);
    prop::collection::vec((0..4u8, -10..50i64, token, url), 0..10)
}

proptest! {
    #[test]
    fn no_row_gets_two_tasks_and_none_that_does_not_fit(rows in some_rows(), records in some_records()) {
        let lost = rows_of(&rows);
        let records = records_of(&records, &rows);
        let mut taken = HashSet::new();
        for ((record, bearing), verdict) in records.iter().zip(verdicts(lost.clone(), records.clone())) {
            let Verdict::Ours { row_id, attempt, by } = verdict else { continue };
            prop_assert!(taken.insert(row_id), "row {} twice", row_id);
            let row = lost.iter().find(|row| row.row_id == row_id).unwrap();
            let request = row.requests.iter().find(|request| request.attempt == attempt).unwrap();
            match by {
                Evidence::Content => {
                    prop_assert_eq!(Asked::in_record(record), row.asked.clone());
                    prop_assert!(request.fits(record.created_at.unwrap()));
                    prop_assert_eq!(bearing, &Bearing::None);
                    let url = &record.request.callback_url;
                    prop_assert!(url.is_none() || *url == row.callback_url, "{:?}", url);
                }
                Evidence::Token => prop_assert_eq!(bearing, &from(row_id, RowState::Unknown)),
            }
        }
    }

    /// Records that are not about these rows: of another model, of another ledger or program, of rows nobody lost.
    #[test]
    fn unrelated_records_change_nothing(
        rows in some_rows(),
        records in some_records(),
        unrelated in prop::collection::vec((0..4usize, 0..3u8, 0..40i64, any::<prop::sample::Index>()), 1..6),
    ) {
        let alone = records_of(&records, &rows);
        let mut among = alone.clone();
        for (number, (why, kind, minute, place)) in unrelated.into_iter().enumerate() {
            let mut stranger = record(&format!("stranger{number}"), &prompt(kind), minute);
            let mut bearing = Bearing::None;
            match why {
                0 => stranger.model = "veo3".to_owned(),
                1 => bearing = Bearing::Foreign,
                2 => stranger.request.callback_url = Some("https://other-team.example/hook".to_owned()),
                _ => stranger.request.prompt = Some("not of this batch".to_owned()),
            }
            among.insert(place.index(among.len() + 1), (stranger, bearing));
        }
        let of = |records: Vec<(TaskRecord, Bearing)>| -> HashMap<String, Verdict> {
            let tasks: Vec<String> = records.iter().map(|(record, _)| record.task_id.to_string()).collect();
            tasks.into_iter().zip(verdicts(rows_of(&rows), records)).collect()
        };
        let mut with_strangers = of(among);
        with_strangers.retain(|task, verdict| {
            let is_stranger = task.starts_with("stranger");
            assert!(!is_stranger || !matches!(verdict, Verdict::Ours { .. } | Verdict::Several { .. }));
            !is_stranger
        });
        prop_assert_eq!(of(alone), with_strangers);
    }

    #[test]
    fn the_order_of_the_ids_makes_no_difference(rows in some_rows(), records in some_records()) {
        let forth = records_of(&records, &rows);
        let back: Vec<_> = forth.iter().rev().cloned().collect();
        let accepted = |records: Vec<(TaskRecord, Bearing)>| -> HashMap<String, i64> {
            let tasks: Vec<String> = records.iter().map(|(record, _)| record.task_id.to_string()).collect();
            let ours = |verdict| match verdict {
                Verdict::Ours { row_id, .. } => Some(row_id),
                _ => None,
            };
            let verdicts = verdicts(rows_of(&rows), records).into_iter().map(ours);
            tasks.into_iter().zip(verdicts).filter_map(|(task, row)| Some((task, row?))).collect()
        };
        prop_assert_eq!(accepted(forth), accepted(back));
    }
}
