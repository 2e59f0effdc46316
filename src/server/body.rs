//! Bodies that come piece by piece, no faster than they are read.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

/// Where the pieces of a body are put. When it is dropped the body is at its end.
#[derive(Debug)]
pub struct Feed(mpsc::Sender<Bytes>);

/// Nobody reads the body any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left;

impl Feed {
    /// Waits until there is room for a piece: one is on its way at a time.
    pub async fn send(&self, piece: impl Into<Bytes>) -> Result<(), Left> {
        self.0.send(piece.into()).await.map_err(|_| Left)
    }

    /// Waits until nobody reads the body any more.
    pub async fn left(&self) {
        self.0.closed().await;
    }
}

/// A body that is fed, and where to feed it. Only one that is cut off, by the end of its connection, is known to be not
/// whole: a body whose length was announced and that ends early closes its connection.
pub fn streamed() -> (Feed, Body) {
    let (feed, pieces) = mpsc::channel(1);
    (Feed(feed), Body::new(Streamed(pieces)))
}

#[derive(Debug)]
struct Streamed(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
