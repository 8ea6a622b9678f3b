//! Proxies and brokers on sockets of this machine.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::runtime;

/// Answers whoever speaks to it with the same in upper case.
async fn broker() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut said = [0; 5];
            stream.read_exact(&mut said).await.unwrap();
            stream.write_all(said.to_ascii_uppercase().as_slice()).await.unwrap();
        }
    });
    address
}

/// A proxy that knows one broker by the name `broker.internal`; what it does with one client is
/// said by `serve`.
async fn proxy<F: Future<Output = Option<()>> + Send>(
    serve: impl Fn(TcpStream, SocketAddr) -> F + Send + 'static,
) -> BrokerAddress {
    let broker = broker().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream, broker).await;
        }
    });
    BrokerAddress::new("127.0.0.1", address.port())
}

async fn tunnel(mut client: TcpStream, to: SocketAddr) -> Option<()> {
    let mut broker = TcpStream::connect(to).await.ok()?;
    copy_bidirectional(&mut client, &mut broker).await.ok().map(drop)
}

/// RFC 1928 and 1929, for the user `me` with the password `secret`, or nobody.
async fn socks(mut client: TcpStream, broker: SocketAddr) -> Option<()> {
    let [5, count] = read(&mut client).await? else { return None };
    let mut methods = vec![0; count.into()];
    client.read_exact(&mut methods).await.ok()?;
    if methods.contains(&2) {
        client.write_all(&[5, 2]).await.ok()?;
        let [1, length] = read(&mut client).await? else { return None };
        let mut user = vec![0; length.into()];
        client.read_exact(&mut user).await.ok()?;
        let [length] = read(&mut client).await?;
        let mut password = vec![0; length.into()];
        client.read_exact(&mut password).await.ok()?;
        let is_known = user == b"me" && password == b"secret";
        client.write_all(&[1, u8::from(!is_known)]).await.ok()?;
        is_known.then_some(())?;
    } else {
        client.write_all(&[5, 0]).await.ok()?;
    }
    let [5, 1, 0, 3, length] = read(&mut client).await? else { return None };
    let mut name = vec![0; length.into()];
    client.read_exact(&mut name).await.ok()?;
    let port: [u8; 2] = read(&mut client).await?;
    let is_known = name == b"broker.internal" && port == 9092_u16.to_be_bytes();
    let code = if is_known { 0 } else { 4 };
    client.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    is_known.then_some(())?;
    tunnel(client, broker).await
}

async fn read<const N: usize>(client: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}

/// For the user `me` with the password `secret`, and nobody else.
async fn http(mut client: TcpStream, broker: SocketAddr) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let status = if !head.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n") {
        "407 Proxy Authentication Required"
    } else if head.starts_with("CONNECT broker.internal:9092 HTTP/1.1\r\n") {
        "200 Connection established"
    } else {
        "502 Bad Gateway"
    };
    client.write_all(format!("HTTP/1.1 {status}\r\nVia: test\r\n\r\n").as_bytes()).await.ok()?;
    status.starts_with("200").then_some(())?;
    tunnel(client, broker).await
}

async fn ask(connector: &dyn Connector, host: &str) -> io::Result<String> {
    let deadline = runtime::now() + Duration::from_secs(5);
    let mut stream = connector.connect(&BrokerAddress::new(host, 9092), deadline).await?;
    stream.write_all(b"hello").await?;
    let mut said = [0; 5];
    stream.read_exact(&mut said).await?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn a_socks_proxy_opens_the_way_by_name() {
    let at = proxy(socks).await;
    let anybody = Proxy::socks5(at.clone());
    assert_eq!(ask(&anybody, "broker.internal").await.unwrap(), "HELLO");
    let known = anybody.clone().credentials("me", "secret");
    assert_eq!(ask(&known, "broker.internal").await.unwrap(), "HELLO");
    let error = ask(&known, "elsewhere").await.unwrap_err().to_string();
    assert!(error.contains(&at.to_string()) && error.contains("elsewhere:9092"), "{error}");
    let error =
        ask(&anybody.clone().credentials("me", "hunter2"), "broker.internal").await.unwrap_err();
    assert!(error.to_string().contains("credentials"), "{error}");
    for (user, password) in [("", "secret"), ("me", &*"p".repeat(256))] {
        let error = ask(&anybody.clone().credentials(user, password), "broker.internal").await;
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
    let error = ask(&anybody, &"h".repeat(256)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn what_is_no_socks_proxy_is_told_from_one() {
    let http = proxy(|mut client, _| async move {
        client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok()
    })
    .await;
    let error = ask(&Proxy::socks5(http), "broker.internal").await.unwrap_err().to_string();
    assert!(error.contains("no SOCKS5"), "{error}");
}

#[tokio::test]
async fn an_http_proxy_opens_the_way_by_name() {
    let at = proxy(http).await;
    let nobody = Proxy::http(at);
    let error = ask(&nobody, "broker.internal").await.unwrap_err().to_string();
    assert!(error.contains("407"), "{error}");
    let known = nobody.credentials("me", "secret");
    assert_eq!(ask(&known, "broker.internal").await.unwrap(), "HELLO");
    let error = ask(&known, "elsewhere").await.unwrap_err().to_string();
    assert!(error.contains("502") && error.contains("elsewhere:9092"), "{error}");
    assert!(!format!("{known:?}").contains("secret"), "{known:?}");
}

#[tokio::test]
async fn one_proxy_is_reached_through_another() {
    let (inner, outer) = (proxy(http).await, proxy(socks).await);
    // The outer one knows the inner one by no name.
    let way = Proxy::socks5(outer);
    let both = Proxy::http(inner).credentials("me", "secret").over(way);
    let error = ask(&both, "broker.internal").await.unwrap_err().to_string();
    assert!(error.starts_with("proxy "), "{error}");
}

#[tokio::test]
async fn a_proxy_that_is_silent_or_never_ends_is_given_up() {
    let silent = proxy(|client, _| async move {
        let _open = client;
        std::future::pending().await
    })
    .await;
    for connector in
        [&Proxy::http(silent.clone()) as &dyn Connector, &Proxy::socks5(silent.clone())]
    {
        let deadline = runtime::now() + Duration::from_millis(200);
        let error = connector.connect(&BrokerAddress::new("b", 1), deadline).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
    let endless = proxy(|mut client, _| async move {
        while client.write_all(b"HTTP/1.1 200 OK\r\nx: y\r\n").await.is_ok() {}
        None
    })
    .await;
    let error = ask(&Proxy::http(endless), "b").await.unwrap_err().to_string();
    assert!(error.contains("does not end"), "{error}");
}
