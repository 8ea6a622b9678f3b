//! What each vendor's file that is taken connects to, and what is refused there.

use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit, Mac};
use kavka_testcontainers::embedded::{ApiKey, Fault, Reaction, Sasl, SaslMechanism};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::hosted::Hosted;
use crate::config::{
    AwsCredentialsOrigin, ClientConfig, GoogleCredentials, GoogleMetadata, Mechanism,
    Sasl as ClientSasl, TokenOrigin,
};
use crate::error::ErrorKind;
use crate::ids::Timestamp;

fn only(mechanism: SaslMechanism, user: &str, password: &str) -> Option<Sasl> {
    Some(Sasl::new([mechanism]).user(user, password))
}

/// With the file's password one sign longer, wherever it stands.
async fn refuses_another_password(hosted: &Hosted, property: &str, password: &str) {
    let wrong = hosted.file(&[]);
    let value = wrong.get(property).expect("it has one");
    let value = value.replace(password, &format!("{password}x"));
    hosted.refuses(&hosted.file(&[(property, &value)]), ErrorKind::Authentication).await;
    let logins = hosted.cluster.logins();
    assert!(logins.first > 0 && logins.refused > 0, "{logins:?}");
}

#[tokio::test(start_paused = true)]
async fn confluent_cloud_takes_the_key_of_the_file() {
    for (text, property) in [
        (include_str!("../confluent.properties"), "sasl.jaas.config"),
        (include_str!("../librdkafka.properties"), "sasl.password"),
    ] {
        let hosted = Hosted::start(text, only(SaslMechanism::Plain, "KEY", "SECRET")).await;
        hosted.lets_in(&hosted.file(&[])).await;
        refuses_another_password(&hosted, property, "SECRET").await;
    }
}

#[tokio::test(start_paused = true)]
async fn msk_takes_the_certificate_of_the_file() {
    let hosted = Hosted::start(include_str!("../msk-mtls.properties"), None).await;
    let with = |path: &std::path::Path| {
        hosted.file(&[("ssl.keystore.location", path.to_str().expect("a path"))])
    };
    hosted.lets_in(&with(&hosted.certificates.alice)).await;
    hosted.refuses(&with(&hosted.certificates.stranger), ErrorKind::Tls).await;
}

const CONNECTION_STRING: &str =
    "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=AAAA+bb/cc=";

/// What Event Hubs has said it speaks (azure-event-hubs-for-kafka, issue 209).
const EVENT_HUBS: [(ApiKey, i16, i16); 12] = [
    (ApiKey::Produce, 3, 7),
    (ApiKey::Fetch, 4, 6),
    (ApiKey::ListOffsets, 1, 2),
    (ApiKey::Metadata, 0, 5),
    (ApiKey::OffsetCommit, 2, 3),
    (ApiKey::OffsetFetch, 1, 3),
    (ApiKey::FindCoordinator, 0, 1),
    (ApiKey::JoinGroup, 2, 4),
    (ApiKey::Heartbeat, 0, 1),
    (ApiKey::LeaveGroup, 0, 1),
    (ApiKey::SyncGroup, 0, 1),
    (ApiKey::InitProducerId, 0, 1),
];

#[tokio::test(start_paused = true)]
async fn event_hubs_resets_the_newest_greeting_and_takes_the_connection_string() {
    let sasl = only(SaslMechanism::Plain, "$ConnectionString", CONNECTION_STRING);
    let hosted = Hosted::start(include_str!("../eventhubs.properties"), sasl).await;
    for (api, min, max) in EVENT_HUBS {
        hosted.cluster.set_versions(1, api, min, max);
    }
    let reset = Fault::on(ApiKey::ApiVersions).from_version(4).then(Reaction::CloseBefore);
    let reset = hosted.cluster.fault(reset);
    hosted.lets_in(&hosted.file(&[])).await;
    refuses_another_password(&hosted, "sasl.jaas.config", "cc=").await;
    assert!(hosted.cluster.fault_hits(reset) > 0);
}

#[tokio::test(start_paused = true)]
async fn redpanda_takes_the_user_of_the_file() {
    let sasl = only(SaslMechanism::ScramSha256, "u", "p");
    let hosted = Hosted::start(include_str!("../redpanda.properties"), sasl).await;
    hosted.lets_in(&hosted.file(&[])).await;
    refuses_another_password(&hosted, "sasl.password", "p").await;
}

#[tokio::test(start_paused = true)]
async fn strimzi_takes_the_user_of_the_file_and_is_trusted_by_its_store() {
    let sasl = only(SaslMechanism::ScramSha512, "my-user", "pw");
    let hosted = Hosted::start(include_str!("../strimzi.properties"), sasl).await;
    let authority = CertificateDer::from_pem_file(hosted.authority()).expect("PEM");
    let authority = Certificate::from_der(&authority).expect("a certificate");
    let mut store = KeyStore::new();
    store.add_entry("ca.crt", KeyStoreEntry::Certificate(authority));
    let path = hosted.folder.join("ca.p12");
    std::fs::write(&path, store.writer("changeit").write().expect("a store")).expect("written");
    let path = ("ssl.truststore.location", path.to_str().expect("a path"));
    hosted.lets_in(&hosted.file(&[path])).await;
    let wrong = "org.apache.kafka.common.security.scram.ScramLoginModule required \
                 username=\"my-user\" password=\"other\";";
    hosted
        .refuses(&hosted.file(&[path, ("sasl.jaas.config", wrong)]), ErrorKind::Authentication)
        .await;
}

/// An HTTP endpoint that gives answers by the path that is asked for; keeps what it was asked.
struct Issuer {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    async fn start(answer: fn(&str) -> &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !is_whole(&request) {
                    assert!(stream.read_buf(&mut request).await.expect("bytes") > 0);
                }
                let request = String::from_utf8(request).expect("text");
                let body = answer(&request);
                heard.lock().expect("not poisoned").push(request);
                let head = "HTTP/1.1 200 OK\r\nmetadata-flavor: Google\r\ncontent-length: ";
                let answer = format!("{head}{}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.expect("written");
                stream.shutdown().await.expect("shut down");
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().expect("a length"))
}

/// A token that does not end while the test runs.
const FOREVER: i64 = i64::MAX / 2;

/// Only tokens of this text are good.
fn bearer(good: &'static str) -> Option<Sasl> {
    let check = move |token: &str| (token == good).then(|| ("me".to_owned(), FOREVER));
    Some(Sasl::new([SaslMechanism::OAuthBearer]).tokens(check))
}

#[tokio::test]
async fn a_token_is_asked_for_by_the_client_of_the_file() {
    let hosted = Hosted::start(include_str!("../oidc.properties"), bearer("good")).await;
    let answer = |request: &str| match request.contains("Basic SUQ6U0VDUkVU\r\n") {
        true => r#"{"access_token":"good","expires_in":3600}"#,
        false => r#"{"access_token":"bad","expires_in":3600}"#,
    };
    let issuer = Issuer::start(answer).await;
    let url = format!("{}/oauth2/token", issuer.url);
    let url = ("sasl.oauthbearer.token.endpoint.url", url.as_str());
    let right = hosted.file(&[url]);
    hosted.lets_in(&right).await;
    let asked = issuer.asked().concat();
    assert!(asked.starts_with("POST /oauth2/token HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("grant_type=client_credentials&scope=kafka"), "{asked}");
    let jaas = right.get("sasl.jaas.config").expect("it has one").replace("SECRET", "OTHER");
    let wrong = hosted.file(&[url, ("sasl.jaas.config", &jaas)]);
    hosted.refuses(&wrong, ErrorKind::Authentication).await;
}

#[tokio::test]
async fn azure_s_metadata_service_is_asked_for_the_resource_of_the_file() {
    let hosted = Hosted::start(include_str!("../azure.properties"), bearer("good")).await;
    let answer = |request: &str| match request
        .starts_with("GET /token?api-version=2025-04-07&resource=api://x HTTP/1.1\r\n")
    {
        true => r#"{"access_token":"good","expires_in":"3600"}"#,
        false => r#"{"access_token":"bad","expires_in":"3600"}"#,
    };
    let issuer = Issuer::start(answer).await;
    let url = format!("{}/token", issuer.url);
    let url = ("sasl.oauthbearer.token.endpoint.url", url.as_str());
    hosted.lets_in(&hosted.file(&[url])).await;
    let query = ("sasl.oauthbearer.config", "query=api-version=2025-04-07&resource=api://y");
    hosted.refuses(&hosted.file(&[url, query]), ErrorKind::Authentication).await;
    assert!(issuer.asked().iter().all(|request| request.contains("metadata: true\r\n")));
}

#[tokio::test]
async fn entra_id_is_asked_for_the_namespace_by_the_handler_of_the_file() {
    let hosted = Hosted::start(include_str!("../eventhubs-entra.properties"), bearer("good")).await;
    let answer = |request: &str| {
        let is_right = request.contains("client_id=ID&client_secret=SECRET&scope=https%3A%2F%2F")
            && request.ends_with("%2F.default");
        match is_right {
            true => r#"{"access_token":"good","expires_in":3600}"#,
            false => r#"{"access_token":"bad","expires_in":3600}"#,
        }
    };
    let issuer = Issuer::start(answer).await;
    let jaas = |secret: &str| {
        let authority = "azure.profile.environment.active-directory-endpoint";
        let jaas = hosted.file(&[]).get("sasl.jaas.config").expect("it has one").to_owned();
        jaas.replace("\"SECRET\";", &format!("\"{secret}\" {authority}=\"{}\";", issuer.url))
    };
    hosted.lets_in(&hosted.file(&[("sasl.jaas.config", &jaas("SECRET"))])).await;
    let wrong = hosted.file(&[("sasl.jaas.config", &jaas("OTHER"))]);
    hosted.refuses(&wrong, ErrorKind::Authentication).await;
    let asked = issuer.asked().concat();
    assert!(asked.starts_with("POST /TENANT/oauth2/v2.0/token HTTP/1.1\r\n"), "{asked}");
}

#[tokio::test]
async fn google_s_metadata_server_is_asked_by_the_handler_of_the_file() {
    // A JWT in form, whose signature is the access token, `good` in base 64.
    let check = |token: &str| {
        let is_good = token.starts_with("eyJ") && token.ends_with(".Z29vZA");
        is_good.then(|| ("me".to_owned(), FOREVER))
    };
    let sasl = Sasl::new([SaslMechanism::OAuthBearer]).tokens(check);
    let hosted = Hosted::start(include_str!("../gcp.properties"), Some(sasl)).await;
    let answer = |request: &str| match request {
        _ if request.contains("/default/email ") => "me@demo.iam.gserviceaccount.com",
        _ if request.starts_with("GET /bad/") => r#"{"access_token":"bad","expires_in":3600}"#,
        _ => r#"{"access_token":"good","expires_in":3600}"#,
    };
    let issuer = Issuer::start(answer).await;
    // No property leads elsewhere than to the environment and metadata.google.internal.
    let lead_to = |url: String| {
        move |config: &mut ClientConfig| {
            let Some(ClientSasl(Mechanism::OAuthBearer(TokenOrigin::Source(source)))) =
                &mut config.security.sasl
            else {
                panic!("a source of tokens")
            };
            assert!(format!("{source:?}").contains("GoogleCredentials"), "{source:?}");
            *source = Arc::new(GoogleMetadata::new().endpoint(url));
        }
    };
    hosted.lets_in_with(&hosted.file(&[]), lead_to(issuer.url.clone())).await;
    let bad = lead_to(format!("{}/bad", issuer.url));
    hosted.refuses_with(&hosted.file(&[]), ErrorKind::Authentication, bad).await;
}

#[tokio::test]
async fn google_s_federation_lets_a_token_of_somebody_else_in_by_the_handler_of_the_file() {
    let check = |token: &str| {
        let is_good = token.starts_with("eyJ") && token.ends_with(".Z29vZA");
        is_good.then(|| ("me".to_owned(), FOREVER))
    };
    let sasl = Sasl::new([SaslMechanism::OAuthBearer]).tokens(check);
    let hosted = Hosted::start(include_str!("../gcp.properties"), Some(sasl)).await;
    // Only the service account's token is good, and only for the subject token of the right file.
    let answer = |request: &str| match request {
        _ if request.contains("Bearer federated\r\n") => {
            r#"{"accessToken":"good","expireTime":"9999-12-31T23:59:59Z"}"#
        }
        _ if request.contains("generateAccessToken") => {
            r#"{"accessToken":"bad","expireTime":"9999-12-31T23:59:59Z"}"#
        }
        _ if request.ends_with("&subject_token=right") => {
            r#"{"access_token":"federated","expires_in":3600}"#
        }
        _ => r#"{"access_token":"bad","expires_in":3600}"#,
    };
    let issuer = Issuer::start(answer).await;
    // No property names a file of credentials: the environment does.
    let lead_to = |subject: &str| {
        let token = hosted.folder.join(subject);
        std::fs::write(&token, subject).expect("written");
        let file = hosted.folder.join(format!("{subject}.json"));
        let url = &issuer.url;
        let credentials = serde_json::json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{url}/v1/token"),
            "service_account_impersonation_url":
                format!("{url}/v1/projects/-/serviceAccounts/me@demo:generateAccessToken"),
            "credential_source": { "file": token },
        });
        std::fs::write(&file, credentials.to_string()).expect("written");
        move |config: &mut ClientConfig| {
            let Some(ClientSasl(Mechanism::OAuthBearer(TokenOrigin::Source(source)))) =
                &mut config.security.sasl
            else {
                panic!("a source of tokens")
            };
            *source = Arc::new(GoogleCredentials::file(file));
        }
    };
    hosted.lets_in_with(&hosted.file(&[]), lead_to("right")).await;
    let wrong = lead_to("wrong");
    hosted.refuses_with(&hosted.file(&[]), ErrorKind::Authentication, wrong).await;
}

const REGION: &str = "eu-west-1";
const HOST: &str = "b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com";

/// 2021-03-15T12:34:56Z.
const NOW: Timestamp = Timestamp(1_615_811_696_000);

/// Works Signature Version 4 out anew from what the client says, with the key that AWS has.
fn signer(text: &str, secret: &str) -> Option<String> {
    let said: Value = serde_json::from_str(text).ok()?;
    let field = |name: &str| said.get(name).and_then(Value::as_str);
    let fixed = [
        ("version", "2020_10_22"),
        ("host", HOST),
        ("action", "kafka-cluster:Connect"),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-date", "20210315T123456Z"),
        ("x-amz-expires", "900"),
        ("x-amz-signedheaders", "host"),
    ];
    if fixed.iter().any(|(name, value)| field(name) != Some(value)) {
        return None;
    }
    let (id, scope) = field("x-amz-credential")?.split_once('/')?;
    if scope != format!("20210315/{REGION}/kafka-cluster/aws4_request") {
        return None;
    }
    let hash = |text: &str| hex(&Sha256::digest(text));
    let token = field("x-amz-security-token");
    let token = token.map(|token| format!("&X-Amz-Security-Token={token}")).unwrap_or_default();
    let request = format!(
        "GET\n/\nAction=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=\
         {id}%2F{}&X-Amz-Date=20210315T123456Z&X-Amz-Expires=900{token}&X-Amz-SignedHeaders=host\n\
         host:{HOST}\n\nhost\n{}",
        scope.replace('/', "%2F"),
        hash("")
    );
    let to_sign = format!("AWS4-HMAC-SHA256\n20210315T123456Z\n{scope}\n{}", hash(&request));
    let key =
        scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, word| mac(&key, word));
    (field("x-amz-signature")? == hex(&mac(&key, &to_sign))).then(|| id.to_owned())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Has a client see these variables of AWS, at the time of the signatures.
fn surrounded(variables: Vec<(&'static str, String)>) -> impl FnOnce(&mut ClientConfig) {
    move |config| {
        let Some(ClientSasl(Mechanism::AwsMskIam(iam))) = &config.security.sasl else {
            panic!("AWS_MSK_IAM")
        };
        let AwsCredentialsOrigin::Chain(chain) = &iam.credentials else { panic!("a chain") };
        crate::net::surround(chain, variables);
        *config = config.clone().wall_clock(|| NOW);
    }
}

/// A login module of Amazon's with these options.
fn iam_login(options: &str) -> String {
    format!("software.amazon.msk.auth.iam.IAMLoginModule required {options};")
}

#[tokio::test(start_paused = true)]
async fn msk_verifies_the_signature_by_the_keys_of_the_environment() {
    let sasl = Sasl::new([SaslMechanism::AwsMskIam]).signatures(|text| signer(text, "SECRET"));
    let hosted = Hosted::start(include_str!("../msk-iam.properties"), Some(sasl)).await;
    let file = hosted.file(&[("sasl.jaas.config", &iam_login(""))]);
    let keys = |secret: &str| {
        let keys = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", secret)];
        surrounded(keys.map(|(name, value)| (name, value.to_owned())).to_vec())
    };
    hosted.lets_in_with(&file, keys("SECRET")).await;
    hosted.refuses_with(&file, ErrorKind::Authentication, keys("OTHER")).await;
}

#[tokio::test]
async fn msk_verifies_the_signature_by_the_role_of_the_file() {
    // Who signs with the keys of the environment alone is nobody there.
    let check = |text: &str| {
        let has_token = text.contains("\"x-amz-security-token\":\"TOKEN\"");
        signer(text, "ROLES").filter(|id| has_token && id == "AKROLE")
    };
    let sasl = Sasl::new([SaslMechanism::AwsMskIam]).signatures(check);
    let hosted = Hosted::start(include_str!("../msk-iam.properties"), Some(sasl)).await;
    let answer = |request: &str| {
        let is_right = request.contains("Action=AssumeRole")
            && request.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr")
            && request.contains("Credential=AK/20210315/eu-west-1/sts/aws4_request");
        match is_right {
            true => concat!(
                r#"{"AssumeRoleResponse":{"AssumeRoleResult":{"Credentials":{"AccessKeyId":"AKROLE","#,
                r#""SecretAccessKey":"ROLES","SessionToken":"TOKEN","Expiration":1615815296}}}}"#
            ),
            false => r#"{"Error":{"Code":"AccessDenied","Message":"no"}}"#,
        }
    };
    let issuer = Issuer::start(answer).await;
    let variables = || {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "AK"),
            ("AWS_SECRET_ACCESS_KEY", "SECRET"),
            ("AWS_ENDPOINT_URL_STS", &issuer.url),
        ];
        surrounded(variables.map(|(name, value)| (name, value.to_owned())).to_vec())
    };
    let file = |role: &str| {
        let options =
            format!("awsRoleArn=\"arn:aws:iam::1:role/{role}\" awsStsRegion=\"eu-west-1\"");
        hosted.file(&[("sasl.jaas.config", &iam_login(&options))])
    };
    hosted.lets_in_with(&file("r"), variables()).await;
    hosted.refuses_with(&file("s"), ErrorKind::Authentication, variables()).await;
}

#[tokio::test(start_paused = true)]
async fn msk_takes_the_user_of_the_file() {
    let sasl = only(SaslMechanism::ScramSha512, "alice", "pw");
    let hosted = Hosted::start(include_str!("../msk-scram.properties"), sasl).await;
    hosted.lets_in(&hosted.file(&[])).await;
    refuses_another_password(&hosted, "sasl.jaas.config", "pw").await;
}

#[tokio::test(start_paused = true)]
async fn msk_verifies_the_signature_by_the_profile_of_the_file() {
    let check = |text: &str| signer(text, "SECRET");
    let sasl = Sasl::new([SaslMechanism::AwsMskIam]).signatures(check);
    let hosted = Hosted::start(include_str!("../msk-iam.properties"), Some(sasl)).await;
    let home = |secret: &str| {
        let home = hosted.folder.join(secret);
        std::fs::create_dir_all(home.join(".aws")).expect("a folder");
        let text = format!("[dev]\naws_access_key_id=AKDEV\naws_secret_access_key={secret}\n");
        std::fs::write(home.join(".aws/credentials"), text).expect("written");
        surrounded(vec![("HOME", home.display().to_string())])
    };
    hosted.lets_in_with(&hosted.file(&[]), home("SECRET")).await;
    let wrong = home("OTHER");
    hosted.refuses_with(&hosted.file(&[]), ErrorKind::Authentication, wrong).await;
    let logins = hosted.cluster.logins();
    assert!(logins.first > 0 && logins.refused > 0, "{logins:?}");
}
