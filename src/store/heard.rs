//! How a recording's text came about, when its words were said, and so at which second of which recording the words lie
//! on which a ticket rests.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::SqliteConnection;

use super::{Error, Failure, Recording, Store, Write};
use crate::asr::{Purpose, Transcript, Word, words};
use crate::id::CallId;

/// How an utterance became text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hearing {
    /// Which model heard it, and as what.
    pub model: String,
    pub purpose: Purpose,
    pub audio_s: f64,
    /// In the queue, and while it was heard.
    pub waited_s: f64,
    pub took_s: f64,
    /// What it took for a second of audio.
    pub factor: f64,
    /// From the end of what was said to its text; not there where nobody waited for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_s: Option<f64>,
}

/// A text with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcribed {
    pub text: String,
    pub words: Vec<Word>,
    pub hearing: Hearing,
}

impl Transcribed {
    /// `after`: since the end of what was said, where a caller waited.
    pub fn new(transcript: Transcript, purpose: Purpose, after: Option<Duration>) -> Transcribed {
        let Transcript { text, words, audio, waited, took, model, .. } = transcript;
        let factor = if audio.is_zero() { 0.0 } else { took.as_secs_f64() / audio.as_secs_f64() };
        let hearing = Hearing {
            model,
            purpose,
            audio_s: seconds(audio),
            waited_s: seconds(waited),
            took_s: seconds(took),
            factor: (factor * 1000.0).round() / 1000.0,
            after_s: after.map(seconds),
        };
        Transcribed { text, words, hearing }
    }
}

impl Transcribed {
    /// Words and hearing as the database keeps them.
    pub(super) fn columns(&self) -> (String, String) {
        let json = |value: serde_json::Result<String>| value.expect("plain words and numbers are JSON");
        (json(serde_json::to_string(&self.words)), json(serde_json::to_string(&self.hearing)))
    }
}

/// To the millisecond, as people are shown it.
fn seconds(span: Duration) -> f64 {
    span.as_millis() as f64 / 1000.0
}

impl Store {
    /// As [`Store::segment_text`], with when its words were said and how it was heard.
    pub async fn segment_heard(&self, call: CallId, index: u32, heard: Transcribed) -> Result<(), Error> {
        self.write(Heard::new(call, index, &heard)).await
    }
}

/// A text in the columns of its segment; the first one stands.
pub(super) struct Heard {
    call: CallId,
    index: u32,
    text: String,
    words: String,
    hearing: String,
}

impl Heard {
    pub(super) fn new(call: CallId, index: u32, heard: &Transcribed) -> Heard {
        let (words, hearing) = heard.columns();
        Heard { call, index, text: heard.text.clone(), words, hearing }
    }
}

impl Write for Heard {
    type Out = ();
    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        // The first text stands; a filing may have brought the same one before, and knows less of it.
        let sql = "UPDATE segments SET text = ?1, words = ?2, hearing = ?3
                   WHERE call = ?4 AND idx = ?5 AND (text IS NULL OR (text = ?1 AND hearing IS NULL))";
        sqlx::query(sql)
            .bind(&self.text)
            .bind(&self.words)
            .bind(&self.hearing)
            .bind(self.call.to_string())
            .bind(self.index)
            .execute(db)
            .await?;
        Ok(())
    }
}

/// Where each recording's text begins in the ticket's: `filing::whole` puts them together, one a line.
struct Part<'a> {
    recording: usize,
    /// Characters.
    start: usize,
    length: usize,
    text: &'a str,
    words: &'a [Word],
}

fn parts<'a>(text: &str, recordings: &'a [Recording]) -> Vec<Part<'a>> {
    let mut lines = text.split('\n');
    let (mut parts, mut start) = (Vec::new(), 0);
    for (recording, of) in recordings.iter().enumerate() {
        let Some(said) = of.text.as_deref().map(str::trim).filter(|said| !said.is_empty()) else { continue };
        // A text that was put right by hand stands for none of its recordings any more.
        if lines.next() != Some(said) {
            break;
        }
        let length = said.chars().count();
        parts.push(Part { recording, start, length, text: said, words: &of.words });
        start += length + 1;
    }
    parts
}

/// Adds to each of the words (`{"text", "start", "end"}`) of a ticket's evidence or facts in which recording they were
/// said, and from which second to which. Words without a time stay as they are.
pub(super) fn point(text: &str, recordings: &[Recording], evidence: &mut Value, facts: &mut Value) {
    let parts = parts(text, recordings);
    let list = |value: &mut Value| value.as_array_mut().map(std::mem::take).unwrap_or_default();
    let mut entries = list(evidence);
    for entry in &mut entries {
        for words in entry.get_mut("words").and_then(Value::as_array_mut).into_iter().flatten() {
            point_words(&parts, words);
        }
    }
    *evidence = Value::Array(entries);
    let mut entries = list(facts);
    entries.iter_mut().for_each(|fact| point_words(&parts, fact));
    *facts = Value::Array(entries);
}

fn point_words(parts: &[Part<'_>], said: &mut Value) {
    let place = |key: &str| said.get(key).and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
    let (Some(start), Some(end)) = (place("start"), place("end")) else { return };
    let Some(part) = parts.iter().find(|part| (part.start..part.start + part.length).contains(&start)) else { return };
    let within = start - part.start..end.saturating_sub(part.start).min(part.length);
    let Some((from, to)) = words::when(part.text, part.words, within) else { return };
    if let Some(said) = said.as_object_mut() {
        said.insert("recording".to_owned(), part.recording.into());
        said.insert("from".to_owned(), (f64::from(from) / 1000.0).into());
        said.insert("to".to_owned(), (f64::from(to) / 1000.0).into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::{SegmentRow, planted};

    fn recording(text: &str, begins: u32) -> Recording {
        let letters = text.chars().filter(|c| c.is_alphanumeric()).enumerate();
        let words = letters.map(|(i, c)| Word {
            text: c.to_string(),
            from: begins + 200 * i as u32,
            to: begins + 200 * i as u32 + 200,
        });
        Recording { text: Some(text.to_owned()), words: words.collect(), ..Recording::default() }
    }

    #[test]
    fn words_of_a_ticket_know_their_second_and_their_recording() {
        let silent = Recording { text: Some(String::new()), ..Recording::default() };
        let recordings = [recording("喂，水管爆了", 1000), silent, recording("在柳林街道。", 500)];
        let text = "喂，水管爆了\n在柳林街道。";
        let mut evidence = json!([
            {"field": "urgency", "words": [{"text": "爆了", "start": 4, "end": 6}]},
            {"field": "place", "words": [{"text": "柳林街道", "start": 8, "end": 12}]},
        ]);
        let mut facts = json!([{"fact": "object", "text": "水管", "start": 2, "end": 4, "sure": true}]);
        point(text, &recordings, &mut evidence, &mut facts);
        assert_eq!(
            evidence[0]["words"][0],
            json!({"text": "爆了", "start": 4, "end": 6, "recording": 0, "from": 1.6, "to": 2.0})
        );
        assert_eq!(
            evidence[1]["words"][0],
            json!({"text": "柳林街道", "start": 8, "end": 12, "recording": 2, "from": 0.7, "to": 1.5})
        );
        assert_eq!((facts[0]["from"].as_f64(), facts[0]["sure"].as_bool()), (Some(1.2), Some(true)));
    }

    #[test]
    fn what_was_put_right_by_hand_or_has_no_times_points_nowhere() {
        let words = json!([{"field": "place", "words": [{"text": "柳林", "start": 0, "end": 2}]}]);
        let timeless = Recording { text: Some("柳林停水".into()), ..Recording::default() };
        for (text, recordings) in
            [("柳林停水了", vec![recording("柳林停水", 0)]), ("柳林停水", vec![timeless]), ("柳林停水", vec![])]
        {
            let (mut evidence, mut facts) = (words.clone(), json!([]));
            point(text, &recordings, &mut evidence, &mut facts);
            assert_eq!((evidence, facts), (words.clone(), json!([])));
        }
    }

    #[tokio::test]
    async fn how_a_text_was_heard_is_kept_with_it_and_the_first_text_stands() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = planted::open(folder.path(), &[]).await;
        let call = CallId::new(1_764_000_000_000, 3);
        let row = SegmentRow {
            call,
            index: 0,
            file: "recordings/0.wav".into(),
            duration: Duration::from_secs(2),
            speech: Duration::from_secs(1),
            text: None,
            error: None,
        };
        store.file(planted::pending(call), planted::at("2026-11-24T01:01:00Z")).await.expect("filed");
        store.segment(row).await.expect("written");
        let heard = |text: &str, model: &str| {
            let transcript = Transcript {
                text: text.into(),
                words: vec![Word { text: text.into(), from: 120, to: 640 }],
                audio: Duration::from_secs(2),
                waited: Duration::from_millis(30),
                took: Duration::from_millis(500),
                model: model.into(),
                ..Transcript::default()
            };
            Transcribed::new(transcript, Purpose::Choice, Some(Duration::from_millis(540)))
        };
        store.segment_heard(call, 0, heard("是", "tiny")).await.expect("written");
        store.segment_heard(call, 0, heard("不", "late")).await.expect("written");
        let ticket = store.ticket_of(call).await.expect("read").expect("there");
        let [recording] = ticket.recordings.as_slice() else { panic!("{ticket:?}") };
        assert_eq!(
            (recording.text.as_deref(), recording.words.as_slice()),
            (Some("是"), heard("是", "").words.as_slice())
        );
        assert_eq!(
            serde_json::to_value(&recording.hearing).expect("JSON"),
            json!({"model": "tiny", "purpose": "choice", "audio_s": 2.0, "waited_s": 0.03, "took_s": 0.5,
                   "factor": 0.25, "after_s": 0.54})
        );
    }

    #[test]
    fn anything_in_the_columns_is_borne() {
        for (evidence, facts) in [
            (json!(null), json!(7)),
            (json!([{"words": [{"start": 9_000_000, "end": 1}]}, 3]), json!([{"start": 1, "end": 0}, "x"])),
            (json!([{"words": [{"start": 2, "end": 1}]}]), json!({})),
        ] {
            let (mut evidence, mut facts) = (evidence, facts);
            point("一二三", &[recording("一二三", 0)], &mut evidence, &mut facts);
        }
    }
}
