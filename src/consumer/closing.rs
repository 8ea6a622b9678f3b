//! How a consumer is closed.

use std::time::Duration;

use crate::config::bounded;

/// What becomes of a consumer's place in its group when it is closed (KIP-1092, Java's
/// `CloseOptions.GroupMembershipOperation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupMembershipOperation {
    /// A dynamic member leaves, a static one (`group.instance.id`) remains.
    #[default]
    Default,
    /// It leaves, also as a static member: its partitions go to others at once.
    LeaveGroup,
    /// It remains, also as a dynamic member: its partitions go to others only when its session is
    /// over (`session.timeout.ms`, or the broker's `group.consumer.session.timeout.ms`). For a
    /// restart that shall not move the others' partitions, of a static member; a dynamic one that
    /// comes back is another member.
    RemainInGroup,
}

impl GroupMembershipOperation {
    /// Whether a member, static or not, goes without giving up its place.
    pub(super) fn keeps_place(self, is_static: bool) -> bool {
        match self {
            Self::Default => is_static,
            Self::LeaveGroup => false,
            Self::RemainInGroup => true,
        }
    }
}

/// How a consumer is closed: see [`Consumer::close_with`](crate::Consumer::close_with).
///
/// ```
/// use std::time::Duration;
///
/// use kavka::{CloseOptions, GroupMembershipOperation};
///
/// let for_a_restart = CloseOptions::new()
///     .timeout(Duration::from_secs(5))
///     .group_membership_operation(GroupMembershipOperation::RemainInGroup);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CloseOptions {
    pub(super) timeout: Duration,
    pub(super) operation: GroupMembershipOperation,
}

impl CloseOptions {
    /// Creates options with Java's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long closing may take (default 30 s).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = bounded(timeout);
        self
    }

    /// Sets what becomes of the consumer's place in its group.
    #[must_use]
    pub fn group_membership_operation(mut self, operation: GroupMembershipOperation) -> Self {
        self.operation = operation;
        self
    }
}

impl Default for CloseOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), operation: GroupMembershipOperation::default() }
    }
}
