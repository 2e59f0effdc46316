//! The README in another language says what the README says.
//!
//! Words cannot be compared, but all between them can: headings, commands, tables, links, and what stands in `code`.
//! Whoever changes the README is led by this to what is to be translated anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const README: &str = include_str!("../README.md");

/// Where the translations are, and what leads from there to the root.
const TRANSLATIONS: [&str; 1] = ["docs/README.zh-CN.md"];
const TO_ROOT: &str = "../";

#[test]
fn the_headings_are_on_the_same_levels() {
    for_each_translation(|path, text| {
        let ours = levels(README);
        assert!(ours.len() > 15, "{ours:?}");
        assert_eq!(levels(text), ours, "{path}");
    });
}

#[test]
fn the_commands_and_files_are_the_same() {
    for_each_translation(|path, text| {
        let (ours, theirs) = (fences(README), fences(text));
        assert!(ours.len() > 20);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(theirs, ours, "{path}");
        }
        assert_eq!(theirs.len(), ours.len(), "{path}");
    });
}

#[test]
fn the_tables_have_the_same_rows() {
    for_each_translation(|path, text| {
        let (ours, theirs) = (rows(README), rows(text));
        assert!(ours.len() > 100);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(
                theirs, ours,
                "{path}: the row's cells, the code in its first one, and in all"
            );
        }
        assert_eq!(theirs.len(), ours.len(), "{path}");
    });
}

/// Names of options, columns, files and keys: a passage that was added or dropped nearly always has one.
#[test]
fn each_section_speaks_of_the_same_things() {
    for_each_translation(|path, text| {
        for (ours, theirs) in sections(README).into_iter().zip(sections(text)) {
            let (heading, _) = theirs.split_once('\n').unwrap_or((theirs, ""));
            let (ours, theirs) = (code_in(&prose(ours)), code_in(&prose(theirs)));
            let differing: Vec<_> = ours.symmetric_difference(&theirs).collect();
            assert!(differing.is_empty(), "{path}: {heading}: {differing:?}");
        }
    });
}

#[test]
fn the_links_lead_to_the_same_places() {
    let outside = |target: &&String| !target.starts_with('#');
    for_each_translation(|path, text| {
        let ours: BTreeSet<String> = links(README)
            .into_iter()
            .filter(|target| !TRANSLATIONS.contains(&target.as_str()))
            .collect();
        let theirs: BTreeSet<String> = links(text).into_iter().filter(|target| target != "README.md").collect();
        assert_eq!(
            theirs.iter().filter(outside).collect::<Vec<_>>(),
            ours.iter().filter(outside).collect::<Vec<_>>(),
            "{path}"
        );
        // Within the page they follow its own headings.
        assert_eq!(theirs.len(), ours.len(), "{path}");
        let anchors: Vec<String> = prose(text)
            .lines()
            .filter(|line| line.starts_with('#'))
            .map(|line| line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-"))
            .collect();
        for anchor in theirs.iter().filter_map(|target| target.strip_prefix('#')) {
            assert!(anchors.iter().any(|heading| heading == anchor), "{path}: #{anchor}");
        }
    });
}

#[test]
fn readme_and_translations_lead_to_each_other() {
    for_each_translation(|path, text| {
        assert!(README.contains(&format!("]({path})")), "{path}");
        assert!(text.contains(&format!("]({TO_ROOT}README.md)")), "{path}");
    });
}

fn for_each_translation(check: impl Fn(&str, &str)) {
    for path in TRANSLATIONS {
        let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        check(path, &fs::read_to_string(whole).unwrap());
    }
}

/// The text of the blocks between two fences, with what stands behind the opening one.
fn fences(text: &str) -> Vec<&str> {
    text.split("\n```").skip(1).step_by(2).collect()
}

/// What is not between two fences.
fn prose(text: &str) -> String {
    text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n")
}

fn levels(text: &str) -> Vec<usize> {
    let text = prose(text);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| line.find(' ').unwrap()).collect()
}

/// The text from one heading to the next, tables and fences included.
fn sections(text: &str) -> Vec<&str> {
    text.split("\n#").collect()
}

/// Of each row of each table: how many cells it has, the code in its first cell, and all of its code.
fn rows(text: &str) -> Vec<(usize, BTreeSet<String>, BTreeSet<String>)> {
    let text = prose(text);
    let lines = text.lines().filter(|line| line.starts_with('|'));
    lines
        .map(|line| {
            // A bar inside of a cell is written `\|`.
            let line = line.replace("\\|", "¦");
            let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
            (cells.len(), code_in(cells[0]), code_in(&line))
        })
        .collect()
}

fn code_in(text: &str) -> BTreeSet<String> {
    let words = text.split('`').skip(1).step_by(2);
    words
        .map(|code| code.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// The targets of links, from the root on.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1);
    targets
        .map(|rest| rest.split(')').next().unwrap().trim_start_matches(TO_ROOT).to_owned())
        .collect()
}
