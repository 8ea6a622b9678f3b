//! The files that a node, ZooKeeper and the tools read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::config::Config;
use super::error::{Error, Result};
use super::metrics;
use super::security::Security;

pub(super) const HOST: &str = "127.0.0.1";

/// The ports of one node.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    /// Where the node listens to clients.
    pub(super) client: u16,
    /// Where the node says that it listens to clients: the same, or its proxy.
    pub(super) advertised: u16,
    /// Where nodes talk to each other, and the launcher asks whether they are ready.
    pub(super) internal: u16,
    /// Where the Raft quorum of the metadata talks.
    pub(super) controller: u16,
    /// Where the node listens to clients on secured listeners.
    pub(super) secured: BTreeMap<Security, u16>,
}

/// Writes a Java properties file. Values hold neither line ends nor backslashes: they come from the
/// launcher and from tests.
pub(super) fn write(file: &Path, properties: &BTreeMap<String, String>) -> Result<()> {
    let text: String = properties.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    fs::write(file, text).map_err(Error::file(file))
}

/// The properties of node `id`, which is a broker and, under KRaft, a controller.
pub(super) fn of_node(
    config: &Config,
    zookeeper: Option<u16>,
    ports: &[Ports],
    id: u16,
    data: &Path,
) -> BTreeMap<String, String> {
    let Some(own) = ports.get(usize::from(id) - 1) else { return BTreeMap::new() };
    let replicas = config.nodes.min(3);
    let in_sync = replicas.min(2);
    let secured: String = own
        .secured
        .iter()
        .map(|(security, port)| format!(",{}://{HOST}:{port}", security.listener()))
        .collect();
    let protocols: String = own
        .secured
        .keys()
        .map(|security| format!(",{}:{}", security.listener(), security.protocol()))
        .collect();
    let listeners =
        format!("CLIENT://{HOST}:{},INTERNAL://{HOST}:{}{secured}", own.client, own.internal);
    let advertised =
        format!("CLIENT://{HOST}:{},INTERNAL://{HOST}:{}{secured}", own.advertised, own.internal);
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    let mut set =
        |name: &str, value: &dyn ToString| drop(all.insert(name.to_owned(), value.to_string()));
    set("advertised.listeners", &advertised);
    set("inter.broker.listener.name", &"INTERNAL");
    set(
        "listener.security.protocol.map",
        &format!("CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}"),
    );
    set("log.dirs", &data.display());
    if let Some(port) = zookeeper {
        set("broker.id", &id);
        set("zookeeper.connect", &format!("{HOST}:{port}"));
        set("zookeeper.session.timeout.ms", &6000);
        set("listeners", &listeners);
    } else {
        let controllers = ports
            .iter()
            .zip(1..)
            .map(|(ports, id): (_, u16)| (id, format!("{HOST}:{}", ports.controller)));
        set("process.roles", &"broker,controller");
        set("node.id", &id);
        set("controller.listener.names", &"CONTROLLER");
        if config.has_dynamic_quorum {
            let all: Vec<_> = controllers.map(|(_, address)| address).collect();
            set("controller.quorum.bootstrap.servers", &all.join(","));
        } else {
            let voters: Vec<_> =
                controllers.map(|(id, address)| format!("{id}@{address}")).collect();
            set("controller.quorum.voters", &voters.join(","));
        }
        set("listeners", &format!("{listeners},CONTROLLER://{HOST}:{}", own.controller));
        // How soon a killed node is taken for dead.
        set("broker.heartbeat.interval.ms", &500);
        set("broker.session.timeout.ms", &3000);
    }
    for topic in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
        set(&format!("{topic}.replication.factor"), &replicas);
        set(&format!("{topic}.num.partitions"), &config.nodes);
    }
    for topic in ["", "transaction.state.log.", "share.coordinator.state.topic."] {
        set(
            &format!("{topic}{}", if topic.is_empty() { "min.insync.replicas" } else { "min.isr" }),
            &in_sync,
        );
    }
    set("default.replication.factor", &replicas);
    set("auto.create.topics.enable", &false);
    // The first members of a group need not wait for more to come.
    set("group.initial.rebalance.delay.ms", &0);
    set("group.min.session.timeout.ms", &1000);
    set("group.consumer.min.session.timeout.ms", &1000);
    set("group.consumer.min.heartbeat.interval.ms", &100);
    set("controlled.shutdown.retry.backoff.ms", &500);
    set("replica.lag.time.max.ms", &5000);
    // Small, so that several nodes fit on a small machine.
    set("num.network.threads", &2);
    set("num.io.threads", &4);
    set("offsets.load.threads", &1);
    set("log.cleaner.dedupe.buffer.size", &4_194_304);
    set("log.segment.bytes", &67_108_864);
    if config.racks {
        set("broker.rack", &format!("r{id}"));
        set("replica.selector.class", &"org.apache.kafka.common.replica.RackAwareReplicaSelector");
    }
    if config.has_acls {
        set("authorizer.class.name", &"org.apache.kafka.metadata.authorizer.StandardAuthorizer");
        set("super.users", &"User:ANONYMOUS;User:admin");
    }
    if !own.secured.is_empty() {
        // Delegation tokens.
        set("delegation.token.secret.key", &"kavka");
    }
    let folder = data.parent().unwrap_or(data);
    if config.receives_metrics {
        set("metric.reporters", &metrics::CLASS);
        set("kavka.metrics.file", &metrics::file(folder, id).display());
    }
    for security in own.secured.keys() {
        all.extend(security.properties(folder));
    }
    all.extend(config.properties.clone());
    all
}

/// The properties of a ZooKeeper of one node.
pub(super) fn of_zookeeper(port: u16, data: &Path) -> BTreeMap<String, String> {
    [
        ("dataDir", data.display().to_string()),
        ("clientPort", port.to_string()),
        ("clientPortAddress", HOST.into()),
        ("admin.enableServer", "false".into()),
        ("tickTime", "500".into()),
        ("maxClientCnxns", "0".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Logging to the standard error at a level, for log4j 2 and for log4j 1; returns the JVM's options
/// that name the files.
pub(super) fn write_logging(folder: &Path, who: &str, level: &str) -> Result<[String; 2]> {
    const LAYOUT: &str = "%d %p %m (%c)%n";
    let second = folder.join(format!("{who}.log4j2.properties"));
    let text = format!(
        "status=error\nrootLogger.level={level}\nrootLogger.appenderRef.c.ref=C\nappender.c.type=Console\nappender.c.name=C\n\
         appender.c.target=SYSTEM_ERR\nappender.c.layout.type=PatternLayout\nappender.c.layout.pattern={LAYOUT}\n"
    );
    fs::write(&second, text).map_err(Error::file(&second))?;
    let first = folder.join(format!("{who}.log4j.properties"));
    let text = format!(
        "log4j.rootLogger={}, \
         C\nlog4j.appender.C=org.apache.log4j.ConsoleAppender\nlog4j.appender.C.target=System.err\n\
         log4j.appender.C.layout=org.apache.log4j.PatternLayout\nlog4j.appender.C.layout.ConversionPattern={LAYOUT}\n",
        level.to_uppercase()
    );
    fs::write(&first, text).map_err(Error::file(&first))?;
    Ok([
        format!("-Dlog4j2.configurationFile={}", second.display()),
        format!("-Dlog4j.configuration=file:{}", first.display()),
    ])
}
