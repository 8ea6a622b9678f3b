//! What can go wrong, and how the application should react.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

mod code;

pub use code::ErrorCode;

use crate::shown::{MOST_OF_MESSAGE, harmless};

use crate::ids::{BrokerId, TopicPartition};

/// The result of a fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any failure of the client. Cheap to clone.
///
/// [`kind`](Self::kind) tells what went wrong, [`class`](Self::class) how to react, and
/// [`code`](Self::code) which error code the broker returned, if any. The message says where it
/// happened and what to do next; the cause is in [`source`](std::error::Error::source).
#[derive(Clone)]
pub struct Error(Arc<ErrorInner>);

#[derive(Clone)]
struct ErrorInner {
    kind: ErrorKind,
    code: Option<ErrorCode>,
    written: Option<Written>,
    message: Cow<'static, str>,
    context: ErrorContext,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// Where an error happened, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorContext {
    /// The broker the request was sent to.
    pub broker: Option<BrokerId>,
    /// The API and version of the request, such as `Fetch v12`.
    pub api: Option<Cow<'static, str>>,
    /// The partition the failure concerns.
    pub partition: Option<TopicPartition>,
}

/// The kind of a failure: what went wrong. [`Class`] tells how to react.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting or an argument is invalid.
    Config,
    /// The handle or its client is closed.
    Closed,
    /// The operation did not finish by its deadline.
    Timeout,
    /// A connection could not be opened.
    Connect,
    /// A connection was lost while a request was in flight.
    Disconnected,
    /// The peer violated the Kafka protocol.
    Protocol,
    /// The broker does not support a version of the API that the operation needs.
    Unsupported,
    /// The TLS handshake or the TLS session failed.
    Tls,
    /// The broker rejected the credentials, or could not prove its own.
    Authentication,
    /// The broker returned an error code; see [`Error::code`].
    Broker,
    /// The record is larger than `max.request.size`, `buffer.memory` or the broker's limit.
    RecordTooLarge,
    /// The producer's buffer (`buffer.memory`) has no room for the record.
    BufferFull,
    /// The partitions of the topic are not known yet.
    NoMetadata,
    /// The record was given up by [`Producer::purge`](crate::Producer::purge) before it was
    /// acknowledged; [`Error::written`] tells whether it may be in the log.
    Purged,
    /// Stored data is damaged: a checksum does not match, or a batch cannot be decoded.
    Corrupt,
    /// The position to fetch from does not exist, and `auto.offset.reset` is `none`.
    NoOffset,
    /// The log was truncated below the consumer's position by an unclean leader election (KIP-320):
    /// records that were already consumed are gone.
    LogTruncated,
    /// The transaction cannot be committed: abort it, and go on with the next one.
    TransactionAbortable,
    /// The transaction has ended: it takes no more records and offsets, and its outcome is decided.
    TransactionEnded,
    /// Another producer with the same `transactional.id` has taken over, or the transaction was
    /// open for longer than `transaction.timeout.ms` and was aborted by the coordinator.
    ProducerFenced,
    /// The application has received all that may be read of a partition
    /// (`enable.partition.eof`): an event, after which the consumer waits for more. The error names
    /// the partition.
    PartitionEof,
    /// The application did not ask for records within `max.poll.interval.ms`, so the consumer left
    /// its group.
    MaxPollExceeded,
    /// A record of a share group is not this consumer's any more, so that it cannot be acknowledged:
    /// its acquisition lock has run out, or the connection over which it came has ended (KIP-932). It
    /// is delivered again, to whichever consumer.
    LockLost,
}

/// How the application should react to a failure (KIP-1050).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Try again: the same operation may succeed later.
    Retriable,
    /// Give this operation up: it failed for good, but the client is healthy.
    Rejected,
    /// Abort the transaction.
    Abortable,
    /// Start over, for example by joining the group again.
    Rejoin,
    /// Close the handle: it cannot be used any longer.
    Fatal,
    /// Change the client's configuration, or its permissions in the cluster.
    InvalidConfiguration,
}

/// Whether a record that could not be acknowledged may be in the log nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Written {
    /// The record is certainly not in the log.
    No,
    /// The record may be in the log: the outcome is unknown.
    Maybe,
}

impl Error {
    /// The message may quote a peer: it is kept as it may be shown.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let message = harmless(message.into(), MOST_OF_MESSAGE);
        Self(Arc::new(ErrorInner {
            kind,
            code: None,
            written: None,
            message,
            context: ErrorContext::default(),
            source: None,
        }))
    }

    /// What a broker's error code says.
    pub(crate) fn broker(code: ErrorCode) -> Self {
        let mut error = Self::new(ErrorKind::Broker, "");
        error.inner().code = Some(code);
        error
    }

    /// A value of a property that is not allowed: names the key and what is allowed.
    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    #[must_use]
    pub(crate) fn with_source(
        self,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        self.with_shared_source(Arc::new(source))
    }

    /// [`Error::with_source`] for what is shared already.
    #[must_use]
    pub(crate) fn with_shared_source(
        mut self,
        source: Arc<dyn std::error::Error + Send + Sync>,
    ) -> Self {
        self.inner().source = Some(source);
        self
    }

    /// What another error led to: it has that one's code, if there is one, and that as its source.
    #[must_use]
    pub(crate) fn caused_by(self, cause: Self) -> Self {
        let error = match cause.code() {
            Some(code) => self.with_code(code),
            None => self,
        };
        error.with_source(cause)
    }

    /// Puts `context` before the message.
    #[must_use]
    pub(crate) fn with_context(mut self, context: impl fmt::Display) -> Self {
        let inner = self.inner();
        let message = if inner.message.is_empty() {
            context.to_string()
        } else {
            format!("{context}: {}", inner.message)
        };
        inner.message = harmless(message.into(), MOST_OF_MESSAGE);
        self
    }

    /// Calls a property by another of its names.
    #[must_use]
    pub(crate) fn renamed(mut self, name: &str, other: &str) -> Self {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let message = &self.0.message;
        let mut renamed = String::with_capacity(message.len());
        let mut end = 0;
        for (at, _) in message.match_indices(name) {
            let (before, after) = (
                message.get(..at).unwrap_or_default(),
                message.get(at + name.len()..).unwrap_or_default(),
            );
            let is_whole = !before.ends_with(is_part) && !after.starts_with(is_part);
            renamed.push_str(message.get(end..at).unwrap_or_default());
            renamed.push_str(if is_whole { other } else { name });
            end = at + name.len();
        }
        renamed.push_str(message.get(end..).unwrap_or_default());
        self.inner().message = renamed.into();
        self
    }

    /// Adds the code of the broker to a kind that says more than [`ErrorKind::Broker`].
    #[must_use]
    pub(crate) fn with_code(mut self, code: ErrorCode) -> Self {
        self.inner().code = Some(code);
        self
    }

    #[must_use]
    pub(crate) fn with_written(mut self, written: Written) -> Self {
        self.inner().written = Some(written);
        self
    }

    #[must_use]
    pub(crate) fn at_broker(mut self, broker: BrokerId) -> Self {
        self.inner().context.broker = Some(broker);
        self
    }

    #[must_use]
    pub(crate) fn in_api(mut self, api: impl Into<Cow<'static, str>>) -> Self {
        self.inner().context.api = Some(api.into());
        self
    }

    #[must_use]
    pub(crate) fn at_partition(mut self, partition: TopicPartition) -> Self {
        self.inner().context.partition = Some(partition);
        self
    }

    fn inner(&mut self) -> &mut ErrorInner {
        Arc::make_mut(&mut self.0)
    }

    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the error code that the broker returned, if any.
    pub fn code(&self) -> Option<ErrorCode> {
        self.0.code
    }

    /// Returns where the failure happened.
    pub fn context(&self) -> &ErrorContext {
        &self.0.context
    }

    /// Returns, for a record that was not acknowledged, whether it may be in the log nevertheless.
    pub fn written(&self) -> Option<Written> {
        self.0.written
    }

    /// Returns how the application should react.
    pub fn class(&self) -> Class {
        match (self.0.kind, self.0.code) {
            (ErrorKind::Authentication | ErrorKind::ProducerFenced, _) => Class::Fatal,
            (ErrorKind::TransactionAbortable, _) => Class::Abortable,
            (ErrorKind::TransactionEnded, _) => Class::Rejected,
            (_, Some(code)) => code.class(),
            (ErrorKind::Config, _) => Class::InvalidConfiguration,
            (ErrorKind::MaxPollExceeded, _) => Class::Rejoin,
            // What one peer says that is not Kafka's protocol, another, or the same after its
            // restart, may say right.
            (
                ErrorKind::Timeout
                | ErrorKind::Connect
                | ErrorKind::Disconnected
                | ErrorKind::Protocol
                | ErrorKind::BufferFull
                | ErrorKind::NoMetadata
                | ErrorKind::PartitionEof,
                _,
            ) => Class::Retriable,
            (ErrorKind::Closed | ErrorKind::Tls | ErrorKind::Unsupported, _) => Class::Fatal,
            _ => Class::Rejected,
        }
    }

    /// Whether brokers will not talk to this client before somebody changes its settings or theirs.
    /// Whether waiting does not help: wrong credentials, or no Kafka at the other end.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.class(), Class::Fatal | Class::InvalidConfiguration)
    }

    pub(crate) fn is_refusal(&self) -> bool {
        let is_wrong_node = matches!(
            self.code(),
            Some(ErrorCode::MISMATCHED_ENDPOINT_TYPE | ErrorCode::UNSUPPORTED_ENDPOINT_TYPE)
        );
        is_wrong_node
            || matches!(self.0.kind, ErrorKind::Authentication | ErrorKind::Tls | ErrorKind::Config)
    }

    /// Returns whether the same operation may succeed later, that is, whether the class is
    /// [`Class::Retriable`].
    pub fn is_retriable(&self) -> bool {
        self.class() == Class::Retriable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ErrorInner { kind, code, message, context: place, .. } = &*self.0;
        match (message.is_empty(), code) {
            (false, Some(code)) => write!(f, "{message}: {code}")?,
            (false, None) => f.write_str(message)?,
            (true, Some(code)) => write!(f, "{code}")?,
            (true, None) => write!(f, "{kind:?}")?,
        }
        let mut open = " (";
        if let Some(broker) = place.broker {
            write!(f, "{open}broker {broker}")?;
            open = ", ";
        }
        if let Some(api) = &place.api {
            write!(f, "{open}{api}")?;
            open = ", ";
        }
        if let Some(partition) = &place.partition {
            write!(f, "{open}{partition}")?;
            open = ", ";
        }
        if open == ", " { f.write_str(")") } else { Ok(()) }
    }
}

impl fmt::Debug for Error {
    /// Writes the message as [`Display`](fmt::Display) does, and behind it what that leaves out: a
    /// program whose `main` returns an error prints this. `{:#?}` writes all fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ErrorInner { kind, code, written, message, context: place, source } = &*self.0;
        if f.alternate() {
            let mut all = f.debug_struct("Error");
            all.field("kind", kind).field("code", code).field("written", written);
            all.field("message", message).field("place", place).field("source", source);
            return all.finish();
        }
        write!(f, "{self} [{kind:?}")?;
        if let Some(written) = written {
            write!(f, ", written: {written:?}")?;
        }
        write_unsaid_causes(f, self)?;
        f.write_str("]")
    }
}

/// Writes the causes of an error that its message does not say itself, as most of ours do.
pub(crate) fn write_unsaid_causes(
    f: &mut fmt::Formatter<'_>,
    error: &dyn std::error::Error,
) -> fmt::Result {
    let (said, mut source) = (error.to_string(), error.source());
    while let Some(cause) = source {
        let cause_said = cause.to_string();
        if !said.contains(&cause_said) {
            write!(f, ", source: {cause_said}")?;
        }
        source = cause.source();
    }
    Ok(())
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_what_display_says_and_what_that_leaves_out() {
        let error =
            Error::new(ErrorKind::Tls, "a:1: it is not trusted: set ssl.truststore.location")
                .with_source(std::fmt::Error)
                .with_written(Written::No);
        assert_eq!(
            format!("{error:?}"),
            "a:1: it is not trusted: set ssl.truststore.location [Tls, written: No, source: an error occurred when formatting an argument]"
        );
        let outer = Error::new(ErrorKind::Connect, error.to_string()).with_source(error.clone());
        assert_eq!(format!("{outer:?}").matches("a:1").count(), 1, "{outer:?}");
        assert!(format!("{error:#?}").starts_with("Error {\n    kind: Tls,"), "{error:#?}");
    }
}
