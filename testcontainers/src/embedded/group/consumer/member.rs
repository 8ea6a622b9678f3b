//! A member of a consumer group, after Kafka's `ConsumerGroupMember`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::mixed::ByClassic;
use super::request::Beat;

/// Partitions by topic.
pub(crate) type Partitions = BTreeMap<Uuid, BTreeSet<i32>>;

/// Partitions by topic, each with the epoch of the target that gave it to the member.
pub(crate) type Owned = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// How far a member is on its way to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has all that its epoch gives it.
    Stable,
    /// It is to give up partitions, and has not said yet that it has.
    UnrevokedPartitions,
    /// It waits for partitions that others have not given up.
    UnreleasedPartitions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConsumerMember {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) rack: Option<String>,
    pub(crate) client_id: String,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) names: BTreeSet<String>,
    /// Empty for none, as in Kafka.
    pub(crate) regex: String,
    pub(crate) assignor: Option<String>,
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    pub(crate) assigned: Owned,
    /// To be given up.
    pub(crate) revoking: Owned,
    /// Fenced if it is not heard of until then.
    pub(crate) alive_until: Instant,
    /// Fenced if it is still at that epoch then.
    pub(crate) revoke_until: Option<(Instant, i32)>,
    /// It has joined by the classic protocol.
    pub(crate) classic: Option<ByClassic>,
}

impl ConsumerMember {
    pub(crate) fn new(id: String, now: Instant) -> Self {
        Self {
            id,
            instance: None,
            rack: None,
            client_id: String::new(),
            rebalance_timeout: Duration::ZERO,
            names: BTreeSet::new(),
            regex: String::new(),
            assignor: None,
            epoch: 0,
            previous_epoch: -1,
            state: MemberState::Stable,
            assigned: Owned::new(),
            revoking: Owned::new(),
            alive_until: now,
            revoke_until: None,
            classic: None,
        }
    }

    /// The static member that takes this one's place.
    pub(crate) fn replaced_by(&self, id: String) -> Self {
        Self { id, epoch: 0, previous_epoch: 0, revoke_until: None, ..self.clone() }
    }

    /// Takes what the request says; what it leaves out stays.
    pub(crate) fn update(&mut self, beat: &Beat) {
        let keep = |new: &Option<String>, old: &mut Option<String>| {
            if new.is_some() {
                old.clone_from(new);
            }
        };
        keep(&beat.instance, &mut self.instance);
        keep(&beat.rack, &mut self.rack);
        keep(&beat.assignor, &mut self.assignor);
        self.client_id.clone_from(&beat.client_id);
        self.classic = None;
        if let Some(timeout) = beat.rebalance_timeout {
            self.rebalance_timeout = timeout;
        }
        if let Some(names) = &beat.names {
            self.names = names.iter().cloned().collect();
        }
        if let Some(regex) = &beat.regex {
            self.regex.clone_from(regex);
        }
    }

    /// The same in the coordinator's log, which knows no timers.
    pub(crate) fn is_written_as(&self, other: &Self) -> bool {
        let mut timed = other.clone();
        timed.alive_until = self.alive_until;
        timed.revoke_until = self.revoke_until;
        if let (Some(other), Some(this)) = (&mut timed.classic, &self.classic) {
            (other.join_until, other.sync_until) = (this.join_until, this.sync_until);
        }
        *self == timed
    }

    pub(crate) fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }

    /// The regular expression that it is subscribed to.
    pub(crate) fn regex(&self) -> Option<&str> {
        Some(self.regex.as_str()).filter(|regex| !regex.is_empty())
    }

    /// It has the partition, or is to give it up.
    pub(crate) fn holds(&self, topic: &Uuid, partition: i32) -> bool {
        epoch_of(&self.assigned, topic, partition).is_some()
            || epoch_of(&self.revoking, topic, partition).is_some()
    }
}

pub(crate) fn epoch_of(owned: &Owned, topic: &Uuid, partition: i32) -> Option<i32> {
    owned.get(topic)?.get(&partition).copied()
}
