// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! WriteTxnMarkers, API key 27, versions 1 to 2, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for WriteTxnMarkersRequest<'_> {
    const API: ApiKey = ApiKey::WriteTxnMarkers;
    const VERSIONS: RangeInclusive<i16> = 1..=2;
    const FLEXIBLE: i16 = 1;
    const THROTTLE: i16 = i16::MAX;
    type Response<'a> = WriteTxnMarkersResponse<'a>;
}

/// The request, versions 1 to 2, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct WriteTxnMarkersRequest<'a> {
    pub(crate) markers: Vec<WritableTxnMarker<'a>>,
}

impl Encode for WriteTxnMarkersRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("markers", &self.markers)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`WriteTxnMarkersRequest::markers`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct WritableTxnMarker<'a> {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) transaction_result: bool,
    pub(crate) topics: Vec<WritableTxnMarkerTopic<'a>>,
    pub(crate) coordinator_epoch: i32,
    /// Versions 2+.
    pub(crate) transaction_version: i8,
}

impl Encode for WritableTxnMarker<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i64(self.producer_id);
        to.i16(self.producer_epoch);
        to.bool(self.transaction_result);
        to.array("topics", &self.topics)?;
        to.i32(self.coordinator_epoch);
        if version >= 2 {
            to.i8(self.transaction_version);
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`WritableTxnMarker::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct WritableTxnMarkerTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partition_indexes: Vec<i32>,
}

impl Encode for WritableTxnMarkerTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partition_indexes", &self.partition_indexes)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 2, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct WriteTxnMarkersResponse<'a> {
    pub(crate) markers: Vec<WritableTxnMarkerResult<'a>>,
}

impl<'a> Decode<'a> for WriteTxnMarkersResponse<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { markers: from.array("markers")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`WriteTxnMarkersResponse::markers`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct WritableTxnMarkerResult<'a> {
    pub(crate) producer_id: i64,
    pub(crate) topics: Vec<WritableTxnMarkerTopicResult<'a>>,
}

impl<'a> Decode<'a> for WritableTxnMarkerResult<'a> {
    const MIN_LEN: usize = 10;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { producer_id: from.i64("producer_id")?, topics: from.array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`WritableTxnMarkerResult::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct WritableTxnMarkerTopicResult<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<WritableTxnMarkerPartitionResult>,
}

impl<'a> Decode<'a> for WritableTxnMarkerTopicResult<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`WritableTxnMarkerTopicResult::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct WritableTxnMarkerPartitionResult {
    pub(crate) partition_index: i32,
    pub(crate) error_code: i16,
}

impl<'a> Decode<'a> for WritableTxnMarkerPartitionResult {
    const MIN_LEN: usize = 7;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { partition_index: from.i32("partition_index")?, error_code: from.i16("error_code")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
