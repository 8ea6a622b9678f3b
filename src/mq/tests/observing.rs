//! What the tables of `docs/observability.md` name is what is told, and the other way round.

#[cfg(feature = "metrics")]
mod told {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::super::{InMemory, SECOND, Seen, brokers, config, until};
    use crate::client::Client;
    use crate::config::ClientConfig;
    use crate::consumer::{AutoOffsetReset, ConsumerConfig};
    use crate::mq::{FailurePolicy, HandlerOptions, Message, Mq};
    use crate::observability::noted::Noted;
    use crate::producer::ProducerConfig;
    use crate::record::Record;
    use crate::wire::compress::Compression;
    use kavka_testcontainers::embedded::{ApiKey, ErrorCode, Fault, Reaction};

    const DOC: &str = include_str!("../../../docs/observability.md");

    /// The rows of the table: name, kind, further labels in order.
    fn table() -> BTreeSet<(String, String, String)> {
        let rows = DOC.lines().filter_map(|line| line.strip_prefix("| `kafka_"));
        rows.map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let labels: BTreeSet<&str> = cells[2].split('`').skip(1).step_by(2).collect();
            let labels: Vec<&str> = labels.into_iter().collect();
            (
                format!("kafka_{}", cells[0].trim_end_matches('`')),
                cells[1].to_owned(),
                labels.join(" "),
            )
        })
        .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_is_what_the_table_names() {
        let recorder = Noted::default();
        let _installed = metrics::set_default_local_recorder(&recorder);
        let embedded = brokers(1).await;

        // A plain client that meets all that can happen: a dead address, a quota, a retry, a batch
        // too large, a refusal.
        let config_of = |servers: String| {
            ClientConfig::new(servers).client_id("plain").connector(InMemory(embedded.clone()))
        };
        let lost = Client::new(config_of("nowhere:1".to_owned())).unwrap();
        let nobody = lost.producer(ProducerConfig::default()).unwrap();
        until(|| {
            recorder.sum("kafka_client_connection_failure_total", &["client_id=plain"]) >= 1.0
        })
        .await;
        drop((nobody, lost));
        let client = Client::new(config_of(embedded.bootstrap_servers())).unwrap();
        let producer = client
            .producer(ProducerConfig::default().linger(SECOND).compression(Compression::NONE))
            .unwrap();
        embedded.fault(
            Fault::on(ApiKey::Produce)
                .times(1)
                .then(Reaction::Answer(ErrorCode::NotLeaderOrFollower)),
        );
        let mut deliveries = Vec::new();
        for value in ["a", "b", "c"] {
            deliveries
                .push(producer.send(Record::to("t").partition(0).value(value)).await.unwrap());
        }
        for delivery in deliveries {
            delivery.await.unwrap();
        }
        embedded.fault(
            Fault::on(ApiKey::Produce).times(1).then(Reaction::Answer(ErrorCode::MessageTooLarge)),
        );
        let (one, two) =
            (Record::to("u").partition(0).value("1"), Record::to("u").partition(0).value("2"));
        let (one, two) = (producer.send(one).await.unwrap(), producer.send(two).await.unwrap());
        one.await.unwrap();
        two.await.unwrap();
        let transactional = ProducerConfig::default().transactional_id("x");
        let mut transactional = client.transactional_producer(transactional).unwrap();
        embedded.fault(
            Fault::on(ApiKey::EndTxn)
                .times(1)
                .then(Reaction::Answer(ErrorCode::CoordinatorLoadInProgress)),
        );
        for commits in [true, false] {
            let mut transaction = transactional.begin().await.unwrap();
            transaction.send(Record::to("t").value("4")).await.unwrap().await.unwrap();
            match commits {
                true => transaction.commit().await.unwrap(),
                false => transaction.abort().await.unwrap(),
            }
        }
        embedded.fault(Fault::on(ApiKey::Produce).times(1).then(Reaction::CloseBefore));
        producer.send(Record::to("u").partition(2).value("5")).await.unwrap().await.unwrap();
        assert_eq!(
            recorder.sum("kafka_client_request_failure_total", &["api=Produce", "node_id=1"]),
            1.0
        );
        embedded.fault(
            Fault::on(ApiKey::Produce)
                .times(1)
                .then(Reaction::Answer(ErrorCode::TopicAuthorizationFailed)),
        );
        let refused = producer.send(Record::to("u").partition(1).value("3")).await.unwrap();
        refused.await.unwrap_err();
        let plain = |name: &str, labels: &[&str]| {
            recorder.sum(name, &[labels, &["client_id=plain"]].concat())
        };
        assert_eq!(plain("kafka_producer_record_send_total", &["topic=t"]), 5.0);
        assert_eq!(plain("kafka_producer_record_retry_total", &["topic=t"]), 3.0);
        assert_eq!(plain("kafka_producer_record_send_total", &["topic=u"]), 4.0);
        for (what, count) in [("begin", 2.0), ("commit", 1.0), ("abort", 1.0), ("retry", 1.0)] {
            let name = format!("kafka_producer_transaction_{what}_total");
            assert_eq!(plain(&name, &[]), count, "{name}");
        }
        assert_eq!(plain("kafka_producer_record_error_total", &[]), 1.0);
        assert_eq!(plain("kafka_producer_batch_split_total", &[]), 1.0);
        let free = plain("kafka_producer_buffer_available_bytes", &[]);
        assert_eq!(free, plain("kafka_producer_buffer_total_bytes", &[]), "all was given back");
        assert_eq!(plain("kafka_client_requests_in_flight", &[]), 0.0);

        let config_of_consumer = ConsumerConfig::default()
            .group_id("plain-group")
            .auto_offset_reset(AutoOffsetReset::Earliest);
        let mut consumer = client.consumer(config_of_consumer).unwrap();
        consumer.subscribe(["t"]).unwrap();
        for _ in 0..3 {
            consumer.recv().await.unwrap();
        }
        embedded.fault(
            Fault::on(ApiKey::OffsetCommit)
                .times(1)
                .then(Reaction::Answer(ErrorCode::CoordinatorLoadInProgress)),
        );
        consumer.commit().await.unwrap();
        assert_eq!(plain("kafka_consumer_commit_error_total", &[]), 1.0);
        client.admin().list_group_lag("plain-group").await.unwrap();
        assert_eq!(plain("kafka_consumer_assigned_partitions", &["group_id=plain-group"]), 3.0);
        embedded.set_throttle(1, Duration::from_millis(7));
        producer.send(Record::to("t").partition(0).value("d")).await.unwrap().await.unwrap();
        consumer.recv().await.unwrap();
        embedded.set_throttle(1, Duration::ZERO);
        assert!(plain("kafka_client_throttle_time_seconds", &["api=Produce"]) >= 1.0);
        consumer.close(10 * SECOND).await.unwrap();
        producer.close(10 * SECOND).await.unwrap();
        assert_eq!(plain("kafka_consumer_records_consumed_total", &["topic=t"]), 4.0);
        assert!(plain("kafka_consumer_bytes_consumed_total", &["topic=t"]) >= 4.0);
        assert_eq!(plain("kafka_consumer_rebalance_total", &[]), 1.0);
        assert!(plain("kafka_consumer_commit_total", &[]) >= 1.0);
        assert_eq!(plain("kafka_consumer_records_lag", &[]), 0.0);
        assert_eq!(
            plain("kafka_client_request_total", &["api=JoinGroup"]),
            plain("kafka_client_request_latency_seconds", &["api=JoinGroup"])
        );
        client.close(10 * SECOND).await.unwrap();
        for gauge in ["connection_count", "requests_in_flight"] {
            assert_eq!(plain(&format!("kafka_client_{gauge}"), &[]), 0.0, "{gauge}");
        }
        let opened = plain("kafka_client_connection_creation_total", &[]);
        assert!(opened >= 3.0 && opened == plain("kafka_client_connection_close_total", &[]));
        for gauge in [
            "kafka_producer_buffer_total_bytes",
            "kafka_producer_buffer_available_bytes",
            "kafka_consumer_assigned_partitions",
        ] {
            assert_eq!(plain(gauge, &[]), 0.0, "{gauge} of what has ended");
        }

        // And an instance of `mq`, which adds what it knows of handlers.
        let mq = Mq::new(config(&embedded)).unwrap();
        let seen = Seen::default();
        let noted = seen.clone();
        let handler = move |message: Message| {
            noted.add(&message);
            std::future::ready(if message.text() == Some("4") { Err("no") } else { Ok(()) })
        };
        let options =
            HandlerOptions::new().on_failure(FailurePolicy::retry(0).then_dead_letter("dead"));
        mq.consumer().unwrap().subscribe_with(["u"], options, handler).unwrap();
        mq.producer().send_sync("u", "4").await.unwrap();
        seen.wait_for(4).await;
        // The last of them goes to the dead letters, which takes a moment.
        let consumer = mq.consumer().unwrap();
        for _ in 0..60_000 {
            if consumer.lag().await.unwrap() == 0 {
                break;
            }
            // Time stands still while somebody always asks.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        consumer.commit().await.unwrap();
        mq.publish_metrics();
        assert_eq!(
            recorder.sum("kafka_producer_record_send_total", &["client_id=kavka-mq", "topic=u"]),
            1.0
        );
        assert_eq!(
            recorder.sum("kafka_consumer_handler_lag", &["client_id=kavka-mq", "topic=u"]),
            0.0
        );
        let committed =
            recorder.sum("kafka_consumer_committed_offset", &["client_id=kavka-mq", "topic=u"]);
        assert_eq!(committed, 4.0);
        mq.close().await.unwrap();

        assert_eq!(recorder.rows(), table());
    }
}

mod spans {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record as Values};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::super::{InMemory, Seen, brokers, config};
    use crate::client::Client;
    use crate::config::ClientConfig;
    use crate::mq::{Message, Mq};
    use crate::producer::ProducerConfig;
    use crate::record::Record;

    const DOC: &str = include_str!("../../../docs/observability.md");

    /// A span as it was made: its name, level, fields, values and the name of the span around it.
    #[derive(Clone, Debug)]
    struct Made {
        name: &'static str,
        level: Level,
        fields: BTreeSet<&'static str>,
        values: BTreeMap<&'static str, String>,
        within: Option<&'static str>,
    }

    #[derive(Clone, Default)]
    struct Noted {
        made: Arc<Mutex<Vec<Made>>>,
        entered: Arc<Mutex<Vec<u64>>>,
        next: Arc<AtomicU64>,
    }

    struct Texts<'a>(&'a mut BTreeMap<&'static str, String>);

    impl Visit for Texts<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
        }
    }

    impl Noted {
        fn name(&self, id: u64) -> &'static str {
            self.made.lock().unwrap()[usize::try_from(id).unwrap() - 1].name
        }
    }

    impl Subscriber for Noted {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.is_span()
        }

        fn new_span(&self, attributes: &Attributes<'_>) -> Id {
            let metadata = attributes.metadata();
            let mut values = BTreeMap::new();
            attributes.record(&mut Texts(&mut values));
            let around = self.entered.lock().unwrap().last().copied();
            let made = Made {
                name: metadata.name(),
                level: *metadata.level(),
                fields: metadata.fields().iter().map(|field| field.name()).collect(),
                values,
                within: around.map(|id| self.name(id)),
            };
            self.made.lock().unwrap().push(made);
            Id::from_u64(self.next.fetch_add(1, Ordering::Relaxed) + 1)
        }

        fn enter(&self, id: &Id) {
            self.entered.lock().unwrap().push(id.into_u64());
        }

        fn exit(&self, id: &Id) {
            self.entered.lock().unwrap().retain(|entered| *entered != id.into_u64());
        }

        fn record(&self, _: &Id, _: &Values<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {}
    }

    /// The rows of the table: name and fields.
    fn table() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
        let rows = DOC.lines().filter(|line| line.starts_with("| `kafka."));
        rows.map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`'), cells[2].split('`').skip(1).step_by(2).collect())
        })
        .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn spans_have_the_names_and_fields_of_the_table() {
        let noted = Noted::default();
        // With a single one, a place that another test's thread comes by first would be taken for
        // one that nobody listens to.
        let _second = tracing::Dispatch::new(noted.clone());
        let _installed = tracing::subscriber::set_default(noted.clone());
        let embedded = brokers(1).await;
        let mut config = config(&embedded);
        config.monitoring.enable_tracing = true;
        let mq = Mq::new(config).unwrap();
        let seen = Seen::default();
        let handled = seen.clone();
        let handler = move |message: Message| {
            handled.add(&message);
            std::future::ready(())
        };
        mq.consumer().unwrap().subscribe(["t"], handler).unwrap();
        mq.producer().send_sync("t", "1").await.unwrap();
        seen.wait_for(1).await;
        mq.close().await.unwrap();
        let client = ClientConfig::new(embedded.bootstrap_servers()).client_id("kavka-mq");
        let client = Client::new(client.connector(InMemory(embedded.clone()))).unwrap();
        let producer = ProducerConfig::default().transactional_id("x");
        let mut producer = client.transactional_producer(producer).unwrap();
        let mut transaction = producer.begin().await.unwrap();
        transaction.send(Record::to("t").value("2")).await.unwrap().await.unwrap();
        transaction.commit().await.unwrap();

        let made: Vec<Made> = noted
            .made
            .lock()
            .unwrap()
            .iter()
            .filter(|made| made.name.starts_with("kafka."))
            .cloned()
            .collect();
        let told: BTreeMap<_, _> =
            made.iter().map(|made| (made.name, made.fields.clone())).collect();
        assert_eq!(told, table());
        for made in &made {
            let is_of_mq = matches!(made.name, "kafka.send" | "kafka.process");
            assert_eq!(
                made.level,
                if is_of_mq { Level::INFO } else { Level::DEBUG },
                "{}",
                made.name
            );
        }
        for (api, around) in [
            ("Produce", "kafka.produce"),
            ("Fetch", "kafka.fetch"),
            ("JoinGroup", "kafka.join"),
            ("SyncGroup", "kafka.sync"),
            ("OffsetCommit", "kafka.commit"),
            ("EndTxn", "kafka.transaction"),
        ] {
            let mut requests = made
                .iter()
                .filter(|made| made.values.get("kafka.api").is_some_and(|name| name == api));
            let request = requests.next().unwrap_or_else(|| panic!("no request of {api}"));
            assert_eq!(request.within, Some(around));
            assert_eq!(
                (
                    request.values["messaging.client.id"].as_str(),
                    request.values["kafka.node_id"].as_str()
                ),
                ("kavka-mq", "1")
            );
        }
        let produce = made.iter().find(|made| made.name == "kafka.produce").unwrap();
        assert_eq!(produce.values["kafka.batches"], "1");
    }
}

#[tokio::test(start_paused = true)]
async fn the_context_of_a_trace_goes_with_its_record() {
    use crate::record::{Header, Record};
    use crate::trace_context::TraceContext;

    let embedded = super::brokers(1).await;
    let connector = super::InMemory(embedded.clone());
    let client = crate::client::Client::new(
        crate::config::ClientConfig::new(embedded.bootstrap_servers()).connector(connector),
    );
    let client = client.unwrap();
    let producer = client.producer(crate::producer::ProducerConfig::default()).unwrap();
    let context: TraceContext =
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    let (stale, text) = (TraceContext { span_id: 7, ..context }.to_string(), context.to_string());
    let headers = [
        Header::new("other", "x"),
        Header::new(TraceContext::HEADER, &stale),
        Header::new(TraceContext::HEADER, &text),
    ];
    for headers in [&headers[..], &[], &[Header::new(TraceContext::HEADER, "nonsense")]] {
        producer.send(Record::to("dead").value("v").headers(headers)).await.unwrap().await.unwrap();
    }
    let config = crate::consumer::ConsumerConfig::default()
        .auto_offset_reset(crate::consumer::AutoOffsetReset::Earliest);
    let mut consumer = client.consumer(config).unwrap();
    consumer.assign([crate::ids::TopicPartition::new("dead", 0)]).unwrap();
    let mut found = Vec::new();
    for _ in 0..3 {
        found.push(consumer.recv().await.unwrap().headers().trace_context());
    }
    assert_eq!(found, [Some(context), None, None]);
}
