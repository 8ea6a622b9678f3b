//! Runs an embedded cluster over TCP until it is interrupted: `embedded [BROKERS]`.

use std::error::Error;

use kavka_testcontainers::embedded::EmbeddedCluster;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let brokers = std::env::args().nth(1).map_or(Ok(1), |count| count.parse())?;
    let cluster = EmbeddedCluster::builder().brokers(brokers).default_partitions(3).start().await?;
    println!("{}", cluster.bootstrap_servers());
    tokio::signal::ctrl_c().await?;
    cluster.shutdown().await;
    Ok(())
}
