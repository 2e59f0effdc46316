//! What it costs to write results: a hundred thousand saved rows in each format, to a file on the disk.
//!
//! ```text
//! cargo bench --bench results
//! ```
//!
//! Wanted: a run writes them once a minute, so at most three seconds; and at most 128 MiB of memory, nearly all of it for
//! the links of a workbook, of which a sheet has 65,530 at most.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use hailuo_batch::clock::UnixMillis;
use hailuo_batch::results::{Closing, Columns, Dialect, Layout, ResultRow, ResultsWriter};
use hailuo_batch::row::RowState;

const ROWS: u32 = 100_000;
const TURNS: usize = 5;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    if let [_, mode, path] = arguments.as_slice()
        && let Some("write") = mode.strip_prefix("mode=")
    {
        return measure(Path::new(path));
    }
    let folder = tempfile::tempdir()?;
    println!("{ROWS} rows of 16 columns");
    for extension in ["csv", "jsonl", "xlsx"] {
        let path = folder.path().join(format!("clips.results.{extension}"));
        let (mut seconds, mut peak_kib) = (Vec::new(), 0);
        for _ in 0..TURNS {
            let (turn, peak) = in_child(&path)?;
            seconds.push(turn);
            peak_kib = peak_kib.max(peak);
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[TURNS / 2];
        let mebibytes = peak_kib as f64 / 1024.0;
        let megabytes = fs::metadata(&path)?.len() as f64 / 1e6;
        println!("  {extension:<6} {median:>7.3} s  {mebibytes:>6.1} MiB of memory  {megabytes:>6.1} MB on disk");
    }
    Ok(())
}

/// Writes the file in a process of its own, so that its peak is its own: seconds, and KiB.
fn in_child(path: &Path) -> Outcome<(f64, u64)> {
    let output = Command::new(env::current_exe()?).arg("mode=write").arg(path).output()?;
    let text = String::from_utf8(output.stdout)?;
    let (seconds, peak_kib) = text
        .trim()
        .split_once(' ')
        .ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((seconds.parse()?, peak_kib.parse()?))
}

fn measure(path: &Path) -> Outcome<()> {
    let columns = ["id", "prompt", "image_url", "duration", "notes"].map(str::to_owned);
    let layout = Layout {
        dialect: Dialect {
            image_column: Some("image_url".to_owned()),
            ..Dialect::default()
        },
        folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        ..Layout::of(Columns::Named(columns.to_vec()))
    };
    let begin = Instant::now();
    let mut writer = ResultsWriter::create(path, &layout)?;
    for number in 1..=ROWS {
        let cells = format!(
            "[\"clip-{number}\",\"Take {number}: a small boat leaves the harbour at dawn, gulls circle, the camera follows \
             slowly\",\"https://img.example.org/series/{number}.jpg\",\"6\",\"shot {}\"]",
            number % 97
        );
        let submitted = 1_790_000_000_000 + i64::from(number) * 525;
        writer.write(&ResultRow {
            number,
            cells: &cells,
            state: RowState::Saved,
            task_id: Some(&format!("68818b1a7f4002ad47801c9a{number:08}")),
            error_code: None,
            error_message: None,
            attempts: 1,
            submitted_at: Some(UnixMillis(submitted)),
            completed_at: Some(UnixMillis(submitted + 90_000)),
            credits: Some(30.0),
            video_url: Some(&format!(
                "https://tempfile.example.org/m/68818b1a7f4002ad47801c9a{number:08}.mp4"
            )),
            video_file: Some(&format!("clips.videos/{number:06}-clip-{number}.mp4")),
        })?;
    }
    writer.finish(&Closing::default())?;
    let seconds = begin.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak_kib = peak.and_then(|peak| peak.split_whitespace().next()).unwrap_or("0");
    println!("{seconds} {peak_kib}");
    Ok(())
}
