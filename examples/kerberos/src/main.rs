//! Logs in by Kerberos, writes a record and reads it back.

use std::process::ExitCode;
use std::time::Duration;

use kavka::{Client, ClientConfig, ConsumerConfig, ProducerConfig, Record, Sasl};
use kavka_kerberos::Gssapi;
use kavka_programs::{Arguments, Connection, Outcome, Stop, required};

const HELP: &str = "
Logs in by Kerberos, writes a record to partition 0 of a topic and reads it back.

kerberos --bootstrap-server HOST:PORT[,…] --kdc HOST[:PORT][,…] --topic TOPIC [--command-config FILE] [-X NAME=VALUE]

The file or -X sets sasl.kerberos.principal, sasl.kerberos.keytab and sasl.kerberos.service.name.
";

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit("kerberos", run().await)
}

async fn run() -> Outcome<ExitCode> {
    let mut arguments = Arguments::from_env(HELP);
    let (mut connection, mut kdcs, mut topic) = (Connection::default(), None, None);
    while let Some(option) = arguments.next_option()? {
        if connection.accept(&option, &mut arguments)? {
            continue;
        }
        match option.as_str() {
            "--kdc" => kdcs = Some(arguments.value()?),
            "--topic" => topic = Some(arguments.value()?),
            _ => return arguments.unknown(),
        }
    }
    let (kdcs, topic) = (required(kdcs, "--kdc")?, required(topic, "--topic")?);
    let mechanism =
        Gssapi::from_properties(&connection.properties(&[])?, &kdcs).map_err(Stop::usage)?;
    // In clear text; with `.tls(…)` it is SASL_SSL, as Kerberos encrypts nothing here.
    let config = ClientConfig::new(connection.cluster()?).sasl(Sasl::custom(mechanism));
    round_trip(&Client::new(config)?, &topic).await?;
    Ok(ExitCode::SUCCESS)
}

async fn round_trip(client: &Client, topic: &str) -> Outcome<()> {
    let producer = client.producer(ProducerConfig::new())?;
    let written = producer.send(Record::to(topic).partition(0).value("hello")).await?.await?;
    producer.close(PATIENCE).await?;
    let mut consumer = client.consumer(ConsumerConfig::new())?;
    let offset = written.offset.ok_or_else(|| Stop::failure("the broker tells no offset"))?;
    consumer.assign([written.topic_partition.clone()])?;
    consumer.seek(&written.topic_partition, offset)?;
    let read = tokio::time::timeout(PATIENCE, consumer.recv()).await;
    let read = read.map_err(|_| Stop::failure(format!("no record in {PATIENCE:?}")))??;
    let value = String::from_utf8_lossy(read.value().unwrap_or_default());
    println!("{value} at offset {}", read.offset());
    Ok(consumer.close(PATIENCE).await?)
}
