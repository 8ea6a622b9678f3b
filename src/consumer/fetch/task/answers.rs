//! What the fetcher makes of answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::{FetchEvent, Fetcher};
use crate::consumer::fetch::buffer::ReplyMemory;
use crate::consumer::fetch::filter;
use crate::consumer::fetch::lookup::{Lookup, LookupRequest, PendingLookup};
use crate::consumer::fetch::planner::FetchOutcome;
use crate::consumer::fetch::rpc::{self, Fetched, FetchedPartition, LookupAnswer};
use crate::consumer::fetch::session::Want;
use crate::consumer::position::{AssignmentEpoch, FetchState};
use crate::consumer::subscription::{PartitionSnapshot, Subscription};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{BrokerId, Offset, TopicPartition};
use crate::net::BadLength;
use crate::observability::ConsumerEvent;

impl Fetcher {
    pub(super) fn handle(&mut self, event: FetchEvent, now: Instant) {
        match event {
            FetchEvent::Fetched { broker, took, result } => {
                self.handle_fetched(broker, took, result, now)
            }
            FetchEvent::Answered { ask, result } => self.handle_answers(&ask, result, now),
            FetchEvent::Decoded => self.decoders -= 1,
        }
    }

    fn handle_answers(
        &mut self,
        ask: &LookupRequest,
        result: Result<Vec<(TopicPartition, LookupAnswer)>>,
        now: Instant,
    ) {
        let answers: BTreeMap<_, _> = match result {
            Ok(answers) => answers.into_iter().collect(),
            Err(error) => {
                debug!(broker = %ask.broker, %error, "lookup failed");
                self.cluster.request_refresh();
                if error.is_final() {
                    self.shared.refuse(error);
                }
                BTreeMap::new()
            }
        };
        for asked in &ask.questions {
            match answers.get(&asked.partition) {
                Some(answer) => self.handle_answer(asked, answer, now),
                // A partition that the reply leaves out is asked for again.
                None => self.lookups.failed(&asked.partition, asked.assignment, now),
            }
        }
    }

    fn handle_answer(&mut self, asked: &PendingLookup, answer: &LookupAnswer, now: Instant) {
        let PendingLookup { partition, assignment, question, leader_epoch } = asked;
        let (error, still_asks) = self.shared.update(|subscription| {
            let mut error = None;
            match (answer, question) {
                (LookupAnswer::Offset { position, .. }, Lookup::Offset(_)) => {
                    subscription.offset_found(partition, *assignment, *position);
                }
                (LookupAnswer::NoOffset, Lookup::Offset(_)) => {
                    subscription.offset_not_found(partition, *assignment)
                }
                (LookupAnswer::EpochEnd(Some(end)), Lookup::Epoch(position))
                    if end.offset < position.offset =>
                {
                    error = subscription.truncated(partition, *assignment, *end);
                }
                (LookupAnswer::EpochEnd(_), Lookup::Epoch(_)) => {
                    subscription.position_holds(partition, *assignment, *leader_epoch);
                }
                _ => {}
            }
            (error, still_asks(subscription, asked))
        });
        if let Some(error) = error {
            self.shared.raise(error);
        }
        if let (LookupAnswer::Offset { position, .. }, Lookup::Offset(_)) = (answer, question)
            && let Some(strike) = self
                .strikes
                .of(partition, *assignment)
                .filter(|strike| strike.count.is_power_of_two())
        {
            let (refused, times) = (strike.refused, strike.count);
            warn!(
                %partition,
                %refused,
                to = %position.offset,
                times,
                "an offset is not in the log: read on from another",
            );
        }
        if let LookupAnswer::Refused(code) = answer {
            if code.needs_metadata_refresh() || code.is_retriable() {
                self.cluster.request_refresh();
            } else {
                let api = if matches!(question, Lookup::Epoch(_)) {
                    "OffsetForLeaderEpoch"
                } else {
                    "ListOffsets"
                };
                self.tell_once(*assignment, *code, rpc::refusal(*code, api, partition));
            }
        }
        if still_asks {
            self.lookups.failed(partition, *assignment, now);
        }
    }

    fn handle_fetched(
        &mut self,
        broker: BrokerId,
        took: Duration,
        result: Result<Fetched>,
        now: Instant,
    ) {
        let fetched = match result {
            Ok(fetched) => fetched,
            Err(error) => {
                debug!(%broker, %error, "fetch failed");
                self.handle_lost(broker, error, now);
                return;
            }
        };
        if let Some(code) = fetched.error {
            debug!(%broker, %code, "fetch refused");
            if code.needs_metadata_refresh() {
                self.cluster.request_refresh();
            }
            self.planner.handle_outcome(broker, outcome(code), now);
            return;
        }
        let bytes = &|| fetched.partitions.iter().map(|partition| partition.records.len()).sum();
        self.shared.observer.tell(ConsumerEvent::Fetched { broker, took, bytes });
        let reply = self.shared.buffer(|buffer| buffer.reply(fetched.size));
        let has_records = fetched.partitions.iter().any(|answer| !answer.records.is_empty());
        let mut seen = Seen::default();
        let mut refused = BTreeSet::new();
        for partition in fetched.partitions {
            // Not asked for, or no more: an answer to nobody.
            let Some(want) = self.planner.asked(broker, &partition.partition) else { continue };
            let name = partition.partition.clone();
            let of_partition = self.handle_partition(broker, want, partition, reply, now);
            if of_partition.is_refused {
                refused.insert(name);
            }
            seen.is_stale |= of_partition.is_stale;
            seen.has_news |= of_partition.has_news;
        }
        if !fetched.is_withheld {
            let answered = self.planner.all_asked(broker).filter(|(tp, _)| !refused.contains(*tp));
            self.shared.fetched_all(answered, !has_records);
        }
        let outcome = FetchOutcome::Answered { session: fetched.session, has_news: seen.has_news };
        self.planner.handle_outcome(broker, outcome, now);
        if !fetched.hints.is_empty() {
            self.cluster.hint_leaders(&fetched.hints);
        } else if seen.is_stale {
            self.cluster.request_refresh();
        }
        self.shared.wake();
    }

    fn handle_lost(&mut self, broker: BrokerId, error: Error, now: Instant) {
        let Some((length, limit)) = BadLength::of(&error) else {
            self.cluster.request_refresh();
            self.planner.handle_outcome(broker, FetchOutcome::Lost, now);
            if error.is_final() {
                self.shared.refuse(error);
            }
            return;
        };
        let Some(partition) = self.planner.handle_outcome(broker, FetchOutcome::TooLong, now)
        else {
            return;
        };
        let Some(want) = self.planner.asked(broker, &partition) else { return };
        let message = format!(
            "the reply with the batch at offset {} takes {length} bytes, and \
             receive.message.max.bytes is {limit}: raise it, or seek past the batch",
            want.offset
        );
        let error = Error::new(ErrorKind::RecordTooLarge, message)
            .in_api("Fetch")
            .at_broker(broker)
            .at_partition(partition.clone());
        self.shared.update(|subscription| {
            subscription.cannot_be_read(&partition, want.assignment, want.offset, error)
        });
        self.shared.wake();
        self.look_at(&partition, now);
    }

    /// Takes what one partition answered.
    fn handle_partition(
        &mut self,
        broker: BrokerId,
        want: Want,
        fetched: FetchedPartition,
        reply: ReplyMemory,
        now: Instant,
    ) -> Seen {
        let partition = fetched.partition.clone();
        if let Some(code) = fetched.error {
            let is_stale = self.handle_refusal(broker, want, &partition, code, now);
            return Seen { is_stale, is_refused: true, has_news: false };
        }
        if let Some(divergence) = fetched.diverging {
            let (error, goes_on) = self.shared.update(|subscription| {
                let error = subscription.truncated(&partition, want.assignment, divergence);
                (error, subscription.snapshot(&partition))
            });
            if let Some(error) = error {
                self.shared.raise(error);
            }
            self.strike(&partition, goes_on, want.offset, now);
            return Seen { is_refused: true, ..Seen::default() };
        }
        self.planner.succeeded(&partition);
        self.strikes.forgive(&partition);
        if let Some(assignment) =
            self.assignments.get(&partition).filter(|assignment| assignment.id() == want.assignment)
        {
            if let Some(id) = want.topic_id {
                assignment.is_of(id);
            }
            if let Some(watermarks) = fetched.watermarks {
                assignment.ends_at(watermarks, watermarks.end(self.settings.isolation));
                let lag = assignment.lag();
                self.shared.observer.tell(ConsumerEvent::Lagging { partition: &partition, lag });
            }
        }
        if let Some(replica) = fetched.preferred.filter(|replica| *replica != broker) {
            // The leader has not looked for records: that there are none says nothing.
            let is_known = self.view.broker(replica).is_some();
            if is_known {
                self.planner.prefer(&partition, replica, now);
            }
            return Seen { is_stale: !is_known, is_refused: true, has_news: false };
        }
        let has_news = !fetched.records.is_empty() && self.take_records(want, fetched, reply, now);
        Seen { is_stale: false, is_refused: false, has_news }
    }

    /// Holds against a partition that its leader has refused an offset.
    fn strike(
        &mut self,
        partition: &TopicPartition,
        goes_on: Option<PartitionSnapshot>,
        refused: Offset,
        now: Instant,
    ) {
        if let Some(snapshot) = goes_on {
            self.strikes.add(partition, snapshot.assignment.id(), refused, now);
        }
    }

    /// True if there was something new.
    ///
    /// The lock is taken twice, with the batches sorted between: that reads all their headers,
    /// which nobody should wait for.
    fn take_records(
        &mut self,
        want: Want,
        fetched: FetchedPartition,
        reply: ReplyMemory,
        now: Instant,
    ) -> bool {
        let partition = &fetched.partition;
        let snapshot = self.shared.read(|subscription| subscription.snapshot(partition));
        let Some(PartitionSnapshot {
            assignment, fetch_state: FetchState::Fetching(position), ..
        }) = snapshot
        else {
            return false;
        };
        if assignment.id() != want.assignment || position.offset != want.offset {
            return false;
        }
        let mut filter =
            filter::sort(fetched.records, position, fetched.aborted, &self.shared.decode);
        if filter.buffered_batches.is_empty() {
            // Bytes without news: asking again at once would get them again.
            self.planner.rest(partition, now);
            return false;
        }
        if let Some(error) = &mut filter.failure {
            *error = error.clone().at_partition(partition.clone());
        }
        let memory = fetched.is_slice.then_some(reply);
        let taken = self.shared.update(|subscription| {
            let is_taken =
                subscription.fetched(partition, want.assignment, want.offset, filter, memory);
            is_taken.then(|| self.snapshot_of(subscription, partition))
        });
        let Some(snapshot) = taken else { return false };
        self.act_on(partition, snapshot, now);
        true
    }

    /// Deals with the error of one partition. True if metadata is stale.
    fn handle_refusal(
        &mut self,
        broker: BrokerId,
        want: Want,
        partition: &TopicPartition,
        code: ErrorCode,
        now: Instant,
    ) -> bool {
        match code {
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                // A follower may lag behind, or have less: only the leader's word resets a
                // position.
                if self.planner.is_follower(broker, partition)
                    && self.planner.unprefer(partition, now)
                {
                    return false;
                }
                let goes_on = self.shared.update(|subscription| {
                    subscription.out_of_range(partition, want.assignment, want.offset);
                    subscription.snapshot(partition)
                });
                self.strike(partition, goes_on, want.offset, now);
                false
            }
            ErrorCode::CORRUPT_MESSAGE => {
                // Told in its place, behind what is buffered.
                let error = rpc::refusal(code, "Fetch", partition);
                self.shared.update(|subscription| {
                    subscription.cannot_be_read(partition, want.assignment, want.offset, error)
                });
                false
            }
            _ => {
                self.planner.rest(partition, now);
                if !code.is_retriable() && !code.needs_metadata_refresh() {
                    self.tell_once(want.assignment, code, rpc::refusal(code, "Fetch", partition));
                }
                code.needs_metadata_refresh() || code.is_retriable()
            }
        }
    }

    fn tell_once(&mut self, assignment: AssignmentEpoch, code: ErrorCode, error: Error) {
        if self.told.insert((assignment, code)) {
            self.shared.raise(error);
        }
    }
}

/// What an answer showed.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Metadata is stale.
    is_stale: bool,
    /// It is not of the place that was asked for.
    is_refused: bool,
    /// It had records that were not known.
    has_news: bool,
}

/// Whether an answer has left a partition with the same question.
fn still_asks(subscription: &Subscription, asked: &PendingLookup) -> bool {
    subscription.snapshot(&asked.partition).is_some_and(|snapshot| {
        match (snapshot.fetch_state, asked.question) {
            (FetchState::Resetting(to), Lookup::Offset(asked)) => to == asked,
            (FetchState::Validating(position), Lookup::Epoch(asked)) => position == asked,
            _ => false,
        }
    })
}

fn outcome(code: ErrorCode) -> FetchOutcome {
    match code {
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND => FetchOutcome::SessionNotFound,
        ErrorCode::INVALID_FETCH_SESSION_EPOCH
        | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
        | ErrorCode::INCONSISTENT_TOPIC_ID
        | ErrorCode::UNKNOWN_TOPIC_ID => FetchOutcome::SessionRefused,
        _ => FetchOutcome::Lost,
    }
}
