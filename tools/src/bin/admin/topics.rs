//! `admin topics`.

use std::collections::BTreeMap;

use kavka::admin::{NewPartitions, OffsetSpec, PartitionDescription};
use kavka::{Admin, BrokerId, NewTopic, TopicPartition};
use kavka_programs::{Outcome, Stop, required};
use serde_json::{Value, json};

use super::options::{Options, brokers, partition_and_offset};
use super::table::{Table, text};

pub(crate) async fn run(admin: &Admin, options: &Options) -> Outcome<Table> {
    match options.verb.as_str() {
        "list" => list(admin, options).await,
        "describe" => describe(admin, options).await,
        "create" => create(admin, options).await,
        "alter" => alter(admin, options).await,
        "delete" => delete(admin, options).await,
        "offsets" => offsets(admin, options).await,
        "delete-records" => delete_records(admin, options).await,
        _ => options.unknown_verb(),
    }
}

async fn list(admin: &Admin, options: &Options) -> Outcome<Table> {
    options.no_names()?;
    let mut table = Table::new(["TOPIC", "ID", "INTERNAL"]);
    for topic in admin.list_topics().await? {
        table.row([topic.name.as_str().into(), text(topic.id), topic.is_internal.into()]);
    }
    Ok(table)
}

/// One topic is described partition by partition, several in a line each.
async fn describe(admin: &Admin, options: &Options) -> Outcome<Table> {
    if let [name] = options.names.as_slice() {
        let mut table =
            Table::new(["PARTITION", "LEADER", "EPOCH", "REPLICAS", "IN SYNC", "OFFLINE"]);
        let topic = admin.describe_topic(name).await?;
        for partition in topic.partitions {
            table.row([
                partition.id.0.into(),
                id(partition.leader),
                partition.leader_epoch.map(|epoch| epoch.0).into(),
                ids(&partition.replicas),
                ids(&partition.in_sync_replicas),
                ids(&partition.offline_replicas),
            ]);
        }
        return Ok(table);
    }
    let mut table =
        Table::new(["TOPIC", "PARTITIONS", "REPLICAS", "UNDER-REPLICATED", "LEADERLESS"]);
    let mut pages = match options.names.is_empty() {
        true => admin.all_topic_pages(),
        false => admin.topic_pages(&options.names),
    };
    // A large topic may go on in the next page.
    let mut topics: BTreeMap<_, Vec<PartitionDescription>> = BTreeMap::new();
    while let Some(page) = pages.next().await? {
        for (name, topic) in page {
            match topic {
                Ok(topic) => topics.entry(name).or_default().extend(topic.partitions),
                Err(error) => table.failure(&error),
            }
        }
    }
    for (name, partitions) in topics {
        let count = |condition: fn(&PartitionDescription) -> bool| {
            partitions.iter().filter(|found| condition(found)).count()
        };
        table.row([
            name.as_str().into(),
            partitions.len().into(),
            partitions.iter().map(|partition| partition.replicas.len()).max().into(),
            count(|partition| partition.in_sync_replicas.len() < partition.replicas.len()).into(),
            count(|partition| partition.leader.is_none()).into(),
        ]);
    }
    Ok(table)
}

async fn create(admin: &Admin, options: &Options) -> Outcome<Table> {
    let assignment = options
        .one("--assignment")
        .map(|text| text.split('/').map(brokers).collect::<Outcome<Vec<_>>>());
    let assignment = assignment.transpose()?;
    let (partitions, factor) =
        (options.parsed("--partitions")?, options.parsed("--replication-factor")?);
    let configs = options.pairs("--config")?;
    let topic = |name: &String| {
        let mut topic = NewTopic::new(name);
        if let Some(count) = partitions {
            topic = topic.partitions(count);
        }
        if let Some(factor) = factor {
            topic = topic.replication_factor(factor);
        }
        if let Some(assignment) = &assignment {
            topic = topic.assignments(assignment.clone());
        }
        configs.iter().fold(topic, |topic, (name, value)| topic.config(*name, *value))
    };
    let admin = checked(admin, options);
    let mut table = Table::new([
        if options.is_dry_run { "WOULD CREATE" } else { "CREATED" },
        "ID",
        "PARTITIONS",
        "REPLICAS",
    ]);
    for (name, created) in admin.create_topics(options.some_names()?.iter().map(topic)).await {
        table.outcome(created, |created| {
            [
                name.as_str().into(),
                text(created.id),
                created.partitions.into(),
                created.replication_factor.into(),
            ]
        });
    }
    Ok(table)
}

async fn alter(admin: &Admin, options: &Options) -> Outcome<Table> {
    let count = required(options.parsed("--partitions")?, "--partitions")?;
    let more = options.some_names()?.iter().map(|name| (name, NewPartitions::increase_to(count)));
    let mut table =
        Table::new([if options.is_dry_run { "WOULD ALTER" } else { "ALTERED" }, "PARTITIONS"]);
    for (name, altered) in checked(admin, options).create_partitions(more).await {
        table.outcome(altered, |()| [name.as_str().into(), count.into()]);
    }
    Ok(table)
}

async fn delete(admin: &Admin, options: &Options) -> Outcome<Table> {
    let names = options.some_names()?;
    let described = admin.describe_topics(names).await;
    // What does not exist is refused before anything is destroyed, in a dry run too.
    for topic in described.values() {
        if let Err(error) = topic {
            return Err(Stop::failure(error));
        }
    }
    let size = |topic: &kavka::Result<kavka::admin::TopicDescription>| {
        topic.as_ref().map_or(0, |topic| topic.partitions.len())
    };
    let plan: Vec<String> = described
        .iter()
        .map(|(name, topic)| {
            format!("delete topic {name} with {} partitions and all their records", size(topic))
        })
        .collect();
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let mut table = Table::new(["DELETED"]);
    for (name, deleted) in admin.delete_topics(names).await {
        table.outcome(deleted, |()| [name.as_str().into()]);
    }
    Ok(table)
}

async fn offsets(admin: &Admin, options: &Options) -> Outcome<Table> {
    let spec = options.time("--time")?.unwrap_or(OffsetSpec::Latest);
    let mut table = Table::new(["TOPIC", "PARTITION", "OFFSET", "TIMESTAMP"]);
    let mut wanted = Vec::new();
    for topic in admin.describe_topics(options.some_names()?).await.into_values() {
        match topic {
            Ok(topic) => wanted.extend(
                topic
                    .partitions
                    .iter()
                    .map(|found| (TopicPartition::new(topic.name.clone(), found.id), spec)),
            ),
            Err(error) => table.failure(&error),
        }
    }
    for (partition, found) in admin.list_offsets(wanted).await {
        table.outcome(found, |found| {
            let offset = found.offset.map(|offset| offset.0);
            let timestamp = found.timestamp.map(|timestamp| timestamp.0);
            [
                partition.topic.as_str().into(),
                partition.partition.0.into(),
                offset.into(),
                timestamp.into(),
            ]
        });
    }
    Ok(table)
}

async fn delete_records(admin: &Admin, options: &Options) -> Outcome<Table> {
    let before = options
        .some_names()?
        .iter()
        .map(|name| partition_and_offset(name))
        .collect::<Outcome<Vec<_>>>()?;
    let step = |(partition, offset): &(TopicPartition, kavka::Offset)| match offset.0 {
        -1 => format!("delete all records of {partition}"),
        offset => format!("delete the records of {partition} before offset {offset}"),
    };
    let plan: Vec<String> = before.iter().map(step).collect();
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let mut table = Table::new(["TOPIC", "PARTITION", "FIRST OFFSET"]);
    for (partition, deleted) in admin.delete_records(before).await {
        table.outcome(deleted, |first| {
            [partition.topic.as_str().into(), partition.partition.0.into(), first.0.into()]
        });
    }
    Ok(table)
}

/// The handle that only has changes checked in a dry run.
pub(crate) fn checked(admin: &Admin, options: &Options) -> Admin {
    if options.is_dry_run { admin.clone().validate_only() } else { admin.clone() }
}

pub(crate) fn id(broker: Option<BrokerId>) -> Value {
    broker.map(|broker| broker.0).into()
}

pub(crate) fn ids(brokers: &[BrokerId]) -> Value {
    json!(brokers.iter().map(|broker| broker.0).collect::<Vec<_>>())
}
