//! What an error means for a transaction: the one table of what these APIs may answer.
//!
//! Java has it spread over `TransactionManager`'s handlers; KIP-1050 gave the classes their names.
//! It is milder than Java's in one point. What Java cannot explain ends its producer; here it aborts
//! the transaction and raises the epoch, which is always safe.

use crate::error::{Class, Error, ErrorCode, ErrorKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// The same request may succeed later.
    Retry,
    /// The transaction cannot be committed, and the next one may.
    Abort,
    /// Another producer has the transactional id.
    Fence,
    /// The producer can do nothing more.
    End,
}

/// What follows from an answer of a coordinator: to InitProducerId, AddPartitionsToTxn,
/// AddOffsetsToTxn, TxnOffsetCommit or EndTxn.
pub(super) fn reaction(error: &Error) -> Reaction {
    match error.code() {
        // Coordinators of old brokers say INVALID_PRODUCER_EPOCH (KIP-588).
        Some(ErrorCode::PRODUCER_FENCED | ErrorCode::INVALID_PRODUCER_EPOCH) => Reaction::Fence,
        Some(
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::UNSUPPORTED_VERSION
            | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
            | ErrorCode::UNSUPPORTED_SASL_MECHANISM
            | ErrorCode::ILLEGAL_SASL_STATE
            | ErrorCode::SASL_AUTHENTICATION_FAILED,
        ) => Reaction::End,
        // It has no more to say than that; EndTxn and InitProducerId may be said twice.
        Some(ErrorCode::UNKNOWN_SERVER_ERROR) => Reaction::Retry,
        _ => match error.class() {
            Class::Retriable => Reaction::Retry,
            Class::Fatal => Reaction::End,
            _ => Reaction::Abort,
        },
    }
}

/// What follows from the failure of a batch, once its leader, or time, has had the last word.
///
/// A leader says INVALID_PRODUCER_EPOCH also when the coordinator has ended a transaction that took
/// too long, of which nobody was fenced: the coordinator tells when the transaction is aborted
/// (KIP-588).
pub(super) fn reaction_to_batch(error: &Error) -> Reaction {
    match error.code() {
        Some(ErrorCode::INVALID_PRODUCER_EPOCH) => Reaction::Abort,
        _ if error.kind() == ErrorKind::Closed => Reaction::End,
        _ => match reaction(error) {
            Reaction::Retry => Reaction::Abort,
            other => other,
        },
    }
}

/// The application has to abort, because of this.
pub(super) fn abortable(cause: Error) -> Error {
    let message = format!("the transaction must be aborted: {cause}");
    let error = Error::new(ErrorKind::TransactionAbortable, message);
    match cause.code() {
        Some(code) => error.with_code(code).with_source(cause),
        None => error.with_source(cause),
    }
}

/// Another producer has taken over, as this tells.
pub(super) fn fenced(cause: Error) -> Error {
    let message = "another producer with the same transactional.id has taken over, or the \
                   transaction took longer than transaction.timeout.ms: close this one";
    Error::new(ErrorKind::ProducerFenced, message).caused_by(cause)
}

/// Why a record has failed that nobody has done anything wrong with.
pub(super) fn aborted() -> Error {
    Error::new(ErrorKind::TransactionEnded, "the transaction was aborted")
}

/// What was asked of a transaction that has ended.
pub(in crate::producer) fn over() -> Error {
    Error::new(ErrorKind::TransactionEnded, "the transaction has ended")
}
