//! From what the flow says to what is played: recorded prompts, digits from the digit set, free text by the voice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::ivr::{Delivery, Say};
use crate::media::Prompt;
use crate::tts::{self, Voice};

/// Played where free text cannot be spoken.
const UNAVAILABLE: &str = "readback-unavailable";

/// Every recorded prompt, and the voice for what is not recorded.
pub struct Speaker {
    prompts: HashMap<String, Arc<Prompt>>,
    /// Texts of prompts by id: spoken where the recording is missing.
    texts: HashMap<String, String>,
    voice: Option<Voice>,
    ringback: Arc<Prompt>,
}

impl Speaker {
    pub fn new(prompts: HashMap<String, Arc<Prompt>>, texts: HashMap<String, String>, voice: Option<Voice>) -> Speaker {
        Speaker { prompts, texts, voice, ringback: ringing() }
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
            match item {
                Say::Text(text) => out.extend(self.text(text).await),
                fixed => {
                    for id in tts::numbers::prompts(fixed) {
                        out.extend(self.fixed(&id, delivery).await);
                    }
                }
            }
        }
        out
    }

    /// The recording in the caller's language, or the one of the usual language.
    async fn fixed(&self, id: &str, delivery: &Delivery) -> Option<Arc<Prompt>> {
        let own = delivery.language.as_ref().and_then(|language| self.prompt(&format!("{language}/{id}")));
        if let Some(prompt) = own.or_else(|| self.prompt(id)) {
            return Some(prompt);
        }
        metrics::counter!("jiesu_prompt_missing_total").increment(1);
        tracing::error!(prompt = id, "no recording; `jiesu check` names the file, `make prompts` renders it");
        match self.texts.get(id) {
            Some(text) => self.text(text).await,
            None => None,
        }
    }

    async fn text(&self, text: &str) -> Option<Arc<Prompt>> {
        let spoken = match &self.voice {
            Some(voice) => voice.speak(text).await.map_err(|error| error.to_string()),
            None => Err("no voice is configured ([tts] in jiesu.toml)".to_owned()),
        };
        match spoken {
            Ok(pcm) => Some(Arc::new(Prompt::from_pcm(&pcm))),
            Err(error) => {
                metrics::counter!("jiesu_tts_failed_total").increment(1);
                tracing::warn!(error, "free text could not be spoken");
                self.prompt(UNAVAILABLE)
            }
        }
    }

    /// Twelve rounds of the ringing tone: a minute.
    pub fn ringback(&self) -> Vec<Arc<Prompt>> {
        vec![self.ringback.clone(); 12]
    }
}

/// One round of the ringing tone of GB 3380: 450 Hz, 1 s on, 4 s off.
fn ringing() -> Arc<Prompt> {
    let mut pcm = crate::audio::tone::sine(450.0, Duration::from_secs(1), 0.1);
    pcm.resize(5 * 8000, 0);
    Arc::new(Prompt::from_pcm(&pcm))
}
