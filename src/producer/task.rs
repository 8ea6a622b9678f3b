//! The sender task: carries out what [`super::sender`] decides, one per producer.
//!
//! It awaits calls, seals batches (elsewhere, when that is heavy) and keeps
//! [`super::accumulator::topics`] current. Dropping it, as closing does, fails whatever has no
//! verdict: each batch here holds its promise.

mod following;
mod produce;
mod sealing;
mod transacting;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tracing::{debug, info, warn};

use self::following::TopicState;
use self::produce::ProduceOutcome;
use self::transacting::{Transacting, TransactionAnswer};
use super::ProducerShared;
use super::accumulator::events::SenderEvent;
use super::accumulator::memory::Reservation;
use super::accumulator::partition::PartitionBatches;
use super::delivery::Promise;
use super::observer::ProducerObserver;
use super::rpc;
use super::sender::batch_queue::BatchId;
use super::sender::ready::PartitionIndex;
use super::sender::sequence::{EpochOwner, ProducerIdAndEpoch};
use super::sender::{Action, RequestId, Sender, SenderSettings, Verdict, is_last_word};
use super::topics_in_use::TopicsInUse;
use crate::clock::Random;
use crate::cluster::{Cluster, ClusterView, InterestGuard, Lane, MetadataInterest, Route};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::hooks::BatchSize;
use crate::ids::{BrokerId, TopicName};
use crate::observability::ProducerEvent;
use crate::runtime;
use crate::watch;
use crate::wire::batch::SealedRecords;
use crate::wire::compress::{Codec, CodecError};

#[derive(Debug)]
pub(super) struct SenderTask {
    shared: Arc<ProducerShared>,
    cluster: Cluster,
    lane: Lane,
    machine: Sender,
    random: Random,
    slots: Vec<Arc<PartitionBatches>>,
    /// Which slots were used since it was looked for idle topics.
    touched: Vec<bool>,
    topics: BTreeMap<TopicName, TopicState>,
    wanted: TopicsInUse,
    interest: InterestGuard,
    batches: BTreeMap<BatchId, ClosedBatchState>,
    /// Verdicts of batches that are still in the events, full.
    early: BTreeMap<BatchId, Verdict>,
    /// Brokers whose partitions records without a key avoid, and when that is judged again
    /// (`partitioner.availability.timeout.ms`).
    stuck: (BTreeSet<BrokerId>, Option<Instant>),
    /// Of a transactional producer.
    transacting: Option<Transacting>,
    work: FuturesUnordered<Work>,
    observer: ProducerObserver,
}

type Work = Pin<Box<dyn Future<Output = SenderTaskEvent> + Send>>;

/// A batch that takes no more records and has no verdict.
#[derive(Debug)]
struct ClosedBatchState {
    promise: Promise,
    memory: Reservation,
    count: u32,
    /// Once it is sealed.
    records: Option<SealedRecords>,
    opened: Instant,
    has_been_sent: bool,
}

/// How many records a batch has, and how large they are once it is sealed.
struct BatchRecords {
    count: u32,
    size: Option<BatchSize>,
}

/// What has been worked out or awaited.
enum SenderTaskEvent {
    Answered {
        request: RequestId,
        outcome: ProduceOutcome,
    },
    ProducerId(Result<ProducerIdAndEpoch>),
    Transaction(TransactionAnswer),
    Sealed {
        batch: BatchId,
        records: Result<SealedRecords, CodecError>,
    },
    Split {
        partition: PartitionIndex,
        batch: BatchId,
        parts: Result<Vec<SealedRecords>, CodecError>,
    },
}

impl SenderTask {
    pub(super) fn new(
        shared: Arc<ProducerShared>,
        cluster: &Cluster,
        lane: Lane,
        observer: ProducerObserver,
    ) -> Self {
        let mut random = cluster.random();
        let machine = Sender::new(settings(&shared, cluster), random.fork(), runtime::now());
        let id = shared.config.transactional_id.clone();
        let transacting =
            id.map(|id| Transacting::new(id, shared.config.transaction_timeout, cluster));
        Self {
            shared,
            lane,
            machine,
            random,
            slots: Vec::new(),
            touched: Vec::new(),
            topics: BTreeMap::new(),
            wanted: TopicsInUse::new(cluster.config().metadata_max_idle, runtime::now()),
            interest: cluster.want(MetadataInterest::default()),
            batches: BTreeMap::new(),
            early: BTreeMap::new(),
            stuck: (BTreeSet::new(), None),
            transacting,
            work: FuturesUnordered::new(),
            observer,
            cluster: cluster.for_task(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut view = self.cluster.watch();
        let mut events = Vec::new();
        loop {
            self.act();
            if let Some(timeout) = self.shared.config.partitioner_availability_timeout {
                self.judge_brokers(timeout);
            }
            if self.shared.config.adaptive_batching.is_some() {
                let (linger, waits_for_replies) = self.machine.linger();
                self.observer.tell(ProducerEvent::LingerChosen { linger, waits_for_replies });
            }
            tokio::select! {
                biased;
                Some(done) = self.work.next(), if !self.work.is_empty() => self.finish(done),
                () = self.shared.accumulator.events.filled() => {}
                changed = view.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.follow_all(&mut view);
                }
                () = runtime::sleep_until_some(self.machine.poll_timeout()) => {
                    self.machine.handle_timeout(runtime::now())
                }
                () = runtime::sleep_until_some(self.stuck.1) => {}
                () = runtime::sleep_until_some(self.wanted.poll_timeout()) => {
                    self.forget_idle(runtime::now())
                }
            }
            self.shared.accumulator.events.take(&mut events);
            // Read once: at full speed there are some ten events at a time.
            let now = runtime::now();
            for event in events.drain(..) {
                self.handle(event, now, &mut view);
            }
        }
    }

    fn handle(
        &mut self,
        event: SenderEvent,
        now: Instant,
        view: &mut watch::Watcher<Arc<ClusterView>>,
    ) {
        match event {
            SenderEvent::Opened { partition, batch, at: since } => {
                self.touch(partition, now);
                self.machine.handle_opened(partition, batch, since, now);
            }
            SenderEvent::Closed { partition, batch } => {
                // What is not compressed is sealed at once, and the machine hears of that.
                if self.compression(partition).codec() != Codec::None {
                    self.machine.handle_closed(batch.id, now);
                }
                self.seal(partition, *batch, now);
            }
            SenderEvent::Expedite { partition, batch } => {
                self.machine.handle_expedite(partition, batch, now)
            }
            SenderEvent::MemoryExhausted => self.machine.handle_memory_exhausted(now),
            SenderEvent::Flush(done) => {
                let newest = self.machine.handle_flush(now);
                self.act();
                // Whoever is gone is waited with no more.
                let _nobody_waits = done.send(newest);
            }
            SenderEvent::Purge(records, done) => {
                let slots = &self.slots;
                self.machine.handle_purge(&records, now, |partition| {
                    let slot = slots.get(at(partition));
                    slot.is_some_and(|slot| records.has_topic(&slot.topic_partition.topic))
                });
                self.act();
                self.shared.accumulator.events.push(SenderEvent::Purged(done));
            }
            SenderEvent::Purged(done) => {
                let _nobody_waits = done.send(());
            }
            SenderEvent::Abort(done) => {
                self.machine
                    .handle_close(&Error::new(ErrorKind::Closed, "the producer was closed"), now);
                self.act();
                let _nobody_waits = done.send(());
            }
            SenderEvent::Transaction(command) => self.command_transaction(command),
            SenderEvent::UnknownTopic => self.fulfil_wishes(&Arc::clone(&view.borrow()), now),
        }
    }

    /// Takes what is in the events, without waiting for anything.
    #[cfg(test)]
    pub(super) fn hear(&mut self) {
        let (mut events, mut view) = (Vec::new(), self.cluster.watch());
        self.shared.accumulator.events.take(&mut events);
        for event in events {
            self.handle(event, runtime::now(), &mut view);
        }
    }

    /// Lets what is too old expire.
    #[cfg(test)]
    pub(super) fn expire(&mut self) {
        self.machine.handle_timeout(runtime::now());
        self.act();
    }

    /// Of all that it holds nothing can be packed, or split.
    #[cfg(test)]
    pub(super) fn fail_to_pack(&mut self, splits: bool) {
        for batch in self.batches.keys().copied().collect::<Vec<_>>() {
            let error = CodecError::NotBuilt(Codec::None);
            match splits {
                true => self.divide(PartitionIndex(0), batch, Err(error)),
                false => self.sealed(batch, Err(error), runtime::now()),
            }
        }
        self.act();
    }

    fn act(&mut self) {
        loop {
            self.send_what_is_due();
            if !self.transact() {
                break;
            }
        }
        self.publish_transaction();
        let oldest = self.machine.oldest();
        self.shared.oldest.send_if_modified(|told| std::mem::replace(told, oldest) != oldest);
    }

    fn send_what_is_due(&mut self) {
        while let Some(action) = self.machine.poll() {
            match action {
                Action::Close { partition, batch } => {
                    // If it is gone it was full just now, and on its way here.
                    if let Some(closed) = self.slot(partition).and_then(|slot| slot.take(batch)) {
                        self.seal(partition, closed, runtime::now());
                    }
                }
                Action::Send { request, broker, batches, departure } => {
                    self.send(request, broker, &batches, departure)
                }
                Action::Split { partition, batch } => self.split(partition, batch),
                Action::Resolve { partition, batch, verdict } => {
                    self.resolve(partition, batch, verdict)
                }
                Action::AskProducerId => {
                    let cluster = self.cluster.clone();
                    self.work.push(Box::pin(async move {
                        SenderTaskEvent::ProducerId(ask_producer_id(&cluster).await)
                    }));
                }
                Action::JoinTransaction(partition) => self.join_transaction(partition),
                Action::RefreshMetadata => self.cluster.request_refresh(),
                Action::HangUp(broker) => {
                    debug!(%broker, "it does not answer and does not lead any more");
                    self.cluster.hang_up(broker, self.lane);
                }
            }
        }
    }

    fn finish(&mut self, done: SenderTaskEvent) {
        let now = runtime::now();
        match done {
            SenderTaskEvent::Answered { request, outcome } => self.answered(request, outcome, now),
            SenderTaskEvent::ProducerId(result) => {
                let result = result.map_err(explain_refusal);
                match &result {
                    Ok(identity) => {
                        info!(id = %identity.id, epoch = %identity.epoch, "producer id")
                    }
                    Err(error) if !is_last_word(error) => debug!(%error, "no producer id yet"),
                    Err(error) => {
                        warn!(%error, "no producer id");
                        self.shared.topics.end(error);
                        self.shared.changed.notify_waiters();
                    }
                }
                self.machine.handle_producer_id(result, now);
            }
            SenderTaskEvent::Transaction(answer) => self.finish_transaction_request(answer),
            SenderTaskEvent::Sealed { batch, records } => self.sealed(batch, records, now),
            SenderTaskEvent::Split { partition, batch, parts } => {
                self.divide(partition, batch, parts)
            }
        }
    }

    fn resolve(&mut self, partition: PartitionIndex, batch: BatchId, verdict: Verdict) {
        let slot = self.slots.get(at(partition));
        if let Some(slot) = slot {
            slot.resolved();
        }
        let open = slot.and_then(|slot| slot.take(batch));
        let open = open.map(|closed| {
            let records = BatchRecords { count: closed.records.count(), size: None };
            (closed.promise, closed.memory, records)
        });
        let held = self.batches.remove(&batch).map(|held| {
            let size = held.records.map(|sealed| {
                let (uncompressed, compressed) = (sealed.uncompressed_len, sealed.records.len());
                self.shared.accumulator.buffers.give(sealed.records);
                BatchSize { uncompressed, compressed }
            });
            (held.promise, held.memory, BatchRecords { count: held.count, size })
        });
        match open.or(held) {
            Some((promise, memory, records)) => {
                self.resolve_batch(partition, promise, memory, records, verdict)
            }
            // It was full before the machine heard of that, and is in the events.
            None => drop(self.early.insert(batch, verdict)),
        }
    }

    fn resolve_batch(
        &mut self,
        partition: PartitionIndex,
        promise: Promise,
        memory: Reservation,
        BatchRecords { count, size }: BatchRecords,
        verdict: Verdict,
    ) {
        drop(memory);
        let slot = self.slots.get(at(partition));
        let (result, record_errors) = match &verdict {
            Verdict::Written { base_offset, .. } => (Ok(*base_offset), &[][..]),
            Verdict::Failed { error, records } => (Err(error), &records[..]),
        };
        self.observer.tell(ProducerEvent::BatchResolved {
            available: &|| self.shared.accumulator.memory.free(),
            partition: slot.map(|slot| &slot.topic_partition),
            records: count,
            size,
            result,
            record_errors,
        });
        match verdict {
            Verdict::Written { base_offset, append_time } => promise.keep(base_offset, append_time),
            Verdict::Failed { error, records } => {
                self.fail_transaction(&error);
                let slot = self.slots.get(at(partition));
                let topic = slot.map(|slot| &slot.topic_partition.topic);
                self.observer.tell(ProducerEvent::BatchFailed { topic, records: count });
                promise.fail(error, records, count);
            }
        }
    }

    fn slot(&self, partition: PartitionIndex) -> Option<&Arc<PartitionBatches>> {
        self.slots.get(at(partition))
    }
}

/// However the task ends, by its producer, its client or its runtime: nobody is left without a
/// verdict, and nothing is taken any more.
impl Drop for SenderTask {
    fn drop(&mut self) {
        let closed = super::closed();
        // Whoever was appending has finished then.
        self.shared.topics.end(&closed);
        let mut has_lost = !self.machine.is_empty();
        self.machine.handle_close(&closed, runtime::now());
        self.act();
        has_lost |= self.shared.accumulator.events.end();
        // Of these the machine has not heard.
        has_lost |= self.slots.iter().filter_map(|slot| slot.end()).count() > 0;
        if has_lost {
            self.shared.has_lost.store(true, Ordering::Relaxed);
        }
        self.shared.changed.notify_waiters();
    }
}

fn at(partition: PartitionIndex) -> usize {
    usize::try_from(partition.0).unwrap_or(usize::MAX)
}

fn settings(shared: &ProducerShared, cluster: &Cluster) -> SenderSettings {
    let (config, client) = (&shared.config, cluster.config());
    SenderSettings {
        epochs: match &config.transactional_id {
            Some(_) => Some(EpochOwner::Coordinator),
            None => config.is_idempotent().then_some(EpochOwner::Partition),
        },
        linger: config.linger,
        adaptive: config.adaptive_batching,
        delivery_timeout: config.effective_delivery_timeout(client.request_timeout),
        retries: config.retries,
        broker_error_retries: config.broker_error_retries,
        backoff: cluster.retry_backoff(),
        max_in_flight: config.max_in_flight_requests_per_connection,
        max_request_size: config.max_request_size,
    }
}

/// A broker gives an id to whoever may write to some topic (KIP-679), and speaks of the cluster to
/// others.
fn explain_refusal(error: Error) -> Error {
    match error.code() {
        Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => error.with_context(
            "there is no topic that the client may write to (it needs the permission Write for \
             the topic, or IdempotentWrite for the cluster)",
        ),
        _ => error,
    }
}

async fn ask_producer_id(cluster: &Cluster) -> Result<ProducerIdAndEpoch> {
    let deadline = runtime::now() + cluster.config().request_timeout;
    let request = |_version| rpc::init_producer_id_request();
    let reply = cluster
        .call_routed(&Route::Any, Lane::Control, deadline, request, rpc::init_producer_id_code)
        .await?;
    rpc::read_identity(&reply.parse()?)
}
