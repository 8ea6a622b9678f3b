// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! ListGroups, API key 16, versions 0 to 5, flexible from 3.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for ListGroupsRequest<'_> {
    const API: ApiKey = ApiKey::ListGroups;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const FLEXIBLE: i16 = 3;
    const THROTTLE: i16 = 1;
    type Response<'a> = ListGroupsResponse<'a>;
}

/// The request, versions 0 to 5, flexible from 3.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ListGroupsRequest<'a> {
    /// Versions 4+.
    pub(crate) states_filter: Vec<&'a str>,
    /// Versions 5+.
    pub(crate) types_filter: Vec<&'a str>,
}

impl Encode for ListGroupsRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 4 {
            to.array("states_filter", &self.states_filter)?;
        } else {
            to.lacks("states_filter", !self.states_filter.is_empty())?;
        }
        if version >= 5 {
            to.array("types_filter", &self.types_filter)?;
        } else {
            to.lacks("types_filter", !self.types_filter.is_empty())?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 5, flexible from 3.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ListGroupsResponse<'a> {
    /// Versions 1+.
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) groups: Vec<ListedGroup<'a>>,
}

impl<'a> Decode<'a> for ListGroupsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: if version >= 1 { from.i32("throttle_time_ms")? } else { 0 },
            error_code: from.i16("error_code")?,
            groups: from.array("groups")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ListGroupsResponse::groups`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ListedGroup<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) protocol_type: &'a str,
    /// Versions 4+.
    pub(crate) group_state: &'a str,
    /// Versions 5+.
    pub(crate) group_type: &'a str,
}

impl<'a> Decode<'a> for ListedGroup<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_id: from.string("group_id")?,
            protocol_type: from.string("protocol_type")?,
            group_state: if version >= 4 { from.string("group_state")? } else { "" },
            group_type: if version >= 5 { from.string("group_type")? } else { "" },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
