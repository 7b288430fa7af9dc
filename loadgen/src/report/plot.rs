//! Percentile curves as text: braille dots, both axes logarithmic.

use super::curve::{Curve, Point, axes};
use super::paint::Paint;
use super::scale::{Scale, percent};
use super::units::mark;

/// Dots per character.
const DOTS: (usize, usize) = (2, 4);
/// Columns left of the axis, with it, and right of the plot, for the curves' names.
const LEFT: usize = 11;
const RIGHT: usize = 12;

/// Draws `curves` in a block of `width` columns and `height` rows plus two for the axis. Dots are sparse where the samples do not suffice
/// for a percentile. Empty if there is nothing to draw.
pub(crate) fn percentile_plot(curves: &[Curve], width: usize, height: usize, paint: Paint) -> String {
    let Some((x, y)) = axes(curves) else { return String::new() };
    let columns = width.saturating_sub(LEFT + RIGHT).max(20);
    let mut canvas = Canvas::new(columns, height);
    let ends: Vec<(usize, i64)> = curves
        .iter()
        .enumerate()
        .map(|(number, curve)| (canvas.draw(number, curve, x, y), -(curve.height(y) * 1e6) as i64))
        .collect();
    let labels = spread(&ends, height);
    let marks: Vec<(usize, f64)> = y.marks(height / 2).into_iter().map(|value| (canvas.row(y, value), value)).collect();
    let mut text = String::new();
    for row in 0..height {
        let mark_here = marks.iter().find(|(at, _)| *at == row);
        let value = mark_here.map_or(String::new(), |(_, value)| mark(*value));
        let axis = if mark_here.is_some() { '┤' } else { '│' };
        text += &format!("{} {}", paint.faint(format!("{value:>9} {axis}")), canvas.row_text(row, paint));
        for number in labels.iter().enumerate().filter(|(_, at)| **at == row).map(|(number, _)| number) {
            text += &format!(" {}", paint.curve(number, &curves[number].name));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text + &x_axis(x, columns, paint)
}

/// The line below the plot and the quantiles below it.
fn x_axis(x: Scale, columns: usize, paint: Paint) -> String {
    let mut line: Vec<char> = vec!['─'; columns + 1];
    let mut names = String::new();
    for quantile in x.marks(9) {
        let at = (x.position(quantile) * columns as f64).round() as usize;
        line[at.min(columns)] = '┴';
        let name = if quantile == 0.0 { "min".to_owned() } else { percent(quantile) };
        let start = (LEFT + at).saturating_sub(name.len() / 2);
        let used = names.chars().count();
        if quantile == 0.0 || start > used {
            names += &format!("{}{name}", " ".repeat(start.saturating_sub(used)));
        }
    }
    let end = (LEFT + columns - 1).saturating_sub(names.chars().count());
    if end > 1 {
        names += &format!("{}max", " ".repeat(end));
    }
    let line = format!("{}└{}", " ".repeat(LEFT - 1), line.into_iter().collect::<String>());
    format!("{}\n{}\n", paint.faint(line), paint.faint(names))
}

/// Rows for labels that want to stand at certain rows, so that no two share one: lower ones give way downwards. Of those that
/// want the same row, the one with the least second key stands highest.
fn spread(ends: &[(usize, i64)], height: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by_key(|number| ends[*number]);
    let mut placed = vec![0; ends.len()];
    let mut next = 0;
    for (below, number) in order.iter().enumerate() {
        let room_below = ends.len() - 1 - below;
        placed[*number] = ends[*number].0.max(next).min((height - 1).saturating_sub(room_below));
        next = placed[*number] + 1;
    }
    placed
}

/// Dots, and which curve set the last one in each character.
struct Canvas {
    columns: usize,
    height: usize,
    cells: Vec<(u8, usize)>,
}

impl Canvas {
    fn new(columns: usize, height: usize) -> Self {
        Self { columns, height, cells: vec![(0, 0); columns * height] }
    }

    /// Draws a curve; gives the row in which it ends.
    fn draw(&mut self, number: usize, curve: &Curve, x: Scale, y: Scale) -> usize {
        let end = curve.points.last().map_or(0.0, |point| x.position(point.quantile));
        let mut before = None;
        for dot in 0..self.columns * DOTS.0 {
            let position = dot as f64 / (self.columns * DOTS.0 - 1) as f64;
            if position > end + 1e-9 {
                break;
            }
            let point = at(&curve.points, x, position);
            let row = self.dot_row(y, point.nanos);
            if point.supported || dot % 3 == 0 {
                let from = before.filter(|_| point.supported).unwrap_or(row);
                (row.min(from)..=row.max(from)).for_each(|row| self.set(dot, row, number));
            }
            before = Some(row);
        }
        before.unwrap_or(0) / DOTS.1
    }

    fn dot_row(&self, y: Scale, value: f64) -> usize {
        let last = (self.height * DOTS.1 - 1) as f64;
        ((1.0 - y.position(value)) * last).round() as usize
    }

    fn row(&self, y: Scale, value: f64) -> usize {
        self.dot_row(y, value) / DOTS.1
    }

    fn set(&mut self, x: usize, y: usize, number: usize) {
        const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        let cell = &mut self.cells[y / DOTS.1 * self.columns + x / DOTS.0];
        *cell = (cell.0 | BITS[x % DOTS.0][y % DOTS.1], number);
    }

    fn row_text(&self, row: usize, paint: Paint) -> String {
        let cells = &self.cells[row * self.columns..(row + 1) * self.columns];
        let mut text = String::new();
        for run in cells.chunk_by(|a, b| a.1 == b.1 && (a.0 == 0) == (b.0 == 0)) {
            let dots: String = run.iter().map(|(bits, _)| if *bits == 0 { ' ' } else { braille(*bits) }).collect();
            text += &if run[0].0 == 0 { dots } else { paint.curve(run[0].1, dots) };
        }
        text
    }
}

fn braille(bits: u8) -> char {
    char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ')
}

/// The point of a curve at a position of the axis: the first that is not left of it.
fn at(points: &[Point], x: Scale, position: f64) -> Point {
    let found = points.iter().find(|point| x.position(point.quantile) >= position - 1e-9);
    found.or(points.last()).copied().unwrap_or(Point { quantile: 0.0, nanos: 0.0, supported: false })
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;

    fn rising(samples: u64, step: u64) -> Curve {
        let mut histogram = Histogram::new(3).unwrap();
        (1..=samples).for_each(|value| histogram.record(value * step).unwrap());
        Curve::of("last".to_owned(), &histogram)
    }

    #[test]
    fn plot_keeps_its_width_and_height() {
        for width in [80, 100, 120] {
            let plot = percentile_plot(&[rising(30_000, 100), rising(30_000, 10)], width, 10, Paint(false));
            assert_eq!(plot.lines().count(), 12);
            assert!(plot.lines().all(|line| line.chars().count() <= width), "{plot}");
        }
    }

    #[test]
    fn greatest_value_stands_higher_than_the_least() {
        let plot = percentile_plot(&[rising(30_000, 100)], 100, 10, Paint(false));
        let rows: Vec<&str> = plot.lines().collect();
        let column = |row: &str| row.char_indices().filter(|(_, c)| ('\u{2801}'..='\u{28ff}').contains(c)).count();
        assert!(rows[0].contains("last") || rows[1].contains("last"), "the curve ends at the top:\n{plot}");
        assert!(column(rows[0]) + column(rows[1]) > 0, "{plot}");
        assert!(rows[10].contains('┴') && rows[11].contains("99.9%") && rows[11].ends_with("max"), "{plot}");
    }

    #[test]
    fn labels_of_curves_that_end_together_do_not_overlap() {
        assert_eq!(spread(&[(3, 2), (3, 1), (3, 0)], 10), [5, 4, 3]);
        assert_eq!(spread(&[(9, 0), (9, 1), (9, 2)], 10), [7, 8, 9]);
        assert_eq!(spread(&[(9, 0), (2, 0), (9, 1)], 10), [8, 2, 9]);
    }

    #[test]
    fn nothing_recorded_draws_nothing() {
        assert_eq!(percentile_plot(&[], 100, 10, Paint(false)), "");
        let empty: Histogram<u64> = Histogram::new(3).unwrap();
        assert_eq!(percentile_plot(&[Curve::of("last".to_owned(), &empty)], 100, 10, Paint(false)), "");
    }
}
