//! The sequences of one partition: which batches are with the broker, under which identity, and
//! what the end of an attempt means.
//!
//! A broker appends a batch of an idempotent producer only if its first sequence follows the last
//! one it has of that producer id and epoch, or if it knows no such producer; it recognises the
//! last five batches as duplicates (`ProducerStateManager`). Everything here follows from that:
//!
//! ```text
//!             begin                     end: may succeed later
//!  (sealed) ────────▶ Sent ───────────────────────────────────▶ Idle ──▶ resend ──▶ Sent …
//!                      │                                          │
//!                      ├─ acknowledged ─▶ gone                    ├─ draining, all certainly not written ─▶ back to the queue
//!                      ├─ refused, expired ─▶ gone, draining      └─ expired ─▶ gone, draining
//!                      └─ too large ─▶ Splitting ─▶ Idle, Idle    draining, nothing left ─▶ next epoch, sequence 0
//! ```
//!
//! The sequence rules, by the letters that tests name (`docs/dev/sequence-rules.md`): (a) a
//! sequence is kept on every retry; (b) one in flight until one is acknowledged; (c) nothing to a
//! new leader before all at the old one have ended; (d) what may be written is never numbered anew;
//! (e) one that expires fails alone and the epoch rises; (f) a split batch's parts share its
//! sequences; (g) a duplicate is a success.
//!
//! Whose the epoch is, [`EpochOwner`] says. An idempotent producer's belongs to the partition: a gap
//! in one partition raises the epoch of that partition alone, since only its leader compares. A
//! transactional producer's is the coordinator's to raise: after a gap the partition waits until the
//! producer has another one, which it has when the transaction has been aborted. With
//! `enable.idempotence=false` the same batches fly without stamps and no gap matters.
//!
//! It does not know time limits, sizes or brokers' load: [`crate::producer::sender`] does.

use std::collections::VecDeque;
use std::time::Instant;

use super::batch_queue::BatchId;
use crate::error::Written;
use crate::ids::{BrokerId, ProducerEpoch, ProducerId, Sequence};

/// Who writes: a producer id and one of its epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) struct ProducerIdAndEpoch {
    pub(in crate::producer) id: ProducerId,
    pub(in crate::producer) epoch: ProducerEpoch,
}

/// What the header of a batch says about who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) struct SequenceStamp {
    pub(in crate::producer) identity: ProducerIdAndEpoch,
    pub(in crate::producer) base: Sequence,
}

/// The batches of one partition that have been sent at least once and have no verdict yet, in
/// order.
#[derive(Debug)]
pub(in crate::producer) struct Sequences {
    numbering: Numbering,
    owner: EpochOwner,
    flights: VecDeque<Flight>,
    /// How many more batches than the oldest one in flight may have been begun.
    window: u64,
    next_ordinal: u64,
    /// Attempts that have not ended, those of batches that were given up included.
    live: usize,
    /// Attempts so far.
    departures: u64,
    /// Where the last attempt went.
    at: Option<BrokerId>,
    /// Whether that broker has acknowledged a batch of the present identity, and not been lost
    /// sight of since: it may have started anew without its logs.
    is_confirmed: bool,
    /// Nothing new begins before: an identity was given up under which nothing was acknowledged.
    paused_until: Option<Instant>,
}

/// Who raises the epoch after a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) enum EpochOwner {
    /// The partition itself, for itself.
    Partition,
    /// The transaction coordinator, between transactions and for all partitions.
    Coordinator,
}

#[derive(Debug)]
enum Numbering {
    /// The producer is not idempotent.
    Off,
    /// The next batch takes the producer's identity, unless it is the one used up here.
    Unset {
        spent: Option<ProducerIdAndEpoch>,
    },
    Steady {
        identity: ProducerIdAndEpoch,
        next: Sequence,
    },
    /// A sequence was given and will not be written: nothing new begins until all that is in flight
    /// has ended.
    Draining {
        identity: ProducerIdAndEpoch,
        then: AfterDraining,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterDraining {
    RaiseEpoch,
    TakeNewId,
}

#[derive(Debug)]
struct Flight {
    batch: BatchId,
    count: u32,
    stamp: Option<SequenceStamp>,
    state: FlightState,
    /// An attempt has ended without saying whether it was written.
    is_doubtful: bool,
    /// A later batch is in the log: a broker that had forgotten the producer took it. This one can
    /// be there before it, or not at all.
    is_overtaken: bool,
    /// Counts the batches begun: the broker recognises the last five.
    ordinal: u64,
    /// Counts the attempts of the partition: which one was this batch's last.
    departed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlightState {
    Sent,
    Idle { not_before: Option<Instant> },
    Splitting,
}

/// How an attempt to write a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) enum AttemptEnd {
    /// The batch is in the log.
    Written,
    /// This attempt wrote nothing; another one may succeed.
    NotWritten,
    /// Nobody knows whether this attempt wrote the batch.
    Unknown,
    /// This attempt wrote nothing, and no other one would.
    Refused,
    /// Nobody knows whether this attempt wrote the batch, and no other one will.
    Abandoned,
    /// This attempt wrote nothing because the batch is too large.
    TooLarge,
    /// The broker misses what comes before the batch, or does not know the producer.
    OutOfSequence,
    /// The broker knows a later epoch of the producer id.
    Fenced,
}

/// What becomes of a batch after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) enum Effect {
    /// It had its verdict before.
    Forgotten,
    Acknowledged,
    Retry,
    Split,
    Failed(Written),
}

impl ProducerIdAndEpoch {
    /// The next epoch, unless the id is used up: Java, too, leaves the last epoch unused.
    fn raised(self) -> Option<Self> {
        let epoch = self.epoch.0.checked_add(1).filter(|epoch| *epoch < i16::MAX)?;
        Some(Self { id: self.id, epoch: ProducerEpoch(epoch) })
    }
}

impl Flight {
    /// Whether it may still go under another identity: it is not in the log, nor is anything after
    /// it.
    fn may_be_renumbered(&self) -> bool {
        matches!(self.state, FlightState::Idle { .. }) && !self.is_doubtful && !self.is_overtaken
    }
}

impl Sequences {
    /// `window` is how many batches may be with the broker at a time.
    ///
    /// `owner` is whose the epoch is; `None` for a producer that is not idempotent.
    pub(in crate::producer) fn new(owner: Option<EpochOwner>, window: u64) -> Self {
        let numbering = match owner {
            Some(_) => Numbering::Unset { spent: None },
            None => Numbering::Off,
        };
        Self {
            numbering,
            owner: owner.unwrap_or(EpochOwner::Partition),
            flights: VecDeque::new(),
            window,
            next_ordinal: 0,
            live: 0,
            departures: 0,
            at: None,
            is_confirmed: false,
            paused_until: None,
        }
    }

    /// Gives a batch its first attempt and its sequence, which it keeps on every retry (rule a).
    ///
    /// Call only where [`Sequences::may_begin`].
    pub(in crate::producer) fn begin(
        &mut self,
        batch: BatchId,
        count: u32,
        broker: BrokerId,
        producer: Option<ProducerIdAndEpoch>,
    ) -> Option<SequenceStamp> {
        if let Some(identity) = producer.filter(|producer| self.takes_identity(*producer)) {
            self.numbering = Numbering::Steady { identity, next: Sequence::ZERO };
            self.is_confirmed = false;
        }
        let stamp = match &mut self.numbering {
            Numbering::Steady { identity, next } => {
                let base = *next;
                *next = next.advance(count);
                Some(SequenceStamp { identity: *identity, base })
            }
            _ => None,
        };
        let ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        let departed = self.depart(broker);
        self.flights.push_back(Flight {
            batch,
            count,
            stamp,
            state: FlightState::Sent,
            is_doubtful: false,
            is_overtaken: false,
            ordinal,
            departed,
        });
        stamp
    }

    /// Sends the batch of [`Sequences::next_resend`] again.
    pub(in crate::producer) fn resend(
        &mut self,
        batch: BatchId,
        broker: BrokerId,
    ) -> Option<SequenceStamp> {
        let at = self.flights.iter().position(|flight| flight.batch == batch)?;
        let departed = self.depart(broker);
        let flight = self.flights.get_mut(at)?;
        flight.state = FlightState::Sent;
        flight.departed = departed;
        flight.stamp
    }

    /// Takes note of the end of an attempt; the batch may be sent again from `retry_at`.
    pub(in crate::producer) fn end(
        &mut self,
        batch: BatchId,
        ending: AttemptEnd,
        retry_at: Instant,
    ) -> Effect {
        self.live = self.live.saturating_sub(1);
        let found = self
            .flights
            .iter()
            .position(|flight| flight.batch == batch && flight.state == FlightState::Sent);
        let effect = match found {
            Some(at) => self.end_flight(at, ending, retry_at),
            None => Effect::Forgotten,
        };
        self.finish_draining();
        effect
    }

    /// Gives a batch up because its time is over, alone (rule e); `None` if it is not in flight.
    /// `has_left`: its present attempt is on a connection.
    pub(in crate::producer) fn expire(
        &mut self,
        batch: BatchId,
        has_left: bool,
    ) -> Option<Written> {
        let at = self.flights.iter().position(|flight| flight.batch == batch)?;
        let flight = self.flights.remove(at)?;
        let may_be_written = flight.is_doubtful || (flight.state == FlightState::Sent && has_left);
        let written = if may_be_written { Written::Maybe } else { Written::No };
        self.drain(AfterDraining::RaiseEpoch);
        self.finish_draining();
        Some(written)
    }

    /// Puts the parts of a split batch in its place: they share its sequences (rule f).
    pub(in crate::producer) fn replace(&mut self, batch: BatchId, parts: &[(BatchId, u32)]) {
        let Some(at) = self
            .flights
            .iter()
            .position(|flight| flight.batch == batch && flight.state == FlightState::Splitting)
        else {
            return;
        };
        let Some(whole) = self.flights.remove(at) else { return };
        let mut base = whole.stamp.map(|stamp| stamp.base);
        let more = u64::try_from(parts.len()).unwrap_or(u64::MAX).saturating_sub(1);
        for later in self.flights.iter_mut().skip(at) {
            later.ordinal += more;
        }
        self.next_ordinal += more;
        for (index, &(batch, count)) in parts.iter().enumerate() {
            let stamp = whole.stamp.zip(base).map(|(stamp, base)| SequenceStamp { base, ..stamp });
            base = base.map(|base| base.advance(count));
            let ordinal = whole.ordinal + u64::try_from(index).unwrap_or(u64::MAX);
            let state = FlightState::Idle { not_before: None };
            let part = Flight { batch, count, stamp, state, ordinal, ..whole };
            self.flights.insert(at + index, part);
        }
    }

    /// Takes out what must be numbered anew, once all of it may: nothing of it was written, nor
    /// anything that comes after it (rules d, e).
    pub(in crate::producer) fn take_renumbered(&mut self) -> Vec<BatchId> {
        let is_draining = matches!(self.numbering, Numbering::Draining { .. });
        if !is_draining || self.live > 0 || !self.flights.iter().all(Flight::may_be_renumbered) {
            return Vec::new();
        }
        let taken = self.flights.drain(..).map(|flight| flight.batch).collect();
        self.finish_draining();
        taken
    }

    /// Lets retries go at once: the leader they were waiting for has changed.
    pub(in crate::producer) fn end_backoff(&mut self) {
        for flight in &mut self.flights {
            if let FlightState::Idle { not_before } = &mut flight.state {
                *not_before = None;
            }
        }
    }

    /// Whether a batch may have its first attempt, at this broker.
    pub(in crate::producer) fn may_begin(
        &self,
        broker: BrokerId,
        producer: Option<ProducerIdAndEpoch>,
    ) -> bool {
        if !self.may_depart(broker)
            || self.flights.iter().any(|flight| flight.state != FlightState::Sent)
        {
            return false;
        }
        let oldest = self.flights.front().map_or(self.next_ordinal, |flight| flight.ordinal);
        match &self.numbering {
            Numbering::Unset { .. } => {
                producer.is_some_and(|producer| self.takes_identity(producer))
            }
            Numbering::Steady { .. } if producer.is_some_and(|it| self.takes_identity(it)) => {
                self.live == 0 && self.flights.is_empty()
            }
            Numbering::Off | Numbering::Steady { .. } => self.next_ordinal - oldest < self.window,
            Numbering::Draining { .. } => false,
        }
    }

    /// Whether the next batch begins anew, at sequence 0 of the producer's identity.
    fn takes_identity(&self, producer: ProducerIdAndEpoch) -> bool {
        match (&self.numbering, self.owner) {
            (Numbering::Unset { spent: None }, _) => true,
            (Numbering::Unset { spent: Some(spent) }, EpochOwner::Partition) => {
                spent.id != producer.id
            }
            (Numbering::Unset { spent: Some(spent) }, EpochOwner::Coordinator) => {
                *spent != producer
            }
            (Numbering::Steady { identity, .. }, EpochOwner::Coordinator) => *identity != producer,
            _ => false,
        }
    }

    /// The batch to send again next at this broker, and from when on.
    pub(in crate::producer) fn next_resend(
        &self,
        broker: BrokerId,
    ) -> Option<(BatchId, Option<Instant>)> {
        let oldest = self.flights.front()?.ordinal;
        let is_draining = matches!(self.numbering, Numbering::Draining { .. });
        let keeps_its_number = |flight: &&Flight| !(is_draining && flight.may_be_renumbered());
        let flight = self
            .flights
            .iter()
            .filter(keeps_its_number)
            .find(|flight| flight.state != FlightState::Sent)?;
        let FlightState::Idle { not_before } = flight.state else { return None };
        let may = self.may_depart(broker) && flight.ordinal - oldest < self.window;
        may.then_some((flight.batch, not_before))
    }

    /// Whether the producer's identity is of no use here, so that it needs a new id.
    pub(in crate::producer) fn wants_other_id(&self, producer: ProducerIdAndEpoch) -> bool {
        self.owner == EpochOwner::Partition
            && matches!(&self.numbering, Numbering::Unset { spent: Some(spent) } if spent.id == producer.id)
    }

    /// Whether a sequence was given under this identity that will never be written, so that nothing
    /// more can be.
    pub(in crate::producer) fn has_gap(&self, producer: ProducerIdAndEpoch) -> bool {
        match self.numbering {
            Numbering::Draining { identity, .. } => identity == producer,
            Numbering::Unset { spent } => spent == Some(producer),
            Numbering::Off | Numbering::Steady { .. } => false,
        }
    }

    /// When something new may begin, if that is not now.
    pub(in crate::producer) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| *until > now)
    }

    pub(in crate::producer) fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// Nothing goes to a new leader before every attempt at the old one has ended (rule c), and no
    /// second batch to a leader that has acknowledged none (rule b): it takes any first sequence of
    /// a producer that it does not know. In a transaction it may: the first batch would then be
    /// refused for ever, and the transaction aborted.
    fn may_depart(&self, broker: BrokerId) -> bool {
        let is_known = self.is_confirmed
            || self.owner == EpochOwner::Coordinator
            || matches!(self.numbering, Numbering::Off);
        self.live == 0 || (self.at == Some(broker) && is_known)
    }

    /// Counts an attempt; gives its number.
    fn depart(&mut self, broker: BrokerId) -> u64 {
        if self.at != Some(broker) {
            self.at = Some(broker);
            self.is_confirmed = false;
        }
        self.live += 1;
        self.departures += 1;
        self.departures
    }

    fn end_flight(&mut self, at: usize, ending: AttemptEnd, retry_at: Instant) -> Effect {
        let departed = self.flights.get(at).map(|flight| flight.departed);
        let has_overtaken =
            self.flights.iter().take(at).all(|earlier| Some(earlier.departed) < departed);
        let is_draining = matches!(self.numbering, Numbering::Draining { .. });
        // What will be numbered anew does not come before it any more.
        let has_earlier = self
            .flights
            .iter()
            .take(at)
            .any(|earlier| !(is_draining && earlier.may_be_renumbered()));
        let Some(flight) = self.flights.get_mut(at) else { return Effect::Forgotten };
        match ending {
            AttemptEnd::Written => {
                let identity = flight.stamp.map(|stamp| stamp.identity);
                self.flights.remove(at);
                if identity.is_some() {
                    self.flights
                        .iter_mut()
                        .take(at)
                        .for_each(|earlier| earlier.is_overtaken = true);
                }
                if matches!(self.numbering, Numbering::Steady { identity: present, .. } if Some(present) == identity)
                {
                    self.is_confirmed = true;
                }
                Effect::Acknowledged
            }
            AttemptEnd::NotWritten => {
                flight.state = FlightState::Idle { not_before: Some(retry_at) };
                Effect::Retry
            }
            AttemptEnd::Unknown => {
                flight.state = FlightState::Idle { not_before: Some(retry_at) };
                flight.is_doubtful = true;
                self.is_confirmed = false;
                Effect::Retry
            }
            // In doubt, too: what is too large now was so before. Its parts stay in doubt, so that
            // they are never numbered anew.
            AttemptEnd::TooLarge if flight.count > 1 => {
                flight.state = FlightState::Splitting;
                Effect::Split
            }
            AttemptEnd::TooLarge | AttemptEnd::Refused => {
                self.fail(at, false, AfterDraining::RaiseEpoch)
            }
            AttemptEnd::Abandoned => self.fail(at, true, AfterDraining::RaiseEpoch),
            AttemptEnd::OutOfSequence if has_earlier => {
                // What it misses is on its way again, before it; or has yet to arrive, and then
                // this one would overtake it again and again without a pause.
                flight.state = FlightState::Idle { not_before: has_overtaken.then_some(retry_at) };
                Effect::Retry
            }
            AttemptEnd::OutOfSequence => {
                self.renumber_or_fail(at, AfterDraining::RaiseEpoch, retry_at)
            }
            AttemptEnd::Fenced => self.renumber_or_fail(at, AfterDraining::TakeNewId, retry_at),
        }
    }

    /// A batch that may have been written is never sent under another epoch or sequence (rule d),
    /// nor one behind which others were written.
    fn renumber_or_fail(&mut self, at: usize, then: AfterDraining, retry_at: Instant) -> Effect {
        // Under another epoch the batch would stand outside of the transaction that it is of.
        let is_renumbered =
            !matches!(self.numbering, Numbering::Off) && self.owner == EpochOwner::Partition;
        match self.flights.get_mut(at) {
            Some(flight) if is_renumbered && !flight.is_doubtful && !flight.is_overtaken => {
                flight.state = FlightState::Idle { not_before: None };
                if !self.is_confirmed {
                    // What has never worked under this identity is not tried under one after the
                    // other without a pause.
                    self.paused_until = Some(retry_at);
                }
                self.drain(then);
                Effect::Retry
            }
            _ => self.fail(at, false, then),
        }
    }

    fn fail(&mut self, at: usize, is_doubtful: bool, then: AfterDraining) -> Effect {
        let Some(flight) = self.flights.remove(at) else { return Effect::Forgotten };
        self.drain(then);
        Effect::Failed(if is_doubtful || flight.is_doubtful { Written::Maybe } else { Written::No })
    }

    fn drain(&mut self, then: AfterDraining) {
        match &mut self.numbering {
            Numbering::Steady { identity, .. } => {
                self.numbering = Numbering::Draining { identity: *identity, then }
            }
            Numbering::Draining { then: already, .. } if then == AfterDraining::TakeNewId => {
                *already = then
            }
            Numbering::Draining { .. } | Numbering::Off | Numbering::Unset { .. } => {}
        }
    }

    /// Starts the next epoch once nothing of the old one is under way (rule e).
    fn finish_draining(&mut self) {
        let Numbering::Draining { identity, then } = self.numbering else { return };
        if self.live > 0 || !self.flights.is_empty() {
            return;
        }
        let may_raise = then == AfterDraining::RaiseEpoch && self.owner == EpochOwner::Partition;
        self.numbering = match identity.raised().filter(|_| may_raise) {
            Some(identity) => Numbering::Steady { identity, next: Sequence::ZERO },
            None => Numbering::Unset { spent: Some(identity) },
        };
        self.is_confirmed = false;
    }
}
