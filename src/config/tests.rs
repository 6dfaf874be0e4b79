//! The shipped folder, the defaults that it shows, and what does not fit together in a folder.

use super::*;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

/// A copy of the shipped folder with one file changed: (what stands there, what shall stand there).
fn with(file: &str, from: &str, to: &str) -> (tempfile::TempDir, String) {
    let temp = tempfile::tempdir().expect("a temporary folder");
    copy(&shipped(), temp.path());
    let path = temp.path().join(file);
    let text = std::fs::read_to_string(&path).expect("a shipped file");
    assert!(text.contains(from), "{file} no longer holds {from:?}");
    std::fs::write(&path, text.replacen(from, to, 1)).expect("write");
    let said = load(temp.path()).err().map(|faults| faults.to_string()).unwrap_or_default();
    (temp, said)
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let into = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&into).expect("mkdir");
            copy(&entry.path(), &into);
        } else {
            std::fs::copy(entry.path(), into).expect("copy");
        }
    }
}

#[test]
fn the_shipped_folder_is_good() {
    let config = load(&shipped()).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(config.lines.iter().len() >= 25 && config.main.backends.len() == 1, "{}", config.summary());
}

/// `# key = value` in the shipped jiesu.toml is a default: written out, nothing changes.
#[test]
fn the_defaults_that_are_shown_are_the_defaults() {
    let text = std::fs::read_to_string(shipped().join("jiesu.toml")).expect("the shipped file");
    let mut shown = 0;
    let written: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split(" = ").next().is_some_and(|key| !key.contains(' ')) && rest.contains(" = ") => {
                shown += 1;
                rest
            }
            _ => line,
        })
        .collect();
    assert!(shown > 45, "only {shown} defaults are shown");
    let faults = Faults::default();
    let read = |text: &str| {
        let source = Source::new(shipped().join("jiesu.toml"), text);
        read_main(&shipped(), &source, &faults).unwrap_or_else(|| panic!("{faults}"))
    };
    let (bare, full) = (read(&text), read(&written.join("\n")));
    assert!(faults.is_empty(), "{faults}");
    assert_eq!(
        format!("{:?}", (&bare.sip, &bare.media, &bare.calls)),
        format!("{:?}", (&full.sip, &full.media, &full.calls))
    );
    assert_eq!(format!("{:?}", (&bare.assessment, &bare.trends)), format!("{:?}", (&full.assessment, &full.trends)));
    assert_eq!(
        format!("{:?}", (&bare.asr, &bare.tts, &bare.store)),
        format!("{:?}", (&full.asr, &full.tts, &full.store))
    );
    assert_eq!(
        format!("{:?}", (&bare.web, &bare.log, &bare.reload, &bare.check, &bare.state_dir, &bare.dispatch)),
        format!("{:?}", (&full.web, &full.log, &full.reload, &full.check, &full.state_dir, &full.dispatch))
    );
    assert_eq!((&bare.deadlines, &bare.supervision), (&full.deadlines, &full.supervision));
    assert_eq!(*bare.deadlines, Default::default(), "what the file writes out is what holds without it");
    assert_eq!(bare.supervision, Default::default());
    let retries = |main: &Main| main.backends.iter().map(|b| (b.kind.clone(), b.retry, b.at_once)).collect::<Vec<_>>();
    assert_eq!(retries(&bare), retries(&full));
    assert_eq!(bare.zone, full.zone);
    assert_eq!(bare.sms, full.sms);
    // Where the flow's name stands is no part of it.
    assert_eq!(bare.callback.flow.value, full.callback.flow.value);
    let flow = full.callback.flow.clone();
    assert_eq!(casework::callback::Config { flow, ..bare.callback }, full.callback);
}

#[test]
fn what_does_not_fit_together_is_named_where_it_stands() {
    let hint = "{ key = \"1\", go = \"utilities\"";
    for (file, from, to, parts) in [
        (
            "jiesu.toml",
            "#: target = \"sip:{number}@carrier\"",
            "target = \"sip:{number}@nowhere\"",
            ["jiesu.toml:", "@nowhere\" cannot be called"],
        ),
        ("lines.toml", "flow = \"main\"", "flow = \"nowhere\"", ["lines.toml:", "\"nowhere\" does not exist"]),
        ("flows/main.toml", hint, "{ category = \"飞碟\", key = \"1\", go = \"utilities\"", ["main.toml:", "飞碟"]),
        ("flows/main.toml", hint, "{ kind = \"闲聊\", key = \"1\", go = \"utilities\"", ["main.toml:", "闲聊"]),
        ("flows/main.toml", hint, "{ urgency = \"now\", key = \"1\", go = \"utilities\"", ["main.toml:", "now"]),
        (
            "flows/main.toml",
            "sip:operator@127.0.0.1:5061",
            "sip:operator@pbx.example",
            ["main.toml:", "cannot be called"],
        ),
        (
            "flows/main.toml",
            "say = [\"thanks\"]",
            "say = [\"thanx\"]",
            ["main.toml:", "prompt \"thanx\" does not exist"],
        ),
        (
            "emergency.toml",
            "go = \"details-urgent\"",
            "go = \"nowhere\"",
            ["emergency.toml:", "flow \"main\" has no node \"nowhere\""],
        ),
        ("emergency.toml", "sip:110@127.0.0.1:5061", "sip:110@police.example", ["emergency.toml:", "cannot be called"]),
        (
            "emergency.toml",
            "say = [\"emergency-fire\"]",
            "say = [\"emergency-fier\"]",
            ["emergency.toml:", "prompt \"emergency-fier\" does not exist"],
        ),
        ("emergency.toml", "category = \"消防安全\"", "category = \"飞碟\"", ["emergency.toml:", "飞碟"]),
        ("answers/hotline.toml", "id = \"hours\"", "id = \"what-is-12345\"", ["hotline.toml:", "is an answer already"]),
        (
            "flows/main.toml",
            "language = \"en\"\ngo",
            "language = \"fr\"\ngo",
            ["main.toml:", "language \"fr\" has no prompts"],
        ),
        (
            "prompts/prompts.toml",
            "\nthanks = \"Thank",
            "\nthankz = \"Thank",
            ["main.toml:", "prompt \"thanks\" has no text in language \"en\""],
        ),
        ("calendar/2026.toml", "2026-10-07", "2027-10-07", ["2026.toml:", "is no date of 2026"]),
        (
            "flows/main.toml",
            "[node.thanks]\ndo = \"hangup\"",
            "[node.thanks]\ndo = \"sub\"\nflow = \"elsewhere\"\ngo = \"goodbye\"",
            ["main.toml:", "there is no sub-flow \"elsewhere\""],
        ),
        (
            "jiesu.toml",
            "[[backend]]",
            "[[backend]]\nname = \"log\"\nkind = \"log\"\n[[backend]]",
            ["jiesu.toml:", "two backends"],
        ),
        ("jiesu.toml", "[media]", "[media]\nprots = 1", ["jiesu.toml:", "did you mean ports?"]),
        (
            "jiesu.toml",
            "# time_zone = \"Asia/Shanghai\"",
            "time_zone = \"Asia/Peking\"",
            ["jiesu.toml:", "not a time zone"],
        ),
    ] {
        let (_kept, said) = with(file, from, to);
        for part in parts {
            assert!(said.contains(part), "{to:?}: {part:?} is not in {said:?}");
        }
    }
}
