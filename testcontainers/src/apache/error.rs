//! Why a real Kafka cluster could not be provided.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why starting, controlling or querying real Kafka failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A required program is not installed.
    #[error("{program} cannot be run: {source}; install it, or set {variable}")]
    Program {
        /// What was to be run.
        program: &'static str,
        /// The environment variable that names another place of it.
        variable: &'static str,
        /// Why it did not start.
        source: io::Error,
    },
    /// Maven could not resolve the jars.
    #[error("mvn could not resolve Apache Kafka {version} ({status}):\n{output}")]
    Resolve {
        /// The version that was asked for.
        version: String,
        /// How Maven ended.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },
    /// A file or folder could not be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong with it.
        source: io::Error,
    },
    /// A process of the cluster could not be started or signalled.
    #[error("{name}: {source}")]
    Process {
        /// Which process, such as `node1`.
        name: String,
        /// What went wrong with it.
        source: io::Error,
    },
    /// A process of the cluster exited by itself.
    #[error("{name} ended ({status}):\n{log}")]
    Ended {
        /// Which process, such as `node1`.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// A node did not become ready, or a process did not exit, in time.
    #[error("{name} is not {state} after {after:?}:\n{log}")]
    Timeout {
        /// Which process, such as `node1`.
        name: String,
        /// What it was to be.
        state: &'static str,
        /// How long it was given.
        after: Duration,
        /// The end of its log.
        log: String,
    },
    /// A Java tool failed.
    #[error("{class} failed ({status}):\n{stderr}")]
    Tool {
        /// The tool's main class.
        class: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to its standard error.
        stderr: String,
    },
    /// The configuration is impossible.
    #[error("{0}")]
    Config(String),
}

impl Error {
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(super) fn process(name: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let name = name.into();
        move |source| Self::Process { name, source }
    }
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
