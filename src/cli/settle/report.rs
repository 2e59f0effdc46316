//! What became of each task id of `settle --from`, for people and for scripts.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::collect::matching::{CLOCK_SLACK, Evidence};
use crate::collect::pasted::Pasted;
use crate::escape;
use crate::row::TaskId;

use super::row_name::RowName;
use super::shown;

/// Of task ids that ask for nothing, so many are named of each kind.
const MOST_NAMED: usize = 10;

/// Of the rows that a task fits, so many are named.
const MOST_ROWS: usize = 5;

/// What became of a task id.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    Accepted {
        row: RowName,
        by: Evidence,
    },
    Several {
        rows: Vec<RowName>,
        rivals: usize,
    },
    OtherTime {
        rows: Vec<RowName>,
        distance_ms: Option<i64>,
    },
    Extra {
        row: RowName,
        task: String,
    },
    Outdated {
        row: RowName,
    },
    Unread {
        code: String,
        message: String,
    },
    Untold,
    Known {
        row: RowName,
    },
    Missing,
    OtherModel(String),
    NotOurs,
}

impl Fate {
    /// Every word, in the order in which fates are told: what was done, what is left to do, the rest.
    const WORDS: [&str; 11] = [
        "accepted",
        "several",
        "other_time",
        "extra",
        "edited_since",
        "unread",
        "untold",
        "known",
        "no_record",
        "other_model",
        "not_ours",
    ];

    /// The word for it in JSON.
    fn word(&self) -> &'static str {
        match self {
            Fate::Accepted { .. } => "accepted",
            Fate::Several { .. } => "several",
            Fate::OtherTime { .. } => "other_time",
            Fate::Extra { .. } => "extra",
            Fate::Outdated { .. } => "edited_since",
            Fate::Unread { .. } => "unread",
            Fate::Untold => "untold",
            Fate::Known { .. } => "known",
            Fate::Missing => "no_record",
            Fate::OtherModel(_) => "other_model",
            Fate::NotOurs => "not_ours",
        }
    }

    /// Nothing follows from it.
    fn is_dull(&self) -> bool {
        matches!(
            self,
            Fate::Known { .. } | Fate::Missing | Fate::OtherModel(_) | Fate::NotOurs
        )
    }

    fn rows(&self) -> &[RowName] {
        match self {
            Fate::Accepted { row, .. } | Fate::Extra { row, .. } | Fate::Outdated { row } | Fate::Known { row } => {
                std::slice::from_ref(row)
            }
            Fate::Several { rows, .. } | Fate::OtherTime { rows, .. } => rows,
            Fate::Unread { .. } | Fate::Untold | Fate::Missing | Fate::OtherModel(_) | Fate::NotOurs => &[],
        }
    }

    /// The whole of it in words, with nothing in them that drives a terminal.
    fn sentence(&self, dry_run: bool) -> String {
        match self {
            Fate::Accepted { row, by } => {
                let done = if dry_run { "would be accepted" } else { "accepted" };
                let by = match by {
                    Evidence::Token => "the token in its callback URL",
                    Evidence::Content => "prompt, image and time",
                };
                format!("{row}{}: {done}, by {by}", row.place())
            }
            Fate::Several { rows, rivals } => {
                let others = match rivals {
                    0 => String::new(),
                    1 => " and so does 1 other task,".to_owned(),
                    rivals => format!(" and so do {rivals} other tasks,"),
                };
                format!("fits {},{others} which nothing tells apart", names(rows))
            }
            Fate::OtherTime { rows, distance_ms } => {
                let when = match distance_ms {
                    Some(ms) if *ms < 0 => format!("{} before it was sent", lasting(*ms)),
                    Some(ms) => format!("{} after its request was over", lasting(*ms)),
                    None => "at a time that its record does not tell".to_owned(),
                };
                format!("asks for what {} asked for, but was made {when}", names(rows))
            }
            Fate::Extra { row, task } => {
                format!(
                    "belongs to {row}, which has the task {} already: paid for twice, it seems",
                    shown(task)
                )
            }
            Fate::Outdated { row } => format!("belongs to {row}, which has been edited since: left as it is"),
            Fate::Unread { code, message } => {
                format!(
                    "could not be looked at: {}: {}",
                    shown(code),
                    escape::excerpt(message, 200)
                )
            }
            Fate::Untold => "its record does not say what was asked for".to_owned(),
            Fate::Known { row } => format!("recorded for {row} already"),
            Fate::Missing => "the API has no record of it".to_owned(),
            Fate::OtherModel(model) if model.is_empty() => "its record names no model".to_owned(),
            Fate::OtherModel(model) => format!("of another model: `{}`", shown(model)),
            Fate::NotOurs => "no unknown row asked for it".to_owned(),
        }
    }
}

/// What became of all of them.
pub(super) struct Report {
    pasted: Pasted,
    fates: HashMap<TaskId, Fate>,
    dry_run: bool,
}

impl Report {
    pub(super) fn new(pasted: Pasted, fates: HashMap<TaskId, Fate>, dry_run: bool) -> Report {
        Report { pasted, fates, dry_run }
    }

    /// How many rows got a task.
    pub(super) fn accepted(&self) -> usize {
        self.of("accepted").count()
    }

    /// The tasks with this fate, in the order of the text.
    fn of(&self, word: &str) -> impl Iterator<Item = (&TaskId, &Fate)> {
        let fates = self
            .pasted
            .ids
            .iter()
            .filter_map(|id| Some((&id.task, self.fates.get(&id.task)?)));
        fates.filter(move |(_, fate)| fate.word() == word)
    }

    /// Adds what became of each task id to the object of the command.
    pub(super) fn add_to(&self, object: &mut Value) {
        let ids = self.pasted.ids.iter().filter_map(|id| {
            let fate = self.fates.get(&id.task)?;
            let selectors: Vec<String> = fate.rows().iter().map(RowName::selector).collect();
            let mut entry = json!({
                "task_id": id.task,
                "line": id.line,
                "outcome": fate.word(),
                "rows": selectors,
            });
            match fate {
                Fate::Accepted { by, .. } => {
                    entry["by"] = json!(match by {
                        Evidence::Token => "token",
                        Evidence::Content => "content",
                    });
                }
                Fate::Several { rivals, .. } => entry["other_tasks"] = json!(rivals),
                Fate::OtherTime { distance_ms, .. } => entry["distance_ms"] = json!(distance_ms),
                Fate::Extra { task, .. } => entry["row_has"] = json!(task),
                Fate::Unread { code, message } => {
                    entry["code"] = json!(code);
                    entry["message"] = json!(message);
                }
                Fate::OtherModel(model) => entry["model"] = json!(model),
                Fate::Outdated { .. } | Fate::Untold | Fate::Known { .. } | Fate::Missing | Fate::NotOurs => {}
            }
            Some(entry)
        });
        object["dry_run"] = json!(self.dry_run);
        object["accepted"] = json!(self.accepted());
        object["task_ids"] = ids.collect();
        let lines = self
            .pasted
            .shown_without
            .iter()
            .map(|(number, text)| json!({ "line": number, "text": text }));
        object["lines_without_task_id"] =
            json!({ "count": self.pasted.lines_without, "first": lines.collect::<Vec<_>>() });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accepted = self.accepted();
        writeln!(
            formatter,
            "{} task {}: {accepted} {} {}",
            self.pasted.ids.len(),
            if self.pasted.ids.len() == 1 { "id" } else { "ids" },
            if accepted == 1 { "row" } else { "rows" },
            match (self.dry_run, accepted) {
                (true, _) => "would be accepted",
                (false, 1) => "is accepted now",
                (false, _) => "are accepted now",
            },
        )?;
        for word in Fate::WORDS {
            let mut left_out = 0;
            for (index, (task, fate)) in self.of(word).enumerate() {
                if fate.is_dull() && index >= MOST_NAMED {
                    left_out += 1;
                } else {
                    writeln!(formatter, "  {}  {}", shown(task.as_str()), fate.sentence(self.dry_run))?;
                }
            }
            if left_out > 0 {
                let what = match word {
                    "known" => "that are recorded already",
                    "no_record" => "without a record",
                    "other_model" => "of other models",
                    _ => "that no unknown row asked for",
                };
                writeln!(formatter, "  and {left_out} more {what} (`--json` names them)")?;
            }
        }
        for (number, text) in &self.pasted.shown_without {
            writeln!(
                formatter,
                "  line {number} has no task id: {}",
                escape::for_terminal(text)
            )?;
        }
        let more = self.pasted.lines_without - self.pasted.shown_without.len() as u64;
        if more > 0 {
            writeln!(formatter, "  and {more} more without one")?;
        }
        if self.of("other_time").next().is_some() {
            writeln!(
                formatter,
                "note: a task counts as a row's if it was made within {} of its request; if this machine's clock was wrong \
                 then, use `--accept`",
                humantime::format_duration(CLOCK_SLACK)
            )?;
        }
        Ok(())
    }
}

fn names(rows: &[RowName]) -> String {
    let named: Vec<String> = rows.iter().take(MOST_ROWS).map(RowName::to_string).collect();
    let named = named.join(", ");
    match rows.len().saturating_sub(MOST_ROWS) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn lasting(ms: i64) -> String {
    let seconds = ms.unsigned_abs() / 1_000;
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::pasted::PastedId;

    fn row(number: u32, id: Option<&str>) -> RowName {
        RowName {
            row_id: i64::from(number) + 100,
            number,
            line: if number == 0 { 0 } else { number + 1 },
            ground: crate::manifest::Ground::default(),
            id: id.map(str::to_owned),
        }
    }

    fn report(fates: Vec<Fate>, dry_run: bool) -> Report {
        let task = |index: usize| TaskId::new(&format!("task_{index}")).unwrap();
        let pasted = Pasted {
            ids: (0..fates.len())
                .map(|index| PastedId {
                    task: task(index),
                    line: u32::try_from(index).unwrap() + 1,
                })
                .collect(),
            lines_without: 3,
            shown_without: vec![(90, "an odd \u{1b}[31m line".to_owned())],
        };
        let fates = fates.into_iter().enumerate().map(|(index, fate)| (task(index), fate));
        Report::new(pasted, fates.collect(), dry_run)
    }

    fn every_fate() -> Vec<Fate> {
        vec![
            Fate::NotOurs,
            Fate::OtherModel("veo3\u{1b}".into()),
            Fate::OtherModel(String::new()),
            Fate::Missing,
            Fate::Known {
                row: row(1, Some("a-1")),
            },
            Fate::Untold,
            Fate::Unread {
                code: "http_502".into(),
                message: "Bad\nGateway".into(),
            },
            Fate::Outdated {
                row: row(2, Some("a-2")),
            },
            Fate::Extra {
                row: row(3, None),
                task: "7d3f5a90c1b84e6fa2d4078b9e61c35f".into(),
            },
            Fate::OtherTime {
                rows: vec![row(4, Some("a-4"))],
                distance_ms: Some(-7_265_000),
            },
            Fate::OtherTime {
                rows: vec![row(4, Some("a-4"))],
                distance_ms: Some(600_000),
            },
            Fate::OtherTime {
                rows: vec![row(4, Some("a-4"))],
                distance_ms: None,
            },
            Fate::Several {
                rows: (1..8).map(|number| row(number, None)).collect(),
                rivals: 9,
            },
            Fate::Several {
                rows: vec![row(5, None)],
                rivals: 1,
            },
            Fate::Several {
                rows: vec![row(5, None), row(6, None)],
                rivals: 0,
            },
            Fate::Accepted {
                row: row(7, Some("a-7")),
                by: Evidence::Token,
            },
            Fate::Accepted {
                row: row(0, None),
                by: Evidence::Content,
            },
        ]
    }

    #[test]
    fn what_became_of_each_id_is_said_the_most_useful_first() {
        insta::assert_snapshot!(report(every_fate(), false), @r#"
        17 task ids: 2 rows are accepted now
          task_15  row `a-7`, line 8: accepted, by the token in its callback URL
          task_16  row `ledger:100`, no longer in the manifest: accepted, by prompt, image and time
          task_12  fits row 1, row 2, row 3, row 4, row 5 and 2 more, and so do 9 other tasks, which nothing tells apart
          task_13  fits row 5, and so does 1 other task, which nothing tells apart
          task_14  fits row 5, row 6, which nothing tells apart
          task_9  asks for what row `a-4` asked for, but was made 2h 1m 5s before it was sent
          task_10  asks for what row `a-4` asked for, but was made 10m after its request was over
          task_11  asks for what row `a-4` asked for, but was made at a time that its record does not tell
          task_8  belongs to row 3, which has the task 7d3f5a90c1b84e6fa2d4078b9e61c35f already: paid for twice, it seems
          task_7  belongs to row `a-2`, which has been edited since: left as it is
          task_6  could not be looked at: http_502: Bad\nGateway
          task_5  its record does not say what was asked for
          task_4  recorded for row `a-1` already
          task_3  the API has no record of it
          task_1  of another model: `veo3\u{1b}`
          task_2  its record names no model
          task_0  no unknown row asked for it
          line 90 has no task id: an odd \u{1b}[31m line
          and 2 more without one
        note: a task counts as a row's if it was made within 5m of its request; if this machine's clock was wrong then, use `--accept`
        "#);
    }

    #[test]
    fn a_dry_run_says_what_would_be() {
        let one = Fate::Accepted {
            row: row(7, None),
            by: Evidence::Token,
        };
        insta::assert_snapshot!(report(vec![one], true), @r#"
        1 task id: 1 row would be accepted
          task_0  row 7, line 8: would be accepted, by the token in its callback URL
          line 90 has no task id: an odd \u{1b}[31m line
          and 2 more without one
        "#);
    }

    #[test]
    fn ids_that_ask_for_nothing_are_counted_beyond_the_first() {
        let text = report(vec![Fate::NotOurs; 25], false).to_string();
        assert_eq!(text.matches("no unknown row asked for it").count(), MOST_NAMED);
        assert!(
            text.contains("  and 15 more that no unknown row asked for (`--json` names them)"),
            "{text}"
        );
    }

    #[test]
    fn every_fate_has_its_word_its_place_and_its_rows_in_json() {
        let report = report(every_fate(), false);
        let mut object = json!({ "unknown": 0 });
        report.add_to(&mut object);
        let told = object["task_ids"].as_array().unwrap();
        assert_eq!((told.len(), object["accepted"].as_u64()), (17, Some(2)));
        for fate in every_fate() {
            assert!(Fate::WORDS.contains(&fate.word()), "{fate:?}");
        }
        let text = report.to_string();
        for id in told {
            assert!(text.contains(id["task_id"].as_str().unwrap()), "{id}");
        }
        insta::assert_snapshot!(told[15], @r#"{"task_id":"task_15","line":16,"outcome":"accepted","rows":["a-7"],"by":"token"}"#);
        insta::assert_snapshot!(told[10], @r#"{"task_id":"task_10","line":11,"outcome":"other_time","rows":["a-4"],"distance_ms":600000}"#);
        insta::assert_snapshot!(object["lines_without_task_id"], @r#"{"count":3,"first":[{"line":90,"text":"an odd \u001b[31m line"}]}"#);
    }
}
