//! Receiving the API's callbacks: the socket, and the key that signs them.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::clock::Wall;
use crate::collect::receiver::{Receiver, ReceiverConfig};
use crate::job::Job;
use crate::ledger::Writer;

use super::console::Console;
use super::failure::Failure;

/// A bound socket that nobody serves yet: it is bound before anything is sent, and served once the ledger is open.
pub(super) struct Listener {
    socket: TcpListener,
    config: ReceiverConfig,
}

impl Listener {
    /// Binds `address`, and reads the key that callbacks are signed with.
    pub(super) async fn bind(job: &Job, console: &Console, address: SocketAddr) -> Result<Listener, Failure> {
        let key = match job.webhook_key()? {
            None => None,
            Some((key, warning)) => {
                key.hide_in(|secret| console.secrets.hide(secret));
                if let Some(warning) = warning {
                    console.warn(&warning);
                }
                Some(key)
            }
        };
        let socket = TcpListener::bind(address)
            .await
            .map_err(|source| Failure::Listen { address, source })?;
        let path = job.collect.public_url.as_ref().map(|url| url.path().to_owned());
        let bound = socket.local_addr().unwrap_or(address);
        let signed = match key {
            Some(_) => "signed ones only",
            None => "known by their tokens; with `KIE_WEBHOOK_KEY` set, signed ones only",
        };
        console.notice(&format!(
            "receiving callbacks on http://{bound}{} ({signed})",
            path.as_deref().unwrap_or_default()
        ));
        Ok(Listener {
            socket,
            config: ReceiverConfig {
                path,
                key,
                wall: Wall::System,
            },
        })
    }

    /// Serves; each callback makes its row due and notifies `wake`.
    pub(super) fn start(self, console: &Console, writer: Writer, wake: Arc<Notify>) -> Receiver {
        let notices = console.clone();
        let notice = Arc::new(move |notice: crate::collect::receiver::Notice| notices.notice(&notice.to_string()));
        Receiver::start(self.socket, self.config, writer, wake, notice)
    }
}
