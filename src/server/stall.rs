//! A stream whose reader has to read: a write that does not get on for too long fails.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// `S` with a limit on how long it may take nothing that is written.
#[derive(Debug)]
pub(super) struct Stall<S> {
    inner: S,
    longest: Duration,
    /// When the write that is waiting now will have waited too long.
    limit: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl<S> Stall<S> {
    pub(super) fn new(inner: S, longest: Duration) -> Stall<S> {
        Stall {
            inner,
            longest,
            limit: Box::pin(tokio::time::sleep(longest)),
            is_waiting: false,
        }
    }

    /// What a write came to, unless it has waited too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.is_waiting = false;
            return wrote;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.limit.as_mut().reset(Instant::now() + self.longest);
        }
        ready!(self.limit.as_mut().poll(context));
        let error = io::Error::new(io::ErrorKind::TimedOut, "the answer is not being read");
        Poll::Ready(Err(error))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stall<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stall<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(context, pieces);
        self.watch(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(context);
        self.watch(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LONGEST: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_nothing_is_given_up() {
        let (ours, _theirs) = duplex(10);
        let mut ours = Stall::new(ours, LONGEST);
        let began = Instant::now();
        let error = ours.write_all(&[0; 11]).await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, LONGEST));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_a_little_now_and_then_is_not() {
        let (ours, mut theirs) = duplex(10);
        let mut ours = Stall::new(ours, LONGEST);
        let reading = async {
            for _ in 0..9 {
                tokio::time::sleep(LONGEST - Duration::from_secs(1)).await;
                theirs.read_exact(&mut [0; 10]).await.unwrap();
            }
        };
        let writing = async { ours.write_all(&[0; 100]).await };
        let ((), wrote) = tokio::join!(reading, writing);
        wrote.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_between_writes_do_not_count() {
        let (ours, mut theirs) = duplex(10);
        let mut ours = Stall::new(ours, LONGEST);
        for _ in 0..3 {
            ours.write_all(&[0; 10]).await.unwrap();
            tokio::time::sleep(10 * LONGEST).await;
            theirs.read_exact(&mut [0; 10]).await.unwrap();
        }
    }
}
