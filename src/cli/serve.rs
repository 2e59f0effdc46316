//! `hailuo-batch serve`: show the batch as a page, receive callbacks and collect what they announce, until told to stop.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use clap::Args;

use crate::job::Receiving;
use crate::ledger::Reader;
use crate::view::Ending;

use super::collecting::Manner;
use super::failure::Failure;
use super::news;
use super::notices::{self, Ended, Occasion};
use super::open_batch::{Asked, BatchArgs, OpenBatch};
use super::receiving::{Plan, Purpose};
use super::signals::{Signals, ending_of};

/// Where it listens unless the user says: for this machine only, or a proxy in front.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8787);

/// Show a batch as a page, and receive the API's callbacks for it
///
/// Stays until it is told to stop (SIGINT, SIGTERM). The page shows what is going on, and changes nothing. A callback has
/// its task looked at at once, and settles a row whose answer was lost; tasks without one are looked at now and then. With
/// --download the videos are saved. Send the rows with `run --public-url URL`, where URL leads to this server. While it
/// works nobody else can work on the ledger: to send and receive at the same time, use `run --listen`. To look on at a run
/// that is at work, or at a batch of long ago, use --view-only.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hailuo-batch serve shots.csv --view-only\n  KIE_WEBHOOK_KEY=… hailuo-batch serve shots.csv \
                        --public-url https://hooks.example.org/kie --download videos"
)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    receiving: Receiving,
    #[command(flatten)]
    batch: BatchArgs,
    /// Only show the page
    ///
    /// Needs no key and no lock: a run may be at work, or none ever again. Nothing is collected or written; only images on
    /// the web that somebody looks at are fetched. Default: no. Example: --view-only
    #[arg(long, help_heading = "Page and callbacks")]
    view_only: bool,
}

/// `words` are the command line as it was given: what hints repeat.
pub(super) async fn run(args: ServeArgs, words: Vec<String>) -> Result<ExitCode, Failure> {
    let asked = Asked::load(args.batch, args.receiving, words)?;
    if args.view_only {
        return Ok(view(&asked).await?.into());
    }
    let work = serve(&asked);
    Ok(notices::around(&asked.job, &asked.console, Occasion::Serve, work).await)
}

async fn serve(asked: &Asked) -> Result<Ended, Failure> {
    let plan = plan(asked, Purpose::Serve)?;
    let batch = OpenBatch::open(asked)?;
    let listener = plan.bind(&asked.console).await?;
    let folder = asked.job.collect.folder.clone();
    if let Some(folder) = &folder {
        batch.tidy(folder)?;
    }
    let manner = Manner {
        callbacks: true,
        forever: true,
        wait_for: None,
    };
    batch
        .collect(folder.as_deref(), folder.is_some(), manner, Some(listener))
        .await
}

/// Shows the page, whoever works on the ledger.
async fn view(asked: &Asked) -> Result<Ending, Failure> {
    let plan = plan(asked, Purpose::View)?;
    // A ledger that is not there is better told of here than on the page.
    drop(Reader::open(&asked.job.ledger)?);
    let mut signals = Signals::listen(&asked.console, news::tell_of_signal_to_viewers)?;
    let reception = plan.bind(&asked.console).await?.show()?;
    // Whoever listens for signals lives as long as the program.
    drop(signals.stop.wait_for(|stop| *stop).await);
    reception.end().await;
    Ok(signals.first().map_or(Ending::Done, ending_of))
}

fn plan(asked: &Asked, purpose: Purpose) -> Result<Plan, Failure> {
    let address = asked.job.collect.listen.unwrap_or(LISTEN);
    Plan::of(&asked.job, &asked.console, address, purpose)
}
