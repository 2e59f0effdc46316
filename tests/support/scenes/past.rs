//! A ledger's past, made up: runs that were never made, at the pace and with the troubles of real ones.
//!
//! Requests are played one after the other on a clock of their own, by the rules of the limiter and of the states; what
//! becomes of each is [`Fate`]. [`truth`](super::truth) checks what comes out.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;
use hailuo_batch::collect::names::{NameParts, NameTemplate};
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

/// What every task of the sandbox ends with: two seconds that play in any browser.
const CLIP: &[u8] = include_bytes!("../../../src/sandbox/clip/clip.mp4");

/// Where the videos go, beside the manifest.
pub(crate) const VIDEOS: &str = "videos";

/// From one request to the next: 20 in 10 s, and five per cent of air.
const PACE_MS: i64 = 525;

/// How long everyone waits after a 429 that names no time: 1.2 windows.
const AFTER_429_MS: i64 = 12_000;

/// After a 455.
const AFTER_455_MS: i64 = 60_000;

/// A row is sent so often in all if it is its own trouble that comes back.
const MOST_TRIES: u32 = 3;

/// A file can have so many names on ext4, and a few less are safe elsewhere.
const MOST_LINKS: u32 = 30_000;

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    /// The API takes it, and this becomes of its task.
    Accepted(TaskFate),
    /// Not now: the row goes back to the queue. 429 and 455 make everyone wait.
    Again(Said),
    /// No, for good.
    Rejected(Said),
    /// No answer in two minutes.
    Unknown,
    /// No, and the same for every other row: the run ends. The words of the halt, and what was said to the row.
    Halt(String, Said),
}

/// What becomes of a task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TaskFate {
    Video,
    Failed(Said),
}

/// A code and the text with it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Said {
    pub(crate) fn new(code: &str, message: &str) -> Said {
        Said {
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }
}

/// How a run was made. Times are in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) started_at: i64,
    /// It sends at most so many rows.
    pub(crate) limit: usize,
    /// It is at work still, and what is known is what is known now. Other runs wait for all their tasks.
    pub(crate) now: Option<i64>,
    /// It saves videos.
    pub(crate) saves: bool,
    /// Credits on the account before it.
    pub(crate) balance: f64,
}

impl Run {
    /// A run of everything that is queued, videos and all.
    pub(crate) fn at(started_at: i64) -> Run {
        Run {
            started_at,
            limit: usize::MAX,
            now: None,
            saves: true,
            balance: 100_000.0,
        }
    }
}

/// A row and what has become of it, as the ledger's table has it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    id: i64,
    pub(crate) number: u32,
    name: Option<String>,
    prompt: String,
    pub(crate) cost: f64,
    state: &'static str,
    tries: u32,
    /// Requests made for it.
    pub(crate) attempts: u32,
    task: Option<String>,
    said: Option<Said>,
    submitted_at: Option<i64>,
    completed_at: Option<i64>,
    credits: Option<f64>,
    video: Option<String>,
    due_at: Option<i64>,
}

/// The past of one ledger, as it is written.
pub(crate) struct Past {
    connection: Connection,
    random: Rng,
    rows: Vec<Row>,
    /// Places in `rows` of those still to be sent.
    queue: VecDeque<usize>,
    folder: PathBuf,
    clips: Clips,
}

/// A request that was made; its row has the rest.
#[derive(Default)]
struct Attempt {
    began_at: i64,
    answered_at: Option<i64>,
    result: Option<&'static str>,
    http_status: Option<u16>,
    pause_until: Option<i64>,
    /// `succeeded` or `failed`.
    ended: Option<&'static str>,
}

impl Past {
    /// Of a ledger that has only been imported. Equal seeds make equal pasts.
    pub(crate) fn of(ledger: &Path, seed: u64) -> Past {
        let connection = Connection::open(ledger).unwrap();
        // Nobody needs this to survive a power cut.
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        connection
            .execute_batch(
                "BEGIN; DELETE FROM runs; DELETE FROM uploads; DELETE FROM meta WHERE name = 'upload_server';
                 UPDATE meta SET value = 'api' WHERE name = 'realm';",
            )
            .unwrap();
        let mut statement = connection
            .prepare(
                "SELECT row_id, number, id, submission ->> 'prompt', submission ->> 'duration' = '10',
                        submission ->> 'resolution' = '1080P'
                 FROM manifest JOIN rows USING (row_id) ORDER BY number",
            )
            .unwrap();
        let rows = statement
            .query_map([], |row| {
                Ok(Row {
                    id: row.get(0)?,
                    number: row.get(1)?,
                    name: row.get(2)?,
                    prompt: row.get(3)?,
                    cost: if row.get(4)? || row.get(5)? { 50.0 } else { 30.0 },
                    state: "queued",
                    tries: 0,
                    attempts: 0,
                    task: None,
                    said: None,
                    submitted_at: None,
                    completed_at: None,
                    credits: None,
                    video: None,
                    due_at: None,
                })
            })
            .unwrap();
        let rows: Vec<Row> = rows.map(Result::unwrap).collect();
        drop(statement);
        let folder = ledger.parent().unwrap().to_owned();
        Past {
            random: Rng::with_seed(seed),
            queue: (0..rows.len()).collect(),
            rows,
            clips: Clips::new(&folder.join(VIDEOS)),
            folder,
            connection,
        }
    }

    /// Makes a run in which `fate` says what becomes of a request for a row. Returns the credits that are left.
    pub(crate) fn run(&mut self, run: Run, mut fate: impl FnMut(&Row, &mut Rng) -> Fate) -> f64 {
        self.connection
            .execute(
                "INSERT INTO runs (started_at, pid, host, version, target, balance_before)
                 VALUES (?1, 4711, 'studio', ?2, 'https://api.kie.ai/', ?3)",
                params![run.started_at, env!("CARGO_PKG_VERSION"), run.balance],
            )
            .unwrap();
        let run_id = self.connection.last_insert_rowid();
        let mut clock = run.started_at + 400;
        let mut last = clock;
        let mut halted = None;
        let mut begun = 0;
        // Rows that are tried again at their time, by that time.
        let mut again: BTreeMap<i64, usize> = BTreeMap::new();
        while halted.is_none() && run.now.is_none_or(|now| clock < now) {
            let due = again.first_key_value().map(|(at, _)| *at);
            let index = match due {
                Some(at) if at <= clock => again.pop_first().unwrap().1,
                _ if begun < run.limit && !self.queue.is_empty() => {
                    begun += 1;
                    self.queue.pop_front().unwrap()
                }
                Some(at) => {
                    clock = at;
                    continue;
                }
                None => break,
            };
            let fate = match fate(&self.rows[index], &mut self.random) {
                Fate::Again(said) if said.code == "500" && self.rows[index].tries + 1 >= MOST_TRIES => {
                    Fate::Rejected(said)
                }
                fate => fate,
            };
            let sent = self.send(run_id, index, &fate, clock, run);
            last = last.max(sent.known_at);
            clock = match sent.pause_until {
                // One probe, and on when it is answered.
                Some(until) => until,
                None => clock + PACE_MS + self.random.i64(0..8),
            };
            match fate {
                Fate::Again(_) => {
                    let at = sent.pause_until.unwrap_or(clock + self.random.i64(500..4_000));
                    again.insert((again.last_key_value().map_or(0, |(at, _)| at + 1)).max(at), index);
                }
                Fate::Halt(message, said) => {
                    halted = Some((said.code, message));
                    again.insert(i64::MAX, index);
                }
                Fate::Accepted(_) | Fate::Rejected(_) | Fate::Unknown => {}
            }
        }
        for index in again.into_values().rev() {
            self.queue.push_front(index);
        }
        if run.now.is_none() {
            self.end_run(run_id, last + 900, halted);
        }
        let left = "SELECT coalesce(balance_after, 0) FROM runs WHERE run_id = ?1";
        self.connection.query_row(left, [run_id], |row| row.get(0)).unwrap()
    }

    /// Writes down a request and what became of it and its task, as far as it is known.
    fn send(&mut self, run_id: i64, index: usize, fate: &Fate, began_at: i64, run: Run) -> Sent {
        let now = run.now.unwrap_or(i64::MAX);
        let answered_at = began_at
            + match fate {
                Fate::Unknown => 120_000,
                _ => self.latency_ms(),
            };
        self.rows[index].attempts += 1;
        let mut attempt = Attempt {
            began_at,
            answered_at: (answered_at <= now).then_some(answered_at),
            ..Attempt::default()
        };
        let mut known_at = answered_at;
        match fate {
            _ if answered_at > now => self.rows[index].state = "sending",
            Fate::Accepted(task) => {
                attempt.result = Some("accepted");
                attempt.http_status = Some(200);
                let task_id = format!("{:016x}{:016x}", self.random.u64(..), self.random.u64(..));
                let ends_at = answered_at + self.generation_ms();
                let row = &mut self.rows[index];
                row.state = "accepted";
                row.said = None;
                row.task = Some(task_id);
                row.submitted_at = Some(answered_at);
                row.due_at = Some(now.min(answered_at + 3_000));
                if ends_at < now {
                    known_at = ends_at + 1_500;
                    attempt.ended = Some(self.end_task(index, task, ends_at, run.saves && known_at < now));
                }
            }
            Fate::Again(said) | Fate::Halt(_, said) => {
                attempt.result = Some("again");
                attempt.pause_until = match said.code.as_str() {
                    "429" => Some(answered_at + AFTER_429_MS),
                    "455" => Some(answered_at + AFTER_455_MS),
                    _ => None,
                };
                self.rows[index].tries += u32::from(said.code == "500");
                self.turn_away(index, "queued", said);
            }
            Fate::Rejected(said) => {
                attempt.result = Some("rejected");
                self.turn_away(index, "rejected", said);
            }
            Fate::Unknown => {
                attempt.result = Some("unknown");
                let said = Said::new("timeout", "no complete answer within the time-out");
                self.turn_away(index, "unknown", &said);
            }
        }
        self.record(run_id, index, &attempt);
        Sent {
            known_at,
            pause_until: attempt.pause_until,
        }
    }

    fn turn_away(&mut self, index: usize, state: &'static str, said: &Said) {
        self.rows[index].state = state;
        self.rows[index].said = Some(said.clone());
    }

    /// Ends a task as it is fated, and saves its video. Returns the word for it.
    fn end_task(&mut self, index: usize, fate: &TaskFate, at: i64, saves: bool) -> &'static str {
        let row = &mut self.rows[index];
        row.completed_at = Some(at);
        match fate {
            TaskFate::Video => {
                row.credits = Some(row.cost);
                let task = row.task.clone().unwrap_or_default();
                row.video = Some(format!("https://file.example.org/h/{task}.mp4"));
                row.state = if saves { "saved" } else { "succeeded" };
                row.due_at = (!saves).then_some(at);
                "succeeded"
            }
            TaskFate::Failed(said) => {
                row.credits = Some(0.0);
                row.said = Some(said.clone());
                row.state = "failed";
                row.due_at = None;
                "failed"
            }
        }
    }

    fn record(&mut self, run_id: i64, index: usize, attempt: &Attempt) {
        let token = self.random.u128(..).to_be_bytes();
        let row = &self.rows[index];
        let said = row
            .said
            .as_ref()
            .filter(|_| attempt.result.is_some_and(|result| result != "accepted"));
        self.connection
            .prepare_cached(
                "INSERT INTO attempts (row_id, run_id, token, cost, began_at, answered_at, result, http_status, code,
                                       message, task_id, pause_until, ended, credits)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )
            .unwrap()
            .execute(params![
                row.id,
                run_id,
                token,
                row.cost,
                attempt.began_at,
                attempt.answered_at,
                attempt.result,
                attempt.http_status.or(said.and_then(|said| said.code.parse().ok())),
                said.map(|said| &said.code),
                said.map(|said| &said.message),
                row.task,
                attempt.pause_until,
                attempt.ended,
                attempt.ended.and(row.credits),
            ])
            .unwrap();
    }

    fn end_run(&self, run_id: i64, ended_at: i64, halted: Option<(String, String)>) {
        let (code, message) = halted.unzip();
        self.connection
            .execute(
                "UPDATE runs SET ended_at = ?2, halted_code = ?3, halted_message = ?4,
                        balance_after = balance_before - (SELECT coalesce(sum(coalesce(credits, cost)), 0) FROM attempts
                                                          WHERE run_id = ?1 AND result = 'accepted')
                 WHERE run_id = ?1",
                params![run_id, ended_at, code, message],
            )
            .unwrap();
    }

    /// Writes what has become of the rows, and puts the saved videos in their place.
    pub(crate) fn write(mut self) {
        let mut update = self
            .connection
            .prepare(
                "UPDATE rows SET state = ?2, tries = ?3, attempts = ?4, task_id = ?5, error_code = ?6, error_message = ?7,
                        submitted_at = ?8, completed_at = ?9, credits = ?10, video_url = ?11, due_at = ?12,
                        video_file = ?13, video_bytes = ?14, video_sha256 = ?15
                 WHERE row_id = ?1",
            )
            .unwrap();
        for row in self.rows.iter().filter(|row| row.attempts > 0) {
            let file = (row.state == "saved").then(|| {
                let name = NameTemplate::default().render(&NameParts {
                    row: row.number.into(),
                    id: row.name.as_deref(),
                    task: row.task.as_deref().unwrap_or_default(),
                    prompt: &row.prompt,
                });
                format!("{VIDEOS}/{name}")
            });
            if let Some(file) = &file {
                self.clips.put(&self.folder.join(file));
            }
            update
                .execute(params![
                    row.id,
                    row.state,
                    row.tries,
                    row.attempts,
                    row.task,
                    row.said.as_ref().map(|said| &said.code),
                    row.said.as_ref().map(|said| &said.message),
                    row.submitted_at,
                    row.completed_at,
                    row.credits,
                    row.video,
                    row.due_at,
                    file,
                    file.as_ref().map(|_| i64::try_from(CLIP.len()).unwrap()),
                    file.as_ref().map(|_| self.clips.sha256),
                ])
                .unwrap();
        }
        drop(update);
        self.connection
            .execute_batch(
                "INSERT INTO uploads SELECT DISTINCT unhex(submission ->> 'image_sha256'),
                        'https://file.example.org/u/' || lower(substr(submission ->> 'image_sha256', 1, 12)) || '.jpg',
                        (SELECT min(started_at) FROM runs)
                 FROM rows WHERE submission ->> 'image_sha256' IS NOT NULL AND attempts > 0;
                 COMMIT;",
            )
            .unwrap();
    }

    /// Mostly a third of a second, now and then some.
    fn latency_ms(&mut self) -> i64 {
        self.skewed_ms(0.18, 0.16, 6.0)
    }

    /// Half a minute to four.
    fn generation_ms(&mut self) -> i64 {
        self.skewed_ms(32.0, 26.0, 240.0)
    }

    /// At least `least` seconds and on the average `more` above it, with a long tail up to `most`.
    fn skewed_ms(&mut self, least: f64, more: f64, most: f64) -> i64 {
        let drawn = least - more * (1.0 - self.random.f64()).ln();
        let drawn = Duration::from_secs_f64(drawn.min(most));
        i64::try_from(drawn.as_millis()).unwrap()
    }
}

/// When a request was answered and its task's end is known, and until when its answer makes everyone wait.
struct Sent {
    known_at: i64,
    pause_until: Option<i64>,
}

/// The clip under many names, on the disk only a few times.
struct Clips {
    folder: PathBuf,
    source: Option<PathBuf>,
    links: u32,
    sha256: [u8; 32],
}

impl Clips {
    fn new(folder: &Path) -> Clips {
        Clips {
            folder: folder.to_owned(),
            source: None,
            links: 0,
            sha256: Sha256::digest(CLIP).into(),
        }
    }

    fn put(&mut self, path: &Path) {
        match &self.source {
            Some(source) if self.links < MOST_LINKS => {
                fs::hard_link(source, path).unwrap();
                self.links += 1;
            }
            _ => {
                fs::create_dir_all(&self.folder).unwrap();
                fs::write(path, CLIP).unwrap();
                self.source = Some(path.to_owned());
                self.links = 1;
            }
        }
    }
}
