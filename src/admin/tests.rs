//! Splitting, joining and asking again, against embedded brokers in memory under paused time.

use std::collections::BTreeSet;
use std::time::Duration;

use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, ErrorCode as Code, Fault, Reaction};

use super::*;
use crate::client::Client;
use crate::config::ClientConfig;
use crate::error::Class;
use crate::ids::{BrokerId, GroupId, Offset};
use crate::net::InMemory;

/// Three brokers with topic `t` of six partitions, two led by each.
async fn brokers(replicas: i16) -> EmbeddedCluster {
    EmbeddedCluster::builder().brokers(3).in_memory().topic("t", 6, replicas).start().await.unwrap()
}

fn admin(embedded: &EmbeddedCluster) -> Admin {
    Client::new(
        ClientConfig::new(embedded.bootstrap_servers()).connector(InMemory(embedded.clone())),
    )
    .unwrap()
    .admin()
}

fn admin_of_controllers(embedded: &EmbeddedCluster, seed: u64) -> Admin {
    let config = ClientConfig::default().bootstrap_controllers(embedded.bootstrap_servers());
    Client::new(config.connector(InMemory(embedded.clone())).seed(seed)).unwrap().admin()
}

fn all(spec: OffsetSpec) -> impl Iterator<Item = (TopicPartition, OffsetSpec)> {
    (0..6).map(move |partition| (TopicPartition::new("t", partition), spec))
}

/// The brokers that were asked.
fn asked(embedded: &EmbeddedCluster, api: ApiKey) -> Vec<i32> {
    embedded.requests_of(api).into_iter().map(|request| request.broker).collect()
}

async fn commit(admin: &Admin, groups: &[String]) {
    for group in groups {
        let committed = admin
            .alter_group_offsets(group, [(TopicPartition::new("t", 0), NewOffset::new(7))])
            .await;
        only(committed).unwrap();
    }
}

fn groups(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("g{number}")).collect()
}

#[tokio::test(start_paused = true)]
async fn partitions_are_asked_of_their_leaders_in_one_request_each() {
    let embedded = brokers(1).await;
    let found = admin(&embedded).list_offsets(all(OffsetSpec::Latest)).await;
    assert_eq!(found.len(), 6);
    assert!(found.values().all(|found| found.as_ref().unwrap().offset == Some(Offset(0))));
    let asked = asked(&embedded, ApiKey::ListOffsets);
    assert_eq!((asked.len(), BTreeSet::from_iter(asked).len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_moves_in_the_middle_is_followed() {
    let embedded = brokers(3).await;
    embedded.fault(
        Fault::on(ApiKey::DeleteRecords).partition("t", 1).nth(1).then(Reaction::MoveLeader(None)),
    );
    let deleted = admin(&embedded)
        .delete_records((0..6).map(|partition| (TopicPartition::new("t", partition), Offset(0))))
        .await;
    assert!(deleted.values().all(Result::is_ok), "{deleted:?}");
    // Only what had moved was asked for again, until metadata told where it is.
    let again = embedded.requests_of(ApiKey::DeleteRecords).split_off(3);
    assert!(
        !again.is_empty()
            && again.iter().all(|request| request.partitions == [("t".to_owned(), 1)]),
        "{again:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn how_far_a_group_is_behind_is_told_of_each_partition() {
    let embedded = brokers(1).await;
    let admin = admin(&embedded);
    assert!(admin.list_group_lag("g").await.unwrap().is_empty(), "nobody's");
    for value in 0..9 {
        embedded.append("t", 0, &[(None, Some(&[value]))]).unwrap();
    }
    commit(&admin, &["g".to_owned()]).await;
    let lags = admin.list_group_lag("g").await.unwrap();
    let (partition, lag) = lags.into_iter().next().unwrap();
    let expected = GroupLag { offset: Some(Offset(7)), end: Some(Offset(9)), lag: Some(2) };
    assert_eq!((partition, lag.unwrap()), (TopicPartition::new("t", 0), expected));
}

#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn the_lag_of_a_group_is_a_gauge_until_it_has_no_offset_any_more() {
    let recorder = crate::observability::noted::Noted::default();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let embedded = brokers(1).await;
    let admin = admin(&embedded);
    for value in 0..9 {
        embedded.append("t", 0, &[(None, Some(&[value]))]).unwrap();
    }
    commit(&admin, &["g".to_owned(), "h".to_owned()]).await;
    let lag = |group| recorder.sum("kafka_consumer_group_lag", &[group, "topic=t", "partition=0"]);
    for group in ["g", "h"] {
        admin.list_group_lag(group).await.unwrap();
    }
    assert_eq!((lag("group_id=g"), lag("group_id=h")), (2.0, 2.0));
    only(admin.delete_groups(["g"]).await).unwrap();
    admin.list_group_lag("g").await.unwrap();
    assert_eq!((lag("group_id=g"), lag("group_id=h")), (0.0, 2.0));
}

#[tokio::test(start_paused = true)]
async fn groups_are_found_together_and_asked_for_together() {
    let embedded = brokers(1).await;
    let (first, groups) = (admin(&embedded), groups(12));
    commit(&first, &groups).await;
    let before = embedded.requests_of(ApiKey::FindCoordinator).len();
    let listed = admin(&embedded).list_group_offsets(&groups).await;
    assert!(
        listed.values().all(|offsets| offsets.as_ref().is_ok_and(|offsets| offsets.len() == 1)),
        "{listed:?}"
    );
    assert_eq!(embedded.requests_of(ApiKey::FindCoordinator).len() - before, 1);
    assert_eq!(embedded.requests_of(ApiKey::OffsetFetch).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn stable_offsets_come_with_the_end_of_the_transaction_that_changes_them() {
    let embedded = brokers(1).await;
    let admin = admin(&embedded);
    commit(&admin, &["g".to_owned()]).await;
    let client = Client::new(
        ClientConfig::new(embedded.bootstrap_servers()).connector(InMemory(embedded.clone())),
    )
    .unwrap();
    let config = crate::producer::ProducerConfig::new().transactional_id("x");
    let mut producer = client.transactional_producer(config).unwrap();
    let mut transaction = producer.begin().await.unwrap();
    let group = crate::ConsumerGroupMetadata::new("g");
    transaction.send_offsets([(TopicPartition::new("t", 0), 9)], &group).await.unwrap();
    let offset = |listed: Outcomes<GroupId, Outcomes<TopicPartition, CommittedOffset>>| {
        only(only(listed).unwrap()).unwrap().offset
    };
    assert_eq!(offset(admin.list_group_offsets(["g"]).await), Offset(7), "nobody waits");
    let hurried = admin.clone().timeout(Duration::from_secs(5));
    let error = only(hurried.list_stable_group_offsets(["g"]).await).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNSTABLE_OFFSET_COMMIT), "{error}");
    let committing = async {
        tokio::time::advance(Duration::from_secs(20)).await;
        transaction.commit().await.unwrap();
    };
    let (listed, ()) = tokio::join!(admin.list_stable_group_offsets(["g"]), committing);
    assert_eq!(offset(listed), Offset(9));
    for broker in 1..=3 {
        embedded.set_versions(broker, ApiKey::OffsetFetch, 1, 6);
    }
    let old = self::admin(&embedded);
    assert_eq!(offset(old.list_stable_group_offsets(["g"]).await), Offset(9));
}

#[tokio::test(start_paused = true)]
async fn groups_are_selected_by_their_protocol_type() {
    let embedded = brokers(1).await;
    let admin = admin(&embedded);
    commit(&admin, &["g".to_owned()]).await;
    for (types, found) in [(&[][..], 1), (&["consumer", ""], 1), (&["consumer"], 0)] {
        let filter = GroupFilter::all().protocol_types(types.iter().copied());
        assert_eq!(admin.list_groups(filter).await.unwrap().items.len(), found, "{types:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_features_of_a_node_are_asked_of_it() {
    let embedded = brokers(1).await;
    let admin = admin(&embedded);
    let questions = |broker| {
        let asked = embedded.requests_of(ApiKey::ApiVersions).into_iter();
        asked.filter(move |request| request.broker == broker).count()
    };
    for broker in 1..=3 {
        // Opening a connection asks the same.
        admin.describe_features_of(broker).await.unwrap();
        let before = questions(broker);
        let described = admin.describe_features_of(broker).await.unwrap();
        assert!(described.features.contains_key("transaction.version"), "{described:?}");
        assert_eq!(questions(broker) - before, 1, "{broker}");
    }
    let error = admin.describe_features_of(9).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::BROKER_NOT_AVAILABLE));
}

#[tokio::test(start_paused = true)]
async fn old_brokers_are_asked_for_one_group_at_a_time() {
    let embedded = brokers(1).await;
    for broker in 1..=3 {
        embedded.set_versions(broker, ApiKey::FindCoordinator, 0, 3);
        embedded.set_versions(broker, ApiKey::OffsetFetch, 1, 7);
    }
    let (admin, groups) = (admin(&embedded), groups(6));
    commit(&admin, &groups).await;
    let listed = admin.list_group_offsets(&groups).await;
    assert!(
        listed.values().all(|offsets| offsets.as_ref().is_ok_and(|offsets| offsets.len() == 1)),
        "{listed:?}"
    );
    assert_eq!(embedded.requests_of(ApiKey::OffsetFetch).len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_moves_in_the_middle_is_found_again() {
    let embedded = brokers(1).await;
    let (admin, groups) = (admin(&embedded), groups(6));
    commit(&admin, &groups).await;
    for api in
        [ApiKey::DescribeGroups, ApiKey::OffsetFetch, ApiKey::OffsetCommit, ApiKey::DeleteGroups]
    {
        embedded.fault(Fault::on(api).nth(1).then(Reaction::MoveCoordinator(None)));
    }
    let described = admin.describe_classic_groups(&groups).await;
    assert!(described.values().all(Result::is_ok), "{described:?}");
    assert!(admin.list_group_offsets(&groups).await.values().all(Result::is_ok));
    commit(&admin, &groups).await;
    let deleted = admin.delete_groups(&groups).await;
    assert!(deleted.values().all(Result::is_ok), "{deleted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_has_moved_is_asked_where_it_is() {
    let embedded = brokers(1).await;
    embedded
        .fault(Fault::on(ApiKey::CreateTopics).nth(1).then(Reaction::Answer(Code::NotController)));
    admin(&embedded).create_topic(NewTopic::new("new")).await.unwrap();
    assert_eq!(embedded.requests_of(ApiKey::CreateTopics).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_reply_was_lost_is_met_by_its_repetition() {
    let embedded = brokers(1).await;
    embedded.fault(Fault::on(ApiKey::CreateTopics).nth(1).then(Reaction::CloseAfter));
    let error = admin(&embedded).create_topic(NewTopic::new("new")).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));
    assert!(error.to_string().starts_with("topic new: "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_down_fails_its_items_only_and_not_past_the_deadline() {
    let embedded = brokers(1).await;
    let admin = admin(&embedded).timeout(Duration::from_secs(5));
    assert!(admin.list_offsets(all(OffsetSpec::Earliest)).await.values().all(Result::is_ok));
    embedded.kill_broker(2);
    let started = runtime::now();
    let found = admin.list_offsets(all(OffsetSpec::Earliest)).await;
    assert!(runtime::now() - started <= Duration::from_secs(5));
    let (found, failed): (Vec<_>, Vec<_>) = found.into_values().partition(Result::is_ok);
    assert_eq!((found.len(), failed.len()), (4, 2));
    assert!(failed.into_iter().all(|failed| failed.unwrap_err().class() == Class::Retriable));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_refused_long_before_the_deadline() {
    let embedded = brokers(1).await;
    let admin = admin(&embedded);
    let started = runtime::now();
    let outcome =
        only(admin.list_offsets([(TopicPartition::new("none", 0), OffsetSpec::Latest)]).await);
    assert_eq!(outcome.unwrap_err().code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let outcome = only(admin.describe_configs([ConfigResource::broker(9)]).await);
    assert_eq!(outcome.unwrap_err().code(), Some(ErrorCode::BROKER_NOT_AVAILABLE));
    assert!(runtime::now() - started < Duration::from_secs(5), "{:?}", runtime::now() - started);
}

/// A leader that is too old for a place is not asked for it.
#[tokio::test(start_paused = true)]
async fn the_places_of_tiered_storage_are_asked_for_by_brokers_that_know_them() {
    let embedded = brokers(1).await;
    for number in 0..3_u8 {
        embedded.append("t", 0, &[(None, Some(&[number]))]).unwrap();
    }
    embedded.delete_records("t", 0, 1);
    let admin = admin(&embedded);
    let find = async |spec| {
        let found = only(admin.list_offsets([(TopicPartition::new("t", 0), spec)]).await);
        found.map(|found| found.offset)
    };
    assert_eq!(find(OffsetSpec::EarliestLocal).await.unwrap(), Some(Offset(1)));
    assert_eq!(find(OffsetSpec::LatestTiered).await.unwrap(), None, "nothing is there");
    for (newest, spec) in [(7, OffsetSpec::EarliestLocal), (8, OffsetSpec::LatestTiered)] {
        (1..=3).for_each(|broker| embedded.set_versions(broker, ApiKey::ListOffsets, 1, newest));
        (1..=3).for_each(|broker| embedded.cut_connections(broker));
        embedded.clear_requests();
        assert_eq!(find(spec).await.unwrap_err().kind(), ErrorKind::Unsupported, "{spec:?}");
        assert_eq!(find(OffsetSpec::Latest).await.unwrap(), Some(Offset(3)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_that_the_broker_lacks_is_unsupported_for_each_item() {
    let builder = EmbeddedCluster::builder().brokers(1).in_memory().no_share_groups();
    let embedded = builder.start().await.unwrap();
    let described = admin(&embedded).describe_share_groups(["a", "b"]).await;
    assert_eq!(described.len(), 2);
    for error in described.into_values().map(|group| group.unwrap_err()) {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(
            error
                .to_string()
                .contains("does not have ShareGroupDescribe, of which this client needs one of v"),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_of_other_versions_is_named_with_what_is_needed() {
    for ((oldest, newest), words) in
        [((0, 1), ["up to v1", "upgrade the broker"]), ((90, 99), ["from v90", "a newer kavka"])]
    {
        let embedded = brokers(1).await;
        embedded.set_versions(1, ApiKey::CreateTopics, oldest, newest);
        let error = admin(&embedded).create_topic(NewTopic::new("new")).await.unwrap_err();
        let said = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{said}");
        assert!(
            words
                .iter()
                .chain(&["CreateTopics", "v2 to v7", "broker-1:9092"])
                .all(|word| said.contains(word)),
            "{said}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_only_validates_refuses_what_kafka_cannot_validate() {
    let embedded = brokers(1).await;
    let admin = admin(&embedded).validate_only();
    admin.create_topic(NewTopic::new("new")).await.unwrap();
    assert_eq!(admin.delete_topic("t").await.unwrap_err().class(), Class::InvalidConfiguration);
    assert!(embedded.requests_of(ApiKey::DeleteTopics).is_empty());
    let topics: Vec<_> =
        admin.list_topics().await.unwrap().into_iter().map(|topic| topic.name).collect();
    assert_eq!(topics.iter().map(|topic| topic.as_str()).collect::<Vec<_>>(), ["t"]);
}

#[tokio::test(start_paused = true)]
async fn an_operation_dropped_midway_leaves_the_handle_whole() {
    let embedded = brokers(1).await;
    let admin = admin(&embedded);
    embedded.fault(
        Fault::on(ApiKey::ListOffsets).times(3).then(Reaction::DelayReply(Duration::from_secs(3))),
    );
    let dropped =
        tokio::time::timeout(Duration::from_secs(1), admin.list_offsets(all(OffsetSpec::Latest)))
            .await;
    assert!(dropped.is_err());
    let found = admin.list_offsets(all(OffsetSpec::Latest)).await;
    assert!(found.values().all(Result::is_ok), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_all_brokers_tells_who_is_missing() {
    let embedded = brokers(1).await;
    let admin = admin(&embedded).timeout(Duration::from_secs(5));
    commit(&admin, &groups(6)).await;
    embedded.fault(
        Fault::on(ApiKey::ListGroups)
            .broker(2)
            .then(Reaction::Answer(Code::ClusterAuthorizationFailed)),
    );
    let listing = admin.list_groups(GroupFilter::all()).await.unwrap();
    assert_eq!(listing.failures.keys().copied().collect::<Vec<_>>(), [crate::ids::BrokerId(2)]);
    assert!(
        !listing.items.is_empty() && listing.items.iter().all(|group| group.coordinator.0 != 2),
        "{listing:?}"
    );
}

#[test]
fn an_error_of_an_item_keeps_code_and_message() {
    let error = check(36, Some("Topic 't' already exists.")).expect_err("a code");
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));
    assert!(
        error.to_string().starts_with("Topic 't' already exists: TOPIC_ALREADY_EXISTS"),
        "{error}"
    );
}

#[test]
fn partitions_are_grouped_by_topic() {
    let partitions = [("b", 1), ("a", 0), ("b", 0)]
        .map(|(topic, partition)| TopicPartition::new(topic, partition));
    let share: Vec<_> = partitions.iter().map(|partition| (partition, &())).collect();
    let grouped: Vec<_> =
        by_topic(&share).map(|(topic, partitions)| (topic, indexes(&partitions))).collect();
    assert_eq!(grouped, [("a", vec![0]), ("b", vec![1, 0])]);
}

/// Topic `b`, which has more partitions than a page, between two small ones.
async fn large() -> EmbeddedCluster {
    let builder = EmbeddedCluster::builder().brokers(1).in_memory();
    builder.topic("a", 3, 1).topic("b", 4500, 1).topic("c", 2, 1).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_topic_larger_than_a_page_comes_whole() {
    let embedded = large().await;
    let admin = admin(&embedded);
    let mut described = admin.describe_topics(["a", "b", "c", "none"]).await;
    let none = described.remove("none").unwrap().unwrap_err();
    assert_eq!(none.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let count = |name: &str| described[name].as_ref().unwrap().partitions.len();
    assert_eq!((count("a"), count("b"), count("c")), (3, 4500, 2));
    let numbers =
        described["b"].as_ref().unwrap().partitions.iter().map(|partition| partition.id.0);
    assert!(numbers.eq(0..4500));
    assert_eq!(embedded.requests_of(ApiKey::DescribeTopicPartitions).len(), 3);
    assert_eq!(admin.list_topics().await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_topic_of_which_only_a_part_came_is_an_error() {
    let embedded = large().await;
    let admin = admin(&embedded).timeout(Duration::from_secs(5));
    embedded.fault(Fault::on(ApiKey::DescribeTopicPartitions).after(1).then(Reaction::CloseBefore));
    let described = admin.describe_topics(["a", "b", "c"]).await;
    assert!(
        described["a"].is_ok() && described["b"].is_err() && described["c"].is_err(),
        "{described:?}"
    );
    assert!(admin.list_topics().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_page_that_failed_can_be_asked_for_again() {
    let embedded = large().await;
    embedded.fault(Fault::on(ApiKey::DescribeTopicPartitions).nth(2).then(Reaction::DropReply));
    let admin = admin(&embedded).timeout(Duration::from_secs(5));
    let mut pages = admin.topic_pages(["a", "b", "c"]);
    let (mut partitions, mut failures) = (0, 0);
    loop {
        match pages.next().await {
            Ok(Some(page)) => {
                partitions += page
                    .iter()
                    .map(|(_, topic)| topic.as_ref().unwrap().partitions.len())
                    .sum::<usize>()
            }
            Ok(None) => break,
            Err(_) => failures += 1,
        }
    }
    assert_eq!((partitions, failures), (4505, 1));
}

#[tokio::test(start_paused = true)]
async fn a_broker_without_pages_is_asked_by_metadata() {
    let embedded = EmbeddedCluster::builder()
        .brokers(1)
        .in_memory()
        .topic("a", 3, 1)
        .topic("b", 2, 1)
        .start()
        .await
        .unwrap();
    embedded.remove_api(1, ApiKey::DescribeTopicPartitions);
    let admin = admin(&embedded);
    let described = admin.describe_topics(["a", "none"]).await;
    assert_eq!(described["a"].as_ref().unwrap().partitions.len(), 3);
    assert_eq!(
        described["none"].as_ref().unwrap_err().code(),
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    );
    assert_eq!(admin.list_topics().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_active_controller_is_asked_what_controllers_do() {
    let embedded =
        EmbeddedCluster::builder().brokers(3).only_controllers().in_memory().start().await.unwrap();
    for seed in 0..5 {
        let admin = admin_of_controllers(&embedded, seed);
        admin.describe_configs([ConfigResource::all_brokers()]).await;
    }
    assert_eq!(asked(&embedded, ApiKey::DescribeConfigs), [1; 5]);
    let admin = admin_of_controllers(&embedded, 1);
    let described = admin.describe_cluster().await.unwrap();
    assert_eq!((described.brokers.len(), described.controller), (3, Some(BrokerId(1))));
    let change = [ConfigAlteration::set("log.cleaner.threads", "2")];
    let of_two = (ConfigResource::broker(2), change.to_vec());
    admin.alter_configs([of_two, (ConfigResource::all_brokers(), change.to_vec())]).await;
    assert_eq!(asked(&embedded, ApiKey::IncrementalAlterConfigs), [1]);
    // Another takes over.
    embedded.kill_broker(1);
    admin.describe_features().await.unwrap();
    assert_eq!(admin.describe_cluster().await.unwrap().controller, Some(BrokerId(2)));
}

#[tokio::test(start_paused = true)]
async fn what_controllers_do_not_do_is_refused_before_anything_is_sent() {
    let embedded = EmbeddedCluster::builder().only_controllers().in_memory().start().await.unwrap();
    let admin = admin_of_controllers(&embedded, 1);
    let refusals = [
        admin.list_topics().await.unwrap_err(),
        only(admin.delete_topics(["t"]).await).unwrap_err(),
        only(admin.list_offsets([(TopicPartition::new("t", 0), OffsetSpec::Latest)]).await)
            .unwrap_err(),
    ];
    for error in refusals {
        assert_eq!(error.code(), Some(ErrorCode::UNSUPPORTED_ENDPOINT_TYPE), "{error}");
    }
    assert!(embedded.requests().is_empty(), "{:?}", embedded.requests());
}

#[tokio::test(start_paused = true)]
async fn brokers_in_the_place_of_controllers_and_the_reverse_are_refused_at_once() {
    let begun = runtime::now();
    let error = admin_of_controllers(&brokers(1).await, 1).describe_cluster().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::MISMATCHED_ENDPOINT_TYPE), "{error}");
    let old = brokers(1).await;
    for broker in 1..=3 {
        old.set_versions(broker, ApiKey::DescribeCluster, 0, 0);
    }
    let error = admin_of_controllers(&old, 1).describe_cluster().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("3.7"), "{error}");
    let controllers =
        EmbeddedCluster::builder().only_controllers().in_memory().start().await.unwrap();
    let error = admin(&controllers).create_topic(NewTopic::new("t")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(runtime::now() - begun < Duration::from_secs(5));
}

/// The futures of a user must run on any thread; this fails to compile if one of them cannot.
#[allow(dead_code)]
fn futures_are_send(admin: &Admin) {
    fn check<F: Future + Send>(_: F) {}
    check(admin.describe_cluster());
    check(admin.delete_records([(TopicPartition::new("t", 0), crate::ids::Offset(1))]));
    check(admin.describe_consumer_groups(["g"]));
    check(admin.ask(
        Route::Any,
        |_| crate::wire::messages::metadata::MetadataRequest::default(),
        |_| Ok(()),
    ));
}

/// A broker serves one request of a connection at a time.
#[tokio::test(start_paused = true)]
async fn a_slow_operation_delays_no_heartbeat() {
    use crate::consumer::ConsumerConfig;

    let embedded = EmbeddedCluster::builder().in_memory().topic("t", 1, 1).start().await.unwrap();
    let client = Client::new(
        ClientConfig::new(embedded.bootstrap_servers()).connector(InMemory(embedded.clone())),
    )
    .unwrap();
    let heartbeat = Duration::from_secs(1);
    let member = ConsumerConfig::new()
        .group_id("g")
        .session_timeout(Duration::from_secs(6))
        .heartbeat_interval(heartbeat);
    let mut consumer = client.consumer(member).unwrap();
    consumer.subscribe(["t"]).unwrap();
    let _nothing = tokio::time::timeout(Duration::from_secs(3), consumer.recv()).await;
    assert_eq!(consumer.assignment().len(), 1);
    embedded.fault(Fault::on(ApiKey::DeleteRecords).then(Reaction::Delay(Duration::from_secs(20))));
    embedded.clear_requests();
    let admin = client.admin();
    let deleting = admin.delete_records([(TopicPartition::new("t", 0), Offset(0))]);
    let (deleted, _nothing) =
        tokio::join!(deleting, tokio::time::timeout(Duration::from_secs(20), consumer.recv()));
    only(deleted).unwrap();
    let beats = embedded.requests_of(ApiKey::Heartbeat);
    assert!((19..=21).contains(&beats.len()), "{}", beats.len());
    assert!(embedded.requests_of(ApiKey::JoinGroup).is_empty(), "the member stayed one");
    let slow = embedded.requests_of(ApiKey::DeleteRecords);
    assert!(beats.iter().all(|beat| beat.connection != slow[0].connection));
}
