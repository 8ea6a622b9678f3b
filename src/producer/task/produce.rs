//! Produce requests: what one is made of, how it travels, and what its answer says.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tracing::{Instrument, debug};

use super::transacting::Transacting;
use super::{SenderTask, SenderTaskEvent, at};
use crate::cluster::{Cluster, ClusterView, Lane, LeaderHint};
use crate::error::{Error, ErrorKind, Written};
use crate::ids::{BrokerId, TransactionalId, Uuid};
use crate::observability::{ProducerEvent, spans};
use crate::producer::rpc::{self, Parcel, ProduceRequest};
use crate::producer::sender::{Answer, Departure, Outgoing, RequestId};
use crate::runtime;
use crate::wire::batch::{BatchHeader, ProducerStamp};

/// The last version of Produce that names topics instead of giving their ids.
const LAST_BY_NAME: i16 = 12;

/// One Produce request, and all that it takes to send it and to read its answer.
struct ProduceCall {
    cluster: Cluster,
    broker: BrokerId,
    lane: Lane,
    parcels: Vec<Parcel>,
    departure: Departure,
    acks: i16,
    transactional_id: Option<TransactionalId>,
    /// The newest version that the transaction allows.
    newest: i16,
    begun: Instant,
    timeout: Duration,
}

/// What came of a Produce request.
pub(super) struct ProduceOutcome {
    /// One for each batch.
    answers: Vec<Answer>,
    hints: Vec<LeaderHint>,
    /// If there was one.
    reply: Option<ProduceReply>,
}

/// What a broker's reply has cost.
struct ProduceReply {
    broker: BrokerId,
    took: Duration,
    throttle: Duration,
}

impl SenderTask {
    /// Sends batches to the broker that leads their partitions.
    pub(super) fn send(
        &mut self,
        request: RequestId,
        broker: BrokerId,
        batches: &[Outgoing],
        departure: Departure,
    ) {
        let (view, now) = (self.cluster.view(), runtime::now());
        let mut parcels = Vec::with_capacity(batches.len());
        parcels.extend(
            batches
                .iter()
                .enumerate()
                .filter_map(|(place, outgoing)| self.parcel(place, *outgoing, &view, now)),
        );
        let available = &|| self.shared.accumulator.memory.free();
        self.observer.tell(ProducerEvent::RequestSent { available });
        let span = spans::produce(broker, parcels.len());
        let call = ProduceCall {
            cluster: self.cluster.clone(),
            broker,
            lane: self.lane,
            parcels,
            departure,
            acks: self.shared.config.acks.wire(),
            transactional_id: self.transacting.as_ref().map(|it| it.id().clone()),
            newest: self.transacting.as_ref().map_or(i16::MAX, Transacting::newest_produce),
            begun: now,
            timeout: self.shared.config.request_timeout(self.cluster.config()),
        };
        // Brokers that do not answer say by closing the connection that they could not do it, as
        // where they do not lead any more.
        let was_closed = call.acks == 0 && self.cluster.was_disconnected(broker, self.lane);
        let sending = async move {
            let outcome = match call.acks {
                0 => call.run_unanswered(was_closed).await,
                _ => call.run().await,
            };
            SenderTaskEvent::Answered { request, outcome }
        };
        self.work.push(Box::pin(sending.instrument(span)));
    }

    fn parcel(
        &mut self,
        place: usize,
        outgoing: Outgoing,
        view: &ClusterView,
        now: Instant,
    ) -> Option<Parcel> {
        let slot = self.slots.get(at(outgoing.partition))?;
        let held = self.batches.get_mut(&outgoing.batch)?;
        let records = held.records.as_ref()?;
        held.promise.leaves();
        let topic = &slot.topic_partition.topic;
        if std::mem::replace(&mut held.has_been_sent, true) {
            self.observer.tell(ProducerEvent::BatchRetried { topic, records: records.count });
        } else {
            self.observer.tell(ProducerEvent::BatchSent {
                topic,
                records: records.count,
                bytes: records.records.len(),
                uncompressed: records.uncompressed_len,
                queued: now.saturating_duration_since(held.opened),
            });
        }
        let producer = outgoing.stamp.map(|stamp| ProducerStamp {
            id: stamp.identity.id,
            epoch: stamp.identity.epoch,
            sequence: stamp.base,
            is_transactional: self.transacting.is_some(),
        });
        let header = BatchHeader { producer }.write(records);
        let partition = slot.topic_partition.clone();
        let topic_id = view.topic(&partition.topic).and_then(|topic| topic.id).into();
        Some(Parcel {
            partition,
            place,
            topic_id,
            bytes: [bytes::Bytes::copy_from_slice(&header), records.records.clone()],
        })
    }

    /// Takes what a broker said to a request, or what came instead of its answer.
    pub(super) fn answered(&mut self, request: RequestId, outcome: ProduceOutcome, now: Instant) {
        let ProduceOutcome { answers, hints, reply } = outcome;
        if let Some(ProduceReply { broker, took, throttle }) = reply {
            self.observer.tell(ProducerEvent::RequestAnswered { broker, took, throttle });
        }
        if !hints.is_empty() {
            self.cluster.hint_leaders(&hints);
            let topics: BTreeSet<_> = hints.iter().map(|hint| &hint.partition.topic).collect();
            self.follow(topics, &self.cluster.view());
        }
        self.machine.handle_answers(request, answers, now);
    }
}

impl ProduceCall {
    async fn run(self) -> ProduceOutcome {
        let Self { cluster, broker, lane, parcels, .. } = &self;
        let newest = if parcels.iter().any(|parcel| parcel.topic_id == Uuid::ZERO) {
            self.newest.min(LAST_BY_NAME)
        } else {
            self.newest
        };
        let make = |_version| self.request();
        let reply = cluster.call_up_to(newest, *broker, *lane, self.deadline(), make).await;
        let read = reply.and_then(|reply| {
            let took = runtime::now().saturating_duration_since(self.begun);
            let response = reply.parse()?;
            let throttle = rpc::throttle(&response);
            cluster.throttle(*broker, *lane, throttle);
            let (answers, hints) = rpc::read_produce(parcels, &response);
            let reply = Some(ProduceReply { broker: *broker, took, throttle });
            Ok(ProduceOutcome { answers, hints, reply })
        });
        read.unwrap_or_else(|error| {
            debug!(%error, %broker, "produce request failed");
            let answers = parcels.iter().map(|_| rpc::read_failure(&error)).collect();
            ProduceOutcome { answers, hints: Vec::new(), reply: None }
        })
    }

    /// With `acks=0` what has left counts as written; nobody will say where.
    async fn run_unanswered(self, was_closed: bool) -> ProduceOutcome {
        let sent = if was_closed {
            Err(Error::new(ErrorKind::Disconnected, "the broker has closed the connection")
                .with_written(Written::No))
        } else {
            let make = |_version| self.request();
            self.cluster.send_unanswered(self.broker, self.lane, self.deadline(), make).await
        };
        let answer = || match &sent {
            Ok(()) => Answer::Written { base_offset: None, append_time: None },
            Err(error) => rpc::read_failure(error),
        };
        let answers = self.parcels.iter().map(|_| answer()).collect();
        ProduceOutcome { answers, hints: Vec::new(), reply: None }
    }

    /// It is made once a connection is ready to carry it: what it holds has left.
    fn request(&self) -> ProduceRequest<'_> {
        let leaves = |parcel: &&Parcel| self.departure.mark_sent(parcel.place);
        let timeout_ms = crate::wire::millis(self.timeout);
        let parcels = self.parcels.iter().filter(leaves);
        rpc::produce_request(self.transactional_id.as_deref(), parcels, self.acks, timeout_ms)
    }

    fn deadline(&self) -> Instant {
        self.begun + self.timeout
    }
}
