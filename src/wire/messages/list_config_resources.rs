// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! ListConfigResources, API key 74, versions 0 to 1, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for ListConfigResourcesRequest {
    const API: ApiKey = ApiKey::ListConfigResources;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = ListConfigResourcesResponse<'a>;
}

/// The request, versions 0 to 1, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ListConfigResourcesRequest {
    /// Versions 1+.
    pub(crate) resource_types: Vec<i8>,
}

impl Encode for ListConfigResourcesRequest {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 1 {
            to.array("resource_types", &self.resource_types)?;
        } else {
            to.lacks("resource_types", !self.resource_types.is_empty())?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 1, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ListConfigResourcesResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) config_resources: Vec<ConfigResource<'a>>,
}

impl<'a> Decode<'a> for ListConfigResourcesResponse<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            config_resources: from.array("config_resources")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ListConfigResourcesResponse::config_resources`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConfigResource<'a> {
    pub(crate) resource_name: &'a str,
    /// Versions 1+.
    pub(crate) resource_type: i8,
}

impl Default for ConfigResource<'_> {
    fn default() -> Self {
        Self { resource_name: "", resource_type: 16 }
    }
}

impl<'a> Decode<'a> for ConfigResource<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            resource_name: from.string("resource_name")?,
            resource_type: if version >= 1 { from.i8("resource_type")? } else { 16 },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
