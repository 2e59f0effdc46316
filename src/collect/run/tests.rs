//! The collector on paused time: a real ledger, and an API that answers from memory and counts.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::time::sleep;

use super::*;
use crate::clock::{UnixMillis, Wall};
use crate::collect::STALE;
use crate::collect::saves::{Stored, Then, Trouble};
use crate::kie::{BalanceError, Discreet, EchoedRequest, LinkError, Look, Remedy, TaskRecord, TaskState};
use crate::ledger::direct::Direct;
use crate::ledger::{Announced, Unsaved};
use crate::row::{MODEL, RowState, TaskId};

mod forever;

/// When the rows were accepted.
const START: UnixMillis = UnixMillis(1_700_000_000_000);

/// What a task's looks bring, by its id and the time since the collector began.
type Answers = dyn Fn(&str, Duration) -> Look + Send + Sync;

struct Api {
    answers: Box<Answers>,
    began: Instant,
    looks: Mutex<Vec<(Duration, String)>>,
    latency: Duration,
}

impl Api {
    fn new(answers: impl Fn(&str, Duration) -> Look + Send + Sync + 'static) -> Arc<Api> {
        Arc::new(Api {
            answers: Box::new(answers),
            began: Instant::now(),
            looks: Mutex::default(),
            latency: Duration::from_millis(50),
        })
    }

    fn looks(&self) -> Vec<(Duration, String)> {
        self.looks.lock().unwrap().clone()
    }

    fn looks_per_task(&self) -> HashMap<String, usize> {
        let mut looks = HashMap::new();
        for (_, task) in self.looks() {
            *looks.entry(task).or_default() += 1;
        }
        looks
    }
}

impl Discreet for Api {
    fn without_secrets(&self, text: String) -> String {
        text
    }
}

impl TaskApi for Api {
    async fn look(&self, task: &TaskId) -> Look {
        let at = self.began.elapsed();
        self.looks.lock().unwrap().push((at, task.to_string()));
        sleep(self.latency).await;
        (self.answers)(task.as_str(), at)
    }

    async fn fresh_link(&self, _: &str) -> Result<String, LinkError> {
        unreachable!("the saver's business")
    }

    async fn balance(&self) -> Result<f64, BalanceError> {
        unreachable!("nobody's business here")
    }
}

fn record(task: &str, state: TaskState) -> Look {
    let ended = state.is_final();
    Look::Record(Box::new(TaskRecord {
        task_id: TaskId::new(task).unwrap(),
        model: MODEL.to_owned(),
        state,
        result_urls: vec![format!("https://files.example.org/{task}.mp4")],
        fail_code: None,
        fail_message: None,
        credits: Some(30.0),
        created_at: None,
        completed_at: ended.then_some(UnixMillis(START.0 + 60_000)),
        request: EchoedRequest::default(),
    }))
}

fn nothing() -> Look {
    Look::Nothing {
        code: "http_502".into(),
        message: "bad gateway".into(),
    }
}

/// Saves everything in a second, but for the rows it is told not to.
#[derive(Default)]
struct Disk {
    troubles: Mutex<HashMap<u32, Vec<Trouble>>>,
    order: Mutex<Vec<u32>>,
    at_once: Mutex<(usize, usize)>,
}

impl Saver for Disk {
    async fn save(&self, video: &Unsaved, _: u32) -> Result<Stored, Trouble> {
        self.order.lock().unwrap().push(video.number);
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        sleep(Duration::from_secs(1)).await;
        self.at_once.lock().unwrap().0 -= 1;
        let trouble = self
            .troubles
            .lock()
            .unwrap()
            .get_mut(&video.number)
            .and_then(|troubles| (!troubles.is_empty()).then(|| troubles.remove(0)));
        match trouble {
            Some(trouble) => Err(trouble),
            None => Ok(Stored {
                file: format!("videos/{}.mp4", video.number),
                bytes: 1_000,
                sha256: [9; 32],
            }),
        }
    }

    async fn recorded(&self, _: &Unsaved) {}
}

struct Trial {
    ledger: Direct,
    config: CollectConfig,
    stop: watch::Sender<bool>,
    feeding: watch::Sender<bool>,
    wake: Arc<Notify>,
    notices: Arc<Mutex<Vec<Notice>>>,
}

impl Trial {
    /// `rows` accepted rows, and a collector that starts in the moment of their acceptance.
    fn new(rows: u32) -> Trial {
        let wall = Wall::Virtual {
            base: START,
            start: Instant::now(),
        };
        Trial {
            ledger: Direct::with_accepted(rows, START),
            config: CollectConfig {
                poll_rate: "10/1s".parse().unwrap(),
                downloads: 2,
                callbacks: false,
                forever: false,
                wait_for: None,
                wall,
                records: wall,
            },
            stop: watch::Sender::new(false),
            feeding: watch::Sender::new(false),
            wake: Arc::default(),
            notices: Arc::default(),
        }
    }

    async fn collect(&self, api: &Arc<Api>, disk: Option<&Arc<Disk>>) -> CollectReport {
        self.ledger.prepare(disk.is_some(), self.config.wall.now());
        let notices = Arc::clone(&self.notices);
        let watch = Watch {
            standing: watch::Sender::default(),
            notice: Arc::new(move |notice| notices.lock().unwrap().push(notice)),
        };
        let signals = Signals {
            stop: self.stop.subscribe(),
            feeding: self.feeding.subscribe(),
            wake: Arc::clone(&self.wake),
        };
        run(
            Arc::clone(api),
            self.ledger.clone(),
            disk.cloned(),
            self.config.clone(),
            signals,
            watch,
        )
        .await
    }
}

#[tokio::test(start_paused = true)]
async fn finished_tasks_take_one_look_each_at_the_limiters_rate() {
    let trial = Trial::new(1_000);
    let api = Api::new(|task, _| record(task, TaskState::Success));
    let report = trial.collect(&api, None).await;
    assert_eq!((report.standing.looks, report.standing.succeeded), (1_000, 1_000));
    assert_eq!(trial.ledger.count(RowState::Succeeded), 1_000);
    let looks = api.looks();
    for window in looks.windows(11) {
        let span = window[10].0 - window[0].0;
        assert!(span > Duration::from_secs(1), "eleven looks in {span:?}");
    }
    let last = looks.last().unwrap().0;
    assert!(last < Duration::from_secs(106), "a thousand looks took {last:?}");
}

#[tokio::test(start_paused = true)]
async fn looks_get_rarer_as_a_task_gets_older_and_every_ending_is_seen_soon() {
    let trial = Trial::new(1);
    let api = Api::new(|task, at| {
        let ended = at > Duration::from_secs(90);
        record(task, if ended { TaskState::Fail } else { TaskState::Waiting })
    });
    let report = trial.collect(&api, None).await;
    assert_eq!((report.standing.failed, report.time_is_up), (1, false));
    assert!((15..=22).contains(&report.standing.looks), "{}", report.standing.looks);
    assert_eq!(trial.ledger.row(1), (RowState::Failed, Some("failed".into())));
}

#[tokio::test(start_paused = true)]
async fn no_odd_answer_fails_a_task() {
    let trial = Trial::new(8);
    let api = Api::new(|task, at| {
        let odd = at < Duration::from_secs(55);
        match task {
            "t1" if odd => nothing(),
            "t2" if odd => Look::Missing,
            "t3" if odd => record(task, TaskState::Other("on fire".into())),
            "t4" if odd => Look::Busy {
                code: "455".into(),
                message: "maintenance".into(),
                retry_after: Some(Duration::from_secs(5)),
            },
            _ if odd => record(task, TaskState::Generating),
            _ => record(task, TaskState::Success),
        }
    });
    let report = trial.collect(&api, None).await;
    assert_eq!(trial.ledger.count(RowState::Succeeded), 8);
    assert_eq!(report.standing.failed, 0);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_down_is_asked_once_a_minute_and_not_ten_times_a_second() {
    let trial = Trial::new(200);
    let up = Duration::from_secs(600);
    let api = Api::new(move |task, at| {
        if at < up {
            nothing()
        } else {
            record(task, TaskState::Success)
        }
    });
    trial.collect(&api, None).await;
    let while_down = api.looks().iter().filter(|(at, _)| *at < up).count();
    assert!(while_down < 60, "{while_down} looks in ten minutes");
    assert_eq!(trial.ledger.count(RowState::Succeeded), 200);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_never_ends_is_left_accepted_and_looked_at_again_next_time() {
    let trial = Trial::new(2);
    let api = Api::new(|task, _| match task {
        "t1" => record(task, TaskState::Waiting),
        _ => record(task, TaskState::Success),
    });
    trial.collect(&api, None).await;
    let (first, waited) = (api.looks_per_task()["t1"], Instant::now() - api.began);
    assert_eq!(trial.ledger.row(1), (RowState::Accepted, None));
    assert!(
        waited >= STALE - Duration::from_secs(600) && waited < STALE + Duration::from_secs(600),
        "{waited:?}"
    );
    assert!(first < 200, "{first} looks in six hours");
    trial.collect(&api, None).await;
    assert_eq!(api.looks_per_task()["t1"], first + 1, "one look each time");
    assert_eq!(api.looks_per_task()["t2"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_and_a_signal_end_it_and_the_next_one_goes_on() {
    let mut trial = Trial::new(3);
    let api = Api::new(|task, at| {
        let ended = at > Duration::from_secs(1_000);
        record(task, if ended { TaskState::Success } else { TaskState::Waiting })
    });
    trial.config.wait_for = Some(Duration::from_secs(30));
    let report = trial.collect(&api, None).await;
    assert!(report.time_is_up && Instant::now() - api.began < Duration::from_secs(31));
    trial.config.wait_for = None;
    let stop = trial.stop.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(30)).await;
        stop.send_replace(true);
    });
    let report = trial.collect(&api, None).await;
    assert!(!report.time_is_up && Instant::now() - api.began < Duration::from_secs(62));
    assert_eq!(trial.ledger.count(RowState::Accepted), 3);
    trial.stop.send_replace(false);
    trial.collect(&api, None).await;
    assert_eq!(trial.ledger.count(RowState::Succeeded), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_every_look_ends_the_looking_and_changes_no_row() {
    let trial = Trial::new(50);
    let api = Api::new(|_, _| Look::Barred {
        code: "401".into(),
        message: "no access".into(),
        remedy: Remedy::Key,
    });
    let report = trial.collect(&api, None).await;
    assert_eq!(report.barred.map(|barred| barred.code), Some("401".into()));
    assert!(report.standing.looks <= 2, "{}", report.standing.looks);
    assert_eq!(trial.ledger.count(RowState::Accepted), 50);
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_accepted_meanwhile_are_collected_too() {
    let trial = Trial::new(0);
    trial.feeding.send_replace(true);
    let (ledger, feeding) = (trial.ledger.clone(), trial.feeding.clone());
    tokio::spawn(async move {
        for number in 1..=5 {
            sleep(Duration::from_secs(20)).await;
            ledger.sql(&format!(
                "INSERT INTO rows (key, content, submission, state, task_id, due_at)
                 VALUES (randomblob(16), x'00', '{{}}', 'accepted', 't{number}', {});
                 INSERT INTO manifest VALUES ({number}, 1, {number}, '[]', NULL)",
                START.0
            ));
        }
        feeding.send_replace(false);
    });
    let api = Api::new(|task, _| record(task, TaskState::Success));
    let report = trial.collect(&api, None).await;
    assert_eq!(report.standing.succeeded, 5);
    assert!(Instant::now() - api.began < Duration::from_secs(102));
}

#[tokio::test(start_paused = true)]
async fn a_callback_has_its_task_looked_at_at_once_and_settles_a_row_without_an_answer() {
    let mut trial = Trial::new(2);
    trial.config.callbacks = true;
    trial.ledger.lose_answer(2);
    let (ledger, wake) = (trial.ledger.clone(), Arc::clone(&trial.wake));
    tokio::spawn(async move {
        sleep(Duration::from_secs(45)).await;
        assert_eq!(ledger.call_back(2, "lost").await, Announced::Due);
        wake.notify_one();
        sleep(Duration::from_secs(5)).await;
        assert_eq!(ledger.call_back(1, "t1").await, Announced::Due);
        wake.notify_one();
    });
    let api = Api::new(|task, at| {
        let ended = at > Duration::from_secs(44);
        record(task, if ended { TaskState::Success } else { TaskState::Waiting })
    });
    let report = trial.collect(&api, None).await;
    assert_eq!((report.standing.succeeded, report.standing.settled), (2, 1));
    assert_eq!(trial.ledger.count(RowState::Succeeded), 2);
    let looks = api.looks();
    assert_eq!(looks.len(), 3, "{looks:?}");
    assert!(looks[2].0 < Duration::from_millis(50_500), "{looks:?}");
    assert!(trial.notices.lock().unwrap().contains(&Notice::Settled { row: 2 }));
}

#[tokio::test(start_paused = true)]
async fn with_callbacks_on_a_row_without_an_answer_is_waited_for_a_quarter_of_an_hour() {
    let mut trial = Trial::new(2);
    trial.ledger.lose_answer(2);
    let api = Api::new(|task, _| record(task, TaskState::Success));
    trial.collect(&api, None).await;
    let without = Instant::now() - api.began;
    assert!(without < Duration::from_secs(5), "{without:?}");
    trial.config.callbacks = true;
    let began = Instant::now();
    trial.collect(&api, None).await;
    let waited = Instant::now() - began + without;
    assert!(
        waited > Duration::from_secs(890) && waited < Duration::from_secs(910),
        "{waited:?}"
    );
    // Its time is over.
    let began = Instant::now();
    trial.collect(&api, None).await;
    assert!(Instant::now() - began < Duration::from_secs(1));
    assert_eq!(trial.ledger.row(2).0, RowState::Unknown);
}

#[tokio::test(start_paused = true)]
async fn videos_are_fetched_a_few_at_once_and_a_second_collector_fetches_none_again() {
    let trial = Trial::new(5);
    let api = Api::new(|task, _| record(task, TaskState::Success));
    let disk = Arc::new(Disk::default());
    let again = |seconds| Trouble {
        code: "download",
        message: "cut".into(),
        then: Then::Again(Duration::from_secs(seconds)),
    };
    let give_up = Trouble {
        then: Then::GiveUp,
        ..again(0)
    };
    disk.troubles
        .lock()
        .unwrap()
        .extend([(2, vec![again(5), again(10)]), (3, vec![give_up])]);
    let report = trial.collect(&api, Some(&disk)).await;
    assert_eq!((report.standing.saved, report.standing.not_saved), (4, 1));
    assert_eq!(disk.at_once.lock().unwrap().1, 2);
    assert_eq!(trial.ledger.row(3), (RowState::Succeeded, Some("download".into())));
    assert_eq!(trial.ledger.row(2), (RowState::Saved, None));

    disk.order.lock().unwrap().clear();
    let report = trial.collect(&api, Some(&disk)).await;
    assert_eq!(*disk.order.lock().unwrap(), [3], "only what is missing");
    assert_eq!(report.standing.looks, 0);
    assert_eq!(trial.ledger.count(RowState::Saved), 5);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_ends_the_fetching_and_not_the_looking() {
    let trial = Trial::new(30);
    let api = Api::new(|task, _| record(task, TaskState::Success));
    let disk = Arc::new(Disk::default());
    let full = Trouble {
        code: "disk_full",
        message: "no room".into(),
        then: Then::StopSaving,
    };
    let troubles = (1..=30).map(|number| (number, vec![full.clone()]));
    disk.troubles.lock().unwrap().extend(troubles);
    let report = trial.collect(&api, Some(&disk)).await;
    assert_eq!(report.saving_stopped.as_deref(), Some("no room"));
    assert_eq!((report.standing.saved, report.standing.succeeded), (0, 30));
    assert!(disk.order.lock().unwrap().len() <= 4);
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_and_how_long_tasks_take_is_told_as_it_happens() {
    let trial = Trial::new(6);
    let api = Api::new(|task, at| {
        let ended = at > Duration::from_secs(if task.ends_with('2') { 20 } else { 45 });
        let state = if task.ends_with('2') {
            TaskState::Fail
        } else {
            TaskState::Success
        };
        record(task, if ended { state } else { TaskState::Waiting })
    });
    let disk = Arc::new(Disk::default());
    let cut = Trouble {
        code: "download",
        message: "cut".into(),
        then: Then::GiveUp,
    };
    disk.troubles.lock().unwrap().extend([(4, vec![cut])]);
    let standing = trial.collect(&api, Some(&disk)).await.standing;
    let told = standing.incidents.iter();
    let told: Vec<_> = told
        .map(|told| (told.row, told.state, &*told.code, &*told.message))
        .collect();
    let expected = [
        (2, RowState::Failed, "failed", "the generation failed"),
        (4, RowState::Succeeded, "download", "cut"),
    ];
    assert_eq!(told, expected);
    let generation = standing.generation.unwrap();
    // Looks are eight seconds apart by then.
    assert!((45..=54).contains(&generation.as_secs()), "{generation:?}");
    assert!(standing.latest_accepted.unwrap().elapsed() >= generation);
}

/// What goes with looks is a page and what is in flight.
#[tokio::test(start_paused = true)]
async fn ten_thousand_open_tasks_wait_in_the_ledger_and_not_in_memory() {
    let mut trial = Trial::new(10_000);
    trial.config.wait_for = Some(Duration::from_secs(100));
    let api = Api::new(|task, _| record(task, TaskState::Waiting));
    trial.collect(&api, None).await;
    let looks = api.looks_per_task();
    assert!(
        looks.len() > 900 && looks.values().all(|looks| *looks == 1),
        "the longest due goes first"
    );
}
