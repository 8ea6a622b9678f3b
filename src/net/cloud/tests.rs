//! The sources against listeners that answer as the clouds' documentation says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::{AzureImds, GoogleMetadata, Token, TokenSource};
use crate::error::{Error, ErrorKind};
use crate::ids::Timestamp;

#[cfg(feature = "tls")]
mod azure_identity;
#[cfg(feature = "tls")]
mod google_credentials;

const NOW: Timestamp = Timestamp(1_600_000_000_000);

const QUERY: &str = "api-version=2018-02-01&resource=api://x&client_id=hunter2";

/// Google's servers mark each answer.
const GOOGLES: &str = "Metadata-Flavor: Google\r\n";

const GOOGLES_TOKEN: &str =
    r#"{"access_token":"ya29.hunter2","expires_in":3599,"token_type":"Bearer"}"#;

/// Gives these answers, a status, headers and a body each, one a connection; returns what it was
/// asked.
async fn answering(answers: Vec<(u16, &'static str, String)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for (status, headers, body) in answers {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = Vec::new();
            while !is_whole(&request) {
                assert!(stream.read_buf(&mut request).await.expect("bytes") > 0);
            }
            asked.push(String::from_utf8(request).expect("text"));
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n");
            // Who has heard enough goes.
            let _ = stream.write_all((head + &body).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        asked
    });
    (url, served)
}

/// Whether head and body are there; a body without a length is none.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().expect("a length"))
}

#[cfg(feature = "tls")]
/// A folder that is gone in the end.
struct Folder(std::path::PathBuf);

#[cfg(feature = "tls")]
impl Folder {
    fn new(name: &str) -> Self {
        let id = std::process::id();
        let folder = std::env::temp_dir().join(format!("kavka-cloud-{name}-{id}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let file = self.0.join(name);
        std::fs::write(&file, text).expect("written");
        file.display().to_string()
    }
}

#[cfg(feature = "tls")]
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a source says: a token, or an error that shows no secret.
async fn ask(source: impl TokenSource) -> Result<Token, Error> {
    assert!(!format!("{source:?}").contains("hunter2"), "{source:?}");
    let answer = source.token(NOW).await;
    answer.map_err(|error| {
        let error = *error.downcast::<Error>().expect("one of ours");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
        error
    })
}

/// What Azure's source makes of one answer.
async fn azure(status: u16, body: &str) -> Result<Token, Error> {
    let (url, _served) = answering(vec![(status, "", body.to_owned())]).await;
    ask(AzureImds::new(QUERY).endpoint(format!("{url}/token"))).await
}

/// What Google's source makes of these answers.
async fn google(answers: &[(u16, &'static str, &str)]) -> Result<Token, Error> {
    let owned = answers.iter().map(|(status, head, body)| (*status, *head, body.to_string()));
    let (url, _served) = answering(owned.collect()).await;
    ask(GoogleMetadata::new().endpoint(url)).await
}

#[tokio::test]
async fn azure_is_asked_with_the_query_and_its_header() {
    let body = r#"{"access_token":"eyJ0.a.b","expires_in":"3599","expires_on":"1506484173","token_type":"Bearer"}"#;
    let (url, served) = answering(vec![(200, "", body.to_owned())]).await;
    let imds = AzureImds::new(QUERY)
        .endpoint(format!("{url}/metadata/identity/oauth2/token"))
        .extension("logicalCluster", "lkc-1");
    let token = ask(imds).await.expect("a token");
    assert_eq!(token.value.expose(), "eyJ0.a.b");
    assert_eq!(token.expires_at, Some(Timestamp(NOW.0 + 3_599_000)));
    assert_eq!(token.extensions, [("logicalCluster".to_owned(), "lkc-1".to_owned())]);
    let request = served.await.expect("served").concat();
    let line = format!("GET /metadata/identity/oauth2/token?{QUERY} HTTP/1.1\r\n");
    assert!(request.starts_with(&line), "{request}");
    assert!(request.contains("\r\nmetadata: true\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: {}\r\n", &url[7..])), "{request}");
}

#[tokio::test]
async fn azure_may_say_when_a_token_ends_in_any_of_its_ways() {
    for (end, expected) in [
        (r#""expires_in":60"#, Some(NOW.0 + 60_000)),
        (r#""expires_on":"1600000060""#, Some(1_600_000_060_000)),
        (r#""expires_on":1600000060"#, Some(1_600_000_060_000)),
        (r#""expires_in":"soon""#, None),
        (r#""expires_in":9223372036854775807"#, Some(i64::MAX)),
    ] {
        let token = azure(200, &format!("{{\"access_token\":\"t\",{end}}}")).await.expect(end);
        assert_eq!(token.expires_at, expected.map(Timestamp), "{end}");
    }
}

#[tokio::test]
async fn an_endpoints_own_query_is_kept() {
    let body = r#"{"access_token":"t"}"#.to_owned();
    let (url, served) = answering(vec![(200, "", body)]).await;
    ask(AzureImds::new("?resource=y").endpoint(format!("{url}/t?a=b"))).await.expect("a token");
    let request = served.await.expect("served").concat();
    assert!(request.starts_with("GET /t?a=b&resource=y HTTP/1.1\r\n"), "{request}");
}

#[tokio::test]
async fn what_azure_refuses_says_what_to_change() {
    let body = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    let error = azure(400, body).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Authentication);
    let words = ["400 invalid_request (Identity not found)", "managed identity", "resource"];
    assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
    for (status, kind) in [
        (404, ErrorKind::Connect),
        (410, ErrorKind::Connect),
        (429, ErrorKind::Connect),
        (500, ErrorKind::Connect),
        (401, ErrorKind::Authentication),
        (302, ErrorKind::Authentication),
    ] {
        let error = azure(status, "<html>hunter2").await.expect_err("refused");
        assert_eq!(error.kind(), kind, "{error}");
    }
    let echo = r#"{"error":"x","error_description":"no eyJhunter2"}"#;
    let error = azure(400, echo).await.expect_err("refused").to_string();
    assert!(error.contains("400 x:"), "{error}");
}

#[tokio::test]
async fn another_answer_than_a_token_is_refused() {
    for body in ["", "hunter2", "[]", r#"{"access_token":7}"#, r#"{"access_token":""}"#] {
        let error = azure(200, body).await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        assert!(error.to_string().contains("without an access_token"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_taken() {
    let error = azure(200, &"hunter2 ".repeat(20_000)).await.expect_err("too long");
    assert!(error.to_string().contains("more than 131072 bytes"), "{error}");
    let long = format!("{}@x", "a".repeat(300));
    let error = google(&[(200, GOOGLES, &long)]).await.expect_err("too long");
    assert!(error.to_string().contains("without the account's email"), "{error}");
}

#[tokio::test]
async fn a_cloud_that_is_not_there_is_tried_again_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let azure = ask(AzureImds::new(QUERY).endpoint(url.as_str())).await.expect_err("nobody");
    let google = ask(GoogleMetadata::new().endpoint(url)).await.expect_err("nobody");
    for error in [azure, google] {
        assert_eq!(error.kind(), ErrorKind::Connect);
        let words = ["did not answer", "only on the cloud's own machines"];
        assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
    }
}

#[tokio::test]
async fn a_silent_service_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::time::pause();
    let begin = tokio::time::Instant::now();
    let azure = ask(AzureImds::new(QUERY).endpoint(url.as_str())).await.expect_err("silence");
    let google = ask(GoogleMetadata::new().endpoint(url)).await.expect_err("silence");
    assert!(begin.elapsed() <= std::time::Duration::from_secs(11));
    for error in [azure, google] {
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains("did not answer"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_url_or_query_is_refused_unseen() {
    for url in ["", "x", "https://h/x", "ftp://h", "http://hunter2@h/", "http://"] {
        for error in [
            ask(AzureImds::new(QUERY).endpoint(url)).await.expect_err("no URL"),
            ask(GoogleMetadata::new().endpoint(url)).await.expect_err("no URL"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.to_string().contains("http://host/path is allowed"), "{error}");
        }
    }
    let odd = AzureImds::new("a=hunter2 b\r\nx: y").endpoint("http://127.0.0.1:1/");
    let error = ask(odd).await.expect_err("no query");
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("URL-encode it"), "{error}");
}

#[tokio::test]
async fn google_is_asked_for_the_account_and_a_token() {
    let email = "me@p.iam.gserviceaccount.com\n".to_owned();
    let answers = vec![(200, GOOGLES, email), (200, GOOGLES, GOOGLES_TOKEN.to_owned())];
    let (url, served) = answering(answers).await;
    let token = ask(GoogleMetadata::new().endpoint(url)).await.expect("a token");
    assert_eq!(token.expires_at, Some(Timestamp(NOW.0 + 3_599_000)));
    let parts: Vec<String> = token
        .value
        .expose()
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"))
        .map(|part| String::from_utf8(part).expect("text"))
        .collect();
    assert_eq!(
        parts,
        [
            r#"{"alg":"GOOG_OAUTH2_TOKEN","typ":"JWT"}"#,
            r#"{"exp":1600003599,"iat":1600000000,"iss":"Google","scope":"kafka","sub":"me@p.iam.gserviceaccount.com"}"#,
            "ya29.hunter2"
        ]
    );
    let asked = served.await.expect("served");
    let base = "GET /computeMetadata/v1/instance/service-accounts/default";
    let scope = "scopes=https://www.googleapis.com/auth/cloud-platform";
    assert!(asked[0].starts_with(&format!("{base}/email HTTP/1.1\r\n")), "{asked:?}");
    assert!(asked[1].starts_with(&format!("{base}/token?{scope} HTTP/1.1\r\n")), "{asked:?}");
    assert!(asked.iter().all(|asked| asked.contains("\r\nmetadata-flavor: Google\r\n")));
}

#[tokio::test]
async fn one_who_is_not_google_is_not_believed() {
    for head in ["", "Metadata-Flavor: Other\r\n"] {
        let error = google(&[(200, head, "hunter2@x")]).await.expect_err("no flavor");
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains("Metadata-Flavor: Google"), "{error}");
    }
}

#[tokio::test]
async fn what_google_refuses_says_what_to_change() {
    let error = google(&[(404, GOOGLES, "hunter2")]).await.expect_err("no account");
    assert_eq!(error.kind(), ErrorKind::Authentication);
    let words = ["answers 404:", "service account", "roles/managedkafka.client"];
    assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
    let error = google(&[(503, GOOGLES, "")]).await.expect_err("busy");
    assert_eq!(error.kind(), ErrorKind::Connect);
    for body in ["hunter2", r#"{"access_token":"hunter2"}"#, r#"{"expires_in":3599}"#] {
        let error =
            google(&[(200, GOOGLES, "me@x"), (200, GOOGLES, body)]).await.expect_err("no token");
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains("without an access_token"), "{error}");
    }
    let error = google(&[(200, GOOGLES, " \n")]).await.expect_err("no email");
    assert!(error.to_string().contains("without the account's email"), "{error}");
}
