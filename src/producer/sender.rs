//! Decides which batches go to which broker, in which order, and what becomes of each.
//!
//! One machine per producer. It hears that batches were opened, closed and sealed, who leads which
//! partition, how requests ended, and the time; it never sees a record. What it wants done it says
//! by [`Action`]s:
//!
//! ```text
//!  opened ─▶ queue (batch_queue) ─Close─▶ sealed ─Send─▶ flights (super::sender::sequence) ─Resolve─▶ gone
//!                     ▲                                              │   ▲
//!                     └────────── to be numbered anew ◀──────────────┘   └── Split, then sent as parts
//! ```
//!
//! A request carries the first batch of every partition that is ready at its broker. What a poll
//! costs depends on what is ready ([`ready`]), not on how many partitions there are.

mod action;
pub(super) mod adaptive_linger;
mod admission;
mod answering;
pub(super) mod batch_queue;
mod departure;
mod giving_up;
mod identity;
pub(super) mod ready;
pub(super) mod sequence;
mod serving;
mod silence;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

pub(super) use self::action::{
    Action, Answer, Leader, Outgoing, RequestId, SenderSettings, Verdict, is_last_word,
};
use self::adaptive_linger::Adaptive;
pub(crate) use self::admission::TransactionNumber;
use self::admission::{Admission, Membership};
use self::batch_queue::{BatchId, BatchQueue, DueRule, Head};
pub(super) use self::departure::Departure;
use self::giving_up::has_left;
use self::identity::ProducerIdState;
use self::ready::{PartitionIndex, PartitionReadiness, Ready};
use self::sequence::{EpochOwner, Sequences};
use self::serving::step;
use crate::clock::Random;
use crate::error::{Error, ErrorCode, ErrorKind, Written};
use crate::ids::BrokerId;

#[derive(Debug)]
pub(super) struct Sender {
    settings: SenderSettings,
    random: Random,
    now: Instant,
    partitions: Vec<PartitionSender>,
    /// Every batch without a verdict.
    batches: BTreeMap<BatchId, ProducerBatch>,
    deadlines: BTreeSet<(Instant, BatchId)>,
    ready: Ready,
    adaptive: Option<Adaptive>,
    requests: BTreeMap<RequestId, InflightProduce>,
    next_request: u64,
    producer: ProducerIdState,
    admission: Admission,
    /// How often an id was asked for since a batch was acknowledged.
    id_asked: u32,
    /// Why there was none.
    id_trouble: Option<Error>,
    due_up_to: Option<u64>,
    newest_seq: Option<u64>,
    is_refresh_asked: bool,
    /// When requests that are not answered are looked at next.
    next_look: Instant,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
struct PartitionSender {
    queue: BatchQueue,
    sequences: Sequences,
    leader: Option<Leader>,
    membership: Membership,
    place: PartitionReadiness,
    /// What went wrong since a batch was acknowledged last.
    trouble: Option<Error>,
    /// How often since then a new leader has ended a pause.
    moves: u32,
    delivery_timeout: Duration,
}

#[derive(Debug)]
struct ProducerBatch {
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
struct InflightProduce {
    broker: BrokerId,
    batches: Vec<(PartitionIndex, BatchId)>,
    sent: Instant,
    departure: Departure,
}

/// What a partition could do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextStep {
    AwaitEvent,
    AwaitTime(Instant),
    AwaitLeader,
    Close(BatchId),
    Begin(BatchId),
    Resend(BatchId),
}

impl Sender {
    pub(super) fn new(settings: SenderSettings, random: Random, now: Instant) -> Self {
        let mut actions = VecDeque::new();
        let producer = match settings.epochs {
            Some(EpochOwner::Partition) => {
                actions.push_back(Action::AskProducerId);
                ProducerIdState::Asked
            }
            // It comes with the first transaction.
            Some(EpochOwner::Coordinator) => ProducerIdState::Asked,
            None => ProducerIdState::NotNeeded,
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
            admission: Admission::default(),
            id_asked: 1,
            id_trouble: None,
            due_up_to: None,
            newest_seq: None,
            is_refresh_asked: false,
            next_look: now,
            actions,
        }
    }

    /// Makes room for a partition that the producer has met, whose records may have a time of their
    /// own; its index is the number of those before it.
    pub(super) fn add_partition(
        &mut self,
        leader: Option<Leader>,
        delivery_timeout: Option<Duration>,
    ) -> PartitionIndex {
        let index = u32::try_from(self.partitions.len()).unwrap_or(u32::MAX);
        let window = u64::try_from(self.settings.max_in_flight).unwrap_or(u64::MAX);
        let sequences = Sequences::new(self.settings.epochs, window);
        let queue = BatchQueue::default();
        self.partitions.push(PartitionSender {
            queue,
            sequences,
            leader,
            membership: Membership::default(),
            place: PartitionReadiness::Nowhere,
            trouble: None,
            moves: 0,
            delivery_timeout: delivery_timeout.unwrap_or(self.settings.delivery_timeout),
        });
        PartitionIndex(index)
    }

    /// A batch has got its first record, some time ago.
    pub(super) fn handle_opened(
        &mut self,
        partition: PartitionIndex,
        batch: BatchId,
        since: Instant,
        now: Instant,
    ) {
        self.now = now;
        let deadline = since + self.delivery_timeout(partition);
        self.newest_seq = self.newest_seq.max(Some(batch.seq));
        self.batches.insert(
            batch,
            ProducerBatch { partition, count: 0, size: 0, deadline, failures: 0, answered: 0 },
        );
        self.deadlines.insert((deadline, batch));
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.handle_records(0, now);
        }
        if let ProducerIdState::Refused(error) = &self.producer {
            let error = error.clone();
            return self.resolve(batch, Verdict::Failed { error, records: Vec::new() });
        }
        if let Some(state) = self.partition(partition) {
            state.queue.opened(batch, since);
        }
        self.announce(partition);
        self.refresh_readiness(partition);
    }

    /// A batch holds a record that does not wait for company.
    pub(super) fn handle_expedite(
        &mut self,
        partition: PartitionIndex,
        batch: BatchId,
        now: Instant,
    ) {
        self.now = now;
        if let Some(state) = self.partition(partition) {
            state.queue.expedite(batch);
        }
        self.refresh_readiness(partition);
    }

    /// A batch takes no more records; it is being sealed.
    pub(super) fn handle_closed(&mut self, batch: BatchId, now: Instant) {
        self.now = now;
        let Some(partition) = self.batches.get(&batch).map(|known| known.partition) else { return };
        if let Some(state) = self.partition(partition) {
            state.queue.closed(batch);
        }
        self.refresh_readiness(partition);
    }

    /// A batch is ready for the wire. `false` if it is not wanted any more.
    pub(super) fn handle_sealed(
        &mut self,
        batch: BatchId,
        count: u32,
        size: usize,
        now: Instant,
    ) -> bool {
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
        self.refresh_readiness(partition);
        true
    }

    /// A batch could not be sealed, or split.
    pub(super) fn handle_unfit(&mut self, batch: BatchId, error: Error, now: Instant) {
        self.now = now;
        let Some(partition) = self.batches.get(&batch).map(|known| known.partition) else { return };
        self.give_up(batch, error, false);
        self.refresh_readiness(partition);
    }

    /// A partition has no leader, and why.
    pub(super) fn handle_leaderless(
        &mut self,
        partition: PartitionIndex,
        code: ErrorCode,
        now: Instant,
    ) {
        if let Some(state) = self.partition(partition) {
            state.trouble = Some(Error::broker(code).in_api("Metadata"));
        }
        self.handle_leader(partition, None, now);
    }

    /// The leader of a partition is another one, or its epoch is.
    pub(super) fn handle_leader(
        &mut self,
        partition: PartitionIndex,
        leader: Option<Leader>,
        now: Instant,
    ) {
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
            self.refresh_readiness(partition);
        }
    }

    /// A request has ended, with an answer for each of its batches in order; a missing one counts
    /// as not known.
    pub(super) fn handle_answers(
        &mut self,
        request: RequestId,
        answers: Vec<Answer>,
        now: Instant,
    ) {
        self.now = now;
        let Some(InflightProduce { broker, batches, sent, .. }) = self.requests.remove(&request)
        else {
            return;
        };
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
                self.refresh_readiness(partition);
            }
        }
    }

    /// The parts of a split batch, each with its count and size. `false` if they are not wanted any
    /// more.
    pub(super) fn handle_split(
        &mut self,
        batch: BatchId,
        parts: &[(BatchId, u32, usize)],
        now: Instant,
    ) -> bool {
        self.now = now;
        let Some(whole) = self.batches.remove(&batch) else { return false };
        let ProducerBatch { partition, deadline, .. } = whole;
        self.deadlines.remove(&(deadline, batch));
        for &(part, count, size) in parts {
            let (failures, answered) = (whole.failures, whole.answered);
            self.batches.insert(
                part,
                ProducerBatch { partition, count, size, deadline, failures, answered },
            );
            self.deadlines.insert((deadline, part));
        }
        let parts: Vec<_> = parts.iter().map(|&(part, count, _)| (part, count)).collect();
        if let Some(state) = self.partition(partition) {
            state.sequences.replace(batch, &parts);
        }
        self.refresh_readiness(partition);
        true
    }

    /// Everything accepted so far is due. All of it has its verdict when [`Sender::oldest`] is
    /// greater than what this returns.
    pub(super) fn handle_flush(&mut self, now: Instant) -> Option<u64> {
        self.handle_memory_exhausted(now);
        self.newest_seq
    }

    /// The sequence number, in the order of acceptance, of the oldest batch that has no verdict.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.batches.first_key_value().map(|(batch, _)| batch.seq)
    }

    /// Everything accepted so far is due: somebody waits for memory, or for a flush.
    pub(super) fn handle_memory_exhausted(&mut self, now: Instant) {
        self.now = now;
        if self.due_up_to == self.newest_seq {
            return;
        }
        // Those opened up to then are due already.
        let first = self.due_up_to.map_or(0, |up_to| up_to.saturating_add(1));
        self.due_up_to = self.newest_seq;
        let younger = self.batches.range(BatchId::unsplit(first)..).map(|(_, batch)| batch);
        let waiting: BTreeSet<_> =
            younger.filter(|batch| batch.count == 0).map(|batch| batch.partition).collect();
        for partition in waiting {
            self.refresh_readiness(partition);
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
            while let Some(&(deadline, batch)) =
                self.deadlines.first().filter(|(deadline, _)| *deadline <= now)
            {
                self.deadlines.remove(&(deadline, batch));
                self.expire(batch, has_left(&departed, batch));
            }
        }
        while let Some(partition) = self.ready.next_due(now) {
            if let Some(state) = self.partitions.get_mut(index(partition)) {
                self.ready.put(partition, &mut state.place, PartitionReadiness::Nowhere);
            }
            self.refresh_readiness(partition);
        }
        if let ProducerIdState::AskAgain { at } = self.producer
            && at <= now
        {
            self.ask_producer_id_now();
        }
        if self.silence_ends().is_some_and(|at| at <= now) {
            self.check_silence();
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(deadline, _)| *deadline);
        let ask = match self.producer {
            ProducerIdState::AskAgain { at } => Some(at),
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

    /// Finds out what a partition waits for, and notes it.
    fn refresh_readiness(&mut self, partition: PartitionIndex) {
        let leader = self.partitions.get(index(partition)).and_then(|state| state.leader);
        let due_rule = self.due_rule(leader.map(|leader| leader.broker));
        let Some(state) = self.partitions.get_mut(index(partition)) else { return };
        for batch in state.sequences.take_renumbered() {
            state.queue.put_back(batch);
        }
        if let ProducerIdState::Known(identity) = self.producer
            && state.sequences.wants_other_id(identity)
        {
            self.ask_producer_id();
        }
        let Some(state) = self.partitions.get_mut(index(partition)) else { return };
        let next = step(state, &self.producer, &self.admission, due_rule, self.now);
        let place = match (next, state.leader) {
            (NextStep::AwaitTime(time), _) => PartitionReadiness::Until(time),
            (NextStep::AwaitLeader, _) => match state.place {
                already @ PartitionReadiness::Until(_) => already,
                // Whoever finds one tells; until then it is asked for now and then.
                _ => PartitionReadiness::Until(
                    self.now + self.settings.backoff.least().max(LEADER_POLL),
                ),
            },
            (NextStep::Close(_) | NextStep::Begin(_) | NextStep::Resend(_), Some(leader)) => {
                PartitionReadiness::At(leader.broker)
            }
            (
                NextStep::AwaitEvent
                | NextStep::Close(_)
                | NextStep::Begin(_)
                | NextStep::Resend(_),
                _,
            ) => PartitionReadiness::Nowhere,
        };
        if let (NextStep::AwaitTime(_), Some(leader), Some(adaptive)) =
            (next, leader, &mut self.adaptive)
        {
            adaptive.handle_waiting(leader.broker, partition);
        }
        let asks = next == NextStep::AwaitLeader && state.place != place;
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

    fn delivery_timeout(&self, partition: PartitionIndex) -> Duration {
        let state = self.partitions.get(index(partition));
        state.map_or(self.settings.delivery_timeout, |state| state.delivery_timeout)
    }

    fn partition(&mut self, partition: PartitionIndex) -> Option<&mut PartitionSender> {
        self.partitions.get_mut(index(partition))
    }

    /// How long open batches wait whose partition that broker leads.
    fn due_rule(&self, leader: Option<BrokerId>) -> DueRule {
        let due_up_to = self.due_up_to;
        match (&self.adaptive, leader) {
            (Some(adaptive), Some(broker)) => {
                let wait = adaptive.wait(broker, self.ready.is_busy(broker));
                DueRule { linger: wait.linger, for_reply: wait.for_reply, due_up_to }
            }
            _ => DueRule { linger: self.settings.linger, for_reply: None, due_up_to },
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

/// How often in a row a new leader is tried at once (a guess: an election seldom takes more).
const QUICK_MOVES: u32 = 3;

/// How often a leader is asked for that the cluster does not name (Kafka's `retry.backoff.ms`).
const LEADER_POLL: Duration = Duration::from_millis(100);

fn index(partition: PartitionIndex) -> usize {
    usize::try_from(partition.0).unwrap_or(usize::MAX)
}
