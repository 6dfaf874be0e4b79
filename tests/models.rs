//! `models/fetch`, run as a user runs it, against folders and a web server of this test. Nothing leaves the machine.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

const DEMO: &str = "jiesu-demo-q8_0.bin";

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir(place.hub()).expect("a hub");
        place
    }

    fn hub(&self) -> PathBuf {
        self.folder.path().join("hub")
    }

    fn to(&self, name: &str) -> PathBuf {
        self.folder.path().join("to").join(name)
    }

    fn fetch(&self, arguments: &[&str]) -> Output {
        let mut fetch = Command::new(models().join("fetch"));
        fetch.args(arguments).arg("--to").arg(self.folder.path().join("to")).env_remove("JIESU_MODEL_HUB");
        fetch.output().expect("sh is here")
    }

    fn fetch_from_hub(&self, arguments: &[&str]) -> Output {
        let hub = self.hub();
        self.fetch(&[arguments, &["--from", hub.to_str().expect("UTF-8")]].concat())
    }

    /// What lies in the folder that is fetched to, hidden files too.
    fn there(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.folder.path().join("to")) else { return Vec::new() };
        let mut names: Vec<_> =
            files.map(|file| file.expect("read").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn a_sound_file_is_put_in_its_place() {
    let place = Place::new();
    fs::copy(models().join(DEMO), place.hub().join(DEMO)).expect("copied");
    for from in [place.hub().display().to_string(), format!("file://{}", place.hub().display())] {
        let output = place.fetch(&["demo", "--from", &from]);
        assert!(output.status.success(), "{}", says(&output));
        assert_eq!(place.there(), [DEMO]);
        assert_eq!(fs::read(place.to(DEMO)).expect("there"), fs::read(models().join(DEMO)).expect("here"));
        fs::remove_file(place.to(DEMO)).expect("removed");
    }
}

#[test]
fn a_wrong_or_cut_off_file_is_not() {
    let place = Place::new();
    let mut bytes = fs::read(models().join(DEMO)).expect("here");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    for wrong in [bytes.as_slice(), &bytes[..last], b"<html>moved</html>", b"lmgg"] {
        fs::write(place.hub().join(DEMO), wrong).expect("written");
        let output = place.fetch_from_hub(&["demo"]);
        assert_eq!(output.status.code(), Some(1), "{}", says(&output));
        assert!(says(&output).contains(DEMO), "{}", says(&output));
        assert!(place.there().is_empty(), "{:?}", place.there());
    }
}

#[test]
fn an_old_file_stays_when_the_new_one_is_unsound() {
    let place = Place::new();
    fs::create_dir(place.to("")).expect("a folder");
    fs::write(place.to(DEMO), "old").expect("written");
    fs::write(place.hub().join(DEMO), "lmgg new").expect("written");
    assert_eq!(place.fetch_from_hub(&["demo"]).status.code(), Some(1));
    assert_eq!(fs::read(place.to(DEMO)).expect("there"), b"old");
}

#[test]
fn an_unknown_file_needs_a_hash_or_trust_and_is_pinned() {
    let place = Place::new();
    fs::write(place.hub().join("mine.bin"), "lmgg one").expect("written");
    let refused = place.fetch_from_hub(&["mine.bin"]);
    assert!(refused.status.code() == Some(1) && says(&refused).contains("--trust"), "{}", says(&refused));
    assert!(place.fetch_from_hub(&["mine.bin", "--trust"]).status.success());
    assert_eq!(place.there(), ["mine.bin", "pinned.sha256"]);
    assert!(place.fetch_from_hub(&["mine.bin", "--trust"]).status.success(), "the same again");
    assert!(says(&place.fetch(&["verify"])).contains("mine.bin: good"));
    fs::write(place.hub().join("mine.bin"), "lmgg two").expect("written");
    let changed = place.fetch_from_hub(&["mine.bin", "--trust"]);
    assert_eq!(changed.status.code(), Some(1), "{}", says(&changed));
    assert_eq!(fs::read(place.to("mine.bin")).expect("there"), b"lmgg one");
    fs::write(place.to("mine.bin"), "lmgg spoilt").expect("written");
    let verified = place.fetch(&["verify"]);
    assert!(verified.status.code() == Some(1) && says(&verified).contains("BAD"), "{}", says(&verified));
}

#[test]
fn a_given_hash_decides() {
    let place = Place::new();
    fs::write(place.hub().join("mine.bin"), "lmgg one").expect("written");
    let hash = Command::new("sha256sum").arg(place.hub().join("mine.bin")).output().expect("sha256sum is here");
    let hash = says(&hash)[..64].to_owned();
    let other = hash.chars().rev().collect::<String>();
    assert_eq!(place.fetch_from_hub(&["mine.bin", "--sha256", &other]).status.code(), Some(1));
    assert!(place.there().is_empty());
    assert!(place.fetch_from_hub(&["mine.bin", "--sha256", &hash.to_uppercase()]).status.success());
}

#[test]
fn wrong_use_is_told() {
    let place = Place::new();
    assert_eq!(place.fetch(&[]).status.code(), Some(64));
    assert_eq!(place.fetch(&["demo", "--frm", "x"]).status.code(), Some(64));
    for (arguments, part) in [
        (&["base-q8_0"][..], "JIESU_MODEL_HUB"),
        (&["../../etc/x.bin", "--trust", "--from", "/"], "plain name"),
        (&["bsae", "--from", "/"], "not in the manifest"),
        (&["demo", "--from", "ftp://127.0.0.1"], "only http"),
    ] {
        let output = place.fetch(arguments);
        assert!(output.status.code() == Some(1) && says(&output).contains(part), "{}", says(&output));
    }
}

#[test]
fn it_fetches_over_http() {
    let has = |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !has("curl") && !has("wget") {
        println!("SKIPPED: neither curl nor wget is here");
        return;
    }
    let place = Place::new();
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.expect("a client");
            let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
            let request = lines.next().expect("a request").expect("text");
            // The answer is sent when the head has been read.
            lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let (status, body) = if request.contains("/some/folder/jiesu-demo-q8_0.bin ") {
                ("200 OK", fs::read(models().join(DEMO)).expect("here"))
            } else {
                ("404 Not Found", b"lmgg no".to_vec())
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).expect("the client reads");
        }
    });
    let output = place.fetch(&["demo", "--from", &format!("http://{address}/some/folder")]);
    assert!(output.status.success(), "{}", says(&output));
    let output = place.fetch(&["mine.bin", "--trust", "--from", &format!("http://{address}/some/folder")]);
    assert_eq!(output.status.code(), Some(1), "{}", says(&output));
    assert_eq!(place.there(), [DEMO]);
}
