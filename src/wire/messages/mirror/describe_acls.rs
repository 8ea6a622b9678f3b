// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::describe_acls::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeAclsRequest<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            resource_type_filter: from.i8("resource_type_filter")?,
            resource_name_filter: from.nullable_string("resource_name_filter")?,
            pattern_type_filter: from.i8("pattern_type_filter")?,
            principal_filter: from.nullable_string("principal_filter")?,
            host_filter: from.nullable_string("host_filter")?,
            operation: from.i8("operation")?,
            permission_type: from.i8("permission_type")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeAclsRequest<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            resource_type_filter: from.i8(),
            resource_name_filter: from.option(|from| from.string()),
            pattern_type_filter: from.i8(),
            principal_filter: from.option(|from| from.string()),
            host_filter: from.option(|from| from.string()),
            operation: from.i8(),
            permission_type: from.i8(),
        }
    }
}

impl Encode for DescribeAclsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.array("resources", &self.resources)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeAclsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            resources: from.array(|from| DescribeAclsResource::sample(from, version)),
        }
    }
}

impl Encode for DescribeAclsResource<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i8(self.resource_type);
        to.string("resource_name", self.resource_name)?;
        to.i8(self.pattern_type);
        to.array("acls", &self.acls)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeAclsResource<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            resource_type: from.i8(),
            resource_name: from.string(),
            pattern_type: from.i8(),
            acls: from.array(|from| AclDescription::sample(from, version)),
        }
    }
}

impl Encode for AclDescription<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("principal", self.principal)?;
        to.string("host", self.host)?;
        to.i8(self.operation);
        to.i8(self.permission_type);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AclDescription<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { principal: from.string(), host: from.string(), operation: from.i8(), permission_type: from.i8() }
    }
}
