// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::alter_client_quotas::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for AlterClientQuotasRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { entries: from.array("entries")?, validate_only: from.bool("validate_only")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AlterClientQuotasRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { entries: from.array(|from| RequestEntryData::sample(from, version)), validate_only: from.bool() }
    }
}

impl<'a> Decode<'a> for RequestEntryData<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { entity: from.array("entity")?, ops: from.array("ops")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for RequestEntryData<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            entity: from.array(|from| RequestEntityData::sample(from, version)),
            ops: from.array(|from| OpData::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for RequestEntityData<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { entity_type: from.string("entity_type")?, entity_name: from.nullable_string("entity_name")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for RequestEntityData<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { entity_type: from.string(), entity_name: from.option(|from| from.string()) }
    }
}

impl<'a> Decode<'a> for OpData<'a> {
    const MIN_LEN: usize = 11;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { key: from.string("key")?, value: from.f64("value")?, remove: from.bool("remove")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for OpData<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { key: from.string(), value: from.f64(), remove: from.bool() }
    }
}

impl Encode for AlterClientQuotasResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("entries", &self.entries)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AlterClientQuotasResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), entries: from.array(|from| ResponseEntryData::sample(from, version)) }
    }
}

impl Encode for ResponseEntryData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.array("entity", &self.entity)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ResponseEntryData<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            entity: from.array(|from| ResponseEntityData::sample(from, version)),
        }
    }
}

impl Encode for ResponseEntityData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("entity_type", self.entity_type)?;
        to.nullable_string("entity_name", self.entity_name)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ResponseEntityData<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { entity_type: from.string(), entity_name: from.option(|from| from.string()) }
    }
}
