//! What members have said of records, and what their listeners were told of it.

use std::collections::BTreeMap;

use kavka::{ErrorCode, ErrorKind, Result, TopicPartition};

/// A record: partition and offset.
pub(super) type Key = (TopicPartition, i64);

/// What became of what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Taken,
    Failed(ErrorKind, Option<ErrorCode>),
}

impl Outcome {
    pub(super) fn of(result: &Result<()>) -> Self {
        match result {
            Ok(()) => Self::Taken,
            Err(error) => Self::Failed(error.kind(), error.code()),
        }
    }

    /// Whether the broker has certainly not done it: it has refused, or was never asked.
    pub(super) fn is_in_vain(self) -> bool {
        matches!(self, Self::Failed(ErrorKind::LockLost | ErrorKind::Config | ErrorKind::Broker, _))
    }
}

/// Something that was said, by number, and what the listener was told of it.
#[derive(Clone, Copy, Debug)]
struct Voice {
    number: usize,
    told: Option<Outcome>,
}

/// By member and record, in order.
#[derive(Debug, Default)]
pub(super) struct Voices {
    said: BTreeMap<(usize, Key), Vec<Voice>>,
    /// How often something was said of a delivery that a newer one had taken the right from, and the
    /// listener was not told.
    outdated: BTreeMap<(usize, Key), usize>,
}

/// What a listener is told of.
pub(super) enum ToldOf {
    Saying(usize),
    /// What was said of an older delivery.
    Outdated,
    Nothing,
}

impl Voices {
    pub(super) fn says(&mut self, member: usize, key: &Key, number: usize) {
        let voice = Voice { number, told: None };
        self.said.entry((member, key.clone())).or_default().push(voice);
    }

    pub(super) fn says_too_late(&mut self, member: usize, key: &Key) {
        *self.outdated.entry((member, key.clone())).or_default() += 1;
    }

    /// A listener is told, in the order in which it was said but for what was too late.
    pub(super) fn told(&mut self, member: usize, key: &Key, outcome: Outcome) -> ToldOf {
        let outdated = self.outdated.entry((member, key.clone())).or_default();
        if *outdated > 0 && matches!(outcome, Outcome::Failed(ErrorKind::LockLost, _)) {
            *outdated -= 1;
            return ToldOf::Outdated;
        }
        let voices = self.said.entry((member, key.clone())).or_default();
        match voices.iter_mut().find(|voice| voice.told.is_none()) {
            Some(voice) => {
                voice.told = Some(outcome);
                ToldOf::Saying(voice.number)
            }
            // What an application has in hand when its consumer ends is released, and too late.
            None if matches!(
                outcome,
                Outcome::Failed(ErrorKind::Closed | ErrorKind::LockLost, _)
            ) =>
            {
                ToldOf::Outdated
            }
            None => ToldOf::Nothing,
        }
    }

    /// What the listener was told of what was said.
    pub(super) fn told_of(&self, member: usize, key: &Key, number: usize) -> Option<Outcome> {
        let voices = self.said.get(&(member, key.clone()))?;
        voices.iter().find(|voice| voice.number == number)?.told
    }
}
