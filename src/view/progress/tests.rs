use std::io;
use std::sync::MutexGuard;

use super::*;

/// What was written, for a test to read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.bytes().clone()).unwrap()
    }

    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.bytes())).unwrap()
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader that has gone away.
struct ClosedPipe;

impl Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

fn progress(mode: ProgressMode, width: Option<u16>) -> (Progress, Paper) {
    let paper = Paper::default();
    let target = match width {
        Some(width) => Target::terminal(paper.clone(), move || width),
        None => Target::writer(paper.clone()),
    };
    (Progress::new(mode, target, Secrets::default()), paper)
}

fn at(millis: u64, done: u64) -> Snapshot {
    Snapshot {
        total: 40,
        done,
        accepted: done,
        elapsed: Duration::from_millis(millis),
        ..Snapshot::default()
    }
}

fn pausing(millis: u64, reason: &str) -> Snapshot {
    Snapshot {
        pause: Some(Pause {
            remaining: Duration::from_secs(8),
            reason: reason.into(),
        }),
        ..at(millis, 1)
    }
}

#[test]
fn without_a_terminal_a_line_comes_every_ten_seconds_and_at_once_for_notices_and_pauses() {
    let (progress, paper) = progress(ProgressMode::Auto, None);
    for second in 0..=25 {
        progress.update(&at(second * 1_000, second));
    }
    progress.update(&pausing(26_000, "the API answered 429"));
    progress.update(&pausing(26_100, "the API answered 429"));
    progress.notice("halted: no credits");
    progress.finish();
    insta::assert_snapshot!(paper.text(), @"
        10 of 40 rows done: 10 accepted
        20 of 40 rows done: 20 accepted
        paused 8 s: the API answered 429
        halted: no credits
        ");
}

#[test]
fn none_shows_nothing_but_log_lines() {
    let (progress, paper) = progress(ProgressMode::None, Some(80));
    progress.update(&at(20_000, 20));
    progress.notice("halted: no credits");
    assert_eq!(paper.text(), "");
    progress.line("a log line");
    assert_eq!(paper.text(), "a log line\n");
}

#[test]
fn a_bar_is_redrawn_ten_times_a_second_at_most() {
    let (progress, paper) = progress(ProgressMode::Auto, Some(60));
    let mut drawings = 0;
    for millis in 0..1_000 {
        progress.update(&at(millis, millis / 100));
        drawings += usize::from(!paper.take().is_empty());
    }
    assert_eq!(drawings, 10);
}

#[test]
fn lines_stand_above_the_bar_and_nothing_of_it_is_left() {
    let (progress, paper) = progress(ProgressMode::Auto, Some(Terminal::WIDTH));
    let mut terminal = Terminal::default();
    progress.line("before the bar");
    progress.update(&at(0, 4));
    progress.notice("halted:\u{1b}[2J no credits");
    progress.line("a log line");
    progress.update(&at(500, 30));
    terminal.take(&paper.take());
    insta::assert_snapshot!(terminal.lines().join("\n"), @r"
        before the bar
        halted:\u{1b}[2J no credits
        a log line
        [=================================>           ]  30/40  75%
        30 accepted
        ");

    progress.finish();
    progress.update(&at(900, 40));
    progress.notice("the end");
    terminal.take(&paper.take());
    insta::assert_snapshot!(terminal.lines().join("\n"), @r"
        before the bar
        halted:\u{1b}[2J no credits
        a log line
        the end
        ");
}

/// As much of a terminal as a bar needs, with lines that wrap.
#[derive(Default)]
struct Terminal {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Terminal {
    const WIDTH: u16 = 60;

    fn take(&mut self, text: &str) {
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some(control) = rest.strip_prefix("\u{1b}[") {
                let end = control.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                self.control(control[..end].parse().unwrap_or(1), &control[end..=end]);
                rest = &control[end + 1..];
                continue;
            }
            match character {
                '\n' => (self.row, self.column) = (self.row + 1, 0),
                '\r' => self.column = 0,
                other => self.print(other),
            }
            rest = &rest[character.len_utf8()..];
        }
    }

    fn control(&mut self, number: usize, letter: &str) {
        match letter {
            "A" => self.row -= number,
            "B" => self.row += number,
            "K" => self.current().clear(),
            other => panic!("unexpected control {other}"),
        }
    }

    fn print(&mut self, character: char) {
        if self.column == usize::from(Terminal::WIDTH) {
            (self.row, self.column) = (self.row + 1, 0);
        }
        let column = self.column;
        let line = self.current();
        line.resize(line.len().max(column + 1), ' ');
        line[column] = character;
        self.column += 1;
    }

    fn current(&mut self) -> &mut Vec<char> {
        self.rows.resize(self.rows.len().max(self.row + 1), Vec::new());
        &mut self.rows[self.row]
    }

    /// What stands on it.
    fn lines(&self) -> Vec<String> {
        let lines = self
            .rows
            .iter()
            .map(|row| row.iter().collect::<String>().trim_end().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }
}

#[test]
fn a_closed_pipe_stops_nothing() {
    for mode in [ProgressMode::Bar, ProgressMode::Plain, ProgressMode::None] {
        let target = Target::terminal(ClosedPipe, || 80);
        let progress = Progress::new(mode, target, Secrets::default());
        progress.update(&at(10_000, 3));
        progress.notice("nobody reads this");
        progress.line("nor this");
        progress.finish();
    }
}

#[test]
fn secrets_show_nowhere() {
    for mode in [ProgressMode::Bar, ProgressMode::Plain] {
        let paper = Paper::default();
        let secrets = Secrets::default();
        let progress = Progress::new(mode, Target::writer(paper.clone()), secrets.clone());
        secrets.hide("sk-12345");
        progress.update(&pausing(10_000, "the API refused sk-12345"));
        progress.notice("halted: sk-12345");
        assert!(!paper.text().contains("12345"), "{}", paper.text());
        assert!(paper.text().contains("halted: [redacted]"));
    }
}
