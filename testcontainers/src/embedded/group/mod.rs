//! Groups: who is in them, by either protocol, and what they have committed.

pub(crate) mod classic;
pub(crate) mod offsets;

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use classic::ClassicGroup;
use classic::serve::Claim;
use offsets::Offsets;

/// A group and its committed offsets.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) kind: Kind,
    /// The broker that coordinates it.
    pub(crate) coordinator: Option<i32>,
    pub(crate) offsets: Offsets,
}

/// The protocol that a group goes by.
#[derive(Debug)]
pub(crate) enum Kind {
    Classic(ClassicGroup),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Classic(ClassicGroup::default())
    }
}

impl Group {
    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        match &mut self.kind {
            Kind::Classic(group) => group.tick(now),
        }
    }

    /// When [`Group::tick`] is due next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Classic(group) => group.deadline(),
        }
    }

    /// The coordinator moves: waiters are told, and the new one has what the log had.
    pub(crate) fn unload(&mut self, now: Instant) {
        match &mut self.kind {
            Kind::Classic(group) => group.unload(now),
        }
    }

    /// The group by the classic protocol, if it goes by that.
    pub(crate) fn classic(&self) -> Option<&ClassicGroup> {
        match &self.kind {
            Kind::Classic(group) => Some(group),
        }
    }

    pub(crate) fn classic_mut(&mut self) -> Option<&mut ClassicGroup> {
        match &mut self.kind {
            Kind::Classic(group) => Some(group),
        }
    }

    /// Whether offsets may be committed in this name.
    pub(crate) fn check_commit(
        &mut self,
        claim: Claim<'_>,
        transactional: bool,
        now: Instant,
    ) -> Result<(), ResponseError> {
        match &mut self.kind {
            Kind::Classic(group) => group.check_commit(claim, transactional, now),
        }
    }

    pub(crate) fn state_name(&self) -> &'static str {
        match &self.kind {
            Kind::Classic(group) => group.state_name(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Classic(group) => group.is_empty(),
        }
    }
}
