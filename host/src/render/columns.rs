//! Tables that fit: columns are cut, then left out, so that no line is wider than the terminal. Elsewhere all of it is shown.

use super::Tint;
use super::width::{columns, cut, padded};

/// Between two columns.
const GAP: usize = 2;

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    head: &'static str,
    /// It is not cut to less.
    least: usize,
    /// The column of the highest rank is the first to be left out; rank 0 never is.
    rank: u8,
    /// Figures stand at the right.
    figures: bool,
}

impl Column {
    /// One that is shown whole, or not at all.
    pub(crate) const fn whole(head: &'static str, rank: u8) -> Self {
        Self::cut_to(head, usize::MAX, rank)
    }

    /// One that may be cut to `least` columns.
    pub(crate) const fn cut_to(head: &'static str, least: usize, rank: u8) -> Self {
        Self {
            head,
            least,
            rank,
            figures: false,
        }
    }

    /// One of figures.
    pub(crate) const fn figures(head: &'static str, rank: u8) -> Self {
        Self {
            figures: true,
            ..Self::whole(head, rank)
        }
    }
}

/// A text and its colour. The text is safe, and one line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    tint: Option<Tint>,
}

impl Cell {
    pub(crate) fn tinted(tint: Tint, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tint: Some(tint),
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            tint: None,
        }
    }
}

/// Rows under a head.
#[derive(Debug)]
pub(crate) struct Columns<'a> {
    columns: &'a [Column],
    rows: Vec<Vec<Cell>>,
}

impl<'a> Columns<'a> {
    pub(crate) fn new(columns: &'a [Column]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Lines that begin with `indent` blanks and fit into `width`; none: whatever they take.
    pub(crate) fn draw(&self, width: Option<usize>, indent: usize, tint: impl Fn(Tint, &str) -> String) -> String {
        let shown = self.fit(width.map(|width| width.saturating_sub(indent)));
        let head: Vec<Cell> = self
            .columns
            .iter()
            .map(|column| Cell::tinted(Tint::Faint, column.head))
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = " ".repeat(indent);
            for (place, (column, width)) in shown.iter().enumerate() {
                let empty = Cell::default();
                let cell = row.get(*column).unwrap_or(&empty);
                let cut = cut(&cell.text, *width);
                let blanks = " ".repeat(width.saturating_sub(columns(&cut)));
                let drawn = cell.tint.map_or_else(|| cut.clone(), |color| tint(color, &cut));
                let last = place + 1 == shown.len();
                if self.columns[*column].figures {
                    line.extend([blanks.as_str(), &drawn]);
                } else {
                    line.extend([drawn.as_str(), if last { "" } else { &blanks }]);
                }
                if !last {
                    line.push_str(&padded("", GAP));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// The columns that are shown, each with its width.
    fn fit(&self, width: Option<usize>) -> Vec<(usize, usize)> {
        let mut shown: Vec<(usize, usize)> = (0..self.columns.len())
            .map(|column| (column, self.natural(column)))
            .collect();
        let Some(width) = width else {
            return shown;
        };
        // What says nothing takes no room where there is little.
        shown.retain(|(column, _)| self.columns[*column].rank == 0 || self.says_something(*column));
        while self.least(&shown) > width {
            let ranked = shown.iter().enumerate();
            let last = ranked.max_by_key(|(place, (column, _))| (self.columns[*column].rank, *place));
            let Some((place, _)) = last.filter(|(_, (column, _))| self.columns[*column].rank > 0) else {
                break;
            };
            shown.remove(place);
        }
        while total(&shown) > width {
            let can_shrink = |(column, width): &&mut (usize, usize)| *width > self.columns[*column].least.min(*width);
            let Some((_, widest)) = shown.iter_mut().filter(can_shrink).max_by_key(|(_, width)| *width) else {
                break;
            };
            *widest -= 1;
        }
        // Nothing more can be left out: a terminal of a few columns.
        while total(&shown) > width {
            let Some((_, widest)) = shown
                .iter_mut()
                .max_by_key(|(_, width)| *width)
                .filter(|(_, width)| *width > 1)
            else {
                break;
            };
            *widest -= 1;
        }
        shown
    }

    fn natural(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| columns(&cell.text)).max().unwrap_or_default();
        widest.max(columns(self.columns[column].head))
    }

    fn says_something(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.any(|cell| !cell.text.is_empty())
    }

    /// The least that these columns take together.
    fn least(&self, shown: &[(usize, usize)]) -> usize {
        let least = shown
            .iter()
            .map(|(column, width)| (*column, self.columns[*column].least.min(*width)));
        total(&least.collect::<Vec<_>>())
    }
}

fn total(shown: &[(usize, usize)]) -> usize {
    let widths: usize = shown.iter().map(|(_, width)| width).sum();
    widths + shown.len().saturating_sub(1) * GAP
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(width: Option<usize>) -> String {
        let columns = [
            Column::whole("ID", 0),
            Column::cut_to("NAME", 5, 1),
            Column::whole("NOTE", 3),
            Column::figures("TIME", 2),
        ];
        let mut table = Columns::new(&columns);
        table.row(vec!["a1".into(), "日本語日本語".into(), "".into(), "12s".into()]);
        table.row(vec!["b2".into(), "short".into(), Cell::default(), "1h 02m".into()]);
        table.draw(width, 0, |_, text| text.to_owned())
    }

    #[test]
    fn all_is_shown_where_there_is_room() {
        assert_eq!(
            table(None),
            "ID  NAME          NOTE    TIME\na1  日本語日本語           12s\nb2  short               1h 02m\n"
        );
    }

    #[test]
    fn columns_are_cut_and_then_left_out() {
        assert_eq!(
            table(Some(20)),
            "ID  NAME        TIME\na1  日本語…      12s\nb2  short     1h 02m\n"
        );
        assert_eq!(table(Some(16)), "ID  NAME\na1  日本語日本語\nb2  short\n");
        assert_eq!(table(Some(9)), "ID  NAME\na1  日本…\nb2  short\n");
        assert_eq!(table(Some(5)), "ID\na1\nb2\n");
        assert_eq!(table(Some(1)), "…\n…\n…\n");
        for width in 1..60 {
            let drawn = table(Some(width));
            assert!(drawn.lines().all(|line| columns(line) <= width), "{width}: {drawn}");
        }
    }
}
