// The pages of the repository are modules here; the first definition of a link counts.
#![doc = "[guide to connecting]: guide::connecting\n[guide to services]: guide::services\n[guide to reading]: guide::reading\n[guide to records of your own types]: guide::typed_records\n[guide to administration]: guide::admin\n[guide to observability]: guide::observability\n[guide to client telemetry]: guide::client_telemetry\n[guide to performance]: guide::performance\n[from rdkafka]: guide::from_rdkafka\n[from Java]: guide::from_java\n[from franz-go]: guide::from_franz_go\n[other brokers]: guide::other_brokers\n"]
#![doc = include_str!("../README.md")]
// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::too_many_lines))]

#[cfg(feature = "admin")]
pub mod admin;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod bench;
mod boxed;
mod client;
mod client_telemetry;
mod clock;
mod cluster;
mod config;
mod consumer;
mod error;
mod exactly_once;
#[cfg(all(feature = "admin", any(test, feature = "test-util")))]
#[doc(hidden)]
pub mod fuzz;
mod group_metadata;
pub mod guide;
mod hedge;
pub mod hooks;
mod ids;
mod listeners;
#[cfg(feature = "mq")]
pub mod mq;
mod net;
mod observability;
mod producer;
mod record;
mod renamed;
mod runtime;
mod share;
mod shown;
mod statistics;
mod sync;
mod trace_context;
#[cfg(feature = "unstable-wire")]
pub mod unstable;
mod watch;
mod wire;

#[cfg(feature = "admin")]
pub use admin::{Admin, NewTopic};
pub use boxed::BoxFuture;
pub use client::{Client, ClientStats};
pub use cluster::PartitionDescription;
pub use config::{
    AddressFamily, Assertion, AssertionAlgorithm, AssertionSigner, BrokerAddress, ClientConfig,
    MetadataRecoveryStrategy, OidcConfig, Properties, Sasl, SaslContext, SaslError, SaslMechanism,
    SaslSession, SaslWork, Secret, SecurityProtocol, TlsConfig, TlsVersion, Token, TokenRefresh,
    TokenSource,
};
#[cfg(feature = "aws-msk-iam")]
pub use config::{AwsCredentials, AwsCredentialsProvider, AwsMskIam};
#[cfg(all(feature = "oidc", feature = "tls"))]
pub use config::{AzureIdentity, GoogleCredentials};
#[cfg(feature = "oidc")]
pub use config::{AzureImds, GoogleMetadata};
pub use consumer::{
    AssignmentStrategy, AutoOffsetReset, BatchIter, BatchRecord, CloseOptions, Consumer,
    ConsumerConfig, ConsumerHandle, ConsumerMembership, ConsumerRecord, GroupMember,
    GroupMembershipOperation, GroupProtocol, GroupSubscription, IsolationLevel, MemberAssignment,
    MemberSubscription, MembershipState, OffsetAndTimestamp, PartitionAssignor, Racks,
    RebalanceListener, RebalanceProtocol, RecordBatch, Watermarks,
};
pub use error::{Class, Error, ErrorCode, ErrorContext, ErrorKind, Result, Written};
pub use exactly_once::ExactlyOnce;
pub use group_metadata::{ConsumerGroupMetadata, OffsetAndMetadata};
pub use hooks::Hooks;
pub use ids::{
    BrokerId, ClientInstanceId, DirectoryId, Generation, GroupId, LeaderEpoch, Offset,
    ParseIdError, PartitionId, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicId, TopicName,
    TopicPartition, TransactionalId,
};
#[cfg(feature = "proxy")]
pub use net::Proxy;
pub use net::{AddressMap, Connector, Io, TcpConnector};
pub use producer::{
    Acks, AdaptiveBatching, Deliveries, Delivery, KnownPartitioner, Partitioner, Producer,
    ProducerConfig, ProducerSink, ProducerStats, ProducerTopicConfig, Purge, SendAll,
    TopicPartitions, Transaction, TransactionSender, TransactionalProducer,
};
pub use record::{Header, HeaderList, NullableBytes, Record, RecordMetadata, TimestampType};
#[doc(hidden)]
#[allow(deprecated, reason = "who uses them is told")]
pub use renamed::{Connecting, HeaderRef, Place, SaslStarting, TokenFuture};
pub use share::{
    AcknowledgeType, Acknowledgement, ShareAcknowledgementMode, ShareAcquireMode, ShareBatch,
    ShareConsumer, ShareConsumerConfig, ShareRecord,
};
pub use trace_context::{NoTraceContext, TraceContext};
pub use wire::batch::Headers;
pub use wire::compress::Compression;
