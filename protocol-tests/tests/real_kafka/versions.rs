//! The way of a record on each version: what an old broker lacks, the client must do without.

use std::collections::BTreeMap;
use std::time::Duration;

use kavka::{Header, ProducerConfig, Record};
use kavka_testcontainers::apache::{Cluster, Config, Version};

use crate::support::{PATIENCE, client, earliest, in_time, sized};

const RECORDS: usize = 1000;

/// Version, nodes.
const REDUCED: &[(Version, u16)] =
    &[(Version::DEFAULT, 1), (Version::new(3, 9, 2), 3), (Version::new(2, 8, 2), 1)];
const FULL: &[(Version, u16)] = &[
    (Version::DEFAULT, 1),
    (Version::DEFAULT, 3),
    (Version::new(3, 9, 2), 1),
    (Version::new(3, 9, 2), 3),
    (Version::new(2, 8, 2), 1),
    (Version::new(3, 3, 2), 1),
    (Version::new(4, 0, 2), 1),
    (Version::new(4, 4, 0), 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_record_goes_through_a_group_on_every_version() {
    for &(version, nodes) in sized(REDUCED, FULL) {
        eprintln!("{version}, {nodes} node(s)");
        let cluster = Cluster::start(Config::new().version(version).nodes(nodes)).await.unwrap();
        in_time("the way of a record", the_way_of_a_record(&cluster)).await;
        cluster.shutdown().await.unwrap();
    }
}

async fn the_way_of_a_record(cluster: &Cluster) {
    let replicas = u16::try_from(cluster.nodes().count().min(3)).unwrap();
    cluster.create_topic("way", 4, replicas, &[]).await.unwrap();
    let client = client(cluster);
    let producer = client.producer(ProducerConfig::new()).unwrap();
    let mut deliveries = Vec::new();
    for number in 0..RECORDS {
        let (key, value) = (format!("key {}", number % 50), number.to_string());
        let headers = [Header::new("twice", "a"), Header::new("twice", &value)];
        deliveries.push(
            producer
                .send(Record::to("way").key(&key).value(&value).headers(&headers))
                .await
                .unwrap(),
        );
    }
    for delivery in deliveries {
        assert!(delivery.await.unwrap().offset.is_some());
    }
    producer.close(PATIENCE).await.unwrap();

    let mut consumer = client.consumer(earliest().group_id("way")).unwrap();
    consumer.subscribe(["way"]).unwrap();
    let mut last: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for _ in 0..RECORDS {
        let record = consumer.recv().await.unwrap();
        let value = std::str::from_utf8(record.value().unwrap()).unwrap();
        let number: usize = value.parse().unwrap();
        let earlier = last.insert(record.key().unwrap().to_vec(), number);
        assert!(
            earlier.is_none_or(|earlier| earlier < number),
            "{number} came after {earlier:?} of the same key"
        );
        let headers: Vec<_> = record
            .headers()
            .map(|header| (header.name().into_owned(), header.value.map(<[u8]>::to_vec)))
            .collect();
        let expected =
            ["a", value].map(|value| ("twice".to_owned(), Some(value.as_bytes().to_vec())));
        assert_eq!(headers, expected);
    }
    consumer.commit().await.unwrap();
    consumer.close(PATIENCE).await.unwrap();

    // What was committed is not read again.
    let mut next = client.consumer(earliest().group_id("way")).unwrap();
    next.subscribe(["way"]).unwrap();
    let again = tokio::time::timeout(Duration::from_secs(3), next.recv()).await;
    assert!(again.is_err(), "{again:?} was committed");
    next.close(PATIENCE).await.unwrap();
    client.close(PATIENCE).await.unwrap();
}
