//! What a client that was let in may do: ACLs that change at run time, and delegation tokens.

use std::time::Duration;

use kavka::{Class, Client, ErrorCode, ErrorKind, ProducerConfig, Properties, Record, Result};
use kavka_testcontainers::apache::{Cluster, Config, Security};

use super::{VERSIONS, base, connect, login, quickstart};
use crate::support::{PATIENCE, earliest, in_time, sized};

async fn permit(cluster: &Cluster, arguments: &[&str]) {
    let bootstrap = cluster.internal_bootstrap();
    let tool =
        cluster.tool("org.apache.kafka.tools.AclCommand").args(["--bootstrap-server", &bootstrap]);
    tool.args(arguments.iter().copied()).run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_forbidden_does_not_hurt_another() {
    for version in sized(&VERSIONS[..1], &VERSIONS[..]) {
        let cluster =
            Cluster::start(Config::new().version(*version).secured([Security::SaslPlain]).acls())
                .await
                .unwrap();
        for topic in ["hers", "theirs"] {
            cluster.create_topic(topic, 1, 1, &[]).await.unwrap();
        }
        permit(
            &cluster,
            &[
                "--add",
                "--allow-principal",
                "User:alice",
                "--operation",
                "All",
                "--topic",
                "hers",
                "--group",
                "*",
            ],
        )
        .await;
        let client =
            connect(&login(base(&cluster, Security::SaslPlain), "PLAIN", "alice", "alice-secret"));
        let producer = client.producer(ProducerConfig::new()).unwrap();
        let write = async |topic: &str| -> Result<()> {
            producer.send(Record::to(topic).value("v")).await?.await.map(drop)
        };

        in_time("a permitted record", write("hers")).await.unwrap();
        let denied = in_time("a forbidden record", write("theirs")).await.unwrap_err();
        assert_eq!(
            (denied.kind(), denied.code()),
            (ErrorKind::Broker, Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED)),
            "{denied}"
        );
        assert_eq!(denied.class(), ErrorCode::TOPIC_AUTHORIZATION_FAILED.class());
        assert!(
            matches!(denied.class(), Class::Rejected | Class::InvalidConfiguration),
            "{denied}"
        );
        in_time("a permitted record after it", write("hers")).await.unwrap();
        in_time("reading", a_reader_of_both_reads_hers(&client)).await;

        permit(
            &cluster,
            &[
                "--add",
                "--allow-principal",
                "User:alice",
                "--operation",
                "All",
                "--topic",
                "theirs",
            ],
        )
        .await;
        in_time("a record that is permitted now", until(async || write("theirs").await.is_ok()))
            .await;
        permit(
            &cluster,
            &[
                "--remove",
                "--force",
                "--allow-principal",
                "User:alice",
                "--operation",
                "All",
                "--topic",
                "hers",
            ],
        )
        .await;
        let is_denied = |result: Result<()>| {
            result.is_err_and(|error| error.code() == Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED))
        };
        in_time("a record that is forbidden now", until(async || is_denied(write("hers").await)))
            .await;
        in_time("the other topic", write("theirs")).await.unwrap();
        producer.close(PATIENCE).await.unwrap();
        client.close(PATIENCE).await.unwrap();
        cluster.shutdown().await.unwrap();
    }
}

/// Tries again and again: what a tool has changed reaches brokers, and then clients, a little
/// later.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    while !is_so().await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The two records of the permitted topic come, and the refusal of the other, in whichever order.
async fn a_reader_of_both_reads_hers(client: &Client) {
    let mut consumer = client.consumer(earliest().group_id("readers")).unwrap();
    consumer.subscribe(["hers", "theirs"]).unwrap();
    let (mut records, mut refusals) = (0, 0);
    while records < 2 || refusals == 0 {
        match consumer.recv().await {
            Ok(record) => {
                assert_eq!(record.topic(), "hers");
                records += 1;
            }
            Err(error) => {
                assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED), "{error}");
                refusals += 1;
            }
        }
    }
    consumer.close(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegation_token_lets_its_owner_in_until_it_is_ended() {
    for version in sized(&VERSIONS[..1], &VERSIONS[..]) {
        let cluster =
            Cluster::start(Config::new().version(*version).secured([Security::SaslScram]))
                .await
                .unwrap();
        let mut owner = Properties::new();
        owner.extend(
            login(base(&cluster, Security::SaslScram), "SCRAM-SHA-256", "alice", "alice-secret")
                .iter(),
        );
        let text: String = owner.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let file = cluster.file("alice.properties", text.as_bytes()).unwrap();
        let bootstrap = cluster.bootstrap_of(Security::SaslScram).unwrap();
        let tool = async |arguments: &[&str]| {
            let tool = cluster
                .tool("org.apache.kafka.tools.DelegationTokenCommand")
                .args(["--bootstrap-server", &bootstrap]);
            tool.args(["--command-config", file.to_str().unwrap()])
                .args(arguments.iter().copied())
                .run()
                .await
                .unwrap()
        };
        let printed = tool(&["--create", "--max-life-time-period", "-1"]).await;
        let row = printed.lines().last().unwrap();
        let [id, hmac, ..] = row.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{printed}")
        };

        let token = |mechanism, hmac: &str| {
            let mut properties = login(base(&cluster, Security::SaslScram), mechanism, id, hmac);
            let jaas =
                properties.get("sasl.jaas.config").unwrap().replace(';', " tokenauth=\"true\";");
            properties.set("sasl.jaas.config", jaas);
            properties
        };
        // What the tool was told reaches the broker's cache a little later.
        let knows = async |hmac| {
            connect(&token("SCRAM-SHA-256", hmac)).admin().describe_cluster().await.is_ok()
        };
        in_time("the token's way to the broker", until(async || knows(hmac).await)).await;
        for (number, mechanism) in ["SCRAM-SHA-256", "SCRAM-SHA-512"].into_iter().enumerate() {
            in_time(
                "a token",
                quickstart(&connect(&token(mechanism, hmac)), &format!("token-{number}")),
            )
            .await;
        }
        let refused =
            async |properties| connect(&properties).admin().describe_cluster().await.unwrap_err();
        assert_eq!(
            refused(token("SCRAM-SHA-256", "wrong")).await.kind(),
            ErrorKind::Authentication
        );
        // Without the mark it is a user of that name, of which there is none.
        let unmarked = login(base(&cluster, Security::SaslScram), "SCRAM-SHA-256", id, hmac);
        assert_eq!(refused(unmarked).await.code(), Some(ErrorCode::SASL_AUTHENTICATION_FAILED));
        tool(&["--expire", "--expiry-time-period", "-1", "--hmac", hmac]).await;
        in_time("the token's end", until(async || !knows(hmac).await)).await;
        assert_eq!(
            refused(token("SCRAM-SHA-256", hmac)).await.code(),
            Some(ErrorCode::SASL_AUTHENTICATION_FAILED)
        );
        cluster.shutdown().await.unwrap();
    }
}
