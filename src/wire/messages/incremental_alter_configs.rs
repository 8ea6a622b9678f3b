// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! IncrementalAlterConfigs, API key 44, versions 0 to 1, flexible from 1.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for IncrementalAlterConfigsRequest<'_> {
    const API: ApiKey = ApiKey::IncrementalAlterConfigs;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const FLEXIBLE: i16 = 1;
    const THROTTLE: i16 = 0;
    type Response<'a> = IncrementalAlterConfigsResponse<'a>;
}

/// The request, versions 0 to 1, flexible from 1.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct IncrementalAlterConfigsRequest<'a> {
    pub(crate) resources: Vec<AlterConfigsResource<'a>>,
    pub(crate) validate_only: bool,
}

impl Encode for IncrementalAlterConfigsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("resources", &self.resources)?;
        to.bool(self.validate_only);
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`IncrementalAlterConfigsRequest::resources`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterConfigsResource<'a> {
    pub(crate) resource_type: i8,
    pub(crate) resource_name: &'a str,
    pub(crate) configs: Vec<AlterableConfig<'a>>,
}

impl Encode for AlterConfigsResource<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i8(self.resource_type);
        to.string("resource_name", self.resource_name)?;
        to.array("configs", &self.configs)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`AlterConfigsResource::configs`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AlterableConfig<'a> {
    pub(crate) name: &'a str,
    pub(crate) config_operation: i8,
    pub(crate) value: Option<&'a str>,
}

impl Default for AlterableConfig<'_> {
    fn default() -> Self {
        Self { name: "", config_operation: 0, value: Some("") }
    }
}

impl Encode for AlterableConfig<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.i8(self.config_operation);
        to.nullable_string("value", self.value)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 1, flexible from 1.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct IncrementalAlterConfigsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) responses: Vec<AlterConfigsResourceResponse<'a>>,
}

impl<'a> Decode<'a> for IncrementalAlterConfigsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, responses: from.array("responses")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`IncrementalAlterConfigsResponse::responses`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AlterConfigsResourceResponse<'a> {
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) resource_type: i8,
    pub(crate) resource_name: &'a str,
}

impl Default for AlterConfigsResourceResponse<'_> {
    fn default() -> Self {
        Self { error_code: 0, error_message: Some(""), resource_type: 0, resource_name: "" }
    }
}

impl<'a> Decode<'a> for AlterConfigsResourceResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            resource_type: from.i8("resource_type")?,
            resource_name: from.string("resource_name")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
