use std::path::Path;

use rust_xlsxwriter::{Formula, Url, Workbook, Worksheet};

use crate::manifest::{Images, Manifest, Problem, ReadAs, Reading, Remark, Row, Rule, survey};

/// What is told of each row: where its problems are and what they say, and the address of its image.
type Told = Vec<(Vec<String>, String)>;

fn sheet(name: &str, cells: &[&[&str]]) -> Worksheet {
    let mut sheet = Worksheet::new();
    sheet.set_name(name).unwrap();
    for (row, cells) in cells.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            let (row, column) = (u32::try_from(row).unwrap(), u16::try_from(column).unwrap());
            sheet.write_string(row, column, *cell).unwrap();
        }
    }
    sheet
}

fn save(path: &Path, sheets: Vec<Worksheet>) {
    let mut workbook = Workbook::new();
    sheets.into_iter().for_each(|sheet| {
        workbook.push_worksheet(sheet);
    });
    workbook.save(path).unwrap();
}

fn read(sheets: Vec<Worksheet>, reading: &Reading) -> (Told, ReadAs) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clips.xlsx");
    save(&path, sheets);
    let mut images = Images::beside(&path, false);
    let mut manifest = Manifest::open(&path, reading, &mut images).unwrap();
    let (mut row, mut told) = (Row::default(), Told::new());
    while manifest.read(&mut row).unwrap() {
        let ground = manifest.ground();
        let said = |problem: &Problem| format!("{}: {problem}", ground.position(row.line(), problem.at));
        let address = row.submission().map(|submission| submission.image_url.into_owned());
        told.push((row.problems().iter().map(said).collect(), address.unwrap_or_default()));
    }
    let read_as = manifest.read_as();
    drop(manifest);
    // A survey makes the same of it.
    let survey = survey(&path, reading, &mut images, |_| {}).unwrap();
    assert_eq!((survey.rows as usize, &survey.read_as), (told.len(), &read_as));
    (told, read_as)
}

const ADDRESS: &str = "https://img.example.org/1.png";

#[test]
fn a_link_is_followed_where_the_text_is_no_address() {
    let mut clips = sheet("Clips", &[&["prompt", "image_url"], &["a", ""], &["b", ""], &["c", ""]]);
    let link = |target: &str, text: &str| Url::new(target).set_text(text);
    clips.write_url(1, 1, link(ADDRESS, "the boat")).unwrap();
    clips
        .write_url(
            2,
            1,
            link("https://img.example.org/old.png", "https://img.example.org/new.png"),
        )
        .unwrap();
    clips.write_url(3, 1, link(&format!("{ADDRESS}#top"), ADDRESS)).unwrap();
    let (told, _) = read(vec![clips], &Reading::default());
    assert_eq!(told[0], (vec![], ADDRESS.to_owned()));
    assert_eq!(
        told[1],
        (
            vec![
                "Clips!B3: the link of `image_url` leads elsewhere than its text, which is used: it leads to \
                 https://img.example.org/old.png"
                    .to_owned()
            ],
            "https://img.example.org/new.png".to_owned()
        )
    );
    assert_eq!(told[2], (vec![], ADDRESS.to_owned()));
}

#[test]
fn the_name_of_a_file_is_not_overruled_by_a_link() {
    let mut clips = sheet("Clips", &[&["prompt", "image_url"], &["a", ""], &["b", ""]]);
    clips.write_url(1, 1, Url::new(ADDRESS).set_text("boat.PNG")).unwrap();
    clips
        .write_url(2, 1, Url::new("file:///C:/old/boat.png").set_text("boat.png"))
        .unwrap();
    let (told, _) = read(vec![clips], &Reading::default());
    let missing = "`image_url` is neither a web address nor a file that is there";
    assert_eq!(
        told[0].0,
        [
            format!(
                "Clips!B2: the link of `image_url` leads elsewhere than its text, which is used: it leads to {ADDRESS}"
            ),
            format!("Clips!B2: {missing}: boat.PNG"),
        ]
    );
    assert_eq!(told[1].0, [format!("Clips!B3: {missing}: boat.png")]);
}

#[test]
fn what_a_cell_lacks_is_explained_once_and_in_its_place() {
    let mut clips = sheet(
        "My clips",
        &[
            &["prompt", "image_url", "duration", "notes"],
            &["", ADDRESS],
            &["b", ADDRESS, "", "", "", "see mail"],
            &["c", ADDRESS, "7"],
        ],
    );
    clips
        .write_formula(1, 0, Formula::new("=A9").set_result("#REF!"))
        .unwrap();
    clips
        .write_formula(1, 3, Formula::new("=1/0").set_result("#DIV/0!"))
        .unwrap();
    let (told, _) = read(vec![clips], &Reading::default());
    assert_eq!(told[0].0, ["'My clips'!A2: `prompt` shows an error: #REF!"]);
    // A remark beside the table is no part of the row, which is sent.
    assert_eq!(
        told[1].0,
        ["'My clips'!F3: text beside the table is left out: see mail"]
    );
    assert_eq!(told[1].1, ADDRESS);
    assert_eq!(told[2].0, ["'My clips'!C4: `duration` is neither `6` nor `10`: 7"]);
}

#[test]
fn the_sheet_with_a_header_is_read_and_the_others_are_named() {
    let sheets = || {
        let about = sheet("About", &[&["These are my clips"]]);
        let first = sheet(
            "First",
            &[&["My clips"], &[], &["prompt", "image_url"], &["a", ADDRESS]],
        );
        let second = sheet(
            "Second",
            &[&["prompt", "image_url"], &["b", "https://img.example.org/2.png"]],
        );
        vec![about, first, second]
    };
    let (told, read_as) = read(sheets(), &Reading::default());
    assert_eq!(told, [(vec![], ADDRESS.to_owned())]);
    assert_eq!(
        read_as.remarks(),
        [
            Remark::Warning(
                "only sheet `First` is read, and `Second` has a header too; `--sheet` chooses another".to_owned()
            ),
            Remark::Note("the header is in First!A3; the row above it is left out".to_owned()),
        ]
    );
    for wanted in ["Second", "3"] {
        let reading = Reading {
            sheet: Some(wanted.to_owned()),
            ..Reading::default()
        };
        let (told, read_as) = read(sheets(), &reading);
        assert_eq!(told, [(vec![], "https://img.example.org/2.png".to_owned())]);
        assert_eq!(read_as.remarks(), []);
    }
}

#[test]
fn hidden_rows_are_left_out_unless_they_are_asked_for() {
    let clips = || {
        let mut clips = sheet(
            "Clips",
            &[
                &["prompt", "image_url"],
                &["a", ADDRESS],
                &["b", ADDRESS],
                &["c", ADDRESS],
            ],
        );
        clips.set_row_hidden(2).unwrap();
        vec![clips]
    };
    let (told, read_as) = read(clips(), &Reading::default());
    assert_eq!(told.len(), 2);
    assert_eq!(
        read_as.remarks(),
        [Remark::Warning(
            "1 hidden row is left out: Clips!A3; `--hidden-rows` reads it, too".to_owned()
        )]
    );
    let reading = Reading {
        hidden_rows: true,
        ..Reading::default()
    };
    let (told, read_as) = read(clips(), &reading);
    assert_eq!((told.len(), read_as.remarks()), (3, vec![]));
}

#[test]
fn a_row_that_repeats_an_id_names_the_cell_of_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clips.xlsx");
    let rows: &[&[&str]] = &[
        &["id", "prompt", "image_url"],
        &["a", "x", ADDRESS],
        &["a", "y", ADDRESS],
    ];
    save(&path, vec![sheet("Clips", rows)]);
    let survey = survey(&path, &Reading::default(), &mut Images::beside(&path, false), |_| {}).unwrap();
    let mut text = String::new();
    survey.report.render(Path::new("clips.xlsx"), &mut text);
    assert!(
        text.starts_with("error: clips.xlsx:Clips!A3: `id` was already used: a, in Clips!A2\n"),
        "{text}"
    );
    assert_eq!(survey.report.groups[0].rule, Rule::RepeatedId);
}

#[test]
fn a_link_that_nobody_sees_is_not_followed() {
    let mut clips = sheet("Clips", &[&["prompt", "image_url"], &["a", ""], &["b", " "]]);
    let link = || Url::new(ADDRESS).set_text(" ");
    clips.write_url(1, 1, link()).unwrap();
    clips.write_url(2, 1, link()).unwrap();
    let (told, _) = read(vec![clips], &Reading::default());
    assert_eq!(told[0].0, ["Clips!B2: `image_url` is empty"]);
    assert_eq!(told[1].0, ["Clips!B3: `image_url` is empty"]);
}
