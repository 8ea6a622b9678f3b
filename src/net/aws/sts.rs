//! The Security Token Service: temporary credentials of a role, for keys that sign the request or
//! for a web identity, which is in place of a signature.

use std::time::Duration;

use hyper::Method;
use zeroize::Zeroizing;

use super::super::http::url_encoded;
use super::answer::FoundCredentials;
use super::endpoint::{Ask, AwsEndpoint};
use super::signature::SignedPost;
use super::time::stamp;
use super::{Inquiry, partition, refused};
use crate::config::{AwsCredentials, AwsRole};
use crate::error::Result;
use crate::ids::Timestamp;
use crate::shown::shown;

/// How long a request may take, of the 10 seconds that setting up a connection may by default
/// (a guess).
const LIMIT: Duration = Duration::from_secs(5);

const FORM: &str = "application/x-www-form-urlencoded";

/// The service in one region.
pub(super) struct Sts {
    endpoint: AwsEndpoint,
    region: String,
}

impl Inquiry<'_> {
    /// The service in the region that is named first: by `awsStsRegion`, by the environment, by a
    /// profile, by the broker.
    ///
    /// # Errors
    /// If that is no region, or `AWS_ENDPOINT_URL_STS` no URL.
    pub(super) fn sts(&self, profile_region: Option<&str>) -> Result<Sts> {
        let variable = |name| self.surroundings.variable(name);
        let region = (self.sts_region.map(str::to_owned))
            .or_else(|| variable("AWS_REGION"))
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .or_else(|| profile_region.map(str::to_owned))
            .unwrap_or_else(|| self.broker_region.to_owned());
        let url = match variable("AWS_ENDPOINT_URL_STS").or_else(|| variable("AWS_ENDPOINT_URL")) {
            Some(url) => url,
            None => format!("https://{}", host(&region)?),
        };
        let what = "AWS's Security Token Service";
        let endpoint = AwsEndpoint::new(what, &url, LIMIT, self.surroundings)?;
        endpoint.warn_if_clear("AWS_ENDPOINT_URL_STS");
        // The endpoint of all regions signs as the first of them.
        let region = if region == GLOBAL { "us-east-1".into() } else { region };
        Ok(Sts { endpoint, region })
    }
}

impl Sts {
    /// # Errors
    /// [`ErrorKind::Connect`](crate::ErrorKind::Connect) if another attempt may succeed;
    /// [`ErrorKind::Authentication`](crate::ErrorKind::Authentication) if AWS refuses.
    pub(super) async fn assume_role(
        &self,
        role: &AwsRole,
        by: &AwsCredentials,
        now: Timestamp,
    ) -> Result<FoundCredentials> {
        let body = form("AssumeRole", role, None, now);
        let post = SignedPost {
            host: self.endpoint.host(),
            content_type: Some(FORM),
            body: body.as_bytes(),
            region: &self.region,
            service: "sts",
        };
        let (authorization, stamp) = (post.authorization(by, now), stamp(now));
        let mut headers = vec![
            ("content-type", FORM),
            ("x-amz-date", stamp.as_str()),
            ("authorization", authorization.as_str()),
        ];
        let token = by.session_token.as_ref().map(|token| token.expose().trim());
        headers.extend(token.map(|token| ("x-amz-security-token", token)));
        let secrets = [by.secret_access_key.expose(), token.unwrap_or_default()];
        let advice = format!(
            "check the credentials by which the role {} is assumed, its trust policy, the region \
             {} and this machine's clock",
            shown(&role.arn),
            shown(&self.region)
        );
        self.ask(&headers, body.clone(), &secrets, &advice).await
    }

    /// # Errors
    /// As those of [`Self::assume_role`].
    pub(super) async fn assume_role_with_web_identity(
        &self,
        role: &AwsRole,
        token: &str,
        now: Timestamp,
    ) -> Result<FoundCredentials> {
        let body = form("AssumeRoleWithWebIdentity", role, Some(token), now);
        let advice = format!(
            "check that the role {} trusts the issuer of the web identity, and that its token has \
             not expired",
            shown(&role.arn)
        );
        self.ask(&[("content-type", FORM)], body, &[token], &advice).await
    }

    async fn ask(
        &self,
        headers: &[(&'static str, &str)],
        body: Zeroizing<String>,
        secrets: &[&str],
        advice: &str,
    ) -> Result<FoundCredentials> {
        let ask = Ask { method: Method::POST, path: Some("/"), headers, body };
        let answer = self.endpoint.send(ask).await?;
        if !answer.status.is_success() {
            return Err(self.endpoint.refusal(&answer, secrets, advice));
        }
        FoundCredentials::of_answer(&answer.body).ok_or_else(|| self.endpoint.without_credentials())
    }
}

/// Java's name of the endpoint that is in no region.
const GLOBAL: &str = "aws-global";

/// Where the service of a region is.
///
/// # Errors
/// If the region is no part of a host's name.
fn host(region: &str) -> Result<String> {
    if region == GLOBAL {
        return Ok("sts.amazonaws.com".into());
    }
    partition::host("sts", region).ok_or_else(|| {
        refused(format!(
            "{} is no region of AWS for its Security Token Service: set AWS_REGION or \
             awsStsRegion to one such as eu-west-1",
            shown(region)
        ))
    })
}

fn form(action: &str, role: &AwsRole, token: Option<&str>, now: Timestamp) -> Zeroizing<String> {
    let session = role.session_name.clone().unwrap_or_else(|| format!("kavka-{}", now.0));
    let seconds = role.seconds.map(|seconds| seconds.to_string());
    let parameters = [
        ("Action", Some(action)),
        ("Version", Some("2011-06-15")),
        ("RoleArn", Some(role.arn.as_str())),
        ("RoleSessionName", Some(session.as_str())),
        ("ExternalId", role.external_id.as_deref()),
        ("DurationSeconds", seconds.as_deref()),
        ("WebIdentityToken", token),
    ];
    let given = || parameters.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    // Room for all of it, so that no copy of the token is left behind by growing.
    let room = given().map(|(name, value)| name.len() + 3 * value.len() + 2).sum();
    let mut form = Zeroizing::new(String::with_capacity(room));
    for (number, (name, value)) in given().enumerate() {
        form.push_str(if number == 0 { "" } else { "&" });
        form.push_str(name);
        form.push('=');
        form.push_str(&Zeroizing::new(url_encoded(value)));
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_that_of_the_region_in_its_part_of_the_world() {
        for (region, expected) in [
            ("eu-west-1", "sts.eu-west-1.amazonaws.com"),
            ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
            ("aws-global", "sts.amazonaws.com"),
        ] {
            assert_eq!(host(region).expect("a region"), expected);
        }
        for region in ["", "evil.example/", "EU", "a@b"] {
            let error = host(region).expect_err("no region").to_string();
            assert!(error.contains("AWS_REGION"), "{error}");
        }
    }

    #[test]
    fn a_form_has_what_is_given_and_a_session_of_its_own_if_none_is() {
        let mut role = AwsRole {
            arn: "arn:aws:iam::1:role/r".into(),
            session_name: None,
            external_id: None,
            seconds: None,
        };
        assert_eq!(
            *form("AssumeRoleWithWebIdentity", &role, Some("a.b"), Timestamp(7)),
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1\
             %3Arole%2Fr&RoleSessionName=kavka-7&WebIdentityToken=a.b"
        );
        role.session_name = Some("me".into());
        role.external_id = Some("x&y".into());
        role.seconds = Some(900);
        assert!(
            form("AssumeRole", &role, None, Timestamp(7))
                .ends_with("&RoleSessionName=me&ExternalId=x%26y&DurationSeconds=900")
        );
    }
}
