// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! AlterClientQuotas, API key 49, versions 0 to 1, flexible from 1.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for AlterClientQuotasRequest<'_> {
    const API: ApiKey = ApiKey::AlterClientQuotas;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const FLEXIBLE: i16 = 1;
    const THROTTLE: i16 = 0;
    type Response<'a> = AlterClientQuotasResponse<'a>;
}

/// The request, versions 0 to 1, flexible from 1.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterClientQuotasRequest<'a> {
    pub(crate) entries: Vec<RequestEntryData<'a>>,
    pub(crate) validate_only: bool,
}

impl Encode for AlterClientQuotasRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("entries", &self.entries)?;
        to.bool(self.validate_only);
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`AlterClientQuotasRequest::entries`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct RequestEntryData<'a> {
    pub(crate) entity: Vec<RequestEntityData<'a>>,
    pub(crate) ops: Vec<OpData<'a>>,
}

impl Encode for RequestEntryData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("entity", &self.entity)?;
        to.array("ops", &self.ops)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`RequestEntryData::entity`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RequestEntityData<'a> {
    pub(crate) entity_type: &'a str,
    pub(crate) entity_name: Option<&'a str>,
}

impl Default for RequestEntityData<'_> {
    fn default() -> Self {
        Self { entity_type: "", entity_name: Some("") }
    }
}

impl Encode for RequestEntityData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("entity_type", self.entity_type)?;
        to.nullable_string("entity_name", self.entity_name)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`RequestEntryData::ops`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OpData<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: f64,
    pub(crate) remove: bool,
}

impl Encode for OpData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("key", self.key)?;
        to.f64(self.value);
        to.bool(self.remove);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 1, flexible from 1.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterClientQuotasResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) entries: Vec<ResponseEntryData<'a>>,
}

impl<'a> Decode<'a> for AlterClientQuotasResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, entries: from.array("entries")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`AlterClientQuotasResponse::entries`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResponseEntryData<'a> {
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) entity: Vec<ResponseEntityData<'a>>,
}

impl Default for ResponseEntryData<'_> {
    fn default() -> Self {
        Self { error_code: 0, error_message: Some(""), entity: Vec::new() }
    }
}

impl<'a> Decode<'a> for ResponseEntryData<'a> {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            entity: from.array("entity")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ResponseEntryData::entity`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResponseEntityData<'a> {
    pub(crate) entity_type: &'a str,
    pub(crate) entity_name: Option<&'a str>,
}

impl Default for ResponseEntityData<'_> {
    fn default() -> Self {
        Self { entity_type: "", entity_name: Some("") }
    }
}

impl<'a> Decode<'a> for ResponseEntityData<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { entity_type: from.string("entity_type")?, entity_name: from.nullable_string("entity_name")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
