//! Members of groups of the consumer protocol (KIP-848), against embedded brokers in memory under
//! paused time.

use kavka_testcontainers::embedded::{ApiKey, Fault, Reaction};

use super::groups::{member, settled};
use super::*;
use crate::error::ErrorKind;
use crate::ids::TopicName;

const SECOND: Duration = Duration::from_secs(1);

fn reconciled(group: &str) -> ConsumerConfig {
    from_earliest().group_id(group).group_protocol(GroupProtocol::Consumer)
}

#[tokio::test(start_paused = true)]
async fn members_share_and_who_leaves_or_vanishes_is_replaced() {
    let embedded = brokers(3).await;
    embedded.set_consumer_group_timing(SECOND, 10 * SECOND);
    let client = client(&embedded);
    let mut first = member(&client, reconciled("g"));
    settled(&mut [&mut first], &[3]).await;
    let mut second = member(&client, reconciled("g"));
    let waited = settled(&mut [&mut first, &mut second], &[1, 2]).await;
    assert!(waited < 3 * SECOND, "two heartbeats: {waited:?}");
    second.close(SECOND).await.unwrap();
    let waited = settled(&mut [&mut first], &[3]).await;
    assert!(waited < 2 * SECOND, "a heartbeat: {waited:?}");
    let mut third = member(&client, reconciled("g"));
    settled(&mut [&mut first, &mut third], &[1, 2]).await;
    drop(first);
    let waited = settled(&mut [&mut third], &[3]).await;
    assert!(waited > 8 * SECOND && waited < 13 * SECOND, "its session: {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_on_where_it_committed() {
    let embedded = brokers(1).await;
    for partition in 0..3 {
        append(&embedded, partition, 0..10);
    }
    let client = client(&embedded);
    let mut first = member(&client, reconciled("g"));
    let mut read = values(&mut first, 12).await;
    first.close(SECOND).await.unwrap();
    let mut second = member(&client, reconciled("g"));
    read.extend(values(&mut second, 18).await);
    read.sort_unstable();
    let all: Vec<u32> = (0..10).flat_map(|value| [value; 3]).collect();
    assert_eq!(read, all);
    assert!(nothing_comes(&mut second).await);
}

#[tokio::test(start_paused = true)]
async fn a_static_member_that_comes_back_finds_its_partitions_and_disturbs_nobody() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let config = || reconciled("g").group_instance_id("fixed");
    let mut fixed = member(&client, config());
    let mut other = member(&client, reconciled("g"));
    settled(&mut [&mut fixed, &mut other], &[1, 2]).await;
    let (before, others) = (fixed.assignment(), other.assignment());
    fixed.close(SECOND).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(other.assignment(), others, "its partitions wait for it");
    let mut fixed = member(&client, config());
    settled(&mut [&mut fixed, &mut other], &[1, 2]).await;
    assert_eq!((fixed.assignment(), other.assignment()), (before, others));
}

#[tokio::test(start_paused = true)]
async fn two_with_one_instance_id_are_told() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let config = || reconciled("g").group_instance_id("fixed");
    let mut first = member(&client, config());
    settled(&mut [&mut first], &[3]).await;
    let mut second = member(&client, config());
    let error = next(&mut second).await.unwrap_err();
    assert_eq!(error.code(), Some(crate::ErrorCode::UNRELEASED_INSTANCE_ID), "{error}");
    assert_eq!(first.assignment().len(), 3, "the first stays");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_the_protocol_is_named_and_auto_does_without() {
    let start = async |builder: kavka_testcontainers::embedded::Builder| {
        builder.in_memory().topic("t", 3, 1).start().await.unwrap()
    };
    for embedded in [
        start(EmbeddedCluster::builder().only_classic_groups()).await,
        start(EmbeddedCluster::builder().group_version(0)).await,
    ] {
        let client = client(&embedded);
        let mut consumer = member(&client, reconciled("g"));
        let error = next(&mut consumer).await.unwrap_err();
        assert!(error.to_string().contains("group.protocol=classic works"), "{error}");
        let auto = from_earliest().group_id("h").group_protocol(GroupProtocol::Auto);
        let mut consumer = member(&client, auto);
        settled(&mut [&mut consumer], &[3]).await;
        assert!(!embedded.requests_of(ApiKey::JoinGroup).is_empty());
    }
    let embedded = start(EmbeddedCluster::builder()).await;
    let auto = from_earliest().group_id("h").group_protocol(GroupProtocol::Auto);
    let mut consumer = member(&client(&embedded), auto);
    settled(&mut [&mut consumer], &[3]).await;
    assert!(embedded.requests_of(ApiKey::JoinGroup).is_empty());
}

#[tokio::test(start_paused = true)]
async fn lost_heartbeats_and_moves_of_the_coordinator_take_nothing_away() {
    let embedded = brokers(3).await;
    embedded.set_consumer_group_timing(SECOND, 45 * SECOND);
    append(&embedded, 0, 0..5);
    let client = client(&embedded);
    let mut first = member(&client, reconciled("g"));
    let mut second = member(&client, reconciled("g"));
    settled(&mut [&mut first, &mut second], &[1, 2]).await;
    let (before, others) = (first.assignment(), second.assignment());
    for reaction in [Reaction::CloseBefore, Reaction::CloseAfter, Reaction::MoveCoordinator(None)] {
        let fault =
            embedded.fault(Fault::on(ApiKey::ConsumerGroupHeartbeat).times(3).then(reaction));
        for _ in 0..2_000 {
            let both = [first.recv(), second.recv()];
            let _ = tokio::time::timeout(SECOND / 100, futures_util::future::join_all(both)).await;
        }
        assert!(embedded.fault_hits(fault) > 0, "{reaction:?}");
        assert_eq!((&first.assignment(), &second.assignment()), (&before, &others), "{reaction:?}");
        embedded.clear_faults();
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_subscription_takes_effect_without_losing_what_stays() {
    let builder = EmbeddedCluster::builder().in_memory();
    let embedded = builder.topic("t", 3, 1).topic("u", 2, 1).start().await.unwrap();
    embedded.set_consumer_group_timing(SECOND, 45 * SECOND);
    let client = client(&embedded);
    let mut consumer = member(&client, reconciled("g"));
    settled(&mut [&mut consumer], &[3]).await;
    consumer.subscribe(["t", "u"]).unwrap();
    settled(&mut [&mut consumer], &[5]).await;
    consumer.subscribe(["u"]).unwrap();
    settled(&mut [&mut consumer], &[2]).await;
    consumer.unsubscribe().unwrap();
    tokio::time::sleep(SECOND).await;
    assert!(consumer.assignment().is_empty());
    assert_eq!(next(&mut consumer).await.unwrap_err().kind(), ErrorKind::Config);
    consumer.subscribe(["t"]).unwrap();
    settled(&mut [&mut consumer], &[3]).await;
}

#[tokio::test(start_paused = true)]
async fn partitions_of_its_own_choice_start_where_the_group_committed_that_was_left() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..8);
    let client = client(&embedded);
    let mut consumer = member(&client, reconciled("g"));
    assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
    consumer.unsubscribe().unwrap();
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(values(&mut consumer, 5).await, [3, 4, 5, 6, 7]);
}

#[tokio::test(start_paused = true)]
async fn who_has_another_epoch_by_now_asks_again_what_is_committed() {
    use kavka_testcontainers::embedded::ErrorCode::{StaleMemberEpoch, UnknownMemberId};
    for code in [StaleMemberEpoch, UnknownMemberId] {
        let embedded = brokers(1).await;
        append(&embedded, 0, 0..3);
        let refused = Fault::on(ApiKey::OffsetFetch).times(2).then(Reaction::Answer(code));
        let refused = embedded.fault(refused);
        let mut consumer = member(&client(&embedded), reconciled("g"));
        assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
        assert_eq!(embedded.fault_hits(refused), 2);
    }
}

/// Polls until the topics of what is assigned are these, within a minute.
async fn assigned_topics(consumer: &mut Consumer, topics: &[&str]) {
    for _ in 0..600 {
        let assigned: std::collections::BTreeSet<_> =
            consumer.assignment().into_iter().map(|tp| tp.topic.to_string()).collect();
        if assigned.iter().eq(topics) {
            return;
        }
        let _ = tokio::time::timeout(SECOND / 10, consumer.recv()).await;
    }
    panic!("{topics:?} are not assigned: {:?}", consumer.assignment());
}

#[tokio::test(start_paused = true)]
async fn the_coordinator_reads_patterns_and_names_what_they_match() {
    let builder = EmbeddedCluster::builder().in_memory();
    let builder = builder.consumer_regex_refresh_interval(SECOND);
    let embedded = builder.topic("a-1", 2, 1).topic("b-1", 1, 1).start().await.unwrap();
    embedded.set_consumer_group_timing(SECOND, 45 * SECOND);
    let client = client(&embedded);
    let mut consumer = client.consumer(reconciled("g")).unwrap();
    consumer.subscribe_pattern("a-.*").unwrap();
    assigned_topics(&mut consumer, &["a-1"]).await;
    embedded.append("a-1", 0, &[(None, Some(b"7"))]).unwrap();
    assert_eq!(next(&mut consumer).await.unwrap(), (0, 0, 7));

    embedded.create_topic("a-2", 1, 1).unwrap();
    assigned_topics(&mut consumer, &["a-1", "a-2"]).await;
    assert_eq!(consumer.position(&TopicPartition::new("a-1", 0)).await.unwrap(), Offset(1));
    consumer.subscribe_pattern("b-.*").unwrap();
    assigned_topics(&mut consumer, &["b-1"]).await;
    consumer.subscribe(["a-2"]).unwrap();
    assigned_topics(&mut consumer, &["a-2"]).await;
    consumer.subscribe_pattern("[ab]-.").unwrap();
    assigned_topics(&mut consumer, &["a-1", "a-2", "b-1"]).await;
    assert_eq!(consumer.subscription(), ["a-1", "a-2", "b-1"].map(TopicName::from));
    consumer.close(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_only_the_coordinator_reads_is_refused_by_it() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let mut consumer = client.consumer(reconciled("g")).unwrap();
    consumer.subscribe_pattern("t(").unwrap();
    for _ in 0..2 {
        let error = next(&mut consumer).await.unwrap_err();
        assert_eq!(error.code(), Some(crate::ErrorCode::INVALID_REGULAR_EXPRESSION), "{error}");
    }
    consumer.subscribe_pattern("t+").unwrap();
    assigned_topics(&mut consumer, &["t"]).await;
    assert_eq!(consumer.subscribe_pattern("").unwrap_err().kind(), ErrorKind::Config);
}
