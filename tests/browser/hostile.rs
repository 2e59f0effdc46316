//! Words of others are shown and never obeyed: in the page, in its rows, in the report.

use serde_json::json;

use crate::browser::{Browser, browse};
use crate::report::written;
use crate::site::Site;
use crate::support::scenes;

/// From now on an alert is noted down, where otherwise it would stand in the way.
#[track_caller]
fn note_alerts(browser: &Browser) {
    let source = "window.alerts = []; window.alert = text => window.alerts.push(text);";
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source }));
}

/// Nothing has run, and nothing has become an element that could: there are `scripts` scripts, all our own. An attempt
/// that the page's policy has stopped is on the console, which no test may leave with errors on it.
#[track_caller]
fn expect_only_text(browser: &Browser, scripts: u32) {
    assert_eq!(browser.value("window.alerts"), json!([]));
    assert_eq!(browser.value("document.scripts.length"), json!(scripts));
    let foreign = "img[src=x], [onerror], [onmouseover], [onclick], [onload], a[href^='javascript:']";
    assert_eq!(browser.count(foreign), 0);
}

/// Looks at every row, in the list and alone.
#[track_caller]
fn look_at_all(browser: &Browser, scripts: u32) {
    browser.wait_to_read(".rows-total", "12 rows");
    let rows = browser.texts("#rows .viewport .row");
    assert_eq!(rows.len(), 12);
    for visible in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(2)>",
        "清晨的湖面上",
        "&lt;b&gt;already escaped&lt;/b&gt;",
    ] {
        assert!(rows.iter().any(|row| row.contains(visible)), "{visible} in {rows:#?}");
    }
    for row in 1..=12 {
        browser.value(&format!("void (location.hash = '#row={row}')"));
        browser.wait_until(
            "the row is opened",
            &format!("/^Row {row}\\b/.test(document.querySelector('dialog h2')?.innerText)"),
        );
        browser.wait_to_see("dialog .facts");
        expect_only_text(browser, scripts);
    }
    // What would turn round the text behind it is written out.
    browser.value("void (location.hash = '#row=6')");
    browser.wait_to_read("dialog .prompt-whole", "\\u{202e}sdrawkcab");
}

#[test]
fn nothing_of_a_manifest_or_a_server_is_obeyed_by_the_page() {
    let scene = scenes::nasty();
    let site = Site::showing(&scene);
    browse("hostile-page", |browser| {
        note_alerts(browser);
        browser.open(&site.url);
        browser.wait_to_read("#now", "<script>alert(1)</script>");
        browser.wait_to_read("#problems", "<script>alert(1)</script>");
        expect_only_text(browser, 1);
        browser.shoot("page-nasty");
        look_at_all(browser, 1);
        // A link that somebody sends.
        browser.open(&format!(
            "{}?x#q=%3Cscript%3Ealert(1)%3C/script%3E&code=%22%3E%3Cimg%20src=x%20onerror=alert(2)%3E",
            site.url
        ));
        browser.wait_to_read(".viewport", "No row fits");
        expect_only_text(browser, 1);
    });
}

#[test]
fn nothing_of_a_manifest_or_a_server_is_obeyed_by_the_report() {
    let scene = scenes::nasty();
    let report = written(&scene.batch);
    browse("hostile-report", |browser| {
        note_alerts(browser);
        browser.open(&report.url);
        browser.wait_to_read("#now", "<script>alert(1)</script>");
        // One of them is the data of the rows.
        expect_only_text(browser, 2);
        browser.shoot("report-nasty");
        look_at_all(browser, 2);
    });
}
