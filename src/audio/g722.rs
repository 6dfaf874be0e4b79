//! ITU-T G.722 (09/2012) at 64 kbit/s: 16 kHz sound in two bands, each by ADPCM, in 8 octets a millisecond.
//!
//! The names in the code are the recommendation's signals (section 3, 4 and 6): `det` is DETL/DETH, `nb` NBL/NBH, and
//! so on. Coder and decoder never refuse anything: every octet is a code.

/// Octets of a millisecond.
pub const OCTETS_PER_MS: usize = 8;

/// Quadrature mirror filter (table 11): every second coefficient, the others mirrored.
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3_876, -805, 362, -156, 53, -11];
/// Decision levels of the low band (table 14).
const Q6: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1_023, 1_121, 1_219,
    1_339, 1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919,
];
/// Codes of the low band by level, for negative and positive differences (table 14).
const ILN: [u8; 31] = [
    0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4,
];
const ILP: [u8; 31] = [
    0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34,
    33, 32,
];
/// Output values of the 4-bit, 6-bit and high quantisers (tables 15 to 19).
const QM4: [i32; 16] =
    [0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288, 4_240, 2_584, 1_200, 0];
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9_360,
    -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008, -3_576, -3_168, -2_776, -2_400, -2_032,
    -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576,
    7_856, 7_192, 6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360, 1_040,
    728, 432, 136, -432, -136,
];
const QM2: [i32; 4] = [-7_408, -1_616, 7_408, 1_616];
/// How a code moves the scale: of the low band by its 4 upper bits, of the high band by both.
const WL: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1_198, 3_042];
const RL42: [u8; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const WH: [i32; 3] = [0, -214, 798];
const RH2: [u8; 4] = [2, 1, 2, 1];
/// 2048 times the powers of two in 32 steps (table 21).
const ILB: [i32; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656, 2_714, 2_774, 2_834,
    2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520, 3_597, 3_676, 3_756, 3_838, 3_922, 4_008,
];
/// The one decision level of the high band.
const HIGH_LEVEL: i32 = 564;

/// One band's predictor and scale.
#[derive(Debug, Clone, Default)]
struct Band {
    s: i32,
    sz: i32,
    r: [i32; 3],
    a: [i32; 3],
    p: [i32; 3],
    d: [i32; 7],
    b: [i32; 7],
    nb: i32,
    det: i32,
}

fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

impl Band {
    fn new(det: i32) -> Band {
        Band { det, ..Band::default() }
    }

    /// Blocks LOGSCL and SCALEL, or LOGSCH and SCALEH.
    fn scale(&mut self, step: i32, most: i32, shift: i32) {
        self.nb = (((self.nb * 127) >> 7) + step).clamp(0, most);
        let mantissa = ILB[(self.nb >> 6) as usize & 31];
        let down = shift - (self.nb >> 11);
        let value = if down < 0 { mantissa << -down } else { mantissa >> down };
        self.det = value << 2;
    }

    /// Block 4: takes the difference `d`, adapts the predictor, predicts the next sample.
    fn adapt(&mut self, d: i32) {
        let Band { s, sz, r, a, p, d: ds, b, .. } = self;
        ds[0] = d;
        r[0] = saturate(*s + d);
        p[0] = saturate(*sz + d);
        // UPPOL2
        let same = |x: i32, y: i32| (x < 0) == (y < 0);
        let wd1 = saturate(a[1] << 2);
        let wd2 = if same(p[0], p[1]) { -wd1 } else { wd1 }.min(32_767);
        let sign = if same(p[0], p[2]) { 128 } else { -128 };
        let a2 = ((wd2 >> 7) + sign + ((a[2] * 32_512) >> 15)).clamp(-12_288, 12_288);
        // UPPOL1
        let sign = if same(p[0], p[1]) { 192 } else { -192 };
        let limit = saturate(15_360 - a2);
        let a1 = saturate(sign + ((a[1] * 32_640) >> 15)).clamp(-limit, limit);
        // UPZERO
        let step = if d == 0 { 0 } else { 128 };
        for i in 1..7 {
            let towards = if same(ds[i], d) { step } else { -step };
            b[i] = saturate(towards + ((b[i] * 32_640) >> 15));
        }
        // DELAYA
        ds.copy_within(0..6, 1);
        r.copy_within(0..2, 1);
        p.copy_within(0..2, 1);
        (a[1], a[2]) = (a1, a2);
        // FILTEP, FILTEZ, PREDIC
        let pole = |a: i32, r: i32| (a * saturate(r + r)) >> 15;
        let sp = saturate(pole(a[1], r[1]) + pole(a[2], r[2]));
        *sz = saturate((1..7).map(|i| (b[i] * saturate(ds[i] + ds[i])) >> 15).sum());
        *s = saturate(sp + *sz);
    }
}

/// The filter's last 24 samples, two more each time.
fn shift(x: &mut [i32; 24], a: i32, b: i32) -> (i32, i32) {
    x.copy_within(2.., 0);
    (x[22], x[23]) = (a, b);
    let even = (0..12).map(|i| x[2 * i] * QMF[i]).sum();
    let odd = (0..12).map(|i| x[2 * i + 1] * QMF[11 - i]).sum();
    (even, odd)
}

/// One direction's coder.
#[derive(Debug, Clone)]
pub struct Encoder {
    x: [i32; 24],
    low: Band,
    high: Band,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { x: [0; 24], low: Band::new(32), high: Band::new(8) }
    }
}

impl Encoder {
    /// Two samples at 16 kHz to one octet.
    pub fn encode(&mut self, pair: [i16; 2]) -> u8 {
        let (even, odd) = shift(&mut self.x, pair[0].into(), pair[1].into());
        let low = self.low((odd + even) >> 14);
        let high = self.high((odd - even) >> 14);
        high << 6 | low
    }

    fn low(&mut self, x: i32) -> u8 {
        let band = &mut self.low;
        let e = saturate(x - band.s);
        let magnitude = if e >= 0 { e } else { !e };
        let level = (1..30).find(|i| magnitude < (Q6[*i] * band.det) >> 12).unwrap_or(30);
        let code = if e < 0 { ILN[level] } else { ILP[level] };
        let upper = usize::from(code >> 2);
        let d = (band.det * QM4[upper]) >> 15;
        band.scale(WL[usize::from(RL42[upper])], 18_432, 8);
        band.adapt(d);
        code
    }

    fn high(&mut self, x: i32) -> u8 {
        let band = &mut self.high;
        let e = saturate(x - band.s);
        let magnitude = if e >= 0 { e } else { !e };
        let far = magnitude >= (HIGH_LEVEL * band.det) >> 12;
        let code = match (e < 0, far) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        band.take_high(code);
        code
    }
}

impl Band {
    /// What both sides do with a code of the high band; gives the difference.
    fn take_high(&mut self, code: u8) -> i32 {
        let code = usize::from(code);
        let d = (self.det * QM2[code]) >> 15;
        self.scale(WH[usize::from(RH2[code])], 22_528, 10);
        self.adapt(d);
        d
    }
}

/// One direction's decoder.
#[derive(Debug, Clone)]
pub struct Decoder {
    x: [i32; 24],
    low: Band,
    high: Band,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { x: [0; 24], low: Band::new(32), high: Band::new(8) }
    }
}

impl Decoder {
    /// One octet to two samples at 16 kHz.
    pub fn decode(&mut self, code: u8) -> [i16; 2] {
        let (low, high) = (usize::from(code & 63), code >> 6);
        let band = &mut self.low;
        let r_low = (band.s + ((band.det * QM6[low]) >> 15)).clamp(-16_384, 16_383);
        let upper = low >> 2;
        let d = (band.det * QM4[upper]) >> 15;
        band.scale(WL[usize::from(RL42[upper])], 18_432, 8);
        band.adapt(d);
        let predicted = self.high.s;
        let r_high = (predicted + self.high.take_high(high)).clamp(-16_384, 16_383);
        let (second, first) = shift(&mut self.x, r_low + r_high, r_low - r_high);
        [first, second].map(|sum| saturate(sum >> 11) as i16)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audio::tone;
    use proptest::prelude::*;

    fn through(samples: &[i16]) -> Vec<i16> {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        samples.chunks_exact(2).flat_map(|pair| decoder.decode(encoder.encode([pair[0], pair[1]]))).collect()
    }

    /// Signal to noise after coding, with the delay (22 samples) and the level fitted.
    fn snr(samples: &[i16], heard: &[i16]) -> f64 {
        let skip = 1_000;
        let (a, b) = (&samples[skip..samples.len() - 22], &heard[skip + 22..]);
        let dot = |x: &[i16], y: &[i16]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        let gain = dot(a, b) / dot(a, a);
        let noise: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*b) - gain * f64::from(*a)).powi(2)).sum();
        assert!((0.9..1.1).contains(&gain), "gain {gain}");
        10.0 * (dot(b, b) / noise).log10()
    }

    #[test]
    fn both_bands_come_through() {
        for (hz, least) in [(300.0, 30.0), (1_000.0, 30.0), (3_000.0, 20.0), (5_000.0, 12.0), (6_500.0, 12.0)] {
            let tone = tone::sine_at(16_000, hz, Duration::from_secs(1), 0.3);
            let snr = snr(&tone, &through(&tone));
            assert!(snr > least, "{hz} Hz: {snr:.1} dB");
        }
    }

    #[test]
    fn silence_stays_silence() {
        assert!(through(&[0; 3_200]).iter().all(|s| s.abs() < 8));
    }

    proptest! {
        #[test]
        fn any_octets_and_samples(octets in proptest::collection::vec(any::<u8>(), 0..2_000), samples in proptest::collection::vec(any::<[i16; 2]>(), 0..1_000)) {
            let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
            octets.into_iter().for_each(|code| { decoder.decode(code); });
            samples.into_iter().for_each(|pair| { decoder.decode(encoder.encode(pair)); });
        }
    }
}
