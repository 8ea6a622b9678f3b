//! The requests of one connection that wait for their replies.
//!
//! A broker answers the requests of a connection in the order in which they were written, so this
//! is a queue: a reply belongs to its front, or the connection is out of step and must end. A
//! caller that has lost interest leaves its entry here, since the reply comes all the same.

use std::collections::VecDeque;
use std::time::Instant;

/// The queue; `W` is who waits.
#[derive(Debug)]
pub(crate) struct Inflight<W> {
    queue: VecDeque<InflightRequest<W>>,
}

#[derive(Debug)]
struct InflightRequest<W> {
    correlation_id: i32,
    deadline: Instant,
    waiter: W,
}

/// A reply that belongs to no request at the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfStep {
    pub(crate) expected: Option<i32>,
    pub(crate) found: i32,
}

impl<W> Default for Inflight<W> {
    fn default() -> Self {
        Self { queue: VecDeque::new() }
    }
}

impl<W> Inflight<W> {
    /// Notes a request that is about to be written.
    pub(crate) fn push(&mut self, correlation_id: i32, deadline: Instant, waiter: W) {
        self.queue.push_back(InflightRequest { correlation_id, deadline, waiter });
    }

    /// Takes the one who waits for a reply.
    pub(crate) fn complete(&mut self, correlation_id: i32) -> Result<W, OutOfStep> {
        match self.queue.front() {
            Some(front) if front.correlation_id == correlation_id => {}
            front => {
                return Err(OutOfStep {
                    expected: front.map(|entry| entry.correlation_id),
                    found: correlation_id,
                });
            }
        }
        let entry =
            self.queue.pop_front().ok_or(OutOfStep { expected: None, found: correlation_id })?;
        Ok(entry.waiter)
    }

    /// Who waits for the reply that comes next.
    pub(crate) fn first(&self) -> Option<&W> {
        self.queue.front().map(|entry| &entry.waiter)
    }

    /// Takes everyone who waits, in order: the connection has ended.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = W> {
        self.queue.drain(..).map(|entry| entry.waiter)
    }

    /// When the first of the waiting runs out of time. Few wait on one connection, so they are
    /// looked through.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.queue.iter().map(|entry| entry.deadline).min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn replies_in_order_reach_their_callers() {
        let now = Instant::now();
        let mut inflight = Inflight::default();
        inflight.push(1, now, "a");
        inflight.push(2, now, "b");
        assert_eq!(inflight.complete(1), Ok("a"));
        assert_eq!(inflight.complete(2), Ok("b"));
        assert!(inflight.is_empty());
    }

    #[test]
    fn a_reply_out_of_order_or_unasked_is_refused() {
        let now = Instant::now();
        let mut inflight = Inflight::default();
        assert_eq!(inflight.complete(7), Err(OutOfStep { expected: None, found: 7 }));
        inflight.push(1, now, ());
        inflight.push(2, now, ());
        assert_eq!(inflight.complete(2), Err(OutOfStep { expected: Some(1), found: 2 }));
        assert_eq!(inflight.len(), 2, "a refused reply completes nobody");
    }

    #[test]
    fn the_earliest_deadline_counts_wherever_it_stands() {
        let now = Instant::now();
        let mut inflight = Inflight::default();
        inflight.push(1, now + Duration::from_secs(30), ());
        inflight.push(2, now + Duration::from_secs(1), ());
        assert_eq!(inflight.deadline(), Some(now + Duration::from_secs(1)));
    }

    proptest! {
        #[test]
        fn every_request_completes_exactly_once(count in 0_i32..40, answered in 0_i32..40) {
            let now = Instant::now();
            let mut inflight = Inflight::default();
            for id in 0..count {
                inflight.push(id, now, id);
            }
            let mut done = Vec::new();
            for id in 0..answered.min(count) {
                done.push(inflight.complete(id).unwrap());
            }
            done.extend(inflight.drain());
            prop_assert_eq!(done, (0..count).collect::<Vec<_>>());
        }
    }
}
