//! Errors of the messaging layer: a stable code, whether to try again, and the cause.

use std::fmt;
use std::sync::Arc;

use super::config::in_our_words;
use crate::error::{
    Class, Error as ClientError, ErrorCode as KafkaCode, ErrorKind, write_unsaid_causes,
};

/// The result of a fallible operation of the messaging layer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($name:ident $text:literal $doc:literal)+) => {
        /// A stable code for a failure. It is printed in capitals at the beginning of every
        /// [`Error`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $(#[doc = $doc] $name,)+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Returns the code as printed, such as `CONNECTION_FAILED`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

codes! {
    ConnectionFailed "CONNECTION_FAILED" "No connection to a broker could be made, or TLS failed."
    ConnectionClosed "CONNECTION_CLOSED" "A connection was lost, or the instance was closed."
    ConnectionTimeout "CONNECTION_TIMEOUT" "No broker answered in time."
    PoolExhausted "POOL_EXHAUSTED" "Reserved; never returned: the client opens a connection instead of waiting for one."
    InvalidConfig "INVALID_CONFIG" "A setting or an argument is invalid."
    MissingConfig "MISSING_CONFIG" "A required setting is missing."
    ProducerClosed "PRODUCER_CLOSED" "The producer is closed."
    ProduceFailed "PRODUCE_FAILED" "A message was not written, for a reason that has no code of its own."
    MessageTooLarge "MESSAGE_TOO_LARGE" "The message is larger than `max_message_bytes`, or than the broker takes."
    SerializationFailed "SERIALIZATION_FAILED" "A value could not be turned into bytes."
    CompressionFailed "COMPRESSION_FAILED" "The broker refuses the codec."
    ConsumerClosed "CONSUMER_CLOSED" "The consumer is closed."
    ConsumeFailed "CONSUME_FAILED" "A partition could not be read, for a reason that has no code of its own."
    OffsetCommitFailed "OFFSET_COMMIT_FAILED" "An offset was not committed, for a reason that has no code of its own."
    RebalanceInProgress "REBALANCE_IN_PROGRESS" "The group is rebalancing."
    DeserializationFailed "DESERIALIZATION_FAILED" "Bytes could not be turned into a value."
    DecompressionFailed "DECOMPRESSION_FAILED" "A batch in the log does not decompress, or is damaged."
    InvalidTopic "INVALID_TOPIC" "The topic name is not allowed, or is in use."
    InvalidPartition "INVALID_PARTITION" "The partition is not assigned to this consumer."
    InvalidOffset "INVALID_OFFSET" "The partition has no such offset."
    TopicNotFound "TOPIC_NOT_FOUND" "There is no such topic."
    PartitionNotFound "PARTITION_NOT_FOUND" "The topic has no such partition."
    AuthenticationFailed "AUTHENTICATION_FAILED" "The broker rejected the credentials."
    AuthorizationFailed "AUTHORIZATION_FAILED" "The client lacks the permission."
    Timeout "TIMEOUT" "The operation, or waiting for buffer memory, took too long."
    RetryExhausted "RETRY_EXHAUSTED" "All allowed attempts have failed."
    GroupCoordinatorNotFound "GROUP_COORDINATOR_NOT_FOUND" "The group has no coordinator at the moment."
    UnknownMemberId "UNKNOWN_MEMBER_ID" "The group no longer knows this member."
    IllegalGeneration "ILLEGAL_GENERATION" "The group has rebalanced without this member."
    InconsistentGroupProtocol "INCONSISTENT_GROUP_PROTOCOL" "The members of the group have no assignment strategy in common."
    InvalidSessionTimeout "INVALID_SESSION_TIMEOUT" "The broker does not allow the session timeout."
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was being done: it decides the code where the failure alone does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum During {
    Produce,
    Consume,
    Commit,
    Connect,
    Administer,
    Close,
}

/// Any failure of the messaging layer. Cheap to clone.
///
/// ```
/// let error = kavka::mq::Config::default().set("producer.linger_ms", "soon").unwrap_err();
/// assert_eq!(error.code().as_str(), "INVALID_CONFIG");
/// assert!(error.to_string().starts_with("INVALID_CONFIG: producer.linger_ms is \"soon\""));
/// ```
#[derive(Clone)]
pub struct Error(Arc<MqErrorInner>);

#[derive(Clone)]
struct MqErrorInner {
    code: Code,
    class: Class,
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        let class = match code {
            Code::InvalidConfig | Code::MissingConfig => Class::InvalidConfiguration,
            Code::ProducerClosed | Code::ConsumerClosed | Code::ConnectionClosed => Class::Fatal,
            Code::Timeout | Code::ConnectionTimeout | Code::ConnectionFailed => Class::Retriable,
            _ => Class::Rejected,
        };
        Self(Arc::new(MqErrorInner { code, class, message: message.into(), source: None }))
    }

    pub(super) fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::from(source.into()));
        self
    }

    /// Translates a failure of the client.
    pub(super) fn from_client(error: ClientError, during: During) -> Self {
        let code = code_of(&error, during);
        // A message whose attempts or time are used up is not tried again by trying the same call:
        // the caller decides.
        let class = if code == Code::RetryExhausted { Class::Rejected } else { error.class() };
        let message = match error.kind() {
            ErrorKind::Config
            | ErrorKind::RecordTooLarge
            | ErrorKind::BufferFull
            | ErrorKind::Timeout => in_our_words(&error.to_string()),
            _ => error.to_string(),
        };
        Self(Arc::new(MqErrorInner { code, class, message, source: Some(Arc::new(error)) }))
    }

    /// Puts `context` before the message.
    pub(super) fn context(mut self, context: impl fmt::Display) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        inner.message = format!("{context}: {}", inner.message);
        self
    }

    /// What is printed behind the code.
    #[cfg(feature = "serde")]
    pub(super) fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the code of the failure.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Returns whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        matches!(self.0.class, Class::Retriable | Class::Rejoin)
    }

    /// Returns whether the handle cannot be used any longer, or its configuration must be changed.
    pub fn is_fatal(&self) -> bool {
        matches!(self.0.class, Class::Fatal | Class::InvalidConfiguration)
    }

    /// Returns the underlying error of the client, with Kafka's error code, where it happened and,
    /// for a message, whether it may have been written.
    pub fn client_error(&self) -> Option<&ClientError> {
        self.0.source.as_deref().and_then(|source| source.downcast_ref())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl fmt::Debug for Error {
    /// Writes the message as [`Display`](fmt::Display) does, and behind it what that leaves out: a
    /// program whose `main` returns an error prints this. `{:#?}` writes all fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MqErrorInner { code, class, message, source } = &*self.0;
        if f.alternate() {
            let mut all = f.debug_struct("Error");
            all.field("code", code).field("class", class).field("message", message);
            return all.field("source", source).finish();
        }
        write!(f, "{self} [{class:?}")?;
        write_unsaid_causes(f, self)?;
        f.write_str("]")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

fn code_of(error: &ClientError, during: During) -> Code {
    match (error.kind(), error.code()) {
        // What was answered last, until the time was up, is the cause of a timeout and mostly not
        // its name.
        (
            ErrorKind::Timeout,
            Some(KafkaCode::UNKNOWN_TOPIC_OR_PARTITION | KafkaCode::UNKNOWN_TOPIC_ID),
        ) => {
            return Code::TopicNotFound;
        }
        (ErrorKind::Timeout, Some(kafka))
            if code_of_kafka(error, kafka, during) == Code::AuthorizationFailed =>
        {
            return Code::AuthorizationFailed;
        }
        (ErrorKind::Timeout, _) | (_, None) => {}
        (_, Some(kafka)) => return code_of_kafka(error, kafka, during),
    }
    match (error.kind(), during) {
        (ErrorKind::Config, _) => Code::InvalidConfig,
        (ErrorKind::Closed, During::Produce) => Code::ProducerClosed,
        (ErrorKind::Closed, During::Consume | During::Commit) => Code::ConsumerClosed,
        (ErrorKind::Closed | ErrorKind::Disconnected, _) => Code::ConnectionClosed,
        (ErrorKind::Connect | ErrorKind::Tls, _) => Code::ConnectionFailed,
        (ErrorKind::Timeout, During::Connect | During::Administer) => Code::ConnectionTimeout,
        (ErrorKind::Timeout | ErrorKind::BufferFull | ErrorKind::NoMetadata, _) => Code::Timeout,
        (ErrorKind::Authentication, _) => Code::AuthenticationFailed,
        (ErrorKind::RecordTooLarge, _) => Code::MessageTooLarge,
        (ErrorKind::Corrupt, _) => Code::DecompressionFailed,
        (ErrorKind::NoOffset | ErrorKind::LogTruncated, _) => Code::InvalidOffset,
        (ErrorKind::MaxPollExceeded, _) => Code::UnknownMemberId,
        _ => of_operation(during),
    }
}

fn code_of_kafka(error: &ClientError, kafka: KafkaCode, during: During) -> Code {
    use KafkaCode as K;
    match kafka {
        K::MESSAGE_TOO_LARGE | K::RECORD_LIST_TOO_LARGE => Code::MessageTooLarge,
        K::UNSUPPORTED_COMPRESSION_TYPE => Code::CompressionFailed,
        K::CORRUPT_MESSAGE if during == During::Consume => Code::DecompressionFailed,
        K::INVALID_TOPIC_EXCEPTION | K::TOPIC_ALREADY_EXISTS => Code::InvalidTopic,
        K::OFFSET_OUT_OF_RANGE => Code::InvalidOffset,
        // Only the producer's own look at the metadata says so without an API: the topic is there,
        // the partition is not.
        K::UNKNOWN_TOPIC_OR_PARTITION
            if during == During::Produce && error.context().api.is_none() =>
        {
            Code::PartitionNotFound
        }
        K::UNKNOWN_TOPIC_OR_PARTITION | K::UNKNOWN_TOPIC_ID => Code::TopicNotFound,
        K::SASL_AUTHENTICATION_FAILED | K::UNSUPPORTED_SASL_MECHANISM | K::ILLEGAL_SASL_STATE => {
            Code::AuthenticationFailed
        }
        K::TOPIC_AUTHORIZATION_FAILED
        | K::GROUP_AUTHORIZATION_FAILED
        | K::CLUSTER_AUTHORIZATION_FAILED
        | K::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => Code::AuthorizationFailed,
        K::COORDINATOR_NOT_AVAILABLE | K::NOT_COORDINATOR | K::COORDINATOR_LOAD_IN_PROGRESS => {
            Code::GroupCoordinatorNotFound
        }
        K::UNKNOWN_MEMBER_ID => Code::UnknownMemberId,
        K::ILLEGAL_GENERATION => Code::IllegalGeneration,
        K::REBALANCE_IN_PROGRESS => Code::RebalanceInProgress,
        K::INCONSISTENT_GROUP_PROTOCOL => Code::InconsistentGroupProtocol,
        K::INVALID_SESSION_TIMEOUT => Code::InvalidSessionTimeout,
        K::REQUEST_TIMED_OUT => Code::Timeout,
        // The producer gives a batch with such an answer up only when its attempts are used up.
        _ if matches!(during, During::Produce | During::Administer) && kafka.is_retriable() => {
            Code::RetryExhausted
        }
        // The cluster has understood what it was asked, and does not want it.
        _ if during == During::Administer => Code::InvalidConfig,
        _ => of_operation(during),
    }
}

fn of_operation(during: During) -> Code {
    match during {
        During::Produce => Code::ProduceFailed,
        During::Consume => Code::ConsumeFailed,
        During::Commit => Code::OffsetCommitFailed,
        During::Connect | During::Administer => Code::ConnectionFailed,
        During::Close => Code::ConnectionClosed,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn code(error: ClientError, during: During) -> Code {
        Error::from_client(error, during).code()
    }

    /// The list of the user's document, in its order.
    const PROMISED: &str = "CONNECTION_FAILED CONNECTION_CLOSED CONNECTION_TIMEOUT POOL_EXHAUSTED INVALID_CONFIG MISSING_CONFIG \
        PRODUCER_CLOSED PRODUCE_FAILED MESSAGE_TOO_LARGE SERIALIZATION_FAILED COMPRESSION_FAILED CONSUMER_CLOSED CONSUME_FAILED \
        OFFSET_COMMIT_FAILED REBALANCE_IN_PROGRESS DESERIALIZATION_FAILED DECOMPRESSION_FAILED INVALID_TOPIC INVALID_PARTITION \
        INVALID_OFFSET TOPIC_NOT_FOUND PARTITION_NOT_FOUND AUTHENTICATION_FAILED AUTHORIZATION_FAILED TIMEOUT RETRY_EXHAUSTED \
        GROUP_COORDINATOR_NOT_FOUND UNKNOWN_MEMBER_ID ILLEGAL_GENERATION INCONSISTENT_GROUP_PROTOCOL INVALID_SESSION_TIMEOUT";

    #[test]
    fn the_codes_are_those_of_the_users_document() {
        let ours: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(ours, PROMISED.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn an_error_is_printed_with_its_code_first_and_keeps_its_cause() {
        let cause =
            ClientError::new(ErrorKind::Connect, "dial tcp 127.0.0.1:9092: connection refused");
        let error = Error::from_client(cause, During::Connect);
        assert_eq!(
            error.to_string(),
            "CONNECTION_FAILED: dial tcp 127.0.0.1:9092: connection refused"
        );
        assert_eq!(format!("{error:?}"), format!("{error} [Retriable]"));
        assert!(error.is_retriable() && !error.is_fatal());
        assert!(error.source().is_some_and(|source| source.is::<ClientError>()));
        assert_eq!(error.client_error().map(ClientError::kind), Some(ErrorKind::Connect));
    }

    #[test]
    fn a_failure_of_the_client_has_the_code_of_what_was_being_done() {
        use During::{Commit, Connect, Consume, Produce};
        let kind = |kind| ClientError::new(kind, "x");
        for (kind_of, during, expected) in [
            (ErrorKind::Closed, Produce, "PRODUCER_CLOSED"),
            (ErrorKind::Closed, Consume, "CONSUMER_CLOSED"),
            (ErrorKind::Closed, Connect, "CONNECTION_CLOSED"),
            (ErrorKind::Disconnected, Produce, "CONNECTION_CLOSED"),
            (ErrorKind::Timeout, Connect, "CONNECTION_TIMEOUT"),
            (ErrorKind::Timeout, Produce, "TIMEOUT"),
            (ErrorKind::BufferFull, Produce, "TIMEOUT"),
            (ErrorKind::RecordTooLarge, Produce, "MESSAGE_TOO_LARGE"),
            (ErrorKind::Corrupt, Consume, "DECOMPRESSION_FAILED"),
            (ErrorKind::NoOffset, Consume, "INVALID_OFFSET"),
            (ErrorKind::Authentication, Connect, "AUTHENTICATION_FAILED"),
            (ErrorKind::Config, Produce, "INVALID_CONFIG"),
            (ErrorKind::Protocol, Produce, "PRODUCE_FAILED"),
            (ErrorKind::Protocol, Consume, "CONSUME_FAILED"),
            (ErrorKind::Protocol, Commit, "OFFSET_COMMIT_FAILED"),
        ] {
            assert_eq!(code(kind(kind_of), during).as_str(), expected, "{kind_of:?} {during:?}");
        }
    }

    #[test]
    fn a_brokers_answer_has_its_code() {
        use KafkaCode as K;
        for (kafka, during, expected) in [
            (K::MESSAGE_TOO_LARGE, During::Produce, "MESSAGE_TOO_LARGE"),
            (K::NOT_ENOUGH_REPLICAS, During::Produce, "RETRY_EXHAUSTED"),
            (K::INVALID_RECORD, During::Produce, "PRODUCE_FAILED"),
            (K::INVALID_TOPIC_EXCEPTION, During::Produce, "INVALID_TOPIC"),
            (K::UNKNOWN_TOPIC_OR_PARTITION, During::Produce, "PARTITION_NOT_FOUND"),
            (K::UNKNOWN_TOPIC_OR_PARTITION, During::Consume, "TOPIC_NOT_FOUND"),
            (K::TOPIC_AUTHORIZATION_FAILED, During::Consume, "AUTHORIZATION_FAILED"),
            (K::SASL_AUTHENTICATION_FAILED, During::Connect, "AUTHENTICATION_FAILED"),
            (K::NOT_COORDINATOR, During::Commit, "GROUP_COORDINATOR_NOT_FOUND"),
            (K::UNKNOWN_MEMBER_ID, During::Commit, "UNKNOWN_MEMBER_ID"),
            (K::ILLEGAL_GENERATION, During::Commit, "ILLEGAL_GENERATION"),
            (K::REBALANCE_IN_PROGRESS, During::Commit, "REBALANCE_IN_PROGRESS"),
            (K::INCONSISTENT_GROUP_PROTOCOL, During::Consume, "INCONSISTENT_GROUP_PROTOCOL"),
            (K::INVALID_SESSION_TIMEOUT, During::Consume, "INVALID_SESSION_TIMEOUT"),
            (K::OFFSET_OUT_OF_RANGE, During::Consume, "INVALID_OFFSET"),
            (K::UNSUPPORTED_COMPRESSION_TYPE, During::Produce, "COMPRESSION_FAILED"),
            (K::TOPIC_ALREADY_EXISTS, During::Administer, "INVALID_TOPIC"),
            (K::INVALID_REPLICATION_FACTOR, During::Administer, "INVALID_CONFIG"),
            (K::INVALID_PARTITIONS, During::Administer, "INVALID_CONFIG"),
            (K::POLICY_VIOLATION, During::Administer, "INVALID_CONFIG"),
            (K::NOT_CONTROLLER, During::Administer, "RETRY_EXHAUSTED"),
            (K::CLUSTER_AUTHORIZATION_FAILED, During::Administer, "AUTHORIZATION_FAILED"),
        ] {
            assert_eq!(code(ClientError::broker(kafka), during).as_str(), expected, "{kafka:?}");
        }
        let of_broker = ClientError::broker(K::UNKNOWN_TOPIC_OR_PARTITION).in_api("Metadata");
        assert_eq!(code(of_broker, During::Produce).as_str(), "TOPIC_NOT_FOUND");
    }

    #[test]
    fn a_timeout_is_one_whatever_was_answered_last_unless_that_says_more() {
        use KafkaCode as K;
        let late = |kafka| ClientError::new(ErrorKind::Timeout, "late").with_code(kafka);
        for (kafka, during, expected) in [
            (K::NOT_ENOUGH_REPLICAS, During::Produce, "TIMEOUT"),
            (K::UNKNOWN_TOPIC_OR_PARTITION, During::Produce, "TOPIC_NOT_FOUND"),
            (K::TOPIC_AUTHORIZATION_FAILED, During::Consume, "AUTHORIZATION_FAILED"),
            (K::COORDINATOR_NOT_AVAILABLE, During::Commit, "TIMEOUT"),
            (K::NOT_CONTROLLER, During::Administer, "CONNECTION_TIMEOUT"),
        ] {
            assert_eq!(code(late(kafka), during).as_str(), expected, "{kafka:?}");
        }
    }

    #[test]
    fn what_is_fatal_is_not_retriable() {
        let fatal = Error::new(Code::MissingConfig, "brokers");
        assert!(fatal.is_fatal() && !fatal.is_retriable());
        let exhausted = Error::from_client(
            ClientError::broker(KafkaCode::NOT_ENOUGH_REPLICAS),
            During::Produce,
        );
        assert!(!exhausted.is_retriable() && !exhausted.is_fatal());
    }
}
