//! Administers a cluster from the shell: `admin RESOURCE VERB`, a file per resource.
//!
//! Each command asks, and makes a table of the answers, which is printed as one or as JSON.

use std::process::ExitCode;
use std::time::Duration;

use kavka::{Admin, Client};
use kavka_programs::{Interrupt, Outcome, Stop};
use kavka_tools::cli;

mod access;
mod cluster;
mod commands;
mod configs;
mod group_lag;
mod group_offsets;
mod groups;
mod options;
mod placement;
mod table;
mod topics;
mod transactions;

use options::Options;
use table::Table;

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit("admin", run().await)
}

async fn run() -> Outcome<ExitCode> {
    let options = Options::read(cli::arguments())?;
    let mut interrupt = Interrupt::listen()?;
    let client = Client::new(options.client()?)?;
    let admin = match options.timeout {
        Some(seconds) => client.admin().timeout(Duration::from_secs(seconds)),
        None => client.admin(),
    };
    let table = tokio::select! {
        table = command(&admin, &options) => table?,
        // What repeats is done then; all else is not.
        () = interrupt.received() => return Ok(match options.one("--interval") {
            Some(_) => ExitCode::SUCCESS,
            None => ExitCode::FAILURE,
        }),
    };
    let status = table.print(options.is_json)?;
    // Whether its tasks end in time changes nothing any more.
    let _ = client.close(Duration::from_secs(3)).await;
    Ok(status)
}

async fn command(admin: &Admin, options: &Options) -> Outcome<Table> {
    match options.resource.as_str() {
        "cluster" => cluster::run(admin, options).await,
        "topics" => topics::run(admin, options).await,
        "groups" => groups::run(admin, options).await,
        "configs" => configs::run(admin, options).await,
        "acls" => access::acls(admin, options).await,
        "quotas" => access::quotas(admin, options).await,
        "users" => access::users(admin, options).await,
        "reassignments" => placement::reassignments(admin, options).await,
        "leaders" => placement::leaders(admin, options).await,
        "log-dirs" => placement::log_dirs(admin, options).await,
        "transactions" => transactions::run(admin, options).await,
        other => Err(Stop::usage(format_args!("{other:?} is no resource"))),
    }
}
