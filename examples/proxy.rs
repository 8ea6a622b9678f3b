//! Reaches a cluster through a proxy: `SOCKS5_PROXY=bastion:1080`, as `ssh -D 1080 bastion` opens one,
//! or `HTTP_PROXY=proxy:3128`; with `PROXY_USER` and `PROXY_PASSWORD` if it asks for them.

use std::env;
use std::time::Duration;

use kavka::{Client, ClientConfig, HttpProxy, Socks5Proxy};

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    let cluster = kavka_programs::example_cluster().await?;
    let mut config = ClientConfig::new(&cluster.bootstrap);
    let (user, password) = (env::var("PROXY_USER"), env::var("PROXY_PASSWORD"));
    if let Ok(address) = env::var("SOCKS5_PROXY") {
        let mut proxy = Socks5Proxy::new(address.parse()?);
        if let (Ok(user), Ok(password)) = (&user, &password) {
            proxy = proxy.credentials(user, password.as_str());
        }
        config = config.connector(proxy);
    } else if let Ok(address) = env::var("HTTP_PROXY") {
        let mut proxy = HttpProxy::new(address.parse()?);
        if let (Ok(user), Ok(password)) = (&user, &password) {
            proxy = proxy.credentials(user, password.as_str());
        }
        config = config.connector(proxy);
    }
    let client = Client::new(config)?;
    client.connect(Duration::from_secs(10)).await?;
    println!("reached {} brokers", client.stats().brokers);
    Ok(client.close(Duration::from_secs(10)).await?)
}
