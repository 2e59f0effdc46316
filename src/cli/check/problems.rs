//! `check --problems FILE`: every problem on a line of its own, to be worked through in a spreadsheet program.

use std::path::Path;

use crate::job::Job;
use crate::manifest::{Images, Located, Severity, Survey};
use crate::tables::{self, Cell, Column, Head, Purpose, Table, TableError, Tone};

use super::images::Seen;
use crate::cli::failure::Failure;

const PURPOSE: Purpose = Purpose {
    noun: "list of problems",
    option: "--problems",
    remains: "",
};

/// Longest text of a cell in the list, in characters: enough to recognise it by.
const MOST_SHOWN: usize = 1_000;

/// The column by which a list is known again.
const MARK: &str = "what to do";

/// Whether a list can be written at `path` and takes no other file's place, asked before the manifest is read: a check of
/// many images takes its time.
pub(super) fn probe(path: &Path) -> Result<(), Failure> {
    drop(Table::create(path, PURPOSE, &head())?);
    match tables::may_be_replaced(path, MARK) {
        true => Ok(()),
        false => Err(Failure::NotProblems { path: path.to_owned() }),
    }
}

/// Writes the list, and gives back how many problems are not in it.
pub(super) fn write(
    job: &Job,
    path: &Path,
    survey: &Survey,
    images: &mut Images,
    seen: Option<&Seen>,
) -> Result<u64, Failure> {
    let mut table = Table::create(path, PURPOSE, &head())?;
    let finding = |address: &str| seen.and_then(|seen| seen.finding(address));
    let each = |located: Located<'_>| Ok::<_, Failure>(add(&mut table, &located)?);
    let unlisted = survey.each_problem((&job.manifest, &job.reading), images, finding, each)?;
    table.finish(&[])?;
    Ok(unlisted)
}

fn head() -> Head {
    let columns = [
        Column::new("severity"),
        Column::new("row"),
        Column::new("place"),
        Column::new("column"),
        Column::new("value").at_most(40),
        Column::new("problem").at_most(50).wrapped(),
        Column::new(MARK).at_most(60).wrapped(),
    ];
    Head {
        columns: columns.into(),
        sheet: "Problems".to_owned(),
        ..Head::default()
    }
}

fn add(table: &mut Table, located: &Located<'_>) -> Result<(), TableError> {
    let problem = located.problem;
    let tone = match located.severity() {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Doubtful,
    };
    let cut = located.value.char_indices().nth(MOST_SHOWN).map(|(at, _)| at);
    let value = match cut {
        Some(at) => format!("{}…", &located.value[..at]).into(),
        None => located.value.as_ref().into(),
    };
    table.row(&[
        Cell::Word(located.severity().to_string().into(), tone),
        located.row.map_or(Cell::Empty, |row| Cell::Whole(u64::from(row))),
        Cell::text(located.position.in_words()),
        Cell::text(problem.column.as_deref().unwrap_or_default()),
        Cell::Written(value),
        Cell::text(problem.to_string()),
        Cell::text(problem.help().unwrap_or_default()),
    ])
}
