//! The chain against listeners that answer as AWS's are documented to.

#[cfg(target_os = "linux")]
mod process;
mod sso;

use std::collections::BTreeMap;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::*;
use crate::config::{AwsRole, Secret};

/// 2021-03-15T12:34:56Z.
const NOW: Timestamp = Timestamp(1_615_811_696_000);

/// What STS says, in an hour to expire.
const ASSUMED: &str = r#"{"AssumeRoleResponse":{"AssumeRoleResult":{"Credentials":{"AccessKeyId":"ASIA","SecretAccessKey":"s3","SessionToken":"tok","Expiration":1.615815296E9}}}}"#;

/// What a container's endpoint or an instance says, in an hour to expire.
const KEYS: &str = r#"{"Code":"Success","AccessKeyId":"AKROLE","SecretAccessKey":"s3","Token":"tok","Expiration":"2021-03-15T13:34:56Z"}"#;

const PROFILE: &str = "[default]\naws_access_key_id=AKFILE\naws_secret_access_key=hunter2\n\
                       [part]\nrole_arn=arn:aws:iam::1:role/part\nsource_profile=default\nregion=eu-west-2\n\
                       [ecs]\nrole_arn=arn:aws:iam::1:role/ecs\ncredential_source=EcsContainer\n";

/// Gives these answers, one a connection; returns what it was asked.
async fn answering(answers: Vec<(u16, String)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = Vec::new();
            while !is_whole(&request) {
                assert!(stream.read_buf(&mut request).await.expect("bytes") > 0);
            }
            asked.push(String::from_utf8(request).expect("text"));
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).await.expect("written");
            stream.shutdown().await.expect("shut down");
        }
        asked
    });
    (url, served)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().expect("a length"))
}

fn one(body: &str) -> Vec<(u16, String)> {
    vec![(200, body.to_owned())]
}

/// A chain with these variables, and files of these contents; no instance, unless one is named.
fn chain_of(
    start: AwsChainStart,
    variables: &[(&str, &str)],
    files: &[(&str, &str)],
) -> CredentialsChain {
    chain_on(start, variables, &files_of(files))
}

/// Files by their paths, which a chain may write and a test may change.
type Files = Arc<Mutex<BTreeMap<String, String>>>;

fn files_of(files: &[(&str, &str)]) -> Files {
    Arc::new(Mutex::new(owned(files)))
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn chain_on(start: AwsChainStart, variables: &[(&str, &str)], files: &Files) -> CredentialsChain {
    let mut variables = owned(variables);
    if !variables.contains_key("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
        variables.insert("AWS_EC2_METADATA_DISABLED".into(), "true".into());
    }
    let is_read_only = variables.contains_key("TEST_READ_ONLY");
    let (read, write) = (Arc::clone(files), Arc::clone(files));
    let path_of = |path: &std::path::Path| path.to_str().expect("a path").to_owned();
    let mut surroundings = Surroundings::new(
        {
            let variables = variables.clone();
            move |name| variables.get(name).cloned()
        },
        move |path| {
            let text = read.lock().expect("files").get(&path_of(path)).cloned();
            let text = text.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            Ok(Zeroizing::new(text.into_bytes()))
        },
        move |path, contents| match is_read_only {
            true => Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem)),
            false => {
                let text = String::from_utf8(contents.to_vec()).expect("text");
                write.lock().expect("files").insert(path_of(path), text);
                Ok(())
            }
        },
    );
    if let Some(url) = variables.get("TEST_CONTAINER_URL") {
        surroundings.container_url.clone_from(url);
    }
    CredentialsChain::new(AwsChain::new(start), surroundings)
}

fn chain(variables: &[(&str, &str)], files: &[(&str, &str)]) -> CredentialsChain {
    chain_of(AwsChainStart::Default, variables, files)
}

async fn key_id(chain: &CredentialsChain, now: Timestamp) -> Result<String> {
    chain.credentials_at("eu-west-1", now).await.map(|handed| handed.credentials.access_key_id)
}

#[tokio::test]
async fn the_environment_comes_before_all_others() {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKENV"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/none"),
        ("HOME", "/h"),
    ];
    let all = chain(&variables, &[("/h/.aws/credentials", PROFILE)]);
    assert_eq!(key_id(&all, NOW).await.expect("keys"), "AKENV");
    let half = chain(&variables[..1], &[]);
    let error = key_id(&half, NOW).await.expect_err("half").to_string();
    assert!(error.contains("AWS_SECRET_ACCESS_KEY"), "{error}");
}

#[tokio::test]
async fn without_any_source_the_error_names_them() {
    let error = key_id(&chain(&[("HOME", "/h")], &[]), NOW).await.expect_err("none");
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.to_string().contains("AWS_PROFILE"), "{error}");
}

#[tokio::test]
async fn a_web_identity_is_exchanged_without_a_signature() {
    let (url, served) = answering(one(ASSUMED)).await;
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod"),
        ("AWS_ROLE_SESSION_NAME", "me"),
        ("AWS_ENDPOINT_URL_STS", url.as_str()),
    ];
    let keys = chain(&variables, &[("/token", "a.b.c\n")]);
    let keys = keys.credentials_at("eu-west-1", NOW).await.expect("keys").credentials;
    assert_eq!(keys.session_token.as_ref().map(|token| token.expose()), Some("tok"));
    let request = served.await.expect("served").remove(0);
    assert!(request.starts_with("POST / HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("accept: application/json\r\n"), "{request}");
    assert!(!request.contains("authorization:"), "{request}");
    assert!(
        request.ends_with(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3A\
             role%2Fpod&RoleSessionName=me&WebIdentityToken=a.b.c"
        ),
        "{request}"
    );
}

#[tokio::test]
async fn a_web_identity_that_is_refused_is_an_error_without_its_token() {
    let refusal = r#"{"Error":{"Code":"InvalidIdentityToken","Message":"hunter2 has expired"}}"#;
    let (url, _served) = answering(vec![(400, refusal.to_owned())]).await;
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", "arn"),
        ("AWS_ENDPOINT_URL_STS", url.as_str()),
        ("HOME", "/h"),
    ];
    let files = [("/token", "hunter2"), ("/h/.aws/credentials", PROFILE)];
    let error = key_id(&chain(&variables, &files), NOW).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Authentication);
    let error = error.to_string();
    assert!(error.contains("400 InvalidIdentityToken") && !error.contains("hunter2"), "{error}");
    for (variables, files, told) in [
        (&variables[..1], &files[..], "AWS_ROLE_ARN"),
        (&variables[..], &files[1..], "AWS_WEB_IDENTITY_TOKEN_FILE"),
    ] {
        let error = key_id(&chain(variables, files), NOW).await.expect_err(told).to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[tokio::test]
async fn a_profile_has_keys_of_the_file_of_credentials() {
    let found = chain(&[("HOME", "/h")], &[("/h/.aws/credentials", PROFILE)]);
    assert_eq!(key_id(&found, NOW).await.expect("keys"), "AKFILE");
    let named = chain(&[("AWS_SHARED_CREDENTIALS_FILE", "/c")], &[("/c", PROFILE)]);
    assert_eq!(key_id(&named, NOW).await.expect("keys"), "AKFILE");
    let none =
        chain(&[("HOME", "/h"), ("AWS_PROFILE", "prod")], &[("/h/.aws/credentials", PROFILE)]);
    let error = key_id(&none, NOW).await.expect_err("no profile").to_string();
    assert!(error.contains("prod") && error.contains("AWS_PROFILE"), "{error}");
    let odd = chain(&[("AWS_CONFIG_FILE", "/c")], &[("/c", "[default]\nhunter2\n")]);
    let error = key_id(&odd, NOW).await.expect_err("an odd line").to_string();
    assert!(error.contains("line 2 of /c") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_role_of_a_profile_is_assumed_by_a_signed_request_in_the_profile_s_region() {
    let (url, served) = answering(one(ASSUMED)).await;
    let variables = [("HOME", "/h"), ("AWS_ENDPOINT_URL_STS", url.as_str())];
    let start = AwsChainStart::Profile("part".into());
    let found = chain_of(start, &variables, &[("/h/.aws/credentials", PROFILE)]);
    assert_eq!(key_id(&found, NOW).await.expect("keys"), "ASIA");
    let request = served.await.expect("served").remove(0);
    let authorization = "authorization: AWS4-HMAC-SHA256 Credential=AKFILE/20210315/eu-west-2/sts/\
                         aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=";
    assert!(request.contains(authorization), "{request}");
    assert!(request.contains("x-amz-date: 20210315T123456Z\r\n"), "{request}");
    assert!(
        request.ends_with(
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fpart\
             &RoleSessionName=kavka-1615811696000"
        ),
        "{request}"
    );
    assert!(!request.contains("hunter2"), "{request}");
}

#[tokio::test]
async fn a_role_may_be_assumed_by_the_container_and_signs_its_session_token() {
    let (container, _served) = answering(one(KEYS)).await;
    let (sts, served) = answering(one(ASSUMED)).await;
    let variables = [
        ("HOME", "/h"),
        ("AWS_PROFILE", "ecs"),
        ("AWS_ENDPOINT_URL_STS", sts.as_str()),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str()),
    ];
    let found = chain(&variables, &[("/h/.aws/credentials", PROFILE)]);
    assert_eq!(key_id(&found, NOW).await.expect("keys"), "ASIA");
    let request = served.await.expect("served").remove(0);
    assert!(request.contains("x-amz-security-token: tok\r\n"), "{request}");
    assert!(request.contains("x-amz-date;x-amz-security-token, Signature="), "{request}");
}

#[tokio::test]
async fn the_role_of_java_s_options_is_assumed_in_its_region_for_its_session() {
    let (url, served) = answering(one(ASSUMED)).await;
    let variables = [("AWS_ENDPOINT_URL_STS", url.as_str()), ("AWS_REGION", "us-east-1")];
    let keys = AwsCredentials::new("AKJAVA", "hunter2");
    let mut found = chain_of(AwsChainStart::Keys(keys), &variables, &[]);
    found.settings.sts_region = Some("eu-west-3".into());
    found.settings.role = Some(AwsRole {
        arn: "arn".into(),
        session_name: Some("me".into()),
        external_id: Some("x-1".into()),
        seconds: None,
    });
    assert_eq!(key_id(&found, NOW).await.expect("keys"), "ASIA");
    let request = served.await.expect("served").remove(0);
    assert!(request.contains("Credential=AKJAVA/20210315/eu-west-3/sts/"), "{request}");
    assert!(request.ends_with("RoleArn=arn&RoleSessionName=me&ExternalId=x-1"), "{request}");
}

#[tokio::test]
async fn a_container_is_asked_with_the_token_of_its_file() {
    let (url, served) = answering(one(KEYS)).await;
    let url = format!("{url}/v1/credentials?x=y");
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "older"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token"),
    ];
    let found = chain(&variables, &[("/token", "Basic abc\n")]);
    assert_eq!(key_id(&found, NOW).await.expect("keys"), "AKROLE");
    let request = served.await.expect("served").remove(0);
    assert!(request.starts_with("GET /v1/credentials?x=y HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Basic abc\r\n"), "{request}");
}

#[tokio::test]
async fn a_container_of_ecs_is_asked_by_a_path_alone() {
    let (url, served) = answering(one(KEYS)).await;
    let path = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1");
    let found = chain(&[path, ("TEST_CONTAINER_URL", url.as_str())], &[]);
    assert_eq!(key_id(&found, NOW).await.expect("keys"), "AKROLE");
    let request = served.await.expect("served").remove(0);
    assert!(request.starts_with("GET /v2/credentials/1 HTTP/1.1\r\n"), "{request}");
    assert!(!request.contains("authorization:"), "{request}");
}

#[tokio::test]
async fn a_container_s_endpoint_that_may_not_have_the_token_is_not_asked() {
    for (name, value) in [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://agent.example/x"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@agent.example/x"),
    ] {
        let error = key_id(&chain(&[(name, value)], &[]), NOW).await.expect_err(value).to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[tokio::test]
async fn an_instance_is_asked_for_a_token_a_role_and_its_credentials() {
    let answers = ["imds-token", "my-role\n", KEYS].map(|body| (200, body.to_owned()));
    let (url, served) = answering(answers.to_vec()).await;
    let found = chain(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())], &[]);
    assert_eq!(key_id(&found, NOW).await.expect("keys"), "AKROLE");
    let asked = served.await.expect("served");
    let path = "/latest/meta-data/iam/security-credentials/";
    for (request, begin, header) in [
        (
            &asked[0],
            "PUT /latest/api/token HTTP".into(),
            "x-aws-ec2-metadata-token-ttl-seconds: 21600",
        ),
        (&asked[1], format!("GET {path} HTTP"), "x-aws-ec2-metadata-token: imds-token"),
        (&asked[2], format!("GET {path}my-role HTTP"), "x-aws-ec2-metadata-token: imds-token"),
    ] {
        assert!(request.starts_with(&begin) && request.contains(header), "{request}");
    }
}

#[tokio::test]
async fn an_instance_without_a_role_is_no_source_and_one_out_of_order_is_asked_again_later() {
    for (answers, kind) in [
        (vec![(200, "t".to_owned()), (404, String::new())], ErrorKind::Authentication),
        (vec![(503, String::new())], ErrorKind::Connect),
        (vec![(403, String::new())], ErrorKind::Authentication),
    ] {
        let (url, _served) = answering(answers).await;
        let found = chain(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())], &[]);
        let error = key_id(&found, NOW).await.expect_err("no role");
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn credentials_are_kept_until_shortly_before_their_end_and_longer_if_there_are_no_others() {
    let newer = KEYS.replace("AKROLE", "AKNEWER").replace("T13:", "T14:");
    let answers = vec![(200, KEYS.to_owned()), (500, String::new()), (200, newer)];
    let (url, served) = answering(answers).await;
    let found = chain(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())], &[]);
    let mut seen = Vec::new();
    // An hour is 3600 s; 300 s before its end others are fetched.
    for second in [0, 3299, 3301, 3302, 6899] {
        let now = Timestamp(NOW.0 + second * 1000);
        seen.push(key_id(&found, now).await.expect("keys"));
    }
    assert_eq!(seen, ["AKROLE", "AKROLE", "AKROLE", "AKNEWER", "AKNEWER"]);
    assert_eq!(served.await.expect("served").len(), 3);
    let end = Timestamp(NOW.0 + 7_200_000);
    let error = key_id(&found, end).await.expect_err("nobody answers, and the old have expired");
    assert_eq!(error.kind(), ErrorKind::Connect);
}

#[tokio::test]
async fn credentials_that_a_broker_has_refused_are_not_used_again_nor_are_others_forgotten() {
    let newer = KEYS.replace("AKROLE", "AKNEWER");
    let (url, _served) = answering(vec![(200, KEYS.to_owned()), (200, newer)]).await;
    let found = chain(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())], &[]);
    let ask = || found.credentials_at("eu-west-1", NOW);
    assert!(!ask().await.expect("keys").is_kept);
    found.forget("AKOTHER");
    assert!(ask().await.expect("keys").is_kept);
    found.forget("AKROLE");
    let handed = ask().await.expect("keys");
    assert_eq!((handed.credentials.access_key_id.as_str(), handed.is_kept), ("AKNEWER", false));
}

#[tokio::test]
async fn connections_that_open_together_ask_once() {
    let (url, served) = answering(one(KEYS)).await;
    let found = chain(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())], &[]);
    let (one, two) = tokio::join!(key_id(&found, NOW), key_id(&found, NOW));
    assert_eq!((one.expect("keys"), two.expect("keys")), ("AKROLE".into(), "AKROLE".into()));
    assert_eq!(served.await.expect("served").len(), 1);
}

#[tokio::test]
async fn an_answer_without_credentials_or_an_endless_one_is_refused() {
    for (body, told) in [("{}".to_owned(), "without credentials"), ("x".repeat(200_000), "bytes")] {
        let (url, _served) = answering(vec![(200, body)]).await;
        let found = chain(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())], &[]);
        let error = key_id(&found, NOW).await.expect_err(told).to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[tokio::test]
async fn a_silent_endpoint_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let found = chain(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())], &[]);
    tokio::time::pause();
    let error = key_id(&found, NOW).await.expect_err("silence");
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("did not answer"), "{error}");
}

#[tokio::test]
async fn one_who_stops_waiting_leaves_the_others_free_to_ask() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = format!("http://{}", listener.local_addr().expect("an address"));
    let found = chain(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", silent.as_str())], &[]);
    {
        let asking = key_id(&found, NOW);
        tokio::pin!(asking);
        tokio::select! {
            _ = &mut asking => panic!("nobody answers"),
            _ = listener.accept() => {}
        }
    }
    assert!(found.asking.try_lock().is_ok());
}

#[test]
fn no_secret_is_shown_by_a_chain_or_its_settings() {
    let keys = AwsCredentials::new("AK", "hunter2").session_token("hunter2");
    let found = chain_of(AwsChainStart::Keys(keys.clone()), &[], &[]);
    *found.last() = Some(FoundCredentials::lasting(keys));
    let shown = format!("{found:?} {:?} {:?}", found.settings, found.last());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn all_clones_of_settings_share_what_asks() {
    let settings = AwsChain::new(AwsChainStart::Keys(AwsCredentials::new("AK", "s")));
    let clone = settings.clone();
    credentials(&settings, "eu-west-1", NOW).await.expect("keys");
    let asking = clone.asking.get().expect("made by the other");
    assert_eq!(Arc::strong_count(asking), 1, "it does not hold itself");
}
