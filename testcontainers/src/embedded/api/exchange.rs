//! A request and its reply as bytes: those of kafka-protocol, and those that it does not know yet in
//! the versions served (`newer`).

use std::fmt::Display;

use bytes::{Bytes, BytesMut};
#[cfg(test)]
use kafka_protocol::protocol::Decodable;
use kafka_protocol::protocol::{Encodable, HeaderVersion, Request};

/// What went wrong between bytes and messages.
pub(crate) type Malformed = String;

/// A request that brokers read, and what they write in reply.
pub(crate) trait Exchange: Sized {
    /// The API's number.
    const KEY: i16;
    type Response: Send;

    /// Reads the request from the bytes after its header.
    fn read(from: &mut Bytes, version: i16) -> Result<Self, Malformed>;

    /// The version of the reply's header.
    fn reply_header(version: i16) -> i16;

    /// Writes the reply after its header.
    fn write(reply: &Self::Response, to: &mut BytesMut, version: i16) -> Result<(), Malformed>;
}

impl<R: Request<Response: Send>> Exchange for R {
    const KEY: i16 = <R as Request>::KEY;
    type Response = <R as Request>::Response;

    fn read(from: &mut Bytes, version: i16) -> Result<Self, Malformed> {
        R::decode(from, version).map_err(text)
    }

    fn reply_header(version: i16) -> i16 {
        <R as Request>::Response::header_version(version)
    }

    fn write(reply: &Self::Response, to: &mut BytesMut, version: i16) -> Result<(), Malformed> {
        reply.encode(to, version).map_err(text)
    }
}

/// The other half, which only tests need.
#[cfg(test)]
pub(crate) trait Asked: Exchange {
    fn request_header(version: i16) -> i16;
    fn write_request(&self, to: &mut BytesMut, version: i16) -> Result<(), Malformed>;
    fn read_reply(from: &mut Bytes, version: i16) -> Result<Self::Response, Malformed>;
}

#[cfg(test)]
impl<R: Request<Response: Send>> Asked for R {
    fn request_header(version: i16) -> i16 {
        R::header_version(version)
    }

    fn write_request(&self, to: &mut BytesMut, version: i16) -> Result<(), Malformed> {
        self.encode(to, version).map_err(text)
    }

    fn read_reply(from: &mut Bytes, version: i16) -> Result<Self::Response, Malformed> {
        <R as Request>::Response::decode(from, version).map_err(text)
    }
}

pub(crate) fn text(error: impl Display) -> Malformed {
    error.to_string()
}
