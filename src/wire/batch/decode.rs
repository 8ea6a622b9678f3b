//! Reading batches out of a fetch response: lazily, borrowed, and believing nothing that the bytes
//! do not bear out.
//!
//! ```text
//! Bytes ──Batches──▶ Batch (header only) ──decode: checksum, decompress──▶ Records
//! ```
//! A [`Batch`] can be skipped for the price of its header (aborted transactions, control batches).

use bytes::Bytes;

use super::prefix::{Prefix, array};
use super::records::{RecordRef, Records, Shape};
use super::{
    Attributes, BatchError, BatchErrorReason, CRC_START, DecodeOptions, HEADER_LEN, HeaderFields,
    PREFIX_LEN, checksum, legacy,
};
use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use crate::record::TimestampType;
use crate::wire::compress::{self, Codec};

/// The batches of a fetch response's `records`, one after the other; ends silently at a last batch
/// that is cut off.
///
/// After an error it ends: where one length is wrong, nothing behind it can be found.
#[derive(Clone, Debug)]
pub(crate) struct Batches {
    rest: Bytes,
}

impl Batches {
    pub(crate) fn new(records: Bytes) -> Self {
        Self { rest: records }
    }

    /// How many bytes are still to be read; after the end, the length of the batch that was cut
    /// off.
    #[cfg(test)]
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn read(&mut self) -> Result<Option<Batch>, BatchError> {
        let Some(prefix) = Prefix::read(&self.rest) else { return Ok(None) };
        let fail = |reason| BatchError { offset: prefix.offset, reason };
        let smallest = match prefix.magic {
            0 => legacy::SMALLEST_V0,
            1 => legacy::SMALLEST_V1,
            2 => HEADER_LEN - PREFIX_LEN,
            unknown => return Err(fail(BatchErrorReason::Magic(unknown))),
        };
        let length = usize::try_from(prefix.length).ok().filter(|&length| length >= smallest);
        let Some(length) = length else {
            return Err(fail(BatchErrorReason::Length(prefix.length)));
        };
        if self.rest.len() - PREFIX_LEN < length {
            return Ok(None);
        }
        let malformed = |what| fail(BatchErrorReason::Malformed(what));
        let (len, format) = if prefix.magic == 2 {
            let header = read_header(&self.rest)
                .ok_or_else(|| malformed("header fields that contradict each other"))?;
            (PREFIX_LEN + length, Format::V2(header))
        } else {
            let run = legacy::scan(&self.rest)
                .ok_or_else(|| malformed("message shorter than its fields"))?;
            (run.len, Format::Legacy(run))
        };
        let bytes = self.rest.split_to(len);
        let epoch = matches!(format, Format::V2(_))
            .then(|| array(&bytes, PREFIX_LEN))
            .flatten()
            .map(i32::from_be_bytes);
        let leader_epoch = epoch.filter(|epoch| *epoch >= 0).map(LeaderEpoch);
        Ok(Some(Batch { format, leader_epoch, bytes }))
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            self.rest.clear();
        }
        read.transpose()
    }
}

/// `None` where fields contradict each other.
fn read_header(bytes: &[u8]) -> Option<HeaderFields> {
    let header = HeaderFields {
        base_offset: Offset(i64::from_be_bytes(array(bytes, 0)?)),
        attributes: Attributes(i16::from_be_bytes(array(bytes, 21)?)),
        last_offset_delta: i32::from_be_bytes(array(bytes, 23)?),
        base_timestamp: i64::from_be_bytes(array(bytes, 27)?),
        max_timestamp: i64::from_be_bytes(array(bytes, 35)?),
        producer_id: i64::from_be_bytes(array(bytes, 43)?),
        producer_epoch: i16::from_be_bytes(array(bytes, 51)?),
        base_sequence: i32::from_be_bytes(array(bytes, 53)?),
        count: i32::from_be_bytes(array(bytes, 57)?),
    };
    let last = header.base_offset.0.checked_add(i64::from(header.last_offset_delta))?;
    let is_sound = header.base_offset.0 >= 0
        && header.last_offset_delta >= 0
        && last < i64::MAX
        && header.count >= 0;
    is_sound.then_some(header)
}

/// One batch, of which only the header has been read.
///
/// Consecutive uncompressed messages of the old versions count as one batch.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    format: Format,
    leader_epoch: Option<LeaderEpoch>,
    bytes: Bytes,
}

#[derive(Clone, Debug)]
enum Format {
    V2(HeaderFields),
    Legacy(legacy::Run),
}

impl Batch {
    /// The offset that the batch begins at; of a compressed message of the old versions only the
    /// last offset is known before it is decoded, and this is it.
    pub(crate) fn base_offset(&self) -> Offset {
        match &self.format {
            Format::V2(header) => header.base_offset,
            Format::Legacy(run) => run.base_offset,
        }
    }

    /// The last offset that the batch stands for, whether or not a record with it has survived
    /// compaction.
    pub(crate) fn last_offset(&self) -> Offset {
        match &self.format {
            Format::V2(header) => header.base_offset.advance(i64::from(header.last_offset_delta)),
            Format::Legacy(run) => run.last_offset,
        }
    }

    /// Where to read on after the batch, even if it has no records left.
    pub(crate) fn next_offset(&self) -> Offset {
        self.last_offset().advance(1)
    }

    /// The idempotent producer that wrote it.
    pub(crate) fn producer(&self) -> Option<(ProducerId, ProducerEpoch)> {
        match &self.format {
            Format::V2(header) if header.producer_id >= 0 => {
                Some((ProducerId(header.producer_id), ProducerEpoch(header.producer_epoch)))
            }
            _ => None,
        }
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.has(Attributes::TRANSACTIONAL)
    }

    /// Whether it holds markers for clients instead of records for applications.
    pub(crate) fn is_control(&self) -> bool {
        self.has(Attributes::CONTROL)
    }

    fn has(&self, bit: i16) -> bool {
        matches!(&self.format, Format::V2(header) if header.attributes.has(bit))
    }

    pub(crate) fn timestamp_type(&self) -> TimestampType {
        let is_log_append_time = match &self.format {
            Format::V2(header) => header.attributes.has(Attributes::LOG_APPEND_TIME),
            Format::Legacy(run) => run.is_log_append_time,
        };
        if is_log_append_time { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }

    /// How many bytes it took in the response.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The epoch of the leader that appended it (KIP-101); the old versions do not say.
    pub(crate) fn leader_epoch(&self) -> Option<LeaderEpoch> {
        self.leader_epoch
    }

    /// Parts with the memory that the batch came in by a copy of its bytes.
    pub(crate) fn detach(&mut self) {
        self.bytes = Bytes::copy_from_slice(&self.bytes);
    }

    /// How many records the batch claims to hold: not to be believed before they are found. Of a
    /// compressed message of the old versions that is not known, and it is one.
    pub(crate) fn claimed_count(&self) -> usize {
        let claimed = match &self.format {
            Format::V2(header) => i64::from(header.count),
            Format::Legacy(run) => {
                run.last_offset.0.saturating_sub(run.base_offset.0).saturating_add(1)
            }
        };
        usize::try_from(claimed).unwrap_or(0)
    }

    /// What the header says, without the bytes: for a batch that was decoded.
    #[must_use]
    pub(crate) fn header(&self) -> Self {
        Self { bytes: Bytes::new(), ..self.clone() }
    }

    /// Whether decoding takes more than a checksum.
    pub(crate) fn is_heavy(&self) -> bool {
        match &self.format {
            Format::V2(header) => header.attributes.codec_id() != Codec::None.id(),
            Format::Legacy(_) => true,
        }
    }

    /// Checks the checksum if that is wanted, and decompresses.
    /// # Errors
    /// Names the batch's offset; nothing of the batch can be read then.
    pub(crate) fn decode(&self, options: &DecodeOptions) -> Result<Records, BatchError> {
        match &self.format {
            Format::V2(header) => self.decode_v2(header, options),
            Format::Legacy(run) => legacy::decode(&self.bytes, run, options),
        }
        .map_err(|reason| BatchError { offset: self.base_offset(), reason })
    }

    fn decode_v2(
        &self,
        header: &HeaderFields,
        options: &DecodeOptions,
    ) -> Result<Records, BatchErrorReason> {
        const SHORT: BatchErrorReason =
            BatchErrorReason::Malformed("batch shorter than its header");
        if options.check_crc {
            let stored = u32::from_be_bytes(array(&self.bytes, 17).ok_or(SHORT)?);
            let computed = checksum(&[], self.bytes.get(CRC_START..).ok_or(SHORT)?);
            if stored != computed {
                return Err(BatchErrorReason::Checksum { stored, computed });
            }
        }
        let compressed = self.bytes.get(HEADER_LEN..).ok_or(SHORT)?;
        let codec = Codec::from_id(header.attributes.codec_id())?;
        let data = match codec {
            Codec::None => self.bytes.slice_ref(compressed),
            // A batch that compaction has emptied may keep its codec and no bytes.
            _ if header.count == 0 && compressed.is_empty() => Bytes::new(),
            _ => compress::decompress(codec, compressed, options.max_decompressed)?,
        };
        let is_log_append_time = header.attributes.has(Attributes::LOG_APPEND_TIME);
        let shape = Shape {
            base_offset: header.base_offset.0,
            last_offset_delta: header.last_offset_delta,
            base_timestamp: header.base_timestamp,
            append_time: is_log_append_time.then_some(header.max_timestamp),
            count: header.count,
        };
        Ok(Records::new(data, shape))
    }

    /// The marker of a control batch; `None` for an empty one.
    /// # Errors
    /// As for [`Batch::decode`], and if the record is not a marker.
    pub(crate) fn control(
        &self,
        options: &DecodeOptions,
    ) -> Result<Option<ControlRecord>, BatchError> {
        let records = self.decode(options)?;
        let Some(record) = records.iter().next().transpose()? else { return Ok(None) };
        let malformed = BatchErrorReason::Malformed("control record that is not a marker");
        ControlRecord::read(&record)
            .map(Some)
            .ok_or(BatchError { offset: record.offset, reason: malformed })
    }
}

/// What a control batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ControlRecord {
    pub(crate) marker: ControlMarker,
}

/// The kinds of control records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlMarker {
    /// The producer's transaction was aborted.
    Abort,
    /// The producer's transaction was committed.
    Commit,
    /// Not meant for clients, or newer than this one.
    Other(i16),
}

impl ControlRecord {
    /// Newer versions are read as the newest known: the fields of a version are kept by its
    /// successors.
    fn read(record: &RecordRef<'_>) -> Option<Self> {
        let key = record.key?;
        let version = i16::from_be_bytes(array(key, 0)?);
        let kind = i16::from_be_bytes(array(key, 2)?);
        let marker = match kind {
            0 => ControlMarker::Abort,
            1 => ControlMarker::Commit,
            other => ControlMarker::Other(other),
        };
        (version >= 0).then_some(Self { marker })
    }
}
