// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! The messages of the Kafka protocol, a file per API, in the names and order of Kafka's schemas.
//!
//! A struct serves all versions; a field that a version lacks keeps its default there.

mod api_key;
pub(crate) mod api_versions;
pub(crate) mod consumer_protocol_assignment;
pub(crate) mod consumer_protocol_subscription;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_groups;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_cluster;
pub(crate) mod describe_configs;
pub(crate) mod describe_groups;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
pub(crate) mod heartbeat;
pub(crate) mod incremental_alter_configs;
pub(crate) mod init_producer_id;
pub(crate) mod join_group;
pub(crate) mod leave_group;
pub(crate) mod list_groups;
pub(crate) mod list_offsets;
pub(crate) mod metadata;
pub(crate) mod offset_commit;
pub(crate) mod offset_fetch;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;
pub(crate) mod sasl_authenticate;
pub(crate) mod sasl_handshake;
pub(crate) mod sync_group;

#[cfg(test)]
mod mirror;
#[cfg(test)]
mod tests;

pub(crate) use api_key::ApiKey;
