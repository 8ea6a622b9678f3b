//! Errors, by what was tried, with librdkafka's code.

use std::error::Error;
use std::ffi::NulError;
use std::fmt;
use std::sync::Arc;

use crate::types::{RDKafkaConfRes, RDKafkaRespErr};

pub use crate::types::RDKafkaErrorCode;

/// The result of what may fail.
pub type KafkaResult<T> = Result<T, KafkaError>;

/// Whether a code stands for an error.
pub trait IsError {
    /// Returns whether it does.
    fn is_error(&self) -> bool;
}

impl IsError for RDKafkaRespErr {
    fn is_error(&self) -> bool {
        *self != Self::RD_KAFKA_RESP_ERR_NO_ERROR
    }
}

impl IsError for RDKafkaConfRes {
    fn is_error(&self) -> bool {
        *self != Self::RD_KAFKA_CONF_OK
    }
}

impl IsError for RDKafkaError {
    fn is_error(&self) -> bool {
        self.code() != RDKafkaErrorCode::NoError
    }
}

/// Why a transaction could not go on, and how to react.
#[derive(Clone)]
pub struct RDKafkaError(Arc<Reaction>);

struct Reaction {
    code: RDKafkaErrorCode,
    text: String,
    is_fatal: bool,
    is_retriable: bool,
    requires_abort: bool,
}

impl RDKafkaError {
    /// Of a state in which the call is not allowed.
    pub(crate) fn state(text: impl Into<String>) -> Self {
        Self(Arc::new(Reaction {
            code: RDKafkaErrorCode::State,
            text: text.into(),
            is_fatal: false,
            is_retriable: false,
            requires_abort: false,
        }))
    }

    /// Of a producer without a `transactional.id`.
    pub(crate) fn not_configured() -> Self {
        let code = RDKafkaErrorCode::NotConfigured;
        Self(Arc::new(Reaction {
            code,
            text: "the transactional API requires transactional.id to be configured".to_owned(),
            is_fatal: false,
            is_retriable: false,
            requires_abort: false,
        }))
    }

    /// Of a time that has run out, after which the same call may be made again.
    pub(crate) fn timed_out() -> Self {
        let code = RDKafkaErrorCode::OperationTimedOut;
        Self(Arc::new(Reaction {
            code,
            text: code.text().to_owned(),
            is_fatal: false,
            is_retriable: true,
            requires_abort: false,
        }))
    }

    /// Returns the code.
    pub fn code(&self) -> RDKafkaErrorCode {
        self.0.code
    }

    /// Returns the code's name in librdkafka.
    pub fn name(&self) -> String {
        self.code().c_name().to_owned()
    }

    /// Returns the reason in words.
    pub fn string(&self) -> String {
        self.0.text.clone()
    }

    /// Returns whether the client cannot be used any longer.
    pub fn is_fatal(&self) -> bool {
        self.0.is_fatal
    }

    /// Returns whether the same call may be made again.
    pub fn is_retriable(&self) -> bool {
        self.0.is_retriable
    }

    /// Returns whether the transaction has to be aborted.
    pub fn txn_requires_abort(&self) -> bool {
        self.0.requires_abort
    }
}

impl From<&kavka::Error> for RDKafkaError {
    fn from(error: &kavka::Error) -> Self {
        Self(Arc::new(Reaction {
            code: code_of(error),
            text: error.to_string(),
            is_fatal: error.class() == kavka::Class::Fatal,
            is_retriable: error.is_retriable(),
            requires_abort: error.class() == kavka::Class::Abortable,
        }))
    }
}

impl PartialEq for RDKafkaError {
    fn eq(&self, other: &Self) -> bool {
        self.code() == other.code()
    }
}

impl Eq for RDKafkaError {}

impl fmt::Debug for RDKafkaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RDKafkaError({self})")
    }
}

impl fmt::Display for RDKafkaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl Error for RDKafkaError {}

/// librdkafka's code for what kavka says.
pub(crate) fn code_of(error: &kavka::Error) -> RDKafkaErrorCode {
    use kavka::ErrorKind;
    match (error.kind(), error.code()) {
        (ErrorKind::ProducerFenced, _) => RDKafkaErrorCode::Fenced,
        (ErrorKind::RecordTooLarge, _) => RDKafkaErrorCode::MessageSizeTooLarge,
        (ErrorKind::NoOffset, _) => RDKafkaErrorCode::AutoOffsetReset,
        (ErrorKind::LogTruncated, _) => RDKafkaErrorCode::LogTruncation,
        (ErrorKind::PartitionEof, _) => RDKafkaErrorCode::PartitionEOF,
        (ErrorKind::MaxPollExceeded, _) => RDKafkaErrorCode::PollExceeded,
        (ErrorKind::Authentication, _) => RDKafkaErrorCode::Authentication,
        (_, Some(code)) => RDKafkaErrorCode::from_number(i32::from(code.0)),
        (ErrorKind::Config, _) => RDKafkaErrorCode::InvalidArgument,
        (ErrorKind::Closed, _) => RDKafkaErrorCode::BrokerDestroy,
        (ErrorKind::Timeout, _) => RDKafkaErrorCode::OperationTimedOut,
        (ErrorKind::Connect | ErrorKind::Disconnected, _) => {
            RDKafkaErrorCode::BrokerTransportFailure
        }
        (ErrorKind::Unsupported, _) => RDKafkaErrorCode::UnsupportedFeature,
        (ErrorKind::Tls, _) => RDKafkaErrorCode::SSL,
        (ErrorKind::BufferFull, _) => RDKafkaErrorCode::QueueFull,
        (ErrorKind::NoMetadata, _) => RDKafkaErrorCode::UnknownTopic,
        (ErrorKind::Protocol | ErrorKind::Corrupt, _) => RDKafkaErrorCode::BadMessage,
        (ErrorKind::TransactionAbortable | ErrorKind::TransactionEnded, _) => {
            RDKafkaErrorCode::State
        }
        _ => RDKafkaErrorCode::Fail,
    }
}

/// The variants with a code have the same text but for what was tried, the same source, and give
/// their code.
macro_rules! kafka_error {
    ($($(#[$doc:meta])* $name:ident: $debug:literal, $display:literal;)*) => {
        /// What went wrong, by what was tried.
        #[derive(Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum KafkaError {
            $($(#[$doc])* $name(RDKafkaErrorCode),)*
            /// An administrative operation could not be begun.
            AdminOpCreation(String),
            /// The client was dropped before the operation completed.
            Canceled,
            /// A property was refused: how, why, its name, and its value.
            ClientConfig(RDKafkaConfRes, String, String, String),
            /// A client could not be made.
            ClientCreation(String),
            /// No message came within the time of the poll.
            NoMessageReceived,
            /// A text with a zero byte in it.
            Nul(NulError),
            /// The end of a partition was reached.
            PartitionEOF(i32),
            /// Pausing or resuming failed.
            PauseResume(String),
            /// Seeking failed.
            Seek(String),
            /// Subscribing or assigning failed.
            Subscription(String),
            /// A transaction could not go on.
            Transaction(RDKafkaError),
        }

        impl fmt::Debug for KafkaError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name(code) => write!(f, $debug, code),)*
                    Self::AdminOpCreation(text) => {
                        write!(f, "KafkaError (Admin operation creation error: {text})")
                    }
                    Self::Canceled => f.write_str("KafkaError (Client dropped)"),
                    Self::ClientConfig(_, why, key, value) => {
                        write!(f, "KafkaError (Client config error: {why} {key} {value})")
                    }
                    Self::ClientCreation(text) => {
                        write!(f, "KafkaError (Client creation error: {text})")
                    }
                    Self::NoMessageReceived => {
                        f.write_str("No message received within the given poll interval")
                    }
                    Self::Nul(_) => f.write_str("FFI null error"),
                    Self::PartitionEOF(partition) => {
                        write!(f, "KafkaError (Partition EOF: {partition})")
                    }
                    Self::PauseResume(text) => write!(f, "KafkaError (Pause/resume error: {text})"),
                    Self::Seek(text) => write!(f, "KafkaError (Seek error: {text})"),
                    Self::Subscription(text) => {
                        write!(f, "KafkaError (Subscription error: {text})")
                    }
                    Self::Transaction(error) => {
                        write!(f, "KafkaError (Transaction error: {error})")
                    }
                }
            }
        }

        impl fmt::Display for KafkaError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name(code) => write!(f, $display, code),)*
                    Self::AdminOpCreation(text) => {
                        write!(f, "Admin operation creation error: {text}")
                    }
                    Self::Canceled => f.write_str("KafkaError (Client dropped)"),
                    Self::ClientConfig(_, why, key, value) => {
                        write!(f, "Client config error: {why} {key} {value}")
                    }
                    Self::ClientCreation(text) => write!(f, "Client creation error: {text}"),
                    Self::NoMessageReceived => {
                        f.write_str("No message received within the given poll interval")
                    }
                    Self::Nul(_) => f.write_str("FFI nul error"),
                    Self::PartitionEOF(partition) => write!(f, "Partition EOF: {partition}"),
                    Self::PauseResume(text) => write!(f, "Pause/resume error: {text}"),
                    Self::Seek(text) => write!(f, "Seek error: {text}"),
                    Self::Subscription(text) => write!(f, "Subscription error: {text}"),
                    Self::Transaction(error) => write!(f, "Transaction error: {error}"),
                }
            }
        }

        impl Error for KafkaError {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                match self {
                    Self::AdminOp(_) => None,
                    $(#[allow(unreachable_patterns)] Self::$name(code) => Some(code),)*
                    Self::Transaction(error) => Some(error),
                    _ => None,
                }
            }
        }

        impl KafkaError {
            /// Returns librdkafka's code, if there is one.
            pub fn rdkafka_error_code(&self) -> Option<RDKafkaErrorCode> {
                match self {
                    Self::AdminOp(_) => None,
                    $(#[allow(unreachable_patterns)] Self::$name(code) => Some(*code),)*
                    Self::Transaction(error) => Some(error.code()),
                    _ => None,
                }
            }
        }
    };
}

kafka_error! {
    /// An administrative operation failed.
    AdminOp: "KafkaError (Admin operation error: {})", "Admin operation error: {}";
    /// A commit failed.
    ConsumerCommit: "KafkaError (Consumer commit error: {})", "Consumer commit error: {}";
    /// Closing a consumer failed.
    ConsumerQueueClose: "KafkaError (Consumer queue close error: {})", "Consumer queue close error: {}";
    /// Not all was sent in time.
    Flush: "KafkaError (Flush error: {})", "Flush error: {}";
    /// Something that concerns the whole client.
    Global: "KafkaError (Global error: {})", "Global error: {}";
    /// Groups could not be listed.
    GroupListFetch: "KafkaError (Group list fetch error: {})", "Group list fetch error: {}";
    /// Consuming failed.
    MessageConsumption: "KafkaError (Message consumption error: {})", "Message consumption error: {}";
    /// Consuming failed for good.
    MessageConsumptionFatal: "(Fatal) KafkaError (Message consumption error: {})", "(Fatal) Message consumption error: {}";
    /// A message was not sent.
    MessageProduction: "KafkaError (Message production error: {})", "Message production error: {}";
    /// Metadata could not be had.
    MetadataFetch: "KafkaError (Metadata fetch error: {})", "Meta data fetch error: {}";
    /// An offset could not be had.
    OffsetFetch: "KafkaError (Offset fetch error: {})", "Offset fetch error: {}";
    /// A rebalance failed.
    Rebalance: "KafkaError (Rebalance error: {})", "Rebalance error: {}";
    /// An offset could not be set.
    SetPartitionOffset: "KafkaError (Set partition offset error: {})", "Set partition offset error: {}";
    /// An offset could not be stored.
    StoreOffset: "KafkaError (Store offset error: {})", "Store offset error: {}";
    /// The mock cluster failed.
    MockCluster: "KafkaError (Mock cluster error: {})", "Mock cluster error: {}";
}

impl From<NulError> for KafkaError {
    fn from(error: NulError) -> Self {
        Self::Nul(error)
    }
}
