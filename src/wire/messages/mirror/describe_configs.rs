// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::describe_configs::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeConfigsRequest<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            resources: from.array("resources")?,
            include_synonyms: from.bool("include_synonyms")?,
            include_documentation: if version >= 3 { from.bool("include_documentation")? } else { false },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeConfigsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            resources: from.array(|from| DescribeConfigsResource::sample(from, version)),
            include_synonyms: from.bool(),
            include_documentation: if version >= 3 { from.bool() } else { false },
        }
    }
}

impl<'a> Decode<'a> for DescribeConfigsResource<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            resource_type: from.i8("resource_type")?,
            resource_name: from.string("resource_name")?,
            configuration_keys: from.nullable_array("configuration_keys")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeConfigsResource<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            resource_type: from.i8(),
            resource_name: from.string(),
            configuration_keys: from.option(|from| from.array(|from| from.string())),
        }
    }
}

impl Encode for DescribeConfigsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("results", &self.results)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeConfigsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), results: from.array(|from| DescribeConfigsResult::sample(from, version)) }
    }
}

impl Encode for DescribeConfigsResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.i8(self.resource_type);
        to.string("resource_name", self.resource_name)?;
        to.array("configs", &self.configs)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeConfigsResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            resource_type: from.i8(),
            resource_name: from.string(),
            configs: from.array(|from| DescribeConfigsResourceResult::sample(from, version)),
        }
    }
}

impl Encode for DescribeConfigsResourceResult<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.nullable_string("value", self.value)?;
        to.bool(self.read_only);
        to.i8(self.config_source);
        to.bool(self.is_sensitive);
        to.array("synonyms", &self.synonyms)?;
        if version >= 3 {
            to.i8(self.config_type);
            to.nullable_string("documentation", self.documentation)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeConfigsResourceResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            name: from.string(),
            value: from.option(|from| from.string()),
            read_only: from.bool(),
            config_source: from.i8(),
            is_sensitive: from.bool(),
            synonyms: from.array(|from| DescribeConfigsSynonym::sample(from, version)),
            config_type: if version >= 3 { from.i8() } else { 0 },
            documentation: if version >= 3 { from.option(|from| from.string()) } else { Some("") },
        }
    }
}

impl Encode for DescribeConfigsSynonym<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.nullable_string("value", self.value)?;
        to.i8(self.source);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeConfigsSynonym<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), value: from.option(|from| from.string()), source: from.i8() }
    }
}
