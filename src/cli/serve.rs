//! `hailuo-batch serve`: receive callbacks, and collect what they announce, until told to stop.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use crate::clock::Wall;
use crate::job::{Access, Collecting, Files, Job, Place, Receiving, Reporting};
use crate::ledger::Reader;

use super::api::{Service, authorization, open_existing};
use super::collecting::{self, Collector, Finish, Manner};
use super::console::Console;
use super::failure::Failure;
use super::news;
use super::outputs::selection_of;
use super::receiving::Listener;
use super::signals::Signals;

/// Where callbacks are received unless the user says: this machine only, for a proxy in front.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8787);

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
    files: Files,
    #[command(flatten)]
    receiving: Receiving,
    #[command(flatten)]
    collecting: Collecting,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    reporting: Reporting,
}

/// `words` are the command line as it was given: what hints repeat.
pub(super) async fn run(args: ServeArgs, words: Vec<String>) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let selection = selection_of(&args.files);
    let mut receiving = args.receiving;
    let parts = |receiving| {
        (
            args.files,
            args.place,
            args.access,
            args.collecting,
            receiving,
            args.reporting,
        )
    };
    // A server listens whatever it was told.
    receiving.listen.get_or_insert(LISTEN);
    let job = Job::load(parts(receiving).into())?;
    let console = Console::new(&job)?;
    collecting::names_of(&job)?;
    let authorization = authorization(&job, &console)?;
    let mut store = open_existing(&job)?;
    news::tell_of_recovery(&console, &store.recover(Wall::System.now())?, &selection);
    let listener = Listener::bind(&job, &console, job.collect.listen.unwrap_or(LISTEN)).await?;

    let console_of_signals = console.clone();
    let signals = Signals::listen(move |signal| news::tell_of_signal_to_collector(&console_of_signals, signal))?;
    let service = Service::reach(&job, authorization).await?;
    let folder = job.collect.folder.as_deref();
    if let Some(folder) = folder {
        collecting::tidy(folder, &Reader::open(&job.ledger)?);
    }
    let manner = Manner {
        callbacks: true,
        forever: true,
    };
    let collector = Collector::prepare(&job, &console, &service, &mut store, folder, manner)?;
    news::tell_of_the_collection(&console, collector.waiting, folder);
    let (store, report) = collecting::alone(&job, &console, &signals, store, collector, Some(listener)).await?;
    service.leave().await;
    let finish = Finish {
        job: &job,
        console: &console,
        signals: &signals,
        selection,
        words,
        started,
        saving: folder.is_some(),
    };
    finish.conclude(store, &report).await
}
