//! Sounds that are no speech, made from a seed; at 8 kHz, of about unit power where not said otherwise.

use std::f64::consts::TAU;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

pub const RATE: f64 = 8_000.0;

/// What lies under or between speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Silence,
    White,
    Babble,
    Music,
    Hum,
    Clicks,
    Breath,
}

impl Kind {
    pub const ALL: [Kind; 7] =
        [Kind::Silence, Kind::White, Kind::Babble, Kind::Music, Kind::Hum, Kind::Clicks, Kind::Breath];
}

/// `voices`: what babble is made of.
pub fn noise(kind: Kind, length: usize, voices: &[Vec<f64>], seed: u64) -> Vec<f64> {
    let mut random = SmallRng::seed_from_u64(seed);
    let raw = match kind {
        Kind::Silence => return vec![0.0; length],
        Kind::White => (0..length).map(|_| random.random_range(-1.0..1.0)).collect(),
        Kind::Babble => babble(length, voices, &mut random),
        Kind::Music => music(length, &mut random),
        Kind::Hum => hum(length, &mut random),
        Kind::Clicks => clicks(length, &mut random),
        Kind::Breath => breath(length, &mut random),
    };
    let power = raw.iter().map(|v| v * v).sum::<f64>() / length.max(1) as f64;
    raw.into_iter().map(|v| v / power.sqrt().max(1e-9)).collect()
}

/// Six at once.
fn babble(length: usize, voices: &[Vec<f64>], random: &mut SmallRng) -> Vec<f64> {
    let mut out = vec![0.0; length];
    for _ in 0..6 {
        let Some(voice) = voices.choose(random).filter(|voice| !voice.is_empty()) else { break };
        let from = random.random_range(0..voice.len());
        out.iter_mut().zip(voice.iter().cycle().skip(from)).for_each(|(sum, v)| *sum += v);
    }
    out
}

/// Chords of three notes with overtones, struck every 0.4 to 1 s, and a bass.
fn music(length: usize, random: &mut SmallRng) -> Vec<f64> {
    let mut out = vec![0.0; length];
    let mut at = 0;
    while at < length {
        let span = (random.random_range(0.4..1.0) * RATE) as usize;
        let root = 110.0 * 2f64.powf(f64::from(random.random_range(0..24)) / 12.0);
        for step in [-12, 0, [3, 4][random.random_range(0..2)], 7] {
            let hz = root * 2f64.powf(f64::from(step) / 12.0);
            for overtone in 1..=4 {
                let hz = hz * f64::from(overtone);
                for (i, sum) in out[at..].iter_mut().take(2 * span).enumerate() {
                    let t = i as f64 / RATE;
                    *sum += (TAU * hz * t).sin() * (-2.5 * t).exp() / f64::from(overtone);
                }
            }
        }
        at += span;
    }
    out
}

/// The mains and its harmonics, which drift a little.
fn hum(length: usize, random: &mut SmallRng) -> Vec<f64> {
    let hz = random.random_range(49.8..50.2);
    let parts: Vec<(f64, f64)> =
        (1..=9).map(|n| (hz * f64::from(n), random.random_range(0.2..1.0) / f64::from(n))).collect();
    (0..length).map(|i| parts.iter().map(|(hz, a)| a * (TAU * hz * i as f64 / RATE).sin()).sum()).collect()
}

/// Keys of a computer: 2 to 8 a second, each two knocks of some milliseconds.
fn clicks(length: usize, random: &mut SmallRng) -> Vec<f64> {
    let mut out = vec![0.0; length];
    let mut at = 0;
    while at < length {
        for knock in [0, random.random_range(400..900)] {
            let decay = random.random_range(15.0..50.0);
            for (i, sum) in out.iter_mut().skip(at + knock).take(400).enumerate() {
                *sum += random.random_range(-1.0..1.0) * (-(i as f64) / decay).exp();
            }
        }
        at += (RATE / random.random_range(2.0..8.0)) as usize;
    }
    out
}

/// In and out, a second each, into the microphone: noise without its highs, with a rest between.
fn breath(length: usize, random: &mut SmallRng) -> Vec<f64> {
    let mut out = vec![0.0; length];
    let (mut at, mut low) = (0, 0.0);
    while at < length {
        let span = (random.random_range(0.6..1.4) * RATE) as usize;
        for (i, sum) in out[at..].iter_mut().take(span).enumerate() {
            low += 0.35 * (random.random_range(-1.0..1.0) - low);
            *sum = low * (std::f64::consts::PI * i as f64 / span as f64).sin();
        }
        at += span + (random.random_range(0.3..1.2) * RATE) as usize;
    }
    out
}
