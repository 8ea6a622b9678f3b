// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::heartbeat::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for HeartbeatRequest<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_id: from.string("group_id")?,
            generation_id: from.i32("generation_id")?,
            member_id: from.string("member_id")?,
            group_instance_id: if version >= 3 { from.nullable_string("group_instance_id")? } else { None },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for HeartbeatRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_id: from.string(),
            generation_id: from.i32(),
            member_id: from.string(),
            group_instance_id: if version >= 3 { from.option(|from| from.string()) } else { None },
        }
    }
}

impl Encode for HeartbeatResponse {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        to.i16(self.error_code);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for HeartbeatResponse {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: if version >= 1 { from.i32() } else { 0 }, error_code: from.i16() }
    }
}
