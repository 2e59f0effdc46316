//! The ledger as dispatch and the commands use it, on real files.

mod collecting;
mod money;

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::clock::{UnixMillis, Wall};
use crate::ledger::{
    AttemptId, AttemptResult, Decision, Ending, ImportRow, ImportStats, Intent, Ledger, LedgerError, Reader, Realm,
    Refusal, Requeue, Settled, Store, Writer, lock,
};
use crate::row::{ClipLength, Resolution, RowKey, RowState, Submission, TaskId, Token};

/// A ledger in a folder of its own, and the manifest it is fed.
struct Batch {
    _folder: TempDir,
    path: PathBuf,
}

/// One line of a manifest: its id and its prompt; an empty prompt is invalid.
type Line = (Option<&'static str>, &'static str);

impl Batch {
    fn new() -> Batch {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shots.csv.ledger");
        Batch { _folder: folder, path }
    }

    fn store(&self) -> Store {
        Store::open(&self.path, Realm::Api).unwrap()
    }

    /// The ledger in the hands of a run.
    fn writer(&self) -> (Writer, JoinHandle<Store>) {
        let mut store = self.store();
        let run = store.begin_run(Wall::System, "http://127.0.0.1:1/").unwrap();
        store.into_writer(run).unwrap()
    }

    fn import(&self, lines: &[Line]) -> ImportStats {
        self.import_with(lines, Requeue::default())
    }

    fn import_with(&self, lines: &[Line], requeue: Requeue) -> ImportStats {
        let mut store = self.store();
        let mut import = store.import(requeue).unwrap();
        for (index, (id, prompt)) in lines.iter().enumerate() {
            let submission = submission(prompt);
            let copies = lines[..index]
                .iter()
                .filter(|line| line.0.is_none() && line.1 == *prompt)
                .count();
            let key = match id {
                Some(id) => Some(RowKey::of_id(id)),
                None if prompt.is_empty() => None,
                None => Some(RowKey::of_content(submission.content(), u32::try_from(copies).unwrap())),
            };
            let number = u32::try_from(index).unwrap() + 1;
            let valid = !prompt.is_empty();
            let row = ImportRow {
                number,
                line: number + 1,
                id: *id,
                key,
                submission: valid.then_some(&submission),
                cells: "[]",
                problem: (!valid).then_some("`prompt` is blank"),
                outcome: None,
            };
            import.row(&row).unwrap();
        }
        import.finish(&[], ("fingerprint", "same")).unwrap()
    }

    /// Runs every queued row to `result`.
    async fn answer_all(&self, result: AttemptResult) -> Vec<u32> {
        self.answer(result, 1_000).await
    }

    /// Runs the first `most` queued rows to `result`.
    async fn answer(&self, result: AttemptResult, most: usize) -> Vec<u32> {
        let (writer, thread) = self.writer();
        let mut sent = Vec::new();
        for (index, row) in writer.queued(0, most).await.unwrap().into_iter().enumerate() {
            let attempt = writer.begin(intent(row.row_id)).await.unwrap().unwrap();
            let result = match &result {
                AttemptResult::Accepted(id) => AttemptResult::Accepted(task(&format!("{id}-{}-{index}", attempt.0))),
                other => other.clone(),
            };
            writer.finish(ending(row.row_id, attempt, result)).await.unwrap();
            sent.push(row.number);
        }
        drop(writer);
        thread.join().unwrap();
        sent
    }

    fn states(&self) -> Vec<RowState> {
        let mut states = Vec::new();
        Reader::open(&self.path)
            .unwrap()
            .for_each_row(|row| {
                states.push(row.state);
                Ok::<_, LedgerError>(())
            })
            .unwrap();
        states
    }
}

fn submission(prompt: &str) -> Submission<'static> {
    Submission {
        prompt: prompt.to_owned().into(),
        image_url: "https://img.example.org/a.png".into(),
        image_sha256: None,
        length: ClipLength::Six,
        resolution: Resolution::P768,
        nsfw_checker: None,
        callback_url: None,
    }
}

fn task(id: &str) -> TaskId {
    TaskId::new(id).unwrap()
}

fn intent(row_id: i64) -> Intent {
    Intent {
        row_id,
        token: Token([1; 16]),
        at: UnixMillis(1_000),
        cost: Some(30.0),
    }
}

fn ending(row_id: i64, attempt: AttemptId, result: AttemptResult) -> Ending {
    let (code, message) = match &result {
        AttemptResult::Rejected => ("422", "Invalid parameter"),
        AttemptResult::Unknown | AttemptResult::UnknownResubmitted => ("timeout", "no answer"),
        _ => ("", ""),
    };
    Ending {
        row_id,
        attempt,
        at: UnixMillis(2_000),
        result,
        http_status: Some(200),
        code: code.into(),
        message: message.into(),
        pause_until: None,
    }
}

fn accepted() -> AttemptResult {
    AttemptResult::Accepted(task("t"))
}

const A: Line = (None, "a boat");
const B: Line = (None, "a bird");
const C: Line = (None, "a bell");

#[tokio::test]
async fn an_edited_manifest_sends_only_what_is_new() {
    let batch = Batch::new();
    assert_eq!(batch.import(&[A, B]).new, 2);
    assert_eq!(batch.answer_all(accepted()).await, [1, 2]);
    // Inserted at the top, sorted, one deleted and one doubled: what is known stays known.
    for lines in [&[C, A, B][..], &[B, A, C], &[C, B], &[C, B, B, A]] {
        batch.import(lines);
    }
    assert_eq!(
        batch.answer_all(accepted()).await,
        [1, 3],
        "the new bell and the second bird"
    );
    let stats = batch.import(&[C]);
    assert_eq!((stats.new, stats.gone), (0, 3));
    assert_eq!(batch.answer_all(accepted()).await, [0u32; 0]);
}

#[tokio::test]
async fn a_changed_row_is_sent_again_only_if_it_was_never_taken_or_the_user_says_so() {
    let batch = Batch::new();
    batch.import(&[(Some("1"), "a boat"), (Some("2"), "a bird")]);
    batch.answer_all(accepted()).await;
    let stats = batch.import(&[(Some("1"), "a ship"), (Some("2"), "a bird")]);
    assert_eq!((stats.changed, stats.changed_places[0].id.as_deref()), (1, Some("1")));
    assert!(batch.answer_all(accepted()).await.is_empty());

    let resubmit = Requeue {
        resubmit_changed: true,
        ..Requeue::default()
    };
    let stats = batch.import_with(&[(Some("1"), "a ship"), (Some("2"), "a bird")], resubmit);
    assert_eq!((stats.changed, stats.edited), (0, 1));
    assert_eq!(batch.answer_all(AttemptResult::Rejected).await, [1]);

    let stats = batch.import(&[(Some("1"), "a ferry"), (Some("2"), "")]);
    assert_eq!(
        (stats.edited, stats.changed),
        (1, 1),
        "the refused row goes again, the paid one is only reported"
    );
    assert_eq!(batch.answer_all(accepted()).await, [1]);
    assert_eq!(batch.states(), [RowState::Accepted, RowState::Accepted]);
}

#[tokio::test]
async fn gaining_or_losing_the_id_column_pays_for_nothing_again() {
    let batch = Batch::new();
    batch.import(&[A, B]);
    batch.answer_all(accepted()).await;
    assert_eq!(
        batch
            .import(&[(Some("x"), A.1), (Some("y"), B.1), (Some("z"), C.1)])
            .new,
        1
    );
    assert_eq!(batch.answer_all(accepted()).await, [3]);
    assert_eq!(batch.import(&[A, B, C]).new, 0);
}

#[tokio::test]
async fn rejected_rows_are_retried_by_code_and_dropped_ones_only_by_name() {
    let batch = Batch::new();
    batch.import(&[A, B]);
    batch.answer_all(AttemptResult::Rejected).await;
    let retry = |codes: &[&str]| Requeue {
        retry_rejected: Some(codes.iter().map(|code| (*code).to_owned()).collect()),
        ..Requeue::default()
    };
    assert_eq!(batch.import_with(&[A, B], retry(&["500"])).requeued, 0);
    assert_eq!(batch.import_with(&[A, B], retry(&["422"])).requeued, 2);
    batch.answer_all(AttemptResult::Unknown).await;
    assert_eq!(
        batch.store().settle(1, &Decision::Drop, UnixMillis(0)).unwrap(),
        Settled::Now(RowState::Rejected)
    );
    assert_eq!(
        batch.import_with(&[A, B], retry(&[])).requeued,
        0,
        "a dropped row may have been taken"
    );
    let stats = batch.import(&[(None, "a boat"), B]);
    assert_eq!(stats.edited, 0);
    assert_eq!(batch.import_with(&[A, B], retry(&["dropped"])).requeued, 1);
}

#[tokio::test]
async fn unknown_rows_wait_for_a_decision() {
    let batch = Batch::new();
    batch.import(&[A, B, C]);
    batch.answer_all(AttemptResult::Unknown).await;
    batch.import(&[A, B, C]);
    assert!(batch.answer_all(accepted()).await.is_empty());
    let mut store = batch.store();
    let mut settle = |row_id, decision| store.settle(row_id, &decision, UnixMillis(5)).unwrap();
    assert_eq!(
        settle(1, Decision::Accept(task("found"))),
        Settled::Now(RowState::Accepted)
    );
    assert_eq!(settle(1, Decision::Resubmit), Settled::NotUnknown(RowState::Accepted));
    assert_eq!(settle(2, Decision::Accept(task("found"))), Settled::TaskIdTaken);
    assert_eq!(settle(2, Decision::Resubmit), Settled::Now(RowState::Queued));
    assert_eq!(settle(9, Decision::Drop), Settled::NoSuchRow);
    drop(store);
    assert_eq!(batch.answer_all(accepted()).await, [2]);
    let resubmit = Requeue {
        resubmit_unknown: true,
        ..Requeue::default()
    };
    assert_eq!(batch.import_with(&[A, B, C], resubmit).requeued, 1);
}

#[tokio::test]
async fn a_record_that_proves_a_request_was_taken_brings_back_rows_that_were_queued_or_given_up() {
    let batch = Batch::new();
    batch.import(&[A, B, C]);
    batch.answer_all(AttemptResult::Unknown).await;
    let mut store = batch.store();
    let found = |id: &str, attempt| Decision::Found {
        task: task(id),
        attempt: AttemptId(attempt),
    };
    let mut settle = |row_id, decision: &Decision| store.settle(row_id, decision, UnixMillis(5_000)).unwrap();
    settle(2, &Decision::Resubmit);
    settle(3, &Decision::Drop);
    for (row_id, state) in [
        (1, RowState::Accepted),
        (2, RowState::Accepted),
        (3, RowState::Accepted),
    ] {
        assert_eq!(
            settle(row_id, &found(&format!("t{row_id}"), row_id)),
            Settled::Now(state)
        );
    }
    assert_eq!(settle(1, &found("other", 1)), Settled::NotUnknown(RowState::Accepted));
    drop(store);
    let reader = Reader::open(&batch.path).unwrap();
    let attempt = reader.attempts(2).unwrap().remove(0);
    assert_eq!(
        (attempt.id, attempt.result.as_deref(), attempt.task_id.as_deref()),
        (AttemptId(2), Some("accepted"), Some("t2"))
    );
    let mut seen = Vec::new();
    reader
        .row(3, |row| {
            seen.push((row.number, row.submitted_at, row.error_code.map(str::to_owned)));
            Ok::<_, LedgerError>(())
        })
        .unwrap();
    // The task is as old as the request.
    assert_eq!(seen, [(3, Some(UnixMillis(1_000)), None)]);
}

#[tokio::test]
async fn the_task_belongs_to_the_request_that_is_named_and_not_to_the_last_one() {
    let batch = Batch::new();
    batch.import(&[A]);
    batch.answer_all(AttemptResult::UnknownResubmitted).await;
    batch.answer_all(AttemptResult::Unknown).await;
    let decision = Decision::Found {
        task: task("first"),
        attempt: AttemptId(1),
    };
    batch.store().settle(1, &decision, UnixMillis(5_000)).unwrap();
    let attempts = Reader::open(&batch.path).unwrap().attempts(1).unwrap();
    let results: Vec<_> = attempts.iter().map(|attempt| attempt.result.as_deref()).collect();
    assert_eq!(results, [Some("accepted"), Some("unknown")]);
}

#[tokio::test]
async fn tasks_requests_and_images_can_be_looked_up() {
    let batch = Batch::new();
    batch.import(&[A, B]);
    batch.answer(AttemptResult::Accepted(task("t")), 1).await;
    batch.answer(AttemptResult::Unknown, 1).await;
    let connection = Connection::open(&batch.path).unwrap();
    let local = |row_id: i64, hash: &str| {
        let sql = "UPDATE rows SET submission = json_set(submission, '$.image_sha256', ?2) WHERE row_id = ?1";
        connection.execute(sql, (row_id, hash)).unwrap()
    };
    connection
        .execute(
            "INSERT INTO uploads VALUES (unhex(?1), 'https://files.example.org/a.png', 1)",
            ["ab".repeat(32)],
        )
        .unwrap();
    let reader = Reader::open(&batch.path).unwrap();
    let image = || reader.image_url(2).unwrap();
    assert_eq!(image().as_deref(), Some("https://img.example.org/a.png"));
    local(2, &"ab".repeat(32));
    assert_eq!(image().as_deref(), Some("https://files.example.org/a.png"));
    local(2, &"cd".repeat(32));
    assert_eq!(image(), None);

    let mut tasks = Vec::new();
    reader
        .for_each_task(|task_id, row_id| tasks.push((task_id.to_owned(), row_id)))
        .unwrap();
    assert_eq!(tasks, vec![("t-1-0".to_owned(), 1); 2]);
    let bearer = reader.bearer(AttemptId(1)).unwrap().unwrap();
    assert_eq!(
        (bearer.row_id, bearer.token, bearer.task_id.as_deref()),
        (1, Token([1; 16]), Some("t-1-0"))
    );
    assert_eq!(reader.bearer(AttemptId(2)).unwrap().unwrap().task_id, None);
    assert_eq!(reader.bearer(AttemptId(9)).unwrap(), None);
}

#[tokio::test]
async fn a_row_left_sending_becomes_unknown_and_still_counts_as_spent() {
    let batch = Batch::new();
    batch.import(&[A, B]);
    let (writer, thread) = batch.writer();
    writer.begin(intent(1)).await.unwrap();
    drop(writer);
    let mut store = thread.join().unwrap();
    let recovered = store.recover(UnixMillis(9_000)).unwrap();
    assert_eq!((recovered.left_sending, recovered.from_reserve), (1, 0));
    assert_eq!(store.last_attempts(20).unwrap()[0].answered_at, None);
    drop(store);
    assert_eq!(batch.states(), [RowState::Unknown, RowState::Queued]);
    let reader = Reader::open(&batch.path).unwrap();
    assert_eq!(reader.spent().unwrap(), (30.0, 0));
    assert_eq!(reader.attempts(1).unwrap()[0].result.as_deref(), Some("unknown"));
}

/// A batch whose first row was accepted as a task that only the reserve file knows.
async fn with_an_orphan() -> Batch {
    let batch = Batch::new();
    batch.import(&[A, B]);
    let (writer, thread) = batch.writer();
    let attempt = writer.begin(intent(1)).await.unwrap().unwrap();
    break_attempts(&batch.path);
    let finish = writer
        .finish(ending(1, attempt, AttemptResult::Accepted(task("precious"))))
        .await;
    assert!(matches!(finish, Err(LedgerError::Sqlite { .. })), "{finish:?}");
    assert!(
        writer.begin(intent(2)).await.is_err(),
        "after an error nothing more begins"
    );
    drop(writer);
    drop(thread.join().unwrap());
    mend_attempts(&batch.path);
    batch
}

#[tokio::test]
async fn a_task_id_that_cannot_be_committed_is_in_the_reserve_and_the_next_run_has_it() {
    let batch = with_an_orphan().await;
    let mut store = batch.store();
    assert_eq!(store.recover(UnixMillis(9_000)).unwrap().from_reserve, 1);
    assert_eq!(store.recover(UnixMillis(9_000)).unwrap().from_reserve, 0);
    drop(store);
    assert_eq!(batch.states(), [RowState::Accepted, RowState::Queued]);
}

#[tokio::test]
async fn a_reserve_of_another_ledger_is_refused_and_kept() {
    let batch = with_an_orphan().await;
    let reserve = lock::beside(&batch.path, "reserve");
    std::fs::remove_file(&batch.path).unwrap();
    let refused = Store::open(&batch.path, Realm::Api);
    assert!(matches!(refused, Err(LedgerError::Leftover { .. })), "{refused:?}");

    let elsewhere = Batch::new();
    elsewhere.import(&[A, B]);
    std::fs::copy(&reserve, lock::beside(&elsewhere.path, "reserve")).unwrap();
    let refused = elsewhere.store().recover(UnixMillis(9_000));
    assert!(
        matches!(refused, Err(LedgerError::ForeignReserve { .. })),
        "a row of the same number: {refused:?}"
    );
    assert!(std::fs::read_to_string(reserve).unwrap().contains("precious"));
}

#[tokio::test]
async fn no_ledger_is_born_on_top_of_the_log_of_a_missing_one() {
    let batch = Batch::new();
    batch.import(&[A]);
    let mut wal = batch.path.as_os_str().to_owned();
    wal.push("-wal");
    let store = batch.store();
    std::fs::remove_file(&batch.path).unwrap();
    std::fs::write(&wal, "what is left of a log").unwrap();
    drop(store);
    std::fs::write(&wal, "what is left of a log").unwrap();
    let refused = Store::open(&batch.path, Realm::Api);
    assert!(matches!(refused, Err(LedgerError::Leftover { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_ledger_has_one_lock_whatever_it_is_called() {
    let batch = Batch::new();
    batch.import(&[A]);
    let link = batch.path.with_extension("link");
    std::os::unix::fs::symlink(&batch.path, &link).unwrap();
    let _held = batch.store();
    assert!(matches!(
        Store::open(&link, Realm::Api),
        Err(LedgerError::Locked { .. })
    ));
}

#[tokio::test]
async fn a_ledger_that_is_moved_away_stops_the_run() {
    let batch = Batch::new();
    batch.import(&[A, B]);
    let (writer, thread) = batch.writer();
    writer.begin(intent(1)).await.unwrap();
    std::fs::rename(&batch.path, batch.path.with_extension("elsewhere")).unwrap();
    assert!(matches!(writer.begin(intent(2)).await, Err(LedgerError::Moved { .. })));
    drop(writer);
    drop(thread.join().unwrap());
}

#[tokio::test]
async fn a_ledger_that_is_set_aside_takes_its_reserve_with_it() {
    let batch = with_an_orphan().await;
    let aside = Store::set_aside(&batch.path).unwrap();
    assert_eq!(batch.store().recover(UnixMillis(9_000)).unwrap().from_reserve, 0);
    let mut aside = Store::open(&aside, Realm::Api).unwrap();
    assert_eq!(aside.recover(UnixMillis(9_000)).unwrap().from_reserve, 1);
}

#[tokio::test]
async fn a_step_that_the_ledger_does_not_expect_stops_it() {
    let batch = Batch::new();
    batch.import(&[A]);
    let (writer, thread) = batch.writer();
    writer.begin(intent(1)).await.unwrap();
    assert!(matches!(
        writer.begin(intent(1)).await,
        Err(LedgerError::Conflict { row_id: 1, .. })
    ));
    drop(writer);
    thread.join().unwrap();
}

#[tokio::test]
async fn a_row_whose_image_cannot_be_used_is_rejected_unless_it_was_taken_meanwhile() {
    let batch = Batch::new();
    batch.import(&[A, B]);
    let refusal = |row_id| Refusal {
        row_id,
        code: "image".into(),
        message: "the image is no longer there".into(),
    };
    let (writer, thread) = batch.writer();
    let rows = writer.queued(0, 9).await.unwrap();
    assert!(writer.refuse(refusal(rows[0].row_id)).await.unwrap());
    let elsewhere = rusqlite::Connection::open(&batch.path).unwrap();
    elsewhere
        .execute(
            "UPDATE rows SET state = 'accepted', task_id = 't9' WHERE row_id = ?1",
            [rows[1].row_id],
        )
        .unwrap();
    drop(elsewhere);
    assert!(!writer.refuse(refusal(rows[1].row_id)).await.unwrap());
    assert!(writer.begin(intent(rows[0].row_id)).await.is_err(), "it is not sent");
    drop(writer);
    thread.join().unwrap();
    assert_eq!(batch.states(), [RowState::Rejected, RowState::Accepted]);
    let retry = Requeue {
        retry_rejected: Some(vec!["image".into()]),
        ..Requeue::default()
    };
    assert_eq!(batch.import_with(&[A, B], retry).requeued, 1);
}

#[tokio::test]
async fn many_rows_share_one_commit() {
    let batch = Batch::new();
    let lines: Vec<Line> = (0..200)
        .map(|n| (Some(&*Box::leak(format!("{n}").into_boxed_str())), "a boat"))
        .collect();
    batch.import(&lines);
    let (writer, thread) = batch.writer();
    let begins = (1..=200).map(|row_id| {
        let writer = writer.clone();
        tokio::spawn(async move { writer.begin(intent(row_id)).await.unwrap().unwrap() })
    });
    let mut attempts = Vec::new();
    for begin in begins.collect::<Vec<_>>() {
        attempts.push(begin.await.unwrap());
    }
    attempts.sort();
    attempts.dedup();
    assert_eq!(attempts.len(), 200);
    drop(writer);
    thread.join().unwrap();
    assert!(batch.states().iter().all(|state| *state == RowState::Sending));
}

/// Makes every write to the attempts fail, as a full disk would.
fn break_attempts(ledger: &Path) {
    Connection::open(ledger)
        .unwrap()
        .execute_batch("CREATE TRIGGER full BEFORE UPDATE ON attempts BEGIN SELECT RAISE(ABORT, 'full'); END")
        .unwrap();
}

fn mend_attempts(ledger: &Path) {
    Connection::open(ledger)
        .unwrap()
        .execute_batch("DROP TRIGGER full")
        .unwrap();
}

/// Contents that were billed: the prompts of all rows the ledger has a task for.
fn paid(batch: &Batch) -> Vec<String> {
    let ledger = Connection::open(&batch.path).unwrap();
    let sql = "SELECT a.task_id, r.submission ->> 'prompt' FROM attempts a JOIN rows r USING (row_id)
               WHERE a.task_id IS NOT NULL ORDER BY 2";
    let mut statement = ledger.prepare(sql).unwrap();
    let prompts = statement.query_map([], |row| row.get(1)).unwrap();
    prompts.map(|prompt| prompt.unwrap()).collect()
}

#[tokio::test]
async fn ids_that_move_against_their_content_pay_for_nothing_twice_and_leave_nothing_unsent() {
    const ONE: Line = (Some("1"), "a boat");
    const TWO: Line = (Some("2"), "a bird");
    const THREE: Line = (Some("3"), "a bell");
    let cases: &[(&str, usize, &[Line], &[&str])] = &[
        (
            "running numbers, a row inserted on top",
            3,
            &[
                (Some("1"), "NEW"),
                (Some("2"), "a boat"),
                (Some("3"), "a bird"),
                (Some("4"), "a bell"),
            ],
            &["NEW", "a bell", "a bird", "a boat"],
        ),
        (
            "sorted backwards and renumbered, half done",
            1,
            &[(Some("1"), "a bell"), (Some("2"), "a bird"), (Some("3"), "a boat")],
            &["a bell", "a bird", "a boat"],
        ),
        (
            "two ids swapped",
            1,
            &[(Some("1"), "a bird"), (Some("2"), "a boat"), THREE],
            &["a bell", "a bird", "a boat"],
        ),
        (
            "ids written otherwise",
            3,
            &[(Some("01"), "a boat"), (Some("02"), "a bird"), (Some("03"), "a bell")],
            &["a bell", "a bird", "a boat"],
        ),
        (
            "an id cleared",
            3,
            &[(None, "a boat"), TWO, THREE],
            &["a bell", "a bird", "a boat"],
        ),
        (
            "another take of a row that is still there",
            3,
            &[ONE, TWO, THREE, (Some("4"), "a boat")],
            &["a bell", "a bird", "a boat", "a boat"],
        ),
    ];
    for (name, done, edited, expected) in cases {
        let batch = Batch::new();
        batch.import(&[ONE, TWO, THREE]);
        batch.answer(accepted(), *done).await;
        batch.import(edited);
        batch.answer_all(accepted()).await;
        assert_eq!(paid(&batch), *expected, "{name}");
        assert!(
            batch.states().iter().all(|state| *state == RowState::Accepted),
            "{name}"
        );
    }
}

#[tokio::test]
async fn rows_of_one_content_never_share_a_record() {
    let batch = Batch::new();
    batch.import(&[B]);
    // Both are new, and the second could be taken for the first with a new id.
    batch.import(&[B, A, (Some("x"), A.1)]);
    assert_eq!(batch.answer_all(accepted()).await.len(), 3);
    batch.import(&[B, A, (Some("x"), A.1)]);
    assert!(batch.answer_all(accepted()).await.is_empty());
}

#[tokio::test]
async fn a_results_file_brings_its_outcomes_along_into_a_new_ledger() {
    let batch = Batch::new();
    let mut store = batch.store();
    let mut import = store.import(Requeue::default()).unwrap();
    let outcomes = [
        Some((RowState::Accepted, Some(task("known")))),
        Some((RowState::Unknown, None)),
        Some((RowState::Rejected, None)),
        None,
    ];
    for (index, outcome) in outcomes.into_iter().enumerate() {
        let submission = submission(&format!("clip {index}"));
        let number = u32::try_from(index).unwrap() + 1;
        let row = ImportRow {
            number,
            line: number + 1,
            id: None,
            key: Some(RowKey::of_content(submission.content(), 0)),
            submission: Some(&submission),
            cells: "[]",
            problem: None,
            outcome,
        };
        import.row(&row).unwrap();
    }
    assert_eq!(import.finish(&[], ("fingerprint", "")).unwrap().brought, 2);
    drop(store);
    assert_eq!(
        batch.states(),
        [
            RowState::Accepted,
            RowState::Unknown,
            RowState::Queued,
            RowState::Queued
        ]
    );
}
