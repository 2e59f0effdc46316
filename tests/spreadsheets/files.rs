//! The files that other programs write, made once for all tests of this binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Where the files are; kept after the tests, so that one can look at them.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("spreadsheets");
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        folder
    })
}

/// A workbook that `make.py` writes.
pub(crate) fn made(name: &str) -> PathBuf {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        python("make.py", &[folder()]);
    });
    folder().join(name)
}

/// A file that `hostile.py` writes.
pub(crate) fn hostile(name: &str) -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let folder = MADE.get_or_init(|| {
        let folder = folder().join("hostile");
        fs::create_dir_all(&folder).unwrap();
        python("hostile.py", &[&folder]);
        folder
    });
    folder.join(name)
}

/// How LibreOffice is asked for a file.
struct Conversion {
    /// The folder of what comes out, and the end of its name.
    name: &'static str,
    extension: &'static str,
    filter: &'static str,
    workbooks: &'static [&'static str],
}

/// What is turned into each kind of workbook.
const WORKBOOKS: &[&str] = &[
    "clips", "formulas", "hidden", "links", "merged", "oracle", "pictures", "sheets", "shown", "titles",
];

/// Its filter for text takes: the codes of what stands between cells and around them, the number of the encoding, the
/// first line, and in the end which sheet.
const CONVERSIONS: &[Conversion] = &[
    Conversion {
        name: "xlsx",
        extension: ".xlsx",
        filter: "xlsx",
        workbooks: WORKBOOKS,
    },
    Conversion {
        name: "ods",
        extension: ".ods",
        filter: "ods",
        workbooks: WORKBOOKS,
    },
    Conversion {
        name: "xls",
        extension: ".xls",
        filter: "xls",
        workbooks: WORKBOOKS,
    },
    Conversion {
        name: "utf-8",
        extension: "-Shots.csv",
        filter: "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,1",
        workbooks: &["clips", "chinese", "german"],
    },
    Conversion {
        name: "utf-16",
        extension: "-Shots.csv",
        filter: "csv:Text - txt - csv (StarCalc):9,34,65535,1,,0,false,true,false,false,false,1",
        workbooks: &["clips", "chinese", "german"],
    },
    Conversion {
        name: "gb18030",
        extension: "-Shots.csv",
        filter: "csv:Text - txt - csv (StarCalc):59,34,85,1,,0,false,true,false,false,false,1",
        workbooks: &["clips", "chinese"],
    },
    Conversion {
        name: "windows-1252",
        extension: "-Shots.csv",
        filter: "csv:Text - txt - csv (StarCalc):59,34,1,1,,0,false,true,false,false,false,1",
        workbooks: &["german"],
    },
];

/// A workbook of `make.py` as LibreOffice saves it in another format or encoding.
pub(crate) fn saved_by_libreoffice(workbook: &str, format: &str) -> PathBuf {
    static CONVERTED: OnceLock<()> = OnceLock::new();
    // It spends most of its time with starting, and on waiting while it does.
    CONVERTED.get_or_init(|| super::support::in_parallel(CONVERSIONS, convert));
    let conversion = CONVERSIONS.iter().find(|conversion| conversion.name == format).unwrap();
    let path = folder()
        .join(format)
        .join(format!("{workbook}{}", conversion.extension));
    assert!(path.exists(), "LibreOffice did not write {path:?}");
    path
}

fn convert(conversion: &Conversion) {
    // A profile of its own: another LibreOffice may be running.
    let profile = folder().join("profiles").join(conversion.name);
    let mut command = Command::new("soffice");
    command
        .arg(format!("-env:UserInstallation=file://{}", profile.display()))
        .args(["--headless", "--convert-to", conversion.filter, "--outdir"])
        .arg(folder().join(conversion.name))
        .args(conversion.workbooks.iter().map(|name| made(&format!("{name}.xlsx"))))
        .stdin(Stdio::null());
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("soffice: {error}; `apt-get install libreoffice-calc` installs it"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What openpyxl sees in a workbook.
pub(crate) fn look(path: &Path) -> Value {
    serde_json::from_str(&python("look.py", &[path])).unwrap()
}

/// The program on a manifest, with the time and memory it took.
pub(crate) fn measured(arguments: &[&Path]) -> Value {
    let program = Path::new(super::support::PROGRAM);
    serde_json::from_str(&python("measure.py", &[&[program], arguments].concat())).unwrap()
}

/// Runs a script of this folder.
fn python(script: &str, arguments: &[&Path]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = root.join("target/venv/bin/python");
    let python = if own.exists() { own } else { "python3".into() };
    let mut command = Command::new(&python);
    command
        .arg(root.join("tests/spreadsheets").join(script))
        .args(arguments)
        .stdin(Stdio::null());
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{python:?}: {error}; `apt-get install python3-venv` installs it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !said.contains("ModuleNotFoundError"),
        "{said}\nmake the Python that has it: `python3 -m venv target/venv && target/venv/bin/pip install -r \
         samples/requirements.txt`"
    );
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}
