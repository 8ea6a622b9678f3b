//! Produce requests into frames, and frames of replies into what became of each batch.
//!
//! The batches of 16 KiB are not copied: the frame is a list of pieces, which is offered to the
//! socket as it stands. So the copy of the same bytes is no floor here but what is spared.

use std::hint::black_box;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use divan::Bencher;
use divan::counter::ItemsCount;
use kafka_protocol::messages::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use kafka_protocol::messages::produce_response::{
    PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes, encode_request_header_into_buffer};
use kavka::Compression;
use kavka::bench::Shipment;
use uuid::Uuid;

use crate::material::{PARTITIONS, TOPIC, TOPIC_ID, batch};

const VERSION: i16 = 13;
const CLIENT: &str = "stages";

/// As the connection's task writes it, to a socket that takes whatever it is offered.
const SLICES: usize = 128;

fn batches(partitions: usize) -> impl Iterator<Item = Bytes> {
    let (batch, _) = batch(128, Compression::NONE, &[]);
    (0..partitions).map(move |_| Bytes::copy_from_slice(&batch))
}

/// Offers a frame to a socket that takes everything; how many bytes it took.
fn write(mut frame: impl Buf) -> usize {
    let mut written = 0;
    while frame.has_remaining() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = frame.chunks_vectored(&mut slices);
        let len = black_box(&slices[..count]).iter().map(|slice| slice.len()).sum();
        frame.advance(len);
        written += len;
    }
    written
}

#[divan::bench(args = PARTITIONS)]
fn request(bencher: Bencher<'_, '_>, partitions: usize) {
    let shipment = Shipment::new(TOPIC, TOPIC_ID, batches(partitions));
    let mut frame = shipment.frame(VERSION, CLIENT);
    assert!(
        frame.copy_to_bytes(frame.remaining()) == theirs(partitions),
        "it is what kafka-protocol makes"
    );
    bencher
        .counter(ItemsCount::new(partitions))
        .bench_local(|| write(black_box(&shipment).frame(VERSION, CLIENT)));
}

#[divan::bench(args = PARTITIONS)]
fn request_of_kafka_protocol(bencher: Bencher<'_, '_>, partitions: usize) {
    let batches: Vec<_> = batches(partitions).collect();
    bencher.counter(ItemsCount::new(partitions)).bench_local(|| encode(black_box(&batches)));
}

/// Copies as many bytes as the request has.
#[divan::bench(args = PARTITIONS)]
fn request_memcpy(bencher: Bencher<'_, '_>, partitions: usize) {
    let bytes = theirs(partitions);
    let mut to = vec![0; bytes.len()];
    bencher
        .counter(ItemsCount::new(partitions))
        .bench_local(|| black_box(&mut to).copy_from_slice(black_box(&bytes)));
}

#[divan::bench(args = PARTITIONS)]
fn reply(bencher: Bencher<'_, '_>, partitions: usize) {
    let shipment = Shipment::new(TOPIC, TOPIC_ID, batches(partitions));
    let reply = written(partitions);
    assert_eq!(shipment.written(VERSION, reply.clone()), partitions);
    bencher
        .counter(ItemsCount::new(partitions))
        .bench_local(|| shipment.written(VERSION, black_box(&reply).clone()));
}

/// Without asking which answer belongs to which batch.
#[divan::bench(args = PARTITIONS)]
fn reply_of_kafka_protocol(bencher: Bencher<'_, '_>, partitions: usize) {
    let reply = written(partitions);
    let decode = |mut frame: Bytes| {
        ResponseHeader::decode(&mut frame, 1).expect("a sound header");
        let response = ProduceResponse::decode(&mut frame, VERSION).expect("a sound reply");
        response.responses.iter().map(|topic| topic.partition_responses.len()).sum::<usize>()
    };
    assert_eq!(decode(reply.clone()), partitions);
    bencher.counter(ItemsCount::new(partitions)).bench_local(|| decode(black_box(&reply).clone()));
}

fn theirs(partitions: usize) -> Bytes {
    encode(&batches(partitions).collect::<Vec<_>>())
}

/// The frame that kafka-protocol makes of a request, with the length that it leaves to its user.
fn encode(batches: &[Bytes]) -> Bytes {
    let data = |(index, batch): (i32, &Bytes)| {
        PartitionProduceData::default().with_index(index).with_records(Some(batch.clone()))
    };
    let topic = TopicProduceData::default()
        .with_topic_id(Uuid::from_bytes(TOPIC_ID))
        .with_partition_data((0..).zip(batches).map(data).collect());
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic]);
    let header = RequestHeader::default()
        .with_request_api_key(ApiKey::Produce as i16)
        .with_request_api_version(VERSION)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str(CLIENT)));
    // Its own measure of the request spares it growing.
    let mut frame =
        BytesMut::with_capacity(64 + request.compute_size(VERSION).expect("a sound request"));
    frame.put_u32(0);
    encode_request_header_into_buffer(&mut frame, &header).expect("a sound header");
    request.encode(&mut frame, VERSION).expect("a sound request");
    let length = u32::try_from(frame.len() - 4).expect("short");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame.freeze()
}

/// A reply, without its length, by which all batches were written.
fn written(partitions: usize) -> Bytes {
    let answer =
        |index| PartitionProduceResponse::default().with_index(index).with_base_offset(100);
    let topic = TopicProduceResponse::default()
        .with_topic_id(Uuid::from_bytes(TOPIC_ID))
        .with_partition_responses((0..).take(partitions).map(answer).collect());
    let mut frame = BytesMut::new();
    ResponseHeader::default().with_correlation_id(7).encode(&mut frame, 1).expect("a sound header");
    ProduceResponse::default()
        .with_responses(vec![topic])
        .encode(&mut frame, VERSION)
        .expect("a sound reply");
    frame.freeze()
}
