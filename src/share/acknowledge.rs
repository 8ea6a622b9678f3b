//! What an application says of records.

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
