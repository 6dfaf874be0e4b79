//! The engine whisper.cpp, through whisper-rs: one shared model, one state a thread.
//!
//! Set for a telephone call: Mandarin is given (finding the language costs as much as hearing), no earlier text (each
//! utterance stands for itself), no second try at a higher temperature (a caller waits), one compute thread (the cores
//! are shared out between callers), the encoder's context fitted to the utterance: half of Whisper's time goes to the
//! 30 s that were not spoken. Where that gives nothing believable (a loop, nothing) though something is audible, the
//! utterance is heard once more, if the deadline leaves the time: with the full context, a search of another width and
//! without names told beforehand.

use std::ffi::c_int;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperState};

use super::ggml::Shape;
use super::text::{self, Refused};
use super::{Fault, Heard, RATE, Recogniser, Said, Until, Worker, abort, cut, words};

/// Frames of the encoder: 50 a second, 1,500 in all.
const FRAMES: usize = 1500;
/// Frames beyond the end of the speech; without some the last word is lost.
const MARGIN: usize = 64;
/// whisper.cpp hears nothing in less than 0.1 s, and little in less than a second: shorter audio is padded with silence.
const SHORTEST: usize = RATE as usize;
/// Width of the search of a second try, where the first took the likeliest word each time.
const WIDER: usize = 5;
/// The longest prompt, in tokens: Whisper was trained with up to 224 before the text, and each costs a little time.
const PROMPT: usize = 128;

/// A loaded model.
pub struct Whisper {
    name: String,
    shape: Shape,
    beam: usize,
    context: Arc<WhisperContext>,
}

impl Whisper {
    /// Loads from the bytes of a file that [`super::ggml::inspect`] has found sound.
    pub fn load(name: &str, bytes: &[u8], shape: Shape, beam: usize) -> Result<Whisper, Fault> {
        quiet();
        processor()?;
        let context = WhisperContext::new_from_buffer_with_params(bytes, WhisperContextParameters::default())
            .map_err(|error| Fault::Engine(format!("whisper.cpp refuses the model ({error}); fetch it again")))?;
        Ok(Whisper { name: name.to_owned(), shape, beam, context: Arc::new(context) })
    }
}

impl Recogniser for Whisper {
    fn name(&self) -> &str {
        &self.name
    }

    fn worker(&self) -> Result<Box<dyn Worker>, Fault> {
        let state = self.context.create_state().map_err(engine)?;
        let other = if self.beam > 1 { 1 } else { WIDER };
        Ok(Box::new(Ears {
            state,
            context: self.context.clone(),
            shape: self.shape,
            first: params(self.beam),
            second: params(other),
            prompt: Vec::new(),
        }))
    }
}

struct Ears {
    state: WhisperState,
    context: Arc<WhisperContext>,
    shape: Shape,
    /// Made once and cloned: whisper-rs leaks the name of the language each time it is set.
    first: FullParams<'static, 'static>,
    /// As `first` takes what comes, this searches, and the other way round.
    second: FullParams<'static, 'static>,
    /// Names that are likely to be said, as tokens (whisper-rs leaks a prompt that is given as text).
    prompt: Vec<c_int>,
}

/// How a piece is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Try {
    First { frames: usize },
    Second,
}

impl Worker for Ears {
    fn hear(&mut self, pcm: &[f32], until: &Until) -> Result<Heard, Fault> {
        let mut whole = Said::default();
        let mut refused = Refused::Nothing;
        for range in cut::pieces(pcm, self.shape.longest()) {
            let piece = &pcm[range.clone()];
            match self.piece(piece, until)? {
                Ok(text) => {
                    let mut said = words::split(piece, &text);
                    words::later(&mut said, Duration::from_secs_f64(range.start as f64 / f64::from(RATE)));
                    whole.words.append(&mut said);
                    text::join(&mut whole.text, &text);
                }
                Err(why) => refused = why,
            }
        }
        Ok(if whole.text.is_empty() { Err(refused) } else { Ok(whole) })
    }

    fn expect(&mut self, prompt: Option<&str>) {
        self.prompt.clear();
        // The demonstration recogniser has never seen one: it would repeat it.
        if let Some(prompt) = prompt.filter(|_| !self.shape.demonstration()) {
            match self.context.tokenize(prompt, PROMPT) {
                Ok(tokens) => self.prompt = tokens,
                // Too long, or with a zero byte in it: hearing goes on without.
                Err(error) => tracing::debug!(%error, "no prompt"),
            }
        }
    }
}

impl Ears {
    fn piece(&mut self, pcm: &[f32], until: &Until) -> Result<Result<String, Refused>, Fault> {
        let fitted = ((pcm.len() * 50).div_ceil(RATE as usize) + MARGIN).min(FRAMES);
        let began = Instant::now();
        let heard = self.once(pcm, Try::First { frames: fitted }, until)?;
        // The encoder's time grows with the context, a little more than in proportion; a search takes longer than none.
        let again = began.elapsed() * (FRAMES / fitted + 1) as u32;
        if heard.is_ok() || !cut::audible(pcm) || until.left() < again {
            return Ok(heard);
        }
        metrics::counter!("jiesu_asr_second_tries_total").increment(1);
        tracing::debug!(?heard, "heard again with the full context and another search");
        self.once(pcm, Try::Second, until)
    }

    fn once(&mut self, pcm: &[f32], how: Try, until: &Until) -> Result<Result<String, Refused>, Fault> {
        if until.passed() {
            return Err(Fault::GivenUp);
        }
        let (params, frames) = match how {
            Try::First { frames } => (&self.first, frames),
            Try::Second => (&self.second, FRAMES),
        };
        let mut params = params.clone();
        if how != Try::Second && !self.prompt.is_empty() {
            params.set_tokens(&self.prompt);
        }
        params.set_audio_ctx(frames as i32);
        // Mandarin is spoken at up to 8 syllables a second, at most 3 tokens each; a loop must end somewhere.
        params.set_max_tokens((24 * pcm.len() / RATE as usize + 24) as i32);
        let padded;
        let pcm = if pcm.len() < SHORTEST {
            padded = [pcm, &vec![0.0; SHORTEST - pcm.len()]].concat();
            &padded
        } else {
            pcm
        };
        abort::full(&mut self.state, params, pcm, until)
            .map_err(|error| if until.passed() { Fault::GivenUp } else { engine(error) })?;
        // A character may be split between two segments: join the bytes first.
        let mut bytes = Vec::new();
        for segment in self.state.as_iter() {
            bytes.extend_from_slice(segment.to_bytes().map_err(engine)?);
        }
        Ok(text::clean(&String::from_utf8_lossy(&bytes)))
    }
}

fn params(beam: usize) -> FullParams<'static, 'static> {
    let mut params = FullParams::new(match beam {
        0 | 1 => SamplingStrategy::Greedy { best_of: 1 },
        _ => SamplingStrategy::BeamSearch { beam_size: beam as i32, patience: -1.0 },
    });
    params.set_language(Some("zh"));
    params.set_n_threads(1);
    params.set_no_context(true);
    params.set_no_timestamps(true);
    params.set_single_segment(true);
    params.set_temperature_inc(0.0);
    params.set_suppress_blank(true);
    params.set_suppress_nst(true);
    params.set_print_special(false);
    params.set_print_progress(false);
    params.set_print_realtime(false);
    params.set_print_timestamps(false);
    params
}

fn engine(error: WhisperError) -> Fault {
    Fault::Engine(format!("whisper.cpp: {error}"))
}

/// whisper.cpp writes its log to standard error unless somebody takes it: it goes to `tracing`, under the targets
/// `whisper_rs::whisper_logging_hook` and `whisper_rs::ggml_logging_hook`.
fn quiet() {
    static TAKEN: Once = Once::new();
    TAKEN.call_once(whisper_rs::install_logging_hooks);
}

/// The engine is built for processors of the last ten years (see models/README.md); on an older one it would die of an
/// illegal instruction.
fn processor() -> Result<(), Fault> {
    #[cfg(target_arch = "x86_64")]
    if !(is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("bmi2"))
    {
        let remedy = "build with GGML_AVX2=OFF GGML_FMA=OFF GGML_F16C=OFF GGML_BMI2=OFF in the environment";
        return Err(Fault::Engine(format!("this processor lacks AVX2, FMA, F16C or BMI2; {remedy}")));
    }
    Ok(())
}
