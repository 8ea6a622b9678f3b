//! What goes wrong with transactions alone.

use std::time::Duration;

use kavka_testcontainers::embedded::{
    ApiKey, EmbeddedCluster, ErrorCode, Fault, Reaction, TransactionDescription, TransactionState,
};
use tokio::time::{Instant, sleep};

use super::{GROUP, INPUT, OUTPUT, Stage};
use crate::dice::Dice;
use crate::faults::{Trouble, rule_for};
use crate::log::Log;
use crate::run::World;

/// What a coordinator, or a leader, in trouble answers. None says of a commit that it cannot be
/// done, as it may have been.
const CODES: [(ApiKey, &[ErrorCode]); 7] = {
    use ErrorCode::*;
    [
        (
            ApiKey::InitProducerId,
            &[
                NotCoordinator,
                CoordinatorNotAvailable,
                CoordinatorLoadInProgress,
                ConcurrentTransactions,
            ],
        ),
        (
            ApiKey::AddPartitionsToTxn,
            &[
                NotCoordinator,
                CoordinatorNotAvailable,
                CoordinatorLoadInProgress,
                ConcurrentTransactions,
                UnknownTopicOrPartition,
                TransactionAbortable,
            ],
        ),
        (
            ApiKey::AddOffsetsToTxn,
            &[
                NotCoordinator,
                CoordinatorNotAvailable,
                CoordinatorLoadInProgress,
                ConcurrentTransactions,
                TransactionAbortable,
            ],
        ),
        (
            ApiKey::TxnOffsetCommit,
            &[
                NotCoordinator,
                CoordinatorNotAvailable,
                CoordinatorLoadInProgress,
                RequestTimedOut,
                UnknownTopicOrPartition,
                TransactionAbortable,
            ],
        ),
        (
            ApiKey::EndTxn,
            &[
                NotCoordinator,
                CoordinatorNotAvailable,
                CoordinatorLoadInProgress,
                ConcurrentTransactions,
            ],
        ),
        (
            ApiKey::Produce,
            &[NotEnoughReplicas, NotLeaderOrFollower, ConcurrentTransactions, TransactionAbortable],
        ),
        (ApiKey::FindCoordinator, &[CoordinatorNotAvailable]),
    ]
};

/// The kinds of it; what loses most comes most often.
pub(super) const KINDS: &[Trouble] = &[
    rule,
    rule,
    rule,
    rule,
    late,
    late,
    coordinator,
    coordinator,
    version,
    versions,
    versions,
    markers,
    end,
];

fn rule(world: &World, dice: &mut Dice) {
    let (api, codes) = dice.pick(&CODES);
    rule_for(world, dice, api, codes);
}

/// A request arrives when nobody waits for it any more: within another transaction, perhaps.
fn late(world: &World, dice: &mut Dice) {
    let (api, _) = dice.pick(&CODES);
    let delay = world.plan.request_timeout + dice.millis(0..=3_000);
    world.embedded.fault(Fault::on(api).times(1).then(Reaction::Delay(delay)));
    world.log.say(format_args!("the next {api:?} is {delay:?} late"));
}

/// A transactional id that is known.
fn id(world: &World, dice: &mut Dice) -> Option<String> {
    let known = world.embedded.transactions();
    let at = usize::try_from(dice.next() % known.len().max(1) as u64).unwrap();
    known.get(at).map(|one| one.transactional_id.clone())
}

fn coordinator(world: &World, dice: &mut Dice) {
    let Some(id) = id(world, dice) else { return };
    if dice.once_in(2) {
        world.embedded.move_transaction_coordinator(&id, None);
        world.log.say(format_args!("the coordinator of {id} moves"));
    } else {
        let lasts = dice.millis(10..=2_000);
        world.embedded.load_transaction_coordinator(&id, lasts);
        world.log.say(format_args!("the coordinator of {id} loads for {lasts:?}"));
    }
}

fn version(world: &World, dice: &mut Dice) {
    let level = i16::try_from(dice.within(0..=2)).unwrap();
    Features::of(world).set(dice, level);
}

/// The protocol changes to and fro, each time while a transaction is open; clients hear of it before
/// that has ended, as they do by a new connection.
fn versions(world: &World, dice: &mut Dice) {
    let (features, mut dice) = (Features::of(world), dice.fork());
    tokio::spawn(async move {
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            if features.embedded.transactions().iter().any(is_open) {
                let level = if dice.once_in(2) { 2 } else { 1 };
                features.set(&mut dice, level);
                let broker = features.broker(&mut dice);
                features.log.say(format_args!("connections to broker {broker} are cut to tell it"));
                features.embedded.cut_connections(broker);
                sleep(dice.millis(5..=800)).await;
            } else {
                sleep(dice.millis(1..=10)).await;
            }
        }
        features.tell_all();
    });
}

fn is_open(transaction: &TransactionDescription) -> bool {
    transaction.state == TransactionState::Ongoing
}

/// What brokers say of the protocol.
struct Features {
    embedded: EmbeddedCluster,
    log: Log,
    brokers: i32,
}

impl Features {
    fn of(world: &World) -> Self {
        let (embedded, log) = (world.embedded.clone(), world.log.clone());
        Self { embedded, log, brokers: world.plan.brokers }
    }

    fn set(&self, dice: &mut Dice, level: i16) {
        let broker = self.broker(dice);
        let held = dice.once_in(3);
        self.embedded.hold_features(broker, held);
        self.embedded.set_transaction_version(level);
        self.log.say(format_args!(
            "transaction.version is {level}, broker {broker} does not hear of it: {held}"
        ));
    }

    fn broker(&self, dice: &mut Dice) -> i32 {
        i32::try_from(dice.within(1..=u64::from(self.brokers.unsigned_abs()))).unwrap()
    }

    fn tell_all(&self) {
        for broker in 1..=self.brokers {
            self.embedded.hold_features(broker, false);
        }
    }
}

fn markers(world: &World, dice: &mut Dice) {
    let most = dice.millis(0..=3_000);
    world.embedded.set_marker_delay(Duration::ZERO..=most);
    let (topic, partition) = if dice.once_in(3) {
        (
            "__consumer_offsets",
            kavka_testcontainers::embedded::EmbeddedCluster::offsets_partition(GROUP),
        )
    } else {
        let count = u64::from(world.plan.topics[0].1.unsigned_abs());
        (dice.pick(&[INPUT, OUTPUT]), i32::try_from(dice.next() % count).unwrap())
    };
    world.embedded.hold_markers(topic, partition, true);
    world.log.say(format_args!("markers take up to {most:?}, those of {topic}-{partition} wait"));
    let (embedded, lasts) = (world.embedded.clone(), dice.millis(50..=5_000));
    tokio::spawn(async move {
        sleep(lasts).await;
        embedded.hold_markers(topic, partition, false);
    });
}

fn end(world: &World, dice: &mut Dice) {
    let Some(id) = id(world, dice) else { return };
    let was_open = world.embedded.time_out_transaction(&id);
    world.log.say(format_args!("the time of {id} is up: {was_open}"));
}

/// Everything is well again.
pub(super) fn mend(stage: &Stage) {
    Features::of(&stage.world).tell_all();
    stage.world.embedded.set_marker_delay(Duration::ZERO..=Duration::from_millis(5));
}
