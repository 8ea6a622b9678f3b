//! Sends headers with a record and reads them again.

use std::time::Duration;

use kavka::{
    AutoOffsetReset, Client, ClientConfig, ConsumerConfig, NewTopic, ProducerConfig, Record,
    TopicPartition,
};

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    let _ = client.admin().create_topic(NewTopic::new("with-headers").partitions(1)).await;
    let producer = client.producer(ProducerConfig::new())?;
    // A name may come twice, and a value may be null.
    let record = Record::to("with-headers")
        .value("tea")
        .header("content-type", "text/plain")
        .header("seen-by", "gateway")
        .header("seen-by", "router")
        .header("nothing", None::<&str>);
    let written = producer.send(record).await?.await?;

    let mut consumer =
        client.consumer(ConsumerConfig::new().auto_offset_reset(AutoOffsetReset::Earliest))?;
    let partition = TopicPartition::new("with-headers", 0);
    consumer.assign([partition.clone()])?;
    if let Some(offset) = written.offset {
        consumer.seek(&partition, offset)?;
    }
    let record = consumer.recv().await?;
    for header in record.headers() {
        let value = header.value.map(String::from_utf8_lossy);
        println!("{}: {}", header.name(), value.as_deref().unwrap_or("null"));
    }
    let seen_by = record.headers().filter(|header| header.name() == "seen-by").count();
    println!("seen by {seen_by}");
    Ok(consumer.close(Duration::from_secs(10)).await?)
}
