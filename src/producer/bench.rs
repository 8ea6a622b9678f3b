//! What benchmarks see of a producer: choosing partitions, accumulating and framing, without a
//! network. See [`crate::bench`].

use std::collections::BTreeMap;
use std::iter::repeat_n;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::{Notify, oneshot};

use super::accumulator::append::SendRefusal;
use super::accumulator::closed_batch::ClosedBatch;
use super::accumulator::events::SenderEvent;
use super::accumulator::partition::PartitionBatches;
use super::accumulator::topics::{ProducerTopic, Unkeyed};
use super::rpc::{self, Parcel};
use super::sender::Answer;
use super::sender::ready::PartitionIndex;
use super::{Delivery, MEMORY_WAIT, ProducerConfig, ProducerShared, TopicPartitions};
use crate::clock::{Random, WallClock};
use crate::ids::{Offset, PartitionId, TopicName, TopicPartition};
use crate::record::Record;
use crate::runtime::{self, Runtime};
use crate::wire::batch::HEADER_LEN;
use crate::wire::call::{Reply, Request, encode_request};
use crate::wire::compress::Compression;

fn topic(name: &TopicName, partitions: usize, config: &ProducerConfig) -> ProducerTopic {
    let limit = Arc::new(config.batch_limit());
    let slot = |index| {
        let partition = TopicPartition { topic: name.clone(), partition: PartitionId(index) };
        Arc::new(PartitionBatches::new(
            partition,
            PartitionIndex(index.cast_unsigned()),
            Arc::clone(&limit),
            false,
        ))
    };
    ProducerTopic {
        partitions: TopicPartitions::new(repeat_n(true, partitions)),
        near: Vec::new(),
        slots: (0..).take(partitions).map(slot).collect(),
        unkeyed: Arc::new(Unkeyed::new(config, None, Random::new(7))),
        partitioner: None,
    }
}

/// The choice of a partition.
#[derive(Debug)]
pub struct Partitioning {
    topic: ProducerTopic,
    config: ProducerConfig,
}

impl Partitioning {
    /// Over so many partitions, for the first of which one batch waits, for the second two, and so
    /// on.
    pub fn new(partitions: usize) -> Self {
        let config = ProducerConfig::new();
        let topic = topic(&TopicName::from("orders"), partitions, &config);
        for (index, slot) in topic.slots.iter().enumerate() {
            slot.divided(index + 2);
        }
        Self { topic, config }
    }

    /// Where a record goes.
    pub fn choose(&self, record: &Record<'_>) -> PartitionId {
        self.topic.choose(&self.config, record, None).0
    }

    /// Where the next records without a key go, when one batch is full.
    pub fn move_on(&self) -> PartitionId {
        self.topic.move_on(self.topic.unkeyed_partition(), self.config.batch_size);
        self.topic.unkeyed_partition()
    }
}

/// A producer's memory, its open batches and its events, with one topic and with a stub in place of
/// the sender task.
#[derive(Debug)]
pub struct Accumulator {
    shared: ProducerShared,
    slots: Vec<Arc<PartitionBatches>>,
    runtime: Runtime,
    /// Ends the pause of the stub.
    hurry: Notify,
}

impl Accumulator {
    /// With the default settings and one topic; inside of a runtime.
    pub fn new(name: &str, partitions: usize) -> Self {
        let shared = ProducerShared::new(ProducerConfig::new(), WallClock::system());
        let name = TopicName::from(name);
        let topic = topic(&name, partitions, &shared.config);
        let slots = topic.slots.clone();
        let topic = Arc::new(topic);
        shared
            .topics
            .change(|known| drop(known.topics.insert(name.clone(), Ok(Arc::clone(&topic)))));
        let runtime = Runtime::current(false).expect("made inside of a runtime");
        Self { shared, slots, runtime, hurry: Notify::new() }
    }

    /// As [`Producer::send`](super::Producer::send).
    pub async fn send(&self, record: &Record<'_>) -> Delivery {
        if self.runtime.should_yield(record.value.map_or(0, <[u8]>::len)) {
            self.runtime.yield_now().await;
        }
        let mut spare = None;
        loop {
            match self.shared.accept(0, record, &mut spare) {
                Ok(delivery) => return delivery,
                Err(refusal) => spare = Some(self.wait(refusal).await),
            }
        }
    }

    /// As [`Producer::send_all`](super::Producer::send_all) with one chunk.
    pub async fn send_chunk(&self, mut chunk: &[Record<'_>]) {
        runtime::yield_now().await;
        let mut spare = None;
        while !chunk.is_empty() {
            match self.shared.accept_run(0, chunk, &mut spare) {
                Ok((_, count)) => {
                    chunk = chunk.get(usize::try_from(count).expect("few")..).unwrap_or_default()
                }
                Err(refusal) => spare = Some(self.wait(refusal).await),
            }
        }
    }

    async fn wait(&self, refusal: SendRefusal) -> super::accumulator::memory::Reservation {
        let SendRefusal::NoRoom(bytes) = refusal else { panic!("{refusal:?}") };
        self.shared.accumulator.events.push(SenderEvent::MemoryExhausted);
        let patience = runtime::now() + MEMORY_WAIT;
        self.shared
            .accumulator
            .memory
            .reserve_among_many(bytes, patience)
            .await
            .expect("less than buffer.memory")
    }

    /// Has the stub acknowledge what it has not yet.
    pub async fn flush(&self) {
        let (done, told) = oneshot::channel();
        self.shared.accumulator.events.push(SenderEvent::Flush(done));
        self.hurry.notify_one();
        told.await.expect("the stub runs");
    }

    /// The stub: acknowledges what there is each millisecond, as replies come, until it has
    /// flushed. Tells how many records there were.
    pub async fn acknowledge(&self) -> u64 {
        let (mut events, mut open, mut records) = (Vec::new(), BTreeMap::new(), 0);
        loop {
            self.shared.accumulator.events.filled().await;
            self.shared.accumulator.events.take(&mut events);
            for event in events.drain(..) {
                match event {
                    SenderEvent::Opened { partition, batch, .. } => {
                        open.insert(partition, batch);
                    }
                    SenderEvent::Closed { partition, batch } => {
                        records += self.keep(partition, *batch)
                    }
                    SenderEvent::Flush(done) => {
                        for (partition, batch) in open {
                            let taken = self.slot(partition).take(batch);
                            records += taken.map_or(0, |taken| self.keep(partition, taken));
                        }
                        done.send(None).expect("somebody flushes");
                        return records;
                    }
                    _ => {}
                }
            }
            tokio::select! {
                biased;
                () = self.hurry.notified() => {}
                () = runtime::sleep_until(runtime::now() + Duration::from_millis(1)) => {}
            }
        }
    }

    fn keep(&self, partition: PartitionIndex, batch: ClosedBatch) -> u64 {
        let ClosedBatch { records, memory, promise, .. } = batch;
        let count = records.count();
        let sealed = records.seal(Compression::NONE).expect("nothing to compress");
        self.slot(partition).resolved();
        self.shared.accumulator.buffers.give(sealed.records);
        drop(memory);
        promise.keep(Some(Offset(0)), None);
        count.into()
    }

    fn slot(&self, partition: PartitionIndex) -> &PartitionBatches {
        &self.slots[usize::try_from(partition.0).expect("few")]
    }
}

/// The batches of one Produce request, and what its reply says of them.
#[derive(Debug)]
pub struct Shipment(Vec<Parcel>);

impl Shipment {
    /// Whole batches for the first partitions of a topic.
    pub fn new(topic: &str, topic_id: [u8; 16], batches: impl IntoIterator<Item = Bytes>) -> Self {
        let topic = TopicName::from(topic);
        let parcel = |(index, batch): (i32, Bytes)| Parcel {
            partition: TopicPartition { topic: topic.clone(), partition: PartitionId(index) },
            place: 0,
            topic_id: crate::ids::Uuid(topic_id),
            bytes: [batch.slice(..HEADER_LEN), batch.slice(HEADER_LEN..)],
        };
        Self((0..).zip(batches).map(parcel).collect())
    }

    /// The frame to be written.
    pub fn frame(&self, version: i16, client_id: &str) -> impl Buf + use<> {
        encode_request(
            &rpc::produce_request(None, self.0.iter(), -1, 30_000),
            version,
            7,
            client_id,
        )
        .expect("a sound request")
    }

    /// How many batches the frame of a reply says were written.
    pub fn written(&self, version: i16, reply: Bytes) -> usize {
        let reply = reply_to(&rpc::produce_request(None, [].iter(), -1, 0), version, reply);
        let response = reply.parse().expect("a sound reply");
        let (answers, _) = rpc::read_produce(&self.0, &response);
        answers
            .iter()
            .filter(|answer| matches!(answer, Answer::Written { base_offset: Some(_), .. }))
            .count()
    }
}

/// Messages are named in `rpc` only.
fn reply_to<R: Request>(_: &R, version: i16, frame: Bytes) -> Reply<R> {
    Reply::new(frame, version, None)
}
