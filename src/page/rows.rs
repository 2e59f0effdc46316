//! `GET api/rows`: what the table of the page asks for.

use url::form_urlencoded;

use crate::row::RowState;
use crate::view::RowsQuery;

/// Rows of an answer unless the question says.
const USUAL: u32 = 100;

/// Rows of an answer at most.
pub const MOST_ROWS: u32 = 500;

/// The question that the query of a URL asks, or what is wrong with it. Parameters of other names are left alone.
pub(super) fn query_of(query: &str) -> Result<RowsQuery, String> {
    let mut asked = RowsQuery {
        limit: USUAL,
        ..RowsQuery::default()
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        match &*name {
            "status" => {
                for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                    let state = word.parse().map_err(|_| {
                        let words = RowState::ALL.map(|state| state.to_string());
                        format!("`status` takes words with commas between: {}", words.join(", "))
                    })?;
                    asked.states.push(state);
                }
            }
            "code" => asked.code = Some(value.to_owned()),
            "q" => asked.search = Some(value.to_owned()),
            "offset" => {
                asked.offset = value
                    .parse()
                    .map_err(|_| "`offset` takes a whole number from 0".to_owned())?;
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MOST_ROWS).contains(limit));
                asked.limit = limit.ok_or_else(|| format!("`limit` takes a whole number from 1 to {MOST_ROWS}"))?;
            }
            _ => {}
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_the_page_writes_it() {
        let plain = query_of("").unwrap();
        assert_eq!((plain.states.len(), plain.offset, plain.limit), (0, 0, 100));
        assert_eq!(query_of("status=&code=&q=&offset=&limit=&other=1").unwrap(), plain);
        let full = query_of("status=failed,%20rejected&code=422&q=a+boat%26&offset=200&limit=500").unwrap();
        assert_eq!(full.states, [RowState::Failed, RowState::Rejected]);
        assert_eq!(
            (full.code.as_deref(), full.search.as_deref()),
            (Some("422"), Some("a boat&"))
        );
        assert_eq!((full.offset, full.limit), (200, 500));
    }

    #[test]
    fn what_cannot_be_asked_is_told() {
        for query in [
            "status=lost",
            "offset=-1",
            "offset=x",
            "limit=0",
            "limit=501",
            "limit=1e2",
        ] {
            assert!(query_of(query).is_err(), "{query}");
        }
        insta::assert_snapshot!(query_of("status=lost").unwrap_err(), @"`status` takes words with commas between: invalid, queued, sending, accepted, rejected, unknown, succeeded, failed, saved");
    }
}
