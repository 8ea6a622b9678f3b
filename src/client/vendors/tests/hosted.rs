//! A cluster of one broker as a vendor hosts it: behind TLS, under the name that the vendor's file
//! has, with what else it demands.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kavka_testcontainers::apache::Certificates;
use kavka_testcontainers::embedded::{EmbeddedCluster, Sasl};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use tokio_rustls::TlsAcceptor;

use crate::boxed::BoxFuture;
use crate::client::Client;
use crate::config::{BrokerAddress, ClientConfig, Properties};
use crate::consumer::{AutoOffsetReset, ConsumerConfig};
use crate::error::ErrorKind;
use crate::net::{AddressMap, Connector, Io};
use crate::producer::ProducerConfig;
use crate::record::Record;

const TOPIC: &str = "t";
const PATIENCE: Duration = Duration::from_secs(30);

/// The cluster, and a folder with the files that its clients need.
pub(super) struct Hosted {
    pub(super) cluster: EmbeddedCluster,
    pub(super) certificates: Certificates,
    pub(super) folder: PathBuf,
    /// The vendor's file.
    text: &'static str,
    demands_certificate: bool,
}

impl Hosted {
    /// Hosts a cluster where this file says; without SASL, it demands a certificate.
    pub(super) async fn start(text: &'static str, sasl: Option<Sasl>) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("kavka-vendors-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = Properties::parse(text).expect("well formed");
        let servers = file.get("bootstrap.servers").expect("where it is");
        let (host, port) = servers.split_once(':').expect("one address");
        let certificates = Certificates::write_for(&folder, &[host]).expect("certificates");
        let demands_certificate = sasl.is_none();
        let builder = EmbeddedCluster::builder().brokers(1).in_memory().topic(TOPIC, 1, 1);
        let builder = match sasl {
            Some(sasl) => builder.sasl(sasl),
            None => builder,
        };
        let cluster = builder.start().await.expect("a cluster");
        cluster.set_advertised_address(1, host, port.parse().expect("a port"));
        Self { cluster, certificates, folder, text, demands_certificate }
    }

    /// The file, with these values in place of its own. An authority that is trusted has to be named,
    /// as those of the operating system do not vouch for this cluster.
    pub(super) fn file(&self, replaced: &[(&str, &str)]) -> Properties {
        let mut file = Properties::parse(self.text).expect("well formed");
        if file.get(self.trust()).is_none() {
            file.set("ssl.truststore.type", "PEM");
        }
        file.set(self.trust(), self.authority());
        file.extend(replaced.iter().copied());
        file
    }

    /// The property by which the file says whom to trust, if it does.
    fn trust(&self) -> &'static str {
        match self.text.contains("ssl.ca.location") {
            true => "ssl.ca.location",
            false => "ssl.truststore.location",
        }
    }

    pub(super) fn authority(&self) -> &str {
        self.certificates.authority.to_str().expect("a path")
    }

    /// A record goes in, and comes out for a member of a group; then other authorities are not
    /// trusted.
    pub(super) async fn lets_in(&self, file: &Properties) {
        self.lets_in_with(file, |_| {}).await;
        let mut distrusting = file.clone();
        let other = self.certificates.other_authority.to_str().expect("a path");
        distrusting.extend([
            (self.trust(), other),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.password", ""),
        ]);
        self.refuses(&distrusting, ErrorKind::Tls).await;
    }

    pub(super) async fn lets_in_with(
        &self,
        file: &Properties,
        change: impl FnOnce(&mut ClientConfig),
    ) {
        let client = self.client(file, change);
        let producer = ProducerConfig::from_properties(file).expect("a producer's");
        let producer = client.producer(producer).expect("a producer");
        let delivery = producer.send(Record::to(TOPIC).value("v")).await.expect("taken");
        delivery.await.expect("written");
        let consumer = ConsumerConfig::from_properties(file).expect("a consumer's");
        let consumer = consumer.group_id("g").auto_offset_reset(AutoOffsetReset::Earliest);
        let mut consumer = client.consumer(consumer).expect("a consumer");
        consumer.subscribe([TOPIC]).expect("a topic");
        let record = tokio::time::timeout(PATIENCE, consumer.recv()).await.expect("in time");
        assert_eq!(record.expect("a record").value(), Some(&b"v"[..]));
        consumer.close(PATIENCE).await.expect("closed");
        client.close(PATIENCE).await.expect("closed");
    }

    pub(super) async fn refuses(&self, file: &Properties, kind: ErrorKind) {
        self.refuses_with(file, kind, |_| {}).await;
    }

    pub(super) async fn refuses_with(
        &self,
        file: &Properties,
        kind: ErrorKind,
        change: impl FnOnce(&mut ClientConfig),
    ) {
        let client = self.client(file, change);
        let error = client.connect(PATIENCE).await.expect_err("refused");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
        client.close(PATIENCE).await.expect("closed");
    }

    fn client(&self, file: &Properties, change: impl FnOnce(&mut ClientConfig)) -> Client {
        let config = ClientConfig::from_properties(file).expect("allowed");
        let door = Door { cluster: self.cluster.clone(), tls: self.acceptor() };
        let map = AddressMap::new().all_to(BrokerAddress::new("broker-1", 9092)).over(door);
        let mut config = config.connector(map);
        change(&mut config);
        Client::new(config).expect("a client")
    }

    fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls_graviola::default_provider());
        let read = |file| CertificateDer::pem_file_iter(file).expect("a file");
        let chain = read(&self.certificates.server).map(|found| found.expect("PEM")).collect();
        let key = PrivateKeyDer::from_pem_file(&self.certificates.server).expect("a key");
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = if self.demands_certificate {
            let mut roots = rustls::RootCertStore::empty();
            for authority in read(&self.certificates.authority) {
                roots.add(authority.expect("PEM")).expect("an authority");
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).expect("a server")))
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Where TLS ends and the cluster begins.
struct Door {
    cluster: EmbeddedCluster,
    tls: TlsAcceptor,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

impl Connector for Door {
    fn connect<'a>(
        &'a self,
        address: &'a BrokerAddress,
        _: Instant,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            let mut broker = self.cluster.connect(address.host(), address.port())?;
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            let tls = self.tls.clone();
            tokio::spawn(async move {
                // A client that does not trust it, or is not trusted, goes away.
                let Ok(mut stream) = tls.accept(theirs).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut broker).await;
            });
            Ok(Box::new(ours) as Box<dyn Io>)
        })
    }
}
