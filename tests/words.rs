//! When each word was said: clips of the demonstration voice, laid one after the other with drawn pauses, so that it is
//! known when each begins and ends.
#![cfg(feature = "daemon")]

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use jiesu::asr::words::{self, Word};
use jiesu::audio::wav;
use rand::Rng as _;
use rand::seq::IndexedRandom as _;

const RATE: usize = 16_000;

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

/// `between`: milliseconds of silence after each clip.
fn say(count: usize, between: Range<usize>) -> Said {
    let mut random = rand::rng();
    let all = clips();
    let mut said = Said { pcm: vec![0.0; random.random_range(0..RATE)], text: String::new(), parts: Vec::new() };
    for clip in all.choose_multiple(&mut random, count) {
        let (chars, samples) = (said.text.chars().count(), said.pcm.len());
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
    let mut errors = Vec::new();
    for (chars, samples) in &said.parts {
        let Some((from, to)) = words::when(&said.text, words, chars.clone()) else {
            errors.push(10_000.0);
            continue;
        };
        let ms = |sample: usize| sample as f64 * 1000.0 / RATE as f64;
        errors.push((f64::from(from) - ms(samples.start)).abs());
        errors.push((f64::from(to) - ms(samples.end)).abs());
    }
    errors
}

fn median(mut errors: Vec<f64>) -> (f64, f64) {
    errors.sort_by(f64::total_cmp);
    (errors[errors.len() / 2], errors[errors.len() * 9 / 10])
}

#[test]
#[ignore = "a measurement: cargo test --test words -- --ignored --nocapture"]
fn survey() {
    use whisper_rs::*;
    install_logging_hooks();
    let model = root().join("models/jiesu-demo-q8_0.bin");
    let context = |n_top| {
        let mut parameters = WhisperContextParameters::default();
        if n_top > 0 {
            parameters.dtw_parameters(DtwParameters { mode: DtwMode::TopMost { n_top }, dtw_mem_size: 128 << 20 });
        }
        WhisperContext::new_with_params(model.to_str().unwrap(), parameters).expect("model")
    };
    let (plain, dtw1, dtw2) = (context(0), context(1), context(2));
    for (count, between) in [(1, 0..1), (2, 200..800), (2, 0..100), (4, 200..800), (6, 100..400)] {
        let mut table = vec![Vec::new(); 5];
        let mut took = vec![0.0; 5];
        for _ in 0..6 {
            let said = say(count, between.clone());
            let began = std::time::Instant::now();
            table[0].extend(errors(&said, &words::split(&said.pcm, &said.text)));
            took[0] += began.elapsed().as_secs_f64();
            for (i, (context, how)) in [(&plain, 0), (&plain, 1), (&dtw1, 2), (&dtw2, 2)].into_iter().enumerate() {
                let mut state = context.create_state().unwrap();
                let mut p = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
                p.set_language(Some("zh"));
                p.set_n_threads(1);
                p.set_no_context(true);
                p.set_no_timestamps(true);
                p.set_single_segment(true);
                p.set_temperature_inc(0.0);
                p.set_suppress_blank(true);
                p.set_suppress_nst(true);
                p.set_audio_ctx((said.pcm.len() * 50 / RATE + 64).min(1500) as i32);
                p.set_max_tokens(120);
                p.set_token_timestamps(how == 1);
                let began = std::time::Instant::now();
                state.full(p, &said.pcm).unwrap();
                took[i + 1] += began.elapsed().as_secs_f64();
                let mut bytes = Vec::new();
                let mut words: Vec<(Range<usize>, i64, i64)> = Vec::new();
                for segment in state.as_iter() {
                    for t in 0..segment.n_tokens() {
                        let token = segment.get_token(t).unwrap();
                        let data = token.token_data();
                        if data.id >= context.token_eot() {
                            continue;
                        }
                        let at = bytes.len();
                        bytes.extend_from_slice(token.to_bytes().unwrap());
                        let (from, to) = if how == 2 { (data.t_dtw * 10, -1) } else { (data.t0 * 10, data.t1 * 10) };
                        if let Some(last) = words.last_mut()
                            && last.2 < 0
                        {
                            last.2 = from;
                        }
                        words.push((at..bytes.len(), from, to));
                    }
                }
                if let Some(last) = words.last_mut()
                    && last.2 < 0
                {
                    last.2 = (said.pcm.len() / 16) as i64;
                }
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let wanted: String = said.text.chars().filter(|c| c.is_alphanumeric()).collect();
                let got: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
                if how == 0 {
                    if jiesu::written::distance(&wanted, &got) * 20 < wanted.chars().count() {
                        let w = words::split(&said.pcm, &text);
                        table[i + 1].extend(errors(&said, &w));
                    }
                    continue;
                }
                if jiesu::written::distance(&wanted, &got) * 20 >= wanted.chars().count() {
                    continue;
                }
                let mut list = Vec::new();
                for (at, c) in text.char_indices() {
                    if !c.is_alphanumeric() {
                        continue;
                    }
                    let Some(first) = words.iter().find(|w| w.0.contains(&at)) else { continue };
                    let last = words.iter().find(|w| w.0.contains(&(at + c.len_utf8() - 1))).unwrap_or(first);
                    list.push(Word { text: c.to_string(), from: first.1.max(0) as u32, to: last.2.max(0) as u32 });
                }
                table[i + 1].extend(errors(&said, &list));
            }
        }
        println!("{count} clips, {between:?} ms between");
        for (name, (errors, took)) in ["split, true text", "split, heard text", "token times", "dtw 1", "dtw 2"]
            .iter()
            .zip(table.into_iter().zip(took))
        {
            let n = errors.len();
            if n == 0 {
                println!("  {name}: none");
                continue;
            }
            let (half, nine) = median(errors);
            println!("  {name:20} n {n:4} median {half:6.0} ms, 90 % {nine:6.0} ms, {:.1} ms each", took * 40.0);
        }
    }
    let _: Option<PathBuf> = None;
}
