//! One finished task's video into the folder of videos: under which name, from which link, and what follows a failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{UnixMillis, Wall};
use crate::collect::fetch::{FetchError, Fetched, Fetcher, Wanted, acknowledge};
use crate::collect::names::{NameParts, NameTemplate, numbered, part_of};
use crate::collect::saves::{Saver, Stored, Then, Trouble};
use crate::kie::{LinkError, TaskApi};
use crate::ledger::Unsaved;

/// How long the API keeps files, by its own page ("Getting Started"). Other pages name a day for a link, which a fresh
/// link mends.
pub const FILES_LIVE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Names tried when others are taken: `a.mp4`, `a-2.mp4`, …
const MOST_NAMES: u32 = 1_000;

/// Before a fetch that was broken off is gone on with.
const AGAIN: Duration = Duration::from_secs(10);

/// The longest wait that a file host may ask for.
const LONGEST_AGAIN: Duration = Duration::from_secs(10 * 60);

/// Saves videos in one folder.
#[derive(Debug)]
pub struct Folder<A> {
    api: Arc<A>,
    fetcher: Fetcher,
    folder: PathBuf,
    /// Files in here are shown relative to it.
    shown_from: PathBuf,
    names: NameTemplate,
    wall: Wall,
}

impl<A: TaskApi> Folder<A> {
    /// Saves in `folder`, which must exist. Results show files relative to `shown_from` if they lie in it.
    pub fn new(api: Arc<A>, fetcher: Fetcher, folder: PathBuf, shown_from: PathBuf, names: NameTemplate) -> Folder<A> {
        Folder {
            api,
            fetcher,
            folder,
            shown_from,
            names,
            wall: Wall::System,
        }
    }

    fn part_of(&self, video: &Unsaved) -> PathBuf {
        self.folder.join(part_of(video.task_id.as_str()))
    }

    /// Fetches the video from its own link, and from a fresh one if that leads nowhere any more, or has been tried
    /// already (`anew`): its host may be gone for good.
    async fn fetch(
        &self,
        video: &Unsaved,
        target: &Path,
        anew: bool,
        fresh: &mut FreshLink,
    ) -> Result<Fetched, Failed> {
        let part = self.part_of(video);
        let wanted = |url| Wanted {
            url,
            task: video.task_id.as_str(),
            target,
            part: &part,
            replace: false,
        };
        if anew && let Ok(fresh) = fresh.of(&*self.api, video).await {
            let fetched = self.fetcher.fetch(wanted(&fresh), |_| {}).await;
            return fetched.map_err(|error| match error {
                FetchError::NotThere { .. } => Failed::Otherwise(self.gone(video, error.to_string())),
                error => failed(&error, target),
            });
        }
        let first = match self.fetcher.fetch(wanted(&video.url), |_| {}).await {
            Err(error @ FetchError::NotThere { .. }) => error,
            other => return other.map_err(|error| failed(&error, target)),
        };
        let fresh = match fresh.of(&*self.api, video).await {
            Ok(fresh) => fresh,
            Err(LinkError::Again {
                code,
                message,
                retry_after,
            }) => {
                return Err(Failed::Otherwise(Trouble {
                    code: "download",
                    message: format!("{first}, and a fresh link could not be had now: {code}: {message}"),
                    then: again(retry_after),
                }));
            }
            Err(LinkError::Refused { code, message } | LinkError::Barred { code, message, .. }) => {
                let why = format!("{first}, and the API gives no fresh link: {code}: {message}");
                return Err(Failed::Otherwise(self.gone(video, why)));
            }
        };
        match self.fetcher.fetch(wanted(&fresh), |_| {}).await {
            Err(error @ FetchError::NotThere { .. }) => {
                let why = format!("{error}, for a fresh link too");
                Err(Failed::Otherwise(self.gone(video, why)))
            }
            other => other.map_err(|error| failed(&error, target)),
        }
    }

    /// A file that is not to be had: for good once its time is over.
    fn gone(&self, video: &Unsaved, why: String) -> Trouble {
        let ended = video.completed_at;
        let over = self.wall.now() >= ended.after(FILES_LIVE);
        Trouble {
            code: if over { "expired" } else { "download" },
            message: if over {
                format!(
                    "{why}. Files are kept for 14 days, and the task ended on {}",
                    day_of(ended)
                )
            } else {
                format!("{why}. The next `collect` asks again")
            },
            then: Then::GiveUp,
        }
    }

    /// The file as results show it: relative to the manifest's folder where it lies in there, else absolute.
    fn shown(&self, file: &Path) -> String {
        let absolute = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let file = absolute(file);
        let shown = file.strip_prefix(absolute(&self.shown_from)).unwrap_or(&file);
        shown.display().to_string()
    }
}

impl<A: TaskApi> Saver for Folder<A> {
    async fn save(&self, video: &Unsaved, failures: u32) -> Result<Stored, Trouble> {
        let name = self.names.render(&NameParts {
            row: u64::from(video.number),
            id: video.id.as_deref(),
            task: video.task_id.as_str(),
            prompt: &video.prompt,
        });
        let mut number = 1;
        let mut fresh = FreshLink::default();
        loop {
            let target = self.folder.join(match number {
                1 => name.clone(),
                _ => numbered(&name, number),
            });
            match self.fetch(video, &target, failures > 0, &mut fresh).await {
                // Somebody else's file, or another row's of the same name.
                Err(Failed::NameTaken(_)) if number < MOST_NAMES => number += 1,
                Err(Failed::NameTaken(trouble) | Failed::Otherwise(trouble)) => return Err(trouble),
                Ok(Fetched { bytes, sha256 }) => {
                    return Ok(Stored {
                        file: self.shown(&target),
                        bytes,
                        sha256,
                    });
                }
            }
        }
    }

    async fn recorded(&self, video: &Unsaved) {
        if let Err(error) = acknowledge(&self.part_of(video)).await {
            // It only lies there: the row is saved, and nobody asks for its note again.
            tracing::info!(row = video.number, %error, "a note of a video could not be removed");
        }
    }
}

/// A fresh link to a video, or why there is none: asked for once, however many names are tried.
#[derive(Default)]
struct FreshLink(Option<Result<String, LinkError>>);

impl FreshLink {
    async fn of<A: TaskApi>(&mut self, api: &A, video: &Unsaved) -> Result<String, LinkError> {
        let answer = match self.0.take() {
            Some(answer) => answer,
            None => api.fresh_link(&video.url).await,
        };
        self.0.insert(answer).clone()
    }
}

/// Why one name did not get the video.
enum Failed {
    /// Something stands there.
    NameTaken(Trouble),
    Otherwise(Trouble),
}

fn failed(error: &FetchError, target: &Path) -> Failed {
    let trouble = trouble_of(error);
    match error {
        FetchError::Taken { path, .. } if path == target => Failed::NameTaken(trouble),
        _ => Failed::Otherwise(trouble),
    }
}

fn trouble_of(error: &FetchError) -> Trouble {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}"));
    let help = error.help().map(|help| format!("; {help}"));
    Trouble {
        code: error.code(),
        message: format!("{error}{}{}", cause.unwrap_or_default(), help.unwrap_or_default()),
        then: match error {
            FetchError::Again { retry_after, .. } => again(*retry_after),
            // The folder is the same for every video.
            FetchError::DiskFull { .. } | FetchError::Io { .. } => Then::StopSaving,
            FetchError::NotThere { .. }
            | FetchError::NotAVideo { .. }
            | FetchError::TooLarge { .. }
            | FetchError::Taken { .. }
            | FetchError::Refused { .. } => Then::GiveUp,
        },
    }
}

fn again(asked: Option<Duration>) -> Then {
    Then::Again(asked.unwrap_or(AGAIN).clamp(AGAIN, LONGEST_AGAIN))
}

/// The day of a moment, as a date.
fn day_of(moment: UnixMillis) -> String {
    moment.to_rfc3339().chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::collect::fetch::FetchConfig;
    use crate::kie::{BalanceError, Discreet, Look};
    use crate::row::TaskId;

    /// Gives links that are refused without a request, and counts them.
    #[derive(Default)]
    struct Links(AtomicU32);

    impl Discreet for Links {
        fn without_secrets(&self, text: String) -> String {
            text
        }
    }

    impl TaskApi for Links {
        async fn look(&self, _: &TaskId) -> Look {
            unreachable!("the collector's business")
        }

        async fn fresh_link(&self, _: &str) -> Result<String, LinkError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            // Nobody listens there.
            Ok("http://127.0.0.1:1/fresh.mp4".to_owned())
        }

        async fn balance(&self) -> Result<f64, BalanceError> {
            unreachable!("nobody's business here")
        }
    }

    #[tokio::test]
    async fn a_fresh_link_is_asked_for_once_however_many_names_are_taken() {
        let videos = tempfile::tempdir().unwrap();
        for name in ["boat.mp4", "boat-2.mp4", "boat-3.mp4"] {
            fs::write(videos.path().join(name), "another video").unwrap();
        }
        let fetcher = Fetcher::new(FetchConfig {
            allow_private_hosts: true,
            no_proxy: true,
            ..FetchConfig::default()
        });
        let links = Arc::new(Links::default());
        let folder = Folder::new(
            Arc::clone(&links),
            fetcher.unwrap(),
            videos.path().to_owned(),
            videos.path().to_owned(),
            "{id}.mp4".parse().unwrap(),
        );
        let video = Unsaved {
            row_id: 1,
            number: 1,
            id: Some("boat".into()),
            prompt: "a boat".into(),
            task_id: TaskId::new("t1").unwrap(),
            url: "http://127.0.0.1:1/boat.mp4".into(),
            completed_at: UnixMillis(0),
        };
        let trouble = folder.save(&video, 1).await.unwrap_err();
        assert!(trouble.message.contains("fresh.mp4"), "{trouble:?}");
        assert_eq!(links.0.load(Ordering::SeqCst), 1);
    }
}
