//! The API and the network between: they go on when the client dies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::clock::{UnixMillis, Wall};
use crate::dispatch::simulation::disk::{Disk, WEB_IMAGE, row_of};
use crate::dispatch::simulation::{MAX_ATTEMPTS, Story};
use crate::dispatch::{Address, ImageHost, ImageTrouble, LIFE, LocalImage};
use crate::kie::{Answer, Api, CreateTask, Discreet, Lost, Remedy, Reply};
use crate::row::{ImageHash, RowState};

/// The client's time-out; shorter than in life, so that hangs are cheap.
const TIMEOUT: Duration = Duration::from_secs(40);

/// How long after a refusal has been read, or a stop was asked for, a request may still leave: the answer and the next
/// intent were on their way through the ledger.
const SLACK: Duration = Duration::from_secs(5);

/// The shortest pause after a 429 and after a 455.
const PAUSE_429: Duration = Duration::from_secs(12);
const PAUSE_455: Duration = Duration::from_secs(60);

/// A failure that is the row's own trouble.
const OWN_TROUBLE: Fate = Fate::Envelope(500, "Internal Error, Please try again later.");

const LIMIT: usize = 20;
const WINDOW: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(super) struct World {
    inner: Arc<Mutex<Inner>>,
    disk: Disk,
    start: Instant,
    wall: Wall,
}

struct Inner {
    rng: Rng,
    /// Chance of a fault, in percent; 0 when the world has calmed down.
    faults: u8,
    /// Rows the account can still pay for.
    balance: Option<u32>,
    /// When a request of which row arrived.
    arrivals: Vec<(Instant, usize)>,
    /// The tasks each row was billed for.
    billed: BTreeMap<usize, Vec<String>>,
    /// Rows of which the client may rightly not know what became.
    in_doubt: Vec<usize>,
    /// Every so many rows one fails by its own trouble nearly always.
    sick: Option<usize>,
    /// How often each row's own trouble was answered.
    own_troubles: BTreeMap<usize, u32>,
    /// What holds for this run.
    bounds: Bounds,
    /// When this run read a 402.
    refused_at: Option<Instant>,
    /// The pauses this run was told to make: nothing may leave between these moments.
    silences: Vec<(Instant, Instant)>,
    /// Rows begun in this run.
    begun: BTreeSet<usize>,
    /// The addresses of local images that the client was told: whose, and since when the image is there.
    uploads: BTreeMap<String, (ImageHash, UnixMillis)>,
    next_task: u32,
    violations: Vec<String>,
    events: Vec<String>,
}

/// What a run was told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds {
    /// Whether rows whose answer was lost may be sent, and paid for, again.
    pub resubmits: bool,
    /// Requests that may be paid for, over all runs.
    pub most_paid: Option<usize>,
    /// Rows that may be begun.
    pub limit: Option<u64>,
    /// When it is to stop.
    pub stop_at: Option<Instant>,
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Accepted,
    NotSent,
    Envelope(u16, &'static str),
    Page(u16, bool),
    /// The task is made and the connection breaks.
    ReplyLost,
    /// The connection breaks before anything is read.
    RequestLost,
    /// No answer ever; `true`: the task is made.
    Hangs(bool),
    NoId,
}

impl World {
    pub(super) fn new(disk: Disk, seed: u64, start: Instant, wall: Wall) -> World {
        let mut rng = Rng::with_seed(seed);
        let faults = [0, 5, 20, 60][rng.usize(..4)];
        let sick = (rng.u8(..4) == 0).then(|| rng.usize(1..8));
        let balance = (rng.u8(..3) == 0).then(|| rng.u32(0..40));
        World {
            inner: Arc::new(Mutex::new(Inner {
                rng,
                faults,
                balance,
                arrivals: Vec::new(),
                billed: BTreeMap::new(),
                in_doubt: Vec::new(),
                sick,
                own_troubles: BTreeMap::new(),
                bounds: Bounds::default(),
                refused_at: None,
                silences: Vec::new(),
                begun: BTreeSet::new(),
                uploads: BTreeMap::new(),
                next_task: 0,
                violations: Vec::new(),
                events: Vec::new(),
            })),
            disk,
            start,
            wall,
        }
    }

    pub(super) fn tell(&self, event: String) {
        let at = self.start.elapsed().as_secs_f64();
        self.lock().events.push(format!("{at:9.3} {event}"));
    }

    pub(super) fn violation(&self, what: String) {
        self.tell(format!("VIOLATION {what}"));
        self.lock().violations.push(what);
    }

    pub(super) fn new_run(&self, bounds: Bounds) {
        let mut inner = self.lock();
        inner.refused_at = None;
        inner.silences.clear();
        inner.begun.clear();
        inner.bounds = bounds;
    }

    /// A run died, or its ledger failed, while these rows were being sent: nobody can know what became of them.
    pub(super) fn left_sending(&self, rows: Vec<usize>) {
        self.lock().in_doubt.extend(rows);
    }

    pub(super) fn calm_down(&self) {
        let mut inner = self.lock();
        inner.faults = 0;
        inner.sick = None;
    }

    pub(super) fn top_up(&self) {
        self.lock().balance = None;
    }

    pub(super) fn story(&self) -> Story {
        let inner = self.lock();
        Story {
            violations: inner.violations.clone(),
            events: inner.events.clone(),
        }
    }

    /// What must hold at the end: the disk against what the API saw.
    pub(super) fn audit(&self) {
        let mut wrong = Vec::new();
        {
            let mut inner = self.lock();
            for (index, row) in self.disk.rows().into_iter().enumerate() {
                let billed = inner.billed.get(&index).map(Vec::as_slice).unwrap_or_default();
                let recorded = row.task_id.as_ref().map(|id| id.as_str().to_owned());
                let doubts = inner.in_doubt.iter().filter(|row| **row == index).count();
                let own_troubles = inner.own_troubles.get(&index).copied().unwrap_or_default();
                if own_troubles >= MAX_ATTEMPTS && !matches!(row.state, RowState::Rejected | RowState::Unknown) {
                    wrong.push(format!(
                        "row {index} is {} after {own_troubles} failures of its own",
                        row.state
                    ));
                }
                let resubmitted = inner.bounds.resubmits && doubts > 0;
                let known = |id: &String| billed.contains(id);
                match (row.state, billed) {
                    // One of its answers was lost, and it was sent again as asked.
                    (RowState::Accepted, billed)
                        if resubmitted && billed.len() <= 1 + doubts && recorded.as_ref().is_some_and(known) => {}
                    (RowState::Rejected | RowState::Unknown | RowState::Queued, billed)
                        if resubmitted && billed.len() <= doubts => {}
                    (_, [_, _, ..]) => wrong.push(format!("row {index} was billed {} times", billed.len())),
                    (RowState::Accepted, [task]) if recorded.as_ref() == Some(task) => {}
                    (RowState::Rejected, []) => {}
                    (RowState::Unknown, _) if inner.in_doubt.contains(&index) => {}
                    (RowState::Queued, []) => {}
                    (state, _) => wrong.push(format!("row {index} is {state} ({recorded:?}), billed: {billed:?}")),
                }
            }
            inner.arrivals.sort_unstable();
            let arrivals: Vec<Instant> = inner.arrivals.iter().map(|(at, _)| *at).collect();
            if let Some(window) = arrivals
                .windows(LIMIT + 1)
                .find(|window| window[LIMIT] - window[0] <= WINDOW)
            {
                wrong.push(format!(
                    "{} requests arrived within {:?}",
                    LIMIT + 1,
                    window[LIMIT] - window[0]
                ));
            }
        }
        wrong.into_iter().for_each(|what| self.violation(what));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn draw_fate(&self, row: usize) -> Fate {
        let mut inner = self.lock();
        if inner.sick.is_some_and(|every| row.is_multiple_of(every)) && inner.rng.u8(..10) > 0 {
            return OWN_TROUBLE;
        }
        if inner.rng.u8(..100) >= inner.faults {
            return Fate::Accepted;
        }
        match inner.rng.u8(..16) {
            0 | 1 => Fate::NotSent,
            2 => Fate::Envelope(429, "Rate limit exceeded"),
            3 => Fate::Envelope(455, ""),
            4 => OWN_TROUBLE,
            5 => Fate::Envelope(500, "This field is required"),
            6 => Fate::Envelope(422, "Invalid parameter"),
            7 => Fate::Page(503, false),
            8 => Fate::Page(502, inner.rng.bool()),
            9 => Fate::Page(524, inner.rng.bool()),
            10 => Fate::ReplyLost,
            11 => Fate::RequestLost,
            12 => Fate::Hangs(inner.rng.bool()),
            13 => Fate::NoId,
            _ => Fate::Accepted,
        }
    }

    /// The request reaches the API, which acts on it and answers. `None`: no answer.
    fn arrive(&self, row: usize, fate: Fate) -> Option<Result<Reply, ()>> {
        let mut inner = self.lock();
        inner.arrivals.push((Instant::now(), row));
        let refuses = matches!(fate, Fate::Envelope(429 | 455 | 500, _) | Fate::Page(503, _));
        let retry_after = (refuses && inner.rng.u8(..4) == 0).then(|| Duration::from_secs(inner.rng.u64(2..=40)));
        let envelope = |code: u16, text: &str, data: &str| Reply {
            status: 200,
            body: format!(r#"{{"code":{code},"msg":"{text}","data":{data}}}"#).into_bytes(),
            retry_after,
        };
        let broke = inner.balance == Some(0);
        let mut bill = || {
            inner.next_task += 1;
            let task = format!("task{}", inner.next_task);
            if let Some(balance) = &mut inner.balance {
                *balance = balance.saturating_sub(1);
            }
            inner.billed.entry(row).or_default().push(task.clone());
            task
        };
        match fate {
            Fate::NotSent | Fate::RequestLost => Some(Err(())),
            Fate::Envelope(code, text) => Some(Ok(envelope(code, text, "null"))),
            Fate::Page(status, billed) => {
                if billed && !broke {
                    bill();
                }
                Some(Ok(Reply {
                    status,
                    body: b"<html>oops</html>".to_vec(),
                    retry_after,
                }))
            }
            _ if broke => Some(Ok(envelope(402, "Credits insufficient", "null"))),
            Fate::Accepted => {
                let task = bill();
                Some(Ok(envelope(200, "success", &format!(r#"{{"taskId":"{task}"}}"#))))
            }
            Fate::ReplyLost => {
                bill();
                Some(Err(()))
            }
            Fate::Hangs(billed) => {
                if billed {
                    bill();
                }
                None
            }
            Fate::NoId => {
                bill();
                Some(Ok(envelope(200, "success", "{}")))
            }
        }
    }
}

impl Discreet for World {
    fn without_secrets(&self, text: String) -> String {
        text
    }
}

impl Api for World {
    async fn create_task(&self, request: CreateTask<'_>) -> Answer {
        let row = row_of(request.submission);
        if !self.disk.has_intent(row) {
            self.violation(format!("row {row} was sent before its intent was durable"));
        }
        self.check_that_it_may_leave(row);
        self.check_the_image(row, &request);
        let fate = self.draw_fate(row);
        let (connect, there, back) = {
            let mut inner = self.lock();
            let longest = match inner.rng.u8(..20) {
                0 => 30_000,
                1 => 12_000,
                _ => 400,
            };
            // A request of a dead process must have arrived before the next one trusts that it has: the way there is
            // bounded as the limiter assumes.
            (inner.rng.u64(0..50), inner.rng.u64(0..900), inner.rng.u64(0..longest))
        };
        sleep(Duration::from_millis(connect)).await;
        if fate == Fate::NotSent {
            self.tell(format!("row {row}: not sent"));
            return Answer::NotSent {
                reason: "connection refused".into(),
            };
        }
        let answer = timeout(TIMEOUT, self.network(row, fate, there, back)).await;
        let mut inner = self.lock();
        match answer {
            Ok(Ok(Ok(reply))) => {
                if reply.body.starts_with(br#"{"code":402"#) {
                    inner.refused_at.get_or_insert_with(Instant::now);
                }
                inner.note_pause(fate, reply.retry_after);
                if fate == OWN_TROUBLE {
                    *inner.own_troubles.entry(row).or_default() += 1;
                }
                if fate == Fate::NoId || matches!(fate, Fate::Page(502 | 524, _)) {
                    inner.in_doubt.push(row);
                }
                Answer::Reply(reply)
            }
            Ok(_) => {
                inner.in_doubt.push(row);
                Answer::Lost {
                    kind: Lost::Broken,
                    reason: "connection reset".into(),
                }
            }
            Err(_) => {
                inner.in_doubt.push(row);
                Answer::Lost {
                    kind: Lost::Timeout,
                    reason: "no answer".into(),
                }
            }
        }
    }
}

impl ImageHost for World {
    async fn address_of(&self, image: &LocalImage) -> Result<Address, ImageTrouble> {
        let (delay, fails, kind) = {
            let mut inner = self.lock();
            let delay = if inner.rng.u8(..10) == 0 {
                inner.rng.u64(0..20_000)
            } else {
                inner.rng.u64(0..800)
            };
            (delay, inner.rng.u8(..100) < inner.faults, inner.rng.u8(..30))
        };
        sleep(Duration::from_millis(delay)).await;
        let (code, message) = ("503".to_owned(), "upload trouble".to_owned());
        if fails {
            self.tell(format!("{} is not uploaded ({kind})", image.path));
            return Err(match kind {
                0 => ImageTrouble::File("the image is no longer there".into()),
                1 => ImageTrouble::Refused { code, message },
                2 => ImageTrouble::Barred {
                    code,
                    message,
                    remedy: Remedy::Key,
                },
                _ => ImageTrouble::Again {
                    code,
                    message,
                    retry_after: (kind < 6).then_some(Duration::from_secs(u64::from(kind))),
                },
            });
        }
        let mut inner = self.lock();
        // Sometimes an upload of an earlier run, which a pause may outlive.
        let age = if inner.rng.u8(..3) == 0 {
            LIFE.as_millis() - u128::from(inner.rng.u64(1..60_000))
        } else {
            0
        };
        let uploaded_at = UnixMillis(self.wall.now().0 - i64::try_from(age).unwrap());
        let url = format!("https://files.example.org/{}/{}", inner.uploads.len(), image.path);
        inner.uploads.insert(url.clone(), (image.sha256, uploaded_at));
        Ok(Address {
            url: url.into(),
            uploaded_at,
        })
    }
}

impl World {
    /// The API can fetch the image, and it is the row's.
    fn check_the_image(&self, row: usize, request: &CreateTask<'_>) {
        let found = self.lock().uploads.get(request.image_url).copied();
        let age = |at| Duration::from_millis(self.wall.now().millis_since(at));
        let wrong = match (request.submission.image_sha256, found) {
            (None, _) => request.image_url != WEB_IMAGE,
            (Some(sha256), Some((uploaded, at))) => sha256 != uploaded || age(at) > LIFE + SLACK,
            (Some(_), None) => true,
        };
        if wrong {
            self.violation(format!("row {row} was sent with the image {}", request.image_url));
        }
    }
}

impl Inner {
    /// The client has read this answer: it may make everyone wait.
    fn note_pause(&mut self, fate: Fate, retry_after: Option<Duration>) {
        let least = match fate {
            Fate::Envelope(429, _) => PAUSE_429,
            Fate::Envelope(455, _) => PAUSE_455,
            _ => return,
        };
        let now = Instant::now();
        self.silences
            .push((now + SLACK, now + retry_after.unwrap_or_default().max(least)));
    }
}

impl World {
    /// What a run was told about sending, by its settings and by the API.
    fn check_that_it_may_leave(&self, row: usize) {
        let now = Instant::now();
        let mut wrong = Vec::new();
        {
            let mut inner = self.lock();
            if let Some(at) = inner.refused_at.filter(|at| now > *at + SLACK) {
                wrong.push(format!("{:?} after a 402", now - at));
            }
            if let Some((from, until)) = inner.silences.iter().find(|(from, until)| *from < now && now < *until) {
                wrong.push(format!(
                    "{:?} before the end of a pause, {:?} into it",
                    *until - now,
                    now + SLACK - *from
                ));
            }
            if inner.own_troubles.get(&row).is_some_and(|count| *count >= MAX_ATTEMPTS) {
                wrong.push(format!("after {MAX_ATTEMPTS} failures of its own"));
            }
            if let Some(at) = inner.bounds.stop_at.filter(|at| now > *at + SLACK) {
                wrong.push(format!("{:?} after the stop", now - at));
            }
            inner.begun.insert(row);
            if inner.bounds.limit.is_some_and(|limit| inner.begun.len() as u64 > limit) {
                wrong.push(format!("as number {} of {:?}", inner.begun.len(), inner.bounds.limit));
            }
            let to_pay = self.disk.requests_to_pay();
            if inner.bounds.most_paid.is_some_and(|most| to_pay > most) {
                wrong.push(format!("as request {to_pay} to pay of {:?}", inner.bounds.most_paid));
            }
        }
        for what in wrong {
            self.violation(format!("row {row} was sent {what}"));
        }
    }

    /// Carries the request there and the answer back, whether or not the client still lives.
    fn network(&self, row: usize, fate: Fate, there: u64, back: u64) -> oneshot::Receiver<Result<Reply, ()>> {
        let (tell, told) = oneshot::channel();
        let world = self.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(there)).await;
            let reply = world.arrive(row, fate);
            world.tell(format!("row {row}: {fate:?}"));
            match reply {
                Some(reply) => {
                    sleep(Duration::from_millis(back)).await;
                    drop(tell.send(reply));
                }
                None => std::future::pending().await,
            }
        });
        told
    }
}
