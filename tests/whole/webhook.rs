//! A ticket's way into a city's own system: signed, under one key however often it is tried, delivered once.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, draw, in_own_network};

/// What came in: headers by their lower-case names, and the body.
#[derive(Debug)]
struct Post {
    line: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

fn read(stream: &TcpStream) -> Option<Post> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: HashMap<String, String> = lines.iter().skip(1).filter_map(header).collect();
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Post { line: lines.first()?.clone(), headers, body })
}

/// The city's system: its first answer is a fault of its own, after that it takes everything.
fn city(at: SocketAddr) -> mpsc::Receiver<Post> {
    let listener = TcpListener::bind(at).expect("the port is still free");
    let (send, posts) = mpsc::sync_channel(16);
    std::thread::spawn(move || {
        let mut answers = ["503 Service Unavailable"].into_iter().chain(std::iter::repeat("201 Created"));
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(post) = read(&stream) else { continue };
            let answer = answers.next().expect("without end");
            // Whoever hung up will come again.
            let _ = write!(&stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            if send.send(post).is_err() {
                return;
            }
        }
    });
    posts
}

/// RFC 2104 over what the header's own time and the body are.
fn signed(secret: &str, header: &str, body: &[u8]) -> bool {
    let Some((time, mac)) = header.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")) else { return false };
    let mut own: Hmac<Sha256> = Hmac::new_from_slice(secret.as_bytes()).expect("any length");
    own.update(time.as_bytes());
    own.update(b".");
    own.update(body);
    own.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>() == mac
}

#[test]
fn a_ticket_is_delivered_once_to_a_system_that_was_down() {
    if !in_own_network("webhook::a_ticket_is_delivered_once_to_a_system_that_was_down") {
        return;
    }
    let at = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let secret = format!("a secret of the city {:x}", draw(1 << 60));
    let more = format!(
        "\n[[backend]]\nname = \"city\"\nkind = \"webhook\"\nurl = \"http://{at}/tickets\"\nsecret_env = \"CITY_SECRET\"\n\
         first_wait = \"200ms\"\nlongest_wait = \"500ms\"\n"
    );
    // Before [web], so that the two backends stand together.
    let edits = vec![("\n[web]".to_owned(), format!("{more}\n[web]"))];
    let environment = vec![("CITY_SECRET".to_owned(), secret.clone())];
    let daemon = Daemon::start(&Plan { edits, environment, ..Plan::default() });
    let key = char::from(b'3' + draw(7) as u8);
    Run::one("normal", "13800138000", key).pass(daemon.sip);
    let ticket = daemon.wait_tickets(1, Duration::from_secs(10))[0].clone();
    let tries = "jiesu_backend_total{backend=\"city\",result=\"retry\"}";
    daemon.wait_until(tries, |tries| tries >= 2.0);

    let posts = city(at);
    daemon.wait_metric("jiesu_backend_total{backend=\"city\",result=\"sent\"}", 1.0);
    let number = ticket["number"].as_str().expect("a number");
    let shown = daemon.cli(&["ticket", "show", number, "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["state"], "sent", "{shown:#}");
    assert_eq!(daemon.stop(Duration::from_secs(20)), 0);

    let posts: Vec<Post> = posts.try_iter().collect();
    assert_eq!(posts.len(), 2, "one that was refused, one that was taken: {posts:#?}");
    for post in &posts {
        let header = |name: &str| post.headers.get(name).cloned().unwrap_or_default();
        assert_eq!(post.line, "POST /tickets HTTP/1.1");
        assert!(signed(&secret, &header("jiesu-signature"), &post.body), "not signed by the secret: {post:?}");
        assert!(!header("idempotency-key").is_empty(), "{post:?}");
        assert_eq!(
            post.headers.get("idempotency-key"),
            posts[0].headers.get("idempotency-key"),
            "another key for another try"
        );
        assert_eq!(post.body, posts[0].body);
        let body = String::from_utf8_lossy(&post.body);
        assert!(body.contains(number) && !body.contains(&secret), "{body}");
    }
}
