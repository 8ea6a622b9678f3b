//! An in-process Kafka of one or several brokers, over TCP or in memory.
//!
//! It checks what a broker checks and keeps batches as opaque bytes. In memory, under tokio's
//! paused time and on one thread, everything it does follows from the seed and from what its
//! clients send. What it lacks is in `GAPS.md`.
//!
//! ```text
//! connection (one request at a time) ─▶ api/ (decode, fault rules, a file per API) ─▶ state (one lock)
//!                                                                                       ├ log/     batches, producers
//!                                                                                       ├ sessions fetch sessions
//!                                                                                       ├ share/   share sessions, records in flight
//!                                                                                       ├ group/   classic, consumer and share groups
//!                                                                                       ├ transaction/ their coordinator
//!                                                                                       └ sasl/    who is let in
//! ```
//!
//! It uses the crate kafka-protocol, never the client's codec.

mod api;
mod broker;
mod builder;
mod clock;
mod connection;
mod control;
mod fault;
mod group;
mod lie;
mod log;
mod metrics;
mod sasl;
mod sessions;
mod share;
mod state;
mod timer;
mod topic;
mod track;
mod transaction;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use builder::Builder;
pub use control::TransactionEnd;
pub use fault::{Fault, FaultId, Reaction};
pub use group::consumer::assignor::Assignor;
pub use group::consumer::mixed::MigrationPolicy;
pub use group::control::{ConsumerGroupDescription, ConsumerGroupMember};
pub use kafka_protocol::ResponseError as ErrorCode;
pub use kafka_protocol::messages::ApiKey;
pub use log::batch::BatchHeader;
pub use log::producers::PartitionProducer;
pub use log::records::ScannedRecord;
pub use log::{Fate, StoredBatch};
pub use metrics::{MetricsSubscription, PushedMetrics};
pub use sasl::{Logins, Sasl, SaslMechanism};
pub use share::control::{
    ShareGroupDescription, ShareGroupMember, SharePartitionDescription, ShareRecord,
};
pub use share::in_flight::ShareRecordState;
pub use track::{TrackedCommit, TrackedRequest};
pub use transaction::{TransactionDescription, TransactionState, TransactionTransition};

use state::Shared;

/// The buffer of each direction of a connection in memory: about a socket's.
const PIPE_BYTES: usize = 256 * 1024;

/// A Kafka cluster that runs inside this process. Clones are handles to the same cluster, which
/// ends with the last of them.
#[derive(Clone, Debug)]
pub struct EmbeddedCluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    transport: Transport,
    tasks: TaskTracker,
    ended: CancellationToken,
    /// The listeners of brokers that run over TCP.
    accepting: Mutex<BTreeMap<i32, JoinHandle<()>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Memory,
    Tcp,
}

impl EmbeddedCluster {
    /// Returns the settings of a cluster to start.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn new(shared: Arc<Shared>, transport: Transport) -> Self {
        let inner = Inner {
            shared,
            transport,
            tasks: TaskTracker::new(),
            ended: CancellationToken::new(),
            accepting: Mutex::default(),
        };
        inner.tasks.spawn(timer::run(Arc::clone(&inner.shared), inner.ended.clone()));
        Self { inner: Arc::new(inner) }
    }

    /// Returns the addresses that clients bootstrap from, separated by commas.
    pub fn bootstrap_servers(&self) -> String {
        let state = self.shared().lock();
        let addresses: Vec<String> = state
            .brokers
            .values()
            .map(|broker| format!("{}:{}", broker.listen.0, broker.listen.1))
            .collect();
        addresses.join(",")
    }

    /// Connects to a broker in memory.
    ///
    /// # Errors
    /// `NotFound` if no broker has the address, as for a name that does not resolve;
    /// `ConnectionRefused` if the broker is down.
    pub fn connect(&self, host: &str, port: u16) -> io::Result<DuplexStream> {
        let (id, running) = {
            let state = self.shared().lock();
            let found = state
                .brokers
                .iter()
                .find(|(_, broker)| broker.listen.0 == host && broker.listen.1 == port);
            let (id, broker) = found.ok_or_else(|| not_found(host, port))?;
            (*id, broker.running.clone().ok_or(io::ErrorKind::ConnectionRefused)?)
        };
        let (client, server) = tokio::io::duplex(PIPE_BYTES);
        let serving = connection::serve(Arc::clone(self.shared()), id, server, running);
        self.inner.tasks.spawn(serving);
        Ok(client)
    }

    /// Starts a broker that was stopped or killed, at its old address.
    ///
    /// # Errors
    /// If its port cannot be bound again.
    pub async fn start_broker(&self, id: i32) -> io::Result<()> {
        let listen = {
            let state = self.shared().lock();
            match state.broker(id) {
                Some(broker) if broker.running.is_none() => broker.listen.clone(),
                _ => return Ok(()),
            }
        };
        let listener = match self.inner.transport {
            Transport::Memory => None,
            Transport::Tcp => {
                let old = self.accepting().remove(&id);
                if let Some(old) = old {
                    // The port is free when its task has ended; a panic there is no matter here.
                    drop(old.await);
                }
                Some(TcpListener::bind((listen.0.as_str(), listen.1)).await?)
            }
        };
        self.run_broker(id, listener);
        Ok(())
    }

    /// Stops all brokers and waits for their tasks.
    pub async fn shutdown(&self) {
        self.inner.ended.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    fn run_broker(&self, id: i32, listener: Option<TcpListener>) {
        let running = self.inner.ended.child_token();
        let now = self.shared().moment();
        {
            let mut state = self.shared().lock();
            let Some(broker) = state.brokers.get_mut(&id) else { return };
            broker.running = Some(running.clone());
            broker.registered = true;
            broker.sessions.clear();
            broker.share.clear();
            state.elect_leaders(now);
        }
        self.shared().wake();
        if let Some(listener) = listener {
            let accepting =
                accept(Arc::clone(self.shared()), id, listener, self.inner.tasks.clone(), running);
            let task = self.inner.tasks.spawn(accepting);
            self.accepting().insert(id, task);
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    fn accepting(&self) -> std::sync::MutexGuard<'_, BTreeMap<i32, JoinHandle<()>>> {
        self.inner.accepting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

async fn accept(
    shared: Arc<Shared>,
    broker: i32,
    listener: TcpListener,
    tasks: TaskTracker,
    running: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = running.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(broker, %error, "TCP_NODELAY");
                }
                tasks.spawn(connection::serve(
                    Arc::clone(&shared),
                    broker,
                    stream,
                    running.clone(),
                ));
            }
            Err(error) => tracing::warn!(broker, %error, "accept failed"),
        }
    }
}

fn not_found(host: &str, port: u16) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no broker listens at {host}:{port}"))
}
