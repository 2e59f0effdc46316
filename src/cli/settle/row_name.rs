//! How a row is named to the user, and by the user.

use std::fmt;

use crate::ledger::StoredRow;
use crate::manifest::Ground;

use super::shown;

/// What tells a row from the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowName {
    /// The ledger's own number.
    pub(super) row_id: i64,
    /// Place in the manifest; 0 when it is no longer there.
    pub(super) number: u32,
    /// Line of the manifest, or the row's number in its sheet; 0 likewise.
    pub(super) line: u32,
    /// Which of both.
    pub(super) ground: Ground,
    /// The manifest's own id.
    pub(super) id: Option<String>,
}

impl RowName {
    pub(super) fn of(row: &StoredRow<'_>, ground: &Ground) -> RowName {
        RowName {
            row_id: row.row_id.unwrap_or_default(),
            number: row.number,
            line: row.line,
            ground: ground.clone(),
            id: row.id.map(str::to_owned),
        }
    }

    /// The name of a row that has neither an id nor a place in the manifest.
    pub(super) fn own(&self) -> Option<String> {
        (self.id.is_none() && self.number == 0).then(|| format!("ledger:{}", self.row_id))
    }

    /// What selects it on the command line.
    pub(super) fn selector(&self) -> String {
        let own = || self.own().unwrap_or_else(|| self.number.to_string());
        self.id.clone().unwrap_or_else(own)
    }

    /// Where it stands, behind its name.
    pub(super) fn place(&self) -> String {
        match self.line {
            0 => ", no longer in the manifest".to_owned(),
            line => format!(", {}", self.ground.position(line, None).in_words()),
        }
    }
}

impl fmt::Display for RowName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.id, self.number) {
            (Some(id), _) => write!(formatter, "row `{}`", shown(id)),
            (None, 0) => write!(formatter, "row `{}`", self.selector()),
            (None, number) => write!(formatter, "row {number}"),
        }
    }
}
