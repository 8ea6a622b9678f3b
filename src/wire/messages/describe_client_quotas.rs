// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeClientQuotas, API key 48, versions 0 to 1, flexible from 1.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeClientQuotasRequest<'_> {
    const API: ApiKey = ApiKey::DescribeClientQuotas;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const FLEXIBLE: i16 = 1;
    const THROTTLE: i16 = 0;
    type Response<'a> = DescribeClientQuotasResponse<'a>;
}

/// The request, versions 0 to 1, flexible from 1.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeClientQuotasRequest<'a> {
    pub(crate) components: Vec<ComponentData<'a>>,
    pub(crate) strict: bool,
}

impl Encode for DescribeClientQuotasRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("components", &self.components)?;
        to.bool(self.strict);
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DescribeClientQuotasRequest::components`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ComponentData<'a> {
    pub(crate) entity_type: &'a str,
    pub(crate) match_type: i8,
    pub(crate) r#match: Option<&'a str>,
}

impl Default for ComponentData<'_> {
    fn default() -> Self {
        Self { entity_type: "", match_type: 0, r#match: Some("") }
    }
}

impl Encode for ComponentData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("entity_type", self.entity_type)?;
        to.i8(self.match_type);
        to.nullable_string("match", self.r#match)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 1, flexible from 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeClientQuotasResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) entries: Option<Vec<EntryData<'a>>>,
}

impl Default for DescribeClientQuotasResponse<'_> {
    fn default() -> Self {
        Self { throttle_time_ms: 0, error_code: 0, error_message: Some(""), entries: Some(Vec::new()) }
    }
}

impl<'a> Decode<'a> for DescribeClientQuotasResponse<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            entries: from.nullable_array("entries")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeClientQuotasResponse::entries`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct EntryData<'a> {
    pub(crate) entity: Vec<EntityData<'a>>,
    pub(crate) values: Vec<ValueData<'a>>,
}

impl<'a> Decode<'a> for EntryData<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { entity: from.array("entity")?, values: from.array("values")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`EntryData::entity`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EntityData<'a> {
    pub(crate) entity_type: &'a str,
    pub(crate) entity_name: Option<&'a str>,
}

impl Default for EntityData<'_> {
    fn default() -> Self {
        Self { entity_type: "", entity_name: Some("") }
    }
}

impl<'a> Decode<'a> for EntityData<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { entity_type: from.string("entity_type")?, entity_name: from.nullable_string("entity_name")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`EntryData::values`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ValueData<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: f64,
}

impl<'a> Decode<'a> for ValueData<'a> {
    const MIN_LEN: usize = 10;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { key: from.string("key")?, value: from.f64("value")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
