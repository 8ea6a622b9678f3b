// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::incremental_alter_configs::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for IncrementalAlterConfigsRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { resources: from.array("resources")?, validate_only: from.bool("validate_only")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for IncrementalAlterConfigsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { resources: from.array(|from| AlterConfigsResource::sample(from, version)), validate_only: from.bool() }
    }
}

impl<'a> Decode<'a> for AlterConfigsResource<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            resource_type: from.i8("resource_type")?,
            resource_name: from.string("resource_name")?,
            configs: from.array("configs")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AlterConfigsResource<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            resource_type: from.i8(),
            resource_name: from.string(),
            configs: from.array(|from| AlterableConfig::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for AlterableConfig<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: from.string("name")?,
            config_operation: from.i8("config_operation")?,
            value: from.nullable_string("value")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AlterableConfig<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), config_operation: from.i8(), value: from.option(|from| from.string()) }
    }
}

impl Encode for IncrementalAlterConfigsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("responses", &self.responses)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for IncrementalAlterConfigsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), responses: from.array(|from| AlterConfigsResourceResponse::sample(from, version)) }
    }
}

impl Encode for AlterConfigsResourceResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.i8(self.resource_type);
        to.string("resource_name", self.resource_name)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AlterConfigsResourceResponse<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            resource_type: from.i8(),
            resource_name: from.string(),
        }
    }
}
