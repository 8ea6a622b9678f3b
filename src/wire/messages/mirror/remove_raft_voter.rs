// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::remove_raft_voter::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for RemoveRaftVoterRequest<'a> {
    const MIN_LEN: usize = 22;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            cluster_id: from.nullable_string("cluster_id")?,
            voter_id: from.i32("voter_id")?,
            voter_directory_id: from.uuid("voter_directory_id")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for RemoveRaftVoterRequest<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { cluster_id: from.option(|from| from.string()), voter_id: from.i32(), voter_directory_id: from.uuid() }
    }
}

impl Encode for RemoveRaftVoterResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for RemoveRaftVoterResponse<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { throttle_time_ms: from.i32(), error_code: from.i16(), error_message: from.option(|from| from.string()) }
    }
}
