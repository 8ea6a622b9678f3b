//! Measures what a cluster and this client do together: how many records, how fast, at which cost.
//!
//! `produce.rs` sends and `observe.rs` watches the acknowledgements; `consume.rs` reads; `report.rs` is the line at the end.

use std::process::ExitCode;
use std::time::Duration;

use kavka::{Client, ErrorCode, NewTopic};
use kavka_programs::prometheus::Registry;
use kavka_programs::{Arguments, Cluster, Interrupt, Outcome, Stop};

mod consume;
mod handler;
mod handling;
mod observe;
mod options;
mod payload;
mod pipe;
mod produce;
mod progress;
mod report;

use options::{Mode, Options};

const HELP: &str = "
Measures producing and consuming; the last line of stdout is one JSON object.

perf produce --topic TOPIC --records N [--size BYTES] [OPTION…]
    --size BYTES             of a value (default 128); there are no keys
    --payload zero|random|text   what values are made of (default text: log lines in JSON)
    --warmup N               records before the clock starts (default 1000)
    --rate PER_SECOND        sends what is due each millisecond; without it as fast as possible
    --tasks N                sends from N tasks (default 1)
    --partitions N           creates the topic, if it is not there, with N partitions
    --acks all|1|0   --idempotence true|false   --compression none|gzip|snappy|lz4|zstd
    --linger-ms L   --batch-bytes N              the producer's settings (default: its own)
    --batch-api              hands records over by `send_all`, 256 in a call, not one by one; the latency of a record is then
                             that of its call and of those before it, and all records of a call that failed count as errors
    --latency-from due|send  with --rate, from when a latency counts (default due)
    --to-handler             with --mq: a handler in this process reads the topic, too, and `handler` in the JSON object has the
                             latencies from the same moment to it

perf consume --topic TOPIC --records N [OPTION…]
    --group GROUP            as a member of the group; without it every partition is assigned
    --from earliest|latest   where to start (default earliest)
    --records-api batch|recv borrowed records, a batch at a time, or owned ones, one by one (default batch)

Both:
    --mq                               through `kavka::mq`, whose defaults then hold (lz4, adaptive batching unless --linger-ms is
                                       given); -X reaches only its client
    --metrics                          has a recorder take what the client tells
    --bootstrap-server HOST:PORT[,…]   the cluster; without it KAVKA_BROKERS, else one inside this process
    --command-config FILE              settings from a Java properties file
    -X NAME=VALUE                      one setting, by Java's name

A latency is the time from the call of `send`, or with --rate from when the record was due, to its acknowledgement. The clock runs
from the first send to the last acknowledgement, or from the first record read to the last. CPU and memory are those of the
process. Ends with status 0, 1 if Kafka or a record failed, 2 for a wrong argument.
";

/// How long ending may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit("perf", HELP, run().await)
}

async fn run() -> Outcome<ExitCode> {
    let options = Options::read(Arguments::from_env())?;
    let interrupt = Interrupt::listen()?;
    let cluster = Cluster::find(&options.connection).await?;
    let is_own_cluster = options.connection.named_cluster()?.is_none();
    let worked = work(&options, &cluster.bootstrap, is_own_cluster, interrupt).await;
    cluster.shutdown().await;
    worked
}

async fn work(options: &Options, bootstrap: &str, is_own_cluster: bool, mut interrupt: Interrupt) -> Outcome<ExitCode> {
    if options.metrics {
        // A recorder as services have it.
        Registry::install()?;
    }
    let client = Client::new(options.connection.client(bootstrap, "perf")?)?;
    // A cluster that has just been started has neither topic nor records.
    if let Some(partitions) = options.partitions.or(is_own_cluster.then_some(PARTITIONS)) {
        tokio::select! {
            created = create(&client, &options.topic, partitions) => created?,
            () = interrupt.received() => return Err(Stop::failure("interrupted before the topic was there")),
        }
    }
    if is_own_cluster && options.mode == Mode::Consume {
        produce::run(options, &client, bootstrap, interrupt.clone()).await?.check()?;
    }
    let report = match options.mode {
        Mode::Produce => produce::run(options, &client, bootstrap, interrupt).await?,
        Mode::Consume if options.mq => handling::run(options, &client, interrupt).await?,
        Mode::Consume => consume::run(options, &client, interrupt).await?,
    };
    kavka_programs::write_out(&format!("{}\n", report.json(options)))?;
    client.close(PATIENCE).await?;
    report.check().map(|()| ExitCode::SUCCESS)
}

/// As many as the topics of the comparison with other clients have.
const PARTITIONS: i32 = 6;

async fn create(client: &Client, topic: &str, partitions: i32) -> Outcome<()> {
    match client.admin().create_topic(NewTopic::new(topic).partitions(partitions)).await {
        Err(error) if error.code() != Some(ErrorCode::TOPIC_ALREADY_EXISTS) => Err(Stop::from(error)),
        _ => Ok(()),
    }
}
