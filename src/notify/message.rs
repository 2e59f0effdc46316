//! What is posted to a webhook. Prompts, file names and answers of servers are in the text, and in a chat they must not call
//! everybody, hide where a link leads, or pass for markup.

use serde::Serialize;
use serde_json::value::RawValue;

/// What the receiver of a message understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// A JSON object with the text, which chats that copy Slack's webhooks show, and the summary for programs.
    Json,
    /// Slack's incoming webhooks.
    Slack,
    /// Custom bots of Feishu and Lark.
    Feishu,
}

impl Medium {
    /// What the receiver at this host most likely is.
    pub fn of_host(host: &str) -> Medium {
        match host.trim_end_matches('.') {
            "hooks.slack.com" | "hooks.slack-gov.com" => Medium::Slack,
            "open.feishu.cn" | "open.larksuite.com" => Medium::Feishu,
            _ => Medium::Json,
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// For people, a few lines.
    pub text: &'a str,
    /// What the batch is called.
    pub name: &'a str,
    /// The command: `run`, `collect` or `serve`.
    pub command: &'a str,
    /// How it ended.
    pub exit_code: u8,
    /// The summary as a JSON object; `None` if it did not come to that.
    pub summary: Option<&'a RawValue>,
}

impl Message<'_> {
    /// The request's body: JSON in every case.
    pub(super) fn body(&self, medium: Medium) -> String {
        let text = harmless(self.text, medium);
        let body = match medium {
            Medium::Slack => serde_json::to_string(&SlackMessage { text: &text }),
            Medium::Feishu => serde_json::to_string(&FeishuMessage {
                msg_type: "text",
                content: SlackMessage { text: &text },
            }),
            Medium::Json => serde_json::to_string(&JsonMessage {
                text: &text,
                name: self.name,
                command: self.command,
                exit_code: self.exit_code,
                summary: self.summary,
            }),
        };
        body.expect("a message has only numbers, strings and JSON")
    }
}

/// <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>
#[derive(Serialize)]
struct SlackMessage<'a> {
    text: &'a str,
}

/// <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>
#[derive(Serialize)]
struct FeishuMessage<'a> {
    msg_type: &'a str,
    content: SlackMessage<'a>,
}

/// Ours: a part of the contract. Add keys, never rename them.
#[derive(Serialize)]
struct JsonMessage<'a> {
    text: &'a str,
    name: &'a str,
    command: &'a str,
    exit_code: u8,
    summary: Option<&'a RawValue>,
}

/// Takes no room, and takes what stands around it apart.
const GAP: char = '\u{200b}';

/// `text` without anything that does more than be read.
///
/// Slack has escapes for the three characters that begin its commands (`<!channel>`, `<https://…|text>`). Feishu
/// (`<at user_id="all">`) and the chats behind [`Medium::Json`] (`<!channel>`, `@all`, `[text](https://…)`) have none that
/// all understand: there an invisible gap keeps the characters apart.
fn harmless(text: &str, medium: Medium) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    let mut before = '\n';
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or('\n');
        match (character, medium) {
            ('&', Medium::Slack) => safe.push_str("&amp;"),
            ('<', Medium::Slack) => safe.push_str("&lt;"),
            ('>', Medium::Slack) => safe.push_str("&gt;"),
            _ => safe.push(character),
        }
        let is_tag = character == '<' && medium != Medium::Slack && !next.is_whitespace();
        // An address (`me@example.org`) and a path are no calls.
        let is_call = character == '@' && !before.is_alphanumeric() && next.is_alphanumeric();
        let is_link = character == ']' && next == '(';
        if is_tag || is_call || is_link {
            safe.push(GAP);
        }
        before = character;
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str, medium: Medium) -> String {
        let summary = RawValue::from_string(r#"{"rows":12}"#.to_owned()).unwrap();
        let message = Message {
            text,
            name: "shots.csv",
            command: "run",
            exit_code: 3,
            summary: Some(&summary),
        };
        message.body(medium)
    }

    #[test]
    fn each_receiver_gets_what_it_understands() {
        let of = |medium| body("halted: no credits\n12 rows", medium);
        insta::assert_snapshot!(of(Medium::Slack), @r#"{"text":"halted: no credits\n12 rows"}"#);
        insta::assert_snapshot!(of(Medium::Feishu), @r#"{"msg_type":"text","content":{"text":"halted: no credits\n12 rows"}}"#);
        insta::assert_snapshot!(of(Medium::Json), @r#"{"text":"halted: no credits\n12 rows","name":"shots.csv","command":"run","exit_code":3,"summary":{"rows":12}}"#);
    }

    #[test]
    fn a_receiver_is_known_by_its_host() {
        for (host, medium) in [
            ("hooks.slack.com", Medium::Slack),
            ("open.feishu.cn", Medium::Feishu),
            ("open.larksuite.com", Medium::Feishu),
            ("hooks.slack.com.example.org", Medium::Json),
            ("chat.example.org", Medium::Json),
        ] {
            assert_eq!(Medium::of_host(host), medium, "{host}");
        }
    }

    #[test]
    fn nobody_elses_words_are_a_command() {
        let text = "<!channel> <@U123> <https://evil.example|kie.ai> a & b <at user_id=\"all\"></at> @here me@example.org \
                    [kie.ai](https://evil.example) 1 < 2";
        let shown = |medium| harmless(text, medium).replace(GAP, "·");
        insta::assert_snapshot!(shown(Medium::Slack), @r#"&lt;!channel&gt; &lt;@·U123&gt; &lt;https://evil.example|kie.ai&gt; a &amp; b &lt;at user_id="all"&gt;&lt;/at&gt; @·here me@example.org [kie.ai]·(https://evil.example) 1 &lt; 2"#);
        insta::assert_snapshot!(shown(Medium::Feishu), @r#"<·!channel> <·@·U123> <·https://evil.example|kie.ai> a & b <·at user_id="all"><·/at> @·here me@example.org [kie.ai]·(https://evil.example) 1 < 2"#);
        assert_eq!(harmless(text, Medium::Json), harmless(text, Medium::Feishu));
    }
}
