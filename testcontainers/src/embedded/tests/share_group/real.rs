//! The scripts on real Kafka, which decides. Needs a broker of Kafka 4.3 that is up already:
//! `KAVKA_SHARE_BOOTSTRAP`, a host and a port, with `group.share.record.lock.duration.ms=2000`,
//! `group.share.min.record.lock.duration.ms=1000`, `group.share.session.timeout.ms=4000`,
//! `group.share.min.session.timeout.ms=1000`, `group.share.max.size=4` and
//! `group.share.assignment.interval.ms=0`.

use tokio::net::TcpStream;

use super::super::client::Client;
use super::super::scripted::{plays, suffix};
use super::scripts;
use super::world::World;

pub(super) async fn world(script: &str) -> Option<World> {
    let address = std::env::var("KAVKA_SHARE_BOOTSTRAP").ok()?;
    let connect = move || {
        let address = address.clone();
        Box::pin(async move { Client::over(TcpStream::connect(address).await.unwrap()) })
            as std::pin::Pin<Box<dyn Future<Output = Client> + Send>>
    };
    Some(World::new(Box::new(connect), &suffix(script)).await)
}

plays! {
    session_epochs, SESSION_EPOCHS;
    session_owners, SESSION_OWNERS;
    session_ends, SESSION_ENDS;
    session_news, SESSION_NEWS;
    topics_gone, TOPICS_GONE;
    acquired_batches, ACQUIRED_BATCHES;
    acquired_records, ACQUIRED_RECORDS;
    waiting, WAITING;
    record_locks, RECORD_LOCKS;
    beginnings, BEGINNINGS;
    said_of_records, SAID_OF_RECORDS;
    said_together, SAID_TOGETHER;
    said_wrongly, SAID_WRONGLY;
    renewals, RENEWALS;
    deliveries, DELIVERIES;
    lock_timeouts, LOCK_TIMEOUTS;
    log_starts, LOG_STARTS;
    log_starts_within, LOG_STARTS_WITHIN;
    suspects, SUSPECTS;
    members, MEMBERS;
    bad_heartbeats, BAD_HEARTBEATS;
    silence, SILENCE;
    sharing_out, SHARING_OUT;
    kinds, KINDS;
    standings, STANDINGS;
    set_starts, SET_STARTS;
    settings, SETTINGS;
    isolation, ISOLATION;
    no_isolation, NO_ISOLATION;
}
