//! Where and what, in at most 30 characters of the text itself.

use super::{MAX_TITLE, Said, Span};
use crate::shown::steers;

/// Of the title the place has at most this much, so that what happened has room.
const MAX_WHERE: usize = 16;

/// A clause of these alone says nothing.
const GREETINGS: [&str; 20] = [
    "喂",
    "你好",
    "您好",
    "同志",
    "是这样的",
    "我要反映",
    "我想反映",
    "反映一下",
    "我要投诉",
    "我想问一下",
    "我想咨询",
    "请问",
    "麻烦您",
    "我要举报",
    "一下",
    "那个",
    "就是",
    "嗯",
    "谢谢",
    "问一下",
];
/// What may stand before the matter in its clause.
const LEADING: [&str; 18] = [
    "喂",
    "你好",
    "您好",
    "同志",
    "我要反映",
    "我想反映",
    "我要投诉",
    "我要举报",
    "反映",
    "我想问一下",
    "请问",
    "我们",
    "我家",
    "这边",
    "这里",
    "这儿",
    "一下",
    "的",
];

/// The title; empty where the text is.
pub(super) fn title(said: &Said<'_>, place: Option<Span>, names: &[Span], object: &[Span]) -> String {
    let short = place.map(|place| shortened(place, names));
    let room = MAX_TITLE - short.map_or(0, Span::len);
    let what = matter(said, place, object).map(|span| Span { end: span.end.min(span.start + room), ..span });
    let text = |span: Option<Span>| span.map_or_else(String::new, |span| said.text(span));
    // A title stands in lists and subject lines: nothing in it may turn them around.
    (text(short) + &text(what)).chars().filter(|c| !steers(*c)).collect()
}

/// An address too long for a title: without the district before the house number, else without its end.
fn shortened(place: Span, names: &[Span]) -> Span {
    let fits = |start: &usize| *start >= place.start && *start < place.end && place.end - *start <= MAX_WHERE;
    match names.iter().map(|name| name.start).filter(fits).min() {
        Some(start) => Span { start, ..place },
        None => Span { end: place.end.min(place.start + MAX_WHERE), ..place },
    }
}

/// The clause about the object, else the first that says something; without what leads up to it and without the place.
fn matter(said: &Said<'_>, place: Option<Span>, object: &[Span]) -> Option<Span> {
    let about = |clause: &&Span| object.iter().any(|object| clause.has(*object));
    let clause = said.clauses.iter().find(about);
    let clause = clause.or_else(|| said.clauses.iter().find(|clause| says_something(said, **clause, place)))?;
    let mut span = *clause;
    if let Some(place) = place.filter(|place| place.end > span.start && place.start < span.end) {
        let (before, after) = (place.start.saturating_sub(span.start), span.end.saturating_sub(place.end));
        let object_before = object.iter().any(|object| clause.has(*object) && object.end <= place.start);
        span = if object_before || (after == 0 && before > 0) {
            Span { start: span.start, end: place.start }
        } else {
            Span { start: place.end.min(span.end), end: span.end }
        };
    }
    let span = without_leading(said, span);
    (span.len() > 0).then_some(span)
}

fn without_leading(said: &Said<'_>, mut span: Span) -> Span {
    while let Some(word) = LEADING.iter().find(|word| said.starts(span.start, word)) {
        let length = word.chars().count();
        if length >= span.len() {
            break;
        }
        span.start += length;
    }
    span
}

/// Whether a clause has more than greetings and the place.
fn says_something(said: &Said<'_>, clause: Span, place: Option<Span>) -> bool {
    let mut at = clause.start;
    while at < clause.end {
        if let Some(place) = place.filter(|place| place.start == at && place.len() > 0) {
            at = place.end;
        } else if let Some(word) = GREETINGS.iter().chain(&LEADING).find(|word| said.starts(at, word)) {
            at += word.chars().count();
        } else {
            return true;
        }
    }
    false
}
