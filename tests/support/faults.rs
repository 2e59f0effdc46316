//! Faults below the program: the Nth of its calls to the system kills it, fails or is delayed (see `faults.c`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::machine::can_use;

/// Whether faults can be injected here; to be asked before any is.
#[must_use]
pub(crate) fn can_inject() -> bool {
    can_use(&["cc"])
}

/// What happens at the Nth call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Nothing; calls are only counted.
    Count,
    /// The process ends before the call, as by `kill -9`.
    Kill,
    /// The process ends in the middle of the call, if it writes; else before it.
    Tear,
    /// The call fails: the disk is broken.
    Eio,
    /// The call fails: the disk is full.
    Enospc,
    /// The call takes this many microseconds longer.
    Slow(u32),
}

/// Calls that make data durable.
pub(crate) const SYNCS: &str = "fsync,fdatasync";

/// Has `fault` strike call number `at` of `command`, and all later ones if it `stays`. Only `calls` count, or all if
/// there are none. `log` gets a line when it strikes.
pub(crate) fn inject(command: &mut Command, fault: Fault, at: u32, stays: bool, calls: &str, log: &Path) {
    let word = match fault {
        Fault::Count => "count",
        Fault::Kill => "kill",
        Fault::Tear => "tear",
        Fault::Eio => "eio",
        Fault::Enospc => "enospc",
        Fault::Slow(micros) => {
            command.env("FAULT_DELAY", micros.to_string());
            "slow"
        }
    };
    command
        .env("LD_PRELOAD", library())
        .env("FAULT", word)
        .env("FAULT_AT", at.to_string())
        .env("FAULT_LOG", log)
        // As few threads as can be, so that the Nth call is the same one every time.
        .env("TOKIO_WORKER_THREADS", "1");
    if !calls.is_empty() {
        command.env("FAULT_CALLS", calls);
    }
    if stays {
        command.env("FAULT_STAYS", "1");
    }
}

/// When the fault struck, in milliseconds since 1970, and at which call; `None` if it did not.
pub(crate) fn struck(log: &Path) -> Option<(i64, String)> {
    let text = std::fs::read_to_string(log).ok()?;
    let mut words = text.split_whitespace();
    let at = words.next()?.parse().ok()?;
    let call = words.next()?;
    (call != "calls").then(|| (at, call.to_owned()))
}

/// `faults.c`, compiled once a process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/faults.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.so", std::process::id()));
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        library
    })
}
