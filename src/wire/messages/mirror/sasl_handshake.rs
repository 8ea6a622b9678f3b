// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::sasl_handshake::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for SaslHandshakeRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        Ok(Self { mechanism: from.string("mechanism")? })
    }
}

impl Sample for SaslHandshakeRequest<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { mechanism: from.string() }
    }
}

impl Encode for SaslHandshakeResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.array("mechanisms", &self.mechanisms)?;
        Ok(())
    }
}

impl Sample for SaslHandshakeResponse<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { error_code: from.i16(), mechanisms: from.array(|from| from.string()) }
    }
}
