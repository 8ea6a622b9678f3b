//! Reads a topic again from a time on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kavka::{
    Client, ClientConfig, ConsumerConfig, NewTopic, ProducerConfig, Record, Timestamp,
    TopicPartition,
};

const MINUTE: i64 = 60_000;

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    let _ = client.admin().create_topic(NewTopic::new("in-time").partitions(1)).await;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let producer = client.producer(ProducerConfig::new())?;
    for minutes_ago in (0..60).rev() {
        let value = format!("{minutes_ago} minutes ago");
        let record = Record::to("in-time").value(&value).timestamp(now - minutes_ago * MINUTE);
        producer.send(record).await?.await?;
    }

    let mut consumer = client.consumer(ConsumerConfig::new())?;
    let partitions = [TopicPartition::new("in-time", 0)];
    consumer.assign(partitions.clone())?;
    // The first record that is not older; where there is none, the end.
    consumer.seek_to_time(&partitions, Timestamp(now - 10 * MINUTE))?;
    let record = consumer.recv().await?;
    println!(
        "offset {}: {}",
        record.offset(),
        String::from_utf8_lossy(record.value().unwrap_or_default())
    );
    // Or only the offset, without reading:
    let wanted = partitions.map(|partition| (partition, Timestamp(now - 5 * MINUTE)));
    for (partition, found) in consumer.offsets_for_times(wanted).await? {
        println!("{partition} five minutes ago: {:?}", found.map(|found| found.offset));
    }
    Ok(consumer.close(Duration::from_secs(10)).await?)
}
