//! Kerberos for kavka: the SASL mechanism GSSAPI (RFC 4752), by a keytab, without C.
//!
//! krb5-gss talks to the KDC and has the cryptography; what is here turns that into a mechanism of
//! kavka's. The README says what works and what does not.

mod kdc;
mod session;

use kavka::{BoxFuture, Properties, SaslContext, SaslError, SaslMechanism, SaslSession};
use krb5_gss::{KerberosClient, KerberosCredentials};

use crate::kdc::Kdcs;
use crate::session::Session;

/// GSSAPI with the key of a keytab.
///
/// Each connection asks the KDC for tickets of its own and reads the keytab again, so a keytab that
/// is replaced is used without a restart.
#[derive(Clone, Debug)]
pub struct Gssapi {
    principal: String,
    keytab: String,
    service: String,
    kdcs: Kdcs,
}

impl Gssapi {
    /// A principal such as `alice@EXAMPLE.COM`, the file with its key, and the KDCs as
    /// `HOST[:PORT][,…]`, which are tried in turn.
    ///
    /// # Errors
    /// If the principal has no realm or several components, or no KDC is named.
    pub fn new(
        principal: impl Into<String>,
        keytab: impl Into<String>,
        kdcs: &str,
    ) -> Result<Self, SaslError> {
        let principal = principal.into();
        match principal.split_once('@') {
            Some((name, realm)) if !name.is_empty() && !realm.is_empty() => {
                // krb5-gss would ask for one component with a slash in it, which no KDC knows.
                if name.contains('/') {
                    return Err(format!(
                        "the principal {principal} has a slash: only names of one component work"
                    )
                    .into());
                }
            }
            _ => return Err(format!("the principal {principal} is not NAME@REALM").into()),
        }
        Ok(Self {
            principal,
            keytab: keytab.into(),
            service: "kafka".to_owned(),
            kdcs: Kdcs::parse(kdcs)?,
        })
    }

    /// Reads librdkafka's `sasl.kerberos.principal` and `sasl.kerberos.keytab`, and
    /// `sasl.kerberos.service.name`.
    ///
    /// # Errors
    /// As [`Gssapi::new`], or if one of the first two is not there.
    pub fn from_properties(properties: &Properties, kdcs: &str) -> Result<Self, SaslError> {
        let needed = |name: &str| properties.get(name).ok_or_else(|| format!("{name} is not set"));
        let it =
            Self::new(needed("sasl.kerberos.principal")?, needed("sasl.kerberos.keytab")?, kdcs)?;
        Ok(match properties.get("sasl.kerberos.service.name") {
            Some(service) => it.service_name(service),
            None => it,
        })
    }

    /// The first component of the brokers' principals (`sasl.kerberos.service.name`, default
    /// `kafka`, as in librdkafka). The second is the host as kavka connects to it.
    #[must_use]
    pub fn service_name(mut self, service: impl Into<String>) -> Self {
        self.service = service.into();
        self
    }
}

impl SaslMechanism for Gssapi {
    fn name(&self) -> &str {
        "GSSAPI"
    }

    fn start<'a>(
        &'a self,
        context: SaslContext<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn SaslSession>, SaslError>> {
        Box::pin(async move {
            let service = format!("{}/{}", self.service, context.host);
            let credentials = KerberosCredentials::new(&self.principal).with_keytab(&self.keytab);
            let ticket = match KerberosClient::new(&credentials) {
                Ok(client) => client.acquire_service_ticket(&self.kdcs, &service).await,
                Err(error) => Err(error),
            };
            let ticket = ticket.map_err(|error| {
                format!(
                    "{} got no ticket for {service} with the keytab {}: {error}",
                    self.principal, self.keytab
                )
            })?;
            Ok(Box::new(Session::new(ticket, service)) as Box<dyn SaslSession>)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_must_name_a_principal_of_one_component_with_its_realm_and_a_keytab() {
        let from = |pairs: &[(&str, &str)]| {
            let properties: Properties = pairs.iter().copied().collect();
            Gssapi::from_properties(&properties, "kdc").map_err(|error| error.to_string())
        };
        let keytab = ("sasl.kerberos.keytab", "a.keytab");
        for (principal, part) in [
            ("alice", "NAME@REALM"),
            ("@R", "NAME@REALM"),
            ("alice@", "NAME@REALM"),
            ("app/host@R", "slash"),
        ] {
            let error = from(&[("sasl.kerberos.principal", principal), keytab]).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
        let alice = ("sasl.kerberos.principal", "alice@R");
        assert!(from(&[alice]).expect_err("no keytab").contains("sasl.kerberos.keytab"));
        assert!(from(&[keytab]).expect_err("nobody").contains("sasl.kerberos.principal"));
        assert_eq!(from(&[alice, keytab]).expect("complete").service, "kafka");
        let named = from(&[alice, keytab, ("sasl.kerberos.service.name", "queue")]);
        assert_eq!(named.expect("complete").service, "queue");
    }
}
