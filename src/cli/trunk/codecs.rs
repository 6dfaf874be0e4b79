//! Audio, measured: a row of tones goes out, and what comes back is listened to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::bench::Bench;
use super::check::{Came, Role, Short};
use super::melody::Melody;
use super::probe::{Ask, NoAnswer, Probe};
use crate::audio::{level, wav};
use crate::cli::phone::tell;
use crate::media::{Command as Audio, Prompt, Stats};
use crate::sdp::{Codec, Terms};

/// Nothing heard for so long is silence on the wire.
pub(super) const SILENT: Duration = Duration::from_secs(2);
/// Before the tones, so that both ends have locked on to each other, and behind them, for the way there and back.
const BEFORE: Duration = Duration::from_millis(400);
const BEHIND: Duration = Duration::from_millis(1600);
/// What may be lost of a call's packets, in a hundred: more can be heard (ITU-T G.113).
const LOST: u64 = 5;

pub(super) async fn spoken(bench: &Bench, codec: Codec) -> Came {
    let ask =
        Ask { terms: Terms { codecs: vec![codec], ..bench.carrier.terms.clone() }, ..Ask::to(bench, Role::Echo)? };
    let mut probe = Probe::invite(bench, ask).await?;
    match probe.answered().await {
        Ok(()) => {}
        // RFC 3261 section 21.4.26, 21.4.13 and 21.6.4: the description, or its kind, is not taken.
        Err(NoAnswer::Refused { code: code @ (488 | 415 | 606), reason }) => {
            return Err(Short::NotOffered(format!("refused with {code} {reason}")));
        }
        Err(why) => return Err(why.into()),
    }
    let seen = converse(bench, &mut probe).await?;
    probe.hang_up().await?;
    Ok(seen)
}

/// Plays, listens, closes the leg. What was heard must be the same tones where the number is an echo, and anything else
/// elsewhere.
pub(super) async fn converse(bench: &Bench, probe: &mut Probe<'_>) -> Came {
    let melody = Melody::drawn(&mut rand::rng());
    let file = Recording::new(probe.dialog.0);
    tell(&probe.leg, Audio::Record { listen: None, file: file.0.clone() });
    probe.stay(BEFORE).await?;
    let prompts = vec![Arc::new(Prompt::from_pcm(&melody.sound()))];
    tell(&probe.leg, Audio::Play { play: 1, prompts, barge_in: false });
    probe.stay(melody.duration() + BEHIND).await?;
    let stats = probe.sound().await;
    let samples = file.read().map_err(|error| Short::NotTried(format!("a fault of ours: {error:#}")))?;
    judge(&stats, bench.carrier.only(Role::Echo).is_some(), &melody, &samples)
}

/// What is said of what came.
fn judge(stats: &Stats, echo: bool, melody: &Melody, samples: &[i16]) -> Came {
    let Stats { received, lost, sent, jitter_ms, .. } = stats;
    let figures = format!("{sent} packets sent, {received} received, {lost} lost, jitter {jitter_ms:.1} ms");
    if *received == 0 {
        let others = stats.rejected + stats.unreadable + stats.forged;
        return Err(Short::Failed(format!("no audio came ({others} packets from elsewhere or of another kind)")));
    }
    if lost * 100 > (received + lost) * LOST {
        return Err(Short::Failed(format!("too much audio was lost: {figures}")));
    }
    let loud = level::dbfs(samples);
    let heard = melody.heard_in(samples);
    let percent = heard.share * 100.0;
    match (echo, heard.is_it()) {
        (true, true) => {
            let delay = heard.at.saturating_sub(BEFORE).as_millis();
            Ok(format!("our tones came back after {delay} ms, {percent:.0} % of them; {figures}"))
        }
        (true, false) => {
            let what = format!("what came ({loud:.0} dBFS) is not the tones that we sent, {percent:.0} % of them");
            Err(Short::Failed(format!("{what}; {figures}")))
        }
        (false, _) => {
            Ok(format!("audio came ({loud:.0} dBFS); without --to echo=NUMBER ours was not measured; {figures}"))
        }
    }
}

/// A file of what was heard, gone when it was looked at.
pub(super) struct Recording(pub PathBuf);

impl Recording {
    pub fn new(dialog: u64) -> Recording {
        let name = format!("jiesu-trunk-{}-{dialog}-{:08x}.wav", std::process::id(), rand::random::<u32>());
        Recording(std::env::temp_dir().join(name))
    }

    /// Its samples at 8 kHz. The leg must be closed.
    pub fn read(&self) -> anyhow::Result<Vec<i16>> {
        let bytes = std::fs::read(&self.0).with_context(|| self.0.display().to_string())?;
        Ok(wav::read(&bytes).with_context(|| self.0.display().to_string())?.to_8k())
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // It may never have been begun.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_loss_and_other_sounds_are_told_apart() {
        let melody = Melody::drawn(&mut rand::rng());
        let ours = melody.sound();
        let stats = |received, lost| Stats { received, lost, sent: 100, ..Stats::default() };
        let came = |stats: &Stats, echo, samples: &[i16]| judge(stats, echo, &melody, samples);
        assert!(came(&stats(100, 0), true, &ours).is_ok());
        let silent = came(&stats(0, 0), true, &[]).expect_err("silence");
        assert!(silent.to_string().starts_with("no audio came"), "{silent}");
        let gaps = came(&stats(90, 10), true, &ours).expect_err("loss");
        assert!(gaps.to_string().starts_with("too much audio was lost"), "{gaps}");
        let other: Vec<i16> = ours.iter().rev().copied().collect();
        let wrong = came(&stats(100, 0), true, &other).expect_err("another sound");
        assert!(wrong.to_string().contains("is not the tones"), "{wrong}");
        assert!(came(&stats(100, 0), false, &other).is_ok(), "who is no echo may say what it likes");
    }
}
