//! The engine whisper.cpp, through whisper-rs: one shared model, one state a thread.
//!
//! Set for a telephone call: Mandarin is given (finding the language costs as much as hearing), no earlier text (each
//! utterance stands for itself), no second try at a higher temperature (a caller waits), one compute thread (the cores
//! are shared out between callers), the encoder's context fitted to the utterance: half of Whisper's time goes to the
//! 30 s that were not spoken. Where the fitted context gives nothing believable though something is audible, the
//! utterance is heard once more with the full context, if the deadline leaves the time.

use std::sync::Arc;
use std::sync::Once;
use std::time::{Duration, Instant};

use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperState};

use super::ggml::Shape;
use super::text::{self, Refused};
use super::{Fault, Heard, RATE, Recogniser, Until, Worker, abort, cut};

/// Frames of the encoder: 50 a second, 1,500 in all.
const FRAMES: usize = 1500;
/// Frames beyond the end of the speech; without some the last word is lost.
const MARGIN: usize = 64;
/// whisper.cpp hears nothing in less than 0.1 s, and little in less than a second: shorter audio is padded with silence.
const SHORTEST: usize = RATE as usize;

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
        Ok(Box::new(Ears { state, params: params(self.beam), longest: self.shape.longest() }))
    }
}

struct Ears {
    state: WhisperState,
    /// Made once and cloned: whisper-rs leaks the name of the language each time it is set.
    params: FullParams<'static, 'static>,
    longest: Duration,
}

impl Worker for Ears {
    fn hear(&mut self, pcm: &[f32], until: &Until) -> Result<Heard, Fault> {
        let mut whole = String::new();
        let mut refused = Refused::Nothing;
        for piece in cut::pieces(pcm, self.longest) {
            match self.piece(&pcm[piece], until)? {
                Ok(text) => text::join(&mut whole, &text),
                Err(why) => refused = why,
            }
        }
        Ok(if whole.is_empty() { Err(refused) } else { Ok(whole) })
    }
}

impl Ears {
    fn piece(&mut self, pcm: &[f32], until: &Until) -> Result<Heard, Fault> {
        let fitted = (pcm.len() * 50).div_ceil(RATE as usize) + MARGIN;
        let began = Instant::now();
        let heard = self.once(pcm, fitted.min(FRAMES), until)?;
        // The encoder's time grows with the context, a little more than in proportion.
        let again = began.elapsed() * (FRAMES / fitted.min(FRAMES) + 1) as u32;
        if heard.is_ok() || fitted >= FRAMES || !cut::audible(pcm) || until.left() < again {
            return Ok(heard);
        }
        tracing::debug!(?heard, "heard again with the full context");
        self.once(pcm, FRAMES, until)
    }

    fn once(&mut self, pcm: &[f32], frames: usize, until: &Until) -> Result<Heard, Fault> {
        if until.passed() {
            return Err(Fault::GivenUp);
        }
        let mut params = self.params.clone();
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
