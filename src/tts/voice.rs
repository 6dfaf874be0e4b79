//! Free text as sound: the cache, then the program, everything bounded.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::cache::Cache;
use super::command::{self, Broken};
use super::config::{Config, Input, Manner};
use super::pinyin;
use super::shape::{Edges, shape};
use crate::audio::wav;

/// Why a text was not spoken. The caller plays a fixed prompt instead.
#[derive(Debug, thiserror::Error)]
pub enum Silent {
    #[error("the text has {0} characters, more than tts.longest")]
    TooLong(usize),
    #[error("the voice was not ready within tts.time_limit ({0:?})")]
    TimedOut(Duration),
    #[error("the voice failed: {0}")]
    Failed(String),
    #[error("the voice's program {0} is not installed: install it, or set tts.command")]
    Missing(String),
}

/// Changes when the same words would sound otherwise, so that old sounds are not found again.
const EDITION: &str = "1";

/// Speaks text. Clones share the cache and the free places.
#[derive(Clone)]
pub struct Voice(Arc<Shared>);

struct Shared {
    config: Config,
    cache: Cache,
    places: Semaphore,
}

impl Voice {
    /// `folder` is where sounds are kept; it is made if it is not there.
    pub fn new(config: Config, folder: impl AsRef<Path>) -> Voice {
        let cache = Cache::open(folder.as_ref(), config.cache_files, config.cache_bytes, config.cache_days);
        let places = Semaphore::new(config.at_once);
        Voice(Arc::new(Shared { config, cache, places }))
    }

    /// The text as 8 kHz samples, trimmed and levelled. Within `tts.time_limit`, or an error.
    ///
    /// # Errors
    /// See [`Silent`]; nothing of the text is in the message.
    pub async fn speak(&self, text: &str) -> Result<Vec<i16>, Silent> {
        self.speak_as(text, None).await
    }

    /// As [`Voice::speak`], in another language: the voice gets the text as it is.
    ///
    /// # Errors
    /// See [`Voice::speak`].
    pub async fn speak_as(&self, text: &str, foreign: Option<&Manner>) -> Result<Vec<i16>, Silent> {
        let config = &match foreign {
            Some(manner) => Config { input: Input::Text, manner: manner.clone(), ..self.0.config.clone() },
            None => self.0.config.clone(),
        };
        let length = text.chars().count();
        if length > self.0.config.longest {
            return Err(Silent::TooLong(length));
        }
        let key = key(config, text);
        let shared = self.0.clone();
        let asked = key.clone();
        let found = tokio::task::spawn_blocking(move || shared.cache.get(&asked, SystemTime::now()));
        if let Ok(Some(sound)) = found.await {
            return Ok(sound);
        }
        let sound = tokio::time::timeout(config.time_limit, async {
            // A semaphore that nobody closes.
            let _place = self.0.places.acquire().await.map_err(|error| Silent::Failed(error.to_string()))?;
            render(config, &config.manner, Edges::Sentence, text).await
        })
        .await
        .map_err(|_| Silent::TimedOut(config.time_limit))??;
        let (shared, kept) = (self.0.clone(), sound.clone());
        let put = tokio::task::spawn_blocking(move || shared.cache.put(&key, &kept, SystemTime::now()));
        if let Ok(Err(error)) = put.await {
            tracing::warn!(%error, "a spoken text could not be kept");
        }
        Ok(sound)
    }
}

/// All that makes the sound.
fn key(config: &Config, text: &str) -> String {
    let Config { command, input, manner, one, .. } = config;
    let made_of = format!("{EDITION}\n{command:?}\n{input:?}\n{manner:?}\n{one:?}\n{text}");
    Sha256::digest(made_of.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One text through the program, without the cache.
pub(super) async fn render(config: &Config, manner: &Manner, edges: Edges, text: &str) -> Result<Vec<i16>, Silent> {
    let words = match config.input {
        Input::Text => text.to_owned(),
        Input::Pinyin => pinyin::spell(text, config.one),
    };
    if !words.chars().any(char::is_alphanumeric) {
        return Err(Silent::Failed("there is nothing to say in the text".to_owned()));
    }
    let bytes =
        command::run(&config.command, manner, &words, config.time_limit).await.map_err(|broken| match broken {
            Broken::Missing(program) => Silent::Missing(program),
            Broken::TimedOut(limit) => Silent::TimedOut(limit),
            Broken::Failed(why) => Silent::Failed(why),
        })?;
    let pcm = wav::read(&bytes).map_err(|error| Silent::Failed(format!("what came out: {error}")))?;
    // Resampling minutes of sound is work; it must not hold up the calls of this thread.
    let sound = tokio::task::spawn_blocking(move || shape(&pcm.to_8k(), edges))
        .await
        .map_err(|error| Silent::Failed(error.to_string()))?;
    if sound.is_empty() {
        return Err(Silent::Failed("what came out is silent".to_owned()));
    }
    Ok(sound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{level, tone};
    use std::time::Instant;

    /// A program that reads the words and answers with this shell text (tests only: the daemon never uses a shell).
    fn program(script: &str) -> Config {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        Config { command, input: Input::Text, time_limit: Duration::from_secs(10), ..Config::default() }
    }

    fn tone_file(folder: &Path) -> String {
        let path = folder.join("tone.wav");
        let tone = tone::sine_at(22_050, 440.0, Duration::from_millis(700), 0.05);
        std::fs::write(&path, wav::bytes(&tone, 22_050)).expect("it is written");
        path.display().to_string()
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn gone(pid: &str) -> bool {
        // A zombie of another parent still has its folder; its state is Z.
        std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).map_or(true, |stat| stat.contains(") Z "))
    }

    #[tokio::test]
    async fn a_programs_wav_becomes_telephone_sound() {
        let dir = folder();
        let tone = tone_file(dir.path());
        let voice = Voice::new(program(&format!("cat >/dev/null; cat {tone}")), dir.path().join("tts"));
        let sound = voice.speak("你好").await.expect("it speaks");
        let length = Duration::from_millis(700 + 60 + 150);
        assert!(sound.len().abs_diff(length.as_millis() as usize * 8) < 200, "{}", sound.len());
        assert!((level::dbfs(&sound) + 20.0).abs() < 2.0, "{}", level::dbfs(&sound));
    }

    #[tokio::test]
    async fn the_words_come_on_standard_input_as_they_are() {
        let dir = folder();
        let (tone, heard) = (tone_file(dir.path()), dir.path().join("heard"));
        let voice = Voice::new(program(&format!("cat >{}; cat {tone}", heard.display())), dir.path().join("tts"));
        let text = "$(touch /tmp/x); `id` \"'\\ <speak>你好</speak>";
        voice.speak(text).await.expect("it speaks");
        assert_eq!(std::fs::read_to_string(heard).expect("it was written"), text);
    }

    #[tokio::test]
    async fn a_program_may_write_a_file_and_takes_the_manner() {
        let dir = folder();
        let tone = tone_file(dir.path());
        let mut config = program(&format!("cat >/dev/null; test $1 = v-1 -a $2 = 99 && cp {tone} $0"));
        config.command.extend(["{wav}", "{voice}-1", "{speed}"].map(str::to_owned));
        config.manner = Manner { voice: "v".to_owned(), speed: 99, pitch: 0 };
        let voice = Voice::new(config, dir.path().join("tts"));
        assert!(!voice.speak("你好").await.expect("it speaks").is_empty());
    }

    #[tokio::test]
    async fn the_same_text_is_made_once_and_another_manner_anew() {
        let dir = folder();
        let (tone, runs) = (tone_file(dir.path()), dir.path().join("runs"));
        let config = program(&format!("cat >/dev/null; echo >>{}; cat {tone}", runs.display()));
        let count = || std::fs::read_to_string(&runs).map_or(0, |text| text.lines().count());
        let voice = Voice::new(config.clone(), dir.path().join("tts"));
        let first = voice.speak("你好").await.expect("it speaks");
        assert_eq!(voice.speak("你好").await.expect("it speaks"), first);
        assert_eq!(count(), 1);
        // After a restart too.
        let voice = Voice::new(config.clone(), dir.path().join("tts"));
        assert_eq!(voice.speak("你好").await.expect("it speaks"), first);
        assert_eq!(count(), 1);
        let manner = Manner { pitch: 9, ..Manner::default() };
        let voice = Voice::new(Config { manner, ..config }, dir.path().join("tts"));
        voice.speak("你好").await.expect("it speaks");
        voice.speak("您好").await.expect("it speaks");
        assert_eq!(count(), 3);
    }

    #[tokio::test]
    async fn another_language_has_its_own_voice_and_is_not_spelt() {
        let dir = folder();
        let (tone, heard) = (tone_file(dir.path()), dir.path().join("heard"));
        let mut config = program(&format!("{{ echo $0; cat; }} >>{}; cat {tone}", heard.display()));
        config.command.push("{voice}".to_owned());
        config.input = Input::Pinyin;
        let voice = Voice::new(config, dir.path().join("tts"));
        let english = Manner { voice: "en-gb".to_owned(), ..Manner::default() };
        voice.speak_as("water 12", Some(&english)).await.expect("it speaks");
        assert_eq!(std::fs::read_to_string(&heard).expect("it was written"), "en-gb\nwater 12");
        voice.speak("水").await.expect("it speaks");
        let both = std::fs::read_to_string(&heard).expect("it was written");
        assert!(both.contains("cmn-latn-pinyin\nshui3"), "{both}");
    }

    #[tokio::test]
    async fn a_slow_program_is_killed_with_its_children() {
        let dir = folder();
        let pids = dir.path().join("pids");
        let script = format!("sleep 600 & echo $! >{0}.child; echo $$ >{0}.self; wait", pids.display());
        let config = Config { time_limit: Duration::from_secs(2), ..program(&script) };
        let voice = Voice::new(config, dir.path().join("tts"));
        let began = Instant::now();
        let error = voice.speak("你好").await.expect_err("it never answers");
        assert!(matches!(error, Silent::TimedOut(_)), "{error}");
        assert!(began.elapsed() < Duration::from_secs(60));
        for kind in ["child", "self"] {
            let pid = std::fs::read_to_string(format!("{}.{kind}", pids.display())).expect("it was written");
            let dead = tokio::time::timeout(Duration::from_secs(5), async {
                while !gone(&pid) {
                    tokio::task::yield_now().await;
                }
            });
            dead.await.unwrap_or_else(|_| panic!("{kind} {pid} lives on"));
        }
    }

    #[tokio::test]
    async fn whoever_stops_waiting_stops_the_program() {
        let dir = folder();
        let pid = dir.path().join("pid");
        let script = format!("echo $$ >{0}.part; mv {0}.part {0}; exec sleep 600", pid.display());
        let voice = Voice::new(program(&script), dir.path().join("tts"));
        let waiting = tokio::spawn(async move { voice.speak("你好").await });
        let text = tokio::time::timeout(Duration::from_secs(5), async {
            loop {
                match std::fs::read_to_string(&pid) {
                    Ok(text) => break text,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        let pid = text.await.expect("it starts");
        waiting.abort();
        assert!(waiting.await.expect_err("it was stopped").is_cancelled());
        let dead = tokio::time::timeout(Duration::from_secs(5), async {
            while !gone(&pid) {
                tokio::task::yield_now().await;
            }
        });
        dead.await.expect("the program is gone");
    }

    #[tokio::test]
    async fn no_more_programs_than_places() {
        let dir = folder();
        let (tone, diary) = (tone_file(dir.path()), dir.path().join("diary"));
        // Each looks around for another for a while, so that two at once are seen however slow the machine is.
        let script = format!(
            "cat >/dev/null; echo in >>{0}; n=0; while [ $n -lt 30 ] && [ \"$(tail -n 2 {0} | tr '\n' ' ')\" != 'in in ' ]; \
             do n=$((n+1)); sleep 0.01; done; echo out >>{0}; cat {tone}",
            diary.display()
        );
        let config = Config { at_once: 1, time_limit: Duration::from_secs(60), ..program(&script) };
        let voice = Voice::new(config, dir.path().join("tts"));
        let (first, second) = tokio::join!(voice.speak("一"), voice.speak("二"));
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(std::fs::read_to_string(&diary).expect("it was written"), "in\nout\nin\nout\n");
    }

    #[tokio::test]
    async fn waiting_for_a_place_counts() {
        let dir = folder();
        let config = Config { at_once: 1, time_limit: Duration::from_secs(1), ..program("exec sleep 600") };
        let voice = Voice::new(config, dir.path().join("tts"));
        let began = Instant::now();
        let asked = ["一", "二", "三", "四", "五", "六", "七", "八"].map(|text| {
            let voice = voice.clone();
            async move { voice.speak(text).await }
        });
        for asked in asked.map(tokio::spawn) {
            let answer = asked.await.expect("it does not panic");
            assert!(matches!(answer, Err(Silent::TimedOut(_))));
        }
        // One after another they would take eight.
        assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn what_is_no_sound_is_said_so() {
        let dir = folder();
        let silent = dir.path().join("silent.wav");
        std::fs::write(&silent, wav::bytes(&[0; 8000], 8000)).expect("it is written");
        for (script, part) in [
            ("cat >/dev/null; echo hello", "not a WAV file"),
            ("cat >/dev/null", "not a WAV file"),
            ("echo no such voice >&2; exit 3", "no such voice"),
            ("cat >/dev/null; yes | head -c 40000000", "larger than"),
            ("cat >/dev/null; yes | head -c 300000 >&2; exit 1", "it ended with"),
            (&format!("cat >/dev/null; cat {}", silent.display()), "silent"),
        ] {
            let voice = Voice::new(program(script), dir.path().join("tts"));
            let error = voice.speak("你好").await.expect_err(script);
            assert!(matches!(&error, Silent::Failed(why) if why.contains(part)), "{script}: {error}");
        }
        let config = Config { command: vec!["/no/such/program".to_owned()], ..Config::default() };
        let error = Voice::new(config, dir.path().join("tts")).speak("你好").await.expect_err("it is missing");
        assert!(matches!(&error, Silent::Missing(program) if program == "/no/such/program"), "{error}");
    }

    #[tokio::test]
    async fn long_and_empty_texts_start_no_program() {
        let dir = folder();
        let ran = dir.path().join("ran");
        let voice = Voice::new(program(&format!("touch {}", ran.display())), dir.path().join("tts"));
        let error = voice.speak(&"水".repeat(301)).await.expect_err("too long");
        assert!(matches!(error, Silent::TooLong(301)), "{error}");
        assert!(matches!(voice.speak("。，！").await, Err(Silent::Failed(_))));
        assert!(!ran.exists());
    }

    #[tokio::test]
    async fn espeak_speaks_through_pinyin() {
        let dir = folder();
        let voice = Voice::new(Config { time_limit: Duration::from_secs(20), ..Config::default() }, dir.path());
        match voice.speak("您说的是，望京街道12号楼水管爆裂了。").await {
            Ok(sound) => {
                let length = sound.len() as f64 / 8000.0;
                // Fifteen syllables and two pauses.
                assert!((2.5..8.0).contains(&length), "{length} s");
                assert!(level::peak(&sound) < 23_198, "{}", level::peak(&sound));
            }
            Err(Silent::Missing(_)) => eprintln!("SKIPPED: espeak-ng is not installed"),
            Err(error) => panic!("{error}"),
        }
    }
}
