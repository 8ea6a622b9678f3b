//! What is known of a cluster at one moment: an immutable value that readers share and the metadata
//! task replaces.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::BrokerAddress;
use crate::error::ErrorCode;
use crate::ids::{BrokerId, LeaderEpoch, PartitionId, TopicId, TopicName, TopicPartition};

/// Brokers, topics and leaders.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterView {
    pub(crate) cluster_id: Option<Arc<str>>,
    pub(crate) controller: Option<BrokerId>,
    pub(crate) brokers: BTreeMap<BrokerId, Broker>,
    topics: BTreeMap<TopicName, Arc<Topic>>,
    names: BTreeMap<TopicId, TopicName>,
    /// Counts the replies that went into it; 0 is the view before the first.
    pub(crate) version: u64,
}

/// A broker as the cluster advertises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(crate) id: BrokerId,
    pub(crate) address: BrokerAddress,
    pub(crate) rack: Option<Arc<str>>,
}

/// A topic, or why it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    pub(crate) id: Option<TopicId>,
    pub(crate) is_internal: bool,
    /// Why the broker did not describe it.
    pub(crate) error: Option<ErrorCode>,
    /// In the order of their numbers, without gaps.
    pub(crate) partitions: Vec<Partition>,
}

/// A partition and who leads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) id: PartitionId,
    pub(crate) leader: Option<BrokerId>,
    pub(crate) leader_epoch: Option<LeaderEpoch>,
    pub(crate) replicas: Box<[BrokerId]>,
    pub(crate) error: Option<ErrorCode>,
}

/// A partition and its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionDescription {
    /// The partition's number.
    pub id: PartitionId,
    /// The leader, if there is one.
    pub leader: Option<BrokerId>,
    /// The epoch of the leader, if the broker tells.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// The in-sync replicas.
    pub in_sync_replicas: Vec<BrokerId>,
    /// The offline replicas.
    pub offline_replicas: Vec<BrokerId>,
    /// The replicas that may lead without data loss although they are not in sync, if the broker
    /// tells (KIP-966).
    pub eligible_leader_replicas: Option<Vec<BrokerId>>,
    /// The eligible leader replicas before all were lost, if the broker tells (KIP-966).
    pub last_known_eligible_leader_replicas: Option<Vec<BrokerId>>,
}

/// A leader as a Produce or Fetch reply names it before metadata does (KIP-951).
#[derive(Clone, Debug)]
pub(crate) struct LeaderHint {
    pub(crate) partition: TopicPartition,
    pub(crate) leader: BrokerId,
    pub(crate) epoch: LeaderEpoch,
    /// Where that broker is, if the reply says so.
    pub(crate) address: Option<BrokerAddress>,
}

/// The answer to one Metadata request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) cluster_id: Option<Arc<str>>,
    pub(crate) controller: Option<BrokerId>,
    pub(crate) brokers: BTreeMap<BrokerId, Broker>,
    pub(crate) topics: Vec<Topic>,
}

/// Why a topic is to be asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicTrouble {
    /// The broker does not describe it, for a reason that may pass.
    Missing(ErrorCode),
    /// A partition has no leader.
    Leaderless,
}

impl Topic {
    /// One of which nothing is known but why.
    pub(crate) fn unknown(name: TopicName, error: ErrorCode) -> Self {
        Self { name, id: None, is_internal: false, error: Some(error), partitions: Vec::new() }
    }

    /// What is wrong with it that may pass.
    pub(crate) fn trouble(&self) -> Option<TopicTrouble> {
        match self.error {
            Some(code) => code.is_retriable().then_some(TopicTrouble::Missing(code)),
            None => self
                .partitions
                .iter()
                .any(|partition| partition.leader.is_none())
                .then_some(TopicTrouble::Leaderless),
        }
    }

    /// Whether everything is known of it that there is.
    pub(crate) fn is_described(&self) -> bool {
        self.error.is_none() && self.trouble().is_none()
    }

    pub(crate) fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions.get(usize::try_from(id.0).ok()?)
    }
}

impl ClusterView {
    pub(crate) fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.values()
    }

    pub(crate) fn name_of(&self, id: TopicId) -> Option<&TopicName> {
        self.names.get(&id)
    }

    pub(crate) fn partition(&self, partition: &TopicPartition) -> Option<&Partition> {
        self.topic(&partition.topic)?.partition(partition.partition)
    }

    /// Who leads a partition, and since which epoch as far as that is told.
    pub(crate) fn leader_and_epoch(
        &self,
        partition: &TopicPartition,
    ) -> Option<(BrokerId, Option<LeaderEpoch>)> {
        let known = self.partition(partition)?;
        Some((known.leader?, known.leader_epoch))
    }

    pub(crate) fn leader(&self, partition: &TopicPartition) -> Option<BrokerId> {
        self.partition(partition)?.leader
    }

    pub(crate) fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.brokers.get(&id)
    }

    /// The view after a reply that describes every topic that is still wanted, or, if `is_whole` is
    /// false, some of them.
    ///
    /// A leader with an older epoch than the one known is a broker's stale memory and is not
    /// believed, unless the topic was created anew (KIP-320).
    pub(crate) fn updated(&self, snapshot: Snapshot, is_whole: bool) -> Self {
        let (mut topics, mut names) = if is_whole {
            (BTreeMap::new(), BTreeMap::new())
        } else {
            (self.topics.clone(), self.names.clone())
        };
        for mut topic in snapshot.topics {
            let known = self.topics.get(&topic.name);
            if let Some(old) = known.and_then(|known| known.id).filter(|old| topic.id != Some(*old))
            {
                names.remove(&old);
            }
            if let Some(known) = known.filter(|known| known.id == topic.id) {
                for (new, old) in topic.partitions.iter_mut().zip(&known.partitions) {
                    if new.leader_epoch.is_some() && new.leader_epoch < old.leader_epoch {
                        *new = old.clone();
                    }
                }
            }
            if let Some(id) = topic.id {
                names.insert(id, topic.name.clone());
            }
            topics.insert(topic.name.clone(), Arc::new(topic));
        }
        Self {
            cluster_id: snapshot.cluster_id,
            controller: snapshot.controller,
            brokers: snapshot.brokers,
            topics,
            names,
            version: self.version + 1,
        }
    }

    /// Whether it says the same of brokers and topics.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        (&self.brokers, self.controller, &self.topics)
            == (&other.brokers, other.controller, &other.topics)
    }

    /// The view with the hinted leaders, or `None` if they say nothing new.
    pub(crate) fn hinted(&self, hints: &[LeaderHint]) -> Option<Self> {
        let mut next = None;
        for hint in hints {
            let view = next.as_ref().unwrap_or(self);
            let Some(partition) = view.partition(&hint.partition) else { continue };
            let knows_broker = view.brokers.contains_key(&hint.leader) || hint.address.is_some();
            if !knows_broker || partition.leader_epoch >= Some(hint.epoch) {
                continue;
            }
            let next =
                next.get_or_insert_with(|| Self { version: self.version + 1, ..self.clone() });
            next.apply(hint);
        }
        next
    }

    fn apply(&mut self, hint: &LeaderHint) {
        if let Some(address) = &hint.address {
            let known = self.brokers.get(&hint.leader);
            let rack = known.and_then(|broker| broker.rack.clone());
            self.brokers
                .insert(hint.leader, Broker { id: hint.leader, address: address.clone(), rack });
        }
        let Some(topic) = self.topics.get_mut(&hint.partition.topic).map(Arc::make_mut) else {
            return;
        };
        let index = usize::try_from(hint.partition.partition.0).unwrap_or(usize::MAX);
        if let Some(partition) = topic.partitions.get_mut(index) {
            partition.leader = Some(hint.leader);
            partition.leader_epoch = Some(hint.epoch);
            partition.error = None;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn partition(id: i32, leader: i32, epoch: i32) -> Partition {
        Partition {
            id: PartitionId(id),
            leader: (leader >= 0).then_some(BrokerId(leader)),
            leader_epoch: Some(LeaderEpoch(epoch)),
            replicas: [BrokerId(leader)].into(),
            error: None,
        }
    }

    pub(crate) fn topic(name: &str, id: u8, partitions: Vec<Partition>) -> Topic {
        Topic {
            name: name.into(),
            id: crate::ids::Uuid([id; 16]).known(),
            is_internal: false,
            error: None,
            partitions,
        }
    }

    pub(crate) fn view(brokers: &[i32], topics: Vec<Topic>) -> ClusterView {
        let brokers = brokers.iter().map(|id| {
            let address = BrokerAddress::new(format!("b{id}"), 9092);
            (BrokerId(*id), Broker { id: BrokerId(*id), address, rack: None })
        });
        let snapshot = Snapshot { brokers: brokers.collect(), topics, ..Snapshot::default() };
        ClusterView::default().updated(snapshot, true)
    }

    fn snapshot(topics: Vec<Topic>) -> Snapshot {
        Snapshot { topics, ..Snapshot::default() }
    }

    #[test]
    fn an_older_leader_epoch_is_not_believed() {
        let view = view(&[1, 2], vec![topic("t", 1, vec![partition(0, 1, 5)])]);
        let tp = TopicPartition::new("t", 0);
        assert_eq!(
            view.updated(snapshot(vec![topic("t", 1, vec![partition(0, 2, 4)])]), true).leader(&tp),
            Some(BrokerId(1))
        );
        assert_eq!(
            view.updated(snapshot(vec![topic("t", 1, vec![partition(0, 2, 6)])]), true).leader(&tp),
            Some(BrokerId(2))
        );
    }

    #[test]
    fn a_topic_created_anew_starts_from_its_own_epochs() {
        let view = view(&[1, 2], vec![topic("t", 1, vec![partition(0, 1, 5)])]);
        let anew = view.updated(snapshot(vec![topic("t", 2, vec![partition(0, 2, 0)])]), true);
        assert_eq!(anew.leader(&TopicPartition::new("t", 0)), Some(BrokerId(2)));
        assert_eq!(anew.name_of(TopicId([1; 16])), None);
        assert_eq!(anew.name_of(TopicId([2; 16])), Some(&"t".into()));
    }

    #[test]
    fn a_reply_about_some_topics_leaves_the_others_as_they_were() {
        let view = view(
            &[1, 2],
            vec![topic("t", 1, vec![partition(0, 1, 5)]), topic("u", 2, vec![partition(0, 1, 1)])],
        );
        let next = view.updated(snapshot(vec![topic("t", 3, vec![partition(0, 2, 0)])]), false);
        let names: Vec<&str> = next.topics().map(|topic| topic.name.as_str()).collect();
        assert_eq!(names, ["t", "u"]);
        assert_eq!(
            (next.name_of(TopicId([1; 16])), next.name_of(TopicId([2; 16]))),
            (None, Some(&"u".into()))
        );
        assert_eq!(next.updated(snapshot(vec![]), true).topics().count(), 0);
    }

    #[test]
    fn a_hint_moves_the_leader_only_to_a_newer_epoch_on_a_known_broker() {
        let view = view(&[1, 2], vec![topic("t", 1, vec![partition(0, 1, 5)])]);
        let hint = |leader, epoch, address| LeaderHint {
            partition: TopicPartition::new("t", 0),
            leader: BrokerId(leader),
            epoch: LeaderEpoch(epoch),
            address,
        };
        assert!(view.hinted(&[hint(2, 5, None)]).is_none(), "same epoch");
        assert!(view.hinted(&[hint(3, 6, None)]).is_none(), "unknown broker without an address");
        let moved = view.hinted(&[hint(2, 6, None)]).unwrap();
        assert_eq!(moved.leader(&TopicPartition::new("t", 0)), Some(BrokerId(2)));
        let joined = view.hinted(&[hint(3, 6, Some(BrokerAddress::new("b3", 9092)))]).unwrap();
        assert!(joined.broker(BrokerId(3)).is_some());
    }
}
