//! What goes wrong around the clients for a while.

use std::time::Duration;

use kavka_testcontainers::embedded::{ApiKey, ErrorCode, Fault, Reaction};
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::world::World;

/// The APIs that clients use, and what a broker in trouble answers to each.
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
            ApiKey::InitProducerId,
            &[NotCoordinator, CoordinatorNotAvailable, CoordinatorLoadInProgress],
        ),
        (
            ApiKey::Fetch,
            &[
                NotLeaderOrFollower,
                FencedLeaderEpoch,
                UnknownLeaderEpoch,
                OffsetNotAvailable,
                KafkaStorageError,
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
            ApiKey::ConsumerGroupHeartbeat,
            &[
                NotCoordinator,
                CoordinatorNotAvailable,
                CoordinatorLoadInProgress,
                UnknownMemberId,
                FencedMemberEpoch,
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
                IllegalGeneration,
            ],
        ),
        (ApiKey::OffsetFetch, &[NotCoordinator, CoordinatorLoadInProgress, UnstableOffsetCommit]),
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
    ]
};

/// Makes trouble until then, and mends everything.
pub(crate) async fn rage(world: &World, groups: &[String], until: Instant, mut dice: Dice) {
    while Instant::now() < until {
        match dice.within(0..=9) {
            0..=4 => rule(world, &mut dice),
            5 => {
                let group = &groups[usize::try_from(dice.next() % groups.len() as u64).unwrap()];
                world.embedded.move_group_coordinator(group, None);
                world.log.say(format_args!("the coordinator of {group} moves"));
            }
            6 => {
                let broker =
                    i32::try_from(dice.within(1..=u64::from(world.brokers.unsigned_abs())))
                        .unwrap();
                world.log.say(format_args!("broker {broker} is killed"));
                world.embedded.kill_broker(broker);
                sleep(dice.millis(10..=3_000)).await;
                world.embedded.start_broker(broker).await.unwrap();
            }
            7 => {
                let broker =
                    i32::try_from(dice.within(1..=u64::from(world.brokers.unsigned_abs())))
                        .unwrap();
                world.log.say(format_args!("connections to {broker} are cut"));
                world.embedded.cut_connections(broker);
            }
            _ => move_leader(world, &mut dice),
        }
        sleep(dice.millis(10..=600)).await;
    }
    world.embedded.clear_faults();
    world.lag();
    world.log.say("the trouble is over");
}

/// Loses replies and refuses requests of groups, until then.
pub(crate) async fn rage_at_groups(world: &World, until: Instant, mut dice: Dice) {
    use ErrorCode::{IllegalGeneration, RebalanceInProgress, UnknownMemberId};
    while Instant::now() < until {
        let (api, reaction) = dice.pick(&[
            (ApiKey::JoinGroup, Reaction::DropReply),
            (ApiKey::JoinGroup, Reaction::DelayReply(Duration::from_secs(3))),
            (ApiKey::JoinGroup, Reaction::CloseAfter),
            (ApiKey::SyncGroup, Reaction::DropReply),
            (ApiKey::SyncGroup, Reaction::CloseAfter),
            (ApiKey::OffsetCommit, Reaction::Answer(IllegalGeneration)),
            (ApiKey::OffsetCommit, Reaction::DelayReply(Duration::from_secs(1))),
            (ApiKey::Heartbeat, Reaction::Answer(RebalanceInProgress)),
            (ApiKey::Heartbeat, Reaction::Answer(UnknownMemberId)),
            (ApiKey::LeaveGroup, Reaction::DropReply),
        ]);
        world.log.say(format_args!("rule: {api:?} {reaction:?}"));
        let id = world.embedded.fault(Fault::on(api).times(dice.within(1..=2)).then(reaction));
        sleep(dice.millis(200..=8_000)).await;
        world.embedded.remove_fault(id);
    }
    world.log.say("the trouble is over");
}

/// Moves leaders now and then, as a cluster in good health does.
pub(crate) async fn move_leaders(world: &World, until: Instant, mut dice: Dice) {
    while Instant::now() < until {
        sleep(dice.millis(200..=4_000)).await;
        move_leader(world, &mut dice);
    }
}

fn rule(world: &World, dice: &mut Dice) {
    let (api, codes) = dice.pick(&CODES);
    let reaction = match dice.within(0..=9) {
        0 => Reaction::CloseBefore,
        1 => Reaction::CloseAfter,
        2 => Reaction::DropReply,
        3 => Reaction::Delay(dice.millis(1..=4_000)),
        4 => Reaction::DelayReply(dice.millis(1..=4_000)),
        5 if api == ApiKey::Fetch => Reaction::MoveLeader(None),
        5 if matches!(
            api,
            ApiKey::Heartbeat
                | ApiKey::ConsumerGroupHeartbeat
                | ApiKey::JoinGroup
                | ApiKey::SyncGroup
                | ApiKey::OffsetCommit
        ) =>
        {
            Reaction::MoveCoordinator(None)
        }
        _ => Reaction::Answer(dice.pick(codes)),
    };
    let times = dice.pick(&[1, 2, 4, 1_000]);
    world.log.say(format_args!("rule: {api:?} {reaction:?} {times} times"));
    let id = world
        .embedded
        .fault(Fault::on(api).probability(dice.pick(&[0.2, 0.6, 1.0])).times(times).then(reaction));
    let (embedded, lasts) = (world.embedded.clone(), dice.millis(100..=6_000));
    tokio::spawn(async move {
        sleep(lasts).await;
        embedded.remove_fault(id);
    });
}

fn move_leader(world: &World, dice: &mut Dice) {
    let (topic, partitions) =
        &world.topics[usize::try_from(dice.next() % world.topics.len() as u64).unwrap()];
    let partition = i32::try_from(dice.next() % u64::from(partitions.unsigned_abs())).unwrap();
    world.embedded.move_leader(topic, partition, None);
    world.log.say(format_args!(
        "leader of {topic}-{partition} moves to {:?}",
        world.embedded.leader(topic, partition)
    ));
}

/// How long after the trouble a client may take to be well again: a lost JoinGroup is given up
/// after the rebalance timeout.
pub(crate) const CALM: Duration = Duration::from_secs(120);
