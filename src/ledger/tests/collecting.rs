//! From an accepted task to a video on disk, and what callbacks can do on the way.

use super::*;
use crate::ledger::{Announced, Announcement, FIRST_LOOK, NotSaved, SavedVideo, Seen, Sighting, Tasks, Unsaved};

/// Later than anything that is planned here.
const SOON: UnixMillis = UnixMillis(5_000_000_000_000);

fn sighting(row_id: i64, task_id: &TaskId, claim: Option<AttemptId>, seen: Seen) -> Sighting {
    Sighting {
        row_id,
        task_id: task_id.clone(),
        claim,
        at: UnixMillis(10_000),
        seen,
    }
}

fn succeeded(at: i64) -> Seen {
    Seen::Succeeded {
        url: "https://files.example.org/a.mp4".into(),
        credits: Some(28.5),
        completed_at: UnixMillis(at),
    }
}

fn failed() -> Seen {
    Seen::Failed {
        code: "400".into(),
        message: "the image could not be fetched".into(),
        credits: Some(0.0),
        completed_at: UnixMillis(8_000),
    }
}

fn announcement(attempt: AttemptId, task_id: &str) -> Announcement {
    Announcement {
        attempt,
        token: Token([1; 16]),
        task_id: task(task_id),
    }
}

/// The rows' tasks that are due, by the number of their row.
async fn due(writer: &Writer, now: UnixMillis) -> Vec<(u32, String)> {
    let due = writer.due(now, 100).await.unwrap();
    due.now
        .iter()
        .map(|open| (open.number, open.task_id.to_string()))
        .collect()
}

/// Sends row `row_id` to `result`, and returns the attempt.
async fn send(writer: &Writer, row_id: i64, result: AttemptResult) -> AttemptId {
    let attempt = writer.begin(intent(row_id)).await.unwrap().unwrap();
    writer.finish(ending(row_id, attempt, result)).await.unwrap();
    attempt
}

#[tokio::test]
async fn a_task_is_looked_at_when_it_is_due_and_its_video_fetched_the_oldest_first() {
    let batch = Batch::new();
    batch.import(&[A, B, C]);
    let (writer, thread) = batch.writer();
    for (row_id, id) in [(1, "a"), (2, "b"), (3, "c")] {
        send(&writer, row_id, AttemptResult::Accepted(task(id))).await;
    }
    // Planned by the clock of planning, and not by the moment that the answer is recorded with.
    let early = writer.due(Wall::System.now(), 9).await.unwrap();
    let first_look = early.next.unwrap();
    assert!(early.now.is_empty() && first_look <= Wall::System.now().after(FIRST_LOOK));
    let first_look = first_look.after(std::time::Duration::from_secs(60));
    assert_eq!(
        writer.due(first_look, 2).await.unwrap().now.len(),
        2,
        "no more than asked for"
    );

    let later = first_look.after(std::time::Duration::from_secs(60));
    let at_work = Seen::AtWork { due_at: later };
    let state = writer.seen(sighting(1, &task("a"), None, at_work)).await.unwrap();
    assert_eq!(state, Some(RowState::Accepted));
    writer
        .seen(sighting(2, &task("b"), None, succeeded(9_000)))
        .await
        .unwrap();
    writer
        .seen(sighting(3, &task("c"), None, succeeded(8_000)))
        .await
        .unwrap();
    let due_then = writer.due(UnixMillis(later.0 - 1), 9).await.unwrap();
    assert_eq!((due_then.now.len(), due_then.next), (0, Some(later)));
    assert_eq!(due(&writer, later).await, [(1, "a".into())]);

    let to_save = writer.to_save(SOON, 9).await.unwrap();
    let numbers: Vec<u32> = to_save.now.iter().map(|unsaved: &Unsaved| unsaved.number).collect();
    assert_eq!((numbers, to_save.next), (vec![3, 2], None));
    writer
        .not_saved(NotSaved {
            row_id: 3,
            task_id: task("c"),
            code: "download".into(),
            message: "the line broke".into(),
            again_at: Some(UnixMillis(SOON.0 + 5)),
        })
        .await
        .unwrap();
    writer
        .saved(SavedVideo {
            row_id: 2,
            task_id: task("b"),
            file: "videos/b.mp4".into(),
            bytes: 9,
            sha256: [7; 32],
        })
        .await
        .unwrap();
    let to_save = writer.to_save(SOON, 9).await.unwrap();
    assert_eq!((to_save.now.len(), to_save.next), (0, Some(UnixMillis(SOON.0 + 5))));
    drop(writer);
    drop(thread.join().unwrap());
    assert_eq!(
        batch.states(),
        [RowState::Accepted, RowState::Saved, RowState::Succeeded]
    );

    let money = Reader::open(&batch.path).unwrap().money().unwrap();
    assert_eq!((money.consumed, money.ended, money.at_work), (57.0, 2, 30.0));
    assert_eq!(Reader::open(&batch.path).unwrap().spent().unwrap(), (87.0, 0));

    let mut store = batch.store();
    assert_eq!(store.fetch_missing(|file| file == "videos/b.mp4").unwrap(), 0);
    assert_eq!(store.fetch_missing(|_| false).unwrap(), 1);
    drop(store);
    assert_eq!(batch.states()[1], RowState::Succeeded);
}

#[tokio::test]
async fn an_end_is_final_and_a_look_at_another_task_changes_nothing() {
    let batch = Batch::new();
    batch.import(&[A, B]);
    let (writer, thread) = batch.writer();
    send(&writer, 1, AttemptResult::Accepted(task("a"))).await;
    let (a, b) = (task("a"), task("b"));
    let ended = writer.seen(sighting(1, &a, None, failed())).await.unwrap();
    assert_eq!(ended, Some(RowState::Failed));
    for (task_id, seen) in [
        (&a, succeeded(9_000)),
        (&a, Seen::AtWork { due_at: SOON }),
        (&b, succeeded(9_000)),
    ] {
        assert_eq!(writer.seen(sighting(1, task_id, None, seen)).await.unwrap(), None);
    }
    // A row that is not accepted takes no task without a claim.
    assert_eq!(
        writer.seen(sighting(2, &b, None, succeeded(9_000))).await.unwrap(),
        None
    );
    drop(writer);
    drop(thread.join().unwrap());
    assert_eq!(batch.states(), [RowState::Failed, RowState::Queued]);
    assert_eq!(
        Reader::open(&batch.path).unwrap().spent().unwrap(),
        (0.0, 0),
        "failed tasks are free"
    );
}

#[tokio::test]
async fn looks_that_bring_no_record_are_counted_until_one_does() {
    let batch = Batch::new();
    batch.import(&[A]);
    let (writer, thread) = batch.writer();
    send(&writer, 1, accepted()).await;
    let t = task("t");
    let doubtful = || Seen::Doubtful { due_at: UnixMillis(1) };
    for _ in 0..2 {
        writer.seen(sighting(1, &t, None, doubtful())).await.unwrap();
    }
    let open = writer.due(SOON, 1).await.unwrap().now.remove(0);
    assert_eq!((open.doubt_since, open.doubt_looks), (Some(UnixMillis(10_000)), 2));
    let at_work = Seen::AtWork { due_at: UnixMillis(2) };
    writer.seen(sighting(1, &t, None, at_work)).await.unwrap();
    let open = writer.due(SOON, 1).await.unwrap().now.remove(0);
    assert_eq!((open.doubt_since, open.doubt_looks), (None, 0));
    drop(writer);
    thread.join().unwrap();
}

#[tokio::test]
async fn a_callback_makes_its_task_due_and_changes_nothing_else() {
    let batch = Batch::new();
    batch.import(&[A]);
    let (writer, thread) = batch.writer();
    let attempt = send(&writer, 1, accepted()).await;
    let t = task("t");
    let later = Seen::AtWork { due_at: SOON };
    writer.seen(sighting(1, &t, None, later)).await.unwrap();
    let now = UnixMillis(6_000);
    assert_eq!(due(&writer, now).await, [], "not before its time");

    let forged = Announcement {
        token: Token([2; 16]),
        ..announcement(attempt, "t")
    };
    assert_eq!(writer.announce(forged).await.unwrap(), Announced::NoSuchRequest);
    let stranger = announcement(AttemptId(99), "t");
    assert_eq!(writer.announce(stranger).await.unwrap(), Announced::NoSuchRequest);
    assert_eq!(due(&writer, now).await, []);

    for _ in 0..2 {
        let announced = writer.announce(announcement(attempt, "t")).await.unwrap();
        assert_eq!(announced, Announced::Due);
        assert_eq!(due(&writer, now).await, [(1, "t".into())]);
    }
    writer.seen(sighting(1, &t, None, succeeded(7_000))).await.unwrap();
    let late = writer.announce(announcement(attempt, "t")).await.unwrap();
    assert_eq!(late, Announced::Known);
    let extra = writer.announce(announcement(attempt, "other")).await.unwrap();
    assert_eq!(extra, Announced::Extra { number: Some(1) });
    assert_eq!(due(&writer, SOON).await, []);
    drop(writer);
    drop(thread.join().unwrap());
    assert_eq!(batch.states(), [RowState::Succeeded]);
    let attempts = Reader::open(&batch.path).unwrap().attempts(1).unwrap();
    assert_eq!(attempts[0].announced.as_deref(), Some("other"));
}

/// In whatever order a callback and the loss of the answer come, the row ends up with its task.
#[tokio::test]
async fn a_row_without_an_answer_gets_its_task_from_a_callback_once_its_record_is_there() {
    for callback_first in [true, false] {
        let batch = Batch::new();
        batch.import(&[A]);
        let (writer, thread) = batch.writer();
        let attempt = writer.begin(intent(1)).await.unwrap().unwrap();
        let lost = ending(1, attempt, AttemptResult::Unknown);
        let call = announcement(attempt, "found");
        let (claim, found) = (Some(attempt), task("found"));
        if callback_first {
            assert_eq!(writer.announce(call).await.unwrap(), Announced::Due);
            // Its answer may still come.
            let seen = sighting(1, &found, claim, succeeded(7_000));
            assert_eq!(writer.seen(seen).await.unwrap(), None);
            writer.finish(lost).await.unwrap();
        } else {
            writer.finish(lost).await.unwrap();
            assert_eq!(writer.announce(call).await.unwrap(), Announced::Due);
        }
        let open = writer.due(SOON, 9).await.unwrap().now.remove(0);
        assert_eq!(open.claim.map(|claim| claim.attempt), claim);
        for nothing in [Seen::Nothing { due_at: SOON }, Seen::Doubtful { due_at: SOON }] {
            assert_eq!(writer.seen(sighting(1, &found, claim, nothing)).await.unwrap(), None);
        }
        let seen = sighting(1, &found, claim, succeeded(7_000));
        assert_eq!(writer.seen(seen).await.unwrap(), Some(RowState::Succeeded));
        drop(writer);
        drop(thread.join().unwrap());
        let attempts = Reader::open(&batch.path).unwrap().attempts(1).unwrap();
        assert_eq!(attempts[0].result.as_deref(), Some("accepted"));
        assert_eq!(attempts[0].credits, Some(28.5));
    }
}

#[tokio::test]
async fn an_announced_task_that_is_not_ours_is_forgotten() {
    let batch = Batch::new();
    batch.import(&[A]);
    let (writer, thread) = batch.writer();
    let attempt = send(&writer, 1, AttemptResult::Unknown).await;
    writer.announce(announcement(attempt, "foreign")).await.unwrap();
    let seen = sighting(1, &task("foreign"), Some(attempt), Seen::NotOurs);
    assert_eq!(writer.seen(seen).await.unwrap(), None);
    assert_eq!(due(&writer, SOON).await, []);
    drop(writer);
    drop(thread.join().unwrap());
    assert_eq!(batch.states(), [RowState::Unknown]);
}

/// A request answered with an error and taken all the same: the row is not sent again, though it was queued for it.
#[tokio::test]
async fn a_queued_row_that_turns_out_to_be_taken_is_not_sent_again() {
    let batch = Batch::new();
    batch.import(&[A]);
    let (writer, thread) = batch.writer();
    let attempt = send(&writer, 1, AttemptResult::Again { counts: true }).await;
    assert_eq!(writer.queued(0, 9).await.unwrap().len(), 1, "read ahead");
    writer.announce(announcement(attempt, "ghost")).await.unwrap();
    let at_work = Seen::AtWork { due_at: SOON };
    let state = writer
        .seen(sighting(1, &task("ghost"), Some(attempt), at_work))
        .await
        .unwrap();
    assert_eq!(state, Some(RowState::Accepted));
    assert_eq!(writer.begin(intent(1)).await.unwrap(), None);
    drop(writer);
    drop(thread.join().unwrap());
    assert_eq!(Reader::open(&batch.path).unwrap().totals().unwrap().requests, 1);
}

#[tokio::test]
async fn failed_rows_are_sent_again_by_their_own_word_only_and_the_earlier_task_stays() {
    let batch = Batch::new();
    batch.import(&[A, B]);
    let (writer, thread) = batch.writer();
    send(&writer, 1, AttemptResult::Accepted(task("a"))).await;
    writer.seen(sighting(1, &task("a"), None, failed())).await.unwrap();
    send(&writer, 2, AttemptResult::Rejected).await;
    drop(writer);
    drop(thread.join().unwrap());
    let codes = |codes: &[&str]| Requeue {
        retry_failed: Some(codes.iter().map(|code| (*code).to_owned()).collect()),
        ..Requeue::default()
    };
    assert_eq!(batch.import_with(&[A, B], codes(&["500"])).requeued, 0);
    assert_eq!(batch.import_with(&[A, B], codes(&[])).requeued, 1);
    assert_eq!(batch.states(), [RowState::Queued, RowState::Rejected]);
    batch.answer_all(accepted()).await;
    let attempts = Reader::open(&batch.path).unwrap().attempts(1).unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!(
        (attempts[0].ended.as_deref(), attempts[0].credits),
        (Some("failed"), Some(0.0))
    );
}

/// A callback is late, and the row has been queued again by the user's word: what it had before is not what is wanted.
#[tokio::test]
async fn a_late_callback_does_not_give_a_row_back_the_task_it_had_before() {
    let batch = Batch::new();
    batch.import(&[(Some("1"), "a boat"), (Some("2"), "a bird")]);
    let (writer, thread) = batch.writer();
    let failed_one = send(&writer, 1, AttemptResult::Accepted(task("a"))).await;
    writer.seen(sighting(1, &task("a"), None, failed())).await.unwrap();
    let refused_one = send(&writer, 2, AttemptResult::Rejected).await;
    drop(writer);
    drop(thread.join().unwrap());
    let retry = Requeue {
        retry_failed: Some(Vec::new()),
        ..Requeue::default()
    };
    batch.import_with(&[(Some("1"), "a boat"), (Some("2"), "an owl")], retry);
    assert_eq!(batch.states(), [RowState::Queued, RowState::Queued]);

    let (writer, thread) = batch.writer();
    let late = writer.announce(announcement(failed_one, "a")).await.unwrap();
    assert_eq!(late, Announced::Known, "its end was known before");
    let ghost = writer.announce(announcement(refused_one, "bird")).await.unwrap();
    assert_eq!(
        ghost,
        Announced::Extra { number: Some(2) },
        "made of the row's earlier content"
    );
    assert_eq!(due(&writer, SOON).await, []);
    send(&writer, 1, AttemptResult::Accepted(task("a2"))).await;
    let newer = send(&writer, 2, AttemptResult::Unknown).await;
    let found = writer.announce(announcement(newer, "owl")).await.unwrap();
    assert_eq!(found, Announced::Due);
    assert!(due(&writer, SOON).await.contains(&(2, "owl".into())));
    drop(writer);
    thread.join().unwrap();
}

#[tokio::test]
async fn every_accepted_row_is_due_when_a_collector_starts_and_a_clock_set_back_delays_none() {
    let batch = Batch::new();
    batch.import(&[A, B]);
    let (writer, thread) = batch.writer();
    let attempt = send(&writer, 1, AttemptResult::Unknown).await;
    assert_eq!(attempt.0, 1);
    send(&writer, 2, accepted()).await;
    let far = Seen::AtWork {
        due_at: UnixMillis(SOON.0 + 86_400_000),
    };
    writer.seen(sighting(2, &task("t"), None, far)).await.unwrap();
    drop(writer);
    let mut store = thread.join().unwrap();
    store
        .settle(1, &Decision::Accept(task("told")), UnixMillis(3_000))
        .unwrap();
    store.prepare_collecting(true, SOON).unwrap();
    drop(store);
    let (writer, thread) = batch.writer();
    assert_eq!(due(&writer, SOON).await.len(), 2);
    drop(writer);
    thread.join().unwrap();
}

#[test]
fn a_ledger_of_the_first_format_is_brought_up_to_date_and_nothing_in_it_is_lost() {
    let batch = Batch::new();
    let connection = Connection::open(&batch.path).unwrap();
    connection.execute_batch(include_str!("format-1.sql")).unwrap();
    connection
        .execute_batch(
            "PRAGMA application_id = 1212957233; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;
             INSERT INTO meta VALUES ('realm', 'api');
             INSERT INTO rows (key, content, submission, state, task_id, submitted_at)
                 VALUES (x'01', x'02', '{}', 'accepted', 'old', 77);
             INSERT INTO manifest VALUES (1, 2, 1, '[]', NULL);",
        )
        .unwrap();
    drop(connection);
    assert!(matches!(Reader::open(&batch.path), Err(LedgerError::Older { .. })));
    let mut store = batch.store();
    store.prepare_collecting(false, SOON).unwrap();
    let due = crate::ledger::collecting::due(&store.connection, SOON, 9).unwrap();
    assert_eq!(due.now[0].task_id, task("old"));

    // Both ways lead to the same tables.
    let shape = |connection: &Connection| -> Vec<(String, String)> {
        let mut statement = connection
            .prepare("SELECT m.name, c.name || ' ' || c.type FROM sqlite_schema m, pragma_table_info(m.name) c ORDER BY 1, 2")
            .unwrap();
        let columns = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        columns.map(Result::unwrap).collect()
    };
    let fresh = Batch::new();
    assert_eq!(shape(&store.connection), shape(&fresh.store().connection));
}

/// What can happen to a request whose task exists.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// Its answer is recorded, or its loss.
    Reply,
    /// The callback comes.
    Callback,
    /// Whoever collects looks at what is due.
    Look,
    /// The process dies, and another one opens the ledger.
    Crash,
}

/// Looks at everything that is due, as a collector would: all of it has succeeded.
async fn look(writer: &Writer) {
    for open in writer.due(SOON, 9).await.unwrap().now {
        let claim = open.claim.map(|claim| claim.attempt);
        let seen = sighting(open.row_id, &open.task_id, claim, succeeded(7_000));
        writer.seen(seen).await.unwrap();
    }
}

#[tokio::test]
async fn reply_callback_look_and_crash_lead_to_the_same_end_in_whatever_order_they_come() {
    let steps = [Step::Reply, Step::Callback, Step::Look, Step::Crash];
    let orders = (0..256).map(|n| [n & 3, (n >> 2) & 3, (n >> 4) & 3, n >> 6].map(|index| steps[index]));
    let permutations: Vec<_> = orders
        .filter(|order| steps.iter().all(|step| order.contains(step)))
        .collect();
    assert_eq!(permutations.len(), 24);
    for order in permutations {
        for answer in [AttemptResult::Accepted(task("t")), AttemptResult::Unknown] {
            let batch = Batch::new();
            batch.import(&[A]);
            let (mut writer, mut thread) = batch.writer();
            let attempt = writer.begin(intent(1)).await.unwrap().unwrap();
            let mut is_alive = true;
            for step in order {
                match step {
                    // A process that died records nothing.
                    Step::Reply if is_alive => writer.finish(ending(1, attempt, answer.clone())).await.unwrap(),
                    Step::Reply => {}
                    Step::Callback => {
                        writer.announce(announcement(attempt, "t")).await.unwrap();
                    }
                    Step::Look => look(&writer).await,
                    Step::Crash => {
                        is_alive = false;
                        drop(writer);
                        drop(thread.join().unwrap());
                        let mut store = batch.store();
                        store.recover(UnixMillis(9_000)).unwrap();
                        store.prepare_collecting(false, SOON).unwrap();
                        (writer, thread) = store.into_writer(1).unwrap();
                    }
                }
            }
            look(&writer).await;
            drop(writer);
            drop(thread.join().unwrap());
            assert_eq!(batch.states(), [RowState::Succeeded], "{order:?} {answer:?}");
            let attempts = Reader::open(&batch.path).unwrap().attempts(1).unwrap();
            assert_eq!((attempts.len(), attempts[0].task_id.as_deref()), (1, Some("t")));
            assert_eq!(attempts[0].result.as_deref(), Some("accepted"), "{order:?} {answer:?}");
        }
    }
}

/// A callback has named its task, and the API could not be asked yet: not even the user's word sends such a row again.
#[tokio::test]
async fn a_row_whose_task_a_callback_has_named_is_not_sent_before_it_was_looked_at() {
    for after in [AttemptResult::Unknown, AttemptResult::Again { counts: true }] {
        let batch = Batch::new();
        batch.import(&[A]);
        let (writer, thread) = batch.writer();
        let attempt = send(&writer, 1, after.clone()).await;
        assert_eq!(
            writer.announce(announcement(attempt, "t")).await.unwrap(),
            Announced::Due
        );
        drop(writer);
        drop(thread.join().unwrap());
        let resubmit = Requeue {
            resubmit_unknown: true,
            ..Requeue::default()
        };
        batch.import_with(&[A], resubmit);
        let mut store = batch.store();
        store.settle(1, &Decision::Resubmit, UnixMillis(7_000)).unwrap();
        drop(store);
        assert_eq!(Reader::open(&batch.path).unwrap().announced_rows().unwrap(), 1);

        let (writer, thread) = batch.writer();
        assert_eq!(writer.queued(0, 9).await.unwrap(), []);
        assert_eq!(writer.begin(intent(1)).await.unwrap(), None);
        let not_ours = sighting(1, &task("t"), Some(attempt), Seen::NotOurs);
        writer.seen(not_ours).await.unwrap();
        assert!(
            writer.begin(intent(1)).await.unwrap().is_some(),
            "{after:?}: it was another's"
        );
        drop(writer);
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn one_announcement_that_is_not_ours_does_not_hide_another() {
    let batch = Batch::new();
    batch.import(&[A]);
    let (writer, thread) = batch.writer();
    let first = send(&writer, 1, AttemptResult::Again { counts: true }).await;
    let second = send(&writer, 1, AttemptResult::Unknown).await;
    writer.announce(announcement(first, "mine")).await.unwrap();
    writer.announce(announcement(second, "bogus")).await.unwrap();
    assert_eq!(due(&writer, SOON).await, [(1, "bogus".into())]);
    // Looks without a record are counted for it, too.
    let doubtful = Seen::Doubtful { due_at: UnixMillis(1) };
    writer
        .seen(sighting(1, &task("bogus"), Some(second), doubtful))
        .await
        .unwrap();
    assert_eq!(writer.due(SOON, 9).await.unwrap().now[0].doubt_looks, 1);
    writer
        .seen(sighting(1, &task("bogus"), Some(second), Seen::NotOurs))
        .await
        .unwrap();
    let open = writer.due(SOON, 9).await.unwrap().now.remove(0);
    assert_eq!((open.task_id, open.doubt_looks), (task("mine"), 0));
    drop(writer);
    thread.join().unwrap();
}

#[tokio::test]
async fn a_task_given_up_for_want_of_a_record_can_come_back() {
    let batch = Batch::new();
    batch.import(&[A]);
    let (writer, thread) = batch.writer();
    let attempt = send(&writer, 1, accepted()).await;
    let gone = Seen::Failed {
        code: "no_record".into(),
        message: "the API has no record of this task".into(),
        credits: None,
        completed_at: UnixMillis(8_000),
    };
    writer.seen(sighting(1, &task("t"), None, gone.clone())).await.unwrap();
    assert_eq!(
        writer.announce(announcement(attempt, "t")).await.unwrap(),
        Announced::Due
    );
    writer.seen(sighting(1, &task("t"), None, gone)).await.unwrap();
    drop(writer);
    drop(thread.join().unwrap());
    let retry = |codes: &[&str]| Requeue {
        retry_failed: Some(codes.iter().map(|code| (*code).to_owned()).collect()),
        ..Requeue::default()
    };
    assert_eq!(
        batch.import_with(&[A], retry(&[])).requeued,
        0,
        "only by its name: it may have been paid for"
    );
    let mut store = batch.store();
    store.prepare_collecting(false, SOON).unwrap();
    drop(store);
    assert_eq!(batch.states(), [RowState::Failed], "until a record says otherwise");
    let (writer, thread) = batch.writer();
    assert_eq!(due(&writer, SOON).await, [(1, "t".into())]);
    let t = task("t");
    for nothing in [
        Seen::Nothing { due_at: UnixMillis(1) },
        Seen::Doubtful { due_at: UnixMillis(1) },
    ] {
        assert_eq!(writer.seen(sighting(1, &t, None, nothing)).await.unwrap(), None);
        assert_eq!(due(&writer, SOON).await, [(1, "t".into())]);
    }
    let found = writer.seen(sighting(1, &t, None, succeeded(9_000))).await.unwrap();
    assert_eq!(found, Some(RowState::Succeeded));
    drop(writer);
    drop(thread.join().unwrap());
    assert_eq!(batch.states(), [RowState::Succeeded]);
}

/// A task that the row had and that is known to have failed is not what a callback of another request named.
#[tokio::test]
async fn a_retried_row_is_not_given_back_the_task_it_was_settled_with() {
    let batch = Batch::new();
    batch.import(&[A]);
    let (writer, thread) = batch.writer();
    let first = send(&writer, 1, AttemptResult::Again { counts: true }).await;
    let second = send(&writer, 1, AttemptResult::Unknown).await;
    writer.announce(announcement(second, "x")).await.unwrap();
    writer
        .seen(sighting(1, &task("x"), Some(second), failed()))
        .await
        .unwrap();
    writer.announce(announcement(first, "p")).await.unwrap();
    drop(writer);
    drop(thread.join().unwrap());
    let retry = Requeue {
        retry_failed: Some(Vec::new()),
        ..Requeue::default()
    };
    assert_eq!(batch.import_with(&[A], retry).requeued, 1);
    let (writer, thread) = batch.writer();
    assert_eq!(due(&writer, SOON).await, [(1, "p".into())], "that one is paid for, too");
    drop(writer);
    thread.join().unwrap();
}

#[tokio::test]
async fn rows_that_left_the_manifest_are_settled_by_callbacks_and_not_waited_for() {
    let batch = Batch::new();
    batch.import(&[A, B, C]);
    let (writer, thread) = batch.writer();
    let lost = send(&writer, 1, AttemptResult::Unknown).await;
    send(&writer, 2, AttemptResult::Accepted(task("b"))).await;
    send(&writer, 3, AttemptResult::Accepted(task("c"))).await;
    drop(writer);
    drop(thread.join().unwrap());
    batch.import(&[C]);
    let mut store = batch.store();
    store.prepare_collecting(true, SOON).unwrap();
    drop(store);
    let (writer, thread) = batch.writer();
    assert_eq!(writer.announce(announcement(lost, "a")).await.unwrap(), Announced::Due);
    assert_eq!(due(&writer, SOON).await, [(0, "a".into()), (1, "c".into())]);
    let state = writer
        .seen(sighting(1, &task("a"), Some(lost), Seen::AtWork { due_at: SOON }))
        .await;
    assert_eq!(state.unwrap(), Some(RowState::Accepted));
    assert_eq!(due(&writer, SOON).await, [(1, "c".into())]);
    drop(writer);
    thread.join().unwrap();
    assert_eq!(
        Reader::open(&batch.path)
            .unwrap()
            .standing_apart()
            .unwrap()
            .unknown_elsewhere,
        0
    );
}

/// A row whose task a callback has named is known again under another id: its content is not new.
#[tokio::test]
async fn a_row_with_an_announced_task_is_known_again_when_its_id_changes() {
    let batch = Batch::new();
    batch.import(&[(Some("a"), "a boat")]);
    let (writer, thread) = batch.writer();
    let attempt = send(&writer, 1, AttemptResult::Again { counts: true }).await;
    writer.announce(announcement(attempt, "t")).await.unwrap();
    drop(writer);
    drop(thread.join().unwrap());
    let stats = batch.import(&[(Some("b"), "a boat")]);
    assert_eq!((stats.new, stats.renamed), (0, 1));
    let (writer, thread) = batch.writer();
    assert_eq!(
        writer.queued(0, 9).await.unwrap(),
        [],
        "not sent before its record was read"
    );
    assert_eq!(due(&writer, SOON).await, [(1, "t".into())]);
    drop(writer);
    thread.join().unwrap();
}
