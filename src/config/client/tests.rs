use super::*;

fn from(pairs: &[(&str, &str)]) -> std::result::Result<ClientConfig, String> {
    let mut properties: Properties =
        [("bootstrap.servers", "localhost:9092")].into_iter().collect();
    properties.extend(pairs.iter().copied());
    ClientConfig::from_properties(&properties).map_err(|error| error.to_string())
}

fn refusal(config: ClientConfig) -> String {
    config.validate().expect_err("not allowed").to_string()
}

#[test]
fn the_defaults_are_allowed() {
    ClientConfig::new("localhost:9092").validate().expect("the defaults");
}

#[test]
fn no_bootstrap_server_is_refused() {
    assert!(refusal(ClientConfig::default()).starts_with("bootstrap.servers is empty"));
    assert!(refusal(ClientConfig::new("localhost")).contains("no port"));
}

#[cfg(feature = "admin")]
#[test]
fn either_servers_or_controllers_are_named() {
    let controllers = |list: &str| ClientConfig::default().bootstrap_controllers(list);
    assert_eq!(controllers("a:1,b:2").addresses().expect("a list").len(), 2);
    assert!(refusal(controllers("a:1").bootstrap_servers("b:2")).contains("both set"));
    assert!(refusal(controllers("a")).starts_with("bootstrap.controllers has \"a\""));
    let read = from(&[("bootstrap.controllers", "a:1")]).expect("allowed");
    assert!(read.bootstrap_servers("").asks_controllers());
}

#[test]
fn properties_set_what_setters_set() {
    let properties = from(&[
        ("client.id", "a"),
        ("client.rack", "r"),
        ("request.timeout.ms", "1"),
        ("retry.backoff.ms", "3000"),
        ("connections.max.idle.ms", "-1"),
        ("send.buffer.bytes", "-1"),
        ("receive.buffer.bytes", "4096"),
        ("metadata.recovery.strategy", "NONE"),
        ("socket.connection.setup.timeout.max.ms", "20000"),
    ])
    .expect("allowed");
    let setters = ClientConfig::new("localhost:9092")
        .client_id("a")
        .client_rack("r")
        .request_timeout(Duration::from_millis(1))
        .retry_backoff(Duration::from_secs(3))
        .connections_max_idle(None)
        .send_buffer_bytes(None)
        .receive_buffer_bytes(4096)
        .metadata_recovery_strategy(MetadataRecoveryStrategy::None)
        .socket_connection_setup_timeout_max(Duration::from_secs(20));
    assert_eq!(format!("{properties:?}"), format!("{setters:?}"));
}

#[test]
fn a_first_pause_above_an_explicit_longest_is_refused() {
    for name in ["retry.backoff", "reconnect.backoff", "socket.connection.setup.timeout"] {
        let (first, longest) = (format!("{name}.ms"), format!("{name}.max.ms"));
        from(&[(&first, "50000")]).expect("the default of the longest yields");
        let error = from(&[(&first, "50000"), (&longest, "40000")]).expect_err("a contradiction");
        assert!(error.contains(&first) && error.contains(&longest), "{error}");
    }
}

#[test]
fn a_value_out_of_range_is_refused_by_name() {
    for (name, value) in [
        ("request.timeout.ms", "0"),
        ("request.timeout.ms", "2147483648"),
        ("default.api.timeout.ms", "0"),
        ("metadata.max.age.ms", "0"),
        ("metadata.max.idle.ms", "4999"),
        ("receive.message.max.bytes", "999"),
        ("receive.message.max.bytes", "2147483648"),
        ("socket.connection.setup.timeout.ms", "0"),
    ] {
        let error = from(&[(name, value)]).expect_err(name);
        assert!(error.contains(name) && error.contains("allowed"), "{error}");
    }
    assert!(refusal(ClientConfig::new("a:1").client_id("x".repeat(40_000))).contains("client.id"));
}

#[test]
fn the_longest_duration_of_any_setter_can_be_added_to_a_clock() {
    let most = Duration::MAX;
    let config = ClientConfig::new("a:1")
        .retry_backoff(most)
        .retry_backoff_max(most)
        .reconnect_backoff(most)
        .reconnect_backoff_max(most)
        .socket_connection_setup_timeout(most)
        .socket_connection_setup_timeout_max(most)
        .connections_max_idle(most)
        .connections_max_lifetime(most)
        .metadata_max_age(most)
        .metadata_max_idle(most)
        .metadata_recovery_rebootstrap_trigger(most);
    config.validate().expect("longer than anybody waits");
    // Whatever is made of it: it doubles, and a fifth is added.
    for duration in [
        config.retry_backoff_max,
        config.reconnect_backoff_max,
        config.socket_connection_setup_timeout_max,
    ] {
        assert!(std::time::Instant::now().checked_add(duration.mul_f64(2.4)).is_some());
    }
    for refused in [
        ClientConfig::new("a:1").request_timeout(most),
        ClientConfig::new("a:1").default_api_timeout(most),
    ] {
        assert!(refusal(refused).contains("is allowed"));
    }
}

#[test]
fn every_property_is_read() {
    crate::config::keys::assert_every_setting_is_read(HandleKind::Client, |properties| {
        ClientConfig::from_properties(properties).map(drop)
    });
}

#[test]
fn metadata_is_never_refreshed_for_its_age_if_librdkafkas_name_says_so() {
    let config = |value| {
        let properties = Properties::from_iter([
            ("bootstrap.servers", "a:1"),
            ("topic.metadata.refresh.interval.ms", value),
        ]);
        ClientConfig::from_properties(&properties)
    };
    let never = config("-1").expect("allowed");
    never.validate().expect("allowed");
    assert!(never.metadata_max_age > Duration::from_secs(10 * 365 * 86_400));
    assert_eq!(config("1000").expect("allowed").metadata_max_age, Duration::from_secs(1));
    assert!(config("-2").is_err());
}

#[test]
fn what_is_the_applications_own_is_handed_back_and_does_not_fail_the_client() {
    let properties = Properties::from_iter([
        ("bootstrap.servers", "a:1"),
        ("schema.registry.url", "http://registry:8081"),
        ("basic.auth.credentials.source", "USER_INFO"),
        ("config.providers", "file"),
        (
            "config.providers.file.class",
            "org.apache.kafka.common.config.provider.FileConfigProvider",
        ),
        ("client.id", "c"),
    ]);
    ClientConfig::from_properties(&properties).expect("allowed");
    let unused: Vec<_> = properties.unused().map(|(name, _)| name).collect();
    assert_eq!(unused, ["schema.registry.url", "basic.auth.credentials.source"]);
}
