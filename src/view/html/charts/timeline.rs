//! The requests of a run over time, against what the account allows.
//!
//! Two pictures above one clock: how many requests began in each slice of time, by what they came to; and how full the
//! fullest window of the rate was, with its limit. They are apart because they count in different spans of time.

use std::time::Duration;

use crate::clock::UnixMillis;
use crate::rate::Rate;
use crate::view::html::charts::scale::{self, Tick};
use crate::view::html::markup::{Html, html, put};
use crate::view::html::moment;
use crate::view::wording::{counted, grouped, lasting};
use crate::view::{Slice, Timeline};

/// The window that peaks are counted in where the account has no limit (see [`Slice::peak`]).
const WINDOW_WITHOUT_LIMIT: Duration = Duration::from_secs(10);

/// What requests came to: its class, its words, and how to count it.
type Kind = (&'static str, &'static str, fn(&Slice) -> u32);

/// From the ground up.
pub(in crate::view::html) const KINDS: [Kind; 5] = [
    ("accepted", "accepted", |slice| slice.accepted),
    ("again", "to be made again", |slice| slice.again),
    ("rejected", "rejected", |slice| slice.rejected),
    ("unknown", "without an answer", |slice| slice.unknown),
    ("in-flight", "in flight", |slice| slice.in_flight),
];

/// From top to bottom, in pixels.
const BARS_TOP: u32 = 26;
const BARS_HEIGHT: u32 = 132;
const PEAKS_TOP: u32 = 196;
const PEAKS_HEIGHT: u32 = 66;
const HEIGHT: u32 = 286;

/// Units of the stretched pictures: so many for each slice, and from their ground to their top.
const SLICE: f64 = 10.0;
const TALL: f64 = 1_000.0;

/// Most marks on the clock; every other one goes where there is no room.
const MOST_TICKS: u64 = 8;

/// The picture, which is to stand in a `figure`.
pub(in crate::view::html) fn chart(timeline: &Timeline, rate: Rate) -> Html {
    let plot = Plot::of(timeline, rate);
    let mut html = html!(
        r#"<svg class="plot" role="img" aria-label="{}" height="{}">"#,
        in_words(timeline, rate),
        HEIGHT
    );
    plot.bars(&mut html);
    plot.peaks(&mut html);
    plot.clock(&mut html);
    plot.halt(&mut html);
    plot.tooltips(&mut html);
    put!(html, "</svg>");
    html
}

/// The same in words.
pub(in crate::view::html) fn in_words(timeline: &Timeline, rate: Rate) -> String {
    let plot = Plot::of(timeline, rate);
    let mut text = format!(
        "Requests of run {} from {} UTC on, for {}",
        timeline.run,
        moment::day_and_minute(timeline.started_at),
        lasting(plot.span)
    );
    let sums = sums(timeline);
    let parts: Vec<String> = KINDS
        .iter()
        .zip(sums)
        .filter(|(_, sum)| *sum > 0)
        .map(|((_, words, _), sum)| format!("{} {words}", grouped(sum)))
        .collect();
    match parts.is_empty() {
        true => text.push_str(": none."),
        false => text.push_str(&format!(": {}.", parts.join(", "))),
    }
    let peak = timeline.slices.iter().map(|slice| slice.peak).max().unwrap_or(0);
    text.push_str(&format!(" At most {peak} in any {}", lasting(window_of(rate))));
    if let Rate::Limited { requests, .. } = rate {
        text.push_str(&format!(", of {requests} allowed"));
    }
    text.push('.');
    if !timeline.pauses.is_empty() {
        text.push_str(&format!(" {}.", counted(timeline.pauses.len() as u64, "pause")));
    }
    if let Some(halt) = &timeline.halted {
        text.push_str(&format!(" Halted: {}.", halt.message));
    }
    text
}

/// How many requests of each of the [`KINDS`] there were.
pub(in crate::view::html) fn sums(timeline: &Timeline) -> [u64; 5] {
    KINDS.map(|(_, _, count)| timeline.slices.iter().map(|slice| u64::from(count(slice))).sum())
}

/// The span that peaks are counted in.
pub(in crate::view::html) fn window_of(rate: Rate) -> Duration {
    match rate {
        Rate::Limited { window, .. } => window,
        Rate::Off => WINDOW_WITHOUT_LIMIT,
    }
}

struct Plot<'a> {
    timeline: &'a Timeline,
    rate: Rate,
    /// What the width stands for.
    span: Duration,
    /// The same in units of the stretched pictures.
    wide: f64,
    most_requests: u64,
    most_peak: u64,
}

impl Plot<'_> {
    fn of(timeline: &Timeline, rate: Rate) -> Plot<'_> {
        let slices = u32::try_from(timeline.slices.len().max(1)).unwrap_or(u32::MAX);
        let tallest = |count: fn(&Slice) -> u32| timeline.slices.iter().map(count).max().unwrap_or(0);
        let allowed = match rate {
            Rate::Limited { requests, .. } => requests.get(),
            Rate::Off => 0,
        };
        Plot {
            timeline,
            rate,
            span: timeline.slice.max(Duration::from_secs(1)).saturating_mul(slices),
            wide: f64::from(slices) * SLICE,
            most_requests: scale::top(u64::from(tallest(Slice::requests))),
            // Some room above the limit, for its name.
            most_peak: u64::from(tallest(|slice| slice.peak).max(allowed)) * 5 / 4 + 1,
        }
    }

    /// How many requests began in each slice.
    fn bars(&self, html: &mut Html) {
        let per = lasting(self.timeline.slice);
        put!(html, r#"<text class="caption" y="12">requests per {}</text>"#, per);
        self.grid(html, BARS_TOP, BARS_HEIGHT, self.most_requests);
        self.picture(html, BARS_TOP, BARS_HEIGHT);
        self.pauses(html);
        let mut grounds = vec![0; self.timeline.slices.len()];
        for (class, _, count) in KINDS {
            let mut outline = String::new();
            for (index, (slice, ground)) in self.timeline.slices.iter().zip(&mut grounds).enumerate() {
                let requests = u64::from(count(slice));
                if requests > 0 {
                    let gap = if self.timeline.slices.len() > 120 {
                        0.0
                    } else {
                        SLICE * 0.14
                    };
                    let left = at(index) + gap / 2.0;
                    let (low, high) = (self.bar_at(*ground), self.bar_at(*ground + requests));
                    let shape = format!("M{left:.1} {low:.0}V{high:.0}h{:.1}V{low:.0}z", SLICE - gap);
                    outline.push_str(&shape);
                    *ground += requests;
                }
            }
            if !outline.is_empty() {
                put!(html, r#"<path class="s-{}" d="{}"/>"#, class, outline);
            }
        }
        put!(html, "</svg>");
    }

    /// How full the fullest window was, and how full one may be.
    fn peaks(&self, html: &mut Html) {
        let window = lasting(window_of(self.rate));
        put!(
            html,
            r#"<text class="caption" y="{}">fullest {} window</text>"#,
            PEAKS_TOP - 10,
            window
        );
        put!(
            html,
            r#"<line class="ground" x2="100%" y1="{0}" y2="{0}"/>"#,
            PEAKS_TOP + PEAKS_HEIGHT
        );
        self.picture(html, PEAKS_TOP, PEAKS_HEIGHT);
        self.pauses(html);
        let mut line = String::new();
        let mut before = None;
        for (index, slice) in self.timeline.slices.iter().enumerate() {
            let high = self.peak_at(slice.peak);
            match before {
                None => line.push_str(&format!("M0 {high:.0}")),
                Some(peak) if peak != slice.peak => line.push_str(&format!("H{:.0}V{high:.0}", at(index))),
                Some(_) => {}
            }
            before = Some(slice.peak);
        }
        if !line.is_empty() {
            line.push_str(&format!("H{:.0}", self.wide));
            let area = format!("{line}V{TALL:.0}H0z");
            put!(
                html,
                r#"<path class="peak-area" d="{}"/><path class="peak" d="{}"/>"#,
                area,
                line
            );
        }
        put!(html, "</svg>");
        if let Rate::Limited { requests, .. } = self.rate {
            let y = f64::from(PEAKS_TOP) + f64::from(PEAKS_HEIGHT) * self.peak_at(requests.get()) / TALL;
            put!(
                html,
                r#"<line class="limit" x2="100%" y1="{:.1}" y2="{:.1}"/><text class="limit-name" x="100%" y="{:.1}">limit {}</text>"#,
                y,
                y,
                y - 5.0,
                requests.get(),
            );
            put!(
                html,
                r#"<text class="tick-y" x="-8" y="{:.1}">{}</text>"#,
                y + 4.0,
                requests.get()
            );
        }
        put!(
            html,
            r#"<text class="tick-y" x="-8" y="{}">0</text>"#,
            PEAKS_TOP + PEAKS_HEIGHT + 4
        );
    }

    /// Lines at the top, half way up and on the ground.
    fn grid(&self, html: &mut Html, top: u32, height: u32, most: u64) {
        for (y, class, value) in [
            (top, "grid", most),
            (top + height / 2, "grid", most / 2),
            (top + height, "ground", 0),
        ] {
            put!(html, r#"<line class="{}" x2="100%" y1="{}" y2="{}"/>"#, class, y, y);
            put!(
                html,
                r#"<text class="tick-y" x="-8" y="{}">{}</text>"#,
                y + 4,
                grouped(value)
            );
        }
    }

    /// Opens a picture that is stretched to the width of the chart.
    fn picture(&self, html: &mut Html, top: u32, height: u32) {
        put!(
            html,
            r#"<svg y="{}" width="100%" height="{}" viewBox="0 0 {:.0} {:.0}" preserveAspectRatio="none">"#,
            top,
            height,
            self.wide,
            TALL
        );
    }

    /// Shades the times in which everyone waited.
    fn pauses(&self, html: &mut Html) {
        for pause in &self.timeline.pauses {
            let (from, until) = (self.share(pause.from), self.share(pause.until));
            // A short one is seen, too.
            let width = ((until - from) * self.wide).max(self.wide / 500.0);
            put!(
                html,
                r#"<rect class="pause" x="{:.1}" width="{:.1}" height="{:.0}"/>"#,
                from * self.wide,
                width,
                TALL
            );
        }
    }

    /// The time of day, below.
    fn clock(&self, html: &mut Html) {
        for (index, tick) in scale::times(self.timeline.started_at, self.span, MOST_TICKS)
            .iter()
            .enumerate()
        {
            let Tick { at, label } = tick;
            let share = self.share(*at) * 100.0;
            let anchor = match share {
                ..4.0 => "start",
                96.0.. => "end",
                _ => "middle",
            };
            let class = if index % 2 == 1 { "tick-x spare" } else { "tick-x" };
            put!(
                html,
                r#"<text class="{}" x="{:.2}%" y="{}" text-anchor="{}">{}</text>"#,
                class,
                share,
                HEIGHT - 6,
                anchor,
                label
            );
        }
    }

    /// Where the run stopped before its end.
    fn halt(&self, html: &mut Html) {
        let Some(halt) = &self.timeline.halted else {
            return;
        };
        let share = self.timeline.ended_at.map_or(1.0, |at| self.share(at)) * 100.0;
        let (anchor, gap) = if share > 50.0 { ("end", -6) } else { ("start", 6) };
        put!(
            html,
            r#"<line class="halt" x1="{:.2}%" x2="{:.2}%" y1="{}" y2="{}"/>"#,
            share,
            share,
            BARS_TOP - 8,
            PEAKS_TOP + PEAKS_HEIGHT
        );
        put!(
            html,
            r#"<text class="halt-name" x="{:.2}%" dx="{}" y="{}" text-anchor="{}">halted ({})</text>"#,
            share,
            gap,
            BARS_TOP - 10,
            anchor,
            crate::escape::excerpt(&halt.code, 24)
        );
    }

    /// What to say of each slice and each pause to whoever points at it.
    fn tooltips(&self, html: &mut Html) {
        put!(
            html,
            r#"<svg class="tips" y="{}" width="100%" height="{}" viewBox="0 0 {:.0} 1" preserveAspectRatio="none">"#,
            BARS_TOP,
            PEAKS_TOP + PEAKS_HEIGHT - BARS_TOP,
            self.wide
        );
        for (index, slice) in self.timeline.slices.iter().enumerate() {
            let from = self.timeline.started_at.after(times(self.timeline.slice, index));
            let said = self.of_slice(from, slice);
            if let Some(said) = said {
                put!(
                    html,
                    r#"<rect x="{:.0}" width="{:.0}" height="1"><title>{}</title></rect>"#,
                    at(index),
                    SLICE,
                    said
                );
            }
        }
        put!(html, "</svg>");
    }

    /// What is to be said of a slice; `None`: nothing was in it.
    fn of_slice(&self, from: UnixMillis, slice: &Slice) -> Option<String> {
        let until = from.after(self.timeline.slice);
        let paused = self
            .timeline
            .pauses
            .iter()
            .find(|pause| pause.from < until && pause.until > from);
        if slice.requests() == 0 && paused.is_none() {
            return None;
        }
        let parts = KINDS.iter().filter(|(_, _, count)| count(slice) > 0);
        let mut said: Vec<String> = parts
            .map(|(_, words, count)| format!("{} {words}", count(slice)))
            .collect();
        if slice.peak > 0 {
            said.push(format!("fullest window {}", slice.peak));
        }
        if let Some(pause) = paused {
            said.push(format!("paused: {}", crate::escape::excerpt(&pause.message, 80)));
        }
        Some(format!("{}: {}", moment::clock(from), said.join(", ")))
    }

    /// Where a moment is, from 0 at the left to 1 at the right.
    fn share(&self, at: UnixMillis) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a picture has a few thousand points")]
        let since = at.millis_since(self.timeline.started_at) as f64;
        (since / 1e3 / self.span.as_secs_f64()).clamp(0.0, 1.0)
    }

    /// The height of so many requests, counted from the top.
    fn bar_at(&self, requests: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a picture has a few thousand points")]
        let share = requests as f64 / self.most_requests as f64;
        TALL * (1.0 - share)
    }

    fn peak_at(&self, peak: u32) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a picture has a few thousand points")]
        let share = f64::from(peak) / self.most_peak as f64;
        TALL * (1.0 - share)
    }
}

/// The left side of a slice in the stretched pictures.
fn at(index: usize) -> f64 {
    f64::from(u32::try_from(index).unwrap_or(u32::MAX)) * SLICE
}

fn times(slice: Duration, index: usize) -> Duration {
    slice.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX))
}
