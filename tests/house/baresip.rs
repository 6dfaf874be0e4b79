//! baresip, headless: a real softphone with file audio, driven over its control port.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::certificates::Signed;
use super::pause;

pub struct Phone {
    child: Child,
    control: TcpStream,
    unread: Vec<u8>,
    folder: tempfile::TempDir,
}

/// What a phone speaks.
pub struct Speech<'a> {
    /// As in `audio_codecs`, in its order.
    pub codecs: &'a str,
    /// Of the microphone's file: the codec's own, since baresip's resampling takes away what lies above 1 kHz.
    pub rate: u32,
    /// Further parameters of the account: `;mediaenc=srtp-mand`, `;dtmfmode=info`.
    pub account: &'a str,
}

impl Phone {
    /// The phone of `user`, whose microphone is `mic` (WAV, mono, 8 kHz). Must run in a network of its own.
    pub fn start(user: &str, mic: &Path, port: u16, more_account: &str) -> Phone {
        let codecs = "PCMA/8000/1,PCMU/8000/1";
        Phone::speaking(
            user,
            mic,
            port,
            &Speech { codecs, rate: 8_000, account: &format!(";dtmfmode=rtpevent{more_account}") },
        )
    }

    /// The same with other codecs.
    pub fn speaking(user: &str, mic: &Path, port: u16, speech: &Speech<'_>) -> Phone {
        Phone::over(user, mic, port, speech, None)
    }

    /// The same over TLS, with its certificate; it listens on the port above `port`.
    pub fn secured(user: &str, mic: &Path, port: u16, speech: &Speech<'_>, shows: &Signed) -> Phone {
        Phone::over(user, mic, port, speech, Some(shows))
    }

    fn over(user: &str, mic: &Path, port: u16, speech: &Speech<'_>, shows: Option<&Signed>) -> Phone {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = folder.path();
        fs::create_dir(at.join("heard")).expect("mkdir");
        // The port above SIP's is SIP over TLS.
        let control = port + 5;
        let config = format!(
            "sip_listen 127.0.0.1:{port}\naudio_source aufile,{mic}\naudio_player aufile,{dir}/none.wav\naudio_alert aufile,/dev/null\n\
             ausrc_srate {rate}\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\nrtp_ports 30000-30100\njitter_buffer_delay 5-500\n\
             module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule g722.so\nmodule opus.so\nmodule srtp.so\nmodule aufile.so\nmodule sndfile.so\nmodule_tmp uuid.so\n\
             module_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{control}\nsnd_path {dir}/heard\n",
            mic = mic.display(),
            rate = speech.rate,
            dir = at.display(),
        );
        let certificate = at.join("certificate.pem");
        let (transport, config) = match shows {
            None => ("udp", config),
            Some(shows) => {
                fs::write(&certificate, format!("{}{}", shows.key, shows.certificate)).expect("write");
                ("tls", format!("{config}sip_certificate {}\n", certificate.display()))
            }
        };
        fs::write(at.join("config"), config).expect("write");
        let account = format!(
            "<sip:{user}@127.0.0.1;transport={transport}>;regint=0;audio_codecs={}{}\n",
            speech.codecs, speech.account
        );
        fs::write(at.join("accounts"), account).expect("write");
        fs::write(at.join("contacts"), "").expect("write");
        let mut child = Command::new("baresip")
            .args(["-4", "-n", "lo", "-t", "120", "-f"])
            .arg(at)
            .stdin(Stdio::null())
            .stdout(fs::File::create(at.join("out.log")).expect("a log"))
            .stderr(Stdio::null())
            .spawn()
            .expect("baresip is installed");
        let start = Instant::now();
        let control = loop {
            match TcpStream::connect(("127.0.0.1", control)) {
                Ok(stream) => break stream,
                Err(_) if start.elapsed() < Duration::from_secs(20) => pause(),
                Err(error) => {
                    // It is being given up.
                    let _ = child.kill();
                    panic!(
                        "baresip's control port: {error}\n{}",
                        fs::read_to_string(at.join("out.log")).unwrap_or_default()
                    );
                }
            }
        };
        control.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket option");
        Phone { child, control, unread: Vec::new(), folder }
    }

    pub fn command(&mut self, command: &str, parameters: &str) {
        let text = json!({"command": command, "params": parameters}).to_string();
        write!(self.control, "{}:{text},", text.len()).expect("baresip listens");
    }

    /// Presses one key and lets it go.
    pub fn press(&mut self, key: &str) {
        self.command("sndcode", key);
        // Code 4 releases it.
        self.command("sndcode", "\u{4}");
    }

    /// The next message (event or response), if one comes within `limit`.
    pub fn next(&mut self, limit: Duration) -> Option<Value> {
        let start = Instant::now();
        loop {
            if let Some(value) = self.netstring() {
                return Some(value);
            }
            let mut buffer = [0; 4096];
            match self.control.read(&mut buffer) {
                Ok(n) if n > 0 => self.unread.extend_from_slice(&buffer[..n]),
                _ if start.elapsed() > limit => return None,
                _ => {}
            }
        }
    }

    fn netstring(&mut self) -> Option<Value> {
        let colon = self.unread.iter().position(|b| *b == b':')?;
        let length: usize = std::str::from_utf8(&self.unread[..colon]).ok()?.parse().ok()?;
        let end = colon + 1 + length;
        if self.unread.len() <= end {
            return None;
        }
        let value = serde_json::from_slice(&self.unread[colon + 1..end]).ok();
        self.unread.drain(..=end);
        value
    }

    /// Waits for an event of this type.
    pub fn wait(&mut self, kind: &str, limit: Duration) -> Value {
        let start = Instant::now();
        let mut seen = Vec::new();
        while let Some(value) = self.next(limit.saturating_sub(start.elapsed())) {
            if value["type"] == kind {
                return value;
            }
            seen.push(value.to_string());
        }
        let log = fs::read_to_string(self.folder.path().join("out.log")).unwrap_or_default();
        panic!("baresip: no {kind} within {limit:?}; seen {seen:?}\n{log}");
    }

    /// What came in over RTP, as the phone decoded it (gaps are not filled).
    pub fn heard(&self) -> PathBuf {
        let folder = self.folder.path().join("heard");
        let mut files: Vec<PathBuf> = fs::read_dir(folder).expect("it is there").flatten().map(|e| e.path()).collect();
        files.retain(|f| f.to_string_lossy().contains("dec"));
        files.sort();
        files.pop().expect("baresip wrote what it heard")
    }

    /// The same while the call goes on: what is in the file already.
    pub fn hears(&self) -> Vec<f32> {
        let bytes = fs::read(self.heard()).expect("baresip writes what it hears");
        // The header, which says how long it is, is written at the end.
        let sample = |b: &[u8]| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0;
        bytes.get(44..).unwrap_or_default().chunks_exact(2).map(sample).collect()
    }

    /// How many samples that are.
    pub fn received(&self) -> usize {
        let length = fs::metadata(self.heard()).expect("baresip writes what it hears").len();
        usize::try_from(length.saturating_sub(44) / 2).expect("a call, not a day")
    }

    /// Ends the phone so that its files are complete.
    pub fn quit(&mut self) {
        self.command("quit", "");
        let start = Instant::now();
        while self.child.try_wait().expect("our child").is_none() {
            if start.elapsed() > Duration::from_secs(10) {
                self.child.kill().expect("our child");
            }
            pause();
        }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
