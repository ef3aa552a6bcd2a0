//! One panel: axes, series, marked ranges, notes, and a legend above.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Text};
use super::colour;

/// Width of a panel \[pixels\].
pub const PANEL_WIDTH: f64 = 560.0;

/// Height of a panel \[pixels\].
pub const PANEL_HEIGHT: f64 = 420.0;

const LEFT: f64 = 66.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 86.0;
const BOTTOM: f64 = 56.0;

/// How the points of a series are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// From point to point.
    Straight,
    /// Level to the next point's x, then to its y: a frontier.
    Stairs,
    /// From point to point, dashed.
    Dashed,
}

/// One series.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its colour.
    pub colour: &'static str,
    /// Its points, in the order in which they are joined.
    pub points: Vec<(f64, f64)>,
    /// How they are joined.
    pub line: Line,
    /// Width of the line \[pixels\].
    pub width: f64,
    /// Whether each point has a dot.
    pub dots: bool,
}

/// A range of x with another background.
#[derive(Debug, Clone)]
pub struct Band {
    /// From this x.
    pub from: f64,
    /// To this x.
    pub to: f64,
}

/// Words at a point.
#[derive(Debug, Clone)]
pub struct Note {
    /// The point.
    pub at: (f64, f64),
    /// The words.
    pub words: String,
    /// Shift of the words from the point \[pixels\].
    pub shift: (f64, f64),
    /// Where the words stand.
    pub anchor: Anchor,
    /// The dot's colour.
    pub colour: &'static str,
}

/// One panel.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// Under which assumptions.
    pub subtitle: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The series, the last one on top.
    pub series: Vec<Series>,
    /// Ranges with another background, and what they mean.
    pub bands: (Vec<Band>, &'static str),
    /// Words at points.
    pub notes: Vec<Note>,
}

impl Panel {
    /// Draws it with its upper left corner at a point.
    pub fn draw(&self, canvas: &mut Canvas, left: f64, top: f64) {
        let frame = Frame { panel: self, left: left + LEFT, top: top + TOP };
        let title = Text::new(&self.title, 16.0, Anchor::Start).bold();
        canvas.text((left + 16.0, top + 26.0), title);
        let subtitle = Text::new(&self.subtitle, 11.5, Anchor::Start).in_colour(colour::FAINT_INK);
        canvas.text((left + 16.0, top + 44.0), subtitle);
        frame.bands(canvas);
        frame.grid(canvas);
        self.legend(canvas, left + 16.0, top + 66.0);
        for series in &self.series {
            frame.series(canvas, series);
        }
        for note in &self.notes {
            let (x, y) = frame.pixel(note.at);
            canvas.dot((x, y), 4.5, note.colour);
            let words = Text::new(&note.words, 11.5, note.anchor).bold();
            canvas.text((x + note.shift.0, y + note.shift.1), words);
        }
    }

    fn legend(&self, canvas: &mut Canvas, mut x: f64, y: f64) {
        for series in self.series.iter().rev().filter(|series| !series.name.is_empty()) {
            let dash = (series.line == Line::Dashed).then_some("5 4");
            canvas.path(&[(x, y - 4.0), (x + 18.0, y - 4.0)], series.colour, (3.0, dash));
            canvas.text((x + 23.0, y), Text::new(&series.name, 11.5, Anchor::Start));
            // No font is measured: 6 pixels a letter is a little more than the letters take.
            x += 37.0 + 6.0 * series.name.chars().count() as f64;
        }
        if !self.bands.0.is_empty() {
            canvas.rectangle((x, y - 10.0), (18.0, 11.0), colour::BEHIND);
            canvas.text((x + 23.0, y), Text::new(self.bands.1, 11.5, Anchor::Start));
        }
    }
}

/// The area between the axes.
struct Frame<'a> {
    panel: &'a Panel,
    left: f64,
    top: f64,
}

impl Frame<'_> {
    const WIDTH: f64 = PANEL_WIDTH - LEFT - RIGHT;
    const HEIGHT: f64 = PANEL_HEIGHT - TOP - BOTTOM;

    fn x(&self, value: f64) -> f64 {
        self.left + Self::WIDTH * self.panel.x.place(value)
    }

    fn y(&self, value: f64) -> f64 {
        self.top + Self::HEIGHT * (1.0 - self.panel.y.place(value))
    }

    fn pixel(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x(x), self.y(y))
    }

    fn bands(&self, canvas: &mut Canvas) {
        for band in &self.panel.bands.0 {
            let (from, to) = (self.x(band.from), self.x(band.to));
            canvas.rectangle((from, self.top), ((to - from).max(1.0), Self::HEIGHT), colour::BEHIND);
        }
    }

    fn grid(&self, canvas: &mut Canvas) {
        let (right, bottom) = (self.left + Self::WIDTH, self.top + Self::HEIGHT);
        for (value, text) in self.panel.y.tick_texts() {
            let y = self.y(value);
            canvas.line((self.left, y), (right, y), colour::GRID, 1.0);
            let text = Text::new(&text, 11.0, Anchor::End).in_colour(colour::FAINT_INK);
            canvas.text((self.left - 7.0, y + 4.0), text);
        }
        for (value, text) in self.panel.x.tick_texts() {
            let x = self.x(value);
            canvas.line((x, self.top), (x, bottom), colour::GRID, 1.0);
            let text = Text::new(&text, 11.0, Anchor::Middle).in_colour(colour::FAINT_INK);
            canvas.text((x, bottom + 17.0), text);
        }
        canvas.line((self.left, bottom), (right, bottom), colour::FAINT_INK, 1.0);
        let label = Text::new(&self.panel.x.label, 12.0, Anchor::Middle);
        canvas.text((f64::midpoint(self.left, right), bottom + 38.0), label);
        let label = Text::new(&self.panel.y.label, 12.0, Anchor::Middle);
        canvas.text_upwards((self.left - 48.0, f64::midpoint(self.top, bottom)), label);
    }

    fn series(&self, canvas: &mut Canvas, series: &Series) {
        let points: Vec<(f64, f64)> = series.points.iter().map(|point| self.pixel(*point)).collect();
        let dash = (series.line == Line::Dashed).then_some("5 4");
        let path = if series.line == Line::Stairs { stairs(&points) } else { points.clone() };
        canvas.path(&path, series.colour, (series.width, dash));
        if series.dots {
            for point in points {
                canvas.dot(point, 3.5, series.colour);
            }
        }
    }
}

/// Level to the next x, then to the next y.
fn stairs(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut path: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
    for pair in points.windows(2) {
        path.extend([(pair[1].0, pair[0].1), pair[1]]);
    }
    path
}
