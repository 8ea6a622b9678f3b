//! What the programs of this crate share: command lines, and JSON in the forms that other programs
//! read.

pub mod cli;
pub mod events;
pub mod json;
