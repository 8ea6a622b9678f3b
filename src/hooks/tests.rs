//! Whole clients with hooks, against embedded brokers in memory, under paused time.

use std::sync::Mutex;

use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, ErrorCode as Code, Fault, Reaction};

use super::*;
use crate::boxed::BoxFuture;
use crate::client::Client;
use crate::config::ClientConfig;
use crate::consumer::{AutoOffsetReset, ConsumerConfig, ConsumerHandle, RebalanceListener};
use crate::error::ErrorKind;
use crate::net::InMemory;
use crate::observability::captured_logs::CapturedLogs;
use crate::producer::{Acks, ProducerConfig};
use crate::record::Record;

const SECOND: Duration = Duration::from_secs(1);

/// Keeps what it is told, a line for each call.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    /// All lines so far that begin so, without that beginning.
    fn of(&self, begin: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines.iter().filter_map(|line| line.strip_prefix(begin)).map(str::to_owned).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

/// `bootstrap`, or the id of the broker.
fn of(broker: Option<BrokerId>) -> String {
    broker.map_or("bootstrap".to_owned(), |id| id.to_string())
}

impl Hooks for Heard {
    fn connected(&self, event: &Connected<'_>) {
        let Connected { broker, address, took } = event;
        self.note(format!("{}: connected {address} {took:?}", of(*broker)));
    }

    fn connect_failed(&self, event: &ConnectFailed<'_>) {
        let ConnectFailed { broker, address, took, error } = event;
        self.note(format!("{}: failed {address} {took:?} {:?}", of(*broker), error.kind()));
    }

    fn disconnected(&self, event: &Disconnected<'_>) {
        let reason = event.reason.map(Error::kind);
        self.note(format!("{}: disconnected {} {reason:?}", of(event.broker), event.address));
    }

    fn request_sent(&self, event: &RequestSent<'_>) {
        let RequestSent { broker, address, api, bytes } = event;
        assert!(*bytes > 14 && address.port() > 0, "{event:?}");
        self.note(format!("{}: sent {api}", of(*broker)));
    }

    fn request_answered(&self, event: &RequestAnswered<'_>) {
        let RequestAnswered { broker, address, api, bytes, took } = event;
        assert!(*bytes > 4 && address.port() > 0, "{event:?}");
        self.note(format!("{}: answered {api} {took:?}", of(*broker)));
    }

    fn throttled(&self, event: &Throttled) {
        self.note(format!("throttled {} {} {:?}", of(event.broker), event.api, event.duration));
    }

    fn batch_completed(&self, event: &BatchCompleted<'_>) {
        let BatchCompleted { partition, records, size, result, record_errors } = event;
        let result = result.map_err(Error::kind);
        let is_smaller = size.map(|size| size.compressed < size.uncompressed);
        let places: Vec<u32> = record_errors.iter().map(|(place, _)| *place).collect();
        self.note(format!("batch {partition} {records} {is_smaller:?} {result:?} {places:?}"));
    }

    fn partitions_assigned(&self, event: &PartitionsChanged<'_>) {
        self.note(format!("group {} assigned {}", event.group, event.partitions.len()));
    }

    fn partitions_revoked(&self, event: &PartitionsChanged<'_>) {
        self.note(format!("group {} revoked {}", event.group, event.partitions.len()));
    }

    fn partitions_lost(&self, event: &PartitionsChanged<'_>) {
        self.note(format!("group {} lost {}", event.group, event.partitions.len()));
    }
}

impl RebalanceListener for Heard {
    fn on_assigned<'a>(&'a self, _: &'a ConsumerHandle, _: &'a [TopicPartition]) -> BoxFuture<'a> {
        Box::pin(async { self.note("group listener".to_owned()) })
    }
}

/// One broker with topic `t` of two partitions.
async fn brokers() -> EmbeddedCluster {
    EmbeddedCluster::builder().in_memory().topic("t", 2, 1).start().await.unwrap()
}

fn client(embedded: &EmbeddedCluster, bootstrap: &str, hooks: impl Hooks) -> Client {
    let config = ClientConfig::new(bootstrap).connector(InMemory(embedded.clone())).seed(1);
    Client::new(config.hooks(hooks)).unwrap()
}

fn heard_client(embedded: &EmbeddedCluster) -> (Client, Heard) {
    let heard = Heard::default();
    (client(embedded, &embedded.bootstrap_servers(), heard.clone()), heard)
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_told_of_from_its_opening_to_its_end() {
    let embedded = brokers().await;
    embedded.fault(Fault::on(ApiKey::ApiVersions).then(Reaction::Delay(2 * SECOND)));
    embedded.fault(Fault::on(ApiKey::Metadata).then(Reaction::Delay(3 * SECOND)));
    let (client, heard) = heard_client(&embedded);
    client.connect(10 * SECOND).await.unwrap();
    client.close(SECOND).await.unwrap();
    let address = embedded.bootstrap_servers();
    let told = [
        format!("connected {address} 2s"),
        "sent Metadata".to_owned(),
        "answered Metadata 3s".to_owned(),
        format!("disconnected {address} None"),
    ];
    assert_eq!(heard.of("bootstrap: "), told);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_broker_closes_has_a_reason_and_one_that_fails_an_error() {
    let embedded = brokers().await;
    let (client, heard) = heard_client(&embedded);
    client.connect(SECOND).await.unwrap();
    embedded.kill_broker(1);
    client.connect(SECOND).await.unwrap_err();
    let address = embedded.bootstrap_servers();
    assert_eq!(
        heard.of("bootstrap: disconnected "),
        [format!("{address} Some({:?})", ErrorKind::Disconnected)]
    );
    let failed = heard.of("bootstrap: failed ");
    assert_eq!(failed.first(), Some(&format!("{address} 0ns {:?}", ErrorKind::Connect)));
}

#[tokio::test(start_paused = true)]
async fn each_pause_that_a_broker_asks_for_is_told_of_once() {
    let embedded = brokers().await;
    let pause = |api| Fault::on(api).nth(1).then(Reaction::Throttle(3 * SECOND));
    embedded.fault(pause(ApiKey::Metadata));
    embedded.fault(pause(ApiKey::Produce));
    let (client, heard) = heard_client(&embedded);
    let producer = client.producer(ProducerConfig::new()).unwrap();
    for _ in 0..2 {
        producer.send(Record::to("t").value("x")).await.unwrap().await.unwrap();
    }
    assert_eq!(heard.of("throttled "), ["bootstrap Metadata 3s", "1 Produce 3s"]);
}

#[cfg(feature = "gzip")]
#[tokio::test(start_paused = true)]
async fn a_batch_is_told_of_with_what_became_of_its_records() {
    use crate::wire::compress::Compression;

    let embedded = brokers().await;
    let (client, heard) = heard_client(&embedded);
    let config = ProducerConfig::new().compression(Compression::GZIP).linger(SECOND);
    let producer = client.producer(config).unwrap();
    let to = |partition| Record::to("t").partition(partition).value("many of the same: aaaaaaaaaa");
    let mut batch = Vec::new();
    for records in [3, 2] {
        for _ in 0..records {
            batch.push(producer.send(to(1)).await.unwrap());
        }
        producer.flush().await.unwrap();
    }
    embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::Answer(Code::InvalidRecord)));
    let refused = producer.send(to(0)).await.unwrap();
    refused.await.unwrap_err();
    assert_eq!(
        heard.of("batch "),
        [
            "t-1 3 Some(true) Ok(Some(0)) []",
            "t-1 2 Some(true) Ok(Some(3)) []",
            "t-0 1 Some(false) Err(Broker) []",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_never_leaves_is_told_of_and_one_without_answer_is_done_when_sent() {
    let embedded = brokers().await;
    let (client, heard) = heard_client(&embedded);
    let producer = client.producer(ProducerConfig::new().acks(Acks::None)).unwrap();
    let to = || Record::to("t").partition(0).value("x");
    producer.send(to()).await.unwrap().await.unwrap();
    assert_eq!(heard.of("1: sent "), ["Produce"]);
    assert_eq!(heard.of("1: answered "), [""; 0]);
    embedded.kill_broker(1);
    let late = client.producer(ProducerConfig::new()).unwrap();
    late.send(to()).await.unwrap().await.unwrap_err();
    assert_eq!(heard.of("batch "), ["t-0 1 Some(false) Ok(None) []", "t-0 1 None Err(Timeout) []"]);
}

#[tokio::test(start_paused = true)]
async fn a_rebalance_is_told_of_before_the_listener() {
    let embedded = brokers().await;
    let (client, heard) = heard_client(&embedded);
    let config = ConsumerConfig::new().group_id("g").auto_offset_reset(AutoOffsetReset::Earliest);
    let mut consumer = client.consumer(config).unwrap();
    consumer.rebalance_listener(heard.clone());
    consumer.subscribe(["t"]).unwrap();
    embedded.append("t", 0, &[(None, Some(b"x"))]).unwrap();
    consumer.recv().await.unwrap();
    let fenced = Fault::on(ApiKey::Heartbeat).nth(1);
    embedded.fault(fenced.then(Reaction::Answer(Code::UnknownMemberId)));
    while heard.of("group g assigned").len() < 2 {
        let _nothing_more = tokio::time::timeout(SECOND, consumer.recv()).await;
    }
    consumer.close(10 * SECOND).await.unwrap();
    assert_eq!(
        heard.of("group "),
        ["g assigned 2", "listener", "g lost 2", "g assigned 2", "listener", "g revoked 2"]
    );
}

/// Panics at whatever it is told.
struct Panics;

impl Hooks for Panics {
    fn connected(&self, _: &Connected<'_>) {
        panic!("connected");
    }

    fn request_sent(&self, _: &RequestSent<'_>) {
        panic!("sent");
    }

    fn batch_completed(&self, _: &BatchCompleted<'_>) {
        panic!("completed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_hook_ends_nothing_and_is_logged_once() {
    let logs = CapturedLogs::warnings();
    let embedded = brokers().await;
    let client = client(&embedded, &embedded.bootstrap_servers(), Panics);
    let producer = client.producer(ProducerConfig::new()).unwrap();
    for _ in 0..2 {
        producer.send(Record::to("t").value("x")).await.unwrap().await.unwrap();
    }
    producer.close(SECOND).await.unwrap();
    client.close(SECOND).await.unwrap();
    assert_eq!(logs.count(&["ERROR", "a hook has panicked"]), 1, "{}", logs.text());
}
