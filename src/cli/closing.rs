//! What the last sheet of a results workbook says about the batch, gathered from the ledger.

use crate::collect::FILES_LIVE;
use crate::job::Job;
use crate::ledger::{LedgerError, Reader};
use crate::price::{tidy, usd};
use crate::results::{Cause, Closing, Fact, FactValue};
use crate::view::Causes;

use super::outputs::estimate;

/// How many causes of trouble the sheet names: more than the console, which has less room.
const CAUSES: usize = 100;

/// What is known of the batch beside its rows. `halt` is the last run's, `causes` are those of the rows.
pub(super) fn closing_of(
    job: &Job,
    reader: &Reader,
    halt: Option<&(String, String)>,
    causes: Causes,
) -> Result<Closing, LedgerError> {
    let manifest = job.manifest.file_name().unwrap_or(job.manifest.as_os_str());
    let mut facts = Facts::default();
    if reader.is_trial()? {
        facts.text("trial", "sent to the sandbox: nothing was charged");
    }
    let (spent, unpriced) = reader.spent()?;
    facts.amount(
        ["spent, in credits", "spent, in US dollars"],
        (unpriced == 0).then_some(spent),
    );
    let queued = reader.queued_by_kind(None)?;
    if !queued.is_empty() {
        let labels = ["still to be spent, in credits", "still to be spent, in US dollars"];
        facts.amount(labels, estimate(&job.prices, queued.iter().copied()));
    }
    if let Some(ended) = reader.oldest_unsaved()? {
        let expiry = ended.after(FILES_LIVE).to_rfc3339();
        let day = expiry.split('T').next().unwrap_or_default();
        let said = format!("{day}: then the API deletes the first of those that are not saved");
        facts.text("videos are deleted from", &said);
    }
    if let (Some((code, message)), false) = (halt, queued.is_empty()) {
        facts.text("the last run was halted", &format!("{message} ({code})"));
    }
    let causes = causes.top(CAUSES).into_iter().map(|cause| Cause {
        state: cause.state,
        code: cause.code,
        message: cause.message,
        rows: cause.count,
        first_rows: cause.first_rows,
    });
    Ok(Closing {
        title: format!("Results of {}", manifest.to_string_lossy()),
        facts: facts.0,
        causes: causes.collect(),
    })
}

#[derive(Default)]
struct Facts(Vec<Fact>);

impl Facts {
    fn text(&mut self, label: &'static str, text: &str) {
        let value = FactValue::Text(text.to_owned());
        self.0.push(Fact { label, value });
    }

    /// Credits, and what they are in dollars.
    fn amount(&mut self, [credits_label, dollars_label]: [&'static str; 2], credits: Option<f64>) {
        let Some(credits) = credits else {
            self.text(credits_label, "not known: some prices are not");
            return;
        };
        let credits = tidy(credits);
        for (label, value) in [
            (credits_label, FactValue::Number(credits)),
            (dollars_label, FactValue::Money(usd(credits))),
        ] {
            self.0.push(Fact { label, value });
        }
    }
}
