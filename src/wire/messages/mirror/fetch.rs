// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::ids::TopicId;
use crate::wire::messages::fetch::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for FetchRequest<'a> {
    const MIN_LEN: usize = 21;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let mut this = Self {
            cluster_id: None,
            replica_id: if version <= 14 { from.i32("replica_id")? } else { -1 },
            replica_state: ReplicaState::default(),
            max_wait_ms: from.i32("max_wait_ms")?,
            min_bytes: from.i32("min_bytes")?,
            max_bytes: from.i32("max_bytes")?,
            isolation_level: from.i8("isolation_level")?,
            session_id: if version >= 7 { from.i32("session_id")? } else { 0 },
            session_epoch: if version >= 7 { from.i32("session_epoch")? } else { -1 },
            topics: from.array("topics")?,
            forgotten_topics_data: if version >= 7 { from.array("forgotten_topics_data")? } else { Vec::new() },
            rack_id: if version >= 11 { from.string("rack_id")? } else { "" },
        };
        from.tagged_fields(|from, tag| {
            match tag {
                0 => this.cluster_id = from.nullable_string("cluster_id")?,
                1 if version >= 15 => this.replica_state = from.structure("replica_state")?,
                _ => from.skip_rest(),
            }
            Ok(())
        })?;
        Ok(this)
    }
}

impl Sample for FetchRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            cluster_id: if version >= 12 { from.option(|from| from.string()) } else { None },
            replica_id: if version <= 14 { from.i32() } else { -1 },
            replica_state: if version >= 15 { ReplicaState::sample(from, version) } else { ReplicaState::default() },
            max_wait_ms: from.i32(),
            min_bytes: from.i32(),
            max_bytes: from.i32(),
            isolation_level: from.i8(),
            session_id: if version >= 7 { from.i32() } else { 0 },
            session_epoch: if version >= 7 { from.i32() } else { -1 },
            topics: from.array(|from| FetchTopic::sample(from, version)),
            forgotten_topics_data: if version >= 7 {
                from.array(|from| ForgottenTopic::sample(from, version))
            } else {
                Vec::new()
            },
            rack_id: if version >= 11 { from.string() } else { "" },
        }
    }
}

impl<'a> Decode<'a> for ReplicaState {
    const MIN_LEN: usize = 13;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { replica_id: from.i32("replica_id")?, replica_epoch: from.i64("replica_epoch")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ReplicaState {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { replica_id: from.i32(), replica_epoch: from.i64() }
    }
}

impl<'a> Decode<'a> for FetchTopic<'a> {
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

impl Sample for FetchTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topic: if version <= 12 { from.string() } else { "" },
            topic_id: if version >= 13 { from.uuid() } else { TopicId::ZERO },
            partitions: from.array(|from| FetchPartition::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for FetchPartition {
    const MIN_LEN: usize = 16;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let mut this = Self {
            partition: from.i32("partition")?,
            current_leader_epoch: if version >= 9 { from.i32("current_leader_epoch")? } else { -1 },
            fetch_offset: from.i64("fetch_offset")?,
            last_fetched_epoch: if version >= 12 { from.i32("last_fetched_epoch")? } else { -1 },
            log_start_offset: if version >= 5 { from.i64("log_start_offset")? } else { -1 },
            partition_max_bytes: from.i32("partition_max_bytes")?,
            replica_directory_id: TopicId::ZERO,
            high_watermark: i64::MAX,
        };
        from.tagged_fields(|from, tag| {
            match tag {
                0 if version >= 17 => this.replica_directory_id = from.uuid("replica_directory_id")?,
                1 if version >= 18 => this.high_watermark = from.i64("high_watermark")?,
                _ => from.skip_rest(),
            }
            Ok(())
        })?;
        Ok(this)
    }
}

impl Sample for FetchPartition {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            partition: from.i32(),
            current_leader_epoch: if version >= 9 { from.i32() } else { -1 },
            fetch_offset: from.i64(),
            last_fetched_epoch: if version >= 12 { from.i32() } else { -1 },
            log_start_offset: if version >= 5 { from.i64() } else { -1 },
            partition_max_bytes: from.i32(),
            replica_directory_id: if version >= 17 { from.uuid() } else { TopicId::ZERO },
            high_watermark: if version >= 18 { from.i64() } else { i64::MAX },
        }
    }
}

impl<'a> Decode<'a> for ForgottenTopic<'a> {
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

impl Sample for ForgottenTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topic: if version <= 12 { from.string() } else { "" },
            topic_id: if version >= 13 { from.uuid() } else { TopicId::ZERO },
            partitions: from.array(|from| from.i32()),
        }
    }
}

impl Encode for FetchResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        if version >= 7 {
            to.i16(self.error_code);
            to.i32(self.session_id);
        } else {
            to.lacks("session_id", self.session_id != 0)?;
        }
        to.array("responses", &self.responses)?;
        if version < 16 {
            to.lacks("node_endpoints", !self.node_endpoints.is_empty())?;
        }
        to.tagged_fields(|fields| {
            if version >= 16 && !self.node_endpoints.is_empty() {
                fields.add(0, |to| to.array("node_endpoints", &self.node_endpoints))?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Sample for FetchResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: if version >= 7 { from.i16() } else { 0 },
            session_id: if version >= 7 { from.i32() } else { 0 },
            responses: from.array(|from| FetchableTopicResponse::sample(from, version)),
            node_endpoints: if version >= 16 { from.array(|from| NodeEndpoint::sample(from, version)) } else { Vec::new() },
        }
    }
}

impl Encode for FetchableTopicResponse<'_> {
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

impl Sample for FetchableTopicResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topic: if version <= 12 { from.string() } else { "" },
            topic_id: if version >= 13 { from.uuid() } else { TopicId::ZERO },
            partitions: from.array(|from| PartitionData::sample(from, version)),
        }
    }
}

impl Encode for PartitionData<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.i64(self.high_watermark);
        to.i64(self.last_stable_offset);
        if version >= 5 {
            to.i64(self.log_start_offset);
        }
        to.nullable_array("aborted_transactions", self.aborted_transactions.as_deref())?;
        if version >= 11 {
            to.i32(self.preferred_read_replica);
        } else {
            to.lacks("preferred_read_replica", self.preferred_read_replica != -1)?;
        }
        to.nullable_bytes("records", self.records)?;
        if version < 12 {
            to.lacks("diverging_epoch", self.diverging_epoch != EpochEndOffset::default())?;
        }
        if version < 12 {
            to.lacks("current_leader", self.current_leader != LeaderIdAndEpoch::default())?;
        }
        if version < 12 {
            to.lacks("snapshot_id", self.snapshot_id != SnapshotId::default())?;
        }
        to.tagged_fields(|fields| {
            if self.diverging_epoch != EpochEndOffset::default() {
                fields.add(0, |to| self.diverging_epoch.encode(to, version))?;
            }
            if self.current_leader != LeaderIdAndEpoch::default() {
                fields.add(1, |to| self.current_leader.encode(to, version))?;
            }
            if self.snapshot_id != SnapshotId::default() {
                fields.add(2, |to| self.snapshot_id.encode(to, version))?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Sample for PartitionData<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            partition_index: from.i32(),
            error_code: from.i16(),
            high_watermark: from.i64(),
            last_stable_offset: from.i64(),
            log_start_offset: if version >= 5 { from.i64() } else { -1 },
            diverging_epoch: if version >= 12 { EpochEndOffset::sample(from, version) } else { EpochEndOffset::default() },
            current_leader: if version >= 12 { LeaderIdAndEpoch::sample(from, version) } else { LeaderIdAndEpoch::default() },
            snapshot_id: if version >= 12 { SnapshotId::sample(from, version) } else { SnapshotId::default() },
            aborted_transactions: from.option(|from| from.array(|from| AbortedTransaction::sample(from, version))),
            preferred_read_replica: if version >= 11 { from.i32() } else { -1 },
            records: from.option(|from| from.bytes()),
        }
    }
}

impl Encode for EpochEndOffset {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.epoch);
        to.i64(self.end_offset);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for EpochEndOffset {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { epoch: from.i32(), end_offset: from.i64() }
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

impl Encode for SnapshotId {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i64(self.end_offset);
        to.i32(self.epoch);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for SnapshotId {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { end_offset: from.i64(), epoch: from.i32() }
    }
}

impl Encode for AbortedTransaction {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i64(self.producer_id);
        to.i64(self.first_offset);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AbortedTransaction {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { producer_id: from.i64(), first_offset: from.i64() }
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
