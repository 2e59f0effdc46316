//! A server of our own, below HTTP libraries: it counts what reaches it, and its answers are raw bytes.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Request line and headers.
    pub(crate) head: String,
    pub(crate) body: String,
    /// Which connection it came over, from 0.
    pub(crate) connection: usize,
}

impl Seen {
    /// Every value of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }
}

/// What becomes of the connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Keep,
    Close,
}

#[derive(Default)]
struct Record {
    connections: usize,
    /// Connections over which the balance was read.
    asides: BTreeSet<usize>,
    requests: Vec<Seen>,
}

/// Serves on a free port of this machine until the test's process ends.
pub(crate) struct RawServer {
    pub(crate) url: String,
    pub(crate) address: String,
    record: Arc<Mutex<Record>>,
}

impl RawServer {
    /// Calls `answer` for each request, after it was read whole.
    pub(crate) fn start(answer: impl Fn(&Seen, &mut TcpStream) -> Then + Send + Sync + 'static) -> RawServer {
        RawServer::on_connection(move |record, connection, mut stream| {
            while let Some((head, body)) = read_request(&mut stream) {
                let seen = Seen { head, body, connection };
                lock(&record).requests.push(seen.clone());
                if answer(&seen, &mut stream) == Then::Close {
                    return close(stream);
                }
            }
        })
    }

    /// [`start`](RawServer::start) for tests about rows: the balance, which a run reads beside them over connections of
    /// its own, is answered here and counts for nothing.
    pub(crate) fn for_rows(answer: impl Fn(&Seen, &mut TcpStream) -> Then + Send + Sync + 'static) -> RawServer {
        RawServer::on_connection(move |record, connection, mut stream| {
            while let Some((head, body)) = read_request(&mut stream) {
                let seen = Seen { head, body, connection };
                let then = if seen.head.contains("/api/v1/chat/credit ") {
                    lock(&record).asides.insert(connection);
                    send(
                        &mut stream,
                        &json("200 OK", r#"{"code":200,"msg":"success","data":421.75}"#),
                    )
                } else {
                    lock(&record).requests.push(seen.clone());
                    answer(&seen, &mut stream)
                };
                if then == Then::Close {
                    return close(stream);
                }
            }
        })
    }

    /// Calls `serve` for each connection, before anything is read; nothing counts as a request.
    pub(crate) fn below_http(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> RawServer {
        RawServer::on_connection(move |_, _, stream| serve(stream))
    }

    fn on_connection(serve: impl Fn(Arc<Mutex<Record>>, usize, TcpStream) + Send + Sync + 'static) -> RawServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let record = Arc::new(Mutex::new(Record::default()));
        let (serve, shared) = (Arc::new(serve), Arc::clone(&record));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                stream.set_nodelay(true).ok();
                let connection = {
                    let mut record = lock(&shared);
                    record.connections += 1;
                    record.connections - 1
                };
                let (serve, shared) = (Arc::clone(&serve), Arc::clone(&shared));
                thread::spawn(move || serve(shared, connection, stream));
            }
        });
        RawServer {
            url: format!("http://{address}"),
            address,
            record,
        }
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        lock(&self.record).requests.clone()
    }

    /// How many requests were POSTs.
    pub(crate) fn posts(&self) -> usize {
        let record = lock(&self.record);
        record
            .requests
            .iter()
            .filter(|seen| seen.head.starts_with("POST "))
            .count()
    }

    pub(crate) fn connections(&self) -> usize {
        let record = lock(&self.record);
        record.connections - record.asides.len()
    }
}

/// What the client has not read yet must not be thrown away by a reset.
fn close(mut stream: TcpStream) {
    stream.shutdown(Shutdown::Write).ok();
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok();
    stream.read_to_end(&mut Vec::new()).ok();
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap()
}

/// Head and body of the next request; `None` when the client has left.
fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8_lossy(&body).into_owned()))
}

/// A JSON reply with a length, over a connection that may stay.
pub(crate) fn json(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The proper answer with a task id that is made from the number of this call.
pub(crate) fn accepted() -> Vec<u8> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    json(
        "200 OK",
        &format!(r#"{{"code":200,"msg":"success","data":{{"taskId":"task_raw_{number}"}}}}"#),
    )
}

/// Sends `bytes` and keeps the connection.
pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8]) -> Then {
    match stream.write_all(bytes) {
        Ok(()) => Then::Keep,
        Err(_) => Then::Close,
    }
}

/// An address of this machine where nobody listens.
pub(crate) fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A certificate for `localhost` that nobody trusts yet.
pub(crate) struct Certificate {
    /// The certificate as PEM.
    pub(crate) file: PathBuf,
    config: Arc<ServerConfig>,
}

impl Certificate {
    /// Makes it with openssl, in this folder.
    pub(crate) fn make(folder: &Path) -> Certificate {
        let made = Command::new("openssl")
            .current_dir(folder)
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            // That of a server, which an authority's must not be used for.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", "key.pem", "-out", "certificate.pem"])
            .output();
        assert!(made.is_ok_and(|made| made.status.success()));
        let file = folder.join("certificate.pem");
        let certificate = CertificateDer::from_pem_file(&file).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Certificate {
            file,
            config: Arc::new(config),
        }
    }

    /// A server whose clients hang up when they see the certificate.
    pub(crate) fn expect_hang_up(&self) -> RawServer {
        let config = Arc::clone(&self.config);
        RawServer::below_http(move |mut stream| {
            let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
            assert!(session.complete_io(&mut stream).is_err(), "the client must hang up");
        })
    }

    /// A server that answers one request a connection, if its client trusts it.
    pub(crate) fn serve(&self, answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> RawServer {
        let config = Arc::clone(&self.config);
        RawServer::below_http(move |mut stream| {
            let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = Stream::new(&mut session, &mut stream);
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                match tls.read(&mut byte) {
                    Ok(1) => head.push(byte[0]),
                    _ => return,
                }
            }
            // A client that has seen enough may have left.
            tls.write_all(&answer(&String::from_utf8_lossy(&head))).ok();
            tls.conn.send_close_notify();
            tls.flush().ok();
        })
    }
}
