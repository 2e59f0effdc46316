//! `[notify]`: whom to tell how a command ended.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;

use crate::address::is_this_machine;
use crate::job::error::JobError;
use crate::job::origin::Origins;
use crate::job::settings::Notifying;
use crate::secret_url::SecretUrl;

/// Whom to tell how a command ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    /// Where the summary is posted when it has ended.
    pub webhook: Option<SecretUrl>,
    /// What is posted.
    pub format: NoticeFormat,
    /// When it is posted.
    pub on: NoticeOn,
    /// What is asked for when the command begins and when it ends, whatever [`on`](Notices::on) says.
    pub ping: Option<SecretUrl>,
}

/// What is posted to the webhook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum NoticeFormat {
    /// What the webhook's host takes
    #[default]
    Auto,
    /// A text and the summary
    Json,
    /// A text, for Slack
    Slack,
    /// A text, for Feishu and Lark
    Feishu,
}

/// Which ends are worth a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum NoticeOn {
    /// Every end
    #[default]
    Always,
    /// Every exit code but 0
    Trouble,
}

/// A secret URL as it was given, or `off`. It is judged where the job is made, since whoever reads an option shows what it
/// refuses.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenUrl(String);

impl FromStr for GivenUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<GivenUrl, Infallible> {
        Ok(GivenUrl(text.trim().to_owned()))
    }
}

impl fmt::Debug for GivenUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GivenUrl(…)")
    }
}

impl GivenUrl {
    /// Set but empty is how an unset secret looks in many schedulers.
    pub(super) fn is_blank(&self) -> bool {
        self.0.is_empty()
    }

    /// The URL; `None` for `off`, which takes back what a job file says.
    pub(super) fn url(&self) -> Result<Option<SecretUrl>, &'static str> {
        match self.0.as_str() {
            "" | "off" | "no" => Ok(None),
            text => SecretUrl::read(text).map(Some),
        }
    }
}

impl Notices {
    /// Shows every secret to `hide`, which is to keep it out of what it writes.
    pub fn hide_in(&self, mut hide: impl FnMut(&str)) {
        for url in self.webhook.iter().chain(&self.ping) {
            url.hide_in(&mut hide);
        }
    }
}

/// The notices that were asked for, and what is probably not meant about them.
pub(super) fn resolve(origins: &Origins, given: Notifying) -> Result<(Notices, Vec<String>), JobError> {
    let mut doubts = Vec::new();
    let mut read = |key: &str, given: Option<GivenUrl>, example: &str| {
        let Some(given) = given else { return Ok(None) };
        // The value is not shown: a slip of the pen leaves most of a secret in it.
        let url = given
            .url()
            .map_err(|why| JobError::setting(format!("{} {why}", origins.name(key)), write_one_like(example)))?;
        if let Some(url) = url.as_ref().filter(|url| is_bare(url)) {
            doubts.push(format!(
                "{} is plain http: everyone on the way to `{}` can read that URL and use it",
                origins.name(key),
                url.host()
            ));
        }
        Ok::<_, JobError>(url)
    };
    let notices = Notices {
        webhook: read("notify_webhook", given.notify_webhook, WEBHOOK_EXAMPLE)?,
        format: given.notify_format.unwrap_or_default(),
        on: given.notify_on.unwrap_or_default(),
        ping: read("notify_ping", given.notify_ping, PING_EXAMPLE)?,
    };
    Ok((notices, doubts))
}

const WEBHOOK_EXAMPLE: &str = "https://hooks.slack.com/services/…";
const PING_EXAMPLE: &str = "https://hc-ping.com/UUID";

fn write_one_like(example: &str) -> String {
    format!("write a URL like `{example}`, without a user name or password, or `off` for none")
}

fn is_bare(url: &SecretUrl) -> bool {
    url.url().scheme() == "http" && !is_this_machine(url.url())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(webhook: &str, ping: &str) -> Notifying {
        let url = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        Notifying {
            notify_webhook: url(webhook),
            notify_ping: url(ping),
            ..Notifying::default()
        }
    }

    fn resolved(webhook: &str, ping: &str) -> Result<(Notices, Vec<String>), JobError> {
        resolve(&Origins::default(), given(webhook, ping))
    }

    #[test]
    fn nobody_is_told_unless_asked() {
        assert_eq!(resolved("", "").unwrap(), (Notices::default(), Vec::new()));
        assert_eq!(resolved("off", "no").unwrap(), (Notices::default(), Vec::new()));
    }

    #[test]
    fn what_is_no_url_is_refused_and_not_shown() {
        for (text, what) in [
            (
                "hooks.slack.com/services/canary",
                "`--notify-webhook` is not a whole URL",
            ),
            ("file:///etc/canary", "`--notify-webhook` is not a web address"),
            (
                "https://me:canary@hooks.slack.com/",
                "`--notify-webhook` has a user name or password in it",
            ),
        ] {
            let error = resolved(text, "").unwrap_err();
            assert_eq!(error.to_string(), what);
            assert!(!format!("{error:?}").contains("canary"));
            assert!(!format!("{:?}", given(text, text)).contains("canary"));
        }
        let help = resolved("", "hc-ping.com").unwrap_err().help().unwrap();
        insta::assert_snapshot!(help, @"write a URL like `https://hc-ping.com/UUID`, without a user name or password, or `off` for none");
    }

    #[test]
    fn a_secret_in_the_clear_is_warned_of_unless_it_stays_on_this_machine() {
        let (_, doubts) = resolved(
            "http://chat.example.org:8065/hooks/canary",
            "http://localhost:8000/canary",
        )
        .unwrap();
        insta::assert_snapshot!(doubts.join("\n"), @"`--notify-webhook` is plain http: everyone on the way to `chat.example.org:8065` can read that URL and use it");
    }
}
