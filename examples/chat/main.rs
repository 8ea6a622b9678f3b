//! A chat service on `kavka::mq`: rooms are topics of one partition, users are keys, presence is a
//! compacted topic.
//!
//! ```text
//!  stdin ─▶ Room::say ─▶ topic chat.room.ROOM ─▶ handler ─▶ stdout        (session.rs: one user)
//!  join, leave ─▶ topic chat.presence, compacted ─▶ who is where          (room.rs: topics and words)
//!  --simulate: N users in R rooms, which check that nothing is lost       (simulate.rs)
//! ```

use std::process::ExitCode;
use std::time::Duration;

use kavka::mq::{Config, Mq};
use kavka::{Client, ClientConfig};
use kavka_programs::{Arguments, Cluster, Connection, Interrupt, Outcome, Stop};

mod room;
mod session;
mod simulate;

const HELP: &str = "
Chats, or has many users chat.

chat [--room ROOM] [--user NAME] [--history N]
    Joins a room (default lobby), prints its last N lines (default 20), then sends what is typed.
    /join ROOM   changes rooms      /who     lists who is here
    /stats       prints metrics     /quit    leaves, as do Ctrl-D and Ctrl-C

chat --simulate USERS [--seconds S] [--rooms R] [--rate PER_SECOND]
    Has USERS talk in R rooms (default 10) for S seconds (default 10), each PER_SECOND times a second (default 10), and checks that in
    each room nothing is lost, doubled or out of order. The last line tells rates and latencies. Status 1 if something is amiss.

In both:
    --bootstrap-server HOST:PORT[,…]   the cluster; without it KAVKA_BROKERS, else a Kafka inside this program
    --command-config FILE              settings of the connection from a Java properties file
    -X NAME=VALUE                      one of those settings, by Java's name
Logs go to stderr, as RUST_LOG says. Ends with status 0, 1 if Kafka failed, 2 for a wrong argument.
";

#[derive(Debug)]
struct Options {
    room: String,
    user: String,
    history: i64,
    users: Option<u32>,
    seconds: u64,
    rooms: u32,
    rate: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit("chat", run().await)
}

async fn run() -> Outcome<ExitCode> {
    let mut connection = Connection::default();
    let options = options(&mut connection)?;
    let interrupt = Interrupt::listen()?;
    let cluster = Cluster::find(&connection).await?;
    let client = connection.client(&cluster.bootstrap, "chat")?;
    let outcome = match options.users {
        Some(users) => {
            let plan = simulate::Plan {
                users,
                rooms: options.rooms.min(users),
                rate: options.rate,
                lasts: Duration::from_secs(options.seconds),
            };
            simulate::run(client, &plan, interrupt).await
        }
        None => {
            session::run(client, &options.user, &options.room, options.history, interrupt).await
        }
    };
    cluster.shutdown().await;
    outcome
}

fn options(connection: &mut Connection) -> Outcome<Options> {
    let mut arguments = Arguments::from_env(HELP);
    let user = std::env::var("USER")
        .ok()
        .filter(|user| !user.is_empty())
        .unwrap_or_else(|| "somebody".to_owned());
    let mut options = Options {
        room: "lobby".to_owned(),
        user,
        history: 20,
        users: None,
        seconds: 10,
        rooms: 10,
        rate: 10.0,
    };
    while let Some(option) = arguments.next_option()? {
        if connection.accept(&option, &mut arguments)? {
            continue;
        }
        match option.as_str() {
            "--room" => options.room = arguments.value()?,
            "--user" => options.user = arguments.value()?,
            "--history" => options.history = arguments.parse()?,
            "--simulate" => options.users = Some(arguments.parse()?),
            "--seconds" => options.seconds = arguments.parse()?,
            "--rooms" => options.rooms = arguments.parse()?,
            "--rate" => options.rate = arguments.parse()?,
            _ => return arguments.unknown(),
        }
    }
    if options.users == Some(0)
        || options.rooms == 0
        || !(options.rate > 0.0 && options.rate <= 100_000.0)
    {
        return Err(Stop::usage(
            "--simulate, --rooms and --rate must be above 0, and --rate at most 100000",
        ));
    }
    if options.history < 0 {
        return Err(Stop::usage("--history must not be negative"));
    }
    Ok(options)
}

/// The messaging layer on the client that the options describe.
fn connect(client: ClientConfig, config: Config) -> Outcome<Mq> {
    Ok(Mq::with_client(Client::new(client)?, config)?)
}
