//! Writes and reads records in Avro, in the format of Confluent's serializers: the value begins
//! with the id of its schema, which a schema registry knows (`SCHEMA_REGISTRY_URL`; without it, one
//! inside this program).
//!
//! What is no such record is set aside, in a topic of its own. A registry that cannot be reached
//! says nothing about a record, so it ends the program instead, and the record comes again.

use std::time::Duration;

use kavka::{
    AutoOffsetReset, Client, ClientConfig, ConsumerConfig, Header, NewTopic, ProducerConfig, Record,
};
use kavka_programs::{Outcome, Stop};
use schema_registry_converter::async_impl::avro::{AvroDecoder, AvroEncoder};
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{
    SchemaType, SubjectNameStrategy, SuppliedSchema,
};
use serde::{Deserialize, Serialize};

mod registry;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: i32,
    tea: String,
    cups: i32,
}

const ORDER: &str = r#"{"type": "record", "name": "Order", "fields": [
    {"name": "id", "type": "int"}, {"name": "tea", "type": "string"}, {"name": "cups", "type": "int"}
]}"#;

/// Why a record is no order, or cannot be known to be one yet.
enum Failure {
    Record(String),
    Registry(SRCError),
}

async fn from_avro(decoder: &AvroDecoder, value: Option<&[u8]>) -> Result<Order, Failure> {
    match decoder.decode(value).await {
        Ok(decoded) => apache_avro::from_value(&decoded.value)
            .map_err(|error| Failure::Record(error.to_string())),
        Err(error) if error.retriable => Err(Failure::Registry(error)),
        Err(error) => Err(Failure::Record(error.to_string())),
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let registry = match std::env::var("SCHEMA_REGISTRY_URL") {
        Ok(url) => url,
        Err(_) => registry::start().await?,
    };
    let settings = SrSettings::new(registry);
    let (encoder, decoder) = (AvroEncoder::new(settings.clone()), AvroDecoder::new(settings));

    let client = Client::new(ClientConfig::new(&cluster.bootstrap))?;
    for topic in ["teas", "teas.invalid"] {
        let _ = client.admin().create_topic(NewTopic::new(topic).partitions(1)).await;
    }
    let producer = client.producer(ProducerConfig::new())?;
    let schema = SuppliedSchema::new(None, SchemaType::Avro, ORDER.into());
    // The subject is `teas-value`, as Java's TopicNameStrategy has it.
    let subject = SubjectNameStrategy::TopicNameStrategyWithSchema("teas".into(), false, schema);
    for (id, cups) in [(1, 2), (2, 5)] {
        let order = Order { id, tea: "oolong".into(), cups };
        let value = encoder.encode_struct(order, &subject).await.map_err(Stop::failure)?;
        producer.send(Record::to("teas").value(&value)).await?.await?;
    }
    producer.send(Record::to("teas").value("two cups, please")).await?.await?;

    let config = ConsumerConfig::new()
        .group_id("kitchen")
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .enable_auto_offset_store(false);
    let mut consumer = client.consumer(config)?;
    consumer.subscribe(["teas"])?;
    for _ in 0..3 {
        let record = consumer.recv().await?;
        match from_avro(&decoder, record.value()).await {
            Ok(order) => println!("{} cups of {} for order {}", order.cups, order.tea, order.id),
            Err(Failure::Registry(error)) => return Err(Stop::failure(error)),
            Err(Failure::Record(why)) => {
                println!("set aside: {why}");
                let headers = [Header::new("why", &why)];
                let copy = Record::to("teas.invalid").key(record.key()).value(record.value());
                producer.send(copy.headers(&headers)).await?.await?;
            }
        }
        // Only now: after a crash the record comes again, be it good or not.
        consumer.mark_done(&record)?;
    }
    consumer.close(Duration::from_secs(5)).await?;
    Ok(client.close(Duration::from_secs(5)).await?)
}
