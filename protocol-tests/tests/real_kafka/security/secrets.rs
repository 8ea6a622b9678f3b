//! Nothing that is printed holds a secret.

use std::io;
use std::sync::{Arc, Mutex};

use kavka::{Client, ClientConfig};
use kavka_testcontainers::apache::{Cluster, Config, Security};
use tracing_subscriber::fmt::MakeWriter;

use super::{assertions, base, certificates, connect, login, oauth, oidc, with};

const SECRET: &str = "hunter2-is-no-password";

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// On one thread, so that the subscriber of this test hears every task.
#[tokio::test]
async fn a_failing_login_prints_no_secret_at_trace_level() {
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(kept.clone());
    let guard = tracing::subscriber::set_default(subscriber.finish());
    // While there is one subscriber, tracing asks the thread that meets a line first, and never
    // again: a test beside this one would silence it for all. With two it asks both.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let cluster = Cluster::start(Config::new().secured(Security::ALL)).await.unwrap();
    let mut all = vec![oidc(&cluster, SECRET)];
    for security in [Security::SaslPlain, Security::SaslScram, Security::SaslSsl] {
        all.extend(
            security
                .mechanisms()
                .iter()
                .map(|mechanism| login(base(&cluster, security), mechanism, "alice", SECRET)),
        );
    }
    let key = std::fs::read_to_string(&certificates(&cluster).stranger).unwrap();
    let secret_line = key.lines().nth(1).unwrap().to_owned();
    let chain: String = key.split_inclusive("-----END PRIVATE KEY-----\n").skip(1).collect();
    let pem = [("ssl.keystore.key", key.as_str()), ("ssl.keystore.certificate.chain", &chain)];
    all.push(with(base(&cluster, Security::MutualTls), &pem));
    let signed = |pairs: &[(&str, &str)]| with(assertions::bearer(&cluster), pairs);
    let pem = ("sasl.oauthbearer.assertion.private.key.pem", key.as_str());
    all.push(signed(&[("sasl.oauthbearer.assertion.algorithm", "ES256"), pem]));
    all.push(signed(&[pem]));
    let encrypted = certificates(&cluster).alice_rsa_encrypted_key.to_str().unwrap();
    let passphrase = ("sasl.oauthbearer.assertion.private.key.passphrase", SECRET);
    all.push(signed(&[("sasl.oauthbearer.assertion.private.key.file", encrypted), passphrase]));
    all.push(with(
        base(&cluster, Security::SaslPlain),
        &[("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", SECRET)],
    ));
    all.push(with(
        oauth(base(&cluster, Security::SaslPlain), SECRET),
        &[("sasl.password", SECRET)],
    ));

    let mut printed = String::new();
    for properties in &all {
        printed += &format!("{properties:?}");
        match ClientConfig::from_properties(properties) {
            Ok(config) => {
                printed += &format!("{config:?}");
                let client = match Client::new(config) {
                    Ok(client) => client,
                    Err(error) => {
                        printed += &format!("{error} {error:?}");
                        continue;
                    }
                };
                let error = client.admin().describe_cluster().await.expect_err("a wrong secret");
                printed += &format!("{error} {error:?} {client:?} {:?}", client.stats());
                client.close(super::PATIENCE).await.unwrap();
            }
            Err(error) => printed += &format!("{error} {error:?}"),
        }
    }
    // One that succeeds, whose secret is the right one.
    let properties = login(base(&cluster, Security::SaslPlain), "PLAIN", "alice", "alice-secret");
    let client = connect(&properties);
    client.admin().describe_cluster().await.unwrap();
    client.close(super::PATIENCE).await.unwrap();
    drop(guard);
    printed += &String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(printed.contains("TRACE kavka"), "the subscriber heard the client's tasks");
    for secret in [SECRET, "alice-secret", &secret_line] {
        let at = printed.find(secret);
        assert_eq!(at, None, "{:?}", at.map(|at| &printed[at.saturating_sub(200)..at + 20]));
    }
    cluster.shutdown().await.unwrap();
}
