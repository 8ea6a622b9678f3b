//! A service that can be watched: it sends and handles messages, and serves its metrics to
//! Prometheus.
//!
//! `dashboard.json` in its folder shows them in Grafana; `docs/observability.md` says what each
//! means.

use std::process::ExitCode;
use std::time::Duration;

use kavka::mq::{Config, Message, Mq};
use kavka::{Client, NewTopic};
use kavka_programs::{Arguments, Cluster, Connection, Interrupt, Outcome, Stop};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

mod http;

const HELP: &str = "
Sends messages to a topic and handles them, and serves metrics at http://ADDRESS/metrics until Ctrl-C.

observed [--listen ADDRESS] [--topic TOPIC] [--rate PER_SECOND]
    --listen ADDRESS         where metrics are served (default 127.0.0.1:9464)
    --topic TOPIC            (default observed)
    --rate PER_SECOND        messages sent (default 100)
    --bootstrap-server HOST:PORT[,…]   the cluster; without it KAVKA_BROKERS, else one inside this process
    --command-config FILE, -X NAME=VALUE   settings of the client, by Java's names
";

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit("observed", run().await)
}

struct Options {
    connection: Connection,
    listen: String,
    topic: String,
    rate: u32,
}

async fn run() -> Outcome<ExitCode> {
    let mut arguments = Arguments::from_env(HELP);
    let mut options = Options {
        connection: Connection::default(),
        listen: "127.0.0.1:9464".into(),
        topic: "observed".into(),
        rate: 100,
    };
    while let Some(option) = arguments.next_option()? {
        if options.connection.accept(&option, &mut arguments)? {
            continue;
        }
        match option.as_str() {
            "--listen" => options.listen = arguments.value()?,
            "--topic" => options.topic = arguments.value()?,
            "--rate" => options.rate = arguments.parse::<u32>()?.max(1),
            _ => return arguments.unknown(),
        }
    }
    let mut interrupt = Interrupt::listen()?;
    let listener = TcpListener::bind(&options.listen).await?;
    eprintln!("metrics are at http://{}/metrics", listener.local_addr()?);
    let cluster = Cluster::find(&options.connection).await?;
    let served =
        serve(&options, &cluster.bootstrap, listener, async move { interrupt.received().await })
            .await;
    cluster.shutdown().await;
    served.map(|()| ExitCode::SUCCESS)
}

/// Seconds, from half a millisecond on.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const SHARES: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
/// Bytes and records.
const SIZES: &[f64] =
    &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0];

/// Has the buckets of what the client tells as histograms: without buckets the exporter makes
/// summaries, which the dashboard's `histogram_quantile` cannot read.
fn recorder() -> Outcome<PrometheusHandle> {
    let suffix = |text: &str| Matcher::Suffix(text.to_owned());
    PrometheusBuilder::new()
        .set_buckets(SIZES)
        .and_then(|builder| builder.set_buckets_for_metric(suffix("_seconds"), SECONDS))
        .and_then(|builder| builder.set_buckets_for_metric(suffix("_rate"), SHARES))
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(Stop::failure)
}

/// The service, until `end`.
async fn serve(
    options: &Options,
    bootstrap: &str,
    listener: TcpListener,
    end: impl Future<Output = ()>,
) -> Outcome<()> {
    // Before the client is made: what it tells goes to the recorder that there is then.
    let recorder = recorder()?;
    let client = Client::new(options.connection.client(bootstrap, "observed")?)?;
    // That it exists is as good.
    let _ = client.admin().create_topic(NewTopic::new(&options.topic).partitions(3)).await;
    let mut config = Config::default();
    config.consumer.group_id = Some("observed".to_owned());
    // How often it looks at how far handlers are behind.
    config.monitoring.metrics_interval = Duration::from_secs(1);
    let mq = Mq::with_client(client, config)?;
    let handler = |_message: Message| std::future::ready(());
    mq.consumer()?.subscribe([options.topic.as_str()], handler)?;

    let mut ticks = tokio::time::interval(Duration::from_secs(1) / options.rate);
    let sending = async {
        loop {
            ticks.tick().await;
            // A failure shows in the metrics.
            let _ = mq.producer().send_sync(&options.topic, "something to look at").await;
        }
    };
    let scraped = http::serve(listener, || {
        // What `mq` knows is told in snapshots.
        mq.publish_metrics();
        recorder.render()
    });
    // What nobody scrapes must not pile up.
    let upkeep = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(5));
        loop {
            ticks.tick().await;
            recorder.run_upkeep();
        }
    };
    tokio::select! {
        () = sending => {}
        () = upkeep => {}
        () = scraped => {}
        () = end => {}
    }
    Ok(mq.close().await?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kavka_testcontainers::embedded::EmbeddedCluster;
    use serde_json::Value;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn get(address: std::net::SocketAddr, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_owned(), body.to_owned())
    }

    /// Every metric that a query of the dashboard names.
    fn queried(dashboard: &Value, names: &mut BTreeSet<String>) {
        match dashboard {
            Value::Object(fields) => {
                for (key, value) in fields {
                    if let (true, Value::String(query)) = (key == "expr" || key == "query", value) {
                        let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                        names.extend(
                            words.filter(|word| word.starts_with("kafka_")).map(str::to_owned),
                        );
                    }
                    queried(value, names);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| queried(value, names)),
            _ => {}
        }
    }

    /// Whether what comes late is there: a commit, and a look at how far handlers are behind.
    fn is_complete(body: &str) -> bool {
        body.contains("kafka_consumer_committed_offset{")
            && body.contains("kafka_consumer_handler_lag{")
    }

    #[tokio::test]
    async fn a_scrape_serves_all_that_the_dashboard_queries() {
        let embedded = EmbeddedCluster::builder().start().await.expect("a cluster");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let options = Options {
            connection: Connection::default(),
            listen: String::new(),
            topic: "t".into(),
            rate: 100,
        };
        let scraping = async {
            // Until messages have gone the whole way.
            loop {
                let (head, body) = get(address, "/metrics").await;
                assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
                let consumed = body
                    .lines()
                    .find(|line| line.starts_with("kafka_consumer_records_consumed_total{"));
                if consumed.is_some_and(|line| !line.ends_with(" 0")) && is_complete(&body) {
                    assert!(get(address, "/").await.0.starts_with("HTTP/1.1 404"));
                    return body;
                }
                tokio::task::yield_now().await;
            }
        };
        let bootstrap = embedded.bootstrap_servers();
        let (done, is_done) = tokio::sync::oneshot::channel();
        let end = async move { drop(is_done.await) };
        let body = async {
            let body = tokio::time::timeout(Duration::from_secs(60), scraping)
                .await
                .expect("within a minute");
            let _ = done.send(());
            body
        };
        let (served, body) = tokio::join!(serve(&options, &bootstrap, listener, end), body);
        served.expect("a good end");
        let lines = body.lines().filter(|line| !line.starts_with('#'));
        let served: BTreeSet<String> =
            lines.filter_map(|line| Some(line.split('{').next()?.to_owned())).collect();
        let dashboard: Value =
            serde_json::from_str(include_str!("../dashboard.json")).expect("JSON");
        assert!(!body.contains("kavka-mq"), "all under the name of the client");
        let mut names = BTreeSet::new();
        queried(&dashboard, &mut names);
        assert!(names.len() > 20, "the queries were found: {names:?}");
        assert_eq!(
            names.difference(&served).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "not served"
        );
    }
}
