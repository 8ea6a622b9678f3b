//! Profiles of IAM Identity Center, whose portal and service of tokens are listeners here.

use serde_json::Value;

use super::*;

/// What `aws configure sso` writes.
const CONFIG: &str = "[profile dev]\nsso_session = corporate\nsso_account_id = 123456789012\n\
                      sso_role_name = Read+Only\n\
                      [sso-session corporate]\nsso_start_url = https://d-1.awsapps.com/start\n\
                      sso_region = eu-west-1\nsso_registration_scopes = sso:account:access\n\
                      [profile old]\nsso_start_url = https://d-1.awsapps.com/start\n\
                      sso_region = eu-west-1\nsso_account_id = 123456789012\n\
                      sso_role_name = Read+Only\n\
                      [profile part]\nrole_arn = arn:aws:iam::1:role/part\nsource_profile = dev\n";

/// `printf corporate | sha1sum`, and that of the start URL.
const FILE: &str = "/h/.aws/sso/cache/e276d18d65653fa285155bfd3e11ab029306830c.json";
const OLD_FILE: &str = "/h/.aws/sso/cache/0c54b6c27e90660baa89eaad85ac1d5dae26cb7d.json";

/// What `aws sso login` writes; the token ends in 10 minutes.
const SESSION: &str = r#"{"startUrl":"https://d-1.awsapps.com/start","region":"eu-west-1","accessToken":"token-hunter2","expiresAt":"2021-03-15T12:44:56Z","clientId":"client","clientSecret":"secret-hunter2","registrationExpiresAt":"2021-06-01T00:00:00Z","refreshToken":"refresh-hunter2","own":{"field":[1]}}"#;

/// What the portal says, in an hour to expire.
const ROLE: &str = r#"{"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"s3","sessionToken":"tok","expiration":1615815296000}}"#;

const RENEWED: &str =
    r#"{"accessToken":"newer","expiresIn":28800,"refreshToken":"refresh-2","tokenType":"Bearer"}"#;

const REFUSED: &str = r#"{"error":"invalid_grant","error_description":"refresh-hunter2 is none"}"#;

/// Five minutes before the end of the token, which is too late by nothing.
const LATE: Timestamp = Timestamp(NOW.0 + 300_000);
const ENDED: Timestamp = Timestamp(NOW.0 + 600_000);

/// A chain of a profile of these files, with these listeners.
fn chain_at(profile: &str, files: &Files, variables: &[(&str, &str)]) -> CredentialsChain {
    let variables = [&[("HOME", "/h")], variables].concat();
    chain_on(AwsChainStart::Profile(profile.into()), &variables, files)
}

fn logged_in(session: &str) -> Files {
    files_of(&[("/h/.aws/config", CONFIG), (FILE, session)])
}

fn session_in(files: &Files) -> Value {
    serde_json::from_str(&files.lock().expect("files")[FILE]).expect("JSON")
}

async fn error(chain: &CredentialsChain, now: Timestamp) -> (ErrorKind, String) {
    let error = key_id(chain, now).await.expect_err("no credentials");
    let text = error.to_string();
    assert!(!text.contains("hunter2") && text.contains("profile"), "{text}");
    (error.kind(), text)
}

#[tokio::test]
async fn the_portal_gives_the_credentials_of_a_role_for_the_token_of_the_session() {
    let (url, served) = answering(one(ROLE)).await;
    let found = chain_at("dev", &logged_in(SESSION), &[("AWS_ENDPOINT_URL_SSO", &url)]);
    for second in [0, 299] {
        let now = Timestamp(NOW.0 + second * 1000);
        let keys = found.credentials_at("eu-west-1", now).await.expect("keys").credentials;
        assert_eq!(keys.access_key_id, "ASIASSO");
        assert_eq!(keys.session_token.as_ref().map(Secret::expose), Some("tok"));
    }
    let asked = served.await.expect("served");
    let path = "/federation/credentials?role_name=Read%2BOnly&account_id=123456789012";
    assert!(asked[0].starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{}", asked[0]);
    assert!(asked[0].contains("x-amz-sso_bearer_token: token-hunter2\r\n"), "{}", asked[0]);
    assert!(!asked[0].contains("authorization:"), "{}", asked[0]);
}

#[tokio::test]
async fn a_profile_with_a_start_url_has_the_token_of_that_and_nobody_renews_it() {
    let (url, served) = answering(one(ROLE)).await;
    let files = files_of(&[("/h/.aws/config", CONFIG), (OLD_FILE, SESSION)]);
    let found = chain_at("old", &files, &[("AWS_ENDPOINT_URL_SSO", &url)]);
    assert_eq!(key_id(&found, LATE).await.expect("keys"), "ASIASSO");
    assert_eq!(served.await.expect("served").len(), 1);
    let found = chain_at("old", &files, &[]);
    let (kind, error) = error(&found, ENDED).await;
    assert_eq!(kind, ErrorKind::Authentication);
    assert!(error.contains("has expired: run aws sso login --profile old"), "{error}");
}

#[tokio::test]
async fn a_token_that_ends_in_5_minutes_is_renewed_and_written_for_others() {
    let (portal, asked) = answering(one(ROLE)).await;
    let (oidc, renewed) = answering(one(RENEWED)).await;
    let files = logged_in(SESSION);
    let found = chain_at(
        "dev",
        &files,
        &[("AWS_ENDPOINT_URL_SSO", &portal), ("AWS_ENDPOINT_URL_SSO_OIDC", &oidc)],
    );
    assert_eq!(key_id(&found, LATE).await.expect("keys"), "ASIASSO");
    let request = asked.await.expect("served").remove(0);
    assert!(request.contains("x-amz-sso_bearer_token: newer\r\n"), "{request}");
    let request = renewed.await.expect("served").remove(0);
    let (head, body) = request.split_once("\r\n\r\n").expect("a request");
    assert!(head.starts_with("POST /token HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let expected = serde_json::json!({
        "clientId": "client",
        "clientSecret": "secret-hunter2",
        "grantType": "refresh_token",
        "refreshToken": "refresh-hunter2",
    });
    assert_eq!(serde_json::from_str::<Value>(body).expect("JSON"), expected);
    let mut expected: Value = serde_json::from_str(SESSION).expect("JSON");
    expected["accessToken"] = "newer".into();
    expected["refreshToken"] = "refresh-2".into();
    expected["expiresAt"] = "2021-03-15T20:39:56Z".into();
    assert_eq!(session_in(&files), expected);
}

#[tokio::test]
async fn a_token_that_cannot_be_written_is_used_all_the_same() {
    let (portal, asked) = answering(one(ROLE)).await;
    let kept_refresh_token = RENEWED.replace(r#""refreshToken":"refresh-2","#, "");
    let (oidc, _renewed) = answering(one(&kept_refresh_token)).await;
    let files = logged_in(SESSION);
    let variables = [
        ("AWS_ENDPOINT_URL_SSO", portal.as_str()),
        ("AWS_ENDPOINT_URL_SSO_OIDC", &oidc),
        ("TEST_READ_ONLY", "true"),
    ];
    assert_eq!(key_id(&chain_at("dev", &files, &variables), ENDED).await.expect("keys"), "ASIASSO");
    assert!(asked.await.expect("served")[0].contains("x-amz-sso_bearer_token: newer\r\n"));
    assert_eq!(session_in(&files)["accessToken"], "token-hunter2");
}

#[tokio::test]
async fn a_token_that_is_not_renewed_is_used_to_its_end() {
    for status in [400, 500] {
        let (portal, asked) = answering(one(ROLE)).await;
        let (oidc, _renewed) = answering(vec![(status, REFUSED.to_owned())]).await;
        let variables =
            [("AWS_ENDPOINT_URL_SSO", portal.as_str()), ("AWS_ENDPOINT_URL_SSO_OIDC", &oidc)];
        let found = chain_at("dev", &logged_in(SESSION), &variables);
        assert_eq!(key_id(&found, LATE).await.expect("keys"), "ASIASSO");
        assert!(asked.await.expect("served")[0].contains("token-hunter2\r\n"));
    }
}

#[tokio::test]
async fn a_token_that_has_ended_and_is_not_renewed_is_an_error_that_says_what_to_do() {
    for (status, body, kind, told) in [
        (400, REFUSED, ErrorKind::Authentication, "run aws sso login --sso-session corporate"),
        (200, "{}", ErrorKind::Authentication, "without credentials"),
        (200, "hunter2", ErrorKind::Authentication, "without credentials"),
        (500, REFUSED, ErrorKind::Connect, "answers 500"),
    ] {
        let (oidc, _renewed) = answering(vec![(status, body.to_owned())]).await;
        let variables = [("AWS_ENDPOINT_URL_SSO_OIDC", oidc.as_str())];
        let found = chain_at("dev", &logged_in(SESSION), &variables);
        let (is, error) = error(&found, ENDED).await;
        assert!(is == kind && error.contains(told), "{error}");
    }
}

/// Nobody listens where the token would be renewed.
#[tokio::test]
async fn without_what_a_renewal_needs_somebody_has_to_log_in() {
    for (part, other) in [
        ("2021-06-01", "2021-03-01"),
        ("registrationExpiresAt", "x"),
        ("\"refresh-hunter2\"", "null"),
        ("clientId", "x"),
        ("\"secret-hunter2\"", "[]"),
    ] {
        let files = logged_in(&SESSION.replace(part, other));
        let found = chain_at("dev", &files, &[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]);
        let (kind, error) = error(&found, ENDED).await;
        assert_eq!(kind, ErrorKind::Authentication);
        assert!(error.contains("run aws sso login --sso-session corporate"), "{error}");
    }
}

#[tokio::test]
async fn what_another_program_has_renewed_meanwhile_is_used() {
    let files = logged_in(SESSION);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let oidc = format!("http://{}", listener.local_addr().expect("an address"));
    let (portal, asked) = answering(one(ROLE)).await;
    let other = Arc::clone(&files);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let theirs = SESSION.replace("token-hunter2", "theirs").replace("T12:", "T20:");
        other.lock().expect("files").insert(FILE.into(), theirs);
        stream.write_all(b"HTTP/1.1 400 X\r\ncontent-length: 0\r\n\r\n").await.expect("written");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let variables =
        [("AWS_ENDPOINT_URL_SSO", portal.as_str()), ("AWS_ENDPOINT_URL_SSO_OIDC", &oidc)];
    assert_eq!(key_id(&chain_at("dev", &files, &variables), ENDED).await.expect("keys"), "ASIASSO");
    assert!(asked.await.expect("served")[0].contains("x-amz-sso_bearer_token: theirs\r\n"));
}

#[tokio::test]
async fn a_file_that_is_none_is_told_by_its_path_and_not_by_what_it_says() {
    let deep = "[".repeat(10_000);
    for text in [
        "",
        "hunter2",
        "[\"hunter2\"]",
        &deep,
        &SESSION.replace("\"token-hunter2\"", "[\"hunter2\"]"),
        &SESSION.replace("2021-03-15T", "hunter2"),
    ] {
        let (kind, error) = error(&chain_at("dev", &logged_in(text), &[]), NOW).await;
        assert_eq!(kind, ErrorKind::Authentication);
        assert!(error.contains(FILE) && error.contains("aws sso login"), "{error}");
    }
    let nobody = files_of(&[("/h/.aws/config", CONFIG)]);
    let (_, error) = error(&chain_at("dev", &nobody, &[]), NOW).await;
    assert!(error.contains("nobody is logged in"), "{error}");
}

#[tokio::test]
async fn a_portal_that_refuses_or_says_something_else_is_told_without_the_token() {
    let refusal = r#"{"message":"token-hunter2 is not found"}"#;
    for (status, body, kind, told) in [
        (401, refusal.to_owned(), ErrorKind::Authentication, "--sso-session corporate"),
        (403, refusal.to_owned(), ErrorKind::Authentication, "role Read+Only in the account 1234"),
        (429, refusal.to_owned(), ErrorKind::Connect, "answers 429"),
        (200, "{}".to_owned(), ErrorKind::Authentication, "without credentials"),
        (200, "[".repeat(10_000), ErrorKind::Authentication, "without credentials"),
        (200, ROLE.replace("\"s3\"", "7"), ErrorKind::Authentication, "without credentials"),
        (200, "x".repeat(200_000), ErrorKind::Connect, "bytes"),
    ] {
        let (portal, _asked) = answering(vec![(status, body)]).await;
        let variables = [("AWS_ENDPOINT_URL_SSO", portal.as_str())];
        let (is, error) = error(&chain_at("dev", &logged_in(SESSION), &variables), NOW).await;
        assert!(is == kind && error.contains(told), "{error}");
    }
}

#[tokio::test]
async fn a_region_that_would_be_another_host_is_refused() {
    let config = CONFIG.replace("sso_region = eu-west-1", "sso_region = evil.example/");
    let files = files_of(&[("/h/.aws/config", &config), (FILE, SESSION)]);
    let (_, error) = error(&chain_at("dev", &files, &[]), NOW).await;
    assert!(error.contains("set sso_region"), "{error}");
}

#[tokio::test]
async fn a_role_is_assumed_by_the_credentials_of_identity_center() {
    let (portal, _asked) = answering(one(ROLE)).await;
    let (sts, served) = answering(one(ASSUMED)).await;
    let variables =
        [("AWS_ENDPOINT_URL_SSO", portal.as_str()), ("AWS_ENDPOINT_URL_STS", sts.as_str())];
    let found = chain_at("part", &logged_in(SESSION), &variables);
    assert_eq!(key_id(&found, NOW).await.expect("keys"), "ASIA");
    let request = served.await.expect("served").remove(0);
    assert!(request.contains("Credential=ASIASSO/20210315/eu-west-1/sts/"), "{request}");
    assert!(request.contains("x-amz-security-token: tok\r\n"), "{request}");
}
