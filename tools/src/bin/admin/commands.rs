//! What can be done to which resource, and with which options: the table of which the command line
//! is made.

use clap::{Arg, ArgAction, Command};

/// A verb of a resource: its name, what follows it, what it does, and the options that are its own.
pub(crate) struct Verb(&'static str, &'static str, &'static str, &'static [&'static str]);

/// An option: its name, what its value is called (nothing for a flag), and its help.
struct Opt(&'static str, &'static str, &'static str);

const RULE: &[&str] = &[
    "topic",
    "group",
    "transactional-id",
    "cluster",
    "prefixed",
    "principal",
    "host",
    "operation",
    "deny",
];
const ENTITY: &str = "the entity; an empty name is the default of its kind";

const RESOURCES: &[(&str, &str, &[Verb])] = &[
    (
        "cluster",
        "Brokers, features and controllers",
        &[
            Verb("describe", "", "Describes the cluster", &[]),
            Verb("brokers", "", "Lists the brokers", &[]),
            Verb("features", "", "Lists the features that are switched on", &["node-id"]),
            Verb("quorum", "", "Describes the controllers' quorum", &[]),
            Verb("unregister-broker", "ID", "Forgets a broker that does not come back", &[]),
            Verb(
                "unregister-controller",
                "ID",
                "Forgets a controller that does not come back",
                &[],
            ),
        ],
    ),
    (
        "topics",
        "Topics and their records",
        &[
            Verb("list", "", "Lists the topics", &[]),
            Verb(
                "describe",
                "[TOPIC]",
                "Describes topics: one by its partitions, several in a line each, all without a \
                 name",
                &[],
            ),
            Verb(
                "create",
                "TOPIC",
                "Creates topics",
                &["partitions", "replication-factor", "config", "assignment"],
            ),
            Verb("alter", "TOPIC", "Raises the number of partitions", &["partitions"]),
            Verb("delete", "TOPIC", "Deletes topics", &[]),
            Verb("offsets", "TOPIC", "Lists offsets of each partition", &["time"]),
            Verb(
                "delete-records",
                "TOPIC:PARTITION:OFFSET",
                "Deletes the records before an offset; -1 is the end",
                &[],
            ),
        ],
    ),
    (
        "groups",
        "Groups, their members and their offsets",
        &[
            Verb("list", "", "Lists the groups", &["state", "type", "protocol-type"]),
            Verb("describe", "GROUP", "Describes groups", &[]),
            Verb("offsets", "GROUP", "Lists what groups have committed", &[]),
            Verb(
                "lag",
                "GROUP",
                "Prints how far groups are behind: a JSON line for each partition, once, or at \
                 intervals until a signal comes",
                &["interval"],
            ),
            Verb(
                "set-offsets",
                "GROUP TOPIC:PARTITION:OFFSET",
                "Commits offsets for a group, or sets where a share group begins",
                &["type"],
            ),
            Verb(
                "reset-offsets",
                "GROUP [TOPIC]",
                "Has a group begin again: in these topics, or in all it has offsets of",
                &["to", "type"],
            ),
            Verb(
                "delete-offsets",
                "GROUP TOPIC:PARTITION",
                "Deletes offsets of a group; a share group's go by whole topics, named as TOPIC",
                &[],
            ),
            Verb("remove-members", "GROUP", "Removes all members of a group", &[]),
            Verb("delete", "GROUP", "Deletes groups", &[]),
        ],
    ),
    (
        "configs",
        "Configs; RESOURCE is topic:NAME, broker:ID, broker: for all, logger:ID, group:ID or \
         client-metrics:NAME",
        &[
            Verb("list", "", "Lists the resources that have configs", &[]),
            Verb(
                "describe",
                "RESOURCE",
                "Describes configs that are not the default",
                &["all", "docs"],
            ),
            Verb("alter", "RESOURCE", "Alters configs", &["set", "delete", "append", "subtract"]),
        ],
    ),
    (
        "acls",
        "Who may do what",
        &[
            Verb("list", "", "Lists rules", RULE),
            Verb("create", "", "Creates a rule", RULE),
            Verb("delete", "", "Deletes rules", RULE),
        ],
    ),
    (
        "quotas",
        "Limits of users, clients and addresses",
        &[
            Verb("list", "", "Lists the quotas", &[]),
            Verb(
                "alter",
                "",
                "Alters the quotas of an entity",
                &["user", "client-id", "ip", "set", "delete"],
            ),
        ],
    ),
    (
        "users",
        "Users that log in by SCRAM",
        &[
            Verb("list", "[NAME]", "Lists users", &[]),
            Verb(
                "create",
                "NAME",
                "Sets the password of a user",
                &["password-file", "mechanism", "iterations"],
            ),
            Verb("delete", "NAME", "Deletes the passwords of users", &["mechanism"]),
        ],
    ),
    (
        "reassignments",
        "Partitions that move to other brokers",
        &[
            Verb("list", "", "Lists the reassignments under way", &[]),
            Verb("start", "TOPIC:PARTITION:1,2,3", "Moves partitions to these brokers", &["wait"]),
            Verb("cancel", "TOPIC:PARTITION", "Cancels reassignments", &[]),
        ],
    ),
    (
        "leaders",
        "Leaders of partitions",
        &[Verb("elect", "[TOPIC:PARTITION]", "Elects leaders", &["unclean"])],
    ),
    (
        "log-dirs",
        "Folders in which brokers keep partitions",
        &[Verb("describe", "[BROKER]", "Describes log folders", &[])],
    ),
    (
        "transactions",
        "Transactions and their producers",
        &[
            Verb("list", "", "Lists transactions", &["state"]),
            Verb("describe", "ID", "Describes transactions", &[]),
            Verb("producers", "TOPIC:PARTITION", "Lists the producers of partitions", &[]),
            Verb("fence", "ID", "Fences the producers of transactional ids", &[]),
            Verb("abort", "TOPIC:PARTITION:PRODUCER_ID", "Aborts a transaction that hangs", &[]),
        ],
    ),
];

const OPTIONS: &[Opt] = &[
    Opt("partitions", "N", "how many partitions"),
    Opt("replication-factor", "N", "how many replicas each partition has"),
    Opt("config", "K=V", "a config of the topic; may be repeated"),
    Opt("assignment", "1,2/2,3", "the brokers of each partition"),
    Opt("time", "TIME", "earliest, latest or milliseconds since 1970 [default: latest]"),
    Opt("to", "TIME", "earliest, latest or milliseconds since 1970"),
    Opt("interval", "SECONDS", "how long from one look to the next"),
    Opt("node-id", "ID", "as this node knows them"),
    Opt("protocol-type", "TYPE", "only those of this protocol, as consumer; may be repeated"),
    Opt("state", "STATE", "only those in this state; may be repeated"),
    Opt(
        "type",
        "TYPE",
        "only those of this type, may be repeated; or the type of a group that is made by this",
    ),
    Opt("all", "", "defaults too"),
    Opt("docs", "", "what Kafka says of each config"),
    Opt("set", "K=V", "sets a value; may be repeated"),
    Opt("delete", "K", "takes a value back to its default; may be repeated"),
    Opt("append", "K=V", "appends to a list; may be repeated"),
    Opt("subtract", "K=V", "takes from a list; may be repeated"),
    Opt("topic", "NAME", "the resource"),
    Opt("group", "NAME", "the resource"),
    Opt("transactional-id", "NAME", "the resource"),
    Opt("cluster", "", "the resource is the cluster"),
    Opt("prefixed", "", "the resource's name is a prefix"),
    Opt("principal", "User:NAME", "who"),
    Opt("host", "HOST", "from where"),
    Opt("operation", "OPERATION", "what"),
    Opt("deny", "", "denies in place of allowing"),
    Opt("user", "NAME", ENTITY),
    Opt("client-id", "NAME", ENTITY),
    Opt("ip", "ADDRESS", ENTITY),
    Opt("wait", "", "waits until all have moved"),
    Opt("password-file", "FILE", "holds the password; - is standard input"),
    Opt("mechanism", "MECHANISM", "SCRAM-SHA-256 or SCRAM-SHA-512 [default: SCRAM-SHA-256]"),
    Opt("iterations", "N", "rounds of the hash"),
    Opt(
        "unclean",
        "",
        "takes a replica that is not in sync where no other is left, and loses records",
    ),
];

/// The names of the options of all verbs.
pub(crate) fn options() -> impl Iterator<Item = (&'static str, bool)> {
    OPTIONS.iter().map(|Opt(name, value, _)| (*name, value.is_empty()))
}

/// Adds a subcommand for each resource and, in it, for each verb.
pub(crate) fn with_resources(command: Command) -> Command {
    RESOURCES.iter().fold(command.subcommand_required(true), |command, (resource, about, verbs)| {
        let verbs = verbs.iter().map(|Verb(name, names, about, options)| {
            let verb = Command::new(*name)
                .about(*about)
                .args(options.iter().map(|option| argument(option)));
            match *names {
                "" => verb,
                names => verb.arg(
                    Arg::new("names").value_name(names).num_args(0..).action(ArgAction::Append),
                ),
            }
        });
        command.subcommand(
            Command::new(*resource).about(*about).subcommand_required(true).subcommands(verbs),
        )
    })
}

fn argument(name: &'static str) -> Arg {
    let found = OPTIONS.iter().find(|Opt(option, ..)| *option == name);
    let (value, help) = found.map_or(("", ""), |Opt(_, value, help)| (*value, *help));
    let arg = Arg::new(name).long(name).help(help);
    match value {
        "" => arg.action(ArgAction::SetTrue),
        value => arg.value_name(value).action(ArgAction::Append),
    }
}
