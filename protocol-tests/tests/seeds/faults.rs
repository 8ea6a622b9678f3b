//! What goes wrong around the clients for a while.

use std::time::Duration;

use kavka_testcontainers::embedded::{ApiKey, ErrorCode, Fault, Reaction};
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::run::World;

/// The APIs that a client uses, and what a broker in trouble answers to each.
const CODES: [(ApiKey, &[ErrorCode]); 12] = {
    use ErrorCode::*;
    [
        (
            ApiKey::Produce,
            &[
                NotLeaderOrFollower,
                RequestTimedOut,
                NotEnoughReplicas,
                NotEnoughReplicasAfterAppend,
                KafkaStorageError,
            ],
        ),
        (
            ApiKey::Fetch,
            &[
                NotLeaderOrFollower,
                FencedLeaderEpoch,
                UnknownLeaderEpoch,
                OffsetNotAvailable,
                KafkaStorageError,
                UnknownTopicOrPartition,
                ReplicaNotAvailable,
            ],
        ),
        (ApiKey::Metadata, &[LeaderNotAvailable]),
        (ApiKey::FindCoordinator, &[CoordinatorNotAvailable, CoordinatorLoadInProgress]),
        (
            ApiKey::JoinGroup,
            &[
                NotCoordinator,
                CoordinatorNotAvailable,
                CoordinatorLoadInProgress,
                RebalanceInProgress,
                UnknownMemberId,
            ],
        ),
        (
            ApiKey::SyncGroup,
            &[
                NotCoordinator,
                CoordinatorNotAvailable,
                RebalanceInProgress,
                UnknownMemberId,
                IllegalGeneration,
            ],
        ),
        (
            ApiKey::Heartbeat,
            &[
                NotCoordinator,
                CoordinatorNotAvailable,
                RebalanceInProgress,
                UnknownMemberId,
                IllegalGeneration,
            ],
        ),
        (
            ApiKey::OffsetCommit,
            &[
                NotCoordinator,
                CoordinatorNotAvailable,
                CoordinatorLoadInProgress,
                RequestTimedOut,
                RebalanceInProgress,
            ],
        ),
        (ApiKey::OffsetFetch, &[NotCoordinator, CoordinatorLoadInProgress, UnstableOffsetCommit]),
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
            ApiKey::ListOffsets,
            &[
                NotLeaderOrFollower,
                LeaderNotAvailable,
                UnknownLeaderEpoch,
                FencedLeaderEpoch,
                OffsetNotAvailable,
            ],
        ),
        (ApiKey::LeaveGroup, &[NotCoordinator, CoordinatorNotAvailable]),
    ]
};

/// What goes wrong of its own kind in a profile.
pub(crate) type Trouble = fn(&World, &mut Dice);

/// Makes trouble for as long as the plan says, then mends everything.
pub(crate) async fn rage(world: &World, mut dice: Dice, own: &[Trouble]) {
    let until = Instant::now() + world.plan.trouble;
    while Instant::now() < until {
        match dice.within(0..=11 + own.len() as u64) {
            0..=6 => rule(world, &mut dice),
            7 => move_leader(world, &mut dice),
            8 if !world.plan.groups.is_empty() => {
                let group = &world.plan.groups
                    [usize::try_from(dice.next() % world.plan.groups.len() as u64).unwrap()]
                .name;
                world.embedded.move_group_coordinator(group, None);
                world.log.say(format_args!(
                    "coordinator of {group} moves to {:?}",
                    world.embedded.group_coordinator(group)
                ));
            }
            9 => break_broker(world, &mut dice).await,
            8 | 10 | 11 => disturb_broker(world, &mut dice),
            other => own[usize::try_from(other - 12).unwrap()](world, &mut dice),
        }
        sleep(dice.millis(10..=600)).await;
    }
    world.embedded.clear_faults();
    for broker in 1..=world.plan.brokers {
        world.embedded.set_throttle(broker, Duration::ZERO);
        world.embedded.start_broker(broker).await.unwrap();
    }
    world.log.say("the trouble is over");
}

fn rule(world: &World, dice: &mut Dice) {
    // The producer has the most to lose.
    let (api, codes) = if dice.once_in(3) { CODES[0] } else { dice.pick(&CODES) };
    rule_for(world, dice, api, codes);
}

/// Something happens to the requests of one API for a while.
pub(crate) fn rule_for(world: &World, dice: &mut Dice, api: ApiKey, codes: &[ErrorCode]) {
    let reaction = match dice.within(0..=9) {
        0 => Reaction::CloseBefore,
        1 => Reaction::CloseAfter,
        2 => Reaction::DropReply,
        3 => Reaction::Delay(dice.millis(1..=4_000)),
        4 => Reaction::DelayReply(dice.millis(1..=4_000)),
        5 if matches!(api, ApiKey::Produce | ApiKey::Fetch) => Reaction::MoveLeader(None),
        5 if matches!(
            api,
            ApiKey::Heartbeat
                | ApiKey::JoinGroup
                | ApiKey::SyncGroup
                | ApiKey::OffsetCommit
                | ApiKey::TxnOffsetCommit
                | ApiKey::AddPartitionsToTxn
                | ApiKey::AddOffsetsToTxn
                | ApiKey::EndTxn
        ) =>
        {
            Reaction::MoveCoordinator(None)
        }
        _ => Reaction::Answer(dice.pick(codes)),
    };
    let times = dice.pick(&[1, 2, 4, 1_000]);
    let fault = Fault::on(api).probability(dice.pick(&[0.2, 0.6, 1.0])).times(times).then(reaction);
    world.log.say(format_args!("rule: {api:?} {reaction:?} {times} times"));
    let id = world.embedded.fault(fault);
    let (embedded, log) = (world.embedded.clone(), world.log.clone());
    let lasts = dice.millis(100..=6_000);
    tokio::spawn(async move {
        sleep(lasts).await;
        log.say(format_args!(
            "rule over: {api:?} {reaction:?} met {} requests",
            embedded.fault_hits(id)
        ));
        embedded.remove_fault(id);
    });
}

fn move_leader(world: &World, dice: &mut Dice) {
    let index = usize::try_from(dice.next() % world.plan.topics.len() as u64).unwrap();
    let (topic, partitions, _) = &world.plan.topics[index];
    let partition = i32::try_from(dice.next() % u64::from(partitions.unsigned_abs())).unwrap();
    world.embedded.move_leader(topic, partition, None);
    world.log.say(format_args!(
        "leader of {topic}-{partition} moves to {:?}",
        world.embedded.leader(topic, partition)
    ));
}

async fn break_broker(world: &World, dice: &mut Dice) {
    let broker =
        i32::try_from(dice.within(1..=u64::from(world.plan.brokers.unsigned_abs()))).unwrap();
    if dice.once_in(2) {
        world.log.say(format_args!("broker {broker} is killed"));
        world.embedded.kill_broker(broker);
    } else {
        world.log.say(format_args!("broker {broker} stops"));
        world.embedded.stop_broker(broker);
    }
    sleep(dice.millis(10..=5_000)).await;
    world.embedded.start_broker(broker).await.unwrap();
    world.log.say(format_args!("broker {broker} is back"));
}

fn disturb_broker(world: &World, dice: &mut Dice) {
    let broker =
        i32::try_from(dice.within(1..=u64::from(world.plan.brokers.unsigned_abs()))).unwrap();
    match dice.within(0..=2) {
        0 => {
            world.log.say(format_args!("connections to broker {broker} are cut"));
            world.embedded.cut_connections(broker);
        }
        1 => {
            world.log.say(format_args!("fetch sessions of broker {broker} are evicted"));
            world.embedded.evict_fetch_sessions(broker);
        }
        _ => {
            let throttle = dice.millis(0..=800);
            world.log.say(format_args!("broker {broker} throttles {throttle:?}"));
            world.embedded.set_throttle(broker, throttle);
        }
    }
}
