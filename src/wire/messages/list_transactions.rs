// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! ListTransactions, API key 66, versions 0 to 2, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for ListTransactionsRequest<'_> {
    const API: ApiKey = ApiKey::ListTransactions;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = ListTransactionsResponse<'a>;
}

/// The request, versions 0 to 2, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListTransactionsRequest<'a> {
    pub(crate) state_filters: Vec<&'a str>,
    pub(crate) producer_id_filters: Vec<i64>,
    /// Versions 1+.
    pub(crate) duration_filter: i64,
    /// Versions 2+.
    pub(crate) transactional_id_pattern: Option<&'a str>,
}

impl Default for ListTransactionsRequest<'_> {
    fn default() -> Self {
        Self { state_filters: Vec::new(), producer_id_filters: Vec::new(), duration_filter: -1, transactional_id_pattern: None }
    }
}

impl Encode for ListTransactionsRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.array("state_filters", &self.state_filters)?;
        to.array("producer_id_filters", &self.producer_id_filters)?;
        if version >= 1 {
            to.i64(self.duration_filter);
        } else {
            to.lacks("duration_filter", self.duration_filter != -1)?;
        }
        if version >= 2 {
            to.nullable_string("transactional_id_pattern", self.transactional_id_pattern)?;
        } else {
            to.lacks("transactional_id_pattern", self.transactional_id_pattern.is_some())?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 2, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ListTransactionsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) unknown_state_filters: Vec<&'a str>,
    pub(crate) transaction_states: Vec<TransactionState<'a>>,
}

impl<'a> Decode<'a> for ListTransactionsResponse<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            unknown_state_filters: from.array("unknown_state_filters")?,
            transaction_states: from.array("transaction_states")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ListTransactionsResponse::transaction_states`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TransactionState<'a> {
    pub(crate) transactional_id: &'a str,
    pub(crate) producer_id: i64,
    pub(crate) transaction_state: &'a str,
}

impl<'a> Decode<'a> for TransactionState<'a> {
    const MIN_LEN: usize = 11;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            transactional_id: from.string("transactional_id")?,
            producer_id: from.i64("producer_id")?,
            transaction_state: from.string("transaction_state")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
