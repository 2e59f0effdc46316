//! Every problem of a manifest, one at a time and with the cell it is about: for a list in which people work through them.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::Path;

use crate::escape;
use crate::finding::Finding;
use crate::manifest::web_images::problems_of;
use crate::manifest::{
    Field, Group, Images, Manifest, ManifestError, Position, Problem, Reading, Repeat, Row, Rule, Severity, Survey,
};

/// Longest `id` in a message, in characters.
const MOST_SHOWN: usize = 60;

/// A problem, where it is, and what stands there.
#[derive(Debug)]
pub struct Located<'a> {
    /// The row, counted from 1; `None` for the header.
    pub row: Option<u32>,
    /// The row's line, or the cell.
    pub position: Position,
    /// The problem.
    pub problem: &'a Problem,
    /// The whole text of the cell that it is about; empty where it is about none. Not made safe to show.
    pub value: Cow<'a, str>,
}

impl Survey {
    /// Reads the manifest again and shows every problem to `each`, in the order of the file. `finding` is what is known of
    /// a row's image on the web (see [`Row::web_image`]).
    ///
    /// Of rows that repeat the content of others it shows those that the [report](Survey::report) has places for, and
    /// gives back how many there are beside them.
    pub fn each_problem<'f, E: From<ManifestError>>(
        &self,
        (path, reading): (&Path, &Reading),
        images: &mut Images,
        finding: impl Fn(&str) -> Option<&'f Finding>,
        mut each: impl FnMut(Located<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut manifest = Manifest::open(path, reading, images)?;
        let ground = manifest.ground();
        let (header_line, of_header) = manifest.header_problems();
        for problem in &of_header {
            each(Located {
                row: None,
                position: ground.position(header_line, problem.at),
                problem,
                value: Cow::Borrowed(problem.column.as_deref().unwrap_or_default()),
            })?;
        }
        let (mut kept, unlisted) = self.problems_among_rows();
        let mut row = Row::default();
        while manifest.read(&mut row)? {
            let mut problems = row.problems().to_vec();
            if let Some(address) = row.web_image()
                && let Some(finding) = finding(address)
            {
                problems.extend(problems_of(address, finding));
            }
            if let Repeat::SameId { first_line } = self.repeats.of(row.number()) {
                let id = escape::excerpt(row.id().unwrap_or_default(), MOST_SHOWN);
                let found = format!("{id}, {}", ground.within(first_line));
                problems.push(Problem::of_column(Rule::RepeatedId, Field::Id.as_str(), found));
            }
            while kept.front().is_some_and(|(number, _)| *number <= row.number()) {
                problems.extend(kept.pop_front().map(|(_, problem)| problem));
            }
            problems.sort_by_key(Problem::severity);
            for problem in &mut problems {
                problem.at = problem.at.or_else(|| manifest.column_of(problem));
                each(Located {
                    row: Some(row.number()),
                    position: ground.position(row.line(), problem.at),
                    problem,
                    value: row.value_of(problem),
                })?;
            }
        }
        manifest.expect_same(self.fingerprint)?;
        Ok(unlisted)
    }

    /// The problems of rows that no row shows by itself, in the order of the rows, and how many of them nobody kept.
    fn problems_among_rows(&self) -> (VecDeque<(u32, Problem)>, u64) {
        let is_among_rows = |group: &&Group| matches!(group.rule, Rule::RepeatedRow | Rule::UnusedColumn);
        let groups = self.report.groups.iter().filter(is_among_rows);
        let mut kept: Vec<(u32, Problem)> = Vec::new();
        let mut unlisted = 0;
        for group in groups {
            unlisted += group.count - group.places.len() as u64;
            // Those without a row are the header's own.
            kept.extend(group.places.iter().filter_map(|place| {
                let problem = Problem {
                    rule: group.rule,
                    column: group.column.clone(),
                    found: place.found.clone(),
                    at: None,
                };
                Some((place.row?, problem))
            }));
        }
        kept.sort_by_key(|(row, _)| *row);
        (kept.into(), unlisted)
    }
}

impl Located<'_> {
    /// Whether the row can be sent all the same.
    pub fn severity(&self) -> Severity {
        self.problem.severity()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::manifest::survey;

    #[derive(Debug)]
    struct Ended(String);

    impl From<ManifestError> for Ended {
        fn from(error: ManifestError) -> Ended {
            Ended(error.to_string())
        }
    }

    fn listed(name: &str, text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let mut images = Images::beside(&path, false);
        let reading = Reading::default();
        let survey = survey(&path, &reading, &mut images, |_| {}).unwrap();
        let finding = Finding::NotThere("HTTP 404".into());
        let gone = |address: &str| address.ends_with("gone.png").then_some(&finding);
        let mut lines = Vec::new();
        let each = |located: Located<'_>| {
            let Located {
                row,
                position,
                problem,
                value,
            } = located;
            lines.push(format!("{row:?} {position} {:?} [{value}]", problem.rule));
            Ok::<_, Ended>(())
        };
        let unlisted = survey.each_problem((&path, &reading), &mut images, gone, each).unwrap();
        assert_eq!(unlisted, 0);
        let in_report: u64 = survey.report.errors + survey.report.warnings;
        let of_the_web = lines.iter().filter(|line| line.contains("ImageNotThere")).count();
        assert_eq!(lines.len() as u64, in_report + of_the_web as u64, "{lines:#?}");
        lines
    }

    #[test]
    fn every_problem_has_a_line_with_its_place_and_its_cell() {
        let text = "id,prompt,image_url,duration,resoluton\n\
                    a,x,https://img.example.org/1.png,7,\n\
                    a,,https://img.example.org/gone.png,6,\n\
                    b,x,https://img.example.org/1.png,6,\n\
                    c,x,https://img.example.org/1.png,6,\n\
                    d,x\n";
        assert_eq!(
            listed("clips.csv", text),
            [
                "None 1 UnusedColumn [resoluton]",
                "Some(1) 2 Duration [7]",
                "Some(2) 3 Missing []",
                "Some(2) 3 ImageNotThere [https://img.example.org/gone.png]",
                "Some(2) 3 RepeatedId [a]",
                "Some(4) 5 RepeatedRow []",
                "Some(5) 6 FieldCount []",
            ]
        );
    }

    #[test]
    fn objects_are_listed_like_rows_of_a_table() {
        let text = "{\"prompt\":\"x\",\"image_url\":\"https://img.example.org/1.png\",\"duraton\":6}\n\
                    {\"prompt\":\"x\",\"image_url\":\"ftp://img.example.org/1.png\"}\n";
        assert_eq!(
            listed("clips.jsonl", text),
            [
                "Some(1) 1 UnusedColumn [6]",
                "Some(2) 2 WrongScheme [ftp://img.example.org/1.png]",
            ]
        );
    }

    #[test]
    fn whoever_takes_the_problems_may_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clips.csv");
        fs::write(&path, "prompt,image_url\n,\n,x\n").unwrap();
        let mut images = Images::beside(&path, false);
        let survey = survey(&path, &Reading::default(), &mut images, |_| {}).unwrap();
        let mut seen = 0;
        let stop = |_: Located<'_>| {
            seen += 1;
            Err(Ended("enough".into()))
        };
        let none = |_: &str| None;
        let ended = survey.each_problem((&path, &Reading::default()), &mut images, none, stop);
        assert_eq!((ended.unwrap_err().0.as_str(), seen), ("enough", 1));
    }
}
