//! The page over real sockets, with a batch and looks of its own.

mod access;
mod live;
mod media;
mod seats;

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::clock::UnixMillis;
use crate::page_token::PageToken;
use crate::row::RowState;
use crate::server::{Server, ServerConfig};
use crate::view::{Media, RowCard};
use crate::web::connect::{ConnectConfig, Connections};

const TOKEN: &str = "correct horse battery";

/// Longest wait for anything that must come.
const PATIENCE: Duration = Duration::from_secs(5);

/// A batch whose overview is called what the test says, and whose rows all have the media that it says.
#[derive(Default)]
struct Batch {
    name: Mutex<String>,
    image: Mutex<Option<Media>>,
    video: Mutex<Option<Media>>,
    readings: AtomicU64,
    fails: Mutex<bool>,
    asked: Mutex<Vec<RowsQuery>>,
}

impl Batch {
    fn failed(&self) -> Result<(), LedgerError> {
        match *self.fails.lock().unwrap() {
            true => Err(LedgerError::Stopped),
            false => Ok(()),
        }
    }

    fn card(&self, row: u32) -> RowCard {
        RowCard {
            row,
            place: format!("line {}", row + 1),
            id: None,
            status: RowState::Saved,
            prompt: "<script>alert(1)</script>".into(),
            code: None,
            message: None,
            attempts: 1,
            submitted_at: None,
            completed_at: None,
            credits: Some(30.0),
            kind: None,
            image: self.image.lock().unwrap().clone(),
            video: self.video.lock().unwrap().clone(),
        }
    }

    fn readings(&self) -> u64 {
        self.readings.load(Ordering::Relaxed)
    }

    fn rename(&self, name: &str) {
        *self.name.lock().unwrap() = name.to_owned();
    }
}

impl Source for Batch {
    fn overview(&self) -> Result<Overview, LedgerError> {
        self.failed()?;
        let readings = self.readings.fetch_add(1, Ordering::Relaxed);
        let mut overview = Overview {
            at: UnixMillis(1_790_000_000_000 + i64::try_from(readings).unwrap()),
            name: self.name.lock().unwrap().clone(),
            ..Overview::default()
        };
        overview.summary.selection = vec![overview.name.clone()];
        Ok(overview)
    }

    fn rows(&self, query: &RowsQuery) -> Result<RowsPage, LedgerError> {
        self.failed()?;
        self.asked.lock().unwrap().push(query.clone());
        Ok(RowsPage {
            total: 2,
            offset: query.offset,
            rows: vec![self.card(1), self.card(2)],
        })
    }

    fn row(&self, number: u32) -> Result<Option<RowStory>, LedgerError> {
        self.failed()?;
        Ok((number <= 2).then(|| RowStory {
            card: self.card(number),
            task_id: None,
            remedy: None,
            cells: Vec::new(),
            requests: Vec::new(),
        }))
    }
}

/// Looks that show what they were made from.
fn renderer() -> Renderer {
    Renderer {
        sections: |overview| {
            vec![
                ("head", format!("<h1>{}</h1>", overview.name)),
                ("now", format!("{:?}", overview.live.as_ref().map(|live| live.done))),
                ("money", "nothing".to_owned()),
            ]
        },
        page: |overview| format!("<!DOCTYPE html>the page of {}", overview.name),
        login: |name, wrong| format!("<!DOCTYPE html>log in to {name}, {wrong}"),
        asset: |name| {
            (name == "page.css").then_some(Asset {
                body: b"body{}",
                content_type: "text/css",
            })
        },
        metrics: |overview| format!("batch{{name=\"{}\"}} 1\n", overview.name),
        report: Arc::new(|out| write!(out, "<!DOCTYPE html>the report").map_err(|error| error.to_string())),
        report_policy: || "default-src 'none'; script-src 'sha256-x'".to_owned(),
    }
}

struct Setup {
    token: bool,
    reach: Reach,
    stall: Duration,
    live: Option<u64>,
}

const OPEN: Setup = Setup {
    token: false,
    reach: Reach::ThisMachine,
    stall: Duration::from_secs(60),
    live: None,
};

const CLOSED: Setup = Setup { token: true, ..OPEN };

/// A page on a port of its own, in front of a desk that takes every other request.
struct Trial {
    batch: Arc<Batch>,
    page: Page,
    server: Server,
    address: SocketAddr,
    folder: tempfile::TempDir,
    healthy: Arc<Mutex<Result<(), String>>>,
}

impl Trial {
    async fn new(setup: Setup) -> Trial {
        let desk = Router::new().fallback(|| async { (StatusCode::OK, "the desk") });
        Trial::before(setup, desk).await
    }

    async fn before(setup: Setup, desk: Router) -> Trial {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let batch = Arc::new(Batch::default());
        batch.rename("shots.csv");
        let folder = tempfile::tempdir().unwrap();
        let connections = Connections::new(ConnectConfig {
            allow_private_hosts: setup.reach != Reach::Web { private_hosts: false },
            connect_timeout: PATIENCE,
            idle_per_host: 0,
            extra_roots_pem: None,
            no_proxy: true,
        });
        let config = PageConfig {
            name: "shots.csv".into(),
            access: AccessConfig {
                token: setup.token.then(|| PageToken::new(TOKEN).unwrap()),
                hosts: Vec::new(),
                port: address.port(),
            },
            media: MediaConfig {
                folder: folder.path().to_owned(),
                remote: RemoteConfig {
                    connections: connections.unwrap(),
                    reach: setup.reach,
                },
            },
        };
        let healthy = Arc::new(Mutex::new(Ok(())));
        let (health, images, live) = (Arc::clone(&healthy), folder.path().to_owned(), setup.live);
        let parts = Parts {
            source: Arc::clone(&batch) as Arc<dyn Source>,
            live: Arc::new(move || {
                live.map(|done| Snapshot {
                    done,
                    ..Snapshot::default()
                })
            }),
            renderer: renderer(),
            health: Arc::new(move || health.lock().unwrap().clone()),
            open_image: Arc::new(move |name| match name.contains("..") {
                true => Err(io::ErrorKind::PermissionDenied.into()),
                false => File::open(images.join(name)),
            }),
        };
        let page = Page::new(config, parts);
        let config = ServerConfig { stall: setup.stall };
        let server = Server::start(listener, page.before(desk), config, Arc::new(|_| {}));
        Trial {
            batch,
            page,
            server,
            address,
            folder,
            healthy,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A request with this head, without what every request has; the answer.
    async fn ask(&self, head: &str) -> Answer {
        self.ask_with(head, "").await
    }

    /// The same with a body.
    async fn ask_with(&self, head: &str, body: &str) -> Answer {
        let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
        let host = match headers.to_lowercase().contains("host:") {
            true => String::new(),
            false => format!("Host: {}\r\n", self.address),
        };
        let headers: String = headers.lines().map(|header| format!("{header}\r\n")).collect();
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        self.exchange(&format!("{line} HTTP/1.1\r\n{host}{headers}{length}\r\n{body}"))
            .await
    }

    async fn exchange(&self, request: &str) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let _reset = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end");
        Answer::of(&bytes)
    }

    /// A stream of events that has just begun.
    async fn events(&self) -> Events {
        let mut stream = self.connect().await;
        let request = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await.unwrap();
        Events {
            stream,
            text: String::new(),
        }
    }
}

/// An answer as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn of(bytes: &[u8]) -> Answer {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = bytes.split_at(end.map_or(bytes.len(), |end| end + 4));
        let head = String::from_utf8(head.to_vec()).unwrap();
        Answer {
            status: head.split(' ').nth(1).map_or(0, |status| status.parse().unwrap()),
            head,
            body: body.to_vec(),
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// What comes over a stream of events.
struct Events {
    stream: TcpStream,
    /// What has come and was not looked at.
    text: String,
}

impl Events {
    /// The data of the next event, `None` at the stream's end. Chunks hold whole events, as each is sent by itself.
    async fn next(&mut self) -> Option<serde_json::Value> {
        loop {
            if let Some((before, rest)) = self.text.split_once("event: overview\ndata: ")
                && let Some((data, rest)) = rest.split_once("\n\n")
            {
                assert!(!before.contains("data:"), "{before}");
                let data = serde_json::from_str(data).unwrap();
                self.text = rest.to_owned();
                return Some(data);
            }
            let mut bytes = [0; 4096];
            let read = timeout(PATIENCE, self.stream.read(&mut bytes)).await.expect("an event");
            match read.unwrap() {
                0 => return None,
                length => self.text.push_str(std::str::from_utf8(&bytes[..length]).unwrap()),
            }
        }
    }
}

/// The ids of an event's sections.
fn ids(event: &serde_json::Value) -> Vec<&str> {
    event["sections"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}
