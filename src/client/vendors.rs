//! Property files of the shapes that vendors print: each is taken as it is, or refused with what helps;
//! and what is taken connects to a cluster that demands just that (`tests/connecting.rs`).

use crate::config::{ClientConfig, Credentials, Mechanism, Properties, Sasl};
use crate::consumer::ConsumerConfig;
use crate::error::Result;
use crate::producer::ProducerConfig;

/// What comes of a file: how the client connects, or a part of the refusal.
enum Expected {
    Works(&'static str),
    Helps(&'static str),
}

use Expected::{Helps, Works};

/// What becomes of a file with tokens.
const OAUTHBEARER: Expected = if cfg!(feature = "oidc") {
    Works("SASL_SSL OAUTHBEARER")
} else {
    Helps("built without kavka's feature oidc")
};

const FILES: &[(&str, &str, Expected)] = &[
    ("Confluent Cloud", include_str!("vendors/confluent.properties"), Works("SASL_SSL PLAIN")),
    ("librdkafka's of it", include_str!("vendors/librdkafka.properties"), Works("SASL_SSL PLAIN")),
    (
        "MSK with IAM",
        include_str!("vendors/msk-iam.properties"),
        if cfg!(feature = "aws-msk-iam") {
            Works("SASL_SSL AWS_MSK_IAM")
        } else {
            Helps("built without kavka's feature aws-msk-iam")
        },
    ),
    (
        "MSK with SCRAM",
        include_str!("vendors/msk-scram.properties"),
        if cfg!(feature = "scram") {
            Works("SASL_SSL SCRAM-SHA-512")
        } else {
            Helps("built without kavka's feature scram")
        },
    ),
    ("MSK with certificates", include_str!("vendors/msk-mtls.properties"), Works("SSL")),
    ("Event Hubs", include_str!("vendors/eventhubs.properties"), Works("SASL_SSL PLAIN")),
    ("Event Hubs with an identity", include_str!("vendors/azure.properties"), OAUTHBEARER),
    (
        "Event Hubs with an identity, by Azure's library for Java",
        include_str!("vendors/eventhubs-entra.properties"),
        OAUTHBEARER,
    ),
    ("Google Managed Kafka", include_str!("vendors/gcp.properties"), OAUTHBEARER),
    (
        "Confluent Cloud with an identity provider",
        include_str!("vendors/oidc.properties"),
        OAUTHBEARER,
    ),
    (
        "Aiven with Java's stores",
        include_str!("vendors/aiven.properties"),
        Helps("keytool -importkeystore -deststoretype PKCS12"),
    ),
    (
        "Redpanda",
        include_str!("vendors/redpanda.properties"),
        if cfg!(feature = "scram") {
            Works("SASL_SSL SCRAM-SHA-256")
        } else {
            Helps("built without kavka's feature scram")
        },
    ),
    (
        "Strimzi",
        include_str!("vendors/strimzi.properties"),
        if cfg!(feature = "pkcs12") && cfg!(feature = "scram") {
            Works("SASL_SSL SCRAM-SHA-512")
        } else {
            Helps("built without kavka's feature")
        },
    ),
    ("Kerberos", include_str!("vendors/kerberos.properties"), Helps("Sasl::custom")),
];

fn read(text: &str) -> Result<String> {
    let properties = Properties::parse(text)?;
    let config = ClientConfig::from_properties(&properties)?;
    config.validate()?;
    ProducerConfig::from_properties(&properties)?.validate(&config)?;
    ConsumerConfig::from_properties(&properties)?;
    let protocol = config.security.protocol;
    let mechanism = config.security.sasl.as_ref().map(|sasl| format!(" {}", sasl.name()));
    Ok(format!("{protocol}{}", mechanism.unwrap_or_default()))
}

#[test]
fn a_vendors_file_works_as_it_is_or_is_refused_with_what_helps() {
    for (vendor, text, expected) in FILES {
        match (read(text), expected) {
            (Ok(found), Works(expected)) => assert_eq!(found, *expected, "{vendor}"),
            (Err(error), Helps(part)) => {
                let error = error.to_string();
                assert!(error.contains(part), "{vendor}: {error}");
                assert!(!error.contains("SECRET"), "{vendor}: {error}");
            }
            (found, _) => panic!("{vendor}: {found:?}"),
        }
    }
}

#[test]
fn the_secret_of_a_connection_string_is_whole() {
    let text = include_str!("vendors/eventhubs.properties");
    let properties = Properties::parse(text).expect("well formed");
    let config = ClientConfig::from_properties(&properties).expect("allowed");
    let Some(Sasl(Mechanism::Plain(Credentials { username, password }))) = config.security.sasl
    else {
        panic!("PLAIN")
    };
    assert_eq!(username, "$ConnectionString");
    assert!(
        password.expose().starts_with("Endpoint=sb://") && password.expose().ends_with("bb/cc=")
    );
}

#[cfg(all(feature = "aws-msk-iam", feature = "oidc", feature = "pkcs12", feature = "scram"))]
mod tests {
    mod connecting;
    mod hosted;
}
