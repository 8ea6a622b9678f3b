//! Running the Java tools that come with Kafka against a cluster.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use super::Cluster;
use super::error::{Error, Result};
use super::process::{LOG_LINES, Process, Signal, tail};

/// How long a tool may take that does not say otherwise: a JVM starts in one to two seconds, and on
/// a busy machine in ten.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Java tool to run.
#[derive(Debug)]
#[must_use = "a tool runs when `run` or `spawn` is called"]
pub struct Tool<'a> {
    cluster: &'a Cluster,
    class: String,
    arguments: Vec<String>,
    heap: String,
    input: Option<PathBuf>,
    limit: Duration,
}

impl<'a> Tool<'a> {
    pub(super) fn new(cluster: &'a Cluster, class: &str) -> Self {
        let class = cluster.version().tools().tool_class(class);
        Self {
            cluster,
            class,
            arguments: Vec::new(),
            heap: "256m".into(),
            input: None,
            limit: PATIENCE,
        }
    }

    /// Adds arguments.
    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets the largest Java heap, such as `1g`; default `256m`.
    pub fn heap(mut self, heap: impl Into<String>) -> Self {
        self.heap = heap.into();
        self
    }

    /// Takes the standard input from a file; default none.
    pub fn input(mut self, file: impl Into<PathBuf>) -> Self {
        self.input = Some(file.into());
        self
    }

    /// Sets how long [`Tool::run`] waits; default two minutes.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the tool to its end and returns what it wrote to its standard output.
    ///
    /// # Errors
    /// [`Error::Tool`] if it fails, [`Error::Timeout`] if it does not end in
    /// time.
    ///
    /// # Cancel safety
    /// A tool whose future is dropped is killed.
    pub async fn run(self) -> Result<String> {
        let limit = self.limit;
        let mut running = self.spawn()?;
        let status = running.wait(limit).await?;
        if status.success() { running.stdout() } else { Err(running.failure(status)) }
    }

    /// Starts the tool in the background.
    ///
    /// # Errors
    /// [`Error::Process`] if it cannot be started.
    pub fn spawn(self) -> Result<Running> {
        let name = self.cluster.name_of_tool();
        let folder = self.cluster.folder();
        let out = folder.join(format!("{name}.out"));
        let err = folder.join(format!("{name}.err"));
        let input = match &self.input {
            Some(file) => File::open(file).map_err(Error::file(file))?.into(),
            None => Stdio::null(),
        };
        let mut command = self.cluster.java(&self.heap, true);
        command.arg(&self.class).args(&self.arguments).stdin(input);
        command.stdout(File::create(&out).map_err(Error::file(&out))?);
        command.stderr(File::create(&err).map_err(Error::file(&err))?);
        let process = Process::spawn_with_outputs(folder, &name, &mut command, err)?;
        Ok(Running { class: self.class, process, out })
    }
}

/// A running Java tool, which is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    class: String,
    process: Process,
    out: PathBuf,
}

impl Running {
    /// Returns the file that its standard output is written to.
    pub fn stdout_file(&self) -> &Path {
        &self.out
    }

    /// Returns what it has written to its standard output so far.
    ///
    /// # Errors
    /// [`Error::File`] if that is not UTF-8.
    pub fn stdout(&self) -> Result<String> {
        fs::read_to_string(&self.out).map_err(Error::file(&self.out))
    }

    /// Returns the end of what it has written to its standard error.
    pub fn stderr_tail(&self) -> String {
        tail(self.process.log(), LOG_LINES)
    }

    /// Returns whether it is still running.
    ///
    /// # Errors
    /// [`Error::Process`] if that cannot be found out.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.process.ended()?.is_none())
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// [`Error::Process`] if the signal cannot be sent.
    pub fn terminate(&self) -> Result<()> {
        self.process.signal(Signal::Terminate)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// [`Error::Timeout`] if it does not end in time.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.wait(limit).await
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// [`Error::Process`] if it cannot be killed.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    fn failure(&self, status: ExitStatus) -> Error {
        Error::Tool { class: self.class.clone(), status, stderr: self.stderr_tail() }
    }
}

impl Cluster {
    /// Returns a Java tool of this version, by its newest class name, such as
    /// `org.apache.kafka.tools.VerifiableProducer`.
    pub fn tool(&self, class: &str) -> Tool<'_> {
        Tool::new(self, class)
    }

    /// Creates a topic with Kafka's own tool.
    ///
    /// # Errors
    /// [`Error::Tool`] if the cluster refuses it.
    pub async fn create_topic(
        &self,
        name: &str,
        partitions: u32,
        replicas: u16,
        configs: &[(&str, &str)],
    ) -> Result<()> {
        let bootstrap = self.internal_bootstrap();
        let (partitions, replicas) = (partitions.to_string(), replicas.to_string());
        let configs = configs
            .iter()
            .flat_map(|(key, value)| ["--config".to_owned(), format!("{key}={value}")]);
        self.tool("org.apache.kafka.tools.TopicCommand")
            .args(["--bootstrap-server", &bootstrap, "--create", "--topic", name])
            .args(["--partitions", &partitions, "--replication-factor", &replicas])
            .args(configs)
            .run()
            .await
            .map(drop)
    }

    /// Writes a file into the cluster's folder, which ends with the cluster, for a tool to read.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn file(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.folder().join(name);
        File::create(&path)
            .and_then(|mut file| file.write_all(content))
            .map_err(Error::file(&path))?;
        Ok(path)
    }
}
