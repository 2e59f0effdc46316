//! Local images: where the API can fetch them, before their rows are sent.
//!
//! A row with a local image needs the image's address before its attempt begins. [`ImageHost`] finds one address, once;
//! [`Prepared`] is the loop's book of them: which are known, which are being found, which are to be tried again. The loop
//! prepares the rows it will come to next, so that no slot and no token of the pace ever waits for an upload.

mod prepared;
mod uploaded;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::kie::Remedy;
use crate::ledger::LedgerError;
use crate::row::{ImageHash, Submission};

pub(super) use prepared::{Ended, Prepared};
pub use uploaded::{ReadImage, UploadedImages};

/// How long an uploaded image is used. The vendor's page on uploads says that files live 3 days, its quickstart 24 hours
/// (read in November 2026). Of the shorter life four hours are left, for a task that waits in the API's queue before it
/// fetches its image.
pub const LIFE: Duration = Duration::from_secs(20 * 3_600);

/// Whether what was uploaded at `uploaded_at` may be used at `now`. If the clock was set back between the two, the truth
/// is not known, and a time as far off in the future counts as one in the past.
fn is_fresh(uploaded_at: UnixMillis, now: UnixMillis) -> bool {
    u128::from(now.0.abs_diff(uploaded_at.0)) < LIFE.as_millis()
}

/// Who knows where the API can fetch a local image, and brings it there.
pub trait ImageHost: Send + Sync + 'static {
    /// Where the image is. Costs nothing, may be asked again, and may be given up at any moment.
    fn address_of(&self, image: &LocalImage) -> impl Future<Output = Result<Address, ImageTrouble>> + Send;
}

/// The image of a row that is a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalImage {
    /// `image_url` as the manifest has it.
    pub path: String,
    /// The content the row was made for.
    pub sha256: ImageHash,
}

impl LocalImage {
    /// The local image of a submission; `None` if its image is on the web.
    fn of(submission: &Submission<'_>) -> Option<LocalImage> {
        submission.image_sha256.map(|sha256| LocalImage {
            path: submission.image_url.clone().into_owned(),
            sha256,
        })
    }
}

/// An address that the API can fetch an image from, for [`LIFE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// http or https.
    pub url: Arc<str>,
    /// Since when the image is there.
    pub uploaded_at: UnixMillis,
}

/// Why there is no address.
#[derive(Debug)]
pub enum ImageTrouble {
    /// The file is not what it was when the manifest was read. Says what is wrong, and what to do.
    File(String),
    /// The host will not have this content, whatever file it comes from.
    Refused {
        /// The API's code, or one of our words.
        code: String,
        /// The API's text, or ours.
        message: String,
    },
    /// It did not work this time.
    Again {
        /// The API's code, or one of our words.
        code: String,
        /// The API's text, or ours.
        message: String,
        /// The wait the server asked for. Unbounded.
        retry_after: Option<Duration>,
    },
    /// No upload will work before the user has done something.
    Barred {
        /// The API's code, or one of our words.
        code: String,
        /// The API's text, or ours.
        message: String,
        /// What the user has to do.
        remedy: Remedy,
    },
    /// The ledger failed.
    Ledger(LedgerError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_used_for_twenty_hours_whichever_way_the_clock_went() {
        const HOUR: i64 = 3_600_000;
        let fresh = |uploaded, now| is_fresh(UnixMillis(uploaded * HOUR), UnixMillis(now * HOUR));
        assert!(fresh(1_000, 1_000) && fresh(1_000, 1_019) && fresh(1_000, 981));
        assert!(!fresh(1_000, 1_020) && !fresh(1_000, 980));
        assert!(!is_fresh(UnixMillis(i64::MIN), UnixMillis(i64::MAX)));
    }
}
