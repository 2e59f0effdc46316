//! Images on the web for `check --images`: the manifest's addresses go to whoever looks, what is found comes back to its
//! rows.
//!
//! The manifest is read twice for it, once for the addresses and once for the rows of what was found, so that no address
//! and no row has to be kept.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::finding::Finding;
use crate::job::Job;
use crate::manifest::{Fingerprint, Images, Manifest, ManifestError, Reading, Row, Survey};
use crate::preflight::{Address, Addresses, Findings, LookConfig, Looker, Standing, look_at_all};
use crate::view::{ImageCounts, Signal, Snapshot, counted};

use crate::cli::api::extra_roots;
use crate::cli::background::{LAST_LOOK, blocking, show_progress};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::news;
use crate::cli::signals::Signals;

/// Addresses between the reader and those who look, who have a queue of their own.
const ON_THE_WAY: usize = 16;

/// What looking came to.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct WebImages {
    /// Different addresses in the manifest.
    addresses: u64,
    looked_at: u64,
    bad: u64,
    not_reached: u64,
    /// Rows that are invalid for what was found and nothing else.
    #[serde(skip)]
    pub(super) spoiled_rows: u32,
    /// The signal that ended it early.
    #[serde(skip)]
    pub(super) interrupted: Option<Signal>,
}

/// What was seen, by address.
pub(super) struct Seen {
    addresses: Addresses,
    findings: Findings,
}

impl Seen {
    /// What was found at this address, if it is not simply a good image.
    pub(super) fn finding(&self, address: &str) -> Option<&Finding> {
        self.findings.get(self.addresses.key(address))
    }
}

/// Looks at the `addresses` of the manifest behind `survey`, and takes what is found into it. Gives `images` back.
pub(super) async fn look(
    job: &Job,
    console: &Console,
    survey: &mut Survey,
    images: Images,
    addresses: Addresses,
) -> Result<(WebImages, Seen, Images), Failure> {
    let looker = Looker::new(&LookConfig {
        allow_private_hosts: job.allow_private_hosts,
        extra_roots_pem: extra_roots(job)?,
        ..LookConfig::default()
    })?;
    let signals = Signals::listen(console, news::tell_of_signal_to_looker)?;
    let total = addresses.count();
    if total > 0 {
        console.notice(&format!("looking at {} on the web", counted(total, "image")));
    }

    let (standing, seen) = watch::channel(Standing::default());
    let (done, is_done) = watch::channel(false);
    let snapshot = move |elapsed| snapshot_of(total, *seen.borrow(), elapsed);
    let progress = tokio::spawn(show_progress(console.clone(), snapshot, is_done));

    let (sender, receiver) = mpsc::channel(ON_THE_WAY);
    let (path, reading, fingerprint) = (job.manifest.clone(), job.reading.clone(), survey.fingerprint);
    let feeding = blocking(move || feed((&path, &reading), fingerprint, images, addresses, &sender));
    let looking = async { Ok(look_at_all(looker, receiver, signals.stop.clone(), &standing).await) };
    let outcome = tokio::try_join!(feeding, looking);
    done.send_replace(true);
    tokio::time::timeout(LAST_LOOK, progress).await.ok();
    console.progress.finish();
    let ((mut images, addresses), findings) = outcome?;

    let seen = Seen { addresses, findings };
    let invalid = survey.invalid;
    if !seen.findings.is_empty() {
        survey.take_in_findings(&job.manifest, &job.reading, &mut images, |address| {
            seen.finding(address)
        })?;
    }
    let standing = *standing.borrow();
    let looked = WebImages {
        addresses: total,
        looked_at: standing.looked_at,
        bad: standing.bad,
        not_reached: standing.not_reached,
        spoiled_rows: survey.invalid - invalid,
        interrupted: signals.first().filter(|_| standing.done() < total),
    };
    Ok((looked, seen, images))
}

/// Reads the manifest again, and sends each address once. Ends early where nobody takes them any more.
fn feed(
    (path, reading): (&Path, &Reading),
    first: Fingerprint,
    mut images: Images,
    mut addresses: Addresses,
    sender: &mpsc::Sender<Address>,
) -> Result<(Images, Addresses), ManifestError> {
    let mut manifest = Manifest::open(path, reading, &mut images)?;
    let mut row = Row::default();
    while manifest.read(&mut row)? {
        let address = row.web_image().and_then(|address| addresses.take(address));
        if address.is_some_and(|address| sender.blocking_send(address).is_err()) {
            return Ok((images, addresses));
        }
    }
    manifest.expect_same(first)?;
    Ok((images, addresses))
}

fn snapshot_of(total: u64, standing: Standing, elapsed: Duration) -> Snapshot {
    let done = standing.done();
    Snapshot {
        total,
        done,
        elapsed,
        eta: time_left(total, done, elapsed),
        images: Some(ImageCounts {
            bad: standing.bad,
            not_reached: standing.not_reached,
        }),
        ..Snapshot::default()
    }
}

/// If the others take as long as these did.
fn time_left(total: u64, done: u64, elapsed: Duration) -> Option<Duration> {
    let left = u128::from(total.saturating_sub(done));
    let millis = (elapsed.as_millis() * left).checked_div(u128::from(done))?;
    Some(Duration::from_millis(u64::try_from(millis).ok()?))
}

/// What looking came to, for people.
pub(super) fn told_of(images: &WebImages) -> String {
    let WebImages {
        addresses,
        looked_at,
        bad,
        not_reached,
        ..
    } = *images;
    if addresses == 0 {
        return "\nimages on the web: there are none\n".to_owned();
    }
    let mut text = format!("\nimages on the web: {looked_at} looked at, ");
    let bad_ones = match bad {
        0 => "none bad".to_owned(),
        bad => format!("{bad} bad"),
    };
    text.push_str(&bad_ones);
    let left = addresses - looked_at - not_reached;
    for (count, what) in [(not_reached, "could not be looked at"), (left, "still to be looked at")] {
        if count > 0 {
            write!(text, ", {count} {what}").expect("a string takes text");
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_zero_is_left_out() {
        let told = |addresses, looked_at, bad, not_reached| {
            told_of(&WebImages {
                addresses,
                looked_at,
                bad,
                not_reached,
                spoiled_rows: 0,
                interrupted: None,
            })
        };
        insta::assert_snapshot!(
            [told(0, 0, 0, 0), told(120, 120, 0, 0), told(121, 120, 3, 1), told(500, 36, 0, 1)].concat(),
            @"

        images on the web: there are none

        images on the web: 120 looked at, none bad

        images on the web: 120 looked at, 3 bad, 1 could not be looked at

        images on the web: 36 looked at, none bad, 1 could not be looked at, 463 still to be looked at
        "
        );
    }

    #[test]
    fn the_time_left_is_that_of_the_others_so_far() {
        let left = |total, done, seconds| time_left(total, done, Duration::from_secs(seconds));
        assert_eq!(left(100, 25, 10), Some(Duration::from_secs(30)));
        assert_eq!(left(100, 100, 10), Some(Duration::ZERO));
        assert_eq!(left(100, 0, 10), None);
    }
}
