//! However a producer, its client or its runtime ends, and whatever happens to a batch: every
//! record has one verdict.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kavka_testcontainers::embedded::{ApiKey, ErrorCode as Code, Fault, Reaction};

use super::whole::{all, brokers, client, config, producer, send_numbers, to, values};
use crate::client::Client;
use crate::cluster::{self, Cluster, Lane};
use crate::error::{ErrorCode, ErrorKind, Written};
use crate::ids::{BrokerId, PartitionId, Timestamp};
use crate::producer::delivery::Delivery;
use crate::producer::observer::ProducerObserver;
use crate::producer::task::SenderTask;
use crate::producer::{
    Acks, Partitioner, Producer, ProducerConfig, ProducerShared, TopicPartitions,
};
use crate::record::Record;
use crate::runtime;

const SECOND: Duration = Duration::from_secs(1);

fn verdict(delivery: &Delivery) -> (ErrorKind, Option<Written>) {
    let error = delivery.try_get().expect("a verdict").expect_err("not acknowledged");
    (error.kind(), error.written())
}

/// A task that knows topic `t` of one partition and is not run.
fn task(cluster: &Cluster, config: ProducerConfig) -> (SenderTask, Arc<ProducerShared>) {
    let shared = Arc::new(ProducerShared::new(config, cluster.wall_clock().clone()));
    let mut task = SenderTask::new(
        Arc::clone(&shared),
        cluster,
        Lane::Produce(cluster.lanes().id()),
        ProducerObserver::new(
            cluster.recorder().producer(0),
            crate::listeners::Listeners::default(),
        ),
    );
    let partition = cluster::Partition {
        id: PartitionId(0),
        leader: Some(BrokerId(1)),
        leader_epoch: None,
        replicas: [].into(),
        error: None,
    };
    let topic = cluster::Topic {
        name: "t".into(),
        id: None,
        is_internal: false,
        error: None,
        partitions: vec![partition],
    };
    task.follow_topic("t".into(), &Arc::new(topic));
    (task, shared)
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_expires_on_its_way_to_the_task_has_its_verdict() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let (mut task, shared) = task(client.cluster(), ProducerConfig::new().batch_size(200));
    let mut deliveries = vec![shared.accept(0, &to(0).value("first"), &mut None).unwrap()];
    task.hear();
    tokio::time::advance(Duration::from_secs(121)).await;
    // It takes no more records, and the task has not heard of that.
    for _ in 0..10 {
        deliveries.push(shared.accept(0, &to(0).value("one of the following"), &mut None).unwrap());
    }
    task.expire();
    task.hear();
    assert_eq!(verdict(&deliveries[0]), (ErrorKind::Timeout, Some(Written::No)));
    drop(task);
    for delivery in &deliveries {
        assert!(delivery.try_get().is_some_and(|verdict| verdict.is_err()));
    }
    assert_eq!(shared.accumulator.memory.free(), shared.accumulator.memory.size());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_cannot_be_packed_or_split_has_its_verdict() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    for (splits, kind) in [(false, ErrorKind::Config), (true, ErrorKind::RecordTooLarge)] {
        let (mut task, shared) = task(client.cluster(), ProducerConfig::new().batch_size(1));
        let delivery = shared.accept(0, &to(0).value("x"), &mut None).unwrap();
        task.hear();
        task.fail_to_pack(splits);
        assert_eq!(verdict(&delivery), (kind, Some(Written::No)));
        assert_eq!(shared.accumulator.memory.free(), shared.accumulator.memory.size());
    }
}

#[tokio::test(start_paused = true)]
async fn closing_the_client_ends_its_producers() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let producer = client.producer(ProducerConfig::new().linger(Duration::from_secs(60))).unwrap();
    all(send_numbers(&producer, 2, 0..1).await).await;
    embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::DropReply));
    let sent = producer.send(to(1).value(&"x".repeat(20_000))).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let open = producer.send(to(0).value("x")).await.unwrap();
    client.close(SECOND).await.unwrap();
    assert_eq!(verdict(&sent), (ErrorKind::Closed, Some(Written::Maybe)));
    assert_eq!(verdict(&open), (ErrorKind::Closed, Some(Written::No)));
    assert_eq!(producer.send(to(0).value("x")).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(
        producer.send(Record::to("u").value("x")).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert_eq!(producer.try_send(to(0).value("x")).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(producer.flush().await.unwrap_err().kind(), ErrorKind::Closed);
    let error = producer.close(Duration::MAX).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "what was accepted is lost");
}

#[tokio::test(start_paused = true)]
async fn a_producer_of_a_closed_client_is_closed() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    client.clone().close(SECOND).await.unwrap();
    assert_eq!(
        client.producer(ProducerConfig::new()).map(drop).unwrap_err().kind(),
        ErrorKind::Closed
    );
}

#[test]
fn the_end_of_the_runtime_ends_its_producers() {
    let paused = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let first = paused();
    let (producer, open) = first.block_on(async {
        let embedded = brokers(1).await;
        let producer = producer(&embedded, ProducerConfig::new().linger(Duration::from_secs(60)));
        all(vec![]).await;
        let open = producer.send(to(0).value("x")).await.unwrap();
        (producer, open)
    });
    drop(first);
    assert_eq!(verdict(&open), (ErrorKind::Closed, Some(Written::No)));
    paused().block_on(async {
        let begun = runtime::now();
        assert_eq!(producer.send(to(0).value("x")).await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(producer.flush().await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(producer.close(SECOND).await.unwrap_err().kind(), ErrorKind::Closed);
        assert!(runtime::now() - begun <= SECOND);
    });
}

#[tokio::test(start_paused = true)]
async fn closing_for_as_long_as_it_takes_is_allowed() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    let delivery = producer.send(to(0).value("x")).await.unwrap();
    producer.close(Duration::MAX).await.unwrap();
    assert!(delivery.try_get().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_batch_size_of_nothing_gives_every_record_a_batch() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().batch_size(0));
    for key in [None, Some("k")] {
        let record = Record::to("t").key(key).value("x");
        let deliveries =
            [producer.send(record.clone()).await.unwrap(), producer.send(record).await.unwrap()];
        all(deliveries.into()).await;
    }
    let batches: usize = (0..3).map(|partition| embedded.log("t", partition).len()).sum();
    assert_eq!(batches, 4);
}

#[tokio::test(start_paused = true)]
async fn small_batches_count_for_what_is_kept_beside_their_records() {
    let embedded = brokers(1).await;
    let producer = producer(
        &embedded,
        ProducerConfig::new().batch_size(0).buffer_memory(100 * 1024).max_block(SECOND),
    );
    all(send_numbers(&producer, 0, 0..1).await).await;
    embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::DropReply));
    let accepted = (0..1000).map_while(|_| producer.try_send(to(0).value("x")).ok()).count();
    assert_eq!(accepted, 100);
}

/// Sends a copy of each record elsewhere, from inside of the call that sends it.
#[derive(Debug, Default)]
struct Copying(Arc<OnceLock<Producer>>);

impl Partitioner for Copying {
    fn partition(&self, record: &Record<'_>, _: &TopicPartitions) -> Option<PartitionId> {
        drop(self.0.get().unwrap().try_send(to(0).value("copy")).unwrap());
        record.key.map(|_| PartitionId(0))
    }
}

#[tokio::test(start_paused = true)]
async fn a_partitioner_may_send() {
    let embedded = brokers(1).await;
    let place = Arc::new(OnceLock::new());
    let producer =
        producer(&embedded, ProducerConfig::new().partitioner(Copying(Arc::clone(&place))));
    place.set(producer.clone()).unwrap();
    all(send_numbers(&producer, 0, 0..1).await).await;
    producer.send(Record::to("t").key("k").value("own")).await.unwrap().await.unwrap();
    producer.send_all((0..5).map(|_| Record::to("t").key("k").value("own"))).await.await.unwrap();
    producer.flush().await.unwrap();
    let values = values(&embedded, 0);
    assert_eq!(values.iter().filter(|value| *value == "own").count(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_not_there_is_named_by_its_code_and_not_asked_for_for_ever() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().max_block(3 * SECOND));
    let error = producer.send(Record::to("mispelt").value("x")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Timeout, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
    );
    assert!(
        error.to_string().contains("mispelt") && error.to_string().contains("3000 ms"),
        "{error}"
    );
    tokio::time::sleep(10 * SECOND).await;
    embedded.clear_requests();
    tokio::time::sleep(100 * SECOND).await;
    assert_eq!(embedded.requests_of(ApiKey::Metadata).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_not_used_is_forgotten_and_may_be_used_again() {
    let embedded = brokers(1).await;
    let config = config(&embedded).metadata_max_age(10 * SECOND).metadata_max_idle(60 * SECOND);
    let client = Client::new(config).unwrap();
    let producer = client.producer(ProducerConfig::new()).unwrap();
    for first in [0, 2] {
        all(send_numbers(&producer, 0, first..first + 1).await).await;
        tokio::time::sleep(40 * SECOND).await;
        all(send_numbers(&producer, 0, first + 1..first + 2).await).await;
        tokio::time::sleep(40 * SECOND).await;
        assert_eq!(client.stats().topics, 1, "used less than metadata.max.idle.ms ago");
        tokio::time::sleep(60 * SECOND).await;
        assert_eq!(client.stats().topics, 0);
    }
    assert_eq!(values(&embedded, 0), ["0", "1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn without_acknowledgements_a_leader_that_moves_is_found_by_the_closed_connection() {
    let embedded = brokers(2).await;
    let producer =
        producer(&embedded, ProducerConfig::new().acks(Acks::None).linger(Duration::ZERO));
    all(send_numbers(&producer, 0, 0..1).await).await;
    let old = embedded.leader("t", 0).unwrap();
    embedded.move_leader("t", 0, Some(3 - old));
    for number in 1..200 {
        all(send_numbers(&producer, 0, number..number + 1).await).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let written = values(&embedded, 0).len();
    assert!(written > 190, "{written}");
}

#[tokio::test(start_paused = true)]
async fn without_acknowledgements_what_waits_for_the_first_connection_keeps_its_order() {
    let embedded = brokers(1).await;
    let producer = producer(
        &embedded,
        ProducerConfig::new().acks(Acks::None).linger(Duration::ZERO).batch_size(0),
    );
    embedded.fault(Fault::on(ApiKey::ApiVersions).after(1).then(Reaction::DelayReply(SECOND)));
    all(send_numbers(&producer, 0, 0..10).await).await;
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(values(&embedded, 0), (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_time_before_1970_is_refused() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    let error = producer
        .send(Record { timestamp: Some(Timestamp(-1)), ..to(0).value("x") })
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.written()), (ErrorKind::Config, Some(Written::No)));
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_may_write_nowhere_is_told_of_the_topic() {
    let embedded = brokers(1).await;
    embedded.fault(
        Fault::on(ApiKey::InitProducerId).then(Reaction::Answer(Code::ClusterAuthorizationFailed)),
    );
    let producer = producer(&embedded, ProducerConfig::new());
    let error = loop {
        match producer.send(to(0).value("x")).await {
            Ok(delivery) => drop(delivery.await),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
    let text = error.to_string();
    assert!(
        text.starts_with("topic t: ") && text.contains("permission Write for the topic"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_send_that_waits_for_a_cluster_in_vain_says_why() {
    let embedded = brokers(1).await;
    embedded.stop_broker(1);
    let producer = producer(&embedded, ProducerConfig::new().max_block(5 * SECOND));
    let error = producer.send(to(0).value("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.written()), (ErrorKind::Timeout, Some(Written::No)));
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(
        cause.contains("cannot connect") && error.to_string().contains(&cause),
        "{error}: {cause}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_falls_silent_is_left_once_another_leads() {
    let embedded = brokers(2).await;
    let producer = producer(&embedded, ProducerConfig::new());
    all(send_numbers(&producer, 0, 0..1).await).await;
    let old = embedded.leader("t", 0).unwrap();
    embedded.fault(Fault::on(ApiKey::Produce).broker(old).then(Reaction::Delay(3600 * SECOND)));
    let begun = runtime::now();
    let waiting = send_numbers(&producer, 0, 1..4).await;
    tokio::time::sleep(3 * SECOND).await;
    embedded.move_leader("t", 0, Some(3 - old));
    all(waiting).await;
    assert!(runtime::now() - begun < 10 * SECOND, "{:?}", runtime::now() - begun);
    assert_eq!(values(&embedded, 0), ["0", "1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn records_without_a_key_avoid_a_broker_that_takes_nothing() {
    let embedded = brokers(2).await;
    let timeout = ProducerConfig::new().partitioner_availability_timeout(SECOND);
    let producer =
        producer(&embedded, timeout.batch_size(100).max_in_flight_requests_per_connection(1));
    for partition in 0..3 {
        all(send_numbers(&producer, partition, 0..1).await).await;
    }
    let slow = embedded.leader("t", 0).unwrap();
    let is_slow = |delivery: &Delivery| {
        embedded.leader("t", delivery.topic_partition().partition.0) == Some(slow)
    };
    embedded.fault(Fault::on(ApiKey::Produce).broker(slow).then(Reaction::Delay(20 * SECOND)));
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let mut deliveries = Vec::new();
        for number in 0..100_u32 {
            deliveries
                .push(producer.send(Record::to("t").value(&number.to_string())).await.unwrap());
        }
        rounds.push(deliveries);
        tokio::time::sleep(3 * SECOND).await;
    }
    assert!(rounds[0].iter().any(is_slow), "nothing is known of it yet");
    assert!(!rounds[2].iter().any(is_slow));
}
