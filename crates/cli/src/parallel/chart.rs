//! Pictures as SVG text: panels with axes side by side, no fonts of the system measured, the same bytes every time.

mod axis;
mod canvas;
mod panel;

pub use axis::Axis;
pub use canvas::{Anchor, Canvas, Text, escape};
pub use panel::{Band, Line, Note, PANEL_HEIGHT, PANEL_WIDTH, Panel, Series};

/// Colours that stay apart for most eyes.
pub mod colour {
    /// Helix.
    pub const HELIX: &str = "#00796b";
    /// Tensor parallelism.
    pub const TENSOR: &str = "#c2405a";
    /// Pipelines.
    pub const PIPELINE: &str = "#e09f3e";
    /// Attention by requests.
    pub const DATA: &str = "#3d6fb6";
    /// Medha.
    pub const MEDHA: &str = "#8e5ea2";
    /// Text.
    pub const INK: &str = "#1f2933";
    /// Text of less weight.
    pub const FAINT_INK: &str = "#5f6b7a";
    /// Lines of the grid.
    pub const GRID: &str = "#e4e8ee";
    /// Ranges in which a baseline is ahead.
    pub const BEHIND: &str = "#fbe6c8";
}

/// Panels side by side, `columns` in a row.
pub fn figure(panels: &[Panel], columns: usize) -> String {
    let columns = columns.clamp(1, panels.len().max(1));
    let rows = panels.len().div_ceil(columns);
    let mut canvas = Canvas::new(PANEL_WIDTH * columns as f64, PANEL_HEIGHT * rows as f64);
    for (i, panel) in panels.iter().enumerate() {
        panel.draw(&mut canvas, PANEL_WIDTH * (i % columns) as f64, PANEL_HEIGHT * (i / columns) as f64);
    }
    canvas.finish()
}
