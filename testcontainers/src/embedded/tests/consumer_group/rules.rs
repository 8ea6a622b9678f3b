//! What brokers can be told to be, and to do.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, ConsumerGroupHeartbeatRequest, JoinGroupRequest,
    ListGroupsRequest,
};

use super::super::client::{Client, one_broker};
use super::cluster;
use super::world::{SESSION_MS, World, rest, text};
use crate::embedded::{
    ApiKey, Assignor, Builder, EmbeddedCluster, Fault, MigrationPolicy, Reaction,
};

async fn world(builder: Builder) -> (EmbeddedCluster, World) {
    let cluster = builder
        .consumer_heartbeat_interval(Duration::from_secs(1))
        .min_session_timeout(Duration::from_secs(1))
        .start()
        .await
        .unwrap();
    cluster.delete_topic("t").unwrap();
    let world = World::embedded(&cluster).await;
    (cluster, world)
}

async fn versions(world: &mut World) -> ApiVersionsResponse {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("n"))
        .with_client_software_version(text("1"));
    world.client.call(&request, 4).await
}

/// The level of `group.version`: supported, finalized.
fn level(told: &ApiVersionsResponse) -> (Option<i16>, Option<i16>) {
    let supported = told.supported_features.iter().find(|one| &*one.name == "group.version");
    let finalized = told.finalized_features.iter().find(|one| &*one.name == "group.version");
    (supported.map(|one| one.max_version), finalized.map(|one| one.max_version_level))
}

fn serves(told: &ApiVersionsResponse, api: ApiKey) -> bool {
    told.api_keys.iter().any(|one| one.api_key == api as i16)
}

#[tokio::test(start_paused = true)]
async fn the_feature_says_whether_there_are_consumer_groups() {
    let (cluster, mut world) = world(one_broker()).await;
    let before = versions(&mut world).await;
    assert_eq!(level(&before), (Some(1), Some(1)));
    world.settle("a").await;
    cluster.set_group_version(0);
    let after = versions(&mut world).await;
    assert_eq!(level(&after), (Some(1), None));
    assert!(after.finalized_features_epoch > before.finalized_features_epoch);
    assert!(serves(&after, ApiKey::ConsumerGroupHeartbeat), "it is listed, and refused");
    assert_eq!(world.beat(&world.alive("a", 2)).await, "UnsupportedVersion");
    assert_eq!(world.described().await, "UnsupportedVersion");
    cluster.set_group_version(1);
    assert_eq!(world.beat(&world.alive("a", 2)).await, "epoch 2");
}

#[tokio::test(start_paused = true)]
async fn brokers_of_before_3_7_know_classic_groups_alone() {
    let (_cluster, mut world) = world(one_broker().only_classic_groups()).await;
    let told = versions(&mut world).await;
    assert_eq!(level(&told), (None, None));
    assert!(told.finalized_features.iter().any(|one| &*one.name == "transaction.version"));
    for api in [ApiKey::ConsumerGroupHeartbeat, ApiKey::ConsumerGroupDescribe] {
        assert!(!serves(&told, api));
    }
}

#[tokio::test(start_paused = true)]
async fn a_moved_coordinator_knows_the_group_and_gives_everybody_a_session() {
    let (cluster, mut world) = world(one_broker().brokers(2)).await;
    cluster.set_consumer_group_timing(Duration::from_secs(1), Duration::from_millis(SESSION_MS));
    cluster.move_group_coordinator(&world.group, Some(1));
    world.settle("a").await;
    world.beat(&world.join("b", &["t"])).await;
    assert_eq!(world.beat(&world.alive("a", 2)).await, "epoch 2, t [0, 1]");
    rest(SESSION_MS * 3 / 4).await;
    cluster.move_group_coordinator(&world.group, Some(2));
    assert_eq!(world.beat(&world.alive("a", 2)).await, "NotCoordinator");
    assert_eq!(world.commit(9, "a", 2, &[0]).await, "NotCoordinator");
    world.client = Client::to(&cluster, 2);
    rest(SESSION_MS / 2).await;
    assert_eq!(world.beat(&world.owning("a", 2, &[("t", &[0, 1])])).await, "epoch 3");
    assert_eq!(world.beat(&world.alive("b", 3)).await, "epoch 3, t [2, 3]");
}

#[tokio::test(start_paused = true)]
async fn a_moved_coordinator_waits_anew_for_what_is_to_be_given_up() {
    let (cluster, mut world) = world(one_broker().brokers(2)).await;
    cluster.move_group_coordinator(&world.group, Some(1));
    world.beat(&world.join("a", &["t"]).with_rebalance_timeout_ms(1_000)).await;
    world.beat(&world.join("b", &["t"])).await;
    assert_eq!(world.beat(&world.alive("a", 2)).await, "epoch 2, t [0, 1]");
    rest(900).await;
    cluster.move_group_coordinator(&world.group, Some(2));
    world.client = Client::to(&cluster, 2);
    rest(900).await;
    assert_eq!(world.beat(&world.alive("a", 2)).await, "epoch 2");
    rest(200).await;
    assert_eq!(world.beat(&world.alive("a", 2)).await, "UnknownMemberId");
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_loads_says_so() {
    let (cluster, mut world) = world(one_broker()).await;
    world.settle("a").await;
    cluster.load_group_coordinator(&world.group, Duration::from_secs(1));
    let loading = "CoordinatorLoadInProgress";
    assert_eq!(world.beat(&world.alive("a", 2)).await, loading);
    assert_eq!(world.beat(&world.alive("a", -3)).await, "InvalidRequest", "that is seen before");
    assert_eq!(world.described().await, loading);
    assert_eq!(world.commit(9, "a", 2, &[0]).await, loading);
    assert_eq!(world.fetch(Some("a"), 2, &[0]).await, format!("{loading} []"));
    assert_eq!(world.delete_group().await, loading);
    assert_eq!(world.join_as(&world.classic("c", &[]), 9).await, loading);
    assert_eq!(world.beat_classic("c", 1).await, "ok", "a classic member is presumed to be there");
    rest(1_000).await;
    assert_eq!(world.beat(&world.alive("a", 2)).await, "epoch 2");
}

#[tokio::test(start_paused = true)]
async fn a_member_can_be_expired() {
    let (cluster, mut world) = world(one_broker()).await;
    world.settle("a").await;
    let group = cluster.consumer_group(&world.group).unwrap();
    assert_eq!((&*group.state, group.epoch, group.assignment_epoch), ("Stable", 2, 2));
    assert_eq!(group.members[0].assignment.len(), 4);
    assert!(!cluster.expire_member(&world.group, "b"));
    assert!(cluster.expire_member(&world.group, "a"));
    assert_eq!(world.beat(&world.alive("a", 2)).await, "UnknownMemberId");
    assert_eq!(cluster.consumer_group(&world.group).unwrap().state, "Empty");
    assert_eq!(cluster.group_types()[&world.group], "consumer");
}

#[tokio::test(start_paused = true)]
async fn heartbeats_meet_the_fault_rules() {
    let (cluster, mut world) = world(one_broker()).await;
    world.settle("a").await;
    let fault = Fault::on(ApiKey::ConsumerGroupHeartbeat).times(1);
    let fenced = ResponseError::FencedMemberEpoch;
    cluster.fault(fault.clone().then(Reaction::Answer(fenced)));
    assert_eq!(world.beat(&world.alive("a", 2)).await, "FencedMemberEpoch");
    cluster.fault(fault.then(Reaction::CloseAfter));
    world.client.send(&world.alive("a", -1), 1).await;
    assert!(world.client.receive::<ConsumerGroupHeartbeatRequest>(1).await.is_none());
    assert!(cluster.consumer_group(&world.group).unwrap().members.is_empty(), "it was served");
    assert_eq!(cluster.requests_of(ApiKey::ConsumerGroupHeartbeat).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn brokers_have_the_assignors_that_they_are_given() {
    let (_cluster, mut world) = world(one_broker().consumer_assignors(&[Assignor::Range])).await;
    let join = world.join("a", &["t"]);
    let uniform = join.clone().with_server_assignor(Some(text("uniform")));
    assert_eq!(world.beat(&uniform).await, "UnsupportedAssignor");
    world.beat(&join).await;
    assert_eq!(world.assignor().await, "range");
}

#[tokio::test(start_paused = true)]
async fn the_policy_says_which_way_groups_may_go() {
    use MigrationPolicy::{Bidirectional, Disabled, Downgrade, Upgrade};
    for policy in [Bidirectional, Upgrade, Downgrade, Disabled] {
        let (cluster, mut world) = world(one_broker().consumer_migration_policy(policy)).await;
        world.join_as(&world.classic("", &[]), 3).await;
        let c = world.last_id();
        world.sync_as(&world.leading(&c, 1, &[0, 1, 2, 3])).await;
        let up = world.beat(&world.join("a", &["t"])).await;
        let may_go_up = matches!(policy, Bidirectional | Upgrade);
        assert_eq!(up, if may_go_up { "epoch 2, nothing" } else { "GroupIdNotFound" });

        world.group = "another".to_owned();
        world.settle("a").await;
        let joined = world.join_as(&world.classic("c", &[]), 9).await;
        let is_refused = joined.starts_with("InconsistentGroupProtocol");
        assert_eq!(is_refused, policy == Disabled, "{joined}");
        world.beat(&world.alive("a", -1)).await;
        let goes_down = matches!(policy, Bidirectional | Downgrade);
        let kind = cluster.group_types()[&world.group];
        assert_eq!(kind, if goes_down { "classic" } else { "consumer" }, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn classic_members_that_wait_are_sent_away_when_their_group_is_converted() {
    let (cluster, mut world) = world(one_broker()).await;
    world.join_as(&world.classic("", &[]), 3).await;
    let c = world.last_id();
    world.sync_as(&world.leading(&c, 1, &[0, 1, 2, 3])).await;
    let mut waiting = Client::to(&cluster, 1);
    waiting.send(&world.classic("", &[]), 3).await;
    rest(1).await;
    assert_eq!(world.listed().await, "classic \"consumer\" PreparingRebalance");
    assert_eq!(world.beat(&world.join("a", &["t"])).await, "epoch 2, nothing");
    let answer = waiting.receive::<JoinGroupRequest>(3).await.unwrap();
    assert_eq!(answer.error_code, ResponseError::RebalanceInProgress.code());
    let again = world.classic(&answer.member_id, &[]);
    assert_eq!(
        world.join_as(&again, 9).await,
        "generation 2, consumer range, no leader, 0 members",
        "it is a member already"
    );
}

#[tokio::test(start_paused = true)]
async fn groups_are_listed_by_state_and_type() {
    let cluster = cluster().await;
    let mut world = World::embedded(&cluster).await;
    world.settle("a").await;
    world.group = "old".to_owned();
    world.commit(9, "", -1, &[0]).await;
    for (states, types, count) in [
        (vec![], vec![], 2),
        (vec!["stable"], vec![], 1),
        (vec!["Empty"], vec!["Consumer"], 0),
        (vec![], vec!["consumer"], 1),
        (vec!["empty", "stable"], vec!["classic", "consumer"], 2),
    ] {
        let request = ListGroupsRequest::default()
            .with_states_filter(states.iter().map(|one| text(one)).collect())
            .with_types_filter(types.iter().map(|one| text(one)).collect());
        let listed = world.client.call(&request, 5).await.groups.len();
        assert_eq!(listed, count, "{states:?} {types:?}");
    }
}
