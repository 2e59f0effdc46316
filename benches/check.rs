//! What checking a manifest costs beside reading it: a million rows through [`survey`], and through a bare loop of the
//! csv crate, in turns.
//!
//! ```text
//! cargo bench --bench check
//! ```
//!
//! Wanted: at most three times the bare loop, and at most 64 MiB of memory.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use csv::{ByteRecord, ReaderBuilder};
use hailuo_batch::manifest::{Images, Reading, survey};

const ROWS: u32 = 1_000_000;
const TURNS: usize = 11;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    if let [_, mode, path] = arguments.as_slice()
        && let Some(mode) = mode.strip_prefix("mode=")
    {
        return measure(mode, Path::new(path));
    }
    let folder = tempfile::tempdir()?;
    for (title, with_ids) in [("with ids", true), ("without ids", false)] {
        let path = folder.path().join("clips.csv");
        write_manifest(&path, with_ids)?;
        let size = fs::metadata(&path)?.len();
        println!("{ROWS} rows {title}, {} MB", size / 1_000_000);
        let (mut bare, mut surveyed) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            bare.push(in_child("bare", &path)?);
            surveyed.push(in_child("survey", &path)?);
        }
        // Turn by turn, because the machine may be busier in one turn than in another.
        let ratios = bare
            .iter()
            .zip(&surveyed)
            .map(|(bare, surveyed)| surveyed.seconds / bare.seconds);
        let ratio = median(ratios.collect());
        let (bare, surveyed) = (Figures::median_of(&bare), Figures::median_of(&surveyed));
        for (name, figures) in [("csv crate", &bare), ("survey", &surveyed)] {
            let mebibytes = figures.peak_kib as f64 / 1024.0;
            println!("  {name:<10} {:>7.3} s  {mebibytes:>6.1} MiB", figures.seconds);
        }
        println!("  ratio      {:>7.2}", ratio);
    }
    Ok(())
}

struct Figures {
    seconds: f64,
    peak_kib: u64,
}

impl Figures {
    /// The median time, and the highest peak.
    fn median_of(turns: &[Figures]) -> Figures {
        Figures {
            seconds: median(turns.iter().map(|turn| turn.seconds).collect()),
            peak_kib: turns.iter().map(|turn| turn.peak_kib).max().unwrap_or_default(),
        }
    }
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
    let rows = match mode {
        "bare" => read_bare(path)?,
        _ => survey(path, &Reading::default(), &mut Images::beside(path, false), |_| {})?.rows,
    };
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(rows, ROWS);
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak_kib = peak.and_then(|peak| peak.split_whitespace().next()).unwrap_or("0");
    println!("{seconds} {peak_kib}");
    Ok(())
}

fn read_bare(path: &Path) -> Outcome<u32> {
    let mut reader = ReaderBuilder::new().from_path(path)?;
    let mut record = ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record)? {
        rows += 1;
    }
    Ok(rows)
}

fn write_manifest(path: &Path, with_ids: bool) -> Outcome<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let id = |row: u32| {
        if with_ids {
            format!("clip-{row},")
        } else {
            String::new()
        }
    };
    writeln!(
        file,
        "{}prompt,image_url,duration,resolution,notes",
        if with_ids { "id," } else { "" }
    )?;
    for row in 0..ROWS {
        let (length, resolution) = [("6", "768P"), ("10", "768P"), ("6", "1080P"), ("", "")][row as usize % 4];
        writeln!(
            file,
            "{}\"Take {row}: a small boat leaves the harbour at dawn, gulls circle, the camera follows slowly\",\
             https://img.example.org/series/{row}.jpg,{length},{resolution},shot {}",
            id(row),
            row % 97
        )?;
    }
    Ok(file.flush()?)
}
