//! How an application learns what became of what it said of records.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::acquisition::Acquisition;
use crate::error::{Error, Result};

/// A future that resolves to what became of an acknowledgement. It needs no runtime, borrows
/// nothing, and may be dropped: the acknowledgement is sent whether or not it is awaited. Awaiting
/// it has it sent as soon as the broker can be asked.
///
/// # Errors
/// Why the broker has not confirmed the acknowledgement of a record; then it may be delivered again:
/// - [`ErrorKind::LockLost`](crate::ErrorKind::LockLost) if the record was not this consumer's any
///   more: its lock had run out, or the connection over which it came has ended.
/// - [`ErrorKind::Broker`](crate::ErrorKind::Broker) with what the broker answered, such as
///   INVALID_RECORD_STATE. It refuses, or takes, all that is said of one partition in one request.
/// - [`ErrorKind::Disconnected`](crate::ErrorKind::Disconnected) or
///   [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if the answer was lost: the broker may have
///   taken it.
/// - [`ErrorKind::Config`](crate::ErrorKind::Config) if something else was said of the record before.
/// - [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the consumer was closed or dropped first: the
///   broker may have taken what was on its way.
///
/// # Cancel safety
/// Safe: it can be polled again, or dropped, at any time.
#[derive(Debug)]
pub struct Acknowledgement {
    pub(super) acquisition: Arc<Acquisition>,
    /// The records, by number.
    pub(super) ranges: Vec<Range<u32>>,
    /// Whether their locks are to be renewed.
    pub(super) renews: bool,
    /// What was wrong at once.
    pub(super) refused: Option<Error>,
}

impl Future for Acknowledgement {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(error) = &self.refused {
            return Poll::Ready(Err(error.clone()));
        }
        self.acquisition.poll_settled(&self.ranges, self.renews, context)
    }
}
