//! Servers that are no Kafka at all.

use std::time::{Duration, Instant};

use kavka::{BoxFuture, BrokerAddress, Client, Connector, Io, TlsConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::flow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Noise,
    Http,
    TlsAlert,
    /// Announces a frame larger than there may be, and sends without end.
    HugeFrame,
    /// Announces the largest frame that may be, and sends without end.
    LargestFrame,
    Silence,
    ClosesAtOnce,
    /// As a broker does whose listener has no TLS: it takes the record for a request that is too
    /// long.
    ClosesAfterHello,
}

const SERVERS: [Server; 7] = [
    Server::Noise,
    Server::Http,
    Server::TlsAlert,
    Server::HugeFrame,
    Server::LargestFrame,
    Server::Silence,
    Server::ClosesAtOnce,
];

impl Server {
    async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
        if self == Self::ClosesAtOnce {
            return Ok(());
        }
        let mut request = [0; 64];
        let _ = stream.read(&mut request).await?;
        match self {
            Self::Noise => {
                let mut noise = 1_u64;
                let bytes = (0..300).map(|_| {
                    noise = noise
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    noise.to_be_bytes()[0]
                });
                stream.write_all(&bytes.collect::<Vec<_>>()).await?;
            }
            Self::Http => {
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await?
            }
            Self::TlsAlert => stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46").await?,
            Self::HugeFrame => Self::endless(&mut stream, i32::MAX).await?,
            Self::LargestFrame => Self::endless(&mut stream, 1 << 20).await?,
            Self::ClosesAfterHello => return Ok(()),
            Self::Silence | Self::ClosesAtOnce => {}
        }
        while stream.read(&mut request).await? > 0 {}
        Ok(())
    }

    async fn endless(stream: &mut (impl AsyncWrite + Unpin), length: i32) -> std::io::Result<()> {
        stream.write_all(&length.to_be_bytes()).await?;
        loop {
            stream.write_all(&[0; 16 * 1024]).await?;
        }
    }

    /// A word without which the error would not help.
    fn word(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::TlsAlert => "TLS",
            _ => "server:9092",
        }
    }
}

#[derive(Debug)]
struct InMemory(Server);

impl Connector for InMemory {
    fn connect<'a>(
        &'a self,
        _: &'a BrokerAddress,
        _: Instant,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            let (client, server) = tokio::io::duplex(64 * 1024);
            tokio::spawn(self.0.serve(server));
            Ok(Box::new(client) as Box<dyn Io>)
        })
    }
}

fn complain(server: Server, word: &str, errors: &[Option<kavka::Error>; 3]) {
    for (step, error) in ["create", "produce", "consume"].into_iter().zip(errors) {
        // An application that gives up waiting for a record has no error: the client goes on
        // trying.
        let Some(error) = error else {
            assert_eq!(step, "consume", "{server:?}");
            continue;
        };
        let mut said = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(error) = source {
            said = format!("{said}: {error}");
            source = error.source();
        }
        println!("{server:?}, {step}: {said}");
        assert!(said.contains(word), "{server:?}, {step}: {said}");
    }
}

#[test]
fn no_kafka_is_told_in_time_and_takes_no_memory() {
    for server in SERVERS {
        let measured = allocation_counter::measure(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(async {
                let client =
                    Client::new(flow::config("server:9092").connector(InMemory(server))).unwrap();
                let errors = flow::run(&client, &format!("{server:?}")).await;
                complain(server, server.word(), &errors);
                client.close(Duration::from_secs(1)).await.unwrap();
            });
        });
        println!("{server:?}: {} KiB", measured.bytes_max >> 10);
        assert!(measured.bytes_max < flow::MAX_MEMORY, "{server:?}: {} bytes", measured.bytes_max);
    }
}

/// The same through sockets, whose ends and errors differ from those in memory.
#[tokio::test]
async fn no_kafka_over_tcp_is_told_in_time() {
    let flows = SERVERS.map(|server| {
        tokio::spawn(async move {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let accepting = tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(server.serve(stream));
                }
            });
            let client = Client::new(flow::config(&address)).unwrap();
            let errors = flow::run(&client, &format!("{server:?}")).await;
            complain(
                server,
                if server.word() == "server:9092" { &address } else { server.word() },
                &errors,
            );
            client.close(Duration::from_secs(1)).await.unwrap();
            accepting.abort();
        })
    });
    for flow in flows {
        flow.await.unwrap();
    }
}

/// A listener without TLS closes the connection at the first record of TLS, or answers something
/// else: either way the error says so.
#[tokio::test(start_paused = true)]
async fn a_listener_without_tls_is_named() {
    for server in [Server::ClosesAtOnce, Server::ClosesAfterHello, Server::Http, Server::Noise] {
        let config = flow::config("server:9092")
            .connector(InMemory(server))
            .tls(TlsConfig::new().webpki_roots());
        let client = Client::new(config).unwrap();
        let errors = flow::run(&client, &format!("{server:?} under TLS")).await;
        complain(server, "security.protocol", &errors);
        client.close(Duration::from_secs(1)).await.unwrap();
    }
}
