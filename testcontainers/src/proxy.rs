//! A TCP proxy in front of a broker that delays, throttles, stalls and cuts connections.
//!
//! It does not rewrite responses, so the broker must advertise the proxy's address, or clients will
//! bypass it; [`apache::Config::behind_proxies`](crate::apache::Config::behind_proxies) arranges
//! that.
//!
//! ```text
//! client ─▶ reader ─▶ queue of (due, bytes) ─▶ writer ─▶ broker      one such pump each way for every connection
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

/// The most that is read at once, and so the grain of delays and throttling.
const CHUNK: usize = 16 * 1024;
/// How many chunks may be on the way while they are delayed.
const QUEUE: usize = 256;

/// The direction in which bytes flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the broker.
    Request,
    /// From the broker to the client.
    Response,
}

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// After so many bytes in one direction.
    Bytes(Direction, u64),
    /// So long after the connection was accepted.
    After(Duration),
}

/// Sees the bytes of a connection as they arrive, before any fault.
type Tap = dyn Fn(u64, Direction, &[u8]) + Send + Sync;

/// A proxy on its own port of 127.0.0.1; its connections are closed when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What goes on between any two bytes of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Rules {
    delay: Duration,
    bytes_per_second: Option<u64>,
    is_blackhole: bool,
    is_refusing: bool,
    /// Connections that were accepted under a lower number are cut.
    generation: u64,
}

struct Shared {
    upstream: Mutex<SocketAddr>,
    rules: watch::Sender<Rules>,
    planned: Mutex<Vec<Cut>>,
    accepted: AtomicU64,
    tap: Mutex<Option<Arc<Tap>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("upstream", &self.upstream)
            .field("rules", &*self.rules.borrow())
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Starts a proxy for an address, where nothing needs to listen yet.
    ///
    /// # Errors
    /// If no port is available, or the address does not resolve.
    pub async fn start(upstream: impl tokio::net::ToSocketAddrs) -> io::Result<Self> {
        let upstream = tokio::net::lookup_host(upstream)
            .await?
            .next()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            rules: watch::Sender::new(Rules::default()),
            planned: Mutex::default(),
            accepted: AtomicU64::new(0),
            tap: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Passes all bytes from now on to a function, with the number of the connection, counted from
    /// 0, and the direction.
    pub fn tap(&self, tap: impl Fn(u64, Direction, &[u8]) + Send + Sync + 'static) {
        *self.shared.tap.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(tap));
    }

    /// Sends new connections to another address.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
    }

    /// Delays all bytes by this long in each direction, keeping their order and not limiting their
    /// rate.
    pub fn delay(&self, delay: Duration) {
        self.change(|rules| rules.delay = delay);
    }

    /// Limits each connection to so many bytes a second in each direction.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.change(|rules| rules.bytes_per_second = Some(bytes_per_second.max(1)));
    }

    /// Accepts connections and keeps them open, but lets nothing through, like a network that drops
    /// packets.
    pub fn blackhole(&self) {
        self.change(|rules| rules.is_blackhole = true);
    }

    /// Closes new connections as soon as they are accepted.
    pub fn refuse(&self) {
        self.change(|rules| rules.is_refusing = true);
    }

    /// Cuts all open connections.
    pub fn cut(&self) {
        self.change(|rules| rules.generation += 1);
    }

    /// Cuts each of the next `connections` connections as `cut` says.
    pub fn cut_next(&self, connections: usize, cut: Cut) {
        let mut planned = self.shared.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.extend(std::iter::repeat_n(cut, connections));
    }

    /// Ends all faults; bytes that a blackhole held back are delivered.
    pub fn heal(&self) {
        self.shared.planned.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.change(|rules| *rules = Rules { generation: rules.generation, ..Rules::default() });
    }

    fn change(&self, change: impl FnOnce(&mut Rules)) {
        self.shared.rules.send_modify(change);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts connections and owns their tasks, which end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: they come back when a connection ends.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
        if shared.rules.borrow().is_refusing {
            continue;
        }
        let cut = {
            let mut planned = shared.planned.lock().unwrap_or_else(PoisonError::into_inner);
            if planned.is_empty() { None } else { Some(planned.remove(0)) }
        };
        connections.spawn(serve(client, number, cut, Arc::clone(&shared)));
    }
}

/// Carries one connection until an end of it closes or it is cut.
async fn serve(client: TcpStream, number: u64, cut: Option<Cut>, shared: Arc<Shared>) {
    let mut rules = shared.rules.subscribe();
    let generation = rules.borrow().generation;
    let upstream = *shared.upstream.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(broker) = TcpStream::connect(upstream).await else { return };
    // Only latency that was asked for.
    let _ = (client.set_nodelay(true), broker.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let request = Way {
        number,
        direction: Direction::Request,
        shared: &shared,
        budget: budget(cut, Direction::Request),
    };
    let response = Way {
        number,
        direction: Direction::Response,
        shared: &shared,
        budget: budget(cut, Direction::Response),
    };
    let time_is_up = async {
        match cut {
            Some(Cut::After(time)) => sleep(time).await,
            _ => std::future::pending().await,
        }
    };
    let is_cut = async {
        // The sender lives in `shared`, so this ends only when the condition holds.
        let _ = rules.wait_for(|rules| rules.generation > generation).await;
    };
    tokio::select! {
        biased;
        () = is_cut => {}
        () = time_is_up => {}
        () = request.pump(from_client, to_broker) => {}
        () = response.pump(from_broker, to_client) => {}
    }
}

fn budget(cut: Option<Cut>, direction: Direction) -> Option<u64> {
    match cut {
        Some(Cut::Bytes(of, bytes)) if of == direction => Some(bytes),
        _ => None,
    }
}

/// One direction of one connection.
struct Way<'a> {
    number: u64,
    direction: Direction,
    shared: &'a Shared,
    /// The bytes after which the connection is cut.
    budget: Option<u64>,
}

impl Way<'_> {
    /// Carries bytes until an end closes or the budget is used up.
    async fn pump(self, from: impl AsyncRead + Unpin, to: impl AsyncWrite + Unpin) {
        let rules = self.shared.rules.subscribe();
        let (sender, receiver) = mpsc::channel(QUEUE);
        let budget = self.budget;
        tokio::join!(self.read(from, sender), write(to, receiver, rules, budget));
    }

    async fn read(self, mut from: impl AsyncRead + Unpin, queue: mpsc::Sender<(Instant, Bytes)>) {
        let mut buffer = vec![0; CHUNK];
        // Nobody listens any more when the writer has ended, even if the peer sends nothing.
        let closed = queue.clone();
        loop {
            let read = tokio::select! {
                biased;
                () = closed.closed() => return,
                read = from.read(&mut buffer) => read,
            };
            let Ok(length @ 1..) = read else { return };
            let bytes = buffer.get(..length).unwrap_or_default();
            let tap = self.shared.tap.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(tap) = tap {
                tap(self.number, self.direction, bytes);
            }
            let due = Instant::now() + self.shared.rules.borrow().delay;
            if queue.send((due, Bytes::copy_from_slice(bytes))).await.is_err() {
                return;
            }
        }
    }
}

async fn write(
    mut to: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<(Instant, Bytes)>,
    mut rules: watch::Receiver<Rules>,
    mut budget: Option<u64>,
) {
    while let Some((due, mut bytes)) = queue.recv().await {
        sleep_until(due).await;
        if rules.wait_for(|rules| !rules.is_blackhole).await.is_err() {
            return;
        }
        if let Some(left) = &mut budget {
            bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= u64::try_from(bytes.len()).unwrap_or(*left);
        }
        let rate = rules.borrow().bytes_per_second;
        if let Some(rate) = rate {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            sleep(Duration::from_secs(1) * length / u32::try_from(rate).unwrap_or(u32::MAX)).await;
        }
        if to.write_all(&bytes).await.is_err() || budget == Some(0) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
