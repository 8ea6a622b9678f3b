use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// An endpoint that gives these answers, one a connection; returns what it was asked.
async fn endpoint(
    answers: &'static [&'static str],
) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/token?x=y", listener.local_addr().expect("an address"));
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = Vec::new();
            while !String::from_utf8_lossy(&request).contains("grant_type=client_credentials") {
                assert!(stream.read_buf(&mut request).await.expect("bytes") > 0);
            }
            asked.push(String::from_utf8(request).expect("text"));
            stream.write_all(answer.as_bytes()).await.expect("written");
            stream.shutdown().await.expect("shut down");
        }
        asked
    });
    (url, served)
}

fn oidc(url: &str) -> Oidc {
    let config = OidcConfig::new(url, "me", "hunter2/+").scope("a b");
    Oidc::new(config.retry_backoff(Duration::from_millis(1), Duration::from_secs(5)))
        .expect("a URL")
}

#[tokio::test]
async fn a_token_is_asked_for_again_while_the_endpoint_is_out_of_order() {
    let (url, served) = endpoint(&[
        "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: \
         46\r\n\r\n{\"access_token\":\"abc\",\"expires_in\":60,\"x\":[1]}",
    ])
    .await;
    let token = oidc(&url).ask(Timestamp(1000)).await.expect("a token");
    assert_eq!((token.value.expose(), token.expires_at), ("abc", Some(Timestamp(61_000))));
    let asked = served.await.expect("served");
    let request = asked.last().expect("asked").to_lowercase();
    assert!(request.starts_with("post /token?x=y http/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: basic bwu6ahvudgvymi8r\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\ngrant_type=client_credentials&scope=a+b"), "{request}");
}

/// An answer in pieces of one byte, over a stream that carries few at a time.
async fn dripped(bytes: usize) -> Result<usize, String> {
    let (ours, mut theirs) = tokio::io::duplex(8);
    let serving = tokio::spawn(async move {
        let mut request = Vec::new();
        while !String::from_utf8_lossy(&request).contains("grant_type=client_credentials") {
            assert!(theirs.read_buf(&mut request).await.expect("bytes") > 0);
        }
        let _ = theirs.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for _ in 0..bytes {
            if theirs.write_all(b"1\r\nx\r\n").await.is_err() {
                return;
            }
        }
        let _ = theirs.write_all(b"0\r\n\r\n").await;
    });
    let answer = oidc("http://localhost/").exchange(Box::new(ours), Timestamp(0)).await;
    serving.abort();
    answer.map(|(_, body)| body.len()).map_err(|failure| Error::from(failure).to_string())
}

#[test]
fn an_answer_that_drips_takes_no_more_memory_than_one_that_flows() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut answer = Ok(0);
    let taken = allocation_counter::measure(|| answer = runtime.block_on(dripped(20_000)));
    assert_eq!(answer, Ok(20_000));
    assert!(taken.bytes_max < 2 * 1024 * 1024, "{taken:?}");
    let error = runtime.block_on(dripped(LONGEST_ANSWER + 1)).expect_err("too long");
    assert!(error.contains("262144 bytes"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_not_tried_again_and_says_what_to_change() {
    let (url, _served) =
        endpoint(&["HTTP/1.1 401 No\r\ncontent-length: 26\r\n\r\n{\"error\":\"invalid_client\"}"])
            .await;
    let error = oidc(&url).ask(Timestamp(0)).await.expect_err("refused").to_string();
    assert!(error.contains("401 invalid_client") && error.contains("client.secret"), "{error}");
    assert!(!error.contains("hunter2") && !error.contains("x=y"), "{error}");
}

#[tokio::test]
async fn an_answer_without_a_token_is_refused() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhttp",
    ] {
        let (url, _served) = endpoint(Box::leak(Box::new([answer]))).await;
        let error = oidc(&url).ask(Timestamp(0)).await.expect_err("no token").to_string();
        assert!(error.contains("access_token"), "{error}");
    }
}

#[test]
fn a_url_that_is_none_or_holds_a_user_is_refused() {
    for url in ["http://", "http://a:b@c/", "https:///x", "a b"] {
        assert!(Oidc::new(OidcConfig::new(url, "a", "b")).is_err(), "{url}");
    }
}

#[test]
fn the_expiry_of_a_jwt_is_read() {
    assert_eq!(expiry("e30.eyJleHAiOjEwNjB9.x"), Some(1_060_000));
    for other in ["", "abc", "a.b.c", "e30.e30.", "e30.eyJleHAiOiJ4In0."] {
        assert_eq!(expiry(other), None);
    }
}

/// The same over TLS, with certificates of its own; gives each connection the same answer.
#[cfg(feature = "tls")]
pub(in crate::net) async fn https_endpoint(
    folder: &std::path::Path,
) -> (String, kavka_testcontainers::apache::Certificates) {
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let files = kavka_testcontainers::apache::Certificates::write(folder).expect("certificates");
    let chain = CertificateDer::pem_file_iter(&files.server)
        .expect("a file")
        .map(|found| found.expect("PEM"))
        .collect();
    let key = PrivateKeyDer::from_pem_file(&files.server).expect("a key");
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls_graviola::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .expect("a server");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust it goes away.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            while !String::from_utf8_lossy(&request).contains("grant_type=client_credentials") {
                assert!(stream.read_buf(&mut request).await.expect("bytes") > 0);
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: \
                           37\r\n\r\n{\"access_token\":\"abc\",\"expires_in\":1}";
            stream.write_all(answer).await.expect("written");
            let _ = stream.shutdown().await;
        }
    });
    (format!("https://localhost:{port}/token"), files)
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn an_https_endpoint_is_asked_only_if_its_authority_is_trusted() {
    use crate::config::TlsConfig;

    let folder = std::env::temp_dir().join(format!("kavka-https-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (url, files) = https_endpoint(&folder).await;
    let ask = async |url: &str, authority: &std::path::Path| {
        let tls = TlsConfig::new().truststore_location(authority);
        let config = OidcConfig::new(url, "me", "hunter2").tls(tls);
        let config = config.retry_backoff(Duration::from_millis(1), Duration::from_millis(20));
        Oidc::new(config).expect("a URL").ask(Timestamp(0)).await.map_err(|error| error.to_string())
    };
    let token = ask(&url, &files.authority).await.expect("a token");
    assert_eq!(token.value.expose(), "abc");
    let error = ask(&url, &files.other_authority).await.expect_err("not trusted");
    assert!(
        error.contains("https.ca.location")
            && error.contains("not trusted")
            && !error.contains("hunter2"),
        "{error}"
    );
    let plain = ask(&url.replace("https:", "http:"), &files.authority).await.expect_err("TLS");
    assert!(plain.contains("did not answer"), "{plain}");
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[cfg(feature = "tls")]
mod assertions;
