//! Runs a command beside a real Kafka, whose addresses it finds in `KAVKA_BROKERS`.
//!
//! `KAVKA_BROKERS_TLS` are those of a listener that speaks TLS, and `KAVKA_CA` is the file with the
//! certificate to trust there.
//!
//! ```sh
//! cargo run -p kavka-testcontainers --example with_kafka -- 4.3.1 3 cargo run --example quickstart
//! ```

use std::process::ExitCode;

use kavka_testcontainers::apache::{Cluster, Config, Security};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [version, nodes, program, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: with_kafka VERSION NODES COMMAND...");
        return ExitCode::from(2);
    };
    let (Ok(version), Ok(nodes)) = (version.parse(), nodes.parse()) else {
        eprintln!("with_kafka: a version is such as 4.3.1, and nodes are counted");
        return ExitCode::from(2);
    };
    match run(Config::new().version(version).nodes(nodes).secured([Security::Ssl]), program, rest)
        .await
    {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("with_kafka: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the command ended with success.
async fn run(
    config: Config,
    program: &str,
    arguments: &[String],
) -> Result<bool, Box<dyn std::error::Error>> {
    let cluster = Cluster::start(config).await?;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).env("KAVKA_BROKERS", cluster.bootstrap()).kill_on_drop(true);
    command.env("KAVKA_BROKERS_TLS", cluster.bootstrap_of(Security::Ssl)?);
    if let Some(certificates) = cluster.certificates() {
        command.env("KAVKA_CA", &certificates.authority);
    }
    let status = command.status().await?;
    cluster.shutdown().await?;
    Ok(status.success())
}
