use super::*;

/// A row as it is read: its number, whether it is hidden, and its cells by column.
type Read<'r> = (u32, bool, &'r [(u32, &'r str)]);

/// Rows as text, up to a number of them.
#[derive(Default)]
struct Shown {
    rows: Vec<String>,
    most: Option<usize>,
    idle: usize,
}

impl Sink for Shown {
    fn row(&mut self, row: &mut SheetRow, _: &Tally) -> ControlFlow<()> {
        let cells: Vec<_> = row.record.iter().map(String::from_utf8_lossy).collect();
        let mut text = format!("{}: {}", row.line, cells.join("|"));
        for (column, note) in &row.notes {
            text.push_str(&format!(" {column}={note:?}"));
        }
        if let Some(column) = row.picture {
            text.push_str(&format!(" picture={column}"));
        }
        self.rows.push(text);
        if self.most == Some(self.rows.len()) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn idle(&mut self, _: &Tally) -> ControlFlow<()> {
        self.idle += 1;
        ControlFlow::Continue(())
    }
}

fn part() -> Arc<str> {
    Arc::from("sheet1.xml")
}

fn read(ranges: Ranges, includes_hidden: bool, rows: &[Read<'_>]) -> Result<(Vec<String>, Tally), WorkbookError> {
    let mut shown = Shown::default();
    let mut reading = Rows::new(&part(), includes_hidden, &mut shown);
    reading.know(ranges);
    for (line, is_hidden, cells) in rows {
        reading.begin(*line, *is_hidden, &part())?;
        for (column, text) in *cells {
            reading.cell(*column, text, None, &part())?;
        }
        assert!(reading.end()?.is_continue());
    }
    let tally = reading.tally();
    Ok((shown.rows, tally))
}

fn merged(ranges: &[&str]) -> Ranges {
    let ranges = ranges.iter().map(|range| (CellRange::read(range).unwrap(), ()));
    Ranges {
        merged: ranges.collect(),
        ..Ranges::default()
    }
}

#[test]
fn cells_stand_in_their_columns_and_blank_rows_are_none() {
    let rows: &[Read<'_>] = &[
        (1, false, &[(0, "a"), (2, "c"), (5, "")]),
        (2, false, &[]),
        (3, false, &[(0, ""), (1, " \n")]),
        (9, false, &[(1, "b")]),
    ];
    let (shown, tally) = read(Ranges::default(), false, rows).unwrap();
    assert_eq!(shown, ["1: a||c", "9: |b"]);
    assert_eq!((tally.blank.count, tally.blank.first_row), (2, 2));
}

#[test]
fn a_merged_range_gives_its_value_to_each_row_in_its_first_column() {
    let rows: &[Read<'_>] = &[
        (1, false, &[(0, "title"), (1, "behind")]),
        (2, false, &[(0, "x"), (1, "p"), (3, "last")]),
        (3, false, &[(1, "q"), (3, "behind")]),
        (4, false, &[(1, "r")]),
        (5, false, &[(1, "s")]),
        (6, false, &[]),
    ];
    let (shown, tally) = read(merged(&["A1:C1", "A2:A4", "D2:E4", "B6:B9"]), false, rows).unwrap();
    assert_eq!(
        shown,
        ["1: title", "2: x|p||last", "3: x|q||last", "4: x|r||last", "5: |s"]
    );
    assert_eq!(tally.blank.count, 1);
}

#[test]
fn a_row_with_nothing_but_what_a_merged_range_lends_it_is_no_row() {
    let rows: &[Read<'_>] = &[(2, false, &[(0, "x")]), (3, false, &[]), (4, false, &[(0, "hid")])];
    let (shown, _) = read(merged(&["A2:A4"]), false, rows).unwrap();
    assert_eq!(shown, ["2: x"]);
}

#[test]
fn hidden_rows_are_counted_or_included_and_lend_what_is_merged() {
    let rows: &[Read<'_>] = &[
        (2, true, &[(0, "x"), (1, "p")]),
        (3, false, &[(1, "q")]),
        (4, true, &[]),
        (5, true, &[(1, "r")]),
    ];
    let (shown, tally) = read(merged(&["A2:A3"]), false, rows).unwrap();
    assert_eq!(shown, ["3: x|q"]);
    assert_eq!((tally.hidden.count, tally.hidden.first_row), (2, 2));
    let (shown, tally) = read(merged(&["A2:A3"]), true, rows).unwrap();
    assert_eq!(shown, ["2: x|p", "3: x|q", "5: |r"]);
    assert_eq!(tally.hidden, LeftOut::default());
}

#[test]
fn links_and_pictures_are_noted() {
    let ranges = Ranges {
        links: vec![(CellRange::read("B2:B3").unwrap(), Arc::from("https://x.example"))],
        pictures: vec![
            (CellRange::read("D2:D3").unwrap(), ()),
            (CellRange::read("C3").unwrap(), ()),
        ],
        ..Ranges::default()
    };
    let rows: &[Read<'_>] = &[
        (2, false, &[(0, "a"), (1, "cat")]),
        (3, false, &[(0, "a"), (1, "")]),
        (4, false, &[(0, "a"), (1, "dog")]),
    ];
    let (shown, _) = read(ranges, false, rows).unwrap();
    let link = "1=Link(\"https://x.example\")";
    assert_eq!(
        shown,
        [
            format!("2: a|cat {link} picture=3"),
            "3: a picture=2".to_owned(),
            "4: a|dog".to_owned()
        ]
    );
}

#[test]
fn repeated_rows_are_as_many() {
    let mut shown = Shown::default();
    let mut rows = Rows::new(&part(), false, &mut shown);
    rows.begin(1, false, &part()).unwrap();
    rows.cell(0, "a", Some(Note::Picture), &part()).unwrap();
    assert!(rows.end_of(3).unwrap().is_continue());
    rows.begin(4, false, &part()).unwrap();
    assert!(rows.end_of(1_000_000).unwrap().is_continue());
    assert_eq!(rows.line(), 1_000_003);
    rows.begin(1_048_570, false, &part()).unwrap();
    rows.cell(0, "a", None, &part()).unwrap();
    let error = rows.end_of(100).unwrap_err();
    assert!(matches!(error, WorkbookError::TooLarge(Excess::Rows)), "{error:?}");
    assert_eq!(
        shown.rows,
        [
            "1: a 0=Picture picture=0",
            "2: a 0=Picture picture=0",
            "3: a 0=Picture picture=0"
        ]
    );
    assert_eq!(shown.idle, 1);
}

#[test]
fn nobody_reads_on_when_no_more_is_wanted() {
    let mut shown = Shown {
        most: Some(2),
        ..Shown::default()
    };
    let mut rows = Rows::new(&part(), false, &mut shown);
    rows.begin(1, false, &part()).unwrap();
    rows.cell(0, "a", None, &part()).unwrap();
    assert!(rows.end_of(1_000).unwrap().is_break());
    assert_eq!(shown.rows.len(), 2);
}

#[test]
fn cells_far_to_the_right_are_counted() {
    let rows: &[Read<'_>] = &[
        (1, false, &[(0, "a"), (1_023, "last"), (1_024, ""), (16_383, "far")]),
        (2, false, &[(16_383, "far")]),
        (3, false, &[(0, "b"), (u32::MAX, "far")]),
    ];
    let (shown, tally) = read(Ranges::default(), false, rows).unwrap();
    assert_eq!(shown.len(), 2);
    assert!(shown[0].ends_with("|last"));
    assert_eq!((tally.far_cells.count, tally.far_cells.first_row), (2, 1));
}

#[test]
fn what_merged_ranges_held_is_forgotten_after_them() {
    let ranges: Vec<String> = (0..50)
        .map(|at: u32| format!("{}{}:{0}{}", char::from(b'A' + (at % 25) as u8), 2 * at + 1, 2 * at + 2))
        .collect();
    let mut shown = Shown::default();
    let mut rows = Rows::new(&part(), false, &mut shown);
    rows.know(merged(&ranges.iter().map(String::as_str).collect::<Vec<_>>()));
    let long = "x".repeat(MOST_ROW_BYTES / 2);
    for at in 0..50 {
        rows.begin(2 * at + 1, false, &part()).unwrap();
        rows.cell(at % 25, &long, None, &part()).unwrap();
        assert!(rows.end().unwrap().is_continue());
        rows.begin(2 * at + 2, false, &part()).unwrap();
        rows.cell(30, "y", None, &part()).unwrap();
        assert!(rows.end().unwrap().is_continue());
        let held: usize = rows.held.iter().map(|held| held.text.capacity()).sum();
        assert!(held <= MOST_HELD_BYTES, "{held}");
    }
    assert!(shown.rows.iter().all(|row| row.len() > MOST_ROW_BYTES / 2));
}

#[test]
fn disorder_is_damage_and_excess_an_error() {
    let twice: &[Read<'_>] = &[(2, false, &[(0, "a")]), (2, false, &[(0, "a")])];
    let error = read(Ranges::default(), false, twice).unwrap_err().to_string();
    assert!(error.contains("row 2 comes after row 2"), "{error}");
    let back: &[Read<'_>] = &[(2, false, &[(1, "a"), (0, "b")])];
    let error = read(Ranges::default(), false, back).unwrap_err().to_string();
    assert!(error.contains("near row 2"), "{error}");
    let long = "x".repeat(MOST_ROW_BYTES);
    let rows: &[Read<'_>] = &[(7, false, &[(0, &long), (1, "y")])];
    let error = read(Ranges::default(), false, rows).unwrap_err().to_string();
    assert!(error.contains("row 7 of sheet"), "{error}");
}
