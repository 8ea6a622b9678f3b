//! Tokens for assertions in place of a secret (KIP-1139), and that Java's client asks for them in
//! the same words.

use std::collections::BTreeMap;

use kavka::{
    Assertion, AssertionAlgorithm, AssertionSigner, Client, ClientConfig, ErrorKind, OidcConfig,
    Properties, Sasl,
};
use kavka_testcontainers::apache::{Certificates, Cluster, Config, Security};

use super::{base, certificates, connect, oauth, quickstart, with};
use crate::support::{PATIENCE, in_time};

/// What Java's users set, without the key.
pub(super) fn bearer(cluster: &Cluster) -> Properties {
    let endpoint = cluster.token_endpoint().unwrap();
    let pairs = [
        ("sasl.oauthbearer.token.endpoint.url", endpoint),
        (
            "sasl.oauthbearer.jwt.retriever.class",
            "org.apache.kafka.common.security.oauthbearer.JwtBearerJwtRetriever",
        ),
        ("sasl.oauthbearer.assertion.claim.iss", "alice"),
        ("sasl.oauthbearer.assertion.claim.sub", "alice"),
        ("sasl.oauthbearer.assertion.claim.aud", endpoint),
        ("sasl.oauthbearer.assertion.claim.jti.include", "true"),
        ("sasl.oauthbearer.scope", "kafka"),
    ];
    with(oauth(base(cluster, Security::OAuthOidc), ""), &pairs)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_stands_for_a_client() {
    let cluster = Cluster::start(Config::new().secured([Security::OAuthOidc])).await.unwrap();
    let files = certificates(&cluster);
    let key = |file: &std::path::Path, more: &[(&str, &str)]| {
        let file = ("sasl.oauthbearer.assertion.private.key.file", file.to_str().unwrap());
        with(with(bearer(&cluster), &[file]), more)
    };
    let es256 = ("sasl.oauthbearer.assertion.algorithm", "ES256");
    let passphrase = ("sasl.oauthbearer.assertion.private.key.passphrase", Certificates::PASSWORD);
    let default = (
        "sasl.oauthbearer.jwt.retriever.class",
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
    );
    let template = cluster
        .file("template.json", br#"{"header": {"kid": "k1"}, "payload": {"more": [1]}}"#)
        .unwrap();
    for (name, properties) in [
        ("rs256", key(&files.alice_rsa_key, &[])),
        ("es256", key(&files.alice_key, &[es256])),
        ("encrypted", key(&files.alice_rsa_encrypted_key, &[passphrase])),
        (
            "template",
            key(
                &files.alice_key,
                &[es256, ("sasl.oauthbearer.assertion.template.file", template.to_str().unwrap())],
            ),
        ),
        ("client-assertion", key(&files.alice_key, &[es256, default])),
    ] {
        in_time(name, quickstart(&connect(&properties), name)).await;
    }

    // Somebody else has made it: the newest that was posted has no id and is as good twice.
    let form = cluster.token_requests();
    let posted = form.iter().find_map(|form| fields(form).remove("assertion")).unwrap();
    let file = cluster.file("assertion", posted.as_bytes()).unwrap();
    let file = Assertion::file(file);
    let error = first_call(by_setters(&cluster, file))
        .await
        .expect_err("an id was used before")
        .to_string();
    assert!(error.contains("400 invalid_grant (the assertion was used before)"), "{error}");

    let signer = |file: &std::path::Path| {
        let signer = AssertionSigner::key_file(AssertionAlgorithm::Es256, file);
        signer.audience(cluster.token_endpoint().unwrap()).issuer("alice").subject("alice")
    };
    first_call(by_setters(&cluster, signer(&files.alice_key).into())).await.unwrap();
    let last = cluster.token_requests().pop().unwrap();
    let file = cluster.file("assertion", fields(&last)["assertion"].as_bytes()).unwrap();
    first_call(by_setters(&cluster, Assertion::file(file))).await.unwrap();

    let error = first_call(by_setters(&cluster, signer(&files.stranger).into()))
        .await
        .expect_err("a stranger");
    assert_eq!(error.kind(), ErrorKind::Authentication);
    let message = error.to_string();
    assert!(
        message.contains("400 invalid_grant") && message.contains("not that of a known key"),
        "{message}"
    );
    cluster.shutdown().await.unwrap();
}

fn by_setters(cluster: &Cluster, assertion: Assertion) -> Client {
    let config = ClientConfig::new(cluster.bootstrap_of(Security::OAuthOidc).unwrap());
    let oidc = OidcConfig::jwt_bearer(cluster.token_endpoint().unwrap(), assertion);
    Client::new(config.sasl(Sasl::oauthbearer_oidc(oidc))).unwrap()
}

async fn first_call(client: Client) -> kavka::Result<()> {
    let answer = client.admin().describe_cluster().await.map(drop);
    client.close(PATIENCE).await.unwrap();
    answer
}

#[tokio::test]
async fn javas_client_posts_the_same() {
    let cluster = Cluster::start(Config::new().secured([Security::OAuthOidc])).await.unwrap();
    let key = certificates(&cluster).alice_rsa_plain_key.to_str().unwrap();
    let java = bearer(&cluster);
    let java = with(java, &[("sasl.oauthbearer.assertion.private.key.file", key)]);
    let handler = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler";
    let bootstrap = cluster.bootstrap_of(Security::OAuthOidc).unwrap();
    for retriever in ["JwtBearerJwtRetriever", "ClientCredentialsJwtRetriever"] {
        let class = format!("org.apache.kafka.common.security.oauthbearer.{retriever}");
        let properties = with(java.clone(), &[("sasl.oauthbearer.jwt.retriever.class", &class)]);
        let ours = posted(&cluster, async || first_call(connect(&properties)).await.unwrap()).await;
        let text: String =
            properties.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let text = format!("{text}sasl.login.callback.handler.class={handler}\n");
        let file = cluster.file("java.properties", text.as_bytes()).unwrap();
        let arguments = [
            "--bootstrap-server",
            &bootstrap,
            "--command-config",
            file.to_str().unwrap(),
            "--list",
        ];
        let theirs = posted(&cluster, async || {
            cluster
                .tool("org.apache.kafka.tools.TopicCommand")
                .args(arguments)
                .run()
                .await
                .unwrap();
        });
        let theirs = theirs.await;
        eprintln!("{retriever}: {ours:?}");
        assert_eq!(ours, theirs, "{retriever}");
    }
    cluster.shutdown().await.unwrap();
}

/// The form that something posts: its fields in their order, and what is in the assertion, where
/// values that differ each time are left out.
async fn posted(cluster: &Cluster, act: impl AsyncFnOnce()) -> Vec<(String, String)> {
    let before = cluster.token_requests().len();
    act().await;
    let form = cluster.token_requests().get(before).cloned().expect("it asked for a token");
    let mut fields = Vec::new();
    for (name, value) in form.split('&').filter_map(|field| field.split_once('=')) {
        if !name.ends_with("assertion") {
            fields.push((name.to_owned(), value.to_owned()));
            continue;
        }
        for (part, text) in ["header", "claims"].into_iter().zip(value.split('.')) {
            fields.push((format!("{name} {part}"), json(text)));
        }
    }
    fields
}

fn fields(form: &str) -> BTreeMap<&str, &str> {
    form.split('&').filter_map(|field| field.split_once('=')).collect()
}

/// The object in a part of a JWT, sorted by name, without times and ids.
fn json(part: &str) -> String {
    let bytes = base64url(part);
    let text = std::str::from_utf8(&bytes).unwrap().trim_matches(['{', '}']);
    let mut members: Vec<&str> = text.split(',').collect();
    members.sort_unstable();
    let shown = |member: &&str| {
        let name = member.split(':').next().unwrap().trim_matches('"').to_owned();
        if ["iat", "exp", "nbf", "jti"].contains(&&*name) { name } else { (*member).to_owned() }
    };
    members.iter().map(shown).collect::<Vec<_>>().join(",")
}

fn base64url(text: &str) -> Vec<u8> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes() {
        let digit = digits.iter().position(|digit| *digit == byte).expect("base64url");
        bits = (bits << 6 | u32::try_from(digit).unwrap()) & 0xfff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    bytes
}
