//! zstd (RFC 8878): one frame written, any number of frames read.

use std::cell::RefCell;

use bytes::Bytes;
use zrip::{CompressContext, DecompressContext, DecompressError};

use super::CodecFailure;
use super::scratch::copy_out;

thread_local! {
    static COMPRESSOR: RefCell<Option<CompressContext>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<DecompressContext>> = const { RefCell::new(None) };
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn compress(input: &[u8], level: i32) -> Option<Bytes> {
    COMPRESSOR.with_borrow_mut(|kept| {
        SCRATCH.with_borrow_mut(|out| {
            let level = level_here(level);
            if kept.is_none() {
                *kept = CompressContext::new(level).ok();
            }
            let compressor = kept.as_mut()?;
            compressor.set_level(level).ok()?;
            // A batch has a checksum of its own.
            compressor.set_content_checksum(false);
            let room = zrip::compress_bound(input.len());
            if out.len() < room {
                out.resize(room, 0);
            }
            let written = compressor.compress_into(input, out).ok()?;
            copy_out(out, ..written)
        })
    })
}

/// The level of `zrip` that takes about the time of C's level, for which `docs/dev/zstd.md` has the numbers; its last is 4.
fn level_here(level: i32) -> i32 {
    match level {
        ..0 => level.max(FASTEST),
        1 => 1,
        // 0 is C's default, which is 3.
        0 | 2 | 3 => 2,
        4 | 5 => 3,
        _ => 4,
    }
}

/// The fastest level of `zrip`; C goes on to -131072, with less and less effect.
const FASTEST: i32 = -7;

pub(super) fn decompress(input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), CodecFailure> {
    // No frame at all would be none to complain of.
    if input.is_empty() {
        return Err(CodecFailure::Damaged("cut off"));
    }
    DECOMPRESSOR.with_borrow_mut(|kept| {
        match kept.get_or_insert_with(DecompressContext::new).decompress_into_with_limit(input, out, limit) {
            Ok(_) => Ok(()),
            Err(DecompressError::OutputTooSmall) => Err(CodecFailure::Limit),
            Err(DecompressError::InputExhausted) => Err(CodecFailure::Damaged("cut off")),
            Err(_) => Err(CodecFailure::Damaged("bad frame")),
        }
    })
}
