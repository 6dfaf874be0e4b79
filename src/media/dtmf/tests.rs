//! The detector against what ITU-T Q.24 has telephones send and exchanges take, and against speech.

use std::f64::consts::TAU;

use super::*;
use crate::audio::g711::Law;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// Two tones with their deviations (a fraction) and levels (dBFS, of each as a sine), begun at any phase.
fn tones(key: char, ms: f64, off: [f64; 2], level: [f64; 2], phase: [f64; 2]) -> Vec<f64> {
    let pair = pair(key).expect("a key");
    let one = |tone: usize, n: f64| {
        let hz = pair[tone] * (1.0 + off[tone]);
        // A sine of full scale has -3 dBFS.
        32_768.0 * 10f64.powf((level[tone] + 3.0) / 20.0) * (TAU * (hz * n / 8_000.0 + phase[tone])).sin()
    };
    (0..(ms * 8.0) as usize).map(|n| one(0, n as f64) + one(1, n as f64)).collect()
}

fn heard(law: Law, sound: &[f64]) -> String {
    let mut detector = Detector::default();
    let coded: Vec<i16> = sound.iter().map(|s| law.decode(law.encode(s.clamp(-32_768.0, 32_767.0) as i16))).collect();
    coded.chunks(160).filter_map(|frame| detector.frame(frame.iter().copied())).collect()
}

fn quiet(ms: f64) -> Vec<f64> {
    vec![0.0; (ms * 8.0) as usize]
}

prop_compose! {
    /// A key within what must be taken: at least 40 ms, +-1.5 %, -28 to -6 dBFS, twist of +4 to -8 dB (less 0.5 dB each
    /// for the measure itself).
    fn good()(key in 0usize..16, ms in 40.0..200.0f64, low in -0.015..=0.015f64, high in -0.015..=0.015f64,
              level in -28.0..-10.0f64, twist in -7.5..3.5f64, phase in prop::array::uniform2(0.0..1.0f64), gap in 40.0..300.0f64)
        -> Press {
        Press { key: KEYS[key], ms, off: [low, high], level: [level, level + twist], phase, gap }
    }
}

#[derive(Debug, Clone)]
struct Press {
    key: char,
    ms: f64,
    off: [f64; 2],
    level: [f64; 2],
    phase: [f64; 2],
    gap: f64,
}

impl Press {
    fn sound(&self) -> Vec<f64> {
        [tones(self.key, self.ms, self.off, self.level, self.phase), quiet(self.gap)].concat()
    }
}

proptest! {
    #[test]
    fn what_must_be_taken_is_taken_once(keys in prop::collection::vec(good(), 1..12), lead in 0.0..30.0f64, noise_db in 20.0..40.0f64, seed: u64, mu: bool) {
        let wanted: String = keys.iter().map(|press| press.key).collect();
        let mut random = SmallRng::seed_from_u64(seed);
        // Noise of the line: 23 dB below the quietest key's louder tone, or less.
        let noise = 32_768.0 * 10f64.powf((-28.0 - noise_db) / 20.0) * 1.7;
        let mut sound = quiet(lead);
        sound.extend(keys.iter().flat_map(Press::sound));
        sound.iter_mut().for_each(|s| *s += random.random_range(-noise..noise));
        prop_assert_eq!(heard(if mu { Law::Mu } else { Law::A }, &sound), wanted);
    }

    /// 3.5 % and more beside its frequency neither tone may be, whatever the other does.
    #[test]
    fn what_is_off_is_refused(key in 0usize..16, off in 0.035..0.08f64, up: bool, which in 0usize..3, other in -0.015..0.015f64,
                              twist in -6.0..3.0f64, level in -28.0..-8.0f64, ms in 40.0..500.0f64, lead in 0.0..13.0f64, phase in prop::array::uniform2(0.0..1.0f64)) {
        let off = if up { off } else { -off };
        let deviations = [[off, other], [other, off], [off, off]][which];
        // Far off it comes near the next key's frequency.
        let pair = pair(KEYS[key]).expect("a key");
        let near = |tone: usize, group: &[f64]| {
            let hz = pair[tone] * (1.0 + deviations[tone]);
            group.iter().any(|g| *g != pair[tone] && (hz / g - 1.0).abs() < 0.035)
        };
        prop_assume!(!near(0, &ROWS) && !near(1, &COLUMNS));
        let sound = [quiet(lead), tones(KEYS[key], ms, deviations, [level, level + twist], phase), quiet(60.0)].concat();
        prop_assert_eq!(heard(Law::A, &sound), "");
    }

    /// Too short, too quiet, too uneven, or one tone alone.
    #[test]
    fn what_is_no_key_is_refused(key in 0usize..16, lead in 0.0..13.0f64, phase in prop::array::uniform2(0.0..1.0f64), case in 0usize..5) {
        let (ms, level) = [(23.0, [-10.0, -10.0]), (200.0, [-50.0, -50.0]), (200.0, [-10.0, -25.0]), (200.0, [-22.0, -10.0]), (200.0, [-10.0, -90.0])][case];
        let sound = [quiet(lead), tones(KEYS[key], ms, [0.0, 0.0], level, phase), quiet(60.0)].concat();
        prop_assert_eq!(heard(Law::A, &sound), "");
    }

    /// A gap of 10 ms is no new key, one of 40 ms is.
    #[test]
    fn gaps(key in 0usize..16, lead in 0.0..13.0f64, first in 50.0..120.0f64, second in 50.0..120.0f64) {
        let press = |ms| tones(KEYS[key], ms, [0.0, 0.0], [-12.0, -12.0], [0.2, 0.7]);
        for (gap, wanted) in [(10.0, 1), (40.0, 2)] {
            let sound = [quiet(lead), press(first), quiet(gap), press(second), quiet(60.0)].concat();
            prop_assert_eq!(heard(Law::A, &sound).len(), wanted, "a gap of {} ms", gap);
        }
    }

    #[test]
    fn a_key_over_an_echo_of_the_prompt(key in 0usize..16, seed: u64, phase in prop::array::uniform2(0.0..1.0f64)) {
        // Barge-in: our own prompt comes back 15 dB below the key.
        let mut random = SmallRng::seed_from_u64(seed);
        let speech = speech();
        let begin = random.random_range(0..speech.len() - 4_000);
        let loud = speech[begin..begin + 4_000].iter().map(|s| s.abs()).fold(1.0, f64::max);
        let press = [quiet(100.0), tones(KEYS[key], 120.0, [0.0, 0.0], [-15.0, -15.0], phase), quiet(280.0)].concat();
        let echo = 32_768.0 * 10f64.powf(-27.0 / 20.0) / loud;
        let sound: Vec<f64> = press.iter().zip(&speech[begin..]).map(|(a, b)| a + b * echo).collect();
        prop_assert_eq!(heard(Law::A, &sound), KEYS[key].to_string());
    }

    #[test]
    fn any_samples(samples in prop::collection::vec(any::<i16>(), 0..2_000)) {
        let mut detector = Detector::default();
        samples.chunks(160).for_each(|frame| {
            detector.frame(frame.iter().copied());
        });
    }
}

/// All shipped prompts one after the other.
fn speech() -> &'static [f64] {
    static SPEECH: std::sync::OnceLock<Vec<f64>> = std::sync::OnceLock::new();
    SPEECH.get_or_init(|| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prompts");
        let mut files: Vec<_> = std::fs::read_dir(folder).expect("prompts").flatten().map(|e| e.path()).collect();
        files.retain(|file| file.extension().is_some_and(|e| e == "wav"));
        files.sort();
        let read = |file| crate::audio::wav::read(&std::fs::read(file).expect("a prompt")).expect("WAV").samples;
        files.into_iter().flat_map(read).map(f64::from).collect()
    })
}

/// An hour of speech without a false key: the prompts at many speeds and pitches (0.7 to 1.5 of their own), alone and
/// two at once.
#[test]
fn an_hour_of_speech_has_no_key() {
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
    let mut random = SmallRng::seed_from_u64(seed);
    let speech = speech();
    let mut left = 3_600 * 8_000usize;
    while left > 0 {
        let seconds = random.random_range(20..60usize);
        let voices: Vec<(f64, f64, f64)> = (0..if random.random_bool(0.3) { 2 } else { 1 })
            .map(|_| {
                (
                    random.random_range(0.0..speech.len() as f64),
                    random.random_range(0.7..1.5),
                    random.random_range(0.1..1.5),
                )
            })
            .collect();
        let sound: Vec<f64> = (0..seconds * 8_000)
            .map(|n| {
                voices
                    .iter()
                    .map(|(begin, speed, level)| {
                        let at = (begin + n as f64 * speed) % (speech.len() - 1) as f64;
                        let (a, b) = (speech[at as usize], speech[at as usize + 1]);
                        (a + (b - a) * at.fract()) * level
                    })
                    .sum()
            })
            .collect();
        let found = heard(Law::A, &sound);
        assert_eq!(found, "", "in {seconds} s of {voices:?}, seed {seed}");
        left = left.saturating_sub(sound.len());
    }
}
