//! Watches acknowledgements: a task that takes what was sent a chunk at a time, and costs little
//! for each record.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use kavka::Deliveries;
use kavka_programs::Stop;
use kavka_tools::progress::Progress;
use tokio::sync::mpsc;

use super::pipe::Pending;
use super::report::Tally;

/// Records that were handed to the producer; each with the time, since the start, from which its
/// latency counts.
pub(crate) enum Sent {
    Each(Vec<(u64, Pending)>),
    /// One call of `send_all`.
    Call {
        since: u64,
        records: u64,
        deliveries: Deliveries,
    },
}

/// Waits for acknowledgements.
pub(crate) struct Observer {
    sent: mpsc::Receiver<Sent>,
    /// Of each partition in order: only the first of them has to be asked.
    partitions: Vec<VecDeque<(u64, Pending)>>,
    calls: VecDeque<(u64, u64, Deliveries)>,
    started: Instant,
    progress: Progress,
    tally: Tally,
}

impl Observer {
    pub(crate) fn new(sent: mpsc::Receiver<Sent>, started: Instant, progress: Progress) -> Self {
        Self {
            sent,
            partitions: Vec::new(),
            calls: VecDeque::new(),
            started,
            progress,
            tally: Tally::default(),
        }
    }

    /// Ends when all that was sent has its verdict and nothing more can come.
    pub(crate) async fn run(mut self) -> Tally {
        poll_fn(|context| self.poll(context)).await;
        self.tally
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let has_ended = loop {
            match self.sent.poll_recv(context) {
                Poll::Ready(Some(sent)) => self.take(sent),
                Poll::Ready(None) => break true,
                Poll::Pending => break false,
            }
        };
        // One look at the clock for all that came at once.
        let now = nanos(self.started);
        let before = self.tally.acknowledged;
        for waiting in &mut self.partitions {
            while let Some((since, pending)) = waiting.front_mut() {
                let Poll::Ready(outcome) = pending.poll(context) else { break };
                self.tally.note(*since, now, 1, outcome.err());
                waiting.pop_front();
            }
        }
        while let Some((since, records, deliveries)) = self.calls.front_mut() {
            let Poll::Ready(outcome) = Pin::new(deliveries).poll(context) else { break };
            self.tally.note(*since, now, *records, outcome.err().map(Stop::from));
            self.calls.pop_front();
        }
        self.progress.add(self.tally.acknowledged - before);
        let is_waiting =
            !self.calls.is_empty() || self.partitions.iter().any(|waiting| !waiting.is_empty());
        if has_ended && !is_waiting { Poll::Ready(()) } else { Poll::Pending }
    }

    fn take(&mut self, sent: Sent) {
        match sent {
            Sent::Call { since, records, deliveries } => {
                self.calls.push_back((since, records, deliveries))
            }
            Sent::Each(records) => {
                for (since, pending) in records {
                    let partition = pending.partition();
                    if partition >= self.partitions.len() {
                        self.partitions.resize_with(partition + 1, VecDeque::new);
                    }
                    if let Some(waiting) = self.partitions.get_mut(partition) {
                        waiting.push_back((since, pending));
                    }
                }
            }
        }
    }
}

impl Tally {
    fn note(&mut self, since: u64, now: u64, records: u64, error: Option<Stop>) {
        match error {
            None => self.acknowledge(since, now, records),
            Some(error) => self.fail(records, error),
        }
        self.last = now;
    }
}

/// Nanoseconds since an instant.
#[inline]
pub(crate) fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
