//! Who may look: the door, the token, and names that only seem to lead here.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::browser::browse;
use crate::site::Site;
use crate::support::scenes;

const TOKEN: &str = "open-sesame-4d1c9e77a0b2";

#[test]
fn a_token_opens_the_page_and_nothing_else_does() {
    let scene = scenes::done();
    let site = Site::showing_with(&scene.batch, &["--token", TOKEN]);
    browse("access-token", |browser| {
        browser.open(&site.url);
        browser.wait_to_see("#token");
        assert!(!browser.text("body").contains("shot-"));
        browser.shoot_window("login");
        browser.click("#token");
        browser.type_text("open-sesame");
        browser.click("button");
        browser.wait_to_read("#wrong", "not the token");
        browser.shoot_window("login-wrong");
        // Even the browser's own log knows the refusals.
        let refusals = browser.take_errors();
        assert!(refusals.iter().all(|refusal| refusal.contains("401")), "{refusals:#?}");

        browser.click("#token");
        browser.type_text(TOKEN);
        browser.click("button");
        browser.wait_to_read(".rows-total", "12 rows");
        assert_eq!(
            browser.value("location.pathname + location.search + location.hash"),
            json!("/")
        );
        assert_eq!(
            browser.value("document.cookie"),
            json!(""),
            "no script can read the session"
        );
        browser.reload();
        browser.wait_to_read(".rows-total", "12 rows");
        browser.wait_to_read("#connection", "connected");
    });
    browse("access-link", |browser| {
        browser.open(&format!("{}#token={TOKEN}", site.url));
        browser.wait_to_read(".rows-total", "12 rows");
        let address = browser.value("location.href");
        assert!(!address.as_str().unwrap().contains(TOKEN), "{address}");
        assert!(browser.take_errors().iter().all(|refusal| refusal.contains("401")));
    });
    assert!(!site.said().contains(TOKEN), "{}", site.said());
}

/// The status of the answer to a request with these lines behind the first.
fn status(site: &Site, first: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(site.address()).unwrap();
    write!(stream, "{first} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn a_name_of_somebody_else_is_not_answered_to() {
    let scene = scenes::done();
    let site = Site::showing(&scene);
    let own = format!("Host: {}\r\n", site.address());
    for (first, headers, expected) in [
        ("GET /", own.as_str(), "200"),
        ("GET /", "Host: localhost\r\n", "200"),
        // DNS rebinding: the name of another leads here.
        ("GET /", "Host: rebound.example\r\n", "421"),
        ("GET /api/rows", "Host: rebound.example:8787\r\n", "421"),
        ("GET /media/1/video", "Host: 127.0.0.1.rebound.example\r\n", "421"),
        ("POST /login", "Host: rebound.example\r\nContent-Length: 0\r\n", "421"),
        ("GET /", "", "400"),
    ] {
        assert_eq!(status(&site, first, headers), expected, "{first} {headers:?}");
    }
    let foreign = format!("{own}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n");
    assert_eq!(status(&site, "GET /api/rows", &foreign), "403");
}
