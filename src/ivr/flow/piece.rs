//! What a `say` list is made of.

/// One piece of a `say` list: a prompt's id, a text, or a blank that the call fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// `id`, or `en/id` for the recording of one language.
    Prompt(String),
    /// A text for the voice, with blanks in it.
    Text(Vec<Part>),
    /// `{greeting}`: the line's greeting, or the prompt `greeting`.
    Greeting,
    /// `{heard}`: the caller's words.
    Heard,
    /// `{number}`: the ticket's number, digit by digit.
    Number,
    /// `{state}`: of the caller's last ticket.
    State,
    /// `{unit}`: that has it.
    Unit,
    /// `{line}`: the dialled line, digit by digit.
    Line,
    /// `{caller}`: the caller's number, digit by digit.
    Caller,
    /// `{date}` and `{time}` of now.
    Date,
    Time,
    /// `{incident}`: what is known to have happened where the caller is.
    Incident,
    /// `{name}` or `{name:date}`: a variable.
    Variable(String, As),
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Fixed(String),
    Variable(String),
}

/// How a variable is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum As {
    /// Digits singly, everything else as text.
    #[default]
    Itself,
    /// As a number: 12 十二.
    Count,
    /// `2026-05-01`, or `20260501` as it is keyed.
    Date,
    /// `09:30`, or `0930` as it is keyed.
    Time,
    Text,
}

impl As {
    /// The words in the file.
    pub const WORDS: [(&'static str, As); 4] =
        [("count", As::Count), ("date", As::Date), ("time", As::Time), ("text", As::Text)];
}

/// The prompt that stands in for `{greeting}` where a line has none.
pub const GREETING: &str = "greeting";
