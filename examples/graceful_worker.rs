//! A worker that ends well: at Ctrl-C it finishes the record at work, commits, and leaves the
//! group, so that others go on at once.

use std::time::Duration;

use kavka::{
    AutoOffsetReset, Client, ClientConfig, ConsumerConfig, ConsumerRecord, NewTopic,
    ProducerConfig, Record,
};
use kavka_programs::Interrupt;

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    let _ = client.admin().create_topic(NewTopic::new("work").partitions(1)).await;
    let producer = client.producer(ProducerConfig::new())?;
    // SIGINT and SIGTERM; `tokio::signal` has them.
    let mut interrupt = Interrupt::listen()?;
    let config =
        ConsumerConfig::new().group_id("workers").auto_offset_reset(AutoOffsetReset::Earliest);
    let mut consumer = client.consumer(config)?;
    consumer.subscribe(["work"])?;
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    println!("working until Ctrl-C");
    loop {
        tokio::select! {
            // `recv` is cancel safe: what another arm interrupts is not lost. The work is done
            // outside, where nothing interrupts it.
            record = consumer.recv() => work(&record?).await,
            _ = ticks.tick() => {
                drop(producer.send(Record::to("work").value("something to do")).await?)
            }
            () = interrupt.received() => break,
        }
    }
    // What was sent is delivered, what was received is committed.
    producer.close(Duration::from_secs(10)).await?;
    consumer.close(Duration::from_secs(10)).await?;
    println!("done");
    Ok(client.close(Duration::from_secs(5)).await?)
}

async fn work(record: &ConsumerRecord) {
    tokio::time::sleep(Duration::from_millis(100)).await;
    println!("{} at {} is done", record.topic_partition(), record.offset());
}
