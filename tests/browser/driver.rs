//! chromedriver: one process for the whole test program, which it never outlives.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::thread;

/// What to install where no browser is.
pub(crate) const REMEDY: &str = "the tests in a browser need Debian's packages `chromium` and `chromium-driver` \
                                 (`apt-get install chromium chromium-driver`; `.ci/run` does it)";

/// Starts chromedriver on a free port, in a folder of its own that it cleans up: browsers keep their profiles there.
///
/// A test program can be killed at any moment and runs no code at its end, so the shell waits for it: when the pipe that
/// is its standard input is closed, by whatever end, it ends chromedriver. A browser that is controlled by a pipe ends
/// with the driver.
const SCRIPT: &str = r#"
trap '' INT
folder=$(mktemp -d) || exit
export TMPDIR="$folder" XDG_CONFIG_HOME="$folder" TZ=UTC LANG=C.UTF-8
chromedriver --port=0 --log-level=SEVERE 2>&1 &
driver=$!
read -r _
# That it was ended is no news.
exec 2>/dev/null
kill "$driver"
wait "$driver"
rm -rf "$folder"
"#;

struct Driver {
    url: String,
    /// Open as long as this process lives.
    _life: ChildStdin,
    _shell: Child,
}

/// Where it listens.
pub(crate) fn url() -> &'static str {
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    &DRIVER.get_or_init(start).url
}

fn start() -> Driver {
    let mut shell = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let life = shell.stdin.take().unwrap();
    let mut output = BufReader::new(shell.stdout.take().unwrap());
    let mut said = String::new();
    let port = loop {
        let mut line = String::new();
        if output.read_line(&mut line).unwrap() == 0 {
            panic!("chromedriver did not start: {REMEDY}\nit said: {said}");
        }
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            break port.trim().trim_end_matches('.').to_owned();
        }
        said.push_str(&line);
    };
    // A full pipe would stop it.
    thread::spawn(move || output.read_to_end(&mut Vec::new()).ok());
    Driver {
        url: format!("http://127.0.0.1:{port}"),
        _life: life,
        _shell: shell,
    }
}
