//! Takes work from a queue: a member of a share group that accepts what it has done, has what failed
//! delivered again, and rejects what fails for the third time. Needs Kafka 4.2 or later.

use std::time::Duration;

use kavka::{
    Client, ClientConfig, NewTopic, ProducerConfig, Record, ShareAcknowledgementMode,
    ShareConsumerConfig, ShareRecord,
};
use kavka_programs::Interrupt;

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    let _ = client.admin().create_topic(NewTopic::new("work").partitions(1)).await;
    let producer = client.producer(ProducerConfig::new())?;
    let mut interrupt = Interrupt::listen()?;
    let config = ShareConsumerConfig::new("workers")
        .share_acknowledgement_mode(ShareAcknowledgementMode::Explicit);
    let mut consumer = client.share_consumer(config)?;
    consumer.subscribe(["work"])?;
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    println!("working until Ctrl-C");
    loop {
        tokio::select! {
            record = consumer.recv() => drop(tokio::spawn(finish(record?))),
            _ = ticks.tick() => {
                drop(producer.send(Record::to("work").value("something to do")).await?)
            }
            () = interrupt.received() => break,
        }
    }
    // What is still being worked on is released, and comes to another.
    consumer.close(Duration::from_secs(10)).await?;
    producer.close(Duration::from_secs(10)).await?;
    Ok(())
}

async fn finish(record: ShareRecord) {
    let said = match work(&record).await {
        Ok(()) => record.accept(),
        Err(_) if record.delivery_count() < 3 => record.release(),
        Err(_) => record.reject(),
    };
    if let Err(error) = said.await {
        eprintln!("it may come again: {error}");
    }
}

async fn work(record: &ShareRecord) -> Result<(), std::str::Utf8Error> {
    let text = std::str::from_utf8(record.value().unwrap_or_default())?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    println!("{text} (offset {}, delivery {})", record.offset(), record.delivery_count());
    Ok(())
}
