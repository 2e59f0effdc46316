//! Listening: the socket that a browser looks at and that the API calls, who is let in by it, and the keys of both.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::clock::Wall;
use crate::collect::receiver::{self, Receiver, ReceiverConfig};
use crate::job::{Job, JobError, PageToken, WebhookKey};
use crate::ledger::Writer;
use crate::page::{AccessConfig, Page};
use crate::server::{Server, ServerConfig, Trouble};

use super::console::Console;
use super::failure::Failure;
use super::observer::Watched;
use super::overview::Live;
use super::page::{Work, page_of};

/// What a command listens for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For viewers, and for callbacks of the rows it sends.
    Run,
    /// For callbacks of rows that were sent before, and for viewers.
    Serve,
    /// For viewers only.
    View,
}

/// Where a command listens and whom it lets in. Nothing is bound yet, and every setting is in order.
pub(super) struct Plan {
    job: Job,
    address: SocketAddr,
    purpose: Purpose,
    /// `None`: the page is not shown.
    page: Option<Viewers>,
    /// `None`: callbacks need no signature. Without meaning where none are taken.
    key: Option<WebhookKey>,
}

/// Who may look.
struct Viewers {
    token: Option<PageToken>,
}

impl Plan {
    /// Reads token and key.
    pub(super) fn of(job: &Job, console: &Console, address: SocketAddr, purpose: Purpose) -> Result<Plan, Failure> {
        let token = page_token(job, console)?;
        let key = match (purpose, &token) {
            // Nobody calls, and nobody is let in because of it.
            (Purpose::View, Some(_)) => None,
            _ => webhook_key(job, console)?,
        };
        // Whatever passes calls on to this machine passes a stranger's browser on as well; and whoever has a key for
        // calls has them come from somewhere, be it to addresses that only the manifest names.
        let is_led_to = job.callback_url.is_some() || key.is_some();
        let page = viewers(token, &job.viewing.hosts, address, is_led_to, purpose)?;
        if page.is_none() {
            console.notice(
                "the page is not shown: callbacks come from outside, as a public address or a webhook key says, and it \
                 would show everybody the batch, unless `--token-file` keeps it",
            );
        }
        Ok(Plan {
            job: job.clone(),
            address,
            purpose,
            page,
            key,
        })
    }

    /// Binds the socket, and tells what is where.
    pub(super) async fn bind(self, console: &Console) -> Result<Listener, Failure> {
        let Plan { address, .. } = self;
        let socket = TcpListener::bind(address)
            .await
            .map_err(|source| Failure::Listen { address, source })?;
        let bound = socket.local_addr().unwrap_or(address);
        if let Some(viewers) = &self.page {
            let place = match bound.ip().is_unspecified() {
                true => format!("{}:{}", host_name(), bound.port()),
                false => bound.to_string(),
            };
            let needed = if viewers.token.is_some() { " (token needed)" } else { "" };
            console.notice(&format!("page: http://{place}/{needed}"));
        }
        // A run that leads no callback here has nothing to say of them.
        let awaits_calls = self.page.is_none() || self.job.callback_url.is_some();
        if self.purpose == Purpose::Serve || (self.purpose == Purpose::Run && awaits_calls) {
            let path = self.job.collect.public_url.as_ref().map_or("", |url| url.path());
            let signed = match self.key {
                Some(_) => "signed ones only",
                None => "known by their tokens; with `KIE_WEBHOOK_KEY` set, signed ones only",
            };
            console.notice(&format!("receiving callbacks on http://{bound}{path} ({signed})"));
        }
        Ok(Listener {
            plan: self,
            socket,
            bound,
        })
    }
}

/// A bound socket that nobody serves yet: it is bound before anything is sent, and served once the ledger is open.
pub(super) struct Listener {
    plan: Plan,
    socket: TcpListener,
    bound: SocketAddr,
}

impl Listener {
    /// Serves viewers and callbacks; each of these makes its row due and notifies `wake`.
    pub(super) fn start(self, console: &Console, writer: Writer, wake: Arc<Notify>) -> Result<Reception, Failure> {
        let work = Work::default();
        let page = self.page(&work)?;
        let Plan { job, key, purpose, .. } = self.plan;
        let config = ReceiverConfig {
            path: job.collect.public_url.as_ref().map(|url| url.path().to_owned()),
            key,
            wall: Wall::System,
        };
        let notices = console.clone();
        let notice = Arc::new(move |notice: receiver::Notice| notices.notice(&notice.to_string()));
        let front = |desk| match &page {
            Some(page) => page.before(desk),
            None => desk,
        };
        let receiver = Receiver::start_behind(front, self.socket, config, writer, wake, notice);
        Ok(Reception {
            purpose,
            served: Served::Both(receiver),
            page,
            work,
        })
    }

    /// Serves viewers, and nobody else.
    pub(super) fn show(self) -> Result<Reception, Failure> {
        let work = Work::default();
        let page = self.page(&work)?;
        let router = page.as_ref().map(Page::alone).unwrap_or_default();
        let on_trouble = Arc::new(|trouble| {
            if let Trouble::NoConnection(error) = trouble {
                tracing::warn!(%error, "no viewer can come in");
            }
        });
        let server = Server::start(self.socket, router, ServerConfig::default(), on_trouble);
        Ok(Reception {
            purpose: self.plan.purpose,
            served: Served::Viewers(server),
            page,
            work,
        })
    }

    fn page(&self, work: &Work) -> Result<Option<Page>, Failure> {
        let Plan { job, page, .. } = &self.plan;
        let Some(Viewers { token }) = page else {
            return Ok(None);
        };
        let access = AccessConfig {
            token: token.clone(),
            hosts: hosts_of(job, token.is_some()),
            port: self.bound.port(),
        };
        page_of(job, access, work).map(Some)
    }
}

/// A socket that is being served.
pub(super) struct Reception {
    purpose: Purpose,
    served: Served,
    page: Option<Page>,
    work: Work,
}

enum Served {
    Both(Receiver),
    Viewers(Server),
}

impl Reception {
    /// The page shows where this work stands from now on.
    pub(super) fn show_work(&self, live: Live, watched: Watched) {
        self.work.begin(live, watched);
    }

    /// The work is done: no callback is taken any more, and the ledger is given back. Viewers are not sent away.
    pub(super) fn work_is_done(&self) {
        self.work.end();
        if let Served::Both(receiver) = &self.served {
            receiver.close();
        }
    }

    /// Shows viewers how the run ended, which is in the ledger by now, and closes the socket. A batch that was only
    /// served has not ended with that, and nobody is told so.
    pub(super) async fn end(self) {
        self.work.end();
        match (&self.page, self.purpose) {
            (Some(page), Purpose::Run) => page.end().await,
            (Some(page), Purpose::Serve | Purpose::View) => page.leave(),
            (None, _) => {}
        }
        match self.served {
            Served::Both(receiver) => {
                receiver.stop().await;
            }
            Served::Viewers(server) => server.stop().await,
        }
    }
}

/// Who may look; `None`: nobody, as callbacks are what the socket is for.
fn viewers(
    token: Option<PageToken>,
    hosts: &[String],
    address: SocketAddr,
    is_led_to: bool,
    purpose: Purpose,
) -> Result<Option<Viewers>, Failure> {
    if token.is_some() {
        return Ok(Some(Viewers { token }));
    }
    if let Some(host) = hosts.first() {
        return Err(JobError::setting(
            format!("`--allow-host {host}` would show everybody the batch who comes by that name"),
            "give `--token-file`, too: a name that others use leads others here",
        )
        .into());
    }
    let is_here = address.ip().to_canonical().is_loopback();
    match (is_here, is_led_to, purpose) {
        (true, false, _) => Ok(Some(Viewers { token: None })),
        (_, true, Purpose::Run | Purpose::Serve) => Ok(None),
        (true, true, Purpose::View) => Err(JobError::setting(
            "callbacks are led to this machine from outside, and whoever comes that way would see the page",
            "give the page a token: set `HAILUO_BATCH_TOKEN`, or name a file that holds one with `--token-file`",
        )
        .into()),
        (false, ..) => Err(JobError::setting(
            format!("others can reach {address}, and the page would show them the batch"),
            "listen on 127.0.0.1, or give the page a token: set `HAILUO_BATCH_TOKEN`, or name a file that holds one with \
             `--token-file`",
        )
        .into()),
    }
}

fn page_token(job: &Job, console: &Console) -> Result<Option<PageToken>, Failure> {
    let Some((token, warning)) = job.page_token()? else {
        return Ok(None);
    };
    token.hide_in(|secret| console.secrets.hide(secret));
    if let Some(warning) = warning {
        console.warn(&warning);
    }
    Ok(Some(token))
}

fn webhook_key(job: &Job, console: &Console) -> Result<Option<WebhookKey>, Failure> {
    let Some((key, warning)) = job.webhook_key()? else {
        return Ok(None);
    };
    key.hide_in(|secret| console.secrets.hide(secret));
    if let Some(warning) = warning {
        console.warn(&warning);
    }
    Ok(Some(key))
}

/// The names that the page answers to beside those of this machine alone. Only where a token is asked for does it answer
/// to what others call this machine.
fn hosts_of(job: &Job, has_token: bool) -> Vec<String> {
    let mut hosts = job.viewing.hosts.clone();
    if has_token {
        let own = host_name();
        hosts.push(format!("{own}.local"));
        hosts.push(own);
        let public = job.collect.public_url.as_ref().and_then(|url| url.host_str());
        hosts.extend(public.map(str::to_owned));
    }
    hosts
}

/// What this machine calls itself.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
