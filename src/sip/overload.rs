//! How much less a peer should send us: overload control by feedback in Via (RFC 7339, algorithm "loss").
//!
//! A peer that understands it says `oc` in its Via; our answers then say which share of its calls it should keep back.
//! The share follows what was refused: a second in which a part was refused takes that part off what is still let
//! through, a second in which nothing was refused gives a quarter back.

use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);
/// How long a peer goes by what it was told (section 4.3): a little more than two windows.
const VALIDITY: Duration = Duration::from_millis(2500);

/// What was offered and refused lately.
#[derive(Debug, Clone)]
pub struct Overload {
    /// Time since 1970 when it began, so that numbers grow over a restart (section 4.4).
    epoch: Duration,
    began: Option<Instant>,
    now: Option<Instant>,
    window: Option<Instant>,
    offered: u32,
    refused: u32,
    /// Per cent that peers should keep back.
    loss: f64,
}

impl Overload {
    pub fn new(epoch: Duration) -> Overload {
        Overload { epoch, began: None, now: None, window: None, offered: 0, refused: 0, loss: 0.0 }
    }

    /// Time passes.
    pub fn tick(&mut self, now: Instant) {
        self.began.get_or_insert(now);
        self.now = Some(now);
        let window = *self.window.get_or_insert(now);
        let past = now.saturating_duration_since(window);
        if past < WINDOW {
            return;
        }
        if self.refused > 0 && self.offered > 0 {
            let share = f64::from(self.refused.min(self.offered)) / f64::from(self.offered);
            self.loss += (100.0 - self.loss) * share;
        } else {
            self.loss *= 0.75;
        }
        // Further seconds went by without a call.
        let idle = (past.as_secs() as i32 - 1).clamp(0, 100);
        self.loss *= 0.75_f64.powi(idle);
        if self.loss < 1.0 {
            self.loss = 0.0;
        }
        (self.window, self.offered, self.refused) = (Some(now), 0, 0);
    }

    pub fn offered(&mut self) {
        self.offered = self.offered.saturating_add(1);
    }

    /// One of those that were offered.
    pub fn refused(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// What the top Via of an answer says (section 4.6). `closed`: nothing more is wanted.
    pub fn parameters(&self, closed: bool) -> String {
        let loss = if closed { 100 } else { self.loss.ceil() as u8 };
        let past = self.now.zip(self.began).map_or(Duration::ZERO, |(now, began)| now - began);
        let sequence = self.epoch + past;
        let (seconds, millis) = (sequence.as_secs() % 1_000_000_000_000, sequence.subsec_millis());
        let validity = if loss == 0 { 0 } else { VALIDITY.as_millis() };
        format!(";oc={loss};oc-algo=\"loss\";oc-validity={validity};oc-seq={seconds}.{millis:03}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(overload: &mut Overload, now: &mut Instant, offered: u32, refused: u32) -> f64 {
        (0..offered).for_each(|_| overload.offered());
        (0..refused).for_each(|_| overload.refused());
        *now += WINDOW;
        overload.tick(*now);
        overload.loss
    }

    #[test]
    fn the_share_follows_what_is_refused_and_goes_back() {
        let (mut overload, mut now) = (Overload::new(Duration::from_secs(1_700_000_000)), Instant::now());
        overload.tick(now);
        assert_eq!(second(&mut overload, &mut now, 100, 0), 0.0);
        assert_eq!(second(&mut overload, &mut now, 200, 100), 50.0);
        assert!(
            overload.parameters(false).starts_with(";oc=50;oc-algo=\"loss\";oc-validity=2500;oc-seq=1700000002.000")
        );
        assert_eq!(second(&mut overload, &mut now, 125, 25), 60.0, "a fifth of what still came");
        assert_eq!(second(&mut overload, &mut now, 100, 0), 45.0);
        now += Duration::from_secs(60);
        assert_eq!(second(&mut overload, &mut now, 0, 0), 0.0);
        assert!(overload.parameters(false).starts_with(";oc=0;oc-algo=\"loss\";oc-validity=0;"));
        assert!(overload.parameters(true).starts_with(";oc=100;"));
    }

    /// A peer that keeps back what it is told to finds its level: hardly any call is refused, few are kept back in vain.
    #[test]
    fn a_peer_that_listens_is_let_through_at_the_limit() {
        let (mut overload, mut now) = (Overload::new(Duration::ZERO), Instant::now());
        overload.tick(now);
        let (limit, wants) = (1000.0, 3000.0);
        let (mut through, mut refused) = (0.0, 0.0);
        for round in 0..60 {
            let sends = wants * (1.0 - overload.loss / 100.0);
            let over = (sends - limit).max(0.0);
            second(&mut overload, &mut now, sends as u32, over as u32);
            if round >= 10 {
                (through, refused) = (through + sends.min(limit), refused + over);
            }
        }
        assert!(through / 50.0 > 0.9 * limit, "{} of {limit} a second", through / 50.0);
        assert!(
            refused / 50.0 < 0.4 * limit,
            "{} a second are still refused, {} without",
            refused / 50.0,
            wants - limit
        );
    }
}
