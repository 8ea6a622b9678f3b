//! ShareAcknowledge: version 2 adds renewal, and how long a lock holds (KIP-1222).

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ShareAcknowledgeRequest, ShareAcknowledgeResponse};
use kafka_protocol::protocol::{Decodable, Encodable, Request};

#[cfg(test)]
use super::FLEXIBLE_REQUEST;
use super::{FLEXIBLE_REPLY, after_strings, cut, put_with};
#[cfg(test)]
use crate::embedded::api::exchange::Asked;
use crate::embedded::api::exchange::{Exchange, Malformed, text};

/// The version that kafka-protocol knows.
const KNOWN: i16 = 1;
/// The epoch that follows the request's strings.
const EPOCH: usize = 4;
/// The throttle time and the error that stand before the reply's message.
const BEFORE_MESSAGE: usize = 4 + 2;

/// ShareAcknowledge with what version 2 has added.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ShareAcknowledge {
    pub(crate) request: ShareAcknowledgeRequest,
    pub(crate) is_renew: bool,
}

/// Its reply with what version 2 has added.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ShareAcknowledged {
    pub(crate) response: ShareAcknowledgeResponse,
    pub(crate) lock_timeout_ms: i32,
}

impl Exchange for ShareAcknowledge {
    const KEY: i16 = <ShareAcknowledgeRequest as Request>::KEY;
    type Response = ShareAcknowledged;

    fn read(from: &mut Bytes, version: i16) -> Result<Self, Malformed> {
        let mut read = Self::default();
        if version > KNOWN {
            let at = after_strings(from, 0, 2)? + EPOCH;
            read.is_renew = cut(from, at, 1)?[0] != 0;
        }
        read.request = ShareAcknowledgeRequest::decode(from, KNOWN).map_err(text)?;
        Ok(read)
    }

    fn reply_header(_: i16) -> i16 {
        FLEXIBLE_REPLY
    }

    fn write(reply: &ShareAcknowledged, to: &mut BytesMut, version: i16) -> Result<(), Malformed> {
        if version == KNOWN {
            return reply.response.encode(to, KNOWN).map_err(text);
        }
        let mut known = BytesMut::new();
        reply.response.encode(&mut known, KNOWN).map_err(text)?;
        let at = after_strings(&known, BEFORE_MESSAGE, 1)?;
        put_with(to, &known, at, &reply.lock_timeout_ms.to_be_bytes())
    }
}

#[cfg(test)]
impl Asked for ShareAcknowledge {
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
        let at = after_strings(&known, 0, 2)? + EPOCH;
        put_with(to, &known, at, &[self.is_renew.into()])
    }

    fn read_reply(from: &mut Bytes, version: i16) -> Result<ShareAcknowledged, Malformed> {
        let mut read = ShareAcknowledged::default();
        if version > KNOWN {
            let at = after_strings(from, BEFORE_MESSAGE, 1)?;
            let added = cut(from, at, 4)?;
            read.lock_timeout_ms = i32::from_be_bytes([added[0], added[1], added[2], added[3]]);
        }
        read.response = ShareAcknowledgeResponse::decode(from, KNOWN).map_err(text)?;
        Ok(read)
    }
}
