// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::describe_client_quotas::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeClientQuotasRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { components: from.array("components")?, strict: from.bool("strict")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeClientQuotasRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { components: from.array(|from| ComponentData::sample(from, version)), strict: from.bool() }
    }
}

impl<'a> Decode<'a> for ComponentData<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            entity_type: from.string("entity_type")?,
            match_type: from.i8("match_type")?,
            r#match: from.nullable_string("match")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ComponentData<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { entity_type: from.string(), match_type: from.i8(), r#match: from.option(|from| from.string()) }
    }
}

impl Encode for DescribeClientQuotasResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.nullable_array("entries", self.entries.as_deref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeClientQuotasResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            entries: from.option(|from| from.array(|from| EntryData::sample(from, version))),
        }
    }
}

impl Encode for EntryData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("entity", &self.entity)?;
        to.array("values", &self.values)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for EntryData<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            entity: from.array(|from| EntityData::sample(from, version)),
            values: from.array(|from| ValueData::sample(from, version)),
        }
    }
}

impl Encode for EntityData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("entity_type", self.entity_type)?;
        to.nullable_string("entity_name", self.entity_name)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for EntityData<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { entity_type: from.string(), entity_name: from.option(|from| from.string()) }
    }
}

impl Encode for ValueData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("key", self.key)?;
        to.f64(self.value);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ValueData<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { key: from.string(), value: from.f64() }
    }
}
