//! What tests of the whole daemon share: a daemon of its own on free ports, real clients, a network of its own.
#![allow(dead_code)] // each test file uses its part of it

pub mod baresip;
pub mod callee;
pub mod caller;
pub mod carrier;
pub mod certificates;
pub mod dns;
pub mod hear;
pub mod kamailio;
pub mod script;
pub mod secured;
pub mod sipp;
pub mod speech;
pub mod torture;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder shared between the teams, where it is there: `$JIESU_SHARED`, else `../shared`.
pub fn shared() -> Option<PathBuf> {
    let named = std::env::var_os("JIESU_SHARED").map(PathBuf::from);
    named.or_else(|| Some(root().join("../shared"))).filter(|path| path.is_dir())
}

/// Says aloud that a test, or a part of one, did not run.
pub fn skip(what: &str) {
    eprintln!("SKIPPED: {what}");
}

/// Whether a program is installed.
pub fn has(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// A number below `below` that the test could not know.
pub fn draw(below: u64) -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() % below
}

/// Runs the calling test again in a network namespace of its own (loopback up, one more address, a default route:
/// baresip wants them), unless it is there already. `true`: go on, we are inside.
pub fn in_own_network(test: &str) -> bool {
    if std::env::var_os("JIESU_OWN_NETWORK").is_some() {
        return true;
    }
    let setup =
        "ip link set lo up && ip addr add 192.0.2.9/24 dev lo && ip route add default dev lo && exec \"$0\" \"$@\"";
    let me = std::env::current_exe().expect("a test has a file");
    // Whoever is not root is it in a user namespace.
    let spaces = if rustix::process::geteuid().is_root() { "-n" } else { "-rn" };
    let status = Command::new("unshare")
        .args([spaces, "sh", "-c", setup])
        .arg(me)
        .args([test, "--exact", "--nocapture", "--include-ignored"])
        .env("JIESU_OWN_NETWORK", "1")
        .status()
        .expect("unshare is part of util-linux");
    assert!(status.success(), "{test} failed inside its own network (output above)");
    false
}

/// How a test's daemon differs from the shipped one.
#[derive(Clone, Default)]
pub struct Plan {
    /// Lines put at the end of jiesu.toml (whole sections).
    pub more: String,
    /// Replacements in jiesu.toml: (what stands there, what shall stand there).
    pub edits: Vec<(String, String)>,
    /// Further files under the configuration folder.
    pub files: Vec<(String, String)>,
    /// A model for recognition.
    pub model: Option<PathBuf>,
    /// Words before the program: `taskset`, `strace`, `faketime`.
    pub under: Vec<String>,
    pub environment: Vec<(String, String)>,
}

/// For telephones that send speech all the time: what they are asked is played to its end.
pub fn played_to_the_end() -> (String, String) {
    ("# speech_barge_in = true".into(), "speech_barge_in = false".into())
}

/// A running `jiesu serve` with a copy of the shipped configuration.
pub struct Daemon {
    pub child: Child,
    pub folder: PathBuf,
    pub sip: SocketAddr,
    pub tcp: SocketAddr,
    pub tls: Option<SocketAddr>,
    pub web: SocketAddr,
    /// Behind a lock so that a test's threads may share the daemon.
    said: Option<Mutex<mpsc::Receiver<String>>>,
    kept: Option<tempfile::TempDir>,
}

pub fn jiesu() -> &'static str {
    env!("CARGO_BIN_EXE_jiesu")
}

/// A copy of the shipped configuration on free ports.
pub fn folder(plan: &Plan) -> tempfile::TempDir {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let copied = Command::new("cp").arg("-r").arg(root().join("config/.")).arg(temp.path()).status().expect("cp");
    assert!(copied.success());
    let file = temp.path().join("jiesu.toml");
    let mut text = fs::read_to_string(&file).expect("the shipped jiesu.toml");
    let mut edit = |from: &str, to: &str| {
        assert!(text.contains(from), "the shipped jiesu.toml no longer has {from:?}");
        text = text.replacen(from, to, 1);
    };
    edit("listen = [\"0.0.0.0:5060\"]", "listen = [\"127.0.0.1:0\"]");
    edit("listen = \"127.0.0.1:8345\"", "listen = \"127.0.0.1:0\"");
    // Below the ports of baresip, SIPp and our own test telephone.
    let from = 20000 + draw(16) * 500;
    edit("ports = \"10000-20000\"", &format!("ports = \"{from}-{}\"", from + 2000));
    if let Some(model) = &plan.model {
        edit("#: model = ", &format!("model = {:?}\n#: model = ", model.display().to_string()));
    }
    for (from, to) in &plan.edits {
        edit(from, to);
    }
    // Never a state that another test has, or that an earlier run left.
    text = text.replacen("# state_dir = \"../state\"", "state_dir = \"state\"", 1);
    assert!(text.contains("\nstate_dir = "), "the shipped jiesu.toml no longer shows state_dir");
    // A machine that builds something beside the tests is late now and then: no reason to refuse their calls.
    text = text.replacen("# max_lateness = \"60ms\"", "max_lateness = \"5s\"", 1);
    // Nor to go on without the text of what they said; who tests that sets it.
    text = text.replacen("# recognise = \"6s\"", "recognise = \"20s\"", 1);
    // Tests write flows of their own, which need not be such that people may be let in.
    text = text.replacen("# flows = \"refuse\"", "flows = \"say\"", 1);
    text.push_str(&plan.more);
    fs::write(&file, text).expect("write");
    // The shipped rules lead to nodes of the shipped flow.
    let named = |wanted: &str| plan.files.iter().any(|(name, _)| name == wanted);
    let calm = ("emergency.toml".to_owned(), "overhear = false\n".to_owned());
    let calm = (named("flows/main.toml") && !named("emergency.toml")).then_some(&calm);
    for (name, text) in plan.files.iter().chain(calm) {
        let path = temp.path().join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("mkdir");
        fs::write(path, text).expect("write");
    }
    temp
}

impl Daemon {
    pub fn start(plan: &Plan) -> Daemon {
        let temp = folder(plan);
        let mut daemon = Daemon::over(temp.path(), plan);
        daemon.kept = Some(temp);
        daemon
    }

    /// Starts over an existing configuration folder (and the state in it).
    pub fn over(folder: &Path, plan: &Plan) -> Daemon {
        Daemon::attempt(folder, plan).unwrap_or_else(|log| panic!("the daemon did not start:\n{log}"))
    }

    pub fn attempt(folder: &Path, plan: &Plan) -> Result<Daemon, String> {
        let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log.txt")).expect("log file");
        let mut words = plan.under.clone();
        words.extend([jiesu(), "serve", "-c"].map(String::from));
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .arg(folder)
            .envs(plan.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the daemon's program");
        let (send, said) = mpsc::sync_channel(64);
        let out = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let (mut sip, mut tcp, mut tls, mut web) = (None, None, None, None);
        loop {
            match said.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => {
                    if let Some(at) = line.strip_prefix("sip udp ") {
                        sip = sip.or(at.parse().ok());
                    } else if let Some(at) = line.strip_prefix("sip tcp ") {
                        tcp = tcp.or(at.parse().ok());
                    } else if let Some(at) = line.strip_prefix("sip tls ") {
                        tls = tls.or(at.parse().ok());
                    } else if let Some(at) = line.strip_prefix("web http://") {
                        web = at.trim_end_matches('/').parse().ok();
                    } else if line == "ready" {
                        break;
                    }
                }
                Err(_) => {
                    // It ended by itself, or is stuck; either way the log says more.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(fs::read_to_string(folder.join("log.txt")).unwrap_or_default());
                }
            }
        }
        let (sip, tcp) = (sip.expect("it said where SIP is"), tcp.expect("and on TCP"));
        let web = web.expect("it said where the console is");
        Ok(Daemon { child, folder: folder.to_owned(), sip, tcp, tls, web, said: Some(Mutex::new(said)), kept: None })
    }

    /// `jiesu ARGS -c FOLDER`, which must end by itself.
    pub fn cli(&self, args: &[&str]) -> Output {
        cli(&self.folder, args)
    }

    /// Every ticket, as `jiesu ticket list --json` prints them.
    pub fn tickets(&self) -> Vec<Value> {
        tickets(&self.folder)
    }

    /// Waits until there are `count` tickets; fails when there are more, or after `limit`.
    pub fn wait_tickets(&self, count: usize, limit: Duration) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let tickets = self.tickets();
            assert!(tickets.len() <= count, "{} tickets, {count} were expected: {tickets:#?}", tickets.len());
            if tickets.len() == count {
                return tickets;
            }
            assert!(start.elapsed() < limit, "{} of {count} tickets after {limit:?}\n{}", tickets.len(), self.log());
            // Each look is a process of its own.
            (0..5).for_each(|_| pause());
        }
    }

    /// Waits until the only ticket is as `good` wants it: what belongs to a call may be written after its ticket.
    pub fn wait_ticket(&self, limit: Duration, good: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let ticket = self.wait_tickets(1, limit).remove(0);
            if good(&ticket) {
                return ticket;
            }
            assert!(start.elapsed() < limit, "after {limit:?} still {ticket:#}\n{}", self.log());
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log.txt")).unwrap_or_default()
    }

    /// GET from the console: status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        get(self.web, path)
    }

    /// One figure of `/metrics`: the sum over all labels, or over the lines that have these (`name{label="value"}`).
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").1;
        let (name, labels) = name.split_once('{').map_or((name, ""), |(name, labels)| (name, labels));
        let labels: Vec<&str> = labels.trim_end_matches('}').split(',').collect();
        let of = |line: &str| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']));
            rest.is_some_and(|rest| labels.iter().all(|label| rest.contains(label)))
        };
        text.lines().filter(|line| of(line)).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    pub fn wait_metric(&self, name: &str, value: f64) {
        self.wait_until(name, |now| now == value);
    }

    pub fn wait_until(&self, name: &str, good: impl Fn(f64) -> bool) {
        let start = Instant::now();
        while !good(self.metric(name)) {
            assert!(start.elapsed() < Duration::from_secs(30), "{name} stays {}\n{}", self.metric(name), self.log());
            pause();
        }
    }

    /// Waits until the log says this.
    pub fn wait_log(&self, words: &str) {
        let start = Instant::now();
        while !self.log().contains(words) {
            assert!(start.elapsed() < Duration::from_secs(30), "{words} is not in the log:\n{}", self.log());
            pause();
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill").success());
    }

    /// The daemon's own process, also when it runs under another program.
    pub fn pid(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let named = fs::read_link(format!("/proc/{}/exe", self.child.id())).is_ok_and(|exe| exe == Path::new(jiesu()));
        if named {
            return self.child.id();
        }
        let list = fs::read_to_string(children).unwrap_or_default();
        list.split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap_or(self.child.id())
    }

    /// SIGTERM; the exit code, which must come within `limit`.
    pub fn stop(mut self, limit: Duration) -> i32 {
        self.signal("-TERM");
        self.wait(limit)
    }

    /// As [`Daemon::stop`]; what was in `file` then lies in `copy`.
    pub fn stop_keeping(mut self, limit: Duration, file: &Path, copy: &Path) -> i32 {
        self.signal("-TERM");
        let code = self.wait(limit);
        fs::copy(file, copy).expect("copied");
        code
    }

    pub fn wait(&mut self, limit: Duration) -> i32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status.code().unwrap_or(-1);
            }
            assert!(start.elapsed() < limit, "the daemon did not stop within {limit:?}:\n{}", self.log());
            pause();
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.signal("-KILL");
        self.child.wait().expect("our child");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Under another program (strace) the daemon would outlive it.
        let own = self.pid();
        if own != self.child.id() {
            let _ = Command::new("kill").args(["-KILL", &own.to_string()]).stderr(Stdio::null()).status();
        }
        // It may be stopped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log());
        }
        self.said = None;
    }
}

/// Between two looks at another process, which has no way to wake us.
pub fn pause() {
    let (_keep, wait) = mpsc::sync_channel::<()>(0);
    // The time-out is the point; nothing is ever sent.
    let _ = wait.recv_timeout(Duration::from_millis(20));
}

pub fn cli(folder: &Path, args: &[&str]) -> Output {
    Command::new(jiesu()).args(args).arg("-c").arg(folder).stdin(Stdio::null()).output().expect("jiesu runs")
}

pub fn tickets(folder: &Path) -> Vec<Value> {
    let out = cli(folder, &["ticket", "list", "--json"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("JSON is UTF-8");
    serde_json::from_str::<Value>(&text).expect("JSON").as_array().expect("a list").clone()
}

pub fn get(at: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).expect("the console listens");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("write");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("read");
    let code = text.split(' ').nth(1).and_then(|c| c.parse().ok()).unwrap_or(0);
    (code, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}
