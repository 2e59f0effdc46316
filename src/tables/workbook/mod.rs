//! A workbook that is written row by row, by rust_xlsxwriter in its constant-memory mode.
//!
//! That mode keeps the rows that are done in an unnamed temporary file, which is put beside the target: there is room if
//! there is room for the table, and nobody else reads it. Memory is needed for one row, and for the links, of which a
//! sheet may have 65,530.
//!
//! Two runs that write the same values write the same bytes: results are written again and again, and what compares or
//! copies files should see when nothing has changed.
//!
//! | file | decides |
//! | --- | --- |
//! | `sheet.rs` | how a cell is put into a sheet |
//! | `size.rs` | how wide columns and how high rows get |
//! | `text.rs` | what is a number, and what of a text a cell can hold |
//! | `link.rs` | what may be linked to |
//! | `style.rs` | fonts and colours |
//! | `name.rs` | what a sheet may be called |
//! | `guard.rs` | that a full disk is an error, not a panic |

mod guard;
mod link;
mod name;
mod sheet;
mod size;
mod style;
mod text;

use std::fmt;
use std::io::{self, BufWriter, Write};

use rust_xlsxwriter::{DocProperties, ExcelDateTime, IgnoreError, Workbook, Worksheet, XlsxError};

use super::{AtomicFile, Cell, Head, Page};
use guard::guarded;
use sheet::Sheet;
use style::Styles;

pub use guard::panics_are_caught;

/// Bytes gathered before they go to the file.
const BUFFER_BYTES: usize = 128 * 1024;

/// Bytes of a sheet from which on the workbook is written as ZIP64: half of the four gigabytes that ends the older
/// format, as the sum below is an estimate.
const LARGE_BYTES: u64 = 2 << 30;

/// How hard the file is packed. Results are written again and again, and this takes a third of the time of the usual 6
/// for a file that is a sixth larger; with 1 it would be three quarters larger (`cargo bench --bench results`).
const COMPRESSION_LEVEL: u8 = 2;

/// A workbook under way.
pub(super) struct WorkbookWriter {
    file: AtomicFile,
    workbook: Workbook,
    styles: Styles,
    sheet: Sheet,
    /// The next row of the sheet, counted from 0; the header is the first.
    row: u32,
    bytes: u64,
}

impl WorkbookWriter {
    /// A workbook whose first sheet has its header.
    pub(super) fn new(file: AtomicFile, head: &Head) -> io::Result<WorkbookWriter> {
        let mut workbook = Workbook::new();
        let styles = Styles::new();
        let sheet = guarded(|| {
            workbook.set_tempdir(file.directory())?;
            workbook.set_properties(&properties()?);
            let mut worksheet = workbook.new_worksheet_with_constant_memory()?;
            worksheet.set_name(name::of_sheet(&head.sheet, &[]))?;
            worksheet.set_freeze_panes(1, 0)?;
            worksheet.set_repeat_rows(0, 0)?;
            let mut sheet = Sheet::new(worksheet, &head.columns, &styles)?;
            sheet.header(0, head.columns.iter().map(|column| &*column.name), &styles)?;
            Ok(sheet)
        })?;
        Ok(WorkbookWriter {
            file,
            workbook,
            styles,
            sheet,
            row: 1,
            bytes: 0,
        })
    }

    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let (sheet, styles, row) = (&mut self.sheet, &self.styles, self.row);
        self.bytes += guarded(|| sheet.row(row, cells, styles))?;
        self.row += 1;
        Ok(())
    }

    pub(super) fn cut_cells(&self) -> u64 {
        self.sheet.cut_cells
    }

    /// The file, with everything written to it.
    pub(super) fn finish(self, pages: &[Page<'_>]) -> io::Result<AtomicFile> {
        let WorkbookWriter {
            file,
            mut workbook,
            styles,
            mut sheet,
            row,
            bytes,
        } = self;
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, file);
        guarded(|| {
            if let Some(last) = sheet.last_column() {
                sheet.worksheet.autofilter(0, 0, row - 1, last)?;
                // A number among the texts is meant: an id like `007`, a code like `422`.
                let (first, kind) = (1.min(row - 1), IgnoreError::NumberStoredAsText);
                sheet.worksheet.ignore_error_range(first, 0, row - 1, last, kind)?;
            }
            let main = sheet.worksheet.name();
            workbook.push_worksheet(sheet.into_worksheet()?);
            let mut taken = vec![main.clone()];
            for page in pages {
                let name = name::of_sheet(page.name, &taken);
                let worksheet = write_page(page, &name, &main, &styles)?;
                workbook.push_worksheet(worksheet);
                taken.push(name);
            }
            workbook.set_zip_compression_level(COMPRESSION_LEVEL);
            workbook.use_zip_large_file(bytes > LARGE_BYTES);
            workbook.save_to_writer(&mut file)
        })?;
        file.flush()?;
        file.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl fmt::Debug for WorkbookWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WorkbookWriter")
            .field("file", &self.file)
            .field("row", &self.row)
            .finish_non_exhaustive()
    }
}

/// A sheet of blocks. Its rows are few, so it is kept in memory.
fn write_page(page: &Page<'_>, name: &str, main: &str, styles: &Styles) -> Result<Worksheet, XlsxError> {
    let mut worksheet = Worksheet::new();
    worksheet.set_name(name)?;
    worksheet.set_screen_gridlines(false);
    let mut sheet = Sheet::new(worksheet, &page.columns, styles)?;
    sheet.main = Some(main.to_owned());
    sheet.title(0, &page.title, styles)?;
    let mut row = 1;
    for block in &page.blocks {
        row += 1;
        sheet.heading(row, block.heading, styles)?;
        row += 1;
        if !block.header.is_empty() {
            let is_number = |index| {
                let mut cells = block.rows.iter().filter_map(|cells| cells.get(index));
                cells.any(Cell::is_number)
            };
            sheet.block_header(row, block.header, is_number, styles)?;
            row += 1;
        }
        for cells in &block.rows {
            sheet.row(row, cells, styles)?;
            row += 1;
        }
    }
    sheet.into_worksheet()
}

/// What the file says about itself. The format wants a date; the first that a ZIP archive knows, which the entries of
/// the package have as well, is the same in every run.
fn properties() -> Result<DocProperties, XlsxError> {
    let date = ExcelDateTime::from_ymd(1980, 1, 1)?;
    Ok(DocProperties::new()
        .set_author("hailuo-batch")
        .set_creation_datetime(&date))
}
