//! Proving anew who the client is while records flow (KIP-368).

use std::time::{Duration, Instant};

use kavka::{Client, ProducerConfig, Record, TopicPartition};
use kavka_testcontainers::apache::{Cluster, Config, Security, Version};

use super::{VERSIONS, base, connect, login, oidc};
use crate::support::{PATIENCE, earliest, sized};

/// No record may take longer than this from the call of `send` until it was received.
const LONGEST_GAP: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_renewed_without_an_error_a_loss_or_a_gap() {
    let (every, lasting) = sized((2, 7), (10, 60));
    for version in sized(&VERSIONS[..1], &VERSIONS[..]) {
        renew(*version, Duration::from_secs(every), Duration::from_secs(lasting)).await;
    }
}

async fn renew(version: Version, every: Duration, lasting: Duration) {
    let kinds = [Security::SaslPlain, Security::SaslSsl, Security::OAuthOidc];
    // Tokens outlive sessions, but not the test of full size.
    let config =
        Config::new().version(version).secured(kinds).token_lifetime(Duration::from_secs(20));
    let config = config.property("connections.max.reauth.ms", every.as_millis()).log_level("info");
    let cluster = Cluster::start(config).await.unwrap();
    for (name, properties) in [
        ("plain", login(base(&cluster, Security::SaslPlain), "PLAIN", "alice", "alice-secret")),
        (
            "scram",
            login(base(&cluster, Security::SaslSsl), "SCRAM-SHA-512", "alice", "alice-secret"),
        ),
        ("oidc", oidc(&cluster, "alice-secret")),
    ] {
        cluster.create_topic(name, 1, 1, &[]).await.unwrap();
        let client = connect(&properties);
        let (records, longest) = flow(&client, name, lasting).await;
        let stats = client.stats();
        eprintln!(
            "{version} {name}: {records} records, longest way {longest:.2?}, {} connections",
            stats.connections_created
        );
        assert!(longest < LONGEST_GAP, "{name}: a record took {longest:?}");
        // One each for bootstrap, control, produce and fetch: a session that was not renewed would
        // have cost its connection.
        assert!(stats.connections_created <= 4, "{name}: {stats:?}");
        assert_eq!(stats.connections_failed, 0, "{name}");
        client.close(PATIENCE).await.unwrap();
    }
    let log = cluster.log(1).unwrap();
    assert!(!log.contains("Failed re-authentication") && !log.contains("expired session"), "{log}");
    cluster.shutdown().await.unwrap();
}

/// Sends a record every few milliseconds and receives it; returns how many, and the longest that
/// one took.
async fn flow(client: &Client, topic: &str, lasting: Duration) -> (usize, Duration) {
    let producer = client.producer(ProducerConfig::new()).unwrap();
    let mut consumer = client.consumer(earliest()).unwrap();
    consumer.assign([TopicPartition::new(topic, 0)]).unwrap();
    let started = Instant::now();
    let write = async {
        let mut sent = Vec::new();
        while started.elapsed() < lasting {
            let at = Instant::now();
            let value = sent.len().to_string();
            sent.push((at, producer.send(Record::to(topic).value(&value)).await.unwrap()));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(producer.send(Record::to(topic).value("end")).await.unwrap());
        producer.flush().await.unwrap();
        let mut times = Vec::new();
        for (at, delivery) in sent {
            delivery.await.unwrap();
            times.push(at);
        }
        times
    };
    let read = async {
        let mut times = Vec::new();
        loop {
            let record = consumer.recv().await.unwrap();
            let value = std::str::from_utf8(record.value().unwrap()).unwrap();
            if value == "end" {
                return times;
            }
            assert_eq!(value, times.len().to_string(), "in order, none lost or doubled");
            times.push(Instant::now());
        }
    };
    let (sent, received) = tokio::join!(write, read);
    assert_eq!(sent.len(), received.len());
    // The first waits for metadata and the producer's id.
    let ways =
        sent.iter().zip(&received).skip(20).map(|(sent, received)| received.duration_since(*sent));
    (sent.len(), ways.max().unwrap())
}
