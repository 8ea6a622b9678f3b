//! Measures what a cluster and this client do together: how many records, how fast, at which cost.
//!
//! `produce.rs` sends and `observe.rs` watches the acknowledgements; `consume.rs` reads;
//! `report.rs` is the line at the end.

use std::process::ExitCode;
use std::time::Duration;

use kavka::{Client, ErrorCode, NewTopic};
use kavka_programs::{Cluster, Interrupt, Outcome, Stop};
use kavka_tools::cli;

mod consume;
mod handler;
mod handling;
mod observe;
mod options;
mod payload;
mod pipe;
mod produce;
mod recorder;
mod report;

use options::{Mode, Options};

/// How long ending may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit("perf", run().await)
}

async fn run() -> Outcome<ExitCode> {
    let options = cli::parse().and_then(Options::checked)?;
    let interrupt = Interrupt::listen()?;
    let cluster = Cluster::find(&options.connection).await?;
    let is_own_cluster = options.connection.named_cluster()?.is_none();
    let worked = work(&options, &cluster.bootstrap, is_own_cluster, interrupt).await;
    cluster.shutdown().await;
    worked
}

async fn work(
    options: &Options,
    bootstrap: &str,
    is_own_cluster: bool,
    mut interrupt: Interrupt,
) -> Outcome<ExitCode> {
    if options.metrics {
        recorder::install()?;
    }
    let client = Client::new(options.connection.client(bootstrap, "perf")?)?;
    // A cluster that has just been started has neither topic nor records.
    if let Some(partitions) = options.partitions.or(is_own_cluster.then_some(PARTITIONS)) {
        tokio::select! {
            created = create(&client, &options.topic, partitions) => created?,
            () = interrupt.received() => {
                return Err(Stop::failure("interrupted before the topic was there"));
            }
        }
    }
    if is_own_cluster && options.mode == Mode::Consume {
        produce::run(options, &client, bootstrap, interrupt.clone()).await?.check()?;
    }
    let report = match options.mode {
        Mode::Produce => produce::run(options, &client, bootstrap, interrupt).await?,
        Mode::Consume if options.mq => handling::run(options, &client, interrupt).await?,
        Mode::Consume | Mode::Share => consume::run(options, &client, interrupt).await?,
    };
    kavka_programs::write_out(&format!("{}\n", report.json(options)))?;
    client.close(PATIENCE).await?;
    report.check().map(|()| ExitCode::SUCCESS)
}

/// As many as the topics of the comparison with other clients have.
const PARTITIONS: i32 = 6;

async fn create(client: &Client, topic: &str, partitions: i32) -> Outcome<()> {
    match client.admin().create_topic(NewTopic::new(topic).partitions(partitions)).await {
        Err(error) if error.code() != Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
            Err(Stop::from(error))
        }
        _ => Ok(()),
    }
}
