//! `jiesu eval asr` and `jiesu transcribe` with a true model: figures that must move when the references are wrong, and
//! files that are no recording.
#![cfg(feature = "whisper")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rand::seq::IndexedRandom as _;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn demonstration() -> PathBuf {
    root().join("models/jiesu-demo-q8_0.bin")
}

fn jiesu(arguments: &[&str]) -> Command {
    let mut jiesu = Command::new(env!("CARGO_BIN_EXE_jiesu"));
    jiesu.current_dir(root()).args(arguments).stdin(Stdio::null());
    jiesu
}

fn eval(list: &Path, model: &Path, more: &[&str]) -> Output {
    let mut eval = jiesu(&["eval", "asr"]);
    eval.arg(list).arg("--model").arg(model).args(more).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Drawn clips of the demonstration voice and what they say.
fn clips(count: usize) -> Vec<(PathBuf, String)> {
    let folder = root().join("tests/data/speech");
    let list = fs::read_to_string(folder.join("clips.tsv")).expect("the list of clips");
    let all: Vec<_> = list.lines().filter_map(|line| line.split_once('\t')).collect();
    let held: Vec<_> = all.into_iter().filter(|(name, _)| name.starts_with("held")).collect();
    let drawn = held.choose_multiple(&mut rand::rng(), count);
    drawn.map(|(name, said)| (folder.join(name), (*said).to_owned())).collect()
}

fn list(folder: &Path, name: &str, clips: &[(PathBuf, String)]) -> PathBuf {
    let line = |(i, (file, said)): (usize, &(PathBuf, String))| {
        format!("{}\t{said}\t{}\n", file.display(), ["even", "odd"][i % 2])
    };
    let path = folder.join(name);
    fs::write(&path, clips.iter().enumerate().map(line).collect::<String>()).expect("written");
    path
}

#[test]
fn the_figure_is_right_and_moves_when_the_references_are_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let clips = clips(6);
    let right = list(folder.path(), "right.tsv", &clips);
    let seed = rand::random_range(1..1_000_000u32).to_string();
    let output =
        eval(&right, &demonstration(), &["--alaw", "--loss", "0.02", "--snr", "20", "--seed", &seed, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let figures = json(&output);
    let names: Vec<_> = figures["hearings"].as_array().expect("lines").iter().map(|h| h["name"].clone()).collect();
    assert_eq!(names, ["clean", "line", "snr20"], "{figures:#}");
    let clean = &figures["hearings"][0];
    let cer = clean["rates"]["all"]["cer"].as_f64().expect("a rate");
    assert!(cer <= 0.15, "the demonstration recogniser hears its own voice: {figures:#}");
    assert!(clean["rates"]["all"]["low"].as_f64() <= Some(cer) && clean["rates"]["all"]["high"].as_f64() >= Some(cer));
    assert_eq!(clean["rates"]["even"]["clips"], 3);
    assert!(clean["real_time_factor"].as_f64() > Some(0.0) && clean["cpu_s"].as_f64() > Some(0.0), "{clean:#}");
    assert_eq!(figures["made_up_in_a_minute"]["silence"], 0, "{figures:#}");

    // Half of the references belong to nothing that was said.
    let planted: Vec<_> = clips
        .iter()
        .enumerate()
        .map(|(i, (file, said))| {
            let wrong: String = said.chars().map(|c| if c.is_alphanumeric() { '错' } else { c }).collect();
            (file.clone(), if i % 2 == 0 { wrong } else { said.clone() })
        })
        .collect();
    let wrong = list(folder.path(), "wrong.tsv", &planted);
    let output = eval(&wrong, &demonstration(), &["--seed", &seed, "--json", "--gate", "clean.cer=0.3"]);
    assert_eq!(output.status.code(), Some(1), "the gate holds nothing: {output:?}");
    assert!(text(&output.stderr).contains("clean.cer is"), "{output:?}");
    let rates = json(&output)["hearings"][0]["rates"].clone();
    assert!(rates["even"]["cer"].as_f64() >= Some(0.95) && rates["odd"]["cer"].as_f64() <= Some(0.25), "{rates:#}");
}

/// A WAV file of nothing: `seconds` of 8 kHz, 16 bits or A-law, that take no room on the disk.
fn sparse(path: &Path, seconds: u32, alaw: bool) {
    let width = if alaw { 1u32 } else { 2 };
    let mut header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0".to_vec();
    header.extend([if alaw { 6u16 } else { 1 }, 1].iter().flat_map(|n| n.to_le_bytes()));
    header.extend([8000u32, 8000 * width].iter().flat_map(|n| n.to_le_bytes()));
    header.extend([width as u16, width as u16 * 8].iter().flat_map(|n| n.to_le_bytes()));
    header.extend(b"data");
    header.extend((seconds * 8000 * width).to_le_bytes());
    fs::write(path, &header).expect("written");
    let length = header.len() as u64 + u64::from(seconds) * 8000 * u64::from(width);
    File::options().write(true).open(path).and_then(|file| file.set_len(length)).expect("sparse");
}

/// Runs it; the exit code, what it said, and the most memory that it had, in MB.
#[expect(clippy::zombie_processes, reason = "wait4 waits for it: it tells the memory too")]
fn measured(command: &mut Command) -> (Option<i32>, String, u64) {
    let said = tempfile::NamedTempFile::new().expect("a file");
    let child = command.stdout(Stdio::null()).stderr(said.reopen().expect("a file")).spawn().expect("it runs");
    let mut status = 0;
    // SAFETY: zeroes are a valid rusage, and both pointers live until wait4 returns; the child is ours and nobody else
    // waits for it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::wait4(child.id() as i32, &mut status, 0, &mut usage), child.id() as i32);
        usage
    };
    let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
    (code, fs::read_to_string(said.path()).expect("read"), usage.ru_maxrss as u64 / 1024)
}

#[test]
fn what_is_no_recording_is_named_and_costs_no_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = demonstration();
    let model = model.to_str().expect("a path");
    let path = |name: &str| folder.path().join(name);
    sparse(&path("hours.wav"), 3 * 3600, false);
    sparse(&path("alaw.wav"), 3 * 3600, true);
    sparse(&path("long.wav"), 7000, true);
    fs::write(path("empty.wav"), b"").expect("written");
    fs::write(path("tale.wav"), "很久以前".repeat(rand::random_range(1..2000))).expect("written");
    for (name, part) in [
        ("hours.wav", "cut it into parts"),
        ("alaw.wav", "cut it into parts"),
        ("long.wav", "cut it into parts"),
        ("empty.wav", "not a WAV"),
        ("tale.wav", "not a WAV"),
        ("missing.wav", "No such file"),
    ] {
        let file = path(name);
        let (code, said, most) = measured(jiesu(&["transcribe", "--model", model]).arg(&file));
        println!("transcribe {name}: {most} MB");
        assert!(code == Some(1) && said.contains(name) && said.contains(part), "{name}: {code:?} {said}");
        assert!(most < 400, "{name}: {most} MB");
        let list = list(folder.path(), "list.tsv", &[(file, "路灯坏了".to_owned())]);
        let (code, said, most) = measured(jiesu(&["eval", "asr", "--model", model]).arg(&list));
        println!("eval asr {name}: {most} MB");
        assert!(code == Some(1) && said.contains(name) && said.contains(part), "{name}: {code:?} {said}");
        assert!(most < 400, "{name}: {most} MB");
    }
    // A sound file in which there is nothing.
    sparse(&path("nothing.wav"), 0, false);
    let (code, said, _) = measured(jiesu(&["transcribe", "--model", model]).arg(path("nothing.wav")));
    assert_eq!((code, said.as_str()), (Some(0), ""));
    for (bad, part) in [("one.wav\n", "list.tsv:1"), ("", "no clip")] {
        fs::write(path("list.tsv"), bad).expect("written");
        let output = eval(&path("list.tsv"), Path::new(model), &[]);
        assert!(output.status.code() == Some(1) && text(&output.stderr).contains(part), "{output:?}");
    }
}

/// With a true Whisper in `$JIESU_MODELS`: clips of people and of synthetic voices, clean and over a telephone line.
#[test]
fn acceptance_of_a_true_model() {
    let models = std::env::var_os("JIESU_MODELS").map(PathBuf::from);
    let shared = std::env::var_os("JIESU_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let clips = shared.join("speech/transcripts.tsv");
    let config = jiesu::asr::Config { models: models.clone().unwrap_or_default(), ..Default::default() };
    let chosen = models.and_then(|_| jiesu::asr::shelf::Shelf::new(config).choose());
    let (Some(model), true) = (chosen, clips.is_file()) else {
        eprintln!(
            "SKIPPED: $JIESU_MODELS holds no true Whisper, or ../shared/speech is not here; figures of a true model"
        );
        return;
    };
    let output = eval(&clips, &model, &["--alaw", "--loss", "0.02", "--snr", "20,10"]);
    println!("{}", text(&output.stdout));
    let gates = ["--gate", "clean.cer=0.25", "--gate", "silence=0"];
    let output = eval(&clips, &model, &gates);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
