//! A carrier played by SIPp after a script: what it does is put together by the test, with codes, numbers and waits drawn.

use std::fmt::Write as _;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{draw, pause};

/// What the carrier does next.
#[derive(Clone)]
pub enum Step {
    /// Waits for this request.
    Gets(&'static str),
    /// Waits for the answer to a request of its own.
    Answered(u16),
    /// Answers the INVITE that came last: code, reason, further headers, description.
    Invite(u16, &'static str, String, String),
    /// Answers the request that came last, whatever it is.
    Last(u16, &'static str, String),
    /// Answers the re-INVITE that came last, whose To has our tag already: code, further headers, description.
    Again(u16, String, String),
    /// A request of its own inside the dialog; true: with a tag that nobody knows.
    Asks(&'static str, bool),
    Waits(u64),
}

pub use Step::{Again, Answered, Asks, Gets, Invite, Last, Waits};

/// `486 Busy Here` without anything else.
pub fn refuses(code: u16) -> Step {
    Invite(code, "Drawn", String::new(), String::new())
}

/// 200 to the INVITE with this description.
pub fn answers(sdp: &str) -> Step {
    Invite(200, "OK", contact(), sdp.into())
}

/// 200 to any other request.
pub fn agrees() -> Step {
    Last(200, "OK", String::new())
}

pub fn contact() -> String {
    "Contact: <sip:carrier@[local_ip]:[local_port]>\n".to_owned()
}

/// CANCEL comes, and everything is done as it should be.
pub fn cancelled() -> Vec<Step> {
    vec![Gets("CANCEL"), agrees(), refuses(487), Gets("ACK")]
}

/// 200 to a re-INVITE.
pub fn agrees_again(sdp: &str) -> Step {
    Again(200, contact(), sdp.into())
}

/// Audio in the formats of `m=`, with further lines.
pub fn sdp(formats: &str, lines: &str) -> String {
    format!(
        "v=0\no=carrier 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [media_ip]\nt=0 0\nm=audio [media_port] RTP/AVP {formats}\n{lines}"
    )
}

pub const PCMA: &str = "a=rtpmap:8 PCMA/8000\n";
pub const EVENTS: &str = "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\n";

/// The usual description: A-law and keys.
pub fn usual() -> String {
    sdp("8 101", &format!("{PCMA}{EVENTS}a=sendrecv\n"))
}

/// The same in one direction.
pub fn one_way(direction: &str) -> String {
    sdp("8 101", &format!("{PCMA}{EVENTS}a={direction}\n"))
}

/// What follows an answer that is right: ACK, BYE, 200.
pub fn until_bye() -> Vec<Step> {
    vec![Gets("ACK"), Gets("BYE"), agrees()]
}

fn scenario(steps: &[Step]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<scenario name=\"carrier\">\n");
    let mut vars: Vec<String> = Vec::new();
    let mut asked = 0;
    for step in steps {
        match step {
            Gets("INVITE") => {
                out.push_str("<recv request=\"INVITE\" crlf=\"true\"><action>\n");
                for (header, name) in
                    [("Via", "via"), ("From", "from"), ("To", "to"), ("CSeq", "cseq"), ("Contact", "target")]
                {
                    let _ = writeln!(
                        out,
                        "<ereg regexp=\"[^ ].*\" search_in=\"hdr\" header=\"{header}:\" assign_to=\"{name}\"/>"
                    );
                    if !vars.contains(&name.to_owned()) {
                        vars.push(name.to_owned());
                    }
                }
                out.push_str("<ereg regexp=\"sip:[^>;]*\" search_in=\"hdr\" header=\"Contact:\" assign_to=\"uri\"/></action></recv>\n");
                vars.push("uri".into());
            }
            Gets(method) => {
                let _ = writeln!(out, "<recv request=\"{method}\" timeout=\"60000\"/>");
            }
            Answered(code) => {
                let _ = writeln!(out, "<recv response=\"{code}\"/>");
            }
            Invite(code, reason, headers, body) => {
                let head = format!(
                    "SIP/2.0 {code} {reason}\nVia: [$via]\nFrom: [$from]\nTo: [$to];tag=[pid]c[call_number]\n[last_Call-ID:]\nCSeq: [$cseq]\n"
                );
                send(&mut out, &head, headers, body);
            }
            Last(code, reason, headers) => send(&mut out, &head_of_last(*code, reason), headers, ""),
            Again(code, headers, body) => send(&mut out, &head_of_last(*code, "Drawn"), headers, body),
            Asks(method, stranger) => {
                asked += 1;
                let tag = if *stranger { "nobody" } else { "[pid]c[call_number]" };
                let head = format!(
                    "{method} [$uri] SIP/2.0\nVia: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]\nMax-Forwards: 70\n\
                     From: [$to];tag={tag}\nTo: [$from]\n[last_Call-ID:]\nCSeq: {asked} {method}\n"
                );
                send(&mut out, &head, "", "");
            }
            Waits(millis) => {
                let _ = writeln!(out, "<pause milliseconds=\"{millis}\"/>");
            }
        }
    }
    if !vars.is_empty() {
        vars.sort();
        vars.dedup();
        let _ = writeln!(out, "<Reference variables=\"{}\"/>", vars.join(","));
    }
    out.push_str("</scenario>\n");
    out
}

fn head_of_last(code: u16, reason: &str) -> String {
    format!("SIP/2.0 {code} {reason}\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n")
}

fn send(out: &mut String, head: &str, headers: &str, body: &str) {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
    let _ = writeln!(out, "<send><![CDATA[\n{head}{headers}{kind}Content-Length: [len]\n\n{body}\n]]></send>");
}

/// A running carrier on loopback.
pub struct Carrier {
    child: Child,
    temp: tempfile::TempDir,
}

impl Carrier {
    /// At this port of 127.0.0.1. `echo`: it sends back the RTP that it gets; otherwise it is silent.
    pub fn start(port: u16, echo: bool, steps: &[Step]) -> Carrier {
        let temp = tempfile::tempdir().expect("a temporary folder");
        fs::write(temp.path().join("carrier.xml"), scenario(steps)).expect("write");
        let media = (41000 + draw(200) * 4).to_string();
        let mut command = Command::new("sipp");
        command
            .args(["-sf", "carrier.xml", "-i", "127.0.0.1", "-p", &port.to_string(), "-mi", "127.0.0.1", "-mp", &media])
            .args(["-nostdin", "-trace_err", "-error_file", "err.log", "-timeout", "150"])
            .current_dir(temp.path())
            .stdin(Stdio::null())
            .stdout(fs::File::create(temp.path().join("out.log")).expect("a log"))
            .stderr(Stdio::null());
        if echo {
            command.arg("-rtp_echo");
        }
        let mut child = command.spawn().expect("sipp is installed");
        // It says nowhere that it listens; the kernel does.
        let start = Instant::now();
        let wanted = format!("0100007F:{port:04X}");
        while !fs::read_to_string("/proc/net/udp").unwrap_or_default().contains(&wanted) {
            let ended = child.try_wait().expect("our child");
            let log = || fs::read_to_string(temp.path().join("err.log")).unwrap_or_default();
            assert!(ended.is_none() && start.elapsed() < Duration::from_secs(30), "sipp did not listen: {}", log());
            pause();
        }
        Carrier { child, temp }
    }

    /// What SIPp complained of.
    pub fn complaints(&self) -> String {
        fs::read_to_string(self.temp.path().join("err.log")).unwrap_or_default()
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
