//! `admin groups`.

use std::collections::BTreeMap;

use kavka::admin::{GroupFilter, GroupState, GroupType, MemberToRemove};
use kavka::{Admin, TopicPartition};
use kavka_programs::{Outcome, Stop};
use serde_json::Value;

use super::group_lag;
use super::group_offsets;
use super::options::Options;
use super::table::{Table, text};

pub(crate) async fn run(admin: &Admin, options: &Options) -> Outcome<Table> {
    match options.verb.as_str() {
        "list" => list(admin, options).await,
        "describe" => describe(admin, options).await,
        "offsets" => group_offsets::list(admin, options).await,
        "lag" => group_lag::print(admin, options).await,
        "set-offsets" => group_offsets::set(admin, options).await,
        "reset-offsets" => group_offsets::reset(admin, options).await,
        "delete-offsets" => group_offsets::delete(admin, options).await,
        "remove-members" => remove_members(admin, options).await,
        "delete" => delete(admin, options).await,
        _ => options.unknown_verb(),
    }
}

async fn list(admin: &Admin, options: &Options) -> Outcome<Table> {
    options.no_names()?;
    let filter = GroupFilter::all()
        .protocol_types(options.all("--protocol-type"))
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

/// The outcome of the one thing that was asked for.
pub(crate) fn only<K: Ord, T>(mut outcomes: BTreeMap<K, kavka::Result<T>>) -> kavka::Result<T> {
    let (_, outcome) = outcomes.pop_first().expect("one item was asked for");
    outcome
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
