//! What the machine said lately, in words: an echo of it in what the caller says is no emergency.

use std::time::{Duration, Instant};

/// An echo may come so much later than what it is of (satellite and gateway delays).
const DELAY: Duration = Duration::from_millis(800);

/// The last two plays.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    last: Option<Said>,
    before: Option<Said>,
}

#[derive(Debug)]
struct Said {
    play: u32,
    words: String,
    ended: Option<Instant>,
}

impl Spoken {
    pub(super) fn begins(&mut self, play: u32, words: String) {
        self.before = self.last.replace(Said { play, words, ended: None });
        // It was replaced or it is over; when, nobody has said.
        if let Some(before) = &mut self.before {
            before.ended.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn ended(&mut self, play: u32) {
        if let Some(said) = self.last.as_mut().filter(|said| said.play == play) {
            said.ended = Some(Instant::now());
        }
    }

    /// The words of what was on within the last `duration`.
    pub(super) fn within(&self, now: Instant, duration: Duration) -> String {
        let heard = |said: &&Said| said.ended.is_none_or(|ended| now.duration_since(ended) < duration + DELAY);
        let said = [&self.before, &self.last].into_iter().flatten().filter(heard);
        said.map(|said| said.words.as_str()).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_on_during_an_utterance_is_known_and_older_is_not() {
        let mut spoken = Spoken::default();
        spoken.begins(1, "一".into());
        spoken.ended(1);
        spoken.begins(2, "二".into());
        let now = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(spoken.within(now, second), "一\n二");
        assert_eq!(spoken.within(now + 10 * second, second), "二", "it is still on");
        spoken.ended(1);
        spoken.ended(2);
        assert_eq!(spoken.within(now + 20 * second, second), "");
        assert_eq!(spoken.within(now + 20 * second, 30 * second), "一\n二");
        spoken.begins(3, "三".into());
        assert_eq!(spoken.within(now + 10 * second, 30 * second), "二\n三", "two are remembered");
    }
}
