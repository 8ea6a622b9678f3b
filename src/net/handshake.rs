//! What is said on a new connection before the first request: which APIs the broker speaks (KIP-35, KIP-511).
//!
//! ```text
//!   Asking(newest) ──versions──▶ done
//!        │ UNSUPPORTED_VERSION, with the versions the broker has
//!        ▼
//!   Asking(older) ──versions──▶ done
//! ```

use bytes::Bytes;

use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::wire::call::{Request, decode_response, encode_request};
use crate::wire::frame::Frame;
use crate::wire::messages::api_versions::ApiVersionsRequest;
use crate::wire::versions::{ApiKey, ApiVersions};

/// The name under which brokers see this client software.
const SOFTWARE_NAME: &str = "kavka";

/// The machine: send what it gives, tell it the reply.
#[derive(Debug)]
pub(super) struct Handshake {
    client_id: String,
    version: i16,
    correlation_id: i32,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    Send(Frame),
    Done(ApiVersions),
}

impl Handshake {
    pub(super) fn new(client_id: &str) -> Self {
        // Version 5 asks the broker to check which cluster and node it is (KIP-1242), which we do not tell.
        let version = (*ApiVersionsRequest::VERSIONS.end()).min(4);
        Self { client_id: client_id.to_owned(), version, correlation_id: 0 }
    }

    /// The request to send first.
    pub(super) fn start(&mut self) -> Result<Step> {
        self.correlation_id += 1;
        let request = ApiVersionsRequest {
            client_software_name: SOFTWARE_NAME,
            client_software_version: env!("CARGO_PKG_VERSION"),
            ..ApiVersionsRequest::default()
        };
        Ok(Step::Send(encode_request(&request, self.version, self.correlation_id, &self.client_id)?))
    }

    /// Reads the reply.
    ///
    /// # Errors
    /// Protocol if it is not one; Unsupported if there is no version that both speak.
    pub(super) fn handle_reply(&mut self, frame: &Bytes) -> Result<Step> {
        let id = frame.first_chunk().copied().map(i32::from_be_bytes);
        if id != Some(self.correlation_id) {
            return Err(Error::new(ErrorKind::Protocol, "the first reply does not answer the first request"));
        }
        let response = decode_response::<ApiVersionsRequest<'_>>(frame, self.version)?;
        let versions = ApiVersions::from(&response);
        match ErrorCode::check(response.error_code) {
            Ok(()) => Ok(Step::Done(versions)),
            Err(ErrorCode::UNSUPPORTED_VERSION) if self.version > 0 => {
                // A reply that does not say which versions there are comes from a broker that knows version 0 only.
                let newest = versions.range(ApiKey::ApiVersions).map_or(0, |range| *range.end());
                self.version = newest.clamp(0, self.version - 1);
                self.start()
            }
            Err(code) => Err(Error::broker(code).in_api("ApiVersions")),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, BufMut, BytesMut};

    use super::*;

    fn sent_version(step: Result<Step>) -> i16 {
        let Ok(Step::Send(mut frame)) = step else { panic!("{step:?}") };
        let _length = frame.get_i32();
        assert_eq!(frame.get_i16(), 18);
        frame.get_i16()
    }

    fn reply_v0(correlation_id: i32, code: i16, ranges: &[(i16, i16, i16)]) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_i32(correlation_id);
        bytes.put_i16(code);
        bytes.put_i32(i32::try_from(ranges.len()).unwrap());
        for (key, min, max) in ranges {
            bytes.put_i16(*key);
            bytes.put_i16(*min);
            bytes.put_i16(*max);
        }
        bytes.freeze()
    }

    #[test]
    fn an_older_broker_is_asked_again_in_the_version_that_it_names() {
        let mut handshake = Handshake::new("c");
        assert_eq!(sent_version(handshake.start()), 4);
        let again = handshake.handle_reply(&reply_v0(1, 35, &[(18, 0, 2)]));
        assert_eq!(sent_version(again), 2);
    }

    #[test]
    fn a_broker_that_always_refuses_does_not_keep_us_asking() {
        let mut handshake = Handshake::new("c");
        let mut step = handshake.start();
        for id in 1..10 {
            if step.is_err() {
                return;
            }
            step = handshake.handle_reply(&reply_v0(id, 35, &[(18, 0, 9)]));
        }
        panic!("still asking");
    }

    #[test]
    fn a_reply_to_something_else_is_refused() {
        let mut handshake = Handshake::new("c");
        let _ = handshake.start();
        assert_eq!(handshake.handle_reply(&reply_v0(9, 0, &[])).unwrap_err().kind(), ErrorKind::Protocol);
    }
}
