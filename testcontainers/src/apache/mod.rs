//! Real Apache Kafka as local processes: any version, one or several nodes, which can be killed,
//! paused and restarted.
//!
//! Needs Java 17, and either `KAFKA_HOME` or Maven, which downloads the jars when a version is used
//! for the first time. Versions from 3.3 on run as combined KRaft nodes, older ones with ZooKeeper.
//! All files are in a folder of their own below the system's temporary folder, which is removed
//! with the cluster, however that ends; `KAVKA_KEEP_LOGS=1` keeps it.
//!
//! ```no_run
//! # async fn example() -> Result<(), kavka_testcontainers::apache::Error> {
//! use kavka_testcontainers::apache::{Cluster, Config};
//!
//! let cluster = Cluster::start(Config::new().nodes(3)).await?;
//! println!("{}", cluster.bootstrap());
//! cluster.kill(1).await?;
//! cluster.restart(1).await?;
//! cluster.shutdown().await
//! # }
//! ```

mod classpath;
mod config;
mod error;
mod metrics;
mod ports;
mod process;
mod properties;
mod ready;
mod security;
mod tool;
mod version;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, io};

use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::sleep;

use self::classpath::Classpath;
use self::process::{LOG_LINES, Process, Signal, Watcher, tail};
use self::properties::{HOST, Ports};
use crate::proxy::Proxy;

pub use self::config::Config;
pub use self::error::{Error, Result};
pub use self::security::{Certificates, Security, TokenEndpoint, USERS};
pub use self::tool::{Running, Tool};
pub use self::version::Version;

/// How long a node may take to become ready: 3 to 22 s were seen, on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(90);
/// How long a node may take to stop: 0.5 to 4 s were seen, more when it cannot hand over its
/// partitions.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A real Kafka cluster that runs until it is dropped.
#[derive(Debug)]
pub struct Cluster {
    version: Version,
    heap: String,
    jars: Classpath,
    folder: PathBuf,
    node_logging: [String; 2],
    tool_logging: [String; 2],
    nodes: Vec<Node>,
    zookeeper: Option<Process>,
    tools: AtomicU32,
    certificates: Option<Certificates>,
    tokens: Option<TokenEndpoint>,
    watcher: Option<Watcher>,
}

#[derive(Debug)]
struct Node {
    id: u16,
    ports: Ports,
    proxy: Option<Proxy>,
    /// `None` while the node is down. The lock makes operations on one node wait for each other.
    process: Mutex<Option<Process>>,
}

impl Cluster {
    /// Starts a cluster and waits until every node knows all others.
    ///
    /// # Errors
    /// See [`Error`]; no process is left behind.
    ///
    /// # Cancel safety
    /// If the future is dropped, everything that was started is ended.
    pub async fn start(config: Config) -> Result<Self> {
        if config.nodes == 0 {
            return Err(Error::Config("a cluster has at least one node".into()));
        }
        let version = match config.version {
            Some(version) => version,
            None => classpath::version_at_home()?.unwrap_or(Version::DEFAULT),
        };
        let resolving = tokio::task::spawn_blocking(move || classpath::resolve(version));
        let mut jars = resolving
            .await
            .map_err(|_| Error::Config("the search for jars was aborted".into()))??;
        let folder = new_folder()?;
        let watcher = Some(Watcher::spawn(&folder)?);
        if config.receives_metrics {
            jars.broker = metrics::compile(&folder, &jars.broker).await?;
        }
        let mut nodes = Vec::new();
        for id in 1..=config.nodes {
            let mut ports =
                ports::of_node(&config.secured).map_err(Error::process(format!("node{id}")))?;
            let proxy = match config.behind_proxies {
                true => Some(
                    Proxy::start((HOST, ports.client))
                        .await
                        .map_err(Error::process(format!("proxy{id}")))?,
                ),
                false => None,
            };
            ports.advertised = proxy.as_ref().map_or(ports.client, |proxy| proxy.address().port());
            nodes.push(Node { id, ports, proxy, process: Mutex::new(None) });
        }
        let is_secured = !config.secured.is_empty();
        let certificates = if is_secured { Some(Certificates::write(&folder)?) } else { None };
        let tokens = if is_secured {
            Some(TokenEndpoint::start(&folder, config.token_lifetime).await?)
        } else {
            None
        };
        let mut cluster = Self {
            version,
            heap: config.heap.clone(),
            jars,
            node_logging: properties::write_logging(&folder, "node", &config.log_level)?,
            tool_logging: properties::write_logging(&folder, "tool", "warn")?,
            folder,
            nodes,
            zookeeper: None,
            tools: AtomicU32::new(0),
            certificates,
            tokens,
            watcher,
        };
        cluster.prepare(&config).await?;
        for node in &cluster.nodes {
            *node.process.lock().await = Some(cluster.spawn_node(node)?);
        }
        for node in &cluster.nodes {
            cluster.wait_until_ready(node).await?;
        }
        Ok(cluster)
    }

    /// Returns the addresses of all nodes, or of their proxies, for clients.
    pub fn bootstrap(&self) -> String {
        self.join(|ports| ports.advertised)
    }

    /// Returns the addresses of all nodes, which never lead through a proxy.
    pub fn internal_bootstrap(&self) -> String {
        self.join(|ports| ports.internal)
    }

    /// Returns the address of a node's listener `CONTROLLER`; `None` if there is no such node.
    pub fn controller_address(&self, node: u16) -> Option<(&'static str, u16)> {
        self.node(node).ok().map(|node| (HOST, node.ports.controller))
    }

    /// Returns the addresses of all nodes for a secured listener.
    ///
    /// # Errors
    /// [`Error::Config`] if [`Config::secured`] did not name it.
    pub fn bootstrap_of(&self, security: Security) -> Result<String> {
        let missing = || Error::Config(format!("the nodes have no listener {security:?}"));
        let all: Option<Vec<_>> = self
            .nodes
            .iter()
            .map(|node| Some(format!("{HOST}:{}", node.ports.secured.get(&security)?)))
            .collect();
        all.map(|all| all.join(",")).ok_or_else(missing)
    }

    /// Returns the certificates for clients of secured listeners; `None` without
    /// [`Config::secured`].
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Returns the URL of the token endpoint; `None` without [`Config::secured`].
    pub fn token_endpoint(&self) -> Option<&str> {
        self.tokens.as_ref().map(TokenEndpoint::url)
    }

    /// Returns the forms that were recently posted to the token endpoint.
    pub fn token_requests(&self) -> Vec<String> {
        self.tokens.as_ref().map(TokenEndpoint::forms).unwrap_or_default()
    }

    /// Returns the version that is running.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the ids of all nodes, which start at 1.
    pub fn nodes(&self) -> impl Iterator<Item = u16> + '_ {
        self.nodes.iter().map(|node| node.id)
    }

    /// Returns the proxy in front of a node; `None` without [`Config::behind_proxies`].
    pub fn proxy(&self, node: u16) -> Option<&Proxy> {
        self.node(node).ok()?.proxy.as_ref()
    }

    /// Returns the log of a node.
    ///
    /// # Errors
    /// [`Error::File`] if there is no log.
    pub fn log(&self, node: u16) -> Result<String> {
        let path = self.folder.join(format!("node{node}.log"));
        fs::read(&path)
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .map_err(Error::file(&path))
    }

    /// Kills a node (SIGKILL), like a crash; one that is down stays down.
    ///
    /// # Errors
    /// [`Error::Process`] if it does not exit.
    pub async fn kill(&self, node: u16) -> Result<()> {
        let mut process = self.node(node)?.process.lock().await;
        if let Some(running) = &mut *process {
            running.kill().await?;
        }
        *process = None;
        Ok(())
    }

    /// Asks a node to stop (SIGTERM), so that it first hands over the partitions that it leads.
    ///
    /// # Errors
    /// [`Error::Timeout`] if it does not exit within a minute; it is then killed.
    pub async fn stop(&self, node: u16) -> Result<()> {
        let mut process = self.node(node)?.process.lock().await;
        if let Some(mut running) = process.take() {
            running.signal(Signal::Terminate)?;
            running.wait(STOP_LIMIT).await?;
        }
        Ok(())
    }

    /// Starts a node that is down, and waits until it knows all running nodes.
    ///
    /// # Errors
    /// [`Error::Ended`] or [`Error::Timeout`] if it does not become ready.
    pub async fn restart(&self, node: u16) -> Result<()> {
        let node = self.node(node)?;
        let mut process = node.process.lock().await;
        if process.is_none() {
            *process = Some(self.spawn_node(node)?);
        }
        drop(process);
        self.wait_until_ready(node).await
    }

    /// Pauses a node (SIGSTOP): its connections stay open, but nothing answers.
    ///
    /// # Errors
    /// [`Error::Process`] if the signal cannot be sent.
    pub async fn pause(&self, node: u16) -> Result<()> {
        self.signal(node, Signal::Pause).await
    }

    /// Resumes a paused node.
    ///
    /// # Errors
    /// [`Error::Process`] if the signal cannot be sent.
    pub async fn resume(&self, node: u16) -> Result<()> {
        self.signal(node, Signal::Resume).await
    }

    /// Ends all processes and waits until they have exited. Dropping a cluster does the same
    /// without waiting.
    ///
    /// # Errors
    /// [`Error::Process`] if one does not exit.
    pub async fn shutdown(mut self) -> Result<()> {
        for node in self.nodes() {
            self.kill(node).await?;
        }
        if let Some(mut zookeeper) = self.zookeeper.take() {
            zookeeper.kill().await?;
        }
        match self.watcher.take() {
            Some(watcher) => watcher.finish().await,
            None => Ok(()),
        }
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn name_of_tool(&self) -> String {
        format!("tool{}", self.tools.fetch_add(1, Ordering::Relaxed))
    }

    fn node(&self, id: u16) -> Result<&Node> {
        self.nodes
            .iter()
            .find(|node| node.id == id)
            .ok_or_else(|| Error::Config(format!("there is no node {id}")))
    }

    fn join(&self, port: impl Fn(&Ports) -> u16) -> String {
        let all: Vec<_> =
            self.nodes.iter().map(|node| format!("{HOST}:{}", port(&node.ports))).collect();
        all.join(",")
    }

    async fn signal(&self, node: u16, signal: Signal) -> Result<()> {
        match &*self.node(node)?.process.lock().await {
            Some(process) => process.signal(signal),
            None => Err(Error::Config(format!("node {node} is down"))),
        }
    }

    /// `java` with options and class path, for a class and its arguments to be added.
    fn java(&self, heap: &str, is_tool: bool) -> Command {
        let mut command = Command::new(env::var_os("KAVKA_JAVA").unwrap_or_else(|| "java".into()));
        command.arg(format!("-Xmx{heap}")).arg("-XX:+UseSerialGC").stdin(Stdio::null());
        if let Some(tokens) = &self.tokens {
            let keys = self.folder.join("jwks.json");
            let allowed = format!("{},file://{}", tokens.url(), keys.display());
            command.arg(format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={allowed}"));
            // What Java's client may sign assertions with.
            let key = self
                .certificates
                .as_ref()
                .map(|files| files.alice_rsa_plain_key.display().to_string())
                .unwrap_or_default();
            command.arg(format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.files={key}"));
        }
        if is_tool {
            // A tool ends before the second compiler pays off.
            command
                .arg("-XX:TieredStopAtLevel=1")
                .args(&self.tool_logging)
                .arg("-cp")
                .arg(&self.jars.tools);
        } else {
            command.arg("-Xms128m").args(&self.node_logging).arg("-cp").arg(&self.jars.broker);
        }
        command
    }

    fn properties_of(&self, id: u16) -> PathBuf {
        self.folder.join(format!("node{id}.properties"))
    }

    fn spawn_node(&self, node: &Node) -> Result<Process> {
        let mut command = self.java(&self.heap, false);
        command.arg("kafka.Kafka").arg(self.properties_of(node.id));
        Process::spawn(&self.folder, &format!("node{}", node.id), &mut command)
            .map_err(java_missing)
    }

    /// Writes the configuration, and formats the storage or starts ZooKeeper.
    async fn prepare(&mut self, config: &Config) -> Result<()> {
        let zookeeper = match self.version.needs_zookeeper() {
            true => Some(ports::free().map_err(Error::process("zookeeper"))?),
            false => None,
        };
        let ports: Vec<Ports> = self.nodes.iter().map(|node| node.ports.clone()).collect();
        for node in self.nodes() {
            let data = self.folder.join(format!("data{node}"));
            properties::write(
                &self.properties_of(node),
                &properties::of_node(config, zookeeper, &ports, node, &data),
            )?;
        }
        let Some(port) = zookeeper else { return self.format(config).await };
        let file = self.folder.join("zookeeper.properties");
        properties::write(&file, &properties::of_zookeeper(port, &self.folder.join("zookeeper")))?;
        let mut command = self.java("256m", false);
        command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(file);
        self.zookeeper =
            Some(Process::spawn(&self.folder, "zookeeper", &mut command).map_err(java_missing)?);
        Ok(())
    }

    /// Formats the storage of all nodes at once, a JVM each.
    async fn format(&self, config: &Config) -> Result<()> {
        let id = cluster_id(&self.folder);
        let mut formatting = Vec::new();
        for node in self.nodes() {
            let mut command = self.java("256m", true);
            command
                .args(["kafka.tools.StorageTool", "format", "-t", &id, "-c"])
                .arg(self.properties_of(node));
            for (feature, level) in &config.features {
                command.arg("--feature").arg(format!("{feature}={level}"));
            }
            if config
                .secured
                .iter()
                .any(|security| security.mechanisms().contains(&"SCRAM-SHA-256"))
            {
                for ((user, password), mechanism) in security::USERS
                    .iter()
                    .flat_map(|user| [(user, "SCRAM-SHA-256"), (user, "SCRAM-SHA-512")])
                {
                    command
                        .arg("--add-scram")
                        .arg(format!("{mechanism}=[name={user},password={password}]"));
                }
            }
            if config.has_dynamic_quorum {
                command.arg(if node == 1 { "--standalone" } else { "--no-initial-controllers" });
            }
            if let Some(version) = &config.release_version {
                command.arg("--release-version").arg(version);
            }
            formatting.push(
                Process::spawn(&self.folder, &format!("format{node}"), &mut command)
                    .map_err(java_missing)?,
            );
        }
        for mut process in formatting {
            let status = process.wait(READY_LIMIT).await?;
            if !status.success() {
                return Err(process.ended_error(status));
            }
        }
        Ok(())
    }

    /// Waits until a node lists itself, a controller and every node that runs.
    async fn wait_until_ready(&self, node: &Node) -> Result<()> {
        let started = Instant::now();
        loop {
            let mut process = node.process.lock().await;
            if let Some(running) = &mut *process
                && let Some(status) = running.ended()?
            {
                return Err(running.ended_error(status));
            }
            drop(process);
            if let Ok(seen) = ready::metadata(node.ports.internal).await
                && seen.controller >= 0
                && self.running().await.is_subset(&seen.brokers)
            {
                return Ok(());
            }
            if started.elapsed() > READY_LIMIT {
                let name = format!("node{}", node.id);
                let log = tail(&self.folder.join(format!("{name}.log")), LOG_LINES);
                return Err(Error::Timeout { name, state: "ready", after: READY_LIMIT, log });
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn running(&self) -> BTreeSet<i32> {
        let mut running = BTreeSet::new();
        for node in &self.nodes {
            if node.process.lock().await.is_some() {
                running.insert(i32::from(node.id));
            }
        }
        running
    }
}

fn java_missing(error: Error) -> Error {
    match error {
        Error::Process { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Error::Program { program: "java", variable: "KAVKA_JAVA", source }
        }
        error => error,
    }
}

/// A new folder for a cluster. Process id and a counter tell those of one machine apart, and the
/// time those of before a restart of it.
fn new_folder() -> Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let name = format!(
        "kavka-kafka-{}-{}-{since}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let folder = env::temp_dir().join(name);
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    Ok(folder)
}

/// An id for a cluster: sixteen bytes in URL-safe base 64, which is 22 characters of which the last
/// has four bits to spare.
///
/// It must not begin with `-`, which the tool would take for an option. Two clusters with one id
/// would not matter: they never meet.
fn cluster_id(folder: &Path) -> String {
    let digits: String = folder.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    format!("kavka{digits:0>16.16}A")
}
