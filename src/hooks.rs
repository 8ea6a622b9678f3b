//! Hooks: what a program is told of a client as it happens, by methods of its own.
//!
//! For counts and times over a while, the feature `metrics` and the spans of `tracing` need less
//! work: see the [guide to observability](crate::guide::observability). Hooks are for what these
//! lack: each event by itself, with its broker, its partition or its error.
//!
//! ```
//! use kavka::ClientConfig;
//! use kavka::hooks::{BatchCompleted, Hooks, Throttled};
//!
//! struct Log;
//!
//! impl Hooks for Log {
//!     fn throttled(&self, event: &Throttled) {
//!         eprintln!("a broker wants no {} for {:?}", event.api, event.duration);
//!     }
//!
//!     fn batch_completed(&self, event: &BatchCompleted<'_>) {
//!         if let Err(error) = event.result {
//!             eprintln!("{} records are lost: {error}", event.records);
//!         }
//!     }
//! }
//!
//! let config = ClientConfig::new("localhost:9092").hooks(Log);
//! ```

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::error;

use crate::config::BrokerAddress;
use crate::error::Error;
use crate::ids::{BrokerId, Offset, TopicPartition};

/// Is told what happens to the connections, requests, batches and groups of a client; set by
/// [`ClientConfig::hooks`](crate::ClientConfig::hooks). franz-go has the like under this name; in
/// Java, part of it is told to `ProducerInterceptor` and `MetricsReporter`.
///
/// Each method does nothing unless it is written, and methods are added in minor releases.
///
/// The client's tasks call them, on the runtime's threads, and wait: they must neither block nor
/// take long. Work that may takes its facts with it, through a bounded channel. A call of this
/// client's that ends where it begins, such as [`Client::stats`](crate::Client::stats), is allowed.
///
/// Nothing is called for each record: those of a batch have one fate, and one call tells of all of
/// them.
///
/// # Ordering
/// Of a connection: [`connected`](Self::connected), then its requests, each
/// [sent](Self::request_sent) before it is [answered](Self::request_answered) and in the order of
/// the connection, then [`disconnected`](Self::disconnected). Of a partition, batches are told of in
/// the order in which they have completed. Between connections, producers and groups there is no
/// order, and calls may overlap.
///
/// # Panics
/// A panic of a method ends nothing but that call. The first of a client is logged as an error.
pub trait Hooks: Send + Sync + 'static {
    /// A connection to a broker can carry requests: it is open, secured and authenticated. The
    /// requests that this took are not told of.
    fn connected(&self, event: &Connected<'_>) {
        let _ = event;
    }

    /// A connection to a broker could not be opened. One that the client has given up before it
    /// knew, as it was closed, is not told of.
    fn connect_failed(&self, event: &ConnectFailed<'_>) {
        let _ = event;
    }

    /// A connection that could carry requests has ended. Requests that were not answered on it never
    /// will be.
    fn disconnected(&self, event: &Disconnected<'_>) {
        let _ = event;
    }

    /// A request is about to be written.
    fn request_sent(&self, event: &RequestSent<'_>) {
        let _ = event;
    }

    /// The response to a request has come, whatever it says. There is none to Produce with
    /// `acks=0`.
    fn request_answered(&self, event: &RequestAnswered<'_>) {
        let _ = event;
    }

    /// A broker has asked for a pause, as the client is above a quota; its connection sends nothing
    /// until that is over (KIP-219).
    fn throttled(&self, event: &Throttled) {
        let _ = event;
    }

    /// All records of a batch are acknowledged, or have failed, after whatever retries. With
    /// `acks=0` those that were sent count as acknowledged.
    ///
    /// Not told of: records that [`send`](crate::Producer::send) refuses, and those in an open batch
    /// of a producer that is dropped and not closed.
    fn batch_completed(&self, event: &BatchCompleted<'_>) {
        let _ = event;
    }

    /// A consumer has got partitions of its group; called before its
    /// [`RebalanceListener`](crate::RebalanceListener), as are the next two.
    fn partitions_assigned(&self, event: &PartitionsChanged<'_>) {
        let _ = event;
    }

    /// A consumer gives up partitions of its group, after the last automatic commit.
    fn partitions_revoked(&self, event: &PartitionsChanged<'_>) {
        let _ = event;
    }

    /// A consumer has lost partitions of its group: others may have them by now.
    fn partitions_lost(&self, event: &PartitionsChanged<'_>) {
        let _ = event;
    }
}

/// See [`Hooks::connected`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Connected<'a> {
    /// The broker; `None` if it is an address of `bootstrap.servers`.
    pub broker: Option<BrokerId>,
    /// The address as the cluster or `bootstrap.servers` has it.
    pub address: &'a BrokerAddress,
    /// How long it took, with TLS and authentication.
    pub took: Duration,
}

/// See [`Hooks::connect_failed`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectFailed<'a> {
    /// The broker; `None` if it is an address of `bootstrap.servers`.
    pub broker: Option<BrokerId>,
    /// The address as the cluster or `bootstrap.servers` has it.
    pub address: &'a BrokerAddress,
    /// How long it took to fail.
    pub took: Duration,
    /// Why.
    pub error: &'a Error,
}

/// See [`Hooks::disconnected`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Disconnected<'a> {
    /// The broker; `None` if it is an address of `bootstrap.servers`.
    pub broker: Option<BrokerId>,
    /// The address as the cluster or `bootstrap.servers` has it.
    pub address: &'a BrokerAddress,
    /// Why; of the kind [`Closed`](crate::ErrorKind::Closed) if the handle that it was for is gone, and
    /// `None` if the client was closed, or has closed the connection whatever was on its way.
    pub reason: Option<&'a Error>,
}

/// See [`Hooks::request_sent`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestSent<'a> {
    /// The broker; `None` if it is an address of `bootstrap.servers`.
    pub broker: Option<BrokerId>,
    /// The address as the cluster or `bootstrap.servers` has it.
    pub address: &'a BrokerAddress,
    /// Kafka's name of the API, such as `Produce`.
    pub api: &'static str,
    /// The size of the request, with its header.
    pub bytes: usize,
}

/// See [`Hooks::request_answered`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestAnswered<'a> {
    /// The broker; `None` if it is an address of `bootstrap.servers`.
    pub broker: Option<BrokerId>,
    /// The address as the cluster or `bootstrap.servers` has it.
    pub address: &'a BrokerAddress,
    /// Kafka's name of the API, such as `Produce`.
    pub api: &'static str,
    /// The size of the response, with its header.
    pub bytes: usize,
    /// The time since [`Hooks::request_sent`]: that in the socket's queue, on the network, behind
    /// earlier requests of the connection, and at the broker.
    pub took: Duration,
}

/// See [`Hooks::throttled`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Throttled {
    /// The broker; `None` if it is an address of `bootstrap.servers`.
    pub broker: Option<BrokerId>,
    /// Kafka's name of the API of the response that has asked, such as `Produce`.
    pub api: &'static str,
    /// How long the pause is.
    pub duration: Duration,
}

/// See [`Hooks::batch_completed`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BatchCompleted<'a> {
    /// The partition of all its records.
    pub partition: &'a TopicPartition,
    /// The number of records.
    pub records: u32,
    /// The size as it is sent; `None` if it has failed before it was sealed.
    pub size: Option<BatchSize>,
    /// The offset of the first record, which the others follow, or why the batch has failed. The
    /// offset is `None` if the broker has not said it, as with `acks=0`.
    pub result: Result<Option<Offset>, &'a Error>,
    /// The errors of single records, by their place in the batch from 0, if it is due to these that
    /// the batch has failed (KIP-467).
    pub record_errors: &'a [(u32, Error)],
}

/// How large a batch is, in bytes, without its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchSize {
    /// Before compression.
    pub uncompressed: usize,
    /// As it is sent.
    pub compressed: usize,
}

/// See [`Hooks::partitions_assigned`], [`Hooks::partitions_revoked`] and
/// [`Hooks::partitions_lost`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PartitionsChanged<'a> {
    /// The group (`group.id`).
    pub group: &'a str,
    /// The partitions that have come or go: not all that the consumer has.
    pub partitions: &'a [TopicPartition],
}

/// The hooks of a client.
pub(crate) struct HookCaller {
    hooks: Box<dyn Hooks>,
    has_panicked: AtomicBool,
}

impl HookCaller {
    pub(crate) fn new(hooks: impl Hooks) -> Arc<Self> {
        Arc::new(Self { hooks: Box::new(hooks), has_panicked: AtomicBool::new(false) })
    }

    /// Calls one of them; a panic of the program's must not end a task of the client's.
    pub(crate) fn call(&self, call: impl FnOnce(&dyn Hooks)) {
        let outcome = catch_unwind(AssertUnwindSafe(|| call(&*self.hooks)));
        if outcome.is_err() && !self.has_panicked.swap(true, Ordering::Relaxed) {
            error!("a hook has panicked; later panics are not logged");
        }
    }
}

impl fmt::Debug for HookCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

#[cfg(test)]
pub(crate) mod tests;
