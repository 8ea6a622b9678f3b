//! The machines of the producer against a model of a cluster: the rules by name, then random scripts.

mod adaptive;
mod ends;
mod model;
mod random;
mod rules;
mod whole;
