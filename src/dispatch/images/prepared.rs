//! The loop's book of addresses: by content, so that rows that share an image share its upload.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::Wall;
use crate::dispatch::images::{Address, ImageHost, ImageTrouble, LocalImage, is_fresh};
use crate::ledger::QueuedRow;
use crate::row::{ImageHash, Submission};

/// Images that are read and uploaded at once. At the account's pace, two rows a second, four keep up as long as an
/// upload takes less than two seconds; and each holds its image in memory, 10 MB at most.
const AT_ONCE: usize = 4;

/// Addresses held at most. More than the loop ever looks ahead; the ledger has all of them.
const MOST_HELD: usize = 1_024;

/// What the loop knows of its rows' images.
pub(in crate::dispatch) struct Prepared<I> {
    host: Arc<I>,
    wall: Wall,
    known: HashMap<ImageHash, Known>,
    under_way: JoinSet<Ended>,
}

enum Known {
    UnderWay,
    At(Address),
    /// So many tries have failed; there is another from `not_before` on.
    Later {
        tries: u32,
        not_before: Instant,
    },
    /// There will be no address in this run: code and text.
    Never(String, String),
}

/// An attempt to find an address has ended.
pub(in crate::dispatch) struct Ended {
    /// The row it was made for.
    pub row_id: i64,
    /// Its place in the manifest.
    pub number: u32,
    /// What it needs.
    pub sha256: ImageHash,
    /// Tries that had failed before.
    pub tries: u32,
    /// What came of it.
    pub found: Result<Address, ImageTrouble>,
}

impl<I: ImageHost> Prepared<I> {
    pub(in crate::dispatch) fn new(host: I, wall: Wall) -> Prepared<I> {
        Prepared {
            host: Arc::new(host),
            wall,
            known: HashMap::new(),
            under_way: JoinSet::new(),
        }
    }

    /// Whether a row can be sent as far as its image goes, and the address to send instead of a path.
    pub(in crate::dispatch) fn look(&self, submission: &Submission<'_>) -> Option<Option<Arc<str>>> {
        let Some(sha256) = &submission.image_sha256 else {
            return Some(None);
        };
        match self.known.get(sha256)? {
            // Asked each time: a pause may have lasted for hours.
            Known::At(address) if is_fresh(address.uploaded_at, self.wall.now()) => Some(Some(address.url.clone())),
            Known::At(_) | Known::UnderWay | Known::Later { .. } | Known::Never(..) => None,
        }
    }

    /// Begins to find the address of a row's image, unless that is under way, has to wait, or enough others are under
    /// way: then a later call does it. What has to wait is told by [`Prepared::next_try`] of the same `now`.
    pub(in crate::dispatch) fn prepare(&mut self, row: &QueuedRow, now: Instant) {
        let Some(image) = LocalImage::of(&row.submission) else {
            return;
        };
        if self.under_way.len() >= AT_ONCE {
            return;
        }
        let (row_id, number, sha256) = (row.row_id, row.number, image.sha256);
        let mut tries = 0;
        match self.known.get(&sha256) {
            Some(Known::UnderWay) => return,
            Some(Known::Later { not_before, .. }) if *not_before > now => return,
            Some(Known::Later { tries: before, .. }) => tries = *before,
            Some(Known::Never(code, message)) => {
                let (code, message) = (code.clone(), message.clone());
                let found = Err(ImageTrouble::Refused { code, message });
                self.under_way.spawn(std::future::ready(Ended {
                    row_id,
                    number,
                    sha256,
                    tries,
                    found,
                }));
                return;
            }
            Some(Known::At(_)) | None => {}
        }
        self.hold(sha256, Known::UnderWay);
        let host = Arc::clone(&self.host);
        self.under_way.spawn(async move {
            let found = host.address_of(&image).await;
            Ended {
                row_id,
                number,
                sha256,
                tries,
                found,
            }
        });
    }

    /// The next attempt that ends; `None` if none is under way.
    pub(in crate::dispatch) async fn next(&mut self) -> Option<Ended> {
        match self.under_way.join_next().await? {
            Ok(ended) => Some(ended),
            // A panic is a bug: end visibly, with the ledger as it stands.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    pub(in crate::dispatch) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// The image is there.
    pub(in crate::dispatch) fn found(&mut self, sha256: ImageHash, address: Address) {
        self.hold(sha256, Known::At(address));
    }

    /// It did not work, and is to be tried again after `wait`.
    pub(in crate::dispatch) fn later(&mut self, sha256: ImageHash, tries: u32, wait: Duration) {
        let not_before = Instant::now() + wait;
        self.hold(sha256, Known::Later { tries, not_before });
    }

    /// It will not work in this run.
    pub(in crate::dispatch) fn never(&mut self, sha256: ImageHash, code: String, message: String) {
        self.hold(sha256, Known::Never(code, message));
    }

    /// The file of one row did not do. Another row may have the same content in another file.
    pub(in crate::dispatch) fn forget(&mut self, sha256: ImageHash) {
        self.known.remove(&sha256);
    }

    /// When the next image that has to wait after `now` may be tried again. `now` is that of the calls of
    /// [`Prepared::prepare`]: one whose time came between two readings of the clock would be neither begun nor waited for.
    pub(in crate::dispatch) fn next_try(&self, now: Instant) -> Option<Instant> {
        let waits = self.known.values().filter_map(|known| match known {
            // One whose time has come waits for another to end.
            Known::Later { not_before, .. } if *not_before > now => Some(*not_before),
            _ => None,
        });
        waits.min()
    }

    fn hold(&mut self, sha256: ImageHash, known: Known) {
        if self.known.len() >= MOST_HELD && !self.known.contains_key(&sha256) {
            self.known
                .retain(|_, known| matches!(known, Known::UnderWay | Known::Later { .. }));
        }
        self.known.insert(sha256, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{ClipLength, Resolution};

    /// Finds nothing, ever.
    struct Nowhere;

    impl ImageHost for Nowhere {
        async fn address_of(&self, _: &LocalImage) -> Result<Address, ImageTrouble> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_image_whose_time_comes_while_rows_are_gone_through_is_begun_or_waited_for() {
        let sha256 = ImageHash([1; 32]);
        let row = QueuedRow {
            row_id: 1,
            number: 1,
            submission: Submission {
                prompt: "a boat".into(),
                image_url: "boat.png".into(),
                image_sha256: Some(sha256),
                length: ClipLength::Six,
                resolution: Resolution::P768,
                nsfw_checker: None,
                callback_url: None,
            },
            tries: 0,
        };
        let mut images = Prepared::new(Nowhere, Wall::System);
        images.later(sha256, 1, Duration::from_millis(1));
        let now = Instant::now();
        images.prepare(&row, now);
        assert!(images.is_idle());
        tokio::time::advance(Duration::from_millis(2)).await;
        assert_eq!(images.next_try(now), Some(now + Duration::from_millis(1)));

        let now = Instant::now();
        images.prepare(&row, now);
        assert!(!images.is_idle() && images.next_try(now).is_none());
    }
}
