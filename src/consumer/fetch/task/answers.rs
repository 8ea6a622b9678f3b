//! What the fetcher makes of answers.

use std::collections::BTreeMap;
use std::time::Instant;

use tracing::{debug, warn};

use super::{Event, Fetcher, is_final};
use crate::consumer::fetch::buffer::Memory;
use crate::consumer::fetch::intake;
use crate::consumer::fetch::lookup::{Ask, Asked, Question};
use crate::consumer::fetch::planner::Outcome;
use crate::consumer::fetch::rpc::{self, Answer, Fetched, FetchedPartition};
use crate::consumer::fetch::session::Want;
use crate::consumer::position::{LeaseId, Phase};
use crate::consumer::subscription::Standing;
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{BrokerId, Offset, TopicPartition};
use crate::net::BadLength;

impl Fetcher {
    pub(super) fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Fetched { broker, result } => self.handle_fetched(broker, result, now),
            Event::Answered { ask, result } => self.handle_answers(&ask, result, now),
            Event::Decoded => self.decoders -= 1,
        }
    }

    fn handle_answers(&mut self, ask: &Ask, result: Result<Vec<(TopicPartition, Answer)>>, now: Instant) {
        let answers: BTreeMap<_, _> = match result {
            Ok(answers) => answers.into_iter().collect(),
            Err(error) => {
                debug!(broker = %ask.broker, %error, "lookup failed");
                self.cluster.request_refresh();
                if is_final(&error) {
                    self.shared.refuse(error);
                }
                BTreeMap::new()
            }
        };
        for asked in &ask.questions {
            match answers.get(&asked.partition) {
                Some(answer) => self.handle_answer(asked, answer, now),
                // A partition that the reply leaves out is asked for again.
                None => self.lookups.failed(&asked.partition, asked.lease, now),
            }
        }
    }

    fn handle_answer(&mut self, asked: &Asked, answer: &Answer, now: Instant) {
        let Asked { partition, lease, question, leader_epoch } = asked;
        let error = self.shared.update(|subscription| match (answer, question) {
            (Answer::Offset { position, .. }, Question::Offset(_)) => {
                subscription.offset_found(partition, *lease, *position);
                None
            }
            (Answer::NoOffset, Question::Offset(_)) => {
                subscription.offset_not_found(partition, *lease);
                None
            }
            (Answer::EpochEnd(Some(end)), Question::Epoch(position)) if end.offset < position.offset => {
                subscription.truncated(partition, *lease, *end)
            }
            (Answer::EpochEnd(_), Question::Epoch(_)) => {
                subscription.position_holds(partition, *lease, *leader_epoch);
                None
            }
            _ => None,
        });
        if let Some(error) = error {
            self.shared.raise(error);
        }
        if let (Answer::Offset { position, .. }, Question::Offset(_)) = (answer, question)
            && let Some(strike) = self.strikes.of(partition, *lease).filter(|strike| strike.count.is_power_of_two())
        {
            let (refused, times) = (strike.refused, strike.count);
            warn!(%partition, %refused, to = %position.offset, times, "an offset is not in the log: read on from another");
        }
        if let Answer::Refused(code) = answer {
            if code.needs_metadata_refresh() || code.is_retriable() {
                self.cluster.request_refresh();
            } else {
                let api = if matches!(question, Question::Epoch(_)) { "OffsetForLeaderEpoch" } else { "ListOffsets" };
                self.tell_once(*lease, *code, rpc::refusal(*code, api, partition));
            }
        }
        if self.still_asks(asked) {
            self.lookups.failed(partition, *lease, now);
        }
    }

    /// Whether an answer has left a partition with the same question.
    fn still_asks(&self, asked: &Asked) -> bool {
        let standing = self.shared.read(|subscription| subscription.standing(&asked.partition));
        standing.is_some_and(|standing| match (standing.phase, asked.question) {
            (Phase::Resetting(to), Question::Offset(asked)) => to == asked,
            (Phase::Validating(position), Question::Epoch(asked)) => position == asked,
            _ => false,
        })
    }

    fn handle_fetched(&mut self, broker: BrokerId, result: Result<Fetched>, now: Instant) {
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
        self.shared.telemetry.fetched(|| fetched.partitions.iter().map(|partition| partition.records.len()).sum());
        let reply = self.shared.buffer(|buffer| buffer.reply(fetched.size));
        let mut seen = Seen::default();
        for partition in fetched.partitions {
            // Not asked for, or no more: an answer to nobody.
            let Some(want) = self.planner.asked(broker, &partition.partition) else { continue };
            let of_partition = self.handle_partition(broker, want, partition, reply, now);
            seen.is_stale |= of_partition.is_stale;
            seen.has_news |= of_partition.has_news;
        }
        let outcome = Outcome::Answered { session: fetched.session, has_news: seen.has_news };
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
            self.planner.handle_outcome(broker, Outcome::Lost, now);
            if is_final(&error) {
                self.shared.refuse(error);
            }
            return;
        };
        let Some(partition) = self.planner.handle_outcome(broker, Outcome::TooLong, now) else { return };
        let Some(want) = self.planner.asked(broker, &partition) else { return };
        let message = format!(
            "the reply with the batch at offset {} takes {length} bytes, and receive.message.max.bytes is {limit}: raise it, or seek \
             past the batch",
            want.offset
        );
        let error =
            Error::new(ErrorKind::RecordTooLarge, message).in_api("Fetch").at_broker(broker).at_partition(partition.clone());
        self.shared.update(|subscription| subscription.cannot_be_read(&partition, want.lease, want.offset, error));
        self.shared.wake();
        self.look_at(&partition, now);
    }

    /// Takes what one partition answered.
    fn handle_partition(&mut self, broker: BrokerId, want: Want, fetched: FetchedPartition, reply: Memory, now: Instant) -> Seen {
        let partition = fetched.partition.clone();
        if let Some(code) = fetched.error {
            let is_stale = self.handle_refusal(broker, want, &partition, code, now);
            return Seen { is_stale, has_news: false };
        }
        if let Some(divergence) = fetched.diverging {
            if let Some(error) = self.shared.update(|subscription| subscription.truncated(&partition, want.lease, divergence)) {
                self.shared.raise(error);
            }
            self.strike(&partition, want.offset, now);
            return Seen::default();
        }
        self.planner.succeeded(&partition);
        self.strikes.forgive(&partition);
        if let Some(lease) = self.leases.get(&partition).filter(|lease| lease.id() == want.lease) {
            if let Some(id) = want.topic_id {
                lease.is_of(id);
            }
            if let Some(end) = fetched.end {
                lease.ends_at(end);
                self.shared.telemetry.lags(&partition, lease.lag());
            }
        }
        if let Some(replica) = fetched.preferred.filter(|replica| *replica != broker) {
            if self.view.broker(replica).is_some() {
                self.planner.prefer(&partition, replica, now);
            } else {
                return Seen { is_stale: true, has_news: false };
            }
        }
        let has_news = !fetched.records.is_empty() && self.take_records(want, fetched, reply, now);
        Seen { is_stale: false, has_news }
    }

    /// Holds against a partition that its leader has refused an offset.
    fn strike(&mut self, partition: &TopicPartition, refused: Offset, now: Instant) {
        if let Some(standing) = self.shared.read(|subscription| subscription.standing(partition)) {
            self.strikes.add(partition, standing.lease.id(), refused, now);
        }
    }

    /// True if there was something new.
    fn take_records(&mut self, want: Want, fetched: FetchedPartition, reply: Memory, now: Instant) -> bool {
        let partition = &fetched.partition;
        let standing = self.shared.read(|subscription| subscription.standing(partition));
        let Some(Standing { lease, phase: Phase::Fetching(position), .. }) = standing else { return false };
        if lease.id() != want.lease || position.offset != want.offset {
            return false;
        }
        let mut intake = intake::sort(fetched.records, position, fetched.aborted, &self.shared.decode);
        if intake.pieces.is_empty() {
            // Bytes without news: asking again at once would get them again.
            self.planner.rest(partition, now);
            return false;
        }
        if let Some(error) = &mut intake.failure {
            *error = error.clone().at_partition(partition.clone());
        }
        let memory = fetched.is_slice.then_some(reply);
        let is_taken =
            self.shared.update(|subscription| subscription.fetched(partition, want.lease, want.offset, intake, memory));
        if is_taken {
            self.look_at(partition, now);
        }
        is_taken
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
                // A follower may lag behind, or have less: only the leader's word resets a position.
                if self.planner.is_follower(broker, partition) && self.planner.unprefer(partition, now) {
                    return false;
                }
                self.shared.update(|subscription| subscription.out_of_range(partition, want.lease, want.offset));
                self.strike(partition, want.offset, now);
                false
            }
            ErrorCode::CORRUPT_MESSAGE => {
                // Told in its place, behind what is buffered.
                let error = rpc::refusal(code, "Fetch", partition);
                self.shared.update(|subscription| subscription.cannot_be_read(partition, want.lease, want.offset, error));
                false
            }
            _ => {
                self.planner.rest(partition, now);
                if !code.is_retriable() && !code.needs_metadata_refresh() {
                    self.tell_once(want.lease, code, rpc::refusal(code, "Fetch", partition));
                }
                code.needs_metadata_refresh() || code.is_retriable()
            }
        }
    }

    fn tell_once(&mut self, lease: LeaseId, code: ErrorCode, error: Error) {
        if self.told.insert((lease, code)) {
            self.shared.raise(error);
        }
    }
}

/// What an answer showed.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Metadata is stale.
    is_stale: bool,
    /// It had records that were not known.
    has_news: bool,
}

fn outcome(code: ErrorCode) -> Outcome {
    match code {
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND => Outcome::SessionNotFound,
        ErrorCode::INVALID_FETCH_SESSION_EPOCH
        | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
        | ErrorCode::INCONSISTENT_TOPIC_ID
        | ErrorCode::UNKNOWN_TOPIC_ID => Outcome::SessionRefused,
        _ => Outcome::Lost,
    }
}
