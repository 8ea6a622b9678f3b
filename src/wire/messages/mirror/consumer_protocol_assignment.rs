// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::consumer_protocol_assignment::*;

impl Sample for ConsumerProtocolAssignment<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            assigned_partitions: from.array(|from| TopicPartition::sample(from, version)),
            user_data: from.option(|from| from.bytes()),
        }
    }
}

impl Sample for TopicPartition<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { topic: from.string(), partitions: from.array(|from| from.i32()) }
    }
}
