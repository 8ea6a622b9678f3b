// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! Fetch, API key 1, versions 4 to 18, flexible from 12.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for FetchRequest<'_> {
    const API: ApiKey = ApiKey::Fetch;
    const VERSIONS: RangeInclusive<i16> = 4..=18;
    const FLEXIBLE: i16 = 12;
    const THROTTLE: i16 = 4;
    type Response<'a> = FetchResponse<'a>;
}

/// The request, versions 4 to 18, flexible from 12.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FetchRequest<'a> {
    /// Versions 12+, tag 0.
    pub(crate) cluster_id: Option<&'a str>,
    /// Versions 4 to 14.
    pub(crate) replica_id: i32,
    /// Versions 15+, tag 1.
    pub(crate) replica_state: ReplicaState,
    pub(crate) max_wait_ms: i32,
    pub(crate) min_bytes: i32,
    pub(crate) max_bytes: i32,
    pub(crate) isolation_level: i8,
    /// Versions 7+.
    pub(crate) session_id: i32,
    /// Versions 7+.
    pub(crate) session_epoch: i32,
    pub(crate) topics: Vec<FetchTopic<'a>>,
    /// Versions 7+.
    pub(crate) forgotten_topics_data: Vec<ForgottenTopic<'a>>,
    /// Versions 11+.
    pub(crate) rack_id: &'a str,
}

impl Default for FetchRequest<'_> {
    fn default() -> Self {
        Self {
            cluster_id: None,
            replica_id: -1,
            replica_state: ReplicaState::default(),
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: i32::MAX,
            isolation_level: 0,
            session_id: 0,
            session_epoch: -1,
            topics: Vec::new(),
            forgotten_topics_data: Vec::new(),
            rack_id: "",
        }
    }
}

impl Encode for FetchRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version <= 14 {
            to.i32(self.replica_id);
        } else {
            to.lacks("replica_id", self.replica_id != -1)?;
        }
        to.i32(self.max_wait_ms);
        to.i32(self.min_bytes);
        to.i32(self.max_bytes);
        to.i8(self.isolation_level);
        if version >= 7 {
            to.i32(self.session_id);
            to.i32(self.session_epoch);
        }
        to.array("topics", &self.topics)?;
        if version >= 7 {
            to.array("forgotten_topics_data", &self.forgotten_topics_data)?;
        } else {
            to.lacks("forgotten_topics_data", !self.forgotten_topics_data.is_empty())?;
        }
        if version >= 11 {
            to.string("rack_id", self.rack_id)?;
        }
        if version < 15 {
            to.lacks("replica_state", self.replica_state != ReplicaState::default())?;
        }
        to.tagged_fields(|fields| {
            if self.cluster_id.is_some() {
                fields.add(0, |to| to.nullable_string("cluster_id", self.cluster_id))?;
            }
            if version >= 15 && self.replica_state != ReplicaState::default() {
                fields.add(1, |to| self.replica_state.encode(to, version))?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// The type of [`FetchRequest::replica_state`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReplicaState {
    pub(crate) replica_id: i32,
    pub(crate) replica_epoch: i64,
}

impl Default for ReplicaState {
    fn default() -> Self {
        Self { replica_id: -1, replica_epoch: -1 }
    }
}

impl Encode for ReplicaState {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.replica_id);
        to.i64(self.replica_epoch);
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`FetchRequest::topics`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FetchTopic<'a> {
    /// Versions 4 to 12.
    pub(crate) topic: &'a str,
    /// Versions 13+.
    pub(crate) topic_id: TopicId,
    pub(crate) partitions: Vec<FetchPartition>,
}

impl Default for FetchTopic<'_> {
    fn default() -> Self {
        Self { topic: "", topic_id: TopicId::ZERO, partitions: Vec::new() }
    }
}

impl Encode for FetchTopic<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version <= 12 {
            to.string("topic", self.topic)?;
        }
        if version >= 13 {
            to.uuid(self.topic_id);
        }
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`FetchTopic::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FetchPartition {
    pub(crate) partition: i32,
    /// Versions 9+.
    pub(crate) current_leader_epoch: i32,
    pub(crate) fetch_offset: i64,
    /// Versions 12+.
    pub(crate) last_fetched_epoch: i32,
    /// Versions 5+.
    pub(crate) log_start_offset: i64,
    pub(crate) partition_max_bytes: i32,
    /// Versions 17+, tag 0.
    pub(crate) replica_directory_id: TopicId,
    /// Versions 18+, tag 1.
    pub(crate) high_watermark: i64,
}

impl Default for FetchPartition {
    fn default() -> Self {
        Self {
            partition: 0,
            current_leader_epoch: -1,
            fetch_offset: 0,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: 0,
            replica_directory_id: TopicId::ZERO,
            high_watermark: i64::MAX,
        }
    }
}

impl Encode for FetchPartition {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition);
        if version >= 9 {
            to.i32(self.current_leader_epoch);
        }
        to.i64(self.fetch_offset);
        if version >= 12 {
            to.i32(self.last_fetched_epoch);
        } else {
            to.lacks("last_fetched_epoch", self.last_fetched_epoch != -1)?;
        }
        if version >= 5 {
            to.i64(self.log_start_offset);
        }
        to.i32(self.partition_max_bytes);
        to.tagged_fields(|fields| {
            if version >= 17 && self.replica_directory_id != TopicId::ZERO {
                fields.add(0, |to| {
                    to.uuid(self.replica_directory_id);
                    Ok(())
                })?;
            }
            if version >= 18 && self.high_watermark != i64::MAX {
                fields.add(1, |to| {
                    to.i64(self.high_watermark);
                    Ok(())
                })?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// An element of [`FetchRequest::forgotten_topics_data`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ForgottenTopic<'a> {
    /// Versions 7 to 12.
    pub(crate) topic: &'a str,
    /// Versions 13+.
    pub(crate) topic_id: TopicId,
    pub(crate) partitions: Vec<i32>,
}

impl Default for ForgottenTopic<'_> {
    fn default() -> Self {
        Self { topic: "", topic_id: TopicId::ZERO, partitions: Vec::new() }
    }
}

impl Encode for ForgottenTopic<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version <= 12 {
            to.string("topic", self.topic)?;
        }
        if version >= 13 {
            to.uuid(self.topic_id);
        }
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 4 to 18, flexible from 12.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct FetchResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    /// Versions 7+.
    pub(crate) error_code: i16,
    /// Versions 7+.
    pub(crate) session_id: i32,
    pub(crate) responses: Vec<FetchableTopicResponse<'a>>,
    /// Versions 16+, tag 0.
    pub(crate) node_endpoints: Vec<NodeEndpoint<'a>>,
}

impl<'a> Decode<'a> for FetchResponse<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let mut this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: if version >= 7 { from.i16("error_code")? } else { 0 },
            session_id: if version >= 7 { from.i32("session_id")? } else { 0 },
            responses: from.array("responses")?,
            node_endpoints: Vec::new(),
        };
        from.tagged_fields(|from, tag| {
            match tag {
                0 if version >= 16 => this.node_endpoints = from.array("node_endpoints")?,
                _ => from.skip_rest(),
            }
            Ok(())
        })?;
        Ok(this)
    }
}

/// An element of [`FetchResponse::responses`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FetchableTopicResponse<'a> {
    /// Versions 4 to 12.
    pub(crate) topic: &'a str,
    /// Versions 13+.
    pub(crate) topic_id: TopicId,
    pub(crate) partitions: Vec<PartitionData<'a>>,
}

impl Default for FetchableTopicResponse<'_> {
    fn default() -> Self {
        Self { topic: "", topic_id: TopicId::ZERO, partitions: Vec::new() }
    }
}

impl<'a> Decode<'a> for FetchableTopicResponse<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            topic: if version <= 12 { from.string("topic")? } else { "" },
            topic_id: if version >= 13 { from.uuid("topic_id")? } else { TopicId::ZERO },
            partitions: from.array("partitions")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`FetchableTopicResponse::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PartitionData<'a> {
    pub(crate) partition_index: i32,
    pub(crate) error_code: i16,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    /// Versions 5+.
    pub(crate) log_start_offset: i64,
    /// Versions 12+, tag 0.
    pub(crate) diverging_epoch: EpochEndOffset,
    /// Versions 12+, tag 1.
    pub(crate) current_leader: LeaderIdAndEpoch,
    /// Versions 12+, tag 2.
    pub(crate) snapshot_id: SnapshotId,
    pub(crate) aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// Versions 11+.
    pub(crate) preferred_read_replica: i32,
    pub(crate) records: Option<&'a [u8]>,
}

impl Default for PartitionData<'_> {
    fn default() -> Self {
        Self {
            partition_index: 0,
            error_code: 0,
            high_watermark: 0,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: EpochEndOffset::default(),
            current_leader: LeaderIdAndEpoch::default(),
            snapshot_id: SnapshotId::default(),
            aborted_transactions: Some(Vec::new()),
            preferred_read_replica: -1,
            records: None,
        }
    }
}

impl<'a> Decode<'a> for PartitionData<'a> {
    const MIN_LEN: usize = 30;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let mut this = Self {
            partition_index: from.i32("partition_index")?,
            error_code: from.i16("error_code")?,
            high_watermark: from.i64("high_watermark")?,
            last_stable_offset: from.i64("last_stable_offset")?,
            log_start_offset: if version >= 5 { from.i64("log_start_offset")? } else { -1 },
            diverging_epoch: EpochEndOffset::default(),
            current_leader: LeaderIdAndEpoch::default(),
            snapshot_id: SnapshotId::default(),
            aborted_transactions: from.nullable_array("aborted_transactions")?,
            preferred_read_replica: if version >= 11 { from.i32("preferred_read_replica")? } else { -1 },
            records: from.nullable_bytes("records")?,
        };
        from.tagged_fields(|from, tag| {
            match tag {
                0 => this.diverging_epoch = from.structure("diverging_epoch")?,
                1 => this.current_leader = from.structure("current_leader")?,
                2 => this.snapshot_id = from.structure("snapshot_id")?,
                _ => from.skip_rest(),
            }
            Ok(())
        })?;
        Ok(this)
    }
}

/// The type of [`PartitionData::diverging_epoch`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EpochEndOffset {
    pub(crate) epoch: i32,
    pub(crate) end_offset: i64,
}

impl Default for EpochEndOffset {
    fn default() -> Self {
        Self { epoch: -1, end_offset: -1 }
    }
}

impl<'a> Decode<'a> for EpochEndOffset {
    const MIN_LEN: usize = 13;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { epoch: from.i32("epoch")?, end_offset: from.i64("end_offset")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// The type of [`PartitionData::current_leader`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LeaderIdAndEpoch {
    pub(crate) leader_id: i32,
    pub(crate) leader_epoch: i32,
}

impl Default for LeaderIdAndEpoch {
    fn default() -> Self {
        Self { leader_id: -1, leader_epoch: -1 }
    }
}

impl<'a> Decode<'a> for LeaderIdAndEpoch {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { leader_id: from.i32("leader_id")?, leader_epoch: from.i32("leader_epoch")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// The type of [`PartitionData::snapshot_id`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SnapshotId {
    pub(crate) end_offset: i64,
    pub(crate) epoch: i32,
}

impl Default for SnapshotId {
    fn default() -> Self {
        Self { end_offset: -1, epoch: -1 }
    }
}

impl<'a> Decode<'a> for SnapshotId {
    const MIN_LEN: usize = 13;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { end_offset: from.i64("end_offset")?, epoch: from.i32("epoch")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`PartitionData::aborted_transactions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AbortedTransaction {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
}

impl<'a> Decode<'a> for AbortedTransaction {
    const MIN_LEN: usize = 16;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { producer_id: from.i64("producer_id")?, first_offset: from.i64("first_offset")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`FetchResponse::node_endpoints`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct NodeEndpoint<'a> {
    pub(crate) node_id: i32,
    pub(crate) host: &'a str,
    pub(crate) port: i32,
    pub(crate) rack: Option<&'a str>,
}

impl<'a> Decode<'a> for NodeEndpoint<'a> {
    const MIN_LEN: usize = 11;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            node_id: from.i32("node_id")?,
            host: from.string("host")?,
            port: from.i32("port")?,
            rack: from.nullable_string("rack")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
