//! Holds a partition back while what it is for is busy, and stays in the group meanwhile.

use std::time::Duration;

use kavka::{
    AutoOffsetReset, Client, ClientConfig, ConsumerConfig, NewTopic, ProducerConfig, Record,
};

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    let _ = client.admin().create_topic(NewTopic::new("paused").partitions(2)).await;
    let producer = client.producer(ProducerConfig::new())?;
    for number in 0..20 {
        let value = number.to_string();
        producer.send(Record::to("paused").value(&value).partition(number % 2)).await?.await?;
    }

    let config =
        ConsumerConfig::new().group_id("pausing").auto_offset_reset(AutoOffsetReset::Earliest);
    let mut consumer = client.consumer(config)?;
    consumer.subscribe(["paused"])?;
    let first = consumer.recv().await?;
    let busy = [first.topic_partition().clone()];
    // Nothing of it is delivered or fetched; heartbeats and the other partitions go on.
    consumer.pause(&busy)?;
    println!("{} is paused at {}", first.topic_partition(), first.offset());
    while let Ok(record) = tokio::time::timeout(Duration::from_secs(2), consumer.recv()).await {
        let record = record?;
        assert_ne!(record.topic_partition(), first.topic_partition(), "it is paused");
        println!("meanwhile {} {}", record.topic_partition(), record.offset());
    }
    consumer.resume(&busy)?;
    let next = consumer.recv().await?;
    println!("{} goes on at {}", next.topic_partition(), next.offset());
    Ok(consumer.close(Duration::from_secs(10)).await?)
}
