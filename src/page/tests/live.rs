//! The board as viewers see it change.

use super::*;

#[tokio::test]
async fn a_viewer_gets_everything_first_and_then_what_changed() {
    let trial = Trial::new(Setup { live: Some(7), ..OPEN }).await;
    let mut events = trial.events().await;
    let first = events.next().await.unwrap();
    assert_eq!(ids(&first), ["head", "now", "money"]);
    assert_eq!(first["sections"]["now"], "Some(7)");
    assert_eq!(
        (first["live"].clone(), first["ended"].clone()),
        (true.into(), false.into())
    );
    trial.batch.rename("<i>other</i>.csv");
    let second = events.next().await.unwrap();
    assert_eq!(ids(&second), ["head"]);
    assert_eq!(second["sections"]["head"], "<h1><i>other</i>.csv</h1>");
    assert!(second["rows"].as_u64() > first["rows"].as_u64());

    // Whoever comes later, or again, gets everything as it is now.
    let again = trial.events().await.next().await.unwrap();
    assert_eq!(ids(&again), ["head", "now", "money"]);
    assert_eq!(
        (&again["sections"]["head"], &again["rows"]),
        (&second["sections"]["head"], &second["rows"])
    );
}

#[tokio::test]
async fn every_viewer_sees_the_end() {
    let trial = Trial::new(OPEN).await;
    let (mut one, mut other) = (trial.events().await, trial.events().await);
    for events in [&mut one, &mut other] {
        assert_eq!(events.next().await.unwrap()["ended"], false);
    }
    trial.batch.rename("done.csv");
    let began = std::time::Instant::now();
    tokio::join!(trial.page.end(), async {
        for events in [&mut one, &mut other] {
            let last = events.next().await.unwrap();
            assert_eq!(
                (&last["ended"], &last["sections"]["head"]),
                (&true.into(), &"<h1>done.csv</h1>".into())
            );
            assert_eq!(events.next().await, None);
        }
        drop((one, other));
    });
    // So long there was time to ask for the rows in their last states.
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(trial.ask("GET /api/rows").await.status, 200);
    trial.server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(TcpStream::connect(trial.address).await.is_err());
}

#[tokio::test]
async fn an_end_that_nobody_sees_takes_no_time() {
    let trial = Trial::new(OPEN).await;
    assert_eq!(trial.ask("GET /api/rows").await.status, 200);
    let began = std::time::Instant::now();
    trial.page.end().await;
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(trial.batch.readings(), 0);
}

/// Only whoever shows the page goes: a browser comes again, and is not told that anything has ended.
#[tokio::test]
async fn whoever_leaves_ends_the_streams_without_a_word() {
    let trial = Trial::new(OPEN).await;
    let mut events = trial.events().await;
    assert_eq!(events.next().await.unwrap()["ended"], false);
    let began = std::time::Instant::now();
    trial.page.leave();
    assert_eq!(events.next().await, None);
    // Nor does anybody who comes now wait for what never comes.
    let mut late = trial.events().await;
    assert_eq!(late.next().await.unwrap()["ended"], false);
    assert_eq!(late.next().await, None);
    drop((events, late));
    trial.server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_end_without_the_ledger_is_an_end() {
    let trial = Trial::new(OPEN).await;
    let mut events = trial.events().await;
    events.next().await.unwrap();
    *trial.batch.fails.lock().unwrap() = true;
    trial.page.end().await;
    assert_eq!(events.next().await.unwrap()["ended"], true);
    assert_eq!(events.next().await, None);
}

/// With nobody there the ledger is not read; with many it is read once for all of them.
#[tokio::test]
async fn the_ledger_is_read_for_viewers_and_once_for_all() {
    let trial = Trial::new(OPEN).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(trial.batch.readings(), 0);
    let mut viewers = Vec::new();
    for _ in 0..10 {
        let mut events = trial.events().await;
        events.next().await.unwrap();
        viewers.push(events);
        trial.ask("GET /metrics").await;
        trial.ask("GET /").await;
    }
    let readings = trial.batch.readings();
    assert!(readings <= 2, "{readings}");
    drop(viewers);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let readings = trial.batch.readings();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(trial.batch.readings(), readings);
}

/// A ledger that is read for as long as the test says.
struct Slow {
    readings: AtomicU64,
    gate: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Source for Slow {
    fn overview(&self) -> Result<Overview, LedgerError> {
        self.readings.fetch_add(1, Ordering::Relaxed);
        // Also opened by the test's end.
        let _opened = self.gate.lock().unwrap().recv();
        Ok(Overview::default())
    }

    fn rows(&self, _: &RowsQuery) -> Result<RowsPage, LedgerError> {
        Err(LedgerError::Stopped)
    }

    fn row(&self, _: u32) -> Result<Option<RowStory>, LedgerError> {
        Err(LedgerError::Stopped)
    }
}

#[tokio::test]
async fn whoever_hangs_up_and_asks_again_begins_no_second_reading() {
    let (open, gate) = std::sync::mpsc::channel();
    let slow = Arc::new(Slow {
        readings: AtomicU64::new(0),
        gate: Mutex::new(gate),
    });
    let source = Arc::clone(&slow) as Arc<dyn Source>;
    let board = Arc::new(Board::new(source, Arc::new(|| None), renderer().sections));
    let ask = || {
        let board = Arc::clone(&board);
        tokio::spawn(async move { board.overview().await.map(drop) })
    };
    for _ in 0..3 {
        let hung_up = ask();
        tokio::time::sleep(Duration::from_millis(50)).await;
        hung_up.abort();
        assert!(hung_up.await.unwrap_err().is_cancelled());
    }
    let patient = ask();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(slow.readings.load(Ordering::Relaxed), 1);
    open.send(()).unwrap();
    patient.await.unwrap().unwrap();
    assert_eq!(
        slow.readings.load(Ordering::Relaxed),
        1,
        "what was read is there for who stayed"
    );
}

fn board(batch: &Arc<Batch>) -> Arc<Board> {
    let source = Arc::clone(batch) as Arc<dyn Source>;
    Arc::new(Board::new(source, Arc::new(|| None), renderer().sections))
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_every_fifteen_seconds() {
    let board = board(&Arc::default());
    let keeping = tokio::spawn({
        let board = Arc::clone(&board);
        async move { board.keep().await }
    });
    let body = events::stream(Arc::clone(&board)).into_body();
    let mut pieces = body.into_data_stream();
    let mut next = async || {
        use http_body_util::BodyExt;
        let piece = pieces.frame().await.unwrap().unwrap();
        String::from_utf8(piece.into_data().unwrap().to_vec()).unwrap()
    };
    assert_eq!(next().await, "retry: 2000\n\n");
    assert!(next().await.starts_with("event: overview\n"));
    let began = tokio::time::Instant::now();
    for beat in 1..=3 {
        assert_eq!(next().await, ": still here\n\n");
        assert_eq!(began.elapsed().as_secs(), 15 * beat);
    }
    keeping.abort();
}
