//! The account behind the key: decides what becomes of each arrival.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::time::Duration;

use crate::clock::{UnixMillis, Wall};

use super::billing::Billing;
use super::callbacks::CallbackBooks;
use super::config::{ErrorStyle, Latency, SandboxConfig};
use super::create_task::{ContentKey, Submitted};
use super::faults::{Fault, FaultKind, NO_ACCESS, NO_CREDITS, TOO_MANY};
use super::files::Files;
use super::plan::FaultPlan;
use super::polls::Polls;
use super::task::{Echoes, Task, TaskId};
use super::trouble::{CallbackTrouble, Ending, FileTrouble, TaskTroubles};
use super::uploads::UploadBooks;
use super::window::SlidingWindow;
use super::witness::{Arrival, Books, Witness};

/// What the balance of an account reads at first that never runs out.
const ENDLESS_CREDITS: f64 = 1e9;

/// Everything that changes with an arrival. It stands behind one lock, held for microseconds.
#[derive(Debug)]
pub(super) struct Account {
    window: Option<SlidingWindow>,
    faults: FaultPlan,
    /// How many arrivals of a scripted content have had their turn.
    turns: HashMap<ContentKey, usize>,
    billing: Billing,
    witness: Witness,
    latency: Latency,
    generation: Latency,
    errors: ErrorStyle,
    echoes: Echoes,
    pub(super) polls: Polls,
    pub(super) files: Files,
    pub(super) uploads: UploadBooks,
    random: fastrand::Rng,
    /// Apart from `random`, so that a seed strikes the same createTask requests whatever else is asked in between.
    random_of_tasks: fastrand::Rng,
    random_of_others: fastrand::Rng,
}

/// What one arrival gets.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) answer: Answer,
    /// The task that was created and billed, whether or not the answer tells.
    pub(super) task: Option<Task>,
    /// What becomes of the task's callback.
    pub(super) callback: Option<CallbackTrouble>,
    /// How long the answer is held back.
    pub(super) delay: Duration,
    /// Whether an error's code is the HTTP status too.
    pub(super) error_in_status: bool,
}

/// The answer itself.
#[derive(Debug)]
pub(super) enum Answer {
    /// Code 200 and the task id.
    Accepted,
    /// A refusal on the request's own account.
    Refused {
        by: Refuser,
        code: u16,
        text: Cow<'static, str>,
    },
    /// A fault's.
    Fault(Fault),
}

/// Who refused a request, when it was no fault.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refuser {
    Key,
    Window,
    Tag,
    Validation,
    Balance,
}

impl Verdict {
    /// The word for the answer in the books.
    pub(super) fn word(&self) -> &str {
        match &self.answer {
            Answer::Accepted => "ok",
            Answer::Refused { by, .. } => match by {
                Refuser::Key => "key",
                Refuser::Window => "window",
                Refuser::Tag => "tag",
                Refuser::Validation => "invalid",
                Refuser::Balance => "balance",
            },
            Answer::Fault(fault) => fault.word(),
        }
    }

    /// The code of the envelope, where a whole one is sent.
    pub(super) fn code(&self) -> Option<u16> {
        match &self.answer {
            Answer::Accepted => Some(200),
            Answer::Refused { code, .. } => Some(*code),
            Answer::Fault(fault) => match fault.kind {
                FaultKind::Refuse(refusal) => Some(refusal.code),
                FaultKind::NoId | FaultKind::Slow(_) => Some(200),
                FaultKind::Close
                | FaultKind::Reset
                | FaultKind::Hang
                | FaultKind::Cut
                | FaultKind::Page(_)
                | FaultKind::Empty
                | FaultKind::Garbage
                | FaultKind::Redirect => None,
            },
        }
    }
}

impl Account {
    /// A fresh account. It fails only if the journal cannot be opened.
    pub(super) fn open(config: &SandboxConfig) -> io::Result<Account> {
        let random = || config.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Ok(Account {
            window: SlidingWindow::new(config.limit, config.count_refused),
            faults: config.faults.clone(),
            turns: HashMap::new(),
            billing: Billing::new(config.credits),
            witness: Witness::new(config.limit, config.journal.as_deref(), config.keep_requests)?,
            latency: config.latency,
            generation: config.generation,
            errors: config.errors,
            echoes: Echoes::new(config.keep_params),
            polls: Polls::new(config.poll_limit),
            files: Files::default(),
            uploads: UploadBooks::default(),
            random: random(),
            random_of_tasks: random(),
            random_of_others: random(),
        })
    }

    /// Decides about one arrival and takes it down. `now` never goes backwards; `wall` is the same moment on the wall
    /// clock.
    pub(super) fn arrive(&mut self, now: Duration, wall: UnixMillis, key_fits: bool, submitted: &Submitted) -> Verdict {
        self.billing.settle(wall);
        let troubles = self.troubles_of(submitted);
        let (answer, task) = self.decide(now, wall, key_fits, submitted, &troubles);
        if let Some(task) = &task {
            self.echoes.keep(task.id, &submitted.param);
        }
        let verdict = Verdict {
            answer,
            task,
            callback: troubles.callback,
            delay: self.latency.draw(&mut self.random),
            error_in_status: self.puts_error_in_status(),
        };
        self.witness.note(now, submitted, &verdict);
        verdict
    }

    /// The order of the checks. Whoever is refused early does not use up a turn of its script.
    fn decide(
        &mut self,
        now: Duration,
        wall: UnixMillis,
        key_fits: bool,
        submitted: &Submitted,
        troubles: &TaskTroubles,
    ) -> (Answer, Option<Task>) {
        if !key_fits {
            return (refused(Refuser::Key, NO_ACCESS.code, NO_ACCESS.text), None);
        }
        if self.window.as_mut().is_some_and(|window| !window.admit(now)) {
            return (refused(Refuser::Window, TOO_MANY.code, TOO_MANY.text), None);
        }
        let fault = match self.next_fault(submitted) {
            Ok(fault) => fault,
            Err(complaint) => return (refused(Refuser::Tag, 400, complaint), None),
        };
        match fault {
            Some(fault) if !fault.lets_through() => return (Answer::Fault(fault), None),
            Some(_) | None => {}
        }
        // A fault that bills cannot strike a request that is refused for its own sake.
        let credits = match &submitted.price {
            Ok(credits) => *credits,
            Err(refusal) => return (refused(Refuser::Validation, refusal.code, refusal.text), None),
        };
        let task = self.task(wall, credits, troubles, submitted.image_is_missing);
        if self.billing.bill(submitted, &task) {
            (fault.map_or(Answer::Accepted, Answer::Fault), Some(task))
        } else {
            (refused(Refuser::Balance, NO_CREDITS.code, NO_CREDITS.text), None)
        }
    }

    /// What is to become of a request's task, by its tag or else by chance.
    fn troubles_of(&mut self, submitted: &Submitted) -> TaskTroubles {
        match &submitted.script {
            None => self.faults.strike_task(&mut self.random_of_tasks),
            Some(Ok(script)) => script.troubles,
            // Refused before it becomes a task.
            Some(Err(_)) => TaskTroubles::default(),
        }
    }

    fn task(&mut self, created: UnixMillis, credits: u8, troubles: &TaskTroubles, image_is_missing: bool) -> Task {
        let drawn = self.generation.draw(&mut self.random_of_tasks);
        let generation = match troubles.callback {
            Some(CallbackTrouble::First) => Duration::ZERO,
            _ => troubles.generation.unwrap_or(drawn),
        };
        let usual = if image_is_missing {
            Ending::NO_IMAGE
        } else {
            Ending::Video
        };
        let file = troubles.file.unwrap_or(FileTrouble::None);
        Task::new(created, generation, credits, troubles.ending.unwrap_or(usual), file)
    }

    fn next_fault(&mut self, submitted: &Submitted) -> Result<Option<Fault>, String> {
        match &submitted.script {
            None => Ok(self.faults.strike_request(&mut self.random).cloned()),
            Some(Err(error)) => Err(format!("sandbox tag: {error}")),
            Some(Ok(script)) => {
                let turn = self.turns.entry(submitted.content).or_default();
                let fault = script.step(*turn).cloned();
                *turn += 1;
                Ok(fault)
            }
        }
    }

    /// Whether the next error's code goes into the HTTP status too.
    pub(super) fn puts_error_in_status(&mut self) -> bool {
        self.errors.is_in_status(&mut self.random)
    }

    /// The fault of a poll, and whether an error's code goes into the HTTP status.
    pub(super) fn strike_poll(&mut self) -> (Option<Fault>, bool) {
        let fault = self.faults.strike_poll(&mut self.random_of_others).cloned();
        (fault, self.errors.is_in_status(&mut self.random_of_others))
    }

    /// The same for an upload.
    pub(super) fn strike_upload(&mut self) -> (Option<Fault>, bool) {
        let fault = self.faults.strike_upload(&mut self.random_of_others).cloned();
        (fault, self.errors.is_in_status(&mut self.random_of_others))
    }

    /// The request of a task, as its record repeats it.
    pub(super) fn param(&self, id: TaskId) -> &str {
        self.echoes.param(id)
    }

    /// Replaces what goes wrong by chance.
    pub(super) fn set_faults(&mut self, faults: FaultPlan) {
        self.faults = faults;
    }

    /// Adds credits and tells the balance.
    pub(super) fn top_up(&mut self, credits: f64) -> Option<f64> {
        self.billing.top_up(credits);
        self.balance()
    }

    /// Credits left; `None` where they never run out.
    pub(super) fn balance(&mut self) -> Option<f64> {
        self.billing.settle(Wall::System.now());
        self.billing.balance
    }

    /// What the balance reads. It falls in an account that never runs out, too, so that clients can reckon with it.
    pub(super) fn shown_balance(&mut self) -> f64 {
        let consumed = |billing: &Billing| billing.billed_credits - billing.returned_credits;
        self.balance()
            .unwrap_or_else(|| ENDLESS_CREDITS - consumed(&self.billing))
    }

    /// The summary so far; callbacks are counted elsewhere.
    pub(super) fn books(&mut self, callbacks: CallbackBooks) -> Books {
        self.billing.settle(Wall::System.now());
        Books {
            requests: self.witness.requests,
            accepted: self.billing.tasks,
            billed_credits: self.billing.billed_credits,
            returned_credits: self.billing.returned_credits,
            consumed_credits: self.billing.consumed_credits,
            refused_429: self.witness.by_code.get(&TOO_MANY.code).copied().unwrap_or(0),
            by_code: self.witness.by_code.clone(),
            by_answer: self.witness.by_answer.clone(),
            max_in_window: self.witness.densest.as_ref().map(|densest| densest.most()),
            billed_twice: self.billing.billed_twice(),
            balance: self.billing.balance,
            polls: self.polls.books(),
            files: self.files.books.clone(),
            uploads: self.uploads.clone(),
            callbacks,
            journal_error: self.witness.journal_error.clone(),
        }
    }

    /// The newest arrivals, oldest first.
    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.witness.kept()
    }
}

fn refused(by: Refuser, code: u16, text: impl Into<Cow<'static, str>>) -> Answer {
    Answer::Refused {
        by,
        code,
        text: text.into(),
    }
}
