//! Who is let in, and for how long, on the embedded cluster under paused time: sessions that end
//! while records flow (KIP-368).

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use kavka::{
    AutoOffsetReset, BoxFuture, Class, Client, ClientConfig, ConsumerConfig, Error, ErrorCode,
    ErrorKind, ProducerConfig, Record, Sasl, SaslError, Timestamp, Token, TokenSource,
    TopicPartition,
};
use kavka_protocol_tests::InMemory;
use kavka_testcontainers::embedded::{self, EmbeddedCluster, Logins, SaslMechanism};
use tokio::time::{Instant, sleep, timeout};

const TOPIC: &str = "t";
const SESSION: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);

/// No record may take longer than this from the call of `send` until it was received.
const LONGEST_WAY: Duration = Duration::from_secs(1);

/// When virtual time begins, in milliseconds since 1970, as the embedded cluster has it.
const EPOCH_MS: i64 = 1_700_000_000_000;

async fn cluster(mechanisms: &[SaslMechanism]) -> EmbeddedCluster {
    let sasl = embedded::Sasl::new(mechanisms.iter().copied())
        .user("alice", "hunter2")
        .max_reauth(SESSION)
        .tokens(user);
    EmbeddedCluster::builder()
        .brokers(2)
        .in_memory()
        .topic(TOPIC, 1, 2)
        .sasl(sasl)
        .start()
        .await
        .unwrap()
}

/// A token of these tests is a user and the end of its time.
fn user(token: &str) -> Option<(String, i64)> {
    let (user, until) = token.split_once('@')?;
    Some((user.to_owned(), until.parse().ok()?))
}

fn client(cluster: &EmbeddedCluster, sasl: Sasl) -> Client {
    let started = Instant::now();
    let wall_clock =
        move || Timestamp(EPOCH_MS + i64::try_from(started.elapsed().as_millis()).unwrap());
    let config =
        ClientConfig::new(cluster.bootstrap_servers()).connector(InMemory(cluster.clone()));
    Client::new(config.seed(7).wall_clock(wall_clock).sasl(sasl)).unwrap()
}

/// Gives tokens that are good for 40 s, if there are any.
#[derive(Clone, Debug, Default)]
struct Tokens {
    given: Arc<AtomicU32>,
    is_shut: Arc<AtomicBool>,
}

impl TokenSource for Tokens {
    fn token(&self, now: Timestamp) -> BoxFuture<'_, Result<Token, SaslError>> {
        if self.is_shut.load(Ordering::Relaxed) {
            return Box::pin(std::future::ready(Err("the issuer is on holiday".into())));
        }
        self.given.fetch_add(1, Ordering::Relaxed);
        let until = now.0 + 40_000;
        let token = Token::new(format!("alice@{until}")).expires_at(Timestamp(until));
        Box::pin(std::future::ready(Ok(token)))
    }
}

/// Sends ten records a second and receives them, in order and each once; the longest way that one
/// took.
async fn flow(client: &Client, lasting: Duration) -> (usize, Duration) {
    let producer = client.producer(ProducerConfig::new()).unwrap();
    let mut consumer = client.consumer(ConsumerConfig::new()).unwrap();
    consumer.assign([TopicPartition::new(TOPIC, 0)]).unwrap();
    consumer.handle().seek_to_beginning(&[TopicPartition::new(TOPIC, 0)]).unwrap();
    let count = usize::try_from(lasting.as_millis() / 100).unwrap();
    let began = Instant::now();
    let write = async {
        for number in 0..count {
            let value = number.to_string();
            let delivery = producer.send(Record::to(TOPIC).value(&value)).await.unwrap();
            delivery.await.unwrap();
            tokio::time::sleep_until(
                began + Duration::from_millis(100) * u32::try_from(number + 1).unwrap(),
            )
            .await;
        }
    };
    let read = async {
        let mut longest = Duration::ZERO;
        for number in 0..count {
            let record = consumer.recv().await.unwrap();
            assert_eq!(
                record.value(),
                Some(number.to_string().as_bytes()),
                "in order, none lost or doubled"
            );
            let sent = began + Duration::from_millis(100) * u32::try_from(number).unwrap();
            // The first waits for metadata and the producer's id.
            if number > 0 {
                longest = longest.max(sent.elapsed());
            }
        }
        longest
    };
    let ((), longest) = tokio::join!(write, read);
    producer.close(PATIENCE).await.unwrap();
    consumer.close(PATIENCE).await.unwrap();
    (count, longest)
}

async fn keeps_flowing(name: &str, mechanism: SaslMechanism, sasl: Sasl, lasting: Duration) {
    let cluster = cluster(&[mechanism]).await;
    let client = client(&cluster, sasl);
    let (count, longest) = flow(&client, lasting).await;
    let (logins, stats) = (cluster.logins(), client.stats());
    eprintln!("{name}: {count} records in {lasting:?}, longest way {longest:?}, {logins:?}");
    assert!(longest < LONGEST_WAY, "{name}: a record took {longest:?}");
    let Logins { first, renewed, refused, expired, out_of_turn, .. } = logins;
    assert_eq!(
        (refused, expired, out_of_turn),
        (0, 0, 0),
        "{name}: a real broker would have ended a connection"
    );
    // A session that was not renewed would have cost its connection, of which there are four:
    // bootstrap, control, produce, fetch.
    assert_eq!((first, stats.connections_created), (4, 4), "{name}: {stats:?}");
    assert_eq!(stats.connections_failed, 0, "{name}");
    // Produce and fetch at least, each once a session.
    let sessions = lasting.as_secs() / SESSION.as_secs();
    assert!(renewed >= 2 * (sessions - 1), "{name}: {renewed} in {sessions} sessions");
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn sessions_end_and_records_flow_on() {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    keeps_flowing("PLAIN", SaslMechanism::Plain, Sasl::plain("alice", "hunter2"), minutes(10))
        .await;
    keeps_flowing(
        "SCRAM-SHA-256",
        SaslMechanism::ScramSha256,
        Sasl::scram_sha_256("alice", "hunter2"),
        minutes(2),
    )
    .await;
    keeps_flowing(
        "SCRAM-SHA-512",
        SaslMechanism::ScramSha512,
        Sasl::scram_sha_512("alice", "hunter2"),
        minutes(2),
    )
    .await;
    let tokens = Tokens::default();
    keeps_flowing(
        "OAUTHBEARER",
        SaslMechanism::OAuthBearer,
        Sasl::oauthbearer(tokens.clone()),
        minutes(10),
    )
    .await;
    let given = tokens.given.load(Ordering::Relaxed);
    // It is asked for with the first proof after 32 s of its 40.
    assert!((15..=19).contains(&given), "{given} tokens");
}

async fn refused(cluster: &EmbeddedCluster, sasl: Sasl, words: &[&str]) -> Error {
    let client = client(cluster, sasl);
    let started = Instant::now();
    let error = client.admin().describe_cluster().await.expect_err("not let in");
    assert_eq!((error.kind(), error.class()), (ErrorKind::Authentication, Class::Fatal), "{error}");
    assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
    assert!(!error.to_string().contains("hunter"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let before = cluster.logins().refused;
    sleep(Duration::from_secs(600)).await;
    assert!(cluster.logins().refused <= before + 1, "nobody asked, and it went on trying");
    client.close(PATIENCE).await.unwrap();
    error
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_hears_so_at_the_first_call_and_does_not_go_on() {
    let all = [
        SaslMechanism::Plain,
        SaslMechanism::ScramSha256,
        SaslMechanism::ScramSha512,
        SaslMechanism::OAuthBearer,
    ];
    let everything = cluster(&all).await;
    for sasl in [
        Sasl::plain("alice", "hunter3"),
        Sasl::plain("bob", "hunter2"),
        Sasl::scram_sha_256("alice", "hunter3"),
        Sasl::scram_sha_512("alice", "hunter3"),
        Sasl::scram_sha_512("bob", "hunter2"),
    ] {
        let error = refused(&everything, sasl, &["refused the credentials", "sasl.password"]).await;
        assert_eq!(error.code(), Some(ErrorCode::SASL_AUTHENTICATION_FAILED), "{error}");
    }
    #[derive(Debug)]
    struct Old;
    impl TokenSource for Old {
        fn token(&self, now: Timestamp) -> BoxFuture<'_, Result<Token, SaslError>> {
            Box::pin(std::future::ready(Ok(Token::new(format!("alice@{}", now.0 - 1)))))
        }
    }
    refused(&everything, Sasl::oauthbearer(Old), &["invalid_token"]).await;
    let tokens = Tokens::default();
    tokens.is_shut.store(true, Ordering::Relaxed);
    refused(&everything, Sasl::oauthbearer(tokens), &["the issuer is on holiday"]).await;
    everything.shutdown().await;

    let scram = cluster(&[SaslMechanism::ScramSha256, SaslMechanism::ScramSha512]).await;
    let words = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "sasl.mechanism"];
    let error = refused(&scram, Sasl::plain("alice", "hunter2"), &words).await;
    assert_eq!(error.code(), Some(ErrorCode::UNSUPPORTED_SASL_MECHANISM), "{error}");
    scram.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_had_is_told_once_the_old_one_has_ended_and_asked_for_again() {
    let cluster = cluster(&[SaslMechanism::OAuthBearer]).await;
    let tokens = Tokens::default();
    let client = client(&cluster, Sasl::oauthbearer(tokens.clone()));
    let producer = client.producer(ProducerConfig::new()).unwrap();
    let send = async || producer.send(Record::to(TOPIC).value("v")).await?.await.map(drop);
    let started = Instant::now();
    send().await.unwrap();
    tokens.is_shut.store(true, Ordering::Relaxed);
    let error = loop {
        match send().await {
            Ok(()) => sleep(Duration::from_millis(100)).await,
            Err(error) => break error,
        }
    };
    let lasted = started.elapsed();
    eprintln!("after {lasted:?}: {error}");
    // As in Java, a record that is on its way is tried until its time is up, since the next token
    // may come; then it says why.
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let why = std::error::Error::source(&error).expect("the last attempt").to_string();
    assert!(why.contains("the issuer is on holiday"), "{why}");
    // The token is used to its last ten seconds, and the session that it began lasts to its end.
    let last_good = lasted - Duration::from_secs(120);
    assert!(
        last_good > Duration::from_secs(25) && last_good < Duration::from_secs(41),
        "{last_good:?}"
    );
    let error = client.admin().describe_cluster().await.expect_err("not let in");
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert!(error.to_string().contains("the issuer is on holiday"), "{error}");
    tokens.is_shut.store(false, Ordering::Relaxed);
    let reopened = Instant::now();
    while let Err(error) = send().await {
        assert!(reopened.elapsed() < Duration::from_secs(5), "{error}");
        sleep(Duration::from_millis(100)).await;
    }
    eprintln!("again after {:?}, {:?}", reopened.elapsed(), cluster.logins());
    let Logins { refused, expired, out_of_turn, .. } = cluster.logins();
    assert_eq!((refused, expired, out_of_turn), (0, 0, 0));
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_told_by_each_call_that_it_is_not_let_in_until_it_is() {
    for group in [None, Some("g")] {
        let cluster = cluster(&[SaslMechanism::OAuthBearer]).await;
        let tokens = Tokens::default();
        tokens.is_shut.store(true, Ordering::Relaxed);
        let client = client(&cluster, Sasl::oauthbearer(tokens.clone()));
        let config = ConsumerConfig::new().auto_offset_reset(AutoOffsetReset::Earliest);
        let config = if let Some(group) = group { config.group_id(group) } else { config };
        let mut consumer = client.consumer(config).unwrap();
        let choose = |consumer: &kavka::Consumer| match group {
            Some(_) => consumer.subscribe([TOPIC]).unwrap(),
            None => consumer.assign([TopicPartition::new(TOPIC, 0)]).unwrap(),
        };
        let started = Instant::now();
        for round in 0..20 {
            if round % 5 == 0 {
                choose(&consumer);
            }
            let received = timeout(Duration::from_secs(3), consumer.recv()).await;
            let error =
                received.unwrap_or_else(|_| panic!("silence at {round}")).expect_err("not let in");
            assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
            assert!(error.to_string().contains("the issuer is on holiday"), "{error}");
        }
        assert!(
            started.elapsed() > Duration::from_secs(4),
            "{:?}: who asks at once must not spin",
            started.elapsed()
        );
        tokens.is_shut.store(false, Ordering::Relaxed);
        let producer = client.producer(ProducerConfig::new()).unwrap();
        while producer.send(Record::to(TOPIC).value("v")).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
        // What was told of before may be told once more.
        let let_in = async {
            loop {
                if consumer.recv().await.is_ok() {
                    break;
                }
            }
        };
        timeout(Duration::from_secs(5), let_in)
            .await
            .unwrap_or_else(|_| panic!("{group:?} is not let in"));
        client.close(PATIENCE).await.unwrap();
        cluster.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_nobody_asks_for_records_is_not_refused_again_and_again() {
    for group in [None, Some("g")] {
        let cluster = cluster(&[SaslMechanism::Plain]).await;
        let client = client(&cluster, Sasl::plain("alice", "hunter3"));
        let config = if let Some(group) = group {
            ConsumerConfig::new().group_id(group)
        } else {
            ConsumerConfig::new()
        };
        let mut consumer = client.consumer(config).unwrap();
        match group {
            Some(_) => consumer.subscribe([TOPIC]).unwrap(),
            None => consumer.assign([TopicPartition::new(TOPIC, 0)]).unwrap(),
        }
        for _ in 0..3 {
            consumer.recv().await.expect_err("not let in");
        }
        sleep(Duration::from_secs(5)).await;
        let before = cluster.logins().refused;
        assert!(before < 12, "{before}");
        sleep(Duration::from_secs(240)).await;
        let after = cluster.logins().refused;
        assert!(after <= before + 1, "{group:?}: {before}, then {after} although nobody asked");
        client.close(PATIENCE).await.unwrap();
        cluster.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_login_is_told_what_the_listener_may_want() {
    let cluster = cluster(&[SaslMechanism::Plain]).await;
    let config =
        ClientConfig::new(cluster.bootstrap_servers()).connector(InMemory(cluster.clone()));
    let client = Client::new(config.seed(7)).unwrap();
    let error = client.admin().describe_cluster().await.expect_err("not let in").to_string();
    assert!(error.contains("SASL") && error.contains("security.protocol"), "{error}");
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await;
}
