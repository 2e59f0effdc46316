//! Many viewers, and slow ones.

use super::*;

/// However many look, callbacks find their places; and who finds no place is told when to come again.
#[tokio::test]
async fn a_flood_of_viewers_takes_no_callbacks_place() {
    let trial = Trial::new(OPEN).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut events = trial.events().await;
        events.next().await.unwrap();
        streams.push(events);
    }
    let refused = trial.ask("GET /events").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert_eq!(
        trial.ask("GET /").await.status,
        200,
        "there are places for other things"
    );
    // Far more than have a place wait for theirs.
    let mut waiting = Vec::new();
    for _ in 0..200 {
        let mut stream = trial.connect().await;
        let request = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", trial.address);
        stream.write_all(request.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    let began = std::time::Instant::now();
    let callback = trial.ask_with("POST /kie?token=1", "{}").await;
    assert_eq!((callback.status, callback.text()), (200, "the desk"));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // A viewer that leaves makes room for another.
    drop(streams.pop());
    let mut came = None;
    for _ in 0..100 {
        let mut events = trial.events().await;
        came = events.next().await;
        if came.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(came.is_some());
}

/// Whoever may not look takes no place, and is not let in by being slow.
#[tokio::test]
async fn strangers_take_no_places() {
    let trial = Trial::new(CLOSED).await;
    let mut slow = Vec::new();
    for _ in 0..2 * VIEWERS {
        let mut stream = trial.connect().await;
        let request = format!(
            "POST /login HTTP/1.1\r\nHost: {}\r\nContent-Length: 100\r\n\r\ntoken=",
            trial.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let answer = trial.ask(&format!("GET /\nAuthorization: Bearer {TOKEN}")).await;
    assert_eq!(answer.status, 200);
}

/// A viewer that takes nothing is dropped, and one that reads slowly gets everything.
#[tokio::test]
async fn viewers_that_do_not_read_are_dropped() {
    let trial = Trial::new(Setup {
        stall: Duration::from_millis(300),
        ..OPEN
    })
    .await;
    let length = 30 << 20;
    let mut clip = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42".to_vec();
    clip.resize(length, 7);
    std::fs::write(trial.folder.path().join("a.mp4"), &clip).unwrap();
    *trial.batch.video.lock().unwrap() = Some(Media {
        file: Some("a.mp4".into()),
        url: None,
    });
    let request = format!("GET /media/1/video HTTP/1.1\r\nHost: {}\r\n\r\n", trial.address);
    let [mut silent, mut slow] = [trial.connect().await, trial.connect().await];
    for stream in [&mut silent, &mut slow] {
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    let mut read = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        match timeout(PATIENCE, slow.read(&mut buffer)).await.unwrap().unwrap() {
            0 => break,
            some => read += some,
        }
    }
    assert!(read > length, "with its head it is longer: {read}");
    let mut rest = Vec::new();
    let _reset = timeout(PATIENCE, silent.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.len() < length, "{} bytes", rest.len());
    assert_eq!(trial.ask("GET /healthz").await.status, 200);
}

/// An end does not wait for somebody who watches a video.
#[tokio::test]
async fn the_end_waits_shortly_for_viewers() {
    let trial = Trial::new(OPEN).await;
    let mut events = trial.events().await;
    events.next().await.unwrap();
    let began = std::time::Instant::now();
    // Without being told that it is the end, and reading on.
    trial.server.stop().await;
    let took = began.elapsed();
    assert!(
        took > Duration::from_secs(1) && took < Duration::from_secs(4),
        "{took:?}"
    );
    assert!(matches!(
        timeout(PATIENCE, events.stream.read(&mut [0; 9])).await,
        Ok(Ok(0) | Err(_))
    ));
}
