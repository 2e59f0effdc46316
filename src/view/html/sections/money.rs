//! What the batch has cost and will cost, and how well that is known.

use crate::view::html::charts::stack::{self, swatch};
use crate::view::html::markup::{Html, capital, html, put, sentence};
use crate::view::money::{self, amount};
use crate::view::wording::{counted, credits};
use crate::view::{Cost, Overview};

/// An amount with its name, what it is for, and how sure it is.
struct Post {
    class: &'static str,
    name: &'static str,
    credits: f64,
    what: String,
}

pub(super) fn section(overview: &Overview) -> Html {
    let summary = &overview.summary;
    let cost = &summary.cost;
    let mut html = html!("<h2>Credits</h2>");
    let posts = posts(cost, summary.counts.queued);
    if posts.is_empty() && cost.account.is_none() {
        put!(html, r#"<p class="nothing">Nothing was spent yet.</p>"#);
        return html;
    }
    let spent = cost.spent_credits.map(|spent| spent - cost.bill.unknown);
    let what = if summary.sandbox {
        "spent, had it been real"
    } else {
        "spent"
    };
    let amount = amount(spent, cost);
    let (figure, dollars) = split(&amount);
    put!(
        html,
        r#"<p class="sum"><strong>{}</strong> <span>{} {}</span></p>"#,
        figure,
        dollars,
        what
    );
    if posts.len() > 1 {
        put!(html, "{}", picture(&posts));
    }
    put!(html, r#"<table class="posts"><tbody>"#);
    for post in &posts {
        put!(
            html,
            r#"<tr><th scope="row">{}{}<span class="what">{}</span></th><td class="number">{}</td></tr>"#,
            swatch(post.class),
            post.name,
            post.what,
            credits(post.credits)
        );
    }
    put!(html, "</tbody></table>");
    if summary.counts.queued > 0 && cost.estimated_credits.is_none() {
        put!(
            html,
            r#"<p class="note">What the queued rows will cost is not known: some have no price.</p>"#
        );
    }
    for line in [money::balance(summary), money::source(summary)].into_iter().flatten() {
        put!(html, r#"<p class="note">{}.</p>"#, sentence(&capital(&line)));
    }
    html
}

fn posts(cost: &Cost, queued: u64) -> Vec<Post> {
    let bill = &cost.bill;
    let ended = match bill.untold {
        0 => format!("consumed by {}", counted(bill.ended, "ended task")),
        untold => format!(
            "consumed by {}, {} of them by price",
            counted(bill.ended, "ended task"),
            counted(untold, "task")
        ),
    };
    let posts = [
        ("certain", "certain", bill.ended, bill.consumed, ended),
        (
            "by-price",
            "by price",
            bill.working,
            bill.at_work,
            format!("{} at work", counted(bill.working, "task")),
        ),
        (
            "by-price",
            "by price",
            bill.unwatched_tasks,
            bill.unwatched,
            format!("{} of replaced content", counted(bill.unwatched_tasks, "task")),
        ),
        (
            "perhaps",
            "perhaps",
            bill.unanswered + bill.extra,
            bill.unknown,
            bill.in_doubt().unwrap_or_default(),
        ),
        (
            "to-come",
            "to come",
            cost.estimated_credits.map_or(0, |_| queued),
            cost.estimated_credits.unwrap_or_default(),
            counted(queued, "queued row"),
        ),
    ];
    posts
        .into_iter()
        .filter(|(_, _, tasks, _, _)| *tasks > 0)
        .map(|(class, name, _, credits, what)| Post {
            class,
            name,
            credits,
            what,
        })
        .collect()
}

fn picture(posts: &[Post]) -> Html {
    let words: Vec<String> = posts
        .iter()
        .map(|post| format!("{} {}", credits(post.credits), post.name))
        .collect();
    let parts: Vec<stack::Part> = posts
        .iter()
        .map(|post| stack::Part {
            class: post.class,
            count: whole(post.credits),
        })
        .collect();
    stack::chart(&parts, &words.join(", "))
}

/// Credits for a picture, in which hundredths are not to be seen.
fn whole(credits: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it saturates, and is a picture"
    )]
    let whole = credits.ceil() as u64;
    whole
}

/// `12 credits (0.06 USD)` in its two parts.
fn split(amount: &str) -> (&str, &str) {
    match amount.split_once(" (") {
        Some((credits, dollars)) => (credits, dollars.trim_end_matches(')')),
        None => (amount, ""),
    }
}
