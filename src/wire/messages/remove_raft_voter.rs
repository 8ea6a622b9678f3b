// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! RemoveRaftVoter, API key 81, version 0, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for RemoveRaftVoterRequest<'_> {
    const API: ApiKey = ApiKey::RemoveRaftVoter;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = RemoveRaftVoterResponse<'a>;
}

/// The request, version 0, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RemoveRaftVoterRequest<'a> {
    pub(crate) cluster_id: Option<&'a str>,
    pub(crate) voter_id: i32,
    pub(crate) voter_directory_id: TopicId,
}

impl Default for RemoveRaftVoterRequest<'_> {
    fn default() -> Self {
        Self { cluster_id: Some(""), voter_id: 0, voter_directory_id: TopicId::ZERO }
    }
}

impl Encode for RemoveRaftVoterRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.nullable_string("cluster_id", self.cluster_id)?;
        to.i32(self.voter_id);
        to.uuid(self.voter_directory_id);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, version 0, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RemoveRaftVoterResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl Default for RemoveRaftVoterResponse<'_> {
    fn default() -> Self {
        Self { throttle_time_ms: 0, error_code: 0, error_message: Some("") }
    }
}

impl<'a> Decode<'a> for RemoveRaftVoterResponse<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
