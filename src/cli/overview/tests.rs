//! What those see who look on, over real ledgers.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::cli::intake;
use crate::clock::UnixMillis;
use crate::job::Settings;
use crate::ledger::Realm;
use crate::row::RowState;
use crate::view::{Media, Outcome, Step};

/// A batch whose manifest was just imported.
pub(super) struct Batch {
    folder: TempDir,
    pub(super) job: Job,
}

impl Batch {
    pub(super) fn imported(name: &str, manifest: &str) -> Batch {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, manifest).unwrap();
        let files = Files {
            manifest: Some(path),
            ..Files::default()
        };
        let job = Job::load(Settings {
            files,
            ..Settings::default()
        })
        .unwrap();
        let batch = Batch { folder, job };
        batch.import();
        batch
    }

    /// Rows with the ids `r1`, `r2`, … and prompts that all differ.
    pub(super) fn of(rows: u32) -> Batch {
        let lines = (1..=rows).map(|n| format!("r{n},Take {n}: a boat,https://img.example.org/{n}.png\n"));
        let manifest: String = std::iter::once("id,prompt,image_url\n".to_owned())
            .chain(lines)
            .collect();
        Batch::imported("shots.csv", &manifest)
    }

    fn import(&self) {
        let mut images = intake::images_of(&self.job);
        let survey = intake::survey(&self.job, &mut images).unwrap();
        let mut store = Store::open(&self.job.ledger, Realm::Api).unwrap();
        intake::import(&mut store, &self.job, &survey, &mut images).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn sql(&self, sql: &str) {
        Connection::open(&self.job.ledger).unwrap().execute_batch(sql).unwrap();
    }

    fn view(&self) -> BatchView {
        BatchView::new(&self.job, None)
    }

    /// The numbers of the rows that a query finds, and how many there are in all.
    fn found(&self, query: RowsQuery) -> (Vec<u32>, u64) {
        let limit = if query.limit == 0 { 100 } else { query.limit };
        let page = self.view().rows(&RowsQuery { limit, ..query }).unwrap();
        (page.rows.iter().map(|row| row.row).collect(), page.total)
    }
}

fn in_states(states: &[RowState]) -> RowsQuery {
    RowsQuery {
        states: states.to_vec(),
        ..RowsQuery::default()
    }
}

fn with_code(code: &str) -> RowsQuery {
    RowsQuery {
        code: Some(code.to_owned()),
        ..RowsQuery::default()
    }
}

fn with_text(text: &str) -> RowsQuery {
    RowsQuery {
        search: Some(text.to_owned()),
        ..RowsQuery::default()
    }
}

/// A batch of which much has happened: an invalid row, one changed since, one left sending by a run that died, one halted.
fn eventful() -> Batch {
    let batch = Batch::imported(
        "shots.csv",
        "id,prompt,image_url,note\n\
         a,a boat,https://img.example.org/1.png,x\n\
         b,,https://img.example.org/2.png,100% sure\n\
         c,a lake,https://img.example.org/3.png,\n\
         d,a hill,https://img.example.org/4.png,\n\
         e,a tree,https://img.example.org/5.png,\n\
         f,a bell,https://img.example.org/6.png,\n",
    );
    batch.sql(
        "UPDATE rows SET state = 'saved', task_id = 't0Abc', submitted_at = 5000, completed_at = 65000, credits = 30.0,
                video_url = 'https://files.example.org/1.mp4', video_file = 'videos/a.mp4', video_bytes = 1000, attempts = 2
         WHERE id = 'a';
         UPDATE rows SET state = 'rejected', error_code = '422', error_message = 'Bad Image', attempts = 1 WHERE id = 'c';
         UPDATE rows SET state = 'sending', attempts = 1 WHERE id = 'd';
         UPDATE rows SET state = 'accepted', task_id = 't0Def', submitted_at = 5000, attempts = 1 WHERE id = 'e';
         UPDATE manifest SET problem = 'its prompt has changed' WHERE number = 5;
         INSERT INTO runs VALUES (1, 1000, NULL, 7, 'here', '0.1.0', 'https://api.kie.ai/', '402', 'top up', NULL, 500.0);
         INSERT INTO attempts (attempt_id, row_id, run_id, token, cost, began_at, answered_at, result, http_status, code,
                               message, task_id, pause_until, ended, credits) VALUES
             (1, 1, 1, x'00', 30.0, 1000, 2000, 'again', 200, '429', 'too fast', NULL, 14000, NULL, NULL),
             (2, 1, 1, x'00', 30.0, 14000, 15000, 'accepted', 200, '', '', 't0Abc', NULL, 'succeeded', 30.0),
             (3, 2, 1, x'00', 30.0, 14500, 14750, 'rejected', 200, '422', 'Bad Image', NULL, NULL, NULL, NULL),
             (4, 3, 1, x'00', 30.0, 15000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
             (5, 4, 1, x'00', 30.0, 15500, 16000, 'accepted', 200, '', '', 't0Def', NULL, NULL, NULL);",
    );
    batch
}

#[test]
fn an_overview_has_the_status_and_the_past() {
    let batch = eventful();
    let overview = batch.view().overview().unwrap();
    assert_eq!(overview.name, "shots.csv");
    assert_eq!((overview.summary.requests, overview.summary.rate_limited), (5, 1));
    // The run died: nobody waits for the answer any more.
    assert_eq!(
        (overview.summary.counts.unknown, overview.summary.counts.sending),
        (1, 0)
    );
    let history = overview.history;
    assert_eq!((history.runs, history.saved_bytes), (1, 1_000));
    assert_eq!(history.latency.count(), 4);
    assert_eq!(history.latency.quantiles, Some([0.5, 1.0, 1.0]));
    assert_eq!(history.generation.quantiles, Some([60.0; 3]));
    let outcome = |of, result: &str, code: &str, count| Outcome {
        of,
        result: result.to_owned(),
        code: code.to_owned(),
        count,
    };
    let expected = [
        outcome(Step::Request, "accepted", "", 2),
        outcome(Step::Request, "again", "429", 1),
        outcome(Step::Request, "rejected", "422", 1),
        outcome(Step::Request, "unknown", "interrupted", 1),
        outcome(Step::Task, "succeeded", "", 1),
    ];
    assert_eq!(history.outcomes, expected);
    let [timeline] = &*history.timelines else {
        panic!("{history:?}")
    };
    assert_eq!(timeline.halted.as_ref().unwrap().code, "402");
    assert_eq!(timeline.pauses[0].until, UnixMillis(14_000));
    assert_eq!(timeline.slices.len(), 15);
    assert_eq!((timeline.slices[0].again, timeline.slices[13].accepted), (1, 1));
    let last = timeline.slices[14];
    assert_eq!((last.unknown, last.accepted, last.peak), (1, 1, 4));
}

#[test]
fn while_somebody_works_on_the_ledger_a_request_is_on_its_way() {
    let batch = Batch::of(2);
    let store = Store::open(&batch.job.ledger, Realm::Api).unwrap();
    batch.sql(
        "UPDATE rows SET state = 'sending', attempts = 1 WHERE row_id = 1;
         INSERT INTO runs VALUES (1, 1000, NULL, 7, 'here', '0.1.0', 'x', NULL, NULL, NULL, NULL);
         INSERT INTO attempts (row_id, run_id, token, began_at) VALUES (1, 1, x'00', 1000);",
    );
    let view = batch.view();
    let overview = view.overview().unwrap();
    assert!(overview.summary.at_work.is_some());
    assert_eq!(overview.history.timelines[0].slices[0].in_flight, 1);
    assert_eq!(overview.history.outcomes, []);
    assert_eq!(view.rows(&in_states(&[RowState::Sending])).unwrap().total, 1);
    // Its process is gone, and nothing else has changed.
    drop(store);
    let overview = view.overview().unwrap();
    assert_eq!(overview.history.timelines[0].slices[0].unknown, 1);
    assert_eq!(batch.found(in_states(&[RowState::Sending])), (vec![], 0));
    assert_eq!(batch.found(in_states(&[RowState::Unknown])), (vec![1], 1));
}

#[test]
fn a_ledger_that_is_not_there_yet_and_one_that_is_replaced_are_noticed() {
    let batch = Batch::of(3);
    let view = batch.view();
    assert_eq!(view.overview().unwrap().summary.counts.queued, 3);
    let elsewhere = batch.path("elsewhere");
    fs::rename(&batch.job.ledger, &elsewhere).unwrap();
    assert!(matches!(view.overview(), Err(LedgerError::Missing { .. })));
    assert!(matches!(view.row(1), Err(LedgerError::Missing { .. })));
    fs::write(
        &batch.job.manifest,
        "prompt,image_url\na boat,https://img.example.org/1.png\n",
    )
    .unwrap();
    batch.import();
    assert_eq!(view.overview().unwrap().summary.counts.queued, 1);
    fs::write(&batch.job.ledger, "not a ledger").unwrap();
    assert!(view.rows(&RowsQuery::default()).is_err());
}

#[test]
fn an_overview_is_read_again_only_when_something_has_happened() {
    let batch = Batch::of(2);
    let view = batch.view();
    let first = view.overview().unwrap();
    let version = |view: &BatchView| {
        view.kept
            .lock()
            .unwrap()
            .as_ref()
            .unwrap()
            .last
            .as_ref()
            .unwrap()
            .of
            .clone()
    };
    let before = version(&view);
    let second = view.overview().unwrap();
    assert_eq!(Overview { at: first.at, ..second }, first);
    assert_eq!(version(&view), before);
    batch.sql("UPDATE rows SET state = 'rejected' WHERE row_id = 2");
    assert_eq!(view.overview().unwrap().summary.counts.rejected, 1);
    assert_ne!(version(&view), before);
}

#[test]
fn rows_are_found_by_what_is_shown_of_them() {
    let batch = eventful();
    assert_eq!(batch.found(RowsQuery::default()), (vec![1, 2, 3, 4, 5, 6], 6));
    let states = [RowState::Invalid, RowState::Unknown];
    assert_eq!(batch.found(in_states(&states)), (vec![2, 4], 2));
    for (code, expected) in [("invalid", 2), ("422", 3), ("changed", 5), ("halted", 6)] {
        assert_eq!(batch.found(with_code(code)), (vec![expected], 1), "{code}");
    }
    for (text, expected) in [
        ("A BOAT", vec![1]),
        ("T0abc", vec![1]),
        ("100%", vec![2]),
        ("bad image", vec![3]),
        ("has changed", vec![5]),
        ("top up", vec![6]),
        ("4", vec![4]),
        ("e", vec![1, 2, 3, 4, 5, 6]),
        ("0%", vec![2]),
        ("a_boat", vec![]),
    ] {
        let total = expected.len() as u64;
        assert_eq!(batch.found(with_text(text)), (expected, total), "{text}");
    }
    let both = RowsQuery {
        search: Some("image".to_owned()),
        ..in_states(&[RowState::Rejected])
    };
    assert_eq!(batch.found(both), (vec![3], 1));
}

#[test]
fn pages_are_cut_from_what_is_found() {
    let batch = Batch::of(30);
    batch.sql("UPDATE rows SET state = 'rejected', error_code = '422' WHERE row_id % 2 = 0");
    let part = |query: RowsQuery, offset, limit| batch.found(RowsQuery { offset, limit, ..query });
    assert_eq!(part(RowsQuery::default(), 27, 10), (vec![28, 29, 30], 30));
    assert_eq!(part(RowsQuery::default(), 30, 10), (vec![], 30));
    assert_eq!(part(RowsQuery::default(), u64::MAX, 10), (vec![], 30));
    assert_eq!(part(with_code("422"), 3, 2), (vec![8, 10], 15));
    assert_eq!(part(with_code("422"), 14, 9), (vec![30], 15));
    assert_eq!(part(with_code("422"), u64::MAX, 9), (vec![], 15));
    let none = batch.view().rows(&RowsQuery::default()).unwrap();
    assert_eq!((none.rows.len(), none.total), (0, 30));
}

#[test]
fn a_card_shows_where_picture_and_video_are() {
    let batch = eventful();
    let cards = batch
        .view()
        .rows(&RowsQuery {
            limit: 9,
            ..RowsQuery::default()
        })
        .unwrap()
        .rows;
    let url = |url: &str| {
        Some(Media {
            file: None,
            url: Some(url.to_owned()),
        })
    };
    assert_eq!(cards[0].place, "line 2");
    assert_eq!(cards[0].prompt, "a boat");
    assert_eq!(cards[0].kind.as_deref(), Some("6 s 768P"));
    assert_eq!(cards[0].image, url("https://img.example.org/1.png"));
    let video = Media {
        file: Some("videos/a.mp4".to_owned()),
        url: Some("https://files.example.org/1.mp4".to_owned()),
    };
    assert_eq!(cards[0].video, Some(video));
    // An invalid row has only its cells.
    assert_eq!((&*cards[1].prompt, cards[1].status), ("", RowState::Invalid));
    assert_eq!(cards[1].image, url("https://img.example.org/2.png"));
    assert_eq!((&cards[1].kind, &cards[1].video), (&None, &None));
}

#[test]
fn local_images_sheets_and_columns_of_other_names_are_shown_as_the_user_knows_them() {
    let batch = Batch::imported(
        "shots.csv",
        "提示词,图片,id\n船,a.png,x\n,https://img.example.org/2.png,y\n",
    );
    batch.sql(
        r#"UPDATE meta SET value = '{"delimiter":null,"byte_order_mark":false,"sheet":"My shots","surplus":false,"image_column":"图片"}'
           WHERE name = 'dialect';
           UPDATE manifest SET row_id = 1, problem = NULL WHERE number = 1;
           INSERT INTO rows (row_id, key, content, submission, state) VALUES (1, x'00', x'00',
               '{"prompt":"船","image_url":"a.png","image_sha256":"0101010101010101010101010101010101010101010101010101010101010101","duration":"10","resolution":"768P"}',
               'queued')"#,
    );
    let view = batch.view();
    let local = view.row(1).unwrap().unwrap().card;
    assert_eq!(
        (&*local.place, &*local.prompt, local.kind.as_deref()),
        ("'My shots'!A2", "船", Some("10 s 768P"))
    );
    let image = local.image.unwrap();
    assert_eq!((image.file.as_deref(), image.url), (Some("a.png"), None));
    let invalid = view.row(2).unwrap().unwrap();
    assert_eq!(
        invalid.card.image.unwrap().url.as_deref(),
        Some("https://img.example.org/2.png")
    );
    let names: Vec<&str> = invalid.cells.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["提示词", "图片", "id"]);
}

#[test]
fn the_story_of_a_row_has_every_request_and_what_to_do() {
    let batch = eventful();
    let view = batch.view();
    let saved = view.row(1).unwrap().unwrap();
    assert_eq!(
        (saved.task_id.as_deref(), saved.remedy.as_deref()),
        (Some("t0Abc"), None)
    );
    assert_eq!(saved.cells[3], ("note".to_owned(), "x".to_owned()));
    let [again, accepted] = &*saved.requests else {
        panic!("{saved:?}")
    };
    assert_eq!(
        (again.code.as_deref(), again.message.as_deref()),
        (Some("429"), Some("too fast"))
    );
    assert_eq!((again.credits, accepted.credits), (None, Some(30.0)));
    assert_eq!(
        (accepted.ended.as_deref(), accepted.code.as_deref()),
        (Some("succeeded"), None)
    );
    let left = view.row(4).unwrap().unwrap();
    assert_eq!(left.card.status, RowState::Unknown);
    assert_eq!(left.requests[0].code.as_deref(), Some("interrupted"));
    assert!(left.remedy.unwrap().contains("settle"));
    let halted = view.row(6).unwrap().unwrap();
    assert_eq!(halted.card.message.as_deref(), Some("top up"));
    for number in [0, 7, u32::MAX] {
        assert_eq!(view.row(number).unwrap(), None);
    }
}

#[test]
fn an_object_is_shown_with_the_cells_of_its_input() {
    let batch = Batch::imported(
        "shots.jsonl",
        "{\"model\":\"hailuo/2-3-image-to-video-standard\",\"input\":{\"prompt\":\"\",\"image_url\":\"https://img.example.org/1.png\"}}\n",
    );
    let story = batch.view().row(1).unwrap().unwrap();
    assert_eq!(
        story.card.image.unwrap().url.as_deref(),
        Some("https://img.example.org/1.png")
    );
    let names: Vec<&str> = story.cells.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["model", "prompt", "image_url"]);
}

#[test]
fn a_long_prompt_is_cut_in_a_list_and_whole_in_its_story() {
    let prompt = "é".repeat(400);
    let manifest = format!("prompt,image_url\n{prompt},https://img.example.org/1.png\n");
    let batch = Batch::imported("shots.csv", &manifest);
    let listed = batch
        .view()
        .rows(&RowsQuery {
            limit: 1,
            ..RowsQuery::default()
        })
        .unwrap();
    assert_eq!(listed.rows[0].prompt, format!("{}…", "é".repeat(280)));
    assert_eq!(batch.view().row(1).unwrap().unwrap().card.prompt, prompt);
}

/// What may happen to the requests of a batch while somebody looks on.
#[derive(Debug, Clone)]
enum Happening {
    Begin {
        run: i64,
        after: i64,
    },
    Answer {
        which: u8,
        result: &'static str,
        code: u8,
        took: i64,
    },
    ClaimUnknown {
        which: u8,
    },
    Restore,
}

fn happening() -> impl Strategy<Value = Happening> {
    let results = prop::sample::select(vec!["accepted", "again", "rejected", "unknown"]);
    prop_oneof![
        5 => (0_i64..2, 0_i64..3_000).prop_map(|(run, after)| Happening::Begin { run, after }),
        4 => (any::<u8>(), results, 0_u8..3, 0_i64..9_000)
            .prop_map(|(which, result, code, took)| Happening::Answer { which, result, code, took }),
        1 => any::<u8>().prop_map(|which| Happening::ClaimUnknown { which }),
        1 => Just(Happening::Restore),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn reading_only_the_news_gives_what_reading_everything_gives(
        steps in prop::collection::vec(happening(), 1..60),
        at_work in any::<bool>(),
    ) {
        let batch = Batch::of(1);
        let _store = at_work.then(|| Store::open(&batch.job.ledger, Realm::Api).unwrap());
        let ledger = Connection::open(&batch.job.ledger).unwrap();
        let reader = Reader::open(&batch.job.ledger).unwrap();
        let mut past = Past::new();
        let (mut run, mut now) = (1, 1_000);
        let now_is = UnixMillis(1_000_000);
        for step in steps {
            let pick = |which: u8, of: &str| -> Option<i64> {
                let sql = format!("SELECT attempt_id FROM attempts WHERE {of} ORDER BY attempt_id LIMIT 1 OFFSET ?1");
                ledger.query_row(&sql, [which % 4], |row| row.get(0)).ok()
            };
            match step {
                Happening::Begin { run: more, after } => {
                    run += more;
                    now += after;
                    ledger.execute("INSERT OR IGNORE INTO runs VALUES (?1, ?2, NULL, 1, 'h', 'v', 't', NULL, NULL, NULL, NULL)",
                        [run, now]).unwrap();
                    ledger.execute("INSERT INTO attempts (row_id, run_id, token, began_at) VALUES (1, ?1, x'00', ?2)",
                        [run, now]).unwrap();
                }
                Happening::Answer { which, result, code, took } => {
                    let Some(id) = pick(which, "result IS NULL") else { continue };
                    ledger.execute(
                        "UPDATE attempts SET result = ?2, code = ?3, http_status = 200, message = 'm',
                                answered_at = began_at + ?4, pause_until = CASE ?2 WHEN 'again' THEN began_at + 12000 END
                         WHERE attempt_id = ?1",
                        rusqlite::params![id, result, code.to_string(), took],
                    ).unwrap();
                }
                Happening::ClaimUnknown { which } => {
                    let Some(id) = pick(which, "result = 'unknown'") else { continue };
                    ledger.execute("UPDATE attempts SET result = 'accepted', code = NULL WHERE attempt_id = ?1", [id]).unwrap();
                }
                // As a copy of an hour ago would.
                Happening::Restore => {
                    ledger.execute("DELETE FROM attempts WHERE attempt_id > (SELECT max(attempt_id) / 2 FROM attempts)", []).unwrap();
                }
            }
            let history = |past: &mut Past| past.history(&reader, crate::rate::Rate::ACCOUNT, now_is, at_work, false).unwrap();
            prop_assert_eq!(history(&mut past), history(&mut Past::new()));
        }
    }
}
