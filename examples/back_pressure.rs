//! Sends without ever waiting, and drops or diverts what there is no room for: metrics, telemetry,
//! whatever must not slow its maker down.

use std::time::Duration;

use kavka::{Client, ClientConfig, ErrorKind, NewTopic, ProducerConfig, Record};

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    let _ = client.admin().create_topic(NewTopic::new("measurements").partitions(1)).await;
    // Little memory, so that there is soon no room.
    let producer = client.producer(ProducerConfig::new().buffer_memory(256 * 1024))?;
    // The first one waits until the topic is known, which `try_send` does not.
    producer.send(Record::to("measurements").value("first")).await?.await?;
    let value = [b'x'; 1000];
    let (mut taken, mut dropped) = (Vec::new(), 0);
    for _ in 0..10_000 {
        match producer.try_send(Record::to("measurements").value(&value)) {
            Ok(delivery) => taken.push(delivery),
            Err(error) if error.kind() == ErrorKind::BufferFull => dropped += 1,
            Err(error) => return Err(error.into()),
        }
    }
    let mut failed = 0;
    for delivery in taken {
        failed += i32::from(delivery.await.is_err());
    }
    println!("{dropped} of 10000 found no room, {failed} failed; `send` would have waited instead");
    Ok(producer.close(Duration::from_secs(10)).await?)
}
