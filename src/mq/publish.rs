//! Tells the facade `metrics` what an instance has done (feature `metrics`), in Kafka's words; whichever recorder the program installs
//! takes it from there.
//!
//! | name | kind | labels beside `client_id` |
//! |---|---|---|
//! | `kafka_producer_record_send_total` | counter | |
//! | `kafka_producer_record_error_total` | counter | |
//! | `kafka_producer_record_bytes_total` | counter | |
//! | `kafka_producer_request_total` | counter | |
//! | `kafka_producer_batch_retry_total` | counter | |
//! | `kafka_producer_buffer_used_bytes` | gauge | |
//! | `kafka_producer_adaptive_linger_seconds` | gauge | |
//! | `kafka_producer_record_latency_seconds` | gauge | `quantile`: 0.5, 0.99, 0.999 |
//! | `kafka_consumer_records_consumed_total` | counter | |
//! | `kafka_consumer_bytes_consumed_total` | counter | |
//! | `kafka_consumer_handler_failure_total` | counter | |
//! | `kafka_consumer_dead_letter_total` | counter | |
//! | `kafka_consumer_handler_latency_seconds` | gauge | `quantile` |
//! | `kafka_consumer_records_lag` | gauge | `topic`, `partition` |
//! | `kafka_consumer_current_offset` | gauge | `topic`, `partition` |
//! | `kafka_consumer_committed_offset` | gauge | `topic`, `partition` |
//! | `kafka_client_connection_count` | gauge | |
//! | `kafka_client_connection_active` | gauge | |
//! | `kafka_client_connection_creation_total` | counter | |
//! | `kafka_client_connection_close_total` | counter | |
//! | `kafka_client_connection_failure_total` | counter | |
//!
//! It is told in snapshots, so that a message costs nothing here: every `monitoring.metrics_interval`, and by [`Mq::publish_metrics`].

use metrics::{counter, gauge};

use super::Mq;
use super::consumer::Consumer;
use super::histogram::Latencies;
use crate::runtime;

impl Mq {
    /// Tells the recorder of the facade `metrics` now; with `monitoring.enable_metrics` it is also told every
    /// `monitoring.metrics_interval`.
    pub fn publish_metrics(&self) {
        let client_id = self.config().client_id.clone();
        let (told, stats) = (self.producer().metrics(), self.producer().stats());
        counter!("kafka_producer_record_send_total", "client_id" => client_id.clone()).absolute(told.total_messages);
        counter!("kafka_producer_record_error_total", "client_id" => client_id.clone()).absolute(told.failed_messages);
        counter!("kafka_producer_record_bytes_total", "client_id" => client_id.clone()).absolute(told.bytes);
        counter!("kafka_producer_request_total", "client_id" => client_id.clone()).absolute(stats.requests);
        counter!("kafka_producer_batch_retry_total", "client_id" => client_id.clone()).absolute(stats.retries);
        gauge!("kafka_producer_buffer_used_bytes", "client_id" => client_id.clone()).set(number(stats.memory_used));
        gauge!("kafka_producer_adaptive_linger_seconds", "client_id" => client_id.clone())
            .set(told.adaptive_linger.as_secs_f64());
        quantiles("kafka_producer_record_latency_seconds", &client_id, &told.latency);
        let pool = self.connection_pool().stats();
        gauge!("kafka_client_connection_count", "client_id" => client_id.clone()).set(number(pool.total_connections));
        gauge!("kafka_client_connection_active", "client_id" => client_id.clone()).set(number(pool.active_connections));
        counter!("kafka_client_connection_creation_total", "client_id" => client_id.clone()).absolute(pool.created);
        counter!("kafka_client_connection_close_total", "client_id" => client_id.clone()).absolute(pool.closed);
        counter!("kafka_client_connection_failure_total", "client_id" => client_id.clone()).absolute(pool.errors);
        if let Some(consumer) = self.consumer_if_made() {
            publish_consumer(&consumer, &client_id);
        }
    }

    /// Publishes now and then, until the instance is gone.
    pub(super) fn keep_publishing(&self) {
        let every = self.config().monitoring.metrics_interval;
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
    counter!("kafka_consumer_records_consumed_total", "client_id" => client_id.to_owned()).absolute(told.messages);
    counter!("kafka_consumer_bytes_consumed_total", "client_id" => client_id.to_owned()).absolute(told.bytes);
    counter!("kafka_consumer_handler_failure_total", "client_id" => client_id.to_owned()).absolute(told.failures);
    counter!("kafka_consumer_dead_letter_total", "client_id" => client_id.to_owned()).absolute(told.dead_letters);
    quantiles("kafka_consumer_handler_latency_seconds", client_id, &told.handling);
    for (partition, at) in &told.partitions {
        let labels = [
            ("client_id", client_id.to_owned()),
            ("topic", partition.topic.to_string()),
            ("partition", partition.partition.to_string()),
        ];
        let offset = |offset: crate::ids::Offset| u64::try_from(offset.0).unwrap_or(0);
        for (name, value) in [
            ("kafka_consumer_records_lag", at.lag),
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
        gauge!(name, "client_id" => client_id.to_owned(), "quantile" => quantile).set(latency.as_secs_f64());
    }
}

/// A count as gauges have it; exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "gauges are floating point, and a count above 2^53 may be rounded")]
fn number<T: TryInto<u64>>(count: T) -> f64 {
    count.try_into().map_or(f64::MAX, |count| count as f64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

    use crate::mq::tests::{Seen, brokers, config};
    use crate::mq::{Message, Mq};

    /// Keeps the last value of each metric, by name and labels.
    #[derive(Clone, Debug, Default)]
    struct Noted(Arc<Mutex<BTreeMap<String, f64>>>);

    struct Cell(Noted, String);

    impl Cell {
        fn note(&self, value: f64) {
            self.0.0.lock().unwrap().insert(self.1.clone(), value);
        }
    }

    impl CounterFn for Cell {
        fn increment(&self, _: u64) {
            panic!("snapshots are absolute");
        }

        fn absolute(&self, value: u64) {
            self.note(super::number(value));
        }
    }

    impl GaugeFn for Cell {
        fn increment(&self, _: f64) {
            panic!("snapshots are absolute");
        }

        fn decrement(&self, _: f64) {
            panic!("snapshots are absolute");
        }

        fn set(&self, value: f64) {
            self.note(value);
        }
    }

    impl Noted {
        fn cell(&self, key: &Key) -> Arc<Cell> {
            let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            Arc::new(Cell(self.clone(), format!("{}{{{}}}", key.name(), labels.join(","))))
        }
    }

    impl Recorder for Noted {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.cell(key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.cell(key))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            panic!("there are none")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_published_is_what_the_table_names() {
        let embedded = brokers(1).await;
        let mq = Mq::new(config(&embedded)).unwrap();
        let seen = Seen::default();
        let noted = seen.clone();
        let handler = move |message: Message| {
            noted.add(&message);
            std::future::ready(())
        };
        mq.consumer().unwrap().subscribe(["t"], handler).unwrap();
        for number in 0..3 {
            mq.producer().send_sync("t", number.to_string()).await.unwrap();
        }
        seen.wait_for(3).await;
        mq.consumer().unwrap().commit().await.unwrap();
        mq.consumer().unwrap().lag().await.unwrap();
        let recorder = Noted::default();
        metrics::with_local_recorder(&recorder, || mq.publish_metrics());
        let told = recorder.0.lock().unwrap().clone();
        let names: std::collections::BTreeSet<&str> = told.keys().filter_map(|key| key.split('{').next()).collect();
        let table = include_str!("publish.rs");
        let rows = table.lines().filter_map(|line| line.strip_prefix("//! | `")?.split('`').next());
        assert_eq!(names, rows.collect(), "the table in the module's doc");
        let of_client = |name: &str| told[&format!("{name}{{client_id=kavka-mq}}")];
        assert_eq!(of_client("kafka_producer_record_send_total"), 3.0);
        assert_eq!(of_client("kafka_consumer_records_consumed_total"), 3.0);
        assert_eq!(of_client("kafka_producer_record_bytes_total"), 3.0);
        assert!(of_client("kafka_client_connection_count") >= 3.0);
        let lags =
            told.iter().filter(|(key, _)| key.starts_with("kafka_consumer_records_lag{client_id=kavka-mq,topic=t,partition="));
        assert_eq!(lags.map(|(_, lag)| *lag).collect::<Vec<_>>(), [0.0; 3]);
    }
}
