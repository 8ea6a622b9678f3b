//! Records of a type of your own, as JSON. What is no such record stops nothing and is not skipped
//! either: it goes to a topic of its own, with where it came from and why.

use std::time::Duration;

use kavka::{
    AutoOffsetReset, Client, ClientConfig, ConsumerConfig, ConsumerRecord, Header, NewTopic,
    ProducerConfig, Record,
};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    tea: String,
    cups: u32,
}

/// The value of a record; a tombstone has none, which is no `T` either.
fn from_json<T: DeserializeOwned>(record: &ConsumerRecord) -> Result<T, serde_json::Error> {
    let value = record.value().ok_or_else(|| serde_json::Error::custom("there is no value"))?;
    serde_json::from_slice(value)
}

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    for topic in ["orders", "orders.invalid"] {
        let _ = client.admin().create_topic(NewTopic::new(topic).partitions(1)).await;
    }
    let producer = client.producer(ProducerConfig::new())?;
    for (id, cups) in [(1, 2), (2, 5)] {
        let order = Order { id, tea: "oolong".into(), cups };
        let value = serde_json::to_vec(&order).expect("an order has a form in JSON");
        producer.send(Record::to("orders").value(&value)).await?.await?;
    }
    producer.send(Record::to("orders").value("two cups, please")).await?.await?;

    let config = ConsumerConfig::new()
        .group_id("kitchen")
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .enable_auto_offset_store(false);
    let mut consumer = client.consumer(config)?;
    consumer.subscribe(["orders"])?;
    for _ in 0..3 {
        let record = consumer.recv().await?;
        match from_json::<Order>(&record) {
            Ok(order) => println!("{} cups of {} for order {}", order.cups, order.tea, order.id),
            Err(error) => {
                println!("set aside: {error}");
                let (why, from) = (error.to_string(), record.topic_partition().to_string());
                let headers = [Header::new("why", &why), Header::new("from", &from)];
                let copy = Record::to("orders.invalid").key(record.key()).value(record.value());
                producer.send(copy.headers(&headers)).await?.await?;
            }
        }
        // Only now: after a crash the record comes again, be it good or not.
        consumer.mark_done(&record)?;
    }
    consumer.close(Duration::from_secs(5)).await?;
    Ok(client.close(Duration::from_secs(5)).await?)
}
