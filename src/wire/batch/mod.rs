//! Record batches: what a partition's log is made of (KIP-98 for version 2, which is written;
//! versions 0 and 1 are read).
//!
//! ```text
//! byte 0      8          12            16    17   21          23               27             35            43
//!      offset  length i32 leader epoch  magic crc  attributes  last offset delta base timestamp max timestamp producer id
//! byte 51     53       57        61
//!      epoch   sequence  count     records (compressed as one when the attributes say so)
//! ```
//! The checksum covers byte 21 to the end, so offset and leader epoch can be set without it.
//! Big-endian throughout; inside the records, zigzag variable-length integers (`zigzag`).
//!
//! No topic, no socket: producer and fetcher hand bytes in and take bytes out.

use crate::ids::Offset;
use crate::wire::compress::{Codec, CodecError};

mod decode;
mod encode;
mod legacy;
mod packed;
mod prefix;
mod records;
mod spans;
mod zigzag;

pub(crate) use decode::{Batch, Batches, ControlMarker};
pub(crate) use encode::{BatchHeader, ProducerStamp, RecordFields, RecordsBuilder, SealedRecords};
pub use records::Headers;
pub(crate) use records::{RecordCursor, RecordIter, RecordRef, Records};
pub(crate) use spans::RecordSpans;

/// The length of a version 2 header.
pub(crate) const HEADER_LEN: usize = 61;

/// Offset and length, which every version begins with.
const PREFIX_LEN: usize = 12;

/// Where the part under the checksum begins.
const CRC_START: usize = 21;

/// Where the version stands, in every version.
const MAGIC_AT: usize = 16;

/// A batch or record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("batch at offset {offset}: {reason}")]
pub(crate) struct BatchError {
    /// The first offset that cannot be read; the offset of the batch where that is not known.
    pub(crate) offset: Offset,
    pub(crate) reason: BatchErrorReason,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BatchErrorReason {
    #[error("unknown version {0} of the format")]
    Magic(i8),
    #[error("impossible length {0}")]
    Length(i32),
    #[error("checksum {computed:#010x} instead of {stored:#010x}")]
    Checksum { stored: u32, computed: u32 },
    #[error("{0}")]
    Malformed(&'static str),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl From<BatchError> for crate::error::Error {
    fn from(error: BatchError) -> Self {
        let kind = match &error.reason {
            BatchErrorReason::Codec(codec) => codec.kind(),
            _ => crate::error::ErrorKind::Corrupt,
        };
        Self::new(kind, error.to_string()).with_source(error)
    }
}

/// How carefully, and how far, batches are decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodeOptions {
    /// Whether checksums are verified (`check.crcs`).
    pub(crate) check_crc: bool,
    /// The most bytes that one batch may decompress to.
    pub(crate) max_decompressed: usize,
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Attributes(i16);

impl Attributes {
    const CODEC: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;

    fn new(codec: Codec, is_transactional: bool) -> Self {
        Self(i16::from(codec.id()) | if is_transactional { Self::TRANSACTIONAL } else { 0 })
    }

    /// The codec's number: five of eight are taken.
    fn codec_id(self) -> u8 {
        (self.0 & Self::CODEC).to_le_bytes()[0]
    }

    fn has(self, bit: i16) -> bool {
        self.0 & bit != 0
    }
}

/// The fields of a version 2 header, as they stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HeaderFields {
    base_offset: Offset,
    attributes: Attributes,
    last_offset_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    count: i32,
}

impl HeaderFields {
    /// The header before `records`, with length and checksum.
    fn write(&self, records: &[u8]) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        let length = i32::try_from(HEADER_LEN - PREFIX_LEN + records.len()).unwrap_or(i32::MAX);
        put(0, &self.base_offset.0.to_be_bytes());
        put(8, &length.to_be_bytes());
        put(12, &NO_LEADER_EPOCH.to_be_bytes());
        put(MAGIC_AT, &[2]);
        put(21, &self.attributes.0.to_be_bytes());
        put(23, &self.last_offset_delta.to_be_bytes());
        put(27, &self.base_timestamp.to_be_bytes());
        put(35, &self.max_timestamp.to_be_bytes());
        put(43, &self.producer_id.to_be_bytes());
        put(51, &self.producer_epoch.to_be_bytes());
        put(53, &self.base_sequence.to_be_bytes());
        put(57, &self.count.to_be_bytes());
        let crc = checksum(&header[CRC_START..], records);
        header[17..CRC_START].copy_from_slice(&crc.to_be_bytes());
        header
    }
}

/// A client does not know the leader epoch that a batch is appended in.
const NO_LEADER_EPOCH: i32 = -1;

/// The CRC-32C of two pieces, one after the other.
pub(crate) fn checksum(head: &[u8], rest: &[u8]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(head);
    digest.update(rest);
    u32::try_from(digest.finalize()).expect("a checksum of 32 bits")
}

#[cfg(test)]
#[cfg(all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
mod golden;
#[cfg(test)]
#[cfg(all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
mod tests;
