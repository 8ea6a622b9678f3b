//! A consumer as a stream of records.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::consumer::Consumer;
use crate::consumer::record::ConsumerRecord;
use crate::error::{ErrorKind, Result};

/// Each item is what [`Consumer::recv`] returns; the stream ends when the consumer is closed.
impl Stream for Consumer {
    type Item = Result<ConsumerRecord>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_record(context).map(|record| match record {
            Err(error) if error.kind() == ErrorKind::Closed => None,
            record => Some(record),
        })
    }
}
