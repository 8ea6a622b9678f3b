//! `admin transactions`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kavka::admin::{
    HangingTransaction, TransactionDescription, TransactionFilter, TransactionState,
};
use kavka::{Admin, TopicPartition};
use kavka_programs::{Outcome, Stop};
use serde_json::Value;

use super::options::{Options, partition, partition_and_offset};
use super::table::Table;

pub(crate) async fn run(admin: &Admin, options: &Options) -> Outcome<Table> {
    match options.verb.as_str() {
        "list" => list(admin, options).await,
        "describe" => describe(admin, options).await,
        "producers" => producers(admin, options).await,
        "fence" => fence(admin, options).await,
        "abort" => abort(admin, options).await,
        _ => options.unknown_verb(),
    }
}

async fn list(admin: &Admin, options: &Options) -> Outcome<Table> {
    options.no_names()?;
    let filter =
        TransactionFilter::all().states(options.all("--state").map(TransactionState::from));
    let mut listing = admin.list_transactions(filter).await?;
    listing.items.sort_by(|a, b| a.transactional_id.cmp(&b.transactional_id));
    let open = listing.items.iter().filter(|found| is_open(&found.state));
    let described = admin.describe_transactions(open.map(|found| &*found.transactional_id)).await;
    let mut table = Table::new(["TRANSACTIONAL ID", "PRODUCER", "STATE", "OPEN SECONDS"]);
    for found in listing.items {
        // One that could not be described has ended meanwhile.
        let described = described.get(&found.transactional_id);
        let described = described.and_then(|described| described.as_ref().ok());
        table.row([
            found.transactional_id.as_str().into(),
            found.producer_id.0.into(),
            found.state.to_string().into(),
            described.map_or(Value::Null, open_seconds),
        ]);
    }
    listing.failures.values().for_each(|error| table.failure(error));
    Ok(table)
}

async fn describe(admin: &Admin, options: &Options) -> Outcome<Table> {
    let mut table = Table::new([
        "TRANSACTIONAL ID",
        "PRODUCER",
        "EPOCH",
        "STATE",
        "STARTED",
        "OPEN SECONDS",
        "PARTITIONS",
    ]);
    for (id, described) in admin.describe_transactions(options.some_names()?).await {
        table.outcome(described, |found| {
            [
                id.as_str().into(),
                found.producer_id.0.into(),
                found.producer_epoch.0.into(),
                found.state.to_string().into(),
                found.started.map(|time| time.0).into(),
                open_seconds(&found),
                found.partitions.iter().map(ToString::to_string).collect(),
            ]
        });
    }
    Ok(table)
}

fn is_open(state: &TransactionState) -> bool {
    matches!(
        state,
        TransactionState::Ongoing
            | TransactionState::PrepareCommit
            | TransactionState::PrepareAbort
    )
}

/// For how long a transaction has been open, by the clocks of its coordinator and of this machine.
fn open_seconds(found: &TransactionDescription) -> Value {
    let Some(started) = found.started.filter(|_| is_open(&found.state)) else { return Value::Null };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let started = Duration::from_millis(started.0.try_into().unwrap_or(0));
    now.saturating_sub(started).as_secs().into()
}

async fn producers(admin: &Admin, options: &Options) -> Outcome<Table> {
    let partitions =
        options.some_names()?.iter().map(|text| partition(text)).collect::<Outcome<Vec<_>>>()?;
    let mut table = Table::new(["PARTITION", "PRODUCER", "EPOCH", "SEQUENCE", "OPEN SINCE OFFSET"]);
    for (partition, producers) in admin.describe_producers(partitions).await {
        match producers {
            Ok(producers) => {
                for found in producers {
                    table.row([
                        partition.to_string().into(),
                        found.id.0.into(),
                        found.epoch.into(),
                        found.last_sequence.map(|sequence| sequence.0).into(),
                        found.transaction_start.map(|offset| offset.0).into(),
                    ]);
                }
            }
            Err(error) => table.failure(&error),
        }
    }
    Ok(table)
}

async fn fence(admin: &Admin, options: &Options) -> Outcome<Table> {
    let ids = options.some_names()?;
    let plan: Vec<String> = ids
        .iter()
        .map(|id| format!("abort what {id} has open, and refuse its producer from now on"))
        .collect();
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let mut table = Table::new(["FENCED", "PRODUCER", "EPOCH"]);
    for (id, fenced) in admin.fence_producers(ids).await {
        table.outcome(fenced, |(producer, epoch)| {
            [id.as_str().into(), producer.0.into(), epoch.0.into()]
        });
    }
    Ok(table)
}

/// Ends a transaction that hangs in one partition.
async fn abort(admin: &Admin, options: &Options) -> Outcome<Table> {
    let [text] = options.some_names()? else {
        return Err(Stop::usage("transactions abort needs one TOPIC:PARTITION:PRODUCER_ID"));
    };
    let (partition, producer): (TopicPartition, i64) =
        partition_and_offset(text).map(|(at, id)| (at, id.0))?;
    let described = admin.describe_producers([partition.clone()]).await;
    let producers = described.into_values().next().expect("one partition was asked for")?;
    let found = producers.into_iter().find(|found| found.id.0 == producer);
    let found = found.ok_or_else(|| {
        Stop::failure(format_args!("{partition} remembers no producer {producer}"))
    })?;
    let hanging = HangingTransaction::of(partition.clone(), &found).map_err(Stop::failure)?;
    let plan = vec![format!("abort the transaction of producer {producer} in {partition}")];
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    admin.abort_transaction(hanging).await?;
    let mut table = Table::new(["ABORTED IN", "PRODUCER"]);
    table.row([partition.to_string().into(), producer.into()]);
    Ok(table)
}
