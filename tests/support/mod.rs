//! What the tests of the whole program share: a folder with a manifest, the sandbox as a process of its own (it is
//! the witness, and outlives a product that is killed), and the program under test.

#![allow(dead_code, reason = "every test binary uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

pub(crate) mod faults;
pub(crate) mod machine;
pub(crate) mod scenes;
pub(crate) mod server;
pub(crate) mod verdict;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_hailuo-batch");

/// A key that must show nowhere.
pub(crate) const KEY: &str = "canary-key-5f1c9a77e0";

/// A folder of its own with a manifest in it, and where its batch is sent.
pub(crate) struct Batch {
    pub(crate) folder: TempDir,
    pub(crate) manifest: PathBuf,
    pub(crate) base_url: String,
}

impl Batch {
    /// A CSV manifest of `rows` rows with ids `r1`, `r2`, … and prompts that all differ.
    pub(crate) fn with_rows(rows: usize, sandbox: &SandboxProcess) -> Batch {
        let prompts: Vec<String> = (1..=rows).map(|n| format!("clip number {n}")).collect();
        Batch::with_prompts(&prompts, sandbox)
    }

    /// A CSV manifest with these prompts and ids `r1`, `r2`, …
    pub(crate) fn with_prompts<S: AsRef<str>>(prompts: &[S], sandbox: &SandboxProcess) -> Batch {
        let mut text = String::from("id,prompt,image_url\n");
        for (index, prompt) in prompts.iter().enumerate() {
            let number = index + 1;
            let prompt = prompt.as_ref().replace('"', "\"\"");
            text.push_str(&format!(
                "r{number},\"{prompt}\",https://img.example.org/{number}.png\n"
            ));
        }
        Batch::with_manifest("shots.csv", &text, &sandbox.url)
    }

    /// A manifest with this name and text.
    pub(crate) fn with_manifest(name: &str, text: &str, base_url: &str) -> Batch {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join(name);
        fs::write(&manifest, text).unwrap();
        Batch {
            folder,
            manifest,
            base_url: base_url.to_owned(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        let mut name = self.manifest.file_name().unwrap().to_owned();
        name.push(".ledger");
        self.folder.path().join(name)
    }

    /// `hailuo-batch COMMAND MANIFEST …` with the key, the base URL and quick limits, not started yet.
    pub(crate) fn command(&self, command: &str, flags: &[&str]) -> Command {
        let mut program = program();
        program
            .current_dir(self.folder.path())
            .arg(command)
            .arg(&self.manifest)
            .args(flags);
        if ["run", "settle", "collect", "serve"].contains(&command) {
            program.env("KIE_API_KEY", KEY).env("KIE_BASE_URL", &self.base_url);
        }
        program
    }

    /// Runs the batch to its end at a rate that costs no time, unless `flags` say otherwise.
    pub(crate) fn run(&self, flags: &[&str]) -> Finished {
        let mut all = vec!["--json"];
        if !flags.contains(&"--rate") {
            all.extend(["--rate", "1000/1s"]);
        }
        all.extend(flags);
        Finished::of(self.command("run", &all).output().unwrap())
    }

    /// Collects to the end, or to what `flags` allow.
    pub(crate) fn collect(&self, flags: &[&str]) -> Finished {
        Finished::of(
            self.command("collect", &[&["--json"], flags].concat())
                .output()
                .unwrap(),
        )
    }

    /// Makes everything that was planned or noted about tasks so much older, as if it had been done then. Nobody may have
    /// the ledger open.
    pub(crate) fn let_time_pass(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        let ledger = rusqlite::Connection::open(self.ledger()).unwrap();
        ledger
            .execute(
                "UPDATE rows SET due_at = due_at - ?1, submitted_at = submitted_at - ?1, doubt_since = doubt_since - ?1",
                [millis],
            )
            .unwrap();
    }

    /// Starts a run and comes back at once.
    pub(crate) fn start(&self, flags: &[&str]) -> Running {
        Running::of(&mut self.command("run", flags))
    }

    /// What became of every row, against what the sandbox saw. No process may have the ledger open.
    #[track_caller]
    pub(crate) fn judge(&self, sandbox: &SandboxProcess) -> verdict::Verdict {
        verdict::judge(&verdict::ledger_rows(&self.ledger()), &sandbox.requests())
    }

    /// Every request in the ledger, in the order they began.
    pub(crate) fn attempts(&self) -> Vec<AttemptInLedger> {
        let ledger = rusqlite::Connection::open(self.ledger()).unwrap();
        let mut statement = ledger
            .prepare(
                "SELECT rows.id, result, code, began_at, answered_at FROM attempts JOIN rows USING (row_id) \
                 ORDER BY attempt_id",
            )
            .unwrap();
        let attempts = statement.query_map([], |row| {
            Ok(AttemptInLedger {
                id: row.get(0)?,
                result: row.get(1)?,
                code: row.get(2)?,
                began_at: row.get(3)?,
                answered_at: row.get(4)?,
            })
        });
        attempts.unwrap().map(|attempt| attempt.unwrap()).collect()
    }

    /// Puts another text in the manifest's place.
    pub(crate) fn rewrite(&self, text: &str) {
        fs::write(&self.manifest, text).unwrap();
    }

    /// The results as text cells, by row: `results()[0]["task_id"]`.
    pub(crate) fn results(&self) -> Vec<std::collections::HashMap<String, String>> {
        let stem = self.manifest.file_stem().unwrap().to_str().unwrap();
        let path = self.path(&format!("{stem}.results.csv"));
        let mut reader = csv::Reader::from_path(path).unwrap();
        reader.deserialize().map(|row| row.unwrap()).collect()
    }
}

/// One request as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttemptInLedger {
    pub(crate) id: Option<String>,
    pub(crate) result: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) began_at: i64,
    pub(crate) answered_at: Option<i64>,
}

/// A CSV manifest of (id, prompt) pairs.
pub(crate) fn with_ids(rows: &[(&str, &str)]) -> String {
    rows.iter()
        .fold("id,prompt,image_url\n".to_owned(), |text, (id, prompt)| {
            format!("{text}{id},{prompt},https://img.example.org/a.png\n")
        })
}

/// A CSV manifest without ids.
pub(crate) fn without_ids(prompts: &[&str]) -> String {
    prompts.iter().fold("prompt,image_url\n".to_owned(), |text, prompt| {
        format!("{text}{prompt},https://img.example.org/a.png\n")
    })
}

/// The program, with a clean environment and nothing on standard input.
pub(crate) fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars() {
        if name.starts_with("HAILUO_BATCH_") || name.starts_with("KIE_") || name.to_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// `command` as the arguments of another program, such as `nohup`.
pub(crate) fn through(wrapper: &str, arguments: &[&str], command: &Command) -> Command {
    let mut wrapped = Command::new(wrapper);
    wrapped
        .args(arguments)
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}

/// The program at work; killed when it is dropped.
pub(crate) struct Running {
    child: Option<Child>,
}

impl Running {
    pub(crate) fn of(command: &mut Command) -> Running {
        Running {
            child: Some(command.spawn().unwrap()),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn is_over(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    /// Waits for its end. For programs that say little: more than a pipe holds would block them.
    pub(crate) fn end(mut self) -> Finished {
        Finished::of(self.child.take().unwrap().wait_with_output().unwrap())
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> Finished {
        self.child.as_mut().unwrap().kill().unwrap();
        self.end()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// `None`: by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn of(output: Output) -> Finished {
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The summary of `--json`.
    #[track_caller]
    pub(crate) fn summary(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// A count of the summary.
    #[track_caller]
    pub(crate) fn count(&self, key: &str) -> u64 {
        self.summary()[key]
            .as_u64()
            .unwrap_or_else(|| panic!("no count {key}: {self:#?}"))
    }

    #[track_caller]
    pub(crate) fn expect_code(&self, code: i32) -> &Finished {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// `hailuo-batch sandbox` as a process of its own.
pub(crate) struct SandboxProcess {
    child: Child,
    pub(crate) url: String,
    pub(crate) journal: PathBuf,
    _folder: TempDir,
}

impl SandboxProcess {
    /// With a wide window, so that only what a test asks for happens.
    pub(crate) fn start(flags: &[&str]) -> SandboxProcess {
        SandboxProcess::start_in(&mut program(), flags)
    }

    /// The same with what `program` has in its environment.
    pub(crate) fn start_in(program: &mut Command, flags: &[&str]) -> SandboxProcess {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.jsonl");
        let mut all = vec!["sandbox", "--credits", "unlimited", "--journal"];
        all.push(journal.to_str().unwrap());
        if !flags.contains(&"--port") {
            all.extend(["--port", "0"]);
        }
        if !flags.contains(&"--limit") {
            all.extend(["--limit", "off"]);
        }
        // The last of two equal flags would be an error, so a test's own balance replaces ours.
        if flags.contains(&"--credits") {
            all.retain(|flag| *flag != "--credits" && *flag != "unlimited");
        }
        all.extend(flags);
        let mut child = program.args(all).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("{line:?}"))
            .to_owned();
        SandboxProcess {
            child,
            url,
            journal,
            _folder: folder,
        }
    }

    /// The sandbox's own account of what it saw.
    pub(crate) fn books(&self) -> Value {
        serde_json::from_str(&self.get("/sandbox/books")).unwrap()
    }

    pub(crate) fn count(&self, key: &str) -> u64 {
        self.books()[key]
            .as_u64()
            .unwrap_or_else(|| panic!("no count {key} in {}", self.books()))
    }

    /// Every createTask request in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.get("/sandbox/requests")
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The prompts that were billed, with how often.
    pub(crate) fn billed(&self) -> std::collections::BTreeMap<String, u32> {
        let mut billed = std::collections::BTreeMap::new();
        for request in self.requests() {
            if request["billed"] == true {
                *billed
                    .entry(request["prompt"].as_str().unwrap().to_owned())
                    .or_default() += 1;
            }
        }
        billed
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.http("GET", path, "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> String {
        self.http("POST", path, body)
    }

    /// What the sandbox serves at a URL of its own.
    pub(crate) fn bytes_of(&self, url: &str) -> Vec<u8> {
        self.http_bytes("GET", url.strip_prefix(&self.url).unwrap(), "")
    }

    fn http(&self, method: &str, path: &str, body: &str) -> String {
        String::from_utf8(self.http_bytes(method, path, body)).unwrap()
    }

    fn http_bytes(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        use std::io::Write;
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let body = reply.split_off(end + 4);
        let head = String::from_utf8(reply).unwrap();
        assert!(!head.to_lowercase().contains("transfer-encoding: chunked"), "{head}");
        body
    }
}

impl Drop for SandboxProcess {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Does `work` for each of `cases`, a few at a time: most of a case's time is spent waiting.
pub(crate) fn in_parallel<T: Sync>(cases: &[T], work: impl Fn(&T) + Sync) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    const AT_A_TIME: usize = 6;
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        work(case);
                    }
                })
            })
            .collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// Waits for something that happens in another process.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal by name, such as `TERM`.
pub(crate) fn signal(process: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Every file below a folder, with its bytes.
pub(crate) fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            files.push((path, bytes));
        }
    }
    files
}
