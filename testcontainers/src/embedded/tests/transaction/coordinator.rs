//! Coordinators that move, load and forget, and the feature that says which protocol is in force.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiVersionsResponse;

use super::super::client::one_broker;
use super::cluster;
use super::world::{World, rest};
use crate::embedded::{ApiKey, EmbeddedCluster, Fate, Fault, Reaction, TransactionState};

/// Two brokers, of which the first leads and coordinates.
async fn two_brokers() -> (EmbeddedCluster, World) {
    let cluster = one_broker().brokers(2).start().await.unwrap();
    let world = World::embedded(&cluster).await;
    cluster.move_transaction_coordinator(&world.id, Some(1));
    cluster.move_leader(&world.topic, 0, Some(1));
    (cluster, world)
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_moved_refuses_and_the_new_one_knows_the_transaction() {
    let (cluster, mut world) = two_brokers().await;
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    cluster.move_transaction_coordinator(&world.id, Some(2));
    assert_eq!(world.end(5, me, true).await, Err(ResponseError::NotCoordinator));
    assert_eq!(world.init(4, (-1, -1)).await, Err(ResponseError::NotCoordinator));
    assert_eq!(world.add_one(me).await, Err(ResponseError::NotCoordinator));
    assert_eq!(world.state().await, Err(ResponseError::NotCoordinator));
    let mut there = World::at(&cluster, 2, &world);
    assert_eq!(there.end(5, me, true).await, Ok((me.0, me.1 + 1)));
    there.settle().await;
    assert_eq!(there.end(5, me, true).await, Ok((me.0, me.1 + 1)), "its reply was lost");
}

#[tokio::test(start_paused = true)]
async fn a_new_coordinator_writes_the_markers_of_what_was_decided_once_more() {
    let (cluster, mut world) = two_brokers().await;
    let me = world.begin().await;
    world.produce_to(12, me, 0, 0).await.unwrap();
    cluster.move_leader(&world.topic, 1, Some(1));
    world.produce_to(12, me, 0, 1).await.unwrap();
    cluster.hold_markers(&world.topic, 1, true);
    world.end(5, me, true).await.unwrap();
    rest(10).await;
    cluster.move_transaction_coordinator(&world.id, Some(2));
    cluster.hold_markers(&world.topic, 1, false);
    rest(10).await;
    assert_eq!(cluster.transaction(&world.id).unwrap().state, TransactionState::CompleteCommit);
    let fates = |partition| {
        cluster.fates(&world.topic, partition).into_iter().map(|one| one.1).collect::<Vec<_>>()
    };
    let marker = Fate::Marker { committed: true };
    assert_eq!(fates(0), [Fate::Committed, marker, marker]);
    assert_eq!(fates(1), [Fate::Committed, marker]);
    let producers = cluster.partition_producers(&world.topic, 0);
    assert_eq!((producers[0].coordinator_epoch, producers[0].transaction_start), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_was_killed_writes_no_markers_until_another_is_found() {
    let cluster =
        one_broker().brokers(2).failure_detection(Duration::from_secs(9)).start().await.unwrap();
    let mut world = World::embedded(&cluster).await;
    cluster.move_transaction_coordinator(&world.id, Some(1));
    for partition in [0, 1] {
        cluster.move_leader(&world.topic, partition, Some(1));
    }
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    cluster.move_leader(&world.topic, 0, Some(2));
    world.end(5, me, true).await.unwrap();
    cluster.kill_broker(1);
    rest(8_000).await;
    assert_eq!(cluster.transaction(&world.id).unwrap().state, TransactionState::PrepareCommit);
    rest(2_000).await;
    assert_eq!(cluster.transaction_coordinator(&world.id), Some(2));
    assert_eq!(cluster.transaction(&world.id).unwrap().state, TransactionState::CompleteCommit);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_loads_says_so_and_leaders_refuse_for_a_while() {
    let cluster = cluster(1).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    world.add_one(me).await.unwrap();
    cluster.load_transaction_coordinator(&world.id, Duration::from_secs(1));
    let loading = ResponseError::CoordinatorLoadInProgress;
    assert_eq!(world.add_one(me).await, Err(loading));
    assert_eq!(world.end(3, me, true).await, Err(loading));
    assert_eq!(world.init(4, (-1, -1)).await, Err(loading));
    assert_eq!(world.commit_offset(3, me, 1, super::world::NOBODY).await, Err(loading));
    assert_eq!(world.produce(11, me, 0).await, Err(ResponseError::NotEnoughReplicas));
    rest(1_000).await;
    assert_eq!(
        world.produce(11, me, 1).await,
        Err(ResponseError::OutOfOrderSequenceNumber),
        "it may not overtake the first"
    );
    assert_eq!(world.produce(11, me, 0).await, Ok(0));
    assert_eq!(world.produce(11, me, 1).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_fault_rule_moves_the_coordinator_and_the_end_has_happened_all_the_same() {
    let (cluster, mut world) = two_brokers().await;
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    cluster.fault(Fault::on(ApiKey::EndTxn).times(1).then(Reaction::MoveCoordinator(Some(2))));
    assert_eq!(world.end(5, me, true).await, Err(ResponseError::NotCoordinator));
    let mut there = World::at(&cluster, 2, &world);
    cluster.fault(
        Fault::on(ApiKey::EndTxn)
            .times(1)
            .then(Reaction::Answer(ResponseError::UnknownServerError)),
    );
    assert_eq!(there.end(5, me, true).await, Err(ResponseError::UnknownServerError));
    assert_eq!(
        cluster.transaction(&world.id).unwrap().state,
        TransactionState::Ongoing,
        "nothing was done"
    );
    assert!(there.end(5, me, true).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_was_done_under_a_lost_reply_is_answered_again() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let lose = |api: ApiKey| {
        cluster.fault(Fault::on(api).times(1).then(Reaction::CloseAfter));
    };
    let me = world.begin().await;
    lose(ApiKey::InitProducerId);
    assert_eq!(world.try_init(me).await, None);
    let mut world = World::at(&cluster, 1, &world);
    let next = world.init(4, me).await.unwrap();
    assert_eq!(next, (me.0, me.1 + 1), "not one epoch further");
    world.produce(12, next, 0).await.unwrap();
    lose(ApiKey::EndTxn);
    assert_eq!(world.try_end(next).await, None);
    let mut world = World::at(&cluster, 1, &world);
    world.settle().await;
    assert_eq!(world.end(5, next, true).await, Ok((next.0, next.1 + 1)));
    assert_eq!(
        cluster.log(&world.topic, 0).iter().filter(|batch| batch.header.is_control()).count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_id_is_forgotten() {
    let cluster =
        one_broker().transactional_id_expiration(Duration::from_secs(3600)).start().await.unwrap();
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    rest(3_599_000).await;
    assert!(cluster.transaction(&world.id).is_some());
    world.produce(12, me, 0).await.unwrap();
    assert!(!cluster.expire_transactional_id(&world.id), "one is open");
    let next = world.end(5, me, true).await.unwrap();
    rest(3_601_000).await;
    assert!(cluster.transaction(&world.id).is_none());
    assert_eq!(world.produce(12, next, 0).await, Err(ResponseError::InvalidProducerIdMapping));
    assert_eq!(world.end(5, next, true).await, Err(ResponseError::InvalidProducerIdMapping));
    let (fresh, epoch) = world.init(4, next).await.unwrap();
    assert_ne!(fresh, me.0);
    assert_eq!(epoch, 0);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_that_of_the_newest_init_and_begins_with_the_first_partition() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    rest(50_000).await;
    world.produce(12, me, 0).await.unwrap();
    rest(59_000).await;
    assert_eq!(cluster.transaction(&world.id).unwrap().state, TransactionState::Ongoing);
    rest(1_010).await;
    assert_eq!(cluster.transaction(&world.id).unwrap().state, TransactionState::CompleteAbort);
    let next = world.init(4, me).await.unwrap();
    world.produce(12, next, 0).await.unwrap();
    assert!(cluster.time_out_transaction(&world.id));
    assert!(!cluster.time_out_transaction(&world.id));
    rest(10).await;
    assert_eq!(cluster.transaction(&world.id).unwrap().producer_epoch, next.1 + 1);
}

/// The level of `transaction.version`, if it is finalized.
fn level(told: &ApiVersionsResponse) -> Option<i16> {
    let found = told.finalized_features.iter().find(|one| &*one.name == "transaction.version");
    found.map(|one| one.max_version_level)
}

#[tokio::test(start_paused = true)]
async fn the_feature_changes_live_and_both_protocols_go_on() {
    let cluster = cluster(1).await;
    let mut world = World::embedded(&cluster).await;
    let before = world.api_versions(4).await;
    assert_eq!(level(&before), Some(1));
    let me = world.begin().await;
    world.add_one(me).await.unwrap();
    world.produce(11, me, 0).await.unwrap();
    cluster.set_transaction_version(2);
    let after = world.api_versions(4).await;
    assert_eq!(level(&after), Some(2));
    assert!(after.finalized_features_epoch > before.finalized_features_epoch);
    world.end(3, me, true).await.unwrap();
    world.settle().await;
    assert_eq!(world.produce(12, me, 1).await, Ok(2), "the epoch and its sequences go on");
    let next = world.end(5, me, true).await.unwrap();
    world.settle().await;
    assert_eq!(next, (me.0, me.1 + 1));
    cluster.set_transaction_version(0);
    assert_eq!(level(&world.api_versions(4).await), None);
    world.add_one(next).await.unwrap();
    world.produce(11, next, 0).await.unwrap();
    world.end(4, next, false).await.unwrap();
    world.settle().await;
    assert_eq!(cluster.transaction(&world.id).unwrap().producer_epoch, next.1);
}

#[tokio::test(start_paused = true)]
async fn brokers_learn_of_a_feature_one_after_the_other() {
    let cluster = one_broker().brokers(2).transaction_version(1).start().await.unwrap();
    let mut one = World::embedded(&cluster).await;
    let mut two = World::at(&cluster, 2, &one);
    cluster.hold_features(2, true);
    cluster.set_transaction_version(2);
    let (new, old) = (one.api_versions(4).await, two.api_versions(4).await);
    assert_eq!((level(&new), level(&old)), (Some(2), Some(1)));
    assert!(new.finalized_features_epoch > old.finalized_features_epoch);
    cluster.hold_features(2, false);
    assert_eq!(two.api_versions(4).await.finalized_features, new.finalized_features);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_does_not_know_what_the_old_one_had_refused() {
    let (cluster, mut world) = two_brokers().await;
    let me = world.begin().await;
    world.add_one(me).await.unwrap();
    cluster.load_transaction_coordinator(&world.id, Duration::from_secs(1));
    assert_eq!(world.produce(11, me, 0).await, Err(ResponseError::NotEnoughReplicas));
    rest(1_000).await;
    assert_eq!(world.produce(11, me, 1).await, Err(ResponseError::OutOfOrderSequenceNumber));
    cluster.move_leader(&world.topic, 0, Some(2));
    let mut there = World::at(&cluster, 2, &world);
    assert_eq!(
        there.produce(11, me, 1).await,
        Ok(0),
        "any first sequence of a producer that it does not know"
    );
}

#[tokio::test(start_paused = true)]
async fn brokers_of_before_4_0_know_the_old_protocol_alone() {
    let cluster = one_broker().only_old_transactions().start().await.unwrap();
    let mut world = World::embedded(&cluster).await;
    let told = world.api_versions(4).await;
    assert!(told.supported_features.is_empty() && told.finalized_features.is_empty());
    assert_eq!(told.finalized_features_epoch, -1);
    let last = |api: ApiKey| {
        told.api_keys.iter().find(|one| one.api_key == api as i16).unwrap().max_version
    };
    assert_eq!(
        [last(ApiKey::Produce), last(ApiKey::EndTxn), last(ApiKey::TxnOffsetCommit)],
        [11, 4, 4]
    );
    assert_eq!(super::scripts::old_protocol(&mut world).await, super::scripts::OLD_PROTOCOL);
}

#[tokio::test(start_paused = true)]
async fn without_verification_a_leader_appends_what_was_not_added() {
    let cluster = one_broker().transaction_verification(false).start().await.unwrap();
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    assert_eq!(world.produce(11, me, 0).await, Ok(0), "and no marker will ever come");
    assert_eq!(world.commit_offset(4, me, 1, super::world::NOBODY).await, Ok(()));
    assert_eq!(world.end(4, me, true).await, Err(ResponseError::InvalidTxnState));
    assert_eq!(cluster.last_stable_offset(&world.topic, 0), Some(0));
}
