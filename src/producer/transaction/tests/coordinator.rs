//! A transaction coordinator, and what it has committed: as much of Kafka's as one producer meets.

use std::collections::BTreeSet;

use crate::error::ErrorCode;
use crate::ids::{ProducerEpoch, ProducerId};
use crate::producer::sender::TransactionNumber;
use crate::producer::sender::ready::PartitionIndex;
use crate::producer::sender::sequence::ProducerIdAndEpoch;
use crate::producer::transaction::{TransactionEnd, TransactionProtocol};

/// Something that was written in a transaction: a batch, or offsets.
pub(super) type Item = (TransactionNumber, u64);

type Answer<T> = Result<T, ErrorCode>;

#[derive(Debug)]
pub(super) struct Coordinator {
    epoch: i16,
    /// Whose owner may ask again for what it was given.
    last_epoch: Option<i16>,
    state: State,
    pub(super) committed: BTreeSet<Item>,
}

#[derive(Debug)]
enum State {
    Empty,
    Ongoing { partitions: BTreeSet<PartitionIndex>, items: BTreeSet<Item> },
    Complete(TransactionEnd),
}

impl Coordinator {
    pub(super) fn new() -> Self {
        Self { epoch: -1, last_epoch: None, state: State::Empty, committed: BTreeSet::new() }
    }

    pub(super) fn init(&mut self, known: Option<ProducerIdAndEpoch>) -> Answer<ProducerIdAndEpoch> {
        let known = known.map(|known| known.epoch.0);
        if known.is_some() && known == self.last_epoch {
            return Ok(self.identity());
        }
        if known.is_some_and(|known| known != self.epoch) {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        self.last_epoch = known;
        self.epoch += 1;
        self.state = State::Empty;
        Ok(self.identity())
    }

    pub(super) fn add(
        &mut self,
        identity: ProducerIdAndEpoch,
        added: impl IntoIterator<Item = PartitionIndex>,
    ) -> Answer<()> {
        self.check(identity)?;
        match &mut self.state {
            State::Ongoing { partitions, .. } => partitions.extend(added),
            _ => {
                let partitions = added.into_iter().collect();
                self.state = State::Ongoing { partitions, items: BTreeSet::new() };
            }
        }
        Ok(())
    }

    /// A batch, which the leader of its partition asks about, or adds.
    pub(super) fn produce(
        &mut self,
        identity: ProducerIdAndEpoch,
        protocol: TransactionProtocol,
        partition: PartitionIndex,
        item: Item,
    ) -> Answer<()> {
        self.check(identity).map_err(|_| ErrorCode::INVALID_PRODUCER_EPOCH)?;
        if protocol == TransactionProtocol::V2 {
            self.add(identity, [partition])?;
        }
        match &mut self.state {
            State::Ongoing { partitions, items } if partitions.contains(&partition) => {
                items.insert(item);
                Ok(())
            }
            _ => Err(ErrorCode::INVALID_TXN_STATE),
        }
    }

    /// Under the old protocol the group is added in the same breath.
    pub(super) fn offsets(&mut self, identity: ProducerIdAndEpoch, item: Item) -> Answer<()> {
        self.add(identity, [])?;
        if let State::Ongoing { items, .. } = &mut self.state {
            items.insert(item);
        }
        Ok(())
    }

    pub(super) fn end(
        &mut self,
        identity: ProducerIdAndEpoch,
        protocol: TransactionProtocol,
        end: TransactionEnd,
    ) -> Answer<Option<ProducerIdAndEpoch>> {
        let raises = protocol == TransactionProtocol::V2;
        let is_again = match self.state {
            State::Complete(how) if raises => {
                Some(identity.epoch.0) == self.last_epoch && how == end
            }
            State::Complete(how) => self.check(identity).is_ok() && how == end,
            _ => false,
        };
        if !is_again {
            if raises
                && matches!(self.state, State::Complete(_))
                && Some(identity.epoch.0) == self.last_epoch
            {
                return Err(ErrorCode::INVALID_TXN_STATE);
            }
            self.check(identity)?;
            // Under the new protocol an abort of nothing gives an epoch.
            let may_end = matches!(self.state, State::Ongoing { .. })
                || (raises && end == TransactionEnd::Abort);
            if !may_end {
                return Err(ErrorCode::INVALID_TXN_STATE);
            }
            self.finish(end, raises);
        }
        Ok(raises.then(|| self.identity()))
    }

    /// The transaction has been open for too long: it is aborted under the next epoch.
    pub(super) fn time_out(&mut self, protocol: TransactionProtocol) {
        if matches!(self.state, State::Ongoing { .. }) {
            self.finish(TransactionEnd::Abort, true);
            if protocol == TransactionProtocol::V1 {
                self.last_epoch = None;
            }
        }
    }

    fn finish(&mut self, end: TransactionEnd, raises: bool) {
        if let (State::Ongoing { items, .. }, TransactionEnd::Commit) = (&mut self.state, end) {
            self.committed.append(items);
        }
        if raises {
            self.last_epoch = Some(self.epoch);
            self.epoch += 1;
        }
        self.state = State::Complete(end);
    }

    fn check(&self, identity: ProducerIdAndEpoch) -> Answer<()> {
        if identity.epoch.0 == self.epoch { Ok(()) } else { Err(ErrorCode::PRODUCER_FENCED) }
    }

    fn identity(&self) -> ProducerIdAndEpoch {
        ProducerIdAndEpoch { id: ProducerId(7), epoch: ProducerEpoch(self.epoch) }
    }
}
