//! The account's money: what was paid, what came back, what is left, and what was paid twice.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use crate::clock::UnixMillis;
use crate::escape;

use super::create_task::{ContentKey, Submitted};
use super::task::{Task, TaskId};
use super::trouble::Ending;
use super::witness::BilledTwice;

/// Characters of a prompt that are enough to find its row.
const EXCERPT: usize = 80;

/// The cash book.
#[derive(Debug)]
pub(super) struct Billing {
    /// `None` never runs out.
    pub(super) balance: Option<f64>,
    pub(super) billed_credits: f64,
    pub(super) returned_credits: f64,
    pub(super) consumed_credits: f64,
    pub(super) tasks: u64,
    /// The first task of every content: 32 bytes a row are all that a long benchmark leaves behind.
    first_tasks: HashMap<ContentKey, TaskId>,
    twice: BTreeMap<ContentKey, BilledTwice>,
    /// Tasks that will end, the soonest first: when, for how many credits, and whether these come back.
    unfinished: BinaryHeap<Reverse<(UnixMillis, u8, bool)>>,
}

impl Billing {
    pub(super) fn new(credits: Option<f64>) -> Billing {
        Billing {
            balance: credits,
            billed_credits: 0.0,
            returned_credits: 0.0,
            consumed_credits: 0.0,
            tasks: 0,
            first_tasks: HashMap::new(),
            twice: BTreeMap::new(),
            unfinished: BinaryHeap::new(),
        }
    }

    /// Takes the price of a task; `false` when the balance does not cover it.
    pub(super) fn bill(&mut self, submitted: &Submitted, task: &Task) -> bool {
        let credits = f64::from(task.credits);
        if let Some(balance) = &mut self.balance {
            if *balance < credits {
                return false;
            }
            *balance -= credits;
        }
        self.billed_credits += credits;
        self.tasks += 1;
        if let Some(completed) = task.completed() {
            let comes_back = matches!(task.ending, Ending::Failure { .. });
            self.unfinished.push(Reverse((completed, task.credits, comes_back)));
        }
        if let Some(first) = self.first_tasks.get(&submitted.content) {
            let twice = self.twice.entry(submitted.content).or_insert_with(|| BilledTwice {
                content: submitted.content.to_string(),
                prompt: escape::excerpt(&submitted.prompt, EXCERPT),
                count: 1,
                task_ids: vec![first.to_string()],
            });
            twice.count += 1;
            twice.task_ids.push(task.id.to_string());
        } else {
            self.first_tasks.insert(submitted.content, task.id);
        }
        true
    }

    /// Settles the tasks that have ended by now: a failed one gives its credits back.
    pub(super) fn settle(&mut self, now: UnixMillis) {
        while let Some(Reverse((completed, credits, comes_back))) = self.unfinished.peek().copied()
            && completed <= now
        {
            self.unfinished.pop();
            let credits = f64::from(credits);
            if comes_back {
                self.returned_credits += credits;
                self.top_up(credits);
            } else {
                self.consumed_credits += credits;
            }
        }
    }

    /// Adds credits to the balance, if it is counted at all.
    pub(super) fn top_up(&mut self, credits: f64) {
        if let Some(balance) = &mut self.balance {
            *balance += credits;
        }
    }

    pub(super) fn billed_twice(&self) -> Vec<BilledTwice> {
        self.twice.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::trouble::FileTrouble;
    use super::*;

    #[test]
    fn credits_are_taken_at_once_and_come_back_when_a_task_has_failed() {
        let mut billing = Billing::new(Some(100.0));
        let submitted = Submitted::read(b"{}");
        let billed = |billing: &mut Billing, ending, seconds| {
            let generation = Duration::from_secs(seconds);
            let task = Task::new(UnixMillis(0), generation, 30, ending, FileTrouble::None);
            billing.bill(&submitted, &task)
        };
        assert!(billed(&mut billing, Ending::NO_IMAGE, 10));
        assert!(billed(&mut billing, Ending::Video, 5));
        assert!(billed(&mut billing, Ending::Never, 0));
        assert!(
            !billed(&mut billing, Ending::Video, 0),
            "the balance does not cover a fourth"
        );
        let after = |billing: &mut Billing, second: i64| {
            billing.settle(UnixMillis(second * 1_000));
            (billing.balance, billing.returned_credits, billing.consumed_credits)
        };
        assert_eq!(after(&mut billing, 4), (Some(10.0), 0.0, 0.0));
        assert_eq!(after(&mut billing, 5), (Some(10.0), 0.0, 30.0));
        assert_eq!(after(&mut billing, 10), (Some(40.0), 30.0, 30.0));
        assert!(billed(&mut billing, Ending::Video, 0));
        assert_eq!(after(&mut billing, 1_000_000), (Some(10.0), 30.0, 60.0));
        assert_eq!(billing.billed_credits, 120.0);
    }
}
