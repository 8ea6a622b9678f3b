//! The metadata of an EC2 instance, by its second version (IMDSv2): a token, the name of the role,
//! its credentials. The first version, which needs no token, is not asked.

use std::time::Duration;

use hyper::{Method, StatusCode};
use zeroize::Zeroizing;

use super::answer::FoundCredentials;
use super::endpoint::{Ask, AwsEndpoint, HttpAnswer};
use super::surroundings::Surroundings;
use crate::error::{Error, ErrorKind, Result};

/// AWS's SDKs have 1 s for each request. Where there is no instance nobody answers, and that has to
/// be found out within the time for setting up a connection.
const LIMIT: Duration = Duration::from_secs(1);

/// A first request that is lost is no sign that there is no instance.
const ATTEMPTS: usize = 2;

/// Six hours, as AWS's SDKs ask for; it is used at once.
const TOKEN_SECONDS: &str = "21600";

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

const WHAT: &str = "the instance's metadata";

/// The credentials of the instance's role; `None` if it is not to be asked, or has no role, or there
/// is no instance.
///
/// # Errors
/// If it answers something else.
pub(super) async fn find(surroundings: &Surroundings) -> Result<Option<FoundCredentials>> {
    let disabled = surroundings.variable("AWS_EC2_METADATA_DISABLED");
    if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let url = surroundings.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| {
        let mode = surroundings.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
        match mode.is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6")) {
            true => "http://[fd00:ec2::254]".into(),
            false => "http://169.254.169.254".into(),
        }
    });
    let endpoint = AwsEndpoint::new(WHAT, &url, LIMIT, surroundings)?;
    let Some(token) = token(&endpoint).await? else { return Ok(None) };
    let answer = get(&endpoint, ROLES, &token).await?;
    let role = match answer.status {
        StatusCode::NOT_FOUND => return Ok(None),
        StatusCode::OK => first_line(&answer).ok_or_else(|| endpoint.without_credentials())?,
        _ => return Err(refusal(&endpoint, &answer)),
    };
    let answer = get(&endpoint, &format!("{ROLES}{role}"), &token).await?;
    if answer.status != StatusCode::OK {
        return Err(refusal(&endpoint, &answer));
    }
    let found =
        FoundCredentials::of_answer(&answer.body).ok_or_else(|| endpoint.without_credentials())?;
    Ok(Some(found))
}

/// `None` if nobody answers.
async fn token(endpoint: &AwsEndpoint) -> Result<Option<Zeroizing<String>>> {
    for _ in 0..ATTEMPTS {
        let ask = Ask {
            method: Method::PUT,
            path: Some("/latest/api/token"),
            headers: &[("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS)],
            body: Zeroizing::default(),
        };
        match endpoint.send(ask).await {
            Ok(answer) if answer.status == StatusCode::OK => {
                let token = first_line(&answer).map(|token| Zeroizing::new(token.to_owned()));
                return token.ok_or_else(|| endpoint.without_credentials()).map(Some);
            }
            Ok(answer) => return Err(refusal(endpoint, &answer)),
            Err(error) if error.kind() == ErrorKind::Connect => {
                tracing::debug!(%error, "no instance of EC2 answers");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

async fn get(endpoint: &AwsEndpoint, path: &str, token: &str) -> Result<HttpAnswer> {
    let headers = [("x-aws-ec2-metadata-token", token)];
    endpoint.send(Ask { path: Some(path), ..Ask::get(&headers) }).await
}

/// A name that can be part of a path, or a token.
fn first_line(answer: &HttpAnswer) -> Option<&str> {
    let line = std::str::from_utf8(&answer.body).ok()?.lines().next()?.trim();
    (!line.is_empty() && line.bytes().all(|byte| byte.is_ascii_graphic())).then_some(line)
}

fn refusal(endpoint: &AwsEndpoint, answer: &HttpAnswer) -> Error {
    let advice = "check the role of the instance and its metadata options (IMDSv2), or set \
                  AWS_EC2_METADATA_DISABLED=true";
    endpoint.refusal(answer, &[], advice)
}
