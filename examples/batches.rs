//! Many records at once, both ways: `send_all` hands them over in one call, `next_batch` lends what
//! one fetch has brought.

use std::time::{Duration, Instant};

use kavka::{
    AutoOffsetReset, Client, ClientConfig, Compression, ConsumerConfig, NewTopic, ProducerConfig,
    Record, TopicPartition,
};

const RECORDS: usize = 100_000;

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    let _ = client.admin().create_topic(NewTopic::new("in-batches").partitions(1)).await;
    let config =
        ProducerConfig::new().compression(Compression::LZ4).linger(Duration::from_millis(5));
    let producer = client.producer(config)?;
    let lines: Vec<String> =
        (0..RECORDS).map(|number| format!("line {number} of a log that compresses well")).collect();
    let at = Instant::now();
    // The first `await` waits for room for all of them, the second until all are acknowledged.
    producer.send_all(lines.iter().map(|line| Record::to("in-batches").value(line))).await.await?;
    println!("sent {RECORDS} in {:.1?}", at.elapsed());

    let mut consumer =
        client.consumer(ConsumerConfig::new().auto_offset_reset(AutoOffsetReset::Earliest))?;
    consumer.assign([TopicPartition::new("in-batches", 0)])?;
    let at = Instant::now();
    let (mut records, mut bytes, mut batches) = (0, 0, 0);
    while records < RECORDS {
        // Records of a batch borrow from it: nothing is copied for each. `to_record` makes one that
        // can be kept.
        for record in &consumer.next_batch().await? {
            records += 1;
            bytes += record.value().map_or(0, <[u8]>::len);
        }
        batches += 1;
    }
    println!(
        "read {records} records, {bytes} bytes, in {batches} batches and {:.1?}",
        at.elapsed()
    );
    Ok(consumer.close(Duration::from_secs(10)).await?)
}
