//! A membership, by whichever protocol.

use std::time::Instant;

use super::classic::Classic;
use super::member::{GroupMemberIdentity, MemberAction, WantedTopics};
use super::reconciling::Reconciling;
use crate::consumer::closing::GroupMembershipOperation;
use crate::consumer::membership::MembershipState;
use crate::error::Error;

/// A membership of the classic protocol or of the consumer protocol (`group.protocol`).
#[derive(Debug)]
pub(crate) enum GroupMembership {
    Classic(Classic),
    Consumer(Reconciling),
}

/// Calls the same method of either.
macro_rules! either {
    ($self:ident, $membership:ident => $call:expr) => {
        match $self {
            Self::Classic($membership) => $call,
            Self::Consumer($membership) => $call,
        }
    };
}

impl GroupMembership {
    /// See [`Classic::handle_wanted`].
    pub(crate) fn handle_wanted(&mut self, wanted: Option<WantedTopics>, now: Instant) {
        either!(self, membership => membership.handle_wanted(wanted, now));
    }

    /// See [`Classic::handle_close`].
    pub(crate) fn handle_close(&mut self, operation: GroupMembershipOperation, now: Instant) {
        either!(self, membership => membership.handle_close(operation, now));
    }

    /// See [`Classic::handle_polled`].
    pub(crate) fn handle_polled(&mut self, now: Instant) {
        either!(self, membership => membership.handle_polled(now));
    }

    /// See [`Classic::handle_revoked`].
    pub(crate) fn handle_revoked(&mut self, now: Instant) {
        either!(self, membership => membership.handle_revoked(now));
    }

    /// The application has heard of what it was assigned.
    pub(crate) fn handle_assigned(&mut self, now: Instant) {
        if let Self::Consumer(membership) = self {
            membership.handle_assigned(now);
        }
    }

    /// See [`Classic::handle_refused`].
    pub(crate) fn handle_refused(
        &mut self,
        sent_by: &GroupMemberIdentity,
        error: &Error,
        now: Instant,
    ) {
        either!(self, membership => membership.handle_refused(sent_by, error, now));
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        either!(self, membership => membership.handle_timeout(now));
    }

    pub(crate) fn poll(&mut self) -> Option<MemberAction> {
        either!(self, membership => membership.poll())
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        either!(self, membership => membership.poll_timeout())
    }

    /// See [`Classic::identity`].
    pub(crate) fn identity(&self) -> &GroupMemberIdentity {
        either!(self, membership => membership.identity())
    }

    /// See [`Classic::confirmed`]. An epoch of the consumer protocol is written down before a member
    /// hears of it.
    pub(crate) fn confirmed(&self) -> &GroupMemberIdentity {
        match self {
            Self::Classic(membership) => membership.confirmed(),
            Self::Consumer(membership) => membership.identity(),
        }
    }

    /// See [`Classic::is_away`].
    pub(crate) fn is_away(&self) -> bool {
        either!(self, membership => membership.is_away())
    }

    /// See [`Classic::is_idle`].
    pub(crate) fn is_idle(&self) -> bool {
        either!(self, membership => membership.is_idle())
    }

    /// See [`Classic::is_member`].
    pub(crate) fn is_member(&self) -> bool {
        either!(self, membership => membership.is_member())
    }

    /// As the application is told.
    pub(crate) fn state(&self) -> MembershipState {
        let is_stable = either!(self, membership => membership.is_stable());
        match self.is_member() {
            true if is_stable => MembershipState::Stable,
            true => MembershipState::Rebalancing,
            false => MembershipState::NotMember,
        }
    }

    /// See [`Classic::can_commit`].
    pub(crate) fn can_commit(&self) -> bool {
        either!(self, membership => membership.can_commit())
    }

    /// The classic one, if it is that.
    pub(crate) fn classic(&mut self) -> Option<&mut Classic> {
        if let Self::Classic(membership) = self { Some(membership) } else { None }
    }

    /// That of the consumer protocol, if it is that.
    pub(crate) fn reconciling(&mut self) -> Option<&mut Reconciling> {
        if let Self::Consumer(membership) = self { Some(membership) } else { None }
    }
}
