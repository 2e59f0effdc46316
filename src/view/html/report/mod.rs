//! The report: one file that holds everything, to be opened from disk, mailed or printed.
//!
//! It asks nobody for anything by itself: style and scripts are inside of it and its own policy allows no others. What it
//! shows of videos and images are files beside it; where they are not (it was mailed), it says so. The summary, the
//! charts and the problems are plain HTML, which needs no script; the list of rows is data for one.

mod budget;
mod problems;
mod rows;

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::view::wording::grouped;
use crate::view::{Overview, RowCard};

use super::assets::{ICON, REPORT_SCRIPT, STYLE};
use super::document::{all_placed, patterns, placed, rows as place_for_rows};
use super::markup::{Html, html, put};
use super::sections::{in_order, timelines};

use budget::Budget;
use problems::Problems;
use rows::List;

/// By this, which stands in the first kilobyte, a report is known to be one.
pub const REPORT_MARK: &str = r#"<meta name="generator" content="hailuo-batch report"#;

/// Where the rows of a report come from.
pub trait Rows {
    /// Why they cannot be read.
    type Error;

    /// Calls `visit` with every row in the manifest's order. Called twice. Of a prompt the first `prompt_characters` are
    /// enough.
    fn each(&self, prompt_characters: usize, visit: &mut dyn FnMut(&RowCard)) -> Result<(), Self::Error>;
}

/// What a report has become.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows it lists.
    pub rows: u64,
    /// Those of them whose prompt is not there as a whole.
    pub cut: u64,
    /// Its size.
    pub bytes: u64,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError<E: std::error::Error + 'static> {
    /// The rows cannot be read.
    #[error(transparent)]
    Rows(E),
    /// The report cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Writes the report of a batch to `out`.
pub fn report<R>(overview: &Overview, source: &R, out: &mut dyn Write) -> Result<Written, ReportError<R::Error>>
where
    R: Rows,
    R::Error: std::error::Error + 'static,
{
    let mut out = Counted { out, bytes: 0 };
    let mut problems = Problems::default();
    source
        .each(0, &mut |card| problems.add(card))
        .map_err(ReportError::Rows)?;
    out.write_all(head(overview).into_string().as_bytes())?;
    out.write_all(body(overview, &problems).into_string().as_bytes())?;

    let budget = Budget::of(overview.summary.counts.rows());
    let mut list = List::begin(&mut out, budget)?;
    source
        .each(budget.prompt_characters(), &mut |card| list.add(card))
        .map_err(ReportError::Rows)?;
    let (rows, cut) = list.end()?;
    out.write_all(foot(rows, cut).into_string().as_bytes())?;
    out.flush()?;
    Ok(Written {
        rows,
        cut,
        bytes: out.bytes,
    })
}

/// What a report may do, as a Content-Security-Policy: run its own script and use its own style, and show images and videos
/// that lie beside it or come from the server that it came from. It is in the report, too.
pub fn report_policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src 'self' file: data:; media-src 'self' \
         file:; base-uri 'none'; form-action 'none'",
        hash(&REPORT_SCRIPT),
        hash(STYLE)
    )
}

fn head(overview: &Overview) -> Html {
    let mut html = html!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
"#
    );
    html.add_own(REPORT_MARK);
    put!(
        html,
        r#" {}">
<meta http-equiv="Content-Security-Policy" content="{}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{} · report</title>
<link rel="icon" href="data:image/svg+xml;base64,{}">
<style>"#,
        env!("CARGO_PKG_VERSION"),
        report_policy(),
        overview.name,
        STANDARD.encode(ICON),
    );
    html.add_own(STYLE);
    put!(html, "</style>\n</head>\n");
    html
}

fn body(overview: &Overview, problems: &Problems) -> Html {
    let mut sections = in_order(overview, timelines);
    if let Some(section) = sections.iter_mut().find(|section| section.id == "problems") {
        section.html = problems.section(overview).into_string();
    }
    html!(
        r##"<body class="report">
<a class="skip" href="#rows-heading">Skip to the rows</a>
{}
<header class="top">
{}<nav aria-label="Parts of the report"><a href="#counts">Summary</a><a href="#timeline">Requests</a><a href="#problems">Problems</a><a href="#rows">Rows</a><a class="needs-script" href="#view=gallery">Videos</a></nav>
</header>
<main id="main">
{}<div class="columns">
{}</div>
{}{}
</main>
"##,
        patterns(),
        placed(&sections, "head"),
        all_placed(&sections, &["now", "counts", "timeline"]),
        all_placed(&sections, &["money", "outcomes"]),
        all_placed(&sections, &["times", "problems"]),
        place_for_rows(),
    )
}

fn foot(rows: u64, cut: u64) -> Html {
    let mut html = html!(
        r#"<footer class="bottom"><p>hailuo-batch {}</p>"#,
        env!("CARGO_PKG_VERSION")
    );
    if cut > 0 {
        put!(
            html,
            "<p>To keep this file small, {} of {} prompts are here with their beginning only; the manifest has them whole.</p>",
            grouped(cut),
            grouped(rows)
        );
    }
    put!(html, "</footer>\n<script type=\"module\">");
    html.add_own(&REPORT_SCRIPT);
    put!(html, "</script>\n</body>\n</html>\n");
    html
}

/// Counts what goes through it.
struct Counted<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
