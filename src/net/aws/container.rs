//! The endpoint that ECS and EKS Pod Identity give to a container.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hyper::Uri;
use zeroize::Zeroizing;

use super::answer::FoundCredentials;
use super::endpoint::{Ask, AwsEndpoint};
use super::refused;
use super::surroundings::Surroundings;
use crate::error::Result;

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// The agents are on this machine (a guess; AWS's SDKs have 2 s for connecting, and 5 s more).
const LIMIT: Duration = Duration::from_secs(4);

/// The agents that may be asked in clear beside those on the loopback: of ECS, and of EKS Pod
/// Identity by IPv4 and IPv6.
const AGENTS: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23)),
];

/// The credentials of the container's role; `None` if no variable names an endpoint.
///
/// # Errors
/// If the endpoint may not be asked, does not answer, or refuses.
pub(super) async fn find(surroundings: &Surroundings) -> Result<Option<FoundCredentials>> {
    let Some(url) = url(surroundings)? else { return Ok(None) };
    let token = match surroundings.variable(TOKEN_FILE) {
        // It is read each time: EKS changes it.
        Some(file) => Some(surroundings.token(TOKEN_FILE, &file)?),
        None => surroundings.variable(TOKEN).map(Zeroizing::new),
    };
    let endpoint =
        AwsEndpoint::new("the container's endpoint of credentials", &url, LIMIT, surroundings)?;
    let token = token.as_ref().map(|token| token.as_str());
    let headers: Vec<_> = token.map(|token| ("authorization", token)).into_iter().collect();
    let answer = endpoint.send(Ask::get(&headers)).await?;
    if !answer.status.is_success() {
        let advice = "check the role of the task or the pod, and AWS_CONTAINER_AUTHORIZATION_TOKEN";
        return Err(endpoint.refusal(&answer, &[token.unwrap_or_default()], advice));
    }
    let found =
        FoundCredentials::of_answer(&answer.body).ok_or_else(|| endpoint.without_credentials())?;
    Ok(Some(found))
}

/// # Errors
/// If it is not one that may have the token.
fn url(surroundings: &Surroundings) -> Result<Option<String>> {
    if let Some(path) = surroundings.variable(RELATIVE) {
        // What does not begin so would become a part of the host's name.
        return match path.starts_with('/') {
            true => Ok(Some(format!("{}{path}", surroundings.container_url))),
            false => Err(refused(format!("{RELATIVE} does not begin with a slash"))),
        };
    }
    let Some(url) = surroundings.variable(FULL) else { return Ok(None) };
    match may_be_asked(&url) {
        true => Ok(Some(url)),
        false => Err(refused(format!(
            "{FULL} is neither https nor http to localhost, a loopback address or one of {}",
            AGENTS.map(|agent| agent.to_string()).join(", ")
        ))),
    }
}

fn may_be_asked(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => {
            host == "localhost"
                || host
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_loopback() || AGENTS.contains(&address))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_in_clear_only_to_this_machine_and_to_aws_s_agents() {
        for url in [
            "http://127.0.0.1:1/x",
            "http://127.9.9.9/",
            "http://[::1]/x",
            "http://localhost:8080/x",
            "http://169.254.170.2/x",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "https://anybody.example/x",
        ] {
            assert!(may_be_asked(url), "{url}");
        }
        for url in [
            "http://169.254.169.254/x",
            "http://10.0.0.1/",
            "http://localhost.example/",
            "http://127.0.0.1.example/",
            "http://127.0.0.1@example/",
            "ftp://localhost/",
            "/x",
            "",
        ] {
            assert!(!may_be_asked(url), "{url}");
        }
    }
}
