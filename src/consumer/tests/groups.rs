//! Members of groups, against embedded brokers in memory under paused time.

use std::collections::BTreeSet;
use std::sync::Mutex;

use kavka_testcontainers::embedded::{ApiKey, ErrorCode as BrokerCode, Fault, Reaction};

use super::*;
use crate::boxed::BoxFuture;
use crate::error::Class;
use crate::group_metadata::OffsetAndMetadata;

const STRATEGIES: [AssignmentStrategy; 4] = [
    AssignmentStrategy::Range,
    AssignmentStrategy::RoundRobin,
    AssignmentStrategy::Sticky,
    AssignmentStrategy::CooperativeSticky,
];

fn member_of(group: &str) -> ConsumerConfig {
    from_earliest()
        .group_id(group)
        .partition_assignment_strategy([AssignmentStrategy::CooperativeSticky])
}

pub(super) fn member(client: &Client, config: ConsumerConfig) -> Consumer {
    let consumer = client.consumer(config).unwrap();
    consumer.subscribe(["t"]).unwrap();
    consumer
}

/// Polls all members, as their applications would, until the partitions of `t` are shared out so;
/// within a minute.
pub(super) async fn settled(members: &mut [&mut Consumer], shares: &[usize]) -> Duration {
    let begun = crate::runtime::now();
    loop {
        let owned: Vec<Vec<_>> = members.iter().map(|member| member.assignment()).collect();
        let distinct: BTreeSet<_> = owned.iter().flatten().collect();
        assert_eq!(
            distinct.len(),
            owned.iter().map(Vec::len).sum::<usize>(),
            "a partition has two owners: {owned:?}"
        );
        let mut sizes: Vec<_> = owned.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        let waited = crate::runtime::now() - begun;
        if sizes == shares {
            return waited;
        }
        assert!(waited < Duration::from_secs(60), "not settled: {owned:?}");
        for member in &mut *members {
            let _ = tokio::time::timeout(Duration::from_millis(5), member.recv()).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_members_on_one_client_join_in_under_a_second() {
    for strategy in STRATEGIES {
        let embedded = brokers(1).await;
        let client = client(&embedded);
        let config = || {
            member_of("g")
                .partition_assignment_strategy([strategy.clone()])
                .heartbeat_interval(Duration::from_millis(200))
        };
        let mut first = member(&client, config());
        let mut second = member(&client, config());
        let waited = settled(&mut [&mut first, &mut second], &[1, 2]).await;
        assert!(waited < Duration::from_secs(1), "{strategy:?}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_closes_is_replaced_at_once() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let mut first = member(&client, member_of("g"));
    let mut second = member(&client, member_of("g"));
    settled(&mut [&mut first, &mut second], &[1, 2]).await;
    first.close(Duration::from_secs(5)).await.unwrap();
    let waited = settled(&mut [&mut second], &[3]).await;
    assert!(waited < Duration::from_secs(7), "a heartbeat or two, not a session: {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_vanishes_is_replaced_after_its_session() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let config = || member_of("g").session_timeout(Duration::from_secs(10));
    let mut first = member(&client, config());
    let mut second = member(&client, config());
    settled(&mut [&mut first, &mut second], &[1, 2]).await;
    drop(first);
    let waited = settled(&mut [&mut second], &[3]).await;
    assert!(waited > Duration::from_secs(5) && waited < Duration::from_secs(15), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_on_where_it_committed() {
    let embedded = brokers(1).await;
    for partition in 0..3 {
        append(&embedded, partition, 0..10);
    }
    let client = client(&embedded);
    let mut consumer = member(&client, member_of("g").enable_auto_commit(false));
    let first = values(&mut consumer, 12).await.len();
    consumer.commit().await.unwrap();
    let committed = consumer.committed((0..3).map(tp)).await.unwrap();
    let total: i64 = committed.values().flatten().map(|committed| committed.offset.0).sum();
    assert_eq!(total, 12);
    consumer.close(Duration::from_secs(5)).await.unwrap();

    let mut consumer = member(&client, member_of("g"));
    let rest = values(&mut consumer, 30 - first).await.len();
    assert_eq!(first + rest, 30);
    assert!(nothing_comes(&mut consumer).await);
}

#[tokio::test(start_paused = true)]
async fn automatic_commits_cover_what_was_asked_past_and_closing_is_that_too() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..10);
    let client = client(&embedded);
    let mut consumer = member(&client, member_of("g"));
    assert_eq!(values(&mut consumer, 5).await, [0, 1, 2, 3, 4]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let committed = consumer.committed([tp(0)]).await.unwrap();
    assert_eq!(committed[&tp(0)].as_ref().unwrap().offset, Offset(4));
    assert_eq!(values(&mut consumer, 2).await, [5, 6]);
    consumer.close(Duration::from_secs(5)).await.unwrap();
    let mut consumer = member(&client, member_of("g"));
    assert_eq!(values(&mut consumer, 1).await, [7]);
    drop(consumer);
    assert_eq!(
        embedded.committed("g", "t", 0),
        Some(7),
        "nobody has said that the last is processed"
    );
}

#[tokio::test(start_paused = true)]
async fn metadata_is_committed_and_a_foreign_partition_is_refused() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let mut consumer = member(&client, member_of("g"));
    settled(&mut [&mut consumer], &[3]).await;
    let mut offset = OffsetAndMetadata::new(7);
    offset.metadata = "note".to_owned();
    consumer.commit_offsets([(tp(1), offset)]).await.unwrap();
    assert_eq!(
        consumer.committed([tp(1)]).await.unwrap()[&tp(1)].as_ref().unwrap().metadata,
        "note"
    );
    let refused =
        consumer.commit_offsets([(TopicPartition::new("other", 0), 1)]).await.unwrap_err();
    assert_eq!(refused.class(), Class::Rejoin);
}

#[tokio::test(start_paused = true)]
async fn partitions_chosen_by_hand_are_committed_without_a_membership() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..10);
    let client = client(&embedded);
    let mut consumer = client.consumer(member_of("g")).unwrap();
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(values(&mut consumer, 4).await, [0, 1, 2, 3]);
    consumer.commit().await.unwrap();
    consumer.close(Duration::from_secs(5)).await.unwrap();
    let mut consumer = client.consumer(member_of("g")).unwrap();
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(values(&mut consumer, 1).await, [4]);
    assert!(embedded.requests_of(ApiKey::JoinGroup).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_idle_application_leaves_is_told_once_and_comes_back() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let client = client(&embedded);
    let mut consumer = member(&client, member_of("g").max_poll_interval(Duration::from_secs(20)));
    assert_eq!(values(&mut consumer, 1).await, [0]);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(consumer.assignment().is_empty());
    assert_eq!(next(&mut consumer).await.unwrap_err().kind(), ErrorKind::MaxPollExceeded);
    let again = next(&mut consumer).await.unwrap().2;
    assert!(again <= 1, "what was not asked past may come again, but nothing is left out");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_records_is_not_idleness() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let mut consumer = member(&client, member_of("g").max_poll_interval(Duration::from_secs(10)));
    assert!(
        tokio::time::timeout(Duration::from_secs(60), consumer.recv()).await.is_err(),
        "neither a record nor an error"
    );
    assert_eq!(consumer.assignment().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_moves_or_dies_costs_nothing() {
    let embedded = brokers(3).await;
    append(&embedded, 0, 0..100);
    let client = client(&embedded);
    let mut consumer = member(&client, member_of("g"));
    assert_eq!(values(&mut consumer, 10).await.len(), 10);
    let at = embedded.group_coordinator("g").unwrap();
    embedded.move_group_coordinator("g", Some(at % 3 + 1));
    assert_eq!(values(&mut consumer, 10).await.len(), 10);
    consumer.commit().await.unwrap();
    let at = embedded.group_coordinator("g").unwrap();
    embedded.kill_broker(at);
    assert_eq!(values(&mut consumer, 10).await, (20..30).collect::<Vec<_>>());
    consumer.commit().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn more_partitions_are_found_and_shared() {
    let embedded = brokers(1).await;
    let config = ClientConfig::new(embedded.bootstrap_servers())
        .metadata_max_age(Duration::from_secs(5))
        .seed(1);
    let client = Client::new(config.connector(InMemory(embedded.clone()))).unwrap();
    let mut first = member(&client, member_of("g"));
    let mut second = member(&client, member_of("g"));
    settled(&mut [&mut first, &mut second], &[1, 2]).await;
    embedded.grow_topic("t", 6).unwrap();
    settled(&mut [&mut first, &mut second], &[3, 3]).await;
}

#[tokio::test(start_paused = true)]
async fn a_pattern_takes_in_topics_that_come_later() {
    let embedded = brokers(1).await;
    let config = ClientConfig::new(embedded.bootstrap_servers())
        .metadata_max_age(Duration::from_secs(5))
        .seed(1);
    let client = Client::new(config.connector(InMemory(embedded.clone()))).unwrap();
    let mut consumer = client.consumer(member_of("g")).unwrap();
    consumer.subscribe_pattern("t.*").unwrap();
    settled(&mut [&mut consumer], &[3]).await;
    embedded.create_topic("tea", 2, 1).unwrap();
    embedded.create_topic("coffee", 2, 1).unwrap();
    settled(&mut [&mut consumer], &[5]).await;
}

#[tokio::test(start_paused = true)]
async fn unsubscribing_leaves_and_subscribing_comes_back() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let mut first = member(&client, member_of("g"));
    let mut second = member(&client, member_of("g"));
    settled(&mut [&mut first, &mut second], &[1, 2]).await;
    first.unsubscribe().unwrap();
    settled(&mut [&mut second], &[3]).await;
    first.subscribe(["t"]).unwrap();
    settled(&mut [&mut first, &mut second], &[1, 2]).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_group_is_told() {
    let embedded = brokers(1).await;
    embedded.fault(
        Fault::on(ApiKey::JoinGroup).then(Reaction::Answer(BrokerCode::GroupAuthorizationFailed)),
    );
    let client = client(&embedded);
    let mut consumer = member(&client, member_of("g"));
    let error = next(&mut consumer).await.unwrap_err();
    assert_eq!(error.code(), Some(crate::error::ErrorCode::GROUP_AUTHORIZATION_FAILED));
    embedded.clear_faults();
    append(&embedded, 0, 0..1);
    assert_eq!(values(&mut consumer, 1).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_heartbeats_vanish_stops_before_the_broker_replaces_it() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let mut consumer = member(&client, member_of("g").session_timeout(Duration::from_secs(10)));
    settled(&mut [&mut consumer], &[3]).await;
    for api in [ApiKey::Heartbeat, ApiKey::JoinGroup, ApiKey::FindCoordinator] {
        embedded.fault(Fault::on(api).then(Reaction::CloseBefore));
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(consumer.assignment().is_empty());
    embedded.clear_faults();
    settled(&mut [&mut consumer], &[3]).await;
}

/// Writes down what it is told, and commits the position of each partition it must give up.
struct Notes(std::sync::Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, what: &str, partitions: &[TopicPartition]) {
        let names: Vec<_> = partitions.iter().map(|tp| tp.partition.to_string()).collect();
        self.0.lock().unwrap().push(format!("{what} {}", names.join(",")));
    }
}

impl RebalanceListener for Notes {
    fn on_assigned<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(async move { self.note("assigned", partitions) })
    }

    fn on_revoked<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(async move {
            // Longer than several heartbeats: the member must stay alive.
            tokio::time::sleep(Duration::from_secs(12)).await;
            consumer.commit().await.unwrap();
            self.note("revoked", partitions);
        })
    }

    fn on_lost<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(async move { self.note("lost", partitions) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_is_told_in_order_and_may_take_its_time_and_commit() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..5);
    let client = client(&embedded);
    let config = || {
        let eager = [AssignmentStrategy::Range];
        member_of("g")
            .session_timeout(Duration::from_secs(10))
            .enable_auto_commit(false)
            .partition_assignment_strategy(eager)
    };
    let mut first = client.consumer(config()).unwrap();
    let notes = std::sync::Arc::new(Mutex::new(Vec::new()));
    first.rebalance_listener(Notes(std::sync::Arc::clone(&notes)));
    first.subscribe(["t"]).unwrap();
    assert_eq!(values(&mut first, 3).await, [0, 1, 2]);
    let mut second = member(&client, config());
    settled(&mut [&mut first, &mut second], &[1, 2]).await;
    assert_eq!(
        second.committed([tp(0)]).await.unwrap()[&tp(0)].as_ref().unwrap().offset,
        Offset(5)
    );
    first.close(Duration::from_secs(60)).await.unwrap();
    let notes = notes.lock().unwrap().clone();
    assert_eq!(notes[..2], ["assigned 0,1,2", "revoked 0,1,2"]);
    assert!(
        notes[2].starts_with("assigned ") && notes[3].starts_with("revoked ") && notes.len() == 4,
        "{notes:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_closed_leaves_its_group_or_remains_as_it_is_told() {
    use GroupMembershipOperation::{Default, LeaveGroup, RemainInGroup};
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        for (instance, operation, leaves) in [
            (None, Default, true),
            (None, RemainInGroup, false),
            (Some("i"), Default, false),
            (Some("i"), LeaveGroup, true),
        ] {
            let embedded = brokers(1).await;
            let client = client(&embedded);
            let config = || from_earliest().group_id("g").group_protocol(protocol);
            let mut going = match instance {
                Some(instance) => member(&client, config().group_instance_id(instance)),
                None => member(&client, config()),
            };
            let mut staying = member(&client, config());
            settled(&mut [&mut going, &mut staying], &[1, 2]).await;
            let options = CloseOptions::new().group_membership_operation(operation);
            going.close_with(options).await.unwrap();
            let waited = settled(&mut [&mut staying], &[3]).await;
            let soon = Duration::from_secs(10);
            assert_eq!(
                waited < soon,
                leaves,
                "{protocol:?} {instance:?} {operation:?}: {waited:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn close_leaves_no_task_even_without_a_coordinator() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let mut consumer = member(&client, member_of("g"));
    settled(&mut [&mut consumer], &[3]).await;
    embedded.kill_broker(1);
    let begun = crate::runtime::now();
    let _ = consumer.close(Duration::from_secs(5)).await;
    assert!(crate::runtime::now() - begun <= Duration::from_secs(6));
}

/// The longest that Java takes: `request.timeout.ms` while there is something to commit, one
/// attempt to leave while there is not.
#[tokio::test(start_paused = true)]
async fn close_without_any_coordinator_takes_no_longer_than_a_request() {
    for (commits, at_most) in [(true, Duration::from_secs(4)), (false, Duration::from_secs(2))] {
        let embedded = brokers(1).await;
        append(&embedded, 0, 0..3);
        let config =
            ClientConfig::new(embedded.bootstrap_servers()).request_timeout(Duration::from_secs(4));
        let client = Client::new(config.connector(InMemory(embedded.clone())).seed(1)).unwrap();
        let mut consumer = member(&client, member_of("g").enable_auto_commit(commits));
        assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
        embedded.kill_broker(1);
        let begun = crate::runtime::now();
        let closed = consumer.close(Duration::from_secs(300)).await;
        let took = crate::runtime::now() - begun;
        assert!(took <= at_most + Duration::from_millis(100), "{commits}: {took:?} {closed:?}");
        assert_eq!(closed.is_err(), commits, "{closed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn commit_ends_at_its_deadline_though_an_attempt_goes_on() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    let config =
        ClientConfig::new(embedded.bootstrap_servers()).default_api_timeout(Duration::from_secs(5));
    let client = Client::new(
        config.request_timeout(Duration::from_secs(4)).connector(InMemory(embedded.clone())),
    )
    .unwrap();
    let mut consumer = member(&client, member_of("g").enable_auto_commit(false));
    assert_eq!(values(&mut consumer, 1).await, [0]);
    embedded.fault(Fault::on(ApiKey::OffsetCommit).then(Reaction::DropReply));
    let begun = crate::runtime::now();
    assert_eq!(consumer.commit().await.unwrap_err().kind(), crate::error::ErrorKind::Timeout);
    assert!(
        crate::runtime::now() - begun <= Duration::from_millis(5_010),
        "{:?}",
        crate::runtime::now() - begun
    );
}
