// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! ConsumerProtocolSubscription, versions 0 to 3, none flexible.

use std::ops::RangeInclusive;

use crate::wire::call::Data;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Data for ConsumerProtocolSubscription<'_> {
    const NAME: &'static str = "ConsumerProtocolSubscription";
    const VERSIONS: RangeInclusive<i16> = 0..=3;
}

/// The data, versions 0 to 3, none flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConsumerProtocolSubscription<'a> {
    pub(crate) topics: Vec<&'a str>,
    pub(crate) user_data: Option<&'a [u8]>,
    /// Versions 1+.
    pub(crate) owned_partitions: Vec<TopicPartition<'a>>,
    /// Versions 2+.
    pub(crate) generation_id: i32,
    /// Versions 3+.
    pub(crate) rack_id: Option<&'a str>,
}

impl Default for ConsumerProtocolSubscription<'_> {
    fn default() -> Self {
        Self { topics: Vec::new(), user_data: None, owned_partitions: Vec::new(), generation_id: -1, rack_id: None }
    }
}

impl Encode for ConsumerProtocolSubscription<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.array("topics", &self.topics)?;
        to.nullable_bytes("user_data", self.user_data)?;
        if version >= 1 {
            to.array("owned_partitions", &self.owned_partitions)?;
        }
        if version >= 2 {
            to.i32(self.generation_id);
        }
        if version >= 3 {
            to.nullable_string("rack_id", self.rack_id)?;
        }
        Ok(())
    }
}

impl<'a> Decode<'a> for ConsumerProtocolSubscription<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        Ok(Self {
            topics: from.array("topics")?,
            user_data: from.nullable_bytes("user_data")?,
            owned_partitions: if version >= 1 { from.array("owned_partitions")? } else { Vec::new() },
            generation_id: if version >= 2 { from.i32("generation_id")? } else { -1 },
            rack_id: if version >= 3 { from.nullable_string("rack_id")? } else { None },
        })
    }
}

/// An element of [`ConsumerProtocolSubscription::owned_partitions`].
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
