//! DescribeShareGroupOffsets: version 1 adds the lag of each partition (KIP-1226).

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, Request};

use super::{FLEXIBLE_REPLY, after_strings, put_with, varint};
#[cfg(test)]
use super::{FLEXIBLE_REQUEST, cut};
#[cfg(test)]
use crate::embedded::api::exchange::Asked;
use crate::embedded::api::exchange::{Exchange, Malformed, text};

/// The version that kafka-protocol knows; the request of version 1 is the same.
const KNOWN: i16 = 0;
/// The bytes of a lag.
#[cfg(test)]
const LAG: usize = 8;

/// DescribeShareGroupOffsets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DescribeShareOffsets(pub(crate) DescribeShareGroupOffsetsRequest);

/// Its reply with what version 1 has added.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ShareOffsetsDescribed {
    pub(crate) response: DescribeShareGroupOffsetsResponse,
    /// Of each partition, in the order of the reply.
    pub(crate) lags: Vec<i64>,
}

impl Exchange for DescribeShareOffsets {
    const KEY: i16 = <DescribeShareGroupOffsetsRequest as Request>::KEY;
    type Response = ShareOffsetsDescribed;

    fn read(from: &mut Bytes, _: i16) -> Result<Self, Malformed> {
        DescribeShareGroupOffsetsRequest::decode(from, KNOWN).map(Self).map_err(text)
    }

    fn reply_header(_: i16) -> i16 {
        FLEXIBLE_REPLY
    }

    fn write(
        reply: &ShareOffsetsDescribed,
        to: &mut BytesMut,
        version: i16,
    ) -> Result<(), Malformed> {
        let mut known = BytesMut::new();
        reply.response.encode(&mut known, KNOWN).map_err(text)?;
        if version > KNOWN {
            // The last first, so that the places of the others stay.
            for (at, lag) in places(&known, 0)?.into_iter().zip(&reply.lags).rev() {
                let mut longer = BytesMut::new();
                put_with(&mut longer, &known, at, &lag.to_be_bytes())?;
                known = longer;
            }
        }
        to.extend_from_slice(&known);
        Ok(())
    }
}

/// Where the lags stand, or belong, when each takes `length` bytes.
fn places(message: &[u8], length: usize) -> Result<Vec<usize>, Malformed> {
    let mut places = Vec::new();
    let count = |at| varint(message, at).map(|(count, after)| (count.saturating_sub(1), after));
    let (groups, mut at) = count(4)?;
    for _ in 0..groups {
        let topics;
        (topics, at) = count(after_strings(message, at, 1)?)?;
        for _ in 0..topics {
            let partitions;
            (partitions, at) = count(after_strings(message, at, 1)? + 16)?;
            for _ in 0..partitions {
                // Index, start offset and leader epoch; then error, message and no tags.
                at += 4 + 8 + 4;
                places.push(at);
                at = after_strings(message, at + length + 2, 1)? + 1;
            }
            at += 1;
        }
        at = after_strings(message, at + 2, 1)? + 1;
    }
    Ok(places)
}

#[cfg(test)]
impl Asked for DescribeShareOffsets {
    fn request_header(_: i16) -> i16 {
        FLEXIBLE_REQUEST
    }

    fn write_request(&self, to: &mut BytesMut, _: i16) -> Result<(), Malformed> {
        self.0.encode(to, KNOWN).map_err(text)
    }

    fn read_reply(from: &mut Bytes, version: i16) -> Result<ShareOffsetsDescribed, Malformed> {
        let mut read = ShareOffsetsDescribed::default();
        if version > KNOWN {
            for at in places(from, LAG)?.into_iter().rev() {
                let lag = cut(from, at, LAG)?;
                read.lags.insert(0, lag.iter().fold(0, |sum, byte| (sum << 8) | i64::from(*byte)));
            }
        }
        read.response = DescribeShareGroupOffsetsResponse::decode(from, KNOWN).map_err(text)?;
        Ok(read)
    }
}
