//! Brokers that do not answer, or take nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{Action, Sender, index};
use crate::ids::BrokerId;

impl Sender {
    /// When the oldest request will have been silent for long, or is to be looked at again.
    pub(super) fn silence_ends(&self) -> Option<Instant> {
        let (_, oldest) = self.requests.first_key_value()?;
        Some((oldest.sent + SILENCE).max(self.next_look))
    }

    /// A broker that is silent may have been replaced: metadata tells, and then nobody waits for
    /// its answer.
    pub(super) fn check_silence(&mut self) {
        self.next_look = self.now + SILENCE;
        self.refresh_metadata();
        if self.settings.epochs.is_none() {
            // What goes to the next leader then could be there twice.
            return;
        }
        let silent = self.requests.values().filter(|request| request.sent + SILENCE <= self.now);
        let left_behind = silent.filter(|request| {
            let leaders = request
                .batches
                .iter()
                .filter_map(|(partition, _)| self.partitions.get(index(*partition))?.leader);
            leaders.into_iter().any(|leader| leader.broker != request.broker)
        });
        let brokers: BTreeSet<_> = left_behind.map(|request| request.broker).collect();
        self.actions.extend(brokers.into_iter().map(Action::HangUp));
    }

    /// Brokers that could take nothing more for so long, and when to ask again (KIP-794): there is
    /// no connection, or as many requests are on their way as may be.
    pub(in crate::producer) fn stuck(
        &self,
        timeout: Duration,
        now: Instant,
    ) -> (BTreeSet<BrokerId>, Option<Instant>) {
        let mut last_sent = BTreeMap::new();
        for request in self.requests.values() {
            let (since, waits) = last_sent.entry(request.broker).or_insert((request.sent, false));
            if !request.departure.has_left() && !*waits {
                (*since, *waits) = (request.sent, true);
            } else if !*waits {
                *since = request.sent;
            }
        }
        let blocked = last_sent
            .into_iter()
            .filter(|(broker, (_, waits))| *waits || self.ready.is_full(*broker));
        let (late, early): (Vec<_>, Vec<_>) = blocked
            .map(|(broker, (since, _))| (broker, since + timeout))
            .partition(|(_, end)| *end <= now);
        (
            late.into_iter().map(|(broker, _)| broker).collect(),
            early.into_iter().map(|(_, end)| end).min(),
        )
    }
}

/// How long a request goes unanswered before the client asks whether its broker still leads (a
/// guess: rare while brokers are well).
const SILENCE: Duration = Duration::from_secs(2);
