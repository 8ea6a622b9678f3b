use super::*;
use crate::ids::PartitionId;
use crate::producer::TopicPartitions;
use crate::record::Record;

fn from(pairs: &[(&str, &str)]) -> std::result::Result<ProducerConfig, String> {
    ProducerConfig::from_properties(&pairs.iter().copied().collect())
        .map_err(|error| error.to_string())
}

#[test]
fn the_defaults_are_allowed_and_idempotent() {
    let config = ProducerConfig::new();
    config.validate(&ClientConfig::new("a:1")).expect("the defaults");
    assert!(config.is_idempotent());
}

#[test]
fn idempotence_yields_to_acks_and_retries_only_when_it_is_not_asked_for() {
    for pair in [("acks", "1"), ("acks", "0"), ("retries", "0")] {
        assert!(!from(&[pair]).expect("allowed").is_idempotent());
        let error = from(&[pair, ("enable.idempotence", "true")]).expect_err("a contradiction");
        assert!(error.contains("enable.idempotence") && error.contains(pair.0), "{error}");
    }
}

#[test]
fn more_than_five_in_flight_need_idempotence_off() {
    let six = ("max.in.flight.requests.per.connection", "6");
    let error = from(&[six]).expect_err("as Java since 4.0");
    assert!(error.contains(six.0), "{error}");
    from(&[six, ("enable.idempotence", "false")]).expect("allowed");
}

#[test]
fn an_explicit_delivery_timeout_must_hold_linger_and_request_timeout() {
    let client = ClientConfig::new("a:1").request_timeout(Duration::from_secs(30));
    let linger = ProducerConfig::new().linger(Duration::from_secs(10));
    linger
        .clone()
        .delivery_timeout(Duration::from_secs(40))
        .validate(&client)
        .expect("just enough");
    let short = linger.clone().delivery_timeout(Duration::from_millis(39_999));
    let error = short.validate(&client).expect_err("too short").to_string();
    assert_eq!(
        error,
        "delivery.timeout.ms is 39999: at least linger.ms plus request.timeout.ms, which is \
         40000, is allowed"
    );
    assert_eq!(linger.effective_delivery_timeout(client.request_timeout), Duration::from_secs(120));
    assert_eq!(
        linger.effective_delivery_timeout(Duration::from_secs(115)),
        Duration::from_secs(125)
    );
}

#[test]
fn a_level_belongs_to_its_codec() {
    let config = from(&[
        ("compression.type", "zstd"),
        ("compression.zstd.level", "19"),
        ("compression.gzip.level", "2"),
    ]);
    assert_eq!(config.expect("allowed").compression, Compression::ZSTD.level(19).expect("a level"));
    let config = from(&[("compression.codec", "gzip"), ("compression.level", "9")]);
    assert_eq!(config.expect("allowed").compression, Compression::GZIP.level(9).expect("a level"));
    for (key, value) in [
        ("compression.gzip.level", "0"),
        ("compression.lz4.level", "18"),
        ("compression.zstd.level", "23"),
    ] {
        assert!(from(&[(key, value)]).expect_err("no such level").contains(key));
    }
}

#[test]
fn a_value_out_of_range_is_refused_by_name() {
    for (name, value) in [
        ("acks", "2"),
        ("acks", "ALL"),
        ("linger.ms", "2147483648"),
        ("delivery.timeout.ms", "0"),
        ("batch.size", "-1"),
        ("batch.size", "2147483648"),
        ("buffer.memory", "100"),
        ("max.request.size", "0"),
        ("max.in.flight.requests.per.connection", "0"),
        ("retries", "2147483648"),
        ("compression.type", "brotli"),
        ("transaction.timeout.ms", "0"),
        ("transactional.id", ""),
        ("partitioner.class", "org.example.P"),
        ("partitioner.rack.aware", "yes"),
    ] {
        let error = from(&[(name, value)]).expect_err(name);
        assert!(error.contains(name) && error.contains("allowed"), "{error}");
    }
}

#[test]
fn a_contradiction_is_told_in_the_words_of_the_user() {
    let properties: Properties = [
        ("bootstrap.servers", "a:1"),
        ("delivery.timeout.ms", "100"),
        ("socket.timeout.ms", "2000"),
        ("queue.buffering.max.ms", "7"),
    ]
    .into_iter()
    .collect();
    let client = ClientConfig::from_properties(&properties).expect("allowed");
    let config = ProducerConfig::from_properties(&properties).expect("allowed alone");
    assert_eq!(
        config.validate(&client).expect_err("too short").to_string(),
        "delivery.timeout.ms is 100: at least queue.buffering.max.ms plus socket.timeout.ms, \
         which is 2007, is allowed"
    );
}

#[test]
fn every_property_is_read() {
    crate::config::assert_every_setting_is_read(HandleKind::Producer, |properties| {
        ProducerConfig::from_properties(properties).map(drop)
    });
}

#[test]
fn librdkafkas_values_mean_what_they_mean_there() {
    let read = |pairs: &[(&str, &str)]| {
        ProducerConfig::from_properties(&pairs.iter().copied().collect()).expect("allowed")
    };
    assert_eq!(read(&[("queue.buffering.max.ms", "0.5")]).linger, Duration::from_micros(500));
    let longest = read(&[("message.timeout.ms", "0")]);
    assert_eq!(longest.delivery_timeout, Some(Duration::from_millis(2_147_483_647)));
    // Shorter than a request may take: then that is given up with its records.
    let client = ClientConfig::new("a:1");
    let short = read(&[("message.timeout.ms", "5000"), ("linger.ms", "1000")]);
    short.validate(&client).expect("allowed");
    assert_eq!(short.request_timeout(&client), Duration::from_secs(4));
    assert_eq!(longest.request_timeout(&client), client.request_timeout);
    let java = read(&[("delivery.timeout.ms", "5000")]);
    assert!(java.validate(&client).is_err());
}

#[test]
fn a_partitioner_is_named_as_in_librdkafka_or_java() {
    let read = |name, value| {
        ProducerConfig::from_properties(&[(name, value)].into_iter().collect::<Properties>())
    };
    assert!(read("partitioner", "murmur2_random").expect("the default").partitioner.is_none());
    let config = read("partitioner", "consistent_random").expect("allowed");
    let topic = TopicPartitions::new([true; 7]);
    let record = Record::to("t").key("hejsan");
    let placed = config.partitioner.expect("one").partition(&record, &topic);
    assert_eq!(placed, Some(PartitionId(i32::try_from(0xd077_037e_u32 % 7).expect("small"))));
    let java = read("partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner");
    assert!(java.expect("allowed").partitioner.is_some());
    let error = read("partitioner", "org.example.P").expect_err("nobody's").to_string();
    assert!(error.contains("ProducerConfig::partitioner"), "{error}");
}
