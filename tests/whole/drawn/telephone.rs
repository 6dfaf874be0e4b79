//! A voice as a telephone line carries it: 300 to 3,400 Hz, a drawn loudness, A-law. The recogniser learned from such, and
//! callers are heard so.

use jiesu::audio::g711::Law;

use crate::house::draw;

/// Samples a second.
pub const SECOND: usize = 8000;
/// Silence in A-law.
pub const SILENCE: u8 = 0xD5;

/// A second-order section, direct form I.
struct Section {
    b: [f64; 3],
    a: [f64; 2],
    x: [f64; 2],
    y: [f64; 2],
}

impl Section {
    /// A corner at `hz`; `up`: what is above goes through. Coefficients by the bilinear transform.
    fn new(hz: f64, q: f64, up: bool) -> Section {
        let w = std::f64::consts::TAU * hz / SECOND as f64;
        let (alpha, cos) = (w.sin() / (2.0 * q), w.cos());
        let edge = if up { 1.0 + cos } else { 1.0 - cos };
        let middle = if up { -edge } else { edge };
        let b = [edge / 2.0, middle, edge / 2.0].map(|b| b / (1.0 + alpha));
        Section { b, a: [-2.0 * cos / (1.0 + alpha), (1.0 - alpha) / (1.0 + alpha)], x: [0.0; 2], y: [0.0; 2] }
    }

    fn pass(&mut self, x: f64) -> f64 {
        let y = self.b[0] * x + self.b[1] * self.x[0] + self.b[2] * self.x[1]
            - self.a[0] * self.y[0]
            - self.a[1] * self.y[1];
        (self.x, self.y) = ([x, self.x[0]], [y, self.y[0]]);
        y
    }
}

/// What comes out of the line, with a quarter of a second of silence before it and `after` seconds behind.
pub fn line(pcm: &[i16], after: usize) -> Vec<u8> {
    // Butterworth of the fourth order at both ends.
    let corners = [(300.0, true), (3400.0, false)];
    let sections = corners.iter().flat_map(|(hz, up)| [0.5412, 1.3066].map(|q| Section::new(*hz, q, *up)));
    let mut sections: Vec<Section> = sections.collect();
    let pass = |sample: &i16| sections.iter_mut().fold(f64::from(*sample), |x, section| section.pass(x));
    let through: Vec<f64> = pcm.iter().map(pass).collect();
    let peak = through.iter().fold(1.0f64, |peak, v| peak.max(v.abs()));
    // -20 to -2 dB of full scale.
    let loudness = 10f64.powf(-(2.0 + draw(19) as f64) / 20.0) * 32767.0 / peak;
    let mut line = vec![SILENCE; SECOND / 4];
    line.extend(through.iter().map(|v| Law::A.encode((v * loudness) as i16)));
    line.resize(line.len() + after * SECOND, SILENCE);
    line
}
