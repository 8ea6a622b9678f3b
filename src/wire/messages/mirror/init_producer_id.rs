// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::init_producer_id::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for InitProducerIdRequest<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            transactional_id: from.nullable_string("transactional_id")?,
            transaction_timeout_ms: from.i32("transaction_timeout_ms")?,
            producer_id: if version >= 3 { from.i64("producer_id")? } else { -1 },
            producer_epoch: if version >= 3 { from.i16("producer_epoch")? } else { -1 },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for InitProducerIdRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            transactional_id: from.option(|from| from.string()),
            transaction_timeout_ms: from.i32(),
            producer_id: if version >= 3 { from.i64() } else { -1 },
            producer_epoch: if version >= 3 { from.i16() } else { -1 },
        }
    }
}

impl Encode for InitProducerIdResponse {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.i64(self.producer_id);
        to.i16(self.producer_epoch);
        if version >= 6 {
            to.i64(self.ongoing_txn_producer_id);
            to.i16(self.ongoing_txn_producer_epoch);
        } else {
            to.lacks("ongoing_txn_producer_id", self.ongoing_txn_producer_id != -1)?;
            to.lacks("ongoing_txn_producer_epoch", self.ongoing_txn_producer_epoch != -1)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for InitProducerIdResponse {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: from.i16(),
            producer_id: from.i64(),
            producer_epoch: from.i16(),
            ongoing_txn_producer_id: if version >= 6 { from.i64() } else { -1 },
            ongoing_txn_producer_epoch: if version >= 6 { from.i16() } else { -1 },
        }
    }
}
