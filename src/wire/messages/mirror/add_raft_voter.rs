// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::add_raft_voter::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for AddRaftVoterRequest<'a> {
    const MIN_LEN: usize = 27;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            cluster_id: from.nullable_string("cluster_id")?,
            timeout_ms: from.i32("timeout_ms")?,
            voter_id: from.i32("voter_id")?,
            voter_directory_id: from.uuid("voter_directory_id")?,
            listeners: from.array("listeners")?,
            ack_when_committed: if version >= 1 { from.bool("ack_when_committed")? } else { true },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AddRaftVoterRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            cluster_id: from.option(|from| from.string()),
            timeout_ms: from.i32(),
            voter_id: from.i32(),
            voter_directory_id: from.uuid(),
            listeners: from.array(|from| Listener::sample(from, version)),
            ack_when_committed: if version >= 1 { from.bool() } else { true },
        }
    }
}

impl<'a> Decode<'a> for Listener<'a> {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, host: from.string("host")?, port: from.u16("port")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for Listener<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), host: from.string(), port: from.u16() }
    }
}

impl Encode for AddRaftVoterResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AddRaftVoterResponse<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { throttle_time_ms: from.i32(), error_code: from.i16(), error_message: from.option(|from| from.string()) }
    }
}
