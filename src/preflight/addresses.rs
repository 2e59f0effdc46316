//! Which addresses there are, and what was found at them, in little memory: texts are known by their hashes.
//!
//! A hash has 64 bits with a key of its own in each run. Among the million rows a manifest may have, two addresses share
//! one once in 30 million manifests; one of them is not looked at then.

use std::collections::HashMap;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::finding::Finding;

/// Most different findings that are kept in words, some 200 bytes each: as many as a report of problems has places for.
const MOST_KEPT: usize = 20_000;

/// Stands for the text of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

/// An address that is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) text: String,
    pub(super) key: Key,
}

/// The different addresses of a manifest, in two readings: in the first they are [added](Addresses::add), in the second
/// each is [taken](Addresses::take) once.
///
/// Some 18 MB if each of a million rows has its own.
#[derive(Debug, Default)]
pub struct Addresses {
    hasher: RandomState,
    open: HashSet<Key>,
    count: u64,
}

impl Addresses {
    /// Notes an address, however often it comes.
    pub fn add(&mut self, text: &str) {
        if self.open.insert(self.key(text)) {
            self.count += 1;
        }
    }

    /// How many different ones were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The address, if it was added and not taken yet.
    pub fn take(&mut self, text: &str) -> Option<Address> {
        let key = self.key(text);
        self.open.remove(&key).then(|| Address {
            text: text.to_owned(),
            key,
        })
    }

    /// What stands for this text.
    pub fn key(&self, text: &str) -> Key {
        Key(self.hasher.hash_one(text))
    }
}

/// What was found, where it is worth a word. Equal findings are kept once: a thousand addresses of a host that is down
/// cost 12 kB.
#[derive(Debug, Default)]
pub struct Findings {
    /// The place of its finding in `different`.
    by_key: HashMap<Key, u32>,
    different: Vec<Finding>,
    known: HashMap<Finding, u32>,
}

impl Findings {
    /// What was found at the address that `key` stands for; `None` if nothing is wrong there, or nobody has looked.
    pub fn get(&self, key: Key) -> Option<&Finding> {
        let at = *self.by_key.get(&key)?;
        self.different.get(at as usize)
    }

    /// Whether nothing is worth a word.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn add(&mut self, key: Key, finding: Finding) {
        let finding = if self.different.len() < MOST_KEPT {
            finding
        } else {
            in_short(finding)
        };
        let at = match self.known.get(&finding) {
            Some(at) => *at,
            None => {
                let at = u32::try_from(self.different.len()).expect("there are fewer findings than rows");
                self.different.push(finding.clone());
                self.known.insert(finding, at);
                at
            }
        };
        self.by_key.insert(key, at);
    }
}

/// The finding without its words. Faults stay: they are small.
fn in_short(finding: Finding) -> Finding {
    match finding {
        Finding::NotThere(_) => Finding::NotThere(String::new()),
        Finding::Page(_) => Finding::Page(String::new()),
        Finding::Unreached(_) => Finding::Unreached(String::new()),
        Finding::Private(_) => Finding::Private(String::new()),
        faulty @ Finding::Faulty(_) => faulty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_once_however_often_it_comes() {
        let mut addresses = Addresses::default();
        for text in ["a", "b", "a", "A"] {
            addresses.add(text);
        }
        assert_eq!(addresses.count(), 3);
        let mut take = |text| addresses.take(text).map(|address| address.text);
        assert_eq!(take("a").as_deref(), Some("a"));
        assert_eq!((take("a"), take("never added")), (None, None));
        assert_eq!(take("A").as_deref(), Some("A"));
        assert_eq!(addresses.count(), 3);
    }

    #[test]
    fn findings_are_found_again_and_equal_ones_kept_once() {
        let addresses = Addresses::default();
        let key = |number: usize| addresses.key(&number.to_string());
        let mut findings = Findings::default();
        for number in 0..1_000 {
            findings.add(key(number), Finding::Unreached("connection refused".into()));
        }
        findings.add(key(1_000), Finding::NotThere("HTTP 404".into()));
        assert_eq!(findings.different.len(), 2);
        assert_eq!(findings.get(key(1_000)), Some(&Finding::NotThere("HTTP 404".into())));
        assert_eq!(findings.get(key(1_001)), None);
    }

    #[test]
    fn words_are_bounded_and_verdicts_are_not_lost() {
        let addresses = Addresses::default();
        let key = |number: usize| addresses.key(&number.to_string());
        let mut findings = Findings::default();
        for number in 0..MOST_KEPT + 1_000 {
            findings.add(key(number), Finding::Page(format!("a web page: {number}")));
        }
        assert_eq!(findings.different.len(), MOST_KEPT + 1);
        let words = |number| findings.get(key(number)).unwrap().clone();
        assert_eq!(words(7), Finding::Page("a web page: 7".into()));
        assert_eq!(words(MOST_KEPT + 999), Finding::Page(String::new()));
    }
}
