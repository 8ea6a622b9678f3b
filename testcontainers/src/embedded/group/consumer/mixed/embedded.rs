//! The messages inside of the classic protocol: Java's `ConsumerProtocol`.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition;
use kafka_protocol::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::embedded::group::consumer::Context;
use crate::embedded::group::consumer::member::Partitions;

/// The newest version that is known; later ones begin as this one does.
const NEWEST: i16 = 3;

/// What a classic member subscribes to.
pub(super) struct Subscription {
    pub(super) topics: Vec<String>,
    pub(super) owned: Partitions,
    pub(super) rack: Option<String>,
}

pub(super) fn read_subscription(mut bytes: Bytes, cx: Context<'_>) -> Option<Subscription> {
    let version = version(&bytes)?;
    bytes.advance(2);
    let read = ConsumerProtocolSubscription::decode(&mut bytes, version).ok()?;
    let owned = read.owned_partitions.iter().filter_map(|one| {
        let topic = cx.topics.get(one.topic.as_str())?;
        Some((topic.id, one.partitions.iter().copied().collect()))
    });
    Some(Subscription {
        topics: read.topics.iter().map(StrBytes::to_string).collect(),
        owned: owned.collect(),
        rack: read.rack_id.as_ref().map(StrBytes::to_string),
    })
}

/// What a classic leader has assigned; `None` if it cannot be read, or says more than that.
pub(super) fn read_assignment(mut bytes: Bytes, cx: Context<'_>) -> Option<Partitions> {
    if bytes.is_empty() {
        return Some(Partitions::new());
    }
    let version = version(&bytes)?;
    bytes.advance(2);
    let read = ConsumerProtocolAssignment::decode(&mut bytes, version).ok()?;
    if read.user_data.is_some_and(|data| !data.is_empty()) {
        return None;
    }
    let topics = read.assigned_partitions.iter().filter_map(|one| {
        let topic = cx.topics.get(one.topic.as_str())?;
        Some((topic.id, one.partitions.iter().copied().collect()))
    });
    Some(topics.collect())
}

/// An assignment in the version of the member's subscription.
pub(super) fn write_assignment(
    partitions: &Partitions,
    subscription: &Bytes,
    cx: Context<'_>,
) -> Bytes {
    let version = version(subscription).unwrap_or(0);
    let topics = partitions.iter().filter_map(|(topic, of)| {
        let name = StrBytes::from_string(cx.names.get(topic)?.clone());
        let partitions = of.iter().copied().collect();
        Some(TopicPartition::default().with_topic(name.into()).with_partitions(partitions))
    });
    let assignment =
        ConsumerProtocolAssignment::default().with_assigned_partitions(topics.collect());
    let mut to = BytesMut::new();
    to.put_i16(version);
    if let Err(error) = assignment.encode(&mut to, version) {
        tracing::error!(version, %error, "assignment cannot be encoded");
    }
    to.freeze()
}

fn version(bytes: &Bytes) -> Option<i16> {
    let version = i16::from_be_bytes(*bytes.first_chunk()?);
    (version >= 0).then_some(version.min(NEWEST))
}
