//! The producer's identity: whether it has one, and when it is asked for.

use std::time::Instant;

use super::ready::PartitionIndex;
use super::sequence::ProducerIdAndEpoch;
use super::{Action, Sender, is_last_word};
use crate::error::Error;

/// What is known of the producer's identity.
#[derive(Debug)]
pub(super) enum ProducerIdState {
    NotNeeded,
    Asked,
    AskAgain { at: Instant },
    Known(ProducerIdAndEpoch),
    Refused(Error),
}

impl ProducerIdState {
    pub(super) fn identity(&self) -> Option<ProducerIdAndEpoch> {
        match self {
            Self::Known(identity) => Some(*identity),
            _ => None,
        }
    }
}

impl Sender {
    /// What became of [`Action::AskProducerId`].
    pub(in crate::producer) fn handle_producer_id(
        &mut self,
        result: Result<ProducerIdAndEpoch, Error>,
        now: Instant,
    ) {
        self.now = now;
        match result {
            Ok(identity) => {
                self.id_trouble = None;
                self.producer = ProducerIdState::Known(identity);
            }
            Err(error) if !is_last_word(&error) => {
                self.id_trouble = Some(error);
                return self.ask_producer_id();
            }
            Err(error) => {
                self.producer = ProducerIdState::Refused(error.clone());
                return self.fail_all(&error);
            }
        }
        for index in 0..self.partitions.len() {
            self.refresh_readiness(PartitionIndex(u32::try_from(index).unwrap_or(u32::MAX)));
        }
    }

    /// Asks for an id once a pause has passed, unless there was progress since it was asked for
    /// last.
    pub(super) fn ask_producer_id(&mut self) {
        if self.id_asked == 0 {
            return self.ask_producer_id_now();
        }
        let at = self.now + self.settings.backoff.after(self.id_asked, &mut self.random);
        self.producer = ProducerIdState::AskAgain { at };
    }

    pub(super) fn ask_producer_id_now(&mut self) {
        self.id_asked = self.id_asked.saturating_add(1);
        self.producer = ProducerIdState::Asked;
        self.actions.push_back(Action::AskProducerId);
    }
}
