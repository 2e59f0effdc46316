//! Whose task is this? Records of tasks against rows whose answers were lost: values only.
//!
//! The token in a record's callback URL is proof. A callback URL without one is proof of the opposite, since every URL
//! that is sent bears a token; only the row's own URL was once sent as it stood. A record without any URL, of a request
//! that asked for no callback or whose record leaves it out, can only fit: it asks for the same video, and was made while
//! a request of the row was on its way. Rows of equal content may share what fits them, since any assignment
//! gives each the video it asked for; but of more tasks than rows, which are whose is for the user to say.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::kie::TaskRecord;
use crate::ledger::AttemptId;
use crate::row::{CallbackToken, ContentHash, MODEL, RowState, Submission, TaskId};

/// How far the API's clock and this machine's may be apart: machines that set their clocks by the network are within
/// seconds, and five minutes do not mistake one evening's run for another.
pub const CLOCK_SLACK: Duration = Duration::from_secs(5 * 60);

/// How long after its beginning a request may have been taken whose end nobody saw, since its run died: as long as
/// anything on the way holds a request (408: "upstream gave nothing for ten minutes").
pub const LONGEST_REQUEST: Duration = Duration::from_secs(10 * 60);

/// What a request asks for, as far as the API's record repeats it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    prompt: String,
    /// Where the API finds the image; for a local one, where it was uploaded.
    image_url: String,
    duration: String,
    resolution: String,
}

impl Asked {
    /// What a row asks for, its image being at `image_url` for the API.
    pub fn by(submission: &Submission<'_>, image_url: String) -> Asked {
        Asked {
            prompt: submission.prompt.clone().into_owned(),
            image_url,
            duration: submission.length.as_str().to_owned(),
            resolution: submission.resolution.as_str().to_owned(),
        }
    }

    /// What a record says it was asked; `None` where it leaves something out.
    fn in_record(record: &TaskRecord) -> Option<Asked> {
        let request = &record.request;
        Some(Asked {
            prompt: request.prompt.clone()?,
            image_url: request.image_url.clone()?,
            duration: request.duration.clone()?,
            resolution: request.resolution.clone()?,
        })
    }
}

/// A row whose answer was lost.
#[derive(Debug, Clone, PartialEq)]
pub struct LostRow {
    /// The ledger's number for it.
    pub row_id: i64,
    /// Rows of the same content ask for the same video.
    pub content: ContentHash,
    /// What it asks for; `None` if the API cannot know its image, so that only a token can tell.
    pub asked: Option<Asked>,
    /// The row's own callback URL, which version 0.1.0 sent without a token.
    pub callback_url: Option<String>,
    /// Its requests that may have been taken.
    pub requests: Vec<Request>,
}

/// A request that may have been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The ledger's number for it.
    pub attempt: AttemptId,
    /// When it began.
    pub began_at: UnixMillis,
    /// When its answer was given up; `None`: its run died.
    pub given_up_at: Option<UnixMillis>,
}

impl Request {
    /// The end of the time in which it may have been taken, by this machine's clock.
    fn until(&self) -> UnixMillis {
        self.given_up_at.unwrap_or_else(|| self.began_at.after(LONGEST_REQUEST))
    }

    /// How long before (negative) or after this request a task was made, in milliseconds; 0: while it was on its way.
    fn distance(&self, created_at: UnixMillis) -> i64 {
        let early = created_at.0.saturating_sub(self.began_at.0).min(0);
        let late = created_at.0.saturating_sub(self.until().0).max(0);
        if early < 0 { early } else { late }
    }

    fn fits(&self, created_at: UnixMillis) -> bool {
        Duration::from_millis(self.distance(created_at).unsigned_abs()) <= CLOCK_SLACK
    }
}

/// What a callback token in a record leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Bearing {
    /// The record has no callback URL, or one without a token of this program.
    None,
    /// A token of this program that no request of this ledger bears.
    Foreign,
    /// A request of ours.
    Ours(Sender),
}

impl Bearing {
    /// The token to look up, if the record bears one.
    pub fn token_of(record: &TaskRecord) -> Option<CallbackToken> {
        CallbackToken::in_url(record.request.callback_url.as_deref()?)
    }
}

/// The row and the request that a token belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Sender {
    /// The row.
    pub row_id: i64,
    /// The request.
    pub attempt: AttemptId,
    /// Where the row stands.
    pub state: RowState,
    /// What it asks for by now; see [`LostRow::asked`].
    pub asked: Option<Asked>,
    /// The task that the row has, or this request was answered with.
    pub task: Option<String>,
}

/// By what a task was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// By the token in its callback URL.
    Token,
    /// By prompt, image, length, resolution and time.
    Content,
}

/// Whose a task is.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is this row's, and can be accepted.
    Ours {
        /// The row.
        row_id: i64,
        /// The request that made it.
        attempt: AttemptId,
        /// By what it was recognised.
        by: Evidence,
    },
    /// It is this row's, which has another task: one of both was not needed.
    Extra {
        /// The row.
        row_id: i64,
        /// The other task.
        task: String,
    },
    /// It is this row's, which has been edited since and asks for something else.
    Outdated {
        /// The row.
        row_id: i64,
    },
    /// It may be one of these rows', and so may other tasks.
    Several {
        /// The rows it fits.
        rows: Vec<i64>,
        /// How many other tasks.
        rivals: usize,
    },
    /// It asks for what these rows ask for, and was made at another time.
    OtherTime {
        /// The rows.
        rows: Vec<i64>,
        /// How long before (negative) or after the nearest request, in milliseconds; `None`: the record does not say when.
        distance_ms: Option<i64>,
    },
    /// The record does not say what was asked.
    Untold,
    /// It runs on another model.
    OtherModel(String),
    /// No row without an answer asked for it.
    NotOurs,
}

/// Gathers records, and says whose they are once all are there.
#[derive(Debug)]
pub struct Matcher {
    lost: Vec<LostRow>,
    /// Places in `lost`, by what the rows ask for.
    by_content: HashMap<Asked, Vec<usize>>,
    found: Vec<(TaskId, Found)>,
}

/// What is known of a task before the others are.
#[derive(Debug)]
enum Found {
    Decided(Verdict),
    /// A token says whose it is.
    Claim {
        row_id: i64,
        attempt: AttemptId,
    },
    /// It asks for what these rows ask for, and was made in the time of a request of theirs. Places in `lost`.
    Fits {
        created_at: UnixMillis,
        rows: Vec<usize>,
    },
}

impl Matcher {
    /// For these rows.
    pub fn new(lost: Vec<LostRow>) -> Matcher {
        let mut by_content: HashMap<Asked, Vec<usize>> = HashMap::new();
        for (place, row) in lost.iter().enumerate() {
            if let Some(asked) = &row.asked {
                by_content.entry(asked.clone()).or_default().push(place);
            }
        }
        Matcher {
            lost,
            by_content,
            found: Vec::new(),
        }
    }

    /// Takes the record of a task that no row has. Each task may be given once.
    pub fn add(&mut self, record: &TaskRecord, bearing: Bearing) {
        let model = match record.model.as_str() {
            "" => record.request.model.as_deref().unwrap_or_default(),
            model => model,
        };
        let found = if model == MODEL {
            match bearing {
                Bearing::Ours(sender) => claimed(record, sender),
                Bearing::Foreign => Found::Decided(Verdict::NotOurs),
                Bearing::None => self.fitting(record),
            }
        } else {
            Found::Decided(Verdict::OtherModel(model.to_owned()))
        };
        self.found.push((record.task_id.clone(), found));
    }

    fn fitting(&self, record: &TaskRecord) -> Found {
        let Some(asked) = Asked::in_record(record) else {
            return Found::Decided(Verdict::Untold);
        };
        // An empty URL is how a record may say that there is none.
        let callback_url = record.request.callback_url.as_deref().filter(|url| !url.is_empty());
        let may_have_sent =
            |place: &usize| callback_url.is_none_or(|url| self.lost[*place].callback_url.as_deref() == Some(url));
        let places = self.by_content.get(&asked).into_iter().flatten().copied();
        let places: Vec<usize> = places.filter(may_have_sent).collect();
        if places.is_empty() {
            return Found::Decided(Verdict::NotOurs);
        }
        let requests = || places.iter().flat_map(|place| &self.lost[*place].requests);
        let fits = |created_at| -> Vec<usize> {
            let fits = |place: &&usize| {
                self.lost[**place]
                    .requests
                    .iter()
                    .any(|request| request.fits(created_at))
            };
            places.iter().filter(fits).copied().collect()
        };
        match record.created_at {
            Some(created_at) if requests().any(|request| request.fits(created_at)) => Found::Fits {
                created_at,
                rows: fits(created_at),
            },
            created_at => Found::Decided(Verdict::OtherTime {
                rows: places.iter().map(|place| self.lost[*place].row_id).collect(),
                distance_ms: created_at.and_then(|created_at| {
                    let distances = requests().map(|request| request.distance(created_at));
                    distances.min_by_key(|distance| distance.unsigned_abs())
                }),
            }),
        }
    }

    /// Whose each task is, in the order they were given.
    pub fn verdicts(self) -> Vec<(TaskId, Verdict)> {
        let Matcher { lost, found, .. } = self;
        let (tasks, found): (Vec<TaskId>, Vec<Found>) = found.into_iter().unzip();
        let mut claims: HashMap<i64, Vec<usize>> = HashMap::new();
        let mut fits = BTreeMap::new();
        let mut verdicts = Vec::with_capacity(found.len());
        for (place, found) in found.into_iter().enumerate() {
            verdicts.push(match found {
                Found::Decided(verdict) => verdict,
                Found::Claim { row_id, attempt } => {
                    claims.entry(row_id).or_default().push(place);
                    Verdict::Ours {
                        row_id,
                        attempt,
                        by: Evidence::Token,
                    }
                }
                Found::Fits { created_at, rows } => {
                    fits.insert(place, (created_at, rows));
                    Verdict::NotOurs
                }
            });
        }
        for (row_id, claimants) in claims.iter().filter(|(_, claimants)| claimants.len() > 1) {
            for place in claimants {
                verdicts[*place] = Verdict::Several {
                    rows: vec![*row_id],
                    rivals: claimants.len() - 1,
                };
            }
        }
        // What a token has explained is no longer to be explained by content.
        fits.retain(|place, (_, rows)| {
            let claimant = rows.first().map(|row| lost[*row].row_id);
            rows.retain(|row| !claims.contains_key(&lost[*row].row_id));
            if let (true, Some(row_id)) = (rows.is_empty(), claimant) {
                let task = tasks[claims[&row_id][0]].to_string();
                verdicts[*place] = Verdict::Extra { row_id, task };
            }
            !rows.is_empty()
        });
        for group in groups_of(&fits, lost.len()) {
            settle_group(&group, &fits, &lost, &tasks, &mut verdicts);
        }
        tasks.into_iter().zip(verdicts).collect()
    }
}

fn claimed(record: &TaskRecord, sender: Sender) -> Found {
    let Sender { row_id, attempt, .. } = sender;
    if let Some(task) = sender.task {
        return Found::Decided(Verdict::Extra { row_id, task });
    }
    match sender.state {
        RowState::Unknown | RowState::Sending => Found::Claim { row_id, attempt },
        // Queued again, given up, or refused with an error: taken all the same. But the row may have been edited since.
        RowState::Queued | RowState::Rejected if Asked::in_record(record) == sender.asked && sender.asked.is_some() => {
            Found::Claim { row_id, attempt }
        }
        RowState::Queued
        | RowState::Rejected
        | RowState::Invalid
        | RowState::Accepted
        | RowState::Succeeded
        | RowState::Failed
        | RowState::Saved => Found::Decided(Verdict::Outdated { row_id }),
    }
}

type Fits = BTreeMap<usize, (UnixMillis, Vec<usize>)>;

/// Tasks and rows that hang together by what fits, directly or over others. Each holds at least one of both.
#[derive(Debug, Default)]
struct Group {
    /// Places of tasks.
    tasks: Vec<usize>,
    /// Places of rows.
    rows: Vec<usize>,
}

fn groups_of(fits: &Fits, rows: usize) -> Vec<Group> {
    // Each row points towards the one that stands for its group.
    let mut towards: Vec<usize> = (0..rows).collect();
    for (_, fitting) in fits.values() {
        for pair in fitting.windows(2) {
            let (one, other) = (standing_for(&mut towards, pair[0]), standing_for(&mut towards, pair[1]));
            towards[other] = one;
        }
    }
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    for (task, (_, fitting)) in fits {
        let group = groups.entry(standing_for(&mut towards, fitting[0])).or_default();
        group.tasks.push(*task);
        group.rows.extend(fitting);
    }
    for group in groups.values_mut() {
        group.rows.sort_unstable();
        group.rows.dedup();
    }
    groups.into_values().collect()
}

fn standing_for(towards: &mut [usize], mut row: usize) -> usize {
    while towards[row] != row {
        towards[row] = towards[towards[row]];
        row = towards[row];
    }
    row
}

/// Gives each task of a group a row of its own, or none of them any.
fn settle_group(group: &Group, fits: &Fits, lost: &[LostRow], tasks: &[TaskId], verdicts: &mut [Verdict]) {
    // What a record repeats is not all that a row asks for (`nsfw_checker` is not in it).
    let is_one_video = group
        .rows
        .iter()
        .all(|row| lost[*row].content == lost[group.rows[0]].content);
    let assigned = if is_one_video {
        assignment(group, fits, lost, tasks)
    } else {
        None
    };
    match assigned {
        Some(assigned) => {
            for (task, row, attempt) in assigned {
                verdicts[task] = Verdict::Ours {
                    row_id: lost[row].row_id,
                    attempt,
                    by: Evidence::Content,
                };
            }
        }
        None => {
            for task in &group.tasks {
                verdicts[*task] = Verdict::Several {
                    rows: fits[task].1.iter().map(|row| lost[*row].row_id).collect(),
                    rivals: group.tasks.len() - 1,
                };
            }
        }
    }
}

/// In the order of time, each task takes the row whose request ends first of those that it fits; the order of the input
/// makes no difference. `None` if one is left without.
fn assignment(
    group: &Group,
    fits: &Fits,
    lost: &[LostRow],
    tasks: &[TaskId],
) -> Option<Vec<(usize, usize, AttemptId)>> {
    if group.tasks.len() > group.rows.len() {
        return None;
    }
    let mut in_time = group.tasks.clone();
    in_time.sort_by_key(|task| (fits[task].0, tasks[*task].as_str()));
    let mut free: Vec<bool> = vec![true; group.rows.len()];
    let mut assigned = Vec::with_capacity(in_time.len());
    for task in in_time {
        let (created_at, fitting) = &fits[&task];
        let requests = fitting
            .iter()
            .flat_map(|row| lost[*row].requests.iter().map(move |request| (*row, request)));
        let place = |row: usize| group.rows.binary_search(&row).unwrap_or_default();
        let (row, request) = requests
            .filter(|(row, request)| free[place(*row)] && request.fits(*created_at))
            .min_by_key(|(row, request)| (request.until(), *row))?;
        free[place(row)] = false;
        assigned.push((task, row, request.attempt));
    }
    Some(assigned)
}

#[cfg(test)]
mod tests;
