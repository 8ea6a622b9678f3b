//! Reaches a cluster through forwarded ports, whatever its brokers say where they are:
//! `kubectl port-forward svc/kafka 9092:9092`, then `KAVKA_BROKERS=localhost:9092`.

use std::time::Duration;

use kavka::{AddressMap, BrokerAddress, Client, ClientConfig};

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let forwarded: BrokerAddress =
        cluster.bootstrap.split(',').next().unwrap_or_default().parse()?;
    // One broker behind one port. Of several brokers each needs a port of its own, by `map`.
    let connector = AddressMap::new().all_to(forwarded);
    let client = Client::new(ClientConfig::new(&cluster.bootstrap).connector(connector))?;
    client.connect(Duration::from_secs(10)).await?;
    for broker in client.admin().describe_cluster().await?.brokers {
        println!("broker {} says that it is at {}", broker.id, broker.address);
    }
    Ok(client.close(Duration::from_secs(10)).await?)
}
