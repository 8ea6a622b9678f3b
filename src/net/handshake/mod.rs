//! What is said on a new connection before the first request: which APIs the broker speaks (KIP-35,
//! KIP-511), and who the client is.
//!
//! ```text
//!   Asking(newest) ──versions──▶ done, or Authenticating ──▶ done
//!        │ UNSUPPORTED_VERSION, with the versions the broker has
//!        ▼
//!   Asking(older) ──versions──▶ the same
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

mod authentication;

pub(super) use authentication::{Authentication, AuthenticationStep, as_error};

use crate::config::SaslWork;
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::wire::call::{decode_response, encode_request};
use crate::wire::frame::Frame;
use crate::wire::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::wire::versions::{ApiKey, ApiVersions, Features, VersionCaps};

/// The versions of ApiVersions that a peer is greeted in, one after the other while it closes the
/// connection instead of an answer: Azure Event Hubs does so to version 4, and 3 is the first
/// flexible one. Version 5 asks the broker to check which cluster and node it is (KIP-1242), which
/// we do not tell.
pub(super) const GREETINGS: [i16; 3] = [4, 3, 0];

/// The name and version under which brokers see this client software.
pub(crate) type ClientSoftware = Arc<(String, String)>;

/// The machine: send what it gives, tell it the reply.
pub(super) struct Handshake {
    client_id: String,
    software: ClientSoftware,
    caps: Arc<VersionCaps>,
    version: i16,
    correlation_id: i32,
    /// What is left to do when the versions are known.
    authentication: Option<Authentication>,
    /// The versions, while the client authenticates.
    versions: Option<ApiVersions>,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum HandshakeStep {
    Send(Frame),
    Done(HandshakeOutcome),
}

/// What the broker has said of itself, and for how long it knows who the client is (KIP-368);
/// `None` if for ever.
#[derive(Debug)]
pub(super) struct HandshakeOutcome {
    pub(super) versions: ApiVersions,
    pub(super) lifetime: Option<Duration>,
}

impl Handshake {
    /// Begins with ApiVersions in the version `first`, one of [`GREETINGS`].
    pub(super) fn new(
        client_id: &str,
        software: ClientSoftware,
        caps: Arc<VersionCaps>,
        first: i16,
        authentication: Option<Authentication>,
    ) -> Self {
        let version = first;
        Self {
            client_id: client_id.to_owned(),
            software,
            caps,
            version,
            correlation_id: 0,
            authentication,
            versions: None,
        }
    }

    /// The request to send first.
    pub(super) fn start(&mut self) -> Result<HandshakeStep> {
        self.correlation_id += 1;
        let request = ApiVersionsRequest {
            client_software_name: &self.software.0,
            client_software_version: &self.software.1,
            ..ApiVersionsRequest::default()
        };
        Ok(HandshakeStep::Send(encode_request(
            &request,
            self.version,
            self.correlation_id,
            &self.client_id,
        )?))
    }

    /// What is to be done elsewhere before [`Handshake::handle_reply`] is told this reply, as it
    /// takes long.
    pub(super) fn work(&mut self, frame: &Bytes) -> Option<SaslWork> {
        self.versions.as_ref()?;
        self.authentication.as_mut()?.work(frame)
    }

    /// Reads the reply.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] if it is not one; [`ErrorKind::Unsupported`] if there is no version
    /// that both speak; [`ErrorKind::Authentication`] if the broker does not believe who the client
    /// is.
    pub(super) fn handle_reply(&mut self, frame: &Bytes) -> Result<HandshakeStep> {
        match (self.versions.take(), &mut self.authentication) {
            (Some(versions), Some(authentication)) => {
                let step = authentication.handle_reply(frame)?;
                self.authenticated(versions, step)
            }
            _ => self.handle_versions(frame),
        }
    }

    fn handle_versions(&mut self, frame: &Bytes) -> Result<HandshakeStep> {
        expect_id(frame, self.correlation_id)?;
        let response = decode_response::<ApiVersionsRequest<'_>>(frame, self.version)?;
        let versions = versions_of(&response).capped(Arc::clone(&self.caps));
        match ErrorCode::check(response.error_code) {
            Ok(()) => match &mut self.authentication {
                Some(authentication) => {
                    let step = authentication.start(&versions)?;
                    self.authenticated(versions, step)
                }
                None => Ok(HandshakeStep::Done(HandshakeOutcome { versions, lifetime: None })),
            },
            Err(ErrorCode::UNSUPPORTED_VERSION) if self.version > 0 => {
                // A reply that does not say which versions there are comes from a broker that knows
                // version 0 only.
                let newest = versions.range(ApiKey::ApiVersions).map_or(0, |range| *range.end());
                self.version = newest.clamp(0, self.version - 1);
                self.start()
            }
            Err(code) => Err(Error::broker(code).in_api("ApiVersions")),
        }
    }

    fn authenticated(
        &mut self,
        versions: ApiVersions,
        step: AuthenticationStep,
    ) -> Result<HandshakeStep> {
        match step {
            AuthenticationStep::Send(frame) => {
                self.versions = Some(versions);
                Ok(HandshakeStep::Send(frame))
            }
            AuthenticationStep::Done(lifetime) => {
                Ok(HandshakeStep::Done(HandshakeOutcome { versions, lifetime }))
            }
        }
    }
}

/// What a broker says that it can do.
fn versions_of(response: &ApiVersionsResponse<'_>) -> ApiVersions {
    let ranges = response
        .api_keys
        .iter()
        .map(|api| (api.api_key, (api.min_version, api.max_version)))
        .collect();
    let epoch = Some(response.finalized_features_epoch).filter(|epoch| *epoch >= 0);
    let features = &response.finalized_features;
    let levels = features
        .iter()
        .map(|feature| (feature.name.to_owned(), feature.max_version_level))
        .collect();
    ApiVersions::new(ranges, Features::new(epoch, levels))
}

/// Refuses a reply to another request.
fn expect_id(frame: &Bytes, expected: i32) -> Result<()> {
    let id = frame.first_chunk().copied().map(i32::from_be_bytes);
    if id == Some(expected) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Protocol, "a reply during set-up does not answer the request"))
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, BufMut, BytesMut};

    use super::*;
    use crate::wire::messages::api_versions::FinalizedFeatureKey;

    fn handshake() -> Handshake {
        Handshake::new("c", ClientSoftware::default(), Arc::default(), 4, None)
    }

    fn sent_version(step: Result<HandshakeStep>) -> i16 {
        let Ok(HandshakeStep::Send(mut frame)) = step else { panic!("{step:?}") };
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
        let mut handshake = handshake();
        assert_eq!(sent_version(handshake.start()), 4);
        let again = handshake.handle_reply(&reply_v0(1, 35, &[(18, 0, 2)]));
        assert_eq!(sent_version(again), 2);
    }

    #[test]
    fn a_broker_that_always_refuses_does_not_keep_us_asking() {
        let mut handshake = handshake();
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
        let mut handshake = handshake();
        let _ = handshake.start();
        assert_eq!(
            handshake.handle_reply(&reply_v0(9, 0, &[])).unwrap_err().kind(),
            ErrorKind::Protocol
        );
    }

    #[test]
    fn finalized_features_keep_their_levels_and_epoch() {
        let feature = FinalizedFeatureKey {
            name: "transaction.version",
            max_version_level: 2,
            min_version_level: 1,
        };
        let response = ApiVersionsResponse {
            finalized_features: vec![feature],
            finalized_features_epoch: 7,
            ..ApiVersionsResponse::default()
        };
        let versions = versions_of(&response);
        let features = versions.features();
        assert_eq!(
            (features.level("transaction.version"), features.level("group.version")),
            (Some(2), None)
        );
        assert_eq!(features.epoch(), Some(7));
        assert_eq!(versions_of(&ApiVersionsResponse::default()).features().epoch(), None);
    }
}
