//! The buffers that codecs write into: each thread keeps its own, and what was made is copied out
//! of them.

use std::slice::SliceIndex;

use bytes::Bytes;

/// The bytes in memory of their exact size: what waits in a producer must not take more than it
/// has.
pub(super) fn copy_out(
    scratch: &mut Vec<u8>,
    range: impl SliceIndex<[u8], Output = [u8]>,
) -> Option<Bytes> {
    let bytes = Bytes::copy_from_slice(scratch.get(range)?);
    if scratch.capacity() > KEPT {
        *scratch = Vec::new();
    }
    Some(bytes)
}

/// The largest buffer that a thread keeps: a batch of the largest size brokers take by default (1
/// MiB).
const KEPT: usize = 1 << 20;
