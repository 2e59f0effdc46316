//! The API and the network between: they go on when the client dies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::dispatch::simulation::Story;
use crate::dispatch::simulation::disk::{Disk, row_of};
use crate::kie::{Answer, Api, CreateTask, Lost, Reply};
use crate::row::RowState;

/// The client's time-out; shorter than in life, so that hangs are cheap.
const TIMEOUT: Duration = Duration::from_secs(40);

/// How long after a 402 has been read a request may still leave: it was on its way through the ledger.
const AFTER_THE_HALT: Duration = Duration::from_secs(5);

const LIMIT: usize = 20;
const WINDOW: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(super) struct World {
    inner: Arc<Mutex<Inner>>,
    disk: Disk,
    start: Instant,
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
    /// When this run read a 402.
    refused_at: Option<Instant>,
    next_task: u32,
    violations: Vec<String>,
    events: Vec<String>,
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
    pub(super) fn new(disk: Disk, seed: u64, start: Instant) -> World {
        let mut rng = Rng::with_seed(seed);
        let faults = [0, 5, 20, 60][rng.usize(..4)];
        let balance = (rng.u8(..3) == 0).then(|| rng.u32(0..40));
        World {
            inner: Arc::new(Mutex::new(Inner {
                rng,
                faults,
                balance,
                arrivals: Vec::new(),
                billed: BTreeMap::new(),
                in_doubt: Vec::new(),
                refused_at: None,
                next_task: 0,
                violations: Vec::new(),
                events: Vec::new(),
            })),
            disk,
            start,
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

    pub(super) fn new_run(&self) {
        self.lock().refused_at = None;
    }

    /// A run died, or its ledger failed, while these rows were being sent: nobody can know what became of them.
    pub(super) fn left_sending(&self, rows: Vec<usize>) {
        self.lock().in_doubt.extend(rows);
    }

    pub(super) fn calm_down(&self) {
        self.lock().faults = 0;
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
                match (row.state, billed) {
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

    fn draw_fate(&self) -> Fate {
        let mut inner = self.lock();
        if inner.rng.u8(..100) >= inner.faults {
            return Fate::Accepted;
        }
        match inner.rng.u8(..16) {
            0 | 1 => Fate::NotSent,
            2 => Fate::Envelope(429, "Rate limit exceeded"),
            3 => Fate::Envelope(455, ""),
            4 => Fate::Envelope(500, "Internal Error, Please try again later."),
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
        let envelope = |code: u16, text: &str, data: &str| Reply {
            status: 200,
            body: format!(r#"{{"code":{code},"msg":"{text}","data":{data}}}"#).into_bytes(),
            retry_after: None,
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
                    retry_after: None,
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

impl Api for World {
    fn without_secrets(&self, text: String) -> String {
        text
    }

    async fn create_task(&self, request: CreateTask<'_>) -> Answer {
        let row = row_of(request.submission);
        if !self.disk.has_intent(row) {
            self.violation(format!("row {row} was sent before its intent was durable"));
        }
        let refused_at = self.lock().refused_at;
        if refused_at.is_some_and(|at| at.elapsed() > AFTER_THE_HALT) {
            self.violation(format!(
                "row {row} was sent {:?} after a 402",
                refused_at.map(|at| at.elapsed())
            ));
        }
        let fate = self.draw_fate();
        let (connect, there, back) = {
            let mut inner = self.lock();
            let slow = inner.rng.u8(..10) == 0;
            let longest = if slow { 12_000 } else { 400 };
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

impl World {
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
