//! How many may look at a time. They take no callback's place, and not all of a machine either.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections of viewers at once. A browser opens up to six to one host.
pub const VIEWERS: usize = 48;

/// Of these, streams of events: one for each open page.
pub const STREAMS: usize = 24;

/// Places for viewers.
#[derive(Debug)]
pub(super) struct Places {
    viewers: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _viewer: OwnedSemaphorePermit,
    _stream: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new() -> Places {
        Places {
            viewers: Arc::new(Semaphore::new(VIEWERS)),
            streams: Arc::new(Semaphore::new(STREAMS)),
        }
    }

    /// A place, or `None` if there is none now.
    pub(super) fn take(&self, is_stream: bool) -> Option<Place> {
        let one_of = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let viewer = one_of(&self.viewers)?;
        let stream = match is_stream {
            true => Some(one_of(&self.streams)?),
            false => None,
        };
        Some(Place {
            _viewer: viewer,
            _stream: stream,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_leave_places_for_everything_else() {
        let places = Places::new();
        let mut streams: Vec<Place> = std::iter::from_fn(|| places.take(true)).collect();
        let others: Vec<Place> = std::iter::from_fn(|| places.take(false)).collect();
        assert_eq!((streams.len(), others.len()), (STREAMS, VIEWERS - STREAMS));
        streams.pop();
        assert!(places.take(true).is_some() && places.take(false).is_some());
    }
}
