//! Decides which batches go to which broker, in which order, and what becomes of each.
//!
//! One machine per producer. It hears that batches were opened, closed and sealed, who leads which partition, how requests
//! ended, and the time; it never sees a record. What it wants done it says by [`Action`]s:
//!
//! ```text
//!  opened ─▶ queue (super::accumulator) ─Close─▶ sealed ─Send─▶ flights (super::sequence) ─Resolve─▶ gone
//!                     ▲                                              │   ▲
//!                     └────────── to be numbered anew ◀──────────────┘   └── Split, then sent as parts
//! ```
//!
//! A request carries the first batch of every partition that is ready at its broker. What a poll costs depends on what is
//! ready ([`super::ready`]), not on how many partitions there are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use super::accumulator::{BatchId, Head, Patience, Queue};
use super::adaptive::{Adaptive, AdaptiveBatching};
use super::ready::{PartitionIndex, Place, Ready};
use super::sequence::{Effect, Ending, Identity, Sequences, Stamp};
use crate::clock::Random;
use crate::cluster::Backoff;
use crate::error::{Error, ErrorCode, ErrorKind, Written};
use crate::ids::{BrokerId, LeaderEpoch, Offset, Timestamp};

/// The settings that the machine obeys; named after Kafka's properties.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) is_idempotent: bool,
    pub(super) linger: Duration,
    /// Decides in place of `linger`.
    pub(super) adaptive: Option<AdaptiveBatching>,
    pub(super) delivery_timeout: Duration,
    pub(super) retries: u32,
    pub(super) answered_retries: u32,
    /// The pause before whatever is tried again.
    pub(super) backoff: Backoff,
    pub(super) max_in_flight: usize,
    pub(super) max_request_size: usize,
}

/// Numbers the requests of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RequestId(pub(super) u64);

/// Names a call of `flush`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FlushId(pub(super) u64);

/// Who leads a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leader {
    pub(super) broker: BrokerId,
    pub(super) epoch: Option<LeaderEpoch>,
}

/// What the machine wants done.
#[derive(Debug)]
pub(super) enum Action {
    /// Take the open batch from its partition and seal it; answer with `handle_sealed`.
    Close { partition: PartitionIndex, batch: BatchId },
    /// Send these batches in one request, and note when it leaves; answer with `handle_answers`.
    Send { request: RequestId, broker: BrokerId, batches: Vec<Outgoing>, departure: Departure },
    /// Seal the batch again as smaller ones; answer with `handle_split`.
    Split { partition: PartitionIndex, batch: BatchId },
    /// Tell those who wait for the records of the batch, which may still be open, and free its memory.
    Resolve { partition: PartitionIndex, batch: BatchId, verdict: Verdict },
    /// Ask any broker for a producer id; answer with `handle_producer_id`.
    AskProducerId,
    /// What is known of leaders is stale.
    RefreshMetadata,
    /// End every attempt at a broker by closing the connection: another leads by now, and it does not answer.
    HangUp(BrokerId),
    /// Every batch that `handle_flush` knew has its verdict.
    Flushed(FlushId),
}

/// Which batches of a request have been given to a connection: before, nobody can have got them, and they can be withdrawn.
///
/// One atomic of each, since the request is made while the sender decides: it either leaves or is withdrawn.
#[derive(Clone, Debug)]
pub(super) struct Departure(Arc<[AtomicU8]>);

const WAITING: u8 = 0;
const LEFT: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Departure {
    fn of(batches: usize) -> Self {
        Self((0..batches).map(|_| AtomicU8::new(WAITING)).collect())
    }

    /// A batch, by its place, is given to a connection. False if it must not be any more.
    pub(super) fn leave(&self, place: usize) -> bool {
        self.settle(place, LEFT)
    }

    /// A batch is given up. False if it has left.
    fn withdraw(&self, place: usize) -> bool {
        self.settle(place, WITHDRAWN)
    }

    fn settle(&self, place: usize, as_: u8) -> bool {
        let Some(batch) = self.0.get(place) else { return false };
        let before = batch.compare_exchange(WAITING, as_, Ordering::Relaxed, Ordering::Relaxed);
        before.is_ok() || before == Err(as_)
    }

    fn has_left(&self) -> bool {
        self.0.iter().any(|batch| batch.load(Ordering::Relaxed) == LEFT)
    }
}

/// A batch within a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) partition: PartitionIndex,
    pub(super) batch: BatchId,
    pub(super) stamp: Option<Stamp>,
}

/// What became of the records of a batch.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// They are in the log; without an offset when the broker did not say which.
    Written { base_offset: Option<Offset>, append_time: Option<Timestamp> },
    /// They are not, or may not be: `error` says which. `records` are those with an error of their own (KIP-467).
    Failed { error: Error, records: Vec<(u32, Error)> },
}

/// What a broker, or the way to it, answered about one batch.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The batch is in the log, now or since an earlier attempt.
    Written {
        base_offset: Option<Offset>,
        append_time: Option<Timestamp>,
    },
    /// Another attempt may succeed.
    Retry {
        error: Error,
        written: Written,
        is_leader_stale: bool,
    },
    /// No other attempt would succeed.
    Failed {
        error: Error,
        written: Written,
        records: Vec<(u32, Error)>,
    },
    TooLarge(Error),
    /// What should come before is missing, or the producer id is unknown.
    OutOfSequence(Error),
    /// A later epoch of the producer id exists.
    Fenced(Error),
}

#[derive(Debug)]
pub(super) struct Sender {
    settings: Settings,
    random: Random,
    now: Instant,
    partitions: Vec<Partition>,
    /// Every batch without a verdict.
    batches: BTreeMap<BatchId, Batch>,
    deadlines: BTreeSet<(Instant, BatchId)>,
    ready: Ready,
    adaptive: Option<Adaptive>,
    requests: BTreeMap<RequestId, Request>,
    next_request: u64,
    producer: Producer,
    /// How often an id was asked for since a batch was acknowledged.
    id_asked: u32,
    /// Why there was none.
    id_trouble: Option<Error>,
    due_up_to: Option<u64>,
    flushes: VecDeque<(u64, FlushId)>,
    newest_birth: Option<u64>,
    is_refresh_asked: bool,
    /// When requests that are not answered are looked at next.
    next_look: Instant,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
struct Partition {
    queue: Queue,
    sequences: Sequences,
    leader: Option<Leader>,
    place: Place,
    /// What went wrong since a batch was acknowledged last.
    trouble: Option<Error>,
    /// How often since then a new leader has ended a pause.
    moves: u32,
}

#[derive(Debug)]
struct Batch {
    partition: PartitionIndex,
    count: u32,
    /// Bytes in a request.
    size: usize,
    deadline: Instant,
    failures: u32,
    /// Those that a broker answered with an error of the batch, as its leader.
    answered: u32,
}

#[derive(Debug)]
struct Request {
    broker: BrokerId,
    batches: Vec<(PartitionIndex, BatchId)>,
    sent: Instant,
    departure: Departure,
}

/// What is known of the producer's identity.
#[derive(Debug)]
enum Producer {
    NotNeeded,
    Asked,
    AskAgain { at: Instant },
    Known(Identity),
    Refused(Error),
}

/// What a partition could do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    AwaitEvent,
    AwaitTime(Instant),
    AwaitLeader,
    Close(BatchId),
    Begin(BatchId),
    Resend(BatchId),
}

impl Sender {
    pub(super) fn new(settings: Settings, random: Random, now: Instant) -> Self {
        let mut actions = VecDeque::new();
        let producer = if settings.is_idempotent {
            actions.push_back(Action::AskProducerId);
            Producer::Asked
        } else {
            Producer::NotNeeded
        };
        Self {
            ready: Ready::new(settings.max_in_flight),
            adaptive: settings.adaptive.map(|targets| Adaptive::new(targets, now)),
            settings,
            random,
            now,
            partitions: Vec::new(),
            batches: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            requests: BTreeMap::new(),
            next_request: 0,
            producer,
            id_asked: 1,
            id_trouble: None,
            due_up_to: None,
            flushes: VecDeque::new(),
            newest_birth: None,
            is_refresh_asked: false,
            next_look: now,
            actions,
        }
    }

    /// Makes room for a partition that the producer has met; its index is the number of those before it.
    pub(super) fn add_partition(&mut self, leader: Option<Leader>) -> PartitionIndex {
        let index = u32::try_from(self.partitions.len()).unwrap_or(u32::MAX);
        let window = u64::try_from(self.settings.max_in_flight).unwrap_or(u64::MAX);
        let sequences = Sequences::new(self.settings.is_idempotent, window);
        let queue = Queue::default();
        self.partitions.push(Partition { queue, sequences, leader, place: Place::Nowhere, trouble: None, moves: 0 });
        PartitionIndex(index)
    }

    /// A batch has got its first record, some time ago.
    pub(super) fn handle_opened(&mut self, partition: PartitionIndex, batch: BatchId, since: Instant, now: Instant) {
        self.now = now;
        let deadline = since + self.settings.delivery_timeout;
        self.newest_birth = self.newest_birth.max(Some(batch.birth));
        self.batches.insert(batch, Batch { partition, count: 0, size: 0, deadline, failures: 0, answered: 0 });
        self.deadlines.insert((deadline, batch));
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.handle_records(0, now);
        }
        if let Producer::Refused(error) = &self.producer {
            let error = error.clone();
            return self.resolve(batch, Verdict::Failed { error, records: Vec::new() });
        }
        if let Some(state) = self.partition(partition) {
            state.queue.opened(batch, since);
        }
        self.look_at(partition);
    }

    /// A batch holds a record that does not wait for company.
    pub(super) fn handle_hurry(&mut self, partition: PartitionIndex, batch: BatchId, now: Instant) {
        self.now = now;
        if let Some(state) = self.partition(partition) {
            state.queue.hurry(batch);
        }
        self.look_at(partition);
    }

    /// A batch takes no more records; it is being sealed.
    pub(super) fn handle_closed(&mut self, batch: BatchId, now: Instant) {
        self.now = now;
        let Some(partition) = self.batches.get(&batch).map(|known| known.partition) else { return };
        if let Some(state) = self.partition(partition) {
            state.queue.closed(batch);
        }
        self.look_at(partition);
    }

    /// A batch is ready for the wire. `false` if it is not wanted any more.
    pub(super) fn handle_sealed(&mut self, batch: BatchId, count: u32, size: usize, now: Instant) -> bool {
        self.now = now;
        let Some(known) = self.batches.get_mut(&batch) else { return false };
        known.count = count;
        known.size = size;
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.handle_records(count, now);
        }
        let partition = known.partition;
        if let Some(state) = self.partition(partition) {
            state.queue.sealed(batch);
        }
        self.look_at(partition);
        true
    }

    /// A batch could not be sealed, or split.
    pub(super) fn handle_unfit(&mut self, batch: BatchId, error: Error, now: Instant) {
        self.now = now;
        let Some(partition) = self.batches.get(&batch).map(|known| known.partition) else { return };
        self.give_up(batch, error, false);
        self.look_at(partition);
    }

    /// A partition has no leader, and why.
    pub(super) fn handle_leaderless(&mut self, partition: PartitionIndex, code: ErrorCode, now: Instant) {
        if let Some(state) = self.partition(partition) {
            state.trouble = Some(Error::broker(code).in_api("Metadata"));
        }
        self.handle_leader(partition, None, now);
    }

    /// The leader of a partition is another one, or its epoch is.
    pub(super) fn handle_leader(&mut self, partition: PartitionIndex, leader: Option<Leader>, now: Instant) {
        self.now = now;
        let Some(state) = self.partitions.get_mut(index(partition)) else { return };
        if state.leader != leader {
            state.leader = leader;
            self.next_look = now;
            // Leaders that come and go with every attempt do not make it spin.
            if leader.is_some() && state.moves < QUICK_MOVES {
                state.moves += 1;
                state.sequences.end_backoff();
            }
            self.look_at(partition);
        }
    }

    /// A request has ended, with an answer for each of its batches in order; a missing one counts as not known.
    pub(super) fn handle_answers(&mut self, request: RequestId, answers: Vec<Answer>, now: Instant) {
        self.now = now;
        let Some(Request { broker, batches, sent, .. }) = self.requests.remove(&request) else { return };
        self.ready.ended(broker);
        let mut answers = answers.into_iter();
        for (partition, batch) in batches {
            let answer = answers.next().unwrap_or_else(|| Answer::Retry {
                error: Error::new(ErrorKind::Protocol, "the reply does not mention the partition"),
                written: Written::Maybe,
                is_leader_stale: false,
            });
            self.handle_answer(broker, partition, batch, answer);
        }
        if let Some(adaptive) = &mut self.adaptive {
            for partition in adaptive.handle_reply(broker, sent, now) {
                self.look_at(partition);
            }
        }
    }

    /// The parts of a split batch, each with its count and size. `false` if they are not wanted any more.
    pub(super) fn handle_split(&mut self, batch: BatchId, parts: &[(BatchId, u32, usize)], now: Instant) -> bool {
        self.now = now;
        let Some(whole) = self.batches.remove(&batch) else { return false };
        let Batch { partition, deadline, .. } = whole;
        self.deadlines.remove(&(deadline, batch));
        for &(part, count, size) in parts {
            let (failures, answered) = (whole.failures, whole.answered);
            self.batches.insert(part, Batch { partition, count, size, deadline, failures, answered });
            self.deadlines.insert((deadline, part));
        }
        let parts: Vec<_> = parts.iter().map(|&(part, count, _)| (part, count)).collect();
        if let Some(state) = self.partition(partition) {
            state.sequences.replace(batch, &parts);
        }
        self.look_at(partition);
        true
    }

    /// What became of [`Action::AskProducerId`].
    pub(super) fn handle_producer_id(&mut self, result: Result<Identity, Error>, now: Instant) {
        self.now = now;
        match result {
            Ok(identity) => {
                self.id_trouble = None;
                self.producer = Producer::Known(identity);
            }
            Err(error) if !is_last_word(&error) => {
                self.id_trouble = Some(error);
                return self.ask_producer_id();
            }
            Err(error) => {
                self.producer = Producer::Refused(error.clone());
                return self.fail_all(&error);
            }
        }
        for index in 0..self.partitions.len() {
            self.look_at(PartitionIndex(u32::try_from(index).unwrap_or(u32::MAX)));
        }
    }

    /// Everything accepted so far is due; [`Action::Flushed`] tells when all of it has its verdict.
    pub(super) fn handle_flush(&mut self, flush: FlushId, now: Instant) {
        self.handle_pressure(now);
        match self.newest_birth {
            Some(newest) => self.flushes.push_back((newest, flush)),
            None => self.actions.push_back(Action::Flushed(flush)),
        }
        self.end_flushes();
    }

    /// Everything accepted so far is due: somebody waits for memory, or for a flush.
    pub(super) fn handle_pressure(&mut self, now: Instant) {
        self.now = now;
        if self.due_up_to == self.newest_birth {
            return;
        }
        // Those born up to then are due already.
        let first = self.due_up_to.map_or(0, |up_to| up_to.saturating_add(1));
        self.due_up_to = self.newest_birth;
        let younger = self.batches.range(BatchId::born(first)..).map(|(_, batch)| batch);
        let waiting: BTreeSet<_> = younger.filter(|batch| batch.count == 0).map(|batch| batch.partition).collect();
        for partition in waiting {
            self.look_at(partition);
        }
    }

    /// Gives up everything: the producer is closed.
    pub(super) fn handle_close(&mut self, error: &Error, now: Instant) {
        self.now = now;
        self.fail_all(error);
    }

    /// Call when [`Sender::poll_timeout`] has come.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.deadlines.first().is_some_and(|(deadline, _)| *deadline <= now) {
            let departed = self.under_way();
            while let Some(&(deadline, batch)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
                self.deadlines.remove(&(deadline, batch));
                self.expire(batch, has_left(&departed, batch));
            }
        }
        while let Some(partition) = self.ready.next_due(now) {
            if let Some(state) = self.partitions.get_mut(index(partition)) {
                self.ready.put(partition, &mut state.place, Place::Nowhere);
            }
            self.look_at(partition);
        }
        if let Producer::AskAgain { at } = self.producer
            && at <= now
        {
            self.ask_producer_id_now();
        }
        if self.silence_ends().is_some_and(|at| at <= now) {
            self.look_at_silence();
        }
    }

    /// When the oldest request will have been silent for long, or is to be looked at again.
    fn silence_ends(&self) -> Option<Instant> {
        let (_, oldest) = self.requests.first_key_value()?;
        Some((oldest.sent + SILENCE).max(self.next_look))
    }

    /// A broker that is silent may have been replaced: metadata tells, and then nobody waits for its answer.
    fn look_at_silence(&mut self) {
        self.next_look = self.now + SILENCE;
        self.refresh_metadata();
        if !self.settings.is_idempotent {
            // What goes to the next leader then could be there twice.
            return;
        }
        let silent = self.requests.values().filter(|request| request.sent + SILENCE <= self.now);
        let left_behind = silent.filter(|request| {
            let leaders = request.batches.iter().filter_map(|(partition, _)| self.partitions.get(index(*partition))?.leader);
            leaders.into_iter().any(|leader| leader.broker != request.broker)
        });
        let brokers: BTreeSet<_> = left_behind.map(|request| request.broker).collect();
        self.actions.extend(brokers.into_iter().map(Action::HangUp));
    }

    /// Brokers that could take nothing more for so long, and when to ask again (KIP-794): there is no connection, or as many requests are
    /// on their way as may be.
    pub(super) fn stuck(&self, timeout: Duration, now: Instant) -> (BTreeSet<BrokerId>, Option<Instant>) {
        let mut last_sent = BTreeMap::new();
        for request in self.requests.values() {
            let (since, waits) = last_sent.entry(request.broker).or_insert((request.sent, false));
            if !request.departure.has_left() && !*waits {
                (*since, *waits) = (request.sent, true);
            } else if !*waits {
                *since = request.sent;
            }
        }
        let blocked = last_sent.into_iter().filter(|(broker, (_, waits))| *waits || self.ready.is_full(*broker));
        let (late, early): (Vec<_>, Vec<_>) =
            blocked.map(|(broker, (since, _))| (broker, since + timeout)).partition(|(_, end)| *end <= now);
        (late.into_iter().map(|(broker, _)| broker).collect(), early.into_iter().map(|(_, end)| end).min())
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(deadline, _)| *deadline);
        let ask = match self.producer {
            Producer::AskAgain { at } => Some(at),
            _ => None,
        };
        [deadline, ask, self.ready.timeout(), self.silence_ends()].into_iter().flatten().min()
    }

    /// Whether every batch has its verdict.
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The next thing to do, until `None`. Carry each out before asking for the next.
    pub(super) fn poll(&mut self) -> Option<Action> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                if matches!(action, Action::RefreshMetadata) {
                    self.is_refresh_asked = false;
                }
                return Some(action);
            }
            let broker = self.ready.next_broker()?;
            self.serve(broker);
        }
    }

    /// Closes what is due at a broker; once that is sealed, makes a request of what is ready there.
    fn serve(&mut self, broker: BrokerId) {
        let patience = self.patience(Some(broker));
        let round = self.ready.round(broker);
        let mut closed = Vec::new();
        for &partition in &round {
            let Some(state) = self.partitions.get_mut(index(partition)) else { continue };
            if let Step::Close(batch) = step(state, &self.producer, patience, self.now) {
                state.queue.closed(batch);
                self.actions.push_back(Action::Close { partition, batch });
                closed.push(partition);
            }
        }
        if closed.is_empty() {
            return self.send(broker, round);
        }
        for partition in closed {
            self.look_at(partition);
        }
    }

    fn send(&mut self, broker: BrokerId, round: Vec<PartitionIndex>) {
        let mut size = 0;
        let mut batches = Vec::with_capacity(round.len());
        for partition in round {
            let patience = self.patience(Some(broker));
            let Some(state) = self.partitions.get_mut(index(partition)) else { continue };
            let next = step(state, &self.producer, patience, self.now);
            let (Step::Begin(batch) | Step::Resend(batch)) = next else {
                self.look_at(partition);
                continue;
            };
            let Some(known) = self.batches.get(&batch) else { continue };
            if !batches.is_empty() && size + known.size > self.settings.max_request_size {
                break;
            }
            size += known.size;
            let stamp = if let Step::Begin(_) = next {
                state.queue.take(batch);
                state.sequences.begin(batch, known.count, broker, self.producer.identity())
            } else {
                state.sequences.resend(batch, broker)
            };
            batches.push(Outgoing { partition, batch, stamp });
        }
        let Some(last) = batches.last().map(|last| last.partition) else { return };
        self.ready.sent(broker, last);
        let request = RequestId(self.next_request);
        self.next_request += 1;
        let carried = batches.iter().map(|outgoing| (outgoing.partition, outgoing.batch)).collect();
        let departure = Departure::of(batches.len());
        self.requests.insert(request, Request { broker, batches: carried, sent: self.now, departure: departure.clone() });
        for outgoing in &batches {
            self.look_at(outgoing.partition);
        }
        self.actions.push_back(Action::Send { request, broker, batches, departure });
    }

    fn handle_answer(&mut self, broker: BrokerId, partition: PartitionIndex, batch: BatchId, answer: Answer) {
        let (failures, attempts_left) = match self.batches.get_mut(&batch) {
            Some(known) => {
                known.failures += u32::from(!matches!(answer, Answer::Written { .. }));
                known.answered +=
                    u32::from(matches!(&answer, Answer::Retry { error, is_leader_stale: false, .. } if error.code().is_some()));
                let has_attempts = known.failures <= self.settings.retries && known.answered <= self.settings.answered_retries;
                (known.failures, has_attempts)
            }
            None => (1, false),
        };
        if let Answer::Retry { is_leader_stale: true, .. } = answer {
            self.refresh_metadata();
        }
        let backoff = self.settings.backoff.after(failures, &mut self.random);
        let now = self.now;
        let ending = ending(&answer, attempts_left);
        if matches!(answer, Answer::Written { .. }) {
            self.id_asked = 0;
        }
        let Some(state) = self.partition(partition) else { return };
        if matches!(answer, Answer::Written { .. }) {
            state.moves = 0;
        }
        state.trouble = answer.error().map(|error| error.clone().at_broker(broker));
        // A leader that became known meanwhile is worth a try at once (KIP-951).
        let has_moved = state.moves < QUICK_MOVES && state.leader.is_some_and(|leader| leader.broker != broker);
        let retry_at = if has_moved { now } else { now + backoff };
        let effect = state.sequences.end(batch, ending, retry_at);
        match (effect, answer) {
            (Effect::Forgotten | Effect::Retry, _) => {}
            (Effect::Acknowledged, Answer::Written { base_offset, append_time }) => {
                self.resolve(batch, Verdict::Written { base_offset, append_time });
            }
            (Effect::Acknowledged, _) => self.resolve(batch, Verdict::Written { base_offset: None, append_time: None }),
            (Effect::Split, _) => self.actions.push_back(Action::Split { partition, batch }),
            (Effect::Failed(written), answer) => {
                let records = match &answer {
                    Answer::Failed { records, .. } => records.clone(),
                    _ => Vec::new(),
                };
                let error = answer.error().cloned().unwrap_or_else(|| Error::new(ErrorKind::Protocol, "failed without an error"));
                self.resolve(batch, Verdict::Failed { error: error.with_written(written), records });
            }
        }
        self.look_at(partition);
    }

    fn expire(&mut self, batch: BatchId, has_left: bool) {
        let Some(partition) = self.batches.get(&batch).map(|known| known.partition) else { return };
        let limit = self.settings.delivery_timeout.as_millis();
        let mut message = format!("not acknowledged within {limit} ms (delivery.timeout.ms)");
        let cause = self.cause(partition, batch);
        if let Some(cause) = cause.as_ref().filter(|cause| cause.code().is_none()) {
            message = format!("{message}: {cause}");
        }
        let mut error = Error::new(ErrorKind::Timeout, message);
        if let Some(cause) = cause {
            error = error.caused_by(cause);
        }
        self.give_up(batch, error, has_left);
        self.look_at(partition);
    }

    /// Why a batch has not been acknowledged, as far as that is known.
    fn cause(&self, partition: PartitionIndex, batch: BatchId) -> Option<Error> {
        let state = self.partitions.get(index(partition))?;
        if let Some(trouble) = &state.trouble {
            return Some(trouble.clone());
        }
        let asks = matches!(self.producer, Producer::Asked | Producer::AskAgain { .. });
        if let Some(trouble) = self.id_trouble.as_ref().filter(|_| asks) {
            return Some(trouble.clone().context("there is no producer id"));
        }
        let Some(Leader { broker, .. }) = state.leader else { return Some(Error::broker(ErrorCode::LEADER_NOT_AVAILABLE)) };
        let silent = || Error::new(ErrorKind::Timeout, "the broker has not answered").at_broker(broker);
        (asks || !state.queue.has(batch)).then(silent)
    }

    fn fail_all(&mut self, error: &Error) {
        let departed = self.under_way();
        let batches: Vec<_> = self.batches.iter().map(|(batch, known)| (*batch, known.partition)).collect();
        for (batch, partition) in batches {
            self.give_up(batch, error.clone(), has_left(&departed, batch));
            self.look_at(partition);
        }
    }

    /// Fails a batch wherever it is.
    fn give_up(&mut self, batch: BatchId, error: Error, has_left: bool) {
        let Some(partition) = self.batches.get(&batch).map(|known| known.partition) else { return };
        let Some(state) = self.partition(partition) else { return };
        let in_flight = if state.queue.remove(batch) { None } else { state.sequences.expire(batch, has_left) };
        let error = error.with_written(in_flight.unwrap_or(Written::No));
        self.resolve(batch, Verdict::Failed { error, records: Vec::new() });
    }

    /// The batches of all requests that are under way, and whether they have left.
    fn under_way(&self) -> BTreeMap<BatchId, (Departure, usize)> {
        let placed = |request: &Request| {
            let departure = request.departure.clone();
            request
                .batches
                .iter()
                .enumerate()
                .map(move |(place, (_, batch))| (*batch, (departure.clone(), place)))
                .collect::<Vec<_>>()
        };
        self.requests.values().flat_map(placed).collect()
    }

    /// Asks for an id once a pause has passed, unless there was progress since it was asked for last.
    fn ask_producer_id(&mut self) {
        if self.id_asked == 0 {
            return self.ask_producer_id_now();
        }
        let at = self.now + self.settings.backoff.after(self.id_asked, &mut self.random);
        self.producer = Producer::AskAgain { at };
    }

    fn ask_producer_id_now(&mut self) {
        self.id_asked = self.id_asked.saturating_add(1);
        self.producer = Producer::Asked;
        self.actions.push_back(Action::AskProducerId);
    }

    fn resolve(&mut self, batch: BatchId, verdict: Verdict) {
        let Some(known) = self.batches.remove(&batch) else { return };
        self.deadlines.remove(&(known.deadline, batch));
        self.actions.push_back(Action::Resolve { partition: known.partition, batch, verdict });
        self.end_flushes();
    }

    fn end_flushes(&mut self) {
        let oldest = self.batches.first_key_value().map(|(batch, _)| batch.birth);
        while let Some(&(up_to, flush)) = self.flushes.front() {
            if oldest.is_some_and(|oldest| oldest <= up_to) {
                break;
            }
            self.flushes.pop_front();
            self.actions.push_back(Action::Flushed(flush));
        }
    }

    /// Finds out what a partition waits for, and notes it.
    fn look_at(&mut self, partition: PartitionIndex) {
        let leader = self.partitions.get(index(partition)).and_then(|state| state.leader);
        let patience = self.patience(leader.map(|leader| leader.broker));
        let Some(state) = self.partitions.get_mut(index(partition)) else { return };
        for batch in state.sequences.take_renumbered() {
            state.queue.put_back(batch);
        }
        if let Producer::Known(identity) = self.producer
            && state.sequences.wants_other_id(identity)
        {
            self.ask_producer_id();
        }
        let Some(state) = self.partitions.get_mut(index(partition)) else { return };
        let next = step(state, &self.producer, patience, self.now);
        let place = match (next, state.leader) {
            (Step::AwaitTime(time), _) => Place::Until(time),
            (Step::AwaitLeader, _) => match state.place {
                already @ Place::Until(_) => already,
                // Whoever finds one tells; until then it is asked for now and then.
                _ => Place::Until(self.now + self.settings.backoff.least().max(LEADER_POLL)),
            },
            (Step::Close(_) | Step::Begin(_) | Step::Resend(_), Some(leader)) => Place::At(leader.broker),
            (Step::AwaitEvent | Step::Close(_) | Step::Begin(_) | Step::Resend(_), _) => Place::Nowhere,
        };
        if let (Step::AwaitTime(_), Some(leader), Some(adaptive)) = (next, leader, &mut self.adaptive) {
            adaptive.handle_waiting(leader.broker, partition);
        }
        let asks = next == Step::AwaitLeader && state.place != place;
        self.ready.put(partition, &mut state.place, place);
        if asks {
            self.refresh_metadata();
        }
    }

    fn refresh_metadata(&mut self) {
        if !self.is_refresh_asked {
            self.is_refresh_asked = true;
            self.actions.push_back(Action::RefreshMetadata);
        }
    }

    fn partition(&mut self, partition: PartitionIndex) -> Option<&mut Partition> {
        self.partitions.get_mut(index(partition))
    }

    /// How long open batches wait whose partition that broker leads.
    fn patience(&self, leader: Option<BrokerId>) -> Patience {
        let due_up_to = self.due_up_to;
        match (&self.adaptive, leader) {
            (Some(adaptive), Some(broker)) => {
                let wait = adaptive.wait(broker, self.ready.is_busy(broker));
                Patience { linger: wait.linger, for_reply: wait.for_reply, due_up_to }
            }
            _ => Patience { linger: self.settings.linger, for_reply: None, due_up_to },
        }
    }

    /// How long a batch lingers, and whether it waits for replies instead: set, or decided for now.
    pub(super) fn linger(&self) -> (Duration, bool) {
        match &self.adaptive {
            Some(adaptive) => (adaptive.linger(), adaptive.waits_for_replies()),
            None => (self.settings.linger, false),
        }
    }
}

impl Producer {
    fn identity(&self) -> Option<Identity> {
        match self {
            Self::Known(identity) => Some(*identity),
            _ => None,
        }
    }
}

impl Answer {
    fn error(&self) -> Option<&Error> {
        match self {
            Self::Written { .. } => None,
            Self::Retry { error, .. }
            | Self::Failed { error, .. }
            | Self::TooLarge(error)
            | Self::OutOfSequence(error)
            | Self::Fenced(error) => Some(error),
        }
    }
}

/// What the first batches of a partition wait for. Retries come before what is new.
fn step(partition: &Partition, producer: &Producer, patience: Patience, now: Instant) -> Step {
    let head = partition.queue.head(patience);
    if head == Head::Nothing && partition.sequences.is_empty() {
        return Step::AwaitEvent;
    }
    let Some(Leader { broker, .. }) = partition.leader else { return Step::AwaitLeader };
    match partition.sequences.next_resend(broker) {
        Some((_, Some(not_before))) if not_before > now => return Step::AwaitTime(not_before),
        Some((batch, _)) => return Step::Resend(batch),
        None => {}
    }
    if !partition.sequences.may_begin(broker, producer.identity()) {
        return Step::AwaitEvent;
    }
    if let Some(until) = partition.sequences.paused_until(now) {
        return Step::AwaitTime(until);
    }
    match head {
        Head::Open { due, .. } if due > now => Step::AwaitTime(due),
        Head::Open { batch, .. } => Step::Close(batch),
        Head::Sealed(batch) => Step::Begin(batch),
        Head::Nothing | Head::Sealing => Step::AwaitEvent,
    }
}

/// Withdraws a batch that is given up, if its request is still to be made.
fn has_left(under_way: &BTreeMap<BatchId, (Departure, usize)>, batch: BatchId) -> bool {
    under_way.get(&batch).is_some_and(|(departure, place)| !departure.withdraw(*place))
}

fn ending(answer: &Answer, attempts_left: bool) -> Ending {
    match answer {
        Answer::Written { .. } => Ending::Written,
        Answer::Retry { written: Written::No, .. } if attempts_left => Ending::NotWritten,
        Answer::Retry { .. } if attempts_left => Ending::Unknown,
        Answer::Retry { written, .. } | Answer::Failed { written, .. } => match written {
            Written::No => Ending::Refused,
            _ => Ending::Abandoned,
        },
        Answer::TooLarge(_) => Ending::TooLarge,
        Answer::OutOfSequence(_) | Answer::Fenced(_) if !attempts_left => Ending::Refused,
        Answer::OutOfSequence(_) => Ending::OutOfSequence,
        Answer::Fenced(_) => Ending::Fenced,
    }
}

/// Whether asking another broker for a producer id, or later, would end the same way. What is no Kafka at all is one address of many.
pub(super) fn is_last_word(error: &Error) -> bool {
    let is_answer = error.code().is_some() && !error.is_retriable();
    is_answer || error.is_refusal() || matches!(error.kind(), ErrorKind::Closed | ErrorKind::Unsupported)
}

/// How long a request goes unanswered before the client asks whether its broker still leads (a guess: rare while brokers are well).
const SILENCE: Duration = Duration::from_secs(2);

/// How often in a row a new leader is tried at once (a guess: an election seldom takes more).
const QUICK_MOVES: u32 = 3;

/// How often a leader is asked for that the cluster does not name (Kafka's `retry.backoff.ms`).
const LEADER_POLL: Duration = Duration::from_millis(100);

fn index(partition: PartitionIndex) -> usize {
    usize::try_from(partition.0).unwrap_or(usize::MAX)
}
