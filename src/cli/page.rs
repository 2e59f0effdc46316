//! The live page of a command: where the batch, its looks and the work of this process are put together.

use std::io::{self, BufWriter, Write};
use std::sync::{Arc, PoisonError, RwLock};

use crate::job::Job;
use crate::ledger::Reader;
use crate::manifest::Images;
use crate::page::{
    AccessConfig, Asset, Live, MediaConfig, Page, PageConfig, Parts, Reach, RemoteConfig, Renderer, Source,
};
use crate::view;
use crate::view::html::{self, ReportError};
use crate::web::connect::{ConnectConfig, Connections};

use super::api::extra_roots;
use super::collecting::home_of;
use super::failure::Failure;
use super::observer::Watched;
use super::overview::{self, BatchView};

/// What works in this process, as the page shows it. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Work(Arc<RwLock<Option<AtWork>>>);

struct AtWork {
    live: overview::Live,
    watched: Watched,
}

impl Work {
    /// Something is at work from now on.
    pub(super) fn begin(&self, live: overview::Live, watched: Watched) {
        self.set(Some(AtWork { live, watched }));
    }

    /// Nothing is any more.
    pub(super) fn end(&self) {
        self.set(None);
    }

    fn set(&self, work: Option<AtWork>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = work;
    }

    fn live(&self) -> Live {
        let work = self.clone();
        Arc::new(move || {
            let work = work.0.read().unwrap_or_else(PoisonError::into_inner);
            work.as_ref().map(|work| (work.live)())
        })
    }

    fn is_well(&self) -> bool {
        let work = self.0.read().unwrap_or_else(PoisonError::into_inner);
        work.as_ref().is_none_or(|work| work.watched.is_well())
    }
}

/// The page of a job's batch.
pub(super) fn page_of(job: &Job, access: AccessConfig, work: &Work) -> Result<Page, Failure> {
    let batch = Arc::new(BatchView::new(job, None));
    let name = job.manifest.file_name().unwrap_or(job.manifest.as_os_str());
    let config = PageConfig {
        name: name.to_string_lossy().into_owned(),
        access,
        media: MediaConfig {
            folder: home_of(job),
            remote: remote_of(job)?,
        },
    };
    let images = Images::beside(&job.manifest, job.allow_outside).files();
    let allow_outside = job.allow_outside;
    let parts = Parts {
        source: Arc::clone(&batch) as Arc<dyn Source>,
        live: work.live(),
        renderer: renderer_of(batch),
        health: health_of(job, work),
        open_image: Arc::new(move |name| images.open(name, allow_outside).map_err(io::Error::other)),
    };
    Ok(Page::new(config, parts))
}

fn renderer_of(batch: Arc<BatchView>) -> Renderer {
    Renderer {
        sections: |overview| {
            let sections = html::sections(overview).into_iter();
            sections.map(|section| (section.id, section.html)).collect()
        },
        page: html::page,
        login: html::login,
        asset: |name| {
            html::asset(name).map(|asset| Asset {
                body: asset.body,
                content_type: asset.content_type,
            })
        },
        metrics: view::metrics,
        report: Arc::new(move |out| report(&batch, out)),
        report_policy: html::report_policy,
    }
}

fn report(batch: &Arc<BatchView>, out: &mut dyn Write) -> Result<(), String> {
    let overview = batch.overview().map_err(|error| error.to_string())?;
    let mut out = BufWriter::new(out);
    html::report(&overview, batch.as_ref(), &mut out).map_err(|error| match error {
        ReportError::Rows(error) => error.to_string(),
        ReportError::Write(error) => error.to_string(),
    })?;
    out.flush().map_err(|error| error.to_string())
}

/// Where pictures on the web may be fetched. A trial asks nobody but this machine for anything.
fn remote_of(job: &Job) -> Result<RemoteConfig, Failure> {
    // A ledger that cannot be read has no rows that could name a picture.
    let is_trial = job.sandbox
        || Reader::open(&job.ledger)
            .and_then(|reader| reader.is_trial())
            .unwrap_or(true);
    let reach = match is_trial {
        true => Reach::ThisMachine,
        false => Reach::Web {
            private_hosts: job.allow_private_hosts,
        },
    };
    let extra_roots_pem = extra_roots(job)?;
    let connections = Connections::new(ConnectConfig {
        allow_private_hosts: is_trial || job.allow_private_hosts,
        connect_timeout: job.connect_timeout,
        // A picture is fetched once.
        idle_per_host: 0,
        extra_roots_pem: extra_roots_pem.as_deref(),
        no_proxy: is_trial,
    })?;
    Ok(RemoteConfig { connections, reach })
}

/// Whether the ledger can be read and whatever works here is at work.
fn health_of(job: &Job, work: &Work) -> crate::page::Health {
    let (ledger, work) = (job.ledger.clone(), work.clone());
    Arc::new(move || {
        // One small record: it proves the file, its log and our way to both.
        let read = Reader::open(&ledger).and_then(|reader| reader.is_trial());
        read.map_err(|error| {
            tracing::debug!(%error, "the ledger cannot be read");
            "the ledger cannot be read".to_owned()
        })?;
        match work.is_well() {
            true => Ok(()),
            false => Err("nobody looks at the tasks any more: the loop that does has ended".to_owned()),
        }
    })
}
