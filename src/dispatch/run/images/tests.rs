//! The loop with local images, and with rows that turn out to have been taken, on paused time.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;
use tokio::time::sleep;

use super::*;
use crate::clock::{UnixMillis, Wall};
use crate::dispatch::{
    Address, DispatchConfig, LIFE, LocalImage, RetryConfig, RunReport, Standing, TokenSource, Watch, run,
};
use crate::job::OnUnknown;
use crate::kie::{Answer, CreateTask, Discreet, Remedy, Reply};
use crate::ledger::{AttemptId, Ending, Intent, LedgerError};
use crate::rate::Rate;
use crate::row::{ClipLength, ImageHash, Resolution, Submission};

/// What comes of asking for an image.
#[derive(Debug, Clone)]
enum Found {
    There,
    NoFile,
    Refused,
    Again,
    Barred,
}

/// API, ledger and image host in one, which answer as they are told and note what they are asked.
#[derive(Clone)]
struct World {
    inner: Arc<Mutex<Inner>>,
    start: Instant,
    wall: Wall,
}

#[derive(Default)]
struct Inner {
    rows: Vec<QueuedRow>,
    /// How long an upload takes, by path; else the usual time.
    slow: BTreeMap<String, Duration>,
    usual: Duration,
    /// What comes of the next requests for a path; then the image is there.
    script: BTreeMap<String, VecDeque<Found>>,
    /// Answers to the next createTask requests; then all are accepted.
    answers: VecDeque<&'static str>,
    asked: Vec<String>,
    at_once: usize,
    most_at_once: usize,
    /// When a request arrived, with its prompt and its image.
    sent: Vec<(Duration, String, String)>,
    refused: Vec<(i64, String, String)>,
    /// Rows that were taken by an earlier request, by how many attempts may begin before that is known.
    taken: BTreeMap<i64, u32>,
}

impl World {
    /// Rows with these images; those that begin with `http` are on the web. Equal first letters are equal contents.
    fn with_images<S: AsRef<str>>(images: impl IntoIterator<Item = S>) -> World {
        let row = |(index, image): (usize, S)| QueuedRow {
            row_id: i64::try_from(index).unwrap() + 1,
            number: u32::try_from(index).unwrap() + 1,
            submission: Submission {
                prompt: format!("{}", index + 1).into(),
                image_url: image.as_ref().to_owned().into(),
                image_sha256: hash_of(image.as_ref()),
                length: ClipLength::Six,
                resolution: Resolution::P768,
                nsfw_checker: None,
                callback_url: None,
            },
            tries: 0,
        };
        let start = Instant::now();
        let world = World {
            inner: Arc::default(),
            start,
            wall: Wall::Virtual {
                base: UnixMillis(1_790_000_000_000),
                start,
            },
        };
        world.lock().rows = images.into_iter().enumerate().map(row).collect();
        world.lock().usual = Duration::from_millis(300);
        world
    }

    fn script(&self, path: &str, found: &[Found]) {
        self.lock()
            .script
            .insert(path.to_owned(), found.iter().cloned().collect());
    }

    async fn run(&self, change: impl FnOnce(&mut DispatchConfig)) -> RunReport {
        let mut config = DispatchConfig {
            rate: Rate::ACCOUNT,
            burst: NonZeroU32::MIN,
            concurrency: 16,
            max_attempts: 3,
            retry: RetryConfig::default(),
            patience: Duration::from_secs(900),
            maintenance_pause: Duration::from_secs(60),
            on_unknown: OnUnknown::Hold,
            keep_going: false,
            budget: None,
            spent: 0.0,
            cost_of: Arc::new(|_, _| Some(30.0)),
            callback_url: None,
            limit: None,
            stop_at: None,
            last_attempts: Vec::new(),
            wall: self.wall,
            tokens: TokenSource::Seeded(1),
            seed: Some(1),
            planted: None,
        };
        change(&mut config);
        let (_stop, stopped) = watch::channel(false);
        run(
            Arc::new(self.clone()),
            self.clone(),
            self.clone(),
            config,
            stopped,
            Watch::nobody(),
        )
        .await
    }

    /// Prompts in the order they arrived.
    fn order(&self) -> Vec<String> {
        self.lock().sent.iter().map(|(_, prompt, _)| prompt.clone()).collect()
    }

    fn asked(&self) -> Vec<String> {
        self.lock().asked.clone()
    }

    fn refused(&self) -> Vec<(i64, String, String)> {
        self.lock().refused.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

fn hash_of(image: &str) -> Option<ImageHash> {
    let first = image.split('/').next().unwrap();
    (first != "http:").then(|| {
        let mut hash = [0; 32];
        hash[..first.len()].copy_from_slice(first.as_bytes());
        ImageHash(hash)
    })
}

impl ImageHost for World {
    async fn address_of(&self, image: &LocalImage) -> Result<Address, ImageTrouble> {
        let (wait, found) = {
            let mut inner = self.lock();
            inner.asked.push(image.path.clone());
            inner.at_once += 1;
            inner.most_at_once = inner.most_at_once.max(inner.at_once);
            let wait = inner.slow.get(&image.path).copied().unwrap_or(inner.usual);
            let script = inner.script.get_mut(&image.path);
            (wait, script.and_then(VecDeque::pop_front).unwrap_or(Found::There))
        };
        let uploaded_at = self.wall.now();
        sleep(wait).await;
        self.lock().at_once -= 1;
        let (code, message) = ("503".to_owned(), "no room".to_owned());
        Err(match found {
            Found::There => {
                let url = format!("https://files.example.org/{}", image.path).into();
                return Ok(Address { url, uploaded_at });
            }
            Found::NoFile => ImageTrouble::File("the image is no longer there: put it right".into()),
            Found::Refused => ImageTrouble::Refused { code, message },
            Found::Again => ImageTrouble::Again {
                code,
                message,
                retry_after: None,
            },
            Found::Barred => ImageTrouble::Barred {
                code: "401".into(),
                message,
                remedy: Remedy::Key,
            },
        })
    }
}

impl Discreet for World {
    fn without_secrets(&self, text: String) -> String {
        text
    }
}

impl Api for World {
    async fn create_task(&self, request: CreateTask<'_>) -> Answer {
        let mut inner = self.lock();
        let prompt = request.submission.prompt.clone().into_owned();
        inner
            .sent
            .push((self.start.elapsed(), prompt.clone(), request.image_url.to_owned()));
        let accepted = format!(r#"{{"code":200,"msg":"success","data":{{"taskId":"t{prompt}"}}}}"#);
        let body = inner.answers.pop_front().map_or(accepted, str::to_owned).into_bytes();
        Answer::Reply(Reply {
            status: 200,
            body,
            retry_after: None,
        })
    }
}

impl Ledger for World {
    async fn queued(&self, after: u32, most: usize) -> Result<Vec<QueuedRow>, LedgerError> {
        let inner = self.lock();
        let rows = inner.rows.iter().filter(|row| row.number > after);
        Ok(rows.take(most).cloned().collect())
    }

    async fn begin(&self, intent: Intent) -> Result<Option<AttemptId>, LedgerError> {
        Ok(match self.lock().taken.get_mut(&intent.row_id) {
            Some(0) => None,
            Some(left) => {
                *left -= 1;
                Some(AttemptId(intent.row_id))
            }
            None => Some(AttemptId(intent.row_id)),
        })
    }

    async fn finish(&self, _: Ending) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn refuse(&self, refusal: Refusal) -> Result<bool, LedgerError> {
        let Refusal { row_id, code, message } = refusal;
        self.lock().refused.push((row_id, code, message));
        Ok(true)
    }
}

const WEB: &str = "http://img.example.org/a.png";

#[tokio::test(start_paused = true)]
async fn uploads_do_not_slow_the_pace() {
    for upload in [300, 1_500] {
        let world = World::with_images((0..300).map(|n| format!("{n}/a.png")));
        world.lock().usual = Duration::from_millis(upload);
        world.run(|_| {}).await;
        let sent: Vec<Duration> = world.lock().sent.iter().map(|(at, ..)| *at).collect();
        assert_eq!(sent.len(), 300);
        assert_eq!(
            sent[0],
            Duration::from_millis(upload),
            "nothing else waits before the first"
        );
        let widest = sent.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        // The spacing of the account's limit, and the timer's millisecond. The first chunk of uploads is still coming.
        assert!(widest < Duration::from_millis(530), "{upload}: {widest:?}");
        let expected: Vec<String> = (1..=300).map(|n| n.to_string()).collect();
        assert_eq!(world.order(), expected);
        assert_eq!(world.lock().most_at_once, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_share_an_image_share_its_upload() {
    let world = World::with_images((0..50).map(|n| format!("{}/{n}.png", n % 3)));
    let report = world.run(|_| {}).await;
    assert_eq!(report.standing.accepted, 50);
    assert_eq!(world.asked(), ["0/0.png", "1/1.png", "2/2.png"]);
    for (_, prompt, image) in &world.lock().sent {
        let first = (prompt.parse::<u32>().unwrap() - 1) % 3;
        assert_eq!(*image, format!("https://files.example.org/{first}/{first}.png"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_waits_for_its_image_lets_others_pass() {
    let world = World::with_images(["slow/1.png", WEB, "b/3.png", WEB, WEB]);
    world
        .lock()
        .slow
        .insert("slow/1.png".into(), Duration::from_millis(1_300));
    world.run(|_| {}).await;
    assert_eq!(world.order(), ["2", "3", "4", "1", "5"]);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_gone_costs_its_own_row_and_no_other() {
    let world = World::with_images(["a/gone.png", "a/copy.png", "b/3.png"]);
    world.script("a/gone.png", &[Found::NoFile]);
    let report = world.run(|config| config.limit = Some(2)).await;
    let said = "the image is no longer there: put it right".to_owned();
    assert_eq!(world.refused(), [(1, "image".to_owned(), said)]);
    // The other file with the same content is looked at for itself, and a refused row is one of the two.
    assert_eq!(world.order(), ["2"]);
    assert_eq!(world.asked(), ["a/gone.png", "a/copy.png"]);
    let standing = report.standing;
    assert_eq!((standing.started, standing.requests, standing.rejected), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_is_told_as_it_happens() {
    let world = World::with_images(["a/gone.png", WEB, WEB, WEB, WEB]);
    world.script("a/gone.png", &[Found::NoFile]);
    world.lock().answers.extend([
        r#"{"code":422,"msg":"not this prompt"}"#,
        r#"{"code":200,"msg":"success","data":{}}"#,
        r#"{"code":402,"msg":"no credits"}"#,
    ]);
    let Standing {
        incidents,
        ending,
        halt,
        spacing,
        ..
    } = world.run(|config| config.concurrency = 1).await.standing;
    let told: Vec<_> = incidents
        .iter()
        .map(|told| (told.row, told.state, &*told.code))
        .collect();
    // The row that met the halt is queued again: nothing has become of it.
    let expected = [
        (2, RowState::Rejected, "422"),
        (1, RowState::Rejected, "image"),
        (3, RowState::Unknown, "bad_reply"),
    ];
    assert_eq!(told, expected);
    assert_eq!((ending, halt.as_deref().map(Halt::code)), (true, Some("402")));
    assert_eq!(spacing, Some(Duration::from_millis(525)));

    let standing = World::with_images([WEB]).run(|_| {}).await.standing;
    assert_eq!((standing.ending, standing.halt), (false, None), "nothing is left");
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_tried_again_and_given_up_in_the_end() {
    let world = World::with_images(["a/1.png", "b/2.png"]);
    world.script("a/1.png", &vec![Found::Again; 100]);
    world.script("b/2.png", &[Found::Again, Found::Again]);
    let report = world.run(|_| {}).await;
    assert_eq!(world.order(), ["2"]);
    let said = "8 uploads of its image failed, the last with 503: no room".to_owned();
    assert_eq!(world.refused(), [(1, "upload".to_owned(), said)]);
    assert_eq!(world.asked().len(), 8 + 3);
    assert!(report.halt.is_none());
    assert!(world.start.elapsed() > Duration::from_secs(10), "not all at once");
}

#[tokio::test(start_paused = true)]
async fn a_content_that_is_refused_is_not_uploaded_again() {
    let world = World::with_images((1..=30).map(|n| format!("a/{n}.png")));
    world.script("a/1.png", &[Found::Refused]);
    let report = world.run(|config| config.keep_going = true).await;
    assert_eq!((report.standing.rejected, world.asked().len()), (30, 1));
    let said = "the upload of its image was refused with 503: no room";
    assert!(
        world
            .refused()
            .iter()
            .all(|(_, code, message)| code == "upload" && message == said)
    );
}

#[tokio::test(start_paused = true)]
async fn ten_equal_refusals_in_a_row_halt_the_run() {
    let images: Vec<String> = (1..=30).map(|n| format!("{n}/a.png")).collect();
    let world = World::with_images(&images);
    for image in &images {
        world.script(image, &[Found::NoFile]);
    }
    let report = world.run(|_| {}).await;
    assert_eq!(
        report.halt.map(|halt| halt.code().to_owned()),
        Some("repeated".to_owned())
    );
    assert_eq!((world.refused().len(), world.order().len()), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_upload_host_refuses_halts_the_run_and_costs_no_row() {
    let world = World::with_images(["a/1.png", "b/2.png"]);
    world.script("a/1.png", &[Found::Barred]);
    let report = world.run(|_| {}).await;
    assert!(
        matches!(&report.halt, Some(Halt::Refused { row: 1, code, remedy: Remedy::Key, .. }) if code == "401"),
        "{:?}",
        report.halt
    );
    assert_eq!((report.standing.requests, world.refused().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_a_pause_has_outlived_is_not_sent() {
    let world = World::with_images(["a/1.png", "a/2.png"]);
    world.lock().answers.push_back(r#"{"code":455,"msg":"maintenance"}"#);
    let report = world
        .run(|config| {
            config.maintenance_pause = LIFE + Duration::from_secs(1);
            config.patience = LIFE * 3;
        })
        .await;
    assert_eq!(report.standing.accepted, 2);
    assert_eq!(world.asked().len(), 2, "before the pause and after it");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_never_answers_ends_the_patience() {
    let world = World::with_images(["a/1.png"]);
    world.lock().usual = Duration::from_secs(86_400);
    let report = world.run(|_| {}).await;
    assert_eq!(
        report.halt.map(|halt| halt.code().to_owned()),
        Some("patience".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_row_that_was_taken_already_is_none_of_the_limit_and_holds_no_slot() {
    let world = World::with_images([WEB; 15]);
    world.lock().taken = BTreeMap::from([(1, 0), (2, 0), (12, 0)]);
    let two = NonZeroU32::new(2).unwrap();
    let report = world
        .run(|config| {
            config.limit = Some(10);
            config.burst = two;
            config.rate = Rate::Limited {
                requests: two,
                window: Duration::from_secs(10),
            };
        })
        .await;
    let standing = report.standing;
    assert_eq!((standing.started, standing.requests, standing.retries), (10, 10, 0));
    assert_eq!((standing.accepted, standing.in_flight), (10, 0));
    let expected: Vec<String> = (3..=13).filter(|n| *n != 12).map(|n| n.to_string()).collect();
    assert_eq!(world.order(), expected);
    // Both slots were taken and never used: the first request waits for the pace alone, and not for a window.
    let first = world.lock().sent[0].0;
    assert!(first < Duration::from_secs(6), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_was_taken_already_counts_in_the_budget_once() {
    let budget = |config: &mut DispatchConfig| {
        config.budget = Some(90.0);
        config.on_unknown = OnUnknown::Resubmit;
        config.concurrency = 1;
    };
    // Taken by a request of an earlier run; by one of this run that was answered with an error; by one of this run whose
    // answer was lost, and which counts since.
    let garbled = "<html>";
    let table: [(&str, u32, &[&'static str], u64); 3] = [
        ("of an earlier run", 0, &[], 2),
        ("refused", 1, &[r#"{"code":500,"msg":"busy"}"#], 3),
        ("lost", 1, &[garbled], 3),
    ];
    for (name, begun, answers, requests) in table {
        let world = World::with_images([WEB; 5]);
        world.lock().taken.insert(1, begun);
        world.lock().answers.extend(answers);
        let report = world.run(budget).await;
        let standing = &report.standing;
        assert!(
            matches!(report.halt, Some(Halt::Budget { spent: 90.0, .. })),
            "{name}: {:?}",
            report.halt
        );
        assert_eq!((standing.spent, standing.accepted), (90.0, 2), "{name}");
        assert_eq!((standing.requests, standing.retries), (requests, 0), "{name}");
    }
}
