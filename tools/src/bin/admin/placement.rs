//! `admin reassignments`, `admin leaders` and `admin log-dirs`.

use std::time::Duration;

use kavka::admin::Election;
use kavka::{Admin, BrokerId, ErrorCode, TopicPartition};
use kavka_programs::{Outcome, Stop};
use kavka_tools::progress::Progress;

use super::options::{Options, partition, partition_and_brokers};
use super::table::{Table, text};
use super::topics::ids;

pub(crate) async fn reassignments(admin: &Admin, options: &Options) -> Outcome<Table> {
    let mut targets = Vec::new();
    match options.verb.as_str() {
        "list" => return list(admin, options).await,
        "start" => {
            for text in options.some_names()? {
                let (partition, brokers) = partition_and_brokers(text)?;
                targets.push((partition, Some(brokers)));
            }
        }
        "cancel" => {
            for text in options.some_names()? {
                targets.push((partition(text)?, None));
            }
        }
        _ => return options.unknown_verb(),
    }
    let step = |(partition, target): &(TopicPartition, Option<Vec<BrokerId>>)| match target {
        Some(brokers) => format!("move {partition} to brokers {}", list_of(brokers)),
        None => format!("cancel the move of {partition}"),
    };
    let plan: Vec<String> = targets.iter().map(step).collect();
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let waits = options.has("--wait");
    let done = if waits { "MOVED" } else { "STARTED" };
    let mut table = Table::new([if options.verb == "start" { done } else { "CANCELLED" }]);
    let mut begun = Vec::new();
    for (partition, outcome) in admin.alter_reassignments(targets).await {
        if outcome.is_ok() {
            begun.push(partition.clone());
        }
        table.outcome(outcome, |()| [partition.to_string().into()]);
    }
    if waits && !begun.is_empty() {
        wait(admin, &begun).await?;
    }
    Ok(table)
}

/// How often the controller is asked what still moves.
const LOOK: Duration = Duration::from_millis(500);

/// Waits until no partition of these moves any more: for ever, if a broker does not come back.
async fn wait(admin: &Admin, partitions: &[TopicPartition]) -> Outcome<()> {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let progress = Progress::start(number(partitions.len()));
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        let moving = admin.list_reassignments_of(partitions.to_vec()).await?;
        if moving.is_empty() {
            return Ok(());
        }
        progress.set(number(partitions.len() - moving.len().min(partitions.len())));
    }
}

async fn list(admin: &Admin, options: &Options) -> Outcome<Table> {
    options.no_names()?;
    let mut table = Table::new(["TOPIC", "PARTITION", "REPLICAS", "ADDING", "REMOVING"]);
    for (TopicPartition { topic, partition, .. }, moved) in admin.list_reassignments().await? {
        let brokers = [ids(&moved.replicas), ids(&moved.adding), ids(&moved.removing)];
        let [replicas, adding, removing] = brokers;
        table.row([topic.as_str().into(), partition.0.into(), replicas, adding, removing]);
    }
    Ok(table)
}

fn list_of(brokers: &[BrokerId]) -> String {
    brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

pub(crate) async fn leaders(admin: &Admin, options: &Options) -> Outcome<Table> {
    if options.verb != "elect" {
        return options.unknown_verb();
    }
    let election = if options.has("--unclean") { Election::Unclean } else { Election::Preferred };
    let partitions =
        options.names.iter().map(|text| partition(text)).collect::<Outcome<Vec<_>>>()?;
    let plan = match partitions.is_empty() {
        true => vec![format!("elect {election} leaders of all partitions that need it")],
        false => partitions
            .iter()
            .map(|partition| format!("elect the {election} leader of {partition}"))
            .collect(),
    };
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let mut table = Table::new(["PARTITION", "ELECTION"]);
    let elected = match partitions.is_empty() {
        true => admin.elect_all_leaders(election).await?,
        false => admin.elect_leaders(election, partitions).await,
    };
    for (partition, elected) in elected {
        match elected {
            Ok(()) => table.row([partition.to_string().into(), "done".into()]),
            // The right one leads: nothing has failed.
            Err(error) if error.code() == Some(ErrorCode::ELECTION_NOT_NEEDED) => {
                table.row([partition.to_string().into(), "not needed".into()]);
            }
            Err(error) => table.failure(&error),
        }
    }
    Ok(table)
}

pub(crate) async fn log_dirs(admin: &Admin, options: &Options) -> Outcome<Table> {
    if options.verb != "describe" {
        return options.unknown_verb();
    }
    let id = |text: &String| {
        text.parse().map(BrokerId).map_err(|_| Stop::usage(format_args!("{text:?} is no broker")))
    };
    let brokers: Vec<BrokerId> = match options.names.is_empty() {
        true => {
            admin.describe_cluster().await?.brokers.into_iter().map(|broker| broker.id).collect()
        }
        false => options.names.iter().map(id).collect::<Outcome<_>>()?,
    };
    let mut table = Table::new(["BROKER", "DIRECTORY", "PARTITIONS", "BYTES", "FREE", "ERROR"]);
    for (broker, dirs) in admin.describe_log_dirs(brokers).await {
        match dirs {
            Ok(dirs) => {
                for dir in dirs {
                    let bytes: u64 = dir.replicas.values().map(|replica| replica.size).sum();
                    let partitions = dir.replicas.len();
                    table.row([
                        broker.0.into(),
                        dir.path.into(),
                        partitions.into(),
                        bytes.into(),
                        dir.usable_bytes.into(),
                        text(dir.error),
                    ]);
                }
            }
            Err(error) => table.failure(&error),
        }
    }
    Ok(table)
}
