//! A Kafka inside the program, for those who have none at hand.

use kavka_testcontainers::embedded::EmbeddedCluster;

use super::{Connection, Outcome, Stop};

/// The cluster to work on: the one that is named, or one broker inside this process.
#[derive(Debug)]
pub struct Cluster {
    pub bootstrap: String,
    embedded: Option<EmbeddedCluster>,
}

impl Cluster {
    /// Takes the named cluster, or starts the embedded one and says so on stderr.
    pub async fn find(connection: &Connection) -> Outcome<Self> {
        if let Some(bootstrap) = connection.named_cluster()? {
            return Ok(Self { bootstrap, embedded: None });
        }
        let embedded = EmbeddedCluster::builder().tcp().start().await.map_err(Stop::failure)?;
        let bootstrap = embedded.bootstrap_servers();
        eprintln!("no cluster is named: using the embedded one at {bootstrap}");
        Ok(Self { bootstrap, embedded: Some(embedded) })
    }

    /// Ends the embedded cluster, if this is one.
    pub async fn shutdown(self) {
        if let Some(embedded) = self.embedded {
            embedded.shutdown().await;
        }
    }
}
