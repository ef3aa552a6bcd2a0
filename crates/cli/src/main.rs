//! The `helix` command.

fn main() {}
