//! Connectors through proxies: SOCKS5 and HTTP CONNECT.
//!
//! The proxy resolves the broker's name and opens the way to it; TLS and SASL are spoken with the
//! broker through it, and end there.

mod http;
mod socks5;

use std::io;
use std::sync::Arc;
use std::time::Instant;

pub use http::HttpProxy;
pub use socks5::Socks5Proxy;

use super::connector::{Connector, Io, TcpConnector};
use crate::config::{BrokerAddress, Secret};

/// Where a proxy is, how it is reached, and who may use it.
#[derive(Clone, Debug)]
struct Proxy {
    address: BrokerAddress,
    way: Arc<dyn Connector>,
    credentials: Option<(String, Secret)>,
}

impl Proxy {
    fn at(address: BrokerAddress) -> Self {
        Self { address, way: Arc::new(TcpConnector::new()), credentials: None }
    }

    async fn reach(&self, deadline: Instant) -> io::Result<Box<dyn Io>> {
        let reached = self.way.connect(&self.address, deadline).await;
        reached.map_err(|error| io::Error::new(error.kind(), format!("proxy {error}")))
    }

    /// Ends what is said to the proxy at the deadline.
    async fn within<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        match tokio::time::timeout_at(deadline.into(), work).await {
            Ok(done) => done,
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("proxy {} does not answer", self.address),
            )),
        }
    }

    /// What went wrong at the proxy.
    fn refused(&self, why: impl std::fmt::Display) -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionRefused, format!("proxy {}: {why}", self.address))
    }
}

#[cfg(test)]
mod tests;
