//! `admin cluster`.

use kavka::Admin;
use kavka_programs::Outcome;

use super::options::{Options, brokers as brokers_of};
use super::table::{Table, text};

pub(crate) async fn run(admin: &Admin, options: &Options) -> Outcome<Table> {
    if options.verb.starts_with("unregister-") {
        return unregister(admin, options).await;
    }
    options.no_names()?;
    match options.verb.as_str() {
        "describe" => describe(admin).await,
        "brokers" => brokers(admin).await,
        "features" => features(admin, options).await,
        "quorum" => quorum(admin).await,
        _ => options.unknown_verb(),
    }
}

async fn describe(admin: &Admin) -> Outcome<Table> {
    let cluster = admin.describe_cluster().await?;
    let mut table = Table::new(["CLUSTER", "BROKER", "ADDRESS", "RACK", "CONTROLLER"]);
    for broker in &cluster.brokers {
        table.row([
            cluster.cluster_id.clone().into(),
            broker.id.0.into(),
            broker.address.to_string().into(),
            broker.rack.clone().into(),
            (cluster.controller == Some(broker.id)).into(),
        ]);
    }
    Ok(table)
}

async fn brokers(admin: &Admin) -> Outcome<Table> {
    let mut table = Table::new(["BROKER", "ADDRESS", "RACK", "FENCED"]);
    for broker in admin.describe_registered_brokers().await? {
        table.row([
            broker.id.0.into(),
            broker.address.to_string().into(),
            broker.rack.into(),
            broker.is_fenced.into(),
        ]);
    }
    Ok(table)
}

async fn unregister(admin: &Admin, options: &Options) -> Outcome<Table> {
    let kind = options.verb.trim_start_matches("unregister-");
    let mut nodes = Vec::new();
    for name in options.some_names()? {
        nodes.extend(brokers_of(name)?);
    }
    let plan: Vec<String> = nodes.iter().map(|node| format!("unregister {kind} {node}")).collect();
    if !options.may_destroy(&plan)? {
        return Ok(Options::dry_run(plan));
    }
    let mut table = Table::new(["UNREGISTERED"]);
    for node in nodes {
        let unregistered = match kind {
            "broker" => admin.unregister_broker(node).await,
            _ => admin.unregister_controller(node).await,
        };
        table.outcome(unregistered, |()| [node.0.into()]);
    }
    Ok(table)
}

async fn features(admin: &Admin, options: &Options) -> Outcome<Table> {
    let described = match options.parsed::<i32>("--node-id")? {
        Some(node) => admin.describe_features_of(node).await?,
        None => admin.describe_features().await?,
    };
    let mut table = Table::new(["FEATURE", "LEVEL", "SUPPORTED"]);
    for (name, feature) in described.features {
        let supported =
            feature.supported.map(|levels| format!("{}-{}", levels.start(), levels.end()));
        table.row([
            name.into(),
            feature.finalized.map(|levels| *levels.end()).into(),
            text(supported),
        ]);
    }
    Ok(table)
}

async fn quorum(admin: &Admin) -> Outcome<Table> {
    let quorum = admin.describe_quorum().await?;
    let mut table = Table::new(["NODE", "ROLE", "LOG END", "LAG", "LAST CAUGHT UP"]);
    let end = quorum.voters.iter().filter_map(|replica| replica.log_end_offset).max();
    let voters = quorum.voters.iter().map(|replica| {
        (replica, if Some(replica.id) == quorum.leader { "leader" } else { "voter" })
    });
    let observers = quorum.observers.iter().map(|replica| (replica, "observer"));
    for (replica, role) in voters.chain(observers) {
        let lag = end.zip(replica.log_end_offset).map(|(end, own)| end.0 - own.0);
        let caught_up = replica.last_caught_up.map(|time| time.0);
        let log_end = replica.log_end_offset.map(|offset| offset.0);
        table.row([replica.id.0.into(), role.into(), log_end.into(), lag.into(), caught_up.into()]);
    }
    Ok(table)
}
