//! Assignors of the user's own, and what every assignor of the classic protocol decides on.
//!
//! Only the words: who calls an assignor, and checks what it returns, is `group::assignor`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::group_metadata::ConsumerGroupMetadata;
use crate::ids::{Generation, TopicName, TopicPartition};

/// Assigns the partitions of a group to its members, instead of one of Kafka's strategies. Set by
/// [`AssignmentStrategy::custom`](crate::AssignmentStrategy::custom) (Java's
/// `ConsumerPartitionAssignor`).
///
/// One member, the leader that the group's coordinator chooses, decides for all. So every member
/// must have the assignor, under the same name; members may be of any client. It serves the classic
/// protocol only: with [`GroupProtocol::Consumer`](crate::GroupProtocol::Consumer) the coordinator
/// assigns.
///
/// What members tell each other through it (user data) is the assignor's own: put a version into
/// it, if it may change. Calls run without a lock of this client. A panic is told as an error, as
/// below.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use kavka::{AssignmentStrategy, ConsumerConfig, GroupSubscription, MemberAssignment, PartitionAssignor};
///
/// /// Gives every partition to the first member that wants its topic; the others stand by.
/// #[derive(Debug)]
/// struct OneActive;
///
/// impl PartitionAssignor for OneActive {
///     fn name(&self) -> &str {
///         "one-active"
///     }
///
///     fn assign(
///         &self,
///         group: &GroupSubscription,
///     ) -> Result<BTreeMap<String, MemberAssignment>, Box<dyn std::error::Error + Send + Sync>> {
///         let mut assignments: BTreeMap<String, MemberAssignment> = BTreeMap::new();
///         for partition in group.partitions() {
///             if let Some(member) = group.subscribers(&partition.topic).min_by_key(|member| &member.id) {
///                 assignments.entry(member.id.clone()).or_default().partitions.push(partition);
///             }
///         }
///         Ok(assignments)
///     }
/// }
///
/// let config = ConsumerConfig::new()
///     .group_id("billing")
///     .partition_assignment_strategy([AssignmentStrategy::custom(OneActive)]);
/// ```
pub trait PartitionAssignor: fmt::Debug + Send + Sync + 'static {
    /// Returns the name under which members agree on the assignor. Always the same, and not that of
    /// another strategy of the consumer.
    fn name(&self) -> &str;

    /// Returns how members of this assignor change over to a new assignment (KIP-429; default
    /// [`RebalanceProtocol::Eager`]). Always the same.
    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Eager
    }

    /// Returns what this member tells the leader beside its subscription; default nothing.
    ///
    /// Called before the consumer joins its group, each time, by the task that also sends
    /// heartbeats: it must not block.
    fn subscription_user_data(&self, topics: &BTreeSet<TopicName>) -> Option<Vec<u8>> {
        let _ = topics;
        None
    }

    /// Decides what each member is assigned, by its id. A member that is left out is assigned
    /// nothing.
    ///
    /// Called on the leader only, and beside its heartbeats: it may take until
    /// `max.poll.interval.ms`, for which the group waits. The same group should have the same
    /// assignment, whoever leads.
    ///
    /// With [`RebalanceProtocol::Cooperative`], decide who shall have which partition in the end:
    /// the consumer withholds from the assignment what another member still owns, and assigns it
    /// in the rebalance that follows once that member has given it up.
    ///
    /// # Errors
    /// Any error, as well as a panic, or an assignment of a partition or to a member that is not
    /// there, of a partition twice, or of a topic to which the member is not subscribed. Nothing is
    /// assigned then: the consumer loses its partitions, leaves the group, so that another member
    /// leads, and returns the reason from its next call for records as
    /// [`ErrorKind::Config`](crate::ErrorKind::Config). It joins again when it is asked for more
    /// records, after a backoff.
    fn assign(
        &self,
        group: &GroupSubscription,
    ) -> Result<BTreeMap<String, MemberAssignment>, Box<dyn std::error::Error + Send + Sync>>;

    /// Called on each member with what it is assigned, before its
    /// [`RebalanceListener`](crate::RebalanceListener) hears of it; default nothing.
    ///
    /// Called by the task that also sends heartbeats: it must not block. After a panic the consumer
    /// goes on with the assignment, and returns the reason from its next call for records.
    fn on_assignment(&self, assignment: &MemberAssignment, metadata: &ConsumerGroupMetadata) {
        let _ = (assignment, metadata);
    }
}

/// How the members of a classic group change over to a new assignment (KIP-429).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RebalanceProtocol {
    /// A member gives up all its partitions before it joins again.
    Eager,
    /// A member keeps its partitions while it joins again, and gives up those that are assigned to
    /// it no more. It is eager as long as one of its strategies is.
    Cooperative,
}

/// What an assignor decides on: the members of a group, and the partitions of the topics that they
/// are subscribed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupSubscription {
    /// The topics that some member is subscribed to, without those that do not exist: for each
    /// partition, from 0, the racks of its replicas.
    pub topics: BTreeMap<TopicName, Vec<Racks>>,
    /// The members, in no particular order.
    pub members: Vec<GroupMember>,
}

/// The racks of the replicas of a partition (`broker.rack`), empty if they are not known.
pub type Racks = Vec<Arc<str>>;

/// A member of a classic group, as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupMember {
    /// The id that the coordinator gave the member.
    pub id: String,
    /// The id of a static member (`group.instance.id`, KIP-345).
    pub group_instance_id: Option<String>,
    /// What the member wants and has.
    pub subscription: MemberSubscription,
}

/// What a member wants, has, and where it stands, as it tells the leader of its group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberSubscription {
    /// The topics that the member is subscribed to; for a pattern, those that matched.
    pub topics: Vec<TopicName>,
    /// What the assignor of the member adds for the assignor of the leader
    /// ([`PartitionAssignor::subscription_user_data`]).
    pub user_data: Option<Vec<u8>>,
    /// What the member owns while it joins (KIP-429); empty for one that gives up all before it
    /// joins.
    pub owned_partitions: Vec<TopicPartition>,
    /// The generation in which the member got them; `None` if it is not known (KIP-792).
    ///
    /// Of two members that claim a partition, the one of the later generation owns it.
    pub generation: Option<Generation>,
    /// The rack of the member (`client.rack`, KIP-881).
    pub rack: Option<String>,
}

/// What a member is assigned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberAssignment {
    /// The partitions, in any order.
    pub partitions: Vec<TopicPartition>,
    /// What the assignor of the leader adds for the assignor of the member
    /// ([`PartitionAssignor::on_assignment`]).
    pub user_data: Option<Vec<u8>>,
}

impl GroupSubscription {
    /// Creates what an assignor decides on, without topics that no member is subscribed to and
    /// those without partitions.
    pub fn new(topics: BTreeMap<TopicName, Vec<Racks>>, members: Vec<GroupMember>) -> Self {
        let wanted: BTreeSet<&TopicName> =
            members.iter().flat_map(|member| &member.subscription.topics).collect();
        let mut topics = topics;
        topics.retain(|topic, partitions| !partitions.is_empty() && wanted.contains(topic));
        Self { topics, members }
    }

    /// Returns all partitions, by topic and number.
    pub fn partitions(&self) -> impl Iterator<Item = TopicPartition> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().zip(0_i32..).map(|(_, partition)| TopicPartition {
                topic: topic.clone(),
                partition: partition.into(),
            })
        })
    }

    /// Returns the members that are subscribed to a topic.
    pub fn subscribers(&self, topic: &TopicName) -> impl Iterator<Item = &GroupMember> {
        self.members.iter().filter(|member| member.subscription.topics.contains(topic))
    }
}

impl GroupMember {
    /// Creates a member that is subscribed to topics, and owns nothing.
    pub fn new<T: Into<TopicName>>(
        id: impl Into<String>,
        topics: impl IntoIterator<Item = T>,
    ) -> Self {
        let topics = topics.into_iter().map(Into::into).collect();
        let subscription = MemberSubscription { topics, ..MemberSubscription::default() };
        Self { id: id.into(), group_instance_id: None, subscription }
    }
}

impl MemberAssignment {
    /// Creates an assignment without user data.
    pub fn new(partitions: impl IntoIterator<Item = TopicPartition>) -> Self {
        Self { partitions: partitions.into_iter().collect(), user_data: None }
    }
}
