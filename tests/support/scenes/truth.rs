//! Whether a ledger can have come about at all: what holds in every ledger that real runs have written.

use std::path::Path;

use rusqlite::Connection;

/// What is wrong, and the query that finds it: it finds nothing.
const LIES: &[(&str, &str)] = &[
    (
        "the number of requests is another than that of the attempts",
        "SELECT row_id FROM rows r WHERE attempts <> (SELECT count(*) FROM attempts a WHERE a.row_id = r.row_id)",
    ),
    (
        "a task without the request that made it, or the other way round",
        "SELECT row_id FROM rows r
         WHERE (state IN ('accepted', 'succeeded', 'saved', 'failed'))
               <> (task_id IS NOT NULL AND submitted_at IS NOT NULL
                   AND 1 = (SELECT count(*) FROM attempts a
                            WHERE a.row_id = r.row_id AND a.result = 'accepted' AND a.task_id = r.task_id
                                  AND a.answered_at = r.submitted_at))",
    ),
    (
        "a task of two rows",
        "SELECT task_id FROM rows WHERE task_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1",
    ),
    (
        "an end that is not the task's",
        "SELECT row_id FROM rows r JOIN attempts a USING (row_id) WHERE a.result = 'accepted'
         AND coalesce(a.ended, '') <> CASE r.state WHEN 'saved' THEN 'succeeded' WHEN 'accepted' THEN '' ELSE r.state END",
    ),
    (
        "an end before the beginning, or none",
        "SELECT row_id FROM rows WHERE state IN ('succeeded', 'saved', 'failed')
         AND coalesce(completed_at < submitted_at, 1)",
    ),
    (
        "a video of a task that has none, or none of one that has",
        "SELECT row_id FROM rows WHERE (state IN ('succeeded', 'saved')) <> (video_url IS NOT NULL)",
    ),
    (
        "a file of a row that is not saved, or none of one that is",
        "SELECT row_id FROM rows WHERE (state = 'saved')
         <> (video_file IS NOT NULL AND video_bytes > 0 AND length(video_sha256) = 32)",
    ),
    (
        "trouble without a code",
        "SELECT row_id FROM rows WHERE state IN ('rejected', 'failed', 'unknown') AND error_code IS NULL",
    ),
    (
        "a state that does not follow from the last request",
        "SELECT row_id FROM rows r WHERE attempts > 0
         AND coalesce((SELECT result FROM attempts a WHERE a.row_id = r.row_id ORDER BY attempt_id DESC LIMIT 1), '')
             <> CASE r.state WHEN 'queued' THEN 'again' WHEN 'rejected' THEN 'rejected' WHEN 'unknown' THEN 'unknown'
                             WHEN 'sending' THEN '' ELSE 'accepted' END",
    ),
    (
        "a row that was sent again after it may have been taken",
        "SELECT a.row_id FROM attempts a JOIN attempts later ON later.row_id = a.row_id AND later.attempt_id > a.attempt_id
         WHERE a.result IN ('accepted', 'unknown', 'rejected') OR a.result IS NULL",
    ),
    (
        "an answer before its request, or without a result",
        "SELECT attempt_id FROM attempts WHERE answered_at < began_at OR (answered_at IS NULL) <> (result IS NULL)",
    ),
    (
        "a request outside its run",
        "SELECT attempt_id FROM attempts JOIN runs USING (run_id)
         WHERE began_at NOT BETWEEN started_at AND coalesce(ended_at, began_at)
               OR (answered_at IS NULL AND ended_at IS NOT NULL)",
    ),
    (
        "a request that began before the one in front of it",
        "SELECT attempt_id FROM (SELECT attempt_id, began_at - lag(began_at) OVER (ORDER BY attempt_id) AS later FROM attempts)
         WHERE later < 0",
    ),
    (
        "more than 20 requests in 10 s",
        "SELECT attempt_id FROM (SELECT attempt_id, lead(began_at, 20) OVER (ORDER BY attempt_id) - began_at AS spread
                                 FROM attempts) WHERE spread < 10000",
    ),
    (
        "a request in a pause",
        "SELECT late.attempt_id FROM attempts a
         JOIN attempts late ON late.attempt_id > a.attempt_id AND late.attempt_id < a.attempt_id + 50
              AND late.began_at > a.answered_at AND late.began_at < a.pause_until
         WHERE a.pause_until IS NOT NULL",
    ),
    (
        "a run before the one in front of it had ended",
        "SELECT run_id FROM (SELECT run_id, started_at < lag(coalesce(ended_at, 9e18)) OVER (ORDER BY run_id) AS early
                             FROM runs) WHERE early",
    ),
];

/// Fails the test if `ledger` says what cannot be.
#[track_caller]
pub(crate) fn check(ledger: &Path) {
    let connection = Connection::open(ledger).unwrap();
    for (lie, query) in LIES {
        let mut statement = connection.prepare(query).unwrap();
        let found: Vec<rusqlite::types::Value> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(found.is_empty(), "{}: {lie}: {found:?}", ledger.display());
    }
}
