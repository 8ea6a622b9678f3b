//! As much of a schema registry as this example needs: one request on each connection.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Starts it on a free port, for as long as the program runs; returns its address.
pub(crate) async fn start() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        let mut schemas = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            // A caller that breaks off is no reason to end.
            let _ = answer(stream, &mut schemas).await;
        }
    });
    Ok(url)
}

/// Registers a schema (`POST /subjects/…/versions`) or returns one (`GET /schemas/ids/…`); the
/// first has the id 1.
async fn answer(stream: TcpStream, schemas: &mut Vec<Value>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await?;
    let (mut line, mut headers) = (String::new(), HashMap::new());
    while stream.read_line(&mut line).await? > 2 {
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        line.clear();
    }
    let length = headers.get("content-length").and_then(|it| it.parse().ok()).unwrap_or(0_u16);
    let mut body = vec![0; length.into()];
    stream.read_exact(&mut body).await?;

    let known = request
        .strip_prefix("GET /schemas/ids/")
        .and_then(|rest| rest.split(['?', ' ']).next()?.parse::<usize>().ok())
        .and_then(|id| schemas.get(id.checked_sub(1)?).cloned());
    let (status, reply) = match (known, serde_json::from_slice::<Value>(&body)) {
        (Some(schema), _) => ("200 OK", json!({ "schema": schema })),
        (None, Ok(new)) if request.starts_with("POST /subjects/") => {
            schemas.push(new["schema"].clone());
            ("200 OK", json!({ "id": schemas.len() }))
        }
        _ => ("404 Not Found", json!({ "error_code": 40403, "message": "Schema not found" })),
    };
    let reply = reply.to_string();
    let length = reply.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(format!("{head}{reply}").as_bytes()).await?;
    stream.shutdown().await
}
