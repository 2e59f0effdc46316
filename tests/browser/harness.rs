//! The harness itself: a test in a browser is worth something only if it would see what goes wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::json;
use thirtyfour::Key;

use crate::browser::{Look, Window, browse, failure_of, screenshots};
use crate::support::server::{RawServer, Then, send};

/// A page with this body under the policy that the live page has.
fn page(body: &'static str) -> RawServer {
    RawServer::start(move |seen, stream| {
        let (kind, body) = match seen.head.split_whitespace().nth(1) {
            Some("/") => ("text/html; charset=utf-8", body),
            Some("/script.js") => ("text/javascript", SCRIPT),
            _ => ("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nContent-Security-Policy: default-src \
             'none'; script-src 'self'; img-src 'self' http://outside.example; style-src 'self'\r\n\r\n",
            body.len()
        );
        send(stream, format!("{head}{body}").as_bytes());
        Then::Keep
    })
}

const SCRIPT: &str = "
document.querySelector('button')?.addEventListener('click', () => {
    setTimeout(() => document.querySelector('output').textContent = `hello ${document.querySelector('input').value}`, 200);
});
document.addEventListener('keydown', event => document.title += event.key);
";

#[test]
fn a_page_is_clicked_typed_into_and_looked_at() {
    let server = page(
        "<!doctype html><title></title><link rel=icon href=/icon.svg><input><button>go</button><output></output>\
         <script src=script.js></script>",
    );
    browse("harness-clicks", |browser| {
        browser.open(&server.url);
        browser.click("input");
        browser.type_text("Ada");
        browser.click("button");
        browser.wait_to_see("output:not(:empty)");
        browser.wait_to_miss("output:empty");
        browser.wait_to_read("output", "hello Ada");
        assert_eq!(browser.text("output"), "hello Ada");
        browser.press(Key::Escape);
        assert_eq!(browser.value("document.title"), json!("AdaEscape"));
        browser.press_with(Key::Shift, Key::Tab);
        assert_eq!(browser.value("document.activeElement.tagName"), json!("INPUT"));
        assert_eq!(browser.count("input, button"), 2);
        assert_eq!(browser.texts("button"), ["go"]);

        let at = "[innerWidth, devicePixelRatio, matchMedia('(prefers-color-scheme: dark)').matches, \
                  matchMedia('print').matches]";
        assert_eq!(browser.value(at), json!([1280, 1, false, false]));
        browser.window(Window::Phone);
        browser.look(Look::Dark);
        browser.reload();
        assert_eq!(
            browser.value(at).as_array().unwrap()[1..],
            [json!(2), json!(true), json!(false)]
        );
        browser.shoot("harness");
        let path = screenshots().join("harness.png");
        let picture = std::fs::read(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        let width = u32::from_be_bytes(picture[16..20].try_into().unwrap());
        assert!(width >= 780, "two pixels a point: {width}");
        browser.look(Look::Print);
        assert_eq!(
            browser.value(at).as_array().unwrap()[1..],
            [json!(2), json!(false), json!(true)]
        );

        browser.allow_scripts(false);
        browser.reload();
        browser.press(Key::Escape);
        assert_eq!(browser.value("document.title"), json!(""), "no script of the page runs");
    });
}

#[test]
fn what_a_page_may_not_do_is_seen() {
    let server = page(
        "<!doctype html><link rel=icon href=/icon.svg><p onclick='0'>text</p><script>window.inline = 1</script>\
         <img src=http://outside.example/picture.png><img src=/own.svg>",
    );
    browse("harness-sees", |browser| {
        browser.open(&server.url);
        assert_eq!(browser.value("typeof window.inline"), json!("undefined"));
        let errors = browser.take_errors();
        let has = |parts: &[&str]| errors.iter().any(|error| parts.iter().all(|part| error.contains(part)));
        assert!(has(&["Content Security Policy", "inline script"]), "{errors:#?}");
        assert!(has(&["outside.example"]), "{errors:#?}");
        assert_eq!(browser.take_outside_requests(), ["http://outside.example/picture.png"]);
        let own = browser.take_requests();
        assert!(own.contains(&format!("{}/own.svg", server.url)), "{own:?}");
    });
}

#[test]
fn a_test_fails_by_what_went_wrong_in_the_page_or_did_not_come() {
    let failure = |body, wait: bool| {
        let server = page(body);
        let failed = catch_unwind(AssertUnwindSafe(|| {
            browse("harness-fails", |browser| {
                browser.open(&server.url);
                if wait {
                    browser.wait_for(Duration::ZERO, "pigs fly", "document.title == 'pigs'");
                }
            });
        }));
        *failed.unwrap_err().downcast::<String>().unwrap()
    };
    let outside = failure(
        "<link rel=icon href=/icon.svg><img src=http://outside.example/picture.png>",
        false,
    );
    assert!(outside.contains("outside.example/picture.png"), "{outside}");
    let in_vain = failure("<link rel=icon href=/icon.svg><p>no pigs here", true);
    assert!(in_vain.contains("until pigs fly, in vain"), "{in_vain}");
    assert!(in_vain.contains("no pigs here"), "{in_vain}");
    // Kept for whoever asks why, and here nobody does.
    std::fs::remove_file(failure_of("harness-fails")).unwrap();
}
