//! What the memberships of both protocols have in common: who the member is, what it wants, and what
//! it has done for it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use super::assignor::Assignor;
use crate::cluster::Backoff;
use crate::consumer::assignor::GroupSubscription;
use crate::consumer::membership::MembershipState;
use crate::consumer::subscription::Pattern;
use crate::error::Error;
use crate::group_metadata::ConsumerGroupMetadata;
use crate::ids::{Attempt, Generation, GroupId, PartitionsById, TopicName, TopicPartition};

/// What does not change while the consumer lives.
#[derive(Clone, Debug)]
pub(crate) struct MemberSettings {
    pub(crate) group: GroupId,
    pub(crate) instance: Option<String>,
    pub(crate) rack: Option<String>,
    /// Of the consumer protocol: how the coordinator is to assign, if not by its own choice.
    pub(crate) remote_assignor: Option<String>,
    /// Of the classic protocol, in order of preference.
    pub(crate) strategies: Vec<Assignor>,
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_poll_interval: Duration,
    pub(crate) backoff: Backoff,
}

/// The topics that the application wants to share with the group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct WantedTopics {
    /// For a pattern of a classic group, those that match it now; in a group of the consumer protocol
    /// the coordinator finds them.
    pub(crate) topics: BTreeSet<TopicName>,
    /// The leader of a classic group may know a matching topic before this member does.
    pub(crate) pattern: Option<Pattern>,
}

impl WantedTopics {
    /// The pattern as the coordinator reads it, empty for none.
    pub(crate) fn regex(&self) -> &str {
        self.pattern.as_ref().map_or("", Pattern::text)
    }

    pub(crate) fn has(&self, topic: &TopicName) -> bool {
        self.topics.contains(topic)
            || self.pattern.as_ref().is_some_and(|pattern| pattern.matches(topic))
    }
}

/// Who the member is to the coordinator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupMemberIdentity {
    /// In a classic group given by the coordinator, and empty before.
    pub(crate) member: String,
    /// In a group of the consumer protocol the epoch of the member. `None` while not a member.
    pub(crate) generation: Option<Generation>,
}

/// Why a member joins, which the coordinator logs (KIP-800).
pub(crate) type JoinReason = Cow<'static, str>;

/// Who the member is, and how the application is told that it stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemberStanding {
    pub(crate) identity: GroupMemberIdentity,
    pub(crate) state: MembershipState,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum MemberAction {
    /// Send JoinGroup; the strategies come with the subscription for each.
    Join { attempt: Attempt, member: String, protocols: Vec<(String, Vec<u8>)>, reason: JoinReason },
    /// Find out the partitions of these topics, which members of the group want.
    Describe { attempt: Attempt, topics: BTreeSet<TopicName> },
    /// Decide for the group, and say what by `handle_decided`.
    Decide { attempt: Attempt, strategy: Assignor, group: GroupSubscription },
    /// Send SyncGroup; the leader's carries what all shall own.
    Sync {
        attempt: Attempt,
        identity: GroupMemberIdentity,
        protocol: String,
        assignments: Vec<(String, Vec<u8>)>,
    },
    /// Send Heartbeat.
    Heartbeat { attempt: Attempt, identity: GroupMemberIdentity },
    /// Send ConsumerGroupHeartbeat.
    Reconcile { attempt: Attempt, heartbeat: MemberHeartbeat },
    /// Say what the topics of the target are called, by `handle_names`.
    NameTopics,
    /// Send a last ConsumerGroupHeartbeat and do not wait for more than its reply.
    LeaveReconciled(MemberHeartbeat),
    /// Send LeaveGroup and do not wait for more than its reply.
    Leave { member: String, reason: &'static str },
    /// Stop delivering these, commit them if the client commits by itself, tell the application,
    /// then say so by `handle_revoked`.
    Revoke(Vec<TopicPartition>),
    /// As `Revoke`, but tell the application that they are lost: whoever leaves while its group
    /// rebalances cannot know that what it commits counts.
    Abandon(Vec<TopicPartition>),
    /// Stop delivering these at once, they are no longer owned; the application is being told
    /// already.
    Drop(Vec<TopicPartition>),
    /// As `Drop`, and tell the application.
    Lost(Vec<TopicPartition>),
    /// Tell the application and deliver these from now on; may be empty, and then ends a rebalance
    /// all the same.
    Assign(Vec<TopicPartition>),
    /// Tell the application of this failure.
    Report(Error),
    /// Tell the application of this failure each time it asks: the membership has ended for good.
    Fail(Error),
}

/// What a heartbeat says; `None` is what has not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberHeartbeat {
    pub(crate) member: String,
    /// 0 joins, -1 leaves, and -2 leaves for a while, as a static member.
    pub(crate) epoch: i32,
    /// Whether it says everything, also what never changes.
    pub(crate) is_full: bool,
    pub(crate) topics: Option<BTreeSet<TopicName>>,
    /// Empty to want no topics by pattern any more.
    pub(crate) regex: Option<String>,
    pub(crate) owned: Option<PartitionsById>,
}

impl MemberSettings {
    /// Who a member is to its group, in the words of the public API.
    pub(super) fn metadata(&self, identity: &GroupMemberIdentity) -> ConsumerGroupMetadata {
        ConsumerGroupMetadata {
            group_id: self.group.clone(),
            generation: identity.generation,
            member_id: identity.member.clone(),
            group_instance_id: self.instance.clone(),
        }
    }

    /// Why a static member has ended: its place is another's.
    pub(super) fn replaced(&self, error: &Error) -> Error {
        let instance = self.instance.as_deref().unwrap_or_default();
        error.clone().with_context(format!(
            "another consumer has joined with group.instance.id {instance:?}"
        ))
    }
}
