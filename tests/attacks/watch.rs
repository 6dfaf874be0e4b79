//! What must hold after every case: the daemon, a call that runs meanwhile, the tickets, the memory.

use std::fs;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::peer::{Peer, audio_of};
use crate::house::sipp::Run;
use crate::house::{Daemon, Plan};

/// The longest answer to the control OPTIONS.
const CONTROL: Duration = Duration::from_millis(200);
/// The longest gap in the running call's audio.
const GAP: Duration = Duration::from_millis(60);
/// A case that only breaks a time is made again this often: what a case does to the daemon it does each time, what the
/// machine does it does once.
const TRIES: usize = 4;

/// Plays for minutes, so that a gap in the audio is a gap.
pub fn long_flow() -> (String, String) {
    let say = vec!["\"menu-services\""; 100].join(", ");
    let flow = format!(
        "start = \"long\"\ntoo_long = \"end\"\n[times]\nwait = \"20s\"\nsilence = \"5s\"\nlongest = \"1m\"\n\
         [[no_input]]\ngo = \"end\"\n[[no_match]]\ngo = \"end\"\n[node.long]\ndo = \"say\"\nsay = [{say}]\ngo = \"ask\"\n\
         [node.ask]\ndo = \"listen\"\nsay = [\"digit-1\"]\ngo = \"end\"\n[node.end]\ndo = \"hangup\"\nsay = [\"thanks\"]\n"
    );
    ("flows/main.toml".into(), flow)
}

/// A daemon with a ticket in its store and a call on its line.
pub struct Watch {
    pub daemon: Daemon,
    call: Call,
    tickets: Vec<Value>,
    memory: Vec<u64>,
}

impl Watch {
    pub fn start(edits: Vec<(String, String)>) -> Watch {
        Watch::over(Plan { edits, files: vec![long_flow()], ..Plan::default() })
    }

    pub fn over(plan: Plan) -> Watch {
        let daemon = Daemon::start(&plan);
        Run::one("normal", "13900000000", '7').pass(daemon.sip);
        let tickets = daemon.wait_tickets(1, Duration::from_secs(20));
        // The ticket is there before the call's place is given back.
        daemon.wait_metric("jiesu_calls", 0.0);
        let call = Call::start(&daemon);
        Watch { daemon, call, tickets, memory: Vec::new() }
    }

    /// Makes a case and looks at everything after it.
    pub fn case(&mut self, name: &str, attack: impl Fn(&Daemon)) {
        for left in (0..TRIES).rev() {
            self.call.forget();
            attack(&self.daemon);
            let slow = self.after(name);
            match slow {
                None => return,
                Some(slow) if left == 0 => panic!("{name}: {slow}\n{}", self.daemon.log()),
                Some(slow) => eprintln!("{name}: {slow}; again"),
            }
        }
    }

    /// What must hold in any case fails here; what took too long is said.
    fn after(&mut self, name: &str) -> Option<String> {
        let log = self.daemon.log();
        assert!(!log.contains("panicked"), "{name}: a panic\n{log}");
        assert!(self.daemon.child.try_wait().expect("our child").is_none(), "{name}: the daemon is gone\n{log}");
        let peer = Peer::new(self.daemon.sip);
        let (sent, ask) = (Instant::now(), peer.ask("OPTIONS"));
        assert_eq!(peer.finally(&ask).code(), Some(200), "{name}: the control OPTIONS");
        let took = sent.elapsed();
        let gap = self.call.worst_gap();
        assert!(gap < Duration::from_secs(2), "{name}: the running call has fallen silent");
        assert_eq!(gists(&self.daemon.tickets()), gists(&self.tickets), "{name}: the tickets are others than before");
        if took > CONTROL {
            return Some(format!("the control OPTIONS took {took:?}"));
        }
        (gap > GAP).then(|| format!("{gap:?} without audio in the running call"))
    }

    /// Tickets that a case made on purpose are there from now on.
    pub fn expect_tickets(&mut self, count: usize) {
        self.tickets = self.daemon.wait_tickets(count, Duration::from_secs(20));
    }

    /// Makes all cases three times; the third time the daemon is no larger than after the first.
    pub fn three_times(mut self, cases: impl Fn(&mut Watch)) {
        for _ in 0..3 {
            cases(&mut self);
            self.memory.push(resident_kb(self.daemon.pid()));
        }
        let (first, third) = (self.memory[0] as f64, self.memory[2] as f64);
        assert!(third <= first * 1.05, "memory grows with the attacks: {:?} kB", self.memory);
    }
}

/// What no attack may change in tickets. (Their state may move on: they are being sent.)
fn gists(tickets: &[Value]) -> Vec<[&Value; 5]> {
    tickets.iter().map(|t| [&t["number"], &t["call"], &t["caller"], &t["keys"], &t["recordings"]]).collect()
}

pub fn resident_kb(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("our child");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux says so");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

/// A call that goes on and on: it sends silence and hears a long prompt.
struct Call {
    heard: Arc<Mutex<Heard>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Heard {
    last: Instant,
    /// How long this thread itself did not run since then: that time proves nothing about the daemon.
    away: Duration,
    worst: Duration,
}

impl Heard {
    fn gap(&self) -> Duration {
        self.last.elapsed().saturating_sub(self.away)
    }
}

impl Call {
    fn start(daemon: &Daemon) -> Call {
        let rtp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        rtp.set_read_timeout(Some(Duration::from_millis(5))).expect("a socket option");
        let peer = Peer::new(daemon.sip);
        let invite = peer.invite(rtp.local_addr().expect("bound"));
        let answer = peer.finally(&invite);
        assert_eq!(answer.code(), Some(200), "the watched call");
        let to = audio_of(&answer);
        let first = Heard { last: Instant::now(), away: Duration::ZERO, worst: Duration::ZERO };
        let (heard, stop) = (Arc::new(Mutex::new(first)), Arc::new(AtomicBool::new(false)));
        let (shared, stopped) = (heard.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let (mut buffer, mut sent, mut turn) = ([0; 2048], 0u32, Instant::now());
            let start = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                let came = rtp.recv(&mut buffer).is_ok();
                let took = turn.elapsed();
                turn = Instant::now();
                let mut heard = shared.lock().expect("nothing panics while holding this lock");
                if took > Duration::from_millis(15) {
                    heard.away += took;
                }
                if came {
                    let gap = heard.gap();
                    *heard = Heard { last: turn, away: Duration::ZERO, worst: heard.worst.max(gap) };
                }
                drop(heard);
                while start.elapsed() >= Duration::from_millis(20) * sent {
                    // The daemon may be gone; then the test fails elsewhere.
                    let _ = rtp.send_to(&packet(sent as u16, sent.wrapping_mul(160), 8, &[0xd5; 160]), to);
                    sent += 1;
                }
            }
        });
        Call { heard, stop, thread: Some(thread) }
    }

    fn forget(&self) {
        let mut heard = self.heard.lock().expect("nothing panics while holding this lock");
        heard.worst = Duration::ZERO;
    }

    fn worst_gap(&self) -> Duration {
        let heard = self.heard.lock().expect("nothing panics while holding this lock");
        heard.worst.max(heard.gap())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the watched call's thread has panicked");
        }
    }
}

/// An RTP packet.
pub fn packet(sequence: u16, timestamp: u32, payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&timestamp.to_be_bytes());
    packet.extend_from_slice(&0x5a5a_0001u32.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// The watch itself: a daemon that stands still for a moment, each time, is found out.
#[test]
fn a_gap_in_the_audio_is_seen() {
    if !crate::house::in_own_network("watch::a_gap_in_the_audio_is_seen") {
        return;
    }
    let mut watch = Watch::start(Vec::new());
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        watch.case("standing still", |daemon| {
            daemon.signal("-STOP");
            (0..12).for_each(|_| crate::house::pause());
            daemon.signal("-CONT");
            // The packet that ends the gap.
            (0..5).for_each(|_| crate::house::pause());
        });
    }));
    let said = seen.expect_err("240 ms without audio went unseen");
    let said = said.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(said.contains("without audio"), "{said}");
}
