//! The spans of `tracing`, by their stable names and fields; all at `debug`, so that a usual filter
//! leaves them out at no cost.
//!
//! Fields that both have are named as OpenTelemetry names them (semantic conventions for messaging
//! and Kafka).

use std::fmt::Display;

use tracing::{Span, debug_span};

use crate::ids::BrokerId;

/// From the first byte to a connection that takes requests.
pub(crate) fn connect(client_id: &str, address: &impl Display) -> Span {
    debug_span!("kafka.connect", messaging.client.id = client_id, server.address = %address)
}

/// One attempt at one request, until its reply.
pub(crate) fn request(client_id: &str, api: &str, node: Option<BrokerId>) -> Span {
    let node_id = node.map(|id| id.0);
    debug_span!(
        "kafka.request",
        messaging.client.id = client_id,
        kafka.api = api,
        kafka.node_id = node_id
    )
}

/// A Produce request and what became of its batches.
pub(crate) fn produce(node: BrokerId, batches: usize) -> Span {
    debug_span!("kafka.produce", kafka.node_id = node.0, kafka.batches = batches)
}

/// A request about a transaction, the producer's so-manieth, to a coordinator.
pub(crate) fn transaction(id: &str, number: u64) -> Span {
    debug_span!("kafka.transaction", kafka.transactional_id = id, kafka.transaction = number)
}

/// A Fetch request of one consumer to one broker.
pub(crate) fn fetch(node: BrokerId, partitions: usize) -> Span {
    debug_span!("kafka.fetch", kafka.node_id = node.0, kafka.partitions = partitions)
}

/// A member joins: the JoinGroup request, which waits for the other members.
pub(crate) fn join(group: &str) -> Span {
    debug_span!("kafka.join", messaging.consumer.group.name = group)
}

/// A member hears what is assigned to it: the SyncGroup request, which waits for the leader.
pub(crate) fn sync(group: &str) -> Span {
    debug_span!("kafka.sync", messaging.consumer.group.name = group)
}

/// Offsets are committed.
pub(crate) fn commit(group: &str, partitions: usize) -> Span {
    debug_span!(
        "kafka.commit",
        messaging.consumer.group.name = group,
        kafka.partitions = partitions
    )
}
