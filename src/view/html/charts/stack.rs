//! One bar, cut into parts.

use crate::view::html::markup::{Html, html, put};
use crate::view::wording::grouped;

/// A part that is there is seen, however small: at least so many percent.
const LEAST: f64 = 0.5;

/// A part of the whole.
#[derive(Debug, Clone, Copy)]
pub(in crate::view::html) struct Part {
    /// Its name, which is also the class it is drawn with.
    pub class: &'static str,
    /// How much of the whole it is.
    pub count: u64,
}

/// The parts one beside the other, as wide as they are many. `words` say the same to those who do not see it.
pub(in crate::view::html) fn chart(parts: &[Part], words: &str) -> Html {
    let widths = widths(parts);
    let mut html = html!(r#"<svg class="stack" role="img" aria-label="{}" height="16">"#, words);
    let mut left = 0.0;
    for (part, width) in parts.iter().zip(widths).filter(|(part, _)| part.count > 0) {
        put!(
            html,
            r#"<g><title>{}: {}</title><rect class="s-{}" x="{:.3}%" width="{:.3}%" height="16"/>"#,
            part.class.replace('-', " "),
            grouped(part.count),
            part.class,
            left,
            width,
        );
        if let Some(pattern) = pattern(part.class) {
            put!(
                html,
                r#"<rect fill="url(#{})" x="{:.3}%" width="{:.3}%" height="16"/>"#,
                pattern,
                left,
                width
            );
        }
        put!(html, "</g>");
        left += width;
    }
    put!(html, "</svg>");
    html
}

/// A small square in the colour and the pattern of `class`.
pub(in crate::view::html) fn swatch(class: &str) -> Html {
    let mut html = html!(
        r#"<svg class="swatch" width="10" height="10" aria-hidden="true"><rect class="s-{}" width="10" height="10" rx="2"/>"#,
        class
    );
    if let Some(pattern) = pattern(class) {
        put!(
            html,
            r#"<rect fill="url(#{})" width="10" height="10" rx="2"/>"#,
            pattern
        );
    }
    put!(html, "</svg>");
    html
}

/// What is laid over a colour, so that trouble is not told by its colour alone.
pub(in crate::view::html) fn pattern(class: &str) -> Option<&'static str> {
    match class {
        "rejected" => Some("p-lines"),
        "failed" => Some("p-cross"),
        "unknown" => Some("p-dots"),
        "invalid" => Some("p-bars"),
        _ => None,
    }
}

/// Percent for each part; together a hundred.
fn widths(parts: &[Part]) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a picture has a few thousand points")]
    let counts: Vec<f64> = parts.iter().map(|part| part.count as f64).collect();
    let whole: f64 = counts.iter().sum();
    let wide = counts.iter().map(|count| match *count {
        0.0 => 0.0,
        count => (count / whole * 100.0).max(LEAST),
    });
    let wide: Vec<f64> = wide.collect();
    let sum: f64 = wide.iter().sum();
    wide.into_iter().map(|width| width / sum.max(LEAST) * 100.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_row_among_many_is_seen_and_nothing_is_wider_than_the_whole() {
        let part = |count| Part { class: "saved", count };
        let widths = widths(&[part(1), part(0), part(99_999)]);
        assert!(widths[0] > 0.4 && widths[1] == 0.0, "{widths:?}");
        assert!((widths.iter().sum::<f64>() - 100.0).abs() < 1e-9, "{widths:?}");
        assert!(super::widths(&[part(0)]).iter().all(|width| *width == 0.0));
    }
}
