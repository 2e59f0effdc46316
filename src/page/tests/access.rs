//! Who gets which answer, and what every answer has.

use std::time::Instant;

use super::*;

/// Places that tell of the batch.
const GUARDED: [&str; 8] = [
    "/",
    "/events",
    "/api/rows",
    "/api/rows/1",
    "/media/1/image",
    "/media/1/video",
    "/metrics",
    "/report.html",
];

#[tokio::test]
async fn without_a_token_everybody_on_this_machine_may_look() {
    let trial = Trial::new(OPEN).await;
    let page = trial.ask("GET /").await;
    assert_eq!(
        (page.status, page.text()),
        (200, "<!DOCTYPE html>the page of shots.csv")
    );
    let rows = trial.ask("GET /api/rows?status=failed&q=boat&offset=4&limit=2").await;
    assert_eq!(
        (rows.status, rows.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(
        (rows.json()["total"].clone(), rows.json()["offset"].clone()),
        (2.into(), 4.into())
    );
    assert_eq!(rows.json()["rows"][1]["status"], "saved");
    let asked = trial.batch.asked.lock().unwrap().pop().unwrap();
    assert_eq!((asked.search.as_deref(), asked.limit), (Some("boat"), 2));
    assert_eq!(trial.ask("GET /api/rows/2").await.json()["row"], 2);
    let metrics = trial.ask("GET /metrics").await;
    assert_eq!(metrics.text(), "batch{name=\"shots.csv\"} 1\n");
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let report = trial.ask("GET /report.html").await;
    assert_eq!(report.text(), "<!DOCTYPE html>the report");
    assert_eq!(
        report.header("content-disposition"),
        Some("inline; filename=\"shots.report.html\"")
    );
    assert_eq!(
        report.header("content-security-policy"),
        Some("default-src 'none'; script-src 'sha256-x'; frame-ancestors 'none'")
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_callers_language() {
    let trial = Trial::new(OPEN).await;
    for (path, status, error) in [
        ("/api/rows/3", 404, "the manifest has no such row"),
        (
            "/api/rows?limit=9999",
            400,
            "`limit` takes a whole number from 1 to 500",
        ),
    ] {
        let answer = trial.ask(&format!("GET {path}")).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (status, Some(error)),
            "{path}"
        );
    }
    for path in ["/nothing", "/assets/none.js", "/media/3/video", "/login"] {
        let answer = trial.ask(&format!("GET {path}")).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8"),
            "{path}"
        );
    }
    *trial.batch.fails.lock().unwrap() = true;
    for path in ["/", "/api/rows", "/api/rows/1", "/media/1/image", "/metrics"] {
        assert_eq!(trial.ask(&format!("GET {path}")).await.status, 503, "{path}");
    }
}

/// Whatever the answer, a browser is told the same about it.
#[tokio::test]
async fn every_answer_of_the_page_is_sealed() {
    let (open, closed) = (Trial::new(OPEN).await, Trial::new(CLOSED).await);
    let login = "POST /login\nContent-Type: application/x-www-form-urlencoded";
    let mut answers = Vec::new();
    for path in GUARDED.iter().filter(|path| **path != "/events") {
        answers.push(open.ask(&format!("GET {path}")).await);
        answers.push(closed.ask(&format!("GET {path}")).await);
    }
    for head in [
        "GET /nothing",
        "GET /assets/page.css",
        "GET /healthz",
        "HEAD /",
        "HEAD /events",
        "GET /api/rows/9",
    ] {
        answers.push(open.ask(head).await);
    }
    answers.push(open.ask("GET /\nHost: evil.example").await);
    answers.push(open.ask("GET /\nSec-Fetch-Site: cross-site").await);
    answers.push(closed.ask_with(login, "token=wrong").await);
    answers.push(closed.ask_with(login, &format!("token={TOKEN}")).await);
    assert!(answers.len() > 20);
    let statuses: std::collections::BTreeSet<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), [200, 303, 401, 403, 404, 421]);
    for answer in &answers {
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"),
            "{answer:?}"
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{answer:?}");
        }
        assert!(
            matches!(answer.header("referrer-policy"), Some("no-referrer" | "same-origin")),
            "{answer:?}"
        );
        assert!(answer.header("cache-control").is_some(), "{answer:?}");
        assert!(
            !String::from_utf8_lossy(&answer.body).contains(TOKEN) && !answer.head.contains(TOKEN),
            "{answer:?}"
        );
    }
    let page = open.ask("GET /").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn with_a_token_nothing_of_the_batch_is_shown_without_it() {
    let trial = Trial::new(CLOSED).await;
    for path in GUARDED {
        for headers in [
            "",
            "\nAuthorization: Bearer wrong horse battery",
            "\nCookie: hailuo_batch_1=x",
        ] {
            let answer = trial.ask(&format!("GET {path}{headers}")).await;
            assert_eq!(answer.status, 401, "{path}{headers}");
            let is_api = path.starts_with("/api");
            assert_eq!(
                answer.header("content-type") == Some("application/json"),
                is_api,
                "{path}"
            );
            // A browser would ask for a user name and a password.
            assert_eq!(answer.header("www-authenticate").is_none(), path == "/", "{path}");
        }
        if path != "/events" {
            let answer = trial.ask(&format!("GET {path}\nAuthorization: Bearer {TOKEN}")).await;
            assert_ne!(answer.status, 401, "{path}");
        }
    }
    assert_eq!(
        trial.ask("GET /").await.text(),
        "<!DOCTYPE html>log in to shots.csv, false"
    );
    for path in ["/healthz", "/assets/page.css"] {
        assert_eq!(trial.ask(&format!("GET {path}")).await.status, 200, "{path}");
    }
    let readings = trial.batch.readings();
    assert!((1..=2).contains(&readings), "for those who were let in: {readings}");
}

#[tokio::test]
async fn a_login_begins_a_session() {
    let trial = Trial::new(CLOSED).await;
    let head = format!(
        "POST /login\nOrigin: http://{}\nSec-Fetch-Site: same-origin",
        trial.address
    );
    let began = Instant::now();
    let wrong = trial.ask_with(&head, "token=wrong+horse+battery").await;
    assert_eq!(
        (wrong.status, wrong.text()),
        (401, "<!DOCTYPE html>log in to shots.csv, true")
    );
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(
        (wrong.header("set-cookie"), wrong.header("referrer-policy")),
        (None, Some("same-origin"))
    );

    let right = trial.ask_with(&head, "token=correct+horse%20battery").await;
    assert_eq!((right.status, right.header("location")), (303, Some("./")));
    let cookie = right.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with(&format!("hailuo_batch_{}=", trial.address.port())),
        "{cookie}"
    );
    let session = cookie.split(';').next().unwrap();
    for path in ["/", "/api/rows", "/metrics"] {
        let answer = trial.ask(&format!("GET {path}\nCookie: {session}")).await;
        assert_eq!(answer.status, 200, "{path}");
    }

    let foreign = trial
        .ask_with(
            "POST /login\nOrigin: http://evil.example",
            "token=correct+horse+battery",
        )
        .await;
    assert_eq!((foreign.status, foreign.header("set-cookie")), (403, None));
    let long = format!("token={}", "x".repeat(5_000));
    assert_eq!(trial.ask_with(&head, &long).await.status, 413);
    assert_eq!(trial.ask_with(&head, "other=1").await.status, 401);
}

#[tokio::test]
async fn a_page_without_a_token_takes_no_login() {
    let trial = Trial::new(OPEN).await;
    let answer = trial.ask_with("POST /login", "token=").await;
    assert_eq!((answer.status, answer.header("set-cookie")), (401, None));
}

#[tokio::test]
async fn names_that_lead_here_by_somebody_elses_word_are_not_answered_to() {
    let trial = Trial::new(OPEN).await;
    for (headers, status) in [
        ("Host: rebound.example", 421),
        ("Host: 192.168.1.9:8787", 421),
        ("Host: localhost:8787", 200),
        ("Host: [::1]:8787", 200),
        ("Host: localhost\nHost: localhost", 400),
        (
            "Host: localhost\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image",
            403,
        ),
    ] {
        for path in ["/", "/healthz", "/assets/page.css"] {
            assert_eq!(
                trial.ask(&format!("GET {path}\n{headers}")).await.status,
                status,
                "{path} {headers}"
            );
        }
    }
    assert_eq!(trial.exchange("GET / HTTP/1.0\r\n\r\n").await.status, 400);
    let login = trial.ask_with("POST /login\nHost: rebound.example", "token=x").await;
    assert_eq!(login.status, 421);
}

#[tokio::test]
async fn everything_but_looking_goes_to_the_desk() {
    let trial = Trial::new(OPEN).await;
    for head in [
        "POST /",
        "POST /kie?token=1",
        // A callback to a public URL of that path.
        "POST /login?token=1-00",
        "PUT /api/rows/1",
        "DELETE /media/1/video",
        "OPTIONS /",
        "PATCH /report.html",
        "BREW /",
    ] {
        let answer = trial.ask(head).await;
        assert_eq!((answer.status, answer.text()), (200, "the desk"), "{head}");
    }
    let alone = Trial::before(OPEN, routes::nothing_else()).await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = alone.ask(&format!("{method} /api/rows/1")).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, HEAD")),
            "{method}"
        );
        assert!(answer.header("content-security-policy").is_some());
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let trial = Trial::new(OPEN).await;
    for path in ["/", "/api/rows", "/assets/page.css", "/metrics", "/nothing"] {
        let get = trial.ask(&format!("GET {path}")).await;
        let head = trial.ask(&format!("HEAD {path}")).await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for name in ["content-type", "content-length", "etag"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    let events = trial.ask("HEAD /events").await;
    assert_eq!(
        (events.status, events.header("content-type")),
        (200, Some("text/event-stream"))
    );
}

#[tokio::test]
async fn assets_are_kept_as_long_as_their_version() {
    let trial = Trial::new(OPEN).await;
    let plain = trial.ask("GET /assets/page.css").await;
    assert_eq!(
        (plain.text(), plain.header("cache-control")),
        ("body{}", Some("no-cache"))
    );
    let versioned = trial.ask("GET /assets/page.css?v=0.1.0").await;
    assert_eq!(
        versioned.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    let etag = plain.header("etag").unwrap();
    let known = trial
        .ask(&format!("GET /assets/page.css\nIf-None-Match: W/{etag}, \"x\""))
        .await;
    assert_eq!((known.status, known.body.len()), (304, 0));
}

#[tokio::test]
async fn health_is_looked_at_once_a_second() {
    let trial = Trial::new(CLOSED).await;
    let well = trial.ask("GET /healthz").await;
    assert_eq!((well.status, well.text()), (200, "ok\n"));
    *trial.healthy.lock().unwrap() = Err("the ledger cannot be read".into());
    assert_eq!(trial.ask("GET /healthz").await.status, 200);
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let ill = trial.ask("GET /healthz").await;
    assert_eq!((ill.status, ill.text()), (503, "the ledger cannot be read\n"));
}
