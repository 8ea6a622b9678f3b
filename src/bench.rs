//! What the micro-benchmarks in `benches/` measure: a narrow door to stages that are private. Not
//! part of the public API.

use bytes::Bytes;

pub use crate::consumer::bench::Walk;
pub use crate::producer::bench::{Accumulator, Partitioning, Shipment};

use crate::ids::{ProducerEpoch, ProducerId, Sequence, Timestamp};
use crate::record::Header;
use crate::wire::batch::{
    self, BatchHeader, Batches, DecodeOptions, ProducerStamp, RecordCursor, RecordFields,
    RecordsBuilder, SealedRecords,
};
use crate::wire::compress::{self, Compression};

/// An open batch.
#[derive(Debug)]
pub struct Builder(RecordsBuilder);

impl Builder {
    /// An empty batch with room for so many bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(RecordsBuilder::with_capacity(capacity))
    }

    /// Appends a record if the batch stays within `limit` bytes; whether it did.
    #[inline]
    pub fn append(
        &mut self,
        limit: usize,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> bool {
        let record = RecordFields { timestamp: Timestamp(timestamp), key, value, headers };
        self.0.append_within(limit, &record).is_some()
    }

    /// How many bytes the batch takes.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Ends and compresses it.
    pub fn seal(self, compression: Compression) -> Sealed {
        Sealed(self.0.seal(compression).expect("benchmarks are built with every codec"))
    }
}

/// A batch that is complete but for its header.
#[derive(Clone, Debug)]
pub struct Sealed(SealedRecords);

impl Sealed {
    /// Its header, checksum included.
    pub fn header(&self) -> [u8; 61] {
        let stamp = ProducerStamp {
            id: ProducerId(1),
            epoch: ProducerEpoch(0),
            sequence: Sequence(7),
            is_transactional: false,
        };
        BatchHeader { producer: Some(stamp) }.write(&self.0)
    }

    /// The whole batch.
    pub fn batch(&self) -> Bytes {
        [&self.header()[..], &self.0.records].concat().into()
    }
}

/// Walks borrowed records: their number, and a sum over all that was read.
pub fn read_borrowed(batches: &Bytes, check_crc: bool) -> (u64, u64) {
    let options = DecodeOptions { check_crc, max_decompressed: 64 << 20 };
    let (mut count, mut sum) = (0, 0);
    for batch in Batches::new(batches.clone()) {
        let records = batch.and_then(|batch| batch.decode(&options)).expect("a sound batch");
        for record in records.iter() {
            let record = record.expect("a sound record");
            count += 1;
            sum += length(record.key) + length(record.value) + record.offset.0.cast_unsigned();
        }
    }
    (count, sum)
}

/// Reads each record on its own, as `recv` does, with its value as shared bytes.
pub fn read_owned(batches: &Bytes, check_crc: bool) -> (u64, u64) {
    let options = DecodeOptions { check_crc, max_decompressed: 64 << 20 };
    let (mut count, mut sum) = (0, 0);
    for batch in Batches::new(batches.clone()) {
        let records = batch.and_then(|batch| batch.decode(&options)).expect("a sound batch");
        let mut cursor = RecordCursor::default();
        loop {
            let mut walk = records.resume(cursor);
            let Some(record) = walk.next() else { break };
            cursor = records.cursor(&walk);
            let record = record.expect("a sound record");
            let value = records.data().slice_ref(record.value.unwrap_or_default());
            count += 1;
            sum += length(record.key) + length(Some(&value)) + record.offset.0.cast_unsigned();
        }
    }
    (count, sum)
}

fn length(bytes: Option<&[u8]>) -> u64 {
    bytes.map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}

/// The checksum of two pieces of a batch, one after the other.
pub fn checksum(head: &[u8], rest: &[u8]) -> u32 {
    batch::checksum(head, rest)
}

/// A codec alone.
pub fn compress(compression: Compression, input: &[u8]) -> Option<Bytes> {
    compress::compress(compression, input).expect("benchmarks are built with every codec")
}

/// A codec alone, the other way.
pub fn decompress(compression: Compression, input: &[u8], limit: usize) -> Bytes {
    compress::decompress(compression.codec(), input, limit).expect("sound input")
}
