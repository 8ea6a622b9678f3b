//! Where records without a key go.

use super::*;
use crate::producer::KnownPartitioner;

/// Three brokers in as many racks, each of which leads two partitions of `t`.
async fn racks() -> EmbeddedCluster {
    let builder = EmbeddedCluster::builder().brokers(3).in_memory().topic("t", 6, 3);
    let builder =
        [1, 2, 3].into_iter().fold(builder, |builder, id| builder.rack(id, format!("r{id}")));
    builder.start().await.unwrap()
}

fn led_by(embedded: &EmbeddedCluster, broker: i32) -> Vec<i32> {
    (0..6).filter(|partition| embedded.leader("t", *partition) == Some(broker)).collect()
}

/// Sends many batches; tells which partitions got some.
async fn placed(embedded: &EmbeddedCluster, producer: &Producer) -> Vec<i32> {
    let end = |partition| embedded.offsets("t", partition).unwrap().1;
    let before = [0, 1, 2, 3, 4, 5].map(end);
    producer
        .send_all((0..500).map(|_| Record::to("t").value("some twenty bytes")))
        .await
        .await
        .unwrap();
    (0..6)
        .zip(before)
        .filter(|(partition, before)| end(*partition) > *before)
        .map(|(partition, _)| partition)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_rack_aware_producer_stays_near_for_as_long_as_something_near_has_a_leader() {
    for is_adaptive in [true, false] {
        let embedded = racks().await;
        let of_rack = |rack: &str| {
            let client = Client::new(config(&embedded).client_rack(rack)).unwrap();
            let config = ProducerConfig::new()
                .batch_size(100)
                .partitioner_adaptive_partitioning_enable(is_adaptive)
                .partitioner_rack_aware(true);
            client.producer(config).unwrap()
        };
        let producer = of_rack("r2");
        let near = led_by(&embedded, 2);
        assert_eq!(near.len(), 2);
        assert_eq!(placed(&embedded, &producer).await, near);

        embedded.move_leader("t", near[0], Some(1));
        tokio::time::sleep(Duration::from_secs(400)).await;
        assert_eq!(placed(&embedded, &producer).await, near[1..]);

        embedded.move_leader("t", near[1], Some(3));
        tokio::time::sleep(Duration::from_secs(400)).await;
        assert_eq!(placed(&embedded, &producer).await, [0, 1, 2, 3, 4, 5]);

        embedded.move_leader("t", near[0], Some(2));
        tokio::time::sleep(Duration::from_secs(400)).await;
        // One batch may be begun elsewhere.
        drop(placed(&embedded, &producer).await);
        assert_eq!(placed(&embedded, &producer).await, near[..1]);

        assert_eq!(placed(&embedded, &of_rack("elsewhere")).await, [0, 1, 2, 3, 4, 5]);
        let keyed =
            producer.send(Record::to("t").key("k").value("x")).await.unwrap().await.unwrap();
        let java = crate::TopicPartitions::new([true; 6]).of_key(b"k");
        assert_eq!(keyed.topic_partition.partition, java, "a key counts for more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rack_aware_producer_needs_a_rack() {
    let embedded = brokers(1).await;
    let config = ProducerConfig::new().partitioner_rack_aware(true);
    let error = client(&embedded).producer(config).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("client.rack"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn least_backup_leaves_a_partition_whose_batches_are_not_acknowledged() {
    let embedded = brokers(1).await;
    let config = ProducerConfig::new().partitioner(KnownPartitioner::least_backup());
    let producer = producer(&embedded, config);
    all(vec![producer.send(Record::to("t").value("x")).await.unwrap()]).await;
    embedded.fault(
        Fault::on(ApiKey::Produce)
            .partition("t", 1)
            .then(Reaction::Answer(Code::NotEnoughReplicas)),
    );
    let mut stuck = 0;
    for number in 0..60 {
        // Lone records, each in a batch of its own that has been sent before the next; a key does
        // not count.
        let key = number.to_string();
        let delivery = producer.send(Record::to("t").key(&key).value("x")).await.unwrap();
        stuck += usize::from(delivery.topic_partition().partition == PartitionId(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stuck, 1, "one that does not come back is enough");
    let ends = [0, 2].map(|partition| embedded.offsets("t", partition).unwrap().1);
    assert!(ends.iter().all(|end| *end > 15), "{ends:?}");
}
