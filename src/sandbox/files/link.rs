//! Links to files: `/files/<task id>.mp4?expires=<seconds>&check=<16 digits>`.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::clock::UnixMillis;
use crate::sandbox::task::Task;

use super::PATH;

/// How long a link from download-url works, says its page.
const FRESH_LIFE: Duration = Duration::from_secs(20 * 60);

/// A link to the file of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Link {
    pub(in crate::sandbox) task: Task,
    /// When it stops working, in seconds since 1970.
    pub(in crate::sandbox) expires: i64,
    /// Whether download-url gave it, and not the record.
    pub(in crate::sandbox) fresh: bool,
}

impl Link {
    /// The link in a task's record: the same each time.
    pub(in crate::sandbox) fn in_record(task: Task, life: Duration) -> Link {
        Link {
            task,
            expires: seconds_after(task.completed().unwrap_or(task.created), life),
            fresh: false,
        }
    }

    /// A link from download-url.
    pub(in crate::sandbox) fn fresh(task: Task, now: UnixMillis) -> Link {
        Link {
            task,
            expires: seconds_after(now, FRESH_LIFE),
            fresh: true,
        }
    }

    /// Path and query.
    pub(in crate::sandbox) fn path(&self) -> String {
        let fresh = if self.fresh { "&fresh=1" } else { "" };
        let Link { task, expires, .. } = self;
        format!(
            "{PATH}{}.mp4?expires={expires}{fresh}&check={:016x}",
            task.id,
            self.check()
        )
    }

    /// Reads path and query, or a whole URL: the host does not matter, since a sandbox may serve on another port
    /// tomorrow. `None` for what no sandbox gave.
    pub(in crate::sandbox) fn read(url: &str) -> Option<Link> {
        let (_, behind) = url.split_once(PATH)?;
        let (name, query) = behind.split_once('?')?;
        let field = |name: &str| {
            let mut fields = query.split('&').filter_map(|field| field.split_once('='));
            fields.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let link = Link {
            task: Task::read(name.strip_suffix(".mp4")?)?,
            expires: field("expires")?.parse().ok()?,
            fresh: field("fresh").is_some(),
        };
        (field("check")? == format!("{:016x}", link.check())).then_some(link)
    }

    fn check(&self) -> u64 {
        let mut hasher = Sha256::new();
        hasher.update(format!(
            "a link of the sandbox {} {} {}",
            self.task.id, self.expires, self.fresh
        ));
        let mut check = [0; 8];
        check.copy_from_slice(&hasher.finalize()[..8]);
        u64::from_be_bytes(check)
    }
}

fn seconds_after(moment: UnixMillis, life: Duration) -> i64 {
    let life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
    (moment.0 / 1_000).saturating_add(life)
}

#[cfg(test)]
mod tests {
    use crate::sandbox::trouble::{Ending, FileTrouble};

    use super::*;

    fn task() -> Task {
        let generation = Duration::from_secs(5);
        Task::new(
            UnixMillis(1_790_000_000_000),
            generation,
            30,
            Ending::Video,
            FileTrouble::None,
        )
    }

    #[test]
    fn links_are_read_back_from_any_host() {
        for link in [
            Link::in_record(task(), Duration::from_secs(60)),
            Link::fresh(task(), UnixMillis(1_790_000_100_000)),
        ] {
            assert_eq!(Link::read(&link.path()), Some(link));
            assert_eq!(
                Link::read(&format!("http://127.0.0.1:40001{}", link.path())),
                Some(link)
            );
        }
        let link = Link::in_record(task(), Duration::from_secs(60));
        assert_eq!((link.expires, link.fresh), (1_790_000_065, false));
        assert_eq!(
            Link::fresh(task(), UnixMillis(1_790_000_100_000)).expires,
            1_790_001_300
        );
    }

    #[test]
    fn a_link_that_was_changed_is_none() {
        let path = Link::in_record(task(), Duration::from_secs(60)).path();
        let other = Link::in_record(task(), Duration::from_secs(60)).path();
        let (_, check) = path.split_once("check=").unwrap();
        let (_, other_check) = other.split_once("check=").unwrap();
        for changed in [
            path.replace("expires=1790000065", "expires=1990000065"),
            path.replace("&check", "&fresh=1&check"),
            path.replace(check, other_check),
            path.replace(".mp4", ".mov"),
            path.replace(&format!("&check={check}"), ""),
            path.replace("/files/", "/file/"),
            "https://tempfile.example.org/h/x7.mp4".to_owned(),
            String::new(),
        ] {
            assert_eq!(Link::read(&changed), None, "{changed}");
        }
    }
}
