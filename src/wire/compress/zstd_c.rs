//! zstd by its library in C, for those who want its highest levels and build C anyway.

use std::cell::RefCell;

use bytes::Bytes;
use zstd_c::zstd_safe::{self, CCtx, DCtx};

use super::CodecFailure;
use super::scratch::copy_out;

thread_local! {
    static COMPRESSOR: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn compress(input: &[u8], level: i32) -> Option<Bytes> {
    COMPRESSOR.with_borrow_mut(|kept| {
        SCRATCH.with_borrow_mut(|out| {
            if kept.is_none() {
                *kept = CCtx::try_create();
            }
            let compressor = kept.as_mut()?;
            out.clear();
            out.reserve(zstd_safe::compress_bound(input.len()));
            let written = compressor.compress(out, input, level).ok()?;
            if compressor.sizeof() > KEPT_CONTEXT {
                *kept = None;
            }
            copy_out(out, ..written)
        })
    })
}

/// Decompresses into room that grows until it is enough: C writes no further than the capacity, and
/// needs no window beside it.
pub(super) fn decompress(
    input: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<(), CodecFailure> {
    // No frame at all would be none to complain of.
    if input.is_empty() {
        return Err(CodecFailure::Damaged("cut off"));
    }
    DECOMPRESSOR.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = DCtx::try_create();
        }
        let decompressor = kept.as_mut().ok_or(CodecFailure::Damaged("no memory for a context"))?;
        // A first guess at what a batch expands to.
        let mut room = input.len().saturating_mul(4).max(MIN_ROOM).min(limit);
        loop {
            out.clear();
            out.try_reserve_exact(room).map_err(|_| CodecFailure::Limit)?;
            match decompressor.decompress(out, input) {
                Ok(_) if out.len() > limit => return Err(CodecFailure::Limit),
                Ok(_) => return Ok(()),
                Err(code) if code != TOO_SMALL => {
                    return Err(CodecFailure::Damaged(zstd_safe::get_error_name(code)));
                }
                Err(_) if out.capacity() >= limit => return Err(CodecFailure::Limit),
                Err(_) => room = out.capacity().saturating_mul(2).min(limit),
            }
        }
    })
}

/// What C answers if the output does not fit: `ZSTD_error_dstSize_tooSmall`, negated.
const TOO_SMALL: usize = 70_usize.wrapping_neg();

const MIN_ROOM: usize = 16 << 10;

/// The largest context that a thread keeps: level 3 needs less, the highest levels tens of
/// megabytes.
const KEPT_CONTEXT: usize = 8 << 20;

/// The second opinion on what is read and written without C.
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{CodecFailure, zstd};

    const LIMIT: usize = 300_000;

    fn inputs() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..2000),
            proptest::collection::vec("[a-z]{1,9} ?", 0..3000)
                .prop_map(|words| words.concat().into_bytes()),
            ("[a-d]{1,40}", 0..5000_usize)
                .prop_map(|(text, times)| text.into_bytes().repeat(times)),
        ]
    }

    fn plain(
        decompress: fn(&[u8], &mut Vec<u8>, usize) -> Result<(), CodecFailure>,
        frame: &[u8],
    ) -> Result<Vec<u8>, CodecFailure> {
        let mut out = Vec::new();
        decompress(frame, &mut out, LIMIT).map(|()| out)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn each_reads_what_the_other_writes(input in inputs(), level in -10..20) {
            let (by_rust, by_c) = (zstd::compress(&input, level).unwrap(), super::compress(&input, level).unwrap());
            prop_assert_eq!(plain(super::decompress, &by_rust), Ok(input.clone()));
            prop_assert_eq!(plain(zstd::decompress, &by_c), Ok(input.clone()));
            let frames = [&by_c[..], &by_rust].concat();
            prop_assert_eq!(plain(super::decompress, &frames), plain(zstd::decompress, &frames));
        }

        #[test]
        fn damaged_frames_mean_the_same_to_both(
            input in inputs(),
            level in 1..20,
            damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        ) {
            let mut frame = super::compress(&input, level).unwrap().to_vec();
            for (at, byte) in damage {
                let at = at % frame.len();
                frame[at] = byte;
            }
            if let (Ok(by_c), Ok(by_rust)) = (plain(super::decompress, &frame), plain(zstd::decompress, &frame)) {
                prop_assert_eq!(by_c, by_rust);
            }
        }
    }
}
