//! Bytes from the network to the disk: one task receives, one thread hashes and writes, and a short queue is between.
//!
//! So a disk that waits does not stop the network at once, and hashing takes no turn of the others. Memory for each
//! download: [`QUEUE`] pieces in the queue, one being written and one being received, of at most 408 KiB each (hyper's
//! largest read): 2.4 MiB.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::collect::fetch::part::Part;
use crate::collect::fetch::{FetchError, blocking, given_up};
use crate::web::reason::reason_of;

/// Pieces between the network and the disk.
const QUEUE: usize = 4;

/// How slow a host may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Longest silence, and the time over which the speed is measured.
    pub(super) idle: Duration,
    /// Lowest speed in bytes per second of waiting.
    pub(super) slowest: u64,
}

/// Adds the body of `response` to `part`. `progress` hears how many bytes of the file there are after each piece.
pub(super) async fn receive(
    part: Part,
    response: Response,
    link: &str,
    patience: Patience,
    progress: &impl Fn(u64),
) -> Result<Part, FetchError> {
    let (sender, mut pieces) = mpsc::channel::<Bytes>(QUEUE);
    let here = part.written();
    let writing = blocking(move || {
        let mut part = part;
        while let Some(piece) = pieces.blocking_recv() {
            if let Err(error) = part.push(&piece) {
                return (part, Err(error));
            }
        }
        (part, Ok(()))
    });
    let receiving = pump(response, sender, link, patience, |received| progress(here + received));
    let ((part, written), received) = tokio::join!(writing, receiving);
    // What went wrong with the disk comes first: the network then only ended because nobody listened.
    match written.and(received) {
        Ok(()) => Ok(part),
        Err(error) => Err(given_up(part, error).await),
    }
}

/// Hands pieces on until the body or the writer ends.
async fn pump(
    mut response: Response,
    pieces: mpsc::Sender<Bytes>,
    link: &str,
    patience: Patience,
    progress: impl Fn(u64),
) -> Result<(), FetchError> {
    let mut speed = Speed::new(patience);
    let mut received = 0;
    loop {
        let asked = Instant::now();
        let piece = tokio::select! {
            piece = timeout(patience.idle, response.chunk()) => piece,
            () = pieces.closed() => return Ok(()),
        };
        let piece = match piece {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => {
                let reason = format!(
                    "it broke off after {received} bytes: {}",
                    reason_of(&error.without_url())
                );
                return Err(FetchError::again(link, reason));
            }
            Err(_) => {
                let silence = humantime::format_duration(patience.idle);
                return Err(FetchError::again(link, format!("nothing came for {silence}")));
            }
        };
        received += piece.len() as u64;
        if let Err(slow) = speed.note(piece.len(), asked.elapsed()) {
            return Err(FetchError::again(link, slow));
        }
        if pieces.send(piece).await.is_err() {
            return Ok(());
        }
        progress(received);
    }
}

/// Tells a slow line from a host that sends half a file for ever.
///
/// Only time spent waiting for the host counts, none in which the disk was behind.
#[derive(Debug)]
struct Speed {
    patience: Patience,
    bytes: u64,
    waited: Duration,
}

impl Speed {
    fn new(patience: Patience) -> Speed {
        Speed {
            patience,
            bytes: 0,
            waited: Duration::ZERO,
        }
    }

    /// Takes in a piece that came after so much waiting. The error says what is wrong with the speed.
    fn note(&mut self, bytes: usize, waited: Duration) -> Result<(), String> {
        self.bytes += bytes as u64;
        self.waited += waited;
        if self.waited < self.patience.idle {
            return Ok(());
        }
        let Patience { idle, slowest } = self.patience;
        let needed = idle.as_secs_f64() * slowest as f64;
        if (self.bytes as f64) < needed {
            return Err(format!(
                "it comes too slowly: {} bytes in {}, and {needed:.0} are the least",
                self.bytes,
                humantime::format_duration(Duration::from_millis(
                    u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX)
                )),
            ));
        }
        *self = Speed::new(self.patience);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed() -> Speed {
        Speed::new(Patience {
            idle: Duration::from_secs(60),
            slowest: 1024,
        })
    }

    #[test]
    fn a_trickle_is_ended_after_one_window_and_a_slow_line_is_not() {
        let mut trickle = speed();
        assert_eq!(trickle.note(1, Duration::from_secs(59)), Ok(()));
        assert_eq!(
            trickle.note(1, Duration::from_secs(59)).unwrap_err(),
            "it comes too slowly: 2 bytes in 1m 58s, and 61440 are the least"
        );
        let mut slow = speed();
        for _ in 0..1_000 {
            assert_eq!(slow.note(2_048, Duration::from_secs(1)), Ok(()));
        }
    }

    #[test]
    fn a_fast_start_does_not_pay_for_a_trickle_behind_it() {
        let mut speed = speed();
        speed.note(1 << 30, Duration::from_secs(60)).unwrap();
        assert!(speed.note(1, Duration::from_secs(61)).is_err());
    }
}
