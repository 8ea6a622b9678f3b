//! One socket: opens it, agrees on versions, pipelines requests, matches replies. Knows no topic, partition or group.

mod connection;
mod connector;
mod handshake;
mod incoming;
mod inflight;
mod task;
#[cfg(test)]
mod tests;

pub(crate) use connection::{Answer, Connection};
pub(crate) use connector::TcpConnector;
pub use connector::{Connecting, Connector, Io};
pub(crate) use task::Setup;
