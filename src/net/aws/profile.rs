//! Profiles of AWS's shared files: keys, a web identity, or a role that is assumed by another
//! profile or by another source.
//!
//! Not supported, and said to be so: IAM Identity Center (`sso_…`), which needs its tokens renewed;
//! `credential_process`, which runs a program; `mfa_serial`, which asks a person.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::answer::FoundCredentials;
use super::ini::{Naming, ProfileSection, profiles};
use super::surroundings::Surroundings;
use super::web_identity::{self, WebIdentity};
use super::{Inquiry, container, environment, instance, refused};
use crate::config::{AwsCredentials, AwsRole, Secret};
use crate::error::{Error, Result};
use crate::shown::shown;

/// More roles in a chain than AWS users have (a guess); each is a request.
const MOST_ROLES: usize = 8;

/// How a profile comes to its credentials.
#[derive(Debug)]
struct Plan {
    base: Base,
    /// One after the other is assumed by the one before.
    roles: Vec<AwsRole>,
}

/// Where it begins.
#[derive(Debug)]
enum Base {
    Keys(AwsCredentials),
    Identity(WebIdentity),
    Environment,
    Container,
    Instance,
}

/// All profiles of both files.
struct Profiles(BTreeMap<String, ProfileSection>);

/// The credentials of the profile `named`, or of that of the environment; `None` if there is no
/// profile and none is named, or it has nothing by which to get credentials.
///
/// # Errors
/// If there is no profile of a name that is given, or it does not work.
pub(super) async fn find(
    asked: &Inquiry<'_>,
    named: Option<&str>,
) -> Result<Option<FoundCredentials>> {
    let by_variable = asked.surroundings.variable("AWS_PROFILE");
    let given = named.map(str::to_owned).or(by_variable);
    let name = given.as_deref().unwrap_or("default");
    let profiles = Profiles::read(asked.surroundings)?;
    let Some(section) = profiles.0.get(name) else {
        return match given {
            None => Ok(None),
            Some(_) => Err(refused(format!(
                "there is no AWS profile {}: check awsProfileName or AWS_PROFILE, \
                 ~/.aws/credentials and ~/.aws/config",
                shown(name)
            ))),
        };
    };
    let Some(plan) = profiles.plan(name)? else { return Ok(None) };
    let region = section.text("region");
    let mut found = begin(asked, &plan.base, region).await.map_err(|error| of(name, error))?;
    if !plan.roles.is_empty() {
        let sts = asked.sts(region)?;
        for role in &plan.roles {
            let assumed = sts.assume_role(role, &found.credentials, asked.now).await;
            found = assumed.map_err(|error| of(name, error))?;
        }
    }
    Ok(Some(found))
}

/// The error of a profile that is named and gives no credentials.
pub(super) fn is_empty(name: &str) -> Error {
    broken(
        name,
        "has no credentials: give it aws_access_key_id and aws_secret_access_key, or role_arn",
    )
}

async fn begin(asked: &Inquiry<'_>, base: &Base, region: Option<&str>) -> Result<FoundCredentials> {
    let (found, what) = match base {
        Base::Keys(keys) => return Ok(FoundCredentials::lasting(keys.clone())),
        Base::Identity(identity) => {
            return web_identity::exchange(asked, identity, "web_identity_token_file", region)
                .await;
        }
        Base::Environment => (environment(asked.surroundings)?, "Environment"),
        Base::Container => (container::find(asked.surroundings).await?, "EcsContainer"),
        Base::Instance => (instance::find(asked.surroundings).await?, "Ec2InstanceMetadata"),
    };
    found.ok_or_else(|| refused(format!("credential_source = {what} gives no credentials here")))
}

impl Profiles {
    /// Of the files that the environment names, or of those in the user's own folder. What the file
    /// of credentials says counts more.
    fn read(surroundings: &Surroundings) -> Result<Self> {
        let mut all = BTreeMap::<String, ProfileSection>::new();
        for (variable, file, naming) in [
            ("AWS_CONFIG_FILE", ".aws/config", Naming::Config),
            ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", Naming::Credentials),
        ] {
            let Some(path) = path(surroundings, variable, file) else { continue };
            let Some(text) = surroundings.file(&path)? else { continue };
            let read = profiles(&text, naming).map_err(|line| {
                refused(format!(
                    "line {line} of {} is neither [profile] nor name = value",
                    path.display()
                ))
            })?;
            for (name, section) in read {
                all.entry(name).or_default().extend(section);
            }
        }
        Ok(Self(all))
    }

    /// Follows `source_profile` to where the credentials begin; `None` if the first has none.
    fn plan(&self, first: &str) -> Result<Option<Plan>> {
        let (mut name, mut roles, mut seen) = (first, Vec::new(), Vec::new());
        let base = loop {
            let missing = || {
                broken(first, format_args!("leads to a profile {} that there is not", shown(name)))
            };
            let section = self.0.get(name).ok_or_else(missing)?;
            section.check_support(name)?;
            // A role that is assumed by the keys of its own profile comes to that profile twice.
            let is_own_source = seen.last() == Some(&name);
            let Some(arn) = section.text("role_arn").filter(|_| !is_own_source) else {
                break match section.written_keys(name)? {
                    Some(keys) => Base::Keys(keys),
                    None if seen.is_empty() => return Ok(None),
                    None => return Err(is_empty(name)),
                };
            };
            if seen.contains(&name) || seen.len() == MOST_ROLES {
                return Err(broken(first, "goes in a circle of source_profile, or too far"));
            }
            seen.push(name);
            let role = section.role(arn, name)?;
            if let Some(file) = section.text("web_identity_token_file") {
                break Base::Identity(WebIdentity { token_file: file.to_owned(), role });
            }
            roles.push(role);
            match (section.text("source_profile"), section.text("credential_source")) {
                (Some(source), None) => name = source,
                (None, Some("Environment")) => break Base::Environment,
                (None, Some("EcsContainer")) => break Base::Container,
                (None, Some("Ec2InstanceMetadata")) => break Base::Instance,
                _ => {
                    return Err(broken(
                        name,
                        "has role_arn: give source_profile or credential_source with it, which is \
                         Environment, EcsContainer or Ec2InstanceMetadata",
                    ));
                }
            }
        };
        roles.reverse();
        Ok(Some(Plan { base, roles }))
    }
}

/// What a section says of credentials.
trait Profile {
    fn text(&self, name: &str) -> Option<&str>;
    fn check_support(&self, name: &str) -> Result<()>;
    fn written_keys(&self, name: &str) -> Result<Option<AwsCredentials>>;
    fn role(&self, arn: &str, name: &str) -> Result<AwsRole>;
}

impl Profile for ProfileSection {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(|value| value.as_str()).filter(|value| !value.is_empty())
    }

    fn check_support(&self, name: &str) -> Result<()> {
        let unsupported =
            ["sso_session", "sso_start_url", "credential_process", "login_session", "mfa_serial"];
        // Keys beside them are good without them.
        let has_keys = self.text("aws_access_key_id").is_some() && self.text("role_arn").is_none();
        match unsupported.iter().find(|what| self.text(what).is_some()) {
            Some(what) if !has_keys => Err(broken(
                name,
                format_args!(
                    "has {what}, which is not supported: pass a provider of your own to \
                     AwsMskIam::new, or set what aws configure export-credentials prints"
                ),
            )),
            _ => Ok(()),
        }
    }

    fn written_keys(&self, name: &str) -> Result<Option<AwsCredentials>> {
        let (id, secret) = (self.text("aws_access_key_id"), self.text("aws_secret_access_key"));
        let mut keys = match (id, secret) {
            (Some(id), Some(secret)) => AwsCredentials::new(id, secret),
            (None, None) => return Ok(None),
            _ => {
                return Err(broken(
                    name,
                    "has one of aws_access_key_id and aws_secret_access_key: give both",
                ));
            }
        };
        keys.session_token = self.text("aws_session_token").map(Secret::from);
        Ok(Some(keys))
    }

    fn role(&self, arn: &str, name: &str) -> Result<AwsRole> {
        let seconds = self.text("duration_seconds").map(str::parse).transpose();
        Ok(AwsRole {
            arn: arn.to_owned(),
            session_name: self.text("role_session_name").map(str::to_owned),
            external_id: self.text("external_id").map(str::to_owned),
            seconds: seconds.map_err(|_| broken(name, "has duration_seconds that is no number"))?,
        })
    }
}

fn path(surroundings: &Surroundings, variable: &str, file: &str) -> Option<PathBuf> {
    let Some(named) = surroundings.variable(variable) else {
        return surroundings.home().map(|home| home.join(file));
    };
    match (named.strip_prefix("~/"), surroundings.home()) {
        (Some(rest), Some(home)) => Some(home.join(rest)),
        _ => Some(PathBuf::from(named)),
    }
}

fn of(name: &str, error: Error) -> Error {
    error.with_context(format_args!("the AWS profile {}", shown(name)))
}

fn broken(name: &str, what: impl std::fmt::Display) -> Error {
    refused(format!("the AWS profile {} {what}", shown(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str, name: &str) -> Result<Option<Plan>> {
        Profiles(profiles(text, Naming::Credentials).expect("sections")).plan(name)
    }

    fn keys(plan: &Plan) -> &str {
        match &plan.base {
            Base::Keys(keys) => &keys.access_key_id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn roles_are_assumed_from_the_source_outwards() {
        let text = "[a]\nrole_arn=A\nsource_profile=b\nexternal_id=x\n[b]\nrole_arn=B\nsource_profile=c\n\
                    duration_seconds=900\n[c]\naws_access_key_id=C\naws_secret_access_key=s\n";
        let plan = plan(text, "a").expect("a plan").expect("credentials");
        assert_eq!(keys(&plan), "C");
        let arns: Vec<_> = plan.roles.iter().map(|role| role.arn.as_str()).collect();
        assert_eq!(arns, ["B", "A"]);
        assert_eq!(
            (plan.roles[0].seconds, plan.roles[1].external_id.as_deref()),
            (Some(900), Some("x"))
        );
    }

    #[test]
    fn a_role_may_be_assumed_by_the_keys_of_its_own_profile() {
        let text =
            "[a]\nrole_arn=A\nsource_profile=a\naws_access_key_id=K\naws_secret_access_key=s\n";
        let plan = plan(text, "a").expect("a plan").expect("credentials");
        assert_eq!((keys(&plan), plan.roles.len()), ("K", 1));
    }

    #[test]
    fn a_profile_with_a_region_alone_is_not_configured() {
        assert!(plan("[a]\nregion=eu-west-1\n", "a").expect("no error").is_none());
    }

    #[test]
    fn a_profile_may_name_another_source_or_a_web_identity() {
        for (source, expected) in [
            ("credential_source=Environment", "Environment"),
            ("credential_source=EcsContainer", "Container"),
            ("credential_source=Ec2InstanceMetadata", "Instance"),
            ("web_identity_token_file=/t", "Identity"),
        ] {
            let plan = plan(&format!("[a]\nrole_arn=A\n{source}\n"), "a").expect("a plan");
            let base = format!("{:?}", plan.expect("credentials").base);
            assert!(base.starts_with(expected), "{base}");
        }
    }

    #[test]
    fn a_profile_that_cannot_work_says_why_without_its_secrets() {
        for (text, told) in [
            ("[a]\nrole_arn=A\nsource_profile=b\n[b]\nrole_arn=B\nsource_profile=a\n", "circle"),
            ("[a]\nrole_arn=A\nsource_profile=a\n", "has no credentials"),
            ("[a]\nrole_arn=A\nsource_profile=b\n", "profile b"),
            ("[a]\nrole_arn=A\n", "source_profile or credential_source"),
            ("[a]\nrole_arn=A\ncredential_source=hunter2\n", "Ec2InstanceMetadata"),
            ("[a]\naws_secret_access_key=hunter2\n", "aws_access_key_id"),
            ("[a]\nsso_session=hunter2\n", "sso_session"),
            ("[a]\ncredential_process=hunter2\n", "credential_process"),
            ("[a]\nrole_arn=A\nsource_profile=b\nmfa_serial=hunter2\n", "mfa_serial"),
            ("[a]\nrole_arn=A\nsource_profile=b\nduration_seconds=hunter2\n", "duration_seconds"),
        ] {
            let error = plan(text, "a").expect_err(told).to_string();
            assert!(error.contains(told) && !error.contains("hunter2"), "{error}");
        }
    }
}
