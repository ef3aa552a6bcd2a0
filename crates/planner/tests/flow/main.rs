//! The flow module against other methods, other implementations and its own proofs.

mod max_flow;
mod min_cost;
mod networks;
mod worked_example;
