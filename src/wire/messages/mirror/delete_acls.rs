// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::delete_acls::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DeleteAclsRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { filters: from.array("filters")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DeleteAclsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { filters: from.array(|from| DeleteAclsFilter::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for DeleteAclsFilter<'a> {
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

impl Sample for DeleteAclsFilter<'_> {
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

impl Encode for DeleteAclsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("filter_results", &self.filter_results)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DeleteAclsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), filter_results: from.array(|from| DeleteAclsFilterResult::sample(from, version)) }
    }
}

impl Encode for DeleteAclsFilterResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.array("matching_acls", &self.matching_acls)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DeleteAclsFilterResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            matching_acls: from.array(|from| DeleteAclsMatchingAcl::sample(from, version)),
        }
    }
}

impl Encode for DeleteAclsMatchingAcl<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.i8(self.resource_type);
        to.string("resource_name", self.resource_name)?;
        to.i8(self.pattern_type);
        to.string("principal", self.principal)?;
        to.string("host", self.host)?;
        to.i8(self.operation);
        to.i8(self.permission_type);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DeleteAclsMatchingAcl<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            resource_type: from.i8(),
            resource_name: from.string(),
            pattern_type: from.i8(),
            principal: from.string(),
            host: from.string(),
            operation: from.i8(),
            permission_type: from.i8(),
        }
    }
}
