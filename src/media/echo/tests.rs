use super::*;
use crate::audio::g711::Law;
use crate::audio::{Coding, Pcm, level, wav};
use crate::media::FRAME;
use crate::media::endpointing::{Level, Recent};
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

fn pcm(file: &[u8]) -> Vec<f64> {
    let pcm: Pcm = wav::read(file).expect("WAV");
    pcm.to_8k().into_iter().map(f64::from).collect()
}

/// Our voice: prompts as they are shipped.
fn prompt() -> Vec<f64> {
    let files: [&[u8]; 3] = [
        include_bytes!("../../../config/prompts/request-hint.wav"),
        include_bytes!("../../../config/prompts/menu-services.wav"),
        include_bytes!("../../../config/prompts/readback-unavailable.wav"),
    ];
    files.into_iter().flat_map(pcm).collect()
}

/// Somebody else's.
fn caller() -> Vec<f64> {
    let files: [&[u8]; 2] = [
        include_bytes!("../../../tests/data/speech/held-000.wav"),
        include_bytes!("../../../tests/data/speech/held-010.wav"),
    ];
    files.into_iter().flat_map(pcm).collect()
}

/// What comes back: late, quieter, without its lows as from a small loudspeaker, and with a room behind it.
#[derive(Debug, Clone)]
struct Room {
    delay_ms: usize,
    loss: f64,
    /// How much of the lows a small loudspeaker keeps, 0 to 1.
    lows: f64,
    /// How long a room rings, as the share of each 40 ms' sound that comes once more.
    rings: f64,
    noise: f64,
    seed: u64,
}

fn room() -> impl Strategy<Value = Room> {
    (20usize..400, 6.0..30.0f64, 0.35..1.0f64, 0.0..0.35f64, 4.0..40.0f64, any::<u64>())
        .prop_map(|(delay_ms, loss, lows, rings, noise, seed)| Room { delay_ms, loss, lows, rings, noise, seed })
}

fn echoed(sent: &[f64], room: &Room) -> Vec<f64> {
    let mut out = vec![0.0; sent.len()];
    let delay = room.delay_ms * 8;
    let mut before = 0.0;
    for n in delay..sent.len() {
        let high = sent[n - delay] - before;
        before = sent[n - delay];
        let direct = room.lows * sent[n - delay] + (1.0 - room.lows) * high;
        out[n] = direct + if n >= 320 { room.rings * out[n - 320] } else { 0.0 };
    }
    let power = |samples: &[f64]| samples.iter().map(|v| v * v).sum::<f64>();
    let gain = 10f64.powf(-room.loss / 20.0) * (power(sent) / power(&out)).sqrt();
    out.iter_mut().for_each(|sample| *sample *= gain);
    let mut random = SmallRng::seed_from_u64(room.seed);
    out.iter_mut().for_each(|sample| *sample += random.random_range(-room.noise..room.noise));
    out
}

/// Its level, and that for the comparison.
fn frame(samples: &[f64]) -> (f32, f32) {
    let octets: Vec<u8> = samples.iter().map(|v| Law::A.encode(v.round().clamp(-32_768.0, 32_767.0) as i16)).collect();
    (Coding::Law(Law::A).dbfs(&octets), super::level(Coding::Law(Law::A), &octets))
}

/// In which frames somebody is found to speak over the prompt: enough of the last ones are loud and not echo.
fn spoken_over(sent: &[f64], heard: &[f64], guarded: bool) -> Vec<usize> {
    let (mut level, mut echo, mut recent, mut out) = (Level::default(), Echo::default(), Recent::default(), Vec::new());
    for (n, (sent, heard)) in sent.chunks_exact(FRAME).zip(heard.chunks_exact(FRAME)).enumerate() {
        let (loud, heard) = frame(heard);
        level.frame(Some(loud));
        let is_echo = echo.frame(Some(frame(sent).1), Some(heard));
        recent.frame(level.recent().is_speech() && !(guarded && is_echo));
        if recent.of(20) >= 13 {
            out.push(n);
        }
    }
    out
}

fn to_level(samples: &[f64], dbfs: f64) -> Vec<f64> {
    let whole: Vec<i16> = samples.iter().map(|v| *v as i16).collect();
    let gain = 32_768.0 * 10f64.powf(dbfs / 20.0) / level::rms(&whole);
    samples.iter().map(|v| v * gain).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn our_own_prompt_never_interrupts_itself(room in room()) {
        let sent = prompt();
        let heard = echoed(&sent, &room);
        let found = spoken_over(&sent, &heard, true);
        prop_assert!(found.is_empty(), "in the frames {:?}", found);
    }

    /// Over a telephone's own echo (a receiver at the ear: 20 dB and more) wherever the caller begins.
    #[test]
    fn a_caller_is_heard_over_the_prompt(room in room(), lows in 0.6..1.0f64, loss in 20.0..40.0f64, begins in 1_000usize..6_000, loud in -24.0..-14.0f64) {
        let sent = prompt();
        let mut heard = echoed(&sent, &Room { loss, lows, ..room });
        let caller = to_level(&caller(), loud);
        heard[begins * 8..].iter_mut().zip(&caller).for_each(|(sum, sample)| *sum += sample);
        let found = spoken_over(&sent, &heard, true);
        let first = found.first().map(|frame| frame * 20);
        prop_assert!(first.is_some_and(|at| at > begins && at < begins + 4_000), "begun at {} ms, heard at {:?}", begins, first);
    }

    /// Over a loudspeaker in the room: who speaks louder than it is heard, though perhaps only in the prompt's gaps.
    #[test]
    fn a_caller_who_is_louder_than_a_loudspeaker_is_heard_in_the_end(room in room(), begins in 1_000usize..4_000, above in 8.0..16.0f64) {
        let sent = prompt();
        let echo = echoed(&sent, &room);
        let whole: Vec<i16> = echo.iter().map(|v| *v as i16).collect();
        let loud = (level::dbfs(&whole) + above).clamp(-26.0, -8.0);
        let caller = to_level(&caller(), loud);
        let mut heard = echo;
        heard[begins * 8..].iter_mut().zip(&caller).for_each(|(sum, sample)| *sum += sample);
        let found = spoken_over(&sent, &heard, true);
        prop_assert!(found.first().is_some_and(|at| at * 20 > begins), "{:?}", found.first());
    }
}

#[test]
fn without_the_guard_the_prompt_does_interrupt_itself() {
    let sent = prompt();
    let room = Room { delay_ms: 100, loss: 12.0, lows: 0.6, rings: 0.1, noise: 8.0, seed: 1 };
    let heard = echoed(&sent, &room);
    assert!(!spoken_over(&sent, &heard, false).is_empty(), "the test above could not fail");
}

#[test]
fn where_nothing_is_sent_nothing_is_echo() {
    let mut echo = Echo::default();
    for level in [-60.0, -20.0, -10.0, -90.0] {
        assert!(!echo.frame(None, Some(level)));
    }
    (0..50).for_each(|_| assert!(!echo.frame(None, None)));
    assert!(!echo.lasts());
}
