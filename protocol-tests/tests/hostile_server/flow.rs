//! What quickstart does, step by step, with the time and the error of each.

use std::time::Duration;

use kavka::{
    AutoOffsetReset, Client, ClientConfig, ConsumerConfig, Error, NewTopic, ProducerConfig, Record,
};
use tokio::time::{Instant, timeout};

const REQUEST: Duration = Duration::from_millis(500);
/// What each step of the flow has, and what it may be late: the last request that it waits for.
const STEP: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_millis(700);

/// More than everything that the client and the server keep for replies of at most [`MAX_REPLY`].
pub(crate) const MAX_MEMORY: u64 = 24 << 20;
const MAX_REPLY: usize = 1 << 20;

pub(crate) fn config(bootstrap: &str) -> ClientConfig {
    ClientConfig::new(bootstrap)
        .request_timeout(REQUEST)
        .default_api_timeout(STEP)
        .socket_connection_setup_timeout(REQUEST)
        .socket_connection_setup_timeout_max(REQUEST)
        .receive_message_max_bytes(MAX_REPLY)
        .seed(1)
}

/// Ends on the wall or virtual clock in time whatever the server does; gives the errors of create,
/// produce and consume.
pub(crate) async fn run(client: &Client, name: &str) -> [Option<Error>; 3] {
    let created = step(
        name,
        "create",
        client.admin().create_topic(NewTopic::new("t").partitions(1).replication_factor(1)),
    )
    .await;
    let producer =
        client.producer(ProducerConfig::new().max_block(STEP).delivery_timeout(STEP)).unwrap();
    let produced = match step(name, "send", producer.send(Record::to("t").value("v"))).await {
        Ok(delivery) => step(name, "delivery", delivery).await.err(),
        Err(error) => Some(error),
    };
    let _ = step(name, "producer.close", producer.close(STEP)).await;
    let config = ConsumerConfig::new().group_id("g").auto_offset_reset(AutoOffsetReset::Earliest);
    let config = config.fetch_max_wait(REQUEST / 2).fetch_max_bytes(1 << 19);
    let mut consumer = client.consumer(config).unwrap();
    consumer.subscribe(["t"]).unwrap();
    // To receive has no deadline of its own.
    let consumed = timeout(STEP, consumer.recv()).await;
    let consumed = match consumed {
        Ok(received) => received.err(),
        Err(_) => None,
    };
    let _ = step(name, "commit", consumer.commit()).await;
    let _ = step(name, "consumer.close", consumer.close(STEP)).await;
    [created.err(), produced, consumed]
}

async fn step<T>(
    name: &str,
    what: &str,
    call: impl Future<Output = kavka::Result<T>>,
) -> kavka::Result<T> {
    let begun = Instant::now();
    let outcome =
        timeout(4 * STEP, call).await.unwrap_or_else(|_| panic!("{name}: {what} does not end"));
    assert!(begun.elapsed() <= STEP + SLACK, "{name}: {what} took {:?}", begun.elapsed());
    outcome
}
