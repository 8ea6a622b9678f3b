//! Controllers, administered without a broker (KIP-919).

use kavka::admin::{
    AclBinding, AclFilter, AclOperation, ConfigAlteration, ConfigResource, OffsetSpec,
    ResourcePattern, ResourceType,
};
use kavka::{Admin, Client, ClientConfig, ErrorCode, ErrorKind};

use super::{Bench, code, one, partition, until};
use crate::support::PATIENCE;

/// What Java's `BootstrapControllersIntegrationTest` tries, and more of what is allowed.
pub(super) async fn check(bench: &Bench) {
    // 3.7 is the first release whose controllers answer.
    if !bench.is_at_least(3, 7) {
        return;
    }
    let addresses: Vec<String> = (1..=3)
        .map(|id| bench.cluster.controller_address(id).unwrap())
        .map(|(host, port)| format!("{host}:{port}"))
        .collect();
    let client = Client::new(ClientConfig::default().bootstrap_controllers(&addresses[0])).unwrap();
    let admin = client.admin();
    let cluster = admin.describe_cluster().await.unwrap();
    let listeners = cluster.brokers.iter().map(|found| found.address.to_string());
    assert!(listeners.eq(addresses.iter().cloned()), "all are found by one: {cluster:?}");
    let quorum = admin.describe_quorum().await.unwrap();
    assert_eq!(quorum.leader, cluster.controller);
    assert!(admin.describe_features().await.unwrap().features.contains_key("metadata.version"));
    configs(bench, &admin).await;
    acls(bench, &admin).await;
    assert!(admin.list_reassignments().await.unwrap().is_empty());

    let offsets = admin.list_offsets([(partition("t", 0), OffsetSpec::Latest)]).await;
    assert_eq!(code(&one(offsets).unwrap_err()), ErrorCode::UNSUPPORTED_ENDPOINT_TYPE);
    client.close(PATIENCE).await.unwrap();
    wrong_nodes(bench, &addresses[0]).await;
}

/// What is altered by the controllers is seen by the brokers.
async fn configs(bench: &Bench, admin: &Admin) {
    let value = async |admin: &Admin, name: &str| {
        let entries = one(admin.describe_configs([ConfigResource::broker(2)]).await).unwrap();
        entries.into_iter().find(|entry| entry.name == name).and_then(|entry| entry.value)
    };
    let change = |entry| [(ConfigResource::broker(2), vec![entry])];
    let name = "log.cleaner.threads";
    one(admin.alter_configs(change(ConfigAlteration::set(name, "2"))).await).unwrap();
    for admin in [admin, &bench.admin] {
        until("the config", async || value(admin, name).await, |now| now.as_deref() == Some("2"))
            .await;
    }
    one(admin.alter_configs(change(ConfigAlteration::delete(name))).await).unwrap();
}

async fn acls(bench: &Bench, admin: &Admin) {
    let topic = ResourcePattern::literal(ResourceType::Topic, "by-controllers");
    let rule = AclBinding::allow(topic, "User:carol", AclOperation::Read);
    one(admin.create_acls([rule.clone()]).await).unwrap();
    let filter = || AclFilter::any().principal("User:carol");
    for admin in [admin, &bench.admin] {
        let found = async || admin.describe_acls(filter()).await.unwrap();
        until("the rule", found, |rules| rules == std::slice::from_ref(&rule)).await;
    }
    assert!(one(admin.delete_acls([filter()]).await).unwrap().values().all(Result::is_ok));
}

/// Brokers named as controllers, and controllers as brokers.
async fn wrong_nodes(bench: &Bench, controller: &str) {
    let brokers = ClientConfig::default().bootstrap_controllers(bench.cluster.bootstrap());
    let client = Client::new(brokers).unwrap();
    let error = client.admin().describe_cluster().await.unwrap_err();
    assert_eq!(code(&error), ErrorCode::MISMATCHED_ENDPOINT_TYPE);
    client.close(PATIENCE).await.unwrap();
    let client = Client::new(ClientConfig::new(controller)).unwrap();
    let error = client.admin().list_topics().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    client.close(PATIENCE).await.unwrap();
}
