//! Reading the formats before version 2, which old segments still hold and brokers return as they
//! are. Never written.
//!
//! ```text
//! byte 0      8          12      16    17          18 (version 1 only)   18 or 26
//!      offset  size i32   crc u32 magic attributes  timestamp i64         key length i32, key, value length i32, value
//! ```
//! A compressed message holds a sequence of messages in its value; its offset is that of the last
//! one. In version 0 the inner offsets are absolute, in version 1 relative. The checksum is CRC-32
//! over everything behind it.
//!
//! Messages are rewritten as version 2 records, so that all code behind knows one form; the copy is
//! the price of an old log.

use bytes::Bytes;

use super::prefix::{Prefix, array};
use super::records::{Records, Shape};
use super::{BatchErrorReason, DecodeOptions, PREFIX_LEN, encode};
use crate::ids::Offset;
use crate::wire::compress::{self, Codec};

/// The smallest size field of version 0: checksum, version, attributes and two lengths.
pub(super) const SMALLEST_V0: usize = 14;
/// Version 1 has a timestamp as well.
pub(super) const SMALLEST_V1: usize = 22;

/// Consecutive messages that become one batch: either all uncompressed, or one compressed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) len: usize,
    pub(super) base_offset: Offset,
    pub(super) last_offset: Offset,
    pub(super) is_log_append_time: bool,
    codec_id: u8,
}

/// Measures the run of messages that `bytes` begin with; `None` if the first is too short for its
/// version.
pub(super) fn scan(bytes: &[u8]) -> Option<Run> {
    let (first, mut rest) = LegacyMessage::split(bytes)?;
    let mut run = Run {
        len: first.len,
        base_offset: first.offset,
        last_offset: first.offset,
        is_log_append_time: first.is_log_append_time(),
        codec_id: first.codec_id(),
    };
    while run.codec_id == 0
        && let Some((next, behind)) = LegacyMessage::split(rest)
        && next.magic == first.magic
        && next.attributes == first.attributes
        && next.offset > run.last_offset
        && offset_delta(next.offset, run.base_offset).is_some()
    {
        run.len += next.len;
        run.last_offset = next.offset;
        rest = behind;
    }
    Some(run)
}

/// The messages of a run as records.
pub(super) fn decode(
    bytes: &[u8],
    run: &Run,
    options: &DecodeOptions,
) -> Result<Records, BatchErrorReason> {
    if run.codec_id == 0 {
        let mut records = Rewriter::new(run.base_offset, bytes.len());
        records.put_all(bytes, options, |message| Some((message.offset, message.timestamp)))?;
        return Ok(records.finish());
    }
    let (wrapper, _) = LegacyMessage::split(bytes).ok_or(CUT)?;
    wrapper.verify(options)?;
    let codec = Codec::from_id(run.codec_id)?;
    if codec == Codec::Zstd {
        return Err(BatchErrorReason::Malformed("zstd in a version before 2"));
    }
    let compressed = wrapper
        .fields()?
        .value
        .ok_or(BatchErrorReason::Malformed("compressed message without value"))?;
    let plain = if wrapper.magic == 0 {
        compress::decompress_v0(codec, compressed, options.max_decompressed)?
    } else {
        compress::decompress(codec, compressed, options.max_decompressed)?
    };
    let (first, last) = offsets_of(&plain, wrapper.magic)?;
    let base = base_of_inner(&wrapper, last)?;
    let first = Offset(first.0.checked_add(base).ok_or(OUT_OF_ORDER)?);
    let mut records = Rewriter::new(first, plain.len());
    records.put_all(&plain, options, |message| {
        let timestamp = if run.is_log_append_time { wrapper.timestamp } else { message.timestamp };
        Some((Offset(message.offset.0.checked_add(base)?), timestamp))
    })?;
    Ok(records.finish())
}

/// What to add to the offsets inside a compressed message.
fn base_of_inner(wrapper: &LegacyMessage<'_>, last_inner: Offset) -> Result<i64, BatchErrorReason> {
    // Old librdkafka left the outer offset at 0 and counted from there.
    if wrapper.magic == 0 || wrapper.offset.0 == 0 {
        return Ok(0);
    }
    let base =
        wrapper.offset.0.checked_sub(last_inner.0).filter(|&base| base >= 0 && last_inner.0 >= 0);
    base.ok_or(BatchErrorReason::Malformed("compressed message with an offset below those inside"))
}

/// The first and the last offset of the messages inside a compressed one.
fn offsets_of(plain: &[u8], magic: i8) -> Result<(Offset, Offset), BatchErrorReason> {
    let mut rest = plain;
    let mut offsets = None;
    while !rest.is_empty() {
        let (message, behind) = LegacyMessage::split(rest).ok_or(CUT)?;
        if message.magic != magic || message.codec_id() != 0 {
            return Err(BatchErrorReason::Malformed(
                "message of another version or codec inside a compressed one",
            ));
        }
        let (first, _) = offsets.unwrap_or((message.offset, message.offset));
        offsets = Some((first, message.offset));
        rest = behind;
    }
    offsets.ok_or(BatchErrorReason::Malformed("compressed message with nothing inside"))
}

const CUT: BatchErrorReason = BatchErrorReason::Malformed("message cut off");
const OUT_OF_ORDER: BatchErrorReason = BatchErrorReason::Malformed("offsets out of order");

fn offset_delta(offset: Offset, base: Offset) -> Option<i32> {
    i32::try_from(offset.0.checked_sub(base.0)?).ok().filter(|&delta| delta >= 0)
}

/// Writes messages as version 2 records.
struct Rewriter {
    data: Vec<u8>,
    base_offset: Offset,
    last_delta: Option<i32>,
    count: i32,
}

impl Rewriter {
    /// `len` is what the messages take, and more than their records will.
    fn new(base_offset: Offset, len: usize) -> Self {
        Self { data: Vec::with_capacity(len), base_offset, last_delta: None, count: 0 }
    }

    /// Rewrites every message of `bytes`, with the offset and the timestamp that `place` gives it.
    fn put_all(
        &mut self,
        bytes: &[u8],
        options: &DecodeOptions,
        place: impl Fn(&LegacyMessage<'_>) -> Option<(Offset, i64)>,
    ) -> Result<(), BatchErrorReason> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (message, behind) = LegacyMessage::split(rest).ok_or(CUT)?;
            message.verify(options)?;
            let Fields { key, value } = message.fields()?;
            let (offset, timestamp) = place(&message).ok_or(OUT_OF_ORDER)?;
            let delta = offset_delta(offset, self.base_offset)
                .filter(|&delta| self.last_delta.is_none_or(|last| delta > last));
            let delta = delta.ok_or(OUT_OF_ORDER)?;
            encode::put_bare_record(&mut self.data, timestamp, delta, key, value);
            self.last_delta = Some(delta);
            self.count = self.count.checked_add(1).ok_or(OUT_OF_ORDER)?;
            rest = behind;
        }
        Ok(())
    }

    fn finish(self) -> Records {
        let shape = Shape {
            base_offset: self.base_offset.0,
            last_offset_delta: self.last_delta.unwrap_or(0),
            // Timestamps stand as they are: nothing says that their differences fit.
            base_timestamp: 0,
            append_time: None,
            count: self.count,
        };
        Records::new(Bytes::from(self.data), shape)
    }
}

/// One message, of which the fixed fields have been read.
#[derive(Clone, Copy, Debug)]
struct LegacyMessage<'a> {
    offset: Offset,
    /// With offset and size.
    len: usize,
    stored_crc: u32,
    magic: i8,
    attributes: u8,
    /// -1 in version 0, which has none.
    timestamp: i64,
    /// What the checksum covers.
    checked: &'a [u8],
    key_and_value: &'a [u8],
}

struct Fields<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl<'a> LegacyMessage<'a> {
    /// Takes the message that `bytes` begin with; `None` if it is cut off, of another version, or
    /// too short for its own.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let Prefix { offset, length, magic } = Prefix::read(bytes)?;
        let smallest = match magic {
            0 => SMALLEST_V0,
            1 => SMALLEST_V1,
            _ => return None,
        };
        let size = usize::try_from(length).ok().filter(|&size| size >= smallest)?;
        let (message, rest) = bytes.split_at_checked(PREFIX_LEN.checked_add(size)?)?;
        let [attributes] = array(message, 17)?;
        let (timestamp, fields_at) =
            if magic == 0 { (-1, 18) } else { (i64::from_be_bytes(array(message, 18)?), 26) };
        let message = Self {
            offset,
            len: message.len(),
            stored_crc: u32::from_be_bytes(array(message, PREFIX_LEN)?),
            magic,
            attributes,
            timestamp,
            checked: message.get(16..)?,
            key_and_value: message.get(fields_at..)?,
        };
        (offset.0 >= 0).then_some((message, rest))
    }

    fn codec_id(&self) -> u8 {
        self.attributes & 0b111
    }

    fn is_log_append_time(&self) -> bool {
        self.magic == 1 && self.attributes & 0b1000 != 0
    }

    fn verify(&self, options: &DecodeOptions) -> Result<(), BatchErrorReason> {
        if options.check_crc {
            let computed = crc_fast::crc32_iso_hdlc(self.checked);
            if computed != self.stored_crc {
                return Err(BatchErrorReason::Checksum { stored: self.stored_crc, computed });
            }
        }
        Ok(())
    }

    fn fields(&self) -> Result<Fields<'a>, BatchErrorReason> {
        let mut rest = self.key_and_value;
        let malformed = BatchErrorReason::Malformed("key and value that do not fill their message");
        let (Some(key), Some(value), []) =
            (take_nullable(&mut rest), take_nullable(&mut rest), rest)
        else {
            return Err(malformed);
        };
        Ok(Fields { key, value })
    }
}

fn take_nullable<'a>(from: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, rest) = from.split_first_chunk()?;
    let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
        *from = rest;
        return Some(None);
    };
    let (bytes, rest) = rest.split_at_checked(length)?;
    *from = rest;
    Some(Some(bytes))
}
