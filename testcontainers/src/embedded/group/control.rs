//! What a test can do to groups, and ask of them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::consumer::member::{ConsumerMember, Partitions};
use super::consumer::{ConsumerGroup, Context};
use crate::embedded::EmbeddedCluster;

/// A consumer group (KIP-848) as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerGroupDescription {
    /// The state, by Kafka's name: `Empty`, `Assigning`, `Reconciling` or `Stable`.
    pub state: String,
    /// The group epoch.
    pub epoch: i32,
    /// The epoch of the target assignment.
    pub assignment_epoch: i32,
    /// The assignor that most members want.
    pub assignor: String,
    /// Its members, in the order of their ids.
    pub members: Vec<ConsumerGroupMember>,
}

/// A member of a consumer group as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerGroupMember {
    /// The member id.
    pub id: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// `client.rack`.
    pub rack: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// The member's epoch; −2 for a static member that will be back.
    pub epoch: i32,
    /// The topics that it names.
    pub topics: Vec<String>,
    /// The regular expression that it is subscribed to; empty for none.
    pub regex: String,
    /// What it has, with what it is still to give up: topic and partition.
    pub assignment: Vec<(String, i32)>,
    /// What it is to have.
    pub target: Vec<(String, i32)>,
}

impl ConsumerGroup {
    pub(crate) fn describe(&self, cx: Context<'_>) -> ConsumerGroupDescription {
        ConsumerGroupDescription {
            state: self.state_name().to_owned(),
            epoch: self.epoch(),
            assignment_epoch: self.target_epoch(),
            assignor: self.assignor_name(cx).to_owned(),
            members: self.members().map(|one| self.describe_member(one, cx)).collect(),
        }
    }

    fn describe_member(&self, member: &ConsumerMember, cx: Context<'_>) -> ConsumerGroupMember {
        let named = |partitions: Partitions| {
            let each = partitions.into_iter().flat_map(|(topic, of)| {
                let name = cx.names.get(&topic);
                name.into_iter()
                    .flat_map(move |name| of.clone().into_iter().map(|one| (name.clone(), one)))
            });
            let mut all: Vec<(String, i32)> = each.collect();
            all.sort();
            all
        };
        ConsumerGroupMember {
            id: member.id.clone(),
            instance_id: member.instance.clone(),
            rack: member.rack.clone(),
            client_id: member.client_id.clone(),
            epoch: member.epoch,
            topics: member.names.iter().cloned().collect(),
            regex: member.regex.clone(),
            assignment: named(member.held()),
            target: named(self.target(&member.id)),
        }
    }
}

/// Groups: their coordinators, their protocol, and who is in them.
///
/// ```
/// # async fn example() -> std::io::Result<()> {
/// use std::time::Duration;
/// use kavka_testcontainers::embedded::EmbeddedCluster;
///
/// let cluster = EmbeddedCluster::builder()
///     .in_memory()
///     .topic("t", 3, 1)
///     .consumer_session_timeout(Duration::from_secs(10))
///     .start()
///     .await?;
/// // ... members join by the consumer protocol ...
/// if let Some(group) = cluster.consumer_group("my-group") {
///     assert_eq!(group.state, "Stable");
///     for member in &group.members {
///         cluster.expire_member("my-group", &member.id);
///     }
/// }
/// # Ok(()) }
/// ```
impl EmbeddedCluster {
    /// Describes a consumer group (KIP-848); `None` if there is none, or it is a classic group.
    pub fn consumer_group(&self, group: &str) -> Option<ConsumerGroupDescription> {
        let mut state = self.shared().lock();
        let (groups, cx) = state.groups_with(Instant::now());
        Some(groups.get(group)?.consumer()?.describe(cx))
    }

    /// Fences a member of a consumer group, as the end of its session does. Returns false if there
    /// is no such member.
    pub fn expire_member(&self, group: &str, member_id: &str) -> bool {
        let mut state = self.shared().lock();
        let (groups, cx) = state.groups_with(Instant::now());
        let Some(group) = groups.get_mut(group) else { return false };
        let has = |group: &ConsumerGroup| group.members().any(|member| member.id == member_id);
        let is_there = group.consumer().is_some_and(has);
        if is_there {
            group.fence(&[member_id.to_owned()], cx);
        }
        is_there
    }

    /// Lets the coordinator of a group answer COORDINATOR_LOAD_IN_PROGRESS for this long.
    pub fn load_group_coordinator(&self, group: &str, during: Duration) {
        let until = Instant::now() + during;
        self.shared().lock().loading_groups.insert(group.to_owned(), until);
    }

    /// Changes the finalized feature `group.version` of a running cluster: 1 for consumer groups
    /// (KIP-848), 0 for classic ones only.
    ///
    /// Clients learn of it from their next ApiVersions response, which has a higher epoch of
    /// finalized features. As in Kafka, the API is listed at either level, and answered
    /// UNSUPPORTED_VERSION at 0.
    pub fn set_group_version(&self, level: i16) {
        let mut state = self.shared().lock();
        state.settings.group_version = level;
        state.features_epoch += 1;
    }

    /// Changes `group.consumer.heartbeat.interval.ms` and `group.consumer.session.timeout.ms` of a
    /// running cluster; members learn of the interval from their next heartbeat.
    pub fn set_consumer_group_timing(&self, heartbeat_interval: Duration, session: Duration) {
        let mut state = self.shared().lock();
        state.settings.consumer_groups.heartbeat_interval = heartbeat_interval;
        state.settings.consumer_groups.session_timeout = session;
    }

    /// Returns the type of every known group, `classic`, `consumer` or `share`, by name.
    pub fn group_types(&self) -> BTreeMap<String, &'static str> {
        let state = self.shared().lock();
        state.groups.iter().map(|(name, group)| (name.clone(), group.type_name())).collect()
    }
}
