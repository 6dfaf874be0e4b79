//! When each word was said: clips of the demonstration voice, laid one after the other with drawn pauses, so that it is
//! known when each begins and ends. The survey compares our times with whisper.cpp's own.
#![cfg(feature = "daemon")]

use std::fs;
use std::ops::Range;
use std::path::Path;

use jiesu::asr::words::{self, Word};
use jiesu::audio::wav;
use rand::Rng as _;
use rand::seq::IndexedRandom as _;

const RATE: usize = 16_000;
/// Samples: 9 s.
const LONGEST: usize = 9 * RATE;
/// A word that has no time counts as so far off, in milliseconds.
const LOST: f64 = 10_000.0;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One clip without the silence around it.
struct Clip {
    pcm: Vec<f32>,
    text: String,
}

fn clips() -> Vec<Clip> {
    let folder = root().join("tests/data/speech");
    let list = fs::read_to_string(folder.join("clips.tsv")).expect("the list of clips");
    let lines = list.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(name, text)| clip(&folder.join(name), text)).collect()
}

fn clip(file: &Path, text: &str) -> Clip {
    let pcm = wav::read(&fs::read(file).expect("a clip")).expect("a WAV").to_16k_f32();
    let loud = |s: &f32| s.abs() > 0.01;
    let begin = pcm.iter().position(loud).expect("speech");
    let end = pcm.iter().rposition(loud).expect("speech") + 1;
    Clip { pcm: pcm[begin..end].to_vec(), text: text.to_owned() }
}

/// Several clips, and where each lies: its characters in the text, its samples in the audio.
struct Said {
    pcm: Vec<f32>,
    text: String,
    parts: Vec<(Range<usize>, Range<usize>)>,
}

/// `between`: milliseconds of silence after each clip; not longer than the demonstration recogniser hears at a time.
fn say(all: &[Clip], count: usize, between: Range<usize>) -> Said {
    let mut random = rand::rng();
    let mut said = Said { pcm: vec![0.0; random.random_range(0..RATE)], text: String::new(), parts: Vec::new() };
    for clip in all.choose_multiple(&mut random, count) {
        let (chars, samples) = (said.text.chars().count(), said.pcm.len());
        if samples + clip.pcm.len() > LONGEST {
            continue;
        }
        said.text.push_str(&clip.text);
        said.pcm.extend(&clip.pcm);
        said.parts.push((chars..said.text.chars().count(), samples..said.pcm.len()));
        said.text.push('，');
        said.pcm.extend(vec![0.0; random.random_range(between.clone()) * RATE / 1000]);
    }
    // A telephone line is never quite silent.
    said.pcm.iter_mut().for_each(|s| *s += random.random_range(-0.001..0.001));
    said
}

/// How far the beginnings and the ends of the clips are off, in milliseconds.
fn errors(said: &Said, words: &[Word]) -> Vec<f64> {
    let ms = |sample: usize| sample as f64 * 1000.0 / RATE as f64;
    let part = |(chars, samples): &(Range<usize>, Range<usize>)| match words::when(&said.text, words, chars.clone()) {
        Some((from, to)) => [f64::from(from) - ms(samples.start), f64::from(to) - ms(samples.end)].map(f64::abs),
        None => [LOST; 2],
    };
    said.parts.iter().flat_map(part).collect()
}

/// The middle one, and the one that four of five do not exceed.
fn middle(mut errors: Vec<f64>) -> (f64, f64) {
    errors.sort_by(f64::total_cmp);
    (errors[errors.len() / 2], errors[errors.len() * 4 / 5])
}

#[test]
fn words_lie_where_they_were_said() {
    let all = clips();
    for (count, between, half, most) in [(1, 0..1, 30.0, 300.0), (4, 200..800, 30.0, 60.0), (2, 0..100, 60.0, 400.0)] {
        let drawn = (0..150).map(|_| say(&all, count, between.clone()));
        let (median, most_of_them) =
            middle(drawn.flat_map(|said| errors(&said, &words::split(&said.pcm, &said.text))).collect());
        println!("{count} clips, {between:?} ms between: median {median:.0} ms, 80 % {most_of_them:.0} ms");
        assert!(
            median <= half && most_of_them <= most,
            "{count} clips, {between:?}: {median:.0} and {most_of_them:.0} ms"
        );
    }
}

/// The times that whisper.cpp gives itself, from the same hearing: of its tokens, and by the attention of its decoder.
#[cfg(feature = "whisper")]
mod engine {
    use whisper_rs::{DtwMode, DtwParameters, FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters};

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Times {
        Split,
        Tokens,
        /// Dynamic time warping over the last so many layers.
        Warped(i32),
    }

    fn load(times: Times) -> WhisperContext {
        let mut parameters = WhisperContextParameters::default();
        if let Times::Warped(n_top) = times {
            parameters.dtw_parameters(DtwParameters { mode: DtwMode::TopMost { n_top }, dtw_mem_size: 128 << 20 });
        }
        let model = root().join("models/jiesu-demo-q8_0.bin");
        WhisperContext::new_with_params(&model, parameters).expect("it ships")
    }

    /// What it heard, with its times.
    fn hear(context: &WhisperContext, pcm: &[f32], times: Times) -> (String, Vec<Word>) {
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_language(Some("zh"));
        params.set_n_threads(1);
        params.set_no_context(true);
        params.set_no_timestamps(true);
        params.set_single_segment(true);
        params.set_temperature_inc(0.0);
        params.set_audio_ctx((pcm.len() * 50 / RATE + 64).min(1500) as i32);
        params.set_max_tokens(120);
        params.set_token_timestamps(times == Times::Tokens);
        let mut state = context.create_state().expect("a state");
        state.full(params, pcm).expect("heard");
        let (mut bytes, mut tokens) = (Vec::new(), Vec::new());
        for segment in state.as_iter() {
            for token in (0..segment.n_tokens()).filter_map(|t| segment.get_token(t)) {
                let data = token.token_data();
                if data.id >= context.token_eot() {
                    continue;
                }
                bytes.extend_from_slice(token.to_bytes().expect("its bytes"));
                let (from, to) = match times {
                    Times::Warped(_) => (data.t_dtw, data.t_dtw),
                    _ => (data.t0, data.t1),
                };
                let ms = |t: i64| u32::try_from(t * 10).unwrap_or(0);
                tokens.push((bytes.len(), ms(from), ms(to)));
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if times == Times::Split {
            let words = words::split(pcm, &text);
            return (text, words);
        }
        // A character may be two tokens, and warping knows beginnings only.
        let token = |at: usize| tokens.iter().position(|(end, ..)| at < *end).unwrap_or(tokens.len() - 1);
        let words = text.char_indices().filter(|(_, c)| c.is_alphanumeric()).map(|(at, c)| {
            let (first, last) = (token(at), token(at + c.len_utf8() - 1));
            let next = tokens.get(last + 1).map_or(pcm.len() as u32 / 16, |next| next.1);
            let to = if times == Times::Tokens { tokens[last].2 } else { next };
            Word { text: c.to_string(), from: tokens[first].1, to }
        });
        let words = words.collect();
        (text, words)
    }

    #[test]
    #[ignore = "a measurement of minutes: cargo test --test words survey -- --ignored --nocapture"]
    fn survey() {
        whisper_rs::install_logging_hooks();
        let all = clips();
        let kinds = [Times::Split, Times::Tokens, Times::Warped(1), Times::Warped(2)];
        let kinds = kinds.map(|times| (times, load(times)));
        for (count, between) in [(1, 0..1), (3, 200..600), (3, 0..100)] {
            let mut found = kinds.each_ref().map(|_| Vec::new());
            for said in (0..20).map(|_| say(&all, count, between.clone())) {
                for ((times, context), found) in kinds.iter().zip(&mut found) {
                    let (heard, words) = hear(context, &said.pcm, *times);
                    // What was heard wrongly says nothing of times.
                    if jiesu::asr::text::error_rate(&said.text, &heard) < 0.05 {
                        found.extend(errors(&said, &words));
                    }
                }
            }
            println!("up to {count} clips, {between:?} ms between");
            for ((times, _), found) in kinds.iter().zip(found).filter(|(_, found)| !found.is_empty()) {
                let edges = found.len();
                let (median, most_of_them) = middle(found);
                println!("  {times:?}: median {median:.0} ms, 80 % {most_of_them:.0} ms ({edges} beginnings and ends)");
            }
        }
    }
}
