//! `admin cluster`.

use kavka::Admin;
use kavka_programs::Outcome;

use super::options::Options;
use super::table::{Table, text};

pub(crate) async fn run(admin: &Admin, options: &Options) -> Outcome<Table> {
    options.no_names()?;
    match options.verb.as_str() {
        "describe" => describe(admin).await,
        "brokers" => brokers(admin).await,
        "features" => features(admin).await,
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

async fn features(admin: &Admin) -> Outcome<Table> {
    let mut table = Table::new(["FEATURE", "LEVEL", "SUPPORTED"]);
    for (name, feature) in admin.describe_features().await?.features {
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
