//! ITU-T G.711 (11/88): A-law and mu-law between 8-bit codes and linear samples, by tables.
//!
//! The tables are built at compile time from the recommendation's segments (tables 1a to 2b): a code's interval between
//! two decision values, and the value in its middle. The tests hold them against the shift-and-count algorithm of
//! G.191 for every input. Samples are the recommendation's 13 or 14 bits at the top of an `i16`.

/// One of the two laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// A-law (PCMA): China, Europe.
    A,
    /// mu-law (PCMU): North America, Japan.
    Mu,
}

impl Law {
    /// The sample in the middle of the code's interval.
    pub fn decode(self, code: u8) -> i16 {
        match self {
            Law::A => alaw_decode(code),
            Law::Mu => mulaw_decode(code),
        }
    }

    /// The code in whose interval the sample lies.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Law::A => alaw_encode(sample),
            Law::Mu => mulaw_encode(sample),
        }
    }

    /// The code of sample 0, for padding.
    pub fn silence(self) -> u8 {
        self.encode(0)
    }
}

pub fn alaw_decode(code: u8) -> i16 {
    A_DECODE[usize::from(code)]
}

pub fn alaw_encode(sample: i16) -> u8 {
    A_ENCODE[usize::from(sample.cast_unsigned())]
}

pub fn mulaw_decode(code: u8) -> i16 {
    MU_DECODE[usize::from(code)]
}

/// The negative zero (0x7F) stands for the small negative samples only; 0 itself is 0xFF.
pub fn mulaw_encode(sample: i16) -> u8 {
    MU_ENCODE[usize::from(sample.cast_unsigned())]
}

/// Steps of one polarity: 8 segments of 16.
const STEPS: usize = 128;
/// The sign bit of a code; set for positive samples in both laws.
const POSITIVE: u8 = 0x80;
/// Even bits of A-law codes are sent inverted (table 1a, note 2).
const A_INVERTED: u8 = 0x55;
/// mu-law codes are sent inverted as a whole, the sign apart (table 2a, note 2).
const MU_INVERTED: u8 = 0x7f;
/// What mu-law adds to a magnitude so that every segment begins at a power of two.
const MU_BIAS: i32 = 132;

/// The interval of one step: its lower decision value, and the value that stands for it.
#[derive(Clone, Copy)]
struct Step {
    low: i32,
    value: i32,
}

const fn a_step(step: usize) -> Step {
    let (segment, within) = (step as i32 >> 4, step as i32 & 15);
    // The two lowest segments have the same width: together they are one straight line.
    let (low, width) = if segment == 0 { (within << 4, 16) } else { ((16 + within) << (segment + 3), 8 << segment) };
    Step { low, value: low + width / 2 }
}

const fn mu_step(step: usize) -> Step {
    let (segment, within) = (step as i32 >> 4, step as i32 & 15);
    let (low, width) = (((16 + within) << (segment + 3)) - MU_BIAS, 8 << segment);
    // The lowest interval straddles zero; each polarity has its half.
    Step { low: if low < 0 { 0 } else { low }, value: low + width / 2 }
}

const fn step_of(law: Law, step: usize) -> Step {
    match law {
        Law::A => a_step(step),
        Law::Mu => mu_step(step),
    }
}

const fn code_of(law: Law, step: usize, positive: bool) -> u8 {
    let code = step as u8 | if positive { POSITIVE } else { 0 };
    match law {
        Law::A => code ^ A_INVERTED,
        Law::Mu => code ^ MU_INVERTED,
    }
}

const fn decode_table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut step = 0;
    while step < STEPS {
        let value = step_of(law, step).value as i16;
        table[code_of(law, step, true) as usize] = value;
        table[code_of(law, step, false) as usize] = -value;
        step += 1;
    }
    table
}

const fn encode_table(law: Law) -> [u8; 65_536] {
    let mut table = [0; 65_536];
    let mut step = 0;
    while step < STEPS {
        let mut magnitude = step_of(law, step).low;
        let end = if step + 1 < STEPS { step_of(law, step + 1).low } else { 32_768 };
        let (above, below) = (code_of(law, step, true), code_of(law, step, false));
        while magnitude < end {
            table[magnitude as usize] = above;
            // A negative sample's magnitude is its ones' complement: -1 is the first below zero, -32768 fits.
            table[(!magnitude as u16) as usize] = below;
            magnitude += 1;
        }
        step += 1;
    }
    table
}

static A_DECODE: [i16; 256] = decode_table(Law::A);
static MU_DECODE: [i16; 256] = decode_table(Law::Mu);
static A_ENCODE: [u8; 65_536] = encode_table(Law::A);
static MU_ENCODE: [u8; 65_536] = encode_table(Law::Mu);

#[cfg(test)]
mod tests {
    use super::*;

    /// A-law compression as G.191's software tool library does it, written anew: shifts, no tables.
    fn reference_a_encode(sample: i16) -> u8 {
        let mut ix = if sample < 0 { !sample } else { sample } >> 4;
        if ix > 15 {
            let mut exponent = 1;
            while ix > 31 {
                ix >>= 1;
                exponent += 1;
            }
            ix += (exponent << 4) - 16;
        }
        (ix as u8 | if sample >= 0 { 0x80 } else { 0 }) ^ 0x55
    }

    fn reference_a_decode(code: u8) -> i16 {
        let ix = (code ^ 0x55) & 0x7f;
        let (exponent, mantissa) = (ix >> 4, i16::from(ix & 15));
        let mantissa = ((if exponent > 0 { mantissa + 16 } else { mantissa }) << 4) + 8;
        let value = if exponent > 1 { mantissa << (exponent - 1) } else { mantissa };
        if code & 0x80 != 0 { value } else { -value }
    }

    fn reference_mu_encode(sample: i16) -> u8 {
        let magnitude = (if sample < 0 { !sample } else { sample } >> 2) + 33;
        let magnitude = magnitude.min(0x1fff);
        let mut segment = 1;
        let mut rest = magnitude >> 6;
        while rest != 0 {
            segment += 1;
            rest >>= 1;
        }
        let low = 0xf - ((magnitude >> segment) & 0xf);
        let code = (((8 - segment) << 4) | low) as u8;
        if sample >= 0 { code | 0x80 } else { code }
    }

    fn reference_mu_decode(code: u8) -> i16 {
        let inverted = !code;
        let exponent = (inverted >> 4) & 7;
        let mantissa = i32::from(inverted & 15);
        let step = 4_i32 << (exponent + 1);
        let value = (0x80 << exponent) + step * mantissa + step / 2 - 4 * 33;
        if code & 0x80 != 0 { value as i16 } else { -value as i16 }
    }

    #[test]
    fn every_input_is_coded_as_g191_codes_it() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(alaw_encode(sample), reference_a_encode(sample), "A-law of {sample}");
            assert_eq!(mulaw_encode(sample), reference_mu_encode(sample), "mu-law of {sample}");
        }
        for code in 0..=u8::MAX {
            assert_eq!(alaw_decode(code), reference_a_decode(code), "A-law code {code:#04x}");
            assert_eq!(mulaw_decode(code), reference_mu_decode(code), "mu-law code {code:#04x}");
        }
    }

    #[test]
    fn known_vectors() {
        // From the tables of the recommendation: zeros, the ends, and the first code of a segment.
        for (sample, a, mu) in [
            (0, 0xd5, 0xff),
            (-1, 0x55, 0x7f),
            (32_767, 0xaa, 0x80),
            (-32_768, 0x2a, 0x00),
            (256, 0xc5, 0xe7),
            (-256, 0x5a, 0x67),
            (-257, 0x45, 0x67),
        ] {
            assert_eq!(alaw_encode(sample), a, "A-law of {sample}");
            assert_eq!(mulaw_encode(sample), mu, "mu-law of {sample}");
        }
        assert_eq!((alaw_decode(0xaa), alaw_decode(0x2a)), (32_256, -32_256));
        assert_eq!((mulaw_decode(0x80), mulaw_decode(0x00)), (32_124, -32_124));
        assert_eq!((Law::A.silence(), Law::Mu.silence()), (0xd5, 0xff));
    }

    #[test]
    fn a_code_survives_decoding_and_coding() {
        for code in 0..=u8::MAX {
            assert_eq!(alaw_encode(alaw_decode(code)), code);
            // mu-law has two zeros; the negative one decodes to 0, which is coded as the positive.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(mulaw_encode(mulaw_decode(code)), expected);
        }
    }

    #[test]
    fn decoding_is_monotone_and_idempotent_and_the_error_stays_within_half_a_step() {
        for law in [Law::A, Law::Mu] {
            let through = |sample: i16| law.decode(law.encode(sample));
            for sample in i16::MIN..=i16::MAX {
                let heard = through(sample);
                assert_eq!(through(heard), heard, "{law:?} {sample}");
                if sample > i16::MIN {
                    assert!(through(sample - 1) <= heard, "{law:?} {sample}");
                }
                // The widest step is 1,024; below the last decision value the error is at most half of it,
                // relative to the sample at most 1/32 and a half of the smallest step.
                if i32::from(sample).abs() < 31_612 {
                    let error = (i32::from(heard) - i32::from(sample)).abs();
                    assert!(error <= i32::from(sample).abs() / 31 + 9, "{law:?} {sample} -> {heard}");
                }
            }
        }
    }
}
