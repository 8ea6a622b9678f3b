// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! SaslHandshake, API key 17, versions 0 to 1, none flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for SaslHandshakeRequest<'_> {
    const API: ApiKey = ApiKey::SaslHandshake;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const FLEXIBLE: i16 = i16::MAX;
    const THROTTLE: i16 = i16::MAX;
    type Response<'a> = SaslHandshakeResponse<'a>;
}

/// The request, versions 0 to 1, none flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct SaslHandshakeRequest<'a> {
    pub(crate) mechanism: &'a str,
}

impl Encode for SaslHandshakeRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("mechanism", self.mechanism)?;
        Ok(())
    }
}

/// The response, versions 0 to 1, none flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct SaslHandshakeResponse<'a> {
    pub(crate) error_code: i16,
    pub(crate) mechanisms: Vec<&'a str>,
}

impl<'a> Decode<'a> for SaslHandshakeResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        Ok(Self { error_code: from.i16("error_code")?, mechanisms: from.array("mechanisms")? })
    }
}
