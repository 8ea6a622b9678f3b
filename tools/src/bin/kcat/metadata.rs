//! `-L`: what the cluster has. `-Q`: which offset belongs to a time.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use kavka::admin::{ClusterDescription, TopicDescription};
use kavka::{BrokerId, Client, Consumer, ConsumerConfig, ErrorCode, Timestamp, TopicPartition};
use kavka_programs::{Interrupt, Outcome, Stop, write_out};
use serde_json::{Value, json};

use super::Options;

/// Prints brokers, topics and partitions.
pub(crate) async fn list(options: Options, mut interrupt: Interrupt) -> Outcome<ExitCode> {
    let client = client(&options)?;
    let admin = client.admin();
    let work = async {
        let cluster = admin.describe_cluster().await?;
        let names = match options.topics.is_empty() {
            true => admin.list_topics().await?.into_iter().map(|topic| topic.name).collect(),
            false => options.topics.iter().map(Into::into).collect::<Vec<_>>(),
        };
        let topics = admin.describe_topics(names).await;
        let is_missing =
            |error: &kavka::Error| error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        // A topic that was deleted since it was listed is no failure; one that was asked for is.
        let mut described = Vec::new();
        for (name, topic) in topics {
            match topic {
                Ok(topic) => described.push(topic),
                Err(error) if is_missing(&error) && options.topics.is_empty() => {}
                Err(error) => return Err(Stop::failure(format_args!("topic {name}: {error}"))),
            }
        }
        Ok((cluster, described))
    };
    let (cluster, topics) = tokio::select! {
        done = work => done?,
        () = interrupt.received() => return Ok(ExitCode::FAILURE),
    };
    let text = if options.is_json {
        format!("{}\n", as_json(&cluster, &topics))
    } else {
        as_text(&cluster, &topics)
    };
    write_out(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn as_text(cluster: &ClusterDescription, topics: &[TopicDescription]) -> String {
    let mut text = String::new();
    let id = cluster.cluster_id.as_deref().unwrap_or("unknown");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "cluster {id}\n {} brokers:", cluster.brokers.len());
    for broker in &cluster.brokers {
        let controller = if Some(broker.id) == cluster.controller { " (controller)" } else { "" };
        let rack = broker.rack.as_ref().map(|rack| format!(" rack {rack}")).unwrap_or_default();
        let _ = writeln!(text, "  broker {} at {}{rack}{controller}", broker.id, broker.address);
    }
    let _ = writeln!(text, " {} topics:", topics.len());
    for topic in topics {
        let _ = writeln!(
            text,
            "  topic \"{}\" with {} partitions:",
            topic.name,
            topic.partitions.len()
        );
        for partition in &topic.partitions {
            let leader = partition.leader.map_or("none".to_owned(), |leader| leader.to_string());
            let (replicas, in_sync) =
                (list_of(&partition.replicas), list_of(&partition.in_sync_replicas));
            let _ = writeln!(
                text,
                "    partition {}, leader {leader}, replicas: {replicas}, isrs: {in_sync}",
                partition.id
            );
        }
    }
    text
}

fn list_of(brokers: &[BrokerId]) -> String {
    brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn as_json(cluster: &ClusterDescription, topics: &[TopicDescription]) -> Value {
    let number = |broker: Option<BrokerId>| broker.map_or(-1, |broker| broker.0);
    let ids = |brokers: &[BrokerId]| {
        brokers.iter().map(|broker| json!({"id": broker.0})).collect::<Vec<_>>()
    };
    let brokers = cluster.brokers.iter().map(|broker| {
        let mut object = json!({"id": broker.id.0, "name": broker.address.to_string()});
        if let Some(rack) = &broker.rack {
            object["rack"] = rack.as_str().into();
        }
        object
    });
    let topics = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            json!({
                "partition": partition.id.0,
                "leader": number(partition.leader),
                "replicas": ids(&partition.replicas),
                "isrs": ids(&partition.in_sync_replicas),
            })
        });
        json!({"topic": topic.name.as_str(), "partitions": partitions.collect::<Vec<_>>()})
    });
    json!({
        "cluster_id": cluster.cluster_id,
        "controllerid": number(cluster.controller),
        "brokers": brokers.collect::<Vec<_>>(),
        "topics": topics.collect::<Vec<_>>(),
    })
}

/// Prints the offsets that belong to the times of `-t TOPIC:PARTITION:TIMESTAMP`.
pub(crate) async fn query(options: Options, mut interrupt: Interrupt) -> Outcome<ExitCode> {
    let queries: Vec<(TopicPartition, i64)> =
        options.topics.iter().map(|text| time(text)).collect::<Outcome<_>>()?;
    let consumer = client(&options)?
        .consumer(ConsumerConfig::from_properties(&options.connection.properties(&[])?)?)?;
    let mut text = String::new();
    for (partition, time) in queries {
        let offset = tokio::select! {
            offset = offset_at(&consumer, &partition, time) => offset?,
            () = interrupt.received() => return Ok(ExitCode::FAILURE),
        };
        let TopicPartition { topic, partition, .. } = partition;
        let line = match options.is_json {
            true => json!({"topic": topic.as_str(), "partition": partition.0, "offset": offset})
                .to_string(),
            false => format!("{topic} [{partition}] offset {offset}"),
        };
        let _ = writeln!(text, "{line}");
    }
    write_out(&text)?;
    let _ = consumer.close(Duration::from_secs(3)).await;
    Ok(ExitCode::SUCCESS)
}

/// The offset at a time, or -1 if there is none.
async fn offset_at(consumer: &Consumer, partition: &TopicPartition, time: i64) -> Outcome<i64> {
    let only = [partition.clone()];
    // -1 and -2 are the protocol's own words for the two ends.
    let offset = match time {
        -1 => consumer.end_offsets(only).await?.remove(partition),
        -2 => consumer.beginning_offsets(only).await?.remove(partition),
        time => {
            let mut found =
                consumer.offsets_for_times([(partition.clone(), Timestamp(time))]).await?;
            found.remove(partition).flatten().map(|found| found.offset)
        }
    };
    Ok(offset.map_or(-1, |offset| offset.0))
}

fn time(text: &str) -> Outcome<(TopicPartition, i64)> {
    let refuse = || {
        Stop::usage(format_args!(
            "-t is {text:?}: TOPIC:PARTITION:TIMESTAMP is allowed, with -1 for the end and -2 \
             for the beginning"
        ))
    };
    let mut parts = text.rsplitn(3, ':');
    let time: i64 = parts
        .next()
        .and_then(|time| time.parse().ok())
        .filter(|time| *time >= -2)
        .ok_or_else(refuse)?;
    let partition: u16 =
        parts.next().and_then(|partition| partition.parse().ok()).ok_or_else(refuse)?;
    let topic = parts.next().filter(|topic| !topic.is_empty()).ok_or_else(refuse)?;
    Ok((TopicPartition::new(topic, i32::from(partition)), time))
}

pub(crate) fn client(options: &Options) -> Outcome<Client> {
    let cluster = options.connection.cluster()?;
    Ok(Client::new(options.connection.client(&cluster, "kcat")?)?)
}
