//! `hailuo-batch check`: what is wrong with a manifest, what it would cost and how long it would take.

mod images;
mod problems;

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::escape;
use crate::job::{Checking, Files, Intake, Job, Place, Planning, Reporting};
use crate::ledger::Reader;
use crate::manifest::{LocalImages, Survey};
use crate::preflight::Addresses;
use crate::price::{USD_PER_CREDIT, usd};
use crate::row::RowState;
use crate::view::{Command, Cost, Counts, Summary, exit_of};

use super::console::Console;
use super::failure::Failure;
use super::in_runtime;
use super::intake;
use super::news;
use super::outputs::{self, estimate, selection_of, time_for};
use images::WebImages;

/// Validate a manifest: every problem with its place, the cost, the time it will take
///
/// Sends nothing and needs no key; writes nothing but the list of --problems. Cost and time are those of the whole manifest, as if nothing had
/// been sent yet. With --images it also looks at the images on the web.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    planning: Planning,
    #[command(flatten)]
    intake: Intake,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    checking: Checking,
    #[command(flatten)]
    reporting: Reporting,
}

pub(super) fn run(args: CheckArgs) -> Result<ExitCode, Failure> {
    let selection = selection_of(&args.files);
    let job = Job::load(
        (
            args.files,
            args.planning,
            args.intake,
            args.place,
            args.checking,
            args.reporting,
        )
            .into(),
    )?;
    let console = Console::new(&job)?;
    let Known { survey, web_images } = look_through(&job, &console)?;
    news::tell_how_it_was_read(&console, &survey.read_as);
    let mut summary = summary_of(&job, &survey, selection);
    if let Some(images) = &web_images {
        summary.invalid_by_image = u64::from(images.spoiled_rows);
        summary.interrupted = images.interrupted;
    }
    if job.output.json {
        let mut object = serde_json::to_value(&summary).expect("a summary has only numbers, strings and lists of them");
        object["read_as"] = json!(survey.read_as);
        object["problems"] = json!(survey.report);
        object["local_images"] = json!(survey.local_images);
        object["images"] = json!(web_images);
        object["problems_file"] = json!(job.problems.as_ref().map(|path| path.display().to_string()));
        console.answer_json(&object);
        return Ok(exit_of(&summary).into());
    }
    if !survey.report.is_empty() {
        let mut text = String::new();
        survey.report.render(&job.manifest, &mut text);
        console.block(&format!("{text}\n"));
    }
    console.answer(&summary.to_string());
    console.answer(&cost_by_kind(&job, &survey));
    console.answer(&told_of(&survey.local_images));
    if let Some(images) = &web_images {
        console.answer(&images::told_of(images));
    }
    if let Some(path) = &job.problems {
        console.answer(&format!(
            "\nlist of problems: {}\n",
            escape::for_terminal(&path.display().to_string())
        ));
    }
    if let Some(note) = already_done(&job) {
        console.notice(&note);
    }
    Ok(exit_of(&summary).into())
}

/// What is known of a manifest.
struct Known {
    survey: Survey,
    /// What looks at its images on the web came to, if they were asked for.
    web_images: Option<WebImages>,
}

/// Everything there is to say about the manifest; listed, too, if that was asked for.
fn look_through(job: &Job, console: &Console) -> Result<Known, Failure> {
    if let Some(path) = &job.problems {
        problems::probe(path)?;
    }
    let mut images = intake::images_of(job);
    let (survey, web_images, seen);
    if job.images && !job.sandbox {
        let mut addresses = Addresses::default();
        let mut found = intake::survey_and_visit(job, &mut images, |row| {
            if let Some(address) = row.web_image() {
                addresses.add(address);
            }
        })?;
        let looked = in_runtime(images::look(job, console, &mut found, images, addresses))?;
        (survey, web_images, seen, images) = (found, Some(looked.0), Some(looked.1), looked.2);
    } else {
        if job.images {
            console.notice("note: images on the web are not looked at, since `--sandbox` keeps to this machine");
        }
        (survey, web_images, seen) = (intake::survey(job, &mut images)?, None, None);
    }
    if let Some(path) = &job.problems {
        let unlisted = problems::write(job, path, &survey, &mut images, seen.as_ref())?;
        if unlisted > 0 {
            console.notice(&format!(
                "`{}` lacks {unlisted} more rows that repeat others",
                path.display()
            ));
        }
    }
    Ok(Known { survey, web_images })
}

fn summary_of(job: &Job, survey: &Survey, selection: Vec<String>) -> Summary {
    let valid = u64::from(survey.valid_by_kind.total());
    let counts: Counts = [
        (RowState::Invalid, u64::from(survey.invalid)),
        (RowState::Queued, valid),
    ]
    .into_iter()
    .collect();
    Summary {
        command: Command::Check,
        selection,
        sandbox: job.sandbox,
        counts,
        cost: Cost {
            estimated_credits: estimate(&job.prices, outputs::kinds_of(survey)),
            usd_per_credit: Some(USD_PER_CREDIT),
            price_source: Some(job.prices.source().to_owned()),
            ..Cost::default()
        },
        estimated_time: time_for(job.rate, valid),
        ledger: job.ledger.display().to_string(),
        ..Summary::default()
    }
}

/// The cost by kind of clip, where there is more than one.
fn cost_by_kind(job: &Job, survey: &Survey) -> String {
    let mut text = String::new();
    if survey.valid_by_kind.iter().count() < 2 {
        return text;
    }
    writeln!(text, "\ncost by kind:").expect("a string takes text");
    for (length, resolution, rows) in survey.valid_by_kind.iter() {
        let cost = match job.prices.price_of(length, resolution) {
            Some(price) => {
                let credits = price * f64::from(rows);
                format!("{rows} × {price} = {credits} credits ({:.2} USD)", usd(credits))
            }
            None => format!("{rows} × unknown"),
        };
        writeln!(text, "  {} s {:>5}: {cost}", length.as_str(), resolution.as_str()).expect("a string takes text");
    }
    text
}

/// What would be uploaded, if anything.
fn told_of(images: &LocalImages) -> String {
    let LocalImages { rows, uploads, bytes } = *images;
    if rows == 0 {
        return String::new();
    }
    let count = |number, noun| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal at most")]
    let size = match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    };
    format!(
        "\nlocal images: {} with {} to upload, {size}\n",
        count(rows, "row"),
        count(uploads, "image")
    )
}

/// A word about the rows that an earlier run has dealt with: they cost nothing again.
fn already_done(job: &Job) -> Option<String> {
    let counts: Counts = Reader::open(&job.ledger).ok()?.counts().ok()?.into_iter().collect();
    let done = counts.taken() + counts.unknown + counts.rejected;
    (done > 0).then(|| {
        format!(
            "note: `{}` has {done} rows that were sent already; `run` sends only the others",
            job.ledger.display()
        )
    })
}
