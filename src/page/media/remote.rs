//! Pictures on the web, fetched for viewers: few at a time, none that is large, and each only now and then.
//!
//! What is asked for is what a row of the ledger names; the answer is only passed on if its bytes are a picture.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderValue, LOCATION};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::address::is_this_machine;
use crate::image::{ImageKind, MOST_BYTES};
use crate::web::connect::Connections;
use crate::web::link::{Link, MOST_REDIRECTS};

/// Pictures fetched at once, each of which is in memory whole.
const AT_A_TIME: usize = 4;

/// For one picture, redirects included.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long whoever asks for a picture waits for its turn.
const TURN: Duration = Duration::from_secs(40);

/// Most bytes of pictures that are kept for the next viewer.
const MOST_KEPT: usize = 32 << 20;

/// How long it is remembered that there was no picture.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Most pictures, and addresses without one, that are remembered.
const MOST_ENTRIES: usize = 4_096;

/// Where pictures may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// On the public internet; with `private_hosts` also in private networks and on this machine.
    Web {
        /// Also there.
        private_hosts: bool,
    },
    /// On this machine only: a trial asks nobody else for anything.
    ThisMachine,
}

/// How pictures on the web are fetched.
#[derive(Debug, Clone)]
pub struct RemoteConfig {
    /// Who connects; for private hosts only if `reach` has them, too.
    pub connections: Connections,
    /// Where to.
    pub reach: Reach,
}

/// A picture.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub(super) bytes: Bytes,
    pub(super) kind: ImageKind,
    /// Another one for all other bytes.
    pub(super) etag: String,
}

/// Why there is no picture to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPicture {
    /// Nobody asked for it.
    NotAsked,
    /// The host has none, or none that is shown.
    NotThere,
    /// Others were asked for all the time.
    Busy,
}

impl NoPicture {
    pub(super) fn status(self) -> StatusCode {
        match self {
            NoPicture::NotAsked => StatusCode::NOT_FOUND,
            NoPicture::NotThere => StatusCode::BAD_GATEWAY,
            NoPicture::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for NoPicture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            NoPicture::NotAsked => "the picture is where this page does not ask for it",
            NoPicture::NotThere => "its host has no picture there that can be shown",
            NoPicture::Busy => "others are being fetched; come again in a moment",
        })
    }
}

/// Fetches pictures.
#[derive(Debug)]
pub(super) struct Remote {
    config: RemoteConfig,
    turns: Semaphore,
    kept: Mutex<Kept>,
}

impl Remote {
    pub(super) fn new(config: RemoteConfig) -> Remote {
        Remote {
            config,
            turns: Semaphore::new(AT_A_TIME),
            kept: Mutex::default(),
        }
    }

    /// The picture at this address.
    pub(super) async fn picture(&self, address: &str) -> Result<Picture, NoPicture> {
        if let Some(known) = self.kept().get(address) {
            return known;
        }
        let link = self.link(address)?;
        let Ok(Ok(_turn)) = timeout(TURN, self.turns.acquire()).await else {
            return Err(NoPicture::Busy);
        };
        // Somebody may have fetched it meanwhile.
        if let Some(known) = self.kept().get(address) {
            return known;
        }
        let fetched = timeout(PATIENCE, self.fetch(link)).await;
        let fetched = fetched.unwrap_or(Err(NoPicture::NotThere));
        self.kept().put(address, fetched.clone());
        fetched
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self, address: &str) -> Result<Link, NoPicture> {
        let private_hosts = match self.config.reach {
            Reach::Web { private_hosts } => private_hosts,
            Reach::ThisMachine => true,
        };
        let link = Link::read(address, private_hosts).map_err(|_| NoPicture::NotAsked)?;
        self.allowed(link)
    }

    fn allowed(&self, link: Link) -> Result<Link, NoPicture> {
        match self.config.reach {
            Reach::ThisMachine if !is_this_machine(link.url()) => Err(NoPicture::NotAsked),
            _ => Ok(link),
        }
    }

    async fn fetch(&self, mut link: Link) -> Result<Picture, NoPicture> {
        for _ in 0..=MOST_REDIRECTS {
            let request = self.config.connections.for_link(&link).get(link.url().clone());
            // The bytes that count are those of the file itself.
            let request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            let response = request.send().await.map_err(|error| not_there(&error))?;
            let headers = response.headers();
            if response.status().is_redirection() {
                let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
                let next = link.redirected(location.ok_or(NoPicture::NotThere)?);
                link = self.allowed(next.map_err(|_| NoPicture::NotThere)?)?;
                continue;
            }
            let length = headers
                .get(CONTENT_LENGTH)
                .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
            if !response.status().is_success() || length.is_some_and(|length| length > MOST_BYTES) {
                return Err(NoPicture::NotThere);
            }
            return whole(response).await;
        }
        Err(NoPicture::NotThere)
    }
}

/// The picture that is in an answer, if it is one and not too large.
async fn whole(mut response: reqwest::Response) -> Result<Picture, NoPicture> {
    let mut bytes = Vec::new();
    let mut hasher = Sha256::new();
    while let Some(piece) = response.chunk().await.map_err(|error| not_there(&error))? {
        if (bytes.len() + piece.len()) as u64 > MOST_BYTES {
            return Err(NoPicture::NotThere);
        }
        bytes.extend_from_slice(&piece);
        hasher.update(&piece);
        // Whatever is no picture is not read to its end.
        if bytes.len() >= 12 && ImageKind::of(&bytes).is_none() {
            return Err(NoPicture::NotThere);
        }
    }
    let kind = ImageKind::of(&bytes).ok_or(NoPicture::NotThere)?;
    let sha256: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Picture {
        bytes: bytes.into(),
        kind,
        etag: format!("\"{sha256}\""),
    })
}

fn not_there(error: &reqwest::Error) -> NoPicture {
    tracing::debug!(error = %crate::web::reason::innermost(error), "a picture could not be fetched");
    NoPicture::NotThere
}

/// What was fetched, the latest used last.
#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    address: String,
    fetched: Result<Picture, NoPicture>,
    at: Instant,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.fetched.as_ref().map_or(0, |picture| picture.bytes.len())
    }
}

impl Kept {
    fn get(&mut self, address: &str) -> Option<Result<Picture, NoPicture>> {
        let index = self.entries.iter().position(|entry| entry.address == address)?;
        let entry = self.entries.remove(index)?;
        if entry.fetched.is_err() && entry.at.elapsed() >= REMEMBERED {
            return None;
        }
        let fetched = entry.fetched.clone();
        self.entries.push_back(entry);
        Some(fetched)
    }

    fn put(&mut self, address: &str, fetched: Result<Picture, NoPicture>) {
        let entry = Entry {
            address: address.to_owned(),
            fetched,
            at: Instant::now(),
        };
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.bytes > MOST_KEPT || self.entries.len() > MOST_ENTRIES {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(bytes: usize) -> Result<Picture, NoPicture> {
        Ok(Picture {
            bytes: vec![0; bytes].into(),
            kind: ImageKind::Png,
            etag: String::new(),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_used_for_longest_is_forgotten_first() {
        let mut kept = Kept::default();
        for name in ["a", "b", "c"] {
            kept.put(name, picture(10 << 20));
        }
        assert!(kept.get("a").is_some());
        kept.put("d", picture(10 << 20));
        let known = |kept: &mut Kept, name| kept.get(name).is_some_and(|fetched| fetched.is_ok());
        assert_eq!(
            ["a", "b", "c", "d"].map(|name| known(&mut kept, name)),
            [true, false, true, true]
        );
        assert_eq!(kept.bytes, 30 << 20);
    }

    #[tokio::test(start_paused = true)]
    async fn that_there_was_none_is_remembered_for_a_minute() {
        let mut kept = Kept::default();
        kept.put("a", Err(NoPicture::NotThere));
        assert_eq!(kept.get("a").unwrap().unwrap_err(), NoPicture::NotThere);
        tokio::time::advance(REMEMBERED).await;
        assert!(kept.get("a").is_none());
        assert_eq!(kept.bytes, 0);
        for number in 0..=MOST_ENTRIES {
            kept.put(&number.to_string(), Err(NoPicture::NotThere));
        }
        assert_eq!(kept.entries.len(), MOST_ENTRIES);
    }
}
