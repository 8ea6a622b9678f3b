//! What benchmarks see of a consumer: from the frame of a reply to records, without a network. See
//! [`crate::bench`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::config::ConsumerConfig;
use super::fetch::buffer::Buffer;
use super::fetch::{filter, rpc};
use super::observer::ConsumerObserver;
use super::position::{AssignmentEpoch, PartitionAssignment, Position};
use super::receive::Receiver;
use super::shared::ConsumerShared;
use super::subscription::Subscription;
use super::{ConsumerRecord, RecordBatch};
use crate::error::{ErrorKind, Result};
use crate::ids::{Offset, TopicId, TopicName, TopicPartition};
use crate::observability::ClientRecorder;
use crate::wire::batch::DecodeOptions;
use crate::wire::call::Reply;

/// The way of a reply through a consumer of one topic: read, sorted and buffered as the fetcher
/// does, and taken out as `recv` and `next_batch` do. Which partitions are wanted, and what to
/// fetch next, is not asked.
pub struct Walk {
    shared: Arc<ConsumerShared>,
    receiver: Receiver,
    assignments: BTreeMap<TopicPartition, Arc<PartitionAssignment>>,
    names: BTreeMap<TopicId, TopicName>,
}

impl Walk {
    /// With the default settings.
    pub fn new(topic: &str, topic_id: [u8; 16], partitions: i32) -> Self {
        let config = ConsumerConfig::new();
        let decode = DecodeOptions {
            check_crc: config.check_crcs,
            max_decompressed: config.max_decompressed_batch_bytes,
        };
        let partition_limit = usize::try_from(config.max_partition_fetch_bytes).unwrap_or(0);
        let buffer = Buffer::new(config.fetch_buffer_bytes, partition_limit);
        let subscription = Subscription::new(config.auto_offset_reset, false, buffer);
        let shared = Arc::new(ConsumerShared::new(
            subscription,
            CancellationToken::new(),
            decode,
            ConsumerObserver::new(
                ClientRecorder::new("bench").consumer(),
                crate::listeners::Listeners::default(),
            ),
        ));
        let assignment = |partition| {
            let partition = TopicPartition::new(topic, partition);
            let id = AssignmentEpoch(u64::from(partition.partition.0.cast_unsigned()));
            (partition.clone(), Arc::new(PartitionAssignment::new(id, partition)))
        };
        Self {
            receiver: Receiver::new(Arc::clone(&shared), config.max_poll_records),
            shared,
            assignments: (0..partitions).map(assignment).collect(),
            names: [(TopicId(topic_id), TopicName::from(topic))].into(),
        }
    }

    /// Takes a reply, of which every partition begins at offset 0.
    pub fn take(&mut self, version: i16, frame: Bytes) {
        let reply = Reply::new(frame, version, None);
        let fetched = rpc::read_fetch(&reply, &self.names).expect("a sound reply");
        for partition in fetched.partitions {
            let assignment =
                self.assignments.get(&partition.partition).expect("a partition that is fetched");
            let start = Position::at(Offset(0));
            let filter =
                filter::sort(partition.records, start, partition.aborted, &self.shared.decode);
            self.shared.buffer(|buffer| {
                for buffered in filter.buffered_batches {
                    buffer.push(assignment, buffered, None);
                }
            });
        }
    }

    /// What `recv` would return; `None` when everything was received.
    pub fn record(&mut self) -> Option<ConsumerRecord> {
        received(self.receiver.poll_record(&mut Context::from_waker(Waker::noop())))
    }

    /// What `next_batch` would return; `None` when everything was received.
    pub fn batch(&mut self) -> Option<RecordBatch> {
        received(self.receiver.poll_batch(&mut Context::from_waker(Waker::noop())))
    }
}

impl fmt::Debug for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").finish_non_exhaustive()
    }
}

/// With an empty buffer and nothing assigned, there is nothing to wait for.
fn received<T>(polled: Poll<Result<T>>) -> Option<T> {
    match polled {
        Poll::Ready(Ok(received)) => Some(received),
        Poll::Ready(Err(error)) if error.kind() == ErrorKind::Config => None,
        Poll::Ready(Err(error)) => panic!("{error}"),
        Poll::Pending => None,
    }
}
