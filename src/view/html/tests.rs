use std::fs;
use std::path::Path;

use super::samples::{self, Many};
use super::{asset, login, page, report};

/// Writes every document to `target/preview`, to be looked at in a browser:
/// `cargo test --lib preview -- --ignored`.
#[test]
#[ignore = "for eyes only"]
fn preview() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/preview");
    fs::create_dir_all(folder.join("assets")).unwrap();
    for name in ["page.css", "page.js", "login.js", "icon.svg"] {
        fs::write(folder.join("assets").join(name), asset(name).unwrap().body).unwrap();
    }
    let batches = [
        ("empty", samples::empty()),
        ("at-work", samples::at_work()),
        ("halted", samples::halted()),
        ("done", samples::done()),
    ];
    for (name, overview) in &batches {
        fs::write(folder.join(format!("page-{name}.html")), page(overview)).unwrap();
    }
    fs::write(folder.join("login.html"), login("shots.csv", false)).unwrap();
    fs::write(folder.join("login-wrong.html"), login("shots.csv", true)).unwrap();
    for (name, mut rows, overview) in [
        ("empty", Many { rows: 0, characters: 0 }, samples::empty()),
        (
            "halted",
            Many {
                rows: 240,
                characters: 300,
            },
            samples::halted(),
        ),
        (
            "5000",
            Many {
                rows: 5_000,
                characters: 1_500,
            },
            samples::done(),
        ),
    ] {
        let mut overview = overview;
        overview.summary.counts = rows.counts();
        let mut file = fs::File::create(folder.join(format!("report-{name}.html"))).unwrap();
        let written = report(&overview, &mut rows, &mut file).unwrap();
        println!("report-{name}: {written:?}");
    }
}
