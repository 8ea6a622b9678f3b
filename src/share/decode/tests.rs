use super::*;
use crate::wire::batch::{BatchHeader, RecordFields, RecordsBuilder};
use crate::wire::compress::Compression;

const OPTIONS: DecodeOptions = DecodeOptions { check_crc: true, max_decompressed: 1 << 20 };

/// A batch of records.
fn batch(base: i64, count: u32) -> Vec<u8> {
    let mut builder = RecordsBuilder::with_capacity(1024);
    for _ in 0..count {
        let fields =
            RecordFields { timestamp: Timestamp(1), key: None, value: Some(b"v"), headers: &[] };
        builder.append_within(1 << 20, &fields).unwrap();
    }
    let sealed = builder.seal(Compression::NONE).unwrap();
    let header = BatchHeader { producer: None }.write(&sealed);
    let mut bytes = [&header[..], &sealed.records].concat();
    bytes[..8].copy_from_slice(&base.to_be_bytes());
    bytes
}

fn range(first: i64, last: i64, delivery_count: u16) -> AcquiredRange {
    AcquiredRange { first: Offset(first), last: Offset(last), delivery_count }
}

fn said(first: i64, last: i64, said: Option<AcknowledgeType>) -> AcknowledgedRange {
    AcknowledgedRange { first: Offset(first), last: Offset(last), said }
}

fn read_all(bytes: &[u8], ranges: &[AcquiredRange]) -> Acquired {
    read(Bytes::copy_from_slice(bytes), ranges.to_vec(), &OPTIONS)
}

fn places(acquired: &Acquired) -> Vec<(i64, u16)> {
    acquired.records.iter().map(|record| (record.offset.0, record.delivery_count)).collect()
}

#[test]
fn what_was_acquired_is_read_and_nothing_else() {
    let bytes = [batch(10, 3), batch(13, 3)].concat();
    let acquired = read_all(&bytes, &[range(11, 11, 1), range(12, 14, 3)]);
    assert_eq!(places(&acquired), [(11, 1), (12, 3), (13, 3), (14, 3)]);
    assert_eq!((acquired.others.as_slice(), acquired.batches.len()), (&[][..], 2));
    assert_eq!(acquired.records[2].batch, 1);
    assert!(acquired.failure.is_none());
}

#[test]
fn offsets_without_a_record_are_gaps_as_far_as_the_answer_shows() {
    let bytes = [batch(10, 2), batch(15, 2)].concat();
    let acquired = read_all(&bytes, &[range(5, 20, 1)]);
    assert_eq!(places(&acquired), [(10, 1), (11, 1), (15, 1), (16, 1)]);
    let release = Some(AcknowledgeType::Release);
    assert_eq!(acquired.others, [said(5, 9, None), said(12, 14, None), said(17, 20, release)]);
}

#[test]
fn what_cannot_be_read_is_released_and_told_of_and_the_rest_is_read() {
    let mut damaged = batch(10, 2);
    *damaged.last_mut().unwrap() ^= 1;
    let bytes = [batch(8, 2), damaged, batch(12, 1)].concat();
    let acquired = read_all(&bytes, &[range(8, 12, 1)]);
    assert_eq!(places(&acquired), [(8, 1), (9, 1), (12, 1)]);
    assert_eq!(acquired.others, [said(10, 11, Some(AcknowledgeType::Release))]);
    assert_eq!(acquired.failure.unwrap().kind(), crate::error::ErrorKind::Corrupt);
}

#[test]
fn a_last_batch_that_is_cut_off_is_released() {
    let last = batch(12, 2);
    let bytes = [batch(10, 2), last[..last.len() - 1].to_vec()].concat();
    let acquired = read_all(&bytes, &[range(10, 13, 1)]);
    assert_eq!(places(&acquired), [(10, 1), (11, 1)]);
    assert_eq!(acquired.others, [said(12, 13, Some(AcknowledgeType::Release))]);
}

#[test]
fn ranges_that_no_broker_would_send_neither_panic_nor_count_twice() {
    let most = i64::MAX;
    let ranges = [
        range(3, 1, 1),
        range(0, 4, 1),
        range(2, 6, 2),
        range(-9, -1, 1),
        range(7, most, 1),
        range(8, most - 1, 1),
    ];
    let acquired = read_all(&batch(0, 8), &ranges);
    assert_eq!(acquired.records.len(), 7);
    assert_eq!(acquired.others, [said(8, most - 1, Some(AcknowledgeType::Release))]);
}
