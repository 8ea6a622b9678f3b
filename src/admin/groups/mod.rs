//! Groups: classic, consumer, share and streams groups.

use std::collections::BTreeMap;
use std::fmt;

use super::wire_enum::worded;
use super::{Admin, Outcomes, check, keys, non_empty};
use crate::cluster::{CoordinatorKey, Item, Route};
use crate::error::{Error, Result};
use crate::ids::{BrokerId, GroupId};
use crate::wire::call::Request;
use crate::wire::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use crate::wire::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity};
use crate::wire::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};

mod classic;
mod consumer;
mod lag;
mod offsets;
mod share;
mod streams;

pub use classic::{ClassicGroup, ClassicMember};
pub use consumer::{ConsumerGroup, ConsumerGroupMember};
pub use lag::GroupLag;
pub use offsets::{CommittedOffset, NewOffset};
pub use share::{ShareGroup, ShareGroupMember, ShareOffset};
pub use streams::{StreamsGroup, StreamsGroupMember, StreamsTasks, Subtopology};

worded! {
    /// The state of a group.
    GroupState {
        /// A classic group is waiting for its members to join.
        PreparingRebalance = "PreparingRebalance";
        /// A classic group is waiting for its leader's assignment.
        CompletingRebalance = "CompletingRebalance";
        /// A consumer group is computing its assignment.
        Assigning = "Assigning";
        /// The members of a consumer group are moving to their target assignment.
        Reconciling = "Reconciling";
        /// A streams group is not ready, for example because a topic is missing.
        NotReady = "NotReady";
        /// Every member has its assignment.
        Stable = "Stable";
        /// The group has no members.
        Empty = "Empty";
        /// The group does not exist, or no longer.
        Dead = "Dead";
    }
}

worded! {
    /// The type of a group, that is, its protocol.
    GroupType {
        /// The classic protocol (JoinGroup and SyncGroup).
        Classic = "Classic";
        /// The consumer protocol (KIP-848).
        Consumer = "Consumer";
        /// A share group (KIP-932).
        Share = "Share";
        /// A group of Kafka Streams (KIP-1071).
        Streams = "Streams";
    }
}

/// A listing collected from many brokers, some of which may have failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listing<T> {
    /// The items found.
    pub items: Vec<T>,
    /// The brokers that failed; their items are missing.
    pub failures: BTreeMap<BrokerId, Error>,
}

/// Selects groups; by default, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupFilter {
    states: Vec<GroupState>,
    types: Vec<GroupType>,
    protocol_types: Vec<String>,
}

impl GroupFilter {
    /// Selects all groups.
    pub fn all() -> Self {
        Self::default()
    }

    /// Selects groups in one of these states (Kafka 2.6).
    #[must_use]
    pub fn states(mut self, states: impl IntoIterator<Item = GroupState>) -> Self {
        self.states = states.into_iter().collect();
        self
    }

    /// Selects groups of one of these types (Kafka 3.7).
    #[must_use]
    pub fn types(mut self, types: impl IntoIterator<Item = GroupType>) -> Self {
        self.types = types.into_iter().collect();
        self
    }

    /// Selects groups of one of these protocol types, such as `consumer` or `connect`; empty are
    /// groups that have only committed offsets. The client selects, on any version of Kafka.
    #[must_use]
    pub fn protocol_types(
        mut self,
        protocol_types: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.protocol_types = protocol_types.into_iter().map(Into::into).collect();
        self
    }

    fn has_protocol_type(&self, protocol_type: &str) -> bool {
        self.protocol_types.is_empty() || self.protocol_types.iter().any(|of| of == protocol_type)
    }
}

/// A group in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupListing {
    /// The group's id.
    pub id: GroupId,
    /// The protocol type, such as `consumer` or `connect`; `None` if the group has only committed
    /// offsets.
    pub protocol_type: Option<String>,
    /// The state of the group, if the broker tells (2.6 and newer).
    pub state: Option<GroupState>,
    /// The type of the group, if the broker tells (3.7 and newer).
    pub kind: Option<GroupType>,
    /// The coordinator.
    pub coordinator: BrokerId,
}

/// A member to remove from a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MemberToRemove {
    /// The static member with this `group.instance.id`.
    Instance(String),
    /// The member with this id.
    Member(String),
}

impl fmt::Display for MemberToRemove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(id) => write!(f, "instance {id}"),
            Self::Member(id) => f.write_str(id),
        }
    }
}

impl Item for MemberToRemove {
    const KIND: &'static str = "member";
}

impl Item for GroupId {
    const KIND: &'static str = "group";
}

fn coordinator(group: &GroupId) -> Route {
    Route::Coordinator(CoordinatorKey::group(group))
}

impl Admin {
    /// Lists the groups of all coordinators.
    ///
    /// # Errors
    /// The last failure, of the class [`Class::Retriable`](crate::Class::Retriable), if the brokers
    /// could not be discovered in time. Failures of single brokers are in the listing.
    pub async fn list_groups(&self, filter: GroupFilter) -> Result<Listing<GroupListing>> {
        let request = |_| ListGroupsRequest {
            states_filter: filter.states.iter().map(GroupState::as_str).collect(),
            types_filter: filter.types.iter().map(GroupType::as_str).collect(),
        };
        let read = |response: &ListGroupsResponse<'_>| {
            check(response.error_code, None)?;
            let wanted = |protocol_type| filter.has_protocol_type(protocol_type);
            let groups = response.groups.iter().filter(|group| wanted(group.protocol_type));
            let listed = groups.map(|group| GroupListing {
                id: group.group_id.into(),
                protocol_type: non_empty(group.protocol_type),
                state: non_empty(group.group_state).map(|state| GroupState::from(state.as_str())),
                kind: non_empty(group.group_type).map(|kind| GroupType::from(kind.as_str())),
                coordinator: BrokerId(-1),
            });
            Ok(listed.collect())
        };
        let mut listing: Listing<(BrokerId, GroupListing)> =
            self.list_with_broker(request, read).await?;
        let items = listing
            .items
            .drain(..)
            .map(|(coordinator, group)| GroupListing { coordinator, ..group });
        Ok(Listing { items: items.collect(), failures: listing.failures })
    }

    /// Deletes groups of any type that have no members, together with their offsets.
    ///
    /// # Errors
    /// For a group: [`NON_EMPTY_GROUP`](crate::ErrorCode::NON_EMPTY_GROUP),
    /// [`GROUP_ID_NOT_FOUND`](crate::ErrorCode::GROUP_ID_NOT_FOUND),
    /// [`GROUP_AUTHORIZATION_FAILED`](crate::ErrorCode::GROUP_AUTHORIZATION_FAILED).
    pub async fn delete_groups(
        &self,
        groups: impl IntoIterator<Item = impl Into<GroupId>>,
    ) -> Outcomes<GroupId, ()> {
        let groups = keys::<GroupId>(groups);
        let read = |_: &[_], response: &DeleteGroupsResponse<'_>| {
            let results = response.results.iter();
            Ok(results
                .map(|group| {
                    (GroupId::from(group.group_id), check(group.error_code, group.error_message))
                })
                .collect())
        };
        self.change_each(
            &groups,
            coordinator,
            |share, _| DeleteGroupsRequest {
                groups_names: share.iter().map(|(group, ())| group.as_str()).collect(),
            },
            read,
        )
        .await
    }

    /// Removes members from a group, which makes it rebalance. `reason` is written to the
    /// coordinator's log. A member that is still running joins again.
    ///
    /// # Errors
    /// For a member: [`UNKNOWN_MEMBER_ID`](crate::ErrorCode::UNKNOWN_MEMBER_ID);
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 2.4.
    pub async fn remove_members(
        &self,
        group: impl Into<GroupId>,
        members: impl IntoIterator<Item = MemberToRemove>,
        reason: &str,
    ) -> Outcomes<MemberToRemove, ()> {
        let group = group.into();
        let members = keys::<MemberToRemove>(members);
        let read = |_: &[_], response: &LeaveGroupResponse<'_>| {
            check(response.error_code, None)?;
            let removed = response.members.iter().map(|member| {
                let removed = match member.group_instance_id {
                    Some(id) => MemberToRemove::Instance(id.to_owned()),
                    None => MemberToRemove::Member(member.member_id.to_owned()),
                };
                (removed, check(member.error_code, None))
            });
            Ok(removed.collect())
        };
        self.change_each(
            &members,
            |_| coordinator(&group),
            |share, version| LeaveGroupRequest {
                group_id: &group,
                // Before version 3 a request is of the member itself; what is set here is then
                // refused when it is written.
                members: share
                    .iter()
                    .map(|(member, ())| {
                        let (member_id, group_instance_id) = match member {
                            MemberToRemove::Instance(id) => ("", Some(id.as_str())),
                            MemberToRemove::Member(id) => (id.as_str(), None),
                        };
                        MemberIdentity {
                            member_id,
                            group_instance_id,
                            reason: Some(reason).filter(|_| version >= 5),
                        }
                    })
                    .collect(),
                ..LeaveGroupRequest::default()
            },
            read,
        )
        .await
    }

    /// Removes all members of a classic or consumer group.
    ///
    /// # Errors
    /// As [`Admin::describe_consumer_groups`]. For a member, as [`Admin::remove_members`].
    pub async fn remove_all_members(
        &self,
        group: impl Into<GroupId>,
        reason: &str,
    ) -> Result<Outcomes<MemberToRemove, ()>> {
        let group = group.into();
        let this = self.begun();
        let described = super::only(this.describe_consumer_groups([group.clone()]).await)?;
        let members = described.members.into_iter().map(|member| match member.instance_id {
            Some(id) => MemberToRemove::Instance(id),
            None => MemberToRemove::Member(member.id),
        });
        Ok(this.remove_members(group, members, reason).await)
    }

    /// Asks every broker for its part of a list.
    pub(super) async fn list_everywhere<T, R: Request>(
        &self,
        request: impl Fn(i16) -> R,
        read: impl for<'a> Fn(&R::Response<'a>) -> Result<Vec<T>>,
    ) -> Result<Listing<T>> {
        let listing = self.list_with_broker(request, read).await?;
        Ok(Listing {
            items: listing.items.into_iter().map(|(_, item)| item).collect(),
            failures: listing.failures,
        })
    }

    async fn list_with_broker<T, R: Request>(
        &self,
        request: impl Fn(i16) -> R,
        read: impl for<'a> Fn(&R::Response<'a>) -> Result<Vec<T>>,
    ) -> Result<Listing<(BrokerId, T)>> {
        let this = self.begun();
        let brokers: Vec<BrokerId> =
            this.describe_cluster().await?.brokers.into_iter().map(|broker| broker.id).collect();
        let brokers = keys::<BrokerId>(brokers);
        let read = |share: &[(&BrokerId, &())], response: &R::Response<'_>| {
            let items = read(response);
            Ok(share.iter().take(1).map(|(broker, ())| **broker).zip([items]).collect())
        };
        let answers = this
            .ask_each(
                &brokers,
                |broker| Route::Broker(*broker),
                |_, version| request(version),
                read,
            )
            .await;
        let mut listing = Listing { items: Vec::new(), failures: BTreeMap::new() };
        let mut last = None;
        for (broker, answer) in answers {
            match answer {
                Ok(items) => listing.items.extend(items.into_iter().map(|item| (broker, item))),
                Err(error) => {
                    last = Some(error.clone());
                    listing.failures.insert(broker, error);
                }
            }
        }
        match last {
            // When nobody answered there is no list to speak of.
            Some(error) if listing.failures.len() == brokers.len() => Err(error),
            _ => Ok(listing),
        }
    }

    /// The broker that has just answered for a group.
    fn coordinator_of(&self, group: &GroupId) -> Option<BrokerId> {
        self.cluster.known_coordinator(&CoordinatorKey::group(group))
    }
}
