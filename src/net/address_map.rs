//! A mapping of the addresses that brokers advertise.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::connector::{Connector, Io, TcpConnector};
use crate::boxed::BoxFuture;
use crate::config::BrokerAddress;

/// Connects to brokers elsewhere than they say: for tunnels and forwarded ports, where what a
/// broker advertises (`advertised.listeners`) does not lead to it. TLS expects the certificate of
/// the advertised name all the same.
///
/// ```
/// use kavka::{AddressMap, BrokerAddress, ClientConfig};
///
/// // kubectl port-forward svc/kafka 9092:9092
/// let map = AddressMap::new().all_to(BrokerAddress::new("localhost", 9092));
/// let config = ClientConfig::new("localhost:9092").connector(map);
/// ```
#[derive(Clone, Debug)]
pub struct AddressMap {
    known: BTreeMap<BrokerAddress, BrokerAddress>,
    all: Option<BrokerAddress>,
    way: Arc<dyn Connector>,
}

impl AddressMap {
    /// Creates a mapping that changes nothing, over TCP.
    pub fn new() -> Self {
        Self { known: BTreeMap::new(), all: None, way: Arc::new(TcpConnector::new()) }
    }

    /// Connects to `to` in place of an advertised address.
    #[must_use]
    pub fn map(mut self, advertised: BrokerAddress, to: BrokerAddress) -> Self {
        self.known.insert(advertised, to);
        self
    }

    /// Connects to `to` in place of every address that has no entry of its own. With several brokers
    /// behind one address requests reach others than they are meant for: give each an entry.
    #[must_use]
    pub fn all_to(mut self, to: BrokerAddress) -> Self {
        self.all = Some(to);
        self
    }

    /// Sets how connections are opened then, such as through a proxy.
    #[must_use]
    pub fn over(mut self, connector: impl Connector) -> Self {
        self.way = Arc::new(connector);
        self
    }
}

impl Default for AddressMap {
    fn default() -> Self {
        Self::new()
    }
}

impl Connector for AddressMap {
    fn connect<'a>(
        &'a self,
        address: &'a BrokerAddress,
        deadline: Instant,
    ) -> BoxFuture<'a, io::Result<Box<dyn Io>>> {
        let to = self.known.get(address).or(self.all.as_ref()).unwrap_or(address);
        self.way.connect(to, deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Notes whom it was to connect to.
    #[derive(Debug, Default)]
    struct Noting(Arc<Mutex<Vec<String>>>);

    impl Connector for Noting {
        fn connect<'a>(
            &'a self,
            address: &'a BrokerAddress,
            _: Instant,
        ) -> BoxFuture<'a, io::Result<Box<dyn Io>>> {
            self.0.lock().unwrap().push(address.to_string());
            Box::pin(std::future::ready(Err(io::ErrorKind::NotFound.into())))
        }
    }

    #[tokio::test]
    async fn each_address_leads_to_its_own_and_the_rest_to_one() {
        let at = |host: &str| BrokerAddress::new(host, 9092);
        let noted = Arc::default();
        let map = AddressMap::new()
            .over(Noting(Arc::clone(&noted)))
            .map(at("b-1"), BrokerAddress::new("localhost", 19092));
        let rest = map.clone().all_to(BrokerAddress::new("localhost", 9092));
        for (map, host) in [(&map, "b-1"), (&map, "b-2"), (&rest, "b-1"), (&rest, "b-2")] {
            assert!(map.connect(&at(host), crate::runtime::now()).await.is_err());
        }
        let noted = noted.lock().unwrap().clone();
        assert_eq!(noted, ["localhost:19092", "b-2:9092", "localhost:19092", "localhost:9092"]);
    }
}
