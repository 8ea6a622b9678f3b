//! The machine with its driver and a network that loses and delays; the rules are checked whenever
//! something is done.

use std::collections::{BTreeMap, BTreeSet};

use super::coordinator::{Coordinator, Item};
use crate::error::{Error, ErrorCode, ErrorKind};
use crate::producer::sender::TransactionNumber;
use crate::producer::sender::ready::PartitionIndex;
use crate::producer::sender::sequence::ProducerIdAndEpoch;
use crate::producer::transaction::reaction::{Reaction, reaction};
use crate::producer::transaction::{
    OffsetsId, Phase, TransactionAction, TransactionEnd, TransactionMachine, TransactionProtocol,
};

pub(super) struct World {
    /// What the cluster has switched on.
    pub(super) protocol: TransactionProtocol,
    pub(super) machine: TransactionMachine,
    pub(super) coordinator: Coordinator,
    /// What waits for an answer.
    pub(super) requests: Vec<Request>,
    /// What nobody waits for any more, but may still arrive.
    pub(super) strays: Vec<Request>,
    /// How each transaction has ended, as the application was told.
    pub(super) told: BTreeMap<TransactionNumber, TransactionEnd>,
    /// What the application relies on.
    pub(super) acknowledged: BTreeSet<Item>,
    open: Option<Open>,
    has_ended: bool,
    /// Batches that wait for admission.
    waiting: Vec<(PartitionIndex, Item)>,
    /// Offsets without an answer, and the transaction that has taken them.
    unanswered: BTreeMap<OffsetsId, Option<TransactionNumber>>,
    pub(super) next_item: u64,
    spent: Vec<ProducerIdAndEpoch>,
    of_old: Vec<ProducerIdAndEpoch>,
    pub(super) commits: usize,
}

/// The transaction that is open, as the rules see it.
struct Open {
    number: TransactionNumber,
    identity: ProducerIdAndEpoch,
    protocol: TransactionProtocol,
    joined: BTreeSet<PartitionIndex>,
    admitted: BTreeSet<PartitionIndex>,
    has_failed: bool,
    /// The decision, while nobody has refused it.
    said: Option<TransactionEnd>,
}

#[derive(Clone, Debug)]
pub(super) enum Request {
    Init(Option<ProducerIdAndEpoch>),
    Add(ProducerIdAndEpoch, Vec<PartitionIndex>),
    Offsets(ProducerIdAndEpoch, Item),
    End(ProducerIdAndEpoch, TransactionProtocol, TransactionEnd),
    Produce {
        identity: ProducerIdAndEpoch,
        protocol: TransactionProtocol,
        partition: PartitionIndex,
        item: Item,
        has_verdict: bool,
    },
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Answered,
    Refused(ErrorCode),
    ReplyLost,
    Lost,
    /// No answer, but it may arrive later.
    Late,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            protocol: TransactionProtocol::V1,
            machine: TransactionMachine::new(),
            coordinator: Coordinator::new(),
            requests: Vec::new(),
            strays: Vec::new(),
            told: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            open: None,
            has_ended: false,
            waiting: Vec::new(),
            unanswered: BTreeMap::new(),
            next_item: 0,
            spent: Vec::new(),
            of_old: Vec::new(),
            commits: 0,
        }
    }

    pub(super) fn item(&mut self, number: TransactionNumber) -> Item {
        self.next_item += 1;
        (number, self.next_item)
    }

    /// The application adds a record, if a transaction takes some.
    pub(super) fn append(&mut self, partition: PartitionIndex) {
        let Phase::Open(number) = self.machine.status().phase else { return };
        let item = self.item(number);
        let open = self.open.as_mut().unwrap();
        let protocol = open.protocol;
        if open.joined.insert(partition) {
            self.machine.handle_join(partition);
        }
        let open = self.open.as_ref().unwrap();
        if protocol == TransactionProtocol::V2 || open.admitted.contains(&partition) {
            self.produce(partition, item);
        } else {
            self.waiting.push((partition, item));
        }
    }

    pub(super) fn send_offsets(&mut self, number: TransactionNumber) {
        let (_, id) = self.item(number);
        let is_taken = matches!(self.machine.status().phase, Phase::Open(open) if open == number);
        self.unanswered.insert(id, is_taken.then_some(number));
        self.machine.handle_offsets(number, id);
    }

    /// Does all that the machine wants done.
    pub(super) fn run(&mut self) {
        loop {
            let is_quiet = self.waiting.is_empty() && !self.requests.iter().any(Request::is_batch);
            let was_awaited = self.machine.awaits_quiet() && is_quiet;
            if was_awaited {
                let identity = self.machine.identity().unwrap();
                self.machine.handle_quiet(|| self.spent.contains(&identity));
            }
            let mut has_done = false;
            while let Some(action) = self.machine.poll() {
                self.act(action);
                has_done = true;
            }
            self.note_end();
            if !has_done && !was_awaited {
                return;
            }
        }
    }

    fn act(&mut self, action: TransactionAction) {
        self.has_ended |= matches!(self.machine.status().phase, Phase::Ended(_));
        if self.has_ended {
            let is_last_word = matches!(
                action,
                TransactionAction::Refuse(_) | TransactionAction::AnswerOffsets { .. }
            );
            assert!(is_last_word, "rule 6: {action:?} after the end");
        }
        match action {
            TransactionAction::InitProducerId(identity) => {
                self.requests.push(Request::Init(identity));
            }
            TransactionAction::Begin { transaction, identity, protocol } => {
                self.begin(transaction, identity, protocol);
            }
            TransactionAction::AddPartitions { identity, partitions } => {
                self.check_says(identity, TransactionProtocol::V1);
                self.requests.push(Request::Add(identity, partitions));
            }
            TransactionAction::Admit(partitions) => self.admit(&partitions),
            TransactionAction::AddOffsets { identity, protocol, offsets } => {
                let number = self.check_says(identity, protocol);
                self.requests.push(Request::Offsets(identity, (number, offsets)));
            }
            TransactionAction::AnswerOffsets { offsets, result } => {
                let taken = self.unanswered.remove(&offsets).expect("offsets are answered once");
                match (taken, result) {
                    (Some(number), Ok(())) => drop(self.acknowledged.insert((number, offsets))),
                    (Some(_), Err(_)) => self.fail(),
                    (None, result) => assert!(result.is_err(), "no transaction has taken them"),
                }
            }
            TransactionAction::Refuse(_) => self.refuse(),
            TransactionAction::Flush | TransactionAction::Ended(_) => {}
            TransactionAction::EndTxn { identity, protocol, end } => {
                self.check_says(identity, protocol);
                self.check_end(end);
                self.requests.push(Request::End(identity, protocol, end));
            }
        }
    }

    fn begin(
        &mut self,
        number: TransactionNumber,
        identity: ProducerIdAndEpoch,
        protocol: TransactionProtocol,
    ) {
        assert!(self.open.is_none(), "two transactions are open");
        assert!(!self.spent.contains(&identity), "rule 4: {identity:?} has lost something");
        let changes = protocol == TransactionProtocol::V2 && self.of_old.contains(&identity);
        assert!(!changes, "rule 4: {identity:?} spoke the old protocol");
        if protocol == TransactionProtocol::V1 {
            self.of_old.push(identity);
        }
        self.open = Some(Open {
            number,
            identity,
            protocol,
            joined: BTreeSet::new(),
            admitted: BTreeSet::new(),
            has_failed: false,
            said: None,
        });
    }

    /// Rules 1 and 5.
    fn check_says(
        &self,
        identity: ProducerIdAndEpoch,
        protocol: TransactionProtocol,
    ) -> TransactionNumber {
        let open = self.open.as_ref().expect("rule 1: said outside of a transaction");
        assert_eq!(open.identity, identity, "another identity within a transaction");
        assert_eq!(open.protocol, protocol, "rule 5: another protocol within a transaction");
        open.number
    }

    /// Rules 2 and 3.
    fn check_end(&mut self, end: TransactionEnd) {
        let is_under_way = self.requests.iter().any(|request| !matches!(request, Request::Init(_)));
        assert!(!is_under_way, "rule 2: {end:?} while {:?} are under way", self.requests);
        let open = self.open.as_mut().unwrap();
        if end == TransactionEnd::Commit {
            assert!(self.waiting.is_empty(), "rule 2: a commit before every batch is written");
            assert!(self.unanswered.is_empty(), "rule 2: a commit before the offsets");
            assert!(!open.has_failed, "rule 2: a commit of what has failed");
            let is_added = open.protocol == TransactionProtocol::V2 || open.joined == open.admitted;
            assert!(is_added, "rule 2: a commit of partitions that were not added");
        }
        assert!(open.said.is_none_or(|said| said == end), "rule 3: {end:?} after the other");
        open.said = Some(end);
    }

    fn admit(&mut self, partitions: &[PartitionIndex]) {
        self.open.as_mut().unwrap().admitted.extend(partitions);
        let waiting = std::mem::take(&mut self.waiting);
        for (partition, item) in waiting {
            if partitions.contains(&partition) {
                self.produce(partition, item);
            } else {
                self.waiting.push((partition, item));
            }
        }
    }

    fn produce(&mut self, partition: PartitionIndex, item: Item) {
        let open = self.open.as_ref().unwrap();
        let (identity, protocol) = (open.identity, open.protocol);
        let has_verdict = false;
        self.requests.push(Request::Produce { identity, protocol, partition, item, has_verdict });
    }

    fn fail(&mut self) {
        if let Some(open) = &mut self.open {
            open.has_failed = true;
        }
    }

    fn refuse(&mut self) {
        self.fail();
        self.waiting.clear();
        for request in &mut self.requests {
            if let Request::Produce { identity, has_verdict, .. } = request {
                *has_verdict = true;
                self.spent.push(*identity);
            }
        }
    }

    /// The application hears of an end.
    fn note_end(&mut self) {
        let status = self.machine.status();
        if let (Some((number, end)), Some(open)) = (status.ended, &self.open)
            && number == open.number
        {
            self.told.insert(number, end);
            self.commits += usize::from(end == TransactionEnd::Commit);
            self.open = None;
        }
        if let Phase::Ended(_) = status.phase {
            self.has_ended = true;
            self.open = None;
        }
    }

    /// One request is served, in this way.
    pub(super) fn serve(&mut self, at: usize, way: Way) {
        let request = self.requests.remove(at);
        let answer = match way {
            Way::Answered => self.arrive(&request).map_err(Error::broker),
            Way::Refused(code) => Err(Error::broker(code)),
            Way::ReplyLost | Way::Lost | Way::Late => {
                if way == Way::ReplyLost {
                    let _lost = self.arrive(&request);
                }
                if way == Way::Late {
                    self.strays.push(request.clone());
                }
                if let Request::Add(identity, _)
                | Request::Offsets(identity, _)
                | Request::End(identity, TransactionProtocol::V1, _) = request
                {
                    self.spent.push(identity);
                }
                Err(Error::new(ErrorKind::Timeout, "no answer"))
            }
        };
        self.answer(request, answer);
    }

    /// What the coordinator makes of a request; gives an identity if it has one to give.
    pub(super) fn arrive(
        &mut self,
        request: &Request,
    ) -> Result<Option<ProducerIdAndEpoch>, ErrorCode> {
        let coordinator = &mut self.coordinator;
        match request.clone() {
            Request::Init(known) => coordinator.init(known).map(Some),
            Request::Add(identity, partitions) => {
                coordinator.add(identity, partitions).map(|()| None)
            }
            Request::Offsets(identity, item) => coordinator.offsets(identity, item).map(|()| None),
            Request::End(identity, protocol, end) => coordinator.end(identity, protocol, end),
            Request::Produce { identity, protocol, partition, item, .. } => {
                coordinator.produce(identity, protocol, partition, item).map(|()| None)
            }
        }
    }

    fn answer(&mut self, request: Request, answer: Result<Option<ProducerIdAndEpoch>, Error>) {
        match request {
            Request::Init(_) => {
                self.machine
                    .handle_identity(answer.map(|identity| identity.unwrap()), self.protocol);
            }
            Request::Add(_, partitions) => {
                self.machine.handle_added(partitions, answer.map(drop));
            }
            Request::Offsets(..) => self.machine.handle_offsets_added(answer.map(drop)),
            Request::End(..) => {
                if let (Err(error), Some(open)) = (&answer, &mut self.open)
                    && reaction(error) == Reaction::Abort
                {
                    open.said = None;
                }
                self.machine.handle_ended(answer);
            }
            Request::Produce { identity, item, has_verdict, .. } => match answer {
                _ if has_verdict => {}
                Ok(_) => drop(self.acknowledged.insert(item)),
                Err(error) => {
                    self.spent.push(identity);
                    self.fail();
                    self.machine.handle_batch_failed(&error);
                }
            },
        }
    }

    /// A batch that waits has no more time.
    pub(super) fn expire(&mut self) {
        if self.waiting.pop().is_some() {
            self.fail();
            self.machine.handle_batch_failed(&Error::new(ErrorKind::Timeout, "no time is left"));
        }
    }

    /// What was told is what is so.
    pub(super) fn check_truth(&self) {
        assert!(self.unanswered.is_empty(), "offsets without an answer: {:?}", self.unanswered);
        let committed: BTreeSet<_> =
            self.coordinator.committed.iter().map(|(number, _)| *number).collect();
        for (number, end) in &self.told {
            let is_committed = committed.contains(number);
            match end {
                TransactionEnd::Commit => {
                    for item in self.acknowledged.iter().filter(|(of, _)| of == number) {
                        let is_there = self.coordinator.committed.contains(item);
                        assert!(is_there, "{item:?} is lost from a transaction that was committed");
                    }
                }
                TransactionEnd::Abort => {
                    assert!(!is_committed, "transaction {number} was aborted, but is committed");
                }
            }
        }
    }
}

impl Request {
    fn is_batch(&self) -> bool {
        matches!(self, Self::Produce { .. })
    }
}
