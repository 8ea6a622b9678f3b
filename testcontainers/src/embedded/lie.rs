//! Replies that are wrong in ways that uncover mistakes of decoders.

use bytes::BytesMut;

use super::clock::Random;

/// Numbers that break code which trusts them, as four bytes.
const NASTY: [[u8; 4]; 6] = [
    [0xff, 0xff, 0xff, 0xff],
    [0x7f, 0xff, 0xff, 0xff],
    [0x80, 0x00, 0x00, 0x00],
    [0x00, 0x00, 0x00, 0x00],
    [0xff, 0xff, 0xff, 0x0f],
    [0x7f, 0xff, 0xff, 0x80],
];

/// Spoils a reply behind its correlation id, which stays right so that the client looks further.
pub(crate) fn mutate(reply: &mut BytesMut, random: &mut Random) {
    let Some(body) = reply.len().checked_sub(4) else { return };
    match random.below(6) {
        0 => flip_bits(reply, random),
        1 => overwrite(reply, random),
        2 => reply.truncate(4 + index(random, body)),
        3 => {
            let length = index(random, 64);
            reply.extend_from_slice(&random.bytes(length));
        }
        4 => repeat(reply, random),
        _ => {
            let length = index(random, 256);
            reply.truncate(4);
            reply.extend_from_slice(&random.bytes(length));
        }
    }
}

fn flip_bits(reply: &mut BytesMut, random: &mut Random) {
    let body = reply.len() - 4;
    for _ in 0..=random.below(8) {
        let at = 4 + index(random, body);
        let bit = 1_u8 << random.below(8);
        if let Some(byte) = reply.get_mut(at) {
            *byte ^= bit;
        }
    }
}

/// Writes a nasty number over what may be a count or a length.
fn overwrite(reply: &mut BytesMut, random: &mut Random) {
    let at = 4 + index(random, reply.len() - 4);
    let number = NASTY.get(index(random, NASTY.len())).copied().unwrap_or_default();
    for (byte, with) in reply.iter_mut().skip(at).zip(number) {
        *byte = with;
    }
}

/// Says a part of the reply twice.
fn repeat(reply: &mut BytesMut, random: &mut Random) {
    let from = 4 + index(random, reply.len() - 4);
    let part = reply.get(from..).unwrap_or_default().to_vec();
    reply.extend_from_slice(&part);
}

fn index(random: &mut Random, below: usize) -> usize {
    usize::try_from(random.below(u64::try_from(below).unwrap_or(u64::MAX))).unwrap_or(0)
}
