//! A broker that speaks Kafka, and whose every word would move a cursor, begin a line of a log, or
//! fill it.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, CreateTopicsResponse, FindCoordinatorResponse,
    MetadataResponse, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use kavka::{BoxFuture, BrokerAddress, Client, Connector, Io};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::flow;

/// Within Kafka's 16-bit lengths.
fn words() -> String {
    format!("no\r\nINJECTED \u{1b}[2J\u{202e}{}", "y".repeat(30_000))
}

fn text() -> StrBytes {
    StrBytes::from_string(words())
}

/// Each API in the one version that the broker has.
const VERSIONS: [(ApiKey, i16); 4] = [
    (ApiKey::ApiVersions, 0),
    (ApiKey::Metadata, 8),
    (ApiKey::FindCoordinator, 2),
    (ApiKey::CreateTopics, 4),
];

async fn serve(mut stream: DuplexStream) -> std::io::Result<()> {
    loop {
        let length = usize::try_from(stream.read_i32().await?).unwrap();
        let mut request = vec![0; length];
        stream.read_exact(&mut request).await?;
        let mut request = Bytes::from(request);
        let (key, version, id) = (request.get_i16(), request.get_i16(), request.get_i32());
        let mut reply = BytesMut::new();
        ResponseHeader::default().with_correlation_id(id).encode(&mut reply, 0).unwrap();
        let key = ApiKey::try_from(key).unwrap();
        match key {
            // UNSUPPORTED_VERSION is told in version 0.
            ApiKey::ApiVersions => {
                versions(if version == 0 { 0 } else { 35 }).encode(&mut reply, 0)
            }
            ApiKey::Metadata => metadata().encode(&mut reply, version),
            ApiKey::CreateTopics => refused().encode(&mut reply, version),
            ApiKey::FindCoordinator => no_coordinator().encode(&mut reply, version),
            _ => return Ok(()),
        }
        .unwrap();
        stream.write_i32(i32::try_from(reply.len()).unwrap()).await?;
        stream.write_all(&reply).await?;
    }
}

fn versions(code: i16) -> ApiVersionsResponse {
    let version = |(key, version): (ApiKey, i16)| {
        ApiVersion::default()
            .with_api_key(key as i16)
            .with_min_version(version)
            .with_max_version(version)
    };
    ApiVersionsResponse::default().with_error_code(code).with_api_keys(VERSIONS.map(version).into())
}

/// The controller is the one whose name can be reached; the partition's leader has a name that no
/// resolver knows.
fn metadata() -> MetadataResponse {
    let broker = |id, host| {
        MetadataResponseBroker::default().with_node_id(BrokerId(id)).with_host(host).with_port(9092)
    };
    let partition = MetadataResponsePartition::default().with_leader_id(BrokerId(1));
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_static_str("t"))))
        .with_partitions(vec![partition]);
    let strange =
        MetadataResponseTopic::default().with_name(Some(TopicName(text()))).with_error_code(17);
    MetadataResponse::default()
        .with_brokers(vec![broker(1, text()), broker(2, StrBytes::from_static_str("server"))])
        .with_cluster_id(Some(text()))
        .with_controller_id(BrokerId(2))
        .with_topics(vec![topic, strange])
}

fn refused() -> CreateTopicsResponse {
    let topic = CreatableTopicResult::default()
        .with_name(TopicName(StrBytes::from_static_str("t")))
        .with_error_code(42)
        .with_error_message(Some(text()));
    CreateTopicsResponse::default().with_topics(vec![topic])
}

fn no_coordinator() -> FindCoordinatorResponse {
    FindCoordinatorResponse::default().with_error_code(30).with_error_message(Some(text()))
}

#[derive(Debug)]
struct InMemory;

impl Connector for InMemory {
    fn connect<'a>(
        &'a self,
        address: &'a BrokerAddress,
        _: Instant,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            if address.host() != "server" {
                return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "no such host"));
            }
            let (client, server) = tokio::io::duplex(64 * 1024);
            tokio::spawn(serve(server));
            Ok(Box::new(client) as Box<dyn Io>)
        })
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().put_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn no_word_of_a_broker_begins_a_line_moves_a_cursor_or_fills_the_log() {
    let log = Log::default();
    let sink = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || sink.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let client = Client::new(flow::config("server:9092").connector(InMemory)).unwrap();
    let errors = flow::run(&client, "hostile words").await;
    client.close(Duration::from_secs(1)).await.unwrap();
    drop(guard);
    let [created, ..] = &errors;
    let created = created.as_ref().unwrap();
    assert!(
        created.to_string().contains("no\\r\\nINJECTED \\u{1b}[2J"),
        "the broker's words are told: {created}"
    );
    let mut texts: Vec<String> =
        errors.iter().flatten().map(|error| format!("{error} {error:?}")).collect();
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("found the cluster") && log.contains("INJECTED"), "it was told of: {log}");
    texts.extend(log.lines().map(str::to_owned));
    for text in texts {
        assert!(text.len() < 3_000, "{} bytes: {text}", text.len());
        assert!(
            !text.starts_with("INJECTED") && !text.contains(['\u{1b}', '\r', '\u{202e}']),
            "{text}"
        );
    }
}
