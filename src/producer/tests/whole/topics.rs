//! What a producer does otherwise for one topic.

use super::*;
use crate::producer::{KnownPartitioner, Partitioner, ProducerTopicConfig, TopicPartitions};

/// Places every record in one partition.
#[derive(Debug)]
struct Always(i32);

impl Partitioner for Always {
    fn partition(&self, _: &Record<'_>, _: &TopicPartitions) -> Option<PartitionId> {
        Some(PartitionId(self.0))
    }
}

/// Brokers with the topics `t` and `u`, of three partitions each.
async fn both() -> EmbeddedCluster {
    let embedded = brokers(1).await;
    embedded.create_topic("u", 3, 1).unwrap();
    embedded
}

fn ends(embedded: &EmbeddedCluster, topic: &str) -> [i64; 3] {
    [0, 1, 2].map(|partition| embedded.offsets(topic, partition).unwrap().1)
}

#[tokio::test(start_paused = true)]
async fn a_topic_may_have_a_partitioner_of_its_own() {
    let embedded = both().await;
    let config =
        ProducerConfig::new().topic("u", ProducerTopicConfig::new().partitioner(Always(0)));
    let producer = producer(&embedded, config);
    let of = |topic| Record::to(topic).key("k").value("x");
    let of_key = producer.send(of("t")).await.unwrap().await.unwrap();
    let java = TopicPartitions::new([true; 3]).of_key(b"k");
    assert_eq!(of_key.topic_partition.partition, java);
    assert_ne!(java, PartitionId(0), "it would show nothing");
    for record in [of("u"), Record::to("u").value("x")] {
        let written = producer.send(record).await.unwrap().await.unwrap();
        assert_eq!(written.topic_partition.partition, PartitionId(0));
    }
    let mixed = (0..30).map(|place| of(if place % 3 == 0 { "t" } else { "u" }));
    producer.send_all(mixed).await.await.unwrap();
    assert_eq!(ends(&embedded, "u"), [22, 0, 0]);
    assert_eq!(embedded.offsets("t", java.0), Some((0, 11)));
}

#[tokio::test(start_paused = true)]
async fn a_topic_may_have_kafkas_partitioner_beside_another_for_all() {
    let embedded = both().await;
    let own = ProducerTopicConfig::new().partitioner(KnownPartitioner::murmur2_random());
    let producer =
        producer(&embedded, ProducerConfig::new().partitioner(Always(0)).topic("u", own));
    for topic in ["t", "u"] {
        producer.send(Record::to(topic).key("k").value("x")).await.unwrap().await.unwrap();
    }
    assert_eq!(ends(&embedded, "t"), [1, 0, 0]);
    assert_eq!(ends(&embedded, "u"), [0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_partitioner_of_a_topic_does_not_place_counts_for_nothing() {
    let embedded = both().await;
    let own = ProducerTopicConfig::new().partitioner(KnownPartitioner::random());
    let producer = producer(&embedded, ProducerConfig::new().batch_size(100).topic("u", own));
    let records = (0..300).map(|_| Record::to("u").key("k").value("some twenty bytes"));
    producer.send_all(records).await.await.unwrap();
    assert!(ends(&embedded, "u").iter().all(|end| *end > 0));
}

#[cfg(feature = "lz4")]
#[tokio::test(start_paused = true)]
async fn a_topic_may_be_compressed_otherwise() {
    for (all, own) in [(Compression::LZ4, Compression::NONE), (Compression::NONE, Compression::LZ4)]
    {
        let embedded = both().await;
        let config = ProducerConfig::new()
            .compression(all)
            .batch_size(1_000)
            .topic("u", ProducerTopicConfig::new().compression(own));
        let producer = producer(&embedded, config);
        let value = "x".repeat(100);
        let records = (0..200).map(|place| {
            Record::to(if place % 2 == 0 { "t" } else { "u" }).partition(0).value(&value)
        });
        producer.send_all(records).await.await.unwrap();
        for (topic, codec) in [("t", all), ("u", own)] {
            let log = embedded.log(topic, 0);
            let written: Vec<_> = log.iter().map(|batch| batch.bytes[22] & 7).collect();
            let expected = if codec == Compression::LZ4 { 3 } else { 0 };
            assert!(
                !written.is_empty() && written.iter().all(|codec| *codec == expected),
                "{topic}: {written:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_may_have_a_delivery_timeout_of_its_own() {
    let embedded = both().await;
    let own = ProducerTopicConfig::new().delivery_timeout(Duration::from_secs(40));
    let producer = producer(&embedded, ProducerConfig::new().topic("u", own));
    embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::Answer(Code::NotEnoughReplicas)));
    for (topic, seconds) in [("u", 40), ("t", 120)] {
        let begun = runtime::now();
        let error = producer.send(Record::to(topic).value("x")).await.unwrap().await.unwrap_err();
        assert_eq!(
            (error.kind(), (runtime::now() - begun).as_secs()),
            (ErrorKind::Timeout, seconds)
        );
        assert!(error.to_string().contains(&format!("within {seconds}000 ms")), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_allowed_for_all_is_not_allowed_for_one_topic() {
    let embedded = both().await;
    let own = |timeout| ProducerTopicConfig::new().delivery_timeout(timeout);
    for timeout in [Duration::ZERO, Duration::from_secs(30)] {
        let config = ProducerConfig::new()
            .delivery_timeout(Duration::from_secs(200))
            .topic("u", own(timeout));
        let error = client(&embedded).producer(config).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("delivery.timeout.ms"), "{error}");
    }
}
