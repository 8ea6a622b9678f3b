//! Reads a topic from its beginning to its end, as a table is loaded when a service starts: no
//! group, no commits.

use std::collections::HashMap;
use std::time::Duration;

use kavka::{
    Client, ClientConfig, ConsumerConfig, IsolationLevel, NewTopic, ProducerConfig, Record,
    TopicPartition,
};

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    let table = NewTopic::new("prices").partitions(3).config("cleanup.policy", "compact");
    let _ = client.admin().create_topic(table).await;
    let producer = client.producer(ProducerConfig::new())?;
    for (name, price) in
        [("tea", Some("3")), ("milk", Some("1")), ("tea", Some("4")), ("milk", None)]
    {
        let record = Record::to("prices").key(name);
        // Without a value it is a tombstone, which deletes what was under the key.
        producer
            .send(price.iter().fold(record, |record, price| record.value(*price)))
            .await?
            .await?;
    }

    let mut consumer =
        client.consumer(ConsumerConfig::new().isolation_level(IsolationLevel::ReadCommitted))?;
    let described = client.admin().describe_topic("prices").await?;
    let partitions =
        described.partitions.iter().map(|partition| TopicPartition::new("prices", partition.id));
    let partitions: Vec<_> = partitions.collect();
    let mut ends = consumer.end_offsets(partitions.iter().cloned()).await?;
    consumer.assign(partitions.clone())?;
    consumer.seek_to_beginning(&partitions)?;
    let mut prices = HashMap::new();
    loop {
        // Positions, not records, tell the end: the last offsets may be those of markers, or
        // compacted away.
        for partition in &partitions {
            let position = consumer.position(partition).await?;
            if ends.get(partition).is_some_and(|end| position >= *end) {
                ends.remove(partition);
            }
        }
        if ends.is_empty() {
            break;
        }
        let Ok(record) = tokio::time::timeout(Duration::from_millis(100), consumer.recv()).await
        else {
            continue;
        };
        let record = record?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match (record.key().map(text), record.value().map(text)) {
            (Some(name), Some(price)) => drop(prices.insert(name, price)),
            (Some(name), None) => drop(prices.remove(&name)),
            (None, _) => {}
        }
    }
    println!("{prices:?}");
    Ok(consumer.close(Duration::from_secs(5)).await?)
}
