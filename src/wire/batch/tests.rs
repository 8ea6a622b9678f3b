use bytes::Bytes;
use proptest::prelude::*;

use super::decode::ControlRecord;
use super::golden;
use super::*;
use crate::ids::{ProducerEpoch, ProducerId, Sequence, Timestamp};
use crate::record::{Header, TimestampType};
use crate::wire::compress::Compression;

const OPTIONS: DecodeOptions = DecodeOptions { check_crc: true, max_decompressed: 1 << 20 };
const TIME: i64 = 1_700_000_000_000;
const CODECS: [Compression; 5] = [
    Compression::NONE,
    Compression::GZIP,
    Compression::SNAPPY,
    Compression::LZ4,
    Compression::ZSTD,
];

/// A record that owns what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Owned {
    fn new(
        offset: i64,
        timestamp: i64,
        key: Option<&str>,
        value: Option<&str>,
        headers: &[(&str, Option<&str>)],
    ) -> Self {
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        let headers =
            headers.iter().map(|&(name, value)| (name.as_bytes().to_vec(), bytes(value))).collect();
        Self { offset, timestamp, key: bytes(key), value: bytes(value), headers }
    }

    fn of(record: &RecordRef<'_>) -> Self {
        let headers = record
            .headers()
            .map(|header| (header.name_bytes().to_vec(), header.value.map(<[u8]>::to_vec)));
        Self {
            offset: record.offset.0,
            timestamp: record.timestamp.0,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: headers.collect(),
        }
    }

    /// Appends this record, checking what the builder says of its length.
    fn append_to(&self, builder: &mut RecordsBuilder) {
        let names: Vec<_> =
            self.headers.iter().map(|(name, _)| std::str::from_utf8(name).unwrap()).collect();
        let headers: Vec<_> = names
            .iter()
            .zip(&self.headers)
            .map(|(name, (_, value))| Header::new(name, value.as_deref()))
            .collect();
        let fields = RecordFields {
            timestamp: Timestamp(self.timestamp),
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        };
        let (before, expected) = (builder.len(), builder.encoded_len_of(&fields));
        assert!(builder.append_within(before + expected - 1, &fields).is_none());
        let index = builder.append_within(before + expected, &fields).unwrap();
        assert_eq!(builder.len(), before + expected);
        assert_eq!(builder.count(), index + 1);
    }
}

fn sealed(records: &[Owned], compression: Compression) -> SealedRecords {
    let mut builder = RecordsBuilder::with_capacity(0);
    for record in records {
        record.append_to(&mut builder);
    }
    builder.seal(compression).unwrap()
}

fn batch_bytes(sealed: &SealedRecords, header: BatchHeader) -> Bytes {
    [&header.write(sealed)[..], &sealed.records].concat().into()
}

/// Everything that the batches in `bytes` hold, control batches apart.
fn read_all(bytes: impl Into<Bytes>, options: &DecodeOptions) -> Result<Vec<Owned>, BatchError> {
    let mut all = Vec::new();
    for batch in Batches::new(bytes.into()) {
        let records = batch?.decode(options)?;
        for record in records.iter() {
            all.push(Owned::of(&record?));
        }
    }
    Ok(all)
}

fn only_batch(bytes: impl Into<Bytes>) -> Batch {
    let mut batches = Batches::new(bytes.into());
    let batch = batches.next().unwrap().unwrap();
    assert!(batches.next().is_none());
    assert_eq!(batches.remaining(), 0);
    batch
}

/// The records of the `JAVA_*` bytes.
fn java_records(magic: i8) -> Vec<Owned> {
    let headers: &[_] =
        if magic == 2 { &[("a", Some("1")), ("a", None), ("é", Some(""))] } else { &[] };
    let mut records = vec![
        Owned::new(
            42,
            TIME,
            Some("k0"),
            Some("value value value value value value value value"),
            headers,
        ),
        Owned::new(43, TIME + 5, None, None, &[]),
        Owned::new(46, TIME + 2, Some(""), Some(""), &[]),
    ];
    if magic == 0 {
        records.iter_mut().for_each(|record| record.timestamp = -1);
    }
    records
}

#[test]
fn what_java_wrote_is_read_with_every_version_and_codec() {
    let cases = [
        (2, golden::JAVA_V2_NONE),
        (2, golden::JAVA_V2_GZIP),
        (2, golden::JAVA_V2_SNAPPY),
        (2, golden::JAVA_V2_LZ4),
        (2, golden::JAVA_V2_ZSTD),
        (2, golden::JAVA_V2_TRANSACTIONAL),
        (2, golden::JAVA_V2_DELETE_HORIZON),
        (1, golden::JAVA_V1_NONE),
        (1, golden::JAVA_V1_GZIP),
        (1, golden::JAVA_V1_SNAPPY),
        (1, golden::JAVA_V1_LZ4),
        (0, golden::JAVA_V0_NONE),
        (0, golden::JAVA_V0_GZIP),
        (0, golden::JAVA_V0_SNAPPY),
        (0, golden::JAVA_V0_LZ4),
    ];
    for (magic, hex) in cases {
        let batch = only_batch(golden::bytes(hex));
        assert_eq!(batch.next_offset(), Offset(47), "{hex}");
        assert_eq!(batch.timestamp_type(), TimestampType::CreateTime);
        assert_eq!(read_all(golden::bytes(hex), &OPTIONS).unwrap(), java_records(magic), "{hex}");
    }
}

#[test]
fn what_librdkafka_wrote_is_read_with_every_codec() {
    let headers = [("a", Some("1")), ("a", Some(""))];
    for hex in [
        golden::RDKAFKA_NONE,
        golden::RDKAFKA_GZIP,
        golden::RDKAFKA_SNAPPY,
        golden::RDKAFKA_LZ4,
        golden::RDKAFKA_ZSTD,
    ] {
        let read = read_all(golden::bytes(hex), &OPTIONS).unwrap();
        let time = read[0].timestamp;
        let expected = [
            Owned::new(
                0,
                time,
                Some("k0"),
                Some("value value value value value value value value value"),
                &headers,
            ),
            Owned::new(1, time, Some("k1"), None, &headers),
            Owned::new(2, time, Some("k2"), Some("value value value value value"), &headers),
        ];
        assert_eq!(read, expected);
    }
}

#[test]
fn a_batch_is_written_byte_for_byte_as_java_writes_it() {
    let mut records = java_records(2);
    records[2].offset = 44;
    let stamp = ProducerStamp {
        id: ProducerId(1000),
        epoch: ProducerEpoch(5),
        sequence: Sequence(10),
        is_transactional: true,
    };
    let bytes =
        batch_bytes(&sealed(&records, Compression::NONE), BatchHeader { producer: Some(stamp) });
    assert_eq!(bytes, golden::bytes(golden::JAVA_V2_WRITTEN));
}

#[test]
fn log_append_time_is_the_time_of_every_record() {
    for hex in [
        golden::JAVA_V2_LOG_APPEND_TIME,
        golden::JAVA_V1_LOG_APPEND_TIME,
        golden::JAVA_V1_LOG_APPEND_TIME_GZIP,
    ] {
        assert_eq!(only_batch(golden::bytes(hex)).timestamp_type(), TimestampType::LogAppendTime);
        let read = read_all(golden::bytes(hex), &OPTIONS).unwrap();
        assert_eq!(
            read.iter().map(|record| record.timestamp).collect::<Vec<_>>(),
            [TIME + 1000; 3]
        );
    }
}

#[test]
fn control_batches_say_how_the_transaction_ended() {
    for (hex, marker) in
        [(golden::JAVA_ABORT, ControlMarker::Abort), (golden::JAVA_COMMIT, ControlMarker::Commit)]
    {
        let batch = only_batch(golden::bytes(hex));
        assert!(batch.is_control() && batch.is_transactional());
        assert_eq!(batch.producer(), Some((ProducerId(1000), ProducerEpoch(5))));
        assert_eq!(batch.next_offset(), Offset(100));
        assert_eq!(batch.control(&OPTIONS).unwrap(), Some(ControlRecord { marker }));
    }
}

#[test]
fn a_batch_that_compaction_emptied_still_moves_the_position() {
    let batch = only_batch(golden::bytes(golden::JAVA_EMPTY));
    assert_eq!((batch.base_offset(), batch.next_offset()), (Offset(42), Offset(47)));
    assert_eq!(
        batch.decode(&DecodeOptions { check_crc: false, ..OPTIONS }).unwrap().iter().count(),
        0
    );
}

#[test]
fn versions_can_follow_each_other_in_one_response() {
    let hex = [
        golden::JAVA_V0_NONE,
        golden::JAVA_V0_LZ4,
        golden::JAVA_V1_NONE,
        golden::JAVA_V1_GZIP,
        golden::JAVA_V2_ZSTD,
    ];
    let bytes: Vec<u8> = hex.iter().flat_map(|hex| golden::bytes(hex)).collect();
    let expected: Vec<_> = [0, 0, 1, 1, 2].into_iter().flat_map(java_records).collect();
    assert_eq!(read_all(bytes, &OPTIONS).unwrap(), expected);
}

#[test]
fn a_last_batch_that_is_cut_off_anywhere_ends_the_walk() {
    for hex in [golden::JAVA_V2_NONE, golden::JAVA_V1_GZIP, golden::JAVA_V0_GZIP] {
        let whole = golden::bytes(hex);
        for cut in 0..whole.len() {
            let bytes = [&whole[..], &whole[..cut]].concat();
            let mut batches = Batches::new(bytes.into());
            assert!(batches.next().unwrap().is_ok());
            assert!(batches.next().is_none());
            assert_eq!(batches.remaining(), cut);
        }
    }
}

/// A batch around records that need not be sound, with a right checksum.
fn forged(records: &[u8], count: i32, last_offset_delta: i32, attributes: i16) -> Bytes {
    let fields = HeaderFields {
        base_offset: Offset(10),
        attributes: Attributes(attributes),
        last_offset_delta,
        base_timestamp: TIME,
        max_timestamp: TIME,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        count,
    };
    [&fields.write(records)[..], records].concat().into()
}

fn reason_of(bytes: Bytes) -> BatchErrorReason {
    read_all(bytes, &OPTIONS).unwrap_err().reason
}

/// length 7: attributes, timestamp 0, offset 0, key null, value "v", no headers
const RECORD: [u8; 8] = [14, 0, 0, 0, 1, 2, b'v', 0];

#[test]
fn records_that_do_not_hold_together_are_refused() {
    let refused: [(&[u8], i32, &str); 12] = [
        (&RECORD, 2, "record cut off"),
        (&RECORD, 0, "more bytes than records"),
        (&[RECORD, RECORD].concat(), 2, "offset out of order or beyond the batch"),
        (&[14, 0, 0, 10, 1, 2, b'v', 0], 1, "offset out of order or beyond the batch"),
        (&[16, 0, 0, 0, 1, 2, b'v', 0, 0], 1, "record longer than its fields"),
        (&[16, 0, 0, 0, 1, 2, b'v', 0], 1, "record longer than its batch"),
        (&[1, 0], 1, "negative record length"),
        (&[0], 1, "record without attributes"),
        (&[14, 0, 0, 0, 1, 20, b'v', 0], 1, "value longer than its record"),
        (&[14, 0, 0, 0, 1, 2, b'v', 1], 1, "negative header count"),
        (&[14, 0, 0, 0, 1, 2, b'v', 2], 1, "header longer than its record"),
        (
            &[22, 0, 0, 0, 1, 2, b'v', 0xfe, 0xff, 0xff, 0xff, 0x0f],
            1,
            "header longer than its record",
        ),
    ];
    for (records, count, what) in refused {
        assert_eq!(
            reason_of(forged(records, count, 1, 0)),
            BatchErrorReason::Malformed(what),
            "{records:?}"
        );
    }
    let late = [
        &[32, 0][..],
        &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        &[0, 1, 2, b'v', 0],
    ]
    .concat();
    assert_eq!(
        reason_of(forged(&late, 1, 0, 0)),
        BatchErrorReason::Malformed("timestamp overflows")
    );
}

#[test]
fn records_before_a_damaged_one_are_read_and_the_error_names_its_offset() {
    let bytes = forged(&[&RECORD[..], &[14, 0, 0, 2]].concat(), 2, 1, 0);
    let records = only_batch(bytes).decode(&OPTIONS).unwrap();
    let mut walk = records.iter();
    assert_eq!(walk.next().unwrap().unwrap().offset, Offset(10));
    assert_eq!(walk.next().unwrap().unwrap_err().offset, Offset(11));
    assert!(walk.next().is_none());
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let malformed = BatchErrorReason::Malformed("header fields that contradict each other");
    assert_eq!(reason_of(forged(&RECORD, -1, 0, 0)), malformed);
    assert_eq!(reason_of(forged(&RECORD, 1, -1, 0)), malformed);
    let mut bytes = forged(&RECORD, 1, 0, 0).to_vec();
    bytes[..8].copy_from_slice(&i64::MAX.to_be_bytes());
    assert_eq!(reason_of(bytes.clone().into()), malformed);
    bytes[16] = 3;
    assert_eq!(reason_of(bytes.clone().into()), BatchErrorReason::Magic(3));
    bytes[16] = 2;
    bytes[8..12].copy_from_slice(&48_i32.to_be_bytes());
    assert_eq!(reason_of(bytes.into()), BatchErrorReason::Length(48));
    assert_eq!(
        reason_of(forged(&RECORD, 1, 0, 7)),
        BatchErrorReason::Codec(CodecError::Unknown(7))
    );
}

#[test]
fn checksums_are_verified_only_when_wanted() {
    for hex in [golden::JAVA_V2_NONE, golden::JAVA_V1_NONE, golden::JAVA_V0_NONE] {
        let mut bytes = golden::bytes(hex);
        let at = bytes.windows(3).position(|window| window == b"val").unwrap();
        bytes[at] = b'V';
        assert!(matches!(reason_of(bytes.clone().into()), BatchErrorReason::Checksum { .. }));
        assert!(read_all(bytes, &DecodeOptions { check_crc: false, ..OPTIONS }).is_ok());
    }
}

#[test]
fn a_header_name_that_is_not_utf8_does_not_stop_the_partition() {
    let records = [20, 0, 0, 0, 1, 1, 2, 4, 0xff, b'x', 1];
    let decoded = only_batch(forged(&records, 1, 0, 0)).decode(&OPTIONS).unwrap();
    let header = decoded.iter().next().unwrap().unwrap().headers().next().unwrap();
    assert_eq!(
        (header.name_bytes(), &*header.name(), header.value),
        (&b"\xffx"[..], "\u{fffd}x", None)
    );
}

#[test]
fn a_walk_goes_on_where_it_was_left() {
    let decoded = only_batch(golden::bytes(golden::JAVA_V2_GZIP)).decode(&OPTIONS).unwrap();
    let mut cursor = RecordCursor::default();
    let mut read = Vec::new();
    loop {
        let mut walk = decoded.resume(cursor);
        let Some(record) = walk.next() else { break };
        read.push(Owned::of(&record.unwrap()));
        cursor = decoded.cursor(&walk);
    }
    assert_eq!(read, java_records(2));
}

#[test]
fn compression_that_does_not_help_is_left_out() {
    for compression in CODECS {
        let sealed = sealed(&[Owned::new(0, TIME, None, Some("?"), &[])], compression);
        assert_eq!(sealed.codec, crate::wire::compress::Codec::None);
    }
}

#[test]
fn records_are_appended_and_read_without_an_allocation_each() {
    let headers = [Header::new("name", "value"), Header::new("name", None::<&str>)];
    let fields = RecordFields {
        timestamp: Timestamp(TIME),
        key: Some(b"key"),
        value: Some(&[7; 100]),
        headers: &headers,
    };
    let mut builder = RecordsBuilder::with_capacity(200_000);
    let appending = allocation_counter::measure(|| {
        for _ in 0..1000 {
            builder.append(&fields).unwrap();
        }
    });
    assert_eq!(appending.count_total, 0);
    let bytes = batch_bytes(&builder.seal(Compression::NONE).unwrap(), BatchHeader::default());
    let mut count = 0;
    let reading = allocation_counter::measure(|| {
        let records = only_batch(bytes).decode(&OPTIONS).unwrap();
        count = records.iter().map(|record| record.unwrap().headers().count()).sum();
    });
    assert_eq!(count, 2000);
    assert!(reading.count_total <= 2, "{reading:?}");
}

fn text() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        1 => Just(None),
        8 => "[ab ]{0,100}".prop_map(|text| Some(text.into_bytes())),
        1 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Some(bytes.repeat(200))),
    ]
}

fn records() -> impl Strategy<Value = Vec<Owned>> {
    let headers =
        proptest::collection::vec(("[a-cé]{0,3}".prop_map(String::into_bytes), text()), 0..3);
    let record = (0..=i64::MAX, text(), text(), headers);
    proptest::collection::vec(record, 1..70).prop_map(|records| {
        let owned = |(offset, (timestamp, key, value, headers))| Owned {
            offset,
            timestamp,
            key,
            value,
            headers,
        };
        (0..).zip(records).map(owned).collect()
    })
}

fn stamp() -> impl Strategy<Value = Option<ProducerStamp>> {
    proptest::option::of((0..i64::MAX, 0..i16::MAX, 0..i32::MAX, any::<bool>()).prop_map(
        |(id, epoch, sequence, is_transactional)| ProducerStamp {
            id: ProducerId(id),
            epoch: ProducerEpoch(epoch),
            sequence: Sequence(sequence),
            is_transactional,
        },
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_written_is_read_back(records in records(), compression in 0..5_usize, producer in stamp()) {
        let sealed = sealed(&records, CODECS[compression]);
        prop_assert_eq!(
            sealed.max_timestamp.0, records.iter().map(|record| record.timestamp).max().unwrap()
        );
        let bytes = batch_bytes(&sealed, BatchHeader { producer });
        prop_assert_eq!(bytes.len(), sealed.len());
        let batch = only_batch(bytes.clone());
        prop_assert_eq!(batch.producer(), producer.map(|stamp| (stamp.id, stamp.epoch)));
        prop_assert_eq!(
            batch.is_transactional(), producer.is_some_and(|stamp| stamp.is_transactional)
        );
        prop_assert_eq!(read_all(bytes, &OPTIONS).unwrap(), records);
    }

    #[test]
    fn parts_of_a_split_batch_are_consecutive_and_small(records in records(), compression in 0..5_usize, limit in 61..3000_usize) {
        let compression = CODECS[compression];
        let whole = sealed(&records, compression);
        let parts = whole.split(limit, compression).unwrap();
        prop_assert!(records.len() == 1 || parts.len() > 1);
        let mut read = Vec::new();
        for part in &parts {
            prop_assert!(part.count == 1 || part.uncompressed_len + HEADER_LEN <= limit);
            let first = i64::try_from(read.len()).unwrap();
            let part = read_all(batch_bytes(part, BatchHeader::default()), &OPTIONS).unwrap();
            read.extend(part.into_iter().map(|record| Owned { offset: record.offset + first, ..record }));
        }
        prop_assert_eq!(read, records);
    }
}

mod against_kafka_protocol;
mod hostile;
