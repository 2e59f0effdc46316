//! The list of rows: found by filter and search, opened, played, gone through by keys; any number of them.

use std::time::Instant;

use serde_json::{Value, json};
use thirtyfour::Key;

use crate::browser::{Browser, Window, browse};
use crate::site::Site;
use crate::support::scenes;

/// Rows that are in the document.
const ITEMS: &str = "#rows .viewport .row:not(.waiting)";

#[track_caller]
fn statuses(browser: &Browser) -> Vec<String> {
    let mut statuses = browser.texts("#rows .row .cell-status");
    statuses.dedup();
    statuses
}

#[test]
fn rows_are_filtered_and_searched_and_an_address_keeps_the_filter() {
    let scene = scenes::halted();
    let site = Site::showing(&scene);
    browse("rows-filter", |browser| {
        browser.open(&site.url);
        browser.wait_to_read(".rows-total", "400 rows");
        browser.click("[data-state=rejected]");
        browser.wait_to_read(".rows-total", "5 rows");
        assert_eq!(statuses(browser), ["rejected"]);
        browser.click("[data-state=unknown]");
        browser.wait_to_read(".rows-total", "6 rows");
        browser.click("#rows .code");
        browser.type_text("400");
        browser.wait_to_read(".rows-total", "2 rows");
        assert!(
            browser
                .texts(".viewport .cell-trouble")
                .iter()
                .all(|trouble| trouble.contains("400"))
        );

        let address = browser.value("location.hash");
        browser.reload();
        browser.wait_to_read(".rows-total", "2 rows");
        assert_eq!(browser.value("location.hash"), address);
        assert_eq!(
            browser.value("[...document.querySelectorAll('.chip[aria-pressed=true]')].map(chip => chip.dataset.state)"),
            json!(["rejected", "unknown"])
        );

        browser.open(&format!("{}#q=shot-0123", site.url));
        browser.reload();
        browser.wait_to_read(".rows-total", "1 row");
        assert!(browser.text(ITEMS).contains("shot-0123"));
        browser.click("#rows .search");
        browser.type_text("4");
        browser.wait_to_read(".viewport", "No row fits");
        browser.click("#rows .list-state button");
        browser.wait_to_read(".rows-total", "400 rows");
        // A tile above leads to its rows.
        browser.click("#counts a[href='#status=unknown']");
        browser.wait_to_read(".rows-total", "1 row");
    });
}

#[test]
fn a_row_is_opened_and_its_video_plays_beside_its_image() {
    let scene = scenes::done();
    let site = Site::showing(&scene);
    browse("rows-video", |browser| {
        browser.open(&site.url);
        browser.wait_to_read(".rows-total", "12 rows");
        browser.click(&format!("{ITEMS}:nth-child(3)"));
        browser.wait_to_see("dialog[open] video");
        browser.wait_until(
            "the image is there",
            "document.querySelector('dialog img').naturalWidth > 300",
        );
        browser.wait_until(
            "the video can play",
            "document.querySelector('dialog video').readyState >= 2",
        );
        let place = |css: &str| {
            browser.value(&format!(
                "document.querySelector({css:?}).getBoundingClientRect().toJSON()"
            ))
        };
        let (image, video) = (place("dialog img"), place("dialog video"));
        assert!(
            image["right"].as_f64() <= video["left"].as_f64(),
            "beside: {image} {video}"
        );
        browser.value("document.querySelector('dialog video').play()");
        browser.wait_until(
            "the video plays",
            "document.querySelector('dialog video').currentTime > 0.3",
        );
        // Seeking asks for a part of the file.
        browser.value("document.querySelector('dialog video').currentTime = 1.7");
        browser.wait_until(
            "it goes on from there",
            "document.querySelector('dialog video').currentTime > 1.75 && !document.querySelector('dialog video').seeking",
        );
        browser.value("document.querySelector('dialog video').pause()");
        assert!(browser.text("dialog .requests").contains("accepted"));
        assert!(browser.text("dialog").contains("shot-0003"));
        browser.shoot_window("page-row");
        browser.window(Window::Phone);
        browser.shoot_window("page-row-phone");
        browser.window(Window::Desktop);

        browser.press(Key::Escape);
        browser.wait_to_miss("dialog");
        browser.click("[data-view=gallery]");
        browser.wait_to_see(".card video");
        browser.wait_until(
            "something is to be seen of each",
            "[...document.querySelectorAll('.card video')].every(video => video.poster || video.readyState >= 2)",
        );
        // Or its controls could not be reached.
        let overflowing = browser.value(
            "[...document.querySelectorAll('.card')].filter(card => {
                const [video, media] = ['video', '.media'].map(css => card.querySelector(css).getBoundingClientRect());
                return video.height > media.height || video.width > media.width;
            }).length",
        );
        assert_eq!(overflowing, json!(0), "no video is larger than its place");
        browser.shoot_gallery("page-gallery");
    });
}

#[test]
fn keys_alone_lead_everywhere() {
    let scene = scenes::done();
    let site = Site::showing(&scene);
    browse("rows-keys", |browser| {
        browser.open(&site.url);
        browser.wait_to_read(".rows-total", "12 rows");
        let focused = |css: &str| browser.value(&format!("document.activeElement?.matches({css:?})")) == json!(true);
        // The first stop of all leads past everything above.
        browser.press(Key::Tab);
        assert!(focused(".skip"));
        browser.press(Key::Enter);
        for _ in 0..30 {
            if focused(".list") {
                break;
            }
            browser.press(Key::Tab);
            let ring = browser.value("getComputedStyle(document.activeElement).outlineStyle");
            assert_ne!(
                ring,
                json!("none"),
                "where the cursor is can be seen: {}",
                browser.value("document.activeElement.outerHTML.slice(0, 200)")
            );
        }
        assert!(focused(".list"));
        browser.press(Key::Down);
        browser.press(Key::Down);
        browser.press(Key::Enter);
        browser.wait_to_read("dialog h2", "Row 3");
        browser.press(Key::Right);
        browser.wait_to_read("dialog h2", "Row 4");
        browser.press(Key::Left);
        browser.wait_to_read("dialog h2", "Row 3");
        assert_eq!(browser.value("location.hash"), json!("#row=3"));
        browser.press(Key::Escape);
        browser.wait_to_miss("dialog");
        assert!(focused(".list"), "the cursor is back where it was");
        browser.press(Key::End);
        browser.press(Key::Enter);
        browser.wait_to_read("dialog h2", "Row 12");
        browser.reload();
        browser.wait_to_read("dialog h2", "Row 12");
        browser.press(Key::Escape);
        browser.wait_to_miss("dialog");
        browser.type_text("/");
        assert!(focused(".search"));
        browser.type_text("shot-0007");
        browser.wait_to_read(".rows-total", "1 row");
    });
}

/// Scrolls from the place it is at to `share` of the list and waits until the rows there are shown.
#[track_caller]
fn scroll_to(browser: &Browser, share: f64) -> f64 {
    let begin = Instant::now();
    browser.value(&format!(
        "(() => {{ const box = document.querySelector('.viewport'); box.scrollTop = box.scrollHeight * {share}; }})()"
    ));
    browser.wait_until(
        "the rows are shown",
        "new Promise(done => requestAnimationFrame(() => {
            const box = document.querySelector('.viewport').getBoundingClientRect();
            const inside = [...document.querySelectorAll('.viewport .row')].filter(row => {
                const { top, bottom } = row.getBoundingClientRect();
                return bottom > box.top && top < box.bottom;
            });
            done(inside.length > 5 && inside.every(row => !row.classList.contains('waiting')));
        }))",
    );
    begin.elapsed().as_secs_f64()
}

#[test]
fn a_hundred_thousand_rows_are_as_quick_as_ten() {
    let scene = scenes::hundred_thousand();
    scene.check();
    let site = Site::showing(&scene);
    browse("rows-many", |browser| {
        let begin = Instant::now();
        browser.open(&site.url);
        browser.wait_to_read(".rows-total", "100,000 rows");
        println!("100,000 rows: opened in {:.2} s", begin.elapsed().as_secs_f64());
        for (share, expected) in [(0.5, 50_000), (1.0, 100_000), (0.25, 25_000), (0.0, 1)] {
            let seconds = scroll_to(browser, share);
            println!("  scrolled to {expected} in {seconds:.2} s");
            assert!(seconds < 1.0, "{seconds:.2} s to row {expected}");
            let numbers = browser.texts("#rows .viewport .row .cell-row");
            let numbers: Vec<i64> = numbers
                .iter()
                .map(|number| number.replace(',', "").parse().unwrap())
                .collect();
            assert!(
                numbers.iter().any(|number| (number - expected).abs() < 40),
                "{numbers:?}"
            );
            assert!(browser.count("#rows .row") < 200);
        }
        let frames = browser.value(
            "new Promise(done => {
                const box = document.querySelector('.viewport'), times = [];
                let last = performance.now();
                const step = now => {
                    times.push(now - last);
                    last = now;
                    box.scrollTop += 300;
                    if (times.length < 180) requestAnimationFrame(step);
                    else done(times.slice(1).sort((one, other) => one - other));
                };
                requestAnimationFrame(step);
            })",
        );
        let frames: Vec<f64> = frames.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
        println!(
            "  180 frames of 300 px: median {:.1} ms, 99th percentile {:.1} ms",
            frames[frames.len() / 2],
            frames[frames.len() * 99 / 100]
        );
        let begin = Instant::now();
        browser.click("#rows .search");
        browser.type_text("shot-99999");
        browser.wait_to_read(".rows-total", "1 row");
        println!("  searched in {:.2} s", begin.elapsed().as_secs_f64());
    });
}
