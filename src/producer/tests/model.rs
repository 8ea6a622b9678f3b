//! A model of brokers, of the way to them and of the senders of records, around one [`Sender`].
//!
//! Its logs check sequences as Kafka's `ProducerStateManager` does. A connection that is cut fails
//! all that is on it at the client, while the broker may still read it later: the worst that TCP
//! allows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::clock::Random;
use crate::cluster::Backoff;
use crate::error::{Error, ErrorKind, Written};
use crate::ids::{BrokerId, Offset, ProducerEpoch, ProducerId, Sequence};
use crate::producer::purge::Purge;
use crate::producer::sender::batch_queue::BatchId;
use crate::producer::sender::ready::PartitionIndex;
use crate::producer::sender::sequence::EpochOwner;
use crate::producer::sender::sequence::{ProducerIdAndEpoch, SequenceStamp};
use crate::producer::sender::{
    Action, Answer, Leader, Outgoing, RequestId, Sender, SenderSettings, Verdict,
};

pub(super) const LINGER: Duration = Duration::from_millis(5);
pub(super) const DELIVERY: Duration = Duration::from_secs(10);

pub(super) fn settings() -> SenderSettings {
    SenderSettings {
        epochs: Some(EpochOwner::Partition),
        linger: LINGER,
        adaptive: None,
        delivery_timeout: DELIVERY,
        retries: u32::MAX,
        broker_error_retries: u32::MAX,
        backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(1)),
        max_in_flight: 5,
        max_request_size: 1000,
    }
}

/// A request that a client has sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) request: RequestId,
    pub(super) broker: BrokerId,
    pub(super) batches: Vec<Outgoing>,
}

/// What a broker does with a batch instead of appending it as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NotEnoughReplicas,
    NotEnoughReplicasAfterAppend,
    TimedOutUnwritten,
    Invalid,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    /// The records in order.
    pub(super) records: Vec<u64>,
    producers: BTreeMap<i64, (i16, VecDeque<Cached>)>,
}

/// A batch that a broker recognises.
#[derive(Debug)]
struct Cached {
    first: i32,
    last: i32,
    offset: usize,
}

/// The sequences given so far in one partition under one identity, to check that none is left out
/// or given twice.
type Given = BTreeMap<(u32, i64, i16), BTreeMap<i32, Range<u64>>>;

#[derive(Debug)]
pub(super) struct World {
    pub(super) sender: Sender,
    pub(super) now: Instant,
    pub(super) logs: Vec<Log>,
    pub(super) leaders: Vec<BrokerId>,
    /// Requests on a connection, in order.
    pub(super) wires: BTreeMap<BrokerId, VecDeque<Sent>>,
    /// Requests on a connection that the client has closed.
    pub(super) ghosts: BTreeMap<BrokerId, VecDeque<Sent>>,
    open: BTreeMap<u32, (BatchId, Range<u64>)>,
    /// The records of each batch without a verdict.
    pub(super) batches: BTreeMap<BatchId, Range<u64>>,
    /// Those of batches that had their verdict, or were split.
    gone: BTreeMap<BatchId, Range<u64>>,
    pub(super) sealing: Vec<BatchId>,
    pub(super) is_sealing_slow: bool,
    /// Requests wait for a connection.
    pub(super) is_connecting: bool,
    pub(super) verdicts: BTreeMap<u64, Result<Option<Offset>, Error>>,
    pub(super) accepted: Vec<(u64, u32)>,
    pub(super) refreshes: usize,
    pub(super) id_requests: usize,
    /// A batch of more records is too large.
    pub(super) limit: u64,
    pub(super) sent: Vec<Sent>,
    next_birth: u64,
    given: Given,
    doubtful: BTreeMap<u64, Option<SequenceStamp>>,
    acknowledged_by: BTreeMap<(u32, BrokerId), ProducerIdAndEpoch>,
}

impl World {
    pub(super) fn new(settings: SenderSettings, partitions: usize, seed: u64) -> Self {
        let now = Instant::now();
        let mut sender = Sender::new(settings, Random::new(seed), now);
        for _ in 0..partitions {
            sender.add_partition(Some(Leader { broker: BrokerId(1), epoch: None }), None);
        }
        Self {
            sender,
            now,
            logs: (0..partitions).map(|_| Log::default()).collect(),
            leaders: vec![BrokerId(1); partitions],
            wires: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            open: BTreeMap::new(),
            batches: BTreeMap::new(),
            gone: BTreeMap::new(),
            sealing: Vec::new(),
            is_sealing_slow: false,
            is_connecting: false,
            verdicts: BTreeMap::new(),
            accepted: Vec::new(),
            refreshes: 0,
            id_requests: 0,
            limit: u64::MAX,
            sent: Vec::new(),
            next_birth: 0,
            given: BTreeMap::new(),
            doubtful: BTreeMap::new(),
            acknowledged_by: BTreeMap::new(),
        }
    }

    /// One with a producer id.
    pub(super) fn ready(settings: SenderSettings, partitions: usize) -> Self {
        let mut world = Self::new(settings, partitions, 7);
        world.run();
        world.give_id(40, 0);
        world
    }

    pub(super) fn give_id(&mut self, id: i64, epoch: i16) {
        let identity = ProducerIdAndEpoch { id: ProducerId(id), epoch: ProducerEpoch(epoch) };
        self.sender.handle_producer_id(Ok(identity), self.now);
        self.run();
    }

    /// Accepts a record, whose number is the order of acceptance.
    pub(super) fn accept(&mut self, partition: u32) -> u64 {
        let record = u64::try_from(self.accepted.len()).unwrap();
        self.accepted.push((record, partition));
        let at = PartitionIndex(partition);
        match self.open.get_mut(&partition) {
            // The records of one batch have consecutive numbers here, so another partition's record
            // ends it.
            Some((_, records)) if records.end == record => records.end += 1,
            _ => {
                self.close(partition);
                let batch = BatchId::unsplit(self.next_birth);
                self.next_birth += 1;
                self.open.insert(partition, (batch, record..record + 1));
                self.sender.handle_opened(at, batch, self.now, self.now);
            }
        }
        record
    }

    /// Accepts records as one batch, which is full.
    pub(super) fn accept_batch(&mut self, partition: u32, count: u64) -> Range<u64> {
        self.close(partition);
        let first = self.accept(partition);
        for _ in 1..count {
            self.accept(partition);
        }
        self.close(partition);
        self.run();
        first..first + count
    }

    /// The open batch of a partition is full.
    pub(super) fn close(&mut self, partition: u32) {
        if let Some((batch, records)) = self.open.remove(&partition) {
            self.batches.insert(batch, records);
            self.sender.handle_closed(batch, self.now);
            self.seal(batch);
        }
    }

    fn seal(&mut self, batch: BatchId) {
        if self.is_sealing_slow {
            self.sealing.push(batch);
        } else {
            self.finish_sealing(batch);
        }
    }

    pub(super) fn finish_sealing(&mut self, batch: BatchId) {
        let Some(records) = self.batches.get(&batch) else { return };
        let count = u32::try_from(records.end - records.start).unwrap();
        self.sender.handle_sealed(
            batch,
            count,
            61 + 10 * usize::try_from(count).unwrap(),
            self.now,
        );
    }

    /// How many records the open batch of a partition has.
    pub(super) fn open_count(&self, partition: u32) -> u64 {
        self.open.get(&partition).map_or(0, |(_, records)| records.end - records.start)
    }

    /// Carries out what the machine wants.
    pub(super) fn run(&mut self) {
        while let Some(action) = self.sender.poll() {
            match action {
                Action::JoinTransaction(_) => panic!("no transaction has begun"),
                Action::Close { partition, batch } => {
                    let (open, records) =
                        self.open.remove(&partition.0).expect("only what is open is closed");
                    assert_eq!(open, batch, "the batch to close is the open one");
                    self.batches.insert(batch, records);
                    self.seal(batch);
                }
                Action::Send { request, broker, batches, departure } => {
                    if !self.is_connecting {
                        (0..batches.len()).for_each(|place| assert!(departure.mark_sent(place)));
                    }
                    self.send(Sent { request, broker, batches });
                }
                Action::Split { batch, .. } => self.split(batch),
                Action::Resolve { partition, batch, verdict } => {
                    self.resolve(partition, batch, verdict)
                }
                Action::AskProducerId => self.id_requests += 1,
                Action::RefreshMetadata => self.refreshes += 1,
                Action::HangUp(broker) => self.cut(broker.0),
            }
        }
    }

    fn send(&mut self, sent: Sent) {
        assert!(!sent.batches.is_empty());
        let partitions: BTreeSet<_> =
            sent.batches.iter().map(|outgoing| outgoing.partition).collect();
        assert_eq!(partitions.len(), sent.batches.len(), "one batch of a partition per request");
        assert!(self.wires.get(&sent.broker).map_or(0, VecDeque::len) < 5, "requests in flight");
        for outgoing in &sent.batches {
            self.check_sent(sent.broker, *outgoing);
        }
        self.sent.push(sent.clone());
        self.wires.entry(sent.broker).or_default().push_back(sent);
    }

    fn check_sent(&mut self, broker: BrokerId, outgoing: Outgoing) {
        let partition = outgoing.partition.0;
        let records = self.batches[&outgoing.batch].clone();
        let under_way = |(at, wire): (&BrokerId, &VecDeque<Sent>)| {
            let carries = |sent: &&Sent| {
                sent.batches.iter().any(|batch| batch.partition == outgoing.partition)
            };
            (*at, wire.iter().filter(carries).count())
        };
        let under_way: Vec<_> =
            self.wires.iter().map(under_way).filter(|(_, count)| *count > 0).collect();
        assert!(under_way.iter().all(|(at, _)| *at == broker), "(c) attempts at two leaders");
        if let Some(stamp) = outgoing.stamp {
            let acknowledged =
                self.acknowledged_by.get(&(partition, broker)) == Some(&stamp.identity);
            let others = under_way.first().map_or(0, |(_, count)| *count);
            assert!(
                acknowledged || others == 0,
                "(b) two in flight at a leader that has acknowledged none"
            );
            let key = (partition, stamp.identity.id.0, stamp.identity.epoch.0);
            let given = self.given.entry(key).or_default();
            check_sequence(given, stamp.base.0, &records);
            if given
                .range(..=stamp.base.0)
                .next_back()
                .is_none_or(|(_, known)| known.end < records.end)
            {
                given.insert(stamp.base.0, records.clone());
            }
        }
        for record in records {
            if let Some(before) = self.doubtful.get(&record) {
                let first = self.batches[&outgoing.batch].start;
                let now = outgoing
                    .stamp
                    .map(|stamp| SequenceStamp { base: at(stamp.base, record - first), ..stamp });
                assert_eq!(
                    *before, now,
                    "(d) what may have been written went under another epoch or sequence"
                );
            }
        }
    }

    fn split(&mut self, batch: BatchId) {
        let records = self.batches[&batch].clone();
        let middle = records.start + (records.end - records.start) / 2;
        let parts: Vec<_> = [records.start..middle, middle..records.end]
            .into_iter()
            .map(|part| {
                let first = batch.first + u32::try_from(part.start - records.start).unwrap();
                (BatchId { seq: batch.seq, first }, part)
            })
            .collect();
        let sizes: Vec<_> = parts
            .iter()
            .map(|(id, part)| {
                let count = u32::try_from(part.end - part.start).unwrap();
                (*id, count, 61 + 10 * usize::try_from(count).unwrap())
            })
            .collect();
        if self.sender.handle_split(batch, &sizes, self.now) {
            self.batches.remove(&batch);
            self.batches.extend(parts);
        }
    }

    fn resolve(&mut self, partition: PartitionIndex, batch: BatchId, verdict: Verdict) {
        let records = match self.open.get(&partition.0) {
            Some((open, records)) if *open == batch => {
                let records = records.clone();
                self.open.remove(&partition.0);
                records
            }
            _ => self.batches.remove(&batch).expect("one verdict per batch"),
        };
        self.gone.insert(batch, records.clone());
        for (index, record) in records.enumerate() {
            let index = i64::try_from(index).unwrap();
            let outcome = match &verdict {
                Verdict::Written { base_offset, .. } => {
                    Ok(base_offset.map(|base| base.advance(index)))
                }
                Verdict::Failed { error, .. } => Err(error.clone()),
            };
            assert!(self.verdicts.insert(record, outcome).is_none(), "one verdict per record");
        }
    }

    /// The broker reads the next request on a connection, and its answer arrives.
    pub(super) fn serve(
        &mut self,
        broker: i32,
        mut fault: impl FnMut(PartitionIndex) -> Option<Fault>,
    ) {
        let Some(sent) = self.wires.get_mut(&BrokerId(broker)).and_then(VecDeque::pop_front) else {
            return;
        };
        let answers: Vec<_> = sent
            .batches
            .iter()
            .map(|outgoing| self.append(sent.broker, *outgoing, fault(outgoing.partition)))
            .collect();
        for (outgoing, answer) in sent.batches.iter().zip(&answers) {
            match answer {
                Answer::Written { .. } => {
                    if let Some(stamp) = outgoing.stamp {
                        self.acknowledged_by
                            .insert((outgoing.partition.0, broker.into()), stamp.identity);
                    }
                }
                Answer::Retry { written: Written::Maybe, .. } => self.doubt(*outgoing),
                _ => {}
            }
        }
        self.sender.handle_answers(sent.request, answers, self.now);
        self.run();
    }

    pub(super) fn serve_well(&mut self, broker: i32) {
        self.serve(broker, |_| None);
    }

    /// The client loses its connection to a broker, which may read on.
    pub(super) fn cut(&mut self, broker: i32) {
        let broker = BrokerId(broker);
        let lost = self.wires.remove(&broker).unwrap_or_default();
        for sent in &lost {
            for outgoing in &sent.batches {
                self.doubt(*outgoing);
            }
        }
        self.ghosts.entry(broker).or_default().extend(lost.iter().cloned());
        for sent in lost {
            let answers =
                vec![retry(ErrorKind::Disconnected, Written::Maybe, true); sent.batches.len()];
            self.sender.handle_answers(sent.request, answers, self.now);
        }
        self.run();
    }

    /// No connection could be made: nothing of what was to be sent left.
    pub(super) fn refuse_connection(&mut self, broker: i32) {
        for sent in self.wires.remove(&BrokerId(broker)).unwrap_or_default() {
            let answers = vec![retry(ErrorKind::Connect, Written::No, true); sent.batches.len()];
            self.sender.handle_answers(sent.request, answers, self.now);
        }
        self.run();
    }

    /// A broker reads on from a connection that the client has closed.
    pub(super) fn haunt(&mut self, broker: i32) {
        let Some(sent) = self.ghosts.get_mut(&BrokerId(broker)).and_then(VecDeque::pop_front)
        else {
            return;
        };
        for outgoing in &sent.batches {
            self.append(sent.broker, *outgoing, None);
        }
    }

    pub(super) fn move_leader(&mut self, partition: u32, broker: i32) {
        self.leaders[usize::try_from(partition).unwrap()] = BrokerId(broker);
    }

    /// The client learns who leads.
    pub(super) fn tell_leaders(&mut self) {
        for (partition, leader) in self.leaders.clone().into_iter().enumerate() {
            let partition = PartitionIndex(u32::try_from(partition).unwrap());
            self.sender.handle_leader(
                partition,
                Some(Leader { broker: leader, epoch: None }),
                self.now,
            );
        }
        self.run();
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now += time;
        if self.sender.poll_timeout().is_some_and(|timeout| timeout <= self.now) {
            self.sender.handle_timeout(self.now);
        }
        self.run();
    }

    pub(super) fn purge(&mut self, records: &Purge) {
        self.purge_before(records);
        self.run();
    }

    /// Purges before anything else is done.
    pub(super) fn purge_before(&mut self, records: &Purge) {
        self.sender.handle_purge(records, self.now, |_| true);
    }

    fn doubt(&mut self, outgoing: Outgoing) {
        // What had its verdict before is of no more interest.
        let Some(records) = self.batches.get(&outgoing.batch) else { return };
        let first = records.start;
        for record in records.clone() {
            let stamp = outgoing
                .stamp
                .map(|stamp| SequenceStamp { base: at(stamp.base, record - first), ..stamp });
            self.doubtful.insert(record, stamp);
        }
    }

    fn append(&mut self, broker: BrokerId, outgoing: Outgoing, fault: Option<Fault>) -> Answer {
        let partition = usize::try_from(outgoing.partition.0).unwrap();
        if self.leaders[partition] != broker {
            return retry(ErrorKind::Broker, Written::No, true);
        }
        let records = self.records_of(outgoing.batch);
        if records.end - records.start > self.limit {
            return Answer::TooLarge(Error::new(ErrorKind::RecordTooLarge, ""));
        }
        match fault {
            Some(Fault::NotEnoughReplicas) => return retry(ErrorKind::Broker, Written::No, false),
            Some(Fault::TimedOutUnwritten) => {
                return retry(ErrorKind::Broker, Written::Maybe, false);
            }
            Some(Fault::Invalid) => {
                return Answer::Failed {
                    error: Error::new(ErrorKind::Broker, "invalid"),
                    written: Written::No,
                    records: vec![],
                };
            }
            Some(Fault::NotEnoughReplicasAfterAppend) | None => {}
        }
        let answer = self.logs[partition].append(outgoing.stamp, records);
        match (fault, answer) {
            (Some(_), Answer::Written { .. }) => retry(ErrorKind::Broker, Written::Maybe, false),
            (_, answer) => answer,
        }
    }

    /// Also of a batch that has its verdict.
    fn records_of(&self, batch: BatchId) -> Range<u64> {
        self.batches.get(&batch).cloned().unwrap_or_else(|| self.gone[&batch].clone())
    }
}

impl Log {
    fn append(&mut self, stamp: Option<SequenceStamp>, records: Range<u64>) -> Answer {
        let offset = self.records.len();
        let written = |offset: usize| Answer::Written {
            base_offset: Some(Offset(i64::try_from(offset).unwrap())),
            append_time: None,
        };
        if let Some(SequenceStamp { identity, base: Sequence(first) }) = stamp {
            let count = u32::try_from(records.end - records.start).unwrap();
            let last = Sequence(first).advance(count - 1).0;
            if let Some((epoch, batches)) = self.producers.get(&identity.id.0) {
                if let Some(known) = batches.iter().find(|known| {
                    *epoch == identity.epoch.0 && (known.first, known.last) == (first, last)
                }) {
                    return written(known.offset);
                }
                if identity.epoch.0 < *epoch {
                    return Answer::Fenced(Error::new(ErrorKind::Broker, "fenced"));
                }
                let expected = if identity.epoch.0 > *epoch {
                    Some(0)
                } else {
                    batches.back().map(|last| Sequence(last.last).advance(1).0)
                };
                if expected.is_some_and(|expected| expected != first) {
                    return Answer::OutOfSequence(Error::new(ErrorKind::Broker, "out of order"));
                }
            }
            let (epoch, batches) = self.producers.entry(identity.id.0).or_default();
            if *epoch != identity.epoch.0 {
                *epoch = identity.epoch.0;
                batches.clear();
            }
            batches.push_back(Cached { first, last, offset });
            if batches.len() > 5 {
                batches.pop_front();
            }
        }
        self.records.extend(records);
        written(offset)
    }

    /// The broker has started anew without its logs, or they were too old: it takes any first
    /// sequence.
    pub(super) fn forget_producers(&mut self) {
        self.producers.clear();
    }

    /// What an unclean election loses.
    pub(super) fn lose(&mut self, count: usize) {
        self.records.truncate(self.records.len().saturating_sub(count));
        for (_, batches) in self.producers.values_mut() {
            batches.pop_back();
        }
    }
}

/// The same records have the same sequence, and new ones follow the last.
fn check_sequence(given: &BTreeMap<i32, Range<u64>>, base: i32, records: &Range<u64>) {
    match given.range(..=base).next_back() {
        None => assert_eq!(base, 0, "(a) the first sequence of an epoch is 0"),
        Some((known_base, known)) => {
            let skipped = u64::try_from(base - known_base).unwrap();
            if base == *known_base || known.start + skipped < known.end {
                assert_eq!(
                    known.start + skipped,
                    records.start,
                    "(a) a sequence was given to two records"
                );
            } else {
                assert_eq!(known.end - known.start, skipped, "(a) a sequence was left out");
            }
        }
    }
}

fn at(base: Sequence, index: u64) -> Sequence {
    base.advance(u32::try_from(index).unwrap())
}

fn retry(kind: ErrorKind, written: Written, is_leader_stale: bool) -> Answer {
    Answer::Retry { error: Error::new(kind, "fault"), written, is_leader_stale }
}
