//! Messages in versions that kafka-protocol does not know: it has those of Kafka 4.1.
//!
//! What a version adds is cut out of the bytes, and the rest is read as the version before; writing
//! goes the other way round.

pub(crate) mod describe_share_group_offsets;
pub(crate) mod share_acknowledge;
pub(crate) mod share_fetch;

use bytes::{Bytes, BytesMut};

use super::exchange::Malformed;

/// The version of flexible request headers, and of reply headers.
#[cfg(test)]
const FLEXIBLE_REQUEST: i16 = 2;
const FLEXIBLE_REPLY: i16 = 1;

/// Takes `length` bytes out of a message at `at`.
fn cut(from: &mut Bytes, at: usize, length: usize) -> Result<Bytes, Malformed> {
    let all = from.split_off(0);
    if all.len() < at + length {
        return Err("the message is too short".into());
    }
    let mut rest = BytesMut::from(&all[..at]);
    rest.extend_from_slice(&all[at + length..]);
    *from = rest.freeze();
    Ok(all.slice(at..at + length))
}

/// Appends `message` with `added` in it at `at`.
fn put_with(to: &mut BytesMut, message: &[u8], at: usize, added: &[u8]) -> Result<(), Malformed> {
    let (head, rest) = message.split_at_checked(at).ok_or("the message is too short")?;
    for part in [head, added, rest] {
        to.extend_from_slice(part);
    }
    Ok(())
}

/// How many bytes the compact strings take that `message` begins with at `at`.
fn after_strings(message: &[u8], mut at: usize, count: usize) -> Result<usize, Malformed> {
    for _ in 0..count {
        let (length, after) = varint(message, at)?;
        at = after + usize::try_from(length.saturating_sub(1)).unwrap_or(0);
    }
    Ok(at)
}

/// An unsigned varint and where it ends.
fn varint(message: &[u8], mut at: usize) -> Result<(u32, usize), Malformed> {
    let mut value = 0_u32;
    for shift in (0..32).step_by(7) {
        let byte = *message.get(at).ok_or("the message is too short")?;
        at += 1;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value, at));
        }
    }
    Err("a varint is too long".into())
}
