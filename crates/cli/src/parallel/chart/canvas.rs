//! SVG elements. Coordinates are pixels from the upper left corner.

use std::fmt::Write as _;

use super::colour;

/// An SVG picture that grows.
pub struct Canvas {
    body: String,
    width: f64,
    height: f64,
}

/// Where a text stands to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// To the right of it.
    Start,
    /// Around it.
    Middle,
    /// To the left of it.
    End,
}

/// How a text is set.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// The words.
    pub words: &'a str,
    /// Size \[pixels\].
    pub size: f64,
    /// Colour.
    pub colour: &'a str,
    /// Whether it is bold.
    pub bold: bool,
    /// Where it stands.
    pub anchor: Anchor,
}

impl<'a> Text<'a> {
    /// Plain words.
    pub fn new(words: &'a str, size: f64, anchor: Anchor) -> Self {
        Self { words, size, colour: colour::INK, bold: false, anchor }
    }

    /// In a colour.
    pub fn in_colour(self, colour: &'a str) -> Self {
        Self { colour, ..self }
    }

    /// Bold.
    pub fn bold(self) -> Self {
        Self { bold: true, ..self }
    }
}

impl Canvas {
    /// An empty picture.
    pub fn new(width: f64, height: f64) -> Self {
        Self { body: String::new(), width, height }
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        self.body.write_fmt(element).expect("a string takes all text");
        self.body.push('\n');
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}" stroke-width="{width}"/>"#
        ));
    }

    /// A filled rectangle with its upper left corner and its size.
    pub fn rectangle(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
        self.add(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        ));
    }

    /// A path through points.
    pub fn path(&mut self, points: &[(f64, f64)], colour: &str, (width, dash): (f64, Option<&str>)) {
        if points.is_empty() {
            return;
        }
        let mut data = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            write!(data, "{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" }).expect("a string takes all text");
        }
        let dash = dash.map(|dash| format!(r#" stroke-dasharray="{dash}""#)).unwrap_or_default();
        self.add(format_args!(
            r#"<path d="{data}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"{dash}/>"#
        ));
    }

    /// A dot with a white rim.
    pub fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: &str) {
        self.add(format_args!(
            r##"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{colour}" stroke="#fff" stroke-width="1.5"/>"##
        ));
    }

    /// Words at a point of their base line.
    pub fn text(&mut self, (x, y): (f64, f64), text: Text<'_>) {
        self.set(text, &format!(r#"x="{x:.1}" y="{y:.1}""#));
    }

    /// Words that run upwards.
    pub fn text_upwards(&mut self, (x, y): (f64, f64), text: Text<'_>) {
        self.set(text, &format!(r#"transform="translate({x:.1} {y:.1}) rotate(-90)""#));
    }

    fn set(&mut self, text: Text<'_>, place: &str) {
        let anchor = match text.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if text.bold { r#" font-weight="600""# } else { "" };
        let (size, colour, words) = (text.size, text.colour, escape(text.words));
        self.add(format_args!(
            r#"<text {place} font-size="{size}" text-anchor="{anchor}" fill="{colour}"{weight}>{words}</text>"#
        ));
    }

    /// The whole picture.
    pub fn finish(self) -> String {
        let (width, height) = (self.width, self.height);
        format!(
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" "#,
                r#"font-family="Helvetica, Arial, sans-serif">"#,
                "\n",
                r##"<rect width="{w}" height="{h}" fill="#fff"/>"##,
                "\n{body}</svg>\n"
            ),
            w = width,
            h = height,
            body = self.body
        )
    }
}

/// Text for SVG and HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_break_out() {
        let mut canvas = Canvas::new(10.0, 10.0);
        canvas.text((1.0, 2.0), Text::new("<script>&\"", 10.0, Anchor::Start));
        let picture = canvas.finish();
        assert!(picture.contains("&lt;script&gt;&amp;&quot;</text>"));
    }
}
