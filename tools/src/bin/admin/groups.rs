//! `admin groups`.

use std::collections::BTreeMap;

use kavka::admin::{GroupFilter, GroupState, GroupType, MemberToRemove, NewOffset, OffsetSpec};
use kavka::{Admin, ErrorKind, GroupId, TopicPartition};
use kavka_programs::{Outcome, Stop};
use serde_json::Value;

use super::options::{Options, partition, partition_and_offset};
use super::table::{Table, text};

pub(crate) async fn run(admin: &Admin, options: &Options) -> Outcome<Table> {
    match options.verb.as_str() {
        "list" => list(admin, options).await,
        "describe" => describe(admin, options).await,
        "offsets" => offsets(admin, options).await,
        "set-offsets" => set_offsets(admin, options).await,
        "delete-offsets" => delete_offsets(admin, options).await,
        "remove-members" => remove_members(admin, options).await,
        "delete" => delete(admin, options).await,
        _ => options.unknown_verb(),
    }
}

async fn list(admin: &Admin, options: &Options) -> Outcome<Table> {
    options.no_names()?;
    let filter = GroupFilter::all()
        .states(options.all("--state").map(GroupState::from))
        .types(options.all("--type").map(GroupType::from));
    let mut table = Table::new(["GROUP", "TYPE", "PROTOCOL", "STATE", "COORDINATOR"]);
    let mut listing = admin.list_groups(filter).await?;
    listing.items.sort_by(|a, b| a.id.cmp(&b.id));
    for group in listing.items {
        table.row([
            group.id.as_str().into(),
            text(group.kind),
            text(group.protocol_type),
            text(group.state),
            group.coordinator.0.into(),
        ]);
    }
    listing.failures.values().for_each(|error| table.failure(error));
    Ok(table)
}

/// A line a member, of groups of every type.
async fn describe(admin: &Admin, options: &Options) -> Outcome<Table> {
    let mut table = Table::new(["GROUP", "TYPE", "STATE", "MEMBER", "HOST", "ASSIGNMENT"]);
    for group in options.some_names()? {
        match members(admin, group).await {
            Ok((kind, state, members)) if members.is_empty() => {
                table.row([
                    group.as_str().into(),
                    kind.to_string().into(),
                    state.to_string().into(),
                    Value::Null,
                    Value::Null,
                    Value::Null,
                ]);
            }
            Ok((kind, state, members)) => {
                for (member, host, assignment) in members {
                    let (kind, state) = (kind.to_string(), state.to_string());
                    table.row([
                        group.as_str().into(),
                        kind.into(),
                        state.into(),
                        member.into(),
                        host.into(),
                        assignment,
                    ]);
                }
            }
            Err(error) => table.failure(&error),
        }
    }
    Ok(table)
}

type Members = Vec<(String, String, Value)>;

async fn members(admin: &Admin, group: &str) -> kavka::Result<(GroupType, GroupState, Members)> {
    let consumers = only(admin.describe_consumer_groups([group]).await);
    let error = match consumers {
        Ok(described) => {
            let members = described
                .members
                .into_iter()
                .map(|member| (member.id, member.host, partitions(&member.assignment)));
            return Ok((described.kind, described.state, members.collect()));
        }
        Err(error) => error,
    };
    // It may be of another type.
    if let Ok(described) = only(admin.describe_share_groups([group]).await) {
        let members = described
            .members
            .into_iter()
            .map(|member| (member.id, member.host, partitions(&member.assignment)));
        return Ok((GroupType::Share, described.state, members.collect()));
    }
    if let Ok(described) = only(admin.describe_streams_groups([group]).await) {
        let tasks = |active: &std::collections::BTreeSet<(String, kavka::PartitionId)>| {
            active
                .iter()
                .map(|(part, partition)| Value::from(format!("{part}_{partition}")))
                .collect::<Vec<_>>()
        };
        let members = described.members.into_iter().map(|member| {
            let assignment = tasks(&member.assignment.active).into();
            (member.id, member.host, assignment)
        });
        return Ok((GroupType::Streams, described.state, members.collect()));
    }
    let classic = only(admin.describe_classic_groups([group]).await).map_err(|_| error)?;
    let members = classic
        .members
        .into_iter()
        .map(|member| (member.id, member.host, partitions(&member.assignment)));
    Ok((GroupType::Classic, classic.state, members.collect()))
}

fn partitions(assignment: &std::collections::BTreeSet<TopicPartition>) -> Value {
    assignment.iter().map(|partition| Value::from(partition.to_string())).collect()
}

fn only<K: Ord, T>(mut outcomes: BTreeMap<K, kavka::Result<T>>) -> kavka::Result<T> {
    let (_, outcome) = outcomes.pop_first().expect("one item was asked for");
    outcome
}

/// What was committed, and how much is still to be consumed.
async fn offsets(admin: &Admin, options: &Options) -> Outcome<Table> {
    let mut table = Table::new(["GROUP", "TOPIC", "PARTITION", "OFFSET", "END", "LAG"]);
    for (group, committed) in admin.list_group_offsets(options.some_names()?).await {
        let committed = match committed {
            Ok(committed) if committed.is_empty() => match shared(admin, &group, &mut table).await?
            {
                true => continue,
                false => committed,
            },
            Ok(committed) => committed,
            Err(error) => {
                table.failure(&error);
                continue;
            }
        };
        let ends = admin
            .list_offsets(committed.keys().map(|partition| (partition.clone(), OffsetSpec::Latest)))
            .await;
        for (partition, committed) in committed {
            let end =
                ends.get(&partition).and_then(|end| end.as_ref().ok()?.offset).map(|end| end.0);
            table.outcome(committed, |committed| {
                let lag = end.map(|end| end.saturating_sub(committed.offset.0).max(0));
                let TopicPartition { topic, partition, .. } = &partition;
                let offset = committed.offset.0.into();
                [
                    group.as_str().into(),
                    topic.as_str().into(),
                    partition.0.into(),
                    offset,
                    end.into(),
                    lag.into(),
                ]
            });
        }
    }
    Ok(table)
}

/// The offsets of a share group; false if there are none, such as of a cluster without share
/// groups.
async fn shared(admin: &Admin, group: &GroupId, table: &mut Table) -> Outcome<bool> {
    let found = match only(admin.list_share_group_offsets([group.clone()]).await) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::Unsupported || error.code().is_some() => {
            return Ok(false);
        }
        Err(error) => return Err(Stop::failure(error)),
    };
    let is_share = !found.is_empty();
    for (partition, offset) in found {
        table.outcome(offset, |offset| {
            let TopicPartition { topic, partition, .. } = &partition;
            let (start, lag) = (offset.start.map(|start| start.0), offset.lag);
            let end = start.zip(lag).map(|(start, lag)| start.saturating_add(lag));
            [
                group.as_str().into(),
                topic.as_str().into(),
                partition.0.into(),
                start.into(),
                end.into(),
                lag.into(),
            ]
        });
    }
    Ok(is_share)
}

/// The group, and what else is named.
fn group_and_rest(options: &Options) -> Outcome<(&String, &[String])> {
    match options.names.split_first() {
        Some((group, rest)) if !rest.is_empty() => Ok((group, rest)),
        _ => Err(Stop::usage(format_args!("groups {} needs a group and partitions", options.verb))),
    }
}

async fn set_offsets(admin: &Admin, options: &Options) -> Outcome<Table> {
    let (group, rest) = group_and_rest(options)?;
    let offsets =
        rest.iter().map(|text| partition_and_offset(text)).collect::<Outcome<Vec<_>>>()?;
    let step = |(partition, offset): &(TopicPartition, kavka::Offset)| {
        format!("set the offset of group {group} in {partition} to {offset}")
    };
    let plan: Vec<String> = offsets.iter().map(step).collect();
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let mut table = Table::new(["TOPIC", "PARTITION", "OFFSET"]);
    let new =
        offsets.iter().map(|(partition, offset)| (partition.clone(), NewOffset::new(*offset)));
    let altered = admin.alter_group_offsets(group, new).await;
    for ((partition, offset), (_, altered)) in BTreeMap::from_iter(offsets).into_iter().zip(altered)
    {
        table.outcome(altered, |()| {
            [partition.topic.as_str().into(), partition.partition.0.into(), offset.0.into()]
        });
    }
    Ok(table)
}

async fn delete_offsets(admin: &Admin, options: &Options) -> Outcome<Table> {
    let (group, rest) = group_and_rest(options)?;
    let partitions = rest.iter().map(|text| partition(text)).collect::<Outcome<Vec<_>>>()?;
    let plan: Vec<String> = partitions
        .iter()
        .map(|partition| format!("delete the offset of group {group} in {partition}"))
        .collect();
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let mut table = Table::new(["DELETED OF TOPIC", "PARTITION"]);
    for (partition, deleted) in admin.delete_group_offsets(group, partitions).await {
        table
            .outcome(deleted, |()| [partition.topic.as_str().into(), partition.partition.0.into()]);
    }
    Ok(table)
}

async fn remove_members(admin: &Admin, options: &Options) -> Outcome<Table> {
    let [group] = options.some_names()? else {
        return Err(Stop::usage("groups remove-members needs one group"));
    };
    let members = only(admin.describe_consumer_groups([group]).await)?.members;
    let members: Vec<MemberToRemove> = members
        .into_iter()
        .map(|member| match member.instance_id {
            Some(id) => MemberToRemove::Instance(id),
            None => MemberToRemove::Member(member.id),
        })
        .collect();
    let plan: Vec<String> =
        members.iter().map(|member| format!("remove {member} from group {group}")).collect();
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let mut table = Table::new(["REMOVED"]);
    for (member, removed) in
        admin.remove_members(group, members, "removed by an administrator").await
    {
        table.outcome(removed, |()| [member.to_string().into()]);
    }
    Ok(table)
}

async fn delete(admin: &Admin, options: &Options) -> Outcome<Table> {
    let names = options.some_names()?;
    let plan: Vec<String> =
        names.iter().map(|group| format!("delete group {group} and its offsets")).collect();
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let mut table = Table::new(["DELETED"]);
    for (group, deleted) in admin.delete_groups(names).await {
        table.outcome(deleted, |()| [group.as_str().into()]);
    }
    Ok(table)
}
