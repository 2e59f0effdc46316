//! `hailuo-batch serve`: receive callbacks, and collect what they announce, until told to stop.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use clap::Args;

use crate::job::Receiving;

use super::collecting::Manner;
use super::failure::Failure;
use super::notices::{self, Ended, Occasion};
use super::open_batch::{Asked, BatchArgs, OpenBatch};
use super::receiving::Listener;

/// Where callbacks are received unless the user says: this machine only, for a proxy in front.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8787);

/// Receive the API's callbacks for a batch
///
/// Stays until it is told to stop (SIGINT, SIGTERM). A callback has its task looked at at once, and settles a row whose
/// answer was lost; tasks without one are looked at now and then. With --download the videos are saved. Send the rows
/// with `run --public-url URL`, where URL leads to this server. While it works nobody else can work on the ledger: to send
/// and receive at the same time, use `run --listen`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  KIE_WEBHOOK_KEY=… hailuo-batch serve shots.csv --listen 127.0.0.1:8787 --public-url \
                        https://hooks.example.org/kie --download videos"
)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    receiving: Receiving,
    #[command(flatten)]
    batch: BatchArgs,
}

/// `words` are the command line as it was given: what hints repeat.
pub(super) async fn run(args: ServeArgs, words: Vec<String>) -> Result<ExitCode, Failure> {
    let asked = Asked::load(args.batch, args.receiving, words)?;
    let work = serve(&asked);
    Ok(notices::around(&asked.job, &asked.console, Occasion::Serve, work).await)
}

async fn serve(asked: &Asked) -> Result<Ended, Failure> {
    let batch = OpenBatch::open(asked)?;
    let address = asked.job.collect.listen.unwrap_or(LISTEN);
    let listener = Listener::bind(&asked.job, &asked.console, address).await?;
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
