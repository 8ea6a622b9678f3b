// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! AddRaftVoter, API key 80, versions 0 to 1, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for AddRaftVoterRequest<'_> {
    const API: ApiKey = ApiKey::AddRaftVoter;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = AddRaftVoterResponse<'a>;
}

/// The request, versions 0 to 1, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AddRaftVoterRequest<'a> {
    pub(crate) cluster_id: Option<&'a str>,
    pub(crate) timeout_ms: i32,
    pub(crate) voter_id: i32,
    pub(crate) voter_directory_id: TopicId,
    pub(crate) listeners: Vec<Listener<'a>>,
    /// Versions 1+.
    pub(crate) ack_when_committed: bool,
}

impl Default for AddRaftVoterRequest<'_> {
    fn default() -> Self {
        Self {
            cluster_id: Some(""),
            timeout_ms: 0,
            voter_id: 0,
            voter_directory_id: TopicId::ZERO,
            listeners: Vec::new(),
            ack_when_committed: true,
        }
    }
}

impl Encode for AddRaftVoterRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.nullable_string("cluster_id", self.cluster_id)?;
        to.i32(self.timeout_ms);
        to.i32(self.voter_id);
        to.uuid(self.voter_directory_id);
        to.array("listeners", &self.listeners)?;
        if version >= 1 {
            to.bool(self.ack_when_committed);
        } else {
            to.lacks("ack_when_committed", !self.ack_when_committed)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`AddRaftVoterRequest::listeners`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Listener<'a> {
    pub(crate) name: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl Encode for Listener<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.string("host", self.host)?;
        to.u16(self.port);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 1, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AddRaftVoterResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl Default for AddRaftVoterResponse<'_> {
    fn default() -> Self {
        Self { throttle_time_ms: 0, error_code: 0, error_message: Some("") }
    }
}

impl<'a> Decode<'a> for AddRaftVoterResponse<'a> {
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
