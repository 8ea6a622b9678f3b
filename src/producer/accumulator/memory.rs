//! The memory that a producer may use for records (`buffer.memory`), and the queue of those who
//! wait for some.
//!
//! Open batches hold chunks of it, so that a record costs no atomic operation here. What a batch
//! holds is given back when the batch is gone, by dropping its [`Reservation`]: exactly once,
//! whatever became of it.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, ErrorKind, Result};
use crate::runtime;

#[derive(Clone, Debug)]
pub(in crate::producer) struct BufferMemory {
    free: Arc<Semaphore>,
    size: usize,
}

/// Some bytes of a [`BufferMemory`], given back when it is dropped.
#[derive(Debug)]
pub(in crate::producer) struct Reservation(OwnedSemaphorePermit);

impl BufferMemory {
    pub(in crate::producer) fn new(size: usize) -> Self {
        let size = size.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(size)), size }
    }

    pub(in crate::producer) fn size(&self) -> usize {
        self.size
    }

    /// Bytes that nobody holds.
    pub(in crate::producer) fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// Takes some bytes unless others wait for them.
    pub(in crate::producer) fn try_reserve(&self, bytes: usize) -> Option<Reservation> {
        let bytes = u32::try_from(bytes).ok()?;
        Arc::clone(&self.free).try_acquire_many_owned(bytes).ok().map(Reservation)
    }

    /// Waits for some bytes until there are many, but not longer than until `patience` ends; then
    /// for as many as needed.
    ///
    /// One who comes back for each batch that is acknowledged is woken as often, and costs a
    /// producer at full speed more than its records.
    ///
    /// # Cancel safety
    /// As [`BufferMemory::reserve`].
    pub(in crate::producer) async fn reserve_among_many(
        &self,
        bytes: usize,
        patience: Instant,
    ) -> Result<Reservation> {
        let many = MANY.min(self.size / MANY_SHARE);
        if many > bytes {
            tokio::select! {
                biased;
                reserved = self.reserve(many) => return reserved.map(|mut reserved| {
                    reserved.shrink_to(bytes);
                    reserved
                }),
                () = runtime::sleep_until(patience) => {}
            }
        }
        self.reserve(bytes).await
    }

    /// Waits for some bytes; those who wait are served in order.
    ///
    /// # Cancel safety
    /// Safe: if the future is dropped, nothing is held, and the place in the queue is lost.
    pub(in crate::producer) async fn reserve(&self, bytes: usize) -> Result<Reservation> {
        let too_much = || {
            Error::new(
                ErrorKind::RecordTooLarge,
                format!("{bytes} bytes are more than buffer.memory, {} bytes: raise it", self.size),
            )
        };
        let bytes =
            u32::try_from(bytes).ok().filter(|_| bytes <= self.size).ok_or_else(too_much)?;
        let closed = |_| Error::new(ErrorKind::Closed, "the producer is closed");
        Arc::clone(&self.free).acquire_many_owned(bytes).await.map(Reservation).map_err(closed)
    }
}

impl Reservation {
    pub(in crate::producer) fn bytes(&self) -> usize {
        self.0.num_permits()
    }

    pub(in crate::producer) fn add(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    /// Divides off some bytes, unless there are fewer.
    pub(in crate::producer) fn split_off(&mut self, bytes: usize) -> Option<Self> {
        self.0.split(bytes).map(Self)
    }

    /// Gives back all but some bytes.
    pub(in crate::producer) fn shrink_to(&mut self, bytes: usize) {
        drop(self.0.split(self.bytes().saturating_sub(bytes)));
    }
}

/// Some 16 batches of usual size.
const MANY: usize = 256 * 1024;

/// At most this part of all is many.
const MANY_SHARE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_who_waits_is_woken_when_much_is_free_or_it_took_too_long() {
        let memory = BufferMemory::new(MANY_SHARE * 100);
        let mut held = memory.try_reserve(memory.size()).unwrap();
        let start = runtime::now();
        let patience = start + std::time::Duration::from_millis(5);
        let mut waiting = Box::pin(memory.reserve_among_many(10, patience));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        held.shrink_to(held.bytes() - 99);
        assert!(
            futures_util::poll!(&mut waiting).is_pending(),
            "99 are enough for it, and not many"
        );
        held.shrink_to(held.bytes() - 1);
        assert_eq!(waiting.await.unwrap().bytes(), 10);
        assert_eq!(
            (runtime::now(), memory.free()),
            (start, 100),
            "the rest is there for whoever comes"
        );

        let _other = memory.try_reserve(90).unwrap();
        assert_eq!(memory.reserve_among_many(10, patience).await.unwrap().bytes(), 10);
        assert_eq!(runtime::now(), patience);
    }

    #[test]
    fn what_is_reserved_comes_back_once() {
        let memory = BufferMemory::new(100);
        let mut held = memory.try_reserve(60).unwrap();
        held.add(memory.try_reserve(20).unwrap());
        assert!(memory.try_reserve(21).is_none());
        held.shrink_to(30);
        assert_eq!((held.bytes(), memory.free()), (30, 70));
        drop(held);
        assert_eq!(memory.free(), 100);
    }

    #[tokio::test]
    async fn those_who_wait_are_served_in_order_and_not_overtaken() {
        let memory = BufferMemory::new(10);
        let held = memory.try_reserve(8).unwrap();
        let large = tokio::spawn({
            let memory = memory.clone();
            async move { memory.reserve(10).await.unwrap().bytes() }
        });
        tokio::task::yield_now().await;
        assert!(memory.try_reserve(1).is_none(), "what is free is kept for the one who waits");
        drop(held);
        assert_eq!(large.await.unwrap(), 10);
        assert_eq!(memory.free(), 10);
    }

    #[tokio::test]
    async fn one_who_gives_up_waiting_holds_nothing() {
        let memory = BufferMemory::new(10);
        let held = memory.try_reserve(8).unwrap();
        let waiting = tokio::time::timeout(std::time::Duration::ZERO, memory.reserve(5)).await;
        assert!(waiting.is_err());
        drop(held);
        assert_eq!(memory.free(), 10);
    }

    #[tokio::test]
    async fn more_than_there_is_cannot_be_waited_for() {
        let error = BufferMemory::new(10).reserve(11).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RecordTooLarge);
    }
}
