//! Works on many records of a partition at a time, in any order, and loses none if it crashes: what
//! is committed is the first record that is not done.

use std::sync::Arc;
use std::time::Duration;

use kavka::{
    AutoOffsetReset, Client, ClientConfig, ConsumerConfig, ConsumerRecord, NewTopic,
    ProducerConfig, Record,
};
use tokio::sync::Semaphore;

const RECORDS: usize = 200;
/// How many records are worked on at a time, and so how many may come again after a crash.
const AT_ONCE: u32 = 32;

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    let _ = client.admin().create_topic(NewTopic::new("work").partitions(1)).await;
    let producer = client.producer(ProducerConfig::new())?;
    for number in 0..RECORDS {
        drop(producer.send(Record::to("work").value(number.to_string().as_bytes())).await?);
    }
    producer.close(Duration::from_secs(10)).await?;

    let config = ConsumerConfig::new()
        .group_id("concurrent workers")
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .enable_auto_offset_store(false);
    let mut consumer = client.consumer(config)?;
    consumer.subscribe(["work"])?;
    let places = Arc::new(Semaphore::new(AT_ONCE as usize));
    for _ in 0..RECORDS {
        let record = consumer.recv().await?;
        let place = Arc::clone(&places).acquire_owned().await;
        let handle = consumer.handle();
        tokio::spawn(async move {
            work(&record).await;
            // It fails if the partition has gone to another member, which works on it again.
            if let Err(error) = handle.mark_done(&record) {
                eprintln!("{error}");
            }
            drop(place);
        });
    }
    // All are done when all places are free; closing commits that.
    let all = places.acquire_many(AT_ONCE).await;
    drop(all);
    consumer.close(Duration::from_secs(10)).await?;
    println!("{RECORDS} records are done, {AT_ONCE} at a time");
    Ok(client.close(Duration::from_secs(5)).await?)
}

/// Some take longer than others.
async fn work(record: &ConsumerRecord) {
    let is_hard = record.offset().0 % 7 == 0;
    tokio::time::sleep(Duration::from_millis(if is_hard { 50 } else { 1 })).await;
}
