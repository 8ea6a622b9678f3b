//! What the whole-client tests in `tests/` share.

use std::time::Instant;

use kavka::{BoxFuture, BrokerAddress, Connector, Io};
use kavka_testcontainers::embedded::EmbeddedCluster;

/// The in-memory network of an embedded cluster.
#[derive(Debug)]
pub struct InMemory(pub EmbeddedCluster);

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
