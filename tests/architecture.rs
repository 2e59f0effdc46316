//! What the compiler does not check: which modules may know each other, who prints, who reads the environment, and
//! what may be in the dependency tree.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Values without I/O: every layer may use them, and they use only each other.
const LEAVES: &[&str] = &[
    "address",
    "byte_range",
    "clock",
    "escape",
    "finding",
    "image",
    "incident",
    "pace",
    "page_token",
    "price",
    "rate",
    "row",
    "secret_url",
    "webhook_key",
];

/// What each module may import beside itself and the leaves. `cli` joins them all, and nothing imports `cli`.
const LAYERS: &[(&str, &[&str])] = &[
    ("job", &["manifest"]),
    ("web", &[]),
    ("server", &[]),
    ("manifest", &[]),
    ("kie", &["web"]),
    ("ledger", &[]),
    ("preflight", &["web"]),
    ("dispatch", &["job", "kie", "ledger"]),
    ("collect", &["job", "kie", "ledger", "server", "web"]),
    ("tables", &[]),
    ("results", &["tables"]),
    ("view", &["job", "kie"]),
    ("notify", &["web"]),
    ("page", &["ledger", "server", "view", "web"]),
    ("sandbox", &[]),
    ("template", &["job", "manifest", "tables"]),
    (
        "cli",
        &[
            "job",
            "web",
            "server",
            "manifest",
            "tables",
            "kie",
            "ledger",
            "preflight",
            "dispatch",
            "collect",
            "results",
            "view",
            "notify",
            "page",
            "sandbox",
            "template",
        ],
    ),
];

#[test]
fn imports_go_one_way() {
    let mut wrong = Vec::new();
    for source in Source::all() {
        let Some(module) = source.module() else { continue };
        for imported in source.modules_used() {
            if imported != module && !may_import(&module, &imported) {
                wrong.push(format!("{}: {module} → {imported}", source.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that point up or sideways:\n{}",
        wrong.join("\n")
    );
}

fn may_import(module: &str, imported: &str) -> bool {
    let layer = LAYERS.iter().find(|(name, _)| *name == module);
    LEAVES.contains(&imported) || layer.is_some_and(|(_, below)| below.contains(&imported))
}

#[test]
fn every_module_has_its_place_in_the_layers() {
    let found: BTreeSet<String> = Source::all().iter().filter_map(Source::module).collect();
    let placed: BTreeSet<String> = modules().map(str::to_owned).collect();
    assert_eq!(found, placed);
}

#[test]
fn main_knows_nothing_but_the_command_line() {
    let main = fs::read_to_string(root().join("src/main.rs")).unwrap();
    let paths: Vec<&str> = main.split("hailuo_batch::").skip(1).collect();
    assert_eq!(paths.len(), 1, "{main}");
    assert!(paths[0].starts_with("cli::main("), "{main}");
}

#[test]
fn only_the_command_line_prints() {
    for source in Source::all()
        .iter()
        .filter(|source| source.module().as_deref() != Some("cli"))
    {
        for (number, line) in source.product_lines() {
            for printing in ["println!(", "print!(", "dbg!("] {
                assert!(!line.contains(printing), "{}:{number}: {line}", source.name);
            }
        }
    }
}

/// An effect that is easy to spread and hard to find again.
#[test]
fn the_environment_is_read_where_settings_are_made_and_each_key_in_one_place() {
    let mut readers = BTreeSet::new();
    // The line of each reading of a key from the environment, and of each mention of its variable.
    let mut key_readers = Vec::new();
    let mut key_names = Vec::new();
    for source in Source::all() {
        for (number, line) in source.product_lines() {
            if line.contains("env::var") {
                readers.insert(source.name.clone());
                if line.contains("KEY_VARIABLE") {
                    key_readers.push(format!("{}:{number}", source.name));
                }
            }
            for name in ["\"KIE_API_KEY\"", "\"KIE_WEBHOOK_KEY\""] {
                if line.contains(name) {
                    key_names.push((name, format!("{}:{number}", source.name)));
                }
            }
        }
    }
    // The terminal's kind and the log's filter are no settings of a job, and the stand-in server has a key of its own.
    let expected = [
        "cli/console.rs",
        "cli/sandbox.rs",
        "job/key.rs",
        "job/origin.rs",
        "job/resolve.rs",
    ];
    assert_eq!(readers.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    // Two keys, each read in one place and named in one.
    let named: Vec<&str> = key_names.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, ["\"KIE_API_KEY\"", "\"KIE_WEBHOOK_KEY\""], "{key_names:?}");
    assert!(
        key_readers.len() == 2 && key_readers.iter().all(|place| place.starts_with("job/resolve.rs:")),
        "{key_readers:?}"
    );
}

/// A second TLS or HTTP stack would be another set of time-outs and root certificates, and minutes of build time.
#[test]
fn no_unwanted_package_is_in_the_tree() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let names: Vec<&str> = lock
        .lines()
        .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
        .collect();
    let count = |name: &str| names.iter().filter(|found| **found == name).count();
    for banned in ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls"] {
        assert_eq!(count(banned), 0, "{banned} is in Cargo.lock");
    }
    for single in [
        "hyper",
        "libsqlite3-sys",
        "reqwest",
        "rusqlite",
        "rustls",
        "serde",
        "tokio",
    ] {
        assert_eq!(count(single), 1, "{single} must be in Cargo.lock once");
    }
    assert!(
        lock.lines()
            .filter_map(|line| line.strip_prefix("source = "))
            .all(|source| source == "\"registry+https://github.com/rust-lang/crates.io-index\""),
        "every package comes from crates.io"
    );
}

fn modules() -> impl Iterator<Item = &'static str> {
    LEAVES.iter().copied().chain(LAYERS.iter().map(|(name, _)| *name))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One file below `src`.
struct Source {
    /// Its path there.
    name: String,
    text: String,
}

impl Source {
    fn all() -> Vec<Source> {
        let src = root().join("src");
        let mut sources = Vec::new();
        let mut folders = vec![src.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    sources.push(Source {
                        name: path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned(),
                        text: fs::read_to_string(&path).unwrap(),
                    });
                }
            }
        }
        assert!(sources.len() > 50, "the sources are not where this test looks");
        sources.sort_by(|one, other| one.name.cmp(&other.name));
        sources
    }

    /// The module at the root of the crate that the file belongs to; `None` for the crate's own two files.
    fn module(&self) -> Option<String> {
        match self.name.as_str() {
            "lib.rs" | "main.rs" => None,
            name => Some(name.split('/').next()?.trim_end_matches(".rs").to_owned()),
        }
    }

    /// Lines of code with their numbers; comments, which may name what they like, are left out.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The same without tests, which stand at the end of a file or in one of their own.
    fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = ["tests.rs", "simulation.rs", "tests/"]
            .iter()
            .any(|part| self.name.contains(part));
        self.lines()
            .take_while(move |(_, line)| !is_test && !line.starts_with("#[cfg(test)]"))
    }

    /// Modules at the root of the crate that the code names, tests included.
    fn modules_used(&self) -> BTreeSet<String> {
        let code: String = self.lines().flat_map(|(_, line)| [line, "\n"]).collect();
        let mut used = BTreeSet::new();
        for path in code.split("crate::").skip(1) {
            assert!(
                !path.starts_with(['{', '*']),
                "{}: write one `use crate::…` for each module",
                self.name
            );
            used.extend(root_module(path));
        }
        // `super` leads to the root as well, from one level below it or from two.
        let depth = self.name.matches('/').count() + usize::from(!self.name.ends_with("mod.rs"));
        let way_up = "super::".repeat(depth);
        for (at, _) in code.match_indices(&way_up) {
            let is_longer = code[..at].ends_with("super::");
            let path = &code[at + way_up.len()..];
            if !is_longer && !path.starts_with("super::") {
                used.extend(root_module(path));
            }
        }
        used
    }
}

fn root_module(path: &str) -> Option<String> {
    let end = path.find(|character: char| !character.is_alphanumeric() && character != '_');
    let name = &path[..end.unwrap_or(path.len())];
    modules().find(|module| *module == name).map(str::to_owned)
}
