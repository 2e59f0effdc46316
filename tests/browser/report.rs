//! The report: one file, opened from the disk.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;
use thirtyfour::Key;

use crate::browser::{Look, Window, browse};
use crate::support::{Batch, Finished, scenes};

/// A report on the disk.
pub(crate) struct Report {
    path: PathBuf,
    pub(crate) url: String,
}

/// Writes the report of a batch beside its manifest.
#[track_caller]
pub(crate) fn written(batch: &Batch) -> Report {
    let path = batch.path("shots.report.html");
    let path_text = path.to_str().unwrap();
    Finished::of(batch.command("report", &["--output", path_text]).output().unwrap()).expect_code(0);
    Report {
        url: format!("file://{path_text}"),
        path,
    }
}

#[test]
fn five_thousand_rows_are_one_small_file_that_opens_at_once_and_works_from_the_disk() {
    let scene = scenes::five_thousand();
    let report = written(&scene.batch);
    let bytes = fs::metadata(&report.path).unwrap().len();
    assert!(bytes < 5_000_000, "{bytes} bytes");
    browse("report-many", |browser| {
        let begin = Instant::now();
        browser.open(&report.url);
        let loaded = browser.value("Math.round(performance.getEntriesByType('navigation')[0].loadEventEnd)");
        browser.wait_to_read(".rows-total", "5,000 rows");
        println!(
            "a report of 5,000 rows: {bytes} bytes, loaded in {loaded} ms, its rows listed after {:.2} s",
            begin.elapsed().as_secs_f64()
        );
        browser.shoot("report");
        browser.window(Window::Phone);
        browser.shoot("report-phone");
        browser.window(Window::Desktop);
        browser.look(Look::Dark);
        browser.shoot("report-dark");
        browser.look(Look::Print);
        browser.shoot("report-print");
        browser.look(Look::Light);

        browser.click("[data-state=unknown]");
        browser.wait_to_read(".rows-total", "10 rows");
        browser.click("[data-state=unknown]");
        browser.click("#rows .search");
        browser.type_text("(take 4321)");
        browser.wait_to_read(".rows-total", "1 row");
        browser.click("#rows .row");
        browser.wait_to_see("dialog video");
        browser.wait_until(
            "the image is there",
            "document.querySelector('dialog img').naturalWidth > 300",
        );
        browser.value("document.querySelector('dialog video').play()");
        browser.wait_until(
            "the video plays",
            "document.querySelector('dialog video').currentTime > 0.2",
        );
        browser.shoot_window("report-row");
        browser.press(Key::Escape);
        browser.wait_to_miss("dialog");
        browser.open(&format!("{}#view=gallery", report.url));
        browser.reload();
        browser.wait_to_see(".card video");
        browser.wait_until(
            "the first video is there",
            "document.querySelector('.card video').readyState >= 2",
        );
        browser.shoot_gallery("report-gallery");
        let asked = browser.take_requests();
        assert!(
            asked
                .iter()
                .all(|url| url.starts_with("file://") || url.starts_with("data:")),
            "{asked:#?}"
        );
    });
}

#[test]
fn without_scripts_a_report_tells_everything_but_the_single_rows() {
    let scene = scenes::several_days();
    let report = written(&scene.batch);
    browse("report-plain", |browser| {
        browser.allow_scripts(false);
        browser.open(&report.url);
        assert_eq!(browser.text("h1"), "shots.csv");
        assert!(browser.text("#counts").contains("853"));
        assert!(browser.text("#problems").contains("image could not be fetched"));
        assert!(browser.text("#money").contains("credits"));
        // Three nights.
        assert_eq!(
            browser.value(
                "document.querySelectorAll('#timeline figure svg, #timeline > svg, #timeline .chart').length >= 3"
            ),
            json!(true)
        );
        assert!(browser.text("noscript, #rows").contains("JavaScript"));
        browser.shoot("report-without-scripts");
    });
}
