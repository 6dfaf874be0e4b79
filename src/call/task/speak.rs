//! From what the flow says to what is played: recorded prompts, digits from the digit set, free text by the voice; in the
//! caller's language, and slower or louder where they want it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::audio::clear;
use crate::audio::g711::Law;
use crate::ivr::{Delivery, Gain, Pace, Say};
use crate::media::Prompt;
use crate::tts::catalogue::Voices;
use crate::tts::{self, Manner, Voice};

/// Played where free text cannot be spoken.
const UNAVAILABLE: &str = "readback-unavailable";

/// Every recorded prompt, and the voice for what is not recorded.
pub struct Speaker {
    prompts: HashMap<String, Arc<Prompt>>,
    /// Texts of prompts by id: spoken where the recording is missing.
    texts: HashMap<String, String>,
    voice: Option<Voice>,
    /// The voices of other languages.
    voices: Voices,
    /// Recordings as they were once made slower or louder: at most three of each.
    cleared: Mutex<HashMap<(String, Pace, Gain), Arc<Prompt>>>,
    ringback: Arc<Prompt>,
}

impl Speaker {
    pub fn new(
        prompts: HashMap<String, Arc<Prompt>>,
        texts: HashMap<String, String>,
        voice: Option<Voice>,
        voices: Voices,
    ) -> Speaker {
        Speaker { prompts, texts, voice, voices, cleared: Mutex::default(), ringback: ringing() }
    }

    /// Whether free text can be spoken.
    pub fn speaks(&self) -> bool {
        self.voice.is_some()
    }

    pub fn prompt(&self, id: &str) -> Option<Arc<Prompt>> {
        self.prompts.get(id).cloned()
    }

    /// What `say` says, in the words of the usual language; numbers are left out.
    pub fn wording(&self, say: &[Say]) -> String {
        let words = say.iter().filter_map(|item| match item {
            Say::Text(text) => Some(text.as_str()),
            Say::Prompt(id) => self.texts.get(id).map(String::as_str),
            _ => None,
        });
        words.collect::<Vec<_>>().join("\n")
    }

    /// What to play for `say`. Never fails: what cannot be spoken is left out or replaced by a fixed prompt, counted
    /// and logged; the flow goes on.
    pub async fn render(&self, say: &[Say], delivery: &Delivery) -> Vec<Arc<Prompt>> {
        let mut out = Vec::with_capacity(say.len());
        for item in say {
            let words = match item {
                Say::Text(text) => Some(text.clone()),
                other if delivery.language.is_some() => tts::numbers::foreign(other),
                _ => None,
            };
            match words {
                Some(text) => out.extend(self.text(&text, delivery).await),
                None => {
                    for id in tts::numbers::prompts(item) {
                        out.extend(self.fixed(&id, delivery).await);
                    }
                }
            }
        }
        out
    }

    /// The recording in the caller's language, or the one of the usual language.
    async fn fixed(&self, id: &str, delivery: &Delivery) -> Option<Arc<Prompt>> {
        let own = delivery.language.as_ref().map(|language| format!("{language}/{id}"));
        let own = own.filter(|own| self.prompts.contains_key(own));
        let id = own.as_deref().unwrap_or(id);
        if let Some(prompt) = self.prompt(id) {
            return Some(self.cleared(id, prompt, delivery).await);
        }
        metrics::counter!("jiesu_prompt_missing_total").increment(1);
        tracing::error!(prompt = id, "no recording; `jiesu check` names the file, `make prompts` renders it");
        match self.texts.get(id) {
            Some(text) => self.text(text, delivery).await,
            None => None,
        }
    }

    /// The recording as the caller wants to hear it; made once.
    async fn cleared(&self, id: &str, prompt: Arc<Prompt>, delivery: &Delivery) -> Arc<Prompt> {
        if is_usual(delivery) {
            return prompt;
        }
        let key = (id.to_owned(), delivery.pace, delivery.gain);
        let held = || self.cleared.lock().expect("nothing panics while holding this lock");
        if let Some(made) = held().get(&key) {
            return made.clone();
        }
        let made = clear(prompt, delivery).await;
        held().insert(key, made.clone());
        made
    }

    async fn text(&self, text: &str, delivery: &Delivery) -> Option<Arc<Prompt>> {
        let foreign = delivery.language.as_ref().and_then(|language| self.voices.get(language));
        match self.spoken(text, foreign.filter(|_| !is_chinese(text))).await {
            Ok(pcm) => {
                let prompt = Arc::new(Prompt::from_pcm(&pcm));
                Some(if is_usual(delivery) { prompt } else { clear(prompt, delivery).await })
            }
            Err(error) => {
                metrics::counter!("jiesu_tts_failed_total").increment(1);
                tracing::warn!(error, "free text could not be spoken");
                let own = delivery.language.as_ref().and_then(|lang| self.prompt(&format!("{lang}/{UNAVAILABLE}")));
                own.or_else(|| self.prompt(UNAVAILABLE))
            }
        }
    }

    async fn spoken(&self, text: &str, foreign: Option<&Manner>) -> Result<Vec<i16>, String> {
        match &self.voice {
            Some(voice) => voice.speak_as(text, foreign).await.map_err(|error| error.to_string()),
            None => Err("no voice is configured ([tts] in jiesu.toml)".to_owned()),
        }
    }

    /// Twelve rounds of the ringing tone: a minute.
    pub fn ringback(&self) -> Vec<Arc<Prompt>> {
        vec![self.ringback.clone(); 12]
    }
}

fn is_usual(delivery: &Delivery) -> bool {
    delivery.pace == Pace::Normal && delivery.gain == Gain::Normal
}

/// What is written in Chinese is read by the usual voice in any language: others spell it out or say nothing.
fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '\u{3400}'..='\u{9fff}'))
}

/// Slower, louder or both. Tens of milliseconds of work, so beside the threads that carry calls.
async fn clear(prompt: Arc<Prompt>, delivery: &Delivery) -> Arc<Prompt> {
    let (pace, gain) = (delivery.pace, delivery.gain);
    let usual = prompt.clone();
    let work = tokio::task::spawn_blocking(move || {
        let mut pcm: Vec<i16> = prompt.encoded(Law::A).iter().map(|code| Law::A.decode(*code)).collect();
        if pace == Pace::Slow {
            pcm = clear::slower(&pcm);
        }
        if gain == Gain::Loud {
            pcm = clear::louder(&pcm);
        }
        Arc::new(Prompt::from_pcm(&pcm))
    });
    // It fails only while the runtime stops; the usual one is better than nothing.
    work.await.unwrap_or(usual)
}

/// One round of the ringing tone of GB 3380: 450 Hz, 1 s on, 4 s off.
fn ringing() -> Arc<Prompt> {
    let mut pcm = crate::audio::tone::sine(450.0, Duration::from_secs(1), 0.1);
    pcm.resize(5 * 8000, 0);
    Arc::new(Prompt::from_pcm(&pcm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone;

    fn spoken(prompts: &[&str]) -> Speaker {
        let sound = |id: &&str| {
            // Each of its own length.
            let span = Duration::from_millis(1000 + 100 * id.len() as u64);
            ((*id).to_owned(), Arc::new(Prompt::from_pcm(&tone::sine(300.0, span, 0.2))))
        };
        Speaker::new(prompts.iter().map(sound).collect(), HashMap::new(), None, Voices::new())
    }

    fn english() -> Delivery {
        Delivery { language: Some("en".to_owned()), ..Delivery::default() }
    }

    #[tokio::test]
    async fn a_prompt_is_said_in_the_callers_language_if_it_is_there() {
        let speaker = spoken(&["hello", "en/hello", "only-here", "digit-7", "en/digit-7", UNAVAILABLE]);
        let say = |id: &str| [Say::Prompt(id.to_owned())];
        let prompt = |id: &str| vec![speaker.prompt(id).expect("it is there")];
        assert_eq!(speaker.render(&say("hello"), &Delivery::default()).await, prompt("hello"));
        assert_eq!(speaker.render(&say("hello"), &english()).await, prompt("en/hello"));
        assert_eq!(speaker.render(&say("en/hello"), &Delivery::default()).await, prompt("en/hello"));
        assert_eq!(speaker.render(&say("only-here"), &english()).await, prompt("only-here"));
        assert_eq!(speaker.render(&[Say::Digits("7".to_owned())], &english()).await, prompt("en/digit-7"));
        // A number in words is the voice's in another language; there is none here.
        assert_eq!(speaker.render(&[Say::Count(12)], &english()).await, prompt(UNAVAILABLE));
    }

    #[tokio::test]
    async fn slower_and_louder_are_made_once_and_last_longer() {
        let speaker = spoken(&["hello"]);
        let say = [Say::Prompt("hello".to_owned())];
        let slow = Delivery { pace: Pace::Slow, gain: Gain::Loud, ..Delivery::default() };
        let usual = speaker.render(&say, &Delivery::default()).await;
        let first = speaker.render(&say, &slow).await;
        let longer = first[0].duration().as_secs_f64() / usual[0].duration().as_secs_f64();
        assert!((longer - clear::SLOWER).abs() < 0.01, "{longer}");
        assert!(Arc::ptr_eq(&first[0], &speaker.render(&say, &slow).await[0]));
        let loud = Delivery { gain: Gain::Loud, ..Delivery::default() };
        assert_eq!(speaker.render(&say, &loud).await[0].duration(), usual[0].duration());
    }
}
