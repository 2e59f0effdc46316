//! Which connection has to go when all places are taken: how a thousand slow callers do not keep the real one waiting.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::{AbortHandle, Id};
use tokio::time::Instant;

use super::{GRACE, origin_of};

/// Whether a connection has sent its whole request and waits for its answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Busy(Arc<AtomicBool>);

impl Busy {
    pub(super) fn set(&self, busy: bool) {
        self.0.store(busy, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The connections that are being served, the oldest first.
#[derive(Debug)]
pub(super) struct Seats {
    most: usize,
    taken: Vec<Seat>,
}

#[derive(Debug)]
struct Seat {
    origin: IpAddr,
    since: Instant,
    busy: Busy,
    task: AbortHandle,
}

impl Seats {
    pub(super) fn new(most: usize) -> Seats {
        Seats {
            most,
            taken: Vec::with_capacity(most),
        }
    }

    /// When another connection can have a place; `None`: when somebody has left, since all wait for their answer.
    pub(super) fn room_at(&self) -> Option<Instant> {
        if self.taken.len() < self.most {
            return Some(Instant::now());
        }
        self.idle().map(|(_, seat)| seat.since + GRACE).min()
    }

    /// Sees to it that there is a place. Returns whether a connection had to be closed for it; `None`: there is none.
    ///
    /// It may have got its whole request this very moment. Its caller gets no answer then, and calls again.
    pub(super) fn make_room(&mut self) -> Option<bool> {
        if self.taken.len() < self.most {
            return Some(false);
        }
        let victim = self.victim()?;
        self.taken.remove(victim).task.abort();
        Some(true)
    }

    pub(super) fn take(&mut self, peer: IpAddr, busy: Busy, task: AbortHandle) {
        let origin = origin_of(peer);
        let since = Instant::now();
        self.taken.push(Seat {
            origin,
            since,
            busy,
            task,
        });
    }

    pub(super) fn leave(&mut self, id: Id) {
        self.taken.retain(|seat| seat.task.id() != id);
    }

    /// Closes every connection that nobody works for.
    pub(super) fn close_idle(&mut self) {
        self.idle().for_each(|(_, seat)| seat.task.abort());
    }

    /// Of the connections that had their [`GRACE`] and sent no whole request, the oldest of whoever has the most
    /// connections: one caller with many pushes out only itself, and many callers those that have been slow the longest.
    fn victim(&self) -> Option<usize> {
        let of_origin = |origin| self.taken.iter().filter(|seat| seat.origin == origin).count();
        self.idle()
            .filter(|(_, seat)| seat.since.elapsed() >= GRACE)
            .max_by_key(|(index, seat)| (of_origin(seat.origin), Reverse(*index)))
            .map(|(index, _)| index)
    }

    fn idle(&self) -> impl Iterator<Item = (usize, &Seat)> {
        self.taken.iter().enumerate().filter(|(_, seat)| !seat.busy.is_set())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seats of these callers in the order of their coming; `!` before one that has sent its whole request.
    fn seats(most: usize, callers: &[&str]) -> Seats {
        let mut seats = Seats::new(most);
        for caller in callers {
            let busy = Busy::default();
            busy.set(caller.starts_with('!'));
            let peer = caller.trim_start_matches('!').parse().unwrap();
            seats.take(peer, busy, tokio::spawn(std::future::pending::<()>()).abort_handle());
        }
        seats
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_slow_connection_of_the_busiest_caller_goes() {
        for (callers, victim) in [
            (vec!["10.0.0.1", "10.0.0.2", "10.0.0.3"], Some(0)),
            (vec!["!10.0.0.1", "10.0.0.2", "10.0.0.3"], Some(1)),
            (vec!["10.0.0.1", "10.0.0.2", "10.0.0.2"], Some(1)),
            (vec!["10.0.0.1", "!10.0.0.2", "10.0.0.2"], Some(2)),
            (vec!["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"], Some(0)),
            (vec!["10.0.0.1", "2001:db8::1", "2001:db8::ffff:2"], Some(1)),
            (vec!["10.0.0.1", "2001:db8:0:1::1", "2001:db8:0:2::1"], Some(0)),
            (vec!["!10.0.0.1", "!10.0.0.1", "!10.0.0.1"], None),
        ] {
            let mut full = seats(3, &callers);
            let room_at = victim.map(|_| Instant::now() + GRACE);
            assert_eq!(full.room_at(), room_at, "{callers:?}");
            assert_eq!(full.make_room(), None, "{callers:?} before their time");
            tokio::time::advance(GRACE).await;
            assert_eq!(full.victim(), victim, "{callers:?}");
            assert_eq!(full.make_room(), victim.map(|_| true), "{callers:?}");
            assert_eq!(full.taken.len(), if victim.is_some() { 2 } else { 3 });
            let mut roomy = seats(4, &callers);
            assert_eq!(roomy.room_at(), Some(Instant::now()), "{callers:?}");
            assert_eq!(roomy.make_room(), Some(false), "{callers:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_makes_room() {
        let mut full = seats(1, &["!10.0.0.1"]);
        assert_eq!((full.room_at(), full.make_room()), (None, None));
        let id = full.taken[0].task.id();
        full.leave(id);
        assert_eq!(full.make_room(), Some(false));
    }
}
