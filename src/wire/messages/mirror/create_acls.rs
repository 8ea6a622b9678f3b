// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::create_acls::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for CreateAclsRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { creations: from.array("creations")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for CreateAclsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { creations: from.array(|from| AclCreation::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for AclCreation<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            resource_type: from.i8("resource_type")?,
            resource_name: from.string("resource_name")?,
            resource_pattern_type: from.i8("resource_pattern_type")?,
            principal: from.string("principal")?,
            host: from.string("host")?,
            operation: from.i8("operation")?,
            permission_type: from.i8("permission_type")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AclCreation<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            resource_type: from.i8(),
            resource_name: from.string(),
            resource_pattern_type: from.i8(),
            principal: from.string(),
            host: from.string(),
            operation: from.i8(),
            permission_type: from.i8(),
        }
    }
}

impl Encode for CreateAclsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("results", &self.results)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for CreateAclsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), results: from.array(|from| AclCreationResult::sample(from, version)) }
    }
}

impl Encode for AclCreationResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AclCreationResult<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { error_code: from.i16(), error_message: from.option(|from| from.string()) }
    }
}
