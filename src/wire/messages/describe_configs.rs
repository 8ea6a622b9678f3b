// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeConfigs, API key 32, versions 1 to 4, flexible from 4.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeConfigsRequest<'_> {
    const API: ApiKey = ApiKey::DescribeConfigs;
    const VERSIONS: RangeInclusive<i16> = 1..=4;
    const FLEXIBLE: i16 = 4;
    const THROTTLE: i16 = 1;
    type Response<'a> = DescribeConfigsResponse<'a>;
}

/// The request, versions 1 to 4, flexible from 4.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeConfigsRequest<'a> {
    pub(crate) resources: Vec<DescribeConfigsResource<'a>>,
    pub(crate) include_synonyms: bool,
    /// Versions 3+.
    pub(crate) include_documentation: bool,
}

impl Encode for DescribeConfigsRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.array("resources", &self.resources)?;
        to.bool(self.include_synonyms);
        if version >= 3 {
            to.bool(self.include_documentation);
        } else {
            to.lacks("include_documentation", self.include_documentation)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DescribeConfigsRequest::resources`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeConfigsResource<'a> {
    pub(crate) resource_type: i8,
    pub(crate) resource_name: &'a str,
    pub(crate) configuration_keys: Option<Vec<&'a str>>,
}

impl Default for DescribeConfigsResource<'_> {
    fn default() -> Self {
        Self { resource_type: 0, resource_name: "", configuration_keys: Some(Vec::new()) }
    }
}

impl Encode for DescribeConfigsResource<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i8(self.resource_type);
        to.string("resource_name", self.resource_name)?;
        to.nullable_array("configuration_keys", self.configuration_keys.as_deref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 4, flexible from 4.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeConfigsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) results: Vec<DescribeConfigsResult<'a>>,
}

impl<'a> Decode<'a> for DescribeConfigsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, results: from.array("results")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeConfigsResponse::results`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeConfigsResult<'a> {
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) resource_type: i8,
    pub(crate) resource_name: &'a str,
    pub(crate) configs: Vec<DescribeConfigsResourceResult<'a>>,
}

impl Default for DescribeConfigsResult<'_> {
    fn default() -> Self {
        Self { error_code: 0, error_message: Some(""), resource_type: 0, resource_name: "", configs: Vec::new() }
    }
}

impl<'a> Decode<'a> for DescribeConfigsResult<'a> {
    const MIN_LEN: usize = 7;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            resource_type: from.i8("resource_type")?,
            resource_name: from.string("resource_name")?,
            configs: from.array("configs")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeConfigsResult::configs`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeConfigsResourceResult<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Option<&'a str>,
    pub(crate) read_only: bool,
    pub(crate) config_source: i8,
    pub(crate) is_sensitive: bool,
    pub(crate) synonyms: Vec<DescribeConfigsSynonym<'a>>,
    /// Versions 3+.
    pub(crate) config_type: i8,
    /// Versions 3+.
    pub(crate) documentation: Option<&'a str>,
}

impl Default for DescribeConfigsResourceResult<'_> {
    fn default() -> Self {
        Self {
            name: "",
            value: Some(""),
            read_only: false,
            config_source: -1,
            is_sensitive: false,
            synonyms: Vec::new(),
            config_type: 0,
            documentation: Some(""),
        }
    }
}

impl<'a> Decode<'a> for DescribeConfigsResourceResult<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: from.string("name")?,
            value: from.nullable_string("value")?,
            read_only: from.bool("read_only")?,
            config_source: from.i8("config_source")?,
            is_sensitive: from.bool("is_sensitive")?,
            synonyms: from.array("synonyms")?,
            config_type: if version >= 3 { from.i8("config_type")? } else { 0 },
            documentation: if version >= 3 { from.nullable_string("documentation")? } else { Some("") },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeConfigsResourceResult::synonyms`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeConfigsSynonym<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Option<&'a str>,
    pub(crate) source: i8,
}

impl Default for DescribeConfigsSynonym<'_> {
    fn default() -> Self {
        Self { name: "", value: Some(""), source: 0 }
    }
}

impl<'a> Decode<'a> for DescribeConfigsSynonym<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, value: from.nullable_string("value")?, source: from.i8("source")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
