//! Batches to be looked at: ledgers with a past, made in a moment and without a network.
//!
//! The product imports the manifest, and the past is written into its ledger. Equal calls make equal scenes, at other
//! times: the past ends shortly before now.

mod past;
mod shots;
mod truth;

use std::time::SystemTime;

use fastrand::Rng;
use hailuo_batch::ledger::{Realm, Store};

use self::past::{Fate, Past, Run, Said, TaskFate};
use self::shots::{ImagesAt, manifest, put_images};
use super::{Batch, Finished, SandboxProcess};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A port where nobody listens: a scene sends nothing.
const NOWHERE: &str = "http://127.0.0.1:9";

/// A batch with a past.
pub(crate) struct Scene {
    pub(crate) batch: Batch,
    /// Who holds it, where a run is at work.
    _at_work: Option<Store>,
}

/// A batch of which nothing is known yet, to be sent to `sandbox`. Its last row is invalid.
pub(crate) fn unsent(rows: usize, sandbox: &SandboxProcess) -> Batch {
    let batch = Batch::with_manifest("shots.csv", &manifest(rows, ImagesAt::Home, rows, 9), &sandbox.url);
    put_images(batch.folder.path());
    batch
}

/// Sixty rows, nothing sent.
pub(crate) fn empty() -> Scene {
    Scene::new(&manifest(60, ImagesAt::Home, 25, 1), ImagesAt::Home, |_, _| {})
}

/// A run in its seventh minute: 1,200 rows, about half of them sent, two pauses.
pub(crate) fn mid_run() -> Scene {
    let mut scene = Scene::new(&manifest(1_200, ImagesAt::Home, 300, 2), ImagesAt::Home, |past, now| {
        let run = Run {
            now: Some(now),
            balance: 40_000.0,
            ..Run::at(now - 400 * SECOND)
        };
        past.run(run, |row, random| match row.number {
            // Somebody else sends by the same account.
            117 | 342 if row.attempts == 0 => Fate::Again(rate_limited()),
            _ => Odds::USUAL.fate(random),
        });
    });
    scene._at_work = Some(Store::open(&scene.batch.ledger(), Realm::Api).unwrap());
    scene
}

/// Everything done: twelve rows, their videos on disk.
pub(crate) fn done() -> Scene {
    Scene::new(
        &manifest(12, ImagesAt::Home, usize::MAX, 3),
        ImagesAt::Home,
        |past, now| {
            past.run(Run::at(now - 30 * MINUTE), |_, _| Fate::Accepted(TaskFate::Video));
        },
    )
}

/// Four hundred rows; at the 262nd the credits were used up.
pub(crate) fn halted() -> Scene {
    Scene::new(&manifest(400, ImagesAt::Home, 100, 4), ImagesAt::Home, |past, now| {
        let run = Run {
            balance: 9_155.0,
            ..Run::at(now - 25 * MINUTE)
        };
        past.run(run, |row, random| match row.number {
            262 => Fate::Halt(
                format!("the balance does not cover the next row (at row 262): {OUT_OF_CREDITS}"),
                Said::new("402", OUT_OF_CREDITS),
            ),
            _ => Odds::USUAL.fate(random),
        });
    })
}

/// Five thousand rows, all of them sent in one run of three quarters of an hour, with every kind of trouble.
pub(crate) fn five_thousand() -> Scene {
    Scene::new(&manifest(5_000, ImagesAt::Home, 500, 5), ImagesAt::Home, |past, now| {
        let run = Run {
            balance: 250_000.0,
            ..Run::at(now - 2 * HOUR)
        };
        past.run(run, |row, random| match row.number {
            900 | 2_400 | 2_460 if row.attempts == 0 => Fate::Again(rate_limited()),
            3_700 if row.attempts == 0 => Fate::Again(maintenance()),
            _ => Odds::USUAL.fate(random),
        });
    })
}

/// A hundred thousand rows in a run of most of a day; their videos are left on the web.
pub(crate) fn hundred_thousand() -> Scene {
    Scene::new(
        &manifest(100_000, ImagesAt::Web, 5_000, 6),
        ImagesAt::Web,
        |past, now| {
            let run = Run {
                balance: 5_000_000.0,
                saves: false,
                ..Run::at(now - 16 * HOUR)
            };
            past.run(run, |row, random| match row.number % 9_000 {
                4_400 if row.attempts == 0 => Fate::Again(rate_limited()),
                _ => Odds::USUAL.fate(random),
            });
        },
    )
}

/// Nine hundred rows, three hundred a night: the first was rate limited, the second met a maintenance, the third had the
/// worst of it.
pub(crate) fn several_days() -> Scene {
    Scene::new(&manifest(1_000, ImagesAt::Home, 200, 7), ImagesAt::Home, |past, now| {
        let tonight = now - now % DAY + 2 * HOUR;
        let last = if tonight + HOUR > now { tonight - DAY } else { tonight };
        let mut balance = 36_000.0;
        for night in 0..3 {
            let bad = Odds {
                again: 40,
                rejected: 20,
                unknown: 6,
                failed: 50,
            };
            let run = Run {
                limit: 300,
                balance,
                ..Run::at(last - (2 - night) * DAY)
            };
            balance = past.run(run, |row, random| match (night, row.number) {
                (0, 40 | 41 | 180) if row.attempts == 0 => Fate::Again(rate_limited()),
                (1, 420) if row.attempts < 2 => Fate::Again(maintenance()),
                (2, _) => bad.fate(random),
                _ => Odds::USUAL.fate(random),
            });
        }
    })
}

/// What nobody may trust, in every place where others' words are shown: scripts, ends of tags and attributes, text that
/// runs backwards, text without end. The halt has them all.
pub(crate) fn nasty() -> Scene {
    let mut text = String::from("id,prompt,image_url,notes\n");
    for (index, nasty) in NASTY.iter().enumerate() {
        let cell = nasty.replace('"', "\"\"");
        text += &format!("\"{}{cell}\",\"{cell}\",images/kite.webp,\"{cell}\"\n", index + 1);
    }
    let endless = "endless ".repeat(250);
    text += &format!("endless,{endless},images/kite.webp,{endless}\n");
    text += "invalid,<script>alert(1)</script>,images/<script>alert(1)</script>.png,\n";
    Scene::new(&text, ImagesAt::Home, |past, now| {
        past.run(Run::at(now - 20 * MINUTE), |row, _| {
            let words = NASTY[row.number as usize % NASTY.len()];
            let said = Said::new("422", words);
            match row.number % 4 {
                _ if row.number as usize > NASTY.len() && row.attempts > 0 => {
                    Fate::Halt(NASTY.join(" "), Said::new("402", words))
                }
                0 => Fate::Accepted(TaskFate::Video),
                1 => Fate::Rejected(said),
                2 => Fate::Accepted(TaskFate::Failed(said)),
                _ if row.attempts == 0 => Fate::Again(Said::new("500", words)),
                _ => Fate::Unknown,
            }
        });
    })
}

/// Texts that a page must show and nothing else.
const NASTY: [&str; 10] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "' onmouseover='alert(3)' x='",
    "</script><script>alert(4)</script><!--",
    "javascript:alert(5)",
    "\u{202e}sdrawkcab\u{202c} and \u{2066}isolated\u{2069}",
    "مركب من ورق על הגלים",
    "清晨的湖面上一只小船缓缓驶向远方，薄雾散去 🚣",
    "one line\nand another\tand a tab",
    "&lt;b&gt;already escaped&lt;/b&gt; {{7*7}} ${alert(6)} \\u003cscript\\u003e",
];

const OUT_OF_CREDITS: &str =
    "Credits insufficient : Your current balance isn’t enough to run this request. Please top up to continue.";

fn rate_limited() -> Said {
    Said::new("429", "Rate limit exceeded")
}

fn maintenance() -> Said {
    Said::new("455", "The server is being maintained")
}

/// How many requests in a thousand come to something else than a video.
struct Odds {
    again: u32,
    rejected: u32,
    unknown: u32,
    failed: u32,
}

impl Odds {
    const USUAL: Odds = Odds {
        again: 6,
        rejected: 7,
        unknown: 2,
        failed: 14,
    };

    fn fate(&self, random: &mut Rng) -> Fate {
        let drawn = random.u32(0..1_000);
        let steps = [self.again, self.rejected, self.unknown, self.failed];
        let mut bounds = steps.iter().scan(0, |sum, step| {
            *sum += step;
            Some(*sum)
        });
        let mut pick = |from: &[(&str, &str)]| {
            let (code, message) = from[random.usize(0..from.len())];
            Said::new(code, message)
        };
        match bounds.position(|bound| drawn < bound) {
            Some(0) => Fate::Again(Said::new("500", "Internal Error, Please try again later.")),
            Some(1) => Fate::Rejected(pick(&REJECTIONS)),
            Some(2) => Fate::Unknown,
            Some(_) => Fate::Accepted(TaskFate::Failed(pick(&FAILURES))),
            None => Fate::Accepted(TaskFate::Video),
        }
    }
}

const REJECTIONS: [(&str, &str); 3] = [
    ("422", "image could not be fetched"),
    ("422", "image could not be fetched"),
    ("400", "prompt violates the content policy"),
];

const FAILURES: [(&str, &str); 3] = [
    (
        "422",
        "Your prompt was flagged by Website as violating content policies.",
    ),
    ("500", "Internal Error, Please try again later."),
    ("501", "Generation Failed"),
];

impl Scene {
    /// A batch of this manifest, imported, with the past that `tell` tells up to now.
    fn new(text: &str, images: ImagesAt, tell: impl FnOnce(&mut Past, i64)) -> Scene {
        let batch = Batch::with_manifest("shots.csv", text, NOWHERE);
        if images == ImagesAt::Home {
            put_images(batch.folder.path());
        }
        import(&batch);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let mut past = Past::of(&batch.ledger(), 11);
        tell(&mut past, i64::try_from(now.as_millis()).unwrap());
        past.write();
        Scene { batch, _at_work: None }
    }

    /// Fails the test if its ledger says what cannot be.
    #[track_caller]
    pub(crate) fn check(&self) {
        truth::check(&self.batch.ledger());
    }
}

/// Has the product read the manifest into a ledger. Its run ends at once: no row is within the budget. The embedded
/// sandbox, because images are uploaded before that is found out.
fn import(batch: &Batch) {
    let mut import = batch.command("run", &["--sandbox", "--budget", "1", "--quiet"]);
    import.env_remove("KIE_BASE_URL");
    Finished::of(import.output().unwrap()).expect_code(3);
}
