//! `GET /api/v1/jobs/recordInfo`: looks at tasks, in a window of their own.

use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::form_urlencoded;

use crate::clock::Wall;
use crate::rate::Rate;

use super::faults::{NO_ACCESS, Refusal, TOO_MANY};
use super::reply::{Reply, broken, envelope_text, refusal, success};
use super::request::key_fits;
use super::routes::RECORD_INFO;
use super::server::Server;
use super::task::{Task, record};
use super::window::{Densest, SlidingWindow};

const NO_TASK_ID: Refusal = Refusal {
    code: 400,
    text: "taskId parameter is required",
};

/// Nobody's task, or not yet.
const NO_RECORD: Refusal = Refusal {
    code: 422,
    text: "recordInfo is null",
};

/// What the polls were like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollBooks {
    /// recordInfo requests.
    pub requests: u64,
    /// Those refused because their window was full.
    pub refused: u64,
    /// The most of them that any closed second has seen.
    pub most_in_a_second: usize,
}

/// The window of the polls, and their count.
#[derive(Debug)]
pub(super) struct Polls {
    window: Option<SlidingWindow>,
    densest: Option<Densest>,
    requests: u64,
    refused: u64,
}

impl Polls {
    pub(super) fn new(limit: Rate) -> Polls {
        let second = Rate::Limited {
            requests: std::num::NonZeroU32::MIN,
            window: Duration::from_secs(1),
        };
        Polls {
            window: SlidingWindow::new(limit, false),
            densest: Densest::new(second),
            requests: 0,
            refused: 0,
        }
    }

    /// Counts a poll.
    pub(super) fn note(&mut self, now: Duration) {
        self.requests += 1;
        if let Some(densest) = &mut self.densest {
            densest.note(now);
        }
    }

    /// Whether a poll fits in the window.
    pub(super) fn admit(&mut self, now: Duration) -> bool {
        let admitted = self.window.as_mut().is_none_or(|window| window.admit(now));
        self.refused += u64::from(!admitted);
        admitted
    }

    pub(super) fn books(&self) -> PollBooks {
        PollBooks {
            requests: self.requests,
            refused: self.refused,
            most_in_a_second: self.densest.as_ref().map_or(0, Densest::most),
        }
    }
}

/// Answers a poll.
pub(super) async fn record_info(server: &Server, request: Request<Incoming>) -> Reply {
    let key_fits = key_fits(server, &request);
    let task_id = task_id_of(request.uri().query().unwrap_or(""));
    drop(request);
    let (answer, fault, in_status) = {
        let mut account = server.account();
        // Read under the lock, so that moments are in the order of arrival.
        let now = server.started.elapsed();
        account.polls.note(now);
        let (fault, in_status) = account.strike_poll();
        let answer = if !key_fits {
            Err(NO_ACCESS)
        } else if !account.polls.admit(now) {
            Err(TOO_MANY)
        } else if fault.as_ref().is_some_and(|fault| !fault.lets_through()) {
            Ok(None)
        } else {
            task_id.ok_or(NO_TASK_ID).and_then(|id| {
                let task = Task::read(&id).ok_or(NO_RECORD)?;
                let link = server.link_of(&task);
                let data = record(&task, Wall::System.now(), account.param(task.id), &link);
                data.map(Some).ok_or(NO_RECORD)
            })
        };
        (answer, fault, in_status)
    };
    let proper = match answer {
        Err(Refusal { code, text }) => return Ok(refusal(code, text, in_status)),
        Ok(data) => envelope_text(200, "success", &json!(data)),
    };
    match fault {
        None => Ok(success(proper)),
        Some(fault) => broken(&fault, proper, in_status, RECORD_INFO).await,
    }
}

/// The parameter `taskId`, unless it is missing or empty.
fn task_id_of(query: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(query.as_bytes());
    let (_, id) = fields.find(|(name, _)| name == "taskId")?;
    (!id.is_empty()).then(|| id.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_id_is_found_in_any_query() {
        for (query, expected) in [
            ("taskId=abc", Some("abc")),
            ("a=b&taskId=a%62c&taskId=d", Some("abc")),
            ("taskId=", None),
            ("taskid=abc", None),
            ("", None),
        ] {
            assert_eq!(task_id_of(query).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn polls_are_counted_whether_or_not_they_fit() {
        let mut polls = Polls::new("2/1s".parse().unwrap());
        let mut admitted = Vec::new();
        for millis in [0, 100, 200, 1_500] {
            let now = Duration::from_millis(millis);
            polls.note(now);
            admitted.push(polls.admit(now));
        }
        assert_eq!(admitted, [true, true, false, true]);
        let books = polls.books();
        assert_eq!((books.requests, books.refused, books.most_in_a_second), (4, 1, 3));
    }
}
