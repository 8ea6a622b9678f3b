//! The one table of Kafka's property names: those of Java's clients (4.4) and, as aliases, those of
//! librdkafka.

/// A kind of handle that has settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandleKind {
    Client,
    Producer,
    Consumer,
    Share,
}

/// The kinds of handle that a property speaks to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandleKinds(u8);

/// What a property is to this library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is read.
    Setting,
    /// Another name of a property, whose values are `scale` times as large.
    Alias { of: &'static str, scale: i64 },
    /// It asks for something that only another client library has: ignored, and said.
    Foreign,
    /// It tunes another library's way of doing what is done here, too: ignored.
    Inert,
    /// Only this value is possible, for this reason.
    Only(&'static str, &'static str),
    /// It is not possible, for this reason.
    Refused(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kinds: HandleKinds,
    pub(crate) role: Role,
    /// Its value may be a secret, or hold one: no message shows it, and it is read as a
    /// [`Secret`](super::Secret) or not at all.
    pub(crate) is_secret: bool,
    /// Blanks at the ends of its value belong to it, as in librdkafka, whose name it is; Java cuts
    /// them off those of its own.
    pub(crate) is_exact: bool,
}

impl Key {
    const fn new(name: &'static str, kinds: HandleKinds, role: Role) -> Self {
        Self { name, kinds, role, is_secret: false, is_exact: false }
    }

    const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    const fn exact(self) -> Self {
        Self { is_exact: true, ..self }
    }
}

impl HandleKinds {
    pub(crate) fn contains(self, kind: HandleKind) -> bool {
        self.0
            & match kind {
                HandleKind::Client => C.0,
                HandleKind::Producer => P.0,
                HandleKind::Consumer => N.0,
                HandleKind::Share => S.0,
            }
            != 0
    }
}

/// The entry of a name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Whether a name is another one of a property, in the same unit.
pub(crate) fn is_alias(name: &str, of: &str) -> bool {
    find(name)
        .is_some_and(|key| matches!(key.role, Role::Alias { of: other, scale: 1 } if other == of))
}

/// The known name that takes the fewest edits to reach, of equals the first; `None` if it takes so
/// many that nobody meant it.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    if name.len() > LONGEST {
        return None;
    }
    let name = name.to_lowercase().replace('_', ".");
    let (edits, key) = KEYS
        .iter()
        .map(|key| (edit_distance(&name, key.name), key))
        .min_by_key(|(edits, _)| *edits)?;
    (edits <= (name.len() / 4).max(2)).then_some(key.name)
}

/// Whether a name may be shown: what is written in the place of a name can be a line of a private
/// key that has lost the backslashes at the ends of its lines.
pub(crate) fn is_showable(name: &str) -> bool {
    let is_letter =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let is_name = name.len() <= LONGEST && name.contains('.') && name.chars().all(is_letter);
    is_name || find(name).is_some() || nearest(name).is_some()
}

/// Kafka's longest name has 52 letters.
const LONGEST: usize = 80;

/// Levenshtein's distance: insertions, removals and replacements of one character.
pub(crate) fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (b, cell) in to.iter().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            left = (diagonal + usize::from(a != *b)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

const C: HandleKinds = HandleKinds(1);
const P: HandleKinds = HandleKinds(2);
const N: HandleKinds = HandleKinds(4);
const S: HandleKinds = HandleKinds(8);
const NS: HandleKinds = HandleKinds(12);
const CNS: HandleKinds = HandleKinds(13);
const PNS: HandleKinds = HandleKinds(14);

const fn setting(name: &'static str, kinds: HandleKinds) -> Key {
    Key::new(name, kinds, Role::Setting)
}

const fn alias(name: &'static str, kinds: HandleKinds, of: &'static str) -> Key {
    scaled(name, kinds, of, 1)
}

const fn scaled(name: &'static str, kinds: HandleKinds, of: &'static str, scale: i64) -> Key {
    Key::new(name, kinds, Role::Alias { of, scale })
}

const fn foreign(name: &'static str, kinds: HandleKinds) -> Key {
    Key::new(name, kinds, Role::Foreign)
}

const fn inert(name: &'static str, kinds: HandleKinds) -> Key {
    Key::new(name, kinds, Role::Inert)
}

const fn only(
    name: &'static str,
    kinds: HandleKinds,
    value: &'static str,
    why: &'static str,
) -> Key {
    Key::new(name, kinds, Role::Only(value, why))
}

const fn refused(name: &'static str, kinds: HandleKinds, why: &'static str) -> Key {
    Key::new(name, kinds, Role::Refused(why))
}

#[rustfmt::skip]
const KEYS: &[Key] = &[
    // All clients.
    setting("bootstrap.servers", C),
    alias("metadata.broker.list", C, "bootstrap.servers"),
    only("client.dns.lookup", C, "use_all_dns_ips", "the canonical name is needed by Kerberos only, which is not supported"),
    setting("client.id", C),
    setting("client.rack", CNS),
    setting("config.providers", C),
    setting("connections.max.idle.ms", C),
    setting("default.api.timeout.ms", C),
    setting("enable.metrics.push", C),
    setting("metadata.max.age.ms", C),
    alias("topic.metadata.refresh.interval.ms", C, "metadata.max.age.ms"),
    setting("metadata.max.idle.ms", C),
    setting("metadata.recovery.rebootstrap.trigger.ms", C),
    setting("metadata.recovery.strategy", C),
    setting("receive.buffer.bytes", C),
    alias("socket.receive.buffer.bytes", C, "receive.buffer.bytes"),
    setting("receive.message.max.bytes", C),
    setting("reconnect.backoff.max.ms", C),
    setting("reconnect.backoff.ms", C),
    setting("request.timeout.ms", C),
    alias("socket.timeout.ms", C, "request.timeout.ms"),
    setting("retry.backoff.max.ms", C),
    setting("retry.backoff.ms", C),
    setting("send.buffer.bytes", C),
    alias("socket.send.buffer.bytes", C, "send.buffer.bytes"),
    setting("socket.connection.setup.timeout.max.ms", C),
    setting("socket.connection.setup.timeout.ms", C),
    setting("security.protocol", C),
    foreign("bootstrap.resolve.timeout.ms", C),
    foreign("metadata.cluster.check.enable", C),
    foreign("bootstrap.controllers", C),

    // Producers.
    setting("acks", P),
    alias("request.required.acks", P, "acks"),
    setting("batch.size", P),
    setting("buffer.memory", P),
    scaled("queue.buffering.max.kbytes", P, "buffer.memory", 1024),
    setting("compression.gzip.level", P),
    setting("compression.lz4.level", P),
    setting("compression.zstd.level", P),
    setting("compression.type", P),
    alias("compression.codec", P, "compression.type"),
    setting("compression.level", P),
    setting("delivery.timeout.ms", P),
    alias("message.timeout.ms", P, "delivery.timeout.ms"),
    setting("enable.idempotence", P),
    setting("linger.ms", P),
    alias("queue.buffering.max.ms", P, "linger.ms"),
    setting("max.block.ms", P),
    setting("max.in.flight.requests.per.connection", P),
    alias("max.in.flight", P, "max.in.flight.requests.per.connection"),
    setting("max.request.size", P),
    alias("message.max.bytes", P, "max.request.size"),
    setting("partitioner.adaptive.partitioning.enable", P),
    setting("partitioner.availability.timeout.ms", P),
    setting("partitioner.ignore.keys", P),
    only("partitioner.rack.aware", P, "false", "this version has no rack-aware partitioner yet"),
    refused("partitioner.class", P, "it names a Java class; ProducerConfig::partitioner takes one in Rust"),
    only("partitioner", P, "murmur2_random", "only Java's partitioner is built in; ProducerConfig::partitioner takes another"),
    setting("retries", P),
    alias("message.send.max.retries", P, "retries"),
    setting("transactional.id", P),
    setting("transaction.timeout.ms", P),
    only("transaction.two.phase.commit.enable", P, "false", "this version has no two-phase commit yet (KIP-939)"),
    only("enable.gapless.guarantee", P, "false", "an expired batch is reported and the following ones are sent"),

    // Consumers.
    setting("allow.auto.create.topics", NS),
    setting("auto.commit.interval.ms", N),
    setting("auto.offset.reset", N),
    setting("check.crcs", NS),
    setting("enable.auto.commit", N),
    alias("auto.commit.enable", N, "enable.auto.commit"),
    setting("enable.auto.offset.store", N),
    setting("exclude.internal.topics", N),
    setting("fetch.buffer.bytes", N),
    scaled("queued.max.messages.kbytes", N, "fetch.buffer.bytes", 1024),
    setting("fetch.max.bytes", NS),
    setting("fetch.max.wait.ms", NS),
    alias("fetch.wait.max.ms", NS, "fetch.max.wait.ms"),
    setting("fetch.min.bytes", NS),
    setting("group.id", NS),
    setting("group.instance.id", N),
    setting("group.protocol", N),
    setting("group.remote.assignor", N),
    setting("heartbeat.interval.ms", N),
    setting("isolation.level", N),
    setting("max.decompressed.batch.bytes", NS),
    setting("max.partition.fetch.bytes", N),
    alias("fetch.message.max.bytes", N, "max.partition.fetch.bytes"),
    setting("max.poll.interval.ms", NS),
    setting("max.poll.records", NS),
    setting("partition.assignment.strategy", N),
    setting("session.timeout.ms", N),
    setting("enable.partition.eof", N),
    only("offset.store.method", N, "broker", "offsets are kept by the brokers"),
    setting("share.acknowledgement.mode", S),
    setting("share.acquire.mode", S),

    // Only a JVM has what these name.
    foreign("auto.include.jmx.reporter", C),
    foreign("interceptor.classes", PNS),
    foreign("key.deserializer", NS),
    foreign("key.serializer", P),
    foreign("metric.reporters", C),
    foreign("metrics.num.samples", C),
    foreign("metrics.recording.level", C),
    foreign("metrics.sample.window.ms", C),
    foreign("security.providers", C),
    foreign("value.deserializer", NS),
    foreign("value.serializer", P),
    foreign("buffer.memory.allocation.strategy", P),
    foreign("internal.auto.downgrade.txn.commit", P),
    foreign("internal.leave.group.on.close", N),
    foreign("internal.throw.on.fetch.stable.offset.unsupported", N),

    // Only librdkafka has what these tune.
    foreign("api.version.fallback.ms", C),
    foreign("api.version.request", C),
    foreign("api.version.request.timeout.ms", C),
    foreign("batch.num.messages", P),
    foreign("broker.address.family", C),
    foreign("broker.address.ttl", C),
    foreign("broker.version.fallback", C),
    foreign("builtin.features", C),
    foreign("consume.callback.max.messages", N),
    foreign("coordinator.query.interval.ms", N),
    foreign("debug", C),
    foreign("delivery.report.only.error", P),
    foreign("enable.random.seed", C),
    foreign("enable.sparse.connections", C),
    foreign("enabled_events", C),
    foreign("fetch.error.backoff.ms", N),
    foreign("fetch.queue.backoff.ms", N),
    foreign("group.protocol.type", N),
    foreign("internal.termination.signal", C),
    foreign("log.connection.close", C),
    foreign("log.queue", C),
    foreign("log.thread.name", C),
    foreign("log_level", C),
    foreign("message.copy.max.bytes", P),
    foreign("plugin.library.paths", C),
    foreign("produce.offset.report", P),
    foreign("queue.buffering.backpressure.threshold", P),
    foreign("queue.buffering.max.messages", P),
    foreign("queued.min.messages", N),
    foreign("queuing.strategy", P),
    foreign("reconnect.backoff.jitter.ms", C),
    foreign("socket.blocking.max.ms", C),
    foreign("socket.keepalive.enable", C),
    foreign("socket.max.fails", C),
    foreign("socket.nagle.disable", C),
    foreign("statistics.interval.ms", C),
    foreign("sticky.partitioning.linger.ms", P),
    foreign("test.mock.num.brokers", C),
    foreign("topic.metadata.propagation.max.ms", C),
    foreign("topic.metadata.refresh.fast.cnt", C),
    foreign("topic.metadata.refresh.fast.interval.ms", C),
    foreign("topic.metadata.refresh.sparse", C),
    refused("topic.blacklist", N, "subscribe to a pattern that leaves the topics out"),

    // Security, which has no say while security.protocol is PLAINTEXT. What is ignored tunes a
    // JVM's or OpenSSL's way of doing it.
    inert("enable.sasl.oauthbearer.unsecure.jwt", C),
    only("enable.ssl.certificate.verification", C, "true", "a certificate that nobody vouches for proves nothing"),
    setting("https.ca.location", C),
    setting("https.ca.pem", C).secret(),
    foreign("sasl.client.callback.handler.class", C),
    setting("sasl.jaas.config", C).secret(),
    inert("sasl.kerberos.keytab", C),
    inert("sasl.kerberos.kinit.cmd", C),
    inert("sasl.kerberos.min.time.before.relogin", C),
    inert("sasl.kerberos.principal", C),
    inert("sasl.kerberos.service.name", C),
    inert("sasl.kerberos.ticket.renew.jitter", C),
    inert("sasl.kerberos.ticket.renew.window.factor", C),
    foreign("sasl.login.callback.handler.class", C),
    inert("sasl.login.class", C),
    setting("sasl.login.connect.timeout.ms", C),
    setting("sasl.login.read.timeout.ms", C),
    foreign("sasl.login.refresh.buffer.seconds", C),
    foreign("sasl.login.refresh.min.period.seconds", C),
    foreign("sasl.login.refresh.window.factor", C),
    foreign("sasl.login.refresh.window.jitter", C),
    setting("sasl.login.retry.backoff.max.ms", C),
    setting("sasl.login.retry.backoff.ms", C),
    setting("sasl.mechanism", C),
    alias("sasl.mechanisms", C, "sasl.mechanism"),
    inert("sasl.oauthbearer.allow.unverified.audience", C),
    inert("sasl.oauthbearer.allow.unverified.issuer", C),
    setting("sasl.oauthbearer.assertion.algorithm", C),
    setting("sasl.oauthbearer.assertion.claim.aud", C),
    setting("sasl.oauthbearer.assertion.claim.exp.seconds", C),
    setting("sasl.oauthbearer.assertion.claim.iss", C),
    setting("sasl.oauthbearer.assertion.claim.jti.include", C),
    setting("sasl.oauthbearer.assertion.claim.nbf.seconds", C),
    setting("sasl.oauthbearer.assertion.claim.sub", C),
    setting("sasl.oauthbearer.assertion.file", C),
    alias("sasl.oauthbearer.assertion.jwt.template.file", C, "sasl.oauthbearer.assertion.template.file"),
    setting("sasl.oauthbearer.assertion.private.key.file", C),
    setting("sasl.oauthbearer.assertion.private.key.passphrase", C).secret(),
    setting("sasl.oauthbearer.assertion.private.key.pem", C).secret(),
    setting("sasl.oauthbearer.assertion.template.file", C),
    setting("sasl.oauthbearer.client.credentials.client.id", C),
    setting("sasl.oauthbearer.client.credentials.client.secret", C).secret(),
    alias("sasl.oauthbearer.client.id", C, "sasl.oauthbearer.client.credentials.client.id"),
    alias("sasl.oauthbearer.client.secret", C, "sasl.oauthbearer.client.credentials.client.secret").secret(),
    inert("sasl.oauthbearer.clock.skew.seconds", C),
    foreign("sasl.oauthbearer.config", C),
    inert("sasl.oauthbearer.expected.audience", C),
    inert("sasl.oauthbearer.expected.issuer", C),
    setting("sasl.oauthbearer.extensions", C),
    setting("sasl.oauthbearer.grant.type", C),
    setting("sasl.oauthbearer.header.urlencode", C),
    inert("sasl.oauthbearer.jwks.endpoint.refresh.ms", C),
    inert("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", C),
    inert("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", C),
    inert("sasl.oauthbearer.jwks.endpoint.url", C),
    setting("sasl.oauthbearer.jwt.retriever.class", C),
    inert("sasl.oauthbearer.jwt.validator.class", C),
    only("sasl.oauthbearer.metadata.authentication.type", C, "none", "tokens of a cloud's metadata service come from a source of your own: Sasl::oauthbearer"),
    foreign("sasl.oauthbearer.method", C),
    setting("sasl.oauthbearer.scope", C),
    inert("sasl.oauthbearer.scope.claim.name", C),
    inert("sasl.oauthbearer.sub.claim.name", C),
    setting("sasl.oauthbearer.token.endpoint.url", C).secret(),
    setting("sasl.password", C).secret().exact(),
    setting("sasl.username", C).exact(),
    foreign("ssl.ca.certificate.stores", C),
    alias("ssl.ca.location", C, "ssl.truststore.location"),
    alias("ssl.ca.pem", C, "ssl.truststore.certificates").secret(),
    setting("ssl.certificate.location", C),
    alias("ssl.certificate.pem", C, "ssl.keystore.certificate.chain").secret(),
    setting("ssl.cipher.suites", C),
    refused("ssl.crl.location", C, "lists of revoked certificates are read by a rustls configuration of your own: TlsConfig::client_config"),
    foreign("ssl.curves.list", C),
    setting("ssl.enabled.protocols", C),
    setting("ssl.endpoint.identification.algorithm", C),
    foreign("ssl.engine.factory.class", C),
    inert("ssl.engine.id", C),
    setting("ssl.key.location", C),
    setting("ssl.key.password", C).secret(),
    alias("ssl.key.pem", C, "ssl.keystore.key").secret(),
    inert("ssl.keymanager.algorithm", C),
    setting("ssl.keystore.certificate.chain", C).secret(),
    setting("ssl.keystore.key", C).secret(),
    setting("ssl.keystore.location", C),
    setting("ssl.keystore.password", C).secret(),
    setting("ssl.keystore.type", C),
    inert("ssl.protocol", C),
    inert("ssl.provider", C),
    inert("ssl.providers", C),
    inert("ssl.secure.random.implementation", C),
    foreign("ssl.sigalgs.list", C),
    inert("ssl.trustmanager.algorithm", C),
    setting("ssl.truststore.certificates", C).secret(),
    setting("ssl.truststore.location", C),
    setting("ssl.truststore.password", C).secret(),
    setting("ssl.truststore.type", C),
];

/// All names whose values may be secrets.
#[cfg(all(
    test,
    feature = "encrypted-keys",
    feature = "oidc",
    feature = "pkcs12",
    feature = "tls"
))]
pub(crate) fn secrets() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(|key| key.is_secret).map(|key| key.name)
}

/// All names of settings that end in a word.
#[cfg(all(
    test,
    feature = "encrypted-keys",
    feature = "oidc",
    feature = "pkcs12",
    feature = "tls"
))]
pub(crate) fn settings_ending(end: &'static str) -> impl Iterator<Item = &'static str> {
    KEYS.iter()
        .filter(move |key| key.role == Role::Setting && key.name.ends_with(end))
        .map(|key| key.name)
}

/// Proves that no setting of a kind is known and then not read: each refuses a value that no type
/// has, unless it is a text.
#[cfg(test)]
pub(crate) fn assert_every_setting_is_read(
    kind: HandleKind,
    read: impl Fn(&super::Properties) -> crate::error::Result<()>,
) {
    const TEXTS: &[&str] = &[
        "client.id",
        "client.rack",
        "group.id",
        // These have no say under PLAINTEXT, and those below speak of files.
        "sasl.jaas.config",
        "sasl.mechanism",
        "sasl.password",
        "sasl.username",
        "sasl.login.connect.timeout.ms",
        "sasl.login.read.timeout.ms",
        "sasl.login.retry.backoff.max.ms",
        "sasl.login.retry.backoff.ms",
        "sasl.oauthbearer.assertion.algorithm",
        "sasl.oauthbearer.assertion.claim.aud",
        "sasl.oauthbearer.assertion.claim.exp.seconds",
        "sasl.oauthbearer.assertion.claim.iss",
        "sasl.oauthbearer.assertion.claim.jti.include",
        "sasl.oauthbearer.assertion.claim.nbf.seconds",
        "sasl.oauthbearer.assertion.claim.sub",
        "sasl.oauthbearer.assertion.file",
        "sasl.oauthbearer.assertion.private.key.file",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.oauthbearer.assertion.template.file",
        "sasl.oauthbearer.client.credentials.client.id",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.extensions",
        "sasl.oauthbearer.grant.type",
        "sasl.oauthbearer.header.urlencode",
        "sasl.oauthbearer.jwt.retriever.class",
        "sasl.oauthbearer.scope",
        "sasl.oauthbearer.token.endpoint.url",
        "https.ca.location",
        "https.ca.pem",
        "ssl.cipher.suites",
        "ssl.key.password",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "ssl.keystore.type",
        "ssl.truststore.certificates",
        "ssl.truststore.location",
        "ssl.truststore.password",
        "ssl.truststore.type",
        "transactional.id",
    ];
    for key in KEYS.iter().filter(|key| key.role == Role::Setting && key.kinds.contains(kind)) {
        let read = |value: &str| read(&[(key.name, value)].into_iter().collect());
        assert_eq!(read("\u{1}").is_ok(), TEXTS.contains(&key.name), "{}", key.name);
        for number in ["0", "1", "2147483647", "9223372036854775807"] {
            // What it does not do with a number it refuses by name.
            let refused = read(number).map_err(|error| error.to_string()).err();
            assert!(
                refused.is_none_or(|error| error.contains(key.name)
                    && (error.contains("allow") || error.contains("must be"))),
                "{}={number}",
                key.name
            );
        }
    }
}

#[cfg(test)]
mod tests;
