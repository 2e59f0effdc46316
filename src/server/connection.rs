//! One connection: one request, its answer, and a clean end.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::socket::Socket;
use super::stall::Stall;
use super::{HEAD_TIMEOUT, LINGER, OnTrouble, SERVED_WITHIN, Seat, Trouble};

/// Most header fields of a request. Proxies add about ten.
const MOST_HEADERS: usize = 100;

/// Longest head of a request, in bytes; also the buffer of a connection.
const LARGEST_HEAD: usize = 16 * 1024;

/// What all connections share.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) router: Router,
    pub(super) stall: Duration,
    pub(super) on_trouble: OnTrouble,
}

impl Connection {
    /// One request and its answer.
    pub(super) async fn serve(self, stream: TcpStream, seat: Seat) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a caller left at once");
        }
        let socket = Socket::new(stream);
        let router = TowerToHyperService::new(self.router);
        let of_this_connection = seat.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(of_this_connection.clone());
            router.call(request)
        });
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_headers(MOST_HEADERS)
            .max_buf_size(LARGEST_HEAD)
            // A second request would wait behind the first: callers are better served by a connection of their own.
            .keep_alive(false)
            // A caller that closes its sending side early still waits for its answer.
            .half_close(true)
            .serve_connection(TokioIo::new(Stall::new(socket.clone(), self.stall)), service);
        let mut too_late = pin!(sleep(SERVED_WITHIN));
        // Without hyper's own shutdown, so that the socket can be read on.
        let served = poll_fn(|context| match connection.poll_without_shutdown(context) {
            Poll::Ready(served) => Poll::Ready(Some(served)),
            Poll::Pending if seat.ends_with_caller() && socket.poll_closed(context).is_ready() => {
                Poll::Ready(Some(Ok(())))
            }
            // It has no seat that others might need.
            Poll::Pending if seat.is_vacated() => Poll::Pending,
            Poll::Pending => too_late.as_mut().poll(context).map(|()| None),
        })
        .await;
        seat.set_busy(false);
        match served {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::trace!(%error, "a caller's request could not be read, or its answer not be sent");
                (self.on_trouble)(Trouble::Broken);
            }
            None => return (self.on_trouble)(Trouble::Broken),
        }
        drop(connection);
        let Some(stream) = socket.into_inner() else { return };
        if let Ok(Err(error)) = timeout(LINGER, linger(stream)).await {
            tracing::trace!(%error, "a caller hung up");
        }
    }
}

/// Reads on until the other side has closed.
async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut unread = vec![0; LARGEST_HEAD];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
