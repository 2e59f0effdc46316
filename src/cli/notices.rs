//! Around a command's work: whoever is to be told that it begins, and how it ended.
//!
//! Nothing in here can change how a command ends. The work does not wait for anybody: the first ping is sent beside it,
//! and the end is told when everything is recorded, written and printed.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::address::is_this_machine;
use crate::job::{Job, NoticeFormat, NoticeOn};
use crate::notify::{Medium, Message, NotSent, Notifier, NotifyConfig};
use crate::secret_url::SecretUrl;
use crate::view::{Ending, Summary, notice, notice_of_failure};

use super::api::extra_roots;
use super::console::Console;
use super::failure::Failure;
use super::signals;

/// For one notice, with all its attempts.
const TIME: Duration = Duration::from_secs(10);

/// For all of them after a signal: whoever asked for the end is waiting, and kills after a while (systemd after 90 s,
/// containers after 10 s).
const TIME_AFTER_SIGNAL: Duration = Duration::from_secs(5);

/// Which command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    Run,
    Collect,
    /// It is not meant to end: nobody waits for a ping of it, and to be told to stop is no news. Only trouble is.
    Serve,
}

impl Occasion {
    fn command(self) -> &'static str {
        match self {
            Occasion::Run => "run",
            Occasion::Collect => "collect",
            Occasion::Serve => "serve",
        }
    }

    /// Whether this end is worth a message.
    fn posts(self, on: NoticeOn, ending: Ending) -> bool {
        let is_stopped = matches!(ending, Ending::Interrupted | Ending::Terminated);
        let is_trouble = ending != Ending::Done;
        match self {
            Occasion::Serve => is_trouble && !is_stopped,
            Occasion::Run | Occasion::Collect => is_trouble || on == NoticeOn::Always,
        }
    }
}

/// How a command's work ended; everything about it is printed already.
pub(super) struct Ended {
    pub(super) ending: Ending,
    pub(super) account: Account,
}

/// What there is to say about it.
pub(super) enum Account {
    /// The work has a summary.
    Summary(Box<Summary>),
    /// It could not be done: what was said about that.
    Failure(String),
}

/// Does `work`, and tells whoever the job names that it begins and how it ended. A failure of the work is reported here.
pub(super) async fn around(
    job: &Job,
    console: &Console,
    occasion: Occasion,
    work: impl Future<Output = Result<Ended, Failure>>,
) -> ExitCode {
    // The work is most of the program: on the heap it is moved as a pointer.
    let work = Box::pin(work);
    let notices = Notices::prepare(job, console, occasion);
    let begun = notices.as_ref().map(Notices::begin);
    let ended = match work.await {
        Ok(ended) => ended,
        Err(failure) => Ended {
            ending: failure.report(),
            account: Account::Failure(failure.told()),
        },
    };
    if let Some((notices, begun)) = notices.zip(begun) {
        tokio::select! {
            () = notices.end(&ended, begun) => {}
            // Everything is done but this: a second signal ends even the waiting for it.
            () = signals::next() => console.warn("told to end: notices that were under way may not have arrived"),
        }
    }
    ended.ending.into()
}

/// The notices of one command.
struct Notices<'a> {
    job: &'a Job,
    console: &'a Console,
    occasion: Occasion,
    notifier: Notifier,
}

/// The first ping, under way.
type Begun = JoinHandle<Result<(), NotSent>>;

impl<'a> Notices<'a> {
    /// `None` if nobody is to be told, or nobody can be.
    fn prepare(job: &'a Job, console: &'a Console, occasion: Occasion) -> Option<Notices<'a>> {
        let asked = &job.notices;
        let webhook = allowed(asked.webhook.as_ref(), job, console);
        let ping = allowed(asked.ping.as_ref(), job, console).filter(|_| occasion != Occasion::Serve);
        if webhook.is_none() && ping.is_none() {
            return None;
        }
        let failed = |why: &dyn std::fmt::Display| console.warn(&format!("notices cannot be sent: {why}"));
        let roots = extra_roots(job).map_err(|failure| failed(&failure)).ok()?;
        let config = NotifyConfig {
            webhook: webhook.map(|url| (url.clone(), medium(asked.format, url))),
            ping: ping.cloned(),
            extra_roots_pem: roots.as_deref(),
            no_proxy: job.sandbox,
        };
        let notifier = Notifier::new(config).map_err(|error| failed(&error)).ok()?;
        Some(Notices {
            job,
            console,
            occasion,
            notifier,
        })
    }

    /// Tells the monitor that the work begins, beside the work.
    fn begin(&self) -> Begun {
        let notifier = self.notifier.clone();
        tokio::spawn(async move { notifier.ping_start(Instant::now() + TIME).await })
    }

    /// Tells everybody how the work ended.
    async fn end(&self, ended: &Ended, begun: Begun) {
        let time = match ended.ending {
            Ending::Interrupted | Ending::Terminated => TIME_AFTER_SIGNAL,
            _ => TIME,
        };
        let now = Instant::now();
        let deadline = now + time;
        let text = self.text(ended);
        let ping = async {
            let begun = finish(begun, now + time / 2).await;
            let ended = self.notifier.ping_end(ended.ending.code(), &text, deadline).await;
            // One warning about one monitor, of what matters more.
            ended.and(begun)
        };
        let post = async {
            match self.occasion.posts(self.job.notices.on, ended.ending) {
                true => self.post(ended, &text, deadline).await,
                false => Ok(()),
            }
        };
        let (pinged, posted) = tokio::join!(ping, post);
        self.warn_of("ping", self.job.notices.ping.as_ref(), pinged);
        self.warn_of("notice", self.job.notices.webhook.as_ref(), posted);
    }

    async fn post(&self, ended: &Ended, text: &str, deadline: Instant) -> Result<(), NotSent> {
        let summary = match &ended.account {
            // As on standard output, without secrets. What stands in their place is still JSON.
            Account::Summary(summary) => {
                RawValue::from_string(self.console.secrets.redact(&summary.to_json()).into_owned()).ok()
            }
            Account::Failure(_) => None,
        };
        let message = Message {
            text,
            name: &self.name(),
            command: self.occasion.command(),
            exit_code: ended.ending.code(),
            summary: summary.as_deref(),
        };
        self.notifier.post(&message, deadline).await
    }

    /// What is said to people, without secrets.
    fn text(&self, ended: &Ended) -> String {
        let (name, command) = (self.name(), self.occasion.command());
        let text = match &ended.account {
            Account::Summary(summary) => notice(command, &name, summary, ended.ending),
            Account::Failure(told) => notice_of_failure(command, &name, ended.ending, told),
        };
        self.console.secrets.redact(&text).into_owned()
    }

    /// What the batch is called: as on its page, the file name of the manifest.
    fn name(&self) -> String {
        let name = self.job.manifest.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn warn_of(&self, what: &str, to: Option<&SecretUrl>, sent: Result<(), NotSent>) {
        if let (Some(url), Err(why)) = (to, sent) {
            let host = url.host();
            self.console
                .warn(&format!("the {what} to `{host}` did not arrive: {why}"));
        }
    }
}

/// What came of the first ping. One that is still under way at `deadline` is given up: it must not arrive after the last,
/// or the monitor would wait for the end of a run that is over.
async fn finish(mut begun: Begun, deadline: Instant) -> Result<(), NotSent> {
    match timeout_at(deadline, &mut begun).await {
        Ok(sent) => sent.unwrap_or(Ok(())),
        Err(_) => {
            begun.abort();
            Err(NotSent::TooSlow)
        }
    }
}

/// A trial in the sandbox needs no network and touches none: it tells only this machine.
fn allowed<'a>(url: Option<&'a SecretUrl>, job: &Job, console: &Console) -> Option<&'a SecretUrl> {
    let url = url?;
    if job.sandbox && !is_this_machine(url.url()) {
        console.notice(&format!(
            "note: a trial in the sandbox uses no network: nothing is told to `{}`",
            url.host()
        ));
        return None;
    }
    Some(url)
}

fn medium(format: NoticeFormat, url: &SecretUrl) -> Medium {
    match format {
        NoticeFormat::Auto => Medium::of_host(url.url().host_str().unwrap_or_default()),
        NoticeFormat::Json => Medium::Json,
        NoticeFormat::Slack => Medium::Slack,
        NoticeFormat::Feishu => Medium::Feishu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_a_message_depends_on_who_waits_for_the_end() {
        use NoticeOn::{Always, Trouble};
        for (occasion, on, ending, posts) in [
            (Occasion::Run, Always, Ending::Done, true),
            (Occasion::Run, Trouble, Ending::Done, false),
            (Occasion::Run, Trouble, Ending::SomeFailed, true),
            (Occasion::Run, Trouble, Ending::Terminated, true),
            (Occasion::Collect, Always, Ending::Done, true),
            (Occasion::Collect, Trouble, Ending::Locked, true),
            (Occasion::Serve, Always, Ending::Done, false),
            (Occasion::Serve, Always, Ending::Terminated, false),
            (Occasion::Serve, Trouble, Ending::Halted, true),
            (Occasion::Serve, Always, Ending::Refused, true),
        ] {
            assert_eq!(occasion.posts(on, ending), posts, "{occasion:?} {on:?} {ending:?}");
        }
    }
}
