//! Ranges of cells, asked for row by row from the top: which of them covers this cell?

use crate::manifest::workbook::cells::CellRange;
use crate::manifest::workbook::limits::READ_COLUMNS;

/// Ranges with what each is about.
///
/// Holds one range a column, the one that began last: merged ranges and links do not overlap in any program. So the
/// answer costs the same however many ranges a hostile file has.
#[derive(Debug)]
pub(super) struct Sweep<T> {
    /// Those that begin further down, the next one last.
    waiting: Vec<(CellRange, T)>,
    /// By column.
    current: Vec<Option<(CellRange, T)>>,
    /// Columns that any range has reached, in order.
    reached: Vec<u32>,
}

impl<T: Clone> Sweep<T> {
    pub(super) fn new(mut ranges: Vec<(CellRange, T)>) -> Sweep<T> {
        ranges.reverse();
        // Stable, so that of two ranges that begin in a row the one that the file names later is met later.
        ranges.sort_by_key(|(range, _)| std::cmp::Reverse(range.first_row));
        Sweep {
            waiting: ranges,
            current: Vec::new(),
            reached: Vec::new(),
        }
    }

    /// Takes in the ranges that begin in this row or above it.
    pub(super) fn enter(&mut self, row: u32) {
        while let Some((range, about)) = self.waiting.pop_if(|(range, _)| range.first_row <= row) {
            if range.last_row >= row {
                self.put(range, about);
            }
        }
    }

    /// Adds a range that begins in the row that was entered last.
    pub(super) fn put(&mut self, range: CellRange, about: T) {
        let columns = range.first_column..range.last_column.saturating_add(1).min(READ_COLUMNS);
        for column in columns {
            let at = column as usize;
            if self.current.len() <= at {
                self.current.resize(at + 1, None);
            }
            if self.current[at].is_none()
                && let Err(place) = self.reached.binary_search(&column)
            {
                self.reached.insert(place, column);
            }
            self.current[at] = Some((range, about.clone()));
        }
    }

    /// The range over a cell of the row that was entered last.
    pub(super) fn over(&self, row: u32, column: u32) -> Option<&(CellRange, T)> {
        let over = self.current.get(column as usize)?.as_ref();
        over.filter(|(range, _)| range.last_row >= row)
    }

    /// The columns of that row that a range covers, from the left.
    pub(super) fn columns(&self, row: u32) -> impl DoubleEndedIterator<Item = u32> {
        let columns = self.reached.iter().copied();
        columns.filter(move |column| self.over(row, *column).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> CellRange {
        CellRange::read(text).unwrap()
    }

    #[test]
    fn a_range_covers_its_cells_and_no_others() {
        let mut sweep = Sweep::new(vec![(range("C5:D6"), 'b'), (range("A2:B4"), 'a')]);
        let over = |sweep: &mut Sweep<char>, row, column| {
            sweep.enter(row);
            sweep.over(row, column).map(|(_, about)| *about)
        };
        assert_eq!(over(&mut sweep, 1, 0), None);
        assert_eq!(over(&mut sweep, 2, 0), Some('a'));
        assert_eq!(over(&mut sweep, 4, 1), Some('a'));
        assert_eq!(over(&mut sweep, 4, 2), None);
        assert_eq!(over(&mut sweep, 6, 0), None);
        assert_eq!(over(&mut sweep, 6, 3), Some('b'));
        assert_eq!(sweep.columns(6).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(over(&mut sweep, 7, 3), None);
        assert_eq!(sweep.columns(7).next(), None);
    }

    #[test]
    fn of_two_ranges_over_a_cell_the_later_one_counts() {
        let mut sweep = Sweep::new(vec![(range("A1:A9"), 'a'), (range("A1"), 'b'), (range("A3"), 'c')]);
        sweep.enter(1);
        assert_eq!(sweep.over(1, 0).unwrap().1, 'b');
        sweep.enter(3);
        assert_eq!(sweep.over(3, 0).unwrap().1, 'c');
    }

    #[test]
    fn a_range_as_wide_as_the_sheet_costs_no_more_than_a_table_is_wide() {
        let mut sweep = Sweep::new(vec![(range("A1:XFD1048576"), ())]);
        sweep.enter(1_000_000);
        assert!(sweep.over(1_000_000, 1_023).is_some());
        assert!(sweep.over(1_000_000, 1_024).is_none());
    }
}
