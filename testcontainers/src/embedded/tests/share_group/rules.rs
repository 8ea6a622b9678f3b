//! What brokers can be told to be, and to do; and what several of them do.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use tokio::time::Instant;

use super::super::client::{Client, one_broker};
use super::world::{ACCEPT, RELEASE, World, rest, text};
use super::{embedded, start};
use crate::embedded::{ApiKey, Builder, EmbeddedCluster, Fault, Reaction, ShareRecordState};

const APIS: [ApiKey; 7] = [
    ApiKey::ShareGroupHeartbeat,
    ApiKey::ShareGroupDescribe,
    ApiKey::ShareFetch,
    ApiKey::ShareAcknowledge,
    ApiKey::DescribeShareGroupOffsets,
    ApiKey::AlterShareGroupOffsets,
    ApiKey::DeleteShareGroupOffsets,
];

async fn world(builder: Builder) -> (EmbeddedCluster, World) {
    let cluster = start(builder).await;
    let world = embedded(&cluster).await;
    (cluster, world)
}

/// Two brokers, of which the first leads `t`, with ten records in two batches; `a` has joined.
async fn two_brokers() -> (EmbeddedCluster, World, Client) {
    let (cluster, mut world) = world(one_broker().brokers(2)).await;
    // Both have the partition.
    cluster.move_leader("t", 0, Some(2));
    cluster.move_leader("t", 0, Some(1));
    cluster.move_group_coordinator(&world.group, Some(1));
    world.settle("a").await;
    world.produce(&[5, 5]).await;
    let other = Client::to(&cluster, 2);
    (cluster, world, other)
}

async fn versions(world: &mut World) -> ApiVersionsResponse {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("n"))
        .with_client_software_version(text("1"));
    world.client.call(&request, 4).await
}

fn level(told: &ApiVersionsResponse) -> Option<i16> {
    let found = told.finalized_features.iter().find(|one| &*one.name == "share.version");
    found.map(|one| one.max_version_level)
}

#[tokio::test(start_paused = true)]
async fn the_feature_says_whether_there_are_share_groups() {
    let (cluster, mut world) = world(one_broker()).await;
    let before = versions(&mut world).await;
    assert_eq!(level(&before), Some(1));
    world.settle("a").await;
    assert_eq!(world.ask(&world.fetch("a", 0)).await, "0: ok");
    cluster.set_share_version(0);
    let after = versions(&mut world).await;
    assert_eq!(level(&after), None);
    assert!(after.finalized_features_epoch > before.finalized_features_epoch);
    assert_eq!(world.beat(&world.alive("a", 2)).await, "UnsupportedVersion");
    assert_eq!(world.ask(&world.fetch("a", 1)).await, "UnsupportedVersion");
    assert_eq!(world.say("a", 1, &[]).await, "UnsupportedVersion");
    assert_eq!(world.describe().await, "UnsupportedVersion");
    assert_eq!(world.standing().await, "UnsupportedVersion");
    assert_eq!(world.set_start(0).await, "UnsupportedVersion");
    assert_eq!(world.forget_topic().await, "UnsupportedVersion");
    cluster.set_share_version(1);
    assert_eq!(world.ask(&world.fetch("a", 1)).await, "ShareSessionNotFound");
}

#[tokio::test(start_paused = true)]
async fn brokers_of_before_4_1_know_no_share_groups() {
    let (_cluster, mut world) = world(one_broker().no_share_groups()).await;
    let told = versions(&mut world).await;
    assert!(told.supported_features.iter().all(|one| &*one.name != "share.version"));
    for api in APIS {
        assert!(told.api_keys.iter().all(|one| one.api_key != api as i16));
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_has_so_many_sessions_and_lets_others_wait() {
    let (cluster, mut world) = world(one_broker().share_session_slots(1)).await;
    world.settle("a").await;
    world.produce(&[1]).await;
    assert_eq!(world.ask(&world.fetch("a", 0)).await, "0: 0-0*1 of 1");
    let before = Instant::now();
    assert_eq!(world.ask(&world.fetch("b", 0)).await, "ShareSessionLimitReached");
    assert_eq!(before.elapsed(), Duration::from_millis(500), "it waits as a fetch would");
    assert_eq!(world.ask(&world.fetch("a", 0)).await, "0: ok", "its own session makes room");
    cluster.set_share_session_slots(1, 2);
    assert_eq!(world.ask(&world.fetch("b", 0)).await, "0: ok");
    let known: Vec<(String, String, i32)> =
        ["a", "b"].map(|member| (world.group.clone(), member.to_owned(), 1)).into();
    assert_eq!(cluster.share_sessions(1), known);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_goes_on_with_what_is_written() {
    let (cluster, mut world, mut other) = two_brokers().await;
    assert_eq!(world.ask(&world.fetch("a", 0)).await, "0: 0-9*1 of 2");
    let says: &[i8] = &[ACCEPT, ACCEPT, RELEASE];
    assert_eq!(world.say("a", 1, &[(0, 2, says), (7, 7, &[ACCEPT])]).await, "ok");
    cluster.move_leader("t", 0, Some(2));
    assert_eq!(world.say("a", 2, &[(3, 3, &[ACCEPT])]).await, "UnknownTopicOrPartition");
    assert_eq!(world.ask(&world.fetch("a", 3)).await, "0: NotLeaderOrFollower");
    // What was acquired is available, and not known to have been delivered.
    let fetched = world.ask_by(&mut other, &world.fetch("a", 0)).await;
    assert_eq!(fetched, "0: 2-2*2 3-6*1 8-9*1 of 2");
    assert_eq!(cluster.share_partition(&world.group, "t", 0).unwrap().start, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_partition_names_its_leader() {
    let (cluster, mut world, _other) = two_brokers().await;
    cluster.move_leader("t", 0, Some(2));
    let epoch = cluster.leader_epoch("t", 0).unwrap();
    let response = world.client.call(&world.fetch("a", 0), 2).await;
    let leader = &response.responses[0].partitions[0].current_leader;
    assert_eq!((leader.leader_id, leader.leader_epoch), (2, epoch));
    let nodes: Vec<_> = response.node_endpoints.iter().map(|node| node.node_id.0).collect();
    assert_eq!(nodes, [2]);
    assert_eq!(response.acquisition_lock_timeout_ms, 2000);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_waits_gets_nothing_from_who_leads_no_more() {
    let (cluster, mut world, _other) = two_brokers().await;
    assert_eq!(world.ask(&world.fetch("a", 0)).await, "0: 0-9*1 of 2");
    let mut waiting = Client::to(&cluster, 1);
    assert!(world.is_parked(&mut waiting, &world.fetch("b", 0)).await);
    cluster.move_leader("t", 0, Some(2));
    cluster.move_leader("t", 0, Some(1));
    // The one that came back knows of no locks.
    assert_eq!(world.ask(&world.fetch("c", 0)).await, "0: 0-9*1 of 2");
    cluster.append("t", 0, &[(None, Some(b"v"))]).unwrap();
    let frame = waiting.frame().await.unwrap();
    assert!(frame.len() < 60, "it is answered when its time is over, without records");
    assert_eq!(world.ask(&world.fetch("c", 1)).await, "0: 10-10*1 of 1");
}

#[tokio::test(start_paused = true)]
async fn a_killed_leader_takes_its_locks_with_it() {
    let (cluster, mut world, mut other) = two_brokers().await;
    assert_eq!(world.ask(&world.fetch("a", 0)).await, "0: 0-9*1 of 2");
    assert_eq!(world.say("a", 1, &[(0, 4, &[ACCEPT])]).await, "ok");
    cluster.kill_broker(1);
    let fetched = world.ask_by(&mut other, &world.fetch("a", 0)).await;
    assert_eq!(fetched, "0: 5-9*1 of 1");
    assert!(cluster.share_sessions(1).is_empty());
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_cut_free_their_records() {
    let (cluster, mut world, _other) = two_brokers().await;
    let mut client = world.another().await;
    assert_eq!(world.ask_by(&mut client, &world.fetch("a", 0)).await, "0: 0-9*1 of 2");
    cluster.cut_connections(1);
    rest(10).await;
    world.client = Client::to(&cluster, 1);
    assert_eq!(world.ask(&world.fetch("b", 0)).await, "0: 0-9*2 of 2");
}

#[tokio::test(start_paused = true)]
async fn the_coordinator_alone_takes_heartbeats_and_passes_the_group_on() {
    let (cluster, mut world, mut other) = two_brokers().await;
    let alive = world.alive("a", 2);
    let refused = other.call(&alive, 1).await.error_code;
    assert_eq!(refused, ResponseError::NotCoordinator.code());
    cluster.move_group_coordinator(&world.group, Some(2));
    let told = other.call(&alive, 1).await;
    assert_eq!((told.error_code, told.member_epoch), (0, 3));
    assert_eq!(world.beat(&alive).await, "NotCoordinator");
}

#[tokio::test(start_paused = true)]
async fn a_group_may_begin_some_time_ago() {
    let (cluster, mut world) = world(one_broker()).await;
    for _ in 0..3 {
        cluster.append("t", 0, &[(None, Some(b"v"))]).unwrap();
        rest(60_000).await;
    }
    assert_eq!(world.configure("share.auto.offset.reset", "by_duration:PT1M30S").await, "ok");
    world.settle("a").await;
    assert_eq!(world.ask(&world.fetch("a", 0)).await, "0: 2-2*1 of 1");
}

#[tokio::test(start_paused = true)]
async fn rules_answer_for_sessions_and_for_partitions() {
    let (cluster, mut world, _other) = two_brokers().await;
    let once = |api, error| Fault::on(api).then(Reaction::Answer(error)).times(1);
    cluster.fault(once(ApiKey::ShareFetch, ResponseError::InvalidShareSessionEpoch));
    assert_eq!(world.ask(&world.fetch("a", 0)).await, "InvalidShareSessionEpoch");
    cluster.fault(once(ApiKey::ShareFetch, ResponseError::NotLeaderOrFollower));
    assert_eq!(world.ask(&world.fetch("a", 0)).await, "0: NotLeaderOrFollower");
    assert_eq!(world.ask(&world.fetch("a", 1)).await, "0: 0-9*1 of 2");
    cluster.fault(once(ApiKey::ShareAcknowledge, ResponseError::ShareSessionNotFound));
    assert_eq!(world.say("a", 2, &[(0, 0, &[ACCEPT])]).await, "ShareSessionNotFound");
    cluster.fault(once(ApiKey::ShareAcknowledge, ResponseError::NotLeaderOrFollower));
    assert_eq!(world.say("a", 2, &[(0, 0, &[ACCEPT])]).await, "NotLeaderOrFollower");
    cluster.fault(once(ApiKey::ShareFetch, ResponseError::KafkaStorageError));
    let both = world.ask(&world.saying("a", 3, &[(0, 0, &[ACCEPT])])).await;
    assert_eq!(both, "0: KafkaStorageError said KafkaStorageError", "and nothing is done");
    assert_eq!(world.say("a", 4, &[(0, 0, &[ACCEPT])]).await, "ok");
    cluster.fault(once(ApiKey::ShareGroupHeartbeat, ResponseError::CoordinatorNotAvailable));
    assert_eq!(world.beat(&world.alive("a", 2)).await, "CoordinatorNotAvailable");
}

#[tokio::test(start_paused = true)]
async fn a_test_sees_and_sets_what_has_become_of_records() {
    let (cluster, mut world, _other) = two_brokers().await;
    let group = world.group.clone();
    assert_eq!(cluster.share_partition(&group, "t", 0), None);
    assert_eq!(world.ask(&world.fetch("a", 0)).await, "0: 0-9*1 of 2");
    rest(500).await;
    assert_eq!(world.say("a", 1, &[(0, 1, &[ACCEPT, RELEASE])]).await, "ok");
    let seen = cluster.share_partition(&group, "t", 0).unwrap();
    assert_eq!((seen.start, seen.records.len()), (1, 9));
    let first = &seen.records[0];
    assert_eq!((first.offset, first.state), (1, ShareRecordState::Available));
    let second = &seen.records[1];
    assert_eq!((second.state, second.delivery_count), (ShareRecordState::Acquired, 1));
    assert_eq!(second.member.as_deref(), Some("a"));
    assert_eq!(second.lock_left, Some(Duration::from_millis(1500)));
    assert_eq!(cluster.share_start_offset(&group, "t", 0), Some(0), "it is written with the next");

    let at = (group.as_str(), "t", 0);
    assert!(cluster.set_share_record(at, 2, (ShareRecordState::Acquired, 5), None));
    assert!(!cluster.set_share_record(at, 99, (ShareRecordState::Available, 1), None));
    assert_eq!(cluster.expire_share_locks(&group, "t", 0), 8);
    let seen = cluster.share_partition(&group, "t", 0).unwrap();
    assert_eq!(seen.records[1].state, ShareRecordState::Archived, "it was delivered too often");
    assert_eq!(seen.records[2].state, ShareRecordState::Available);

    let described = cluster.share_group(&group).unwrap();
    assert_eq!((described.state.as_str(), described.epoch), ("Stable", 2));
    assert_eq!(described.members[0].topics, ["t"]);
    assert!(cluster.expire_share_member(&group, "a"));
    assert!(!cluster.expire_share_member(&group, "a"));
    assert_eq!(world.beat(&world.alive("a", 2)).await, "UnknownMemberId");
    assert!(cluster.drop_share_session(1, &group, "a"));
    assert!(!cluster.drop_share_session(1, &group, "a"));
    assert_eq!(world.ask(&world.fetch("a", 2)).await, "ShareSessionNotFound");
    assert_eq!(cluster.group_config(&group).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn locks_end_by_themselves_and_wake_who_waits() {
    let (cluster, mut world, _other) = two_brokers().await;
    assert_eq!(world.ask(&world.fetch("a", 0)).await, "0: 0-9*1 of 2");
    let mut waiting = Client::to(&cluster, 1);
    let mut fetch = world.fetch("b", 0);
    fetch.request.max_wait_ms = 60_000;
    let before = Instant::now();
    assert_eq!(world.ask_by(&mut waiting, &fetch).await, "0: 0-9*2 of 2");
    assert!(before.elapsed() <= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn partitions_take_turns_and_share_the_bytes() {
    let (cluster, mut world) = world(one_broker()).await;
    let topic = world.create("u", 2).await;
    let joined = world.send(&world.join("a", &["u"])).await;
    assert_eq!(joined.error_code, 0);
    let fetch = |world: &World, epoch, most| {
        let mut fetch = world.fetch("a", epoch);
        fetch.request.max_records = most;
        if epoch == 0 {
            let partitions = [0, 1].map(|index| {
                kafka_protocol::messages::share_fetch_request::FetchPartition::default()
                    .with_partition_index(index)
            });
            fetch.request.topics[0].topic_id = topic;
            fetch.request.topics[0].partitions = partitions.into();
        }
        fetch
    };
    assert_eq!(world.ask(&fetch(&world, 0, 10)).await, "other 0: ok; other 1: ok");
    for partition in [0, 1] {
        for _ in 0..2 {
            cluster.append("u", partition, &[(None, Some(b"v"))]).unwrap();
        }
    }
    let taken = world.ask(&fetch(&world, 1, 1)).await;
    assert_eq!(taken, "other 1: 0-0*1 of 1", "the second is first at an odd epoch");
    let taken = world.ask(&fetch(&world, 2, 1)).await;
    assert_eq!(taken, "other 0: 0-0*1 of 1", "who had records comes last");
    let taken = world.ask(&fetch(&world, 3, 10)).await;
    assert_eq!(taken, "other 0: 1-1*1 of 1; other 1: 1-1*1 of 1");
}
