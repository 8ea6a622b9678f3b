//! Commits when the work is done, not when time has passed: at-least-once processing.

use std::time::Duration;

use kavka::{
    AutoOffsetReset, Client, ClientConfig, ConsumerConfig, NewTopic, ProducerConfig, Record,
};

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    // That it exists is as good.
    let _ = client.admin().create_topic(NewTopic::new("manual-commit").partitions(2)).await;
    let producer = client.producer(ProducerConfig::new())?;
    let lines: Vec<String> = (0..100).map(|number| format!("order {number}")).collect();
    producer
        .send_all(lines.iter().map(|line| Record::to("manual-commit").value(line)))
        .await
        .await?;

    let config = ConsumerConfig::new()
        .group_id("manual-commit")
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .enable_auto_commit(false);
    let mut consumer = client.consumer(config)?;
    consumer.subscribe(["manual-commit"])?;
    let mut done = 0;
    while done < lines.len() {
        let batch = consumer.next_batch().await?;
        for record in &batch {
            // The work on `record` is here. A crash before the commit has it done once more, by
            // whoever takes the partition over.
            let _ = record.value();
            done += 1;
        }
        // The offset to commit is that of the next record to read.
        consumer.commit_offsets([(batch.topic_partition().clone(), batch.next_offset())]).await?;
        println!("{} is committed up to {}", batch.topic_partition(), batch.next_offset());
    }
    Ok(consumer.close(Duration::from_secs(10)).await?)
}
