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

#[derive(Clone, Copy, Debug)]
enum Voice {
    /// Something was said, which has this number.
    Said(usize),
    Told(Outcome),
}

/// By member and record, in order.
#[derive(Debug, Default)]
pub(super) struct Voices {
    heard: BTreeMap<(usize, Key), Vec<Voice>>,
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
        self.heard.entry((member, key.clone())).or_default().push(Voice::Said(number));
    }

    pub(super) fn says_too_late(&mut self, member: usize, key: &Key) {
        *self.outdated.entry((member, key.clone())).or_default() += 1;
    }

    /// A listener is told; gives what was said, unless it was told of that before.
    pub(super) fn told(&mut self, member: usize, key: &Key, outcome: Outcome) -> ToldOf {
        let outdated = self.outdated.entry((member, key.clone())).or_default();
        if *outdated > 0 && matches!(outcome, Outcome::Failed(ErrorKind::LockLost, _)) {
            *outdated -= 1;
            return ToldOf::Outdated;
        }
        let voices = self.heard.entry((member, key.clone())).or_default();
        let last = voices.last().copied();
        voices.push(Voice::Told(outcome));
        match last {
            Some(Voice::Said(number)) => ToldOf::Saying(number),
            _ => ToldOf::Nothing,
        }
    }

    /// What the listener was told of what was said: before the member said something of the record
    /// again, which is of another delivery.
    pub(super) fn told_of(&self, member: usize, key: &Key, number: usize) -> Option<Outcome> {
        let voices = self.heard.get(&(member, key.clone()))?;
        let at =
            voices.iter().position(|voice| matches!(voice, Voice::Said(it) if *it == number))?;
        match voices.get(at + 1) {
            Some(Voice::Told(outcome)) => Some(*outcome),
            _ => None,
        }
    }
}
