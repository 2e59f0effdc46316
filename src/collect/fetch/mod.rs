//! One video file from its link to the disk.
//!
//! [`Fetcher::fetch`] makes one try: it streams into a part beside the final file, continues the part of an earlier try
//! where the host proves that it is the same file, checks what came, and renames it into place. The caller decides
//! whether there is another try, under which name, and with which link ([`FetchError`] tells them apart).
//!
//! What can go on disk under the final name is only ever a complete video: its length is the announced one, it begins
//! like an MP4 or QuickTime file and its boxes end where the file ends, its bytes and its name are synced.
//!
//! Beside a part `.NAME.part` stands a note `.NAME.part.json` while the part can be continued, and after success until
//! [`acknowledge`]: a run that is killed between the rename and its own record finds its file again instead of
//! fetching it a second time. One that is killed just after its record leaves the note to [`acknowledge_recorded`].

mod answer;
mod container;
mod error;
mod note;
mod part;
mod stream;

use std::ffi::OsString;
use std::future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Response;
use reqwest::header::{ACCEPT_ENCODING, HeaderValue, IF_RANGE, RANGE};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::web::client::ClientError;
use crate::web::connect::{ConnectConfig, Connections, was_private};
use crate::web::link::{Link, MOST_REDIRECTS, Refusal};
use crate::web::page;
use crate::web::reason::reason_of;
use answer::Answer;
use part::{Opening, Part, Place, Rest};
use stream::Patience;

pub use error::FetchError;

/// Time to resolve, connect and shake hands. Giving up is free.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest silence of a host: as long as browsers and package managers bear it.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Lowest speed over [`IDLE_TIMEOUT`], in bytes per second: at this speed a clip of 10 MB would take three hours.
pub const SLOWEST_BYTES_PER_SECOND: u64 = 1024;

/// Largest file, in bytes: 4 GiB. A clip has some 10 MB; this bounds what a wrong or hostile host can send.
pub const LARGEST_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Room on the disk that is never used, in bytes: the ledger of this batch and everybody else live on.
pub const KEEP_FREE_BYTES: u64 = 256 * 1024 * 1024;

/// How long a refusal is read, for the message.
const SAYING_TIMEOUT: Duration = Duration::from_secs(5);

/// How files are fetched.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    /// Also fetch from this machine and private networks, and follow redirects from https to http: only where the API
    /// itself is on this machine (the sandbox, tests).
    pub allow_private_hosts: bool,
    /// For name resolution, connecting and the TLS handshake.
    pub connect_timeout: Duration,
    /// Longest silence, and the time over which the speed is measured.
    pub idle_timeout: Duration,
    /// Lowest speed over `idle_timeout`; 0 for none.
    pub slowest_bytes_per_second: u64,
    /// Largest file.
    pub largest_bytes: u64,
    /// Room to leave on the disk.
    pub keep_free_bytes: u64,
    /// A PEM file with certificates to trust beside the system's.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// Never use a proxy from the environment.
    pub no_proxy: bool,
}

impl Default for FetchConfig {
    fn default() -> FetchConfig {
        FetchConfig {
            allow_private_hosts: false,
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            slowest_bytes_per_second: SLOWEST_BYTES_PER_SECOND,
            largest_bytes: LARGEST_BYTES,
            keep_free_bytes: KEEP_FREE_BYTES,
            extra_roots_pem: None,
            no_proxy: false,
        }
    }
}

/// A file that is to be fetched.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where it is. Private to the account if it is signed; only its host and path are ever shown.
    pub url: &'a str,
    /// The task that made it. A part of another task's file is never continued.
    pub task: &'a str,
    /// Where it goes. The folder must exist.
    pub target: &'a Path,
    /// Where it is until it is complete: in the same folder (see [`part_beside`]).
    pub part: &'a Path,
    /// The file at `target` is this row's own and may be replaced.
    pub replace: bool,
}

/// A video that is complete, checked, synced, and in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// Fetches files. Has no key: file hosts never see it. Cloning is cheap, and one serves any number of files at once;
/// each occupies one of tokio's blocking threads and at most 3 MiB of memory.
#[derive(Debug, Clone)]
pub struct Fetcher {
    connections: Connections,
    config: FetchConfig,
}

impl Fetcher {
    /// A fetcher with connections of its own.
    pub fn new(config: FetchConfig) -> Result<Fetcher, ClientError> {
        let connections = Connections::new(ConnectConfig {
            allow_private_hosts: config.allow_private_hosts,
            connect_timeout: config.connect_timeout,
            // A handshake is little beside a video.
            idle_per_host: 0,
            extra_roots_pem: config.extra_roots_pem.as_deref(),
            no_proxy: config.no_proxy,
        })?;
        Ok(Fetcher { connections, config })
    }

    /// Fetches one file, in one try. `progress` hears how many of its bytes are here, those of earlier tries included.
    ///
    /// Dropping the future is like a crash: the part stays, and the next try goes on from it.
    pub async fn fetch(&self, wanted: Wanted<'_>, progress: impl Fn(u64)) -> Result<Fetched, FetchError> {
        let link = Link::read(wanted.url, self.config.allow_private_hosts)?;
        let place = self.place(&wanted, &link);
        let mut part = match blocking(move || place.open()).await? {
            Opening::Finished(fetched) => return Ok(fetched),
            Opening::Part(part) => *part,
        };
        progress(part.written());
        if !part.is_complete() {
            part = self.complete(part, link, &progress).await?;
        }
        blocking(move || part.finish()).await
    }

    /// Fetches what is still missing of a part.
    async fn complete(&self, mut part: Part, link: Link, progress: &impl Fn(u64)) -> Result<Part, FetchError> {
        let shown = link.shown();
        let (response, body) = match self.ask(link, part.rest()).await {
            Ok(answer) => answer,
            Err(error) => return Err(given_up(part, error).await),
        };
        let prepared = blocking(move || {
            let outcome = match body {
                Body::Rest => Ok(()),
                Body::Whole { bytes, etag } => part.restart(bytes, etag),
            };
            let outcome = outcome.and_then(|()| part.make_sure_of_room());
            (part, outcome)
        });
        match prepared.await {
            (part, Ok(())) => stream::receive(part, response, &shown, self.patience(), progress).await,
            (part, Err(error)) => Err(given_up(part, error).await),
        }
    }

    /// Asks for the rest of a file, or for all of it, wherever redirects lead.
    async fn ask(&self, mut link: Link, mut rest: Option<Rest>) -> Result<(Response, Body), FetchError> {
        let mut redirects = 0;
        loop {
            let response = self.request(&link, rest.as_ref()).await?;
            let status = response.status().as_u16();
            match answer::answer_of(response.status(), response.headers(), rest.as_ref()) {
                Answer::Whole { bytes, etag } => return Ok((response, Body::Whole { bytes, etag })),
                Answer::Rest => return Ok((response, Body::Rest)),
                // At most once: without a rest to ask for there is no such answer.
                Answer::AskAnew => rest = None,
                Answer::Elsewhere(location) => {
                    redirects += 1;
                    if redirects > MOST_REDIRECTS {
                        return Err(link.refused(Refusal::TooManyRedirects).into());
                    }
                    link = link.redirected(&location)?;
                }
                Answer::NotThere => {
                    return Err(FetchError::NotThere {
                        link: link.shown(),
                        status,
                        said: said_by(response).await,
                    });
                }
                Answer::Again(retry_after) => {
                    let said = said_by(response).await;
                    let said = if said.is_empty() { said } else { format!(": {said}") };
                    return Err(FetchError::Again {
                        link: link.shown(),
                        reason: format!("the host answered {status}{said}"),
                        retry_after,
                    });
                }
                Answer::ProxyLogin => return Err(link.refused(Refusal::ProxyLogin).into()),
            }
        }
    }

    /// One request; the headers of its answer.
    async fn request(&self, link: &Link, rest: Option<&Rest>) -> Result<Response, FetchError> {
        let mut request = self
            .connections
            .for_link(link)
            .get(link.url().clone())
            // Lengths and checksums are those of the file itself.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(rest) = rest {
            request = request
                .header(RANGE, format!("bytes={}-", rest.from))
                .header(IF_RANGE, &rest.etag);
        }
        let patience = self.config.connect_timeout + self.config.idle_timeout;
        match timeout(patience, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if was_private(&error) => Err(link.refused(Refusal::Private).into()),
            Ok(Err(error)) => Err(FetchError::again(&link.shown(), reason_of(&error.without_url()))),
            Err(_) => {
                let patience = humantime::format_duration(patience);
                Err(FetchError::again(&link.shown(), format!("no answer for {patience}")))
            }
        }
    }

    fn place(&self, wanted: &Wanted<'_>, link: &Link) -> Place {
        Place {
            target: wanted.target.to_owned(),
            part: wanted.part.to_owned(),
            task: wanted.task.to_owned(),
            link: link.shown(),
            replace: wanted.replace,
            largest_bytes: self.config.largest_bytes,
            keep_free_bytes: self.config.keep_free_bytes,
        }
    }

    fn patience(&self) -> Patience {
        Patience {
            idle: self.config.idle_timeout,
            slowest: self.config.slowest_bytes_per_second,
        }
    }
}

/// What is about to come.
enum Body {
    /// What the part lacks.
    Rest,
    /// All of it.
    Whole { bytes: Option<u64>, etag: Option<String> },
}

/// The beginning of what a host writes when it gives no file.
async fn said_by(mut response: Response) -> String {
    let mut said = Vec::new();
    let reading = async {
        while let Ok(Some(piece)) = response.chunk().await {
            said.extend_from_slice(&piece[..piece.len().min(page::HEAD_BYTES - said.len())]);
            if said.len() == page::HEAD_BYTES {
                return;
            }
        }
    };
    // However far it got.
    drop(timeout(SAYING_TIMEOUT, reading).await);
    if said.is_empty() {
        String::new()
    } else {
        page::looks_like(&said)
    }
}

async fn given_up(part: Part, error: FetchError) -> FetchError {
    blocking(move || {
        part.give_up(&error);
        error
    })
    .await
}

/// Where the file `target` is to be until it is complete: `.NAME.part` in the same folder.
pub fn part_beside(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".part");
    target.with_file_name(name)
}

/// Ends what [`Fetcher::fetch`] began, once its result is recorded for good: removes the note by which the file would
/// be found again. `part` is that of [`Wanted`].
pub async fn acknowledge(part: &Path) -> io::Result<()> {
    let part = part.to_owned();
    blocking(move || note::remove(&part)).await
}

/// Does what [`acknowledge`] does for files in `folder` whose run was killed between its record and that: nobody else asks
/// for their notes again. `is_recorded` says of a task whether its file is recorded. A folder that is not there has none.
pub fn acknowledge_recorded<E: From<io::Error>>(
    folder: &Path,
    mut is_recorded: impl FnMut(&str) -> Result<bool, E>,
) -> Result<(), E> {
    let finished = match note::of_finished_in(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for (part, task) in finished {
        if is_recorded(&task)? {
            note::remove(&part)?;
        }
    }
    Ok(())
}

/// Runs `work`, which may block, on a thread for that. A panic in it goes on here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and this task with it.
            Err(_) => future::pending().await,
        },
    }
}
