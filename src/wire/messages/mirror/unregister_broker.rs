// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::unregister_broker::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for UnregisterBrokerRequest {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { broker_id: from.i32("broker_id")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for UnregisterBrokerRequest {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { broker_id: from.i32() }
    }
}

impl Encode for UnregisterBrokerResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for UnregisterBrokerResponse<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { throttle_time_ms: from.i32(), error_code: from.i16(), error_message: from.option(|from| from.string()) }
    }
}
