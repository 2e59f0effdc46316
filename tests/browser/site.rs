//! The program under test as a site that is looked at.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::Batch;
use crate::support::scenes::Scene;

/// For the program to say where it listens, and to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(15);

/// A command that serves a page; killed when it is dropped.
pub(crate) struct Site {
    /// With a `/` at its end.
    pub(crate) url: String,
    process: Child,
    said: Arc<Mutex<String>>,
}

impl Site {
    /// Starts `command` and waits until it says where its page is.
    #[track_caller]
    pub(crate) fn of(mut command: Command) -> Site {
        let mut process = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (mut lines, shared) = (BufReader::new(process.stderr.take().unwrap()), Arc::clone(&said));
        thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
                shared.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        let begin = Instant::now();
        let url = loop {
            if let Some(url) = address_in(&said.lock().unwrap()) {
                break url;
            }
            assert!(
                begin.elapsed() < PATIENCE && process.try_wait().unwrap().is_none(),
                "no page: {}",
                said.lock().unwrap()
            );
            thread::sleep(Duration::from_millis(10));
        };
        Site { url, process, said }
    }

    /// A page that only shows what the ledger of `scene` says.
    #[track_caller]
    pub(crate) fn showing(scene: &Scene) -> Site {
        Site::showing_with(&scene.batch, &[])
    }

    /// The same with more options.
    #[track_caller]
    pub(crate) fn showing_with(batch: &Batch, flags: &[&str]) -> Site {
        let mut all = vec!["--view-only"];
        if !flags.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(flags);
        let mut serve = batch.command("serve", &all);
        // As people start it: no key, and hints that name no other place than the usual.
        serve.env_remove("KIE_API_KEY").env_remove("KIE_BASE_URL");
        Site::of(serve)
    }

    /// `127.0.0.1:` and the port.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap().trim_end_matches('/')
    }

    /// What it has written to standard error so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self) {
        let begin = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < PATIENCE, "still at work: {}", self.said());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The first `http://127.0.0.1:…` in whole lines of a text.
fn address_in(said: &str) -> Option<String> {
    let (whole, _) = said.rsplit_once('\n')?;
    let (_, address) = whole.split_once("http://127.0.0.1:")?;
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("http://127.0.0.1:{port}/"))
}
