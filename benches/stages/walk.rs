//! The frame of a Fetch reply into records: read, sorted and buffered, and taken out one by one
//! (`recv`) or a batch at a time (`next_batch`).
//!
//! Each partition has one batch of 16 KiB with records of 128 bytes.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use divan::Bencher;
use divan::counter::ItemsCount;
use kafka_protocol::messages::ResponseHeader;
use kafka_protocol::messages::fetch_response::{
    FetchResponse, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::protocol::{Decodable, Encodable};
use kafka_protocol::records::RecordBatchDecoder;
use kavka::Compression;
use kavka::bench::{self, Walk};
use uuid::Uuid;

use crate::material::{PARTITIONS, TOPIC, TOPIC_ID, batch};

const VERSION: i16 = 17;

/// A reply, without its length, and how many records it has.
fn reply(partitions: usize) -> (Bytes, usize) {
    let (batch, count) = batch(128, Compression::NONE, &[]);
    let data = |index| {
        PartitionData::default().with_partition_index(index).with_records(Some(batch.clone()))
    };
    let topic = FetchableTopicResponse::default()
        .with_topic_id(Uuid::from_bytes(TOPIC_ID))
        .with_partitions((0..).take(partitions).map(data).collect());
    let mut frame = BytesMut::new();
    ResponseHeader::default().with_correlation_id(7).encode(&mut frame, 1).expect("a sound header");
    FetchResponse::default()
        .with_responses(vec![topic])
        .encode(&mut frame, VERSION)
        .expect("a sound reply");
    (frame.freeze(), partitions * count)
}

/// Benches what makes (records, bytes of their values) of a reply.
fn bench(
    bencher: Bencher<'_, '_>,
    partitions: usize,
    mut walk: impl FnMut(Bytes) -> (usize, usize),
) {
    let (reply, records) = reply(partitions);
    assert_eq!(walk(reply.clone()), (records, 128 * records));
    bencher.counter(ItemsCount::new(records)).bench_local(|| walk(black_box(&reply).clone()));
}

fn consumer(partitions: usize) -> Walk {
    Walk::new(TOPIC, TOPIC_ID, i32::try_from(partitions).expect("few"))
}

#[divan::bench(args = PARTITIONS)]
fn record_by_record(bencher: Bencher<'_, '_>, partitions: usize) {
    let mut consumer = consumer(partitions);
    bench(bencher, partitions, |reply| {
        consumer.take(VERSION, reply);
        let (mut count, mut bytes) = (0, 0);
        while let Some(record) = consumer.record() {
            count += 1;
            bytes += black_box(&record).value().map_or(0, <[u8]>::len);
        }
        (count, bytes)
    });
}

#[divan::bench(args = PARTITIONS)]
fn batch_by_batch(bencher: Bencher<'_, '_>, partitions: usize) {
    let mut consumer = consumer(partitions);
    bench(bencher, partitions, |reply| {
        consumer.take(VERSION, reply);
        let (mut count, mut bytes) = (0, 0);
        while let Some(batch) = consumer.batch() {
            for record in &batch {
                count += 1;
                bytes += black_box(record.value()).map_or(0, <[u8]>::len);
            }
        }
        (count, bytes)
    });
}

/// Read, sorted and buffered: no record, and no checksum.
#[divan::bench(args = PARTITIONS)]
fn to_the_buffer(bencher: Bencher<'_, '_>, partitions: usize) {
    let (reply, records) = reply(partitions);
    let buffered = || {
        let mut consumer = consumer(partitions);
        consumer.take(VERSION, reply.clone());
        consumer
    };
    let mut sample = buffered();
    assert_eq!(std::iter::from_fn(|| sample.record()).count(), records);
    bencher
        .counter(ItemsCount::new(records))
        .with_inputs(|| consumer(partitions))
        .bench_local_refs(|consumer| consumer.take(VERSION, black_box(&reply).clone()));
}

/// Into records of its own, which share the reply's memory.
#[divan::bench(args = PARTITIONS)]
fn kafka_protocol(bencher: Bencher<'_, '_>, partitions: usize) {
    bench(bencher, partitions, |mut frame| {
        ResponseHeader::decode(&mut frame, 1).expect("a sound header");
        let response = FetchResponse::decode(&mut frame, VERSION).expect("a sound reply");
        let (mut count, mut bytes) = (0, 0);
        for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
            let mut batches = partition.records.clone().expect("it has records");
            for set in RecordBatchDecoder::decode_all(&mut batches).expect("sound batches") {
                count += set.records.len();
                bytes += set
                    .records
                    .iter()
                    .map(|record| black_box(&record.value).as_ref().map_or(0, Bytes::len))
                    .sum::<usize>();
            }
        }
        (count, bytes)
    });
}

/// The checksums of the batches, and nothing else.
#[divan::bench(args = PARTITIONS)]
fn checksum(bencher: Bencher<'_, '_>, partitions: usize) {
    let (reply, records) = reply(partitions);
    bencher.counter(ItemsCount::new(records)).bench_local(|| {
        let batch = black_box(&reply).len() / partitions;
        reply.chunks(batch).map(|batch| bench::checksum(&[], batch)).fold(0, u32::wrapping_add)
    });
}

/// Copies the reply.
#[divan::bench(args = PARTITIONS)]
fn memcpy(bencher: Bencher<'_, '_>, partitions: usize) {
    let (reply, records) = reply(partitions);
    let mut to = vec![0; reply.len()];
    bencher
        .counter(ItemsCount::new(records))
        .bench_local(|| black_box(&mut to).copy_from_slice(black_box(&reply)));
}
