// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::ids::TopicId;
use crate::wire::messages::produce::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for ProduceRequest<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            transactional_id: from.nullable_string("transactional_id")?,
            acks: from.i16("acks")?,
            timeout_ms: from.i32("timeout_ms")?,
            topic_data: from.array("topic_data")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ProduceRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            transactional_id: from.option(|from| from.string()),
            acks: from.i16(),
            timeout_ms: from.i32(),
            topic_data: from.array(|from| TopicProduceData::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for TopicProduceData<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: if version <= 12 { from.string("name")? } else { "" },
            topic_id: if version >= 13 { from.uuid("topic_id")? } else { TopicId::ZERO },
            partition_data: from.array("partition_data")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for TopicProduceData<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            name: if version <= 12 { from.string() } else { "" },
            topic_id: if version >= 13 { from.uuid() } else { TopicId::ZERO },
            partition_data: from.array(|from| PartitionProduceData::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for PartitionProduceData<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { index: from.i32("index")?, records: from.nullable_bytes("records")?.map(super::chunks) };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for PartitionProduceData<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { index: from.i32(), records: from.option(|from| super::chunks(from.bytes())) }
    }
}

impl Encode for ProduceResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.array("responses", &self.responses)?;
        to.i32(self.throttle_time_ms);
        if version < 10 {
            to.lacks("node_endpoints", !self.node_endpoints.is_empty())?;
        }
        to.tagged_fields(|fields| {
            if version >= 10 && !self.node_endpoints.is_empty() {
                fields.add(0, |to| to.array("node_endpoints", &self.node_endpoints))?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Sample for ProduceResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            responses: from.array(|from| TopicProduceResponse::sample(from, version)),
            throttle_time_ms: from.i32(),
            node_endpoints: if version >= 10 { from.array(|from| NodeEndpoint::sample(from, version)) } else { Vec::new() },
        }
    }
}

impl Encode for TopicProduceResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version <= 12 {
            to.string("name", self.name)?;
        }
        if version >= 13 {
            to.uuid(self.topic_id);
        }
        to.array("partition_responses", &self.partition_responses)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TopicProduceResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            name: if version <= 12 { from.string() } else { "" },
            topic_id: if version >= 13 { from.uuid() } else { TopicId::ZERO },
            partition_responses: from.array(|from| PartitionProduceResponse::sample(from, version)),
        }
    }
}

impl Encode for PartitionProduceResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.index);
        to.i16(self.error_code);
        to.i64(self.base_offset);
        to.i64(self.log_append_time_ms);
        if version >= 5 {
            to.i64(self.log_start_offset);
        }
        if version >= 8 {
            to.array("record_errors", &self.record_errors)?;
            to.nullable_string("error_message", self.error_message)?;
        }
        if version < 10 {
            to.lacks("current_leader", self.current_leader != LeaderIdAndEpoch::default())?;
        }
        to.tagged_fields(|fields| {
            if version >= 10 && self.current_leader != LeaderIdAndEpoch::default() {
                fields.add(0, |to| self.current_leader.encode(to, version))?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Sample for PartitionProduceResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            index: from.i32(),
            error_code: from.i16(),
            base_offset: from.i64(),
            log_append_time_ms: from.i64(),
            log_start_offset: if version >= 5 { from.i64() } else { -1 },
            record_errors: if version >= 8 {
                from.array(|from| BatchIndexAndErrorMessage::sample(from, version))
            } else {
                Vec::new()
            },
            error_message: if version >= 8 { from.option(|from| from.string()) } else { None },
            current_leader: if version >= 10 { LeaderIdAndEpoch::sample(from, version) } else { LeaderIdAndEpoch::default() },
        }
    }
}

impl Encode for BatchIndexAndErrorMessage<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.batch_index);
        to.nullable_string("batch_index_error_message", self.batch_index_error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for BatchIndexAndErrorMessage<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { batch_index: from.i32(), batch_index_error_message: from.option(|from| from.string()) }
    }
}

impl Encode for LeaderIdAndEpoch {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.leader_id);
        to.i32(self.leader_epoch);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for LeaderIdAndEpoch {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { leader_id: from.i32(), leader_epoch: from.i32() }
    }
}

impl Encode for NodeEndpoint<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.node_id);
        to.string("host", self.host)?;
        to.i32(self.port);
        to.nullable_string("rack", self.rack)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for NodeEndpoint<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { node_id: from.i32(), host: from.string(), port: from.i32(), rack: from.option(|from| from.string()) }
    }
}
