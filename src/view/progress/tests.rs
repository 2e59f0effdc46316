use std::io;

use proptest::prelude::*;

use super::*;
use crate::incident::{Incident, Incidents};
use crate::rate::Rate;
use crate::row::RowState;
use crate::view::Halt;

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

const PLAIN_INK: Ink = Ink {
    colour: false,
    unicode: true,
};

fn size(columns: u16, rows: u16) -> Size {
    Size { columns, rows }
}

/// A terminal, and the progress that is shown on it.
struct Desk {
    progress: Progress,
    paper: Paper,
    size: Arc<Mutex<Size>>,
    terminal: avt::Terminal,
}

impl Desk {
    fn new(columns: u16, rows: u16) -> Desk {
        let paper = Paper::default();
        let shared = Arc::new(Mutex::new(size(columns, rows)));
        let asked = Arc::clone(&shared);
        let target = Target::terminal(paper.clone(), move || *asked.lock().unwrap(), PLAIN_INK);
        Desk {
            progress: Progress::new(ProgressMode::Auto, target, Secrets::default()),
            paper,
            size: shared,
            terminal: avt::Terminal::with_scrollback(columns.into(), rows.into(), Some(1_000)).unwrap(),
        }
    }

    /// One whose lines are cut and not wrapped anew when it gets narrower, like xterm.
    fn that_cuts(columns: u16, rows: u16) -> Desk {
        let mut desk = Desk::new(columns, rows);
        desk.terminal.feed("\u{1b}[?1049h");
        desk
    }

    /// The window changes; the program does not know until it asks.
    fn resize(&mut self, columns: u16, rows: u16) {
        self.catch_up();
        *self.size.lock().unwrap() = size(columns, rows);
        self.terminal.resize(columns.into(), rows.into());
    }

    fn catch_up(&mut self) {
        // As the terminal's driver does it.
        let text = self.paper.take().replace('\n', "\r\n");
        self.terminal.feed(&*text);
    }

    /// What stands on the screen, without the empty lines at its end.
    fn screen(&mut self) -> String {
        self.catch_up();
        let rows = usize::from(self.size.lock().unwrap().rows);
        let lines: Vec<String> = (0..rows).map(|row| text_of(&self.terminal, row)).collect();
        lines.join("\n").trim_end().to_owned()
    }
}

fn text_of(terminal: &avt::Terminal, row: usize) -> String {
    terminal.screen().line(row).unwrap().text().trim_end().to_owned()
}

fn on_paper(mode: ProgressMode) -> (Progress, Paper) {
    let paper = Paper::default();
    let progress = Progress::new(mode, Target::writer(paper.clone()), Secrets::default());
    (progress, paper)
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

/// Half-way through a large batch, with something of everything.
fn busy() -> Snapshot {
    let mut incidents = Incidents::default();
    for (row, state, code, message) in [
        (31, RowState::Failed, "500", "Internal Error, Please try again later."),
        (3_377, RowState::Unknown, "connect", ""),
        (
            40,
            RowState::Succeeded,
            "gone",
            "the link has expired\nand no other is given",
        ),
        (
            3_380,
            RowState::Rejected,
            "422",
            "the prompt contains prohibited content, such as 一只小船",
        ),
    ] {
        incidents.add(row, state, code, message);
    }
    Snapshot {
        total: 5_000,
        done: 3_412,
        accepted: 3_400,
        rejected: 11,
        unknown: 1,
        in_flight: 4,
        queued: 1_584,
        requests: 3_420,
        rate_limited: 2,
        elapsed: Duration::from_secs(1_800),
        spent_credits: Some(102_000.0),
        budget: Some(Budget {
            credits: 150_000.0,
            spent: 114_000.0,
        }),
        rate: Some(MeasuredRate {
            requests: 19.04,
            limit: Rate::ACCOUNT,
        }),
        eta: Some(Duration::from_secs(835)),
        eta_of_all: Some(Duration::from_secs(1_225)),
        incidents: incidents.iter().cloned().collect(),
        tasks: Some(TaskCounts {
            at_work: 120,
            succeeded: 3_277,
            failed: 3,
            saves: true,
            saving: 4,
            saved: 3_200,
            to_save: 76,
            not_saved: 1,
            bytes: 12_000_000_000,
        }),
        ..Snapshot::default()
    }
}

fn drawn(snapshot: &Snapshot, columns: u16, rows: u16) -> String {
    block::block(snapshot, size(columns, rows), PLAIN_INK).join("\n")
}

#[test]
fn a_run_with_everything_on_80_columns() {
    insta::assert_snapshot!(drawn(&busy(), 80, 24), @r"

        submitted   ███████████████▓▒░░░░░░░  3,412/5,000   68%  11 rejected, 1 unknown
        generating  ██████████████▓▒░░░░░░░░  3,280/4,988   65%  3 failed, 120 at work
        saved       ██████████████▓▒░░░░░░░░  3,201/4,985   64%  1 not saved, 12.00 GB
        rate        19.0 of 20 per 10 s, 4 in flight, 2 answered 429
        credits     102,000 in this run, 114,000 of the budget of 150,000
        time        30 min, about 25 min left
        problems    row 3380 rejected, 422: the prompt contains prohibited content, su…
                    row 40 not saved, gone: the link has expired\nand no other is given
                    row 3377 unknown, connect
        ");
}

#[test]
fn a_wide_terminal_shows_more_of_the_same() {
    let paused = Snapshot {
        pause: Some(Pause {
            remaining: Duration::from_millis(7_400),
            reason: "the API answered 429".into(),
        }),
        ..busy()
    };
    insta::assert_snapshot!(drawn(&paused, 120, 24), @r"

        submitted   █████████████████████████████████▓▒░░░░░░░░░░░░░░░  3,412/5,000   68%  11 rejected, 1 unknown
        generating  ███████████████████████████████▓▒▒░░░░░░░░░░░░░░░░  3,280/4,988   65%  3 failed, 120 at work
        saved       ███████████████████████████████▓▒░░░░░░░░░░░░░░░░░  3,201/4,985   64%  1 not saved, 12.00 GB
        rate        19.0 of 20 per 10 s, 4 in flight, 2 answered 429
        credits     102,000 in this run, 114,000 of the budget of 150,000
        time        30 min, about 25 min left
        paused      8 s: the API answered 429
        problems    row 3380 rejected, 422: the prompt contains prohibited content, such as 一只小船
                    row 40 not saved, gone: the link has expired\nand no other is given
                    row 3377 unknown, connect
        ");
}

#[test]
fn narrow_terminals_get_shorter_forms() {
    insta::assert_snapshot!(drawn(&busy(), 40, 24), @"

        submitted  █████▓▒░░  3,412/5,000   68%
        generating ████▓▒░░░  3,280/4,988   65%
        saved      ████▓▒░░░  3,201/4,985   64%
        problems   11 rejected, 1 unknown
        rate       19.0 of 20 per 10 s
        credits    102,000 in this run
        time       30 min, about 25 min left
        ! row 3380 rejected, 422: the prompt c…
        ! row 40 not saved, gone: the link has…
        ! row 3377 unknown, connect
        ");
    insta::assert_snapshot!(drawn(&busy(), 20, 24), @"

        sent   68%
        made   65%
        saved  64%
        problems 11 reject…
        rate 19.0 of 20
        credits 102,000
        about 25 min left
        ! row 3380 rejecte…
        ! row 40 not saved…
        ! row 3377 unknown…
        ");
}

#[test]
fn on_a_low_terminal_the_most_telling_lines_stay() {
    insta::assert_snapshot!(drawn(&busy(), 80, 14), @"
        submitted   ███████████████▓▒░░░░░░░  3,412/5,000   68%  11 rejected, 1 unknown
        generating  ██████████████▓▒░░░░░░░░  3,280/4,988   65%  3 failed, 120 at work
        saved       ██████████████▓▒░░░░░░░░  3,201/4,985   64%  1 not saved, 12.00 GB
        rate        19.0 of 20 per 10 s, 4 in flight, 2 answered 429
        credits     102,000 in this run, 114,000 of the budget of 150,000
        time        30 min, about 25 min left
        problems    row 3380 rejected, 422: the prompt contains prohibited content, su…
        ");
    insta::assert_snapshot!(drawn(&busy(), 80, 2), @"submitted   ███████████████▓▒░░░░░░░  3,412/5,000   68%  11 rejected, 1 unknown");
}

#[test]
fn a_stage_shows_only_if_the_run_has_it() {
    let sending = Snapshot {
        tasks: None,
        incidents: Vec::new(),
        budget: None,
        ..busy()
    };
    insta::assert_snapshot!(drawn(&sending, 80, 24), @"

        submitted   ███████████████▓▒░░░░░░░  3,412/5,000   68%  11 rejected, 1 unknown
        rate        19.0 of 20 per 10 s, 4 in flight, 2 answered 429
        credits     102,000 in this run
        time        30 min, about 25 min left
        ");
    let collecting = Snapshot {
        tasks: busy().tasks,
        elapsed: Duration::from_secs(30),
        ..Snapshot::default()
    };
    insta::assert_snapshot!(drawn(&collecting, 80, 24), @"

        generating  ███████████████████████▓▒  3,280/3,400   96%  3 failed, 120 at work
        saved       ██████████████████████▓▒░  3,201/3,397   94%  1 not saved, 12.00 GB
        time        30 s
        ");
    let looking = Snapshot {
        total: 5_000,
        done: 1_200,
        elapsed: Duration::from_secs(60),
        eta: Some(Duration::from_secs(190)),
        images: Some(ImageCounts { bad: 3, not_reached: 1 }),
        ..Snapshot::default()
    };
    insta::assert_snapshot!(drawn(&looking, 80, 24), @"

        looked at   █████▓░░░░░░░░░░░░░░░░░░░░  1,200/5,000   24%  3 bad, 1 not reached
        time        1 min, about 4 min left
        ");
}

#[test]
fn what_ends_a_run_is_said_until_all_is_collected() {
    let halted = Snapshot {
        ending: true,
        in_flight: 0,
        eta: None,
        halt: Some(Halt {
            code: "402".into(),
            message: "the account has no more credits (402)".into(),
        }),
        incidents: Vec::new(),
        ..busy()
    };
    insta::assert_snapshot!(drawn(&halted, 80, 24), @"

        submitted   ███████████████▓░░░░░░░░  3,412/5,000   68%  11 rejected, 1 unknown
        generating  ██████████████████████▓▒  3,280/3,400   96%  3 failed, 120 at work
        saved       █████████████████████▓▒░  3,201/3,397   94%  1 not saved, 12.00 GB
        credits     102,000 in this run, 114,000 of the budget of 150,000
        time        30 min, about 25 min left
        halted      the account has no more credits (402)
        ");
    let interrupted = Snapshot {
        ending: true,
        halt: None,
        tasks: None,
        eta_of_all: Some(Duration::ZERO),
        ..halted
    };
    insta::assert_snapshot!(drawn(&Snapshot { in_flight: 3, ..interrupted }, 80, 24), @"

        submitted   ███████████████▓▒░░░░░░░  3,412/5,000   68%  11 rejected, 1 unknown
        rate        19.0 of 20 per 10 s, 3 in flight, 2 answered 429
        credits     102,000 in this run, 114,000 of the budget of 150,000
        time        30 min, about 10 s left
        ending      nothing more is sent; 3 in flight
        ");
}

#[test]
fn a_terminal_without_unicode_gets_ascii() {
    let ink = Ink::default();
    let lines = block::block(&busy(), size(80, 24), ink).join("\n");
    let text = lines.replace("一只小船", "");
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!(lines.lines().nth(1).unwrap(), @"submitted   [==============!-......]  3,412/5,000   68%  11 rejected, 1 unknown");
}

#[test]
fn colours_say_what_is_good_and_bad_and_nothing_else_changes() {
    let ink = Ink {
        colour: true,
        unicode: false,
    };
    let coloured = block::block(&busy(), size(80, 24), ink).join("\n");
    for piece in [
        "\u{1b}[32m=====",
        "\u{1b}[31m!\u{1b}[0m",
        "\u{1b}[31m11 rejected\u{1b}[0m",
        "\u{1b}[31mproblems\u{1b}[0m",
    ] {
        assert!(coloured.contains(piece), "{coloured:?}");
    }
    let mut terminal = avt::Terminal::new(80, 24).unwrap();
    terminal.feed(&*coloured.replace('\n', "\r\n"));
    let plain = block::block(&busy(), size(80, 24), Ink::default());
    for (row, line) in plain.iter().enumerate() {
        assert_eq!(text_of(&terminal, row), line.trim_end());
    }
}

#[test]
fn without_a_terminal_a_line_comes_every_ten_seconds_and_at_once_for_notices_and_pauses() {
    let (progress, paper) = on_paper(ProgressMode::Auto);
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
    let paper = Paper::default();
    let target = Target::terminal(paper.clone(), || size(80, 24), PLAIN_INK);
    let progress = Progress::new(ProgressMode::None, target, Secrets::default());
    progress.update(&at(20_000, 20));
    progress.notice("halted: no credits");
    assert_eq!(paper.text(), "");
    progress.lines("a log line");
    assert_eq!(paper.text(), "a log line\n");
}

#[test]
fn the_block_is_redrawn_ten_times_a_second_at_most_and_only_if_it_has_changed() {
    let desk = Desk::new(60, 24);
    let drawings = |snapshots: &mut dyn Iterator<Item = Snapshot>| {
        let drawn = snapshots.map(|snapshot| {
            desk.progress.update(&snapshot);
            !desk.paper.take().is_empty()
        });
        drawn.filter(|drawn| *drawn).count()
    };
    assert_eq!(drawings(&mut (0..1_000).map(|millis| at(millis, millis / 100))), 10);
    assert_eq!(
        drawings(&mut (1_001..2_000).map(|millis| at(millis, 10))),
        1,
        "the clock goes on"
    );
}

#[test]
fn lines_stand_above_the_block_and_nothing_of_it_is_left() {
    let mut desk = Desk::new(60, 24);
    desk.progress.lines("before the block");
    desk.progress.update(&at(0, 4));
    desk.progress.notice("halted:\u{1b}[2J no credits");
    desk.progress
        .lines("a log line that is so long that a terminal of sixty columns has to wrap it");
    desk.progress.update(&at(500, 30));
    insta::assert_snapshot!(desk.screen(), @r"
        before the block
        halted:\u{1b}[2J no credits
        a log line that is so long that a terminal of sixty columns
        has to wrap it

        submitted   █████████████████████████░░░░░░░░░  30/40   75%
        time        1 s
        ");

    desk.progress.finish();
    desk.progress.update(&at(900, 40));
    desk.progress.notice("the end");
    insta::assert_snapshot!(desk.screen(), @r"
        before the block
        halted:\u{1b}[2J no credits
        a log line that is so long that a terminal of sixty columns
        has to wrap it
        the end
        ");
}

#[test]
fn notices_break_between_words() {
    let mut desk = Desk::new(40, 15);
    desk.progress.update(&at(0, 4));
    desk.progress
        .notice("slower: one request every 750ms, as something else seems to use the account");
    insta::assert_snapshot!(desk.screen(), @"
        slower: one request every 750ms, as
          something else seems to use the
          account

        submitted  █░░░░░░░░░░░░░░░  4/40   10%
        time       0 s
        ");
}

/// Whatever the window does between two drawings, the next one stands alone below what was written.
#[test]
fn a_window_that_changes_keeps_no_remains() {
    let before: String = (1..=12).map(|number| format!("line {number}\n")).collect();
    for make in [Desk::new, Desk::that_cuts] {
        for (columns, rows) in [
            (40, 24),
            (60, 24),
            (120, 24),
            (80, 40),
            (80, 12),
            (39, 12),
            (200, 50),
            (79, 23),
        ] {
            let mut desk = make(80, 24);
            desk.progress.lines(&before);
            desk.progress.update(&busy());
            desk.resize(columns, rows);
            let later = Snapshot {
                elapsed: busy().elapsed + Duration::from_secs(1),
                ..busy()
            };
            desk.progress.update(&later);
            let screen = desk.screen();
            let block = drawn(&later, columns, rows);
            let (_, seen) = screen.split_once("line 12").unwrap_or(("", &screen));
            assert_eq!(seen.trim(), block.trim(), "{columns}x{rows}\n{screen}");

            desk.progress.finish();
            desk.progress.lines("the end");
            let screen = desk.screen();
            assert!(
                screen.ends_with("line 12\nthe end") || screen == "the end",
                "{columns}x{rows}\n{screen}"
            );
        }
    }
}

#[test]
fn a_block_that_was_put_aside_comes_back_below_what_others_wrote() {
    let mut desk = Desk::new(60, 24);
    desk.progress.update(&at(0, 4));
    desk.progress.put_aside();
    desk.progress.update(&at(1_000, 8));
    assert_eq!(desk.screen(), "");
    desk.terminal.feed("$ fg\r\n");
    desk.progress.show_again();
    desk.progress.update(&at(2_000, 8));
    insta::assert_snapshot!(desk.screen(), @"
        $ fg

        submitted   ███████░░░░░░░░░░░░░░░░░░░░░░░░░░░░  8/40   20%
        time        2 s
        ");
}

#[test]
fn a_closed_pipe_stops_nothing() {
    for mode in [ProgressMode::Bar, ProgressMode::Plain, ProgressMode::None] {
        let target = Target::terminal(ClosedPipe, || size(80, 24), PLAIN_INK);
        let progress = Progress::new(mode, target, Secrets::default());
        progress.update(&at(10_000, 3));
        progress.notice("nobody reads this");
        progress.lines("nor this");
        progress.finish();
    }
}

#[test]
fn secrets_show_nowhere() {
    for mode in [ProgressMode::Bar, ProgressMode::Plain] {
        let (progress, paper) = on_paper(mode);
        progress.0.secrets.hide("sk-12345");
        let mut incidents = Incidents::default();
        // On 80 columns the line is cut in the middle of the secret.
        incidents.add(
            1,
            RowState::Rejected,
            "422",
            "a message of some length about the key sk-12345",
        );
        incidents.add(2, RowState::Rejected, "sk-12345", "");
        let snapshot = Snapshot {
            halt: Some(Halt {
                code: "401".into(),
                message: "the key sk-12345 is wrong".into(),
            }),
            incidents: incidents.iter().cloned().collect(),
            ..pausing(10_000, "the API refused sk-12345")
        };
        progress.update(&snapshot);
        progress.notice("halted: sk-12345");
        assert!(!paper.text().contains("sk-1"), "{}", paper.text());
        assert!(paper.text().contains("halted: [redacted]"));
    }
}

prop_compose! {
    fn counts()(counts in prop::collection::vec(prop_oneof![0_u64..50, 0_u64..1_000_000, Just(u64::MAX / 8)], 16)) -> Vec<u64> {
        counts
    }
}

prop_compose! {
    /// Any numbers and any texts.
    fn snapshots()(
        counts in counts(), texts in prop::collection::vec(any::<String>(), 6), flags: [bool; 8], credits: Option<f64>,
        seconds in prop::collection::vec(prop_oneof![0_u64..100, 0_u64..1 << 40], 4),
    ) -> Snapshot {
        let seconds: Vec<Duration> = seconds.into_iter().map(Duration::from_secs).collect();
        let incidents = texts[..3].iter().zip([RowState::Rejected, RowState::Failed, RowState::Succeeded]);
        Snapshot {
            total: counts[0], done: counts[1], accepted: counts[2], rejected: counts[3], unknown: counts[4],
            in_flight: counts[5], queued: counts[6], requests: counts[7], rate_limited: counts[8], elapsed: seconds[0],
            spent_credits: credits,
            budget: flags[0].then_some(Budget { credits: 1e9, spent: credits.unwrap_or_default() }),
            rate: flags[1].then_some(MeasuredRate {
                requests: credits.unwrap_or_default(),
                limit: if flags[2] { Rate::ACCOUNT } else { Rate::Off },
            }),
            pause: flags[3].then(|| Pause { remaining: seconds[1], reason: texts[3].clone() }),
            eta: Some(seconds[2]).filter(|_| flags[4]),
            eta_of_all: Some(seconds[3]).filter(|_| flags[5]),
            ending: flags[6],
            halt: flags[6].then(|| Halt { code: texts[4].clone(), message: texts[5].clone() }),
            incidents: incidents.map(|(text, state)| Incident {
                at: tokio::time::Instant::now(), row: 7, state, code: text.chars().take(5).collect(), message: text.clone(),
            }).collect(),
            tasks: flags[7].then_some(TaskCounts {
                at_work: counts[9], succeeded: counts[10], failed: counts[11], saves: flags[0], saving: counts[12],
                saved: counts[13], to_save: counts[14], not_saved: counts[15], bytes: counts[0],
            }),
            images: (flags[1] && flags[2]).then_some(ImageCounts { bad: counts[3], not_reached: counts[4] }),
        }
    }
}

proptest! {
    /// On a terminal of any size, whatever there is to say: no line is as wide as the terminal, which might wrap it, they
    /// take no more than half of its lines, and nothing in them drives it.
    #[test]
    fn the_block_fits(snapshot in snapshots(), columns in 1_u16..200, rows in 1_u16..60, unicode: bool) {
        let ink = Ink { colour: false, unicode };
        let lines = block::block(&snapshot, size(columns, rows), ink);
        prop_assert!(!lines.is_empty() && lines.len() <= usize::from(rows / 2).max(1), "{lines:?}");
        for line in &lines {
            prop_assert!(line::columns_of(line) < usize::from(columns), "{line:?}");
            prop_assert!(!line.chars().any(escape::drives_terminal), "{line:?}");
        }
    }

    /// The same as a terminal sees it, colours and control sequences included: the cursor is where the block begins, and
    /// nothing above it has moved.
    #[test]
    fn a_drawing_leaves_the_rest_alone(snapshot in snapshots(), columns in 20_u16..120, rows in 3_u16..40) {
        let mut terminal = avt::Terminal::new(columns.into(), rows.into()).unwrap();
        terminal.feed("above\r\n");
        let lines = block::block(&snapshot, size(columns, rows), Ink { colour: true, unicode: true });
        for over in [Over::Anything, Over::Itself] {
            terminal.feed(&*screen::drawn(&lines, over).replace('\n', "\r\n"));
            let cursor = terminal.cursor();
            prop_assert_eq!((cursor.col, cursor.row), (0, 1));
            prop_assert_eq!(text_of(&terminal, 0), "above");
        }
        terminal.feed(&*screen::cleared());
        for row in 1..usize::from(rows) {
            prop_assert_eq!(text_of(&terminal, row), "");
        }
    }
}
