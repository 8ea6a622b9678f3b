//! One socket: opens it, agrees on versions, pipelines requests, matches replies. Knows no topic,
//! partition or group.

mod address_map;
#[cfg(feature = "aws-msk-iam")]
mod aws;
#[cfg(feature = "oidc")]
mod cloud;
mod connection;
mod connector;
#[cfg(any(feature = "aws-msk-iam", feature = "oidc"))]
mod endpoint;
mod features;
#[cfg(any(feature = "oidc", feature = "tls"))]
mod files;
mod handshake;
#[cfg(any(feature = "aws-msk-iam", feature = "oidc"))]
mod http;
#[cfg(test)]
mod in_memory;
mod incoming;
mod inflight;
mod min_idle;
mod observer;
#[cfg(feature = "oidc")]
mod oidc;
#[cfg(feature = "proxy")]
mod proxy;
mod reauthentication;
mod sasl;
mod security;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "aws-msk-iam", all(feature = "oidc", feature = "tls")))]
mod time;
#[cfg(feature = "tls")]
mod tls;
mod token_cache;

pub use address_map::AddressMap;
#[cfg(all(
    test,
    feature = "aws-msk-iam",
    feature = "oidc",
    feature = "pkcs12",
    feature = "scram"
))]
pub(crate) use aws::surround;
pub(crate) use connection::{Connection, ReplyMode, Setup};
pub use connector::{Connector, Io, TcpConnector};
pub(crate) use features::NewestFeatures;
#[cfg(test)]
pub(crate) use in_memory::InMemory;
pub(crate) use incoming::BadLength;
#[cfg(all(feature = "admin", any(test, feature = "test-util")))]
pub(crate) use incoming::Incoming;
pub(crate) use min_idle::MinIdleConnections;
pub(crate) use observer::{ConnectionCounts, ConnectionObserver};
#[cfg(feature = "proxy")]
pub use proxy::Proxy;
pub(crate) use security::ConnectionSecurity;
