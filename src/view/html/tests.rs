use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use super::samples::{self, Many};
use super::{REPORT_MARK, Rows, asset, login, page, report, sections};
use crate::view::{Halt, Media, Overview, PauseSpan, RowCard};

/// Every way a browser could be led to more than the report itself.
const OUTSIDE: [&str; 6] = [
    " src=\"http",
    " href=\"http",
    "@import",
    "url(http",
    "fetch(",
    "new EventSource",
];

fn report_of(overview: &Overview, rows: &impl Rows<Error = std::convert::Infallible>) -> String {
    let mut html = Vec::new();
    let written = report(overview, rows, &mut html).unwrap();
    assert_eq!(written.bytes, html.len() as u64);
    String::from_utf8(html).unwrap()
}

/// The data that a report holds for its script.
fn data_of(report: &str) -> Value {
    let (_, behind) = report.split_once("id=\"data\">").unwrap();
    serde_json::from_str(behind.split_once("</script>").unwrap().0).unwrap()
}

/// The tags of a document and their attributes without the values: what a parser makes of it but for the texts.
fn skeleton(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, behind)) = rest.split_once('<') {
        let mut quoted = false;
        let end = behind.find(|character| {
            quoted ^= character == '"';
            character == '>' && !quoted
        });
        let tag = &behind[..end.unwrap()];
        let unquoted: Vec<&str> = tag.split('"').step_by(2).collect();
        tags.push(unquoted.join("…"));
        rest = &behind[tag.len()..];
        // What is in these is no markup until they end.
        if let Some(name) = ["script", "style"].into_iter().find(|name| tag.starts_with(name)) {
            rest = &rest[rest.find(&format!("</{name}")).unwrap()..];
        }
    }
    tags
}

/// A batch in which every text from outside is `text`.
fn all_of(text: &str) -> (Overview, OneRow) {
    let mut overview = samples::halted();
    overview.name = text.to_owned();
    let halt = Halt {
        code: text.to_owned(),
        message: text.to_owned(),
    };
    overview.summary.halted = Some(halt.clone());
    overview.summary.selection = vec![text.to_owned()];
    overview.summary.at_work = None;
    overview.summary.cost.price_source = Some(text.to_owned());
    for cause in &mut overview.summary.causes {
        (cause.code, cause.message) = (text.to_owned(), text.to_owned());
    }
    for outcome in &mut overview.history.outcomes {
        (outcome.result, outcome.code) = (text.to_owned(), text.to_owned());
    }
    let timeline = &mut overview.history.timelines[0];
    timeline.halted = Some(halt);
    for PauseSpan { code, message, .. } in &mut timeline.pauses {
        (*code, *message) = (text.to_owned(), text.to_owned());
    }
    let text = Some(text.to_owned());
    let media = Some(Media {
        file: text.clone(),
        url: text.clone(),
    });
    let row = RowCard {
        id: text.clone(),
        place: text.clone().unwrap(),
        prompt: text.clone().unwrap(),
        code: text.clone(),
        message: text.clone(),
        kind: text,
        image: media.clone(),
        video: media,
        ..Many {
            rows: 1,
            characters: 10,
        }
        .card(3)
    };
    (overview, OneRow(row))
}

struct OneRow(RowCard);

impl Rows for OneRow {
    type Error = std::convert::Infallible;

    fn each(&self, _: usize, visit: &mut dyn FnMut(&RowCard)) -> Result<(), Self::Error> {
        visit(&self.0);
        Ok(())
    }
}

/// Every document with this text wherever text is from outside.
fn documents(text: &str) -> [String; 3] {
    let (overview, rows) = all_of(text);
    [page(&overview), login(text, true), report_of(&overview, &rows)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_changes_what_a_document_is_made_of(text in r#"[<>"'&/= a-z!\-\\]{0,24}|\PC{0,12}|[\x00-\x5f\u{80}-\u{9f}\u{2028}\u{202e}]{0,12}"#) {
        // Backticks set words as commands, and a text that begins like others is shown like them.
        let text = format!("x{}", text.replace('`', ""));
        for (with, without) in documents(&text).iter().zip(documents("x")) {
            prop_assert_eq!(skeleton(with), skeleton(&without));
        }
        let report = report_of(&all_of(&text).0, &all_of(&text).1);
        let data = data_of(&report);
        prop_assert_eq!(data["rows"][0][4].as_str(), Some(&*text));
    }
}

#[test]
fn text_that_would_be_markup_is_read_as_text() {
    let [page, login, report] = documents("</script><script>alert(1)</script>\u{202e}");
    for document in [&page, &login, &report] {
        assert!(!document.contains("<script>alert"), "{document}");
        assert!(document.contains("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;\\u{202e}"));
    }
    assert!(report.contains("\\u003c/script\\u003e"));
}

#[test]
fn the_page_has_nothing_that_its_policy_forbids() {
    for overview in [samples::empty(), samples::at_work(), samples::halted(), samples::done()] {
        for html in [page(&overview), login(&overview.name, false)] {
            let tags = skeleton(&html);
            assert!(
                tags.iter()
                    .all(|tag| !tag.contains(" style=") && !tag.starts_with("style"))
            );
            assert!(tags.iter().all(|tag| !tag.contains(" on")), "{tags:?}");
            let scripts = tags.iter().filter(|tag| tag.starts_with("script"));
            assert!(scripts.into_iter().all(|tag| tag.contains("src=")));
            for asset_address in html.split("\"assets/").skip(1) {
                let name = asset_address.split('?').next().unwrap();
                assert!(asset(name).is_some(), "{name}");
            }
        }
    }
}

#[test]
fn every_section_has_its_place_in_the_page() {
    let overview = samples::at_work();
    let page = page(&overview);
    for section in sections(&overview) {
        let place = format!("<section id=\"{}\">{}</section>", section.id, section.html);
        assert!(page.contains(&place), "{}", section.id);
    }
}

#[test]
fn an_empty_batch_says_so_everywhere() {
    let said: Vec<String> = sections(&samples::empty())
        .into_iter()
        .filter(|section| section.id != "head")
        .map(|section| format!("{}: {}", section.id, section.html))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_halt_says_why_and_how_to_go_on() {
    let now = sections(&samples::halted())
        .into_iter()
        .find(|section| section.id == "now");
    insta::assert_snapshot!(now.unwrap().html);
}

#[test]
fn a_time_line_in_pictures_and_in_words() {
    let mut overview = samples::halted();
    let timeline = &mut overview.history.timelines[0];
    // A picture that can be read.
    timeline.slices.truncate(4);
    timeline.slices[2] = crate::view::Slice {
        accepted: 0,
        again: 3,
        peak: 20,
        ..timeline.slices[2]
    };
    timeline.pauses.truncate(1);
    timeline.pauses[0].from = timeline.started_at.after(timeline.slice * 3);
    timeline.pauses[0].until = timeline.started_at.after(timeline.slice * 4);
    timeline.ended_at = Some(timeline.pauses[0].until);
    let section = sections(&overview).into_iter().find(|section| section.id == "timeline");
    insta::assert_snapshot!(section.unwrap().html.replace("><", ">\n<"));
}

#[test]
fn distributions_and_outcomes_in_pictures() {
    let mut overview = samples::at_work();
    overview.history.generation = crate::view::Distribution::default();
    overview.history.outcomes.truncate(2);
    let shown: Vec<String> = sections(&overview)
        .into_iter()
        .filter(|section| ["times", "outcomes", "money"].contains(&section.id))
        .map(|section| section.html.replace("><", ">\n<"))
        .collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn five_thousand_rows_with_long_prompts_stay_below_five_megabytes() {
    let rows = Many {
        rows: 5_000,
        characters: 1_500,
    };
    let mut overview = samples::done();
    overview.summary.counts = rows.counts();
    let report = report_of(&overview, &rows);
    assert!(report.len() < 5_000_000, "{} bytes", report.len());
    assert!(report[..1_000].contains(REPORT_MARK));
    assert!(report.contains("5,000 of 5,000 prompts are here with their beginning only"));

    let data = data_of(&report);
    let listed = data["rows"].as_array().unwrap();
    assert_eq!(listed.len(), 5_000);
    for (row, values) in (1..).zip(listed) {
        let card = rows.card(row);
        assert_eq!(values[0], row);
        let prompt = values[4].as_str().unwrap().strip_suffix('…').unwrap();
        assert!(card.prompt.starts_with(prompt) && prompt.len() > 300, "{prompt}");
    }
    // Every row with a problem is named without a script, too.
    let (html, _) = report.split_once("id=\"data\">").unwrap();
    let troubled = (1..=5_000).filter(|row| rows.card(*row).code.is_some()).count();
    assert_eq!(html.matches("<li><a href=\"#row=").count(), troubled);
}

#[test]
fn a_report_of_a_few_rows_is_whole_and_asks_nobody_for_anything() {
    let rows = Many {
        rows: 20,
        characters: 5_000,
    };
    let mut overview = samples::halted();
    overview.summary.counts = rows.counts();
    let report = report_of(&overview, &rows);
    let data = data_of(&report);
    let texts = data["texts"].as_array().unwrap();
    for (row, values) in (1..).zip(data["rows"].as_array().unwrap()) {
        let card = rows.card(row);
        assert_eq!(values[4], card.prompt);
        assert_eq!(
            values[11]
                .as_u64()
                .and_then(|text| texts.get(usize::try_from(text).unwrap())),
            card.message.map(Value::from).as_ref()
        );
    }
    assert!(data["remedies"]["failed 500"].is_string());
    let (html, _) = report.split_once("id=\"data\">").unwrap();
    for outside in OUTSIDE {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(!super::assets::REPORT_SCRIPT.contains("fetch(") && !super::assets::REPORT_SCRIPT.contains("EventSource"));
}

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
    for (name, rows, mut overview) in [
        ("empty", 0, samples::empty()),
        ("halted", 240, samples::halted()),
        ("5000", 5_000, samples::done()),
    ] {
        let rows = Many {
            rows,
            characters: 1_500,
        };
        overview.summary.counts = rows.counts();
        fs::write(folder.join(format!("report-{name}.html")), report_of(&overview, &rows)).unwrap();
    }
}
