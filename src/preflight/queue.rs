//! Whose turn it is: few looks in all, fewer at one host, hosts in turn; and which host is left alone.
//!
//! Values only: the loop asks for the next turn and reports what ended.

use std::collections::{HashMap, VecDeque};

use super::{AT_A_TIME, AT_A_TIME_AT_A_HOST, LOOKS_IN_VAIN};

/// Hosts by the hashes of their names, so that a million of them can be told apart in little memory. Two that share one
/// share their turns.
pub(super) type HostKey = u64;

/// Most that waits. Addresses of other hosts behind those of a slow one can be reached this far ahead.
pub(super) const MOST_WAITING: usize = 1_024;

/// Addresses that wait, by host.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// Those of which something waits or is under way, or whose last looks were in vain.
    hosts: HashMap<HostKey, Host<T>>,
    /// Hosts of which something waits and more may be started, each once.
    ready: VecDeque<HostKey>,
    waiting: usize,
    under_way: usize,
}

#[derive(Debug)]
struct Host<T> {
    waiting: VecDeque<T>,
    under_way: usize,
    in_vain: u32,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn<T> {
    /// Look, and say when it [ended](Queue::ended).
    Look(HostKey, T),
    /// Do not: the host is left alone.
    Leave(T),
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue {
            hosts: HashMap::new(),
            ready: VecDeque::new(),
            waiting: 0,
            under_way: 0,
        }
    }
}

impl<T> Host<T> {
    fn is_left_alone(&self) -> bool {
        self.in_vain >= LOOKS_IN_VAIN
    }

    fn is_ready(&self) -> bool {
        !self.waiting.is_empty() && (self.under_way < AT_A_TIME_AT_A_HOST || self.is_left_alone())
    }
}

impl<T> Queue<T> {
    /// Whether more may wait.
    pub(super) fn has_room(&self) -> bool {
        self.waiting < MOST_WAITING
    }

    pub(super) fn push(&mut self, key: HostKey, address: T) {
        let host = self.hosts.entry(key).or_insert_with(|| Host {
            waiting: VecDeque::new(),
            under_way: 0,
            in_vain: 0,
        });
        let was_ready = host.is_ready();
        host.waiting.push_back(address);
        self.waiting += 1;
        if !was_ready && host.is_ready() {
            self.ready.push_back(key);
        }
    }

    /// The next turn, if there is one by now.
    pub(super) fn next(&mut self) -> Option<Turn<T>> {
        if self.under_way == AT_A_TIME {
            return None;
        }
        let key = self.ready.pop_front()?;
        let host = self.hosts.get_mut(&key).expect("a host that is ready is known");
        let address = host
            .waiting
            .pop_front()
            .expect("something waits of a host that is ready");
        self.waiting -= 1;
        let leave = host.is_left_alone();
        if !leave {
            host.under_way += 1;
            self.under_way += 1;
        }
        if host.is_ready() {
            self.ready.push_back(key);
        }
        Some(if leave {
            Turn::Leave(address)
        } else {
            Turn::Look(key, address)
        })
    }

    /// A look at this host has ended, with an answer of any kind or without one.
    pub(super) fn ended(&mut self, key: HostKey, answered: bool) {
        let host = self.hosts.get_mut(&key).expect("a host that is looked at is known");
        let was_ready = host.is_ready();
        self.under_way -= 1;
        host.under_way -= 1;
        host.in_vain = if answered { 0 } else { host.in_vain.saturating_add(1) };
        if !was_ready && host.is_ready() {
            self.ready.push_back(key);
        }
        if host.waiting.is_empty() && host.under_way == 0 && host.in_vain == 0 {
            self.hosts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turns(queue: &mut Queue<u32>) -> Vec<(HostKey, u32)> {
        std::iter::from_fn(|| queue.next())
            .map(|turn| match turn {
                Turn::Look(host, address) => (host, address),
                Turn::Leave(address) => panic!("{address} is left out"),
            })
            .collect()
    }

    #[test]
    fn hosts_take_turns_and_none_gets_more_than_its_share() {
        let mut queue = Queue::default();
        for address in 0..6 {
            queue.push(1, address);
        }
        for address in 10..12 {
            queue.push(2, address);
        }
        assert_eq!(turns(&mut queue), [(1, 0), (2, 10), (1, 1), (2, 11), (1, 2), (1, 3)]);
        assert_eq!(queue.next(), None);
        queue.ended(1, true);
        assert_eq!(turns(&mut queue), [(1, 4)]);
    }

    #[test]
    fn there_are_never_more_than_sixteen() {
        let mut queue = Queue::default();
        for host in 0..40 {
            queue.push(host, 0);
        }
        assert_eq!(turns(&mut queue).len(), AT_A_TIME);
        queue.ended(3, true);
        assert_eq!(turns(&mut queue), [(16, 0)]);
    }

    #[test]
    fn a_host_that_never_answers_is_left_alone_and_one_that_answers_now_and_then_is_not() {
        let mut queue = Queue::default();
        for round in 0..LOOKS_IN_VAIN * 3 {
            queue.push(1, round);
            assert_eq!(queue.next(), Some(Turn::Look(1, round)));
            queue.ended(1, round % LOOKS_IN_VAIN == 0);
        }
        for address in 0..20 {
            queue.push(7, address);
        }
        for round in 0..LOOKS_IN_VAIN {
            assert!(matches!(queue.next(), Some(Turn::Look(7, _))), "{round}");
            queue.ended(7, false);
        }
        assert_eq!(queue.next(), Some(Turn::Leave(LOOKS_IN_VAIN)));
        // Others go on, and what comes later of the silent one is left out, too.
        queue.push(8, 0);
        for address in LOOKS_IN_VAIN + 1..20 {
            if address == LOOKS_IN_VAIN + 2 {
                assert_eq!(queue.next(), Some(Turn::Look(8, 0)));
            }
            assert_eq!(queue.next(), Some(Turn::Leave(address)));
        }
        queue.push(7, 99);
        assert_eq!(queue.next(), Some(Turn::Leave(99)));
    }

    proptest! {
        /// Whatever comes and ends in whatever order: every address gets its turn once, within the limits.
        #[test]
        fn nothing_is_lost_and_no_limit_is_passed(
            hosts in proptest::collection::vec(0_u64..6, 1..200),
            ends in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..400),
        ) {
            let mut queue = Queue::default();
            let mut coming = hosts.iter().copied().enumerate();
            let (mut under_way, mut had) = (Vec::new(), Vec::new());
            let mut ends = ends.into_iter().cycle();
            loop {
                if let Some((address, host)) = coming.next() {
                    queue.push(host, address);
                }
                while let Some(turn) = queue.next() {
                    match turn {
                        Turn::Look(host, address) => {
                            under_way.push(host);
                            had.push(address);
                        }
                        Turn::Leave(address) => had.push(address),
                    }
                    prop_assert!(under_way.len() <= AT_A_TIME);
                    for host in 0..6 {
                        let at_host = under_way.iter().filter(|other| **other == host).count();
                        prop_assert!(at_host <= AT_A_TIME_AT_A_HOST);
                    }
                }
                if under_way.is_empty() {
                    if had.len() == hosts.len() {
                        break;
                    }
                    continue;
                }
                let (which, answered) = ends.next().unwrap();
                queue.ended(under_way.swap_remove(which.index(under_way.len())), answered);
            }
            had.sort_unstable();
            prop_assert_eq!(had, (0..hosts.len()).collect::<Vec<_>>());
            prop_assert_eq!((queue.waiting, queue.under_way), (0, 0));
            prop_assert!(queue.hosts.values().all(|host| host.in_vain > 0));
        }
    }
}
