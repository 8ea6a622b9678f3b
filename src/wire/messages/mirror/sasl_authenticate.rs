// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::sasl_authenticate::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for SaslAuthenticateRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { auth_bytes: from.bytes("auth_bytes")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for SaslAuthenticateRequest<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { auth_bytes: from.bytes() }
    }
}

impl Encode for SaslAuthenticateResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.bytes("auth_bytes", self.auth_bytes)?;
        if version >= 1 {
            to.i64(self.session_lifetime_ms);
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for SaslAuthenticateResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            auth_bytes: from.bytes(),
            session_lifetime_ms: if version >= 1 { from.i64() } else { 0 },
        }
    }
}
