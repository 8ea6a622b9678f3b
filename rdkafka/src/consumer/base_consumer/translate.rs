//! What kavka says, in librdkafka's words, and the other way round.

use std::collections::BTreeMap;

use kavka::{ErrorKind, OffsetAndMetadata, TopicPartition};

use crate::error::{KafkaError, KafkaResult, RDKafkaErrorCode, code_of};
use crate::message::{BorrowedMessage, Message};
use crate::topic_partition_list::{Offset, TopicPartitionList};

/// The offset behind a message.
pub(super) fn behind(message: &BorrowedMessage<'_>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    // An offset that was read is not negative.
    let _ = list.add_partition_offset(
        message.topic(),
        message.partition(),
        Offset::Offset(message.offset().saturating_add(1)),
    );
    list
}

/// One pattern for topics of which some are patterns.
pub(super) fn pattern(topics: &[&str]) -> Option<String> {
    topics.iter().any(|topic| topic.starts_with('^')).then(|| {
        let alternatives: Vec<_> = topics
            .iter()
            .map(|topic| match topic.starts_with('^') {
                true => (*topic).to_owned(),
                // The only character of a topic's name that means something else in a pattern.
                false => format!("^{}$", topic.replace('.', "\\.")),
            })
            .collect();
        alternatives.join("|")
    })
}

pub(super) fn committed(
    offsets: &BTreeMap<TopicPartition, kavka::Result<OffsetAndMetadata>>,
) -> (KafkaResult<()>, TopicPartitionList) {
    let mut list = TopicPartitionList::new();
    let mut result = Ok(());
    for (partition, outcome) in offsets {
        let mut element = list.add_partition(&partition.topic, partition.partition.0);
        match outcome {
            Ok(committed) => {
                // An offset that was committed is not negative.
                let _ = element.set_offset(Offset::Offset(committed.offset.0));
                element.set_metadata(&committed.metadata);
            }
            Err(error) => {
                let code = commit_code(error);
                element.set_error(Some(code));
                result = Err(KafkaError::ConsumerCommit(code));
            }
        }
    }
    (result, list)
}

pub(super) fn consumption_error(error: &kavka::Error) -> KafkaError {
    match (error.kind(), &error.context().partition) {
        (ErrorKind::PartitionEof, Some(of)) => KafkaError::PartitionEOF(of.partition.0),
        _ if error.class() == kavka::Class::Fatal => {
            KafkaError::MessageConsumptionFatal(code_of(error))
        }
        _ => KafkaError::MessageConsumption(code_of(error)),
    }
}

pub(super) fn commit_code(error: &kavka::Error) -> RDKafkaErrorCode {
    match error.kind() {
        ErrorKind::Config => RDKafkaErrorCode::UnknownGroup,
        _ => code_of(error),
    }
}

/// Of a partition that is not assigned.
pub(super) fn state_code(error: &kavka::Error) -> RDKafkaErrorCode {
    match error.kind() {
        ErrorKind::Config => RDKafkaErrorCode::State,
        _ => code_of(error),
    }
}
