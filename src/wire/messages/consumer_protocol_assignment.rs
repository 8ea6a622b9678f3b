// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! ConsumerProtocolAssignment, versions 0 to 3, none flexible.

use std::ops::RangeInclusive;

use crate::wire::call::Data;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Data for ConsumerProtocolAssignment<'_> {
    const NAME: &'static str = "ConsumerProtocolAssignment";
    const VERSIONS: RangeInclusive<i16> = 0..=3;
}

/// The data, versions 0 to 3, none flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ConsumerProtocolAssignment<'a> {
    pub(crate) assigned_partitions: Vec<TopicPartition<'a>>,
    pub(crate) user_data: Option<&'a [u8]>,
}

impl Encode for ConsumerProtocolAssignment<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("assigned_partitions", &self.assigned_partitions)?;
        to.nullable_bytes("user_data", self.user_data)?;
        Ok(())
    }
}

impl<'a> Decode<'a> for ConsumerProtocolAssignment<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        Ok(Self { assigned_partitions: from.array("assigned_partitions")?, user_data: from.nullable_bytes("user_data")? })
    }
}

/// An element of [`ConsumerProtocolAssignment::assigned_partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TopicPartition<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partitions: Vec<i32>,
}

impl Encode for TopicPartition<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic", self.topic)?;
        to.array("partitions", &self.partitions)?;
        Ok(())
    }
}

impl<'a> Decode<'a> for TopicPartition<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        Ok(Self { topic: from.string("topic")?, partitions: from.array("partitions")? })
    }
}
