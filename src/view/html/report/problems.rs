//! Every row with a problem, with those that have the same one.

use std::collections::HashMap;

use crate::escape;
use crate::row::RowState;
use crate::view::html::markup::{Html, html, put};
use crate::view::html::sections::{self, heading};
use crate::view::wording::counted;
use crate::view::{Cause, Overview, RowCard, is_troubled};

/// Problems told apart. Messages that quote their row would make one of each.
const MOST: usize = 500;

/// Characters of a message.
const MESSAGE: usize = 300;

/// Characters of an id.
const ID: usize = 60;

/// A problem that is open from the start if no more rows than this have it.
const OPEN: usize = 8;

/// The rows with problems, by what they have.
#[derive(Debug, Default)]
pub(super) struct Problems {
    causes: Vec<(Cause, Vec<Place>)>,
    known: HashMap<(RowState, String, String), usize>,
}

/// A row, and where it is to be found.
#[derive(Debug)]
struct Place {
    row: u32,
    place: String,
    id: Option<String>,
}

impl Problems {
    pub(super) fn add(&mut self, card: &RowCard) {
        if !is_troubled(card.status, card.code.as_deref()) {
            return;
        }
        let code = escape::excerpt(card.code.as_deref().unwrap_or_default(), MESSAGE);
        let message = escape::excerpt(card.message.as_deref().unwrap_or_default(), MESSAGE);
        let mut key = (card.status, code, message);
        if self.causes.len() >= MOST && !self.known.contains_key(&key) {
            key = (card.status, String::new(), "other messages".to_owned());
        }
        let place = *self.known.entry(key).or_insert_with_key(|(state, code, message)| {
            let cause = Cause {
                state: *state,
                code: code.clone(),
                message: message.clone(),
                count: 0,
                first_rows: Vec::new(),
            };
            self.causes.push((cause, Vec::new()));
            self.causes.len() - 1
        });
        if let Some((cause, rows)) = self.causes.get_mut(place) {
            cause.count += 1;
            rows.push(Place {
                row: card.row,
                place: card.place.clone(),
                id: card.id.as_deref().map(|id| escape::excerpt(id, ID)),
            });
        }
    }

    /// In the place of the page's section of this name: with every row, those that most rows have first.
    pub(super) fn section(&self, overview: &Overview) -> Html {
        let mut html = html!("<h2>Problems</h2>");
        if self.causes.is_empty() {
            put!(html, r#"<p class="nothing good">Nothing has gone wrong.</p>"#);
        } else {
            let mut causes: Vec<_> = self.causes.iter().collect();
            causes.sort_by_key(|(cause, _)| std::cmp::Reverse(cause.count));
            put!(html, r#"<ul class="causes">"#);
            for (cause, rows) in causes {
                put!(html, "<li>{}{}</li>", heading(cause), list(rows));
            }
            put!(html, "</ul>");
        }
        put!(html, "{}", sections::next(overview));
        html
    }
}

/// The rows in the order of the manifest, with their places.
fn list(rows: &[Place]) -> Html {
    let mut html = Html::default();
    if rows.len() <= OPEN {
        put!(html, r#"<ul class="places">"#);
    } else {
        put!(
            html,
            r#"<details><summary>{}</summary><ul class="places">"#,
            counted(rows.len() as u64, "row")
        );
    }
    for Place { row, place, id } in rows {
        // The end tags may be left out, and there can be thousands.
        put!(html, r##"<li><a href="#row={}">row {}</a> {}"##, row, row, place);
        if let Some(id) = id {
            put!(html, " <bdi>{}</bdi>", id);
        }
    }
    put!(html, "</ul>");
    if rows.len() > OPEN {
        put!(html, "</details>");
    }
    html
}
