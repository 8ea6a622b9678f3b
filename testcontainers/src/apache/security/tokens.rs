//! An endpoint that gives signed tokens to those who know a password or a private key: the
//! client-credentials flow of OAuth 2 and the assertions of RFC 7523, as far as tests need them.

mod assertion;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::USERS;
use super::certificates::Key;
use crate::apache::error::{Error, Result};
use crate::apache::properties::HOST;

/// For whom the tokens are.
pub(super) const AUDIENCE: &str = "kafka";

/// How many requests are kept.
const KEPT: usize = 100;

/// An HTTP server that issues tokens until it is dropped; a cluster with secured listeners has one.
///
/// It accepts the passwords of [`USERS`], and alice's assertions signed with her RSA key or with
/// the key that `alice-key.pem` holds at that time.
#[derive(Debug)]
pub struct TokenEndpoint {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What all connections have to do with.
struct Shared {
    /// Signs tokens.
    key: Key,
    lifetime: Duration,
    url: String,
    folder: PathBuf,
    /// The newest forms that were posted.
    forms: Mutex<Vec<String>>,
    /// Ids of assertions, none of which is good twice.
    used: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("url", &self.url).finish_non_exhaustive()
    }
}

impl TokenEndpoint {
    /// Writes the public key, for the nodes, into a folder that has
    /// [`Certificates`](super::Certificates), and starts to serve.
    ///
    /// # Errors
    /// If a file cannot be written, or no port is available.
    pub async fn start(folder: &Path, lifetime: Duration) -> Result<Self> {
        let key = Key::new()?;
        let (x, y) = key.coordinates();
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let keys = format!(
            "{{\"keys\":[{{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k1\",\"alg\":\"ES256\",\"use\":\"sig\",\"x\":\"{x}\",\"y\":\"{y}\"}}]}}"
        );
        let file = folder.join("jwks.json");
        fs::write(&file, keys).map_err(Error::file(&file))?;
        let listener =
            TcpListener::bind((HOST, 0)).await.map_err(Error::process("token endpoint"))?;
        let url = format!(
            "http://{}/token",
            listener.local_addr().map_err(Error::process("token endpoint"))?
        );
        let (forms, used) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared {
            key,
            lifetime,
            url: url.clone(),
            folder: folder.to_owned(),
            forms,
            used,
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move {
                    // A client that goes away is its own concern.
                    let _ = serve(stream, &shared).await;
                });
            }
        });
        Ok(Self { url, shared, task })
    }

    /// Returns the URL at which tokens are requested.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the forms that were posted recently, unchanged.
    pub fn forms(&self) -> Vec<String> {
        self.shared.forms.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for TokenEndpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    const LONGEST: usize = 64 * 1024;
    let mut request = Vec::new();
    while !is_whole(&request) {
        if request.len() > LONGEST || stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let form = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    {
        let mut forms = shared.forms.lock().unwrap_or_else(PoisonError::into_inner);
        let surplus = (forms.len() + 1).saturating_sub(KEPT);
        forms.drain(..surplus);
        forms.push(form.to_owned());
    }
    let user = match assertion::in_form(form) {
        Some(assertion) => assertion.check(shared),
        None => user(&request).ok_or(("invalid_client", "")),
    };
    let (status, body) = match user {
        Ok(user) => {
            let (token, seconds) =
                (token(&shared.key, user, shared.lifetime), shared.lifetime.as_secs());
            (
                "200 OK",
                format!(
                    "{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":{seconds}}}"
                ),
            )
        }
        Err((error, why)) => {
            let status =
                if error == "invalid_client" { "401 Unauthorized" } else { "400 Bad Request" };
            (status, format!("{{\"error\":\"{error}\",\"error_description\":\"{why}\"}}"))
        }
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: \
         {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await
}

/// Whether head and body are there; a body without a length is none.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}

/// The user whose password the request has.
fn user(request: &str) -> Option<&'static str> {
    let header = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("authorization").then(|| value.trim())
    })?;
    let pair = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    USERS
        .iter()
        .find(|(user, password)| pair == format!("{user}:{password}"))
        .map(|(user, _)| *user)
}

/// A token signed with ES256.
fn token(key: &Key, user: &str, lifetime: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let end = now + lifetime.as_secs();
    let head = URL_SAFE_NO_PAD.encode("{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"JWT\"}");
    let claims = format!(
        "{{\"sub\":\"{user}\",\"iss\":\"kavka\",\"aud\":\"{AUDIENCE}\",\"scope\":\"kafka\",\"iat\":{now},\"exp\":{end}}}"
    );
    let message = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign_fixed(message.as_bytes()));
    format!("{message}.{signature}")
}
