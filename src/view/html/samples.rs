//! Batches made by hand, to try the pages on and to look at them.

use std::time::Duration;

use crate::clock::UnixMillis;
use crate::row::RowState;
use crate::view::{
    Account, Bill, Cause, Cost, Counts, Distribution, Halt, History, Media, Outcome, Overview, Pause, PauseSpan,
    RowCard, Slice, Snapshot, Step, Summary, TaskCounts, Timeline,
};

use super::report::Rows;

/// 2026-11-22, 20:13:20 UTC.
pub(super) const START: UnixMillis = UnixMillis(1_795_378_400_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A batch of which nothing is known yet.
pub(super) fn empty() -> Overview {
    Overview {
        at: START,
        name: "shots.csv".into(),
        ..Overview::default()
    }
}

/// A run of two thousand rows, a third of it done, that is waiting after a 429.
pub(super) fn at_work() -> Overview {
    let timeline = timeline(7, START, 15, 78, false);
    let counts = Counts {
        queued: 1_214,
        sending: 6,
        accepted: 212,
        rejected: 9,
        unknown: 2,
        saved: 528,
        failed: 11,
        succeeded: 14,
        invalid: 4,
    };
    Overview {
        at: START.after(seconds(1_166)),
        name: "autumn-campaign.xlsx".into(),
        summary: Summary {
            counts,
            at_work: Some("process 41127 on studio-2 since 20:13".into()),
            cost: cost(16_440.0, 6_360.0, 60.0, 36_420.0),
            causes: causes(),
            ledger: "autumn-campaign.xlsx.ledger".into(),
            selection: vec!["autumn-campaign.xlsx".into()],
            command: crate::view::Command::Status,
            requests: 804,
            retries: 33,
            rate_limited: 21,
            ..Summary::default()
        },
        history: History {
            runs: 1,
            timelines: vec![timeline],
            ..history()
        },
        live: Some(Snapshot {
            total: 1_996,
            done: 776,
            accepted: 765,
            rejected: 9,
            unknown: 2,
            in_flight: 6,
            queued: 1_214,
            requests: 804,
            rate_limited: 21,
            elapsed: seconds(1_166),
            spent_credits: Some(22_950.0),
            pause: Some(Pause {
                remaining: seconds(8),
                reason: "the API answered 429: call frequency is too high".into(),
            }),
            eta: Some(seconds(642)),
            tasks: Some(TaskCounts {
                at_work: 212,
                succeeded: 542,
                failed: 11,
                saving: 4,
                saved: 528,
                to_save: 14,
                saves: true,
                not_saved: 0,
                bytes: 2_340_000_000,
            }),
            ..Snapshot::default()
        }),
        ..Overview::default()
    }
}

/// A run that the account's balance has ended.
pub(super) fn halted() -> Overview {
    let mut overview = at_work();
    overview.live = None;
    overview.summary.at_work = None;
    let halt = Halt {
        code: "402".into(),
        message: "the account has not enough credits (402: Credits insufficient)".into(),
    };
    overview.summary.halted = Some(halt.clone());
    overview.summary.counts.queued += overview.summary.counts.sending;
    overview.summary.counts.sending = 0;
    let timeline = &mut overview.history.timelines[0];
    timeline.halted = Some(halt);
    timeline.ended_at = Some(timeline.started_at.after(timeline.slice * 78));
    overview
}

/// Everything is done, after several days and runs.
pub(super) fn done() -> Overview {
    let day = 86_400;
    let timelines = vec![
        timeline(12, START.after(seconds(6 * day)), 1, 33, true),
        timeline(11, START.after(seconds(3 * day)), 1_800, 180, true),
        timeline(10, START.after(seconds(day)), 60, 200, true),
        timeline(9, START, 30, 240, true),
    ];
    Overview {
        at: START.after(seconds(7 * day)),
        name: "catalogue-2026.jsonl".into(),
        summary: Summary {
            counts: Counts {
                saved: 4_962,
                failed: 21,
                rejected: 12,
                invalid: 5,
                ..Counts::default()
            },
            cost: Cost {
                estimated_credits: None,
                ..cost(148_860.0, 0.0, 0.0, 0.0)
            },
            causes: causes(),
            command: crate::view::Command::Status,
            selection: vec!["catalogue-2026.jsonl".into()],
            ledger: "catalogue-2026.jsonl.ledger".into(),
            ..Summary::default()
        },
        history: History {
            runs: 12,
            timelines,
            ..history()
        },
        ..Overview::default()
    }
}

fn cost(consumed: f64, at_work: f64, unknown: f64, to_come: f64) -> Cost {
    Cost {
        spent_credits: Some(consumed + at_work + unknown),
        bill: Bill {
            consumed,
            consumed_by_price: consumed,
            ended: 548,
            working: if at_work > 0.0 { 212 } else { 0 },
            at_work,
            unanswered: if unknown > 0.0 { 2 } else { 0 },
            unknown,
            ..Bill::default()
        },
        estimated_credits: Some(to_come),
        account: Some(Account {
            before: Some(60_000.0),
            after: Some(37_200.0),
            accepted: Some(22_800.0),
            unknown,
        }),
        usd_per_credit: Some(0.005),
        price_source: Some("the published prices of November 2026".into()),
    }
}

fn causes() -> Vec<Cause> {
    let cause = |state, code: &str, message: &str, count, first_rows: &[u32]| Cause {
        state,
        code: code.into(),
        message: message.into(),
        count,
        first_rows: first_rows.into(),
    };
    vec![
        cause(
            RowState::Failed,
            "500",
            "the image shows a person who could be recognised; the content was refused",
            11,
            &[17, 41, 42, 108, 230],
        ),
        cause(
            RowState::Rejected,
            "422",
            "image_url could not be fetched: the server answered 403",
            9,
            &[3, 77, 301, 302, 303],
        ),
        cause(
            RowState::Invalid,
            "invalid",
            "`duration` is `7`: 6 and 10 are possible",
            4,
            &[12, 13, 14, 15],
        ),
        cause(
            RowState::Unknown,
            "timeout",
            "no complete answer within 2 min",
            2,
            &[501, 502],
        ),
    ]
}

fn history() -> History {
    let bins = |counts: &[u64], bounds: &[f64]| bounds.iter().copied().zip(counts.iter().copied()).collect();
    History {
        latency: Distribution {
            bins: bins(
                &[0, 4, 55, 240, 301, 122, 48, 21, 9, 3, 1, 0],
                &[0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0],
            ),
            beyond: 0,
            sum: 1_420.0,
            quantiles: Some([1.24, 3.1, 11.8]),
            longest: 48.2,
        },
        generation: Distribution {
            bins: bins(
                &[0, 0, 3, 44, 210, 190, 72, 18, 4],
                &[10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0],
            ),
            beyond: 1,
            sum: 51_000.0,
            quantiles: Some([88.0, 164.0, 402.0]),
            longest: 900.0,
        },
        outcomes: [
            (Step::Request, "accepted", "", 765),
            (Step::Request, "again", "429", 21),
            (Step::Request, "again", "connect", 7),
            (Step::Request, "rejected", "422", 9),
            (Step::Request, "unknown", "timeout", 2),
            (Step::Task, "succeeded", "", 542),
            (Step::Task, "failed", "500", 8),
            (Step::Task, "failed", "no_result", 3),
        ]
        .into_iter()
        .map(|(of, result, code, count)| Outcome {
            of,
            result: result.into(),
            code: code.into(),
            count,
        })
        .collect(),
        saved_bytes: 2_340_000_000,
        ..History::default()
    }
}

/// Requests at the account's rate, with a dip and a pause now and then.
fn timeline(run: i64, started_at: UnixMillis, slice: u64, slices: u32, ended: bool) -> Timeline {
    let pause_at = [slices / 4, slices * 3 / 5];
    let full = u32::try_from((slice * 19 / 10).max(2)).unwrap();
    let slices: Vec<Slice> = (0..slices)
        .map(|index| {
            if pause_at.contains(&index) {
                return Slice::default();
            }
            let wobble = (index * 7919) % 5;
            let again = u32::from(pause_at.contains(&(index + 1))) * full / 3;
            Slice {
                accepted: (full * (20 - wobble) / 20).saturating_sub(again),
                again,
                rejected: u32::from(index % 17 == 5),
                unknown: u32::from(index % 41 == 11),
                in_flight: if !ended && index + 1 == slices { 6 } else { 0 },
                peak: 19 - (index % 9) / 4 + again.min(1),
            }
        })
        .collect();
    let begin = |index: u32| started_at.after(seconds(slice) * index);
    Timeline {
        run,
        started_at,
        ended_at: ended.then(|| begin(u32::try_from(slices.len()).unwrap())),
        halted: None,
        slice: seconds(slice),
        pauses: pause_at
            .into_iter()
            .map(|index| PauseSpan {
                from: begin(index),
                until: begin(index + 1),
                code: "429".into(),
                message: "Your call frequency is too high. Please try again later.".into(),
            })
            .collect(),
        slices,
    }
}

/// As many rows as one likes, each with a prompt of about so many characters.
pub(super) struct Many {
    pub rows: u32,
    pub characters: usize,
}

const PROMPTS: [&str; 6] = [
    "A slow dolly towards the window while rain runs down the glass, soft morning light, shallow depth of field. ",
    "一只小船漂过雾中的湖面，镜头缓缓推近，远山若隐若现，水面泛起细细的波纹。",
    "قارب صغير يعبر البحيرة في الضباب، والكاميرا تقترب ببطء بينما تشرق الشمس. ",
    "Дети бегут по пляжу, камера следует за ними на уровне глаз; ветер, брызги, закат. ",
    "The kite rises above the dunes; <script>alert(1)</script> & \"quotes\" stay what they are. ",
    "湖の上を小さな舟が進む。カメラはゆっくりと寄っていく。朝の光。",
];

const STATES: [RowState; 20] = {
    use RowState::{Accepted, Failed, Invalid, Queued, Rejected, Saved, Succeeded, Unknown};
    [
        Saved, Saved, Saved, Failed, Saved, Saved, Saved, Accepted, Saved, Rejected, Saved, Saved, Succeeded, Saved,
        Saved, Unknown, Saved, Invalid, Saved, Queued,
    ]
};

impl Many {
    pub(super) fn card(&self, row: u32) -> RowCard {
        let status = STATES[row as usize % STATES.len()];
        let pattern = PROMPTS[row as usize % PROMPTS.len()];
        let prompt: String = pattern.chars().cycle().take(self.characters).collect();
        let (code, message) = match status {
            RowState::Failed => ("500", "the content was refused"),
            RowState::Rejected => ("422", "image_url could not be fetched: the server answered 403"),
            RowState::Unknown => ("timeout", "no complete answer within 2 min"),
            RowState::Invalid => ("invalid", "`duration` is `7`: 6 and 10 are possible"),
            _ => ("", ""),
        };
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let sent = !matches!(status, RowState::Invalid | RowState::Queued);
        let has_video = matches!(status, RowState::Saved | RowState::Succeeded);
        let submitted_at = sent.then(|| START.after(seconds(u64::from(row)) / 2));
        RowCard {
            row,
            place: format!("line {}", row + 1),
            id: (!row.is_multiple_of(3)).then(|| format!("shot-{row:05}")),
            status,
            prompt,
            code: text(code),
            message: text(message),
            attempts: u32::from(sent) + u32::from(row.is_multiple_of(11)),
            submitted_at,
            completed_at: submitted_at
                .filter(|_| has_video)
                .map(|at| at.after(seconds(60 + u64::from(row % 90)))),
            credits: has_video.then_some(30.0),
            kind: Some("6 s 768P".into()),
            image: Some(Media {
                file: None,
                url: Some(format!("https://img.example.org/catalogue/2026/{row:05}.jpg")),
            }),
            video: has_video.then(|| Media {
                file: (status == RowState::Saved).then(|| format!("videos/{row:05}-shot.mp4")),
                url: Some(format!(
                    "https://tempfile.example.com/h/{:016x}/{row}.mp4",
                    u64::from(row) * 7919
                )),
            }),
        }
    }

    /// The counts of its rows.
    pub(super) fn counts(&self) -> Counts {
        (1..=self.rows)
            .map(|row| (STATES[row as usize % STATES.len()], 1))
            .collect()
    }
}

impl Rows for Many {
    type Error = std::convert::Infallible;

    fn each(&self, _: usize, visit: &mut dyn FnMut(&RowCard)) -> Result<(), Self::Error> {
        (1..=self.rows).for_each(|row| visit(&self.card(row)));
        Ok(())
    }
}
