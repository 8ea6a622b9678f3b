//! What an application says of records, and how it learns what became of that.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::acquisition::Acquisition;
use crate::error::Result;
use crate::ids::Offset;

/// What a consumer says of a record of a share group (KIP-932).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcknowledgeType {
    /// It was processed, and is not delivered again.
    Accept,
    /// It was not processed, and is delivered again, to whichever consumer, until the group's limit
    /// of deliveries is reached (`group.share.delivery.count.limit` of the broker, default 5).
    Release,
    /// It cannot be processed, and is not delivered again.
    Reject,
    /// It is still being processed: its lock begins anew (KIP-1222).
    Renew,
}

/// What is said of a range of offsets; `None` if there are no records there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AcknowledgedRange {
    pub(crate) first: Offset,
    pub(crate) last: Offset,
    pub(crate) said: Option<AcknowledgeType>,
}

impl AcknowledgedRange {
    /// Lengthens the last of some ranges, if it goes on there and is said the same of.
    pub(crate) fn append_to(self, ranges: &mut Vec<Self>) {
        match ranges.last_mut() {
            Some(last) if last.last.advance(1) == self.first && last.said == self.said => {
                last.last = self.last;
            }
            _ => ranges.push(self),
        }
    }
}

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
/// - [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the consumer was closed or dropped first.
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
    pub(super) refused: Option<crate::Error>,
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
