//! lz4 frames, over the block functions of `lz4_flex`.
//!
//! ```text
//! magic u32 | FLG | BD | [content size u64] | [dictionary u32] | header checksum | { size u32 | block | [checksum u32] } ...
//!           | 0 u32 | [content checksum u32]                                          integers little-endian
//! ```
//! Written: independent blocks of 64 KiB, nothing optional, since Java refuses linked blocks. Read:
//! whatever the format allows but a dictionary; like Java, without looking at the content checksum,
//! and one frame only.

use std::cell::RefCell;

use bytes::Bytes;
use lz4_flex::block::{
    CompressTable, DecompressError, compress_into_with_table, decompress_into,
    decompress_into_with_dict, get_maximum_output_size,
};
use twox_hash::XxHash32;

use super::CodecFailure;
use super::scratch::copy_out;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor>> = const { RefCell::new(None) };
    static PLAIN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn compress(input: &[u8]) -> Option<Bytes> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let Compressor { table, block, out } = kept.get_or_insert_with(|| Compressor {
            table: CompressTable::small(),
            block: vec![0; get_maximum_output_size(WRITTEN_BLOCK_LEN)],
            out: Vec::new(),
        });
        out.clear();
        out.extend_from_slice(&HEADER);
        for plain in input.chunks(WRITTEN_BLOCK_LEN) {
            let len = compress_into_with_table(plain, block, table).ok()?;
            let (size, bytes) = if len < plain.len() {
                (u32::try_from(len).ok()?, block.get(..len)?)
            } else {
                (stored(plain)?, plain)
            };
            out.extend_from_slice(&size.to_le_bytes());
            out.extend_from_slice(bytes);
        }
        out.extend_from_slice(&END_MARK.to_le_bytes());
        copy_out(out, ..)
    })
}

struct Compressor {
    table: CompressTable,
    block: Vec<u8>,
    out: Vec<u8>,
}

/// The size field of a block that is stored as it is.
fn stored(plain: &[u8]) -> Option<u32> {
    Some(u32::try_from(plain.len()).ok()? | STORED)
}

pub(super) fn decompress(
    input: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
    check_header: bool,
) -> Result<(), CodecFailure> {
    let (frame, mut rest) = FrameHeader::read(input, check_header)?;
    if frame
        .content_size
        .is_some_and(|size| usize::try_from(size).map_or(true, |size| size > limit))
    {
        return Err(CodecFailure::Limit);
    }
    PLAIN.with_borrow_mut(|plain| {
        out.reserve(input.len().saturating_mul(4).min(limit));
        loop {
            let (size, behind) = rest.split_first_chunk().ok_or(CUT)?;
            let size = u32::from_le_bytes(*size);
            if size == END_MARK {
                break;
            }
            let len = usize::try_from(size & !STORED).ok().filter(|&len| len <= frame.block_len);
            let len = len.ok_or(CodecFailure::Damaged("block longer than the frame allows"))?;
            let block;
            (block, rest) = behind.split_at_checked(len).ok_or(CUT)?;
            if frame.has_block_checksums {
                let (checksum, behind) = rest.split_first_chunk().ok_or(CUT)?;
                if XxHash32::oneshot(0, block) != u32::from_le_bytes(*checksum) {
                    return Err(CodecFailure::Damaged("wrong block checksum"));
                }
                rest = behind;
            }
            let room = limit - out.len();
            if size & STORED != 0 {
                if block.len() > room {
                    return Err(CodecFailure::Limit);
                }
                out.extend_from_slice(block);
            } else {
                append_block(out, block, &frame, room, plain)?;
            }
        }
        if plain.len() > WRITTEN_BLOCK_LEN {
            *plain = Vec::new();
        }
        match frame.content_size {
            Some(size) if u64::try_from(out.len()) != Ok(size) => {
                Err(CodecFailure::Damaged("wrong content size"))
            }
            _ => Ok(()),
        }
    })
}

/// Decompresses a block in `plain`, which is scratch, and appends it.
fn append_block(
    out: &mut Vec<u8>,
    block: &[u8],
    frame: &FrameHeader,
    room: usize,
    plain: &mut Vec<u8>,
) -> Result<(), CodecFailure> {
    let most = frame.block_len.min(block.len().saturating_mul(MAX_RATIO));
    if plain.len() < most.min(room) {
        plain.resize(most.min(room), 0);
    }
    let to = plain.get_mut(..most.min(room)).unwrap_or_default();
    let decompressed = if frame.is_linked {
        decompress_into_with_dict(
            block,
            to,
            out.get(out.len().saturating_sub(WINDOW_LEN)..).unwrap_or_default(),
        )
    } else {
        decompress_independent(block, to)
    };
    match decompressed {
        Ok(len) => {
            out.extend_from_slice(plain.get(..len).unwrap_or_default());
            Ok(())
        }
        Err(DecompressError::OutputTooSmall { .. }) if room < most => Err(CodecFailure::Limit),
        Err(_) => Err(CodecFailure::Damaged("bad block")),
    }
}

/// On its own, or the compiler does not inline its copies of a few bytes.
#[inline(never)]
fn decompress_independent(block: &[u8], to: &mut [u8]) -> Result<usize, DecompressError> {
    decompress_into(block, to)
}

/// What a frame's header says.
struct FrameHeader {
    is_linked: bool,
    has_block_checksums: bool,
    block_len: usize,
    content_size: Option<u64>,
}

impl FrameHeader {
    fn read(input: &[u8], check_header: bool) -> Result<(Self, &[u8]), CodecFailure> {
        const VERSION: u8 = 0b1100_0000;
        const VERSION_1: u8 = 0b0100_0000;
        const INDEPENDENT: u8 = 0b0010_0000;
        const BLOCK_CHECKSUMS: u8 = 0b0001_0000;
        const CONTENT_SIZE: u8 = 0b0000_1000;
        const RESERVED: u8 = 0b0000_0010;
        const DICTIONARY: u8 = 0b0000_0001;
        let after_magic =
            input.strip_prefix(&MAGIC[..]).ok_or(CodecFailure::Damaged("not a frame"))?;
        let (&[flags, block_descriptor], mut rest) = after_magic.split_first_chunk().ok_or(CUT)?;
        if flags & VERSION != VERSION_1
            || flags & (RESERVED | DICTIONARY) != 0
            || block_descriptor & 0b1000_1111 != 0
        {
            return Err(CodecFailure::Damaged("unknown kind of frame"));
        }
        let block_len = match block_descriptor >> 4 {
            4 => 64 << 10,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            _ => return Err(CodecFailure::Damaged("unknown block size")),
        };
        let mut content_size = None;
        if flags & CONTENT_SIZE != 0 {
            let (size, behind) = rest.split_first_chunk().ok_or(CUT)?;
            content_size = Some(u64::from_le_bytes(*size));
            rest = behind;
        }
        let descriptor = after_magic.get(..after_magic.len() - rest.len()).unwrap_or_default();
        let (&checksum, rest) = rest.split_first().ok_or(CUT)?;
        if check_header && checksum != header_checksum(descriptor) {
            return Err(CodecFailure::Damaged("wrong header checksum"));
        }
        let is_linked = flags & INDEPENDENT == 0;
        Ok((
            Self {
                is_linked,
                has_block_checksums: flags & BLOCK_CHECKSUMS != 0,
                block_len,
                content_size,
            },
            rest,
        ))
    }
}

fn header_checksum(descriptor: &[u8]) -> u8 {
    XxHash32::oneshot(0, descriptor).to_le_bytes()[1]
}

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();

/// Version 1, independent blocks of at most 64 KiB, nothing optional; the last byte is the checksum
/// of the two before.
const HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];

const WRITTEN_BLOCK_LEN: usize = 64 << 10;

/// Matches reach back so far, in linked blocks into the blocks before.
const WINDOW_LEN: usize = 64 << 10;

const END_MARK: u32 = 0;

/// The bit of a size field that says that the block is not compressed.
const STORED: u32 = 1 << 31;

/// Each byte of a length adds at most 255.
const MAX_RATIO: usize = 255;

const CUT: CodecFailure = CodecFailure::Damaged("cut off");
