//! Waiting for a connection: whoever has to says so, whatever the request is about.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tracing::warn;

use super::pool::{Lane, Node};
use super::waits::{Report, WaitEnd, Waits};
use super::{Cluster, runtime};
use crate::config::BrokerAddress;
use crate::error::{Error, ErrorKind, Result, Written};
use crate::net::Connection;
use crate::wire::versions::ApiVersions;

impl Cluster {
    /// An open connection to a node, made if need be; warns if that takes long, or fails again and
    /// again.
    ///
    /// # Errors
    /// Why it could not be opened, or [`ErrorKind::Timeout`] at the deadline; nothing was sent.
    ///
    /// # Cancel safety
    /// Safe; the connection goes on opening.
    pub(super) async fn connect(
        &self,
        node: Node,
        lane: Lane,
        address: &BrokerAddress,
        deadline: Instant,
    ) -> Result<(Connection, Arc<ApiVersions>)> {
        let acquiring = self.inner.pool.acquire(node, lane, address, deadline);
        tokio::pin!(acquiring);
        // Nearly always it is open.
        let at_once = (&mut acquiring).now_or_never();
        if let Some(Ok(open)) = at_once {
            return Ok(open);
        }
        let mut wait = ConnectWait::begin(self, node);
        let acquired = match at_once {
            Some(failed) => failed,
            None => self.complaining(acquiring).await,
        };
        match acquired {
            Ok(open) => {
                wait.ended = WaitEnd::Connected;
                Ok(open)
            }
            Err(error) => {
                if error.kind() != ErrorKind::Closed {
                    wait.ended = WaitEnd::Failed;
                }
                drop(wait);
                self.complain();
                Err(self.explain(node, address, error))
            }
        }
    }

    /// Awaits something, and tells meanwhile what is in trouble.
    pub(super) async fn complaining<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = runtime::sleep_until_some(self.complaint_due()) => self.complain(),
            }
        }
    }

    /// When there will be something to tell.
    pub(super) fn complaint_due(&self) -> Option<Instant> {
        self.lock_waits().poll_timeout()
    }

    /// Tells what is in trouble, if it is time to.
    pub(super) fn complain(&self) {
        let report = self.lock_waits().poll(runtime::now());
        match report {
            Some(Report::Outage(lasted)) => self.complain_of_outage(lasted),
            Some(Report::Nodes(nodes, lasted)) => self.complain_of_nodes(&nodes, lasted),
            None => {}
        }
    }

    fn complain_of_outage(&self, lasted: Duration) {
        let silent = || {
            let addresses: Vec<String> =
                self.inner.bootstrap.iter().map(ToString::to_string).collect();
            Error::new(
                ErrorKind::Timeout,
                format!("no answer from the cluster at {}", addresses.join(", ")),
            )
        };
        // Whoever gives up meanwhile is told so much.
        self.inner.failure.send_if_modified(|failure| {
            let is_new = failure.is_none();
            failure.get_or_insert_with(silent);
            is_new
        });
        let error = self.inner.failure.borrow().clone().unwrap_or_else(silent);
        warn!(client_id = self.config().client_id, %error, ?lasted, "the cluster does not answer");
    }

    fn complain_of_nodes(&self, nodes: &[Node], lasted: Duration) {
        let addresses: Vec<(Node, BrokerAddress)> =
            nodes.iter().filter_map(|node| Some((*node, self.address(*node).ok()?))).collect();
        let failed = addresses.iter().find_map(|(node, address)| {
            let error = self.inner.pool.last_failure(*node)?;
            Some(self.explain(*node, address, error))
        });
        // A broker may be known by a bootstrap address as well.
        let addresses: BTreeSet<String> =
            addresses.iter().map(|(_, address)| address.to_string()).collect();
        let addresses = addresses.into_iter().collect::<Vec<_>>().join(", ");
        let silent = || {
            Error::new(ErrorKind::Timeout, format!("no connection to {addresses} for {lasted:.1?}"))
        };
        let error = failed.unwrap_or_else(silent);
        warn!(
            client_id = self.config().client_id,
            addresses,
            %error,
            ?lasted,
            "a connection is waited for",
        );
    }

    pub(super) fn address(&self, node: Node) -> Result<BrokerAddress> {
        let address = match node {
            Node::Bootstrap(index) => self.inner.bootstrap.get(index).cloned(),
            Node::Broker(id) => self.view().broker(id).map(|broker| broker.address.clone()),
        };
        // Retriable: the next refresh may bring it.
        address.ok_or_else(|| {
            Error::new(ErrorKind::Connect, "the cluster names no such broker")
                .with_written(Written::No)
        })
    }

    /// Says what most people meet first: a broker that answers, and names an address that does not.
    fn explain(&self, node: Node, address: &BrokerAddress, error: Error) -> Error {
        match node {
            Node::Broker(id)
                if error.kind() == ErrorKind::Connect
                    && !self.inner.bootstrap.contains(address) =>
            {
                error.with_context(format_args!(
                    "bootstrap answered, but broker {id} advertises {address}"
                ))
            }
            _ => error,
        }
    }

    pub(super) fn lock_waits(&self) -> MutexGuard<'_, Waits> {
        self.inner.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for a node; has given up if nothing else is said before it is dropped.
struct ConnectWait<'a> {
    cluster: &'a Cluster,
    node: Node,
    ended: WaitEnd,
}

impl<'a> ConnectWait<'a> {
    fn begin(cluster: &'a Cluster, node: Node) -> Self {
        cluster.lock_waits().handle_wait(node, runtime::now());
        Self { cluster, node, ended: WaitEnd::GivenUp }
    }
}

impl Drop for ConnectWait<'_> {
    fn drop(&mut self) {
        self.cluster.lock_waits().handle_end(self.node, self.ended, runtime::now());
    }
}
