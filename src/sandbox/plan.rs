//! What goes wrong by chance: words with the share of the cases they strike.

use std::str::FromStr;

use super::faults::{Fault, FaultError};
use super::trouble::{TaskTroubles, Trouble};

/// A word and the share of the cases it strikes: `500=0.05`, `task-fail=0.1`.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// What strikes.
    pub trouble: Trouble,
    /// From 0 to 1.
    pub share: f64,
}

impl FromStr for FaultRule {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || FaultError::Rate(text.to_owned());
        let (word, share) = text.rsplit_once('=').unwrap_or((text, ""));
        let share = share
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|share| (0.0..=1.0).contains(share));
        match (word.parse::<Trouble>(), share) {
            (Ok(trouble), Some(share)) => Ok(FaultRule { trouble, share }),
            // `slow=5s` alone ends here too: its `=` is not a rate's.
            (_, None) if text.parse::<Trouble>().is_ok() => Err(wrong()),
            (Err(error), _) => Err(error),
            (Ok(_), None) => Err(wrong()),
        }
    }
}

/// Which trouble strikes how often. Of each kind (requests, polls, uploads, tasks, files, callbacks) at most one strikes
/// at a time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultPlan {
    requests: Shares<Fault>,
    polls: Shares<Fault>,
    uploads: Shares<Fault>,
    tasks: Shares<Trouble>,
    files: Shares<Trouble>,
    callbacks: Shares<Trouble>,
}

impl FaultPlan {
    /// A plan of these rules, unless those of one kind ask for more than every case.
    pub fn new(rules: Vec<FaultRule>) -> Result<FaultPlan, FaultError> {
        let mut plan = FaultPlan::default();
        for FaultRule { trouble, share } in rules {
            match trouble {
                Trouble::Request(fault) => plan.requests.0.push((fault, share)),
                Trouble::Poll(fault) => plan.polls.0.push((fault, share)),
                Trouble::Upload(fault) => plan.uploads.0.push((fault, share)),
                trouble @ Trouble::Task(_) => plan.tasks.0.push((trouble, share)),
                trouble @ Trouble::File(_) => plan.files.0.push((trouble, share)),
                trouble @ Trouble::Callback(_) => plan.callbacks.0.push((trouble, share)),
            }
        }
        for sum in [
            plan.requests.sum(),
            plan.polls.sum(),
            plan.uploads.sum(),
            plan.tasks.sum(),
            plan.files.sum(),
            plan.callbacks.sum(),
        ] {
            // A hundred times 0.01 is a little more than 1.
            if sum > 1.0 + 1e-9 {
                return Err(FaultError::TooMuch(sum));
            }
        }
        Ok(plan)
    }

    /// The fault for the next createTask request, if any.
    pub(super) fn strike_request(&self, random: &mut fastrand::Rng) -> Option<&Fault> {
        self.requests.strike(random)
    }

    /// The fault for the next recordInfo request, if any.
    pub(super) fn strike_poll(&self, random: &mut fastrand::Rng) -> Option<&Fault> {
        self.polls.strike(random)
    }

    /// The fault for the next upload, if any.
    pub(super) fn strike_upload(&self, random: &mut fastrand::Rng) -> Option<&Fault> {
        self.uploads.strike(random)
    }

    /// What the next task has to suffer.
    pub(super) fn strike_task(&self, random: &mut fastrand::Rng) -> TaskTroubles {
        let mut troubles = TaskTroubles::default();
        for shares in [&self.tasks, &self.files, &self.callbacks] {
            if let Some(trouble) = shares.strike(random) {
                let left = troubles.add(trouble.clone());
                debug_assert_eq!(left, None, "a plan keeps the kinds apart");
            }
        }
        troubles
    }
}

/// Values with the share of the cases each of them gets.
#[derive(Debug, Clone, PartialEq)]
struct Shares<T>(Vec<(T, f64)>);

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Shares(Vec::new())
    }
}

impl<T> Shares<T> {
    fn sum(&self) -> f64 {
        self.0.iter().map(|(_, share)| share).sum()
    }

    fn strike(&self, random: &mut fastrand::Rng) -> Option<&T> {
        if self.0.is_empty() {
            return None;
        }
        let mut left = random.f64();
        self.0.iter().find_map(|(value, share)| {
            left -= share;
            (left < 0.0).then_some(value)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::trouble::{Ending, FileTrouble};
    use super::*;

    fn plan(rules: &[&str]) -> Result<FaultPlan, FaultError> {
        FaultPlan::new(rules.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn a_rule_is_a_word_and_a_share() {
        for (text, word, share) in [
            ("500=0.05", "500", 0.05),
            ("429:ra=30=1", "429:ra=30", 1.0),
            ("slow=5s=0.5", "slow=5s", 0.5),
            ("poll-429:ra=2=0.5", "poll-429:ra=2", 0.5),
            ("task-slow=5s=0.5", "task-slow=5s", 0.5),
        ] {
            let rule: FaultRule = text.parse().unwrap();
            assert_eq!((rule.trouble.to_string().as_str(), rule.share), (word, share));
        }
        for text in [
            "500",
            "500=",
            "500=1.5",
            "500=-1",
            "500=NaN",
            "slow=5s",
            "task-fail",
            "callback-late=5s",
        ] {
            assert!(
                matches!(text.parse::<FaultRule>(), Err(FaultError::Rate(_))),
                "{text:?}"
            );
        }
    }

    #[test]
    fn shares_hold_and_the_seed_decides() {
        let plan = plan(&["500=0.2", "lost=0.1"]).unwrap();
        let words = |seed: u64| -> Vec<Option<String>> {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..10_000)
                .map(|_| plan.strike_request(&mut random).map(Fault::to_string))
                .collect()
        };
        let drawn = words(7);
        let count = |word: &str| drawn.iter().flatten().filter(|drawn| *drawn == word).count();
        assert!((1_850..2_150).contains(&count("500")), "{}", count("500"));
        assert!((900..1_100).contains(&count("lost")), "{}", count("lost"));
        assert_eq!(drawn, words(7));
        assert_ne!(drawn, words(8));
    }

    #[test]
    fn a_plan_for_more_than_every_case_is_refused() {
        assert!(plan(&["500=0.6", "lost=0.6"]).is_err());
        assert!(plan(&["task-fail=0.6", "task-never=0.6"]).is_err());
        assert!(
            plan(&[
                "500=0.6",
                "poll-500=0.6",
                "upload-500=0.6",
                "task-fail=0.6",
                "file-cut=0.6"
            ])
            .is_ok()
        );
        let all = plan(&["500=0.6", "lost=0.4"]).unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        assert!((0..1_000).all(|_| all.strike_request(&mut random).is_some()));
    }

    #[test]
    fn each_kind_strikes_for_itself() {
        let plan = plan(&["task-slow=9s=1", "file-cut=1", "poll-500=1"]).unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        assert_eq!(plan.strike_request(&mut random), None);
        assert_eq!(plan.strike_upload(&mut random), None);
        assert_eq!(plan.strike_poll(&mut random).map(Fault::word), Some("500"));
        let troubles = plan.strike_task(&mut random);
        assert_eq!(troubles.generation, Some(Duration::from_secs(9)));
        assert_eq!(
            (troubles.ending, troubles.file),
            (None::<Ending>, Some(FileTrouble::Cut))
        );
        assert_eq!(troubles.callback, None);
    }
}
