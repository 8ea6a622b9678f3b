//! Reaches a cluster through a proxy: `SOCKS5_PROXY=bastion:1080`, as `ssh -D 1080 bastion` opens one,
//! or `HTTP_PROXY=proxy:3128`; with `PROXY_USER` and `PROXY_PASSWORD` if it asks for them.

use std::env;
use std::time::Duration;

use kavka::{Client, ClientConfig, Proxy};

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let at = |name: &str| env::var(name).ok().map(|address| address.parse()).transpose();
    let proxy = match (at("SOCKS5_PROXY")?, at("HTTP_PROXY")?) {
        (Some(address), _) => Some(Proxy::socks5(address)),
        (None, address) => address.map(Proxy::http),
    };
    let mut config = ClientConfig::new(&cluster.bootstrap);
    if let Some(mut proxy) = proxy {
        if let (Ok(user), Ok(password)) = (env::var("PROXY_USER"), env::var("PROXY_PASSWORD")) {
            proxy = proxy.credentials(user, password);
        }
        config = config.connector(proxy);
    }
    let client = Client::new(config)?;
    client.connect(Duration::from_secs(10)).await?;
    println!("reached {} brokers", client.stats().brokers);
    Ok(client.close(Duration::from_secs(10)).await?)
}
