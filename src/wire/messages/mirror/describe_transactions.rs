// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::describe_transactions::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeTransactionsRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { transactional_ids: from.array("transactional_ids")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeTransactionsRequest<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { transactional_ids: from.array(|from| from.string()) }
    }
}

impl Encode for DescribeTransactionsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("transaction_states", &self.transaction_states)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeTransactionsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), transaction_states: from.array(|from| TransactionState::sample(from, version)) }
    }
}

impl Encode for TransactionState<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.string("transactional_id", self.transactional_id)?;
        to.string("transaction_state", self.transaction_state)?;
        to.i32(self.transaction_timeout_ms);
        to.i64(self.transaction_start_time_ms);
        to.i64(self.producer_id);
        to.i16(self.producer_epoch);
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TransactionState<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            transactional_id: from.string(),
            transaction_state: from.string(),
            transaction_timeout_ms: from.i32(),
            transaction_start_time_ms: from.i64(),
            producer_id: from.i64(),
            producer_epoch: from.i16(),
            topics: from.array(|from| TopicData::sample(from, version)),
        }
    }
}

impl Encode for TopicData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic", self.topic)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TopicData<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { topic: from.string(), partitions: from.array(|from| from.i32()) }
    }
}
