//! Which topics are known, and for how long: from what senders wish for, and from metadata.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;

use super::{SenderTask, at};
use crate::cluster::{self, ClusterView, MetadataInterest};
use crate::error::{Error, ErrorCode, Written};
use crate::ids::{BrokerId, PartitionId, TopicName, TopicPartition};
use crate::producer::accumulator::compression_ratio::CompressionRatioEstimator;
use crate::producer::accumulator::partition::PartitionBatches;
use crate::producer::accumulator::topics::{ProducerTopic, Unkeyed};
use crate::producer::partitioner::TopicPartitions;
use crate::producer::sender::Leader;
use crate::producer::sender::ready::PartitionIndex;
use crate::runtime;
use crate::watch;

/// A topic whose metadata has been seen. It is kept for the sequences of its partitions, also while
/// it is not wanted.
#[derive(Debug)]
pub(super) struct TopicState {
    /// `None` while senders do not see the topic.
    seen: Option<Arc<cluster::Topic>>,
    slots: Vec<Arc<PartitionBatches>>,
    unkeyed: Arc<Unkeyed>,
    limit: Arc<CompressionRatioEstimator>,
}

impl TopicState {
    fn mark_stuck(&self, stuck: &BTreeSet<BrokerId>) {
        let partitions = self.seen.iter().flat_map(|topic| &topic.partitions);
        for (slot, partition) in self.slots.iter().zip(partitions) {
            slot.set_stuck(partition.leader.is_some_and(|leader| stuck.contains(&leader)));
        }
    }
}

impl SenderTask {
    /// Wants the topics that senders have named.
    pub(super) fn fulfil_wishes(&mut self, view: &ClusterView, now: Instant) {
        let names = self.shared.wishes.take_new();
        // Each is counted: one that is wanted already must still be.
        let grown = names.iter().filter(|name| self.wanted.want(name, now)).count();
        self.follow(&names, view);
        if grown > 0 {
            self.show_interest();
        } else if names.iter().any(|name| !self.shared.topics.read().topics.contains_key(name)) {
            self.cluster.request_refresh();
        }
    }

    fn show_interest(&self) {
        self.interest.set(MetadataInterest {
            topics: self.wanted.names().cloned().collect(),
            all: false,
            auto_create: true,
        });
    }

    /// A partition is used: its topic must be known for as long.
    pub(super) fn touch(&mut self, partition: PartitionIndex, now: Instant) {
        let Some(is_touched) = self.touched.get_mut(at(partition)) else { return };
        if std::mem::replace(is_touched, true) {
            return;
        }
        let Some(slot) = self.slots.get(at(partition)) else { return };
        let name = slot.topic_partition.topic.clone();
        if self.wanted.want(&name, now) {
            self.show_interest();
            self.follow([&name], &self.cluster.view());
        }
    }

    /// Has records without a key avoid the partitions of brokers that take nothing (KIP-794).
    pub(super) fn judge_brokers(&mut self, timeout: Duration) {
        let before =
            std::mem::replace(&mut self.stuck, self.machine.stuck(timeout, runtime::now()));
        if before.0 == self.stuck.0 {
            return;
        }
        let known = self.shared.topics.read();
        for (name, followed) in &self.topics {
            followed.mark_stuck(&self.stuck.0);
            if let Some(Ok(topic)) = known.topics.get(name) {
                topic.avoid_unavailable();
            }
        }
    }

    /// Lets go of topics that nobody uses; who sends to one again asks for it again.
    pub(super) fn forget_idle(&mut self, now: Instant) {
        let Self { topics, touched, shared, wanted, .. } = self;
        let idle = wanted.handle_timeout(
            |name| {
                let mut is_used = shared.wishes.has(name, now);
                for slot in topics.get(name).into_iter().flat_map(|followed| &followed.slots) {
                    let was_touched = touched.get_mut(at(slot.index)).is_some_and(std::mem::take);
                    is_used |= was_touched || slot.queued() > 0;
                }
                is_used
            },
            now,
        );
        if idle.is_empty() {
            return;
        }
        debug!(topics = idle.len(), "not used for long, or not there: not asked for any more");
        shared.topics.change(|known| idle.iter().for_each(|name| drop(known.topics.remove(name))));
        for name in &idle {
            shared.wishes.forget(name);
            if let Some(followed) = topics.get_mut(name) {
                followed.seen = None;
            }
        }
        self.show_interest();
    }

    /// Takes over what a view says of the topics sent to.
    pub(super) fn follow_all(&mut self, view: &mut watch::Watcher<Arc<ClusterView>>) {
        let view = Arc::clone(&view.borrow_and_update());
        let names: Vec<_> = self.wanted.names().cloned().collect();
        self.follow(&names, &view);
    }

    pub(super) fn follow<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n TopicName>,
        view: &ClusterView,
    ) {
        let mut has_changed = false;
        for name in names {
            let Some(topic) = view.topic(name).filter(|_| self.wanted.has(name)) else { continue };
            let seen = self.topics.get(name).and_then(|followed| followed.seen.as_ref());
            if seen.is_some_and(|seen| Arc::ptr_eq(seen, topic)) {
                self.shared.wishes.forget(name);
                continue;
            }
            has_changed = true;
            self.wanted.set_known(
                name,
                topic.error.is_none_or(|code| !code.is_retriable()) || !topic.partitions.is_empty(),
            );
            match topic.error {
                Some(code) if !code.is_retriable() => {
                    let error = Error::broker(code)
                        .with_context(&**name)
                        .in_api("Metadata")
                        .with_written(Written::No);
                    self.shared.topics.change(|known| {
                        drop(known.topics.insert(name.clone(), Err(error.clone())))
                    });
                    self.shared.wishes.forget(name);
                }
                // Deleted, or not created yet: whoever sends to it waits, what was accepted stays
                // until its time is over.
                Some(code) if topic.partitions.is_empty() => {
                    self.shared.topics.change(|known| drop(known.topics.remove(name)));
                    self.lose_leaders(name, code);
                }
                _ => {
                    self.follow_topic(name.clone(), topic);
                    self.shared.wishes.forget(name);
                }
            }
        }
        if has_changed {
            self.shared.changed.notify_waiters();
        }
    }

    pub(in crate::producer) fn follow_topic(
        &mut self,
        name: TopicName,
        topic: &Arc<cluster::Topic>,
    ) {
        let followed = self.topics.remove(&name);
        let config = &self.shared.config;
        let own = config.of_topic(&name);
        let partitioner =
            own.and_then(|own| own.partitioner.as_ref()).or(config.partitioner.as_ref());
        let (mut slots, unkeyed, limit) = match followed {
            Some(followed) => (followed.slots, followed.unkeyed, followed.limit),
            None => (
                Vec::new(),
                Arc::new(Unkeyed::new(config, partitioner, self.random.fork())),
                Arc::new(config.batch_limit()),
            ),
        };
        let now = runtime::now();
        for (number, described) in topic.partitions.iter().enumerate() {
            let leader =
                described.leader.map(|broker| Leader { broker, epoch: described.leader_epoch });
            match (slots.get(number), leader) {
                (Some(slot), Some(_)) => self.machine.handle_leader(slot.index, leader, now),
                (Some(slot), None) => {
                    let code = described.error.unwrap_or(ErrorCode::LEADER_NOT_AVAILABLE);
                    self.machine.handle_leaderless(slot.index, code, now);
                }
                (None, _) => {
                    let index = self
                        .machine
                        .add_partition(leader, own.and_then(|own| own.delivery_timeout));
                    let partition = PartitionId(i32::try_from(number).unwrap_or(i32::MAX));
                    let slot = Arc::new(PartitionBatches::new(
                        TopicPartition { topic: name.clone(), partition },
                        index,
                        Arc::clone(&limit),
                        unkeyed.moves_with_every_batch(),
                    ));
                    self.slots.push(Arc::clone(&slot));
                    self.touched.push(false);
                    slots.push(slot);
                }
            }
        }
        let shown = ProducerTopic {
            near: self.near(topic),
            partitions: TopicPartitions::new(
                topic.partitions.iter().map(|partition| partition.leader.is_some()),
            ),
            slots: slots.iter().take(topic.partitions.len()).cloned().collect(),
            unkeyed: Arc::clone(&unkeyed),
            partitioner: partitioner.cloned(),
        };
        let followed = TopicState { seen: Some(Arc::clone(topic)), slots, unkeyed, limit };
        followed.mark_stuck(&self.stuck.0);
        shown.avoid_unavailable();
        let shown = Arc::new(shown);
        self.shared
            .topics
            .change(|known| drop(known.topics.insert(name.clone(), Ok(Arc::clone(&shown)))));
        self.topics.insert(name, followed);
    }

    /// The partitions whose leader is in the client's rack, if that counts.
    fn near(&self, topic: &cluster::Topic) -> Vec<PartitionId> {
        let rack = self.cluster.config().client_rack.as_deref();
        let Some(rack) = rack.filter(|_| self.shared.config.partitioner_rack_aware) else {
            return Vec::new();
        };
        let view = self.cluster.view();
        let is_near =
            |leader| view.broker(leader).and_then(|broker| broker.rack.as_deref()) == Some(rack);
        let near =
            topic.partitions.iter().filter(|partition| partition.leader.is_some_and(is_near));
        near.map(|partition| partition.id).collect()
    }

    fn lose_leaders(&mut self, name: &TopicName, code: ErrorCode) {
        let Some(followed) = self.topics.get_mut(name) else { return };
        followed.seen = None;
        for slot in &followed.slots {
            self.machine.handle_leaderless(slot.index, code, runtime::now());
        }
    }
}
