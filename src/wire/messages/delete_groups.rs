// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DeleteGroups, API key 42, versions 0 to 3, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DeleteGroupsRequest<'_> {
    const API: ApiKey = ApiKey::DeleteGroups;
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = 0;
    type Response<'a> = DeleteGroupsResponse<'a>;
}

/// The request, versions 0 to 3, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteGroupsRequest<'a> {
    pub(crate) groups_names: Vec<&'a str>,
}

impl Encode for DeleteGroupsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("groups_names", &self.groups_names)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 3, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteGroupsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) results: Vec<DeletableGroupResult<'a>>,
}

impl<'a> Decode<'a> for DeleteGroupsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, results: from.array("results")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DeleteGroupsResponse::results`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeletableGroupResult<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) error_code: i16,
    /// Versions 3+.
    pub(crate) error_message: Option<&'a str>,
}

impl<'a> Decode<'a> for DeletableGroupResult<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_id: from.string("group_id")?,
            error_code: from.i16("error_code")?,
            error_message: if version >= 3 { from.nullable_string("error_message")? } else { None },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
