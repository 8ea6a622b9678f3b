//! What members of a share group ask, and what real Kafka 4.3 answers.

mod acknowledging;
mod acquiring;
mod counting;
mod membership;
mod sessions;
mod standing;
mod transactions;

pub(super) use acknowledging::*;
pub(super) use acquiring::*;
pub(super) use counting::*;
pub(super) use membership::*;
pub(super) use sessions::*;
pub(super) use standing::*;
pub(super) use transactions::*;

/// What was answered, a line each.
#[derive(Default)]
struct Said(Vec<String>);

impl Said {
    fn say(&mut self, what: &str, answer: impl AsRef<str>) {
        self.0.push(format!("{what}: {}", answer.as_ref()));
    }
}
