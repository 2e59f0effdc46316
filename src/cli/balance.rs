//! The account's balance around a run: whether it covers the rows, and what is left in the end.
//!
//! The balance is the account's, not the run's: whatever else uses the account draws on it too. It is a hint, and with
//! `--require-balance` a condition; that credits are used up is only known from the API's own 402.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::{self, Receiver};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::dispatch::Standing;
use crate::job::Job;
use crate::kie::{BalanceError, TaskApi};
use crate::ledger::{Balance, LedgerError, Reader, Store};
use crate::price::tidy;
use crate::view::{self, BALANCE_UNREAD, counted, credits};

use super::background::blocking;
use super::console::Console;
use super::outputs::estimate;

/// How long a run waits for the balance before its first request, unless `--require-balance` makes it wait for as long
/// as it takes. Answers take half a second (36 recorded calls); one that comes later is still compared with the rows,
/// but not noted as the balance before the run, since rows may have been taken by then.
const HEAD_START: Duration = Duration::from_secs(1);

/// For one reading of the balance, connecting included. It is tried once: nothing depends on it without
/// `--require-balance`, and with it the user is at hand.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// How often a run looks whether the balance still covers what it has to send: about 1,100 rows at the account's pace.
const LOOK_EVERY: Duration = Duration::from_secs(10 * 60);

/// What a run has still to send.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ToSend {
    rows: u64,
    /// What it will cost at most, by the prices and the budget; `None`: a price is unknown.
    credits: Option<f64>,
}

/// Where the figures of [`ToSend`] come from.
#[derive(Debug, Clone)]
struct Plan {
    ledger: PathBuf,
    prices: crate::price::PriceTable,
    limit: Option<u64>,
    budget: Option<f64>,
}

impl Plan {
    fn of(job: &Job) -> Plan {
        Plan {
            ledger: job.ledger.clone(),
            prices: job.prices.clone(),
            limit: job.limit,
            budget: job.budget,
        }
    }

    /// What is left to send after a run has begun `started` rows.
    fn to_send(&self, started: u64) -> Result<ToSend, LedgerError> {
        let reader = Reader::open(&self.ledger)?;
        let kinds = reader.queued_by_kind(self.limit.map(|limit| limit.saturating_sub(started)))?;
        let mut credits = estimate(&self.prices, kinds.iter().copied());
        if let (Some(budget), Some(credits)) = (self.budget, &mut credits) {
            *credits = credits.min((budget - reader.spent()?.0).max(0.0));
        }
        Ok(ToSend {
            rows: kinds.iter().map(|(_, _, rows)| rows).sum(),
            credits: credits.map(tidy),
        })
    }
}

impl ToSend {
    /// One sentence if `balance` does not cover it.
    fn shortage(&self, balance: f64) -> Option<String> {
        let credits_needed = self.credits.filter(|needed| balance < *needed)?;
        Some(format!(
            "the account holds {}, and {} to send will cost about {}",
            credits(balance),
            match self.rows {
                1 => "the row".to_owned(),
                rows => format!("the {}", counted(rows, "row")),
            },
            credits(credits_needed)
        ))
    }
}

/// Tells of a shortage once, and again only after the balance has recovered in between.
#[derive(Debug, Default)]
struct Alarm {
    raised: bool,
}

impl Alarm {
    /// The warning that this balance is worth.
    fn look(&mut self, balance: f64, to_send: ToSend) -> Option<String> {
        let shortage = to_send.shortage(balance);
        let is_news = !self.raised;
        self.raised = shortage.is_some();
        shortage.filter(|_| is_news).map(|shortage| {
            format!(
                "{shortage}: the run will halt (402) when the credits are used up; top up, or send fewer rows with \
                 `--limit`. Whatever else uses the account draws on the same balance"
            )
        })
    }
}

/// What was found before a run's first request.
pub(super) struct Opening {
    /// The balance, as no row has been sent yet.
    pub(super) before: Option<f64>,
    /// Why nothing is to be sent, as `--require-balance` asks.
    pub(super) halt: Option<view::Halt>,
    /// A reading that has not come back yet.
    late: Option<JoinHandle<Result<f64, BalanceError>>>,
    alarm: Alarm,
}

impl Opening {
    fn without_balance() -> Opening {
        Opening {
            before: None,
            halt: None,
            late: None,
            alarm: Alarm::default(),
        }
    }
}

/// Reads the balance before a run's first request and holds it against what the run will send. Warns of a shortage, or
/// halts if the job requires the balance to cover it.
pub(super) async fn open<A: TaskApi>(
    job: &Job,
    api: &Arc<A>,
    console: &Console,
    mut stop: Receiver<bool>,
) -> Result<Opening, LedgerError> {
    let mut opening = Opening::without_balance();
    if job.sandbox {
        // Its account never runs dry.
        return Ok(opening);
    }
    let plan = Plan::of(job);
    let mut reading = tokio::spawn({
        let api = Arc::clone(api);
        async move { read(&*api).await }
    });
    let to_send = blocking(move || plan.to_send(0)).await?;
    let in_time = async {
        match job.require_balance {
            true => Ok((&mut reading).await),
            false => timeout(HEAD_START, &mut reading).await,
        }
    };
    let read = tokio::select! {
        read = in_time => read,
        // Whoever has asked to end by now gets a run that sends nothing.
        _ = stop.wait_for(|stop| *stop) => return Ok(opening),
    };
    let balance = match read {
        Ok(Ok(balance)) => balance,
        Ok(Err(error)) => std::panic::resume_unwind(error.into_panic()),
        Err(_) => {
            opening.late = Some(reading);
            return Ok(opening);
        }
    };
    opening.before = balance.as_ref().ok().copied();
    if job.require_balance {
        opening.halt = refusal(&balance, to_send);
    } else {
        match balance {
            Ok(balance) => opening
                .alarm
                .look(balance, to_send)
                .iter()
                .for_each(|text| console.warn(text)),
            Err(error) => tell_of(&error),
        }
    }
    if let Some(halt) = &opening.halt {
        console.notice(&format!("halted: {} ({})", halt.message, halt.code));
    }
    Ok(opening)
}

/// Why `--require-balance` lets nothing be sent, if so.
fn refusal(balance: &Result<f64, BalanceError>, to_send: ToSend) -> Option<view::Halt> {
    let message = match (balance, to_send.credits) {
        (Err(BalanceError { code, message }), _) => format!("{BALANCE_UNREAD} ({code}): {message}"),
        (Ok(_), None) => "the price of the rows is not known, so the balance cannot be held against it".to_owned(),
        (Ok(balance), Some(_)) => to_send.shortage(*balance)?,
    };
    Some(view::Halt {
        code: "balance".to_owned(),
        message,
    })
}

/// Looks now and then, while a run is at work, whether the balance still covers what is left to send.
pub(super) struct Vigil {
    watching: JoinHandle<()>,
    done: watch::Sender<bool>,
}

impl Vigil {
    pub(super) fn start<A: TaskApi>(
        job: &Job,
        api: Arc<A>,
        console: &Console,
        opening: Opening,
        standing: Receiver<Standing>,
    ) -> Vigil {
        let (done, is_done) = watch::channel(false);
        let (plan, console) = (Plan::of(job), console.clone());
        let to_send = move || {
            let (plan, started) = (plan.clone(), standing.borrow().started);
            blocking(move || plan.to_send(started))
        };
        let warn = move |text: &str| console.warn(text);
        let watching = match job.sandbox {
            true => tokio::spawn(async {}),
            false => tokio::spawn(watch_over(api, opening, to_send, warn, is_done)),
        };
        Vigil { watching, done }
    }

    pub(super) async fn end(self) {
        self.done.send_replace(true);
        // It only looks on; a panic in it has been printed and must not hide what the run did.
        self.watching.await.ok();
    }
}

async fn watch_over<A: TaskApi, F: Future<Output = Result<ToSend, LedgerError>>>(
    api: Arc<A>,
    opening: Opening,
    to_send: impl Fn() -> F,
    warn: impl Fn(&str),
    mut done: Receiver<bool>,
) {
    let Opening { mut alarm, late, .. } = opening;
    let mut late = late;
    loop {
        let read = async {
            match late.take() {
                Some(reading) => reading.await.unwrap_or_else(|_| Err(no_answer())),
                None => {
                    sleep(LOOK_EVERY).await;
                    read(&*api).await
                }
            }
        };
        let balance = tokio::select! {
            balance = read => balance,
            _ = done.wait_for(|done| *done) => return,
        };
        match (balance, to_send().await) {
            (Ok(balance), Ok(to_send)) => alarm.look(balance, to_send).iter().for_each(|text| warn(text)),
            (Err(error), _) => tell_of(&error),
            (_, Err(error)) => tracing::warn!(%error, "the balance could not be held against the queued rows"),
        }
    }
}

/// Reads what a run, or whatever else ends tasks, has left on the account, and notes it. Whoever interrupts does not
/// want to wait for that: nothing is read once `stop` is true.
pub(super) async fn note_after<A: TaskApi>(
    store: &mut Store,
    run_id: i64,
    api: &A,
    mut stop: Receiver<bool>,
) -> Result<(), LedgerError> {
    let balance = tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
        balance = read(api) => balance,
    };
    match balance {
        Ok(balance) => store.note_balance(run_id, Balance::After, balance),
        Err(error) => {
            tell_of(&error);
            Ok(())
        }
    }
}

/// One reading.
async fn read<A: TaskApi>(api: &A) -> Result<f64, BalanceError> {
    timeout(READ_WITHIN, api.balance())
        .await
        .unwrap_or_else(|_| Err(no_answer()))
}

fn no_answer() -> BalanceError {
    BalanceError {
        code: "timeout".to_owned(),
        message: format!("no answer within {} s", READ_WITHIN.as_secs()),
    }
}

/// Nothing depends on it, so only those hear of it who ask for more (`--verbose`). Even a refused key is for
/// createTask to decide: a key may be good for that and not for this.
fn tell_of(error: &BalanceError) {
    tracing::info!(code = %error.code, message = %error.message, "{BALANCE_UNREAD}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kie::{Discreet, LinkError, Look};
    use crate::row::TaskId;
    use std::collections::VecDeque;
    use std::sync::Mutex;

    /// An account whose balance is each of these in turn; `None` is no answer at all.
    struct Balances(Mutex<VecDeque<Option<f64>>>);

    impl Balances {
        fn of<const N: usize>(balances: [Option<f64>; N]) -> Arc<Balances> {
            Arc::new(Balances(Mutex::new(balances.into())))
        }

        fn left(&self) -> usize {
            self.0.lock().unwrap().len()
        }
    }

    impl Discreet for Balances {
        fn without_secrets(&self, text: String) -> String {
            text
        }
    }

    impl TaskApi for Balances {
        async fn look(&self, _: &TaskId) -> Look {
            Look::Missing
        }

        async fn fresh_link(&self, url: &str) -> Result<String, LinkError> {
            Ok(url.to_owned())
        }

        async fn balance(&self) -> Result<f64, BalanceError> {
            let next = self.0.lock().unwrap().pop_front().flatten();
            match next {
                Some(balance) => Ok(balance),
                None => std::future::pending().await,
            }
        }
    }

    const ROWS: ToSend = ToSend {
        rows: 50,
        credits: Some(1_500.0),
    };

    #[test]
    fn a_shortage_is_told_with_both_figures() {
        assert_eq!(ROWS.shortage(1_500.0), None);
        insta::assert_snapshot!(ROWS.shortage(120.5).unwrap(), @"the account holds 120.5 credits, and the 50 rows to send will cost about 1,500 credits");
        let row = ToSend {
            rows: 1,
            credits: Some(30.0),
        };
        insta::assert_snapshot!(row.shortage(-1.0).unwrap(), @"the account holds -1 credits, and the row to send will cost about 30 credits");
        let unpriced = ToSend { credits: None, ..ROWS };
        assert_eq!(unpriced.shortage(0.0), None);
    }

    #[test]
    fn a_required_balance_must_be_known_and_enough() {
        let said = |balance, to_send| refusal(&balance, to_send).map(|halt| format!("{}: {}", halt.code, halt.message));
        assert_eq!(said(Ok(1_500.0), ROWS), None);
        let refused = BalanceError {
            code: "401".into(),
            message: "You do not have access permissions".into(),
        };
        let unpriced = ToSend { credits: None, ..ROWS };
        let texts = [
            said(Ok(1_499.99), ROWS),
            said(Err(refused), ROWS),
            said(Ok(1e9), unpriced),
        ];
        insta::assert_snapshot!(texts.map(Option::unwrap).join("\n"), @"
        balance: the account holds 1,499.99 credits, and the 50 rows to send will cost about 1,500 credits
        balance: the balance could not be read (401): You do not have access permissions
        balance: the price of the rows is not known, so the balance cannot be held against it
        ");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_warned_once_and_again_after_the_account_has_recovered() {
        let balances = [
            Some(9_000.0),
            Some(100.0),
            Some(90.0),
            None,
            Some(80.0),
            Some(9_000.0),
            Some(70.0),
        ];
        let api = Balances::of(balances);
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&warnings);
        let (done, is_done) = watch::channel(false);
        let started = tokio::time::Instant::now();
        let watching = tokio::spawn(watch_over(
            Arc::clone(&api),
            Opening::without_balance(),
            || async { Ok(ROWS) },
            move |text: &str| {
                let holds = text.split(',').next().unwrap().to_owned();
                heard.lock().unwrap().push((started.elapsed().as_secs(), holds));
            },
            is_done,
        ));
        while api.left() > 0 {
            sleep(LOOK_EVERY / 2).await;
        }
        done.send_replace(true);
        watching.await.unwrap();
        let at = |seconds: u64, credits: &str| (seconds, format!("the account holds {credits} credits"));
        // The fourth look took its 10 s before it was given up.
        assert_eq!(*warnings.lock().unwrap(), [at(1_200, "100"), at(4_210, "70")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_comes_late_is_compared_at_once() {
        let late = tokio::spawn(async {
            sleep(Duration::from_secs(3)).await;
            Ok(100.0)
        });
        let opening = Opening {
            late: Some(late),
            ..Opening::without_balance()
        };
        let (done, is_done) = watch::channel(false);
        let warned_at = Arc::new(Mutex::new(None));
        let (heard, started) = (Arc::clone(&warned_at), tokio::time::Instant::now());
        let warn = move |_: &str| *heard.lock().unwrap() = Some(started.elapsed());
        let watching = tokio::spawn(watch_over(
            Balances::of([]),
            opening,
            || async { Ok(ROWS) },
            warn,
            is_done,
        ));
        sleep(Duration::from_secs(60)).await;
        done.send_replace(true);
        watching.await.unwrap();
        assert_eq!(*warned_at.lock().unwrap(), Some(Duration::from_secs(3)));
    }
}
