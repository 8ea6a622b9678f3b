use super::*;

fn refusal(pairs: &[(&str, &str)]) -> String {
    let mut config = Config::default();
    for (key, value) in pairs {
        if let Err(error) = config.set(key, value) {
            return error.to_string();
        }
    }
    config.validate().expect_err("not allowed").to_string()
}

/// The table of the user's document: every field with its default.
const PROMISED: &str = "
    brokers=localhost:9092 client_id=kavka-mq security_protocol=PLAINTEXT
    ssl.enabled=false ssl.insecure_skip_verify=false
    connection.dial_timeout=10s connection.read_timeout=10s connection.write_timeout=10s connection.keep_alive=7s
    connection.max_retries=3 connection.retry_backoff=100ms
    producer.compression=lz4 producer.batch_size=16384 producer.max_message_bytes=1048576 producer.required_acks=-1
    producer.request_timeout=30s producer.enable_idempotence=true producer.max_in_flight_requests=5 producer.retry_backoff=100ms
    producer.max_retries=3 producer.delivery_timeout=120s
    consumer.auto_offset_reset=latest consumer.enable_auto_commit=true consumer.auto_commit_interval=5s
    consumer.session_timeout=10s consumer.heartbeat_interval=3s consumer.max_poll_records=500 consumer.max_poll_interval=5m
    consumer.fetch_min_bytes=1 consumer.fetch_max_bytes=52428800 consumer.fetch_max_wait=500ms
    consumer.isolation_level=read_uncommitted
    pool.max_connections=10 pool.min_idle_connections=2 pool.max_idle_connections=5 pool.connection_max_lifetime=1h
    pool.connection_max_idle_time=30m pool.health_check_interval=30s
    performance.target_latency_micros=1000 performance.target_throughput_per_sec=100000
    performance.optimize_for_small_messages=true performance.small_message_threshold_bytes=1024
    monitoring.enable_metrics=true monitoring.metrics_interval=10s monitoring.enable_tracing=false monitoring.log_level=info
    monitoring.health_timeout=2s
";

/// Fields without a default.
const OPTIONAL: [&str; 9] = [
    "sasl.mechanism",
    "sasl.username",
    "sasl.password",
    "ssl.cert_file",
    "ssl.key_file",
    "ssl.ca_file",
    "producer.linger_ms",
    "consumer.group_id",
    "consumer.fetch_buffer_bytes",
];

#[test]
fn the_fields_and_defaults_are_those_of_the_table() {
    let mut named: Vec<_> = OPTIONAL.map(str::to_owned).to_vec();
    let mut config = Config::default();
    for (key, value) in PROMISED.split_whitespace().map(|pair| pair.split_once('=').unwrap()) {
        if key == "producer.compression" && cfg!(not(feature = "lz4")) {
            config.set(key, "none").unwrap();
        } else {
            config.set(key, value).unwrap();
        }
        named.push(key.to_owned());
    }
    assert_eq!(
        format!("{config:?}"),
        format!("{:?}", Config::default()),
        "setting every default changes nothing"
    );
    let mut known = Config::keys();
    named.sort();
    known.sort();
    assert_eq!(named, known);
}

#[test]
fn the_defaults_are_allowed() {
    Config::default().validate().unwrap();
    let mut config = Config::new("a:1, b:2");
    assert_eq!(config.brokers, ["a:1", "b:2"]);
    config.consumer.group_id = Some("g".to_owned());
    config.validate().unwrap();
}

#[test]
fn every_key_is_set_in_either_spelling_and_from_the_environment() {
    let values = |key: &str| match key {
        "brokers" => "x:1",
        "security_protocol" => "SASL_SSL",
        key if key.ends_with("_timeout")
            || key.ends_with("_interval")
            || key.ends_with("_backoff") =>
        {
            "8s"
        }
        "connection.keep_alive"
        | "pool.connection_max_lifetime"
        | "pool.connection_max_idle_time"
        | "consumer.fetch_max_wait" => "8s",
        "producer.compression" => "zstd",
        "producer.required_acks" => "0",
        "consumer.auto_offset_reset" => "earliest",
        "consumer.isolation_level" => "read_committed",
        "monitoring.log_level" => "trace",
        "ssl.enabled" | "ssl.insecure_skip_verify" | "monitoring.enable_tracing" => "true",
        "producer.enable_idempotence"
        | "consumer.enable_auto_commit"
        | "monitoring.enable_metrics" => "false",
        "performance.optimize_for_small_messages" => "false",
        _ => "7",
    };
    let defaults = format!("{:?}", Config::default());
    for key in Config::keys() {
        let mut snake = Config::default();
        snake.set(&key, values(&key)).unwrap();
        assert_ne!(format!("{snake:?}"), defaults, "{key} has an effect");
        let mut words = key.split('_');
        let mut camel_key = words.next().unwrap().to_owned();
        for word in words {
            let (first, rest) = word.split_at(1);
            camel_key.push_str(&(first.to_uppercase() + rest));
        }
        let mut camel = Config::default();
        camel.set(&camel_key, values(&key)).unwrap();
        assert_eq!(format!("{camel:?}"), format!("{snake:?}"), "{camel_key}");
        let variable = format!("KAVKA_{}", key.replace('.', "_").to_uppercase());
        let from_env =
            Config::from_variables([(variable.clone(), values(&key).to_owned())]).unwrap();
        assert_eq!(format!("{from_env:?}"), format!("{snake:?}"), "{variable}");
    }
}

#[test]
fn what_is_set_for_a_consumer_reaches_the_consumer_under_it() {
    // The first two say when this layer itself commits.
    let ours = ["consumer.enable_auto_commit", "consumer.auto_commit_interval"];
    let mut config = Config::default();
    config.consumer.group_id = Some("g".to_owned());
    let usual = format!("{:?}", config.core_consumer().unwrap());
    for key in Config::keys()
        .into_iter()
        .filter(|key| key.starts_with("consumer.") && !ours.contains(&key.as_str()))
    {
        let value = match key.as_str() {
            "consumer.auto_offset_reset" => "earliest",
            "consumer.isolation_level" => "read_committed",
            key if key.ends_with("_timeout")
                || key.ends_with("_interval")
                || key.ends_with("_wait") =>
            {
                "7s"
            }
            _ => "777777",
        };
        let mut config = config.clone();
        config.set(&key, value).unwrap();
        assert_ne!(format!("{:?}", config.core_consumer().unwrap()), usual, "{key}");
    }
}

#[test]
fn an_unknown_key_is_refused_by_name_with_the_nearest() {
    let error = refusal(&[("producer.lingerms", "5")]);
    assert_eq!(
        error,
        "INVALID_CONFIG: producer.lingerms is no key; the nearest is producer.linger_ms"
    );
    assert!(refusal(&[("prodcer.linger_ms", "5")]).contains("prodcer.linger_ms"));
}

#[test]
fn a_mistake_in_the_environment_is_told_in_its_words_and_once() {
    let set = |name: &str, text: &str| Config::from_variables([(name.to_owned(), text.to_owned())]);
    let error = set("KAVKA_PRODUCER_LINGER_MS", "soon").unwrap_err().to_string();
    assert_eq!(
        error,
        "INVALID_CONFIG: KAVKA_PRODUCER_LINGER_MS is \"soon\": a whole number from 0 is allowed"
    );
    let error = set("KAVKA_CONSUMER_SESSION_TIMEOUT", "10").unwrap_err().to_string();
    assert!(
        error.starts_with("INVALID_CONFIG: KAVKA_CONSUMER_SESSION_TIMEOUT is")
            && error.matches("INVALID").count() == 1,
        "{error}"
    );
    let logs = crate::observability::captured_logs::CapturedLogs::warnings();
    let config = set("KAVKA_PRODUCER_LINGERMS", "5").unwrap();
    assert_eq!(config.producer.linger_ms, None);
    let told = logs.text();
    assert!(
        told.contains("KAVKA_PRODUCER_LINGERMS") && told.contains("KAVKA_PRODUCER_LINGER_MS"),
        "{told}"
    );
    logs.clear();
    set("KAVKA_BROKERS", "").unwrap();
    assert_eq!(logs.text(), "");
}

#[test]
fn what_the_client_refuses_is_told_by_the_keys_of_this_layer() {
    let error = refusal(&[("consumer.group_id", "g"), ("consumer.heartbeat_interval", "11s")]);
    assert!(error.contains("consumer.heartbeat_interval (heartbeat.interval.ms)"), "{error}");
    assert!(error.contains("consumer.session_timeout (session.timeout.ms)"), "{error}");
}

#[test]
fn how_long_a_send_may_take_is_a_setting_of_its_own() {
    let mut config = Config::default();
    config.set("producer.delivery_timeout", "5s").unwrap();
    config.validate().expect("the requests of shorter-lived messages are shorter");
    assert_eq!(config.client().unwrap().request_timeout, Duration::from_millis(4_995));
    config.set("producer.linger_ms", "1000").unwrap();
    config.validate().unwrap();
    assert_eq!(config.client().unwrap().request_timeout, Duration::from_secs(4));
    config.set("producer.delivery_timeout", "200s").unwrap();
    assert_eq!(config.client().unwrap().request_timeout, Duration::from_secs(30));
    assert!(
        refusal(&[("producer.delivery_timeout", "0")]).contains("producer.delivery_timeout"),
        "0 is not allowed"
    );
}

#[test]
fn skipping_verification_leaves_out_the_name_and_nothing_else() {
    let checks = |pairs: &[(&str, &str)]| {
        let mut config = Config::default();
        for (key, value) in pairs {
            config.set(key, value).unwrap();
        }
        let mut properties = crate::config::Properties::new();
        config.secure(&mut properties).unwrap();
        properties.get("ssl.endpoint.identification.algorithm").map(str::to_owned)
    };
    assert_eq!(checks(&[("ssl.enabled", "true")]), None, "https, as the client has it");
    assert_eq!(
        checks(&[("ssl.enabled", "true"), ("ssl.insecure_skip_verify", "true")]).as_deref(),
        Some("")
    );
    assert_eq!(
        checks(&[("ssl.insecure_skip_verify", "true")]),
        None,
        "without TLS there is nothing to leave out"
    );
}

#[test]
fn an_impossible_value_is_refused_by_key() {
    for (key, value) in [
        ("producer.linger_ms", "-1"),
        ("producer.compression", "brotli"),
        ("producer.required_acks", "2"),
        ("consumer.auto_offset_reset", "middle"),
        ("connection.dial_timeout", "10"),
        ("security_protocol", "TLS"),
        ("monitoring.log_level", "loud"),
        ("ssl.enabled", "maybe"),
        ("pool.max_connections", "3"),
        ("pool.max_idle_connections", "11"),
        ("pool.min_idle_connections", "6"),
        ("pool.health_check_interval", "0"),
        ("performance.target_latency_micros", "0"),
        ("performance.target_throughput_per_sec", "0"),
        ("monitoring.metrics_interval", "0s"),
    ] {
        let error = refusal(&[(key, value)]);
        assert!(
            error.starts_with("INVALID_CONFIG: ")
                && error.contains(key)
                && error.contains("allowed"),
            "{error}"
        );
    }
    assert!(refusal(&[("brokers", "")]).starts_with("MISSING_CONFIG: brokers"));
    assert!(refusal(&[("brokers", "localhost")]).contains("no port"));
    let heartbeat = refusal(&[("consumer.group_id", "g"), ("consumer.heartbeat_interval", "10s")]);
    assert!(heartbeat.contains("heartbeat.interval.ms"), "{heartbeat}");
}

#[test]
fn the_seeds_pair_of_acks_1_and_idempotence_is_refused_and_says_why() {
    for acks in ["1", "0"] {
        let error = refusal(&[("producer.required_acks", acks)]);
        assert!(
            error.contains("producer.required_acks")
                && error.contains("producer.enable_idempotence"),
            "{error}"
        );
        let mut config = Config::default();
        config.set("producer.required_acks", acks).unwrap();
        config.set("producer.enable_idempotence", "false").unwrap();
        config.validate().unwrap();
    }
}

#[test]
fn an_explicit_linger_turns_adaptive_batching_off() {
    let mut config = Config::default();
    assert!(config.core_producer().unwrap().adaptive_batching.is_some());
    config.producer.linger_ms = Some(5);
    let producer = config.core_producer().unwrap();
    assert_eq!((producer.adaptive_batching, producer.linger), (None, Duration::from_millis(5)));
}

#[test]
fn a_login_needs_a_protocol_that_has_one_and_the_other_way_round() {
    assert!(
        refusal(&[("security_protocol", "SASL_PLAINTEXT")])
            .starts_with("MISSING_CONFIG: sasl.mechanism")
    );
    assert!(refusal(&[("sasl.mechanism", "PLAIN")]).starts_with("INVALID_CONFIG: sasl.mechanism"));
}

#[test]
fn a_password_is_in_no_message() {
    let mut config = Config::default();
    config.set("sasl.password", "hunter2").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn the_log_level_is_a_filter() {
    assert_eq!(Config::default().log_filter(), "kavka=info");
}

#[cfg(feature = "serde")]
mod formats {
    use super::*;

    const EXPECTED: &str = "my-chat-app";

    fn check(config: &Config) {
        assert_eq!(config.brokers, ["a:1", "b:2"]);
        assert_eq!(config.client_id, EXPECTED);
        assert_eq!(config.producer.linger_ms, Some(5));
        assert_eq!(config.producer.compression, Compression::ZSTD);
        assert!(!config.producer.enable_idempotence);
        assert_eq!(config.consumer.group_id.as_deref(), Some("g"));
        assert_eq!(config.consumer.auto_commit_interval, Duration::from_secs(2));
        assert_eq!(config.producer.batch_size, 16_384, "merged over the defaults");
    }

    #[test]
    fn json_in_the_seeds_spelling() {
        let text = r#"{"brokers": ["a:1", "b:2"], "clientID": "my-chat-app",
            "producerConfig": {"lingerMs": 5, "compression": "zstd", "enableIdempotence": false},
            "consumerConfig": {"groupId": "g", "autoCommitInterval": "2s", "isolationLevel": null}}"#;
        check(&serde_json::from_str(text).unwrap());
    }

    #[test]
    fn toml_in_snake_case() {
        let text = "brokers = 'a:1,b:2'\nclient_id = 'my-chat-app'\n[producer]\nlinger_ms = 5\ncompression = 'zstd'\n\
                    enable_idempotence = false\n[consumer]\ngroup_id = 'g'\nauto_commit_interval = '2s'\n";
        check(&toml::from_str(text).unwrap());
    }

    #[test]
    fn yaml_in_a_mixture() {
        let text = "brokers: [\"a:1\", \"b:2\"]\nclientId: my-chat-app\nproducer:\n  linger_ms: 5\n  compression: zstd\n  \
                    enableIdempotence: false\nconsumer:\n  groupId: g\n  autoCommitInterval: 2s\n";
        check(&serde_yaml_ng::from_str(text).unwrap());
    }

    #[test]
    fn mistakes_name_the_key() {
        for (text, key) in [
            (r#"{"producer": {"lingerms": 5}}"#, "producer.lingerms"),
            (r#"{"colour": "red"}"#, "colour"),
            (r#"{"producer": {"batchSize": "big"}}"#, "producer.batchSize"),
            (r#"{"consumer": {"sessionTimeout": 10}}"#, "consumer.sessionTimeout"),
            (r#"{"producer": {"lingerMs": 5, "linger_ms": 6}}"#, "producer.linger_ms"),
            (r#"{"producer": {"compression": {"codec": "lz4"}}}"#, "producer.compression"),
            (r#"{"brokers": [["a:1"]]}"#, "brokers"),
        ] {
            let error = serde_json::from_str::<Config>(text).unwrap_err().to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
        assert!(serde_json::from_str::<Config>("[]").is_err());
    }
}

#[tokio::test]
async fn what_changes_nothing_is_said_by_name() {
    let heard = |config: &Config| {
        let warnings = crate::observability::captured_logs::CapturedLogs::warnings();
        config.new_client().map(drop).expect("allowed");
        warnings.text()
    };
    let mut config = Config::new("localhost:9092");
    assert_eq!(heard(&config), "");
    config.set("connection.keepAlive", "8s").expect("allowed");
    let said = heard(&config);
    assert!(said.contains("connection.keep_alive") && !said.contains("write_timeout"), "{said}");
}
