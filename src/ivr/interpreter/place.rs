//! Which place is meant, where the words leave it open: 您说的是朝阳区的八里庄街道吗?
//!
//! The interpreter is told between which places ([`Input::Places`](crate::ivr::Input::Places)) and asks for one after the
//! other, the likeliest first. A yes becomes the ticket's place ([`Hints::place`](crate::ivr::Hints)); what was denied is
//! never filed ([`Hints::elsewhere`](crate::ivr::Hints)). In an emergency nobody is asked anything more.

use super::{Interpreter, Then};
use crate::ivr::flow::{Kind, NodeId};
use crate::ivr::talk::Place;

/// The variable that holds the place that is asked for.
const PLACE: &str = "place";

/// Beginnings of an answer that is no yes: 不是, 没有, 是海淀的 is none of them.
const NOT: [char; 3] = ['不', '没', '错'];

/// What a street office's name may lack when people say it, and a district's.
const LEVELS: [&str; 6] = ["街道办事处", "地区办事处", "街道", "地区", "镇", "乡"];

/// What is still open.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// The likeliest first; the first one is asked for.
    places: Vec<Place>,
    /// How many were asked for.
    asked: u32,
}

impl Interpreter {
    /// The caller has said more: what they answered before was about other words.
    pub(super) fn leave_open(&mut self, places: Vec<Place>) {
        self.open = Open { places, asked: 0 };
        self.hints.place = None;
        self.hints.elsewhere.clear();
    }

    /// Asks for the next place, if there is one left and so many may be asked for.
    pub(super) fn ask_place(&mut self, most: u32, go: NodeId) -> Option<Then> {
        let next = self.open.places.first().filter(|_| self.open.asked < most && !self.in_alarm());
        let Some((next, note)) = next.map(|place| (place.spoken(), format!("asks whether it is {}", place.code)))
        else {
            return Some(Then::Go(go));
        };
        self.note(&note);
        // Nobody says yes to what they have not heard.
        self.typed_ahead.clear();
        self.open.asked += 1;
        self.variables.insert(PLACE.to_owned(), next);
        self.ask()
    }

    /// By key, or in plain words.
    pub(super) fn place_answered(&mut self, yes: bool) {
        let flow = self.flow.clone();
        let Kind::Place { most, go, .. } = &flow.node(self.node).kind else { return };
        self.stop();
        if self.open.places.is_empty() {
            return self.proceed(Then::Go(*go));
        }
        let Place { code, .. } = self.open.places.remove(0);
        if yes {
            self.hints.place = Some(code);
            self.open.places.clear();
            return self.proceed(Then::Go(*go));
        }
        self.hints.elsewhere.push(code);
        (self.no_input, self.no_match, self.repeats) = (0, 0, 0);
        if let Some(then) = self.ask_place(*most, *go) {
            self.proceed(then);
        }
    }

    /// What was said, as [`bare`](crate::ivr::spoken::bare) leaves it; `yes` and `no`: it is one of the flow's words.
    /// 不是,是海淀区的 answers both this question and the next.
    pub(super) fn place_said(&mut self, said: &str, yes: bool, no: bool) {
        if yes || no {
            return self.place_answered(yes);
        }
        let denied = said.starts_with(NOT);
        let first = usize::from(denied);
        match named(self.open.places.get(first..).unwrap_or_default(), said) {
            Some(at) => {
                self.hints.elsewhere.extend(self.open.places.drain(..first).map(|place| place.code));
                self.open.places.swap(0, at);
                self.place_answered(true);
            }
            None if denied => self.place_answered(false),
            None => self.no_match(),
        }
    }
}

/// The only one of `places` that is named in what was said: by its own name, or by its district's.
fn named(places: &[Place], said: &str) -> Option<usize> {
    let only = |named: &dyn Fn(&Place) -> bool| {
        let mut at = places.iter().enumerate().filter(|(_, place)| named(place)).map(|(at, _)| at);
        at.next().filter(|_| at.next().is_none())
    };
    let name = |place: &Place| {
        let short = LEVELS.iter().find_map(|level| place.name.strip_suffix(level)).unwrap_or(&place.name);
        said.contains(short)
    };
    let district = |place: &Place| said.contains(place.district.trim_end_matches('区'));
    only(&|place| name(place) && district(place)).or_else(|| only(&name)).or_else(|| only(&district))
}
