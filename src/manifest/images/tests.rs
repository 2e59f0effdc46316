use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use super::*;
use crate::image::{Dimensions, ImageKind};
use crate::manifest::{Manifest, ManifestError, Reading, Repeat, Row, Survey, survey};

/// A folder with a manifest and images.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// `batch/clips.csv` beside whatever else is in the folder.
    fn manifest(&self) -> PathBuf {
        self.path("batch/clips.csv")
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes a manifest with these cells in the column `image_url`.
    fn rows(&self, cells: &[&str]) {
        let mut writer = csv::Writer::from_path(self.manifest()).unwrap();
        writer.write_record(["prompt", "image_url"]).unwrap();
        for cell in cells {
            writer.write_record(["a boat", cell]).unwrap();
        }
        writer.flush().unwrap();
    }

    fn images(&self) -> Images {
        Images::beside(&self.manifest(), false)
    }

    /// What a manifest with this one cell comes to: the hash of its image, or what is said about it.
    fn of(&self, cell: &str) -> Result<ImageHash, String> {
        self.judged(cell, &mut self.images())
    }

    fn judged(&self, cell: &str, images: &mut Images) -> Result<ImageHash, String> {
        self.rows(&[cell]);
        let mut manifest = Manifest::open(&self.manifest(), &Reading::default(), images).unwrap();
        let mut row = Row::default();
        assert!(manifest.read(&mut row).unwrap());
        let mut cells = String::new();
        row.cells_json(&mut cells);
        assert_eq!(
            cells,
            serde_json::json!(["a boat", cell]).to_string(),
            "the user's own cell is kept"
        );
        let said: Vec<String> = row.problems().iter().map(ToString::to_string).collect();
        match row.submission() {
            Some(submission) => {
                assert_eq!(submission.image_url, cell.trim());
                submission.image_sha256.ok_or("on the web".to_owned())
            }
            None => Err(said.join("; ")),
        }
    }
}

/// A picture of its own for each `seed`, of so many pixels.
fn png(width: u32, height: u32, seed: u8) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0, seed]);
    bytes
}

fn sha256(bytes: &[u8]) -> ImageHash {
    use sha2::{Digest, Sha256};
    ImageHash(Sha256::digest(bytes).into())
}

fn survey_of(place: &Place, images: &mut Images) -> Survey {
    survey(&place.manifest(), &Reading::default(), images, |_| {}).unwrap()
}

/// Reads the manifest to its end, as an import does.
fn read_again(place: &Place, images: &mut Images, first: &Survey) -> Result<(), ManifestError> {
    let mut manifest = Manifest::open(&place.manifest(), &Reading::default(), images)?;
    let mut row = Row::default();
    while manifest.read(&mut row)? {}
    manifest.expect_same(first.fingerprint)
}

/// Lets a file look as if nobody had touched it lately, as far as a program can.
fn age(path: &Path) {
    let old = SystemTime::now() - Duration::from_secs(60);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(old)
        .unwrap();
}

#[test]
fn a_path_begins_in_the_manifests_folder() {
    let place = Place::new();
    for (seed, name) in [
        (1, "a.png"),
        (2, "deep/er/a.png"),
        (3, "小船 am Fluß.png"),
        (4, "a#b?c=%20.png"),
        (5, "sc:ene.png"),
        (6, "clips.v2/a"),
    ] {
        let bytes = png(400, 400, seed);
        place.path("batch/deep/x");
        let path = place.write(&format!("batch/{name}"), &bytes);
        let hash = Ok(sha256(&bytes));
        if !name.contains(':') {
            assert_eq!(place.of(name), hash, "{name}");
        }
        assert_eq!(place.of(&format!("./{name}")), hash, "{name}");
        assert_eq!(place.of(&format!(" deep/../{name} ")), hash, "{name}");
        assert_eq!(place.of(path.to_str().unwrap()), hash, "{name}");
        let url = url::Url::from_file_path(&path).unwrap();
        assert_eq!(place.of(url.as_str()), hash, "{url}");
    }
    assert_eq!(place.of("https://img.example.org/a.png").unwrap_err(), "on the web");
}

#[test]
fn the_working_directory_and_a_link_to_the_manifest_do_not_matter() {
    let place = Place::new();
    let bytes = png(400, 400, 1);
    place.write("batch/a.png", &bytes);
    place.rows(&["a.png"]);
    let link = place.path("elsewhere/link.csv");
    symlink(place.manifest(), &link).unwrap();
    let mut images = Images::beside(&link, false);
    let survey = survey(&link, &Reading::default(), &mut images, |_| {}).unwrap();
    assert_eq!((survey.invalid, survey.local_images.uploads), (0, 1));
    assert!(images.files().read("a.png", sha256(&bytes)).is_ok());
}

#[test]
fn the_apis_own_form_may_name_a_file_too() {
    let place = Place::new();
    place.write("batch/a.png", &png(400, 400, 1));
    let manifest = place.write(
        "batch/clips.jsonl",
        br#"{"input":{"prompt":"a boat","image_url":"a.png"}}
            {"prompt":"a boat","image_url":"b.png"}
            {"prompt":"a boat","image_url":"a.png\u0000.png"}"#,
    );
    let survey = survey(
        &manifest,
        &Reading::default(),
        &mut Images::beside(&manifest, false),
        |_| {},
    )
    .unwrap();
    assert_eq!((survey.rows, survey.invalid, survey.local_images.rows), (3, 2, 1));
}

#[test]
fn what_leads_out_of_the_folder_needs_leave() {
    let place = Place::new();
    let bytes = png(400, 400, 1);
    let outside = place.write("private/a.png", &bytes);
    place.write("batch/own.png", &png(400, 400, 2));
    symlink(&outside, place.path("batch/link.png")).unwrap();
    symlink(place.path("private/x").parent().unwrap(), place.path("batch/folder")).unwrap();
    // Its name begins like the folder's.
    place.write("batch-2/a.png", &bytes);
    symlink("own.png", place.path("batch/inner.png")).unwrap();
    let url = format!("file://{}", outside.display());
    for cell in [
        "../private/a.png",
        "folder/../private/a.png",
        "link.png",
        "folder/a.png",
        "../batch-2/a.png",
        outside.to_str().unwrap(),
        &url,
    ] {
        let said = place.of(cell).unwrap_err();
        assert_eq!(
            said,
            format!("`image_url` leads out of the manifest's folder: {}", shown(cell))
        );
        let mut images = Images::beside(&place.manifest(), true);
        assert_eq!(place.judged(cell, &mut images), Ok(sha256(&bytes)), "{cell}");
    }
    assert!(place.of("inner.png").is_ok());
    assert!(place.of("../batch/own.png").is_ok());
}

#[test]
fn what_is_no_image_file_is_said_to_be_just_that() {
    let place = Place::new();
    place.path("batch/folder/x");
    place.write("batch/a.gif", b"GIF89a\x01\0\x01\0");
    place.write("batch/login.png", b"<!DOCTYPE html><html>");
    place.write("batch/empty.png", b"");
    place.write("batch/small.png", &png(300, 900, 1));
    place.write("batch/wide.png", &png(2000, 500, 1));
    place.write("batch/\u{1b}[31m.png", b"text");
    let large = place.write("batch/large.png", &png(400, 400, 1));
    // A hole: nobody has to read a file to know that it is too large.
    File::options()
        .write(true)
        .open(large)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let status = std::process::Command::new("mkfifo")
        .arg(place.path("batch/pipe.png"))
        .status();
    assert!(status.unwrap().success());
    symlink("loop.png", place.path("batch/loop.png")).unwrap();
    for (cell, said) in [
        ("folder", "`image_url` is not a file: folder is a folder"),
        (".", "`image_url` is not a file: . is a folder"),
        ("pipe.png", "`image_url` is not a file: pipe.png is a pipe"),
        (
            "a.gif",
            "`image_url` is not a JPEG, PNG or WebP image: a.gif is a GIF image",
        ),
        (
            "login.png",
            "`image_url` is not a JPEG, PNG or WebP image: login.png is an HTML page",
        ),
        (
            "empty.png",
            "`image_url` is not a JPEG, PNG or WebP image: empty.png is empty",
        ),
        (
            "\u{1b}[31m.png",
            "`image_url` is not a JPEG, PNG or WebP image: \\u{1b}[31m.png is text",
        ),
        (
            "small.png",
            "`image_url` has a side of 300 pixels or less: small.png is 300 × 900; \
             `image_url` is narrower than 2:5 or wider than 5:2: small.png is 300 × 900",
        ),
        (
            "wide.png",
            "`image_url` is narrower than 2:5 or wider than 5:2: wide.png is 2000 × 500",
        ),
        (
            "large.png",
            "`image_url` has more than 10,000,000 bytes: large.png has 1,099,511,627,776 bytes",
        ),
        (
            "loop.png",
            "the file of `image_url` cannot be read: loop.png: too many levels of symbolic links",
        ),
    ] {
        assert_eq!(place.of(cell).unwrap_err(), said);
    }
}

#[test]
fn an_image_without_readable_dimensions_is_sent_with_a_warning() {
    let place = Place::new();
    let bytes = png(400, 400, 1)[..18].to_vec();
    place.write("batch/cut.png", &bytes);
    assert_eq!(place.of("cut.png"), Ok(sha256(&bytes)));
    let survey = survey_of(&place, &mut place.images());
    assert_eq!((survey.invalid, survey.report.warnings), (0, 1));
    assert_eq!(survey.report.groups[0].rule, Rule::ImageUnmeasured);
}

#[test]
fn every_fault_that_keeps_an_image_from_being_sent_is_an_error_and_no_other() {
    let dimensions = Dimensions { width: 1, height: 1 };
    for fault in [
        Fault::Empty,
        Fault::NotAnImage("text"),
        Fault::TooLarge { bytes: 1 },
        Fault::TooSmall(dimensions),
        Fault::TooNarrow(dimensions),
        Fault::Unmeasured,
    ] {
        let is_warning = problem_of_fault("a.png", &fault).severity() == crate::manifest::Severity::Warning;
        assert_eq!(is_warning, fault == Fault::Unmeasured, "{fault:?}");
    }
}

#[test]
fn a_file_that_may_not_be_read_is_an_error_of_its_row() {
    let place = Place::new();
    let path = place.write("batch/a.png", &png(400, 400, 1));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything.
    if File::open(&path).is_err() {
        let said = place.of("a.png").unwrap_err();
        assert_eq!(said, "the file of `image_url` cannot be read: a.png: permission denied");
    }
}

#[test]
fn a_path_that_names_nothing_is_explained() {
    let place = Place::new();
    place.write("batch/images/Boat.JPG", &png(400, 400, 1));
    place.write("batch/images/take-12.png", &png(400, 400, 2));
    place.write("private/boat.png", &png(400, 400, 3));
    symlink("nothing.png", place.path("batch/dangling.png")).unwrap();
    let missing = |found: &str| format!("`image_url` is neither a web address nor a file that is there: {found}");
    for (cell, said) in [
        (
            "images/boat.png",
            missing("images/boat.png, did you mean `images/Boat.JPG`?"),
        ),
        (
            "images\\Boat.JPG",
            missing("images\\Boat.JPG, did you mean `images/Boat.JPG`?"),
        ),
        ("images/take-13.png", missing("images/take-13.png")),
        ("C:\\photos\\1.png", missing("C:\\photos\\1.png")),
        ("~/1.png", missing("~/1.png, and only a shell knows what `~` is")),
        ("dangling.png", missing("dangling.png, a link to nothing")),
        ("images/Boat.JPG/1.png", missing("images/Boat.JPG/1.png")),
        ("file://nas/1.png", missing("file://nas/1.png")),
        // What lies outside is not listed.
        ("../private/boat.jpg", missing("../private/boat.jpg")),
        (
            "img.example.org/1.png",
            "`image_url` does not begin with `https://`: img.example.org/1.png".into(),
        ),
        (
            "www.example.org",
            "`image_url` does not begin with `https://`: www.example.org".into(),
        ),
        (
            "//img.example.org/1.png",
            "`image_url` does not begin with `https://`: //img.example.org/1.png".into(),
        ),
        (
            "ftp://x/1.png",
            "`image_url` is neither an http nor an https URL: ftp://x/1.png".into(),
        ),
        (
            "data:image/png;base64,AA",
            "`image_url` is neither an http nor an https URL: data:image/png;base64,AA".into(),
        ),
    ] {
        assert_eq!(place.of(cell).unwrap_err(), said);
    }
    let long = "x".repeat(5_000);
    assert!(
        place
            .of(&long)
            .unwrap_err()
            .starts_with("`image_url` does not begin with `https://`")
    );
}

#[test]
fn equal_content_is_one_image_whatever_its_names() {
    let place = Place::new();
    place.write("batch/a.png", &png(400, 400, 1));
    place.write("batch/copy.png", &png(400, 400, 1));
    place.write("batch/other.png", &png(400, 400, 2));
    place.rows(&[
        "a.png",
        "copy.png",
        "./a.png",
        "other.png",
        "https://img.example.org/1.png",
        "missing.png",
    ]);
    let survey = survey_of(&place, &mut place.images());
    assert_eq!(survey.repeats.of(2), Repeat::Copy(1));
    assert_eq!(survey.repeats.of(3), Repeat::Copy(2));
    assert_eq!(survey.repeats.of(4), Repeat::First);
    let bytes = png(400, 400, 1).len() as u64 * 2;
    let counts = (
        survey.local_images.rows,
        survey.local_images.uploads,
        survey.local_images.bytes,
    );
    assert_eq!((survey.invalid, counts), (1, (4, 2, bytes)));
}

#[test]
fn an_image_is_read_once_for_all_rows_and_readings() {
    let place = Place::new();
    place.write("batch/a.png", &png(400, 400, 1));
    let mut images = place.images();
    assert!(place.judged("a.png", &mut images).is_ok());
    // A hash that no reading would find shows who is asked.
    let false_hash = ImageHash([7; 32]);
    for seen in images.seen.values_mut() {
        seen.facts.as_mut().unwrap().sha256 = false_hash;
    }
    assert_eq!(place.judged("a.png", &mut images), Ok(false_hash));
    place.write("batch/a.png", &png(400, 400, 2));
    assert_eq!(place.judged("a.png", &mut images), Ok(sha256(&png(400, 400, 2))));
    assert_eq!(images.seen.len(), 1);
}

#[test]
fn an_image_that_changes_between_the_readings_is_noticed() {
    let place = Place::new();
    let path = place.write("batch/a.png", &png(400, 400, 1));
    place.rows(&["a.png", "b.png"]);
    let changes: [&dyn Fn(); 4] = [
        &|| fs::write(&path, png(400, 400, 7)).unwrap(),
        &|| fs::write(&path, b"GIF89a\x01\0\x01\0").unwrap(),
        &|| fs::remove_file(&path).unwrap(),
        &|| drop(place.write("batch/b.png", &png(400, 400, 2))),
    ];
    for change in changes {
        let mut images = place.images();
        let survey = survey_of(&place, &mut images);
        assert!(read_again(&place, &mut images, &survey).is_ok());
        change();
        let again = read_again(&place, &mut images, &survey);
        assert!(matches!(again, Err(ManifestError::Changed { .. })), "{again:?}");
    }
}

/// Its own bytes are the same; but what the ledger took in the last time is out of date.
#[test]
fn a_manifest_is_another_one_once_an_image_is() {
    let place = Place::new();
    place.write("batch/a.png", &png(400, 400, 1));
    place.rows(&["a.png", "b.png"]);
    let fingerprint = || survey_of(&place, &mut place.images()).fingerprint;
    let first = fingerprint();
    assert_eq!(fingerprint(), first);
    place.write("batch/b.png", &png(400, 400, 2));
    let with_both = fingerprint();
    assert_ne!(with_both, first);
    // Written again with the same content.
    place.write("batch/a.png", &png(400, 400, 1));
    assert_eq!(fingerprint(), with_both);
    place.write("batch/a.png", &png(400, 400, 3));
    assert_ne!(fingerprint(), with_both);
}

#[test]
fn what_an_earlier_run_learned_is_taken_while_the_file_is_the_same() {
    let place = Place::new();
    let bytes = png(400, 500, 1);
    let path = place.write("batch/a.png", &bytes);
    let key = fs::canonicalize(&path).unwrap();
    place.rows(&["a.png"]);
    let false_hash = ImageHash([7; 32]);
    let facts = ImageFacts {
        stamp: file::stamp_of(&path).unwrap(),
        sha256: false_hash,
        kind: ImageKind::Png,
        dimensions: None,
    };
    let judged = |facts: ImageFacts| {
        let mut images = place.images();
        images.remember([(key.clone(), facts)]);
        place.judged("a.png", &mut images)
    };
    // Nobody looked: the hash is not the file's.
    assert_eq!(judged(facts), Ok(false_hash));
    for stamp in [
        FileStamp {
            bytes: 1,
            ..facts.stamp
        },
        FileStamp {
            modified_ns: 1,
            ..facts.stamp
        },
        FileStamp {
            changed_ns: 1,
            ..facts.stamp
        },
        FileStamp {
            inode: 1,
            ..facts.stamp
        },
    ] {
        assert_eq!(judged(ImageFacts { stamp, ..facts }), Ok(sha256(&bytes)));
    }
    // The limits of this version count, not those of the one that wrote it down.
    let dimensions = Some(Dimensions { width: 10, height: 10 });
    assert_eq!(judged(ImageFacts { dimensions, ..facts }), Ok(sha256(&bytes)));
    // Nor does it make a way out of the folder.
    let outside = place.write("private/a.png", &bytes);
    let stamp = file::stamp_of(&outside).unwrap();
    let mut images = place.images();
    images.remember([(outside.clone(), ImageFacts { stamp, ..facts })]);
    assert!(place.judged(outside.to_str().unwrap(), &mut images).is_err());
}

#[test]
fn what_was_written_a_moment_ago_is_not_remembered() {
    let place = Place::new();
    let path = place.write("batch/a.png", &png(400, 400, 1));
    age(&path);
    place.rows(&["a.png"]);
    let mut images = place.images();
    survey_of(&place, &mut images);
    // Its change of time is a change, too, and nobody can set that one back.
    assert_eq!(images.learned().count(), 0);
    let later = file::stamp_of(&path).unwrap().changed_ns / 1_000_000 + 2_100;
    let wait = later - crate::clock::Wall::System.now().0;
    std::thread::sleep(Duration::from_millis(wait.max(0).unsigned_abs()));
    let mut images = place.images();
    survey_of(&place, &mut images);
    let learned: Vec<_> = images.learned().collect();
    let (key, facts) = &learned[0];
    assert_eq!(*key, fs::canonicalize(&path).unwrap());
    assert_eq!(facts.stamp, file::stamp_of(&path).unwrap());
    assert_eq!(facts.sha256, sha256(&png(400, 400, 1)));
    // What was taken over is nothing new.
    let mut images = place.images();
    images.remember(learned);
    survey_of(&place, &mut images);
    assert_eq!(images.learned().count(), 0);
}

#[test]
fn memory_is_bounded_and_nothing_is_wrong_beyond_the_bound() {
    let place = Place::new();
    place.write("batch/a.png", &png(400, 400, 1));
    place.rows(&["a.png", "b.png", "a.png"]);
    let mut images = place.images();
    images.held_bytes = MOST_HELD_BYTES;
    let survey = survey_of(&place, &mut images);
    assert_eq!((survey.invalid, survey.local_images.rows), (1, 2));
    assert!(images.seen.is_empty());
    read_again(&place, &mut images, &survey).unwrap();
    let stamp = file::stamp_of(&place.path("batch/a.png")).unwrap();
    let facts = ImageFacts {
        stamp,
        sha256: ImageHash([7; 32]),
        kind: ImageKind::Png,
        dimensions: None,
    };
    images.remember([(PathBuf::from("/a.png"), facts)]);
    assert!(images.remembered.is_empty());
}

#[test]
fn only_the_content_that_was_seen_is_given_out() {
    let place = Place::new();
    let path = place.write("batch/1.png", &png(400, 400, 1));
    let sha256 = place.of("1.png").unwrap();
    let files = place.images().files();
    let url = url::Url::from_file_path(&path).unwrap();
    for text in ["1.png", "./1.png", path.to_str().unwrap(), url.as_str()] {
        let image = files.read(text, sha256).unwrap();
        assert_eq!((image.bytes, image.kind), (png(400, 400, 1), ImageKind::Png), "{text}");
    }

    let secret = place.write("secret.png", &png(400, 400, 2));
    fs::remove_file(&path).unwrap();
    assert_eq!(files.read("1.png", sha256), Err(StaleImage::Missing));
    assert_eq!(files.read("file://nas/1.png", sha256), Err(StaleImage::Missing));
    symlink(&secret, &path).unwrap();
    assert_eq!(files.read("1.png", sha256), Err(StaleImage::Changed));
    fs::remove_file(&path).unwrap();
    File::create(&path).unwrap().set_len(image::MOST_BYTES + 1).unwrap();
    assert_eq!(files.read("1.png", sha256), Err(StaleImage::Changed));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(files.read("1.png", sha256), Err(StaleImage::NotAFile("a folder")));
}
