//! Local images, from the file to the request: the sandbox counts what is uploaded and says what was asked for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use support::{Batch, KEY, SandboxProcess, files_below, wait_until};

/// A PNG of 512 × 512 pixels, as far as its header tells; no two seeds have the same content.
fn image(seed: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\0\0\0\x02\0\x08\x02\0\0\0".to_vec();
    bytes.extend(seed.to_le_bytes());
    bytes
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Rows `r1`, `r2`, … with these images.
fn manifest<S: AsRef<str>>(images: &[S]) -> String {
    let rows = images.iter().enumerate();
    rows.fold("id,prompt,image_url\n".to_owned(), |text, (index, image)| {
        format!("{text}r{0},clip number {0},{1}\n", index + 1, image.as_ref())
    })
}

/// A batch with these rows' images, and the files `1.png`, `2.png`, … up to `files`.
fn batch<S: AsRef<str>>(images: &[S], files: usize, sandbox: &SandboxProcess) -> Batch {
    let batch = Batch::with_manifest("shots.csv", &manifest(images), &sandbox.url);
    for number in 1..=files {
        fs::write(batch.path(&format!("{number}.png")), image(number)).unwrap();
    }
    batch
}

/// As many rows, each with an image of its own.
fn own_images(rows: usize) -> Vec<String> {
    (1..=rows).map(|number| format!("{number}.png")).collect()
}

fn uploads(sandbox: &SandboxProcess) -> u64 {
    sandbox.books()["uploads"]["stored"].as_u64().unwrap()
}

/// Error codes of the rows in the results, with the rows' ids; `-` for none.
fn codes(batch: &Batch) -> Vec<(String, String)> {
    let rows = batch.results().into_iter();
    rows.map(|row| (row["id"].clone(), row["error_code"].clone())).collect()
}

#[test]
fn each_image_is_uploaded_once_however_many_rows_and_runs_use_it() {
    let sandbox = SandboxProcess::start(&[]);
    let mut images: Vec<String> = (0..50).map(|row| format!("{}.png", row % 3 + 1)).collect();
    let batch = batch(&images, 3, &sandbox);
    batch.run(&[]).expect_code(0);
    assert_eq!((uploads(&sandbox), sandbox.count("accepted")), (3, 50));

    let hashes = [1, 2, 3].map(|seed| sha256(&image(seed)));
    for request in sandbox.requests() {
        let number: usize = request["prompt"]
            .as_str()
            .unwrap()
            .strip_prefix("clip number ")
            .and_then(|number| number.parse().ok())
            .unwrap();
        let url = request["image_url"].as_str().unwrap();
        assert!(url.starts_with(&format!("{}/uploads/", sandbox.url)), "{url}");
        assert!(url.contains(&format!("sha256={}", hashes[(number - 1) % 3])), "{url}");
    }
    for (row, path) in batch.results().iter().zip(&images) {
        assert_eq!(&row["image_url"], path, "the user's own words");
    }

    // Another run, and later rows: what is up there is still there.
    batch.run(&[]).expect_code(0);
    images.extend(["2.png".to_owned(), "copy of 3.png".to_owned()]);
    fs::copy(batch.path("3.png"), batch.path("copy of 3.png")).unwrap();
    batch.rewrite(&manifest(&images));
    batch.run(&[]).expect_code(0);
    assert_eq!((uploads(&sandbox), sandbox.count("accepted")), (3, 52));
    assert_eq!(sandbox.books()["uploads"]["fetched_with_key"], 0);
    for (path, bytes) in files_below(batch.folder.path()) {
        assert!(
            !bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()),
            "the key is in {}",
            path.display()
        );
    }
}

#[test]
fn an_upload_that_has_grown_old_is_made_again() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = batch(&["1.png", "1.png"], 1, &sandbox);
    batch.run(&["--limit", "1"]).expect_code(0);
    let ledger = rusqlite::Connection::open(batch.ledger()).unwrap();
    ledger
        .execute("UPDATE uploads SET uploaded_at = uploaded_at - 72000000", [])
        .unwrap();
    drop(ledger);
    batch.run(&[]).expect_code(0);
    assert_eq!((uploads(&sandbox), sandbox.count("accepted")), (2, 2));
}

#[test]
fn an_upload_to_one_server_is_not_sent_to_another() {
    let (first, second) = (SandboxProcess::start(&[]), SandboxProcess::start(&[]));
    let batch = batch(&["1.png", "1.png"], 1, &first);
    batch.run(&["--limit", "1"]).expect_code(0);
    batch.run(&["--base-url", &second.url]).expect_code(0);
    assert_eq!((uploads(&first), uploads(&second)), (1, 1));
    let url = second.requests()[0]["image_url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&second.url), "{url}");
}

#[test]
fn an_image_that_changes_or_goes_during_the_run_costs_its_row_and_no_other() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = batch(&own_images(40), 40, &sandbox);
    let run = batch.start(&["--json", "--rate", "10/1s"]);
    wait_until("the first request", || sandbox.count("requests") > 0);
    // Far behind the rows whose images are being prepared.
    fs::remove_file(batch.path("39.png")).unwrap();
    fs::write(batch.path("40.png"), image(400)).unwrap();
    let ended = run.end();
    ended.expect_code(1);
    assert_eq!(
        (ended.count("accepted"), ended.count("rejected")),
        (38, 2),
        "{ended:#?}"
    );
    let results = batch.results();
    assert_eq!(
        (&*results[38]["error_code"], &*results[39]["error_code"]),
        ("image", "image")
    );
    assert_eq!((&*results[38]["attempts"], &*results[39]["attempts"]), ("0", "0"));
    assert_eq!(
        results[38]["error_message"],
        "the image is no longer there: put it right, and run again with `--retry-rejected=image`"
    );
    assert_eq!(
        results[39]["error_message"],
        "the image was changed after the manifest was read: run again, which sends the row with the new image"
    );

    // Both do as they say.
    fs::write(batch.path("39.png"), image(39)).unwrap();
    let ended = batch.run(&[]);
    assert_eq!(
        (ended.count("accepted"), ended.count("rejected")),
        (39, 1),
        "{ended:#?}"
    );
    batch.run(&["--retry-rejected=image"]).expect_code(0);
    assert_eq!((uploads(&sandbox), sandbox.count("accepted")), (40, 40));
    let last = sandbox.requests()[38]["image_url"].as_str().unwrap().to_owned();
    assert!(last.contains(&sha256(&image(400))), "{last}");
}

#[test]
fn an_upload_that_is_refused_rejects_the_rows_of_this_image_alone() {
    let sandbox = SandboxProcess::start(&["--fault", "upload-422=1"]);
    let web = "https://img.example.org/a.png";
    let batch = batch(&["1.png", web, "1.png", web, "2.png"], 2, &sandbox);
    let ended = batch.run(&[]);
    ended.expect_code(1);
    assert_eq!((ended.count("accepted"), ended.count("rejected")), (2, 3));
    let expected = [
        ("r1", "upload"),
        ("r2", ""),
        ("r3", "upload"),
        ("r4", ""),
        ("r5", "upload"),
    ];
    assert_eq!(
        codes(&batch),
        expected.map(|(id, code)| (id.to_owned(), code.to_owned()))
    );
    assert_eq!(
        batch.results()[0]["error_message"],
        "the upload of its image was refused with 422: Invalid parameter"
    );
    // One try for each image.
    assert_eq!(sandbox.books()["uploads"]["refused"], 2);
    assert_eq!(sandbox.count("requests"), 2);
}

#[test]
fn an_upload_that_fails_is_tried_again() {
    let sandbox = SandboxProcess::start(&[
        "--seed",
        "7",
        "--fault",
        "upload-500=0.2",
        "--fault",
        "upload-lost=0.2",
        "--fault",
        "upload-429=0.1",
    ]);
    let batch = batch(&own_images(12), 12, &sandbox);
    batch.run(&[]).expect_code(0);
    assert_eq!(sandbox.count("accepted"), 12);
    assert!(
        sandbox.books()["uploads"]["refused"].as_u64().unwrap() > 0,
        "{}",
        sandbox.books()
    );
}

#[test]
fn a_refused_key_halts_before_anything_is_sent() {
    let sandbox = SandboxProcess::start(&["--fault", "upload-401=1"]);
    let batch = batch(&own_images(5), 5, &sandbox);
    let ended = batch.run(&[]);
    ended.expect_code(3);
    assert_eq!((ended.count("queued"), ended.count("requests")), (5, 0));
    assert_eq!(ended.summary()["halted"]["code"], "401");
    assert!(
        ended.stderr.contains("the API refused the key (at row"),
        "{}",
        ended.stderr
    );
    assert_eq!(sandbox.count("requests"), 0);
}

#[test]
fn a_crash_between_upload_and_request_loses_nothing_and_pays_nothing_twice() {
    let sandbox = SandboxProcess::start(&["--latency", "20ms"]);
    let batch = batch(&own_images(30), 30, &sandbox);
    for uploaded in [3, 9, 18] {
        let run = batch.start(&["--rate", "40/1s"]);
        wait_until("some uploads", || uploads(&sandbox) >= uploaded);
        run.kill();
    }
    let ended = batch.run(&[]);
    assert_eq!(ended.count("queued") + ended.count("rejected"), 0, "{ended:#?}");
    let verdict = batch.judge(&sandbox);
    assert_eq!(verdict.count("accepted") + verdict.count("unknown"), 30);
    // Only those whose upload was not recorded when the run died are uploaded again: four at a time.
    assert!((30..=30 + 3 * 4).contains(&uploads(&sandbox)), "{}", sandbox.books());
    let urls: BTreeSet<String> = sandbox
        .requests()
        .iter()
        .map(|request| request["image_url"].to_string())
        .collect();
    assert_eq!(urls.len(), sandbox.requests().len(), "each row has its own image");
}

#[test]
fn a_later_run_takes_the_word_of_an_earlier_one_for_files_that_are_as_they_were() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = batch(&["1.png"], 1, &sandbox);
    // A file that was only just written could be written again without its times showing it.
    thread::sleep(Duration::from_millis(2_100));
    batch.run(&[]).expect_code(0);
    let change = |sql: &str| {
        let ledger = rusqlite::Connection::open(batch.ledger()).unwrap();
        ledger.execute(sql, []).unwrap()
    };
    assert_eq!(change("UPDATE images SET sha256 = zeroblob(32)"), 1);
    assert_eq!(batch.run(&[]).count("changed"), 1, "what is remembered is believed");
    assert_eq!(change("UPDATE images SET inode = inode + 1"), 1);
    assert_eq!(batch.run(&[]).count("changed"), 0, "another file is read");
}
