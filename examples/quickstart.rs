//! Creates a topic, produces 1,000 records with keys, consumes them in a group, commits, and tells
//! how long each took.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kavka::{AutoOffsetReset, Client, ConsumerConfig, ErrorCode, NewTopic, ProducerConfig, Record};
use kavka_programs::{Arguments, Cluster, Connection, Interrupt, Outcome, Stop};

const HELP: &str = "
Creates a topic, produces 1,000 records with keys, consumes them in a group, and commits.

quickstart [--bootstrap-server HOST:PORT[,…]] [--topic TOPIC] [--command-config FILE] [-X NAME=VALUE]

Without --bootstrap-server and KAVKA_BROKERS it starts a Kafka inside itself. Ends with status 0, 1 if Kafka failed, 2 for a
wrong argument.
";

const RECORDS: usize = 1000;
const KEYS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit("quickstart", run().await)
}

async fn run() -> Outcome<ExitCode> {
    let mut arguments = Arguments::from_env(HELP);
    let mut connection = Connection::default();
    let mut topic = "kavka-quickstart".to_owned();
    while let Some(option) = arguments.next_option()? {
        if connection.accept(&option, &mut arguments)? {
            continue;
        }
        match option.as_str() {
            "--topic" => topic = arguments.value()?,
            _ => return arguments.unknown(),
        }
    }
    let mut interrupt = Interrupt::listen()?;
    let cluster = Cluster::find(&connection).await?;
    let worked = tokio::select! {
        worked = work(&connection, &cluster.bootstrap, &topic) => worked,
        () = interrupt.received() => Err(Stop::failure("interrupted")),
    };
    cluster.shutdown().await;
    worked.map(|()| ExitCode::SUCCESS)
}

async fn work(connection: &Connection, bootstrap: &str, topic: &str) -> Outcome<()> {
    let started = Instant::now();
    let client = Client::new(connection.client(bootstrap, "quickstart")?)?;
    create(&client, topic).await?;
    println!("topic {topic} is there after {:.1?}", started.elapsed());

    // The topic may hold the records of earlier runs: the keys tell whose they are.
    let run = format!("{:x}", std::process::id());
    let at = Instant::now();
    let producer =
        client.producer(ProducerConfig::from_properties(&connection.properties(&[])?)?)?;
    let mut deliveries = Vec::with_capacity(RECORDS);
    for number in 0..RECORDS {
        let key = format!("{run}-{}", number % KEYS);
        let value = number.to_string();
        deliveries.push(
            producer.send(Record::to(topic).key(key.as_bytes()).value(value.as_bytes())).await?,
        );
    }
    for delivery in deliveries {
        delivery.await?;
    }
    producer.close(PATIENCE).await?;
    println!("produced {RECORDS} records in {:.1?}", at.elapsed());

    let at = Instant::now();
    let config = ConsumerConfig::from_properties(&connection.properties(&[])?)?
        .group_id(format!("kavka-quickstart-{run}"))
        .auto_offset_reset(AutoOffsetReset::Earliest);
    let mut consumer = client.consumer(config)?;
    consumer.subscribe([topic])?;
    let mut last = BTreeMap::new();
    let mut seen = 0;
    while seen < RECORDS {
        let next = tokio::time::timeout(PATIENCE, consumer.recv()).await;
        let record = next.map_err(|_| {
            Stop::failure(format!("only {seen} of {RECORDS} records came in {PATIENCE:?}"))
        })??;
        let Some(key) = record.key().filter(|key| key.starts_with(run.as_bytes())) else {
            continue;
        };
        let number =
            record.value().and_then(|value| std::str::from_utf8(value).ok()?.parse::<usize>().ok());
        if last.insert(key.to_vec(), number).is_some_and(|before| before >= number) {
            return Err(Stop::failure(format!(
                "records of one key came out of order at offset {}",
                record.offset()
            )));
        }
        seen += 1;
    }
    consumer.commit().await?;
    consumer.close(PATIENCE).await?;
    println!(
        "consumed {seen} records in order of their keys and committed in {:.1?}",
        at.elapsed()
    );
    client.close(PATIENCE).await?;
    println!("done in {:.1?}", started.elapsed());
    Ok(())
}

async fn create(client: &Client, topic: &str) -> Outcome<()> {
    match client
        .admin()
        .create_topic(NewTopic::new(topic).partitions(3).replication_factor(1))
        .await
    {
        Err(error) if error.code() != Some(ErrorCode::TOPIC_ALREADY_EXISTS) => Err(error.into()),
        _ => Ok(()),
    }
}
