// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! SaslAuthenticate, API key 36, versions 0 to 2, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for SaslAuthenticateRequest<'_> {
    const API: ApiKey = ApiKey::SaslAuthenticate;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = i16::MAX;
    type Response<'a> = SaslAuthenticateResponse<'a>;
}

/// The request, versions 0 to 2, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct SaslAuthenticateRequest<'a> {
    pub(crate) auth_bytes: &'a [u8],
}

impl Encode for SaslAuthenticateRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.bytes("auth_bytes", self.auth_bytes)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 2, flexible from 2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SaslAuthenticateResponse<'a> {
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) auth_bytes: &'a [u8],
    /// Versions 1+.
    pub(crate) session_lifetime_ms: i64,
}

impl Default for SaslAuthenticateResponse<'_> {
    fn default() -> Self {
        Self { error_code: 0, error_message: Some(""), auth_bytes: &[], session_lifetime_ms: 0 }
    }
}

impl<'a> Decode<'a> for SaslAuthenticateResponse<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            auth_bytes: from.bytes("auth_bytes")?,
            session_lifetime_ms: if version >= 1 { from.i64("session_lifetime_ms")? } else { 0 },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
