//! Section `[tts]` of `jiesu.toml`.

use std::time::Duration;

use super::pinyin::One;
use crate::written::Table;

/// How free text is spoken.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The program and its arguments, with the placeholders `{voice}`, `{speed}`, `{pitch}` and `{wav}`.
    pub command: Vec<String>,
    /// What the program reads on its standard input.
    pub input: Input,
    /// What stands for the placeholders unless a prompt says otherwise.
    pub manner: Manner,
    /// How 1 is said in numbers that are read digit by digit (pinyin only).
    pub one: One,
    /// From the order to the finished sound, waiting for a free place included.
    pub time_limit: Duration,
    /// Programs running at the same time.
    pub at_once: usize,
    /// Characters of one text.
    pub longest: usize,
    /// Sounds kept on disk, and their bytes together.
    pub cache_files: usize,
    pub cache_bytes: u64,
    /// A sound not asked for during this span is deleted: it may repeat what a citizen said.
    pub cache_days: Duration,
}

/// What goes to the program's standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The text as it is, UTF-8.
    Text,
    /// One line of pinyin with tone numbers.
    Pinyin,
}

/// The voice's manner of speaking: what stands for the placeholders of the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manner {
    pub voice: String,
    /// Words a minute, as espeak-ng counts them.
    pub speed: u32,
    /// 0 to 99.
    pub pitch: u32,
}

/// espeak-ng through pinyin. Its `cmn` voice reads most characters as English letter names; `cmn-latn-pinyin` does not.
const ESPEAK: [&str; 9] = ["espeak-ng", "-v", "{voice}", "-s", "{speed}", "-p", "{pitch}", "--stdin", "--stdout"];

impl Default for Manner {
    fn default() -> Manner {
        Manner { voice: "cmn-latn-pinyin".to_owned(), speed: 180, pitch: 50 }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            command: ESPEAK.map(str::to_owned).to_vec(),
            input: Input::Pinyin,
            manner: Manner::default(),
            one: One::default(),
            time_limit: Duration::from_secs(2),
            at_once: 4,
            longest: 300,
            cache_files: 2000,
            cache_bytes: 256 << 20,
            cache_days: Duration::from_secs(7 * 86400),
        }
    }
}

impl Config {
    /// Reads the section. Faults go to the table's list and defaults take their place.
    pub fn read(table: &mut Table<'_>) -> Config {
        let default = Config::default();
        let written = table.texts("command").check(|command| match command.first() {
            Some(program) if !program.value.is_empty() => Ok(command.clone()),
            _ => Err((
                "names no program".to_owned(),
                "write a list such as [\"espeak-ng\", \"--stdin\"], or remove the key".to_owned(),
            )),
        });
        let command: Option<Vec<String>> = written.get().map(|parts| parts.into_iter().map(|p| p.value).collect());
        // A program of the admin's own reads text unless it is said to want pinyin.
        let own = command.is_some();
        let input = choice(
            table,
            "input",
            if own { "text" } else { "pinyin" },
            &[("text", Input::Text), ("pinyin", Input::Pinyin)],
        );
        Config {
            command: command.unwrap_or(default.command),
            input,
            manner: Manner::read(table, &default.manner),
            one: choice(table, "one", "yao", &[("yao", One::Yao), ("yi", One::Yi)]),
            time_limit: table.duration("time_limit").or("2s", "100ms".."30s"),
            at_once: count(table, "at_once", 4, 1, 64),
            longest: count(table, "longest", 300, 10, 2000),
            cache_files: count(table, "cache_files", 2000, 0, 100_000),
            cache_bytes: (count(table, "cache_megabytes", 256, 1, 100_000) as u64) << 20,
            cache_days: table.duration("cache_for").or("7d", "1h".."365d"),
        }
    }
}

impl Manner {
    /// `voice`, `speed` and `pitch` of a table, `default` for what is not written.
    pub fn read(table: &mut Table<'_>, default: &Manner) -> Manner {
        let voice = table.text("voice").check(|name: &String| {
            // It becomes an argument of a program: no option, no path.
            let fine = |c: char| c.is_ascii_alphanumeric() || "+-_.".contains(c);
            if name.starts_with('-') || name.is_empty() || !name.chars().all(fine) {
                return Err((
                    format!("\"{name}\" is not the name of a voice"),
                    "write for example \"cmn-latn-pinyin+f2\"".into(),
                ));
            }
            Ok(name.clone())
        });
        Manner {
            voice: voice.or_else(|| default.voice.clone()),
            speed: table.int("speed").or(i64::from(default.speed), 80..400) as u32,
            pitch: table.int("pitch").or(i64::from(default.pitch), 0..99) as u32,
        }
    }
}

fn count(table: &mut Table<'_>, key: &str, default: i64, least: i64, most: i64) -> usize {
    usize::try_from(table.int(key).or(default, least..most)).unwrap_or_default()
}

/// One of a few words.
fn choice<T: Copy>(table: &mut Table<'_>, key: &str, default: &str, words: &[(&str, T)]) -> T {
    let find = |word: &str| words.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    let found = table.text(key).check(|word: &String| {
        find(word).ok_or_else(|| {
            let known: Vec<String> = words.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            (format!("\"{word}\" is not known here"), format!("write one of: {}", known.join(", ")))
        })
    });
    found.or_else(|| find(default).expect("the default is one of the words"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::{Faults, Source};

    fn read(text: &str) -> (Config, String) {
        let faults = Faults::default();
        let source = Source::new("jiesu.toml", text);
        let mut table = source.read(&faults).expect("it is TOML");
        let config = Config::read(&mut table);
        table.finish();
        (config, faults.to_string())
    }

    #[test]
    fn nothing_written_is_espeak_through_pinyin() {
        let (config, faults) = read("");
        assert_eq!((config, faults.as_str()), (Config::default(), ""));
    }

    #[test]
    fn a_program_of_ones_own_reads_text() {
        let (config, faults) =
            read("command = [\"/opt/voice\", \"--out\", \"{wav}\"]\ntime_limit = \"1s\"\none = \"yi\"\n");
        assert_eq!(faults, "");
        assert_eq!(config.command, ["/opt/voice", "--out", "{wav}"]);
        assert_eq!((config.input, config.one, config.time_limit), (Input::Text, One::Yi, Duration::from_secs(1)));
    }

    #[test]
    fn every_fault_is_told() {
        let (_, faults) =
            read("command = [\"\"]\ninput = \"ssml\"\nvoice = \"-x\"\nspeed = 1\nat_once = 0\nvoce = 1\n");
        for part in [
            "jiesu.toml:1:11: command: names no program",
            "jiesu.toml:2:9: input: \"ssml\" is not known here; write one of: \"text\", \"pinyin\"",
            "jiesu.toml:3:9: voice: \"-x\" is not the name of a voice",
            "jiesu.toml:4:9: speed: 1 is out of range; write 80 to 400",
            "jiesu.toml:5:11: at_once: 0 is out of range; write 1 to 64",
            "jiesu.toml:6:1: voce: unknown key; did you mean voice?",
        ] {
            assert!(faults.contains(part), "{part} is not in:\n{faults}");
        }
    }
}
