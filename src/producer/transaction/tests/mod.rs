//! The machine alone, by random scripts against a coordinator that is a model: whatever is asked,
//! answered, lost, or comes late, what must always hold holds.
//!
//! ```text
//!  script ─▶ world ─▶ TransactionMachine     world checks the rules at each step, and the truth
//!              └────▶ Coordinator            (what the coordinator committed) in the end
//! ```

mod coordinator;
mod script;
mod world;
