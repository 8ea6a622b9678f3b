// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::consumer_protocol_subscription::*;

impl Sample for ConsumerProtocolSubscription<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topics: from.array(|from| from.string()),
            user_data: from.option(|from| from.bytes()),
            owned_partitions: if version >= 1 { from.array(|from| TopicPartition::sample(from, version)) } else { Vec::new() },
            generation_id: if version >= 2 { from.i32() } else { -1 },
            rack_id: if version >= 3 { from.option(|from| from.string()) } else { None },
        }
    }
}

impl Sample for TopicPartition<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { topic: from.string(), partitions: from.array(|from| from.i32()) }
    }
}
