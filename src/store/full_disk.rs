//! A disk that is really full: a small tmpfs in a mount namespace of its own.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::tz::TimeZone;

use super::planted::{at, pending};
use super::{Config, Error, Store};
use crate::id::CallId;

/// Names the folder on the small disk for [`inside`].
const SMALL: &str = "JIESU_TEST_SMALL_DISK";

#[test]
fn what_was_acknowledged_on_a_full_disk_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let exe = std::env::current_exe().expect("this test");
    let mount = "mount -t tmpfs -o size=8m tmpfs \"$1\"";
    let unshare = |script: String| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &script, "sh"]).arg(folder.path()).arg(&exe).env(SMALL, folder.path());
        command.output()
    };
    if !unshare(mount.to_owned()).is_ok_and(|out| out.status.success()) {
        eprintln!("SKIPPED: no mount namespaces here");
        return;
    }
    let script = format!("{mount} && exec \"$2\" --exact store::full_disk::inside --ignored --nocapture");
    let out = unshare(script).expect("it runs");
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && text.contains("1 passed"), "{text}");
}

/// Fills the disk to the last byte.
fn fill(file: &Path) {
    let mut filler = fs::File::create(file).expect("made");
    let mut piece = vec![7u8; 1 << 16];
    while !piece.is_empty() {
        if filler.write_all(&piece).is_err() {
            piece.truncate(piece.len() / 2);
        }
    }
}

#[tokio::test]
#[ignore = "run by what_was_acknowledged_on_a_full_disk_is_there"]
async fn inside() {
    let folder = PathBuf::from(std::env::var_os(SMALL).expect("run by the other test"));
    let config = Config { ballast: 2 << 20, ..Config::default() };
    let open = async || Store::open(&config, &folder, &TimeZone::UTC, &[]).await;
    let store = open().await.expect("opened");
    let now = at("2026-11-24T01:00:00Z");
    let file = async |store: &Store, n: u128| {
        let mut filing = pending(CallId::new(1_764_000_000_000, n));
        filing.text = Some("灯".repeat(10_000));
        store.file(filing, now).await
    };
    let (ballast, filler) = (folder.join("jiesu.ballast"), folder.join("filler"));
    fill(&filler);
    assert!(ballast.exists());

    let mut acknowledged = Vec::new();
    let error = loop {
        match file(&store, acknowledged.len() as u128).await {
            Ok(filed) => acknowledged.push(filed.number),
            Err(error) => break error,
        }
    };
    assert!(!ballast.exists(), "the ballast was given up");
    // Each with a text of 30 kB, which stands in its row, in its events and in what is told to the backends.
    assert!(acknowledged.len() >= 15, "only {} tickets were kept by it", acknowledged.len());
    assert!(matches!(error, Error::Full(_)) && error.passes() && error.to_string().contains("free space"), "{error}");
    assert!(matches!(file(&store, 9_999).await, Err(Error::Full(_))), "still full");

    fs::remove_file(&filler).expect("removed");
    acknowledged.push(file(&store, 9_999).await.expect("there is room again").number);
    store.close().await;
    let store = open().await.expect("opened");
    assert!(ballast.exists(), "set aside again at the next start");
    let found: Vec<_> = store.tickets(None, 10_000).await.expect("read").iter().map(|ticket| ticket.number).collect();
    assert_eq!(found, acknowledged);
}
