//! How long a run will still take, as far as anybody can tell: numbers in, a duration or nothing out.

use std::time::Duration;

use crate::pace;

/// A run at one moment, with what it has shown of its speed so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    /// Rows that wait to be sent, for the first time or again.
    pub queued: u64,
    /// Requests without an answer yet.
    pub in_flight: u64,
    /// Nothing more is sent, whatever is queued.
    pub ending: bool,
    /// Requests so far, and rows they were made for.
    pub requests: u64,
    pub started: u64,
    /// How far apart requests may leave: as configured, and now. `None` without a limit.
    pub spacing: Option<Spacing>,
    /// Requests a second of late, pauses left out; `None` after too few.
    pub requests_per_second: Option<f64>,
    /// What is left of the pause under way.
    pub pause_left: Duration,
    /// How much of the time so far went into pauses, and how much did not.
    pub paused: Duration,
    pub active: Duration,
    /// When nothing more is started.
    pub stops_in: Option<Duration>,
    /// The tasks, if the run stays for them.
    pub tasks: Option<Tasks>,
}

/// How far apart requests leave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spacing {
    pub configured: Duration,
    /// Wider, after the API has refused twice.
    pub now: Duration,
}

/// Tasks that somebody waits for.
#[derive(Debug, Clone, Default)]
pub(super) struct Tasks {
    pub at_work: u64,
    /// The time within which nine in ten of the last ones ended.
    pub generation: Option<Duration>,
    /// How long ago the latest was accepted.
    pub latest_age: Option<Duration>,
    /// How many ended a second of late; `None` after too few.
    pub ended_per_second: Option<f64>,
    /// Their videos, if they are saved.
    pub videos: Option<Videos>,
}

/// Videos to be saved.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Videos {
    /// Ready, the ones under way included.
    pub to_save: u64,
    pub saving: u64,
    /// How many were saved a second of late; `None` after too few.
    pub saved_per_second: Option<f64>,
}

/// What is still to come; `None` where nobody can tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Eta {
    /// Until the last row is sent.
    pub sending: Option<Duration>,
    /// Until the last video is saved, or whatever else the run stays for.
    pub all: Option<Duration>,
}

/// Before its pauses say how much of the time to come will go into pauses, a run has to go on for about so long: the first
/// one comes early or not at all.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// Requests that a run is taken to have made without repeating one, for the same reason.
const GRACE_REQUESTS: f64 = 20.0;

/// How long the run on this course will still take.
pub(super) fn eta(course: &Course) -> Eta {
    let sending = sending(course);
    Eta {
        sending: sending.filter(|_| !course.ending),
        all: match &course.tasks {
            None => sending,
            Some(tasks) => waiting(course, tasks, sending),
        },
    }
}

/// The rows that are left, at the pace that is allowed or the one that is reached, whichever is slower; after the pause
/// under way, and with such pauses as there have been.
fn sending(course: &Course) -> Option<Duration> {
    if course.ending {
        return (course.in_flight == 0).then_some(Duration::ZERO);
    }
    if course.queued == 0 {
        return Some(Duration::ZERO);
    }
    #[expect(clippy::cast_precision_loss, reason = "a manifest has at most a million rows")]
    let [queued, requests, started] = [course.queued, course.requests, course.started].map(|count| count as f64);
    let per_row = (requests + GRACE_REQUESTS) / (started.min(requests) + GRACE_REQUESTS);
    let requests = (queued * per_row).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive whole number"
    )]
    let allowed = course
        .spacing
        .map(|Spacing { configured, now }| pace::time_for(requests as u64, configured, now));
    let reached = course.requests_per_second.and_then(|pace| time(requests, pace));
    let active = allowed.max(reached)?;
    let pauses = course.paused.as_secs_f64() / (course.active + GRACE).as_secs_f64();
    let all = course.pause_left.saturating_add(scaled(active, 1.0 + pauses));
    Some(course.stops_in.map_or(all, |stop| stop.min(all)))
}

/// The last task, accepted last, takes as long as tasks take. Where more have ended than were looked at, and more than can
/// be saved at once, it is those queues that count.
fn waiting(course: &Course, tasks: &Tasks, sending: Option<Duration>) -> Option<Duration> {
    let to_come = course.in_flight + if course.ending { 0 } else { course.queued };
    let generated = if to_come > 0 {
        sending?.checked_add(tasks.generation?)?
    } else if tasks.at_work > 0 {
        let by_age = tasks.generation?.saturating_sub(tasks.latest_age.unwrap_or_default());
        let by_pace = tasks.ended_per_second.and_then(|pace| time(count(tasks.at_work), pace));
        // The last stragglers: older than tasks get, and nothing ends any more.
        if by_age.is_zero() {
            by_pace?
        } else {
            by_age.max(by_pace.unwrap_or_default())
        }
    } else {
        Duration::ZERO
    };
    let Some(videos) = tasks.videos else {
        return Some(generated);
    };
    let is_last = to_come + tasks.at_work == 0;
    let saved = match videos.to_save {
        0 => Duration::ZERO,
        // They go as they come.
        to_save if to_save <= videos.saving && !is_last => Duration::ZERO,
        to_save => time(count(to_save + tasks.at_work + to_come), videos.saved_per_second?)?,
    };
    Some(generated.max(saved))
}

#[expect(clippy::cast_precision_loss, reason = "a manifest has at most a million rows")]
fn count(number: u64) -> f64 {
    number as f64
}

/// How long so many take at so many a second.
fn time(number: f64, per_second: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number / per_second).ok()
}

fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seconds(duration: Option<Duration>) -> Option<u64> {
        duration.map(|duration| (duration + SECOND / 2).as_secs())
    }

    /// A run that has just begun, at the account's pace.
    fn begun() -> Course {
        Course {
            queued: 1_000,
            spacing: Some(Spacing {
                configured: Duration::from_millis(525),
                now: Duration::from_millis(525),
            }),
            ..Course::default()
        }
    }

    /// The same after ten minutes.
    fn settled() -> Course {
        Course {
            requests: 1_140,
            started: 1_140,
            requests_per_second: Some(1.9),
            active: 600 * SECOND,
            ..begun()
        }
    }

    #[test]
    fn a_run_that_has_just_begun_goes_by_what_is_allowed() {
        assert_eq!(seconds(eta(&begun()).sending), Some(525));
        let unlimited = Course {
            spacing: None,
            ..begun()
        };
        assert_eq!(eta(&unlimited), Eta::default(), "nobody can tell");
        let measured = Course {
            requests_per_second: Some(50.0),
            ..unlimited
        };
        assert_eq!(seconds(eta(&measured).sending), Some(20));
        assert_eq!(seconds(eta(&measured).all), Some(20), "nobody stays for the tasks");
    }

    #[test]
    fn answers_that_are_slower_than_the_limit_count() {
        assert_eq!(seconds(eta(&settled()).sending), Some(526));
        let slow = Course {
            requests_per_second: Some(0.5),
            ..settled()
        };
        assert_eq!(seconds(eta(&slow).sending), Some(2_000));
    }

    #[test]
    fn the_pause_under_way_is_waited_for_and_earlier_ones_are_expected_again() {
        let pausing = |paused, active| Course {
            pause_left: 12 * SECOND,
            paused: SECOND * paused,
            active: SECOND * active,
            ..begun()
        };
        assert_eq!(seconds(eta(&pausing(0, 5)).sending), Some(537));
        // The first pause of a young run is no rule yet; a tenth of two hours is one.
        assert_eq!(seconds(eta(&pausing(12, 10)).sending), Some(557));
        assert_eq!(seconds(eta(&pausing(720, 6_480)).sending), Some(593));
    }

    #[test]
    fn a_widened_spacing_comes_back_and_costs_until_then() {
        let mut course = begun();
        course.spacing = Some(Spacing {
            configured: Duration::from_millis(525),
            now: Duration::from_millis(750),
        });
        let widened = seconds(eta(&course).sending).unwrap();
        assert!((530..550).contains(&widened), "{widened}");
    }

    #[test]
    fn rows_that_took_two_requests_each_will_again() {
        let repeating = Course {
            requests: 2_280,
            ..settled()
        };
        let twice = seconds(eta(&repeating).sending).unwrap();
        assert!((1_030..1_052).contains(&twice), "{twice}");
    }

    #[test]
    fn whoever_stops_at_six_is_done_at_six() {
        let stopping = Course {
            stops_in: Some(60 * SECOND),
            ..settled()
        };
        assert_eq!(eta(&stopping).sending, Some(60 * SECOND));
        let ending = Course {
            ending: true,
            ..settled()
        };
        assert_eq!((eta(&ending).sending, eta(&ending).all), (None, Some(Duration::ZERO)));
        let last = Course { in_flight: 3, ..ending };
        assert_eq!(eta(&last), Eta::default(), "their answers take as long as they take");
    }

    fn waiting(at_work: u64) -> Tasks {
        Tasks {
            at_work,
            generation: Some(90 * SECOND),
            ..Tasks::default()
        }
    }

    fn all(course: Course, tasks: Tasks) -> Option<u64> {
        seconds(
            eta(&Course {
                tasks: Some(tasks),
                ..course
            })
            .all,
        )
    }

    #[test]
    fn the_last_task_takes_as_long_as_tasks_take() {
        assert_eq!(all(settled(), waiting(100)), Some(616));
        assert_eq!(all(settled(), Tasks::default()), None, "none has ended yet");
        let sent = Course { queued: 0, ..settled() };
        let aged = |age| Tasks {
            latest_age: Some(SECOND * age),
            ..waiting(3)
        };
        assert_eq!(all(sent.clone(), aged(20)), Some(70));
        assert_eq!(all(sent.clone(), aged(95)), None, "stragglers");
        assert_eq!(all(sent.clone(), waiting(0)), Some(0));
        // Thousands have ended overnight: looking at them all is what takes time.
        let overnight = Tasks {
            ended_per_second: Some(10.0),
            latest_age: Some(36_000 * SECOND),
            ..waiting(5_000)
        };
        assert_eq!(all(sent, overnight), Some(500));
    }

    #[test]
    fn videos_that_queue_up_are_what_is_waited_for() {
        let with = |to_save, saving, saved_per_second| Tasks {
            videos: Some(Videos {
                to_save,
                saving,
                saved_per_second,
            }),
            ..waiting(100)
        };
        assert_eq!(all(settled(), with(4, 4, Some(1.9))), Some(616), "they go as they come");
        assert_eq!(all(settled(), with(400, 4, Some(0.5))), Some(3_000));
        assert_eq!(all(settled(), with(400, 4, None)), None);
        let last = Tasks {
            at_work: 0,
            ..with(4, 4, Some(0.5))
        };
        assert_eq!(all(Course { queued: 0, ..settled() }, last), Some(8));
    }
}
