//! `admin groups` on offsets: what groups have committed, and where share groups have begun.

use std::collections::{BTreeMap, BTreeSet};

use kavka::admin::{GroupType, NewOffset, OffsetSpec};
use kavka::{Admin, Offset, TopicPartition};
use kavka_programs::{Outcome, Stop};
use serde_json::Value;

use super::groups::only;
use super::options::{Options, partition, partition_and_offset};
use super::table::Table;

/// How far groups are behind.
pub(crate) async fn list(admin: &Admin, options: &Options) -> Outcome<Table> {
    let mut table = Table::new(["GROUP", "TOPIC", "PARTITION", "OFFSET", "END", "LAG"]);
    for group in options.some_names()? {
        let lags = match admin.list_group_lag(group).await {
            Ok(lags) => lags,
            Err(error) => {
                table.failure(&error);
                continue;
            }
        };
        for (partition, lag) in lags {
            table.outcome(lag, |lag| {
                let TopicPartition { topic, partition, .. } = &partition;
                [
                    group.as_str().into(),
                    topic.as_str().into(),
                    partition.0.into(),
                    lag.offset.map(|offset| offset.0).into(),
                    lag.end.map(|end| end.0).into(),
                    lag.lag.into(),
                ]
            });
        }
    }
    Ok(table)
}

/// The group, and what else is named.
fn group_and_rest(options: &Options) -> Outcome<(&String, &[String])> {
    match options.names.split_first() {
        Some((group, rest)) if !rest.is_empty() => Ok((group, rest)),
        _ => Err(Stop::usage(format_args!("groups {} needs a group and partitions", options.verb))),
    }
}

pub(crate) async fn set(admin: &Admin, options: &Options) -> Outcome<Table> {
    let (group, rest) = group_and_rest(options)?;
    let offsets =
        rest.iter().map(|text| partition_and_offset(text)).collect::<Outcome<BTreeMap<_, _>>>()?;
    let of_share = is_share(admin, options, group).await;
    alter(admin, options, (group, of_share), offsets, Table::new(ALTERED)).await
}

/// Has a group begin elsewhere, in the topics that are named or in all that it has offsets of.
pub(crate) async fn reset(admin: &Admin, options: &Options) -> Outcome<Table> {
    let Some(spec) = options.time("--to")? else {
        return Err(Stop::usage("groups reset-offsets needs --to: earliest, latest or a time"));
    };
    let Some((group, topics)) = options.names.split_first() else {
        return Err(Stop::usage("groups reset-offsets needs a group"));
    };
    let mut table = Table::new(ALTERED);
    let of_share = is_share(admin, options, group).await;
    let partitions = match topics {
        [] if of_share => {
            only(admin.list_share_group_offsets([group]).await)?.into_keys().collect()
        }
        [] => only(admin.list_group_offsets([group]).await)?.into_keys().collect(),
        topics => partitions_of(admin, topics, &mut table).await,
    };
    if partitions.is_empty() && !table.has_failed() {
        return Err(Stop::failure(format_args!("group {group} has no offsets: name topics")));
    }
    let (mut offsets, mut newest) = (BTreeMap::new(), Vec::new());
    let at = |partitions: Vec<TopicPartition>, spec| {
        admin.list_offsets(partitions.into_iter().map(move |partition| (partition, spec)))
    };
    for (partition, found) in at(partitions.into_iter().collect(), spec).await {
        match found.map(|found| found.offset) {
            Ok(Some(offset)) => drop(offsets.insert(partition, offset)),
            // No record is as new: what comes next is.
            Ok(None) => newest.push(partition),
            Err(error) => table.failure(&error),
        }
    }
    for (partition, end) in at(newest, OffsetSpec::Latest).await {
        if let Some(end) = end?.offset {
            offsets.insert(partition, end);
        }
    }
    alter(admin, options, (group, of_share), offsets, table).await
}

async fn partitions_of(
    admin: &Admin,
    topics: &[String],
    table: &mut Table,
) -> BTreeSet<TopicPartition> {
    let mut partitions = BTreeSet::new();
    for topic in admin.describe_topics(topics).await.into_values() {
        match topic {
            Ok(topic) => partitions.extend(
                topic
                    .partitions
                    .iter()
                    .map(|partition| TopicPartition::new(topic.name.clone(), partition.id)),
            ),
            Err(error) => table.failure(&error),
        }
    }
    partitions
}

/// Whether a group is a share group: as the cluster has it, or is told of one that does not exist.
async fn is_share(admin: &Admin, options: &Options, group: &str) -> bool {
    let told = options.one("--type").map(GroupType::from);
    told == Some(GroupType::Share) || only(admin.describe_share_groups([group]).await).is_ok()
}

const ALTERED: [&str; 3] = ["TOPIC", "PARTITION", "OFFSET"];

async fn alter(
    admin: &Admin,
    options: &Options,
    (group, of_share): (&str, bool),
    offsets: BTreeMap<TopicPartition, Offset>,
    mut table: Table,
) -> Outcome<Table> {
    let step = |(partition, offset): (&TopicPartition, &Offset)| {
        format!("set the offset of group {group} in {partition} to {offset}")
    };
    let plan: Vec<String> = offsets.iter().map(step).collect();
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let altered = if of_share {
        admin.alter_share_group_offsets(group, offsets.clone()).await
    } else {
        let new =
            offsets.iter().map(|(partition, offset)| (partition.clone(), NewOffset::new(*offset)));
        admin.alter_group_offsets(group, new).await
    };
    for (partition, altered) in altered {
        let offset = offsets.get(&partition).map(|offset| offset.0);
        table.outcome(altered, |()| {
            [partition.topic.as_str().into(), partition.partition.0.into(), offset.into()]
        });
    }
    Ok(table)
}

pub(crate) async fn delete(admin: &Admin, options: &Options) -> Outcome<Table> {
    let (group, rest) = group_and_rest(options)?;
    let mut table = Table::new(["DELETED OF TOPIC", "PARTITION"]);
    let plan: Vec<String> =
        rest.iter().map(|of| format!("delete the offset of group {group} in {of}")).collect();
    if is_share(admin, options, group).await {
        if !options.may_destroy(&plan)? {
            return Ok(Options::dry_run(plan));
        }
        for (topic, deleted) in admin.delete_share_group_offsets(group, rest).await {
            table.outcome(deleted, |()| [topic.as_str().into(), Value::Null]);
        }
        return Ok(table);
    }
    let partitions = rest.iter().map(|text| partition(text)).collect::<Outcome<Vec<_>>>()?;
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    for (partition, deleted) in admin.delete_group_offsets(group, partitions).await {
        table
            .outcome(deleted, |()| [partition.topic.as_str().into(), partition.partition.0.into()]);
    }
    Ok(table)
}
