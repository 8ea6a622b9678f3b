//! The verifiable producer, and what it was told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kavka::TopicPartition;
use serde_json::Value;
use tokio::sync::Notify;

use super::Bench;
use crate::programs::Program;
use crate::support::in_time;

#[derive(Default)]
struct Told {
    acked: usize,
    /// The end of what was acknowledged of each partition.
    ends: BTreeMap<TopicPartition, i64>,
}

/// A `verifiable_producer` that writes to a topic until it is stopped.
pub(super) struct Producer {
    program: Program,
    told: Arc<Mutex<Told>>,
    changed: Arc<Notify>,
}

impl Producer {
    /// Starts it, with so many records a second, and waits until some are acknowledged.
    pub(super) async fn start(bench: &Bench, topic: &str, throughput: u32) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let changed = Arc::new(Notify::new());
        let complaints = bench.cluster.file(&format!("{topic}.producer.err"), b"").unwrap();
        let arguments = [
            "--bootstrap-server",
            &bench.cluster.bootstrap(),
            "--topic",
            topic,
            "--throughput",
            &throughput.to_string(),
        ]
        .map(str::to_owned);
        let (book, change) = (Arc::clone(&told), Arc::clone(&changed));
        let program = Program::spawn("verifiable_producer", &arguments, complaints, move |line| {
            let event: Value = serde_json::from_str(line).unwrap();
            if event["name"] == "producer_send_success" {
                let partition = i32::try_from(event["partition"].as_i64().unwrap()).unwrap();
                let partition = TopicPartition::new(event["topic"].as_str().unwrap(), partition);
                let end = event["offset"].as_i64().unwrap() + 1;
                let mut book = book.lock().unwrap();
                book.acked += 1;
                book.ends.insert(partition, end);
            }
            change.notify_waiters();
        });
        let producer = Self { program, told, changed };
        producer.until_acked(1).await;
        producer
    }

    /// Waits until so many more are acknowledged.
    pub(super) async fn until_acked(&self, more: usize) {
        let wanted = self.told.lock().unwrap().acked + more;
        in_time("records to be acknowledged", async {
            loop {
                let changed = self.changed.notified();
                if self.told.lock().unwrap().acked >= wanted {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }

    /// Ends it; the end of what was acknowledged of each partition.
    pub(super) async fn stop(mut self) -> BTreeMap<TopicPartition, i64> {
        self.program.terminate().await;
        let status = self.program.ended().await;
        assert!(status.success(), "{status}: {}", self.program.complaints());
        self.told.lock().unwrap().ends.clone()
    }
}
