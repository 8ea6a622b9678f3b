//! Client telemetry (KIP-714): pushes the metrics of a producer or consumer to brokers whose
//! operators have subscribed to them.
//!
//! ```text
//!  producer, consumer ── record ─▶ measures ──▶ otlp (bytes) ─▶ task ⇄ rpc ⇄ a broker
//!                                                 reporter (when) ─▶ task
//! ```
//! Each producer and consumer is a client instance of its own, as in Java. Not here: metrics for
//! the application itself. Without a receiver of metrics a broker does not speak these APIs, and
//! then nothing is sent and nothing measured.

use std::sync::Arc;
use std::time::{Duration, Instant};

mod measures;
mod otlp;
mod reporter;
mod rpc;
mod task;

pub(crate) use measures::{ClientKind, Meter, Readings};

use crate::cluster::Cluster;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::ClientInstanceId;
use crate::runtime::{self, Runtime};
use crate::watch;

/// The pushing of one producer's or consumer's metrics; its task ends with the runtime it was
/// given.
#[derive(Debug)]
pub(crate) struct ClientTelemetry {
    is_enabled: bool,
    instance: watch::Watcher<Option<ClientInstanceId>>,
    /// When the last push must have ended, once the client is being closed.
    closing: watch::Publisher<Option<Instant>>,
    ended: watch::Watcher<bool>,
}

impl ClientTelemetry {
    /// Starts to push what `meter` measures and `readings` reads, if the client may
    /// (`enable.metrics.push`).
    pub(crate) fn start(
        cluster: &Cluster,
        runtime: &Runtime,
        meter: Arc<Meter>,
        readings: impl Fn() -> Readings + Send + 'static,
    ) -> Self {
        let is_enabled = cluster.config().enable_metrics_push;
        let instance = watch::Publisher::new(None);
        let closing = watch::Publisher::new(None);
        let ended = watch::Publisher::new(!is_enabled);
        let push =
            Self { is_enabled, instance: instance.subscribe(), ended: ended.subscribe(), closing };
        if is_enabled {
            let task = task::PushTask::new(
                cluster,
                meter,
                Box::new(readings),
                instance,
                push.closing.subscribe(),
                ended,
            );
            runtime.spawn(task.run());
        }
        push
    }

    /// The id that brokers gave this client, waited for until it is known.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if metrics are not pushed at all; [`ErrorKind::Timeout`];
    /// [`ErrorKind::Closed`].
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn client_instance_id(&self, deadline: Instant) -> Result<ClientInstanceId> {
        if !self.is_enabled {
            return Err(Error::config(
                "enable.metrics.push is false: brokers give no id to a client that pushes no \
                 metrics",
            ));
        }
        let late = || {
            Error::new(
                ErrorKind::Timeout,
                "no broker with a receiver of metrics has given an id in time",
            )
        };
        let mut instance = self.instance.clone();
        let known = tokio::time::timeout_at(deadline.into(), instance.wait_for(Option::is_some))
            .await
            .map_err(|_| late())?;
        known
            .ok()
            .and_then(|known| *known)
            .ok_or_else(|| Error::new(ErrorKind::Closed, "the client is closed"))
    }

    /// Pushes for the last time, if somebody has subscribed.
    ///
    /// # Cancel safety
    /// If the future is dropped, it goes on in the background.
    pub(crate) async fn close(&self, deadline: Instant) {
        let deadline = deadline.min(runtime::now() + LAST_PUSH_AT_MOST);
        self.closing
            .send_if_modified(|closing| closing.is_none() && closing.replace(deadline).is_none());
        let mut ended = self.ended.clone();
        // Whoever closes a client does not want to hear that its last metrics are lost.
        let _ended_or_late =
            tokio::time::timeout_at(deadline.into(), ended.wait_for(|ended| *ended)).await;
    }
}

/// How long the end of a client waits for its last push (a guess; Java waits until the request has
/// left).
const LAST_PUSH_AT_MOST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
