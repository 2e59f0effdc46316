//! The videos, their links, and what can become of them.

use super::*;

async fn fresh_link(sandbox: &Sandbox, url: &str) -> Seen {
    let body = json!({ "url": url }).to_string();
    let headers = "Authorization: Bearer any\r\nContent-Type: application/json\r\n";
    let request = request("POST", "/api/v1/common/download-url", headers, &body);
    exchange(sandbox, &request, PATIENCE).await
}

#[tokio::test]
async fn a_video_is_served_whole_in_parts_and_as_a_head() {
    let sandbox = sandbox(quick()).await;
    let link = link_of(&sandbox, "a boat").await;
    assert!(link.starts_with(&format!("{}/files/", sandbox.url())), "{link}");
    let whole = fetch(&link, "GET", "").await;
    assert_eq!(whole.status, 200);
    let length = whole.body.len().to_string();
    assert_eq!(&whole.body[4..8], b"ftyp");
    for (name, value) in [
        ("content-type", "video/mp4"),
        ("content-length", length.as_str()),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(whole.header(name), Some(value), "{name}");
    }
    let etag = whole.header("etag").unwrap();

    let head = fetch(&link, "HEAD", "").await;
    assert_eq!(
        (head.status, head.body.len(), head.header("content-length")),
        (200, 0, Some(&*length))
    );

    let rest = fetch(&link, "GET", &format!("Range: bytes=1000-\r\nIf-Range: {etag}\r\n")).await;
    assert_eq!((rest.status, rest.body.as_slice()), (206, &whole.body[1_000..]));
    let told = format!("bytes 1000-{}/{length}", whole.body.len() - 1);
    assert_eq!(rest.header("content-range"), Some(told.as_str()));
    let other = fetch(&link, "GET", "Range: bytes=1000-\r\nIf-Range: \"another\"\r\n").await;
    assert_eq!((other.status, other.body.len()), (200, whole.body.len()));
    let beyond = fetch(&link, "GET", &format!("Range: bytes={length}-\r\n")).await;
    let told = format!("bytes */{length}");
    assert_eq!(
        (beyond.status, beyond.header("content-range"), beyond.body.len()),
        (416, Some(&*told), 0)
    );
    assert_eq!(fetch(&link, "POST", "Content-Length: 0\r\n").await.status, 405);

    let another = fetch(&link_of(&sandbox, "another").await, "GET", "").await;
    assert_ne!(another.body, whole.body, "each task has a file of its own");
}

#[tokio::test]
async fn a_key_that_is_shown_to_the_file_host_is_counted() {
    let sandbox = sandbox(quick()).await;
    let link = link_of(&sandbox, "a boat").await;
    fetch(&link, "GET", "").await;
    assert_eq!((sandbox.books().files.requests, sandbox.books().files.with_key), (1, 0));
    fetch(&link, "GET", "Authorization: Bearer any\r\n").await;
    assert_eq!((sandbox.books().files.requests, sandbox.books().files.with_key), (2, 1));
}

#[tokio::test]
async fn links_expire_and_download_url_renews_them() {
    let config = SandboxConfig {
        link_life: Duration::ZERO,
        ..quick()
    };
    let sandbox = sandbox(config).await;
    let link = link_of(&sandbox, "a boat").await;
    assert_eq!(fetch(&link, "GET", "").await.status, 403);
    let fresh = fresh_link(&sandbox, &link).await;
    assert_eq!(fresh.code(), 200);
    let fresh = fresh.envelope()["data"].as_str().unwrap().to_owned();
    assert_eq!(fetch(&fresh, "GET", "").await.status, 200);
    let elsewhere = link.replace(&sandbox.url(), "http://127.0.0.1:1");
    assert_eq!(
        fresh_link(&sandbox, &elsewhere).await.code(),
        200,
        "the port may have changed since yesterday"
    );
    assert_eq!(sandbox.books().files.fresh_links, 2);
}

#[tokio::test]
async fn only_links_of_ours_are_renewed_and_only_with_a_key() {
    let sandbox = sandbox(quick()).await;
    let link = link_of(&sandbox, "a boat").await;
    for url in [
        "https://tempfile.example.org/h/x7.mp4",
        "",
        &link.replace("expires=", "expires=1"),
    ] {
        let expected = json!({"code": 422, "msg": "url is wrong", "data": null});
        assert_eq!(fresh_link(&sandbox, url).await.envelope(), expected, "{url}");
    }
    let body = json!({ "url": link }).to_string();
    let stranger = request("POST", "/api/v1/common/download-url", "", &body);
    assert_eq!(exchange(&sandbox, &stranger, PATIENCE).await.code(), 401);
    assert_eq!(fetch(&link.replace("check=", "check=0"), "GET", "").await.status, 403);
}

#[tokio::test]
async fn the_files_of_yesterday_are_served_by_the_sandbox_of_today() {
    let first = sandbox(quick()).await;
    let link = link_of(&first, "a boat").await;
    let then = fetch(&link, "GET", "").await;
    let old_url = first.url();
    first.stop().await;
    let second = sandbox(quick()).await;
    let now = fetch(&link.replace(&old_url, &second.url()), "GET", "").await;
    assert_eq!((now.status, now.body), (200, then.body));
}

#[tokio::test]
async fn a_gone_file_needs_a_fresh_link_and_an_expired_one_has_none() {
    let sandbox = sandbox(quick()).await;
    let gone = link_of(&sandbox, "[sandbox:file-gone]").await;
    assert_eq!(fetch(&gone, "GET", "").await.status, 403);
    let fresh = fresh_link(&sandbox, &gone).await.envelope()["data"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(fetch(&fresh, "GET", "").await.status, 200);
    let expired = link_of(&sandbox, "[sandbox:file-expired]").await;
    assert_eq!(fetch(&expired, "GET", "").await.status, 404);
    assert_eq!(fresh_link(&sandbox, &expired).await.code(), 404);
}

#[tokio::test]
async fn a_cut_transfer_can_be_gone_on_with() {
    let sandbox = sandbox(quick()).await;
    let link = link_of(&sandbox, "[sandbox:file-cut]").await;
    assert_eq!(fetch(&link, "HEAD", "").await.status, 200);
    assert_eq!(fetch(&link, "GET", "Range: bytes=9999999-\r\n").await.status, 416);
    let cut = fetch(&link, "GET", "").await;
    let length: usize = cut.header("content-length").unwrap().parse().unwrap();
    assert_eq!((cut.status, cut.body.len()), (200, length / 2));
    let rest = fetch(&link, "GET", &format!("Range: bytes={}-\r\n", cut.body.len())).await;
    assert_eq!(rest.status, 206);
    let whole = fetch(&link, "GET", "").await;
    assert_eq!([cut.body, rest.body].concat(), whole.body);
    assert_eq!(
        sandbox.books().files.served,
        2,
        "neither heads nor the cut transfer count"
    );
}

#[tokio::test]
async fn a_file_of_wrong_length_is_short_each_time() {
    let sandbox = sandbox(quick()).await;
    let link = link_of(&sandbox, "[sandbox:file-wrong-length]").await;
    for _ in 0..2 {
        let short = fetch(&link, "GET", "").await;
        let length: usize = short.header("content-length").unwrap().parse().unwrap();
        assert_eq!(short.body.len(), length - 1);
    }
}

#[tokio::test]
async fn an_error_page_pretends_to_be_the_file() {
    let sandbox = sandbox(quick()).await;
    let page = fetch(&link_of(&sandbox, "[sandbox:file-html]").await, "GET", "").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.body.starts_with(b"<html>"));
}

#[tokio::test]
async fn an_endless_file_trickles_on() {
    let sandbox = sandbox(quick()).await;
    let link = link_of(&sandbox, "[sandbox:file-endless]").await;
    let path = link.strip_prefix(&sandbox.url()).unwrap();
    let mut stream = connect(&sandbox).await;
    let head = format!("GET {path} HTTP/1.1\r\nHost: sandbox\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let half = 8_000;
    timeout(PATIENCE, async {
        while bytes.len() < half {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
        }
    })
    .await
    .unwrap();
    assert!(
        !String::from_utf8_lossy(&bytes)
            .to_ascii_lowercase()
            .contains("content-length")
    );
    // Chunks of one byte: their number does not end.
    for _ in 0..3 {
        let mut drop = [0; 64];
        let read = timeout(PATIENCE, stream.read(&mut drop)).await.unwrap().unwrap();
        assert!(read > 0);
    }
}

#[tokio::test]
async fn a_file_that_is_elsewhere_is_there() {
    let sandbox = sandbox(quick()).await;
    let moved = fetch(&link_of(&sandbox, "[sandbox:file-elsewhere]").await, "GET", "").await;
    assert_eq!(moved.status, 302);
    let location = moved.header("location").unwrap();
    assert!(location.starts_with("http://localhost:"), "{location}");
    let (path, host) = (
        location.replace("localhost", "127.0.0.1"),
        location.split('/').nth(2).unwrap(),
    );
    let (_, path) = path.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let asked = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut stream = connect(&sandbox).await;
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn files_can_be_slow() {
    let config = SandboxConfig {
        file_speed: std::num::NonZeroU64::new(40_000),
        ..quick()
    };
    let sandbox = sandbox(config).await;
    let link = link_of(&sandbox, "a boat").await;
    let begun = Instant::now();
    let slow = fetch(&link, "GET", "").await;
    assert_eq!(
        Some(slow.body.len().to_string().as_str()),
        slow.header("content-length")
    );
    assert!(
        slow.ended && begun.elapsed() >= Duration::from_millis(400),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_task_without_a_video_has_no_file() {
    let config = SandboxConfig {
        generation: "1h".parse().unwrap(),
        ..roomy()
    };
    let sandbox = sandbox(config).await;
    let task_id = submit(&sandbox, "a boat").await.task_id();
    for path in ["", ".mp4", ".mp4?expires=99999999999&check=0"] {
        let url = format!("{}/files/{task_id}{path}", sandbox.url());
        assert_eq!(fetch(&url, "GET", "").await.status, 403, "{path}");
    }
}
