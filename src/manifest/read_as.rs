//! How a manifest was read: what was found out about the file, so that the user can see it and say otherwise.

use serde::Serialize;

use crate::escape;
use crate::manifest::table::Source;
use crate::manifest::text::TextReadAs;
use crate::manifest::{Delimiter, Encoding, Format, Ground, MOST_COLUMNS, Position};

/// How a manifest was read. What a format does not have is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadAs {
    /// The format, by the file's extension.
    pub format: Format,
    /// The encoding of a text file.
    pub encoding: Option<Encoding>,
    /// Whether the encoding is more than a guess.
    pub encoding_is_sure: bool,
    /// Where it is a guess: the first text that may be wrong, cut and made safe to show.
    pub sample: Option<String>,
    /// The encoding that the user named and the file's byte order mark contradicts: the mark is obeyed.
    pub overruled: Option<Encoding>,
    /// Whether a text file begins with a byte order mark.
    pub byte_order_mark: bool,
    /// What stands between the cells of a text file.
    pub delimiter: Option<Delimiter>,
    /// Whether the delimiter is more than a guess.
    #[serde(skip)]
    pub delimiter_is_sure: bool,
    /// The sheet of a workbook.
    pub sheet: Option<String>,
    /// Every sheet of the workbook, in the order of the tabs.
    pub sheets: Vec<String>,
    /// The other visible sheets that have a header too, if nobody chose this one.
    pub other_sheets: Vec<String>,
    /// Where the header stands.
    pub header: Option<Position>,
    /// How many rows with text stand above it.
    pub above_header: u32,
    /// Rows that are hidden in the workbook, and were left out.
    pub hidden_rows: u64,
    /// The first of them.
    pub first_hidden: Option<Position>,
    /// Cells with text that stand further right than any table's, and were left out.
    pub far_cells: u64,
    /// The row of the first of them.
    pub first_far: Option<Position>,
}

/// Something about how a manifest was read that the user may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// As the user expects it, or hardly otherwise.
    Note(String),
    /// Perhaps not as the user expects it.
    Warning(String),
}

impl ReadAs {
    pub(super) fn of_lines(format: Format, text: &TextReadAs) -> ReadAs {
        let mut read_as = ReadAs::nothing(format);
        read_as.take_text(text);
        read_as
    }

    pub(super) fn of_table(format: Format, source: &Source, ground: &Ground, header_line: u32, above: u32) -> ReadAs {
        let mut read_as = ReadAs::nothing(format);
        read_as.header = Some(ground.position(header_line, None));
        read_as.above_header = above;
        match source {
            Source::Text(text) => read_as.take_text(text.read_as()),
            Source::Sheet(sheet) => {
                let remarks = sheet.remarks();
                let (hidden, far) = (remarks.tally.hidden, remarks.tally.far_cells);
                read_as.far_cells = far.count;
                read_as.first_far = (far.count > 0).then(|| ground.position(far.first_row, None));
                read_as.sheet = Some(remarks.sheet.to_string());
                read_as.sheets = remarks.sheets.iter().map(|sheet| sheet.name.to_string()).collect();
                read_as.other_sheets = remarks.also.iter().map(ToString::to_string).collect();
                read_as.hidden_rows = hidden.count;
                read_as.first_hidden = (hidden.count > 0).then(|| ground.position(hidden.first_row, None));
            }
        }
        read_as
    }

    fn nothing(format: Format) -> ReadAs {
        ReadAs {
            format,
            encoding: None,
            encoding_is_sure: true,
            sample: None,
            overruled: None,
            byte_order_mark: false,
            delimiter: None,
            delimiter_is_sure: true,
            sheet: None,
            sheets: Vec::new(),
            other_sheets: Vec::new(),
            header: None,
            above_header: 0,
            hidden_rows: 0,
            first_hidden: None,
            far_cells: 0,
            first_far: None,
        }
    }

    fn take_text(&mut self, text: &TextReadAs) {
        self.encoding = Some(text.encoding);
        self.encoding_is_sure = text.is_sure;
        self.sample.clone_from(&text.sample);
        self.overruled = text.overruled;
        self.byte_order_mark = text.mark_bytes > 0;
        if let Some(delimiter) = text.delimiter {
            self.delimiter = Some(delimiter.delimiter);
            self.delimiter_is_sure = delimiter.is_sure;
        }
    }

    /// What there is to say of it, if anything: a file that is read as its name says needs no words.
    pub fn remarks(&self) -> Vec<Remark> {
        let mut remarks = Vec::new();
        self.remark_on_encoding(&mut remarks);
        if let Some(delimiter) = self.delimiter
            && (Some(delimiter) != self.format.delimiter() || !self.delimiter_is_sure)
        {
            let text = format!("read with `{delimiter}` between cells; `--delimiter` overrides");
            remarks.push(
                if self.delimiter_is_sure || self.format.delimiter() == Some(delimiter) {
                    Remark::Note(text)
                } else {
                    Remark::Warning(text)
                },
            );
        }
        if let Some(sheet) = &self.sheet
            && !self.other_sheets.is_empty()
        {
            let others: Vec<String> = self.other_sheets.iter().map(|name| shown(name)).collect();
            remarks.push(Remark::Warning(format!(
                "only sheet {} is read, and {} {} a header too; `--sheet` chooses another",
                shown(sheet),
                others.join(", "),
                if others.len() == 1 { "has" } else { "have" },
            )));
        }
        if let (Some(header), 1..) = (&self.header, self.above_header) {
            remarks.push(Remark::Note(format!(
                "the header is {} {}; the {} above it {} left out",
                if header.is_cell() { "in" } else { "on" },
                header.in_words(),
                if self.above_header == 1 {
                    "row".to_owned()
                } else {
                    format!("{} rows", self.above_header)
                },
                if self.above_header == 1 { "is" } else { "are" },
            )));
        }
        if let Some(first) = &self.first_hidden {
            remarks.push(Remark::Warning(match self.hidden_rows {
                1 => format!("1 hidden row is left out: {first}; `--hidden-rows` reads it, too"),
                rows => {
                    format!("{rows} hidden rows are left out, the first is {first}; `--hidden-rows` reads them, too")
                }
            }));
        }
        if let Some(first) = &self.first_far {
            remarks.push(Remark::Warning(format!(
                "text right of the {MOST_COLUMNS} columns that are read is left out, first in the row of {first}"
            )));
        }
        remarks
    }

    fn remark_on_encoding(&self, remarks: &mut Vec<Remark>) {
        let Some(encoding) = self.encoding else { return };
        if let Some(asked) = self.overruled {
            remarks.push(Remark::Warning(format!(
                "read as {encoding}, which its byte order mark says, and not as {asked}"
            )));
        } else if !self.encoding_is_sure {
            let sample = self.sample.as_deref().unwrap_or_default();
            remarks.push(Remark::Warning(format!(
                "read as {encoding}, which is a guess: does this read right? `{sample}` {}",
                if encoding.is_utf8() {
                    "If not, say with `--encoding` what the file is in"
                } else {
                    "`run` wants to be told with `--encoding`"
                }
            )));
        } else if !encoding.is_utf8() {
            remarks.push(Remark::Note(format!("read as {encoding}; `--encoding` overrides")));
        }
    }
}

fn shown(name: &str) -> String {
    format!("`{}`", escape::excerpt(name, 40))
}
