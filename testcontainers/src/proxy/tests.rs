use tokio::time::timeout;

use super::*;

/// A server that sends back all it gets, until the test's runtime ends.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn client(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn round_trip(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
    stream.write_all(text).await.unwrap();
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).await.unwrap();
    back
}

/// What comes back until the connection ends.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut back = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut back))
        .await
        .expect("the connection was cut");
    back
}

const LONG: Duration = Duration::from_millis(100);

#[tokio::test]
async fn bytes_go_both_ways_and_the_tap_sees_them() {
    let seen: Arc<Mutex<Vec<_>>> = Arc::default();
    let tap = Arc::clone(&seen);
    let proxy = Proxy::start(echo().await).await.unwrap();
    proxy.tap(move |number, direction, bytes| {
        tap.lock().unwrap().push((number, direction, bytes.to_vec()))
    });
    assert_eq!(round_trip(&mut client(&proxy).await, b"kavka").await, b"kavka");
    assert_eq!(
        *seen.lock().unwrap(),
        [(0, Direction::Request, b"kavka".to_vec()), (0, Direction::Response, b"kavka".to_vec())]
    );
}

#[tokio::test]
async fn a_delay_holds_bytes_back_each_way() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut stream = client(&proxy).await;
    proxy.delay(LONG);
    let started = Instant::now();
    round_trip(&mut stream, b"kavka").await;
    assert!(started.elapsed() >= 2 * LONG);
}

#[tokio::test]
async fn a_throttle_limits_the_rate() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    proxy.throttle(10_000);
    let started = Instant::now();
    round_trip(&mut client(&proxy).await, &[7; 1000]).await;
    assert!(started.elapsed() >= LONG);
}

#[tokio::test]
async fn a_blackhole_answers_nothing_until_it_is_healed() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut stream = client(&proxy).await;
    proxy.blackhole();
    stream.write_all(b"kavka").await.unwrap();
    let mut back = [0; 5];
    assert!(timeout(LONG, stream.read_exact(&mut back)).await.is_err());
    proxy.heal();
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"kavka");
}

#[tokio::test]
async fn a_planned_cut_lets_exactly_its_bytes_through() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    proxy.cut_next(1, Cut::Bytes(Direction::Response, 3));
    let mut first = client(&proxy).await;
    first.write_all(b"kavka").await.unwrap();
    assert_eq!(rest(&mut first).await, b"kav");
    assert_eq!(round_trip(&mut client(&proxy).await, b"kavka").await, b"kavka");
}

#[tokio::test]
async fn a_cut_by_time_needs_no_traffic() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    proxy.cut_next(1, Cut::After(Duration::from_millis(10)));
    assert_eq!(rest(&mut client(&proxy).await).await, b"");
}

#[tokio::test]
async fn a_cut_ends_open_connections_and_no_new_ones() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut open = client(&proxy).await;
    round_trip(&mut open, b"kavka").await;
    proxy.cut();
    assert_eq!(rest(&mut open).await, b"");
    assert_eq!(round_trip(&mut client(&proxy).await, b"kavka").await, b"kavka");
}

#[tokio::test]
async fn connections_are_refused_until_healed() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    proxy.refuse();
    assert_eq!(rest(&mut client(&proxy).await).await, b"");
    proxy.heal();
    assert_eq!(round_trip(&mut client(&proxy).await, b"kavka").await, b"kavka");
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn connections_end_with_the_proxy() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut stream = client(&proxy).await;
    round_trip(&mut stream, b"kavka").await;
    drop(proxy);
    assert_eq!(rest(&mut stream).await, b"");
}
