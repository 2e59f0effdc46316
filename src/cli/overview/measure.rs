//! What looking costs at a hundred thousand rows of which much has happened.
//!
//! ```text
//! cargo test --release --lib cli::overview::measure -- --ignored --nocapture
//! ```
//!
//! Wanted: an overview in half a second (while somebody is at work it is made again after ten times that), a page of the
//! table in 10 ms, a search in 250 ms.

#![allow(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::time::Instant;

use super::tests::Batch;
use super::*;
use crate::ledger::Realm;
use crate::row::RowState;

const ROWS: u32 = 100_000;

/// Of each ten rows six are saved, two failed after a second request and two are queued; 120,000 requests in ten runs.
fn seeded() -> Batch {
    let batch = Batch::of(ROWS);
    batch.sql(
        "UPDATE rows SET state = 'saved', task_id = 't' || row_id, attempts = 1, submitted_at = row_id * 500,
                completed_at = row_id * 500 + 60000 + row_id % 5000, credits = 30.0, video_bytes = 2000000,
                video_url = 'https://files.example.org/' || row_id || '.mp4', video_file = 'videos/' || row_id || '.mp4'
         WHERE row_id % 10 < 6;
         UPDATE rows SET state = 'failed', task_id = 't' || row_id, attempts = 3, submitted_at = row_id * 500,
                completed_at = row_id * 500 + 60000, credits = 0.0, error_code = '500', error_message = 'Internal Error'
         WHERE row_id % 10 IN (6, 7);
         WITH RECURSIVE runs_(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM runs_ WHERE n < 10)
         INSERT INTO runs SELECT n, n * 5000000, n * 5000000 + 5000000, 1, 'h', 'v', 't', NULL, NULL, NULL, 100.0 FROM runs_;
         INSERT INTO attempts (row_id, run_id, token, cost, began_at, answered_at, result, http_status, code, message)
             SELECT row_id, 1, randomblob(16), 30.0, row_id * 100, row_id * 100 + 700, 'again', 200, '500', 'Internal Error'
             FROM rows, (SELECT 1 UNION ALL SELECT 2) WHERE state = 'failed';
         INSERT INTO attempts (row_id, run_id, token, cost, began_at, answered_at, result, http_status, code, message, task_id,
                               ended, credits)
             SELECT row_id, 1 + row_id / 10001, randomblob(16), 30.0, row_id * 500, row_id * 500 + 400 + row_id % 3000,
                    'accepted', 200, '', '', task_id, CASE state WHEN 'failed' THEN 'failed' ELSE 'succeeded' END, credits
             FROM rows WHERE task_id IS NOT NULL ORDER BY row_id;",
    );
    batch
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    println!("{what:<44} {:>8.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    done
}

#[test]
#[ignore = "a measurement, for a release build"]
fn measure() {
    let batch = seeded();
    let _store = Store::open(&batch.job.ledger, Realm::Api).unwrap();
    let view = BatchView::new(&batch.job, None);
    let reader = Reader::open(&batch.job.ledger).unwrap();
    for _ in 0..2 {
        timed("  counts", || reader.counts().unwrap());
        timed("  standing apart", || reader.standing_apart().unwrap());
        timed("  queued by kind", || reader.queued_by_kind(None).unwrap());
        timed("  every row", || {
            reader.for_each_row(|_| Ok::<_, LedgerError>(())).unwrap()
        });
        timed("  spent", || reader.spent().unwrap());
        timed("  money", || reader.money().unwrap());
        timed("  account", || reader.account().unwrap());
        timed("  extra tasks", || reader.extra_tasks(100).unwrap());
        timed("  totals", || reader.totals().unwrap());
        timed("  oldest unsaved", || reader.oldest_unsaved().unwrap());
        timed("  ended rows", || reader.for_each_ended_row(|_| ()).unwrap());
        timed("  earlier tasks", || reader.earlier_tasks().unwrap());
        timed("  requests", || {
            reader.for_each_request(crate::ledger::AttemptId(0), |_| ()).unwrap()
        });
        timed("  status", || status_of(&batch.job, &reader, Vec::new()).unwrap());
    }
    let overview = timed("overview, at first", || view.overview().unwrap());
    assert_eq!(overview.summary.requests, 120_000);
    for _ in 0..3 {
        batch.sql("INSERT INTO attempts (row_id, run_id, token, began_at) VALUES (9, 10, x'00', 50000000)");
        timed("overview, one request later", || view.overview().unwrap());
    }
    timed("overview, nothing has happened", || view.overview().unwrap());
    let page = |what: &str, query: RowsQuery| {
        for _ in 0..2 {
            timed(what, || {
                view.rows(&RowsQuery {
                    limit: 100,
                    ..query.clone()
                })
                .unwrap()
            });
        }
    };
    page("page, the first", RowsQuery::default());
    let far = RowsQuery {
        offset: 90_000,
        ..RowsQuery::default()
    };
    page("page, far down", far);
    let states = RowsQuery {
        states: vec![RowState::Failed],
        ..RowsQuery::default()
    };
    page("page, by state", states);
    for text in ["take 77777", "no such text", "a"] {
        let search = RowsQuery {
            search: Some(text.to_owned()),
            ..RowsQuery::default()
        };
        page(&format!("search for {text}"), search);
    }
    timed("story", || view.row(50_007).unwrap());
}
