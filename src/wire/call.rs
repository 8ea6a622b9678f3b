//! Headers: what stands before the body of every request and every reply.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;

use super::frame::Frame;
use super::messages::ApiKey;
use super::reader::{Decode, DecodeError, Reader};
use super::writer::{Encode, EncodeError, Writer};
use crate::error::{Error, ErrorCode, ErrorKind};
use crate::ids::BrokerId;

/// A message that a client sends and a broker answers.
pub trait Request: Encode {
    /// Its name and number.
    const API: ApiKey;
    /// The versions that this client speaks.
    const VERSIONS: RangeInclusive<i16>;
    /// The first flexible version (KIP-482), or `i16::MAX` if there is none.
    const FLEXIBLE: i16;
    /// The first version whose response begins with `throttle_time_ms`, or `i16::MAX` if none does.
    const THROTTLE: i16;
    /// What the broker answers; it may borrow from the bytes of the reply.
    type Response<'a>: Decode<'a>;
}

#[cfg(feature = "admin")]
/// A message that stands within another, after its own version: the metadata of a group member.
pub(crate) trait Data: Encode {
    const NAME: &'static str;
    const VERSIONS: RangeInclusive<i16>;
}

/// Puts length and header before a request.
pub(crate) fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Result<Frame, EncodeError> {
    encode_with_room(request, version, correlation_id, client_id, 0)
}

/// [`encode_request`] of what holds a secret of so many bytes: it is overwritten when it has been
/// written, or will not be.
///
/// # Errors
/// Those of [`encode_request`].
pub(crate) fn encode_secret_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
    secret: usize,
) -> Result<Frame, EncodeError> {
    // Room for all of it, so that no copy is left behind by growing.
    let room = secret + client_id.len() + 64;
    Ok(encode_with_room(request, version, correlation_id, client_id, room)?.into_secret())
}

fn encode_with_room<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
    room: usize,
) -> Result<Frame, EncodeError> {
    let is_flexible = version >= R::FLEXIBLE;
    // The client id stays of the old form in every header, so the header is written before the
    // writer turns flexible.
    let mut to = Writer::framed(R::API.name(), version, room);
    to.i16(R::API.key());
    to.i16(version);
    to.i32(correlation_id);
    to.string("client_id", client_id)?;
    to.set_flexible(is_flexible);
    to.no_tagged_fields();
    request.encode(&mut to, version)?;
    to.into_frame()
}

/// Reads the whole of a reply: header, body and nothing after it.
pub(crate) fn decode_response<R: Request>(
    frame: &[u8],
    version: i16,
) -> Result<R::Response<'_>, DecodeError> {
    let (version, has_flexible_header) = match R::API {
        // Its header is never flexible, and a broker that does not know the version answers in
        // version 0 (KIP-511).
        ApiKey::ApiVersions if is_unsupported_version(frame) => (0, false),
        ApiKey::ApiVersions => (version, false),
        _ => (version, version >= R::FLEXIBLE),
    };
    let mut from = Reader::new(frame, R::API.name(), version, version >= R::FLEXIBLE);
    from.i32("correlation_id")?;
    if has_flexible_header {
        from.skip_tagged_fields()?;
    }
    let response = R::Response::decode(&mut from, version)?;
    from.finish()?;
    Ok(response)
}

fn is_unsupported_version(frame: &[u8]) -> bool {
    let code = frame.get(4..).and_then(|body| body.first_chunk()).copied().map(i16::from_be_bytes);
    code == Some(UNSUPPORTED_VERSION.0)
}

const UNSUPPORTED_VERSION: ErrorCode = ErrorCode(35);

/// Writes data with its version in front.
#[cfg(all(test, feature = "admin"))]
pub(crate) fn encode_data<D: Data>(data: &D, version: i16) -> Result<Bytes, EncodeError> {
    let mut to = Writer::new(D::NAME, version, false);
    to.i16(version);
    data.encode(&mut to, version)?;
    Ok(to.into_bytes())
}

/// Reads data with its version in front.
///
/// A version newer than ours is read as our newest, and what follows is passed over: so newer
/// members of a group may add fields at the end (Java's `ConsumerProtocol`).
#[cfg(feature = "admin")]
pub(crate) fn decode_data<'a, D: Data + Decode<'a>>(bytes: &'a [u8]) -> Result<D, DecodeError> {
    let mut from = Reader::new(bytes, D::NAME, 0, false);
    let version = from.i16("version")?;
    let known = version.clamp(*D::VERSIONS.start(), *D::VERSIONS.end());
    from.set_version(known);
    D::decode(&mut from, known)
}

/// A reply and what is needed to read it; the message borrows from it.
pub struct Reply<R> {
    frame: Bytes,
    version: i16,
    broker: Option<BrokerId>,
    request: PhantomData<fn(R)>,
}

impl<R: Request> fmt::Debug for Reply<R> {
    /// Without its bytes, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Reply");
        shown.field("api", &R::API).field("version", &self.version).field("broker", &self.broker);
        shown.finish_non_exhaustive()
    }
}

impl<R: Request> Reply<R> {
    /// A reply of `broker`, if that is known, to a request sent in `version`; `frame` begins with
    /// the correlation id.
    pub(crate) fn new(frame: Bytes, version: i16, broker: Option<BrokerId>) -> Self {
        Self { frame, version, broker, request: PhantomData }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] if the frame is not a response of this version.
    pub fn parse(&self) -> Result<R::Response<'_>, Error> {
        decode_response::<R>(&self.frame, self.version).map_err(|error| {
            let error = Error::from(error);
            match self.broker {
                Some(broker) => error.at_broker(broker),
                None => error,
            }
        })
    }

    /// For how long the broker wants no more requests (KIP-219), as far as that stands at the front
    /// of the response: in a Produce response it does not.
    pub fn throttle(&self) -> Duration {
        if self.version < R::THROTTLE {
            return Duration::ZERO;
        }
        let mut from =
            Reader::new(&self.frame, R::API.name(), self.version, self.version >= R::FLEXIBLE);
        let mut read = || {
            from.i32("correlation_id")?;
            if self.version >= R::FLEXIBLE {
                from.skip_tagged_fields()?;
            }
            from.i32("throttle_time_ms")
        };
        Duration::from_millis(
            read().ok().and_then(|millis| u64::try_from(millis).ok()).unwrap_or(0),
        )
    }

    /// The version of the request, which is that of the response.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// The broker that has answered; `None` if it is known by its address alone.
    pub fn broker(&self) -> Option<BrokerId> {
        self.broker
    }

    /// All bytes, of which [`Bytes::slice_ref`] keeps a part alive that the message borrows.
    pub(crate) fn frame(&self) -> &Bytes {
        &self.frame
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        let api = format!("{} v{}", error.message(), error.version());
        Self::new(ErrorKind::Protocol, "the reply cannot be read").in_api(api).with_source(error)
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        let api = format!("{} v{}", error.message, error.version);
        Self::new(ErrorKind::Unsupported, error.to_string()).in_api(api)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;

    use super::super::messages::api_versions::ApiVersionsRequest;
    #[cfg(feature = "admin")]
    use super::super::messages::consumer_protocol_assignment::ConsumerProtocolAssignment;
    use super::super::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
    use super::super::messages::heartbeat::HeartbeatRequest;
    use super::super::messages::metadata::MetadataRequest;
    use super::super::writer::EncodeReason;
    use super::*;

    #[test]
    fn the_header_of_a_request_is_flexible_with_its_body() {
        let bytes = |version| {
            let mut frame =
                encode_request(&HeartbeatRequest::default(), version, 7, "me").expect("short");
            frame.copy_to_bytes(frame.remaining())
        };
        assert_eq!(bytes(0)[..16], [0, 0, 0, 20, 0, 12, 0, 0, 0, 0, 0, 7, 0, 2, b'm', b'e']);
        // From version 4 a count of tagged fields follows, and the empty group takes one byte.
        assert_eq!(bytes(4)[12..18], [0, 2, b'm', b'e', 0, 1]);
    }

    #[test]
    fn a_set_field_that_the_version_lacks_is_refused() {
        let mut request =
            FetchRequest { topics: vec![FetchTopic::default()], ..FetchRequest::default() };
        request.topics[0].partitions =
            vec![FetchPartition { last_fetched_epoch: 3, ..FetchPartition::default() }];
        assert!(encode_request(&request, 12, 0, "").is_ok());
        let error = encode_request(&request, 11, 0, "").expect_err("refused");
        assert_eq!(
            error.to_string(),
            "Fetch v11, field last_fetched_epoch: it is set, but this version lacks it"
        );
        // Those that the schema calls ignorable are left out: what they ask for is then not asked.
        assert!(
            encode_request(&FetchRequest { rack_id: "a", ..FetchRequest::default() }, 4, 0, "")
                .is_ok()
        );
    }

    #[test]
    fn null_is_refused_where_a_version_does_not_allow_it() {
        let everything = MetadataRequest { topics: None, ..MetadataRequest::default() };
        assert!(encode_request(&everything, 1, 0, "").is_ok());
        let error = encode_request(&everything, 0, 0, "").expect_err("refused");
        assert_eq!((error.field, error.reason), ("topics", EncodeReason::Null));
    }

    #[test]
    fn a_broker_that_does_not_know_our_api_versions_answers_in_version_0() {
        let frame = [0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 3];
        let response = decode_response::<ApiVersionsRequest>(&frame, 4).expect("version 0");
        let [api] = response.api_keys.as_slice() else { panic!("one API: {response:?}") };
        assert_eq!((response.error_code, api.api_key, api.max_version), (35, 18, 3));
    }

    #[test]
    fn an_unreadable_reply_is_a_protocol_error_that_says_where() {
        let reply = Reply::<HeartbeatRequest>::new(
            Bytes::from_static(&[0, 0, 0, 7, 0, 0, 9]),
            0,
            Some(BrokerId(2)),
        );
        let error = reply.parse().expect_err("a byte too many");
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert_eq!(
            (error.context().broker, error.context().api.as_deref()),
            (Some(BrokerId(2)), Some("Heartbeat v0"))
        );
        let source = std::error::Error::source(&error).expect("the reason").to_string();
        assert_eq!(source, "Heartbeat v0, byte 6: 1 bytes too many");
    }

    #[cfg(feature = "admin")]
    #[test]
    fn data_of_a_newer_version_is_read_as_far_as_it_is_known() {
        let assignment = ConsumerProtocolAssignment {
            user_data: Some(b"x"),
            ..ConsumerProtocolAssignment::default()
        };
        let mut bytes = encode_data(&assignment, 1).expect("short").to_vec();
        assert_eq!(decode_data(&bytes), Ok(assignment.clone()));
        bytes[1] = 9;
        bytes.extend_from_slice(b"new fields");
        assert_eq!(decode_data(&bytes), Ok(assignment));
    }
}
