//! Where the schemas come from: the jar of Kafka's Java client, by Maven.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use zip::ZipArchive;

use crate::apis::NOT_OF_CLIENTS;
use crate::schema::Message;

/// The newest stable Kafka; its jar has every version of every API that is still spoken.
const KAFKA: &str = "4.4.0";

/// The plugin is named in full, so that Maven takes no other version.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";

/// The schemas inside a jar.
pub(crate) struct Schemas(ZipArchive<File>);

impl Schemas {
    /// Opens a jar, or the one that Maven fetches.
    pub(crate) fn open(jar: Option<&Path>) -> Result<Self> {
        let jar = jar.map_or_else(fetch, |jar| Ok(jar.to_owned()))?;
        let file = File::open(&jar).with_context(|| format!("cannot open {}", jar.display()))?;
        Ok(Self(ZipArchive::new(file).with_context(|| format!("{} is no jar", jar.display()))?))
    }

    /// Reads the schema of one message.
    pub(crate) fn message(&mut self, name: &str) -> Result<Message> {
        let mut text = String::new();
        let path = format!("common/message/{name}.json");
        self.0.by_name(&path).with_context(|| path.clone())?.read_to_string(&mut text)?;
        Message::parse(&text).with_context(|| path)
    }

    /// Every API that a client may send and a broker may answer.
    pub(crate) fn names_of_client_apis(&mut self) -> Result<Vec<String>> {
        let paths = self.0.file_names().filter_map(Result::ok);
        let names: Vec<_> = paths
            .filter_map(|path| {
                path.strip_prefix("common/message/")?
                    .strip_suffix("Request.json")
                    .map(str::to_owned)
            })
            .collect();
        ensure!(!names.is_empty(), "the jar holds no schemas");
        Ok(names.into_iter().filter(|name| !NOT_OF_CLIENTS.contains(&name.as_str())).collect())
    }
}

/// The folder of the workspace.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn fetch() -> Result<PathBuf> {
    let folder = repository().join("target/schemas");
    let jar = folder.join(format!("kafka-clients-{KAFKA}.jar"));
    if !jar.exists() {
        let status = Command::new("mvn")
            .args(["-q", "-B", COPY])
            .arg(format!("-Dartifact=org.apache.kafka:kafka-clients:{KAFKA}"))
            .arg(format!("-DoutputDirectory={}", folder.display()))
            .status()
            .context("cannot run mvn, which fetches the schemas; install Maven or give --jar")?;
        ensure!(status.success(), "mvn could not fetch kafka-clients {KAFKA}");
    }
    Ok(jar)
}
