// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::write_txn_markers::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for WriteTxnMarkersRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { markers: from.array("markers")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for WriteTxnMarkersRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { markers: from.array(|from| WritableTxnMarker::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for WritableTxnMarker<'a> {
    const MIN_LEN: usize = 17;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            producer_id: from.i64("producer_id")?,
            producer_epoch: from.i16("producer_epoch")?,
            transaction_result: from.bool("transaction_result")?,
            topics: from.array("topics")?,
            coordinator_epoch: from.i32("coordinator_epoch")?,
            transaction_version: if version >= 2 { from.i8("transaction_version")? } else { 0 },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for WritableTxnMarker<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            producer_id: from.i64(),
            producer_epoch: from.i16(),
            transaction_result: from.bool(),
            topics: from.array(|from| WritableTxnMarkerTopic::sample(from, version)),
            coordinator_epoch: from.i32(),
            transaction_version: if version >= 2 { from.i8() } else { 0 },
        }
    }
}

impl<'a> Decode<'a> for WritableTxnMarkerTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partition_indexes: from.array("partition_indexes")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for WritableTxnMarkerTopic<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), partition_indexes: from.array(|from| from.i32()) }
    }
}

impl Encode for WriteTxnMarkersResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("markers", &self.markers)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for WriteTxnMarkersResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { markers: from.array(|from| WritableTxnMarkerResult::sample(from, version)) }
    }
}

impl Encode for WritableTxnMarkerResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i64(self.producer_id);
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for WritableTxnMarkerResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { producer_id: from.i64(), topics: from.array(|from| WritableTxnMarkerTopicResult::sample(from, version)) }
    }
}

impl Encode for WritableTxnMarkerTopicResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for WritableTxnMarkerTopicResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| WritableTxnMarkerPartitionResult::sample(from, version)) }
    }
}

impl Encode for WritableTxnMarkerPartitionResult {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for WritableTxnMarkerPartitionResult {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32(), error_code: from.i16() }
    }
}
