//! A mechanism of SASL of your own; this one is PLAIN, as if the library did not have it.
//!
//! `KAVKA_BROKERS=localhost:9092 KAVKA_USER=alice KAVKA_PASSWORD=… cargo run --example custom_sasl`
//! needs a listener with SASL_PLAINTEXT.

use std::env::var;
use std::time::Duration;

use kavka::{
    BoxFuture, Client, ClientConfig, Sasl, SaslContext, SaslError, SaslMechanism, SaslSession,
    Secret,
};

#[derive(Debug)]
struct Plain {
    user: String,
    password: Secret,
}

impl SaslMechanism for Plain {
    fn name(&self) -> &str {
        "PLAIN"
    }

    /// Each connection is one exchange. What must be fetched for it, such as a token, is awaited
    /// here.
    fn start<'a>(
        &'a self,
        _: SaslContext<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn SaslSession>, SaslError>> {
        let words = format!("\0{}\0{}", self.user, self.password.expose());
        Box::pin(async move { Ok(Box::new(Exchange(Some(words.into()))) as Box<dyn SaslSession>) })
    }
}

struct Exchange(Option<Vec<u8>>);

impl SaslSession for Exchange {
    /// The client speaks first; what the broker says then is its consent.
    fn respond(&mut self, _: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        Ok(self.0.take())
    }

    fn advice(&self) -> Option<String> {
        Some("look at KAVKA_USER and KAVKA_PASSWORD".to_owned())
    }
}

#[tokio::main]
async fn main() -> kavka_programs::Outcome<()> {
    kavka_programs::start_logs();
    let word = |name: &str| {
        var(name).map_err(|_| kavka_programs::Stop::usage(format_args!("{name} is not set")))
    };
    let mechanism = Plain { user: word("KAVKA_USER")?, password: word("KAVKA_PASSWORD")?.into() };
    let client =
        Client::new(ClientConfig::new(word("KAVKA_BROKERS")?).sasl(Sasl::custom(mechanism)))?;
    println!("{} brokers let us in", client.admin().describe_cluster().await?.brokers.len());
    Ok(client.close(Duration::from_secs(5)).await?)
}
