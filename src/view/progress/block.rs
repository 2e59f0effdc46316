//! The lines of a run on a terminal, the most telling ones if there is no room for all.
//!
//! ```text
//! submitted   ██████████████▓▒░░░░░░  3,412/5,000   68%  11 rejected, 1 unknown
//! generating  ████████▓▒▒░░░░░░░░░░░  2,100/4,988   42%  3 failed, 120 at work
//! saved       ████████░░░░░░░░░░░░░░  2,050/4,988   41%  1.2 GB
//! rate        19.0 of 20 per 10 s, 4 in flight, 2 answered 429
//! credits     1,230 in this run, 102,000 of the budget of 150,000
//! time        30 min 5 s, about 25 min left
//! paused      8 s: the API answered 429
//! problems    row 3380 rejected, 422: the prompt contains prohibited content
//! ```

use super::Snapshot;
use super::ink::{Ink, Tone};
use super::line::{Line, columns_of};
use super::stages::{Stage, stages};
use crate::escape;
use crate::incident::Incident;
use crate::rate::Rate;
use crate::row::RowState;
use crate::view::wording::{about, decimal, grouped, lasting};

/// How large a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

impl Size {
    /// The size of a terminal that does not tell.
    pub(super) const USUAL: Size = Size { columns: 80, rows: 24 };

    /// Columns that a line may fill: the last stays free, because some terminals wrap when it is written to.
    fn room(self) -> usize {
        usize::from(self.columns).saturating_sub(1)
    }

    /// Lines that the block may have: if it gets narrower, and each line of before takes two of its own, they still fit.
    /// What does not would be out of reach, and stay there.
    fn most_lines(self) -> usize {
        (usize::from(self.rows) / 2).max(1)
    }
}

/// Columns below which a bar is not worth its place, and beyond which it needs no more.
const BAR_COLUMNS: std::ops::RangeInclusive<usize> = 8..=50;

/// Columns of the names at the beginning of each line.
const NAME: usize = 12;

/// Terminals narrower than this get the names without room to spare, and shorter forms; below the second, the shortest.
const WIDE: usize = 60;
const NARROW: usize = 32;

/// Problems that are shown.
const PROBLEMS: usize = 3;

/// Which lines stay when there is no room for all, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// The first stage that is not over.
    Stage,
    /// What holds everything up.
    Hold,
    OtherStage,
    Time,
    LastProblem,
    Troubles,
    Rate,
    Credits,
    Problem,
    /// The empty line that sets the block off.
    Gap,
}

/// The lines of `snapshot` on a terminal of this size, without control sequences but those of colours. None is wider than
/// the terminal, and they are no more than it has.
pub(super) fn block(snapshot: &Snapshot, size: Size, ink: Ink) -> Vec<String> {
    let page = Page {
        columns: size.room(),
        ink,
        lines: vec![(Weight::Gap, Line::default())],
    };
    let mut lines = page.filled(snapshot);
    let mut weights: Vec<Weight> = lines.iter().map(|(weight, _)| *weight).collect();
    weights.sort_unstable();
    if let Some(first_out) = weights.get(size.most_lines()) {
        // Of several lines of the weight that does not fit as a whole, the first ones stay.
        let mut left = weights[..size.most_lines()]
            .iter()
            .filter(|weight| *weight == first_out)
            .count();
        lines.retain(|(weight, _)| match weight.cmp(first_out) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => left.checked_sub(1).map(|fewer| left = fewer).is_some(),
        });
    }
    let fitted = lines.into_iter().map(|(_, line)| line.fitted(size.room(), ink));
    fitted.map(|line| line.painted(ink)).collect()
}

/// Lines being written.
struct Page {
    columns: usize,
    ink: Ink,
    lines: Vec<(Weight, Line)>,
}

impl Page {
    fn filled(mut self, snapshot: &Snapshot) -> Vec<(Weight, Line)> {
        self.stages(&stages(snapshot));
        self.rate(snapshot);
        self.credits(snapshot);
        self.time(snapshot);
        self.hold(snapshot);
        self.problems(&snapshot.incidents);
        self.lines
    }

    fn is_wide(&self) -> bool {
        self.columns + 1 >= WIDE
    }

    fn is_tiny(&self) -> bool {
        self.columns + 1 < NARROW
    }

    fn stages(&mut self, stages: &[Stage]) {
        let bars = Bars::of(stages, self.columns, self.is_wide());
        let current = stages.iter().position(|stage| stage.done() < stage.total);
        for (index, stage) in stages.iter().enumerate() {
            let weight = match index == current.unwrap_or(0) {
                true => Weight::Stage,
                false => Weight::OtherStage,
            };
            let line = match self.is_tiny() {
                true => self.short_stage(stage),
                false => bars.line(stage, self.ink),
            };
            self.lines.push((weight, line));
        }
        let troubles: Vec<&str> = stages
            .iter()
            .flat_map(|stage| &stage.troubles)
            .map(|text| &**text)
            .collect();
        if !bars.remarks && !troubles.is_empty() {
            self.list(Weight::Troubles, (Tone::Bad, "problems"), &troubles);
        }
    }

    /// `sent 68% 3,412/5,000`, or as much of it as makes sense.
    fn short_stage(&self, stage: &Stage) -> Line {
        let figures = format!("{}/{}", grouped(stage.done()), grouped(stage.total));
        let percent = format!("{:<5} {:>3}%", stage.names[1], stage.percent());
        let mut line = Line::default();
        line.plain(match columns_of(&percent) + 1 + figures.len() <= self.columns {
            true => format!("{percent} {figures}"),
            false => percent,
        });
        line
    }

    fn rate(&mut self, snapshot: &Snapshot) {
        let Some(rate) = snapshot.rate.filter(|_| snapshot.is_sending()) else {
            return;
        };
        let measured = match rate.limit {
            Rate::Limited { requests, .. } if self.is_tiny() => format!("{:.1} of {requests}", rate.requests),
            Rate::Limited { requests, window } => {
                let window = lasting(window);
                let window = window.strip_prefix("1 ").unwrap_or(&window);
                format!("{:.1} of {requests} per {window}", rate.requests)
            }
            Rate::Off => format!("{:.1} per s", rate.requests),
        };
        let counted = |count: u64, what| (count > 0).then(|| format!("{} {what}", grouped(count)));
        let parts = [
            Some(measured),
            counted(snapshot.in_flight, "in flight"),
            counted(snapshot.rate_limited, "answered 429"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        self.list(Weight::Rate, (Tone::Plain, "rate"), &parts);
    }

    fn credits(&mut self, snapshot: &Snapshot) {
        let spent = snapshot.spent_credits.filter(|_| snapshot.requests > 0);
        let spent = spent.map(|spent| match self.is_tiny() {
            true => decimal(spent),
            false => format!("{} in this run", decimal(spent)),
        });
        let budget = snapshot.budget.map(|budget| {
            let [spent, credits] = [budget.spent, budget.credits].map(decimal);
            format!("{spent} of the budget of {credits}")
        });
        let parts: Vec<String> = spent.into_iter().chain(budget).collect();
        if !parts.is_empty() {
            self.list(Weight::Credits, (Tone::Plain, "credits"), &parts);
        }
    }

    fn time(&mut self, snapshot: &Snapshot) {
        let sending = snapshot.eta.filter(|_| snapshot.done < snapshot.total);
        let left = match (snapshot.eta_of_all, sending) {
            (Some(left), _) => Some(format!("{} left", about(left))),
            (None, Some(left)) if snapshot.tasks.is_some() => Some(format!("{} to send", about(left))),
            (None, Some(left)) => Some(format!("{} left", about(left))),
            (None, None) => None,
        };
        let so_far = lasting(snapshot.elapsed);
        let both = left.as_ref().map(|left| format!("{so_far}, {left}"));
        let fits = |text: &String| NAME + columns_of(text) <= self.columns;
        // Where there is room for one only, what is to come says more.
        match both.filter(fits).or(left) {
            Some(text) if self.is_tiny() => self.text(Weight::Time, (Tone::Plain, ""), &text),
            Some(text) => self.text(Weight::Time, (Tone::Plain, "time"), &text),
            None => self.text(Weight::Time, (Tone::Plain, "time"), &so_far),
        }
    }

    /// What holds everything up, for a while or for good.
    fn hold(&mut self, snapshot: &Snapshot) {
        if let Some(halt) = &snapshot.halt {
            let [code, message] = [&halt.code, &halt.message].map(|text| escape::for_terminal(text));
            let text = match message.contains(&format!("({code}")) {
                // The API's own code is in our sentence already.
                true => message.into_owned(),
                false => format!("{message} ({code})"),
            };
            self.text(Weight::Hold, (Tone::Bad, "halted"), &text);
        } else if snapshot.ending && snapshot.in_flight > 0 {
            let text = format!("nothing more is sent; {} in flight", grouped(snapshot.in_flight));
            self.text(Weight::Hold, (Tone::Waiting, "ending"), &text);
        }
        if let Some(pause) = &snapshot.pause {
            let reason = escape::for_terminal(&pause.reason);
            let text = match pause.remaining.is_zero() {
                true => format!("trying again with one request: {reason}"),
                false => format!("{}: {reason}", lasting(pause.remaining)),
            };
            self.text(Weight::Hold, (Tone::Waiting, "paused"), &text);
        }
    }

    /// The last problems, the latest first.
    fn problems(&mut self, incidents: &[Incident]) {
        for (index, incident) in incidents.iter().rev().take(PROBLEMS).enumerate() {
            let weight = if index == 0 {
                Weight::LastProblem
            } else {
                Weight::Problem
            };
            let name = if index == 0 { "problems" } else { "" };
            let text = told(incident);
            if self.is_wide() {
                self.text(weight, (Tone::Bad, name), &text);
            } else {
                let mut line = Line::default();
                line.push(Tone::Bad, "! ");
                line.plain(text);
                self.lines.push((weight, line));
            }
        }
    }

    /// A line of several parts, of which those stay away that do not fit.
    fn list<T: AsRef<str>>(&mut self, weight: Weight, name: (Tone, &str), parts: &[T]) {
        let mut line = self.named(name);
        let mut gap = "";
        for part in parts.iter().map(AsRef::as_ref) {
            let is_first = gap.is_empty();
            if !is_first && line.width() + gap.len() + columns_of(part) > self.columns {
                break;
            }
            line.plain(format!("{gap}{part}"));
            gap = ", ";
        }
        self.lines.push((weight, line));
    }

    fn text(&mut self, weight: Weight, name: (Tone, &str), text: &str) {
        let mut line = self.named(name);
        line.plain(text);
        self.lines.push((weight, line));
    }

    /// The beginning of a line: its name, in columns where there is room for them.
    fn named(&self, (tone, name): (Tone, &str)) -> Line {
        let mut line = Line::default();
        line.push(tone, name);
        line.plain(match self.columns + 1 {
            WIDE.. => " ".repeat(NAME.saturating_sub(name.len())),
            NARROW.. => " ".repeat((NAME - 1).saturating_sub(name.len())),
            _ if name.is_empty() => String::new(),
            _ => " ".to_owned(),
        });
        line
    }
}

/// How the bars of all stages are laid out, so that they stand below each other.
struct Bars {
    name: usize,
    /// Columns of a bar with what frames it; none where there is no room for one.
    bar: Option<usize>,
    figures: usize,
    /// Whether there is room for remarks behind them.
    remarks: bool,
}

impl Bars {
    fn of(stages: &[Stage], columns: usize, is_wide: bool) -> Bars {
        let figures = stages.iter().map(|stage| figures(stage).len()).max().unwrap_or(0);
        let remarks = stages.iter().map(|stage| columns_of(&remarks(stage).join(", "))).max();
        let remarks = remarks.filter(|columns| *columns > 0).map_or(0, |columns| columns + 2);
        let name = if is_wide { NAME } else { NAME - 1 };
        // Two spaces stand after the bar, two before the percentage of four columns.
        let beside = name + 2 + figures + 2 + 4;
        let room = |taken: usize| columns.checked_sub(taken).filter(|room| room >= BAR_COLUMNS.start());
        let with_remarks = if is_wide { room(beside + remarks) } else { None };
        Bars {
            name,
            bar: with_remarks.or(room(beside)).map(|room| room.min(*BAR_COLUMNS.end())),
            figures,
            remarks: with_remarks.is_some(),
        }
    }

    fn line(&self, stage: &Stage, ink: Ink) -> Line {
        let mut line = Line::default();
        line.plain(format!("{:<1$}", stage.names[0], self.name));
        if let Some(columns) = self.bar {
            draw_bar(&mut line, stage, columns, ink);
            line.plain("  ");
        }
        line.plain(format!(
            "{:>1$}  {2:>3}%",
            figures(stage),
            self.figures,
            stage.percent()
        ));
        if self.remarks {
            let mut gap = "  ";
            let troubles = stage.troubles.iter().map(|text| (Tone::Bad, text));
            for (tone, text) in troubles.chain(stage.remarks.iter().map(|text| (Tone::Plain, text))) {
                line.plain(gap);
                line.push(tone, text);
                gap = ", ";
            }
        }
        line
    }
}

fn draw_bar(line: &mut Line, stage: &Stage, columns: usize, ink: Ink) {
    let (marks, frame) = match (ink.unicode, ink.colour) {
        // Where colours tell good from bad, they look alike.
        (true, true) => (["█", "█", "▒", "░"], ["", ""]),
        (true, false) => (["█", "▓", "▒", "░"], ["", ""]),
        (false, _) => (["=", "!", "-", "."], ["[", "]"]),
    };
    let framed = frame.map(str::len).iter().sum::<usize>();
    line.plain(frame[0]);
    for ((cells, mark), tone) in stage.cells(columns - framed).into_iter().zip(marks).zip(Stage::TONES) {
        line.push(tone, mark.repeat(cells));
    }
    line.plain(frame[1]);
}

fn figures(stage: &Stage) -> String {
    format!("{}/{}", grouped(stage.done()), grouped(stage.total))
}

fn remarks(stage: &Stage) -> Vec<&str> {
    stage
        .troubles
        .iter()
        .chain(&stage.remarks)
        .map(|text| &**text)
        .collect()
}

/// `row 17 rejected, 422: the prompt contains prohibited content`.
fn told(incident: &Incident) -> String {
    let Incident {
        row,
        state,
        code,
        message,
        ..
    } = incident;
    let row = match row {
        0 => "a row that left the manifest".to_owned(),
        row => format!("row {row}"),
    };
    let what = match state {
        RowState::Succeeded => "not saved",
        state => state.as_str(),
    };
    let mut told = format!("{row} {what}");
    for (gap, part) in [(", ", code), (": ", message)] {
        if !part.is_empty() {
            told.push_str(gap);
            told.push_str(&escape::for_terminal(part));
        }
    }
    told
}
