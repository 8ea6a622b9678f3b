//! The scripts on real Kafka, which decides. Needs a broker of Kafka 4.3 that is up already:
//! `KAVKA_GROUPS_BOOTSTRAP`, a host and a port, with the settings that `world` names,
//! `group.consumer.assignment.interval.ms=0` and `group.initial.rebalance.delay.ms=0`.

use kafka_protocol::messages::IncrementalAlterConfigsRequest;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use tokio::net::TcpStream;

use super::super::client::Client;
use super::super::scripted::{plays, suffix};
use super::scripts;
use super::world::{World, rest, text};

/// The type of a resource that is a group.
const GROUP: i8 = 32;

pub(super) async fn world(script: &str) -> Option<World> {
    let address = std::env::var("KAVKA_GROUPS_BOOTSTRAP").ok()?;
    let stream = TcpStream::connect(address).await.unwrap();
    Some(World::new(Client::over(stream), &suffix(script)).await)
}

plays! {
    reconciliation, RECONCILIATION;
    overlap, OVERLAP;
    silence, SILENCE;
    stubbornness, STUBBORNNESS;
    invalid, INVALID;
    fullness, FULLNESS;
    nothing, NOTHING;
    epochs, EPOCHS;
    coming_back, COMING_BACK;
    staying_away, STAYING_AWAY;
    going_midway, GOING_MIDWAY;
    topics, TOPICS;
    change_of_mind, CHANGE_OF_MIND;
    patterns, PATTERNS;
    two_patterns, TWO_PATTERNS;
    new_topics, NEW_TOPICS;
    range, RANGE;
    votes, VOTES;
    different, DIFFERENT;
    offsets, OFFSETS;
    older_epochs, OLDER_EPOCHS;
    conversion, CONVERSION;
    description, DESCRIPTION;
    upgrade, UPGRADE;
    classic_guest, CLASSIC_GUEST;
    classic_haste, CLASSIC_HASTE;
    downgrade, DOWNGRADE;
    downgrade_and_change, DOWNGRADE_AND_CHANGE;
    transactions, TRANSACTIONS;
    coming_back_midway, COMING_BACK_MIDWAY;
    old_commits, OLD_COMMITS;
}

/// Changes a setting of the world's group.
pub(super) async fn configure(world: &mut World, name: &str, value: &str) {
    let config = AlterableConfig::default().with_name(text(name)).with_value(Some(text(value)));
    let group = AlterConfigsResource::default()
        .with_resource_type(GROUP)
        .with_resource_name(world.group().0)
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![group]);
    assert_eq!(world.client.call(&request, 1).await.responses[0].error_code, 0);
    rest(500).await;
}

#[tokio::test]
#[ignore = "needs a real broker"]
async fn interval() {
    let Some(mut world) = world("interval").await else { return };
    configure(&mut world, "consumer.assignment.interval.ms", "1000").await;
    assert_eq!(scripts::interval(&mut world).await, scripts::INTERVAL);
}
