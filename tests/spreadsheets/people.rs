//! Workbooks as people make them, from the program that made them and as LibreOffice saves them in its formats.

use std::path::PathBuf;

use serde_json::json;

use super::files::{made, saved_by_libreoffice};
use super::{check, checked, column, problems};

/// A workbook of `make.py`, as it is and in all formats that LibreOffice makes of it.
fn all(workbook: &str) -> Vec<PathBuf> {
    let saved = ["xlsx", "ods", "xls"].map(|format| saved_by_libreoffice(workbook, format));
    [made(&format!("{workbook}.xlsx"))].into_iter().chain(saved).collect()
}

#[test]
fn formulas_need_a_stored_value() {
    // openpyxl writes formulas and computes nothing.
    let path = made("formulas.xlsx");
    let answer = checked(&path, &[]);
    assert_eq!(
        problems(&answer),
        [
            "no_stored_value prompt Shots!A2",
            "no_stored_value image_url Shots!B2",
            "no_stored_value duration Shots!C2"
        ]
    );
    assert!(
        check(&path, &[])
            .stderr
            .contains("open the workbook in a spreadsheet program and save it")
    );
    // LibreOffice does when it saves the file.
    for format in ["xlsx", "ods", "xls"] {
        let path = saved_by_libreoffice("formulas", format);
        let answer = checked(&path, &[]);
        assert_eq!((&answer["queued"], problems(&answer).len()), (&json!(2), 0), "{path:?}");
        assert_eq!(column(&path, "prompt")[0], "A boat, take 2", "{path:?}");
        assert_eq!(column(&path, "base")[1], "0.333333333333333", "{path:?}");
    }
}

#[test]
fn a_link_gives_its_target_where_the_text_is_no_address() {
    for path in all("links") {
        let list = tempfile::tempdir().unwrap();
        let answer = checked(&path, &["--problems", list.path().join("p.csv").to_str().unwrap()]);
        assert_eq!(problems(&answer), ["link_elsewhere image_url Shots!B4"], "{path:?}");
        assert_eq!(answer["queued"], 3, "{path:?}");
        let found = &answer["problems"]["groups"][0]["places"][0]["found"];
        assert_eq!(found, "it leads to https://img.example.org/old.png", "{path:?}");
    }
}

#[test]
fn merged_cells_give_their_value_to_all_their_rows() {
    for path in all("merged") {
        let (a, b) = ("https://img.example.org/a.png", "https://img.example.org/b.png");
        assert_eq!(column(&path, "image_url"), [a, a, b, b], "{path:?}");
        assert_eq!(
            column(&path, "scene"),
            ["harbour", "harbour", "harbour", "station"],
            "{path:?}"
        );
        check(&path, &[]).expect_code(0);
    }
}

#[test]
fn hidden_rows_are_left_out_and_that_is_said() {
    for path in all("hidden") {
        let told = check(&path, &[]);
        told.expect_code(0);
        assert!(
            told.stderr
                .contains("2 hidden rows are left out, the first is Shots!A3; `--hidden-rows` reads them, too"),
            "{told:#?}"
        );
        assert_eq!(column(&path, "prompt"), ["clip 2", "clip 4", "clip 6"], "{path:?}");
        let answer = checked(&path, &["--hidden-rows"]);
        assert_eq!(
            (&answer["queued"], &answer["read_as"]["hidden_rows"]),
            (&json!(5), &json!(0)),
            "{path:?}"
        );
    }
}

#[test]
fn a_title_above_the_header_is_passed_over() {
    for path in all("titles") {
        let answer = checked(&path, &[]);
        assert_eq!(answer["queued"], 3, "{path:?}");
        assert_eq!(answer["read_as"]["header"], "'Spring film'!A5", "{path:?}");
        assert_eq!(answer["read_as"]["above_header"], 2, "{path:?}");
    }
}

#[test]
fn of_several_sheets_the_first_with_a_header_is_read_or_the_one_that_is_named() {
    for path in all("sheets") {
        let queued = |flags: &[&str]| checked(&path, flags)["queued"].clone();
        assert_eq!(queued(&[]), 2, "{path:?}");
        assert!(
            check(&path, &[])
                .stderr
                .contains("only sheet `Day` is read, and `Night shots` has a header too")
        );
        for (sheet, rows) in [("Night shots", 3), ("night shots", 3), ("3", 3), ("Old", 4)] {
            assert_eq!(queued(&["--sheet", sheet]), rows, "{path:?}, {sheet}");
        }
        let refused = check(&path, &["--sheet", "Tuesday"]);
        refused.expect_code(2);
        assert!(
            refused
                .stderr
                .contains("its sheets are `Read me`, `Day`, `Night shots`, `Old` (hidden)"),
            "{refused:#?}"
        );
    }
}

#[test]
fn pictures_are_explained() {
    let own = made("pictures.xlsx");
    let answer = checked(&own, &[]);
    let both = [
        "picture_in_cell image_url Shots!B3",
        "picture_in_cell image_url Shots!B4",
    ];
    assert_eq!(problems(&answer), both);
    for format in ["xlsx", "ods", "xls"] {
        // LibreOffice does not know pictures in cells, and saves the error that stands behind them.
        let path = saved_by_libreoffice("pictures", format);
        let expected = [both[0], "cell_error image_url Shots!B4"];
        assert_eq!(problems(&checked(&path, &[])), expected, "{path:?}");
    }
}

#[test]
fn headers_in_chinese_need_no_word() {
    let path = made("chinese.xlsx");
    let answer = checked(&path, &[]);
    assert_eq!((&answer["queued"], problems(&answer).len()), (&json!(3), 0));
}
