//! zstd (RFC 8878): one frame written, any number of frames read.

use std::cell::RefCell;

use bytes::Bytes;
use mzstd::{
    Compressor, DecodeError, DecodeLimits, DecoderConfig, Decompressor, EncoderConfig, Level,
    RetentionPolicy,
};

use super::CodecFailure;
use super::scratch::copy_out;

thread_local! {
    static COMPRESSOR: RefCell<Option<(i32, Compressor)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor>> = const { RefCell::new(None) };
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn compress(input: &[u8], level: i32) -> Option<Bytes> {
    COMPRESSOR.with_borrow_mut(|kept| {
        SCRATCH.with_borrow_mut(|out| {
            let compressor = match kept {
                Some((of, compressor)) if *of == level => compressor,
                _ => &mut kept.insert((level, compressor_of(level)?)).1,
            };
            out.clear();
            let range = compressor.compress_into(input, out).ok()?;
            copy_out(out, range)
        })
    })
}

fn compressor_of(level: i32) -> Option<Compressor> {
    let config = EncoderConfig::default().with_level(Level::try_from(level).ok()?);
    Compressor::builder(config)
        .with_retention(RetentionPolicy::Bounded { max_bytes: KEPT_CONTEXT })
        .build()
        .ok()
}

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
        let output = u64::try_from(limit).unwrap_or(u64::MAX);
        let config = DecoderConfig::default()
            .with_limits(DecodeLimits::default().with_max_output_bytes(Some(output)));
        let decompressor = kept.get_or_insert_with(|| {
            Decompressor::builder(config)
                .with_retention(RetentionPolicy::Bounded { max_bytes: KEPT_CONTEXT })
                .build()
        });
        if *decompressor.config() != config {
            decompressor.reconfigure(config);
        }
        match decompressor.decompress_into(input, out) {
            Ok(_) => Ok(()),
            Err(
                DecodeError::OutputLimitExceeded { .. } | DecodeError::WindowLimitExceeded { .. },
            ) => Err(CodecFailure::Limit),
            Err(DecodeError::UnexpectedEndOfInput) => Err(CodecFailure::Damaged("cut off")),
            Err(_) => Err(CodecFailure::Damaged("bad frame")),
        }
    })
}

/// The largest context that a thread keeps: level 3 needs less, the highest levels tens of
/// megabytes.
const KEPT_CONTEXT: usize = 8 << 20;
