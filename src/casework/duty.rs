//! Whom an urgent ticket is spoken to, in which order, and what the person at that telephone can do.
//!
//! At 23:00 a burst pipe must reach the street on duty: its numbers are called one after the other, then those of its
//! district, which is told that the street does not answer; then all of them again, until somebody takes it. Two pure
//! pieces: [`next`], the order, and [`Talk`], one conversation by keys: `1` takes it, `2` returns it with a reason that
//! is recorded, `9` says it again; whoever presses nothing hears it again. What is decided is written before it is
//! confirmed, so that nobody hears 已签收 of what is not. Dials nothing, records nothing.

use std::time::Duration;

use crate::written::Table;

/// `[dispatch]` of jiesu.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// A ticket whose text is still being heard waits for it this long before it goes to whoever is known.
    pub wait_for_text: Duration,
    /// The number that duty telephones are shown.
    pub from: String,
    /// How long a duty telephone may ring before the next one is called.
    pub ring: Duration,
    /// How long a person may take to decide.
    pub talk: Duration,
    /// After all were called in vain, so long until all are called again.
    pub again: Duration,
    /// Duty telephones called at the same time.
    pub at_once: usize,
}

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        Config {
            wait_for_text: table.duration("wait_for_text").or("2m", "0s".."1h"),
            from: table.text("from").or("12345"),
            ring: table.duration("ring").or("20s", "5s".."3m"),
            talk: table.duration("talk").or("3m", "30s".."15m"),
            again: table.duration("again").or("30s", "1s".."1h"),
            at_once: table.int("at_once").or(8, 1..1000) as usize,
        }
    }
}

/// What the order of calling asks for at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'a> {
    Call {
        number: &'a str,
        /// It is one of the district's: not the unit in charge, but the one above it.
        above: bool,
        /// Nobody of the unit answered: the district is told now, once.
        tell: bool,
        /// A round begins again; not before `again` is over.
        rests: bool,
    },
    /// There is no number at all.
    Nobody,
}

/// Whom to call at a step, counted from 0 since the ticket came in. `own`: the numbers of the unit in charge, `above`
/// those of its district; who is on duty may have changed since the last step.
pub fn next<'a>(own: &'a [String], above: &'a [String], step: u32) -> Next<'a> {
    let all = own.len() + above.len();
    if all == 0 {
        return Next::Nobody;
    }
    let (round, at) = (step as usize / all, step as usize % all);
    let tell = round == 0 && at == own.len() || above.is_empty() && round == 1 && at == 0;
    let (number, is_above) = match own.get(at) {
        Some(number) => (number, false),
        None => (&above[at - own.len()], true),
    };
    Next::Call { number, above: is_above, tell, rests: round > 0 && at == 0 }
}

/// What the person decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// With the file in which they say why.
    Returned(String),
}

/// What happened in the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// What was asked for last has been said.
    Said,
    Key(char),
    /// The reason lies on the disk; `None`: nothing was said.
    Reason(Option<String>),
    /// What was decided is written; `false`: the case did not allow it any more (somebody else was faster).
    Written(bool),
    /// `talk` is over.
    Late,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Say the ticket, and what can be pressed.
    Tell,
    /// Ask why, then listen.
    AskWhy,
    Listen,
    /// Write it, then [`Input::Written`].
    Write(Verdict),
    /// Say this prompt, then the call is over.
    Farewell(&'static str),
    HangUp,
    /// Nothing changes.
    Go,
}

/// One conversation.
#[derive(Debug)]
pub struct Talk {
    stage: Stage,
    may_return: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Telling,
    /// They are asked why.
    Asking,
    Listening,
    Writing(Verdict),
    Leaving,
}

impl Talk {
    /// `may_return`: whether the case can be returned (art. 14: once it was overruled, it cannot).
    pub fn new(may_return: bool) -> (Talk, Wish) {
        (Talk { stage: Stage::Telling, may_return }, Wish::Tell)
    }

    /// Takes what happened; gives what to do.
    pub fn take(&mut self, input: Input) -> Wish {
        let (stage, wish) = match (&self.stage, input) {
            (Stage::Leaving, Input::Said | Input::Late) => (Stage::Leaving, Wish::HangUp),
            (Stage::Leaving, _) => return Wish::Go,
            (Stage::Writing(verdict), Input::Written(taken)) => {
                let prompt = match (taken, verdict) {
                    (false, _) => TOO_LATE,
                    (true, Verdict::Accepted) => ACCEPTED,
                    (true, Verdict::Returned(_)) => RETURNED,
                };
                (Stage::Leaving, Wish::Farewell(prompt))
            }
            // It is being written; what comes of it is said first.
            (Stage::Writing(_), _) => return Wish::Go,
            (_, Input::Late) => (Stage::Leaving, Wish::HangUp),
            (Stage::Telling, Input::Key('1')) => write(Verdict::Accepted),
            (Stage::Telling, Input::Key('2')) if self.may_return => (Stage::Asking, Wish::AskWhy),
            (Stage::Telling, Input::Key(_) | Input::Said) => (Stage::Telling, Wish::Tell),
            (Stage::Asking, Input::Said) => (Stage::Listening, Wish::Listen),
            // Pressed by mistake.
            (Stage::Asking, Input::Key('1')) => write(Verdict::Accepted),
            (Stage::Asking, Input::Key('9')) => (Stage::Telling, Wish::Tell),
            // It has cut the question short.
            (Stage::Asking, Input::Key(_)) => (Stage::Listening, Wish::Listen),
            (Stage::Listening | Stage::Asking, Input::Reason(Some(file))) => write(Verdict::Returned(file)),
            // A return without a reason is none.
            (Stage::Listening, Input::Reason(None)) => (Stage::Telling, Wish::Tell),
            (_, Input::Key(_) | Input::Said | Input::Reason(_) | Input::Written(_)) => return Wish::Go,
        };
        self.stage = stage;
        wish
    }
}

fn write(verdict: Verdict) -> (Stage, Wish) {
    (Stage::Writing(verdict.clone()), Wish::Write(verdict))
}

/// Prompts: before the ticket, its number, what can be pressed, why, and the ends.
pub const URGENT: &str = "duty-urgent";
pub const TICKET: &str = "duty-ticket";
pub const NUMBER: &str = "duty-number";
pub const CHOICES: &str = "duty-choices";
/// Where it cannot be returned.
pub const ACCEPT: &str = "duty-accept";
pub const WHY: &str = "duty-why";
pub const ACCEPTED: &str = "duty-accepted";
pub const RETURNED: &str = "duty-returned";
pub const TOO_LATE: &str = "duty-too-late";

/// All of them, for whoever looks whether they are recorded.
pub const PROMPTS: [&str; 9] = [URGENT, TICKET, NUMBER, CHOICES, ACCEPT, WHY, ACCEPTED, RETURNED, TOO_LATE];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(numbers: &[&str]) -> Vec<String> {
        numbers.iter().map(|number| (*number).to_owned()).collect()
    }

    #[test]
    fn the_unit_then_its_district_which_is_told_then_all_again() {
        let (own, above) = (list(&["a", "b"]), list(&["c"]));
        let call = |number, above, tell, rests| Next::Call { number, above, tell, rests };
        let expected = [
            call("a", false, false, false),
            call("b", false, false, false),
            call("c", true, true, false),
            call("a", false, false, true),
            call("b", false, false, false),
            call("c", true, false, false),
            call("a", false, false, true),
        ];
        for (step, expected) in (0..).zip(expected) {
            assert_eq!(next(&own, &above, step), expected, "step {step}");
        }
    }

    #[test]
    fn a_district_without_numbers_is_told_when_the_second_round_begins() {
        let own = list(&["a"]);
        assert_eq!(next(&own, &[], 0), Next::Call { number: "a", above: false, tell: false, rests: false });
        assert_eq!(next(&own, &[], 1), Next::Call { number: "a", above: false, tell: true, rests: true });
        assert_eq!(next(&own, &[], 2), Next::Call { number: "a", above: false, tell: false, rests: true });
        assert_eq!(next(&[], &[], 0), Next::Nobody);
    }

    /// Feeds inputs; gives the wishes.
    fn talk(may_return: bool, inputs: &[Input]) -> Vec<Wish> {
        let (mut talk, first) = Talk::new(may_return);
        std::iter::once(first).chain(inputs.iter().map(|input| talk.take(input.clone()))).collect()
    }

    #[test]
    fn it_is_said_until_a_key_and_confirmed_once_it_is_written() {
        let wishes = talk(
            true,
            &[Input::Said, Input::Key('5'), Input::Key('9'), Input::Key('1'), Input::Written(true), Input::Said],
        );
        let expected = [
            Wish::Tell,
            Wish::Tell,
            Wish::Tell,
            Wish::Tell,
            Wish::Write(Verdict::Accepted),
            Wish::Farewell(ACCEPTED),
            Wish::HangUp,
        ];
        assert_eq!(wishes, expected);
    }

    #[test]
    fn a_return_has_a_reason() {
        let file = || Some("why.wav".to_owned());
        let wishes =
            talk(true, &[Input::Key('2'), Input::Said, Input::Reason(file()), Input::Written(true), Input::Said]);
        let returned = Wish::Write(Verdict::Returned("why.wav".to_owned()));
        assert_eq!(wishes[1..], [Wish::AskWhy, Wish::Listen, returned, Wish::Farewell(RETURNED), Wish::HangUp]);
        let silent = talk(true, &[Input::Key('2'), Input::Said, Input::Reason(None)]);
        assert_eq!(silent.last(), Some(&Wish::Tell));
        let impatient = talk(true, &[Input::Key('2'), Input::Key('2')]);
        assert_eq!(impatient.last(), Some(&Wish::Listen));
    }

    #[test]
    fn what_has_to_be_kept_cannot_be_returned() {
        assert_eq!(talk(false, &[Input::Key('2')])[1], Wish::Tell);
    }

    #[test]
    fn who_comes_too_late_is_told() {
        let wishes = talk(true, &[Input::Key('1'), Input::Key('2'), Input::Written(false)]);
        assert_eq!(wishes[1..], [Wish::Write(Verdict::Accepted), Wish::Go, Wish::Farewell(TOO_LATE)]);
    }

    fn any_input() -> impl Strategy<Value = Input> {
        prop_oneof![
            Just(Input::Said),
            prop_oneof![Just('1'), Just('2'), Just('9'), Just('#')].prop_map(Input::Key),
            prop_oneof![Just(None), Just(Some("x.wav".to_owned()))].prop_map(Input::Reason),
            any::<bool>().prop_map(Input::Written),
        ]
    }

    proptest! {
        /// Whatever happens: one thing is written at most, it is said only once it is written, and `talk` ends it all
        /// unless something is being written.
        #[test]
        fn a_talk_writes_once(may_return in any::<bool>(), inputs in prop::collection::vec(any_input(), 0..40)) {
            let (mut talk, _) = Talk::new(may_return);
            let (mut wrote, mut written) = (0, false);
            for input in inputs {
                let answers = input == Input::Written(true) || input == Input::Written(false);
                let before = wrote;
                match talk.take(input) {
                    Wish::Write(verdict) => {
                        wrote += 1;
                        prop_assert!(may_return || verdict == Verdict::Accepted);
                    }
                    Wish::Farewell(_) => {
                        prop_assert!(answers && before == 1 && !written);
                        written = true;
                    }
                    _ => {}
                }
                prop_assert!(wrote <= 1);
            }
            if wrote == 0 || written {
                prop_assert_eq!(talk.take(Input::Late), Wish::HangUp);
            }
        }

        /// Every number is called in every round, each once.
        #[test]
        fn nobody_is_left_out(own in 0usize..5, above in 0usize..5, round in 0u32..4) {
            let numbers = |from: usize, many: usize| (from..from + many).map(|n| n.to_string()).collect::<Vec<_>>();
            let (own, above) = (numbers(0, own), numbers(10, above));
            let all = (own.len() + above.len()) as u32;
            let mut called: Vec<&str> = Vec::new();
            for step in round * all..(round + 1) * all {
                match next(&own, &above, step) {
                    Next::Call { number, .. } => called.push(number),
                    Next::Nobody => prop_assert!(false, "there are numbers"),
                }
            }
            let expected: Vec<&str> = own.iter().chain(&above).map(String::as_str).collect();
            prop_assert_eq!(called, expected);
        }
    }
}
