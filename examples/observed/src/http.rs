//! As much of HTTP as a scrape needs: one request on each connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request's head is shorter, and comes sooner.
const LONGEST: usize = 8192;
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers `GET /metrics` with what `render` says, one caller at a time, for ever.
pub(crate) async fn serve(listener: TcpListener, render: impl Fn() -> String) {
    loop {
        // A caller that breaks off, or a system out of sockets for a moment, is no reason to end.
        if let Ok((stream, _)) = listener.accept().await {
            let _ = tokio::time::timeout(PATIENCE, answer(stream, &render)).await;
        }
    }
}

async fn answer(mut stream: TcpStream, render: impl Fn() -> String) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > LONGEST || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (status, body) = match head.starts_with(b"GET /metrics ") {
        true => ("200 OK", render()),
        false => ("404 Not Found", "metrics are at /metrics\n".to_owned()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: \
         {length}\r\n"
    );
    stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await?;
    stream.shutdown().await
}
