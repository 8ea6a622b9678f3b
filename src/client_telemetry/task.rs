//! Drives the reporter: reads the clocks, collects, and makes the calls, one at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, info};

use super::measures::{Meter, Readings};
use super::otlp::ReportedTotals;
use super::reporter::{PushAction, Reporter, TelemetrySubscription};
use super::rpc;
use crate::cluster::{Cluster, Node};
use crate::error::Result;
use crate::ids::{ClientInstanceId, Timestamp};
use crate::runtime;
use crate::watch;

pub(super) struct PushTask {
    cluster: Cluster,
    meter: Arc<Meter>,
    readings: Box<dyn Fn() -> Readings + Send>,
    reporter: Reporter,
    totals: ReportedTotals,
    began: Timestamp,
    collected: Instant,
    connections: u64,
    /// The broker that was asked last, which is asked again while the connection lasts.
    node: Option<Node>,
    instance: watch::Publisher<Option<ClientInstanceId>>,
    closing: watch::Watcher<Option<Instant>>,
    ended: watch::Publisher<bool>,
}

enum PushEvent {
    Asked(Result<TelemetrySubscription>),
    Pushed(Result<()>),
}

type Call = Pin<Box<dyn Future<Output = PushEvent> + Send>>;

impl PushTask {
    pub(super) fn new(
        cluster: &Cluster,
        meter: Arc<Meter>,
        readings: Box<dyn Fn() -> Readings + Send>,
        instance: watch::Publisher<Option<ClientInstanceId>>,
        closing: watch::Watcher<Option<Instant>>,
        ended: watch::Publisher<bool>,
    ) -> Self {
        let (now, began) = (runtime::now(), cluster.wall_clock().now());
        Self {
            meter,
            readings,
            reporter: Reporter::new(cluster.random(), now),
            totals: ReportedTotals::new(began),
            began,
            collected: now,
            connections: 0,
            node: None,
            instance,
            closing,
            ended,
            cluster: cluster.for_task(),
        }
    }

    pub(super) async fn run(mut self) {
        self.serve().await;
        self.meter.turn(false);
        self.ended.send_replace(true);
    }

    async fn serve(&mut self) {
        let mut closing = self.closing.clone();
        let mut views = self.cluster.watch();
        // Before anything is known of the cluster there is no connection to ask on.
        tokio::select! {
            biased;
            _closing_or_gone = closing.wait_for(Option::is_some) => return,
            known = views.wait_for(|view| view.version > 0) => if known.is_err() { return },
        }
        let mut call: Option<Call> = None;
        let mut is_closing = false;
        loop {
            let now = runtime::now();
            if call.is_none()
                && let Some(action) = self.reporter.poll(now)
            {
                call = self.begin(action, now);
                continue;
            }
            if call.is_none() && self.reporter.is_over() {
                break;
            }
            let timeout = self.reporter.poll_timeout();
            tokio::select! {
                biased;
                changed = closing.changed(), if !is_closing => {
                    if changed.is_err() {
                        return;
                    }
                    is_closing = true;
                    // What is under way is not waited for: the last push tells what it would have
                    // told, and more.
                    call = None;
                    self.reporter.handle_close();
                }
                done = finish(&mut call) => {
                    call = None;
                    self.handle(done, runtime::now());
                }
                () = runtime::sleep_until_some(timeout), if call.is_none() => {}
            }
        }
        if !is_closing {
            debug!("metrics are not pushed any more");
        }
    }

    fn begin(&mut self, action: PushAction, now: Instant) -> Option<Call> {
        let Some(node) = self.cluster.connected_node(self.node) else {
            self.reporter.handle_nobody(now);
            return None;
        };
        self.node = Some(node);
        let cluster = self.cluster.clone();
        let deadline = now + cluster.config().request_timeout;
        let deadline = self.closing.borrow().map_or(deadline, |closing| deadline.min(closing));
        match action {
            PushAction::Ask(instance) => Some(Box::pin(async move {
                PushEvent::Asked(rpc::ask(&cluster, node, instance, deadline).await)
            })),
            PushAction::Push { is_last } => {
                let subscription = self.reporter.subscription()?.clone();
                let metrics = self.collect(&subscription, now);
                Some(Box::pin(async move {
                    PushEvent::Pushed(
                        rpc::push(&cluster, node, &subscription, &metrics, is_last, deadline).await,
                    )
                }))
            }
        }
    }

    fn collect(&mut self, subscription: &TelemetrySubscription, now: Instant) -> Vec<u8> {
        let opened = self.cluster.pool_counts().ever.opened;
        let before = std::mem::replace(&mut self.connections, opened);
        let since = now.saturating_duration_since(std::mem::replace(&mut self.collected, now));
        let readings = (self.readings)();
        let mut points = self.meter.collect(count(opened), count(before), since, &readings);
        points.retain(|point| subscription.selection.wants(&point.name));
        let wall = self.cluster.wall_clock().now();
        let mut labels = readings.labels;
        let has_rack = labels.iter().any(|(label, _)| *label == "client_rack");
        if let Some(rack) = self.cluster.config().client_rack.as_ref().filter(|_| !has_rack) {
            labels.push(("client_rack", rack.clone()));
        }
        self.totals.write(&labels, &points, subscription.is_delta, self.began, wall)
    }

    fn handle(&mut self, done: PushEvent, now: Instant) {
        match done {
            PushEvent::Asked(outcome) => {
                match &outcome {
                    Ok(subscription) => self.subscribed(subscription),
                    Err(error) => debug!(%error, "no subscription to metrics"),
                }
                self.reporter.handle_subscription(outcome, now);
            }
            PushEvent::Pushed(outcome) => {
                if let Err(error) = &outcome {
                    debug!(%error, "metrics could not be pushed");
                }
                self.reporter.handle_push(outcome, now);
            }
        }
        self.meter.turn(self.reporter.is_listened_to());
    }

    fn subscribed(&self, subscription: &TelemetrySubscription) {
        let is_new = self.instance.borrow().is_none_or(|known| known != subscription.instance);
        if is_new {
            info!(
                client_instance_id = %subscription.instance,
                kind = ?self.meter.kind(),
                "registered for pushing metrics",
            );
            self.instance.send_replace(Some(subscription.instance));
        }
    }
}

async fn finish(call: &mut Option<Call>) -> PushEvent {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "metrics are floating-point numbers")]
fn count(number: u64) -> f64 {
    number as f64
}
