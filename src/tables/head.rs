//! What is known of a table before its first row.

/// A table's columns, and how it is to be laid out.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The columns, in order. Names may be empty or repeated, as people's headers are.
    pub columns: Vec<Column>,
    /// What stands between the cells of a CSV file, one ASCII character; a comma by default. TSV has tabs.
    pub delimiter: Option<u8>,
    /// A CSV or TSV file begins with a byte order mark even if all of it is ASCII. With other text it always does:
    /// without one, spreadsheet programs guess an encoding, and guess wrong.
    pub byte_order_mark: bool,
    /// The name of a workbook's sheet, as good as a workbook takes it.
    pub sheet: String,
}

/// A column of a table. What is said beside its name is for workbooks.
#[derive(Debug, Clone)]
pub struct Column {
    pub(super) name: String,
    /// The widest that it gets, in characters.
    pub(super) most: u16,
    pub(super) wraps: bool,
    pub(super) is_added: bool,
}

impl Column {
    /// The widest that a column gets unless it says otherwise, in characters: enough for a sentence or an address, and
    /// three of them fit on a screen.
    const MOST: u16 = 50;

    /// A column whose rows are one line high, however long their text.
    pub fn new(name: impl Into<String>) -> Column {
        Column {
            name: name.into(),
            most: Column::MOST,
            wraps: false,
            is_added: false,
        }
    }

    /// Makes the column at most `characters` wide.
    pub fn at_most(self, characters: u16) -> Column {
        Column {
            most: characters,
            ..self
        }
    }

    /// Shows long text on several lines. For tables with few rows and bounded text only: rows get as high as it takes.
    pub fn wrapped(self) -> Column {
        Column { wraps: true, ..self }
    }

    /// Marks a column that was added to somebody's table, so that its header stands out from theirs.
    pub fn added(self) -> Column {
        Column { is_added: true, ..self }
    }
}
