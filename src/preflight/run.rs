//! The loop: addresses come in, looks are started as the queue allows, and what they find is kept.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use super::look::{Looked, Looker};
use super::queue::{HostKey, Queue, Turn};
use super::{Address, Findings, Key, LOOKS_IN_VAIN};
use crate::escape;
use crate::finding::Finding;

/// Longest address in a log line, in characters.
const MOST_LOGGED: usize = 200;

/// Where looking stands: addresses, each counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Those of which it is known what is there.
    pub looked_at: u64,
    /// Those of them of which no video can come.
    pub bad: u64,
    /// Those that could not be looked at from here, or were not allowed to be.
    pub not_reached: u64,
}

impl Standing {
    fn note(&mut self, finding: Option<&Finding>) {
        if finding.is_none_or(Finding::was_reached) {
            self.looked_at += 1;
            self.bad += u64::from(finding.is_some_and(Finding::is_bad));
        } else {
            self.not_reached += 1;
        }
    }

    /// How many have been dealt with.
    pub fn done(&self) -> u64 {
        self.looked_at + self.not_reached
    }
}

/// Looks at every address that comes, until no more come or `stop` turns true: then what is under way is left, which
/// does nobody any harm. `standing` hears of each address once it is dealt with.
pub async fn look_at_all(
    looker: Looker,
    mut addresses: mpsc::Receiver<Address>,
    mut stop: watch::Receiver<bool>,
    standing: &watch::Sender<Standing>,
) -> Findings {
    let mut findings = Findings::default();
    let mut keep = |key: Key, finding: Option<Finding>| {
        standing.send_modify(|standing| standing.note(finding.as_ref()));
        if let Some(finding) = finding {
            findings.add(key, finding);
        }
    };
    let hosts = Hosts::default();
    let mut queue = Queue::default();
    let mut looks: JoinSet<(HostKey, Key, Looked)> = JoinSet::new();
    let mut more_come = true;
    while !*stop.borrow() {
        while let Some(turn) = queue.next() {
            match turn {
                Turn::Look(host, address) => {
                    looks.spawn(look(looker.clone(), host, address));
                }
                Turn::Leave(Address { key, .. }) => keep(key, Some(left_alone())),
            }
        }
        if looks.is_empty() && !more_come {
            break;
        }
        tokio::select! {
            address = addresses.recv(), if more_come && queue.has_room() => match address {
                Some(address) => queue.push(hosts.key_of(&address.text), address),
                None => more_come = false,
            },
            Some(ended) = looks.join_next() => {
                let (host, key, looked) = match ended {
                    Ok(looked) => looked,
                    // None is ever aborted and waited for.
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                };
                queue.ended(host, looked.answered);
                keep(key, looked.finding);
            }
            Ok(()) = stop.changed() => {}
        }
    }
    findings
}

async fn look(looker: Looker, host: HostKey, Address { text, key }: Address) -> (HostKey, Key, Looked) {
    let started = Instant::now();
    let looked = looker.look(&text).await;
    // Without what may be a signature.
    let address = escape::excerpt(text.split(['?', '#']).next().unwrap_or_default(), MOST_LOGGED);
    let elapsed_ms = started.elapsed().as_millis();
    match &looked.finding {
        None => tracing::debug!(address, elapsed_ms, "looked at an image"),
        Some(finding) => tracing::debug!(address, elapsed_ms, ?finding, "looked at an image"),
    }
    (host, key, looked)
}

fn left_alone() -> Finding {
    Finding::Unreached(format!(
        "left out, as {LOOKS_IN_VAIN} looks in a row at its host were in vain"
    ))
}

/// Tells hosts apart, whatever their ports.
#[derive(Debug, Default)]
struct Hosts(RandomState);

impl Hosts {
    fn key_of(&self, address: &str) -> HostKey {
        let url = Url::parse(address).ok();
        self.0.hash_one(url.as_ref().and_then(Url::host_str))
    }
}
