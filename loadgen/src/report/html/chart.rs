//! A chart in SVG: axes, lines, bars.

use std::fmt::Write;

use super::escape;
use crate::report::scale::Scale;

/// Room around the drawing: for the marks of the y axis, the names of lines, a title, the marks of the x axis.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 84.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 28.0;
/// Of the whole picture, in units of its own.
const WIDTH: f64 = 940.0;
/// Between the last mark of the x axis and the name of its end.
const END_MARK_ROOM: f64 = 44.0;
/// Between the names of two lines.
const NAME_HEIGHT: f64 = 15.0;

/// A chart in the making.
#[derive(Debug)]
pub(super) struct Chart {
    x: Scale,
    y: Scale,
    height: f64,
    shapes: String,
    /// Where the last mark of the x axis stands.
    marked_to: f64,
    /// Where each named line ends, its colour and its name.
    names: Vec<(f64, usize, String)>,
}

impl Chart {
    /// With marks and grid; `height` of the whole picture, 940 wide. `described` is read out where it cannot be seen.
    pub(super) fn new(
        described: &str,
        height: f64,
        (x, show_x): (Scale, fn(f64) -> String),
        (y, show_y): (Scale, fn(f64) -> String),
    ) -> Self {
        let mut chart = Self { x, y, height, shapes: String::new(), marked_to: 0.0, names: Vec::new() };
        let open =
            format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n", escape(described));
        chart.shapes.push_str(&open);
        let (right, bottom) = (WIDTH - RIGHT, height - BOTTOM);
        for mark in y.marks(((height - TOP - BOTTOM) / 28.0) as usize) {
            let at = chart.at_y(mark);
            chart.push(format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
            ));
            chart.text(LEFT - 8.0, at + 4.0, "end", &show_y(mark));
        }
        for mark in x.marks(10) {
            let at = chart.at_x(mark);
            chart.marked_to = at;
            chart.push(format_args!(
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>"
            ));
            chart.text(at, bottom + 18.0, "middle", &show_x(mark));
        }
        chart.push(format_args!("<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>"));
        chart
    }

    /// A line through points, and its name at its end if it has one.
    pub(super) fn line(&mut self, colour: usize, points: &[(f64, f64)], is_sparse: bool, name: Option<&str>) {
        let Some(last) = points.last() else { return };
        let mut path = String::new();
        for (number, (x, y)) in points.iter().enumerate() {
            let command = if number == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", self.at_x(*x), self.at_y(*y)); // A String takes everything.
        }
        let sparse = if is_sparse { " sparse" } else { "" };
        self.push(format_args!("<path class=\"line s{}{sparse}\" d=\"{path}\"/>", colour % 4));
        if let Some(name) = name {
            self.names.push((self.at_y(last.1), colour, name.to_owned()));
        }
    }

    /// A bar from the x axis up; `hint` appears under the pointer.
    pub(super) fn bar(&mut self, colour: usize, (from, to): (f64, f64), value: f64, hint: &str) {
        let (left, right, top) = (self.at_x(from), self.at_x(to), self.at_y(value));
        let (width, height) = ((right - left - 1.0).max(0.5), self.height - BOTTOM - top);
        self.push(format_args!(
            "<rect class=\"f{}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{}</title></rect>",
            colour % 4,
            escape(hint)
        ));
    }

    /// Names the end of the x axis, if there is room beside the last mark.
    pub(super) fn end_mark(&mut self, name: &str) {
        if self.marked_to + END_MARK_ROOM < WIDTH - RIGHT {
            self.text(WIDTH - RIGHT, self.height - BOTTOM + 18.0, "middle", name);
        }
    }

    /// Shades the background of a part, and says what it is.
    pub(super) fn shade(&mut self, from: f64, to: f64, name: &str) {
        let (left, width) = (self.at_x(from), self.at_x(to) - self.at_x(from));
        let height = self.height - TOP - BOTTOM;
        self.push(format_args!(
            "<rect class=\"shade\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        ));
        self.text(left + 4.0, TOP + 13.0, "start", name);
    }

    /// The markup.
    pub(super) fn finish(mut self) -> String {
        let mut names = std::mem::take(&mut self.names);
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut next = TOP;
        let count = names.len();
        for (below, (at, colour, name)) in names.into_iter().enumerate() {
            let lowest = self.height - BOTTOM - (count - 1 - below) as f64 * NAME_HEIGHT;
            let at = at.max(next).min(lowest);
            next = at + NAME_HEIGHT;
            let (x, y) = (WIDTH - RIGHT + 8.0, at + 4.0);
            let name = escape(&name);
            self.push(format_args!("<text class=\"name f{}\" x=\"{x}\" y=\"{y:.1}\">{name}</text>", colour % 4));
        }
        self.shapes.push_str("</svg>\n");
        self.shapes
    }

    fn at_x(&self, value: f64) -> f64 {
        LEFT + self.x.position(value) * (WIDTH - LEFT - RIGHT)
    }

    fn at_y(&self, value: f64) -> f64 {
        TOP + (1.0 - self.y.position(value)) * (self.height - TOP - BOTTOM)
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = escape(text);
        self.push(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"));
    }

    fn push(&mut self, shape: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.shapes, "{shape}"); // A String takes everything.
    }
}
