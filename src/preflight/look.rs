//! One look at one address: redirects are followed, a second try is made where it may help, and no more is read than
//! needed.

use std::io;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::{ACCEPT_ENCODING, HeaderValue, RANGE};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answer::{Answer, Beginning, answer_of};
use super::judge::Head;
use super::{AT_A_TIME_AT_A_HOST, LookConfig};
use crate::escape;
use crate::finding::Finding;
use crate::image::{self, MOST_BYTES};
use crate::web::client::ClientError;
use crate::web::connect::{ConnectConfig, Connections, was_private};
use crate::web::link::{Link, MOST_REDIRECTS, Refusal, Refused};
use crate::web::reason::{innermost, reason_of};

/// First bytes that are asked for. The size of most images stands in the first few hundred; this covers the preview and
/// the place in a photo's metadata, too.
const FIRST_BYTES: u64 = 1 << 16;

/// Fewer bytes tell the size of no image.
const LEAST_BYTES: usize = 24;

/// What is asked for where they do not tell the size, and the most that is kept of a file.
const MOST_HEAD_BYTES: u64 = image::HEAD_BYTES as u64;

/// The longest address that is asked for, in bytes: servers refuse longer ones (nginx and Apache from 8 kB on).
const LONGEST_ADDRESS: usize = 8_000;

/// Before the second try, unless the host says how long.
const AGAIN: Duration = Duration::from_secs(1);

/// The longest wait that a host may ask for and still get a second try.
const LONGEST_AGAIN: Duration = Duration::from_secs(5);

/// For the rest of a part whose beginning was enough: once it is read the connection can be used again.
const REST_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest reason of a failure, in characters.
const MOST_SAID: usize = 160;

/// Looks at images. Cloning is cheap; clones share their connections. A look takes 1.5 MB of memory at most.
#[derive(Debug, Clone)]
pub struct Looker {
    /// For first tries: kept and shared, since a handshake for each image would cost more than the image.
    kept: Connections,
    /// For second tries, a new one each: the first may have failed because the host was just closing a kept one.
    fresh: Connections,
    allow_private_hosts: bool,
    patience: Duration,
}

/// What came of a look.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Looked {
    /// `None`: a good image.
    pub(super) finding: Option<Finding>,
    /// The host is there and at work, whatever it said.
    pub(super) answered: bool,
}

/// Why a try ended before a byte of the file was seen.
#[derive(Debug)]
struct Ended {
    finding: Finding,
    answered: bool,
    /// How long to wait before another try may help; `None`: it will not.
    again: Option<Duration>,
}

impl Ended {
    /// With a finding that another try would only repeat.
    fn with(finding: Finding) -> Ended {
        Ended {
            finding,
            answered: true,
            again: None,
        }
    }

    /// Without an answer of any use.
    fn in_vain(words: String, again: Option<Duration>) -> Ended {
        Ended {
            finding: Finding::Unreached(words),
            answered: false,
            again,
        }
    }
}

/// Where the redirects of an address have led by now.
#[derive(Debug)]
struct Way {
    link: Link,
    hops: usize,
}

impl Way {
    /// `words` with the place they are about, if that is another than the address.
    fn at(&self, words: &str) -> String {
        match self.hops {
            0 => words.to_owned(),
            _ => format!("{words} (at {})", self.link.shown()),
        }
    }

    fn follow(&mut self, location: &str) -> Result<(), Ended> {
        if self.hops == MOST_REDIRECTS {
            let why = Refusal::TooManyRedirects.to_string();
            return Err(Ended::with(Finding::Unreached(why)));
        }
        let next = self.link.redirected(location);
        self.link = next.map_err(|refused| ended_by(&refused, true))?;
        self.hops += 1;
        Ok(())
    }
}

/// What is said of a link that is not followed: the address itself, or where it redirects.
fn ended_by(refused: &Refused, is_redirect: bool) -> Ended {
    let Refused { link, why } = refused;
    Ended::with(match (why, is_redirect) {
        (Refusal::Private, false) => Finding::Private(String::new()),
        (Refusal::Private, true) => Finding::Private(format!("it redirects to {link}")),
        (why, false) => Finding::Unreached(why.to_string()),
        (why, true) => Finding::Unreached(format!("it redirects to {link}: {why}")),
    })
}

impl Looker {
    /// A looker with connections of its own. It has no key.
    pub fn new(config: &LookConfig) -> Result<Looker, ClientError> {
        let fresh = ConnectConfig {
            allow_private_hosts: config.allow_private_hosts,
            connect_timeout: config.connect_timeout,
            idle_per_host: 0,
            extra_roots_pem: config.extra_roots_pem.as_deref(),
            no_proxy: config.no_proxy,
        };
        let kept = ConnectConfig {
            idle_per_host: AT_A_TIME_AT_A_HOST,
            ..fresh
        };
        Ok(Looker {
            kept: Connections::new(kept)?,
            fresh: Connections::new(fresh)?,
            allow_private_hosts: config.allow_private_hosts,
            patience: config.patience,
        })
    }

    /// Looks at an address, in at most two tries.
    pub(super) async fn look(&self, address: &str) -> Looked {
        let mut outcome = self.look_once(address, &self.kept).await;
        if let Err(Ended { again: Some(wait), .. }) = outcome {
            sleep(wait).await;
            outcome = self.look_once(address, &self.fresh).await;
        }
        match outcome {
            Ok(finding) => Looked {
                finding,
                answered: true,
            },
            Err(Ended { finding, answered, .. }) => Looked {
                finding: Some(finding),
                answered,
            },
        }
    }

    async fn look_once(&self, address: &str, connections: &Connections) -> Result<Option<Finding>, Ended> {
        if address.len() > LONGEST_ADDRESS {
            let words = format!("it has more than {LONGEST_ADDRESS} characters");
            return Err(Ended::with(Finding::Unreached(words)));
        }
        let link = Link::read(address, self.allow_private_hosts).map_err(|refused| ended_by(&refused, false))?;
        let mut way = Way { link, hops: 0 };
        let deadline = Instant::now() + self.patience;
        let Ok(seen) = timeout_at(deadline, head(connections, &mut way)).await else {
            let patience = humantime::format_duration(self.patience);
            let words = way.at(&format!("no complete answer for {patience}"));
            return Err(Ended::in_vain(words, Some(AGAIN)));
        };
        let (mut head, rest) = seen?;
        if let Some(rest) = rest.filter(|_| head.lacks_only_its_length()) {
            // Where the time is up before its end, nothing bad was seen of it.
            let length = timeout_at(deadline, length_of(rest, head.bytes.len() as u64)).await;
            head.total = length.unwrap_or_default();
        }
        Ok(head.finding().map(|finding| match finding {
            Finding::Page(words) => Finding::Page(way.at(&words)),
            Finding::Unreached(words) => Finding::Unreached(way.at(&words)),
            other => other,
        }))
    }
}

/// The beginning of the file, as much of it as is of use, and the answer if there may be more in it.
async fn head(connections: &Connections, way: &mut Way) -> Result<(Head, Option<Response>), Ended> {
    let (head, rest) = head_of(connections, way, FIRST_BYTES).await?;
    let has_more = head.total.is_none_or(|total| total > head.bytes.len() as u64);
    // A host that sends everything was read on already.
    if rest.is_some() || head.suffices() || !has_more {
        return Ok((head, rest));
    }
    head_of(connections, way, MOST_HEAD_BYTES).await
}

/// The same of at most so many bytes where the host sends no more than it is asked for.
async fn head_of(connections: &Connections, way: &mut Way, most: u64) -> Result<(Head, Option<Response>), Ended> {
    let Some((mut response, beginning)) = ask(connections, way, most).await? else {
        let empty = Head {
            total: Some(0),
            ..Head::default()
        };
        return Ok((empty, None));
    };
    let mut head = Head {
        total: beginning.total,
        packing: beginning.packing,
        ..Head::default()
    };
    let most = if beginning.is_part { most } else { MOST_HEAD_BYTES };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut judge_at = LEAST_BYTES;
    while head.bytes.len() < most {
        match response.chunk().await {
            Ok(Some(piece)) => {
                let room = most - head.bytes.len();
                head.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
                if head.bytes.len() >= judge_at {
                    if head.suffices() {
                        break;
                    }
                    // A body of tiny pieces is not judged from its beginning for each of them.
                    judge_at = 2 * head.bytes.len();
                }
            }
            Ok(None) => {
                if !beginning.is_part {
                    head.total = Some(head.bytes.len() as u64);
                }
                return Ok((head, None));
            }
            Err(error) => {
                let reason = reason_in_words(error);
                let words = format!("it broke off after {} bytes: {reason}", head.bytes.len());
                return Err(Ended::in_vain(way.at(&words), Some(AGAIN)));
            }
        }
    }
    if beginning.is_part {
        // It has been asked for, so it is on its way; what is in it does not matter.
        drop(
            timeout(REST_TIMEOUT, async {
                while let Ok(Some(_)) = response.chunk().await {}
            })
            .await,
        );
        return Ok((head, None));
    }
    Ok((head, Some(response)))
}

/// Asks for the first bytes of a file, wherever redirects lead. `None` if it has none.
async fn ask(connections: &Connections, way: &mut Way, most: u64) -> Result<Option<(Response, Beginning)>, Ended> {
    let mut range = Some(most);
    loop {
        let response = request(connections, way, range).await?;
        let said = format!("HTTP {}", response.status().as_u16());
        match answer_of(response.status(), response.headers(), range) {
            Answer::Beginning(beginning) => return Ok(Some((response, beginning))),
            Answer::Empty => return Ok(None),
            // At most once: without a range there is no such answer.
            Answer::AskAnew => range = None,
            Answer::Elsewhere(location) => way.follow(&location)?,
            Answer::NotThere => return Err(Ended::with(Finding::NotThere(way.at(&said)))),
            Answer::Refused => return Err(Ended::with(Finding::Unreached(way.at(&said)))),
            Answer::Again(wait) => {
                let again = wait.unwrap_or(AGAIN);
                return Err(match again <= LONGEST_AGAIN {
                    true => Ended::in_vain(way.at(&said), Some(again)),
                    false => {
                        let again = humantime::format_duration(again);
                        Ended::in_vain(way.at(&format!("{said}, to be asked again in {again}")), None)
                    }
                });
            }
            Answer::ProxyLogin => {
                return Err(Ended::with(Finding::Unreached(Refusal::ProxyLogin.to_string())));
            }
        }
    }
}

/// One request; the headers of its answer.
async fn request(connections: &Connections, way: &Way, range: Option<u64>) -> Result<Response, Ended> {
    let mut request = connections
        .for_link(&way.link)
        .get(way.link.url().clone())
        // The bytes that count are those of the file itself.
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(most) = range {
        request = request.header(RANGE, format!("bytes=0-{}", most - 1));
    }
    request.send().await.map_err(|error| {
        if was_private(&error) {
            return ended_by(&way.link.refused(Refusal::Private), way.hops > 0);
        }
        let again = may_pass(&error).then_some(AGAIN);
        Ended::in_vain(way.at(&reason_in_words(error)), again)
    })
}

/// How long the file is whose answer was read this far; `None` if it breaks off. Nobody counts further than to what is
/// too large.
async fn length_of(mut rest: Response, read: u64) -> Option<u64> {
    let mut length = read;
    while length <= MOST_BYTES {
        match rest.chunk().await {
            Ok(Some(piece)) => length += piece.len() as u64,
            Ok(None) => return Some(length),
            Err(_) => return None,
        }
    }
    Some(MOST_BYTES + 1)
}

fn reason_in_words(error: reqwest::Error) -> String {
    // A certificate's names, and a proxy's words, are in it.
    escape::excerpt(&reason_of(&error.without_url()), MOST_SAID)
}

/// Whether a second try may fare better. A host that is down, has no name or no certificate to trust will not have one in
/// a second.
fn may_pass(error: &reqwest::Error) -> bool {
    if error.is_timeout() || !(error.is_connect() || error.is_builder()) {
        return true;
    }
    let cause = innermost(error).downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(
        cause,
        Some(
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::TimedOut
        )
    )
}
