//! Pictures and videos: parts of files, and nothing but pictures and videos.

use std::fs;

use super::*;

/// Bytes that begin like a video, and tell where they are.
fn clip(length: usize) -> Vec<u8> {
    let mut bytes = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42".to_vec();
    bytes.extend((bytes.len()..length).map(|at| u8::try_from(at / 7 % 251).unwrap()));
    bytes
}

fn png() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\0\0\0\x02\0\x08\x02\0\0\0".to_vec();
    bytes.resize(300, 1);
    bytes
}

fn file(name: &str) -> Option<Media> {
    Some(Media {
        file: Some(name.into()),
        url: None,
    })
}

fn url(url: &str) -> Option<Media> {
    Some(Media {
        file: None,
        url: Some(url.into()),
    })
}

#[tokio::test]
async fn a_video_is_sent_in_the_parts_that_are_asked_for() {
    let trial = Trial::new(OPEN).await;
    let whole = clip(1_000_000);
    fs::create_dir(trial.folder.path().join("videos")).unwrap();
    fs::write(trial.folder.path().join("videos/a.mp4"), &whole).unwrap();
    *trial.batch.video.lock().unwrap() = file("videos/a.mp4");
    let get = trial.ask("GET /media/1/video").await;
    assert_eq!((get.status, get.body == whole), (200, true));
    assert_eq!(
        (get.header("content-type"), get.header("accept-ranges")),
        (Some("video/mp4"), Some("bytes"))
    );
    assert_eq!(
        (get.header("content-length"), get.header("cache-control")),
        (Some("1000000"), Some("private, no-cache"))
    );
    let etag = get.header("etag").unwrap();
    for (range, status, part, told) in [
        ("bytes=0-1", 206, 0..2, "bytes 0-1/1000000"),
        ("bytes=500000-", 206, 500_000..1_000_000, "bytes 500000-999999/1000000"),
        ("bytes=-10", 206, 999_990..1_000_000, "bytes 999990-999999/1000000"),
        (
            "bytes=999999-9999999999999999999999",
            206,
            999_999..1_000_000,
            "bytes 999999-999999/1000000",
        ),
        ("bytes=1000000-", 416, 0..0, "bytes */1000000"),
        ("bytes=0-0,5-6", 200, 0..1_000_000, ""),
    ] {
        for version in ["", &format!("\nIf-Range: {etag}")] {
            let answer = trial.ask(&format!("GET /media/1/video\nRange: {range}{version}")).await;
            assert_eq!(answer.status, status, "{range}");
            assert_eq!(answer.header("content-range").unwrap_or_default(), told, "{range}");
            assert!(
                answer.body == whole[part.clone()],
                "{range}: {} bytes",
                answer.body.len()
            );
        }
    }
    let other = trial.ask("GET /media/1/video\nRange: bytes=0-1\nIf-Range: \"x\"").await;
    assert_eq!((other.status, other.body.len()), (200, 1_000_000));
    let head = trial.ask("HEAD /media/1/video\nRange: bytes=0-1").await;
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (206, Some("2"), 0)
    );
    let known = trial.ask(&format!("GET /media/1/video\nIf-None-Match: {etag}")).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    // Another file has another version.
    fs::write(trial.folder.path().join("videos/a.mp4"), clip(1_000)).unwrap();
    let changed = trial.ask(&format!("GET /media/1/video\nIf-None-Match: {etag}")).await;
    assert_eq!((changed.status, changed.body.len()), (200, 1_000));
}

#[tokio::test]
async fn what_is_no_video_is_not_shown() {
    let trial = Trial::new(OPEN).await;
    let secret = "<script>a secret</script>";
    fs::write(trial.folder.path().join("a.mp4"), secret).unwrap();
    fs::write(trial.folder.path().join("empty.mp4"), "").unwrap();
    fs::create_dir(trial.folder.path().join("folder.mp4")).unwrap();
    for video in [
        file("a.mp4"),
        file("empty.mp4"),
        file("folder.mp4"),
        file("gone.mp4"),
        url("http://127.0.0.1/x"),
        None,
    ] {
        *trial.batch.video.lock().unwrap() = video.clone();
        let answer = trial.ask("GET /media/1/video").await;
        assert_eq!(answer.status, 404, "{video:?}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert!(
            !answer.text().contains("secret") && !answer.text().contains("gone"),
            "{answer:?}"
        );
    }
}

/// A row is asked for by its number: no path of a viewer's is ever opened.
#[tokio::test]
async fn a_path_is_no_address() {
    let trial = Trial::new(OPEN).await;
    fs::write(trial.folder.path().join("a.mp4"), clip(100)).unwrap();
    *trial.batch.video.lock().unwrap() = file("a.mp4");
    assert_eq!(trial.ask("GET /media/1/video").await.status, 200);
    for path in [
        "/media/a.mp4/video",
        "/media/../../etc/passwd",
        "/media/1/../1/video",
        "/media/1/video/..",
        "/media/%2e%2e/video",
        "/media/01/video",
        "/media/1/video%00",
        "/assets/../../a.mp4",
        "/assets/%2e%2e%2fa.mp4",
        "//media/1/video",
    ] {
        assert_eq!(trial.ask(&format!("GET {path}")).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_local_picture_is_shown_by_its_content() {
    let trial = Trial::new(OPEN).await;
    fs::write(trial.folder.path().join("a.txt"), png()).unwrap();
    fs::write(trial.folder.path().join("b.png"), "<svg onload=alert(1)>").unwrap();
    *trial.batch.image.lock().unwrap() = file("a.txt");
    let shown = trial.ask("GET /media/1/image").await;
    assert_eq!((shown.status, shown.header("content-type")), (200, Some("image/png")));
    assert_eq!(
        (shown.body == png(), shown.header("x-content-type-options")),
        (true, Some("nosniff"))
    );
    for image in [file("b.png"), file("../a.txt"), file("none.png"), None] {
        *trial.batch.image.lock().unwrap() = image.clone();
        assert_eq!(trial.ask("GET /media/1/image").await.status, 404, "{image:?}");
    }
}

/// A host of pictures; answers by the path, and notes what was asked for.
async fn host() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let to = |location: String| (StatusCode::FOUND, [("location", location)]);
    let own = base.clone();
    let router = Router::new()
        .route("/a.png", axum::routing::get(|| async { png() }))
        .route(
            "/b.png",
            axum::routing::get(|| async {
                let mut other = png();
                other.push(1);
                other
            }),
        )
        .route("/page.png", axum::routing::get(|| async { "<html>log in" }))
        .route(
            "/large.png",
            axum::routing::get(|| async {
                let mut bytes = png();
                bytes.resize(10_000_001, 0);
                bytes
            }),
        )
        .route(
            "/moved.png",
            axum::routing::get(move || async move { to(format!("{own}/a.png")) }),
        )
        .route(
            "/away.png",
            axum::routing::get(move || async move { to("http://img.example.org/a.png".into()) }),
        )
        .route(
            "/round.png",
            axum::routing::get(move || async move { to("/round.png".into()) }),
        )
        .layer(axum::middleware::map_request(move |request: axum::extract::Request| {
            assert!(!request.headers().contains_key("authorization") && !request.headers().contains_key("cookie"));
            log.lock().unwrap().push(request.uri().path().to_owned());
            async move { request }
        }));
    // It lives as long as the test.
    let server = Server::start(listener, router, ServerConfig::default(), Arc::new(|_| {}));
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(server);
    });
    (base, asked)
}

#[tokio::test]
async fn a_picture_on_the_web_is_fetched_here_and_kept() {
    let (host, asked) = host().await;
    let trial = Trial::new(CLOSED).await;
    let get = async |path: &str| {
        *trial.batch.image.lock().unwrap() = url(&format!("{host}{path}"));
        trial
            .ask(&format!(
                "GET /media/1/image\nAuthorization: Bearer {TOKEN}\nCookie: a=b"
            ))
            .await
    };
    for _ in 0..3 {
        let shown = get("/a.png").await;
        assert_eq!(
            (shown.status, shown.header("content-type")),
            (200, Some("image/png")),
            "{shown:?}"
        );
        assert_eq!(
            (shown.body == png(), shown.header("cache-control")),
            (true, Some("private, no-cache"))
        );
    }
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert_eq!(get("/moved.png").await.status, 200);
    for (path, status) in [
        ("/page.png", 502),
        ("/large.png", 502),
        ("/none.png", 502),
        ("/round.png", 502),
        ("/away.png", 404),
    ] {
        let answer = get(path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("text/plain; charset=utf-8")),
            "{path}"
        );
        let before = asked.lock().unwrap().len();
        assert_eq!(get(path).await.status, status);
        assert_eq!(
            asked.lock().unwrap().len(),
            before,
            "{path} is not asked for again at once"
        );
    }
}

/// A row's picture has one address, and the row may name another picture tomorrow.
#[tokio::test]
async fn a_picture_on_the_web_is_shown_again_unless_it_is_the_same() {
    let (host, _) = host().await;
    let trial = Trial::new(OPEN).await;
    let name = |path: &str| *trial.batch.image.lock().unwrap() = url(&format!("{host}{path}"));
    name("/a.png");
    let shown = trial.ask("GET /media/1/image").await;
    let etag = shown.header("etag").unwrap();
    assert_eq!(etag.len(), 66, "a SHA-256 in quotes: {etag}");
    let again = format!("GET /media/1/image\nIf-None-Match: {etag}");
    let known = trial.ask(&again).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(
        (known.header("etag"), known.header("cache-control")),
        (Some(etag), Some("private, no-cache"))
    );
    // The same bytes from elsewhere are the same picture.
    name("/moved.png");
    assert_eq!(trial.ask(&again).await.status, 304);
    name("/b.png");
    let other = trial.ask(&again).await;
    assert_eq!((other.status, other.body.len()), (200, png().len() + 1));
    assert_ne!(other.header("etag"), Some(etag));
}

/// Neither a trial asks the web, nor anybody who was not told to a private network.
#[tokio::test]
async fn pictures_are_fetched_only_where_they_may_be() {
    let (host, asked) = host().await;
    let private = format!("{host}/a.png");
    let named = private.replace("127.0.0.1", "localhost");
    for (reach, address) in [
        (Reach::Web { private_hosts: false }, private.as_str()),
        (Reach::Web { private_hosts: false }, "http://[::1]/a.png"),
        (Reach::Web { private_hosts: false }, "http://169.254.169.254/latest"),
        (Reach::Web { private_hosts: true }, "file:///etc/passwd"),
        (Reach::ThisMachine, "https://img.example.org/a.png"),
        (Reach::ThisMachine, "http://192.168.1.1/a.png"),
        (Reach::ThisMachine, "file:///etc/passwd"),
    ] {
        let trial = Trial::new(Setup { reach, ..OPEN }).await;
        *trial.batch.image.lock().unwrap() = url(address);
        assert_eq!(trial.ask("GET /media/1/image").await.status, 404, "{reach:?} {address}");
    }
    // A name is judged by where it leads.
    let trial = Trial::new(Setup {
        reach: Reach::Web { private_hosts: false },
        ..OPEN
    })
    .await;
    *trial.batch.image.lock().unwrap() = url(&named);
    assert_eq!(trial.ask("GET /media/1/image").await.status, 502);
    assert_eq!(asked.lock().unwrap().len(), 0);
    let trial = Trial::new(Setup {
        reach: Reach::Web { private_hosts: true },
        ..OPEN
    })
    .await;
    *trial.batch.image.lock().unwrap() = url(&private);
    assert_eq!(trial.ask("GET /media/1/image").await.status, 200);
}
