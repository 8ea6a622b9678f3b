// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::ids::TopicId;
use crate::wire::messages::create_topics::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for CreateTopicsRequest<'a> {
    const MIN_LEN: usize = 7;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            topics: from.array("topics")?,
            timeout_ms: from.i32("timeout_ms")?,
            validate_only: from.bool("validate_only")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for CreateTopicsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topics: from.array(|from| CreatableTopic::sample(from, version)),
            timeout_ms: from.i32(),
            validate_only: from.bool(),
        }
    }
}

impl<'a> Decode<'a> for CreatableTopic<'a> {
    const MIN_LEN: usize = 10;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: from.string("name")?,
            num_partitions: from.i32("num_partitions")?,
            replication_factor: from.i16("replication_factor")?,
            assignments: from.array("assignments")?,
            configs: from.array("configs")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for CreatableTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            name: from.string(),
            num_partitions: from.i32(),
            replication_factor: from.i16(),
            assignments: from.array(|from| CreatableReplicaAssignment::sample(from, version)),
            configs: from.array(|from| CreatableTopicConfig::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for CreatableReplicaAssignment {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { partition_index: from.i32("partition_index")?, broker_ids: from.array("broker_ids")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for CreatableReplicaAssignment {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32(), broker_ids: from.array(|from| from.i32()) }
    }
}

impl<'a> Decode<'a> for CreatableTopicConfig<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, value: from.nullable_string("value")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for CreatableTopicConfig<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), value: from.option(|from| from.string()) }
    }
}

impl Encode for CreateTopicsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for CreateTopicsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), topics: from.array(|from| CreatableTopicResult::sample(from, version)) }
    }
}

impl Encode for CreatableTopicResult<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        if version >= 7 {
            to.uuid(self.topic_id);
        }
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        if version >= 5 {
            to.i32(self.num_partitions);
            to.i16(self.replication_factor);
            to.nullable_array("configs", self.configs.as_deref())?;
        }
        to.tagged_fields(|fields| {
            if self.topic_config_error_code != 0 {
                fields.add(0, |to| {
                    to.i16(self.topic_config_error_code);
                    Ok(())
                })?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Sample for CreatableTopicResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            name: from.string(),
            topic_id: if version >= 7 { from.uuid() } else { TopicId::ZERO },
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            topic_config_error_code: if version >= 5 { from.i16() } else { 0 },
            num_partitions: if version >= 5 { from.i32() } else { -1 },
            replication_factor: if version >= 5 { from.i16() } else { -1 },
            configs: if version >= 5 {
                from.option(|from| from.array(|from| CreatableTopicConfigs::sample(from, version)))
            } else {
                Some(Vec::new())
            },
        }
    }
}

impl Encode for CreatableTopicConfigs<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.nullable_string("value", self.value)?;
        to.bool(self.read_only);
        to.i8(self.config_source);
        to.bool(self.is_sensitive);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for CreatableTopicConfigs<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            name: from.string(),
            value: from.option(|from| from.string()),
            read_only: from.bool(),
            config_source: from.i8(),
            is_sensitive: from.bool(),
        }
    }
}
