//! Every problem of a manifest, told in one go: equal ones together, each with its place, in bounded memory.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::escape;
use crate::manifest::problem::grouped;
use crate::manifest::{Ground, Position, Problem, Rule, Severity};

/// Most places kept for a group: a thousand is more than anybody mends by hand.
const MOST_PLACES_OF_A_GROUP: usize = 1_000;

/// Most groups. There are forty rules and six fields; only names that the user invents could make more.
const MOST_GROUPS: usize = 200;

/// Most places kept in all, so that a manifest made to break every rule stays below a few megabytes.
const MOST_PLACES: usize = 20_000;

/// How many places of a group the text shows; `--json` has the others.
const SHOWN_PLACES: usize = 5;

/// The problems of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProblemReport {
    /// How many errors there are.
    pub errors: u64,
    /// How many warnings there are.
    pub warnings: u64,
    /// Equal problems together, in the order of the file.
    pub groups: Vec<Group>,
    #[serde(skip)]
    ground: Ground,
    #[serde(skip)]
    places: usize,
}

/// Problems that break the same rule in the same column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The rule they break.
    pub rule: Rule,
    /// The column they break it in.
    pub column: Option<Cow<'static, str>>,
    /// How many there are.
    pub count: u64,
    /// The first of them: at most a thousand.
    pub places: Vec<Place>,
}

/// Where a problem is, and what was found there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The row, counted from 1; `None` for the header.
    pub row: Option<u32>,
    /// The line of the file on which the row begins, or the row's number in its sheet, counted from 1.
    pub line: u32,
    /// The cell, if the manifest is a sheet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<Position>,
    /// What the row has there, made safe to show.
    pub found: String,
}

impl ProblemReport {
    /// A report without problems, of a manifest whose places are these.
    pub(super) fn on(ground: Ground) -> ProblemReport {
        ProblemReport {
            ground,
            ..ProblemReport::default()
        }
    }

    /// Takes in a problem of the row at this place.
    pub fn add(&mut self, row: Option<u32>, line: u32, problem: &Problem) {
        let full = self.places >= MOST_PLACES;
        let cell = match self.ground.position(line, problem.at) {
            Position::Line(_) => None,
            cell @ Position::Cell { .. } => Some(cell),
        };
        let Some(group) = self.count(problem.rule, problem.column.as_ref(), 1) else {
            return;
        };
        if full || group.places.len() >= MOST_PLACES_OF_A_GROUP {
            return;
        }
        group.places.push(Place {
            row,
            line,
            cell,
            found: problem.found.clone(),
        });
        self.places += 1;
    }

    /// Counts problems whose places nobody kept.
    pub(super) fn add_unplaced(&mut self, rule: Rule, column: Option<Cow<'static, str>>, more: u64) {
        if more > 0 {
            self.count(rule, column.as_ref(), more);
        }
    }

    fn count(&mut self, rule: Rule, column: Option<&Cow<'static, str>>, more: u64) -> Option<&mut Group> {
        match rule.severity() {
            Severity::Error => self.errors += more,
            Severity::Warning => self.warnings += more,
        }
        let same = |group: &Group| group.rule == rule && group.column.as_ref() == column;
        let at = match self.groups.iter().position(same) {
            Some(at) => at,
            None if self.groups.len() < MOST_GROUPS => {
                self.groups.push(Group {
                    rule,
                    column: column.cloned(),
                    count: 0,
                    places: Vec::new(),
                });
                self.groups.len() - 1
            }
            None => return None,
        };
        self.groups[at].count += more;
        Some(&mut self.groups[at])
    }

    /// Puts the groups, and the places of each, in the order of the file.
    pub(super) fn sort(&mut self) {
        for group in &mut self.groups {
            group.places.sort_by_key(|place| place.row);
        }
        self.groups
            .sort_by_key(|group| group.places.first().map_or(u32::MAX, |place| place.line));
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.errors == 0 && self.warnings == 0
    }

    /// The report as text, errors first, `path` being the manifest's name as the user wrote it.
    pub fn render(&self, path: &Path, out: &mut String) {
        let path = path.to_string_lossy();
        let path = escape::for_terminal(&path);
        for severity in [Severity::Error, Severity::Warning] {
            let of_severity = |group: &&Group| group.severity() == severity;
            for group in self.groups.iter().filter(of_severity) {
                group.render(&path, out).expect("writing to a string cannot fail");
            }
        }
        let counts = [(self.errors, "error"), (self.warnings, "warning")];
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{} {word}{}", grouped(count), if count == 1 { "" } else { "s" }))
            .collect();
        if !counts.is_empty() {
            writeln!(out, "{}", counts.join(", ")).expect("writing to a string cannot fail");
        }
    }
}

impl Place {
    /// The cell, or the line.
    pub fn position(&self) -> Position {
        self.cell.clone().unwrap_or(Position::Line(self.line))
    }
}

impl Group {
    /// Whether rows with these problems can be sent all the same.
    pub fn severity(&self) -> Severity {
        self.rule.severity()
    }

    /// What is wrong with all of them.
    pub fn heading(&self) -> String {
        self.rule.heading(self.column.as_deref())
    }

    /// What to write instead.
    pub fn help(&self) -> Option<Cow<'static, str>> {
        self.rule.help()
    }

    fn render(&self, path: &str, out: &mut String) -> std::fmt::Result {
        let (severity, heading) = (self.severity(), self.heading());
        if let ([place], 1) = (self.places.as_slice(), self.count) {
            write!(out, "{severity}: {path}:{}: {heading}", place.position())?;
            write_found(place, out)?;
        } else {
            writeln!(out, "{severity}: {heading} ({} times)", grouped(self.count))?;
            for place in self.places.iter().take(SHOWN_PLACES) {
                write!(out, "  {path}:{}", place.position())?;
                write_found(place, out)?;
            }
            let shown = self.places.len().min(SHOWN_PLACES) as u64;
            if self.count > shown {
                writeln!(out, "  … and {} more", grouped(self.count - shown))?;
            }
        }
        if let Some(help) = self.help() {
            writeln!(out, "  help: {help}")?;
        }
        writeln!(out)
    }
}

fn write_found(place: &Place, out: &mut String) -> std::fmt::Result {
    if place.found.is_empty() {
        writeln!(out)
    } else {
        writeln!(out, ": {}", place.found)
    }
}

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut group = serializer.serialize_struct("Group", 7)?;
        group.serialize_field("severity", &self.severity())?;
        group.serialize_field("rule", &self.rule)?;
        group.serialize_field("column", &self.column)?;
        group.serialize_field("message", &self.heading())?;
        group.serialize_field("help", &self.help())?;
        group.serialize_field("count", &self.count)?;
        group.serialize_field("places", &self.places)?;
        group.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_problems_are_told_together() {
        let mut report = ProblemReport::default();
        for row in 1..=900 {
            let problem = Problem::of_column(Rule::Duration, "duration", row.to_string());
            report.add(Some(row), row + 1, &problem);
        }
        report.add(
            None,
            1,
            &Problem::of_column(Rule::UnusedColumn, "duraton", "did you mean `duration`?"),
        );
        report.add(Some(41), 42, &Problem::of_column(Rule::Missing, "prompt", ""));
        let mut text = String::new();
        report.render(Path::new("clips.csv"), &mut text);
        insta::assert_snapshot!(text, @r"
        error: `duration` is neither `6` nor `10` (900 times)
          clips.csv:2: 1
          clips.csv:3: 2
          clips.csv:4: 3
          clips.csv:5: 4
          clips.csv:6: 5
          … and 895 more
          help: write `6` or `10`, or leave the cell empty for `6`

        error: clips.csv:42: `prompt` is empty
          help: every row needs it: fill it in, or delete the row

        warning: clips.csv:1: column `duraton` is kept but not used: did you mean `duration`?
          help: rename the column if it was meant

        901 errors, 1 warning
        ");
    }

    #[test]
    fn memory_is_bounded_and_counts_are_exact() {
        let mut report = ProblemReport::default();
        for row in 0..5_000 {
            report.add(Some(row), row, &Problem::of_column(Rule::TooDeep, "column 1", "x"));
        }
        for row in 0..50_000_u32 {
            let column = format!("column {}", row % 500);
            report.add(Some(row), row, &Problem::of_column(Rule::TooDeep, column, "x"));
        }
        assert_eq!((report.errors, report.groups.len()), (55_000, MOST_GROUPS));
        let most = report.groups.iter().map(|group| group.places.len()).max().unwrap();
        assert_eq!((most, report.groups[0].count), (MOST_PLACES_OF_A_GROUP, 5_100));
        assert!(report.places <= MOST_PLACES);
    }

    #[test]
    fn scripts_get_the_same_report() {
        let mut report = ProblemReport::default();
        report.add(Some(3), 5, &Problem::of_column(Rule::Duration, "duration", "7"));
        insta::assert_json_snapshot!(report, @r#"
        {
          "errors": 1,
          "warnings": 0,
          "groups": [
            {
              "severity": "error",
              "rule": "duration",
              "column": "duration",
              "message": "`duration` is neither `6` nor `10`",
              "help": "write `6` or `10`, or leave the cell empty for `6`",
              "count": 1,
              "places": [
                {
                  "row": 3,
                  "line": 5,
                  "found": "7"
                }
              ]
            }
          ]
        }
        "#);
    }
}
