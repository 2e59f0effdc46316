//! The records of many tasks, asked for once each: at the pace of looks, a few at a time, and again where a look brings
//! nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::{UnixMillis, Wall};
use crate::kie::{Look, Remedy, TaskApi, TaskRecord};
use crate::pace::Pace;
use crate::row::TaskId;

/// Looks that are on their way at once. An answer takes half a second (36 recorded calls), so that eight keep the pace of
/// 10 a second.
const AT_ONCE: usize = 8;

/// How often a task is looked at whose looks bring nothing.
const MOST_LOOKS: u32 = 4;

/// The wait before the second look; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// So many tasks in a row whose looks all brought nothing are an outage, and not those tasks' own trouble.
const MOST_IN_VAIN: u32 = 16;

/// A pause for which the API names no length.
const USUAL_PAUSE: Duration = Duration::from_secs(10);

/// "At once" is not what a busy API means.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Longer than this nobody waits before a terminal.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// So many pauses without an answer between them are no passing trouble.
const MOST_PAUSES: u32 = 10;

/// What became of a task's looks.
#[derive(Debug, Clone, PartialEq)]
pub enum Looked {
    /// The API's record.
    Record(Box<TaskRecord>),
    /// The API has no record of it.
    Missing,
    /// None of the looks brought an answer; this is the last trouble.
    Unread {
        /// The API's code, or our word.
        code: String,
        /// The text.
        message: String,
    },
}

/// Why no more tasks are looked at. Texts are the server's, without the key.
#[derive(Debug, Clone, PartialEq)]
pub enum Stopped {
    /// Every look would fail the same way.
    Barred {
        /// The API's code, or our word.
        code: String,
        /// The text.
        message: String,
        /// What the user has to do.
        remedy: Remedy,
    },
    /// The API asks to stay away for longer than is waited here.
    StayAway {
        /// For how long.
        wait: Duration,
        /// Until when.
        until: UnixMillis,
    },
    /// Looks bring nothing, one task after the other; this is the last trouble.
    InVain {
        /// The API's code, or our word.
        code: String,
        /// The text.
        message: String,
    },
}

impl Stopped {
    /// The API's code, or one of our words: `retry_after`, `patience`.
    pub fn code(&self) -> &str {
        match self {
            Stopped::Barred { code, .. } => code,
            Stopped::StayAway { .. } => "retry_after",
            Stopped::InVain { .. } => "patience",
        }
    }

    /// One sentence that says what happened. Holds the server's text as it came.
    pub fn message(&self) -> String {
        match self {
            Stopped::Barred { message, remedy, .. } if message.is_empty() => remedy.trouble().to_owned(),
            Stopped::Barred { message, remedy, .. } => format!("{}: {message}", remedy.trouble()),
            Stopped::StayAway { wait, until } => format!(
                "the API asks to stay away for {}, until {}",
                humantime::format_duration(Duration::from_secs(wait.as_secs())),
                until.to_rfc3339()
            ),
            Stopped::InVain { code, message } => {
                format!("looks at tasks bring nothing; the last trouble was {code}: {message}")
            }
        }
    }
}

/// Looks at each of `tasks`, no faster than `pace` (`None`: as fast as the answers come), and gives what was found to
/// `take`, in the order of the answers. Stops at its first error.
pub async fn look_up<A: TaskApi, E: From<Stopped>>(
    api: Arc<A>,
    tasks: Vec<TaskId>,
    pace: Option<Pace>,
    mut take: impl FnMut(TaskId, Looked) -> Result<(), E>,
) -> Result<(), E> {
    let lane = Arc::new(Lane::new(pace));
    let mut looks = JoinSet::new();
    let mut tasks = tasks.into_iter();
    loop {
        while looks.len() < AT_ONCE
            && let Some(task) = tasks.next()
        {
            let (api, lane) = (Arc::clone(&api), Arc::clone(&lane));
            looks.spawn(async move {
                let looked = look(&*api, &lane, &task).await;
                (task, looked)
            });
        }
        // Those that are left are ended with the set.
        match looks.join_next().await {
            None => return Ok(()),
            Some(Ok((task, looked))) => take(task, looked?)?,
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Nothing ends a look but the end of the set.
            Some(Err(_)) => {}
        }
    }
}

async fn look<A: TaskApi>(api: &A, lane: &Lane, task: &TaskId) -> Result<Looked, Stopped> {
    let mut looks = 0;
    loop {
        lane.turn().await;
        match api.look(task).await {
            Look::Record(record) => {
                lane.answered();
                return Ok(Looked::Record(record));
            }
            Look::Missing => {
                lane.answered();
                return Ok(Looked::Missing);
            }
            Look::Barred { code, message, remedy } => return Err(Stopped::Barred { code, message, remedy }),
            Look::Busy {
                code,
                message,
                retry_after,
            } => lane.pause(code, message, retry_after)?,
            Look::Nothing { code, message } => {
                looks += 1;
                if looks == MOST_LOOKS {
                    lane.in_vain(&code, &message)?;
                    return Ok(Looked::Unread { code, message });
                }
                sleep(FIRST_WAIT * 2_u32.pow(looks - 1)).await;
            }
        }
    }
}

/// What all looks share: when the next one may leave, and how the last ones fared.
#[derive(Debug)]
struct Lane(Mutex<Standing>);

#[derive(Debug)]
struct Standing {
    pace: Option<Pace>,
    /// The end of a pause that holds for all.
    not_before: Instant,
    pauses: u32,
    in_vain: u32,
}

impl Lane {
    fn new(pace: Option<Pace>) -> Lane {
        Lane(Mutex::new(Standing {
            pace,
            not_before: Instant::now(),
            pauses: 0,
            in_vain: 0,
        }))
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another look may leave.
    async fn turn(&self) {
        loop {
            let next = {
                let mut standing = self.standing();
                let paused = standing.not_before > Instant::now();
                match &mut standing.pace {
                    _ if paused => standing.not_before,
                    None => return,
                    Some(pace) => match pace.take() {
                        Ok(()) => return,
                        Err(next) => next,
                    },
                }
            };
            sleep_until(next).await;
        }
    }

    fn answered(&self) {
        let mut standing = self.standing();
        standing.pauses = 0;
        standing.in_vain = 0;
        if let Some(pace) = &mut standing.pace {
            pace.clean_answer();
        }
    }

    /// The API is busy: all looks wait, the one that met it among them.
    fn pause(&self, code: String, message: String, asked: Option<Duration>) -> Result<(), Stopped> {
        let wait = asked.unwrap_or(USUAL_PAUSE).max(SHORTEST_PAUSE);
        if wait > LONGEST_PAUSE {
            let until = Wall::System.now().after(wait);
            return Err(Stopped::StayAway { wait, until });
        }
        let mut standing = self.standing();
        let until = Instant::now() + wait;
        // Looks that were on their way together meet the same trouble.
        if standing.not_before <= Instant::now() {
            standing.pauses += 1;
            if standing.pauses > 1
                && let Some(pace) = &mut standing.pace
            {
                pace.widen();
            }
        }
        standing.not_before = standing.not_before.max(until);
        if standing.pauses > MOST_PAUSES {
            return Err(Stopped::InVain { code, message });
        }
        Ok(())
    }

    /// A task is given up.
    fn in_vain(&self, code: &str, message: &str) -> Result<(), Stopped> {
        let mut standing = self.standing();
        standing.in_vain += 1;
        if standing.in_vain == MOST_IN_VAIN {
            return Err(Stopped::InVain {
                code: code.to_owned(),
                message: message.to_owned(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::num::NonZeroU32;

    use super::*;
    use crate::kie::{BalanceError, Discreet, LinkError};

    /// An API that answers each look as scripted, then with `Missing`, and notes when it was asked.
    #[derive(Default)]
    struct Scripted {
        looks: Mutex<HashMap<String, Vec<Look>>>,
        asked_at: Mutex<Vec<Instant>>,
    }

    impl Scripted {
        fn answering(task: &str, looks: &[Look]) -> Scripted {
            let api = Scripted::default();
            api.looks.lock().unwrap().insert(task.to_owned(), looks.to_vec());
            api
        }
    }

    impl Discreet for Scripted {
        fn without_secrets(&self, text: String) -> String {
            text
        }
    }

    impl TaskApi for Scripted {
        async fn look(&self, task: &TaskId) -> Look {
            self.asked_at.lock().unwrap().push(Instant::now());
            let mut looks = self.looks.lock().unwrap();
            match looks.get_mut(task.as_str()) {
                Some(script) if !script.is_empty() => script.remove(0),
                _ => Look::Missing,
            }
        }

        async fn fresh_link(&self, url: &str) -> Result<String, LinkError> {
            panic!("nobody asks for a link to {url}")
        }

        async fn balance(&self) -> Result<f64, BalanceError> {
            panic!("nobody asks for the balance")
        }
    }

    fn nothing() -> Look {
        Look::Nothing {
            code: "http_502".into(),
            message: "bad gateway".into(),
        }
    }

    fn busy(seconds: Option<u64>) -> Look {
        Look::Busy {
            code: "429".into(),
            message: "too fast".into(),
            retry_after: seconds.map(Duration::from_secs),
        }
    }

    fn tasks(count: usize) -> Vec<TaskId> {
        (0..count).map(|n| TaskId::new(&format!("t{n}")).unwrap()).collect()
    }

    fn pace(requests: u32) -> Option<Pace> {
        let requests = NonZeroU32::new(requests).unwrap();
        Some(Pace::new(requests, Duration::from_secs(1), NonZeroU32::MIN, None))
    }

    /// What came of `count` looks, in order of the tasks, how many looks it took and how long.
    async fn looked(
        api: Scripted,
        count: usize,
        pace: Option<Pace>,
    ) -> (Result<Vec<Looked>, Stopped>, usize, Duration) {
        let api = Arc::new(api);
        let began = Instant::now();
        let mut found = Vec::new();
        let ended = look_up(Arc::clone(&api), tasks(count), pace, |task, looked| {
            found.push((task.as_str()[1..].parse::<usize>().unwrap(), looked));
            Ok::<_, Stopped>(())
        })
        .await;
        found.sort_by_key(|(number, _)| *number);
        let found = found.into_iter().map(|(_, looked)| looked).collect();
        let looks = api.asked_at.lock().unwrap().len();
        (ended.map(|()| found), looks, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn every_task_is_looked_at_once_at_the_pace() {
        let (found, looks, time) = looked(Scripted::default(), 21, pace(10)).await;
        assert_eq!((found, looks), (Ok(vec![Looked::Missing; 21]), 21));
        assert!((2_100..2_200).contains(&time.as_millis()), "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_brings_nothing_is_repeated_and_given_up_in_the_end() {
        let (found, looks, _) = looked(Scripted::answering("t0", &[nothing(), nothing(), nothing()]), 1, None).await;
        assert_eq!((found, looks), (Ok(vec![Looked::Missing]), 4));
        let (found, looks, time) = looked(Scripted::answering("t1", &vec![nothing(); 9]), 3, None).await;
        let unread = Looked::Unread {
            code: "http_502".into(),
            message: "bad gateway".into(),
        };
        assert_eq!((found, looks), (Ok(vec![Looked::Missing, unread, Looked::Missing]), 6));
        assert_eq!(time.as_secs(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_api_makes_all_looks_wait() {
        for (asked, seconds) in [(Some(30), 30), (None, 10)] {
            let api = Arc::new(Scripted::answering("t0", &[busy(asked)]));
            let began = Instant::now();
            let all = look_up(Arc::clone(&api), tasks(30), pace(1_000), |_, _| Ok::<_, Stopped>(()));
            assert_eq!(all.await, Ok(()));
            let asked_at = api.asked_at.lock().unwrap();
            assert_eq!(asked_at.len(), 31);
            let before = asked_at
                .iter()
                .filter(|at| at.duration_since(began).as_secs() < seconds)
                .count();
            assert!(before <= AT_ONCE, "{before} looks during the pause");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_every_look_would_meet_stops_them_all() {
        let barred = Look::Barred {
            code: "401".into(),
            message: "bad key".into(),
            remedy: Remedy::Key,
        };
        let (ended, looks, _) = looked(Scripted::answering("t0", &[barred]), 1_000, pace(10)).await;
        let stopped = ended.unwrap_err();
        assert_eq!(
            (stopped.code(), stopped.message()),
            ("401", "the API refused the key: bad key".to_owned())
        );
        assert!(looks <= AT_ONCE, "{looks}");

        let (ended, ..) = looked(Scripted::answering("t0", &[busy(Some(3_600))]), 1, None).await;
        assert_eq!(ended.unwrap_err().code(), "retry_after");
        let (ended, looks, _) = looked(Scripted::answering("t0", &vec![busy(None); 99]), 1, pace(10)).await;
        assert_eq!((ended.unwrap_err().code(), looks), ("patience", 11));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_from_the_trouble_of_some_tasks() {
        let out_of = |bad: usize| {
            let api = Scripted::default();
            let looks = (0..bad).map(|n| (format!("t{n}"), vec![nothing(); 9]));
            *api.looks.lock().unwrap() = looks.collect();
            api
        };
        let (ended, ..) = looked(out_of(15), 40, None).await;
        let unread = ended
            .unwrap()
            .iter()
            .filter(|looked| matches!(looked, Looked::Unread { .. }))
            .count();
        assert_eq!(unread, 15);
        let (ended, looks, _) = looked(out_of(4_000), 4_000, None).await;
        assert_eq!(ended.unwrap_err().code(), "patience");
        assert!(looks <= 100, "{looks}");
    }
}
