//! When each word of a text was said. Pure.
//!
//! Works with any engine, for it needs the audio and the text only: Mandarin is spoken a syllable a character, at an
//! even pace, and between phrases a speaker pauses. So the text is laid over the stretches in which somebody speaks:
//! each stretch gets as many characters as fit its length, a pause falls on a punctuation mark where it can, and within
//! a stretch the characters share the time evenly. whisper.cpp's own times of tokens are worse on the same clips
//! (tests/words.rs measures both).

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::RATE;

/// A character, or a run of letters, and when it was said: milliseconds from the beginning of the recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    pub text: String,
    pub from: u32,
    pub to: u32,
}

/// Samples of a frame: 10 ms.
const FRAME: usize = RATE as usize / 100;
/// Frames that are this much quieter than the loud ones are no speech, in dB.
const BELOW_LOUD: f32 = 38.0;
/// Nor are those that stand out of the noise by less than this.
const ABOVE_NOISE: f32 = 8.0;
/// Frames: a shorter gap is the stop of a consonant.
const STOP: usize = 9;
/// Frames: a shorter stretch is a click.
const CLICK: usize = 4;
/// Frames: a gap that a speaker made on purpose; the cost of one in the middle of a phrase grows up to twice that.
const PAUSE: usize = 15;
/// What such a gap costs, in the same unit as a stretch that is a good syllable too long.
const BROKEN_PHRASE: f32 = 1.5;
/// What a stretch costs in which nothing is said, for each syllable that would fit: a cough, rather than a word.
const UNSAID: f32 = 2.0;
/// Stretches beyond these are taken together: the work grows with their number.
const STRETCHES: usize = 64;
/// Words that get a time each; what comes after them is one word.
const MOST: usize = 1024;

/// The words of `text`, said in `pcm`; times count from the beginning of `pcm`.
pub fn split(pcm: &[f32], text: &str) -> Vec<Word> {
    let units = units(text);
    if units.is_empty() || pcm.is_empty() {
        return Vec::new();
    }
    let stretches = stretches(pcm);
    let counts = share(&units, &stretches);
    let mut words = Vec::with_capacity(units.len());
    let mut units = units.iter();
    for (stretch, count) in stretches.iter().zip(counts) {
        let said: Vec<&Unit<'_>> = units.by_ref().take(count).collect();
        let whole: f32 = said.iter().map(|unit| unit.syllables).sum();
        let mut done = 0.0;
        for unit in said {
            let at = |part: f32| ((stretch.start as f32 + stretch.len() as f32 * part / whole) * 10.0) as u32;
            let from = at(done);
            done += unit.syllables;
            words.push(Word { text: unit.text.to_owned(), from, to: at(done) });
        }
    }
    words
}

/// The words of a piece that begins at `by` in the recording.
pub fn later(words: &mut [Word], by: Duration) {
    let by = u32::try_from(by.as_millis()).unwrap_or(u32::MAX);
    for word in words {
        word.from = word.from.saturating_add(by);
        word.to = word.to.saturating_add(by);
    }
}

/// When characters `said` of `text` were said (start and end, milliseconds). `None` where none of them has a time.
///
/// The words need not be the whole text: what punctuation and later corrections added is passed over.
pub fn when(text: &str, words: &[Word], said: Range<usize>) -> Option<(u32, u32)> {
    let (mut found, mut at) = (None, 0);
    let chars: Vec<char> = text.chars().collect();
    for word in words {
        let length = word.text.chars().count();
        let same = |from: &usize| chars[*from..].iter().copied().take(length).eq(word.text.chars());
        // Where a person changed the text the word is not found: then those after it still are.
        let Some(start) = (at..(at + 32).min(chars.len())).find(same) else { continue };
        at = start + length;
        if start >= said.end {
            break;
        }
        if at > said.start {
            found = Some((found.map_or(word.from, |(from, _)| from), word.to));
        }
    }
    found
}

/// What is spoken in one go.
#[derive(Debug, PartialEq)]
struct Unit<'a> {
    text: &'a str,
    syllables: f32,
    /// A punctuation mark follows.
    ends_phrase: bool,
}

fn units(text: &str) -> Vec<Unit<'_>> {
    let mut units: Vec<Unit<'_>> = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let mut end = start + c.len_utf8();
        if units.len() == MOST {
            end = text.len();
            units.push(Unit { text: &text[start..end], syllables: 1.0, ends_phrase: true });
            break;
        }
        let letter = |c: &char| c.is_alphabetic() && c.is_ascii();
        if letter(&c) {
            while let Some((at, next)) = chars.next_if(|(_, next)| letter(next)) {
                end = at + next.len_utf8();
            }
            // A Latin word has about a syllable for three letters.
            let syllables = ((end - start) as f32 / 3.0).max(1.0);
            units.push(Unit { text: &text[start..end], syllables, ends_phrase: false });
        } else if c.is_alphanumeric() {
            units.push(Unit { text: &text[start..end], syllables: 1.0, ends_phrase: false });
        } else if let Some(last) = units.last_mut() {
            last.ends_phrase = true;
        }
    }
    units
}

/// Where somebody speaks, in frames; never empty.
fn stretches(pcm: &[f32]) -> Vec<Range<usize>> {
    let levels: Vec<f32> = pcm
        .chunks(FRAME)
        .map(|frame| 10.0 * (frame.iter().map(|s| s * s).sum::<f32>() / frame.len() as f32 + 1e-10).log10())
        .collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f32::total_cmp);
    let (quiet, loud) = (sorted[sorted.len() / 20], sorted[sorted.len() * 19 / 20]);
    // Without a gap in it the quietest frame is speech too.
    let least = (loud - BELOW_LOUD).max((quiet + ABOVE_NOISE).min(loud - ABOVE_NOISE));
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, level) in levels.iter().enumerate() {
        match found.last_mut() {
            _ if *level < least => {}
            Some(last) if at - last.end < STOP => last.end = at + 1,
            _ => found.push(at..at + 1),
        }
    }
    found.retain(|stretch| stretch.len() >= CLICK);
    while found.len() > STRETCHES {
        let gap = |i: &usize| found[i + 1].start - found[*i].end;
        let least = (0..found.len() - 1).min_by_key(gap).expect("there are several");
        found[least].end = found.remove(least + 1).end;
    }
    if found.is_empty() {
        found.push(0..levels.len());
    }
    found
}

/// How many units each stretch gets: the division that costs least.
fn share(units: &[Unit<'_>], stretches: &[Range<usize>]) -> Vec<usize> {
    let before: Vec<f32> = std::iter::once(0.0)
        .chain(units.iter().scan(0.0, |sum, unit| {
            *sum += unit.syllables;
            Some(*sum)
        }))
        .collect();
    let spoken: usize = stretches.iter().map(Range::len).sum();
    let pace = spoken as f32 / before[units.len()];
    // cost[u]: of the first u units in the stretches so far; came[s][u]: where the last of these stretches began.
    let mut cost = vec![f32::INFINITY; units.len() + 1];
    cost[0] = 0.0;
    let mut came = Vec::with_capacity(stretches.len());
    for (s, stretch) in stretches.iter().enumerate() {
        let fit = stretch.len() as f32 / pace;
        let gap = stretches.get(s + 1).map_or(0, |next| next.start - stretch.end);
        let mut next = vec![f32::INFINITY; units.len() + 1];
        let mut from = vec![0; units.len() + 1];
        // Nobody speaks three times as fast as on the average.
        let most = (fit * 3.0).ceil() as usize + 3;
        for first in 0..=units.len() {
            if cost[first].is_infinite() {
                continue;
            }
            for end in first..=units.len().min(first + most) {
                let over = before[end] - before[first] - fit;
                let broken = end > 0 && end < units.len() && gap > STOP && !units[end - 1].ends_phrase;
                let breaks = if broken { BROKEN_PHRASE * (gap as f32 / (2 * PAUSE) as f32).min(1.0) } else { 0.0 };
                let unsaid = if end == first { UNSAID * fit } else { 0.0 };
                let total = cost[first] + over * over / (fit + 1.0) + breaks + unsaid;
                if total < next[end] {
                    next[end] = total;
                    from[end] = first;
                }
            }
        }
        cost = next;
        came.push(from);
    }
    let mut counts = vec![0; stretches.len()];
    let mut end = units.len();
    if cost[end].is_infinite() {
        // More text than anybody could have said in that time: the last stretch takes what is left.
        end = (0..=units.len()).rev().find(|end| cost[*end].is_finite()).unwrap_or(0);
        counts[stretches.len() - 1] = units.len() - end;
    }
    for (s, from) in came.iter().enumerate().rev() {
        counts[s] += end - from[end];
        end = from[end];
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Noise where somebody speaks, in milliseconds, and near silence elsewhere.
    fn audio(length: u32, spoken: &[Range<u32>]) -> Vec<f32> {
        let sample = |ms: u32| ms as usize * RATE as usize / 1000;
        let mut pcm = vec![0.0005; sample(length)];
        for (i, s) in pcm
            .iter_mut()
            .enumerate()
            .filter(|(i, _)| spoken.iter().any(|r| (sample(r.start)..sample(r.end)).contains(i)))
        {
            *s = if i % 2 == 0 { 0.2 } else { -0.2 };
        }
        pcm
    }

    fn text(words: &[Word]) -> String {
        words.iter().map(|word| word.text.as_str()).collect()
    }

    #[test]
    fn a_pause_falls_on_the_comma() {
        let words = split(&audio(4000, &[500..1300, 2000..3200]), "水管爆裂，请尽快处理");
        assert_eq!(text(&words), "水管爆裂请尽快处理");
        assert_eq!((words[0].from, words[3].to), (500, 1300), "{words:?}");
        assert_eq!((words[4].from, words[8].to), (2000, 3200), "{words:?}");
        // By their length alone the first stretch would have four characters.
        let words = split(&audio(4000, &[500..1300, 2000..3200]), "我投诉，那栋楼太吵了");
        assert_eq!((words[2].to, words[3].from), (1300, 2000), "{words:?}");
    }

    #[test]
    fn a_break_inside_of_a_phrase_is_shared_out_by_length() {
        let words = split(&audio(4000, &[0..400, 900..1700]), "一二三四五六");
        assert_eq!((words[1].to, words[2].from), (400, 900), "{words:?}");
    }

    #[test]
    fn latin_words_stay_whole() {
        let words = split(&audio(1000, &[0..1000]), "扫WiFi码 5G");
        assert_eq!(words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>(), ["扫", "WiFi", "码", "5", "G"]);
    }

    #[test]
    fn characters_of_a_text_are_found_though_it_was_changed() {
        let words = split(&audio(1000, &[0..1000]), "十二号楼停水");
        assert_eq!(when("12号楼，停水。", &words, 2..4), Some((words[2].from, words[3].to)));
        assert_eq!(when("12号楼，停水。", &words, 5..7), Some((words[4].from, words[5].to)));
        assert_eq!(when("12号楼，停水。", &words, 0..2), None, "nobody knows when 12 was said");
        assert_eq!(when("", &words, 0..9), None);
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert_eq!(split(&[], "水"), []);
        assert_eq!(split(&[0.1; 100], "，。"), []);
    }

    proptest! {
        #[test]
        fn words_are_in_order_whole_and_within_the_audio(
            text in "[\u{4e00}-\u{4e20}，。a-c ]{0,60}", gaps in prop::collection::vec((1u32..400, 1u32..900), 0..40),
        ) {
            let (mut spoken, mut at) = (Vec::new(), 0);
            for (gap, length) in gaps {
                spoken.push(at + gap..at + gap + length);
                at += gap + length;
            }
            let words = split(&audio(at, &spoken), &text);
            if at > 0 {
                let said: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
                prop_assert_eq!(super::tests::text(&words), said);
            }
            let mut last = 0;
            for word in &words {
                prop_assert!(word.from >= last && word.to >= word.from && word.to <= at + 10, "{:?}", words);
                last = word.to;
            }
        }

        #[test]
        fn any_text_over_any_audio_is_borne(text in "\\PC{0,300}", pcm in prop::collection::vec(-1f32..1.0, 0..4000)) {
            let words = split(&pcm, &text);
            when(&text, &words, 3..100);
        }
    }
}
