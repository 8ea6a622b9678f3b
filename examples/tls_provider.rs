//! Cryptography of your own for TLS: any `CryptoProvider` of rustls. Here it is graviola's with
//! fewer algorithms, as an auditor may ask for.
//!
//! `KAVKA_BROKERS=localhost:9093 KAVKA_CA=ca.pem cargo run --example tls_provider` needs a listener
//! with SSL.

use std::env::var;
use std::sync::Arc;
use std::time::Duration;

use kavka::{Client, ClientConfig, TlsConfig};
use rustls::CipherSuite;
use rustls::crypto::CryptoProvider;

/// In its place could be that of aws-lc-rs, ring, or one for a module that is certified.
fn provider() -> CryptoProvider {
    let mut provider = rustls_graviola::default_provider();
    provider.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_AES_256_GCM_SHA384);
    provider
}

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    kavka_programs::start_logs();
    let word = |name: &str| {
        var(name).map_err(|_| kavka_programs::Stop::usage(format_args!("{name} is not set")))
    };
    let tls = TlsConfig::new()
        .truststore_location(word("KAVKA_CA")?)
        .crypto_provider(Arc::new(provider()));
    let client = Client::new(ClientConfig::new(word("KAVKA_BROKERS")?).tls(tls))?;
    println!(
        "{} brokers speak TLS 1.3 with AES-256",
        client.admin().describe_cluster().await?.brokers.len()
    );
    Ok(client.close(Duration::from_secs(5)).await?)
}
