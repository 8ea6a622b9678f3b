// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! InitProducerId, API key 22, versions 0 to 5, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for InitProducerIdRequest<'_> {
    const API: ApiKey = ApiKey::InitProducerId;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = 0;
    type Response<'a> = InitProducerIdResponse;
}

/// The request, versions 0 to 5, flexible from 2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InitProducerIdRequest<'a> {
    pub(crate) transactional_id: Option<&'a str>,
    pub(crate) transaction_timeout_ms: i32,
    /// Versions 3+.
    pub(crate) producer_id: i64,
    /// Versions 3+.
    pub(crate) producer_epoch: i16,
}

impl Default for InitProducerIdRequest<'_> {
    fn default() -> Self {
        Self { transactional_id: Some(""), transaction_timeout_ms: 0, producer_id: -1, producer_epoch: -1 }
    }
}

impl Encode for InitProducerIdRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.nullable_string("transactional_id", self.transactional_id)?;
        to.i32(self.transaction_timeout_ms);
        if version >= 3 {
            to.i64(self.producer_id);
            to.i16(self.producer_epoch);
        } else {
            to.lacks("producer_id", self.producer_id != -1)?;
            to.lacks("producer_epoch", self.producer_epoch != -1)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 6, flexible from 2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InitProducerIdResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    /// Versions 6+.
    pub(crate) ongoing_txn_producer_id: i64,
    /// Versions 6+.
    pub(crate) ongoing_txn_producer_epoch: i16,
}

impl Default for InitProducerIdResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            producer_id: -1,
            producer_epoch: 0,
            ongoing_txn_producer_id: -1,
            ongoing_txn_producer_epoch: -1,
        }
    }
}

impl<'a> Decode<'a> for InitProducerIdResponse {
    const MIN_LEN: usize = 16;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            producer_id: from.i64("producer_id")?,
            producer_epoch: from.i16("producer_epoch")?,
            ongoing_txn_producer_id: if version >= 6 { from.i64("ongoing_txn_producer_id")? } else { -1 },
            ongoing_txn_producer_epoch: if version >= 6 { from.i16("ongoing_txn_producer_epoch")? } else { -1 },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
