//! Tells the facade `metrics` what an instance knows beyond its client (feature `metrics`):
//! latencies of messages and handlers, and how far handlers have come. The names are in
//! `docs/observability.md`, with those of the client, which tells of itself (`observability`).
//!
//! It is told in snapshots, so that a message costs nothing here: every
//! `monitoring.metrics_interval`, and by [`Mq::publish_metrics`].

use metrics::{counter, gauge};

use super::Mq;
use super::consumer::Consumer;
use super::histogram::Latencies;
use crate::runtime;

impl Mq {
    /// Publishes the metrics to the recorder of the `metrics` facade now. With
    /// `monitoring.enable_metrics`, they are also published every `monitoring.metrics_interval`.
    pub fn publish_metrics(&self) {
        let client_id = self.client().client_id().to_owned();
        quantiles(
            "kafka_producer_record_latency_seconds",
            &client_id,
            &self.producer().metrics().latency,
        );
        if let Some(consumer) = self.consumer_if_made() {
            publish_consumer(&consumer, &client_id);
        }
    }

    /// Publishes now and then, until the instance is gone.
    pub(super) fn keep_publishing(&self) {
        let every = crate::config::bounded(self.config().monitoring.metrics_interval);
        let weak = std::sync::Arc::downgrade(&self.inner);
        let publishing = async move {
            loop {
                runtime::sleep_until(runtime::now() + every).await;
                let Some(inner) = weak.upgrade() else { return };
                Self { inner }.publish_metrics();
            }
        };
        if let Ok(runtime) = runtime::Runtime::current(false) {
            runtime.spawn(publishing);
        }
    }
}

fn publish_consumer(consumer: &Consumer, client_id: &str) {
    let told = consumer.metrics();
    counter!("kafka_consumer_handler_failure_total", "client_id" => client_id.to_owned())
        .absolute(told.failures);
    counter!("kafka_consumer_dead_letter_total", "client_id" => client_id.to_owned())
        .absolute(told.dead_letters);
    quantiles("kafka_consumer_handler_latency_seconds", client_id, &told.handling);
    for (partition, at) in &told.partitions {
        let labels = [
            ("client_id", client_id.to_owned()),
            ("topic", partition.topic.to_string()),
            ("partition", partition.partition.to_string()),
        ];
        let offset = |offset: crate::ids::Offset| u64::try_from(offset.0).unwrap_or(0);
        for (name, value) in [
            ("kafka_consumer_handler_lag", at.lag),
            ("kafka_consumer_current_offset", at.current_offset.map(offset)),
            ("kafka_consumer_committed_offset", at.committed_offset.map(offset)),
        ] {
            if let Some(value) = value {
                gauge!(name, &labels).set(number(value));
            }
        }
    }
}

fn quantiles(name: &'static str, client_id: &str, told: &Latencies) {
    for (quantile, latency) in [("0.5", told.p50), ("0.99", told.p99), ("0.999", told.p999)] {
        gauge!(name, "client_id" => client_id.to_owned(), "quantile" => quantile)
            .set(latency.as_secs_f64());
    }
}

/// A count as gauges have it; exact up to 2^53.
#[allow(
    clippy::cast_precision_loss,
    reason = "gauges are floating point, and a count above 2^53 may be rounded"
)]
fn number<T: TryInto<u64>>(count: T) -> f64 {
    count.try_into().map_or(f64::MAX, |count| count as f64)
}
