//! Consume, transform, produce: each order becomes one bill, whatever crashes in between.

use std::time::Duration;

use kavka::{
    AutoOffsetReset, Client, ClientConfig, ConsumerConfig, IsolationLevel, NewTopic,
    ProducerConfig, Record, RecordBatch, Result, TransactionSender,
};

const ORDERS: usize = 100;

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    for topic in ["orders", "bills"] {
        let _is_there = client.admin().create_topic(NewTopic::new(topic).partitions(2)).await;
    }
    let orders: Vec<String> = (0..ORDERS).map(|number| format!("order {number}")).collect();
    let records = orders.iter().map(|order| Record::to("orders").value(order));
    client.producer(ProducerConfig::new())?.send_all(records).await.await?;

    let input =
        ConsumerConfig::new().group_id("billing").auto_offset_reset(AutoOffsetReset::Earliest);
    // Each process that runs at the same time has an id of its own, and keeps it.
    let output = ProducerConfig::new().transactional_id("billing-1");
    let mut session = client.exactly_once(input, output)?;
    session.subscribe(["orders"])?;
    tokio::select! {
        // It goes on until something is wrong for good.
        ended = session.run(bill) => ended?,
        seen = count_bills(&client) => println!("{} orders are billed, each once", seen?),
    }
    Ok(session.close(Duration::from_secs(10)).await?)
}

/// Writes the bills of some orders. It may be called with them again, if the transaction in which
/// it was called was aborted.
async fn bill(orders: RecordBatch, bills: TransactionSender) -> Result<()> {
    for order in &orders {
        // The commit waits for the deliveries, and fails with any of them.
        drop(bills.send(Record::to("bills").key(order.key()).value(order.value())).await?);
    }
    Ok(())
}

/// Reads bills as others see them, until there is one for each order.
async fn count_bills(client: &Client) -> Result<usize> {
    let config = ConsumerConfig::new()
        .group_id("readers-of-bills")
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .isolation_level(IsolationLevel::ReadCommitted);
    let mut consumer = client.consumer(config)?;
    consumer.subscribe(["bills"])?;
    for _ in 0..ORDERS {
        consumer.recv().await?;
    }
    Ok(ORDERS)
}
