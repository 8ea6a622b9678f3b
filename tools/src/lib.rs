//! What the programs of this crate share: command lines, JSON in the forms that other programs
//! read, a bar for work that takes long, and rebalances told to the task that reads.

pub mod cli;
pub mod events;
pub mod json;
pub mod progress;
pub mod rebalance;
