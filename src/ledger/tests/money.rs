//! The bill over all runs, and the account around one of them.

use super::*;
use crate::ledger::{Account, Announced, Announcement, Balance, Money, Seen, Sighting, Tasks};

/// One look at the task of row `row_id` that shows its end.
async fn see(writer: &Writer, row_id: i64, task_id: &str, succeeds: bool, credits: Option<f64>) {
    let completed_at = UnixMillis(4_000);
    let seen = match succeeds {
        true => Seen::Succeeded {
            url: "https://files.example.org/a.mp4".into(),
            credits,
            completed_at,
        },
        false => Seen::Failed {
            code: "501".into(),
            message: "generation failed".into(),
            credits,
            completed_at,
        },
    };
    let sighting = Sighting {
        row_id,
        task_id: task(task_id),
        claim: None,
        at: UnixMillis(5_000),
        seen,
    };
    writer.seen(sighting).await.unwrap().unwrap();
}

async fn send(writer: &Writer, row_id: i64, result: AttemptResult) {
    let attempt = writer.begin(intent(row_id)).await.unwrap().unwrap();
    writer.finish(ending(row_id, attempt, result)).await.unwrap();
}

fn reader(batch: &Batch) -> Reader {
    Reader::open(&batch.path).unwrap()
}

#[tokio::test]
async fn every_request_stands_in_the_bill_under_what_is_known_of_it() {
    let batch = Batch::new();
    let lines = ["a", "b", "c", "d", "e", "f"].map(|prompt| (None, prompt));
    batch.import(&lines);
    let (writer, thread) = batch.writer();
    for (row_id, id) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        send(&writer, row_id, AttemptResult::Accepted(task(id))).await;
    }
    send(&writer, 5, AttemptResult::Unknown).await;
    send(&writer, 6, AttemptResult::Rejected).await;
    see(&writer, 1, "a", true, Some(28.5)).await;
    see(&writer, 2, "b", true, None).await;
    see(&writer, 3, "c", false, Some(0.0)).await;
    drop(writer);
    drop(thread.join().unwrap());
    let expected = Money {
        consumed: 58.5,
        // The failed one was free, so that its price says nothing about the prices.
        consumed_by_price: 60.0,
        ended: 3,
        untold: 1,
        at_work: 30.0,
        working: 1,
        unknown: 30.0,
        unanswered: 1,
        ..Money::default()
    };
    assert_eq!(reader(&batch).money().unwrap(), expected);
    assert_eq!(
        reader(&batch).spent().unwrap(),
        (118.5, 0),
        "what a budget counts is the sum"
    );
}

#[tokio::test]
async fn a_task_that_its_row_went_on_without_is_not_at_work_for_ever() {
    let batch = Batch::new();
    batch.import(&[(Some("x"), "a boat"), B]);
    let (writer, thread) = batch.writer();
    send(&writer, 1, AttemptResult::Accepted(task("a"))).await;
    send(&writer, 2, AttemptResult::Accepted(task("b"))).await;
    drop(writer);
    drop(thread.join().unwrap());
    let resubmit = Requeue {
        resubmit_changed: true,
        ..Requeue::default()
    };
    let edited = (Some("x"), "a ship");
    assert_eq!(batch.import_with(&[edited, B], resubmit).edited, 1);
    let queued_again = Money {
        at_work: 30.0,
        working: 1,
        unwatched: 30.0,
        unwatched_tasks: 1,
        ..Money::default()
    };
    assert_eq!(reader(&batch).money().unwrap(), queued_again);

    let (writer, thread) = batch.writer();
    send(&writer, 1, AttemptResult::Accepted(task("again"))).await;
    drop(writer);
    drop(thread.join().unwrap());
    let sent_again = Money {
        at_work: 60.0,
        working: 2,
        ..queued_again
    };
    assert_eq!(reader(&batch).money().unwrap(), sent_again);
    assert_eq!(
        reader(&batch).spent().unwrap(),
        (90.0, 0),
        "it was paid for all the same"
    );
}

#[tokio::test]
async fn a_task_that_no_row_has_is_paid_for_perhaps() {
    let batch = Batch::new();
    batch.import(&[A, B]);
    let mut store = batch.store();
    let run = store.begin_run(Wall::System, "http://127.0.0.1:1/").unwrap();
    store.note_balance(run, Balance::Before, 1_000.0).unwrap();
    let (writer, thread) = store.into_writer(run).unwrap();
    let announce = async |attempt, id| {
        let announcement = Announcement {
            attempt,
            token: Token([1; 16]),
            task_id: task(id),
        };
        let extra = writer.announce(announcement).await.unwrap();
        assert!(matches!(extra, Announced::Extra { .. }), "{extra:?}");
    };
    // The first request was answered with an error and made a task all the same; the second was accepted.
    let refused = writer.begin(intent(1)).await.unwrap().unwrap();
    let again = AttemptResult::Again { counts: true };
    writer.finish(ending(1, refused, again)).await.unwrap();
    send(&writer, 1, AttemptResult::Accepted(task("a"))).await;
    announce(refused, "x").await;
    // An answer that was lost counts already; its task adds nothing to that.
    let lost = writer.begin(intent(2)).await.unwrap().unwrap();
    writer
        .finish(ending(2, lost, AttemptResult::UnknownResubmitted))
        .await
        .unwrap();
    send(&writer, 2, AttemptResult::Accepted(task("b"))).await;
    let before = (reader(&batch).spent().unwrap(), reader(&batch).money().unwrap());
    announce(lost, "y").await;
    drop(writer);
    drop(thread.join().unwrap());

    let reader = reader(&batch);
    let extra: Vec<String> = reader.extra_tasks(9).unwrap().into_iter().map(|(_, id)| id).collect();
    assert_eq!(extra, [task("x"), task("y")].map(|id| id.to_string()));
    let money = reader.money().unwrap();
    let expected = Money {
        at_work: 60.0,
        working: 2,
        unknown: 60.0,
        extra: 2,
        ..Money::default()
    };
    assert_eq!(money, expected);
    assert_eq!((before.1.unknown, before.1.unanswered, before.1.extra), (60.0, 1, 1));
    assert_eq!((before.0, reader.spent().unwrap()), ((120.0, 0), (120.0, 0)));
    assert_eq!(reader.account().unwrap().unwrap().unknown, 60.0);
}

#[tokio::test]
async fn a_failed_row_that_is_sent_again_pays_in_the_run_that_sends_it() {
    let batch = Batch::new();
    batch.import(&[A, B]);
    assert_eq!(reader(&batch).account().unwrap(), None);
    let mut store = batch.store();
    let first = store.begin_run(Wall::System, "http://127.0.0.1:1/").unwrap();
    store.note_balance(first, Balance::Before, 1_000.0).unwrap();
    let (writer, thread) = store.into_writer(first).unwrap();
    send(&writer, 1, AttemptResult::Accepted(task("a"))).await;
    send(&writer, 2, AttemptResult::Unknown).await;
    drop(writer);
    let mut store = thread.join().unwrap();
    store.note_balance(first, Balance::After, 940.0).unwrap();
    drop(store);
    let after_sending = Account {
        before: Some(1_000.0),
        after: Some(940.0),
        accepted: Some(30.0),
        unknown: 30.0,
        is_latest: true,
    };
    assert_eq!(reader(&batch).account().unwrap(), Some(after_sending));

    // A later run collects: the task failed, and its credits came back after the balance was read.
    let (writer, thread) = batch.writer();
    see(&writer, 1, "a", false, Some(0.0)).await;
    drop(writer);
    let mut store = thread.join().unwrap();
    let collected = |accepted| Account {
        accepted: Some(accepted),
        is_latest: false,
        ..after_sending
    };
    // `see` lets tasks end at 4,000. Of a run whose end is not known, neither is what came before it.
    assert_eq!(reader(&batch).account().unwrap(), Some(collected(30.0)));
    for (ended_at, accepted) in [(3_999, 30.0), (4_000, 0.0)] {
        store.end_run(first, UnixMillis(ended_at), None).unwrap();
        assert_eq!(
            reader(&batch).account().unwrap(),
            Some(collected(accepted)),
            "{ended_at}"
        );
    }
    drop(store);

    let retry = Requeue {
        retry_failed: Some(Vec::new()),
        ..Requeue::default()
    };
    assert_eq!(batch.import_with(&[A, B], retry).requeued, 1);
    let mut store = batch.store();
    let third = store.begin_run(Wall::System, "http://127.0.0.1:1/").unwrap();
    store.note_balance(third, Balance::Before, 970.0).unwrap();
    let (writer, thread) = store.into_writer(third).unwrap();
    send(&writer, 1, AttemptResult::Accepted(task("again"))).await;
    see(&writer, 1, "again", true, Some(27.0)).await;
    drop(writer);
    drop(thread.join().unwrap());
    let retried = Account {
        before: Some(970.0),
        after: None,
        accepted: Some(27.0),
        unknown: 0.0,
        is_latest: true,
    };
    assert_eq!(reader(&batch).account().unwrap(), Some(retried));
    let costs: Vec<_> = reader(&batch)
        .attempts(1)
        .unwrap()
        .into_iter()
        .map(|attempt| (attempt.task_id.unwrap(), attempt.cost, attempt.credits))
        .collect();
    let expected = [("a", 0.0), ("again", 27.0)].map(|(id, credits)| (id.to_owned(), Some(30.0), Some(credits)));
    assert_eq!(costs, expected);
    assert_eq!(reader(&batch).spent().unwrap(), (57.0, 0));
}

#[test]
fn the_estimate_of_a_limited_run_counts_its_own_rows() {
    let batch = Batch::new();
    batch.import(&[A, (Some("broken"), ""), B, C]);
    let rows = |most| -> u64 {
        let kinds = reader(&batch).queued_by_kind(most).unwrap();
        kinds.iter().map(|(_, _, rows)| rows).sum()
    };
    assert_eq!([rows(None), rows(Some(2)), rows(Some(9)), rows(Some(0))], [3, 2, 3, 0]);
}
