//! ShareFetch: version 2 adds how records are acquired (KIP-1206) and renewal (KIP-1222).

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ShareFetchRequest, ShareFetchResponse};
use kafka_protocol::protocol::{Decodable, Encodable, Request};

use super::{FLEXIBLE_REPLY, after_strings, cut};
#[cfg(test)]
use super::{FLEXIBLE_REQUEST, put_with};
#[cfg(test)]
use crate::embedded::api::exchange::Asked;
use crate::embedded::api::exchange::{Exchange, Malformed, text};

/// The version that kafka-protocol knows; the reply of version 2 is the same.
const KNOWN: i16 = 1;
/// What stands between the strings at the beginning and what version 2 adds: six numbers.
const NUMBERS: usize = 6 * 4;

/// ShareFetch with what version 2 has added.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ShareFetch {
    pub(crate) request: ShareFetchRequest,
    /// 0 batch optimized, 1 record limit.
    pub(crate) acquire_mode: i8,
    pub(crate) is_renew: bool,
}

impl Exchange for ShareFetch {
    const KEY: i16 = <ShareFetchRequest as Request>::KEY;
    type Response = ShareFetchResponse;

    fn read(from: &mut Bytes, version: i16) -> Result<Self, Malformed> {
        let mut read = Self::default();
        if version > KNOWN {
            let at = after_strings(from, 0, 2)? + NUMBERS;
            let added = cut(from, at, 2)?;
            read.acquire_mode = i8::from_be_bytes([added[0]]);
            read.is_renew = added[1] != 0;
        }
        read.request = ShareFetchRequest::decode(from, KNOWN).map_err(text)?;
        Ok(read)
    }

    fn reply_header(_: i16) -> i16 {
        FLEXIBLE_REPLY
    }

    fn write(reply: &ShareFetchResponse, to: &mut BytesMut, _: i16) -> Result<(), Malformed> {
        reply.encode(to, KNOWN).map_err(text)
    }
}

#[cfg(test)]
impl Asked for ShareFetch {
    fn request_header(_: i16) -> i16 {
        FLEXIBLE_REQUEST
    }

    fn write_request(&self, to: &mut BytesMut, version: i16) -> Result<(), Malformed> {
        let mut known = BytesMut::new();
        self.request.encode(&mut known, KNOWN).map_err(text)?;
        if version == KNOWN {
            to.extend_from_slice(&known);
            return Ok(());
        }
        let at = after_strings(&known, 0, 2)? + NUMBERS;
        put_with(to, &known, at, &[self.acquire_mode.to_be_bytes()[0], self.is_renew.into()])
    }

    fn read_reply(from: &mut Bytes, _: i16) -> Result<ShareFetchResponse, Malformed> {
        ShareFetchResponse::decode(from, KNOWN).map_err(text)
    }
}
