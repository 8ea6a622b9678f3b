//! What a password leaves in memory once all that held it is gone: nothing.
//!
//! A child process is the client. It reads the password from a file of properties, logs in, renews
//! its sessions, and then looks through its own memory (`/proc/self/mem`), freed or not. It knows
//! the password by its complement alone, so as not to find that.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use kavka::{Client, ClientConfig, ProducerConfig, Properties, Record};
use kavka_testcontainers::embedded::{EmbeddedCluster, Sasl, SaslMechanism};

const FILE: &str = "KAVKA_TEST_LEFT_BEHIND_FILE";
const COMPLEMENT: &str = "KAVKA_TEST_LEFT_BEHIND_COMPLEMENT";
const NAME: &str = "a_password_is_gone_from_memory_with_its_client";
const PATIENCE: Duration = Duration::from_secs(20);

/// What of the password is looked for: freeing overwrites where a block begins.
const MIDDLE: std::ops::Range<usize> = 32..64;

#[test]
fn a_password_is_gone_from_memory_with_its_client() {
    if let Some(file) = std::env::var_os(FILE) {
        return be_a_client(&file.into_string().unwrap());
    }
    // Nothing else is like it, and no part of it like another.
    let letter = |at: u32| {
        char::from_u32(u32::from(b'a') + at.wrapping_mul(at).wrapping_mul(2_654_435_761) % 26)
            .unwrap()
    };
    let password: String = (1..=96).map(letter).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for mechanism in [SaslMechanism::Plain, SaslMechanism::ScramSha256] {
        let sasl =
            Sasl::new([mechanism]).user("alice", &password).max_reauth(Duration::from_millis(1500));
        let cluster = runtime
            .block_on(EmbeddedCluster::builder().tcp().topic("t", 1, 1).sasl(sasl).start())
            .unwrap();
        let folder = std::env::temp_dir().join(format!("kavka-left-behind-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("client.properties");
        let lines = [
            format!("bootstrap.servers={}", cluster.bootstrap_servers()),
            "security.protocol=SASL_PLAINTEXT".to_owned(),
            format!("sasl.mechanism={}", mechanism.name()),
            "sasl.username=alice".to_owned(),
            format!("sasl.password={password}"),
        ];
        std::fs::write(&file, lines.join("\n")).unwrap();
        let complement: String =
            password[MIDDLE].bytes().map(|byte| format!("{:02x}", !byte)).collect();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(FILE, &file)
            .env(COMPLEMENT, complement)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines: Vec<String> =
            BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
        let ended = child.wait().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let logins = cluster.logins();
        assert!(ended.success(), "{mechanism:?}: {}", lines.join("\n"));
        assert!(logins.first > 0 && logins.renewed > 0, "{mechanism:?}: {logins:?}");
        runtime.block_on(cluster.shutdown());
    }
}

fn be_a_client(file: &str) {
    let complement = std::env::var(COMPLEMENT).unwrap();
    let complement: Vec<u8> = (0..complement.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&complement[at..at + 2], 16).unwrap())
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(log_in(file));
    drop(runtime);
    let places = places_of(&complement);
    let mut out = std::io::stdout();
    for place in &places {
        writeln!(out, "{place}").unwrap();
    }
    assert!(places.is_empty(), "{} copies are left", places.len());
}

async fn log_in(file: &str) {
    let properties = Properties::from_file(file).unwrap();
    let client = Client::new(ClientConfig::from_properties(&properties).unwrap()).unwrap();
    let producer = client.producer(ProducerConfig::new()).unwrap();
    // Until each connection has renewed its session.
    for _ in 0..5 {
        producer.send(Record::to("t").value("v")).await.unwrap().await.unwrap();
        let _ =
            tokio::time::timeout(Duration::from_millis(400), std::future::pending::<()>()).await;
    }
    producer.close(PATIENCE).await.unwrap();
    client.close(PATIENCE).await.unwrap();
}

/// Where in the memory of this process the bytes are of which this is the complement, and what
/// stands before each.
fn places_of(complement: &[u8]) -> Vec<String> {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut places = Vec::new();
    let mut bytes = Vec::new();
    for line in BufReader::new(File::open("/proc/self/maps").unwrap()).lines().map(Result::unwrap) {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        if !rights.starts_with("rw") || to - from > 1 << 30 {
            continue;
        }
        bytes.resize(usize::try_from(to - from).unwrap(), 0);
        // What is mapped may be nothing that can be read.
        if memory.read_exact_at(&mut bytes, from).is_err() {
            continue;
        }
        let is_it =
            |window: &[u8]| window.iter().zip(complement).all(|(byte, other)| *byte == !*other);
        for (at, _) in
            bytes.windows(complement.len()).enumerate().filter(|(_, window)| is_it(window))
        {
            let before: String =
                bytes[at.saturating_sub(80)..at].iter().map(|byte| char::from(*byte)).collect();
            places.push(format!("{line} at {at}, behind {before:?}"));
        }
        bytes.fill(0);
    }
    places
}
