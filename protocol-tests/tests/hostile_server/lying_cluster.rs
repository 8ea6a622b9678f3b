//! Brokers that speak Kafka, and lie in the replies of one API or of all.

use std::time::Duration;

use kavka::Client;
use kavka_protocol_tests::InMemory;
use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, Fault, Reaction};

use crate::flow;

const LIES: [Reaction; 8] = [
    Reaction::Garbage(0),
    Reaction::Garbage(300),
    Reaction::Truncate(6),
    Reaction::WrongCorrelation,
    Reaction::Mutate,
    Reaction::WrongLength(-1),
    Reaction::WrongLength(i32::MAX),
    Reaction::WrongLength(1 << 20),
];

const APIS: [ApiKey; 13] = [
    ApiKey::ApiVersions,
    ApiKey::Metadata,
    ApiKey::CreateTopics,
    ApiKey::InitProducerId,
    ApiKey::Produce,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::SyncGroup,
    ApiKey::Heartbeat,
    ApiKey::OffsetFetch,
    ApiKey::ListOffsets,
    ApiKey::Fetch,
    ApiKey::OffsetCommit,
];

/// More than an honest cluster is asked, and far less than a client asks that spins.
const MANY_REQUESTS: usize = 2_000;

#[test]
fn lies_end_every_step_in_time_and_are_forgiven() {
    for lie in LIES {
        let faults = APIS.map(|api| (format!("{lie:?} in {api:?}"), Fault::on(api).then(lie)));
        for (name, fault) in
            faults.into_iter().chain([(format!("{lie:?} in all"), Fault::any().then(lie))])
        {
            let measured = allocation_counter::measure(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .start_paused(true)
                    .build()
                    .unwrap();
                runtime.block_on(meet(&name, fault));
            });
            assert!(measured.bytes_max < flow::MAX_MEMORY, "{name}: {} bytes", measured.bytes_max);
        }
    }
}

async fn meet(name: &str, fault: Fault) {
    let embedded = EmbeddedCluster::builder().in_memory().start().await.unwrap();
    let config = flow::config(&embedded.bootstrap_servers()).connector(InMemory(embedded.clone()));
    let client = Client::new(config).unwrap();
    embedded.fault(fault);
    let _ = flow::run(&client, name).await;
    let requests = embedded.requests().len();
    assert!(requests < MANY_REQUESTS, "{name}: {requests} requests");
    embedded.clear_faults();
    // What a mutated reply has made the client believe is forgotten with what it asks next.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let [_, produced, consumed] = flow::run(&client, name).await;
    assert!(produced.is_none(), "{name}: {produced:?}");
    assert!(consumed.is_none(), "{name}: {consumed:?}");
    client.close(Duration::from_secs(1)).await.unwrap();
}
