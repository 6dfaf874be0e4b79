//! Kamailio as a carrier's edge in front of daemons of ours: record-routing, a dispatcher with fail-over, and a password
//! for what comes out of the hotline.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{has, pause};

/// What the edge is told.
pub struct Edge<'a> {
    pub port: u16,
    /// The hotline's nodes, as URIs.
    pub nodes: Vec<String>,
    /// Where calls out of the hotline end.
    pub operator: &'a str,
    /// What those calls need: realm, password, algorithm (`MD5` or `SHA-256`).
    pub login: Option<(&'a str, &'a str, &'a str)>,
}

/// A running Kamailio; dropping it stops it.
pub struct Kamailio {
    child: Child,
    pub at: SocketAddr,
    folder: tempfile::TempDir,
}

/// Where Debian keeps the modules.
fn modules() -> Option<std::path::PathBuf> {
    let machine = format!("/usr/lib/{}-linux-gnu/kamailio/modules", std::env::consts::ARCH);
    Some(std::path::PathBuf::from(machine)).filter(|path| path.is_dir())
}

/// Whether there is one to start.
pub fn is_installed() -> bool {
    (has("kamailio") || fs::exists("/usr/sbin/kamailio").unwrap_or(false)) && modules().is_some()
}

impl Kamailio {
    /// Must run in a network of its own.
    pub fn start(edge: &Edge<'_>) -> Kamailio {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path();
        let list: String = edge.nodes.iter().map(|node| format!("1 {node}\n")).collect();
        fs::write(path.join("dispatcher.list"), list).expect("write");
        let (realm, password, algorithm) = edge.login.unwrap_or(("edge", "", "MD5"));
        let guard = if edge.login.is_some() {
            format!(
                "if (!pv_proxy_authenticate(\"{realm}\", \"{password}\", \"0\")) {{ proxy_challenge(\"{realm}\", \"1\"); exit; }}
                 consume_credentials();"
            )
        } else {
            String::new()
        };
        let config = format!(
            r#"#!KAMAILIO
debug=2
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
mpath="{modules}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "auth.so"
loadmodule "xlog.so"
loadmodule "dispatcher.so"
modparam("tm", "fr_timer", 1500)
modparam("auth", "algorithm", "{algorithm}")
modparam("auth", "qop", "auth")
modparam("dispatcher", "list_file", "{list}")
modparam("dispatcher", "flags", 2)
modparam("dispatcher", "ds_ping_interval", 1)
modparam("dispatcher", "ds_probing_threshold", 1)
modparam("dispatcher", "ds_probing_mode", 1)
modparam("dispatcher", "ds_ping_method", "OPTIONS")
request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        sl_send_reply("404", "No such dialog"); exit;
    }}
    if (!is_method("INVITE")) {{ sl_send_reply("200", "OK"); exit; }}
    if (ds_is_from_list("1", "2")) {{
        {guard}
        record_route();
        $du = "{operator}";
        t_relay(); exit;
    }}
    record_route();
    if (!ds_select_dst("1", "4")) {{ sl_send_reply("503", "No node"); exit; }}
    t_on_failure("NEXT");
    t_relay();
}}
failure_route[NEXT] {{
    if (t_is_canceled()) exit;
    if (t_check_status("408|477|503")) {{
        xlog("L_ERR", "fail-over from $du\n");
        if (ds_next_dst()) {{ t_on_failure("NEXT"); t_relay(); exit; }}
    }}
}}
"#,
            port = edge.port,
            modules = modules().expect("asked before").display(),
            list = path.join("dispatcher.list").display(),
            operator = edge.operator,
        );
        fs::write(path.join("edge.cfg"), config).expect("write");
        let program = if has("kamailio") { "kamailio" } else { "/usr/sbin/kamailio" };
        let child = Command::new(program)
            .args(["-DD", "-E", "-m", "32", "-M", "8", "-P"])
            .arg(path.join("pid"))
            .arg("-f")
            .arg(path.join("edge.cfg"))
            .arg("-Y")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(path.join("edge.log")).expect("a log"))
            .spawn()
            .expect("kamailio is installed");
        let at: SocketAddr = ([127, 0, 0, 1], edge.port).into();
        let mut kamailio = Kamailio { child, at, folder };
        let begun = Instant::now();
        while std::net::TcpStream::connect(at).is_err() {
            let ended = kamailio.child.try_wait().expect("our child");
            let patient = begun.elapsed() < Duration::from_secs(30);
            assert!(ended.is_none() && patient, "Kamailio did not start: {ended:?}\n{}", kamailio.log());
            pause();
        }
        kamailio
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("edge.log")).unwrap_or_default()
    }

    /// Waits until this word stands in its log.
    pub fn wait_log(&self, word: &str) {
        let begun = Instant::now();
        while !self.log().contains(word) {
            assert!(begun.elapsed() < Duration::from_secs(30), "Kamailio never said {word:?}:\n{}", self.log());
            pause();
        }
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Its children end with it; a plain kill would leave them.
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
