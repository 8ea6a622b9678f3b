//! The sender task's part of transactions: carries out what [`TransactionMachine`] decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::{Instrument, debug, info, warn};

use super::{SenderTask, SenderTaskEvent, at};
use crate::clock::Random;
use crate::cluster::{Backoff, Cluster};
use crate::error::{Error, ErrorCode, Result};
use crate::ids::TransactionalId;
use crate::observability::{ProducerEvent, spans};
use crate::producer::accumulator::events::TransactionCommand;
use crate::producer::rpc::transaction::{TransactionOffsets, TransactionRpc};
use crate::producer::sender::ready::PartitionIndex;
use crate::producer::sender::sequence::ProducerIdAndEpoch;
use crate::producer::transaction::{
    OffsetsId, Phase, TransactionAction, TransactionEnd, TransactionMachine, TransactionProtocol,
    over,
};
use crate::runtime;

/// A transactional producer's machine, and what its actions need.
#[derive(Debug)]
pub(super) struct Transacting {
    machine: TransactionMachine,
    rpc: TransactionRpc,
    timeout: Duration,
    begun: Instant,
    offsets: BTreeMap<OffsetsId, SentOffsets>,
    next_offsets: OffsetsId,
    pauses: Pauses,
}

/// Offsets on their way, and who waits for them.
type SentOffsets = (Arc<TransactionOffsets>, oneshot::Sender<Result<()>>);

/// What a coordinator, or the way to it, has answered.
#[derive(Debug)]
pub(super) enum TransactionAnswer {
    Identity(Result<ProducerIdAndEpoch>),
    Added(Vec<PartitionIndex>, Result<()>),
    OffsetsAdded(Result<()>),
    Ended(Result<Option<ProducerIdAndEpoch>>),
}

/// The pause before each kind of request, which grows with its failures in a row.
#[derive(Debug)]
struct Pauses {
    failures: BTreeMap<Asked, (u32, Option<ErrorCode>)>,
    backoff: Backoff,
    /// For CONCURRENT_TRANSACTIONS: the markers of the transaction before are being written.
    brief: Backoff,
    random: Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Identity,
    Partitions,
    Offsets,
    End,
}

/// The first pause after CONCURRENT_TRANSACTIONS (Java's and franz-go's 20 ms).
const CONCURRENT_TRANSACTIONS_BACKOFF: Duration = Duration::from_millis(20);

impl Pauses {
    fn before(&mut self, asked: Asked) -> Duration {
        let Some((failures, code)) = self.failures.get(&asked) else { return Duration::ZERO };
        let backoff = match *code {
            Some(ErrorCode::CONCURRENT_TRANSACTIONS) => self.brief,
            _ => self.backoff,
        };
        backoff.after(*failures, &mut self.random)
    }

    fn note<T>(&mut self, asked: Asked, result: &Result<T>) {
        match result {
            Ok(_) => drop(self.failures.remove(&asked)),
            Err(error) => {
                debug!(%error, ?asked, "the transaction coordinator has not done it");
                let (failures, code) = self.failures.entry(asked).or_default();
                (*failures, *code) = (failures.saturating_add(1), error.code());
            }
        }
    }
}

impl Transacting {
    pub(super) fn new(id: TransactionalId, timeout: Duration, cluster: &Cluster) -> Self {
        let longest = cluster.retry_backoff().longest();
        let pauses = Pauses {
            failures: BTreeMap::new(),
            backoff: cluster.retry_backoff(),
            brief: Backoff::new(CONCURRENT_TRANSACTIONS_BACKOFF, longest),
            random: cluster.random(),
        };
        Self {
            machine: TransactionMachine::new(),
            rpc: TransactionRpc { cluster: cluster.for_task(), id },
            timeout,
            begun: runtime::now(),
            offsets: BTreeMap::new(),
            next_offsets: 0,
            pauses,
        }
    }

    /// The id that Produce requests carry.
    pub(super) fn id(&self) -> &TransactionalId {
        &self.rpc.id
    }

    /// The newest version of Produce that the transaction's protocol allows.
    pub(super) fn newest_produce(&self) -> i16 {
        match self.machine.protocol() {
            Some(TransactionProtocol::V2) => i16::MAX,
            _ => LAST_PRODUCE_OF_V1,
        }
    }

    fn command(&mut self, command: TransactionCommand) {
        match command {
            TransactionCommand::Init => self.machine.handle_init(),
            TransactionCommand::Begin => self.machine.handle_begin(self.switched_on()),
            TransactionCommand::Commit(transaction) => self.machine.handle_commit(transaction),
            TransactionCommand::Abort(transaction) => self.machine.handle_abort(transaction),
            TransactionCommand::SendOffsets(transaction, offsets, reply) => {
                let id = self.next_offsets;
                self.next_offsets += 1;
                self.offsets.insert(id, (Arc::from(offsets), reply));
                self.machine.handle_offsets(transaction, id);
            }
        }
    }

    /// The protocol that the cluster has finalised, as far as is known.
    fn switched_on(&self) -> TransactionProtocol {
        if self.rpc.cluster.feature_level("transaction.version") >= IMPLICIT {
            TransactionProtocol::V2
        } else {
            TransactionProtocol::V1
        }
    }

    fn answered(&mut self, answer: TransactionAnswer) {
        match answer {
            TransactionAnswer::Identity(result) => {
                self.pauses.note(Asked::Identity, &result);
                match &result {
                    Ok(identity) => info!(
                        transactional_id = %self.rpc.id, id = %identity.id, epoch = %identity.epoch, "producer id"
                    ),
                    Err(error) if error.is_retriable() => {}
                    Err(error) => warn!(transactional_id = %self.rpc.id, %error, "no producer id"),
                }
                let protocol = self.switched_on();
                self.machine.handle_identity(result, protocol);
            }
            TransactionAnswer::Added(partitions, result) => {
                self.pauses.note(Asked::Partitions, &result);
                self.machine.handle_added(partitions, result);
            }
            TransactionAnswer::OffsetsAdded(result) => {
                self.pauses.note(Asked::Offsets, &result);
                self.machine.handle_offsets_added(result);
            }
            TransactionAnswer::Ended(result) => {
                self.pauses.note(Asked::End, &result);
                self.machine.handle_ended(result);
            }
        }
    }
}

impl SenderTask {
    pub(super) fn command_transaction(&mut self, command: TransactionCommand) {
        if let Some(transacting) = &mut self.transacting {
            transacting.command(command);
        }
    }

    pub(super) fn finish_transaction_request(&mut self, answer: TransactionAnswer) {
        if let Some(transacting) = &mut self.transacting {
            transacting.answered(answer);
        }
    }

    /// Does what the transaction wants done; whether that was anything.
    pub(super) fn transact(&mut self) -> bool {
        let Some(transacting) = &mut self.transacting else { return false };
        let mut has_done = false;
        if transacting.machine.awaits_quiet() && self.machine.is_quiet() {
            let identity = transacting.machine.identity();
            let has_gap = || identity.is_some_and(|identity| self.machine.has_gap(identity));
            transacting.machine.handle_quiet(has_gap);
            has_done = true;
        }
        while let Some(action) = self.transacting.as_mut().and_then(|it| it.machine.poll()) {
            self.do_transaction(action);
            has_done = true;
        }
        has_done
    }

    /// Tells those who wait where the producer stands.
    pub(super) fn publish_transaction(&self) {
        if let Some(transacting) = &self.transacting {
            let status = transacting.machine.status();
            self.shared.transactions.send_if_modified(|told| {
                let is_news = !told.is_like(&status);
                if is_news {
                    *told = status;
                }
                is_news
            });
        }
    }

    fn do_transaction(&mut self, action: TransactionAction) {
        let Some(transacting) = &mut self.transacting else { return };
        let now = runtime::now();
        match action {
            TransactionAction::Begin { transaction, identity, protocol } => {
                transacting.begun = now;
                self.observer.tell(ProducerEvent::TransactionBegun);
                let waits = protocol == TransactionProtocol::V1;
                self.machine.handle_begin(transaction, identity, waits);
                self.shared.topics.open(transaction);
            }
            TransactionAction::Ended(end) => {
                let took = now.saturating_duration_since(transacting.begun);
                let is_committed = end == TransactionEnd::Commit;
                self.observer.tell(ProducerEvent::TransactionEnded { is_committed, took });
            }
            TransactionAction::Admit(partitions) => self.machine.handle_admitted(&partitions, now),
            TransactionAction::Flush => drop(self.machine.handle_flush(now)),
            TransactionAction::Refuse(error) => {
                match transacting.machine.status().phase {
                    Phase::Ended(_) => {
                        warn!(transactional_id = %transacting.rpc.id, %error, "the transactional producer has ended");
                        self.shared.topics.end(&error);
                    }
                    _ => self.shared.topics.close(transacting.machine.number(), &error),
                }
                self.shared.changed.notify_waiters();
                self.machine.handle_refusal(&error, now);
            }
            TransactionAction::AnswerOffsets { offsets, result } => {
                if let Some((_, reply)) = transacting.offsets.remove(&offsets) {
                    // Whoever is gone has lost interest only.
                    let _nobody_waits = reply.send(result);
                }
            }
            request => self.ask_coordinator(request),
        }
    }

    /// Sends a request to a coordinator, after a pause if it has failed before.
    fn ask_coordinator(&mut self, request: TransactionAction) {
        let Some(transacting) = &mut self.transacting else { return };
        let (rpc, timeout) = (transacting.rpc.clone(), transacting.timeout);
        let observer = &mut self.observer;
        let mut pause = |asked, pauses: &mut Pauses| {
            let pause = pauses.before(asked);
            if !pause.is_zero() {
                observer.tell(ProducerEvent::TransactionRetried);
            }
            async move {
                if !pause.is_zero() {
                    runtime::sleep_until(runtime::now() + pause).await;
                }
            }
        };
        let pauses = &mut transacting.pauses;
        let work: super::Work = match request {
            TransactionAction::InitProducerId(identity) => {
                let pause = pause(Asked::Identity, pauses);
                Box::pin(async move {
                    pause.await;
                    TransactionAnswer::Identity(rpc.init_producer_id(timeout, identity).await)
                        .into()
                })
            }
            TransactionAction::AddPartitions { identity, partitions } => {
                let slots =
                    partitions.iter().filter_map(|partition| self.slots.get(at(*partition)));
                let names: Vec<_> = slots.map(|slot| slot.topic_partition.clone()).collect();
                let pause = pause(Asked::Partitions, pauses);
                Box::pin(async move {
                    pause.await;
                    let result = rpc.add_partitions(identity, &names).await;
                    TransactionAnswer::Added(partitions, result).into()
                })
            }
            TransactionAction::AddOffsets { identity, protocol, offsets } => {
                let sent = transacting.offsets.get(&offsets).map(|(sent, _)| Arc::clone(sent));
                let pause = pause(Asked::Offsets, pauses);
                Box::pin(async move {
                    pause.await;
                    let result = match sent {
                        Some(sent) => rpc.add_offsets(identity, protocol, &sent).await,
                        None => Err(over()),
                    };
                    TransactionAnswer::OffsetsAdded(result).into()
                })
            }
            TransactionAction::EndTxn { identity, protocol, end } => {
                let pause = pause(Asked::End, pauses);
                Box::pin(async move {
                    pause.await;
                    TransactionAnswer::Ended(rpc.end(identity, protocol, end).await).into()
                })
            }
            _ => return,
        };
        let span = spans::transaction(&transacting.rpc.id, transacting.machine.number());
        self.work.push(Box::pin(work.instrument(span)));
    }

    /// A partition has got its first record in the transaction.
    pub(super) fn join_transaction(&mut self, partition: PartitionIndex) {
        if let Some(transacting) = &mut self.transacting {
            transacting.machine.handle_join(partition);
        }
    }

    /// A batch has failed, and with it the transaction that it is of.
    pub(super) fn fail_transaction(&mut self, error: &Error) {
        if let Some(transacting) = &mut self.transacting {
            transacting.machine.handle_batch_failed(error);
        }
    }
}

impl From<TransactionAnswer> for SenderTaskEvent {
    fn from(answer: TransactionAnswer) -> Self {
        Self::Transaction(answer)
    }
}

/// The level of `transaction.version` from which on partitions and offsets come into a transaction
/// without being added.
const IMPLICIT: i16 = 2;

/// From version 12 on, Produce adds its partitions to the transaction (KIP-890).
const LAST_PRODUCE_OF_V1: i16 = 11;
