//! Against a KDC of MIT and a broker of Apache Kafka, which `.ci/kerberos` makes.
//!
//! `KAVKA_KDC` is the KDC's address, and `KAVKA_KEYTABS` the folder with the keytabs that the script
//! writes.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::env::var;
use std::time::{Duration, Instant};

use kavka::{Client, ClientConfig, ConsumerConfig, ErrorKind, ProducerConfig, Record, Sasl};
use kavka_kerberos::Gssapi;
use kavka_testcontainers::apache::{Cluster, Config, Security};

const PATIENCE: Duration = Duration::from_secs(30);
const SESSION: Duration = Duration::from_secs(2);

fn keytab(name: &str) -> String {
    format!("{}/{name}.keytab", var("KAVKA_KEYTABS").unwrap())
}

/// A listener of the launcher's, with GSSAPI in the place of PLAIN.
async fn cluster() -> Cluster {
    let jaas = format!(
        "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true \
         isInitiator=false keyTab=\"{}\" principal=\"kafka/127.0.0.1@KAVKA.TEST\";",
        keytab("kafka")
    );
    let config = Config::new()
        .secured([Security::SaslPlain])
        .property("listener.name.saslplain.sasl.enabled.mechanisms", "GSSAPI")
        .property("listener.name.saslplain.gssapi.sasl.jaas.config", jaas)
        .property("sasl.kerberos.service.name", "kafka")
        // After it, another exchange must renew the session (KIP-368).
        .property("listener.name.saslplain.gssapi.connections.max.reauth.ms", SESSION.as_millis());
    Cluster::start(config).await.unwrap()
}

fn client(cluster: &Cluster, mechanism: Gssapi) -> Client {
    let brokers = cluster.bootstrap_of(Security::SaslPlain).unwrap();
    Client::new(ClientConfig::new(brokers).sasl(Sasl::custom(mechanism))).unwrap()
}

fn gssapi(principal: &str, file: &str) -> Gssapi {
    Gssapi::new(format!("{principal}@KAVKA.TEST"), keytab(file), &var("KAVKA_KDC").unwrap())
        .unwrap()
}

async fn round_trip(client: &Client, value: &str) {
    let producer = client.producer(ProducerConfig::new()).unwrap();
    let record = Record::to("letters").partition(0).value(value);
    let written = producer.send(record).await.unwrap().await.unwrap();
    producer.close(PATIENCE).await.unwrap();
    let mut consumer = client.consumer(ConsumerConfig::new()).unwrap();
    consumer.assign([written.topic_partition.clone()]).unwrap();
    consumer.seek(&written.topic_partition, written.offset.unwrap()).unwrap();
    let read = tokio::time::timeout(PATIENCE, consumer.recv()).await.unwrap().unwrap();
    assert_eq!(read.value(), Some(value.as_bytes()));
    consumer.close(PATIENCE).await.unwrap();
}

async fn refusal(cluster: &Cluster, mechanism: Gssapi) -> String {
    let error = client(cluster, mechanism).admin().describe_cluster().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    error.to_string()
}

#[tokio::test]
async fn who_has_the_key_logs_in_and_who_has_not_is_told_why() {
    let cluster = cluster().await;
    cluster.create_topic("letters", 1, 1, &[]).await.unwrap();

    // By keys of 256 bits and of 128; the second KDC is asked where the first is not there.
    for name in ["alice", "short"] {
        round_trip(&client(&cluster, gssapi(name, name)), name).await;
    }
    let kdcs = format!("127.0.0.1:1,{}", var("KAVKA_KDC").unwrap());
    let mechanism = Gssapi::new("alice@KAVKA.TEST", keytab("alice"), &kdcs).unwrap();
    let client_of_two = client(&cluster, mechanism);
    // The broker ends connections that do not renew their session.
    let started = Instant::now();
    while started.elapsed() < 3 * SESSION {
        round_trip(&client_of_two, "again").await;
    }

    for (mechanism, part) in [
        (gssapi("alice", "stale"), "the key in the keytab is not the principal's"),
        (gssapi("alice", "short"), "no keytab entry for alice@KAVKA.TEST"),
        (gssapi("alice", "missing"), "missing.keytab"),
        (gssapi("nobody", "nobody"), "it does not know the principal"),
        (gssapi("alice", "alice").service_name("queue"), "it does not know the service"),
        (
            Gssapi::new("alice@KAVKA.TEST", keytab("alice"), "127.0.0.1:1").unwrap(),
            "no KDC answers",
        ),
        // The KDC has this service, and the broker another one's key.
        (
            gssapi("alice", "alice").service_name("other"),
            "its keytab must have the key of other/127.0.0.1",
        ),
    ] {
        let told = refusal(&cluster, mechanism).await;
        println!("{told}");
        assert!(told.contains(part), "{told}");
    }
    cluster.shutdown().await.unwrap();
}
