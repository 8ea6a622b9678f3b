//! The 61-byte header of a record batch (format 2), checked and patched by hand.
//!
//! ```text
//!  0 base offset i64   8 length i32   12 leader epoch i32   16 magic i8   17 crc u32   21 attributes i16
//! 23 last offset delta i32   27 base timestamp i64   35 max timestamp i64   43 producer id i64
//! 51 producer epoch i16   53 base sequence i32   57 record count i32   61 records
//! ```
//! The CRC covers everything from the attributes on, so base offset and leader epoch are rewritten
//! freely.

use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, checksum};

use super::records;
use crate::embedded::transaction::Marker;

/// The bytes of a header.
pub(crate) const HEADER_LEN: usize = 61;

const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
/// Where the part that the CRC covers begins.
const CHECKED_FROM: usize = 21;

/// The header of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the first record.
    pub base_offset: i64,
    /// Bytes after the length field.
    pub length: i32,
    /// The leader epoch under which the batch was appended.
    pub leader_epoch: i32,
    /// The version of the record format.
    pub magic: i8,
    /// The checksum (CRC-32C) of everything after it.
    pub crc: u32,
    /// The attributes: codec, timestamp type, transactional, control.
    pub attributes: i16,
    /// The offset of the last record, counted from `base_offset`.
    pub last_offset_delta: i32,
    /// The timestamp of the first record, in milliseconds since 1970.
    pub base_timestamp: i64,
    /// The highest timestamp, in milliseconds since 1970.
    pub max_timestamp: i64,
    /// The producer id, or -1.
    pub producer_id: i64,
    /// The producer epoch, or -1.
    pub producer_epoch: i16,
    /// The sequence of the first record, or -1.
    pub base_sequence: i32,
    /// How many records it holds.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads a header; `None` when there are fewer than 61 bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        Some(Self {
            base_offset: i64::from_be_bytes(field(bytes, 0)),
            length: i32::from_be_bytes(field(bytes, 8)),
            leader_epoch: i32::from_be_bytes(field(bytes, 12)),
            magic: i8::from_be_bytes(field(bytes, 16)),
            crc: u32::from_be_bytes(field(bytes, 17)),
            attributes: i16::from_be_bytes(field(bytes, 21)),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)),
            base_timestamp: i64::from_be_bytes(field(bytes, 27)),
            max_timestamp: i64::from_be_bytes(field(bytes, 35)),
            producer_id: i64::from_be_bytes(field(bytes, 43)),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)),
            base_sequence: i32::from_be_bytes(field(bytes, 53)),
            record_count: i32::from_be_bytes(field(bytes, 57)),
        })
    }

    /// The offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// The sequence of the last record; wraps from the largest number to 0.
    pub fn last_sequence(&self) -> i32 {
        advance_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// Whether an idempotent or transactional producer wrote it.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// Whether it is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether it holds a marker instead of records.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether its timestamps are those of the append.
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// The number of the codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub fn compression(&self) -> i16 {
        self.attributes & 0b111
    }
}

/// The sequence `by` records later.
pub(crate) fn advance_sequence(sequence: i32, by: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(by);
    i32::try_from(sum % (i64::from(i32::MAX) + 1)).unwrap_or(0)
}

/// Whether the checksum of a whole batch is right.
pub(crate) fn crc_matches(batch: &[u8], header: &BatchHeader) -> bool {
    batch.get(CHECKED_FROM..).is_some_and(|checked| crc(checked) == header.crc)
}

/// The batch as the log keeps it: with its offset and leader epoch, and on a LogAppendTime topic
/// with its time.
pub(crate) fn stored(
    batch: &[u8],
    base_offset: i64,
    leader_epoch: i32,
    append_time: Option<i64>,
) -> Bytes {
    let mut to = BytesMut::from(batch);
    patch(&mut to, 0, &base_offset.to_be_bytes());
    patch(&mut to, 12, &leader_epoch.to_be_bytes());
    if let (Some(now), Some(header)) = (append_time, BatchHeader::read(batch)) {
        patch(&mut to, 21, &(header.attributes | LOG_APPEND_TIME).to_be_bytes());
        patch(&mut to, 35, &now.to_be_bytes());
        seal(&mut to);
    }
    to.freeze()
}

/// A control batch of one marker (KIP-98): how a transaction ended.
pub(crate) fn end_marker(marker: &Marker, now: i64) -> Bytes {
    let kind = i16::from(marker.committed).to_be_bytes();
    let mut record = vec![0, 0, 0]; // attributes, timestamp delta, offset delta
    record.extend_from_slice(&[8, 0, 0, kind[0], kind[1]]); // key of 4 bytes: version, type
    record.extend_from_slice(&[12, 0, 0]); // value of 6 bytes: version, coordinator epoch
    record.extend_from_slice(&marker.coordinator_epoch.to_be_bytes());
    record.push(0); // no headers
    let length = u8::try_from(record.len() * 2).expect("a marker is far below 64 bytes");
    record.insert(0, length);
    build(TRANSACTIONAL | CONTROL, now, marker.producer_id, marker.epoch, -1, 1, &record)
}

/// What a control batch says, if it ends a transaction.
pub(crate) fn read_marker(batch: &[u8], header: &BatchHeader) -> Option<Marker> {
    let records = records::scan(batch.get(HEADER_LEN..)?, header.record_count)?;
    let record = records.first().filter(|_| header.is_control())?;
    let committed = match i16::from_be_bytes(*record.key?.get(2..)?.first_chunk()?) {
        0 => false,
        1 => true,
        _ => return None,
    };
    let coordinator_epoch = i32::from_be_bytes(*record.value?.get(2..)?.first_chunk()?);
    Some(Marker {
        producer_id: header.producer_id,
        epoch: header.producer_epoch,
        committed,
        coordinator_epoch,
        version: 0,
    })
}

/// A batch around records that are already encoded.
pub(crate) fn build(
    attributes: i16,
    timestamp: i64,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    count: i32,
    records: &[u8],
) -> Bytes {
    let mut to = BytesMut::with_capacity(HEADER_LEN + records.len());
    let length =
        i32::try_from(HEADER_LEN - 12 + records.len()).expect("a batch of a test is below 2 GiB");
    to.extend_from_slice(&0_i64.to_be_bytes());
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(&(-1_i32).to_be_bytes());
    to.extend_from_slice(&[2, 0, 0, 0, 0]);
    to.extend_from_slice(&attributes.to_be_bytes());
    to.extend_from_slice(&(count - 1).to_be_bytes());
    to.extend_from_slice(&timestamp.to_be_bytes());
    to.extend_from_slice(&timestamp.to_be_bytes());
    to.extend_from_slice(&producer_id.to_be_bytes());
    to.extend_from_slice(&producer_epoch.to_be_bytes());
    to.extend_from_slice(&base_sequence.to_be_bytes());
    to.extend_from_slice(&count.to_be_bytes());
    to.extend_from_slice(records);
    seal(&mut to);
    to.freeze()
}

/// Writes the CRC anew.
fn seal(batch: &mut BytesMut) {
    let crc = batch.get(CHECKED_FROM..).map(crc).unwrap_or_default();
    patch(batch, 17, &crc.to_be_bytes());
}

fn crc(bytes: &[u8]) -> u32 {
    u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, bytes)).expect("a CRC-32 has 32 bits")
}

fn patch(batch: &mut BytesMut, at: usize, with: &[u8]) {
    if let Some(to) = batch.get_mut(at..at + with.len()) {
        to.copy_from_slice(with);
    }
}

fn field<const N: usize>(header: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    *header
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .expect("every field lies inside the header")
}
