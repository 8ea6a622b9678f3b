//! Makes `src/wire/messages` from the schemas that Kafka ships inside `kafka-clients.jar`.
//!
//! ```text
//! cargo run -p kavka-message-generator [-- --jar FILE]        writes the files
//! cargo run -p kavka-message-generator -- --check             fails if they are not what it would write
//! cargo run -p kavka-message-generator -- --all --to FOLDER   makes every message of a client, in use or not
//! ```

mod apis;
mod emit;
mod jar;
mod output;
mod schema;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::apis::Api;
use crate::jar::Schemas;

#[derive(Default)]
struct Options {
    jar: Option<PathBuf>,
    to: Option<PathBuf>,
    is_check: bool,
    all: bool,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut path = || {
            arguments.next().map(PathBuf::from).with_context(|| format!("{argument} needs a path"))
        };
        match argument.as_str() {
            "--jar" => options.jar = Some(path()?),
            "--to" => options.to = Some(path()?),
            "--check" => options.is_check = true,
            "--all" => options.all = true,
            _ => bail!(
                "unknown argument {argument}; known are --jar FILE, --to FOLDER, --check, --all"
            ),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<()> {
    let mut schemas = Schemas::open(options.jar.as_deref())?;
    let files = emit::messages(&wanted(&mut schemas, options.all)?)?;
    let folder = options.to.clone().unwrap_or_else(|| jar::repository().join("src/wire/messages"));
    if options.is_check { output::check(&folder, &files) } else { output::write(&folder, &files) }
}

/// The APIs and data in use, or all that a client may send.
fn wanted(schemas: &mut Schemas, all: bool) -> Result<Vec<Api>> {
    let names = if all {
        schemas.names_of_client_apis()?
    } else {
        apis::CORE.iter().chain(apis::ADMIN).map(|&name| name.into()).collect()
    };
    let mut wanted =
        names.iter().map(|name| Api::request(schemas, name)).collect::<Result<Vec<_>>>()?;
    wanted.sort_by_key(Api::key);
    for name in apis::DATA {
        wanted.push(Api::data(schemas, name)?);
    }
    Ok(wanted)
}
