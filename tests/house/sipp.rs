//! SIPp: the scenarios of tests/sipp.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use super::{draw, root};

/// One run of a scenario.
pub struct Run<'a> {
    pub scenario: &'a str,
    pub number: &'a str,
    /// One line a call: field0 (the caller), field1, …
    pub fields: Vec<String>,
    pub calls: usize,
    pub rate: usize,
    /// Where SIPp sits: `127.0.0.1` or `::1`.
    pub address: &'a str,
    pub more: Vec<&'a str>,
    /// Raw A-law that the scenario finds as `speech.alaw`.
    pub speech: Vec<u8>,
}

impl<'a> Run<'a> {
    pub fn one(scenario: &'a str, caller: &str, key: char) -> Run<'a> {
        Run {
            scenario,
            number: "12345",
            fields: vec![format!("{caller};{key}")],
            calls: 1,
            rate: 1,
            address: "127.0.0.1",
            more: Vec::new(),
            speech: Vec::new(),
        }
    }

    pub fn spawn(&self, target: SocketAddr) -> (Child, tempfile::TempDir) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let fields = format!("SEQUENTIAL\n{}\n", self.fields.join("\n"));
        fs::write(temp.path().join("fields.csv"), fields).expect("write");
        fs::write(temp.path().join("speech.alaw"), &self.speech).expect("write");
        // A second of silence.
        fs::write(temp.path().join("quiet.alaw"), [0xD5; 8000]).expect("write");
        let media = 42000 + draw(2000) * 4;
        let child = Command::new("sipp")
            .arg(target.to_string())
            .arg("-sf")
            .arg(root().join(format!("tests/sipp/{}.xml", self.scenario)))
            .args(["-s", self.number, "-i", self.address, "-inf", "fields.csv", "-nostdin", "-timeout_error"])
            .args([
                "-m",
                &self.calls.to_string(),
                "-r",
                &self.rate.to_string(),
                "-timeout",
                "90",
                "-trace_err",
                "-error_file",
                "err.log",
            ])
            .args(["-mi", self.address, "-mp", &media.to_string()])
            .args(&self.more)
            .current_dir(temp.path())
            .stdin(Stdio::null())
            .stdout(fs::File::create(temp.path().join("out.log")).expect("a log"))
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp is installed");
        (child, temp)
    }

    /// Runs it; every call must pass.
    pub fn pass(&self, target: SocketAddr) {
        let (mut child, temp) = self.spawn(target);
        let status = child.wait().expect("our child");
        let errors = fs::read_to_string(temp.path().join("err.log")).unwrap_or_default();
        let out = fs::read_to_string(temp.path().join("out.log")).unwrap_or_default();
        let tail: String = out.chars().rev().take(3000).collect::<Vec<_>>().into_iter().rev().collect();
        assert!(status.success(), "sipp {}: {status}\n{errors}\n{tail}", self.scenario);
    }
}
