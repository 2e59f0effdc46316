//! How often which duration was seen.

use crate::view::Distribution;
use crate::view::html::charts::scale::{self, brief};
use crate::view::html::markup::{Html, html, put};
use crate::view::wording::{counted, grouped};

/// From top to bottom, in pixels.
const TOP: u32 = 46;
const HEIGHT: u32 = 110;
const WHOLE: u32 = 178;

/// Most bounds that are written below.
const MOST_LABELS: usize = 6;

/// Fewest columns, where there are so many.
const FEWEST: usize = 7;

/// Where there is no room for a name to the right, in percent of the width.
const NEAR_END: f64 = 80.0;

/// Units of the stretched picture.
const COLUMN: f64 = 10.0;
const TALL: f64 = 1_000.0;

/// The columns from the first that has something in it to the last, or a few more, and what of `distribution` is in each.
struct Columns {
    /// The bounds of the columns: one more than there are columns. The last of a column without an end is the longest.
    bounds: Vec<f64>,
    counts: Vec<u64>,
}

impl Columns {
    /// `None`: nothing was seen.
    fn of(distribution: &Distribution) -> Option<Columns> {
        let mut bounds = vec![0.0];
        let mut counts = Vec::new();
        for (bound, count) in &distribution.bins {
            bounds.push(*bound);
            counts.push(*count);
        }
        if distribution.beyond > 0 {
            let last = bounds.last().copied().unwrap_or_default();
            bounds.push(distribution.longest.max(last));
            counts.push(distribution.beyond);
        }
        let first = counts.iter().position(|count| *count > 0)?;
        let last = counts.iter().rposition(|count| *count > 0)?;
        // A column or two would be as wide as the chart and say little: some empty ones beside them, where there are any.
        let missing = FEWEST.saturating_sub(last - first + 1);
        let last = (last + missing).min(counts.len() - 1);
        let first = first.min((last + 1).saturating_sub(FEWEST));
        Some(Columns {
            bounds: bounds.get(first..last + 2)?.to_vec(),
            counts: counts.get(first..=last)?.to_vec(),
        })
    }

    /// Where a duration is, from 0 at the left to 1 at the right.
    fn share(&self, seconds: f64) -> f64 {
        let whole = self.counts.len();
        for (index, bounds) in self.bounds.windows(2).enumerate() {
            let [low, high] = *bounds else { continue };
            if seconds <= high {
                let within = if high > low {
                    ((seconds - low) / (high - low)).clamp(0.0, 1.0)
                } else {
                    1.0
                };
                return (wide(index) + within) / wide(whole);
            }
        }
        1.0
    }
}

/// The picture, which is to stand in a `figure`; `None`: nothing was seen.
pub(in crate::view::html) fn chart(name: &str, distribution: &Distribution) -> Option<Html> {
    let columns = Columns::of(distribution)?;
    let most = scale::top(columns.counts.iter().copied().max().unwrap_or(0));
    let mut html = html!(
        r#"<svg class="plot" role="img" aria-label="{}" height="{}">"#,
        in_words(name, distribution),
        WHOLE
    );
    for (y, class, value) in [
        (TOP, "grid", most),
        (TOP + HEIGHT / 2, "grid", most / 2),
        (TOP + HEIGHT, "ground", 0),
    ] {
        put!(html, r#"<line class="{}" x2="100%" y1="{}" y2="{}"/>"#, class, y, y);
        put!(
            html,
            r#"<text class="tick-y" x="-8" y="{}">{}</text>"#,
            y + 4,
            grouped(value)
        );
    }
    picture(&mut html, &columns, most);
    bounds(&mut html, &columns);
    quantiles(&mut html, &columns, distribution);
    put!(html, "</svg>");
    Some(html)
}

fn picture(html: &mut Html, columns: &Columns, most: u64) {
    put!(
        html,
        r#"<svg y="{}" width="100%" height="{}" viewBox="0 0 {:.0} {:.0}" preserveAspectRatio="none">"#,
        TOP,
        HEIGHT,
        wide(columns.counts.len()) * COLUMN,
        TALL
    );
    for (index, (count, bounds)) in columns.counts.iter().zip(columns.bounds.windows(2)).enumerate() {
        let [low, high] = *bounds else { continue };
        #[expect(clippy::cast_precision_loss, reason = "a picture has a few thousand points")]
        let tall = *count as f64 / most as f64 * TALL;
        // What is there is seen.
        let tall = if *count > 0 { tall.max(12.0) } else { 0.0 };
        put!(
            html,
            r#"<g><title>{} to {}: {}</title><rect class="tip" x="{:.1}" width="{:.1}" height="{:.0}"/><rect class="column" x="{:.1}" y="{:.0}" width="{:.1}" height="{:.0}"/></g>"#,
            brief(low),
            brief(high),
            grouped(*count),
            wide(index) * COLUMN,
            COLUMN,
            TALL,
            wide(index) * COLUMN + 0.6,
            TALL - tall,
            COLUMN - 1.2,
            tall,
        );
    }
    put!(html, "</svg>");
}

/// The bounds of the columns, below: so many as there is room for.
fn bounds(html: &mut Html, columns: &Columns) {
    let every = columns.counts.len().div_ceil(MOST_LABELS).max(1);
    let labelled = columns.bounds.iter().enumerate().step_by(every);
    for (place, (index, bound)) in labelled.enumerate() {
        let class = if place % 2 == 1 { "tick-x spare" } else { "tick-x" };
        let share = wide(index) / wide(columns.counts.len()) * 100.0;
        let anchor = match share {
            ..1.0 => "start",
            99.0.. => "end",
            _ => "middle",
        };
        put!(
            html,
            r#"<text class="{}" x="{:.2}%" y="{}" text-anchor="{}">{}</text>"#,
            class,
            share,
            WHOLE - 6,
            anchor,
            brief(*bound)
        );
    }
}

/// Half of all, nine in ten and ninety-nine in a hundred were at most so long. Their names stand one above the other,
/// as they can be close together; each line begins at its name, so that it can cross only names below.
fn quantiles(html: &mut Html, columns: &Columns, distribution: &Distribution) {
    let Some(quantiles) = distribution.quantiles else {
        return;
    };
    let marks = ["p50", "p90", "p99"].into_iter().zip(quantiles);
    let placed = marks.map(|(name, seconds)| (name, seconds, columns.share(seconds) * 100.0));
    // Names near the right end stand to the left of their lines: there those further to the right are above.
    let (mut near_end, others): (Vec<_>, Vec<_>) = placed.partition(|(_, _, share)| *share > NEAR_END);
    near_end.reverse();
    let marks = near_end.iter().chain(&others).zip([10, 24, 38]);
    // The lines first, so that none covers a name.
    for ((_, _, share), y) in marks.clone() {
        put!(
            html,
            r#"<line class="quantile" x1="{:.2}%" x2="{:.2}%" y1="{}" y2="{}"/>"#,
            share,
            share,
            y - 8,
            TOP + HEIGHT
        );
    }
    for ((name, seconds, share), y) in marks {
        let (anchor, gap) = if *share > NEAR_END { ("end", -5) } else { ("start", 5) };
        put!(
            html,
            r#"<text class="quantile-name" x="{:.2}%" dx="{}" y="{}" text-anchor="{}">{} {}</text>"#,
            share,
            gap,
            y,
            anchor,
            name,
            brief(*seconds)
        );
    }
}

/// The same in words.
fn in_words(name: &str, distribution: &Distribution) -> String {
    let mut text = format!("{name}: {}", counted(distribution.count(), "time"));
    if let Some([half, most, nearly]) = distribution.quantiles {
        text.push_str(&format!(
            "; half of them at most {}, nine in ten at most {}, ninety-nine in a hundred at most {}; the longest {}",
            brief(half),
            brief(most),
            brief(nearly),
            brief(distribution.longest)
        ));
    }
    text
}

fn wide(index: usize) -> f64 {
    f64::from(u32::try_from(index).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_begin_and_end_where_something_is() {
        let distribution = Distribution {
            bins: (0..20)
                .map(|bin| (f64::from(bin + 1), u64::from(bin == 3 || bin == 12)))
                .collect(),
            longest: 13.0,
            ..Distribution::default()
        };
        let columns = Columns::of(&distribution).unwrap();
        assert_eq!((columns.bounds[0], columns.bounds.len()), (3.0, 11));
        assert_eq!(columns.counts, [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(
            [3.0, 3.5, 13.0, 90.0].map(|at| columns.share(at)),
            [0.0, 0.05, 1.0, 1.0]
        );
        assert!(Columns::of(&Distribution::default()).is_none());
    }

    #[test]
    fn a_single_column_has_company() {
        let counts_of = |bins: u32, seen: u32| {
            let distribution = Distribution {
                bins: (0..bins)
                    .map(|bin| (f64::from(bin + 1), u64::from(bin == seen)))
                    .collect(),
                ..Distribution::default()
            };
            Columns::of(&distribution).unwrap().counts
        };
        assert_eq!(counts_of(20, 3), [1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(counts_of(20, 19), [0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(counts_of(2, 1), [0, 1]);
    }

    #[test]
    fn no_line_crosses_the_name_of_a_near_one() {
        let rows_of = |quantiles: [f64; 3]| {
            let distribution = Distribution {
                bins: (1..=10).map(|bound| (f64::from(bound), 1)).collect(),
                longest: 10.0,
                quantiles: Some(quantiles),
                ..Distribution::default()
            };
            let mut html = Html::default();
            quantiles_of(&mut html, &distribution);
            let html = html.into_string();
            let names = html.split("quantile-name").skip(1);
            names
                .map(|name| {
                    ["p50", "p90", "p99"]
                        .into_iter()
                        .find(|word| name.contains(word))
                        .unwrap()
                })
                .collect::<Vec<_>>()
        };
        // From top to bottom: names to the right of their lines, to the left of them, and both.
        assert_eq!(rows_of([1.0, 1.0, 1.2]), ["p50", "p90", "p99"]);
        assert_eq!(rows_of([9.0, 9.1, 9.9]), ["p99", "p90", "p50"]);
        assert_eq!(rows_of([1.0, 1.1, 9.9]), ["p99", "p50", "p90"]);
    }

    fn quantiles_of(html: &mut Html, distribution: &Distribution) {
        super::quantiles(html, &Columns::of(distribution).unwrap(), distribution);
    }

    #[test]
    fn what_is_beyond_the_last_bound_ends_at_the_longest() {
        let distribution = Distribution {
            bins: vec![(1.0, 1)],
            beyond: 2,
            longest: 90.0,
            ..Distribution::default()
        };
        assert_eq!(Columns::of(&distribution).unwrap().bounds, [0.0, 1.0, 90.0]);
    }
}
