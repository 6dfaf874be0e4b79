//! The house's walls: modules name only modules below them; clock, sockets, files and tokio stay in the leaves.
//!
//! Read from the source, so that it holds also for code that no test runs. Each rule is shown to fail on a planted
//! fault in the tests at the end.

use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first. A module may name modules of groups above it in this list, never its own group's others.
const GROUPS: &[&[&str]] = &[
    &["id", "time", "written", "shown", "audio"],
    &["calendar"],
    &["sdp", "rtp", "sip"],
    &["ticket", "catalogue"],
    // Emergencies are found by the catalogue's lexicon.
    &["ivr"],
    &["media", "asr", "classify", "tts", "matter"],
    &["store"],
    &["backend", "filing"],
    &["call"],
    &["casework"],
    &["intake"],
    &["observe"],
    &["web"],
    &["config"],
    &["app"],
    &["cli"],
];

/// Modules that may touch the outside in any of their files.
const LEAVES: &[&str] = &["asr", "tts", "store", "backend", "web", "observe", "config", "app", "cli", "main"];
/// Further files that may.
const LEAF_FILES: &[&str] = &["src/media/recorder.rs", "src/media/ports.rs"];

/// What counts as touching the outside.
const OUTSIDE: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "tokio::",
    "tokio_util::",
    "rand::rng()",
    "rand::random",
];

fn group(module: &str) -> Option<usize> {
    GROUPS.iter().position(|group| group.contains(&module))
}

/// The source without comments, strings and test modules.
fn bare(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if rest.starts_with("#[cfg(test)]\nmod ") || rest.starts_with("#[cfg(test)]\npub mod ") {
            break; // by habit the last thing in a file
        } else if c == '"' {
            let mut end = 1;
            while end < rest.len() && rest.as_bytes()[end] != b'"' {
                end += if rest.as_bytes()[end] == b'\\' { 2 } else { 1 };
            }
            rest = rest.get(end + 1..).unwrap_or("");
        } else if ["'\"'", "b'\"'"].iter().any(|quote| rest.starts_with(quote)) {
            rest = &rest[rest.find("\"'").map_or(1, |at| at + 2)..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// Every top-level module that the source names through `crate::`, also inside braces.
fn named(bare: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, _) in bare.match_indices("crate::") {
        let rest = &bare[at + 7..];
        let Some(inner) = rest.strip_prefix('{') else {
            names.push(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut fresh = true;
        for (i, c) in inner.char_indices() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => fresh = true,
                c if fresh && c.is_alphabetic() => {
                    names.push(word(&inner[i..]));
                    fresh = false;
                }
                _ => {}
            }
        }
    }
    names
}

/// What is wrong with one file.
fn faults(path: &str, source: &str) -> Vec<String> {
    let text = bare(source);
    let inside = path.trim_start_matches("src/");
    let module = inside.split(['/', '.']).next().unwrap_or_default();
    let mut found = Vec::new();
    if !["lib", "main"].contains(&module) {
        let Some(own) = group(module) else { return vec![format!("{path}: module {module} has no place in GROUPS")] };
        for name in named(&text) {
            if name != module && group(&name).is_some_and(|theirs| theirs >= own) {
                found.push(format!("{path}: {module} names {name}, which is not below it"));
            }
        }
    }
    let is_task = inside.split('/').any(|part| part == "task" || part == "task.rs");
    if !is_task && !LEAVES.contains(&module) && !LEAF_FILES.contains(&path) {
        for outside in OUTSIDE.iter().filter(|outside| text.contains(**outside)) {
            found.push(format!("{path}: touches {outside}; only task files and the leaves may"));
        }
    }
    let unsafe_here = text.contains("unsafe ") || text.contains("allow(unsafe_code)");
    if unsafe_here && !UNSAFE.contains(&path) {
        found.push(format!("{path}: unsafe code; only {UNSAFE:?} may"));
    }
    found
}

/// The files with unsafe code, each with its reasons inside.
const UNSAFE: &[&str] = &["src/asr/abort.rs"];

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Names of modules that are only built for tests: `#[cfg(test)] mod NAME;`, or the file of `#[path = "NAME.rs"]`.
fn test_modules(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in source.match_indices("#[cfg(test)]\n") {
        let rest = &source[at + 13..];
        let next = rest.lines().next().unwrap_or_default();
        if let Some(file) = next.strip_prefix("#[path = \"").and_then(|line| line.strip_suffix(".rs\"]")) {
            names.push(file.to_owned());
        } else if let Some(name) =
            next.trim_start_matches("pub(super) ").strip_prefix("mod ").and_then(|line| line.strip_suffix(';'))
        {
            names.push(name.to_owned());
        }
    }
    names
}

#[test]
fn every_module_names_only_what_is_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    assert!(files.len() > 50, "the sources were not found");
    let read = |file: &PathBuf| fs::read_to_string(file).expect("readable");
    let tests: Vec<String> = files.iter().flat_map(|file| test_modules(&read(file))).collect();
    let is_test = |file: &PathBuf| file.file_stem().is_some_and(|stem| tests.iter().any(|name| stem == name.as_str()));
    let mut all = Vec::new();
    for file in files.iter().filter(|file| !is_test(file)) {
        let path = file.strip_prefix(root).expect("under the root").to_string_lossy().into_owned();
        all.extend(faults(&path, &read(file)));
    }
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all.join("\n"));
}

#[test]
fn planted_faults_are_found() {
    let one = |path: &str, source: &str, what: &str| {
        let found = faults(path, source);
        assert!(found.len() == 1 && found[0].contains(what), "{path} {source:?}: {found:?}");
    };
    one("src/sip/uri.rs", "use crate::store::Store;", "sip names store");
    one("src/sip/uri.rs", "use crate::{time::Timers, media::{Leg, Prompt}};", "sip names media");
    one("src/sdp/mod.rs", "fn f() { crate::sip::Uri::parse(b\"\") }", "sdp names sip");
    one("src/media/leg.rs", "let now = Instant::now();", "Instant::now");
    one("src/call/session.rs", "tokio::spawn(async {});", "tokio::");
    one("src/sip/name.rs", "unsafe { std::str::from_utf8_unchecked(b) }", "unsafe");
    one("src/stray.rs", "", "no place");
    let good = |path: &str, source: &str| assert_eq!(faults(path, source), Vec::<String>::new(), "{source:?}");
    good("src/sip/task.rs", "let now = Instant::now(); use crate::{time, written::Source};");
    good("src/call/task/clerk.rs", "use crate::{store::Store, media};");
    good(
        "src/sip/uri.rs",
        "// crate::store\nconst A: &str = \"crate::store\";\n#[cfg(test)]\nmod tests { use crate::store::X; }",
    );
}
