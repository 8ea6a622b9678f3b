//! Where partitions are, and seeking to places that were kept elsewhere.

use kavka_testcontainers::embedded::{ApiKey, ErrorCode as BrokerCode, Fault, Reaction};

use super::*;
use crate::error::ErrorCode;
use crate::group_metadata::OffsetAndMetadata;
use crate::ids::{BrokerId, LeaderEpoch, PartitionId};

#[tokio::test(start_paused = true)]
async fn a_log_that_was_cut_is_noticed_by_a_seek_that_names_the_leader_epoch() {
    let embedded = brokers(3).await;
    append(&embedded, 0, 0..10);
    let kept = embedded.leader_epoch("t", 0).unwrap();
    embedded.truncate("t", 0, 6);
    let leader = embedded.leader("t", 0).unwrap();
    embedded.move_leader("t", 0, Some(leader % 3 + 1));
    append(&embedded, 0, 20..26);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();

    consumer.seek(&tp(0), 8).unwrap();
    assert_eq!(next(&mut consumer).await.unwrap(), (0, 8, 22), "an offset alone may be any");
    consumer.seek(&tp(0), OffsetAndMetadata::new(8).leader_epoch(kept)).unwrap();
    let error = next(&mut consumer).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.context().partition.clone()),
        (ErrorKind::LogTruncated, Some(tp(0)))
    );
    assert_eq!(next(&mut consumer).await.unwrap(), (0, 6, 20), "from where it was cut");

    // What the log still holds is read on, also under the newer leader's epoch.
    for (offset, epoch, value) in [(4, kept, 4), (8, embedded.leader_epoch("t", 0).unwrap(), 22)] {
        consumer.seek(&tp(0), OffsetAndMetadata::new(offset).leader_epoch(epoch)).unwrap();
        assert_eq!(next(&mut consumer).await.unwrap(), (0, offset, value));
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_are_described_as_the_brokers_know_them() {
    let embedded = brokers(3).await;
    let consumer = client(&embedded).consumer(from_earliest()).unwrap();
    let partitions = consumer.partitions_for("t").await.unwrap();
    let ids: Vec<_> = partitions.iter().map(|partition| partition.id).collect();
    assert_eq!(ids, [PartitionId(0), PartitionId(1), PartitionId(2)]);
    for (partition, number) in partitions.iter().zip(0..) {
        assert_eq!(partition.leader, embedded.leader("t", number).map(BrokerId));
        assert_eq!(partition.leader_epoch, embedded.leader_epoch("t", number).map(LeaderEpoch));
        assert_eq!((partition.replicas.len(), partition.in_sync_replicas.len()), (3, 3));
        assert_eq!(partition.offline_replicas, []);
    }
    embedded.grow_topic("t", 5).unwrap();
    assert_eq!(consumer.partitions_for("t").await.unwrap().len(), 5, "of now");
    assert_eq!(consumer.partitions_for("a b").await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn partitions_of_a_topic_that_is_not_there_are_waited_for_and_forbidden_ones_are_not() {
    let embedded = brokers(1).await;
    let config = from_earliest().allow_auto_create_topics(false);
    let consumer = client(&embedded).consumer(config).unwrap();
    let begun = runtime::now();
    let error = consumer.partitions_for("u").await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert!(error.to_string().contains("topic u"), "{error}");
    let waited = (runtime::now() - begun).as_secs();
    assert!((55..=60).contains(&waited), "{waited} s of default.api.timeout.ms");

    let (handle, cluster) = (consumer.handle(), embedded.clone());
    let waiting = tokio::spawn(async move { handle.partitions_for("u").await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    cluster.create_topic("u", 2, 1).unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().len(), 2);

    let refusal = Reaction::Answer(BrokerCode::TopicAuthorizationFailed);
    embedded.fault(Fault::on(ApiKey::Metadata).topic("u").then(refusal));
    let begun = runtime::now();
    let error = consumer.partitions_for("u").await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert!(runtime::now() - begun < Duration::from_secs(1));
    let handle = consumer.handle();
    drop(consumer);
    assert_eq!(handle.partitions_for("t").await.unwrap_err().kind(), ErrorKind::Closed);
}
