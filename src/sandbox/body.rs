//! Bodies that break off, stutter or never end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::reply::Hangup;

/// A whole body, or one that is played step by step.
pub(super) type ReplyBody = Either<Full<Bytes>, PlayedBody>;

/// One step of a body.
#[derive(Debug)]
pub(super) enum Step {
    Data(Bytes),
    Pause(Duration),
    /// Lets the server write out what it has: it does so when a body makes it wait, and throws it away when one fails.
    Flush,
    /// Breaks off.
    Fail,
    /// This, after a pause each time, for ever.
    Drip(Bytes, Duration),
}

/// A body that is played step by step.
#[derive(Debug)]
pub(super) struct PlayedBody {
    steps: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
    /// The length that is told, whatever comes.
    promised: Option<usize>,
}

impl PlayedBody {
    pub(super) fn new(promised: Option<usize>, steps: impl IntoIterator<Item = Step>) -> PlayedBody {
        PlayedBody {
            steps: steps.into_iter().collect(),
            pause: None,
            promised,
        }
    }

    /// The first `sent` bytes, under the length of the whole.
    pub(super) fn cut(whole: &Bytes, sent: usize) -> PlayedBody {
        let part = whole.slice(..sent.min(whole.len()));
        PlayedBody::new(Some(whole.len()), [Step::Data(part), Step::Flush, Step::Fail])
    }
}

impl Body for PlayedBody {
    type Data = Bytes;
    type Error = Hangup;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Step::Pause(time)) => self.pause = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::Flush) => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Fail) => return Poll::Ready(Some(Err(Hangup::Close))),
                Some(Step::Drip(data, time)) => {
                    self.steps
                        .extend([Step::Pause(time), Step::Data(data.clone()), Step::Drip(data, time)]);
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.promised {
            Some(promised) => SizeHint::with_exact(promised as u64),
            None => SizeHint::default(),
        }
    }
}
