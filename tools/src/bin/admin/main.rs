//! Administers a cluster from the shell: `admin RESOURCE VERB`, a file per resource.
//!
//! Each command asks, and makes a table of the answers, which is printed as one or as JSON.

use std::process::ExitCode;
use std::time::Duration;

use kavka::{Admin, Client};
use kavka_programs::{Arguments, Interrupt, Outcome, Stop};

mod access;
mod cluster;
mod configs;
mod groups;
mod options;
mod placement;
mod table;
mod topics;
mod transactions;

use options::Options;
use table::Table;

const HELP: &str = "
Administers a cluster of Kafka.

admin cluster       describe | brokers | features | quorum
admin topics        list | describe [TOPIC...] | delete TOPIC...
                    create TOPIC... [--partitions N] [--replication-factor N] [--config K=V]
                           [--assignment 1,2/2,3]         brokers of each partition
                    alter TOPIC... --partitions N
                    offsets TOPIC... [--time earliest|latest|MILLISECONDS]
                    delete-records TOPIC:PARTITION:OFFSET...   -1 is the end
admin groups        list [--state S] [--type T] | describe GROUP... | offsets GROUP...
                    delete GROUP... | remove-members GROUP
                    set-offsets GROUP TOPIC:PARTITION:OFFSET...
                    delete-offsets GROUP TOPIC:PARTITION...
admin configs       list | describe RESOURCE... [--all] [--docs]
                    alter RESOURCE... [--set K=V] [--delete K] [--append K=V]
                          [--subtract K=V]
                    RESOURCE is topic:NAME, broker:ID, broker: for all, logger:ID,
                    group:ID or client-metrics:NAME
admin acls          list [RULE] | create RULE | delete [RULE]
                    RULE is --topic, --group, --transactional-id NAME or --cluster,
                    --prefixed, --principal User:NAME, --host H, --operation O, --deny
admin quotas        list | alter [--user U] [--client-id C] [--ip A]   empty: default
                          [--set K=V] [--delete K]
admin users         list | delete NAME... [--mechanism M]
                    create NAME --password-file FILE [--mechanism SCRAM-SHA-256]
                           [--iterations N]               - is standard input
admin reassignments list | cancel TOPIC:PARTITION... | start TOPIC:PARTITION:1,2,3...
admin leaders       elect [TOPIC:PARTITION...] [--unclean]
admin log-dirs      describe [BROKER...]
admin transactions  list [--state S] | describe ID... | fence ID...
                    producers TOPIC:PARTITION...
                    abort TOPIC:PARTITION:PRODUCER_ID

--json              prints a list of objects instead of a table
--dry-run           says what would be done, and has Kafka check it where Kafka can
--yes               does not ask before it destroys something; without a terminal
                    nobody is asked
--timeout SECONDS   how long to try (default 60)
--bootstrap-server HOST:PORT[,...]   the cluster, or KAVKA_BROKERS
--command-config FILE, -X KEY=VALUE  settings of the client
";

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit("admin", run().await)
}

async fn run() -> Outcome<ExitCode> {
    let options = Options::read(&mut Arguments::from_env(HELP))?;
    let mut interrupt = Interrupt::listen()?;
    let cluster = options.connection.cluster()?;
    let client = Client::new(options.connection.client(&cluster, "admin")?)?;
    let admin = match options.timeout {
        Some(seconds) => client.admin().timeout(Duration::from_secs(seconds)),
        None => client.admin(),
    };
    let table = tokio::select! {
        table = command(&admin, &options) => table?,
        () = interrupt.received() => return Ok(ExitCode::FAILURE),
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
