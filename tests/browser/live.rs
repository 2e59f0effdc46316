//! The page of a run at work: it keeps itself up to date, also over interruptions, and says how it ended.

use std::time::Duration;

use serde_json::json;

use crate::browser::browse;
use crate::site::Site;
use crate::support::{SandboxProcess, scenes};

/// The number in the tile of a state, 0 where there is none.
fn tile(state: &str) -> String {
    format!("Number(document.querySelector('#counts a[href=\"#status={state}\"] strong')?.textContent ?? 0)")
}

#[test]
fn a_run_is_watched_from_its_first_requests_to_its_end() {
    let sandbox = SandboxProcess::start(&["--generate", "500ms..1500ms"]);
    let batch = scenes::unsent(32, &sandbox);
    let flags = ["--listen", "127.0.0.1:0", "--download", "videos", "--rate", "8/2s"];
    let mut run = Site::of(batch.command("run", &flags));
    browse("live-run", |browser| {
        browser.open(&run.url);
        // A reload would forget it.
        browser.value("window.isTheSamePage = true");
        browser.wait_to_read("#connection", "connected");
        browser.wait_to_read("#head .badge", "sending");
        browser.wait_until("rows are accepted", &format!("{} > 3", tile("accepted")));
        browser.wait_until(
            "a time line is drawn",
            "document.querySelector('#timeline svg .s-accepted') !== null",
        );
        browser.wait_until("the first video is saved", &format!("{} > 0", tile("saved")));
        let queued = browser.value(&tile("queued"));
        browser.wait_until("fewer rows are queued", &format!("{} < {queued}", tile("queued")));
        browser.wait_until(
            "the list shows it, too",
            "document.querySelectorAll('#rows .s-saved').length > 1",
        );
        browser.shoot("page-live");
        // What is exchanged every moment can be clicked all the same, however slowly.
        let saved = browser.value(&tile("saved"));
        browser.click_slowly("#counts a[href='#status=saved']", Duration::from_millis(1_500));
        browser.wait_until("the filter is the tile's", "location.hash === '#status=saved'");
        browser.wait_until("the counts go on", &format!("{} > {saved}", tile("saved")));
        browser.wait_for(
            Duration::from_secs(30),
            "the run ends",
            "document.querySelector('#connection').textContent.includes('ended')",
        );
        assert_eq!(browser.value(&tile("saved")), json!(31));
        assert_eq!(browser.value(&tile("invalid")), json!(1));
        assert_eq!(browser.value("window.isTheSamePage"), json!(true));
        browser.shoot("page-ended");
        // What is in sight is asked for once more. Whether anybody still answers or not, the rows stay.
        assert!(browser.count("#rows .s-saved") > 1);
        assert_eq!(browser.count("#rows .list-state"), 0);
        for error in browser.take_errors() {
            assert!(error.contains("/api/rows?") && error.contains("net::ERR_"), "{error}");
        }
    });
    run.wait_for_end();
}

#[test]
fn a_page_whose_server_goes_and_comes_again_goes_on() {
    let scene = scenes::halted();
    let first = Site::showing(&scene);
    browse("live-again", |browser| {
        browser.open(&first.url);
        browser.value("window.isTheSamePage = true");
        browser.wait_to_read("#connection", "connected");
        let before = browser.text("#head .byline");
        let address = first.address().to_owned();
        drop(first);
        browser.wait_to_read("#connection", "lost");
        let second = Site::showing_with(&scene.batch, &["--listen", &address]);
        browser.wait_until(
            "it is connected again",
            "document.querySelector('#connection').textContent === 'connected'",
        );
        browser.wait_until(
            "it shows what is now",
            &format!(
                "document.querySelector('#head .byline').innerText !== {}",
                crate::browser::quoted(&before)
            ),
        );
        browser.click("[data-state=rejected]");
        browser.wait_to_read(".rows-total", "5 rows");
        assert_eq!(browser.value("window.isTheSamePage"), json!(true));
        // The browser writes down each time that nobody answered.
        let errors = browser.take_errors();
        assert!(!errors.is_empty());
        for error in errors {
            assert!(error.contains("/events") && error.contains("net::ERR_"), "{error}");
        }
        // It stays until the browser is closed, or the page would lose it once more.
        second
    });
}
