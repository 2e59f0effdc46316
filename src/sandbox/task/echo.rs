//! The requests of the newest tasks, which a record repeats.

use std::collections::{HashMap, VecDeque};

use super::id::TaskId;

/// Bytes of requests that are remembered, whatever their number: a hundred thousand of the usual size.
const MOST_BYTES: usize = 64 << 20;

/// The `param` texts of the newest tasks.
#[derive(Debug)]
pub(in crate::sandbox) struct Echoes {
    most: usize,
    bytes: usize,
    texts: HashMap<TaskId, Box<str>>,
    order: VecDeque<TaskId>,
}

impl Echoes {
    /// Remembers the newest `most` requests, or fewer if they are large.
    pub(in crate::sandbox) fn new(most: usize) -> Echoes {
        Echoes {
            most,
            bytes: 0,
            texts: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    pub(in crate::sandbox) fn keep(&mut self, id: TaskId, param: &str) {
        if self.most == 0 {
            return;
        }
        self.texts.insert(id, param.into());
        self.order.push_back(id);
        self.bytes += param.len();
        while self.order.len() > self.most || self.bytes > MOST_BYTES {
            let oldest = self.order.pop_front();
            let Some(text) = oldest.and_then(|id| self.texts.remove(&id)) else {
                break;
            };
            self.bytes -= text.len();
        }
    }

    /// The request of a task, as a record's `param`; an empty object where it is not remembered.
    pub(in crate::sandbox) fn param(&self, id: TaskId) -> &str {
        self.texts.get(&id).map_or("{}", |text| text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::clock::UnixMillis;
    use crate::sandbox::task::Task;
    use crate::sandbox::trouble::{Ending, FileTrouble};

    use super::*;

    fn id() -> TaskId {
        Task::new(UnixMillis(1), Duration::ZERO, 30, Ending::Video, FileTrouble::None).id
    }

    #[test]
    fn only_the_newest_requests_are_remembered() {
        let mut echoes = Echoes::new(2);
        let ids = [id(), id(), id()];
        for (number, id) in ids.iter().enumerate() {
            echoes.keep(*id, &number.to_string());
        }
        assert_eq!(ids.map(|id| echoes.param(id).to_owned()), ["{}", "1", "2"]);
    }

    #[test]
    fn large_requests_are_forgotten_sooner() {
        let mut echoes = Echoes::new(1_000);
        let large = "x".repeat(MOST_BYTES / 4);
        let ids: Vec<TaskId> = (0..6).map(|_| id()).collect();
        for id in &ids {
            echoes.keep(*id, &large);
        }
        let kept: Vec<bool> = ids.iter().map(|id| echoes.param(*id) != "{}").collect();
        assert_eq!(kept, [false, false, true, true, true, true]);
        assert!(echoes.bytes <= MOST_BYTES && echoes.texts.len() == 4);
    }

    #[test]
    fn nothing_is_kept_on_request() {
        let mut echoes = Echoes::new(0);
        let id = id();
        echoes.keep(id, "text");
        assert_eq!((echoes.param(id), echoes.bytes), ("{}", 0));
    }
}
