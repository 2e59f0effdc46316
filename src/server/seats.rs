//! Which connection has to go when all places are taken: how a thousand slow callers do not keep the real one waiting.

use std::any::Any;
use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id};
use tokio::time::Instant;

use super::GRACE;

/// A connection's place among those that are served. Clones are the same place.
#[derive(Clone)]
pub struct Seat(Arc<Place>);

struct Place {
    standing: AtomicU8,
    ends_with_caller: AtomicBool,
    /// Notified when a place is given up.
    vacated: Arc<Notify>,
    /// What was taken in exchange.
    held: Mutex<Option<Box<dyn Any + Send>>>,
}

/// The request is not whole yet, or the answer is a quick one: it may have to make room.
const IDLE: u8 = 0;

/// The request is whole, and its answer must not be lost.
const BUSY: u8 = 1;

/// The connection goes on without a place.
const VACATED: u8 = 2;

impl Seat {
    pub(super) fn new(vacated: Arc<Notify>) -> Seat {
        Seat(Arc::new(Place {
            standing: AtomicU8::new(IDLE),
            ends_with_caller: AtomicBool::new(false),
            vacated,
            held: Mutex::default(),
        }))
    }

    /// Whether the connection has sent its whole request and must get its answer: nobody takes its place then.
    pub fn set_busy(&self, busy: bool) {
        let (from, to) = if busy { (IDLE, BUSY) } else { (BUSY, IDLE) };
        // A place that was given up stays so.
        let _unless_vacated = self
            .0
            .standing
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Gives the place up for others: the answer may last. Whoever does so has to see to it that not too many do; `held`,
    /// the leave for it, is kept until the connection ends.
    pub fn vacate(&self, held: impl Send + 'static) {
        *self.0.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(held));
        self.0.standing.store(VACATED, Ordering::Relaxed);
        self.0.vacated.notify_one();
    }

    /// Has the connection end as soon as its caller closes its side: for an answer that has no end of its own. Others are
    /// sent to whoever only closes for sending.
    pub fn end_with_caller(&self) {
        self.0.ends_with_caller.store(true, Ordering::Relaxed);
    }

    pub(super) fn ends_with_caller(&self) -> bool {
        self.0.ends_with_caller.load(Ordering::Relaxed)
    }

    pub(super) fn is_vacated(&self) -> bool {
        self.0.standing.load(Ordering::Relaxed) == VACATED
    }

    fn is_idle(&self) -> bool {
        self.0.standing.load(Ordering::Relaxed) == IDLE
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = self.0.standing.load(Ordering::Relaxed);
        formatter.debug_tuple("Seat").field(&standing).finish()
    }
}

/// The connections that are being served, the oldest first.
#[derive(Debug)]
pub(super) struct Seats {
    most: usize,
    taken: Vec<Taken>,
    /// Connections that gave up their places.
    standing: Vec<AbortHandle>,
}

#[derive(Debug)]
struct Taken {
    origin: IpAddr,
    since: Instant,
    seat: Seat,
    task: AbortHandle,
}

impl Seats {
    pub(super) fn new(most: usize) -> Seats {
        Seats {
            most,
            taken: Vec::with_capacity(most),
            standing: Vec::new(),
        }
    }

    /// When another connection can have a place; `None`: when somebody has left, since all wait for their answer.
    pub(super) fn room_at(&self) -> Option<Instant> {
        if self.taken.len() < self.most {
            return Some(Instant::now());
        }
        self.idle().map(|(_, taken)| taken.since + GRACE).min()
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

    pub(super) fn take(&mut self, peer: IpAddr, seat: Seat, task: AbortHandle) {
        self.taken.push(Taken {
            origin: origin_of(peer),
            since: Instant::now(),
            seat,
            task,
        });
    }

    pub(super) fn leave(&mut self, id: Id) {
        self.taken.retain(|taken| taken.task.id() != id);
        self.standing.retain(|task| task.id() != id);
    }

    /// Counts those no longer that gave up their places.
    pub(super) fn clear_vacated(&mut self) {
        let vacated = self.taken.extract_if(.., |taken| taken.seat.is_vacated());
        self.standing.extend(vacated.map(|taken| taken.task));
    }

    /// Closes every connection that nobody works for.
    pub(super) fn close_idle(&mut self) {
        self.idle().for_each(|(_, taken)| taken.task.abort());
    }

    /// Closes every connection without a place.
    pub(super) fn close_standing(&mut self) {
        self.standing.drain(..).for_each(|task| task.abort());
    }

    /// Of the connections that had their [`GRACE`] and sent no whole request, the oldest of whoever has the most
    /// connections: one caller with many pushes out only itself, and many callers those that have been slow the longest.
    fn victim(&self) -> Option<usize> {
        let of_origin = |origin| self.taken.iter().filter(|taken| taken.origin == origin).count();
        self.idle()
            .filter(|(_, taken)| taken.since.elapsed() >= GRACE)
            .max_by_key(|(index, taken)| (of_origin(taken.origin), Reverse(*index)))
            .map(|(index, _)| index)
    }

    fn idle(&self) -> impl Iterator<Item = (usize, &Taken)> {
        self.taken.iter().enumerate().filter(|(_, taken)| taken.seat.is_idle())
    }
}

/// Whom a connection is counted for: an IPv4 address, or the IPv6 network that one customer usually has.
fn origin_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seats of these callers in the order of their coming; `!` before one that has sent its whole request.
    fn seats(most: usize, callers: &[&str]) -> Seats {
        let mut seats = Seats::new(most);
        for caller in callers {
            let seat = Seat::new(Arc::default());
            seat.set_busy(caller.starts_with('!'));
            let peer = caller.trim_start_matches('!').parse().unwrap();
            seats.take(peer, seat, tokio::spawn(std::future::pending::<()>()).abort_handle());
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

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_its_place_makes_room_and_keeps_its_connection() {
        let mut full = seats(2, &["!10.0.0.1", "10.0.0.2"]);
        let (busy, idle) = (full.taken[0].seat.clone(), full.taken[1].seat.clone());
        let held = Arc::new(());
        busy.vacate(Arc::clone(&held));
        // The end of the answer does not bring the place back.
        busy.set_busy(false);
        assert!(busy.is_vacated() && !idle.is_vacated());
        full.clear_vacated();
        assert_eq!(full.make_room(), Some(false));
        assert_eq!((full.taken.len(), full.standing.len()), (1, 1));
        assert_eq!(Arc::strong_count(&held), 2);
        drop(busy);
        assert_eq!(Arc::strong_count(&held), 1, "the connection has ended");
        let vacated = full.standing[0].clone();
        assert!(!vacated.is_finished());
        full.close_idle();
        full.close_standing();
        tokio::task::yield_now().await;
        assert!(vacated.is_finished() && full.standing.is_empty());
    }
}
