//! The scripts on real Kafka, which decides. Needs a broker of Kafka 4.3 that is up already:
//! `KAVKA_GROUPS_BOOTSTRAP`, a host and a port, with the settings that `world` names,
//! `group.consumer.assignment.interval.ms=0` and `group.initial.rebalance.delay.ms=0`.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::TcpStream;

use super::super::client::Client;
use super::scripts;
use super::world::World;

async fn world(script: &str) -> Option<World> {
    let address = std::env::var("KAVKA_GROUPS_BOOTSTRAP").ok()?;
    let stream = TcpStream::connect(address).await.unwrap();
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    Some(World::new(Client::over(stream), &format!("-{script}-{moment}")).await)
}

macro_rules! plays {
    ($($script:ident, $expected:ident;)*) => {$(
        #[tokio::test]
        #[ignore = "needs a real broker"]
        async fn $script() {
            let Some(mut world) = world(stringify!($script)).await else { return };
            assert_eq!(scripts::$script(&mut world).await, scripts::$expected);
        }
    )*};
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
    transactions, TRANSACTIONS;
}
