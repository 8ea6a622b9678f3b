//! Files of properties, with the login modules of JAAS in them; a fault here is the user's own, but
//! must be an error.
#![no_main]

use kavka::{ClientConfig, ConsumerConfig, ProducerConfig, Properties};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let jaas = format!("security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config={}", text.replace('\n', " "));
    for text in [text, &jaas] {
        // Providers would read files whose names are the fuzzer's.
        let Ok(properties) = Properties::parse(text) else { continue };
        if properties.get("config.providers").is_none() {
            drop(ClientConfig::from_properties(&properties));
            drop(ProducerConfig::from_properties(&properties));
            drop(ConsumerConfig::from_properties(&properties));
        }
    }
});
