//! Secured listeners: who is let in, who is refused and how that is said, and what happens while a
//! client is in.

mod access;
mod assertions;
mod renewal;
mod secrets;
mod stores;

use std::time::{Duration, Instant};

use kavka::{
    Class, Client, ClientConfig, ErrorCode, ErrorKind, NewTopic, OidcConfig, ProducerConfig,
    Properties, Record, Sasl, TlsConfig,
};
use kavka_testcontainers::apache::{Certificates, Cluster, Config, Security, USERS, Version};

use crate::support::{PATIENCE, earliest, in_time, sized};

/// The versions that the issue names.
const VERSIONS: [Version; 2] = [Version::DEFAULT, Version::new(3, 9, 2)];

/// The longest that a refusal may take to reach the user. A broker delays its answer to wrong
/// credentials by 100 ms.
const REFUSED_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn certificates(cluster: &Cluster) -> &Certificates {
    cluster.certificates().unwrap()
}

/// What every client of a listener needs, without what proves who it is.
pub(super) fn base(cluster: &Cluster, security: Security) -> Properties {
    let mut properties = Properties::new();
    properties.set("bootstrap.servers", cluster.bootstrap_of(security).unwrap());
    properties.set("security.protocol", security.protocol());
    if security.protocol().ends_with("SSL") {
        properties.set("ssl.truststore.type", "PEM");
        properties
            .set("ssl.truststore.location", certificates(cluster).authority.to_str().unwrap());
    }
    properties
}

/// As Java's users write it.
pub(super) fn login(
    mut properties: Properties,
    mechanism: &str,
    user: &str,
    password: &str,
) -> Properties {
    let module = if mechanism == "PLAIN" { "plain.Plain" } else { "scram.Scram" };
    properties.set("sasl.mechanism", mechanism);
    properties.set(
        "sasl.jaas.config",
        format!(
            "org.apache.kafka.common.security.{module}LoginModule required username=\"{user}\" \
             password=\"{password}\";"
        ),
    );
    properties
}

pub(super) fn with(mut properties: Properties, pairs: &[(&str, &str)]) -> Properties {
    properties.extend(pairs.iter().copied());
    properties
}

fn oauth(properties: Properties, jaas: &str) -> Properties {
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
    with(
        properties,
        &[("sasl.mechanism", "OAUTHBEARER"), ("sasl.jaas.config", &format!("{module} {jaas};"))],
    )
}

fn oidc(cluster: &Cluster, secret: &str) -> Properties {
    let properties = oauth(
        base(cluster, Security::OAuthOidc),
        &format!("clientId=\"alice\" clientSecret=\"{secret}\""),
    );
    with(properties, &[("sasl.oauthbearer.token.endpoint.url", cluster.token_endpoint().unwrap())])
}

pub(super) fn connect(properties: &Properties) -> Client {
    Client::new(ClientConfig::from_properties(properties).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_lets_the_right_in_and_refuses_the_wrong() {
    for version in sized(&VERSIONS[..1], &VERSIONS[..]) {
        eprintln!("{version}");
        let cluster =
            Cluster::start(Config::new().version(*version).secured(Security::ALL)).await.unwrap();
        let good = good(&cluster);
        for (number, (name, properties)) in good.iter().enumerate() {
            let started = Instant::now();
            in_time(name, quickstart(&connect(properties), &format!("good-{number}"))).await;
            eprintln!("{name}: passed in {:.2?}", started.elapsed());
        }
        for refusal in bad(&cluster) {
            in_time(refusal.name, refusal.check()).await;
        }
        by_setters(&cluster).await;
        cluster.shutdown().await.unwrap();
    }
}

/// Every kind with every mechanism, as properties.
fn good(cluster: &Cluster) -> Vec<(String, Properties)> {
    let mut all = vec![("TLS".to_owned(), base(cluster, Security::Ssl))];
    for version in ["TLSv1.2", "TLSv1.3"] {
        all.push((
            version.to_owned(),
            with(base(cluster, Security::Ssl), &[("ssl.enabled.protocols", version)]),
        ));
    }
    let any_name = [("ssl.endpoint.identification.algorithm", "")];
    all.push((
        "TLS without a check of the name".to_owned(),
        with(base(cluster, Security::SslWrongName), &any_name),
    ));
    let files = certificates(cluster);
    let (alice, chain, key) =
        (files.alice.to_str().unwrap(), &files.alice_certificate, &files.alice_key);
    let mutual = || base(cluster, Security::MutualTls);
    all.push((
        "mutual TLS by PKCS#8".to_owned(),
        with(mutual(), &[("ssl.keystore.location", alice)]),
    ));
    let parts = [
        ("ssl.certificate.location", chain.to_str().unwrap()),
        ("ssl.key.location", key.to_str().unwrap()),
    ];
    all.push(("mutual TLS by SEC1".to_owned(), with(mutual(), &parts)));
    let rsa = [("ssl.keystore.location", files.alice_rsa.to_str().unwrap())];
    all.push(("mutual TLS by RSA in PKCS#8".to_owned(), with(mutual(), &rsa)));
    let chain = files.alice_rsa_certificate.to_str().unwrap();
    let parts = |key| [("ssl.certificate.location", chain), ("ssl.key.location", key)];
    all.push((
        "mutual TLS by RSA in PKCS#1".to_owned(),
        with(mutual(), &parts(files.alice_rsa_key.to_str().unwrap())),
    ));
    let encrypted = with(mutual(), &parts(files.alice_rsa_encrypted_key.to_str().unwrap()));
    let password = ("ssl.key.password", Certificates::PASSWORD);
    all.push(("mutual TLS by an encrypted key".to_owned(), with(encrypted, &[password])));
    all.push(("mutual TLS by PKCS#12".to_owned(), stores::properties(cluster)));
    for security in [Security::SaslPlain, Security::SaslScram, Security::SaslSsl] {
        for mechanism in security.mechanisms() {
            let properties = login(base(cluster, security), mechanism, "alice", "alice-secret");
            all.push((format!("{} {mechanism}", security.protocol()), properties));
        }
    }
    let unsecured = "unsecuredLoginStringClaim_sub=\"alice\"";
    all.push((
        "OAUTHBEARER unsecured".to_owned(),
        oauth(base(cluster, Security::OAuthUnsecured), unsecured),
    ));
    all.push(("OAUTHBEARER by OIDC".to_owned(), oidc(cluster, "alice-secret")));
    all
}

/// Produces, consumes as a group, commits: what examples/quickstart.rs does.
pub(super) async fn quickstart(client: &Client, topic: &str) {
    const RECORDS: usize = 200;
    client
        .admin()
        .create_topic(NewTopic::new(topic).partitions(2).replication_factor(1))
        .await
        .unwrap();
    let producer = client.producer(ProducerConfig::new()).unwrap();
    for number in 0..RECORDS {
        let value = number.to_string();
        drop(producer.send(Record::to(topic).key(&value).value(&value)).await.unwrap());
    }
    producer.close(PATIENCE).await.unwrap();
    let mut consumer = client.consumer(earliest().group_id(topic)).unwrap();
    consumer.subscribe([topic]).unwrap();
    for _ in 0..RECORDS {
        consumer.recv().await.unwrap();
    }
    consumer.commit().await.unwrap();
    consumer.close(PATIENCE).await.unwrap();
    client.clone().close(PATIENCE).await.unwrap();
}

/// A client that must not get in.
struct Refusal {
    name: &'static str,
    properties: Properties,
    kind: ErrorKind,
    code: Option<ErrorCode>,
    /// What the message must say.
    words: &'static [&'static str],
}

fn bad(cluster: &Cluster) -> Vec<Refusal> {
    let refusal =
        |name, properties, kind, code, words| Refusal { name, properties, kind, code, words };
    let tls = |name, properties, words| refusal(name, properties, ErrorKind::Tls, None, words);
    let auth = |name, properties, code, words| {
        refusal(name, properties, ErrorKind::Authentication, code, words)
    };
    let files = certificates(cluster);
    let failed = Some(ErrorCode::SASL_AUTHENTICATION_FAILED);
    let mut all = vec![
        tls(
            "an authority that is not trusted",
            with(
                base(cluster, Security::Ssl),
                &[("ssl.truststore.location", files.other_authority.to_str().unwrap())],
            ),
            &["not trusted", "ssl.truststore.location"],
        ),
        tls(
            "another name",
            base(cluster, Security::SslWrongName),
            &["wrong.example", "127.0.0.1", "advertised.listeners"],
        ),
        tls("an expired certificate", base(cluster, Security::SslExpired), &["expired"]),
        tls(
            "no client certificate",
            base(cluster, Security::MutualTls),
            &["demands a client certificate", "ssl.keystore.location"],
        ),
        tls(
            "a stranger's certificate",
            with(
                base(cluster, Security::MutualTls),
                &[("ssl.keystore.location", files.stranger.to_str().unwrap())],
            ),
            &["refused this client's certificate", "ssl.keystore.location"],
        ),
        auth(
            "a mechanism that is not offered",
            with(
                login(base(cluster, Security::SaslScram), "PLAIN", "alice", "alice-secret"),
                &[("client.id", "wrong-mechanism")],
            ),
            Some(ErrorCode::UNSUPPORTED_SASL_MECHANISM),
            &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "sasl.mechanism"],
        ),
        auth(
            "SASL to a listener without it",
            login(
                with(
                    base(cluster, Security::SaslPlain),
                    &[("bootstrap.servers", &cluster.bootstrap())],
                ),
                "PLAIN",
                "alice",
                "alice-secret",
            ),
            Some(ErrorCode::ILLEGAL_SASL_STATE),
            &["no SASL", "security.protocol"],
        ),
        refusal(
            "plaintext to a TLS listener",
            with(
                Properties::new(),
                &[("bootstrap.servers", &cluster.bootstrap_of(Security::Ssl).unwrap())],
            ),
            ErrorKind::Tls,
            None,
            &["TLS", "security.protocol"],
        ),
        auth(
            "an expired token",
            oauth(
                base(cluster, Security::OAuthUnsecured),
                "unsecuredLoginStringClaim_sub=\"alice\" unsecuredLoginLifetimeSeconds=\"-100\"",
            ),
            failed,
            &["invalid_token", "expired 100 s ago", "clock"],
        ),
        auth(
            "a wrong client secret",
            oidc(cluster, "wrong"),
            None,
            &["401", "invalid_client", "client.secret"],
        ),
    ];
    for security in [Security::SaslPlain, Security::SaslScram, Security::SaslSsl] {
        for mechanism in security.mechanisms() {
            let properties = login(base(cluster, security), mechanism, "alice", "wrong");
            all.push(auth(
                "a wrong password",
                properties,
                failed,
                &["refused the credentials", "sasl.password"],
            ));
        }
    }
    let nobody = login(base(cluster, Security::SaslScram), "SCRAM-SHA-256", "nobody", "x");
    all.push(auth(
        "a user that there is none of",
        nobody,
        failed,
        &["refused the credentials", "sasl.username"],
    ));
    all
}

impl Refusal {
    /// The first call of each handle ends soon, with the right error, and nothing goes on trying.
    async fn check(&self) {
        let name = self.name;
        let client = connect(&self.properties);
        let started = Instant::now();
        let error = client.admin().describe_cluster().await.expect_err(name);
        eprintln!("{name}: after {:.2?}: {error}", started.elapsed());
        let message = error.to_string();
        assert_eq!((error.kind(), error.code()), (self.kind, self.code), "{name}: {error}");
        for word in self.words {
            assert!(message.contains(word), "{name}: {word:?} is not in {message:?}");
        }
        if self.kind != ErrorKind::Protocol {
            assert_eq!(error.class(), Class::Fatal, "{name}");
        }
        let producer = client.producer(ProducerConfig::new()).unwrap();
        let sent = async { producer.send(Record::to("t").value("v")).await?.await };
        let error = sent.await.expect_err(name);
        assert_eq!(error.kind(), self.kind, "{name}: send: {error}");
        let mut consumer = client.consumer(earliest().group_id("g")).unwrap();
        consumer.subscribe(["t"]).unwrap();
        let error = consumer.recv().await.expect_err(name);
        assert_eq!(error.kind(), self.kind, "{name}: recv: {error}");
        assert!(started.elapsed() < REFUSED_WITHIN, "{name}: {:?}", started.elapsed());
        client.close(PATIENCE).await.unwrap();
    }
}

/// What has no property, or is said in another way.
async fn by_setters(cluster: &Cluster) {
    let files = certificates(cluster);
    let read = |file: &std::path::Path| std::fs::read_to_string(file).unwrap();
    let bootstrap = |security| ClientConfig::new(cluster.bootstrap_of(security).unwrap());
    let tls = TlsConfig::new()
        .truststore_certificates(read(&files.authority))
        .keystore_certificate_chain(read(&files.alice_certificate), read(&files.alice_key));
    let [_, (alice, password), _] = USERS;
    let sasl = Sasl::scram_sha_256(alice, password);
    let token = OidcConfig::new(cluster.token_endpoint().unwrap(), alice, password);
    for config in [
        bootstrap(Security::MutualTls).tls(tls),
        bootstrap(Security::SaslSsl)
            .tls(TlsConfig::new().truststore_location(&files.authority))
            .sasl(sasl),
        bootstrap(Security::OAuthOidc).sasl(Sasl::oauthbearer_oidc(token)),
    ] {
        let client = Client::new(config).unwrap();
        client.admin().describe_cluster().await.unwrap();
        client.close(PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn certificates_are_read_again_when_their_files_change() {
    let cluster = Cluster::start(Config::new().secured([Security::MutualTls])).await.unwrap();
    let files = certificates(&cluster);
    let file = cluster.file("changing.pem", &std::fs::read(&files.stranger).unwrap()).unwrap();
    let properties = with(
        base(&cluster, Security::MutualTls),
        &[("ssl.keystore.location", file.to_str().unwrap())],
    );
    let client = connect(&properties);
    let error = client.admin().describe_cluster().await.expect_err("a stranger");
    assert_eq!(error.kind(), ErrorKind::Tls);
    cluster.file("changing.pem", b"half written").unwrap();
    client.admin().describe_cluster().await.expect_err("the last good one is the stranger's");
    cluster.file("changing.pem", &std::fs::read(&files.alice).unwrap()).unwrap();
    // The first call hears of the attempt before it, and begins the next.
    let let_in = async {
        while let Err(error) = client.admin().describe_cluster().await {
            assert_eq!(error.kind(), ErrorKind::Tls);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    in_time("the new certificate", let_in).await;
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await.unwrap();
}
