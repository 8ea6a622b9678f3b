//! Delegation tokens that the admin handle makes: whom they let in, and until when; seen by Kafka's
//! own tool too.

use std::time::Duration;

use kavka::admin::{DelegationToken, NewDelegationToken, Principal};
use kavka::{Admin, Client, ClientConfig, ErrorCode, Properties, Sasl};
use kavka_testcontainers::apache::{Cluster, Config, Security, Version};

use super::{code, until};
use crate::security::{base, connect, login};
use crate::support::{PATIENCE, sized};

const TOOL: &str = "org.apache.kafka.tools.DelegationTokenCommand";

fn as_user(cluster: &Cluster, user: &str) -> Properties {
    login(base(cluster, Security::SaslScram), "SCRAM-SHA-256", user, &format!("{user}-secret"))
}

/// A client that logs in with a token.
fn with_token(cluster: &Cluster, token: &DelegationToken, is_long: bool) -> Client {
    let scram = if is_long { Sasl::scram_sha_512 } else { Sasl::scram_sha_256 };
    let config = ClientConfig::new(cluster.bootstrap_of(Security::SaslScram).unwrap());
    Client::new(config.sasl(scram(token.id.as_str(), token.password()).delegation_token())).unwrap()
}

/// Why a token lets nobody in, if it does not.
async fn refusal(cluster: &Cluster, token: &DelegationToken) -> Option<ErrorCode> {
    let client = with_token(cluster, token, false);
    let outcome = client.admin().describe_cluster().await;
    client.close(PATIENCE).await.unwrap();
    outcome.err().map(|error| code(&error))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_in_whom_it_stands_for_until_it_is_ended() {
    for version in sized(&[Version::DEFAULT][..], &[Version::DEFAULT, Version::new(3, 9, 2)][..]) {
        let cluster =
            Cluster::start(Config::new().version(*version).secured([Security::SaslScram]))
                .await
                .unwrap();
        eprintln!("Kafka {}", cluster.version());
        let alice = connect(&as_user(&cluster, "alice"));
        let bob = connect(&as_user(&cluster, "bob"));
        effects(&cluster, &alice.admin(), &bob.admin()).await;
        for client in [alice, bob] {
            client.close(PATIENCE).await.unwrap();
        }
        cluster.shutdown().await.unwrap();
    }
}

async fn effects(cluster: &Cluster, alice: &Admin, bob: &Admin) {
    let asked = NewDelegationToken::new()
        .renewer(Principal::user("bob"))
        .max_lifetime(Duration::from_secs(3600));
    let token = alice.create_delegation_token(asked).await.unwrap();
    assert_eq!(
        (&token.owner, token.max.0 - token.issued.0),
        (&Principal::user("alice"), 3_600_000)
    );
    assert!(token.expires <= token.max && !token.hmac.is_empty());

    // The owner sees it, and so does whoever may renew it; it is the same as Kafka's own tool sees.
    let seen = async |admin: &Admin| {
        admin.describe_delegation_tokens([Principal::user("alice")]).await.unwrap()
    };
    let described =
        until("the token is known", async || seen(alice).await, |tokens| tokens.len() == 1).await;
    let [described] = &described[..] else { panic!("{described:?}") };
    assert_eq!(
        (&described.id, &described.hmac, &described.max),
        (&token.id, &token.hmac, &token.max)
    );
    assert_eq!(described.renewers, [Principal::user("bob")]);
    assert_eq!(described.requester, Some(Principal::user("alice")));
    assert_eq!(seen(bob).await.len(), 1);
    assert!(alice.describe_delegation_tokens([Principal::user("carol")]).await.unwrap().is_empty());
    let printed = tool(cluster, &["--describe", "--owner-principal", "User:alice"]).await;
    assert!(
        printed.contains(&token.id) && printed.contains(token.password().expose()),
        "{printed}"
    );
    assert!(!format!("{token:?}").contains(token.password().expose()), "its secret is not shown");

    // It lets in by both hashes, as its owner: what it makes of tokens is refused, as tokens make
    // no tokens.
    until("the token lets in", async || refusal(cluster, &token).await, Option::is_none).await;
    for is_long in [false, true] {
        let client = with_token(cluster, &token, is_long);
        client.admin().describe_cluster().await.unwrap();
        let error =
            client.admin().create_delegation_token(NewDelegationToken::new()).await.unwrap_err();
        assert_eq!(code(&error), ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED);
        client.close(PATIENCE).await.unwrap();
    }

    // Renewed by the renewer, for less than the cluster's default; another may not.
    let renewed =
        bob.renew_delegation_token(&token.hmac, Some(Duration::from_secs(1800))).await.unwrap();
    assert!(renewed < token.expires && renewed > token.issued, "{renewed:?} {token:?}");
    let described = until(
        "the renewal is known",
        async || seen(alice).await,
        |tokens| tokens[0].expires == renewed,
    )
    .await;
    assert_eq!(described[0].id, token.id);
    let second = alice.create_delegation_token(NewDelegationToken::new()).await.unwrap();
    until("the second token is known", async || seen(alice).await, |tokens| tokens.len() == 2)
        .await;
    let error = bob.renew_delegation_token(&second.hmac, None).await.unwrap_err();
    assert_eq!(code(&error), ErrorCode::DELEGATION_TOKEN_OWNER_MISMATCH);
    let error = alice.renew_delegation_token(b"none", None).await.unwrap_err();
    assert_eq!(code(&error), ErrorCode::DELEGATION_TOKEN_NOT_FOUND);

    // Ended by its owner; nobody logs in with it afterwards, while the other still lets in.
    alice.expire_delegation_token(&token.hmac, None).await.unwrap();
    let refused =
        until("the token is refused", async || refusal(cluster, &token).await, Option::is_some)
            .await;
    assert_eq!(refused, Some(ErrorCode::SASL_AUTHENTICATION_FAILED));
    assert_eq!(refusal(cluster, &second).await, None);
    let left =
        until("the token is gone", async || seen(alice).await, |tokens| tokens.len() == 1).await;
    assert_eq!(left[0].id, second.id);
    assert!(
        !tool(cluster, &["--describe", "--owner-principal", "User:alice"])
            .await
            .contains(&token.id)
    );
}

/// What Kafka's own tool prints to alice.
async fn tool(cluster: &Cluster, arguments: &[&str]) -> String {
    let text: String =
        as_user(cluster, "alice").iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let file = cluster.file("alice.properties", text.as_bytes()).unwrap();
    let bootstrap = cluster.bootstrap_of(Security::SaslScram).unwrap();
    let tool = cluster.tool(TOOL).args([
        "--bootstrap-server",
        &bootstrap,
        "--command-config",
        file.to_str().unwrap(),
    ]);
    tool.args(arguments.iter().copied()).run().await.unwrap()
}
