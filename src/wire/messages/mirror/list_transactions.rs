// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::list_transactions::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for ListTransactionsRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            state_filters: from.array("state_filters")?,
            producer_id_filters: from.array("producer_id_filters")?,
            duration_filter: if version >= 1 { from.i64("duration_filter")? } else { -1 },
            transactional_id_pattern: if version >= 2 { from.nullable_string("transactional_id_pattern")? } else { None },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ListTransactionsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            state_filters: from.array(|from| from.string()),
            producer_id_filters: from.array(|from| from.i64()),
            duration_filter: if version >= 1 { from.i64() } else { -1 },
            transactional_id_pattern: if version >= 2 { from.option(|from| from.string()) } else { None },
        }
    }
}

impl Encode for ListTransactionsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.array("unknown_state_filters", &self.unknown_state_filters)?;
        to.array("transaction_states", &self.transaction_states)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ListTransactionsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: from.i16(),
            unknown_state_filters: from.array(|from| from.string()),
            transaction_states: from.array(|from| TransactionState::sample(from, version)),
        }
    }
}

impl Encode for TransactionState<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("transactional_id", self.transactional_id)?;
        to.i64(self.producer_id);
        to.string("transaction_state", self.transaction_state)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TransactionState<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { transactional_id: from.string(), producer_id: from.i64(), transaction_state: from.string() }
    }
}
