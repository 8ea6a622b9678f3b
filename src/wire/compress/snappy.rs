//! snappy: written in the framing of the xerial library, as Java does; read with that framing or as
//! one raw block, as librdkafka writes.
//!
//! ```text
//! 82 'SNAPPY' 00 | version i32 = 1 | compatible i32 = 1 | { length i32 | raw block } ...      integers big-endian
//! ```

use std::cell::RefCell;

use bytes::Bytes;
use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::CodecFailure;
use super::scratch::copy_out;

thread_local! {
    static ENCODER: RefCell<(Encoder, Vec<u8>, Vec<u8>)> = RefCell::new((Encoder::new(), Vec::new(), Vec::new()));
}

pub(super) fn compress(input: &[u8]) -> Option<Bytes> {
    ENCODER.with_borrow_mut(|(encoder, block, out)| {
        block.resize(max_compress_len(BLOCK_LEN), 0);
        out.clear();
        out.extend_from_slice(&HEADER);
        for plain in input.chunks(BLOCK_LEN) {
            let len = encoder.compress(plain, block).ok()?;
            out.extend_from_slice(&i32::try_from(len).ok()?.to_be_bytes());
            out.extend_from_slice(block.get(..len)?);
        }
        copy_out(out, ..)
    })
}

pub(super) fn decompress(
    input: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<(), CodecFailure> {
    let Some(framed) = input.strip_prefix(&MAGIC[..]) else {
        return append_block(out, input, limit);
    };
    // The versions are not looked at, as Java does not: there has only ever been one.
    let mut rest = framed.get(HEADER.len() - MAGIC.len()..).ok_or(CUT)?;
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk().ok_or(CUT)?;
        let length = usize::try_from(i32::from_be_bytes(*length))
            .map_err(|_| CodecFailure::Damaged("negative block length"))?;
        let block;
        (block, rest) = behind.split_at_checked(length).ok_or(CUT)?;
        append_block(out, block, limit)?;
    }
    Ok(())
}

fn append_block(out: &mut Vec<u8>, block: &[u8], limit: usize) -> Result<(), CodecFailure> {
    let len = decompress_len(block).map_err(|_| BAD_BLOCK)?;
    if len > limit.saturating_sub(out.len()) {
        return Err(CodecFailure::Limit);
    }
    // The length is only a claim until it is checked against what a block of this size can hold at
    // all.
    if len > block.len().saturating_mul(MAX_RATIO) {
        return Err(BAD_BLOCK);
    }
    let start = out.len();
    out.resize(start + len, 0);
    let to = out.get_mut(start..).unwrap_or_default();
    Decoder::new().decompress(block, to).map_err(|_| BAD_BLOCK)?;
    Ok(())
}

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";

const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// The xerial library's block size, which Kafka leaves as it is.
const BLOCK_LEN: usize = 32 * 1024;

/// A copy element of 3 bytes gives at most 64.
const MAX_RATIO: usize = 22;

const CUT: CodecFailure = CodecFailure::Damaged("cut off");
const BAD_BLOCK: CodecFailure = CodecFailure::Damaged("bad block");
