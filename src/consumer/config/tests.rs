use super::*;

fn from(pairs: &[(&str, &str)]) -> std::result::Result<ConsumerConfig, String> {
    ConsumerConfig::from_properties(&pairs.iter().copied().collect())
        .map_err(|error| error.to_string())
}

#[test]
fn the_defaults_are_allowed() {
    ConsumerConfig::new().validate(&ClientConfig::new("a:1")).expect("the defaults");
}

#[test]
fn strategies_are_known_by_kafkas_names_and_javas_classes() {
    let config = from(&[(
        "partition.assignment.strategy",
        "org.apache.kafka.clients.consumer.CooperativeStickyAssignor, roundrobin,sticky,range",
    )]);
    use AssignmentStrategy::{CooperativeSticky, Range, RoundRobin, Sticky};
    assert_eq!(
        config.expect("allowed").partition_assignment_strategy,
        [CooperativeSticky, RoundRobin, Sticky, Range]
    );
    for wrong in ["", "range,range", "uniform", "org.example.RangeAssignor", "RangeAssignor"] {
        let error = from(&[("partition.assignment.strategy", wrong)]).expect_err(wrong);
        assert!(error.contains("partition.assignment.strategy"), "{error}");
    }
}

#[test]
fn resets_are_known_by_javas_and_librdkafkas_words() {
    for (word, reset) in [
        ("earliest", AutoOffsetReset::Earliest),
        ("smallest", AutoOffsetReset::Earliest),
        ("Latest", AutoOffsetReset::Latest),
        ("none", AutoOffsetReset::None),
        ("by_duration:P1DT1H", AutoOffsetReset::ByDuration(Duration::from_secs(90_000))),
    ] {
        assert_eq!(from(&[("auto.offset.reset", word)]).expect(word).auto_offset_reset, reset);
    }
    for wrong in ["", "first", "by_duration:", "by_duration:-PT1S", "by_duration:1h"] {
        assert!(
            from(&[("auto.offset.reset", wrong)]).expect_err(wrong).contains("auto.offset.reset")
        );
    }
}

#[test]
fn each_group_protocol_refuses_what_only_the_other_has() {
    use GroupProtocol::{Auto, Classic, Consumer};
    for (word, protocol) in [("classic", Classic), ("CONSUMER", Consumer), ("auto", Auto)] {
        assert_eq!(from(&[("group.protocol", word)]).expect(word).group_protocol, protocol);
    }
    assert_eq!(from(&[]).expect("allowed").group_protocol, Classic);
    let assignor = ("group.remote.assignor", "range");
    for (allowed, protocol) in [(true, "consumer"), (true, "auto"), (false, "classic")] {
        let read = from(&[("group.protocol", protocol), assignor]);
        assert_eq!(read.is_ok(), allowed, "{read:?}");
    }
    for (name, value) in [
        ("session.timeout.ms", "10000"),
        ("heartbeat.interval.ms", "1000"),
        ("partition.assignment.strategy", "sticky"),
    ] {
        let error = from(&[("group.protocol", "consumer"), (name, value)]).expect_err(name);
        assert!(error.starts_with(name) && error.contains("group.protocol=consumer"), "{error}");
        from(&[("group.protocol", "auto"), (name, value)]).expect("may be needed");
    }
}

#[test]
fn automatic_commits_need_a_group_only_when_they_are_asked_for() {
    assert!(!from(&[]).expect("allowed").commits_automatically());
    assert!(from(&[("group.id", "g")]).expect("allowed").commits_automatically());
    assert!(from(&[("enable.auto.commit", "true")]).expect_err("no group").contains("group.id"));
}

#[test]
fn a_heartbeat_must_fit_into_a_session() {
    let error = from(&[("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "6000")])
        .expect_err("too slow");
    assert_eq!(
        error,
        "heartbeat.interval.ms is 6000: less than session.timeout.ms, which is 6000, is allowed"
    );
}

#[test]
fn a_fetch_must_fit_into_a_response_and_its_wait_into_a_request() {
    let client = ClientConfig::new("a:1")
        .receive_message_max_bytes(1_000_000)
        .request_timeout(Duration::from_secs(1));
    let fits = ConsumerConfig::new().fetch_max_bytes(999_488);
    fits.validate(&client).expect("just fits");
    for (config, key) in [
        (fits.clone().fetch_max_bytes(999_489), "receive.message.max.bytes"),
        (fits.fetch_max_wait(Duration::from_secs(1)), "request.timeout.ms"),
    ] {
        let error = config.validate(&client).expect_err("too large").to_string();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn a_value_out_of_range_is_refused_by_name() {
    for (name, value) in [
        ("group.id", ""),
        ("group.instance.id", ""),
        ("group.instance.id", "a b"),
        ("group.instance.id", ".."),
        ("session.timeout.ms", "2147483648"),
        ("heartbeat.interval.ms", "0"),
        ("max.poll.interval.ms", "0"),
        ("max.poll.records", "0"),
        ("fetch.min.bytes", "-1"),
        ("fetch.min.bytes", "52428801"),
        ("fetch.max.bytes", "2147483648"),
        ("auto.commit.interval.ms", "0"),
        ("isolation.level", "READ"),
        ("check.crcs", "1"),
        ("group.protocol", "streams"),
        ("group.remote.assignor", "uniform"),
        ("enable.partition.eof", "yes"),
    ] {
        let error = from(&[(name, value)]).expect_err(name);
        assert!(error.contains(name) && error.contains("allowed"), "{error}");
    }
}

#[test]
fn every_property_is_read() {
    crate::config::assert_every_setting_is_read(HandleKind::Consumer, |properties| {
        ConsumerConfig::from_properties(properties).map(drop)
    });
}
