//! The account's money: what was paid, what is left, and what was paid twice.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::escape;

use super::create_task::{ContentKey, Submitted};
use super::witness::BilledTwice;

/// Characters of a prompt that are enough to find its row.
const EXCERPT: usize = 80;

/// A task's number; in the API's form, 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskNumber(u128);

impl TaskNumber {
    /// Never seeded: a task id must not come back in the next sandbox.
    fn fresh() -> TaskNumber {
        TaskNumber(fastrand::u128(..))
    }
}

impl fmt::Display for TaskNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// The cash book.
#[derive(Debug)]
pub(super) struct Billing {
    /// `None` never runs out.
    pub(super) balance: Option<f64>,
    pub(super) billed_credits: f64,
    pub(super) tasks: u64,
    /// The first task of every content: 32 bytes a row are all that a long benchmark leaves behind.
    first_tasks: HashMap<ContentKey, TaskNumber>,
    twice: BTreeMap<ContentKey, BilledTwice>,
}

impl Billing {
    pub(super) fn new(credits: Option<f64>) -> Billing {
        Billing {
            balance: credits,
            billed_credits: 0.0,
            tasks: 0,
            first_tasks: HashMap::new(),
            twice: BTreeMap::new(),
        }
    }

    /// Creates a task and takes its price; `None` when the balance does not cover it.
    pub(super) fn bill(&mut self, submitted: &Submitted, credits: f64) -> Option<TaskNumber> {
        if let Some(balance) = &mut self.balance {
            if *balance < credits {
                return None;
            }
            *balance -= credits;
        }
        let task = TaskNumber::fresh();
        self.billed_credits += credits;
        self.tasks += 1;
        if let Some(first) = self.first_tasks.get(&submitted.content) {
            let twice = self.twice.entry(submitted.content).or_insert_with(|| BilledTwice {
                content: submitted.content.to_string(),
                prompt: escape::excerpt(&submitted.prompt, EXCERPT),
                count: 1,
                task_ids: vec![first.to_string()],
            });
            twice.count += 1;
            twice.task_ids.push(task.to_string());
        } else {
            self.first_tasks.insert(submitted.content, task);
        }
        Some(task)
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
