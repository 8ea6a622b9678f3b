//! Who may do what, how much, and by which password.

use kavka::admin::{
    AclBinding, AclFilter, AclOperation, NewDelegationToken, PatternType, QuotaAlteration,
    QuotaEntity, QuotaFilter, QuotaMatch, ResourcePattern, ResourceType, ScramMechanism,
};
use kavka::{Class, ErrorCode};

use super::{Bench, CONFIGS, code, one, refused, until};

const ACLS: &str = "org.apache.kafka.tools.AclCommand";

pub(super) async fn acls(bench: &Bench) {
    let admin = &bench.admin;
    let read = AclBinding::allow(
        ResourcePattern::prefixed(ResourceType::Topic, "pay"),
        "User:alice",
        AclOperation::Read,
    );
    let deny = AclBinding::deny(
        ResourcePattern::literal(ResourceType::Group, "*"),
        "User:bob",
        AclOperation::Read,
    )
    .host("10.0.0.1");
    let bad = AclBinding::allow(
        ResourcePattern::literal(ResourceType::Topic, ""),
        "alice",
        AclOperation::Read,
    );
    let mut made = admin.create_acls([read.clone(), deny.clone(), bad.clone()]).await;
    assert_eq!(refused(made.remove(&bad).unwrap(), "allow alice"), ErrorCode::INVALID_REQUEST);
    assert!(made.values().all(Result::is_ok), "{made:?}");
    let printed = bench.java(ACLS, &["--list"]).await;
    assert!(
        printed.contains("name=pay, patternType=PREFIXED")
            && printed.contains("principal=User:alice"),
        "{printed}"
    );
    assert!(printed.contains("host=10.0.0.1, operation=READ, permissionType=DENY"), "{printed}");

    let by_name = AclFilter::any().kind(ResourceType::Topic).name("payments", PatternType::Match);
    let found = until(
        "the rules",
        async || admin.describe_acls(by_name.clone()).await.unwrap(),
        |rules| !rules.is_empty(),
    )
    .await;
    assert_eq!(found, std::slice::from_ref(&read));
    until(
        "both rules",
        async || admin.describe_acls(AclFilter::any()).await.unwrap(),
        |rules| rules.len() == 2,
    )
    .await;
    let deleted = one(admin.delete_acls([AclFilter::any().principal("User:alice")]).await).unwrap();
    assert_eq!(deleted.into_keys().collect::<Vec<_>>(), [read]);
    assert!(
        one(admin.delete_acls([AclFilter::from(deny)]).await).unwrap().values().all(Result::is_ok)
    );
    let printed = bench.java(ACLS, &["--list"]).await;
    assert!(!printed.contains("alice") && !printed.contains("bob"), "{printed}");
}

pub(super) async fn quotas(bench: &Bench) {
    let admin = &bench.admin;
    let alice = QuotaEntity::user("alice").with("client-id", Some("loader".into()));
    let everybody = QuotaEntity::default_user();
    let rate = |value| vec![QuotaAlteration::set("producer_byte_rate", value)];
    one(admin.clone().validate_only().alter_quotas([(alice.clone(), rate(1.0))]).await).unwrap();
    let nonsense = QuotaEntity::user("alice").with("ip", Some("1.2.3.4".into()));
    let mut altered = admin
        .alter_quotas([
            (alice.clone(), rate(5e6)),
            (everybody.clone(), rate(1e6)),
            (nonsense.clone(), rate(1.0)),
        ])
        .await;
    assert_eq!(
        refused(altered.remove(&nonsense).unwrap(), "ip 1.2.3.4"),
        ErrorCode::INVALID_REQUEST
    );
    assert!(altered.values().all(Result::is_ok), "{altered:?}");
    let find = async |filter: &QuotaFilter| admin.describe_quotas(filter.clone()).await.unwrap();
    let all =
        until("the quotas", async || find(&QuotaFilter::all()).await, |quotas| quotas.len() == 2)
            .await;
    assert_eq!(all[&alice]["producer_byte_rate"], 5e6);
    let default = QuotaFilter::all().part("user", QuotaMatch::Default).strict();
    let defaults =
        until("the default", async || find(&default).await, |quotas| !quotas.is_empty()).await;
    assert!(defaults.into_keys().eq([everybody.clone()]));
    let printed = bench
        .java(CONFIGS, &["--describe", "--entity-type", "users", "--entity-type", "clients"])
        .await;
    assert!(
        printed.contains("user-principal 'alice', client-id 'loader'")
            && printed.contains("producer_byte_rate=5000000.0"),
        "{printed}"
    );
    let gone = vec![QuotaAlteration::remove("producer_byte_rate")];
    let removed = admin.alter_quotas([(alice, gone.clone()), (everybody, gone)]).await;
    assert!(removed.values().all(Result::is_ok), "{removed:?}");
    until("no quotas", async || find(&QuotaFilter::all()).await, |quotas| quotas.is_empty()).await;
}

pub(super) async fn scram(bench: &Bench) {
    let admin = &bench.admin;
    let credential = kavka::admin::ScramCredential::new(ScramMechanism::Sha256).iterations(8192);
    admin.upsert_scram_user("carol", credential, "carol-secret").await.unwrap();
    let weak = admin.upsert_scram_user("carol", credential.iterations(1), "x").await;
    assert_eq!(refused(weak, "user carol"), ErrorCode::UNACCEPTABLE_CREDENTIAL);
    let users = until(
        "the user",
        async || admin.describe_scram_users(["carol", "none"]).await.unwrap(),
        |users| users["carol"].is_ok(),
    );
    let mut users = users.await;
    assert_eq!(users.remove("carol").unwrap().unwrap(), [credential]);
    assert_eq!(code(&users.remove("none").unwrap().unwrap_err()), ErrorCode::RESOURCE_NOT_FOUND);
    let printed = bench.java(CONFIGS, &["--describe", "--entity-type", "users"]).await;
    assert!(printed.contains("'carol' are SCRAM-SHA-256=iterations=8192"), "{printed}");
    let deleted = admin
        .delete_scram_users([("carol", ScramMechanism::Sha256), ("none", ScramMechanism::Sha512)])
        .await;
    assert!(deleted["carol"].is_ok(), "{deleted:?}");
    assert_eq!(deleted["none"].as_ref().unwrap_err().code(), Some(ErrorCode::RESOURCE_NOT_FOUND));
    let none = Vec::<String>::new();
    until(
        "no user",
        async || admin.describe_scram_users(none.clone()).await.unwrap(),
        |users| users.is_empty(),
    )
    .await;
}

/// Tokens are for users who log in; here nobody does.
pub(super) async fn tokens(bench: &Bench) {
    let admin = &bench.admin;
    let codes = [
        admin.create_delegation_token(NewDelegationToken::new()).await.map(drop),
        admin.renew_delegation_token(b"none", None).await.map(drop),
        admin.expire_delegation_token(b"none", None).await.map(drop),
        admin.describe_delegation_tokens([]).await.map(drop),
    ];
    for refused in codes {
        let error = refused.unwrap_err();
        let disabled = [
            ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
            ErrorCode::DELEGATION_TOKEN_AUTH_DISABLED,
        ];
        assert!(disabled.contains(&code(&error)) && error.class() != Class::Retriable, "{error}");
    }
}
