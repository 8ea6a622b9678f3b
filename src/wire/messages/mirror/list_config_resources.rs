// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::list_config_resources::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for ListConfigResourcesRequest {
    const MIN_LEN: usize = 1;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self { resource_types: if version >= 1 { from.array("resource_types")? } else { Vec::new() } };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ListConfigResourcesRequest {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { resource_types: if version >= 1 { from.array(|from| from.i8()) } else { Vec::new() } }
    }
}

impl Encode for ListConfigResourcesResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.array("config_resources", &self.config_resources)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ListConfigResourcesResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: from.i16(),
            config_resources: from.array(|from| ConfigResource::sample(from, version)),
        }
    }
}

impl Encode for ConfigResource<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("resource_name", self.resource_name)?;
        if version >= 1 {
            to.i8(self.resource_type);
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ConfigResource<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { resource_name: from.string(), resource_type: if version >= 1 { from.i8() } else { 16 } }
    }
}
