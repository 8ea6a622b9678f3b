//! How a batch tells those who sent its records what became of them.
//!
//! ```text
//!  Promise (the batch, or each part of a split one) ──keep──▶ Outcome ◀── Delivery, Delivery, … (batch and index)
//! ```
//!
//! One outcome serves all records of a batch as it was opened: a sorted list of ranges, each with
//! its verdict. Splitting a batch, or a broker that refuses a single record (KIP-467), adds ranges;
//! no [`Delivery`] changes. Wakers stand in one list, which is empty until a `Delivery` is polled
//! too early, and callbacks in another, which whoever keeps the last promise calls.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tracing::error;

use crate::error::{Error, ErrorKind, Result, Written};
use crate::ids::{Offset, Timestamp, TopicPartition};
use crate::record::RecordMetadata;
use crate::runtime;

/// A future that resolves to the outcome of one record. It needs no runtime, borrows nothing, and
/// may be dropped.
///
/// The record is sent whether or not its `Delivery` is awaited.
///
/// # Errors
/// The reason why the record was not acknowledged; [`Error::written`] tells whether it may be in
/// the log nevertheless. Among others:
/// - [`ErrorKind::Timeout`] after `delivery.timeout.ms`.
/// - [`ErrorKind::Purged`] if [`Producer::purge`](super::Producer::purge) gave it up.
/// - [`ErrorKind::Closed`] if the producer was closed or dropped first.
///
/// # Cancel safety
/// Safe: it can be polled again, or dropped, at any time.
#[must_use = "a record may fail after `send` has returned: await its delivery, or drop it on \
              purpose"]
#[derive(Debug)]
pub struct Delivery {
    outcome: Arc<BatchOutcome>,
    index: u32,
    /// The place of our waker in the list, once there is one.
    waker: Option<u32>,
    timestamp: Timestamp,
}

/// What became of the records of one batch.
#[derive(Debug)]
pub(super) struct BatchOutcome {
    topic_partition: TopicPartition,
    decision: OnceLock<Decision>,
    pending: Mutex<PendingDelivery>,
}

#[derive(Debug, Default)]
struct PendingDelivery {
    /// Promises that have not been kept.
    open: usize,
    ranges: Vec<Range>,
    wakers: Vec<DeliveryWaiter>,
    callbacks: Vec<RecordCallback>,
    /// Somebody calls them, and those that come meanwhile.
    are_called: bool,
}

#[derive(Debug)]
struct DeliveryWaiter {
    waker: Waker,
    /// More than one delivery counts on it.
    is_shared: bool,
}

/// A callback of one record.
struct RecordCallback {
    index: u32,
    timestamp: Timestamp,
    callback: Box<dyn FnOnce(Result<RecordMetadata>) + Send>,
}

/// What is known once every promise is kept.
#[derive(Debug)]
struct Decision {
    /// Sorted by `first`.
    ranges: Vec<Range>,
    #[cfg_attr(
        not(feature = "mq"),
        expect(dead_code, reason = "only `mq` measures its latencies by it")
    )]
    at: Instant,
}

/// The records from `first` to the next range have one verdict.
#[derive(Debug)]
struct Range {
    first: u32,
    verdict: Result<RangeStart>,
}

/// Where the first record of a range is.
#[derive(Clone, Copy, Debug)]
struct RangeStart {
    offset: Option<Offset>,
    append_time: Option<Timestamp>,
}

/// The duty to tell what became of some consecutive records of a batch; fulfilled at the latest
/// when it is dropped.
#[derive(Debug)]
pub(super) struct Promise {
    outcome: Arc<BatchOutcome>,
    first: u32,
    /// Some of the records may have reached a broker.
    has_left: bool,
    is_kept: bool,
}

impl Delivery {
    pub(super) fn new(outcome: Arc<BatchOutcome>, index: u32, timestamp: Timestamp) -> Self {
        Self { outcome, index, waker: None, timestamp }
    }

    /// Returns the outcome if it is already known.
    pub fn try_get(&self) -> Option<Result<RecordMetadata>> {
        self.outcome.verdict(self.index, self.timestamp)
    }

    #[cfg(feature = "mq")]
    /// When the verdict came, if it has: one look at the clock serves all records of a batch.
    pub(crate) fn decided_at(&self) -> Option<Instant> {
        self.outcome.decision.get().map(|decision| decision.at)
    }

    /// Calls `callback` with the outcome, once, whatever becomes of the record (Java's
    /// `send(record, callback)`).
    ///
    /// The producer's task calls it as soon as the outcome is known, or this call does if it is known
    /// already. It must not block: the producer sends nothing meanwhile. It may send records, by
    /// [`Producer::try_send`](super::Producer::try_send). One that panics is logged. A
    /// [`Producer::flush`](super::Producer::flush) or `close` that begins later returns after it has
    /// been called. Costs less than a task for each delivery.
    ///
    /// ```no_run
    /// # fn run(producer: &kavka::Producer, line: &str) -> kavka::Result<()> {
    /// use kavka::Record;
    ///
    /// producer.try_send(Record::to("lines").value(line))?.on_completion(|written| {
    ///     if let Err(error) = written {
    ///         eprintln!("not written: {error}");
    ///     }
    /// });
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Ordering
    /// Callbacks of records that one task sends to one partition are called in the order of the
    /// records, if each is set before the next record is sent.
    pub fn on_completion(self, callback: impl FnOnce(Result<RecordMetadata>) + Send + 'static) {
        let Self { outcome, index, timestamp, .. } = self;
        let mut pending = outcome.lock();
        if outcome.decision.get().is_none() || pending.are_called {
            let callback = Box::new(callback);
            return pending.callbacks.push(RecordCallback { index, timestamp, callback });
        }
        drop(pending);
        outcome.complete(index, timestamp, callback);
    }

    /// Returns the partition that the record was assigned to.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.outcome.topic_partition
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(verdict) = this.outcome.verdict(this.index, this.timestamp) {
            return Poll::Ready(verdict);
        }
        this.outcome.register(context.waker(), &mut this.waker);
        // It may have come in between; what comes later finds the waker.
        match this.outcome.verdict(this.index, this.timestamp) {
            Some(verdict) => Poll::Ready(verdict),
            None => Poll::Pending,
        }
    }
}

impl BatchOutcome {
    /// The outcome of a batch that is being opened, and the promise of it.
    pub(super) fn new(topic_partition: TopicPartition) -> (Arc<Self>, Promise) {
        let pending = Mutex::new(PendingDelivery { open: 1, ..PendingDelivery::default() });
        let outcome = Arc::new(Self { topic_partition, decision: OnceLock::new(), pending });
        let promise =
            Promise { outcome: Arc::clone(&outcome), first: 0, has_left: false, is_kept: false };
        (outcome, promise)
    }

    /// Whether it is known what became of every record.
    pub(super) fn is_decided(&self) -> bool {
        self.decision.get().is_some()
    }

    /// Those of some consecutive records that are known to have failed: from where on, how many,
    /// and why.
    pub(super) fn failures(
        &self,
        first: u32,
        count: u32,
    ) -> impl Iterator<Item = (u32, u32, &Error)> {
        let ranges = self.decision.get().map_or(&[][..], |decision| &decision.ranges);
        let end = first.saturating_add(count);
        ranges.iter().enumerate().filter_map(move |(at, range)| {
            let error = range.verdict.as_ref().err()?;
            let next = ranges.get(at + 1).map_or(u32::MAX, |next| next.first);
            let (from, to) = (range.first.max(first), next.min(end));
            (from < to).then(|| (from, to - from, error))
        })
    }

    /// Notes who is to be woken; `place` remembers where, so that polling again does not add to the
    /// list.
    pub(super) fn register(&self, waker: &Waker, place: &mut Option<u32>) {
        let mut pending = self.lock();
        if self.decision.get().is_some() {
            return;
        }
        let own = place.and_then(|place| pending.wakers.get_mut(usize::try_from(place).ok()?));
        if let Some(own) = own.filter(|own| !own.is_shared || own.waker.will_wake(waker)) {
            own.waker.clone_from(waker);
            return;
        }
        // One task that polls many deliveries of a batch is woken once.
        match pending.wakers.last_mut().filter(|last| last.waker.will_wake(waker)) {
            Some(last) => last.is_shared = true,
            None => pending.wakers.push(DeliveryWaiter { waker: waker.clone(), is_shared: false }),
        }
        *place = u32::try_from(pending.wakers.len() - 1).ok();
    }

    fn verdict(&self, index: u32, timestamp: Timestamp) -> Option<Result<RecordMetadata>> {
        let ranges = &self.decision.get()?.ranges;
        let after = ranges.partition_point(|range| range.first <= index);
        let range = after.checked_sub(1).and_then(|at| ranges.get(at))?;
        Some(match &range.verdict {
            Ok(place) => Ok(RecordMetadata {
                topic_partition: self.topic_partition.clone(),
                offset: place.offset.map(|offset| offset.advance(i64::from(index - range.first))),
                timestamp: place.append_time.unwrap_or(timestamp),
            }),
            Err(error) => Err(error.clone()),
        })
    }

    fn resolve_ranges(&self, ranges: impl IntoIterator<Item = Range>) {
        let mut pending = self.lock();
        pending.ranges.extend(ranges);
        pending.open = pending.open.saturating_sub(1);
        if pending.open > 0 {
            return;
        }
        let mut ranges = std::mem::take(&mut pending.ranges);
        ranges.sort_by_key(|range| range.first);
        let _first_time = self.decision.set(Decision { ranges, at: runtime::now() });
        let wakers = std::mem::take(&mut pending.wakers);
        pending.are_called = !pending.callbacks.is_empty();
        let are_called = pending.are_called;
        drop(pending);
        wakers.into_iter().for_each(|waiting| waiting.waker.wake());
        if are_called {
            self.call_callbacks();
        }
    }

    /// Calls them one after the other, until no more have come.
    fn call_callbacks(&self) {
        loop {
            let mut pending = self.lock();
            let callbacks = std::mem::take(&mut pending.callbacks);
            pending.are_called = !callbacks.is_empty();
            drop(pending);
            if callbacks.is_empty() {
                return;
            }
            for RecordCallback { index, timestamp, callback } in callbacks {
                self.complete(index, timestamp, callback);
            }
        }
    }

    fn complete(
        &self,
        index: u32,
        timestamp: Timestamp,
        callback: impl FnOnce(Result<RecordMetadata>),
    ) {
        let Some(verdict) = self.verdict(index, timestamp) else { return };
        if catch_unwind(AssertUnwindSafe(|| callback(verdict))).is_err() {
            error!(partition = %self.topic_partition, "the callback of a delivery has panicked");
        }
    }

    fn lock(&self) -> MutexGuard<'_, PendingDelivery> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RecordCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordCallback").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Promise {
    /// The records are in the log from `offset` on.
    pub(super) fn keep(mut self, offset: Option<Offset>, append_time: Option<Timestamp>) {
        self.is_kept = true;
        self.outcome.resolve_ranges([Range {
            first: self.first,
            verdict: Ok(RangeStart { offset, append_time }),
        }]);
    }

    /// A request with the records is made: unless somebody learns more, they may be written.
    pub(super) fn leaves(&mut self) {
        self.has_left = true;
    }

    /// The records failed, of which there are `count`; some, by their index among those of this
    /// promise, for a reason of their own.
    pub(super) fn fail(mut self, error: Error, records: Vec<(u32, Error)>, count: u32) {
        self.is_kept = true;
        let error = error.at_partition(self.outcome.topic_partition.clone());
        let mut ranges = vec![Range { first: self.first, verdict: Err(error.clone()) }];
        for (index, own) in records.into_iter().filter(|(index, _)| *index < count) {
            let first = self.first.saturating_add(index);
            ranges.retain(|range| range.first != first);
            let own = own.at_partition(self.outcome.topic_partition.clone());
            ranges.push(Range { first, verdict: Err(own) });
            // What follows the last of them is another promise's.
            if index + 1 < count && !ranges.iter().any(|range| range.first == first + 1) {
                ranges.push(Range { first: first + 1, verdict: Err(error.clone()) });
            }
        }
        self.outcome.resolve_ranges(ranges);
    }

    /// A promise for each part of a batch, whose first records are given; the first part begins
    /// where this one does.
    pub(super) fn divide(mut self, firsts: &[u32]) -> Vec<Self> {
        self.is_kept = true;
        self.outcome.lock().open += firsts.len();
        let has_left = self.has_left;
        let part = |first: &u32| Self {
            outcome: Arc::clone(&self.outcome),
            first: *first,
            has_left,
            is_kept: false,
        };
        let parts = firsts.iter().map(part).collect();
        self.outcome.resolve_ranges([]);
        parts
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.is_kept {
            let written = if self.has_left { Written::Maybe } else { Written::No };
            let closed =
                Error::new(ErrorKind::Closed, "the producer has ended").with_written(written);
            let closed = closed.at_partition(self.outcome.topic_partition.clone());
            self.outcome.resolve_ranges([Range { first: self.first, verdict: Err(closed) }]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    fn open() -> (Arc<BatchOutcome>, Promise) {
        BatchOutcome::new(TopicPartition::new("t", 3))
    }

    fn delivery(outcome: &Arc<BatchOutcome>, index: u32) -> Delivery {
        Delivery::new(Arc::clone(outcome), index, Timestamp(7))
    }

    fn offset(outcome: &Arc<BatchOutcome>, index: u32) -> Option<i64> {
        delivery(outcome, index).try_get().unwrap().unwrap().offset.map(|offset| offset.0)
    }

    #[derive(Default)]
    struct Count(std::sync::atomic::AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[test]
    fn each_record_has_the_offset_of_its_place() {
        let (outcome, promise) = open();
        assert!(delivery(&outcome, 0).try_get().is_none());
        promise.keep(Some(Offset(100)), None);
        assert_eq!((offset(&outcome, 0), offset(&outcome, 5)), (Some(100), Some(105)));
    }

    #[test]
    fn the_brokers_clock_wins_where_it_was_used() {
        let (outcome, promise) = open();
        promise.keep(None, Some(Timestamp(9)));
        assert_eq!(delivery(&outcome, 0).try_get().unwrap().unwrap().timestamp, Timestamp(9));
    }

    #[test]
    fn the_parts_of_a_split_batch_answer_for_their_records_in_any_order() {
        let (outcome, promise) = open();
        let mut parts = promise.divide(&[0, 4, 6]);
        parts.remove(1).fail(Error::new(ErrorKind::Timeout, ""), vec![], 2);
        parts.remove(1).keep(Some(Offset(50)), None);
        assert!(delivery(&outcome, 0).try_get().is_none());
        parts.remove(0).keep(Some(Offset(10)), None);
        assert_eq!((offset(&outcome, 3), offset(&outcome, 7)), (Some(13), Some(51)));
        assert!(delivery(&outcome, 5).try_get().unwrap().is_err());
        let failed = |first, count| {
            let failures = outcome.failures(first, count).map(|(first, count, _)| (first, count));
            failures.collect::<Vec<_>>()
        };
        assert_eq!(failed(0, 8), [(4, 2)]);
        assert_eq!(failed(5, 8), [(5, 1)]);
        assert_eq!((failed(0, 4), failed(6, 8)), (vec![], vec![]));
    }

    #[test]
    fn a_record_refused_by_itself_has_its_own_error() {
        let (outcome, promise) = open();
        let own = |index| (index, Error::new(ErrorKind::Corrupt, ""));
        promise.fail(Error::new(ErrorKind::Broker, ""), vec![own(0), own(2), own(3)], 5);
        let kinds: Vec<_> = (0..5)
            .map(|index| delivery(&outcome, index).try_get().unwrap().unwrap_err().kind())
            .collect();
        use ErrorKind::{Broker, Corrupt};
        assert_eq!(kinds, [Corrupt, Broker, Corrupt, Corrupt, Broker]);
    }

    #[test]
    fn a_record_refused_by_itself_says_nothing_of_the_next_part_of_a_split_batch() {
        let (outcome, promise) = open();
        let mut parts = promise.divide(&[0, 2]);
        parts.remove(1).keep(Some(Offset(7)), None);
        let own = |index| (index, Error::new(ErrorKind::Corrupt, ""));
        parts.remove(0).fail(Error::new(ErrorKind::Broker, ""), vec![own(1), own(2)], 2);
        assert_eq!(delivery(&outcome, 0).try_get().unwrap().unwrap_err().kind(), ErrorKind::Broker);
        assert_eq!(
            delivery(&outcome, 1).try_get().unwrap().unwrap_err().kind(),
            ErrorKind::Corrupt
        );
        assert_eq!((offset(&outcome, 2), offset(&outcome, 3)), (Some(7), Some(8)));
    }

    #[test]
    fn a_promise_that_is_dropped_fails_its_records_as_maybe_written_only_if_they_left() {
        for (has_left, written) in [(false, Written::No), (true, Written::Maybe)] {
            let (outcome, mut promise) = open();
            if has_left {
                promise.leaves();
            }
            drop(promise);
            let error = delivery(&outcome, 0).try_get().unwrap().unwrap_err();
            assert_eq!((error.kind(), error.written()), (ErrorKind::Closed, Some(written)));
        }
    }

    #[test]
    fn callbacks_are_called_once_and_in_order_also_those_that_others_set() {
        let (outcome, promise) = open();
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = |index: u32| {
            let told = Arc::clone(&told);
            move |written: Result<RecordMetadata>| {
                told.lock().unwrap().push((index, written.unwrap().offset.unwrap().0));
            }
        };
        let (third, last) = (delivery(&outcome, 2), tell(2));
        let first = tell(0);
        delivery(&outcome, 0).on_completion(move |written| {
            third.on_completion(last);
            first(written);
        });
        delivery(&outcome, 1).on_completion(|_| panic!("it harms nobody else"));
        delivery(&outcome, 1).on_completion(tell(1));
        promise.keep(Some(Offset(10)), None);
        assert_eq!(*told.lock().unwrap(), [(0, 10), (1, 11), (2, 12)]);
        delivery(&outcome, 3).on_completion(tell(3));
        assert_eq!(told.lock().unwrap().last(), Some(&(3, 13)), "it is known already");
    }

    #[test]
    fn a_callback_waits_for_all_parts_of_a_split_batch() {
        let (outcome, promise) = open();
        let told = Arc::new(Mutex::new(Vec::new()));
        let mut parts = promise.divide(&[0, 4]);
        for index in [0, 5] {
            let told = Arc::clone(&told);
            delivery(&outcome, index)
                .on_completion(move |written| told.lock().unwrap().push(written.is_ok()));
        }
        parts.remove(1).keep(Some(Offset(50)), None);
        assert!(told.lock().unwrap().is_empty());
        drop(parts);
        assert_eq!(*told.lock().unwrap(), [false, true]);
    }

    #[test]
    fn a_delivery_polled_again_is_woken_once_and_by_its_last_waker() {
        let (outcome, promise) = open();
        let mut waiting = delivery(&outcome, 1);
        let wakers = [Arc::new(Count::default()), Arc::new(Count::default())];
        for count in [&wakers[0], &wakers[1], &wakers[1]] {
            let waker = Waker::from(Arc::clone(count));
            assert!(Pin::new(&mut waiting).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        promise.keep(Some(Offset(0)), None);
        let woken = wakers.map(|count| count.0.load(std::sync::atomic::Ordering::Relaxed));
        assert_eq!(woken, [0, 1]);
    }

    #[test]
    fn a_delivery_that_changes_its_task_leaves_the_others_of_the_task_their_waker() {
        let (outcome, promise) = open();
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        let [first, second] = counts.each_ref().map(|count| Waker::from(Arc::clone(count)));
        let (mut moving, mut staying) = (delivery(&outcome, 0), delivery(&outcome, 1));
        assert!(Pin::new(&mut moving).poll(&mut Context::from_waker(&first)).is_pending());
        assert!(Pin::new(&mut staying).poll(&mut Context::from_waker(&first)).is_pending());
        assert!(Pin::new(&mut moving).poll(&mut Context::from_waker(&second)).is_pending());
        promise.keep(Some(Offset(0)), None);
        assert_eq!(counts.map(|count| count.0.load(std::sync::atomic::Ordering::Relaxed)), [1, 1]);
    }
}
