//! The life of a transactional producer: what it has said to its coordinator, and what it may say
//! next.
//!
//! ```text
//!           init               identity        begin            commit
//!  Unready ─────▶ Initializing ────────▶ Ready ─────▶ Open ─────────────▶ Draining ─────▶ Ending ─▶ Ready
//!     ▲                │ failed            ▲           │ │                (commit)        (EndTxn)
//!     └────────────────┘                   │           │ └─ abort ──────▶ Draining ─────▶ Ending ─▶ Ready
//!                          a new epoch, if the last    │                  (abort)
//!                          has a gap or was of the     └─ something has failed ─▶ Failed ─ abort ─▶ Draining
//!                          other protocol
//!  any ── fenced, or forbidden ─▶ Ended
//! ```
//!
//! What must always hold (`tests.rs` tries it with random scripts):
//!
//! 1. Nothing is said to the coordinator outside of a transaction, but InitProducerId.
//! 2. EndTxn says commit only when every batch of the transaction is written, and all its partitions
//!    and offsets were accepted; it says abort only when no request with a batch is under way, since
//!    one that came behind the marker could stay open for ever.
//! 3. Once EndTxn has said commit it never says abort of the same transaction, nor the other way
//!    round.
//! 4. An identity under which a sequence or a reply was lost, or that spoke the old protocol, is not
//!    used for another transaction (of the new protocol): InitProducerId raises its epoch first. Else
//!    the leader of a partition could take a batch of the new transaction for one of the old, and the
//!    coordinator an EndTxn that comes late for that of the new one.
//! 5. One protocol is spoken from begin to end.
//! 6. After the end nothing is said.
//!
//! Sources: KIP-98, KIP-360 (epochs), KIP-447 (offsets), KIP-588 (time-outs), KIP-890 (the new
//! protocol), and Java's `TransactionManager`.

use std::collections::{BTreeSet, VecDeque};

use super::reaction::{Reaction, abortable, aborted, fenced, over, reaction, reaction_to_batch};
use crate::error::{Error, Result};
use crate::producer::sender::TransactionNumber;
use crate::producer::sender::ready::PartitionIndex;
use crate::producer::sender::sequence::ProducerIdAndEpoch;

/// How partitions and offsets come into a transaction, and who raises the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) enum TransactionProtocol {
    /// By AddPartitionsToTxn and AddOffsetsToTxn; the epoch stays (`transaction.version` 0 and 1).
    V1,
    /// By the first Produce or TxnOffsetCommit; EndTxn raises the epoch (`transaction.version` 2,
    /// KIP-890).
    V2,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) enum TransactionEnd {
    Commit,
    Abort,
}

/// Names one call that sends offsets to the transaction.
pub(in crate::producer) type OffsetsId = u64;

/// What the machine wants done.
#[derive(Debug)]
pub(in crate::producer) enum TransactionAction {
    /// Ask for an identity, or for the next epoch of this one; answer with `handle_identity`.
    InitProducerId(Option<ProducerIdAndEpoch>),
    /// Take records of this transaction.
    Begin {
        transaction: TransactionNumber,
        identity: ProducerIdAndEpoch,
        protocol: TransactionProtocol,
    },
    /// Answer with `handle_added`.
    AddPartitions { identity: ProducerIdAndEpoch, partitions: Vec<PartitionIndex> },
    /// Batches of these partitions may be sent.
    Admit(Vec<PartitionIndex>),
    /// Answer with `handle_offsets_added`.
    AddOffsets { identity: ProducerIdAndEpoch, protocol: TransactionProtocol, offsets: OffsetsId },
    /// Tell whoever has sent these offsets.
    AnswerOffsets { offsets: OffsetsId, result: Result<()> },
    /// Take no more records, and give up all that have no verdict.
    Refuse(Error),
    /// Every batch is due. Call `handle_quiet` once none is left, nor any request.
    Flush,
    /// Tell that the transaction has ended.
    Ended(TransactionEnd),
    /// Answer with `handle_ended`.
    EndTxn { identity: ProducerIdAndEpoch, protocol: TransactionProtocol, end: TransactionEnd },
}

/// What those who wait for the producer are told.
#[derive(Clone, Debug)]
pub(in crate::producer) struct TransactionStatus {
    pub(in crate::producer) phase: Phase,
    /// The last transaction that has ended, and how.
    pub(in crate::producer) ended: Option<(TransactionNumber, TransactionEnd)>,
    /// How often an identity could not be had.
    pub(in crate::producer) failures: u64,
    /// Why the coordinator has not done yet what it was asked last.
    pub(in crate::producer) failure: Option<Error>,
}

impl TransactionStatus {
    /// Whether another status says nothing else.
    pub(in crate::producer) fn is_like(&self, other: &Self) -> bool {
        let is_same = match (&self.phase, &other.phase) {
            (Phase::Open(one), Phase::Open(other)) => one == other,
            (Phase::Failed(one, _), Phase::Failed(other, _)) => one == other,
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        };
        is_same
            && self.ended == other.ended
            && self.failures == other.failures
            && self.failure.is_some() == other.failure.is_some()
    }
}

#[derive(Clone, Debug)]
pub(in crate::producer) enum Phase {
    Unready,
    Ready,
    /// Something is under way that ends by itself.
    Busy,
    Open(TransactionNumber),
    /// It must be aborted.
    Failed(TransactionNumber, Error),
    Ended(Error),
}

#[derive(Debug)]
pub(in crate::producer) struct TransactionMachine {
    state: State,
    identity: Option<ProducerIdAndEpoch>,
    /// The identity must not be used for another transaction.
    is_spent: bool,
    /// What the identity has been used for.
    protocol: Option<TransactionProtocol>,
    number: TransactionNumber,
    /// The coordinator may know of the transaction.
    is_known: bool,
    to_add: BTreeSet<PartitionIndex>,
    /// A request with partitions is under way.
    is_adding: bool,
    offsets: VecDeque<OffsetsId>,
    adding_offsets: Option<OffsetsId>,
    ended: Option<(TransactionNumber, TransactionEnd)>,
    failures: u64,
    failure: Option<Error>,
    actions: VecDeque<TransactionAction>,
}

#[derive(Debug)]
enum State {
    Unready,
    /// `begins`: a transaction does once there is an identity.
    Initializing {
        begins: bool,
    },
    Ready,
    Open,
    Failed(Error),
    /// Batches, partitions and offsets are still under way. `aborts`: nobody waits for a commit any
    /// more, so that one that fails is aborted.
    Draining {
        end: TransactionEnd,
        aborts: bool,
    },
    Ending {
        end: TransactionEnd,
        aborts: bool,
    },
    Ended(Error),
}

impl TransactionMachine {
    pub(in crate::producer) fn new() -> Self {
        Self {
            state: State::Unready,
            identity: None,
            is_spent: false,
            protocol: None,
            number: 0,
            is_known: false,
            to_add: BTreeSet::new(),
            is_adding: false,
            offsets: VecDeque::new(),
            adding_offsets: None,
            ended: None,
            failures: 0,
            failure: None,
            actions: VecDeque::new(),
        }
    }

    /// Somebody wants the identity, which fences whoever had it.
    pub(in crate::producer) fn handle_init(&mut self) {
        if matches!(self.state, State::Unready) {
            self.initialize(false);
        }
    }

    /// Somebody wants to begin a transaction, by the protocol that the cluster has switched on.
    pub(in crate::producer) fn handle_begin(&mut self, protocol: TransactionProtocol) {
        match (&self.state, self.identity) {
            (State::Unready, _) | (State::Ready, None) => self.initialize(true),
            (State::Ready, Some(identity)) => {
                let changes = self.protocol == Some(TransactionProtocol::V1)
                    && protocol == TransactionProtocol::V2;
                if self.is_spent || changes {
                    self.initialize(true);
                } else {
                    self.open(identity, protocol);
                }
            }
            _ => {}
        }
    }

    /// What became of [`TransactionAction::InitProducerId`], and the protocol that the cluster has
    /// switched on: whoever is the first to ask learns that with the answer.
    pub(in crate::producer) fn handle_identity(
        &mut self,
        result: Result<ProducerIdAndEpoch>,
        protocol: TransactionProtocol,
    ) {
        let State::Initializing { begins } = self.state else { return };
        match result {
            Ok(identity) => {
                self.identity = Some(identity);
                (self.is_spent, self.protocol, self.failure) = (false, None, None);
                if begins {
                    self.open(identity, protocol);
                } else {
                    self.state = State::Ready;
                }
            }
            Err(error) => match reaction(&error) {
                Reaction::Fence => self.end(&fenced(error)),
                Reaction::Retry => {
                    self.failure = Some(error);
                    self.actions.push_back(TransactionAction::InitProducerId(self.identity));
                }
                // Whoever asked is told, and may ask again: a permission may be given meanwhile.
                _ => {
                    (self.failures, self.failure) = (self.failures + 1, Some(error));
                    // What is open at the coordinator is aborted by the next try.
                    self.state = match self.identity {
                        Some(_) => State::Ready,
                        None => State::Unready,
                    };
                }
            },
        }
    }

    /// A partition has got its first record in the transaction.
    pub(in crate::producer) fn handle_join(&mut self, partition: PartitionIndex) {
        match (self.protocol, &self.state) {
            (Some(TransactionProtocol::V2), _) => self.is_known = true,
            (_, State::Open | State::Draining { end: TransactionEnd::Commit, .. }) => {
                self.to_add.insert(partition);
            }
            _ => {}
        }
    }

    /// What became of [`TransactionAction::AddPartitions`].
    pub(in crate::producer) fn handle_added(
        &mut self,
        partitions: Vec<PartitionIndex>,
        result: Result<()>,
    ) {
        self.is_adding = false;
        self.note_answer(&result);
        match result {
            Ok(()) => {
                self.is_known = true;
                if self.takes_more() {
                    self.actions.push_back(TransactionAction::Admit(partitions));
                }
            }
            Err(error) if reaction(&error) == Reaction::Retry => {
                if self.takes_more() {
                    self.to_add.extend(partitions);
                }
            }
            Err(error) => drop(self.react(error, false)),
        }
    }

    /// Somebody sends offsets to a transaction.
    pub(in crate::producer) fn handle_offsets(
        &mut self,
        transaction: TransactionNumber,
        offsets: OffsetsId,
    ) {
        if transaction == self.number && matches!(self.state, State::Open) {
            return self.offsets.push_back(offsets);
        }
        let error = match &self.state {
            State::Failed(error) if transaction == self.number => error.clone(),
            State::Ended(error) => error.clone(),
            _ => over(),
        };
        self.actions.push_back(TransactionAction::AnswerOffsets { offsets, result: Err(error) });
    }

    /// What became of [`TransactionAction::AddOffsets`].
    pub(in crate::producer) fn handle_offsets_added(&mut self, result: Result<()>) {
        let Some(offsets) = self.adding_offsets.take() else { return };
        // Also if it failed: the group may have been added before its coordinator was asked.
        self.is_known = true;
        self.note_answer(&result);
        match result {
            Ok(()) => {
                self.actions.push_back(TransactionAction::AnswerOffsets { offsets, result: Ok(()) })
            }
            Err(error) if self.takes_more() && reaction(&error) == Reaction::Retry => {
                self.offsets.push_front(offsets);
            }
            Err(error) => {
                let told = match self.react(error, false) {
                    Some(told) => told,
                    None => aborted(),
                };
                let result = Err(told);
                self.actions.push_back(TransactionAction::AnswerOffsets { offsets, result });
            }
        }
    }

    /// A batch of the transaction has failed.
    pub(in crate::producer) fn handle_batch_failed(&mut self, error: &Error) {
        self.react(error.clone(), true);
    }

    /// The transaction is to be committed: no record of it will come any more.
    pub(in crate::producer) fn handle_commit(&mut self, transaction: TransactionNumber) {
        if transaction == self.number && matches!(self.state, State::Open) {
            self.state = State::Draining { end: TransactionEnd::Commit, aborts: false };
            self.actions.push_back(TransactionAction::Flush);
        }
    }

    /// The transaction is to be aborted; a commit that is under way is left to its end.
    pub(in crate::producer) fn handle_abort(&mut self, transaction: TransactionNumber) {
        if transaction != self.number {
            return;
        }
        match &mut self.state {
            State::Open | State::Failed(_) => self.begin_abort(),
            State::Draining { aborts, .. } | State::Ending { aborts, .. } => *aborts = true,
            _ => {}
        }
    }

    /// Whether [`TransactionMachine::handle_quiet`] is waited for.
    pub(in crate::producer) fn awaits_quiet(&self) -> bool {
        matches!(self.state, State::Draining { .. })
            && !self.is_adding
            && self.to_add.is_empty()
            && self.adding_offsets.is_none()
            && self.offsets.is_empty()
            && self.actions.is_empty()
    }

    /// Every batch has its verdict, and no request is under way. `has_gap`: a sequence of the
    /// identity will never be written; asked for an abort alone, since a batch that leaves a gap
    /// fails the transaction.
    pub(in crate::producer) fn handle_quiet(&mut self, has_gap: impl FnOnce() -> bool) {
        let (State::Draining { end, aborts }, Some(identity), Some(protocol)) =
            (&self.state, self.identity, self.protocol)
        else {
            return;
        };
        let (end, aborts) = (*end, *aborts);
        self.is_spent |= end == TransactionEnd::Abort && has_gap();
        if !self.is_known {
            return self.finish(end);
        }
        self.state = State::Ending { end, aborts };
        self.actions.push_back(TransactionAction::EndTxn { identity, protocol, end });
    }

    /// What became of [`TransactionAction::EndTxn`]: the identity for the next transaction, under
    /// the new protocol.
    pub(in crate::producer) fn handle_ended(&mut self, result: Result<Option<ProducerIdAndEpoch>>) {
        let (State::Ending { end, aborts }, Some(identity), Some(protocol)) =
            (&self.state, self.identity, self.protocol)
        else {
            return;
        };
        let (end, aborts) = (*end, *aborts);
        self.note_answer(&result);
        let error = match result {
            Ok(next) => {
                if let Some(next) = next {
                    self.identity = Some(next);
                    self.is_spent = false;
                }
                return self.finish(end);
            }
            Err(error) => error,
        };
        match (reaction(&error), end) {
            (Reaction::Retry, _) => {
                self.actions.push_back(TransactionAction::EndTxn { identity, protocol, end });
            }
            (Reaction::Fence, _) => self.end(&fenced(error)),
            (Reaction::End, _) => self.end(&error),
            (Reaction::Abort, TransactionEnd::Commit) if aborts => self.begin_abort(),
            (Reaction::Abort, TransactionEnd::Commit) => self.fail(abortable(error)),
            // The next epoch ends what EndTxn cannot. If the coordinator has the transaction all the
            // same, it fences this producer with it, as it does Java's.
            (Reaction::Abort, TransactionEnd::Abort) => {
                self.is_spent = true;
                self.finish(end);
            }
        }
    }

    /// The next thing to do, until `None`.
    pub(in crate::producer) fn poll(&mut self) -> Option<TransactionAction> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        let (identity, protocol) = (self.identity?, self.protocol?);
        if !self.takes_more() {
            return None;
        }
        if !self.is_adding && !self.to_add.is_empty() {
            self.is_adding = true;
            let partitions = std::mem::take(&mut self.to_add).into_iter().collect();
            return Some(TransactionAction::AddPartitions { identity, partitions });
        }
        if self.adding_offsets.is_none() {
            let offsets = self.offsets.pop_front()?;
            self.adding_offsets = Some(offsets);
            return Some(TransactionAction::AddOffsets { identity, protocol, offsets });
        }
        None
    }

    pub(in crate::producer) fn status(&self) -> TransactionStatus {
        let phase = match &self.state {
            State::Unready => Phase::Unready,
            State::Ready => Phase::Ready,
            State::Open => Phase::Open(self.number),
            State::Failed(error) => Phase::Failed(self.number, error.clone()),
            State::Initializing { .. } | State::Draining { .. } | State::Ending { .. } => {
                Phase::Busy
            }
            State::Ended(error) => Phase::Ended(error.clone()),
        };
        let (ended, failures, failure) = (self.ended, self.failures, self.failure.clone());
        TransactionStatus { phase, ended, failures, failure }
    }

    /// The transaction that is open, or was last.
    pub(in crate::producer) fn number(&self) -> TransactionNumber {
        self.number
    }

    /// What is spoken in it.
    pub(in crate::producer) fn protocol(&self) -> Option<TransactionProtocol> {
        self.protocol
    }

    /// The identity in use.
    pub(in crate::producer) fn identity(&self) -> Option<ProducerIdAndEpoch> {
        self.identity
    }

    fn takes_more(&self) -> bool {
        matches!(self.state, State::Open | State::Draining { end: TransactionEnd::Commit, .. })
    }

    fn initialize(&mut self, begins: bool) {
        // Also if no reply comes: the epoch may be raised then.
        self.is_spent = true;
        self.state = State::Initializing { begins };
        self.actions.push_back(TransactionAction::InitProducerId(self.identity));
    }

    /// Takes note of an answer. A request without one may have arrived, or arrive yet: under its
    /// epoch, within the next transaction.
    fn note_answer<T>(&mut self, result: &Result<T>) {
        self.failure = result.as_ref().err().cloned();
        let is_lost = matches!(result, Err(error) if error.code().is_none());
        self.is_known |= is_lost;
        self.is_spent |= is_lost;
    }

    fn open(&mut self, identity: ProducerIdAndEpoch, protocol: TransactionProtocol) {
        self.number += 1;
        self.protocol = Some(protocol);
        self.is_known = false;
        self.state = State::Open;
        let transaction = self.number;
        self.actions.push_back(TransactionAction::Begin { transaction, identity, protocol });
    }

    /// Does what an error asks for; returns what the application is told, if that is news.
    fn react(&mut self, error: Error, is_of_batch: bool) -> Option<Error> {
        let reaction = if is_of_batch { reaction_to_batch(&error) } else { reaction(&error) };
        let is_over = matches!(self.state, State::Ended(_));
        match reaction {
            _ if is_over => None,
            Reaction::Fence => {
                let error = fenced(error);
                self.end(&error);
                Some(error)
            }
            Reaction::End => {
                self.end(&error);
                Some(error)
            }
            Reaction::Abort | Reaction::Retry => {
                let error = abortable(error);
                match self.state {
                    State::Open
                    | State::Draining { end: TransactionEnd::Commit, aborts: false } => {
                        self.fail(error.clone());
                    }
                    State::Draining { end: TransactionEnd::Commit, aborts: true } => {
                        self.begin_abort();
                    }
                    _ => {}
                }
                Some(error)
            }
        }
    }

    fn fail(&mut self, error: Error) {
        self.drop_waiting(&error);
        self.actions.push_back(TransactionAction::Refuse(error.clone()));
        self.state = State::Failed(error);
    }

    fn begin_abort(&mut self) {
        let error = aborted();
        self.drop_waiting(&error);
        self.actions.push_back(TransactionAction::Refuse(error));
        self.state = State::Draining { end: TransactionEnd::Abort, aborts: true };
    }

    fn end(&mut self, error: &Error) {
        self.drop_waiting(error);
        self.actions.push_back(TransactionAction::Refuse(error.clone()));
        self.state = State::Ended(error.clone());
    }

    fn finish(&mut self, end: TransactionEnd) {
        self.ended = Some((self.number, end));
        self.is_known = false;
        self.state = State::Ready;
        self.actions.push_back(TransactionAction::Ended(end));
    }

    fn drop_waiting(&mut self, error: &Error) {
        self.to_add.clear();
        let waiting = self.offsets.drain(..);
        self.actions.extend(waiting.map(|offsets| TransactionAction::AnswerOffsets {
            offsets,
            result: Err(error.clone()),
        }));
    }
}
