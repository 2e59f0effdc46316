//! The rows of the manifest, each with what the ledger knows of it.

use rusqlite::{OptionalExtension, Row};

use crate::clock::UnixMillis;
use crate::ledger::{LedgerError, Reader};
use crate::row::{RowState, Submission};

/// A row of the manifest and what the ledger knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRow<'r> {
    /// The ledger's number; `None` for an invalid row.
    pub row_id: Option<i64>,
    /// Place in the manifest, from 1.
    pub number: u32,
    /// Line of the file.
    pub line: u32,
    /// The manifest's own id.
    pub id: Option<&'r str>,
    /// The user's cells, JSON.
    pub cells: &'r str,
    /// Where it stands.
    pub state: RowState,
    /// Why it is invalid.
    pub problem: Option<&'r str>,
    /// The task.
    pub task_id: Option<&'r str>,
    /// The last trouble's code.
    pub error_code: Option<&'r str>,
    /// The last trouble's text.
    pub error_message: Option<&'r str>,
    /// Requests made for it.
    pub attempts: u32,
    /// When the API accepted it.
    pub submitted_at: Option<UnixMillis>,
    /// When its task ended.
    pub completed_at: Option<UnixMillis>,
    /// What the task cost.
    pub credits: Option<f64>,
    /// The video's address.
    pub video_url: Option<&'r str>,
    /// The video on disk.
    pub video_file: Option<&'r str>,
}

impl Reader {
    /// Every row of the manifest in its order, as of one moment; stops at the first error of `visit`.
    pub fn for_each_row<E: From<LedgerError>>(
        &self,
        visit: impl FnMut(&StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit(
            "FROM manifest m LEFT JOIN rows r USING (row_id) ORDER BY m.number",
            visit,
        )
    }

    /// At most `most` rows of the manifest behind number `after`, in its order.
    pub fn for_each_row_behind<E: From<LedgerError>>(
        &self,
        after: u64,
        most: u32,
        visit: impl FnMut(&StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        // Beyond what SQLite can count there is nothing.
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        self.visit(
            &format!(
                "FROM manifest m LEFT JOIN rows r USING (row_id) WHERE m.number > {after} ORDER BY m.number LIMIT {most}"
            ),
            visit,
        )
    }

    /// Every row of the manifest that is recorded in one of `states`, in its order.
    pub fn for_each_row_in<E: From<LedgerError>>(
        &self,
        states: &[RowState],
        visit: impl FnMut(&StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let words: Vec<String> = states.iter().map(|state| format!("'{state}'")).collect();
        self.visit(
            &format!(
                "FROM manifest m LEFT JOIN rows r USING (row_id) WHERE coalesce(r.state, 'invalid') IN ({})
                 ORDER BY m.number",
                words.join(", ")
            ),
            visit,
        )
    }

    /// The number of the manifest's last row, which is how many it has.
    pub fn last_number(&self) -> Result<u64, LedgerError> {
        self.connection
            .prepare_cached("SELECT coalesce(max(number), 0) FROM manifest")
            .and_then(|mut statement| statement.query_row([], |row| Ok(row.get::<_, i64>(0)?.unsigned_abs())))
            .map_err(|source| self.failed(source))
    }

    /// Every row whose fate is unknown, those that left the manifest included (with number and line 0), in the
    /// manifest's order.
    pub fn for_each_unknown<E: From<LedgerError>>(
        &self,
        visit: impl FnMut(&StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit(
            "FROM rows r LEFT JOIN manifest m USING (row_id) WHERE r.state IN ('unknown', 'sending')
             ORDER BY m.number IS NULL, m.number, r.row_id",
            visit,
        )
    }

    /// The row with this number of the ledger's; `visit` is not called if there is none. Rows that left the manifest have
    /// number and line 0.
    pub fn row<E: From<LedgerError>>(
        &self,
        row_id: i64,
        visit: impl FnMut(&StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit(
            &format!("FROM rows r LEFT JOIN manifest m USING (row_id) WHERE r.row_id = {row_id} LIMIT 1"),
            visit,
        )
    }

    /// What was or would be sent for a row.
    pub fn submission(&self, row_id: i64) -> Result<Option<Submission<'static>>, LedgerError> {
        let text: Option<String> = self
            .connection
            .prepare_cached("SELECT submission FROM rows WHERE row_id = ?1")
            .and_then(|mut statement| statement.query_row([row_id], |row| row.get(0)).optional())
            .map_err(|source| self.failed(source))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Where the API finds the image of a row: at the row's own URL, or where its local image was uploaded last. `None`:
    /// it never was.
    pub fn image_url(&self, row_id: i64) -> Result<Option<String>, LedgerError> {
        let url: Option<Option<String>> = self
            .connection
            .prepare_cached(
                "SELECT CASE WHEN submission ->> 'image_sha256' IS NULL THEN submission ->> 'image_url'
                        ELSE (SELECT url FROM uploads WHERE sha256 = unhex(submission ->> 'image_sha256')) END
                 FROM rows WHERE row_id = ?1",
            )
            .and_then(|mut statement| statement.query_row([row_id], |row| row.get(0)).optional())
            .map_err(|source| self.failed(source))?;
        Ok(url.flatten())
    }

    fn visit<E: From<LedgerError>>(
        &self,
        from: &str,
        mut visit: impl FnMut(&StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |source| E::from(self.failed(source));
        let sql = format!(
            "SELECT r.row_id, coalesce(m.number, 0), coalesce(m.line, 0), r.id, coalesce(m.cells, '[]'),
                    coalesce(r.state, 'invalid'), m.problem, r.task_id, r.error_code, r.error_message,
                    coalesce(r.attempts, 0), r.submitted_at, r.completed_at, r.credits, r.video_url, r.video_file {from}"
        );
        let mut statement = self.connection.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let stored = stored_row(row).map_err(failed)?;
            visit(&stored)?;
        }
        Ok(())
    }
}

fn stored_row<'r>(row: &'r Row<'_>) -> rusqlite::Result<StoredRow<'r>> {
    let text = |index| -> rusqlite::Result<Option<&'r str>> { Ok(row.get_ref(index)?.as_str_or_null()?) };
    Ok(StoredRow {
        row_id: row.get(0)?,
        number: row.get(1)?,
        line: row.get(2)?,
        id: text(3)?,
        cells: text(4)?.unwrap_or_default(),
        state: state_of(row, 5)?,
        problem: text(6)?,
        task_id: text(7)?,
        error_code: text(8)?,
        error_message: text(9)?,
        attempts: row.get(10)?,
        submitted_at: row.get::<_, Option<i64>>(11)?.map(UnixMillis),
        completed_at: row.get::<_, Option<i64>>(12)?.map(UnixMillis),
        credits: row.get(13)?,
        video_url: text(14)?,
        video_file: text(15)?,
    })
}

/// The state in a column.
pub(in crate::ledger) fn state_of(row: &Row<'_>, index: usize) -> rusqlite::Result<RowState> {
    row.get_ref(index)?
        .as_str()?
        .parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error)))
}
