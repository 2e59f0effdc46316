//! `GET events`: the board as it changes, to one viewer.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};

use super::board::{Board, Frame};
use crate::server::{Feed, Left, streamed};

/// How long a browser waits before it connects again.
const RETRY: Duration = Duration::from_secs(2);

/// At least this often something is sent: proxies close connections that are silent for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The stream for one viewer.
pub(super) fn stream(board: Arc<Board>) -> Response {
    let (feed, body) = streamed();
    // It ends when its viewer has left, and with the board.
    tokio::spawn(async move {
        let _left = show(&board, &feed).await;
    });
    head_of(body.into_response())
}

/// The answer with the headers of such a stream.
pub(super) fn head_of(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // For nginx, which would keep events until it has enough of them.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

async fn show(board: &Board, feed: &Feed) -> Result<(), Left> {
    let mut frames = board.frames();
    feed.send(format!("retry: {}\n\n", RETRY.as_millis())).await?;
    let mut seen = 0;
    let mut heartbeat = Instant::now() + HEARTBEAT;
    loop {
        let frame = frames.borrow_and_update().clone();
        if let Some(frame) = frame.filter(|frame| frame.number > seen) {
            feed.send(event(&frame, seen)).await?;
            if frame.ended {
                return Ok(());
            }
            seen = frame.number;
            heartbeat = Instant::now() + HEARTBEAT;
        }
        // What was noted after the frame was taken wakes the waiting below.
        if board.is_over() {
            return Ok(());
        }
        tokio::select! {
            changed = frames.changed() => if changed.is_err() {
                return Ok(());
            },
            () = sleep_until(heartbeat) => {
                feed.send(": still here\n\n").await?;
                heartbeat = Instant::now() + HEARTBEAT;
            }
            () = feed.left() => return Err(Left),
        }
    }
}

/// What is new since frame number `seen`. JSON has no line breaks of its own, so that it is one line.
fn event(frame: &Frame, seen: u64) -> String {
    let new = frame.sections.iter().filter(|section| section.since > seen);
    let sections: Map<String, Value> = new
        .map(|section| (section.id.to_owned(), Value::from(section.html.as_str())))
        .collect();
    let data = json!({
        "sections": sections,
        "rows": frame.rows,
        "live": frame.live,
        "ended": frame.ended,
    });
    format!("event: overview\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::board::Section;

    #[test]
    fn an_event_is_one_line_with_what_is_new() {
        let section = |id, html: &str, since| Section {
            id,
            html: html.to_owned(),
            since,
        };
        let frame = Frame {
            number: 5,
            sections: vec![section("head", "<b>\n\"a\"</b>", 2), section("now", "2", 5)],
            rows: 17,
            rows_since: Instant::now(),
            live: true,
            ended: false,
        };
        insta::assert_snapshot!(event(&frame, 0), @r#"
        event: overview
        data: {"sections":{"head":"<b>\n\"a\"</b>","now":"2"},"rows":17,"live":true,"ended":false}
        "#);
        insta::assert_snapshot!(event(&frame, 4), @r#"
        event: overview
        data: {"sections":{"now":"2"},"rows":17,"live":true,"ended":false}
        "#);
    }
}
