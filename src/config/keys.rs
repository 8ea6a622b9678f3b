//! The one table of Kafka's property names: those of Java's clients (4.4) and, as aliases, those of
//! librdkafka.

mod names;

#[cfg(any(test, feature = "mq"))]
pub(crate) use names::edit_distance;
pub(crate) use names::{is_of_application, is_showable, nearest};

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
    /// Another name of a property.
    Alias { of: &'static str, value: AliasValue },
    /// It asks for something that only another client library has: ignored, and said.
    Foreign,
    /// It is none of Kafka's clients', though it begins as theirs do: the application's own.
    Application,
    /// It tunes another library's way of doing what is done here, too: ignored.
    Inert,
    /// Only this value is possible, for this reason.
    Only(&'static str, &'static str),
    /// It is not possible, for this reason.
    Refused(&'static str),
}

/// What the value of another name means in terms of the property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AliasValue {
    Same,
    /// The property's unit is so many times smaller.
    Times(i64),
    /// This value stands for ever, and the property has a longest time for that.
    Forever {
        written: &'static str,
        property: &'static str,
    },
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
    /// What to do instead, where a value is ignored with a warning; empty where none is.
    pub(crate) instead: &'static str,
}

impl Key {
    const fn new(name: &'static str, kinds: HandleKinds, role: Role) -> Self {
        Self { name, kinds, role, is_secret: false, is_exact: false, instead: "" }
    }

    const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    const fn exact(self) -> Self {
        Self { is_exact: true, ..self }
    }

    const fn instead(self, instead: &'static str) -> Self {
        Self { instead, ..self }
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
    let is_of =
        |role| matches!(role, Role::Alias { of: other, value: AliasValue::Same } if other == of);
    find(name).is_some_and(|key| is_of(key.role))
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
    Key::new(name, kinds, Role::Alias { of, value: AliasValue::Same })
}

const fn scaled(name: &'static str, kinds: HandleKinds, of: &'static str, scale: i64) -> Key {
    Key::new(name, kinds, Role::Alias { of, value: AliasValue::Times(scale) })
}

const fn forever(
    name: &'static str,
    kinds: HandleKinds,
    of: &'static str,
    written: &'static str,
    property: &'static str,
) -> Key {
    Key::new(name, kinds, Role::Alias { of, value: AliasValue::Forever { written, property } })
}

const fn foreign(name: &'static str, kinds: HandleKinds, instead: &'static str) -> Key {
    Key::new(name, kinds, Role::Foreign).instead(instead)
}

const fn application(name: &'static str) -> Key {
    Key::new(name, HandleKinds(0), Role::Application)
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

// What is done instead of what several properties ask for.
const KERBEROS: &str =
    "examples/kerberos is a mechanism for Sasl::custom, with settings of its own";
const JVM: &str = "only a JVM has what it names";
const METRICS: &str =
    "numbers come by Client::stats, the feature metrics and pushed metrics (KIP-714)";
const TYPES: &str = "records are bytes; the guide on typed records shows types of your own";
const VERSIONS: &str = "each broker is asked which versions it has";
const LOGS: &str = "logs go to the crate tracing, whose subscriber chooses";
const REFRESH: &str = "retry.backoff.ms and retry.backoff.max.ms pace it";
const RUSTLS: &str = "TlsConfig::client_config takes a rustls configuration of your own";

#[rustfmt::skip]
const KEYS: &[Key] = &[
    // All clients.
    setting("bootstrap.controllers", C),
    setting("bootstrap.servers", C),
    alias("metadata.broker.list", C, "bootstrap.servers"),
    only("client.dns.lookup", C, "use_all_dns_ips", "the canonical name is needed by Kerberos only, whose mechanism in examples/kerberos goes without it"),
    setting("broker.address.family", C),
    setting("client.id", C),
    setting("client.rack", CNS),
    setting("config.providers", C),
    setting("connections.max.idle.ms", C),
    setting("default.api.timeout.ms", C),
    setting("enable.metrics.push", C),
    setting("metadata.max.age.ms", C),
    forever("topic.metadata.refresh.interval.ms", C, "metadata.max.age.ms", "-1", "9223372036854775807"),
    setting("metadata.max.idle.ms", C),
    setting("metadata.recovery.rebootstrap.trigger.ms", C),
    setting("metadata.recovery.strategy", C),
    setting("receive.buffer.bytes", C),
    alias("socket.receive.buffer.bytes", C, "receive.buffer.bytes"),
    setting("receive.message.max.bytes", C),
    setting("statistics.interval.ms", C),
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
    foreign("bootstrap.resolve.timeout.ms", C, "names are asked for until the operation that needs them times out"),
    foreign("metadata.cluster.check.enable", C, "the cluster and the node behind a connection are not checked by id (KIP-1242)"),

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
    forever("message.timeout.ms", P, "delivery.timeout.ms", "0", "2147483647"),
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
    setting("partitioner.rack.aware", P),
    setting("partitioner.class", P),
    alias("partitioner", P, "partitioner.class"),
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
    foreign("auto.include.jmx.reporter", C, METRICS),
    foreign("interceptor.classes", PNS, "wrap the handle in a type of your own"),
    foreign("key.deserializer", NS, TYPES),
    foreign("key.serializer", P, TYPES),
    foreign("metric.reporters", C, METRICS),
    foreign("metrics.num.samples", C, METRICS),
    foreign("metrics.recording.level", C, METRICS),
    foreign("metrics.sample.window.ms", C, METRICS),
    foreign("security.providers", C, JVM),
    foreign("value.deserializer", NS, TYPES),
    foreign("value.serializer", P, TYPES),
    foreign("buffer.memory.allocation.strategy", P, "memory is taken as records come"),
    foreign("internal.auto.downgrade.txn.commit", P, "offsets of transactions are committed as the broker can"),
    foreign("internal.leave.group.on.close", N, "Consumer::close_with says whether to leave"),
    foreign("internal.throw.on.fetch.stable.offset.unsupported", N, "what a broker cannot do is an error"),

    // Only librdkafka has what these tune.
    foreign("api.version.fallback.ms", C, VERSIONS),
    foreign("api.version.request", C, VERSIONS),
    foreign("api.version.request.timeout.ms", C, VERSIONS),
    foreign("batch.num.messages", P, "batches are bounded by bytes: batch.size"),
    foreign("broker.address.ttl", C, "names are resolved for each new connection"),
    foreign("broker.version.fallback", C, VERSIONS),
    foreign("builtin.features", C, "cargo features decide what is built in"),
    foreign("consume.callback.max.messages", N, "max.poll.records bounds what next_batch gives"),
    foreign("coordinator.query.interval.ms", N, "the coordinator is asked for when the old one is gone"),
    foreign("debug", C, LOGS),
    foreign("delivery.report.only.error", P, "each send tells what became of its record"),
    foreign("enable.random.seed", C, "jitter needs no seed"),
    foreign("enable.sparse.connections", C, "brokers are connected to when there is something to ask"),
    foreign("enabled_events", C, "events are futures and listeners"),
    foreign("fetch.error.backoff.ms", N, "retry.backoff.ms is how long a broker rests"),
    foreign("fetch.queue.backoff.ms", N, "fetching goes on as soon as there is room"),
    foreign("group.protocol.type", N, "groups of consumers are all that there is"),
    foreign("internal.termination.signal", C, "no thread waits for signals"),
    foreign("log.connection.close", C, LOGS),
    foreign("log.queue", C, LOGS),
    foreign("log.thread.name", C, LOGS),
    foreign("log_level", C, LOGS),
    foreign("message.copy.max.bytes", P, "records are copied once, into their batch"),
    foreign("plugin.library.paths", C, "nothing is loaded while it runs"),
    foreign("produce.offset.report", P, "each acknowledgement has its offset"),
    foreign("queue.buffering.backpressure.threshold", P, "buffer.memory bounds what waits"),
    foreign("queue.buffering.max.messages", P, "buffer.memory bounds what waits, by bytes"),
    foreign("queued.min.messages", N, "fetch.buffer.bytes bounds what is read ahead"),
    foreign("queuing.strategy", P, "records are sent in the order of the calls"),
    foreign("reconnect.backoff.jitter.ms", C, "a fifth is drawn at random, as in Java"),
    foreign("socket.blocking.max.ms", C, "nothing blocks"),
    foreign("socket.keepalive.enable", C, "a Connector of your own sets options of sockets"),
    foreign("socket.max.fails", C, "a connection ends with its first failure"),
    foreign("socket.nagle.disable", C, "Nagle's algorithm is always off"),
    foreign("sticky.partitioning.linger.ms", P, "records without a key stay with a partition until its batch is full"),
    foreign("test.mock.num.brokers", C, "kavka-testcontainers has an embedded cluster"),
    foreign("topic.metadata.propagation.max.ms", C, "an unknown topic is asked for until max.block.ms is over"),
    foreign("topic.metadata.refresh.fast.cnt", C, REFRESH),
    foreign("topic.metadata.refresh.fast.interval.ms", C, REFRESH),
    foreign("topic.metadata.refresh.sparse", C, "only topics in use are asked for"),
    refused("topic.blacklist", N, "subscribe to a pattern that leaves the topics out"),

    // Security, which has no say while security.protocol is PLAINTEXT. What is ignored tunes a
    // JVM's or OpenSSL's way of doing it.
    inert("enable.sasl.oauthbearer.unsecure.jwt", C),
    only("enable.ssl.certificate.verification", C, "true", "a certificate that nobody vouches for proves nothing"),
    setting("https.ca.location", C),
    setting("https.ca.pem", C).secret(),
    // MSK's has nothing to say beside its mechanism.
    inert("sasl.client.callback.handler.class", C),
    setting("sasl.jaas.config", C).secret(),
    foreign("sasl.kerberos.keytab", C, KERBEROS),
    foreign("sasl.kerberos.kinit.cmd", C, KERBEROS),
    foreign("sasl.kerberos.min.time.before.relogin", C, KERBEROS),
    foreign("sasl.kerberos.principal", C, KERBEROS),
    foreign("sasl.kerberos.service.name", C, KERBEROS),
    foreign("sasl.kerberos.ticket.renew.jitter", C, KERBEROS),
    foreign("sasl.kerberos.ticket.renew.window.factor", C, KERBEROS),
    setting("sasl.login.callback.handler.class", C).instead("Java's own, Google's GcpLoginCallbackHandler and Azure's KafkaOAuth2AuthenticateCallbackHandler are known; else Sasl::oauthbearer takes a source of tokens; AWS_MSK_IAM needs none"),
    inert("sasl.login.class", C),
    setting("sasl.login.connect.timeout.ms", C),
    setting("sasl.login.read.timeout.ms", C),
    setting("sasl.login.refresh.buffer.seconds", C),
    setting("sasl.login.refresh.min.period.seconds", C),
    setting("sasl.login.refresh.window.factor", C),
    setting("sasl.login.refresh.window.jitter", C),
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
    setting("sasl.oauthbearer.config", C).instead("it is query=... for azure_imds; unsecured tokens come from a source of your own: Sasl::oauthbearer"),
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
    setting("sasl.oauthbearer.metadata.authentication.type", C),
    inert("sasl.oauthbearer.method", C),
    setting("sasl.oauthbearer.scope", C),
    inert("sasl.oauthbearer.scope.claim.name", C),
    inert("sasl.oauthbearer.sub.claim.name", C),
    setting("sasl.oauthbearer.token.endpoint.url", C).secret(),
    setting("sasl.password", C).secret().exact(),
    setting("sasl.username", C).exact(),
    foreign("ssl.ca.certificate.stores", C, "ssl.truststore.location takes a file of certificates"),
    alias("ssl.ca.location", C, "ssl.truststore.location"),
    alias("ssl.ca.pem", C, "ssl.truststore.certificates").secret(),
    setting("ssl.certificate.location", C),
    alias("ssl.certificate.pem", C, "ssl.keystore.certificate.chain").secret(),
    setting("ssl.cipher.suites", C),
    refused("ssl.crl.location", C, "lists of revoked certificates are read by a rustls configuration of your own: TlsConfig::client_config"),
    foreign("ssl.curves.list", C, RUSTLS),
    setting("ssl.enabled.protocols", C),
    setting("ssl.endpoint.identification.algorithm", C),
    foreign("ssl.engine.factory.class", C, RUSTLS),
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
    foreign("ssl.sigalgs.list", C, RUSTLS),
    inert("ssl.trustmanager.algorithm", C),
    setting("ssl.truststore.certificates", C).secret(),
    setting("ssl.truststore.location", C),
    setting("ssl.truststore.password", C).secret(),
    setting("ssl.truststore.type", C),

    // What serializers with a schema registry have, of the names that begin as Kafka's do.
    application("auto.register.schemas"),
    application("basic.auth.credentials.source"),
    application("basic.auth.user.info"),
    application("key.converter"),
    application("key.converter.schema.registry.url"),
    application("key.subject.name.strategy"),
    application("max.schemas.per.subject"),
    application("specific.avro.reader"),
    application("value.converter"),
    application("value.converter.schema.registry.url"),
    application("value.subject.name.strategy"),
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
        "sasl.login.callback.handler.class",
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
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.extensions",
        "sasl.oauthbearer.grant.type",
        "sasl.oauthbearer.header.urlencode",
        "sasl.oauthbearer.jwt.retriever.class",
        "sasl.oauthbearer.metadata.authentication.type",
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
