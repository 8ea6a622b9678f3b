//! What the programs share: arguments, the settings of a client, signals, logs, exit codes.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use kavka::{ClientConfig, Properties};

mod arguments;
mod embedded;
mod signal;

pub use arguments::{Arguments, required};
pub use embedded::Cluster;
pub use signal::Interrupt;

/// Why a program stops before its work is done.
pub enum Stop {
    /// The arguments are wrong: one line, exit status 2.
    Usage(String),
    /// Kafka, a file or the output failed: one line, exit status 1.
    Failure(String),
    /// Something else was asked for, such as help: it is printed, exit status 0.
    Asked(String),
}

/// What a program returns; an `Ok` is its exit status.
pub type Outcome<T> = Result<T, Stop>;

/// The message alone, which is what `main` prints of an error.
impl fmt::Debug for Stop {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Failure(message) | Self::Asked(message) => {
                to.write_str(message)
            }
        }
    }
}

impl Stop {
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::Usage(message.to_string())
    }

    pub fn failure(message: impl fmt::Display) -> Self {
        Self::Failure(message.to_string())
    }
}

/// A wrong setting is a wrong argument; all else is a failure.
impl From<kavka::Error> for Stop {
    fn from(error: kavka::Error) -> Self {
        match error.kind() {
            kavka::ErrorKind::Config => Self::usage(error),
            _ => Self::failure(error),
        }
    }
}

impl From<kavka::mq::Error> for Stop {
    fn from(error: kavka::mq::Error) -> Self {
        match error.code() {
            kavka::mq::Code::InvalidConfig | kavka::mq::Code::MissingConfig => Self::usage(error),
            _ => Self::failure(error),
        }
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::failure(error)
    }
}

/// Reports the outcome of a program as everybody expects it, and ends the process with the status.
pub fn exit(program: &str, outcome: Outcome<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(Stop::Asked(text)) => match write_out(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(Stop::Usage(message)) => {
            complain(program, format_args!("{message} (--help shows what is allowed)"));
            ExitCode::from(2)
        }
        Err(Stop::Failure(message)) => {
            complain(program, message);
            ExitCode::FAILURE
        }
    }
}

/// Says on standard error what is wrong, to whoever still reads it: `eprintln!` would panic.
pub fn complain(program: &str, message: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{program}: {message}");
}

/// A line on standard output, as `println!`, which would panic when nobody reads it any more.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = $crate::write_out(&format!("{}\n", format_args!($($text)*)));
    }};
}
/// Writes to standard output; that nobody reads it any more is no failure.
pub fn write_out(text: &str) -> Outcome<()> {
    let mut out = io::stdout().lock();
    is_read(out.write_all(text.as_bytes()).and_then(|()| out.flush())).map(drop)
}

/// Whether what was written is read by somebody: a program ends well when its reader has left.
pub fn is_read(written: io::Result<()>) -> Outcome<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Sends logs to stderr, as `RUST_LOG` says; without it warnings, such as that a cluster cannot be
/// reached.
pub fn start_logs() {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    let is_terminal = std::io::stderr().is_terminal();
    // A second subscriber is no reason to fail.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_terminal)
        .with_writer(std::io::stderr)
        .try_init();
}

/// What a short example begins with: logs, and the cluster that `KAVKA_BROKERS` names, or one
/// inside the process.
///
/// # Errors
/// A failure if that cannot be started.
pub async fn example_cluster() -> Outcome<Cluster> {
    start_logs();
    Cluster::find(&Connection::default()).await
}

/// The options that every program has: which cluster, and with which settings.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Connection {
    /// The cluster; without it KAVKA_BROKERS
    #[cfg_attr(
        feature = "clap",
        arg(long = "bootstrap-server", alias = "broker-list", value_name = "HOST:PORT[,…]")
    )]
    bootstrap: Option<String>,
    /// Settings from a Java properties file
    #[cfg_attr(
        feature = "clap",
        arg(long = "command-config", aliases = ["producer.config", "consumer.config"], value_name = "FILE")
    )]
    files: Vec<String>,
    /// One setting, by Java's name
    #[cfg_attr(feature = "clap", arg(short = 'X', value_name = "NAME=VALUE"))]
    pairs: Vec<String>,
}

impl Connection {
    /// Takes an option if it is one of these.
    ///
    /// `--producer.config`, `--consumer.config` and `--broker-list` are the older names of Kafka's
    /// own tools.
    pub fn accept(&mut self, option: &str, arguments: &mut Arguments) -> Outcome<bool> {
        match option {
            "--bootstrap-server" | "--broker-list" => self.bootstrap = Some(arguments.value()?),
            "--command-config" | "--producer.config" | "--consumer.config" => {
                self.files.push(arguments.value()?)
            }
            "-X" => self.pairs.push(arguments.value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The cluster that an option, a file or `KAVKA_BROKERS` names.
    pub fn named_cluster(&self) -> Outcome<Option<String>> {
        if let Some(named) = &self.bootstrap {
            return Ok(Some(named.clone()));
        }
        let properties = self.properties(&[])?;
        // By Java's name or librdkafka's.
        if let Some(named) = ["bootstrap.servers", "metadata.broker.list"]
            .into_iter()
            .find_map(|name| properties.get(name))
        {
            return Ok(Some(named.to_owned()));
        }
        Ok(std::env::var("KAVKA_BROKERS").ok().filter(|brokers| !brokers.trim().is_empty()))
    }

    /// The cluster that must be named.
    pub fn cluster(&self) -> Outcome<String> {
        self.named_cluster()?.ok_or_else(|| {
            Stop::usage("no cluster is named: give --bootstrap-server or set KAVKA_BROKERS")
        })
    }

    /// The settings of the client for controllers (KIP-919), in the place of any brokers that files
    /// name.
    pub fn client_of_controllers(
        &self,
        controllers: &str,
        client_id: &str,
    ) -> Outcome<ClientConfig> {
        if self.bootstrap.is_some() {
            return Err(Stop::usage(
                "--bootstrap-server and --bootstrap-controller cannot both be given",
            ));
        }
        Ok(self.client("", client_id)?.bootstrap_controllers(controllers))
    }

    /// A program's own settings, then those of the files, then those of `-X`: the later win.
    pub fn properties(&self, defaults: &[(&str, &str)]) -> Outcome<Properties> {
        let mut properties: Properties = defaults.iter().copied().collect();
        for file in &self.files {
            let read = Properties::from_file(file)?;
            properties.extend(read.iter());
        }
        for pair in &self.pairs {
            properties.set_pair(pair)?;
        }
        Ok(properties)
    }

    /// The settings of the client for a cluster, whose brokers win over any address in files.
    pub fn client(&self, cluster: &str, client_id: &str) -> Outcome<ClientConfig> {
        let properties = self.properties(&[("client.id", client_id)])?;
        let config = ClientConfig::from_properties(&properties)?;
        Ok(config.bootstrap_servers(cluster).bootstrap_controllers(""))
    }
}
