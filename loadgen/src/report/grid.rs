//! Tables: aligned text, Markdown, HTML.

use super::html::escape;
use super::paint::Paint;

/// A table with a head; the first column names its rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    /// One per column.
    pub(crate) head: Vec<String>,
    /// As many cells as the head, each.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Grid {
    /// With columns as wide as they need to be: the first to the left, the others to the right.
    pub(crate) fn text(&self, paint: Paint) -> String {
        let columns = self.head.len();
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.head]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cell = |(number, (cell, width)): (usize, (&String, &usize))| match number {
                0 => format!("  {cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            };
            let text: String = row.iter().zip(&widths).enumerate().map(cell).collect();
            text.trim_end().to_owned()
        };
        let rows = self.rows.iter().map(|row| line(row) + "\n");
        paint.faint(line(&self.head)) + "\n" + &rows.collect::<String>()
    }

    /// As GitHub reads it.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule: Vec<&str> = (0..self.head.len()).map(|column| if column == 0 { "---" } else { "---:" }).collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}|{}|\n{rows}", line(&self.head), rule.join("|"))
    }

    /// As a `<table>`.
    pub(crate) fn html(&self) -> String {
        let row = |cells: &[String], name: &str| {
            let cell = |cell: &String| format!("<{name}>{}</{name}>", escape(cell));
            format!("<tr>{}</tr>\n", cells.iter().map(cell).collect::<String>())
        };
        let rows: String = self.rows.iter().map(|cells| row(cells, "td")).collect();
        format!("<table>\n<thead>{}</thead>\n<tbody>\n{rows}</tbody>\n</table>\n", row(&self.head, "th"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_bars_escaped() {
        let cells = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let grid = Grid { head: cells(["", "a", "b|c"]), rows: vec![cells(["p50", "1.00 µs", "<2>"])] };
        assert_eq!(grid.text(Paint(false)), "             a  b|c\n  p50  1.00 µs  <2>\n");
        assert_eq!(grid.markdown(), "|  | a | b\\|c |\n|---|---:|---:|\n| p50 | 1.00 µs | <2> |\n");
        assert!(grid.html().contains("<td>&lt;2&gt;</td>"));
    }
}
