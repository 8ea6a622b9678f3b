//! Where each record of an acquisition stands, and what became of what was said of it.

use std::ops::Range;

use crate::error::Error;
use crate::share::acknowledge::AcknowledgeType;

/// How far one record has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Buffered,
    InHand,
    Said(AcknowledgeType),
    Sent(AcknowledgeType),
    Confirmed,
    /// The application has it, and may still say something of it: in vain, which it is told.
    Lost,
    Failed,
}

/// How far the renewal of one record's lock has come.
#[derive(Debug)]
pub(super) enum Renewal {
    Said,
    Sent,
    Failed(Error),
}

/// What became of what was said of some records.
#[derive(Debug)]
pub(super) struct SaidOutcome {
    pub(super) records: Range<u32>,
    pub(super) error: Option<Error>,
}

impl Standing {
    /// Whether it is this consumer's.
    pub(super) fn is_open(self) -> bool {
        !matches!(self, Self::Confirmed | Self::Lost | Self::Failed)
    }
}

impl SaidOutcome {
    /// Adds what became of one record, which most share with the one before it.
    pub(super) fn add(news: &mut Vec<Self>, at: u32, error: Option<&Error>) {
        match news.last_mut() {
            Some(last)
                if last.records.end == at
                    && last.error.as_ref().map(Error::kind) == error.map(Error::kind)
                    && last.error.as_ref().map(Error::code) == error.map(Error::code) =>
            {
                last.records.end += 1;
            }
            _ => news.push(Self { records: at..at + 1, error: error.cloned() }),
        }
    }
}
