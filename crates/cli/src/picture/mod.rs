//! Pictures of a plan: SVG for documents, one self-contained HTML page, and a drawing in the terminal.
//!
//! ```text
//! layers 0 ─────────────────────────────────────────────> 80
//! region A   ▆▆▆▆▆▆ a100-1 ╲
//!                            ▆▆▆▆ l4-2 ╲        one row a machine, coloured by type; curves are flows,
//! region B                               ▆▆▆▆   their width is what flows; the cut is framed
//! ┌ capacity of all holders of each layer, with the plan's throughput as a line ┐
//! ```

mod html;
mod palette;
mod rows;
mod svg;
mod terminal;

pub use html::{STYLE, page};
pub use rows::Scene;
pub use svg::{drawing, escape};
pub use terminal::chart;
