//! The rules by name.

use std::fmt;

/// What a flow must keep. The names stand in faults and in `check.allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Nobody is hung up on who has got nothing for their call.
    DeadEnd,
    /// From everywhere there is a way to a human or a ticket.
    Trapped,
    /// There is a way to a human.
    NoHuman,
    /// Every node is reached by some caller at some hour.
    NeverReached,
    /// `{number}` and `{heard}` are known where they are said.
    EmptyBlank,
    /// `steps` is enough for every node.
    Steps,
    /// Nobody is put through to a desk where nobody sits.
    OffDuty,
    /// Who says nothing comes to a human, a ticket or the end in time.
    Silent,
    /// Who knows the key comes to a human in time.
    ToHuman,
    /// Who hears everything to its end does.
    ToHumanListening,
    /// What cannot be cut short is short.
    Held,
    /// Questions are short.
    LongQuestion,
    /// There is time to think.
    Hurry,
    /// What a prompt says of a key is so.
    SaidKey,
    /// Every key is said.
    UnsaidKey,
    /// No key is hidden behind another.
    ShadowedKey,
    /// Every key does something.
    IdleKey,
    /// The key for a human means a human everywhere.
    HumanKey,
    /// No key has to wait whether it is the first of two.
    PrefixKey,
    /// Menus are not deep.
    Depth,
    /// Menus are not long.
    Choices,
    /// No menu stands in front of people.
    MenuFirst,
    /// The keys of an emergency mean nothing else.
    AlarmKey,
    /// Whoever raised an emergency, and reached nobody, is heard further.
    AlarmUnfiled,
}

impl Rule {
    pub const ALL: [(Rule, &'static str); 24] = [
        (Rule::DeadEnd, "dead-end"),
        (Rule::Trapped, "trapped"),
        (Rule::NoHuman, "no-human"),
        (Rule::NeverReached, "never-reached"),
        (Rule::EmptyBlank, "empty-blank"),
        (Rule::Steps, "steps"),
        (Rule::OffDuty, "off-duty"),
        (Rule::Silent, "silent"),
        (Rule::ToHuman, "to-human"),
        (Rule::ToHumanListening, "to-human-listening"),
        (Rule::Held, "held"),
        (Rule::LongQuestion, "long-question"),
        (Rule::Hurry, "hurry"),
        (Rule::SaidKey, "said-key"),
        (Rule::UnsaidKey, "unsaid-key"),
        (Rule::ShadowedKey, "shadowed-key"),
        (Rule::IdleKey, "idle-key"),
        (Rule::HumanKey, "human-key"),
        (Rule::PrefixKey, "prefix-key"),
        (Rule::Depth, "depth"),
        (Rule::Choices, "choices"),
        (Rule::MenuFirst, "menu-first"),
        (Rule::AlarmKey, "alarm-key"),
        (Rule::AlarmUnfiled, "alarm-unfiled"),
    ];

    pub fn name(self) -> &'static str {
        Rule::ALL.iter().find(|(rule, _)| *rule == self).map_or("", |(_, name)| name)
    }

    /// Whether its findings hold a number that differs from line to line.
    pub fn is_measured(self) -> bool {
        matches!(
            self,
            Rule::Silent | Rule::ToHuman | Rule::ToHumanListening | Rule::Held | Rule::LongQuestion | Rule::Hurry
        )
    }

    pub fn named(name: &str) -> Option<Rule> {
        Rule::ALL.iter().find(|(_, known)| *known == name).map(|(rule, _)| *rule)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
