// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeTransactions, API key 65, version 0, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeTransactionsRequest<'_> {
    const API: ApiKey = ApiKey::DescribeTransactions;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = DescribeTransactionsResponse<'a>;
}

/// The request, version 0, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeTransactionsRequest<'a> {
    pub(crate) transactional_ids: Vec<&'a str>,
}

impl Encode for DescribeTransactionsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("transactional_ids", &self.transactional_ids)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, version 0, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeTransactionsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) transaction_states: Vec<TransactionState<'a>>,
}

impl<'a> Decode<'a> for DescribeTransactionsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this =
            Self { throttle_time_ms: from.i32("throttle_time_ms")?, transaction_states: from.array("transaction_states")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeTransactionsResponse::transaction_states`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TransactionState<'a> {
    pub(crate) error_code: i16,
    pub(crate) transactional_id: &'a str,
    pub(crate) transaction_state: &'a str,
    pub(crate) transaction_timeout_ms: i32,
    pub(crate) transaction_start_time_ms: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) topics: Vec<TopicData<'a>>,
}

impl<'a> Decode<'a> for TransactionState<'a> {
    const MIN_LEN: usize = 28;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            transactional_id: from.string("transactional_id")?,
            transaction_state: from.string("transaction_state")?,
            transaction_timeout_ms: from.i32("transaction_timeout_ms")?,
            transaction_start_time_ms: from.i64("transaction_start_time_ms")?,
            producer_id: from.i64("producer_id")?,
            producer_epoch: from.i16("producer_epoch")?,
            topics: from.array("topics")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`TransactionState::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TopicData<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partitions: Vec<i32>,
}

impl<'a> Decode<'a> for TopicData<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic: from.string("topic")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
