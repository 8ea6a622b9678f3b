//! Reads a topic from its beginning to its end, as a table is loaded when a service starts: no
//! group, no commits.

use std::collections::HashMap;
use std::pin::pin;
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
    let described = consumer.partitions_for("prices").await?;
    let partitions: Vec<_> =
        described.iter().map(|partition| TopicPartition::new("prices", partition.id)).collect();
    consumer.assign(partitions.clone())?;
    consumer.seek_to_beginning(&partitions)?;
    let (mut prices, mut caught_up) = (HashMap::new(), pin!(consumer.caught_up()));
    loop {
        let batch = tokio::select! {
            done = &mut caught_up => break done?,
            batch = consumer.next_batch() => batch?,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for record in &batch {
            match (record.key().map(text), record.value().map(text)) {
                (Some(name), Some(price)) => drop(prices.insert(name, price)),
                (Some(name), None) => drop(prices.remove(&name)),
                (None, _) => {}
            }
        }
    }
    println!("{prices:?}");
    Ok(consumer.close(Duration::from_secs(5)).await?)
}
