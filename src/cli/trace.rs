//! `jiesu trace CALL-ID`: the message ladder of a recent call, asked of the running daemon through its console.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::Exit;
use super::stored::console;
use super::ticket::{say, tame};

/// How long the daemon may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A SIP Call-ID, or the call's own name as logs and tickets show it.
    #[arg(value_name = "CALL-ID")]
    call: String,
    /// Every message in full.
    #[arg(long)]
    full: bool,
    /// Telephone numbers whole, and keys that came by INFO (the daemon logs that they were asked for).
    #[arg(long)]
    numbers: bool,
    /// Where the daemon's console listens, if not where web.listen says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    at: Option<SocketAddr>,
}

pub fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let at = match console(config, arguments.at) {
        Ok(at) => at,
        Err(exit) => return Ok(exit),
    };
    let Arguments { call, full, numbers, .. } = arguments;
    let path = format!("/api/v1/trace?call={}&full={full}&numbers={numbers}", escaped(call));
    let (code, text) = get(at, &path).with_context(|| format!("no daemon answers at {at} (web.listen)"))?;
    match code {
        // Line breaks are the ladder's own; anything else that could steer a terminal is a peer's.
        200 => say(&text.split_inclusive('\n').map(|line| format!("{}\n", tame(line.trim_end()))).collect::<String>()),
        404 => {
            eprintln!("jiesu: no message of {call} is kept; the last calls' only are, and only until the daemon stops");
            Ok(Exit::No)
        }
        code => anyhow::bail!("the daemon answers {code}: {}", tame(text.trim())),
    }
}

/// Asks the running daemon's console.
pub(super) fn get(at: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    exchange(at, &format!("GET {path} HTTP/1.0\r\nHost: {at}\r\n\r\n"), PATIENCE)
}

/// Sends it a JSON object; it may take its time to answer.
pub(super) fn post(at: SocketAddr, path: &str, body: &str, limit: Duration) -> anyhow::Result<(u16, String)> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.0\r\nHost: {at}\r\nContent-Type: application/json\r\nContent-Length: {length}");
    exchange(at, &format!("{head}\r\n\r\n{body}"), limit)
}

fn exchange(at: SocketAddr, request: &str, limit: Duration) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok()).context("this is not HTTP")?;
    Ok((code, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}

/// As a URL's query wants it (RFC 3986 section 2.1).
fn escaped(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_call_id_fits_into_a_url() {
        assert_eq!(escaped("a1-._~"), "a1-._~");
        assert_eq!(escaped("1@[::1]&x=%接"), "1%40%5B%3A%3A1%5D%26x%3D%25%E6%8E%A5");
    }
}
