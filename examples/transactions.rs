//! Consume, transform, produce: each order becomes one bill, whatever crashes in between.

use std::time::Duration;

use kavka::{
    AutoOffsetReset, Class, Client, ClientConfig, ConsumerConfig, ConsumerHandle, IsolationLevel,
    NewTopic, ProducerConfig, Record, RecordBatch, Result, TransactionalProducer,
};

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    for topic in ["orders", "bills"] {
        let _is_there = client.admin().create_topic(NewTopic::new(topic).partitions(2)).await;
    }
    let orders: Vec<String> = (0..100).map(|number| format!("order {number}")).collect();
    let records = orders.iter().map(|order| Record::to("orders").value(order));
    client.producer(ProducerConfig::new())?.send_all(records).await.await?;

    let config = ConsumerConfig::new()
        .group_id("billing")
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .isolation_level(IsolationLevel::ReadCommitted)
        .enable_auto_commit(false);
    let mut consumer = client.consumer(config)?;
    consumer.subscribe(["orders"])?;
    // Each process that runs at the same time has an id of its own.
    let id = ProducerConfig::new().transactional_id("billing-1");
    let mut producer = client.transactional_producer(id)?;
    let mut done = 0;
    while done < orders.len() {
        let batch = consumer.next_batch().await?;
        match bill(&mut producer, &consumer.handle(), &batch).await {
            Ok(()) => done += batch.iter().count(),
            // It goes on behind what is committed, which a commit without an answer may well be.
            Err(error) if matches!(error.class(), Class::Abortable | Class::Retriable) => {
                for (partition, committed) in consumer.committed(consumer.assignment()).await? {
                    consumer.seek(&partition, committed.map_or(0.into(), |at| at.offset))?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    println!("{done} orders are billed, each once");
    producer.close(Duration::from_secs(10)).await?;
    Ok(consumer.close(Duration::from_secs(10)).await?)
}

/// Writes the bills of a batch, and that its orders are done, or neither.
async fn bill(
    producer: &mut TransactionalProducer,
    consumer: &ConsumerHandle,
    batch: &RecordBatch,
) -> Result<()> {
    let mut transaction = producer.begin().await?;
    for order in batch {
        drop(transaction.send(Record::to("bills").key(order.key()).value(order.value())).await?);
    }
    let done = [(batch.topic_partition().clone(), batch.next_offset())];
    transaction.send_offsets(done, &consumer.group_metadata()?).await?;
    transaction.commit().await
}
