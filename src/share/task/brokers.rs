//! The requests to brokers, and what is made of their answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tracing::debug;

use super::{CallKind, ShareEvent, ShareTask};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::BrokerId;
use crate::share::ShareAcquireMode;
use crate::share::acquisition::Acquisition;
use crate::share::broker::{ShareBroker, ShareCall, ShareDemand};
use crate::share::rpc::{FetchWish, Said, ShareAnswer, SharedPartitionAnswer};
use crate::share::session::{CLOSES, SharedPartition};
use crate::share::shared::lock_until;

impl ShareTask {
    /// Has each partition fetched from its leader, by the newest view.
    pub(super) fn follow(&mut self, now: Instant) {
        self.name_topics(now);
        let view = Arc::clone(&self.view.borrow_and_update());
        let mut wanted: BTreeMap<BrokerId, Vec<SharedPartition>> = BTreeMap::new();
        let mut is_leaderless = false;
        for (id, partitions) in &self.assigned {
            for partition in partitions {
                let key = (*id, *partition);
                let Some(name) = self.name_of(&key) else { continue };
                // What has the name now may be another topic.
                let is_known = view.topic(&name.topic).is_some_and(|topic| topic.id == Some(*id));
                match view.leader_and_epoch(&name).filter(|_| is_known) {
                    Some((leader, _)) => wanted.entry(leader).or_default().push(key),
                    None => is_leaderless = true,
                }
            }
        }
        for broker in self.brokers.values_mut() {
            broker.wanted.clear();
        }
        for (leader, partitions) in wanted {
            let broker = self.brokers.entry(leader).or_insert_with(ShareBroker::new);
            broker.wanted.extend(partitions);
        }
        if is_leaderless {
            self.refresh_later(now);
        }
    }

    /// Asks each broker what is due.
    pub(super) fn ask_brokers(&mut self, live: &[Arc<Acquisition>], now: Instant) {
        let shared = Arc::clone(&self.parts.shared);
        shared.set_busy(false);
        let is_urgent = shared.bell.take_urgency();
        let may_fetch = self.parts.machine.is_member() && !shared.is_closed();
        let has_room = may_fetch && shared.has_room();
        let is_waiting = may_fetch && shared.activity.is_waiting();
        let ids: Vec<BrokerId> = self.brokers.keys().copied().collect();
        let mut is_busy = !ids.is_empty();
        for id in ids {
            let of_broker = || live.iter().filter(|acquisition| acquisition.broker == id);
            let wanted = self.brokers.get(&id).map(|broker| &broker.wanted);
            let is_fetched =
                |one: &Acquisition| wanted.is_some_and(|wanted| wanted.contains(&one.key()));
            let demand = ShareDemand {
                calls: shared.activity.calls(),
                is_waiting,
                has_room,
                has_said: shared.bell.has_said() && of_broker().any(|one| one.has_said()),
                has_said_elsewhere: shared.bell.has_said()
                    && of_broker().any(|one| one.has_said() && !is_fetched(one)),
                renews: of_broker().any(|one| one.renews()),
                has_many: shared.bell.has_many(),
            };
            let Some(broker) = self.brokers.get_mut(&id) else { continue };
            if is_urgent {
                broker.hurry();
            }
            let call = broker.poll(&demand, now);
            is_busy &= broker.is_in_flight();
            match call {
                Some(call) => {
                    let own = of_broker().cloned().collect();
                    self.call(id, call, own, now);
                }
                None => {
                    let is_gone = broker.is_idle() && broker.wanted.is_empty();
                    if is_gone && of_broker().next().is_none() {
                        self.brokers.remove(&id);
                    }
                }
            }
        }
        if is_busy {
            shared.set_busy(true);
        }
    }

    fn call(&mut self, id: BrokerId, call: ShareCall, own: Vec<Arc<Acquisition>>, now: Instant) {
        let shares_work =
            self.brokers.values().filter(|broker| !broker.wanted.is_empty()).count() > 1;
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        let mut said = Said::new();
        let (mut sent, mut renews) = (Vec::new(), false);
        // The first request of a session cannot say anything; and what a fetch names, it asks for.
        let takes_acknowledgements = broker.session.is_open();
        let with_renewals = call == ShareCall::Acknowledge;
        if takes_acknowledgements {
            for acquisition in own {
                let is_fetched = broker.wanted.contains(&acquisition.key());
                let is_taken = match call {
                    ShareCall::Fetch { takes_parts, .. } => {
                        is_fetched && (takes_parts || acquisition.is_said())
                    }
                    ShareCall::Acknowledge | ShareCall::Close => true,
                };
                if !is_taken {
                    continue;
                }
                let outgoing = acquisition.send(with_renewals, now);
                if !outgoing.ranges.is_empty() {
                    renews |= outgoing.renews;
                    said.entry(acquisition.key()).or_default().extend(outgoing.ranges);
                    sent.push(acquisition);
                }
            }
        }
        for ranges in said.values_mut() {
            ranges.sort_by_key(|range| range.first);
        }
        let rpc = self.parts.rpc.clone();
        let member = self.parts.machine.member().to_owned();
        match call {
            ShareCall::Fetch { may_wait, .. } => {
                let session = broker.session.request(&broker.wanted);
                // Who waits has nothing: all that may be locked at a time is asked for at once, as
                // fewer requests are less work for the broker. Several brokers bring as much
                // together; and who has set a limit means it.
                let is_limit = rpc.settings.acquire_mode == ShareAcquireMode::RecordLimit;
                let polls = if may_wait && !shares_work && !is_limit { 2 } else { 1 };
                let wish = FetchWish { may_wait, polls };
                let runtime = self.parts.runtime.clone();
                self.spawn(async move {
                    let outcome = rpc.fetch(&runtime, id, &member, &session, &said, wish).await;
                    ShareEvent::Answered { broker: id, kind: CallKind::Fetch, sent, outcome }
                });
            }
            ShareCall::Acknowledge => {
                let epoch = broker.session.epoch();
                self.spawn(async move {
                    let outcome = rpc.acknowledge(id, &member, epoch, &said, renews).await;
                    ShareEvent::Answered { broker: id, kind: CallKind::Acknowledge, sent, outcome }
                });
            }
            ShareCall::Close => self.spawn(async move {
                let outcome = rpc.acknowledge(id, &member, CLOSES, &said, false).await;
                ShareEvent::Answered { broker: id, kind: CallKind::Close, sent, outcome }
            }),
        }
    }

    pub(super) fn answered(
        &mut self,
        id: BrokerId,
        kind: CallKind,
        sent: &[Arc<Acquisition>],
        outcome: Result<ShareAnswer>,
        now: Instant,
    ) {
        let answer = match outcome {
            Ok(ShareAnswer { error: Some(error), .. }) => {
                return self.refused(id, sent, &error, now);
            }
            Ok(answer) => answer,
            Err(error) => return self.lost(id, kind, sent, &error, now),
        };
        if let Some(lock) = answer.lock {
            self.parts.shared.set_lock_timeout(lock);
        }
        self.settle(sent, &answer.partitions, now);
        let hints = answer.hints(|partition| self.name_of(partition));
        let mut is_stale = false;
        let mut acquired = Vec::new();
        for partition in answer.partitions {
            if let Some(code) = partition.error {
                is_stale = true;
                self.partition_refused(&partition, code);
            } else if kind == CallKind::Fetch {
                acquired.extend(self.acquired(id, partition, now));
            }
        }
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        match kind {
            CallKind::Fetch => broker.fetched(!acquired.is_empty()),
            CallKind::Acknowledge => broker.answered(),
            CallKind::Close => broker.closed(),
        }
        if is_stale {
            broker.rest(&self.backoff, &mut self.random, now);
        }
        if !acquired.is_empty() {
            self.parts.shared.add(acquired);
        }
        if kind == CallKind::Close {
            // What was not acknowledged is released with the session.
            let error = Error::new(ErrorKind::LockLost, "the share session has been closed");
            self.lose_all(id, &error);
        }
        if !hints.is_empty() {
            self.parts.rpc.coordinator.cluster.hint_leaders(&hints);
        } else if is_stale {
            self.refresh_later(now);
        }
    }

    /// What one partition has brought.
    fn acquired(
        &mut self,
        broker: BrokerId,
        answer: SharedPartitionAnswer,
        now: Instant,
    ) -> Option<Arc<Acquisition>> {
        let mut acquired = answer.acquired;
        if acquired.records.is_empty() && acquired.others.is_empty() {
            return None;
        }
        let partition = self.name_of(&answer.partition)?;
        if let Some(error) = acquired.failure.take() {
            self.parts.shared.raise(error.in_api("ShareFetch").at_partition(partition.clone()));
        }
        Some(Arc::new(Acquisition::new(
            partition,
            answer.partition.0,
            broker,
            acquired,
            lock_until(self.parts.shared.lock_timeout(), now),
            self.parts.releases_dropped,
            Arc::clone(&self.parts.shared.bell),
        )))
    }

    /// Tells what became of acknowledgements that a broker has answered to.
    fn settle(&self, sent: &[Arc<Acquisition>], answers: &[SharedPartitionAnswer], now: Instant) {
        for acquisition in sent {
            let answer = answers.iter().find(|answer| answer.partition == acquisition.key());
            let error = match answer.map(|answer| answer.refused) {
                Some(None) => {
                    acquisition.confirm(lock_until(self.parts.shared.lock_timeout(), now));
                    continue;
                }
                Some(Some(code)) => Error::broker(code),
                None => Error::new(ErrorKind::Protocol, "the broker has not answered to it"),
            };
            let error = error
                .in_api("ShareAcknowledge")
                .at_broker(acquisition.broker)
                .at_partition(acquisition.partition.clone());
            acquisition.refuse(&error);
        }
    }

    /// The request as a whole was refused: nothing of it was done.
    fn refused(&mut self, id: BrokerId, sent: &[Arc<Acquisition>], error: &Error, now: Instant) {
        debug!(broker = %id, %error, "a request of a share session was refused");
        let is_of_session = matches!(
            error.code(),
            Some(
                ErrorCode::SHARE_SESSION_NOT_FOUND
                    | ErrorCode::INVALID_SHARE_SESSION_EPOCH
                    | ErrorCode::SHARE_SESSION_LIMIT_REACHED
            )
        );
        for acquisition in sent {
            if is_of_session {
                // The next session says it.
                acquisition.unsend();
            } else {
                acquisition.refuse(error);
            }
        }
        if !is_of_session {
            self.parts.rpc.coordinator.cluster.request_refresh();
            if !error.is_retriable() && error.code() != Some(ErrorCode::UNKNOWN_SERVER_ERROR) {
                self.parts.shared.raise(error.clone());
            }
        }
        if let Some(broker) = self.brokers.get_mut(&id) {
            broker.failed(&self.backoff, &mut self.random, now);
        }
    }

    /// Nobody knows whether a request was heard. With its connection the broker ends the session, and
    /// releases what it had acquired.
    fn lost(
        &mut self,
        id: BrokerId,
        kind: CallKind,
        sent: &[Arc<Acquisition>],
        error: &Error,
        now: Instant,
    ) {
        debug!(broker = %id, %error, "a request of a share session was lost");
        for acquisition in sent {
            acquisition.refuse(error);
        }
        let cluster = &self.parts.rpc.coordinator.cluster;
        if error.kind() == ErrorKind::Unsupported && kind == CallKind::Acknowledge {
            // It was not sent, as the broker cannot renew locks: the session goes on.
            if let Some(broker) = self.brokers.get_mut(&id) {
                broker.not_sent();
            }
            return;
        }
        cluster.hang_up(id, self.parts.rpc.lane);
        cluster.request_refresh();
        if error.is_final() {
            self.parts.shared.refuse(Some(error.clone()));
        }
        let gone = Error::new(
            ErrorKind::LockLost,
            "the connection over which the record came has ended: it is delivered again",
        )
        .at_broker(id);
        self.lose_all(id, &gone);
        if let Some(broker) = self.brokers.get_mut(&id) {
            broker.failed(&self.backoff, &mut self.random, now);
        }
    }

    fn lose_all(&self, id: BrokerId, error: &Error) {
        for acquisition in self.parts.shared.live_of(id) {
            acquisition.lose(&error.clone().at_partition(acquisition.partition.clone()));
        }
    }

    /// Tells of the error of one partition, once, unless it may pass.
    fn partition_refused(&mut self, answer: &SharedPartitionAnswer, code: ErrorCode) {
        let may_pass = code.needs_metadata_refresh()
            || code.is_retriable()
            || code == ErrorCode::UNKNOWN_SERVER_ERROR;
        if !may_pass && self.told.insert((answer.partition, code)) {
            let mut error = Error::broker(code).in_api("ShareFetch");
            if let Some(partition) = self.name_of(&answer.partition) {
                error = error.at_partition(partition);
            }
            self.parts.shared.raise(error);
        }
    }
}
