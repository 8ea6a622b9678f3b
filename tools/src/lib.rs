//! What the programs of this crate share: JSON, in the forms that other programs read.

pub mod events;
pub mod json;
