//! Uploads, and images that were never uploaded.

use sha2::{Digest, Sha256};

use super::*;

fn field(name: &str, value: &str) -> String {
    format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn file(content: &str) -> String {
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"boat.png\"\r\nContent-Type: image/png";
    format!("--xyz\r\n{head}\r\n\r\n{content}\r\n")
}

async fn upload(sandbox: &Sandbox, parts: &[String]) -> Seen {
    let body = parts.concat() + "--xyz--\r\n";
    let headers = "Authorization: Bearer any\r\nContent-Type: multipart/form-data; boundary=xyz\r\n";
    let request = request("POST", "/api/file-stream-upload", headers, &body);
    exchange(sandbox, &request, PATIENCE).await
}

fn good() -> [String; 3] {
    [
        field("uploadPath", "batch/7"),
        field("fileName", "a boat.png"),
        file("pixels"),
    ]
}

#[tokio::test]
async fn an_upload_becomes_a_url_that_a_task_can_use() {
    let sandbox = sandbox(quick()).await;
    let seen = upload(&sandbox, &good()).await;
    let answer = seen.envelope();
    assert_eq!(
        (seen.status(), &answer["success"], &answer["code"]),
        (200, &json!(true), &json!(200))
    );
    assert_eq!(answer["msg"], "File uploaded successfully");
    let data = &answer["data"];
    for (field, value) in [
        ("success", json!(true)),
        ("fileName", json!("a boat.png")),
        ("filePath", json!("batch/7/a boat.png")),
        ("fileSize", json!(6)),
        ("mimeType", json!("image/png")),
    ] {
        assert_eq!(data[field], value, "{field}");
    }
    let url = data["downloadUrl"].as_str().unwrap();
    assert!(
        url.starts_with(&format!("{}/uploads/batch/7/a%20boat.png?", sandbox.url())),
        "{url}"
    );
    let known: Value = serde_json::from_slice(&fetch(url, "GET", "").await.body).unwrap();
    let hash: String = Sha256::digest(b"pixels")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(known, json!({"fileSize": 6, "sha256": hash}));
    assert_eq!(
        upload(&sandbox, &good()).await.envelope()["data"]["downloadUrl"],
        url,
        "the same file again"
    );

    let mut asked = body("a boat");
    asked["input"]["image_url"] = json!(url);
    let task_id = post(&sandbox, &asked).await.task_id();
    assert_eq!(record(&sandbox, &task_id).await.envelope()["data"]["state"], "success");
    let books = sandbox.books();
    assert_eq!(
        (
            books.uploads.stored,
            books.uploads.bytes,
            books.uploads.fetched_with_key
        ),
        (2, 12, 0)
    );
    assert_eq!(books.requests, 1);
}

#[tokio::test]
async fn an_image_that_was_never_uploaded_fails_the_task() {
    let sandbox = sandbox(quick()).await;
    let mut asked = body("a boat");
    asked["input"]["image_url"] = json!(format!("{}/uploads/batch/7/boat.png", sandbox.url()));
    let task_id = post(&sandbox, &asked).await.task_id();
    let data = record(&sandbox, &task_id).await.envelope()["data"].clone();
    assert_eq!(
        (&data["state"], &data["failMsg"]),
        (&json!("fail"), &json!("The input image could not be fetched"))
    );
    let unknown = fetch(asked["input"]["image_url"].as_str().unwrap(), "GET", "").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn an_upload_without_a_name_gets_one() {
    let sandbox = sandbox(quick()).await;
    let seen = upload(&sandbox, &[field("uploadPath", "batch"), file("pixels")]).await;
    let name = seen.envelope()["data"]["fileName"].as_str().unwrap().to_owned();
    assert!(name.ends_with(".png") && name.len() > 20, "{name}");
}

#[tokio::test]
async fn wrong_uploads_are_refused_in_the_words_of_the_upload_host() {
    let sandbox = sandbox(quick()).await;
    let path = |path: &str| vec![field("uploadPath", path), file("pixels")];
    for (parts, text) in [
        (vec![field("uploadPath", "batch")], "file is required"),
        (vec![file("pixels")], "uploadPath is required"),
        (path("/batch"), "uploadPath must not"),
        (path("batch/"), "uploadPath must not"),
        (path("batch/../../etc"), "uploadPath must not"),
        (path(&"x".repeat(600)), "uploadPath is too long"),
        (
            vec![field("uploadPath", "batch"), field("fileName", "../x"), file("x")],
            "fileName must",
        ),
        (vec!["nonsense".to_owned()], "last boundary"),
    ] {
        let seen = upload(&sandbox, &parts).await;
        let answer = seen.envelope();
        assert_eq!(
            (seen.status(), &answer["success"], &answer["code"]),
            (400, &json!(false), &json!(400)),
            "{text}"
        );
        assert!(answer["msg"].as_str().unwrap().contains(text), "{text}: {answer}");
    }
    let plain = |method: &str, headers: &str| request(method, "/api/file-stream-upload", headers, "");
    let key = "Authorization: Bearer any\r\n";
    assert_eq!(exchange(&sandbox, &plain("GET", key), PATIENCE).await.code(), 405);
    assert_eq!(exchange(&sandbox, &plain("POST", ""), PATIENCE).await.code(), 401);
    assert_eq!(exchange(&sandbox, &plain("POST", key), PATIENCE).await.code(), 400);
    let large = plain(
        "POST",
        &format!("{key}Content-Type: multipart/form-data; boundary=xyz\r\n"),
    )
    .replace("Content-Length: 0", "Content-Length: 999999999");
    assert_eq!(exchange(&sandbox, &large, PATIENCE).await.code(), 413);
    assert_eq!(
        (sandbox.books().uploads.stored, sandbox.books().uploads.refused),
        (0, 12)
    );
}

#[tokio::test]
async fn faults_strike_uploads() {
    let sandbox = sandbox(quick()).await;
    for (word, status, stored) in [
        ("upload-401", 401, 0),
        ("upload-500", 500, 0),
        ("upload-429:ra=3", 429, 0),
        ("upload-page502", 502, 0),
        ("upload-slow=10ms", 200, 1),
    ] {
        sandbox.set_faults(plan(&[&format!("{word}=1")]));
        let seen = upload(&sandbox, &good()).await;
        assert_eq!(
            (seen.status(), sandbox.books().uploads.stored),
            (status, stored),
            "{word}"
        );
        if word.starts_with("upload-4") {
            assert_eq!(seen.envelope()["success"], false, "{word}");
        }
    }
    sandbox.set_faults(plan(&["upload-lost=1"]));
    assert_eq!(upload(&sandbox, &good()).await, Seen::ClosedWithoutReply);
    assert_eq!(
        sandbox.books().uploads.stored,
        2,
        "a lost answer is that of a stored file"
    );
}

#[tokio::test]
async fn an_everyday_client_can_upload_a_large_file() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sandbox = sandbox(quick()).await;
    let pixels: Vec<u8> = (0..3_000_000u32).map(|number| number.to_le_bytes()[1] ^ 13).collect();
    let form = reqwest::multipart::Form::new()
        .part(
            "file",
            reqwest::multipart::Part::bytes(pixels.clone()).file_name("boat.png"),
        )
        .text("uploadPath", "batch")
        .text("fileName", "boat.png");
    let url = format!("{}/api/file-stream-upload", sandbox.url());
    let request = client.post(url).bearer_auth("any").multipart(form);
    let answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(answer["data"]["fileSize"], 3_000_000);
    let link = answer["data"]["downloadUrl"].as_str().unwrap();
    let known: Value = serde_json::from_slice(&fetch(link, "GET", "").await.body).unwrap();
    let hash: String = Sha256::digest(&pixels)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(known["sha256"], hash);
}
