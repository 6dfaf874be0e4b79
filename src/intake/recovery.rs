//! What a call amounts to, from its rows and what lies on the disk. Pure.

use std::path::Path;
use std::time::Duration;

use crate::audio::level;
use crate::classify::Hint;
use crate::filing::{Heard, How, Matter};
use crate::ivr::Hints;
use crate::store::Unsettled;

/// Tries before a recording is left to people.
pub const TRIES: u32 = 5;

/// How loud a moment has to be to count as speech in a recording whose speech nobody measured: quieter than any
/// talker on a telephone, louder than a line's noise.
const SPEECH_DBFS: f64 = -45.0;
/// Moments of this length are measured.
const MOMENT: Duration = Duration::from_millis(20);

/// The matter of a call that ended without its ticket; `None` if nothing was said or keyed. `topic`: what the line is
/// for.
pub fn matter(unsettled: &Unsettled, topic: Option<String>) -> Option<Matter> {
    let said = unsettled.segments.iter().any(|segment| segment.said());
    (said || !unsettled.keys.is_empty()).then(|| whole(unsettled, topic))
}

/// All that there is of a call.
fn whole(unsettled: &Unsettled, topic: Option<String>) -> Matter {
    let Unsettled { call, keys, segments } = unsettled;
    let heard = segments.iter().map(|segment| Heard {
        index: segment.index,
        file: segment.file.clone(),
        duration: segment.duration,
        text: segment.text.clone(),
    });
    Matter {
        call: call.id,
        line: call.line.clone(),
        caller: call.caller.clone(),
        began: call.began,
        topic,
        category: None,
        kind: None,
        urgency: None,
        place: None,
        elsewhere: Vec::new(),
        keys: keys.clone(),
        heard: heard.collect(),
        how: How::Recovered,
    }
}

/// The matter of a call in which an emergency was understood only after it had ended.
pub fn emergency(unsettled: &Unsettled, hints: Hints) -> Matter {
    let Hints { topic, category, kind, urgency, place, elsewhere } = hints;
    Matter { category, kind, urgency, place, elsewhere, how: How::HungUp, ..whole(unsettled, topic) }
}

/// What a ticket was filed with, in the flow's words.
pub fn hints(hint: &Hint) -> Hints {
    let Hint { topic, category, kind, urgency, place, elsewhere, earlier: _ } = hint.clone();
    Hints { topic, category, kind, urgency, place, elsewhere }
}

/// How much of it is speech by its energy, in whole moments.
pub fn speech(samples: &[i16], rate: u32) -> Duration {
    let moment = (rate as usize / 50).max(1);
    let loud = samples.chunks_exact(moment).filter(|chunk| level::dbfs(chunk) > SPEECH_DBFS).count();
    MOMENT * u32::try_from(loud).unwrap_or(u32::MAX)
}

/// Our recorder's header with the lengths that a crash kept it from writing. `None`: they are right, or it is not a
/// header of ours (44 bytes, `data` last).
pub fn mended(header: &[u8], file_length: u64) -> Option<[u8; 44]> {
    let mut mended: [u8; 44] = header.get(..44)?.try_into().ok()?;
    if &mended[..4] != b"RIFF" || &mended[36..40] != b"data" {
        return None;
    }
    // Whole samples of 16 bits only.
    let data = u32::try_from(file_length.checked_sub(44)? & !1).ok()?;
    mended[4..8].copy_from_slice(&(data + 36).to_le_bytes());
    mended[40..44].copy_from_slice(&data.to_le_bytes());
    (mended[..] != header[..44]).then_some(mended)
}

/// How long to wait after the `failed`-th failure to hear a recording; `None`: it is given up.
pub fn hear_again(failed: u32) -> Option<Duration> {
    (failed < TRIES).then(|| Duration::from_secs(60) * 4u32.pow(failed.saturating_sub(1)))
}

/// Whether a better model's text takes the place of the one that is there. Nothing never does, nor what has lost half
/// of it: large models too fall silent over speech.
pub fn better(there: &str, heard: &str) -> bool {
    let length = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
    let (there, heard) = (there.trim(), heard.trim());
    heard != there && length(heard) > 0 && length(heard) * 2 >= length(there)
}

/// Whether it is a recording's name: `003.wav`.
pub fn is_recording(file: &Path) -> bool {
    let digits =
        |name: &std::ffi::OsStr| name.to_str().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    file.extension().is_some_and(|e| e == "wav") && file.file_stem().is_some_and(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{tone, wav};
    use crate::id::CallId;
    use crate::store::planted::at;
    use crate::store::{CallRow, SegmentRow};
    use proptest::prelude::*;

    fn unsettled(keys: &str, speech: &[(u64, Option<&str>)]) -> Unsettled {
        let id = CallId::new(1_764_000_000_000, 1);
        let began = at("2026-11-24T01:00:00Z");
        let segment = |(i, (millis, text)): (usize, &(u64, Option<&str>))| SegmentRow {
            call: id,
            index: i as u32,
            file: format!("{i:03}.wav").into(),
            duration: Duration::from_secs(2),
            speech: Duration::from_millis(*millis),
            text: text.map(str::to_owned),
            error: None,
        };
        Unsettled {
            call: CallRow {
                id,
                line: "12319".into(),
                caller: None,
                display: None,
                trunk: "local".into(),
                user_to_user: None,
                version: None,
                began,
                answered: began,
            },
            keys: keys.into(),
            segments: speech.iter().enumerate().map(segment).collect(),
        }
    }

    #[test]
    fn anything_said_or_keyed_is_a_matter_and_silence_is_none() {
        assert_eq!(matter(&unsettled("", &[]), None), None);
        assert_eq!(matter(&unsettled("", &[(100, None), (0, Some(""))]), None), None);
        assert!(matter(&unsettled("1", &[]), None).is_some());
        assert!(matter(&unsettled("", &[(0, Some("灯"))]), None).is_some());
        let matter =
            matter(&unsettled("", &[(100, None), (900, None)]), Some("城管".into())).expect("something was said");
        assert_eq!((matter.heard.len(), matter.how, matter.topic.as_deref()), (2, How::Recovered, Some("城管")));
    }

    #[test]
    fn speech_is_told_from_silence_by_its_energy() {
        let mut samples = vec![3i16; 8000];
        assert_eq!(speech(&samples, 8000), Duration::ZERO);
        samples.extend(tone::sine(300.0, Duration::from_millis(700), 0.1));
        let found = speech(&samples, 8000);
        assert!(found.abs_diff(Duration::from_millis(700)) <= MOMENT * 2, "{found:?}");
    }

    #[test]
    fn a_recording_is_told_by_its_name() {
        for (name, is) in
            [("003.wav", true), ("a.wav", false), (".wav", false), ("003.wav.part", false), ("003", false)]
        {
            assert_eq!(is_recording(Path::new(name)), is, "{name}");
        }
    }

    #[test]
    fn a_text_is_never_corrected_into_less() {
        for (there, heard, is) in [
            ("路灯坏了", "路灯坏了", false),
            ("路登坏了", "路灯坏了", true),
            ("路灯坏了", "", false),
            ("路灯坏了", "。", false),
            ("花家地小区路灯坏了", "路灯", false),
            ("", "路灯坏了", true),
        ] {
            assert_eq!(better(there, heard), is, "{there} {heard}");
        }
    }

    #[test]
    fn waits_grow_and_end() {
        let minutes: Vec<_> = (1..=5).map(|n| hear_again(n).map(|wait| wait.as_secs() / 60)).collect();
        assert_eq!(minutes, [Some(1), Some(4), Some(16), Some(64), None]);
    }

    proptest! {
        /// Cut a recording anywhere and let its header say anything: mended, it holds every whole sample.
        #[test]
        fn a_mended_header_tells_the_length(samples in proptest::collection::vec(any::<i16>(), 0..300), cut in 0usize..400, said: u32) {
            let mut file = wav::bytes(&samples, 8000);
            prop_assume!(&file[36..40] == b"data");
            file[40..44].copy_from_slice(&said.to_le_bytes());
            file.truncate(44 + cut.min(samples.len() * 2));
            if let Some(header) = mended(&file, file.len() as u64) {
                file[..44].copy_from_slice(&header);
            }
            let whole = &samples[..(file.len() - 44) / 2];
            prop_assert_eq!(wav::read(&file).map(|pcm| pcm.samples), Ok(whole.to_vec()));
            prop_assert_eq!(mended(&file, file.len() as u64), None, "mended once is mended");
        }

        #[test]
        fn any_bytes_are_no_header_or_mended(bytes in proptest::collection::vec(any::<u8>(), 0..60), length: u64) {
            if let Some(header) = mended(&bytes, length) {
                prop_assert_eq!(&header[..4], &bytes[..4]);
            }
        }
    }
}
