//! Bytes to messages and back: frames, versions, the messages of the Kafka protocol and batches of
//! records.
//!
//! Knows no socket, task or clock. The messages are made by `message-generator`; all else is
//! written by hand.

use std::time::Duration;

pub(crate) mod batch;
#[allow(unreachable_pub, reason = "public with the feature `unstable-wire`")]
pub(crate) mod call;
pub(crate) mod compress;
pub(crate) mod frame;
#[cfg(test)]
pub(crate) mod hostile;
#[allow(clippy::too_many_lines, reason = "made by message-generator: a line for each API")]
#[allow(missing_docs, reason = "Kafka's schemas say what a field is")]
#[allow(unreachable_pub, reason = "public with the feature `unstable-wire`")]
pub mod messages;
#[allow(unreachable_pub, reason = "messages name it, which are public with `unstable-wire`")]
mod reader;
pub(crate) mod varint;
pub(crate) mod versions;
#[allow(unreachable_pub, reason = "messages name it, which are public with `unstable-wire`")]
mod writer;

pub(crate) use reader::{Decode, DecodeError, Reader};
pub(crate) use writer::{Encode, EncodeError, Writer};

/// A duration in the protocol's milliseconds, of 32 bits.
pub(crate) fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
