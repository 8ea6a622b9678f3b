//! Connectors through proxies: SOCKS5 and HTTP CONNECT.
//!
//! The proxy resolves the broker's name and opens the way to it; TLS and SASL are spoken with the
//! broker through it, and end there.

mod http;
mod socks5;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::connector::{Connector, Io, TcpConnector};
use crate::boxed::BoxFuture;
use crate::config::{BrokerAddress, Secret};

/// Connects to brokers through a proxy, which resolves their names. Requires the feature `proxy`.
///
/// ```
/// use kavka::{BrokerAddress, ClientConfig, Proxy};
///
/// let proxy = Proxy::socks5(BrokerAddress::new("bastion", 1080)).credentials("me", "my password");
/// let config = ClientConfig::new("broker.internal:9092").connector(proxy);
/// ```
#[derive(Clone, Debug)]
pub struct Proxy {
    protocol: ProxyProtocol,
    address: BrokerAddress,
    /// How it is reached.
    way: Arc<dyn Connector>,
    credentials: Option<(String, Secret)>,
}

#[derive(Clone, Copy, Debug)]
enum ProxyProtocol {
    Socks5,
    Http,
}

impl Proxy {
    /// A SOCKS5 proxy (RFC 1928) at an address, which is reached over TCP and wants no credentials.
    pub fn socks5(address: BrokerAddress) -> Self {
        Self::at(address, ProxyProtocol::Socks5)
    }

    /// An HTTP proxy at an address, for its method CONNECT, which is reached over TCP and wants no
    /// credentials.
    pub fn http(address: BrokerAddress) -> Self {
        Self::at(address, ProxyProtocol::Http)
    }

    /// Sets the user's name and password (RFC 1929, each of 1 to 255 bytes, or HTTP's Basic). They go
    /// to the proxy in clear.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    /// Sets how the proxy itself is reached, such as through another one.
    #[must_use]
    pub fn over(mut self, connector: impl Connector) -> Self {
        self.way = Arc::new(connector);
        self
    }

    fn at(address: BrokerAddress, protocol: ProxyProtocol) -> Self {
        Self { protocol, address, way: Arc::new(TcpConnector::new()), credentials: None }
    }

    async fn open(&self, stream: &mut Box<dyn Io>, address: &BrokerAddress) -> io::Result<()> {
        match self.protocol {
            ProxyProtocol::Socks5 => socks5::open(self, stream, address).await,
            ProxyProtocol::Http => http::open(self, stream, address).await,
        }
    }

    /// What went wrong at the proxy.
    fn refused(&self, why: impl std::fmt::Display) -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionRefused, format!("proxy {}: {why}", self.address))
    }
}

impl Connector for Proxy {
    fn connect<'a>(
        &'a self,
        address: &'a BrokerAddress,
        deadline: Instant,
    ) -> BoxFuture<'a, io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            let reached = self.way.connect(&self.address, deadline).await;
            let mut stream =
                reached.map_err(|error| io::Error::new(error.kind(), format!("proxy {error}")))?;
            match tokio::time::timeout_at(deadline.into(), self.open(&mut stream, address)).await {
                Ok(opened) => opened.map(|()| stream),
                Err(_) => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("proxy {} does not answer", self.address),
                )),
            }
        })
    }
}

#[cfg(test)]
mod tests;
