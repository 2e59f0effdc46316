//! What reading a workbook costs beside somebody else's bare reader, and what other encodings cost beside UTF-8: the same
//! 100,000 rows through [`survey`] and through a bare loop of calamine's cells; and as text in five encodings.
//!
//! ```text
//! cargo bench --bench spreadsheets
//! ```
//!
//! Wanted: a workbook in at most one and a half times the bare loop; an encoding in at most 1.3 times UTF-8.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use calamine::{Xlsx, open_workbook};
use encoding_rs::{BIG5, Encoding, GB18030, WINDOWS_1252};
use hailuo_batch::manifest::{Images, Reading, survey};
use rust_xlsxwriter::Workbook;

const ROWS: u32 = 100_000;
const TURNS: usize = 11;

const COLUMNS: [&str; 6] = ["id", "prompt", "image_url", "duration", "resolution", "notes"];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    if let [_, mode, path] = arguments.as_slice()
        && let Some(mode) = mode.strip_prefix("mode=")
    {
        return measure(mode, Path::new(path));
    }
    let folder = tempfile::tempdir()?;
    let latin = "Größe und Übermut: ein kleines Boot verlässt früh den Hafen, die Möwen kreisen, die Kamera folgt";
    let chinese = "一只小木船在黎明時分離開港口,海鷗盤旋,鏡頭緩緩跟隨,遠處的燈塔亮著光";
    println!("{ROWS} rows as a workbook");
    let workbook = folder.path().join("clips.xlsx");
    write_workbook(&workbook, latin)?;
    compare(("calamine", "bare", &workbook), &[("survey", &workbook)])?;
    println!("{ROWS} rows as text");
    for (text, encodings) in [
        (latin, &[("UTF-16LE", None), ("Windows-1252", Some(WINDOWS_1252))][..]),
        (
            chinese,
            &[("UTF-16LE", None), ("GB18030", Some(GB18030)), ("Big5", Some(BIG5))],
        ),
    ] {
        let table = table(text);
        let plain = folder.path().join(format!("{}-utf-8.csv", text.len()));
        fs::write(&plain, &table)?;
        let mut others: Vec<(&str, PathBuf)> = Vec::new();
        for (name, encoding) in encodings {
            let path = folder.path().join(format!("{}-{name}.csv", text.len()));
            fs::write(&path, encoded(&table, *encoding)?)?;
            others.push((name, path));
        }
        let others: Vec<(&str, &Path)> = others.iter().map(|(name, path)| (*name, path.as_path())).collect();
        compare(("UTF-8", "survey", &plain), &others)?;
    }
    Ok(())
}

/// Prints what surveys of these files cost beside the first, in turns: the machine may be busier in one than in another.
fn compare((first_name, first_mode, first): (&str, &str, &Path), others: &[(&str, &Path)]) -> Outcome<()> {
    let mut firsts = Vec::new();
    let mut seconds: Vec<Vec<Figures>> = others.iter().map(|_| Vec::new()).collect();
    for _ in 0..TURNS {
        firsts.push(in_child(first_mode, first)?);
        for (turns, (_, path)) in seconds.iter_mut().zip(others) {
            turns.push(in_child("survey", path)?);
        }
    }
    print_line(first_name, &firsts, None);
    for ((name, _), turns) in others.iter().zip(&seconds) {
        let ratios = firsts
            .iter()
            .zip(turns)
            .map(|(first, other)| other.seconds / first.seconds);
        print_line(name, turns, Some(median(ratios.collect())));
    }
    Ok(())
}

fn print_line(name: &str, turns: &[Figures], ratio: Option<f64>) {
    let seconds = median(turns.iter().map(|turn| turn.seconds).collect());
    let peak = turns.iter().map(|turn| turn.peak_kib).max().unwrap_or_default();
    let mebibytes = peak as f64 / 1024.0;
    let ratio = ratio.map(|ratio| format!("  ratio {ratio:.2}")).unwrap_or_default();
    println!("  {name:<12} {seconds:>7.3} s  {mebibytes:>6.1} MiB{ratio}");
}

struct Figures {
    seconds: f64,
    peak_kib: u64,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs one mode in a process of its own, so that its peak is its own.
fn in_child(mode: &str, path: &Path) -> Outcome<Figures> {
    let output = Command::new(env::current_exe()?)
        .arg(format!("mode={mode}"))
        .arg(path)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let (seconds, peak_kib) = text
        .trim()
        .split_once(' ')
        .ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(Figures {
        seconds: seconds.parse()?,
        peak_kib: peak_kib.parse()?,
    })
}

fn measure(mode: &str, path: &Path) -> Outcome<()> {
    let begin = Instant::now();
    match mode {
        // A quarter of the rows has a cell without text, which is not in the file.
        "bare" => assert_eq!(
            read_bare(path)?,
            (ROWS as usize + 1) * COLUMNS.len() - ROWS as usize / 4
        ),
        _ => {
            let found = survey(path, &Reading::default(), &mut Images::beside(path, false), |_| {})?;
            assert_eq!((found.rows, found.invalid), (ROWS, 0));
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak_kib = peak.and_then(|peak| peak.split_whitespace().next()).unwrap_or("0");
    println!("{seconds} {peak_kib}");
    Ok(())
}

/// The number of cells, which is all that this loop wants of them.
fn read_bare(path: &Path) -> Outcome<usize> {
    let mut workbook: Xlsx<_> = open_workbook(path)?;
    let mut reader = workbook.worksheet_cells_reader("Sheet1")?;
    let mut cells = 0;
    while reader.next_cell()?.is_some() {
        cells += 1;
    }
    Ok(cells)
}

/// A row; every prompt is another one, as in real manifests.
fn row(row: u32, text: &str) -> [String; 6] {
    let (length, resolution) = [("6", "768P"), ("10", "768P"), ("6", "1080P"), ("", "768P")][row as usize % 4];
    [
        format!("clip-{row}"),
        format!("{row}: {text}"),
        format!("https://img.example.org/series/{row}.jpg"),
        length.to_owned(),
        resolution.to_owned(),
        format!("take {}", row % 97),
    ]
}

fn table(text: &str) -> String {
    let mut table = COLUMNS.join(",");
    for number in 0..ROWS {
        let cells = row(number, text).map(|cell| format!("\"{cell}\""));
        table.push('\n');
        table.push_str(&cells.join(","));
    }
    table
}

/// Without an encoding: UTF-16 with a byte order mark, little end first, which `encoding_rs` does not write.
fn encoded(text: &str, encoding: Option<&'static Encoding>) -> Outcome<Vec<u8>> {
    let Some(encoding) = encoding else {
        let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
        return Ok(units.flat_map(u16::to_le_bytes).collect());
    };
    let (bytes, _, has_lost) = encoding.encode(text);
    if has_lost {
        return Err(format!("{} has no room for the text", encoding.name()).into());
    }
    Ok(bytes.into_owned())
}

/// As Excel writes it: texts in a part of their own, numbers as numbers.
fn write_workbook(path: &Path, text: &str) -> Outcome<()> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (column, name) in (0..).zip(COLUMNS) {
        sheet.write_string(0, column, name)?;
    }
    for number in 0..ROWS {
        for (column, cell) in (0..).zip(row(number, text)) {
            match cell.parse::<f64>() {
                Ok(value) => sheet.write_number(number + 1, column, value)?,
                Err(_) => sheet.write_string(number + 1, column, &cell)?,
            };
        }
    }
    Ok(workbook.save(path)?)
}
