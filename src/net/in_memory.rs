//! The network of an embedded cluster, for tests.

use std::time::Instant;

use kavka_testcontainers::embedded::EmbeddedCluster;

use super::{Connector, Io};
use crate::boxed::BoxFuture;
use crate::config::BrokerAddress;

/// Connects within the process.
#[derive(Debug)]
pub(crate) struct InMemory(pub(crate) EmbeddedCluster);

impl Connector for InMemory {
    fn connect<'a>(
        &'a self,
        address: &'a BrokerAddress,
        _: Instant,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            Ok(Box::new(self.0.connect(address.host(), address.port())?) as Box<dyn Io>)
        })
    }
}
