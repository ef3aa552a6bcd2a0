//! Makes the built-in model of Helix: writes its text, trains it, measures it, and exports it as a Hugging Face folder.

pub mod batch;
pub mod checkpoint;
pub mod corpus;
pub mod evaluate;
pub mod export;
pub mod model;
pub mod ops;
pub mod optimizer;
pub mod random;
pub mod say;
pub mod train;
pub mod vocabulary;
