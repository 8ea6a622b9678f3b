//! gzip (RFC 1952): one member written, any number of members read, as the JDK does.
//!
//! Header and trailer are ours around raw deflate: so contexts can be reset and kept.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression as Level, Decompress, FlushCompress, FlushDecompress, Status};

use super::CodecFailure;
use super::scratch::copy_out;

thread_local! {
    static DEFLATE: RefCell<Option<(i32, Compress)>> = const { RefCell::new(None) };
    static INFLATE: RefCell<Option<Decompress>> = const { RefCell::new(None) };
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn compress(input: &[u8], level: i32) -> Option<Bytes> {
    DEFLATE.with_borrow_mut(|kept| {
        SCRATCH.with_borrow_mut(|out| {
            let deflate = match kept {
                Some((of, deflate)) if *of == level => {
                    deflate.reset();
                    deflate
                }
                _ => &mut kept.insert((level, Compress::new(level_of(level), false))).1,
            };
            out.clear();
            // Output no smaller than the input is of no use, so there is no need for room for it.
            out.reserve(input.len() + HEADER.len() + TRAILER_LEN);
            out.extend_from_slice(&HEADER);
            let status = deflate.compress_vec(input, out, FlushCompress::Finish).ok()?;
            if status != Status::StreamEnd {
                return None;
            }
            out.extend_from_slice(&crc_fast::crc32_iso_hdlc(input).to_le_bytes());
            out.extend_from_slice(&size_of(input).to_le_bytes());
            copy_out(out, ..)
        })
    })
}

fn level_of(level: i32) -> Level {
    u32::try_from(level).map_or_else(|_| Level::default(), Level::new)
}

/// The length modulo 2^32, as the trailer has it.
fn size_of(bytes: &[u8]) -> u32 {
    let [a, b, c, d, ..] = u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

pub(super) fn decompress(
    input: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<(), CodecFailure> {
    INFLATE.with_borrow_mut(|kept| {
        let inflate = kept.get_or_insert_with(|| Decompress::new(false));
        // Batches compress to a third or better; guess that, and grow with what comes.
        out.reserve(input.len().saturating_mul(4).min(limit));
        let mut rest = input;
        loop {
            rest = skip_header(rest).ok_or(CodecFailure::Damaged("bad header"))?;
            let start = out.len();
            rest = inflate_member(inflate, rest, out, limit)?;
            let member = out.get(start..).unwrap_or_default();
            let trailer;
            (trailer, rest) = rest.split_at_checked(TRAILER_LEN).ok_or(CUT)?;
            let mut expected = [0; TRAILER_LEN];
            expected[..4].copy_from_slice(&crc_fast::crc32_iso_hdlc(member).to_le_bytes());
            expected[4..].copy_from_slice(&size_of(member).to_le_bytes());
            if trailer != expected {
                return Err(CodecFailure::Damaged("wrong checksum or size"));
            }
            // What follows is the next member, if it looks like one; the JDK ignores anything else.
            if !rest.starts_with(&MAGIC) {
                return Ok(());
            }
        }
    })
}

/// Appends the content of one deflate stream and returns what is behind it.
fn inflate_member<'a>(
    inflate: &mut Decompress,
    mut rest: &'a [u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<&'a [u8], CodecFailure> {
    inflate.reset(false);
    loop {
        if out.len() == out.capacity() {
            if out.len() > limit {
                return Err(CodecFailure::Limit);
            }
            // One byte beyond the limit tells "just reached" from "too long".
            out.reserve_exact(out.len().clamp(
                MIN_GROWTH,
                limit.saturating_sub(out.len()).saturating_add(1).max(MIN_GROWTH),
            ));
        }
        let before = (inflate.total_in(), inflate.total_out());
        let status = inflate
            .decompress_vec(rest, out, FlushDecompress::None)
            .map_err(|_| CodecFailure::Damaged("bad deflate stream"))?;
        let taken = usize::try_from(inflate.total_in() - before.0).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        if out.len() > limit {
            return Err(CodecFailure::Limit);
        }
        match status {
            Status::StreamEnd => return Ok(rest),
            _ if taken == 0 && inflate.total_out() == before.1 && out.len() < out.capacity() => {
                return Err(CUT);
            }
            Status::Ok | Status::BufError => {}
        }
    }
}

/// Skips a member's header with all its optional fields.
fn skip_header(bytes: &[u8]) -> Option<&[u8]> {
    const HEADER_CRC: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    let (header, mut rest) = bytes.split_at_checked(HEADER.len())?;
    let [0x1f, 0x8b, 8, flags, ..] = *header else { return None };
    if flags & EXTRA != 0 {
        let (length, behind) = rest.split_first_chunk()?;
        rest = behind.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|&byte| byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & HEADER_CRC != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

const CUT: CodecFailure = CodecFailure::Damaged("cut off");

const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Deflate, no optional fields, no time, unknown system, as the JDK writes it.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// CRC-32 and size.
const TRAILER_LEN: usize = 8;

const MIN_GROWTH: usize = 1024;
