//! Batches of the formats before version 2, as segments of old brokers hold them.

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::consumer::fetch::buffer::{Buffer, BufferedBatch, Content};
use crate::consumer::fetch::filter::FetchFilter;
use crate::consumer::observer::ConsumerObserver;
use crate::consumer::position::Position;
use crate::observability::ClientRecorder;
use crate::wire::batch::Batches;
use crate::wire::compress::{Compression, compress};

/// A message of version 1, without a checksum.
fn message(offset: i64, attributes: u8, value: &[u8]) -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0, 1, attributes];
    message.extend(7_i64.to_be_bytes());
    message.extend((-1_i32).to_be_bytes());
    message.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
    message.extend(value);
    [&offset.to_be_bytes()[..], &i32::try_from(message.len()).unwrap().to_be_bytes(), &message]
        .concat()
}

/// A compressed message with ten inside, whose offsets are relative: 20 to 29.
fn compressed() -> Bytes {
    compressed_with(0..10)
}

/// Some of these ten: compaction has removed the others.
fn compressed_with(kept: impl IntoIterator<Item = u8> + Clone) -> Bytes {
    compressed_at(20, kept)
}

fn compressed_at(first: i64, kept: impl IntoIterator<Item = u8> + Clone) -> Bytes {
    let inner: Vec<u8> =
        kept.clone().into_iter().flat_map(|at| message(at.into(), 0, &[b'0' + at])).collect();
    let last = kept.clone().into_iter().max().unwrap();
    let value = compress(Compression::GZIP, &inner).unwrap().unwrap();
    message(first + i64::from(last), 1, &value).into()
}

/// A consumer that has this in its buffer, and stands at an offset.
fn receiver_at(start: i64, compressed: Bytes, subscription: Subscription) -> Receiver {
    let mut subscription = subscription;
    subscription.assign([tp(0)].into()).unwrap();
    subscription.seek(&tp(0), Position::at(Offset(start))).unwrap();
    let decode = DecodeOptions { check_crc: false, max_decompressed: 1 << 20 };
    let shared = Arc::new(ConsumerShared::new(
        subscription,
        CancellationToken::new(),
        decode,
        ConsumerObserver::new(
            ClientRecorder::new("test").consumer(),
            crate::listeners::Listeners::default(),
        ),
    ));
    let mut next = Offset(start);
    let mut buffered_batches = Vec::new();
    for batch in Batches::new(compressed) {
        let batch = batch.unwrap();
        let start = Position::at(std::mem::replace(&mut next, batch.next_offset()));
        buffered_batches.push(BufferedBatch { content: Content::Fetched(batch), start, next });
    }
    shared.update(|subscription| {
        let assignment = subscription.assignment_of(&tp(0)).unwrap().id();
        let brought = FetchFilter { buffered_batches, next: Position::at(next), failure: None };
        assert!(subscription.fetched(&tp(0), assignment, Offset(start), brought, None));
    });
    Receiver::new(shared, 500)
}

fn subscription() -> Subscription {
    Subscription::new(AutoOffsetReset::Earliest, false, Buffer::new(1 << 20, 1 << 20))
}

#[tokio::test(start_paused = true)]
async fn seek_into_a_compressed_batch_of_version_1_begins_at_the_very_record() {
    for start in [20, 23, 29] {
        let mut receiver = receiver_at(start, compressed(), subscription());
        for offset in start..30 {
            let record = poll_fn(|context| receiver.poll_record(context)).await.unwrap();
            assert_eq!(
                (record.offset().0, record.value().unwrap()),
                (offset, &offset.to_string().as_bytes()[1..])
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_compaction_has_removed_is_done_with_the_record_behind_it() {
    let marked = || subscription().marked_by_application();
    let covered: Vec<_> =
        [(20, 23), (23, 24), (24, 28)].map(|(start, end)| Offset(start)..Offset(end)).into();

    let mut receiver = receiver_at(20, compressed_with([2, 3, 7]), marked());
    for covered in &covered {
        let record = poll_fn(|context| receiver.poll_record(context)).await.unwrap();
        assert_eq!(record.covered(), *covered);
    }

    let mut receiver = receiver_at(20, compressed_with([2, 3, 7]), marked());
    let batch = poll_fn(|context| receiver.poll_batch(context)).await.unwrap();
    let records: Vec<_> = batch.iter().map(|record| record.to_record()).collect();
    assert_eq!(records.iter().map(ConsumerRecord::covered).collect::<Vec<_>>(), covered);
}

/// How many records a compressed message holds is not known before it is decoded.
#[tokio::test(start_paused = true)]
async fn what_is_too_much_for_recv_many_comes_next_and_in_order() {
    let messages: Vec<_> = (2..6).map(|at| compressed_at(10 * at, 0..10)).collect();
    let mut receiver = receiver_at(20, messages.concat().into(), subscription());
    let mut seen = Vec::new();
    while seen.len() < 40 {
        let records = poll_fn(|context| receiver.poll_many(context, 3, true)).await.unwrap();
        assert!((1..=3).contains(&records.len()));
        seen.extend(records.iter().map(|record| record.offset().0));
    }
    assert_eq!(seen, (20..60).collect::<Vec<_>>());
}
