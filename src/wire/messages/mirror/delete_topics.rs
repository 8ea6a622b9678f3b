// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::ids::TopicId;
use crate::wire::messages::delete_topics::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DeleteTopicsRequest<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            topics: if version >= 6 { from.array("topics")? } else { Vec::new() },
            topic_names: if version <= 5 { from.array("topic_names")? } else { Vec::new() },
            timeout_ms: from.i32("timeout_ms")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DeleteTopicsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topics: if version >= 6 { from.array(|from| DeleteTopicState::sample(from, version)) } else { Vec::new() },
            topic_names: if version <= 5 { from.array(|from| from.string()) } else { Vec::new() },
            timeout_ms: from.i32(),
        }
    }
}

impl<'a> Decode<'a> for DeleteTopicState<'a> {
    const MIN_LEN: usize = 18;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.nullable_string("name")?, topic_id: from.uuid("topic_id")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DeleteTopicState<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.option(|from| from.string()), topic_id: from.uuid() }
    }
}

impl Encode for DeleteTopicsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("responses", &self.responses)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DeleteTopicsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), responses: from.array(|from| DeletableTopicResult::sample(from, version)) }
    }
}

impl Encode for DeletableTopicResult<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 6 {
            to.nullable_string("name", self.name)?;
        } else {
            let name = to.not_null("name", self.name)?;
            to.string("name", name)?;
        }
        if version >= 6 {
            to.uuid(self.topic_id);
        }
        to.i16(self.error_code);
        if version >= 5 {
            to.nullable_string("error_message", self.error_message)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DeletableTopicResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            name: if version >= 6 { from.option(|from| from.string()) } else { Some(from.string()) },
            topic_id: if version >= 6 { from.uuid() } else { TopicId::ZERO },
            error_code: from.i16(),
            error_message: if version >= 5 { from.option(|from| from.string()) } else { None },
        }
    }
}
