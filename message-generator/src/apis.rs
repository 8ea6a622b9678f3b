//! Which messages are made: those that some code of the client sends, so that none is dead code.

use anyhow::{Context, Result};

use crate::jar::Schemas;
use crate::schema::Message;

/// The APIs that producers, consumers and every connection use; add a name here or in [`ADMIN`] and
/// run the generator.
pub(crate) const CORE: &[&str] = &[
    "AddOffsetsToTxn",
    "AddPartitionsToTxn",
    "ApiVersions",
    "ConsumerGroupHeartbeat",
    "EndTxn",
    "Fetch",
    "FindCoordinator",
    "GetTelemetrySubscriptions",
    "Heartbeat",
    "InitProducerId",
    "JoinGroup",
    "LeaveGroup",
    "ListOffsets",
    "Metadata",
    "OffsetCommit",
    "OffsetFetch",
    "OffsetForLeaderEpoch",
    "Produce",
    "PushTelemetry",
    "SaslAuthenticate",
    "SaslHandshake",
    "ShareAcknowledge",
    "ShareFetch",
    "ShareGroupHeartbeat",
    "SyncGroup",
    "TxnOffsetCommit",
];

/// Those that administration alone uses: compiled with the feature `admin` only.
pub(crate) const ADMIN: &[&str] = &[
    "AddRaftVoter",
    "AlterClientQuotas",
    "AlterPartitionReassignments",
    "AlterReplicaLogDirs",
    "AlterShareGroupOffsets",
    "AlterUserScramCredentials",
    "ConsumerGroupDescribe",
    "CreateAcls",
    "CreateDelegationToken",
    "CreatePartitions",
    "CreateTopics",
    "DeleteAcls",
    "DeleteGroups",
    "DeleteRecords",
    "DeleteShareGroupOffsets",
    "DeleteTopics",
    "DescribeAcls",
    "DescribeClientQuotas",
    "DescribeCluster",
    "DescribeConfigs",
    "DescribeDelegationToken",
    "DescribeGroups",
    "DescribeLogDirs",
    "DescribeProducers",
    "DescribeQuorum",
    "DescribeShareGroupOffsets",
    "DescribeTopicPartitions",
    "DescribeTransactions",
    "DescribeUserScramCredentials",
    "ElectLeaders",
    "ExpireDelegationToken",
    "IncrementalAlterConfigs",
    "ListConfigResources",
    "ListGroups",
    "ListPartitionReassignments",
    "ListTransactions",
    "OffsetDelete",
    "RemoveRaftVoter",
    "RenewDelegationToken",
    "ShareGroupDescribe",
    "StreamsGroupDescribe",
    "UnregisterBroker",
    "UnregisterController",
    "UpdateFeatures",
    "WriteTxnMarkers",
];

/// Messages that stand within others, as the metadata of group members, which administration alone
/// reads by these.
pub(crate) const DATA: &[&str] = &["ConsumerProtocolAssignment", "ConsumerProtocolSubscription"];

/// APIs that the crate kafka-protocol lacks, so that no second opinion on them can be had.
pub(crate) const NO_SECOND_OPINION: &[&str] = &["StreamsGroupDescribe", "UnregisterController"];

/// APIs that brokers and controllers use among themselves; a client never sends them.
pub(crate) const NOT_OF_CLIENTS: &[&str] = &[
    "AllocateProducerIds",
    "AlterPartition",
    "AssignReplicasToDirs",
    "BeginQuorumEpoch",
    "BrokerHeartbeat",
    "BrokerRegistration",
    "ControlledShutdown",
    "ControllerRegistration",
    "DeleteShareGroupState",
    "EndQuorumEpoch",
    "Envelope",
    "FetchSnapshot",
    "InitializeShareGroupState",
    "LeaderAndIsr",
    "ReadShareGroupState",
    "ReadShareGroupStateSummary",
    "StopReplica",
    "UpdateMetadata",
    "UpdateRaftVoter",
    "Vote",
    "WriteShareGroupState",
];

/// One file of output.
pub(crate) enum Api {
    Request { name: String, key: i16, request: Message, response: Message },
    Data { name: String, data: Message },
}

impl Api {
    pub(crate) fn request(schemas: &mut Schemas, name: &str) -> Result<Self> {
        let request = schemas.message(&format!("{name}Request"))?;
        let response = schemas.message(&format!("{name}Response"))?;
        let key = request.api_key.with_context(|| format!("{name} has no key"))?;
        let (request, response) = Message::with_distinct_names(request, response);
        Ok(Self::Request { name: name.into(), key, request, response })
    }

    pub(crate) fn data(schemas: &mut Schemas, name: &str) -> Result<Self> {
        Ok(Self::Data { name: name.into(), data: schemas.message(name)? })
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Request { name, .. } | Self::Data { name, .. } => name,
        }
    }

    /// Whether it is compiled with the feature `admin` only.
    pub(crate) fn is_of_admin(&self) -> bool {
        ADMIN.contains(&self.name()) || DATA.contains(&self.name())
    }

    pub(crate) fn key(&self) -> Option<i16> {
        match self {
            Self::Request { key, .. } => Some(*key),
            Self::Data { .. } => None,
        }
    }

    pub(crate) fn messages(&self) -> Vec<&Message> {
        match self {
            Self::Request { request, response, .. } => vec![request, response],
            Self::Data { data, .. } => vec![data],
        }
    }
}
