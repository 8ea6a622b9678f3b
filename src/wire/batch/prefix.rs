//! What every version of a batch begins with.

use super::MAGIC_AT;
use crate::ids::Offset;

/// What all versions begin with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix {
    pub(super) offset: Offset,
    pub(super) length: i32,
    pub(super) magic: i8,
}

impl Prefix {
    /// `None` where the bytes are cut before the version.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            offset: Offset(i64::from_be_bytes(array(bytes, 0)?)),
            length: i32::from_be_bytes(array(bytes, 8)?),
            magic: i8::from_be_bytes(array(bytes, MAGIC_AT)?),
        })
    }
}

/// `N` bytes from `at` on, if there are that many.
#[inline]
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
