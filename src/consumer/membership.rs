//! Where a consumer stands in its group, in the words of the public API.

use crate::group_metadata::ConsumerGroupMetadata;

/// Where a consumer stands in its group, as
/// [`ConsumerHandle::membership`](crate::ConsumerHandle::membership) returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerMembership {
    /// Whether the consumer is a member, and whether its assignment may change right now.
    pub state: MembershipState,
    /// Which member it is: its group, its id (empty before the first join), its
    /// `group.instance.id`, and the generation that it joined last, under the consumer protocol its
    /// epoch.
    pub metadata: ConsumerGroupMetadata,
}

/// Whether a consumer is a member of its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MembershipState {
    /// It is not: nothing is subscribed, it was refused or fenced, or it does not ask for records.
    #[default]
    NotMember,
    /// It joins, or gives up or takes over partitions.
    Rebalancing,
    /// It has its assignment. A rebalance of others is only known with the next heartbeat.
    Stable,
}
