//! What is different for callers between two versions of a flow, in plain Chinese: what `jiesu flow diff` prints.
//!
//! Nodes are compared by name. Owns nothing that a caller does not notice: another order in the file, a comment, or a
//! node's new place changes nothing here.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::{Flow, Kind, NodeId};
use super::prove::ways::own;
use super::prove::{self, Cause, Premises, Spoken};
use super::show::{act, cut, seconds};

/// A version of a flow with what its prompts say.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    pub flow: &'a Flow,
    pub premises: Premises<'a>,
}

impl<'a> Version<'a> {
    fn nodes(&self) -> BTreeMap<&'a str, NodeId> {
        let nodes = self.flow.graph.nodes.iter().enumerate();
        nodes.map(|(i, node)| (node.name.value.as_str(), NodeId(i))).collect()
    }

    /// Where each cause leads, by the name of the node. Keys of the node included.
    fn ways(&self, id: NodeId) -> BTreeMap<String, NodeId> {
        let node = self.flow.node(id);
        let keys = node.keys.iter().map(|shortcut| (Cause::Key(shortcut.key.to_string()).to_string(), shortcut.go));
        // A key of the node's question goes before one of its `keys`.
        keys.chain(own(&node.kind).into_iter().map(|way| (way.cause.to_string(), way.to))).collect()
    }

    /// A destination as people speak of it: 「转接朝阳区值班」, 「菜单 water」.
    fn to(&self, id: NodeId) -> String {
        let act = act(self.flow, id);
        match self.flow.node(id).kind {
            Kind::Transfer { .. } | Kind::Queue { .. } => act,
            _ => format!("{act} {}", self.flow.name_of(id)),
        }
    }

    fn spoken(&self) -> &'a Spoken {
        self.premises.spoken
    }
}

/// One line for each change; none if callers notice nothing.
pub fn changes(old: Version<'_>, new: Version<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let (before, after) = (old.nodes(), new.nodes());
    if old.flow.name_of(old.flow.start()) != new.flow.name_of(new.flow.start()) {
        lines.push(format!("接通后先到 {}(原来先到 {})", new.to(new.flow.start()), old.to(old.flow.start())));
    }
    everywhere(old, new, &mut lines);
    for (name, id) in &after {
        match before.get(name) {
            Some(was) => node(name, (old, *was), (new, *id), &mut lines),
            None => lines.push(format!("新增「{name}」:{}", super::show::describe(new.flow, *id, new.spoken()))),
        }
    }
    for (name, id) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
        lines.push(format!("取消「{name}」(原来是:{})", super::show::describe(old.flow, *id, old.spoken())));
    }
    figures(old, new, &mut lines);
    lines
}

/// Keys and words that work everywhere.
fn everywhere(old: Version<'_>, new: Version<'_>, lines: &mut Vec<String>) {
    let keys = |v: Version<'_>| -> BTreeMap<String, String> {
        let keys = v.flow.graph.keys.iter().map(|shortcut| (format!("随时按 {}", shortcut.key), v.to(shortcut.go)));
        keys.chain(v.flow.graph.words.iter().map(|(word, go)| (format!("随时说「{word}」"), v.to(*go)))).collect()
    };
    compare("", &keys(old), &keys(new), lines);
}

/// One node in both versions.
fn node(name: &str, (old, was): (Version<'_>, NodeId), (new, is): (Version<'_>, NodeId), lines: &mut Vec<String>) {
    let (before, after) = (&old.flow.node(was).kind, &new.flow.node(is).kind);
    let (did, does) = (act(old.flow, was), act(new.flow, is));
    if did != does {
        lines.push(format!("在「{name}」:{does}(原来是{did})"));
    }
    said(name, (old, before), (new, after), lines);
    let named = |v: Version<'_>, ways: BTreeMap<String, NodeId>| -> BTreeMap<String, String> {
        ways.into_iter().map(|(cause, to)| (cause, v.to(to))).collect()
    };
    compare(&format!("在「{name}」"), &named(old, old.ways(was)), &named(new, new.ways(is)), lines);
    if let (Some(was), Some(is)) = (before.times(), after.times()) {
        let times = [
            ("等候", was.wait, is.wait),
            ("两键之间等候", was.between, is.between),
            ("说话停顿", was.silence, is.silence),
            ("最长可以说", was.longest, is.longest),
        ];
        for (what, was, is) in times.into_iter().filter(|(_, was, is)| was != is) {
            lines.push(format!("在「{name}」{what} {}(原来 {})", seconds(is), seconds(was)));
        }
    }
    if let (Kind::Hours { hours: was, .. }, Kind::Hours { hours: is, .. }) = (before, after)
        && was != is
    {
        lines.push(format!("在「{name}」开放时间有变化"));
    }
    if let (Kind::Say { barge_in: was, .. }, Kind::Say { barge_in: is, .. }) = (before, after)
        && was != is
    {
        lines.push(format!("「{name}」的提示{}", if *is { "现在可以按键打断" } else { "不再能打断" }));
    }
    let hints = |kind: &Kind<NodeId>| match kind {
        Kind::Menu { choices, .. } => choices.iter().map(|c| (c.keys.clone(), c.hints.clone())).collect(),
        _ => BTreeMap::new(),
    };
    let (was, is) = (hints(before), hints(after));
    for (key, hints) in is.iter().filter(|(key, hints)| was.get(*key).is_some_and(|old| old != *hints)) {
        let words: Vec<&str> = [&hints.kind, &hints.category, &hints.topic, &hints.urgency]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        lines.push(format!("在「{name}」按 {key} 的工单归类改为:{}", words.join(" ")));
    }
}

/// What is heard there.
fn said(
    name: &str,
    (old, was): (Version<'_>, &Kind<NodeId>),
    (new, is): (Version<'_>, &Kind<NodeId>),
    lines: &mut Vec<String>,
) {
    let texts = |v: Version<'_>, kind: &Kind<NodeId>| -> Vec<(&'static str, String, std::time::Duration)> {
        let says = kind.says().into_iter();
        says.map(|(key, say)| (key, v.spoken().text(say), v.spoken().length(say, None))).collect()
    };
    let (was, is) = (texts(old, was), texts(new, is));
    let counted = was.len() != is.len();
    for (i, (key, text, length)) in is.iter().enumerate() {
        let when = match *key {
            "no_input" => "无应答时的",
            "no_match" => "按错时的",
            _ => "",
        };
        match was.get(i).filter(|(before, _, _)| before == key) {
            Some((_, before, _)) if before != text && before.is_empty() => {
                lines.push(format!("「{name}」{when}提示为「{}」(原来没有)", cut(text)));
            }
            Some((_, before, _)) if before != text => {
                let (was, is) = apart(before, text);
                lines.push(format!("「{name}」{when}提示改为「{is}」(原来「{was}」)"));
            }
            Some((_, _, before)) if before != length => {
                lines.push(format!("「{name}」{when}提示的录音换了:{}(原来 {})", seconds(*length), seconds(*before)))
            }
            None if counted && !text.is_empty() => lines.push(format!("「{name}」{when}提示有「{}」", cut(text))),
            _ => {}
        }
    }
}

/// Characters that are shown on both sides of what differs.
const AROUND: usize = 8;

/// Two texts without what is long and the same in both.
fn apart(old: &str, new: &str) -> (String, String) {
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let shorter = old.len().min(new.len());
    let begin = (0..shorter).take_while(|i| old[*i] == new[*i]).count();
    let end = (0..shorter - begin).take_while(|i| old[old.len() - 1 - i] == new[new.len() - 1 - i]).count();
    let (begin, end) = (begin.saturating_sub(AROUND), end.saturating_sub(AROUND));
    let part = |text: &[char]| {
        let middle: String = text[begin..text.len() - end].iter().collect();
        let (before, after) = (if begin > 0 { "…" } else { "" }, if end > 0 { "…" } else { "" });
        format!("{before}{}{after}", cut(&middle))
    };
    (part(&old), part(&new))
}

fn compare(at: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>, lines: &mut Vec<String>) {
    let causes: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for cause in causes {
        match (old.get(cause), new.get(cause)) {
            (Some(was), Some(is)) if was != is => lines.push(format!("{at}{cause} {}(原来 {was})", to(is))),
            (None, Some(is)) => lines.push(format!("{at}{cause} {}(新增)", to(is))),
            (Some(was), None) => lines.push(format!("{at}{cause} 不再有(原来 {was})")),
            _ => {}
        }
    }
}

/// 「转接朝阳区值班」 is said as it is, everything else is where one comes to.
fn to(act: &str) -> String {
    if act.starts_with("转接") || act.starts_with("排队") { act.to_owned() } else { format!("到 {act}") }
}

/// The figures that GB/T 33358-2016 looks at.
fn figures(old: Version<'_>, new: Version<'_>, lines: &mut Vec<String>) {
    let (was, is) = (prove::measure(old.flow, old.premises), prove::measure(new.flow, new.premises));
    let human = |knows: Option<std::time::Duration>| knows.map_or("到不了".to_owned(), seconds);
    for (what, was, is) in [
        ("熟悉按键的市民到人工", human(was.knows), human(is.knows)),
        ("听完提示的市民到人工", human(was.listens), human(is.listens)),
        ("一直无应答的市民最长停留", seconds(was.silent), seconds(is.silent)),
        ("菜单最深", format!("{} 层", was.depth), format!("{} 层", is.depth)),
    ] {
        if was != is {
            lines.push(format!("{what}:{is}(原来 {was})"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Calendar;
    use crate::ivr::Rules;
    use crate::ivr::prove::Limits;
    use crate::written::{Faults, Source};

    const SHIPPED: &str = include_str!("../../config/flows/main.toml");

    /// What is said of the shipped flow with one thing changed, and another text of a prompt.
    fn said(edits: &[(&str, &str)], prompt: Option<(&str, &str)>) -> Vec<String> {
        let read = |text: &str| {
            let faults = Faults::default();
            Flow::read(&Source::new("main.toml", text), &faults).unwrap_or_else(|| panic!("{faults}"))
        };
        let mut text = SHIPPED.to_owned();
        for (from, to) in edits {
            assert!(text.contains(from), "{from:?}");
            text = text.replacen(from, to, 1);
        }
        let (old, new) = (read(SHIPPED), read(&text));
        let before = Spoken { texts: [("thanks".to_owned(), "再见。".to_owned())].into(), ..Spoken::default() };
        let mut after = before.clone();
        after.texts.extend(prompt.map(|(id, text)| (id.to_owned(), text.to_owned())));
        let (limits, rules, calendar) = (Limits::default(), Rules::default(), Calendar::default());
        let today = jiff::civil::date(2026, 1, 1);
        let premises =
            |spoken| Premises { spoken, limits: &limits, lines: &[], rules: &rules, calendar: &calendar, today };
        let version = |flow, spoken| Version { flow, premises: premises(spoken) };
        changes(version(&old, &before), version(&new, &after))
    }

    #[test]
    fn what_callers_notice_is_said_in_plain_words() {
        assert_eq!(said(&[], None), [""; 0]);
        assert_eq!(said(&[("# ---- the way of most calls", "# anything")], None), [""; 0], "a comment is no change");
        let desk = ("\n[targets]\n", "\n[targets]\n\"朝阳区值班\" = \"sip:desk@192.0.2.7\"\n");
        let node = (
            "[node.thanks]",
            "[node.duty]\ndo = \"transfer\"\nsay = [\"transferring\"]\nto = \"朝阳区值班\"\nfailed = \"busy\"\n\n[node.thanks]",
        );
        let city = ("{ key = \"2\", go = \"city\" }", "{ key = \"2\", go = \"duty\" }, { key = \"9\", go = \"city\" }");
        assert_eq!(
            said(&[desk, node, city], None)[..3],
            [
                "新增「duty」:转接 朝阳区值班 0 秒「(transferring)」",
                "在「services」按 2 转接 朝阳区值班(原来 菜单 city)",
                "在「services」按 9 到 菜单 city(新增)",
            ]
        );
        assert_eq!(
            said(&[("wait = \"5s\"", "wait = \"9s\"")], Some(("thanks", "谢谢。"))),
            ["在「readback」等候 9 秒(原来 5 秒)", "「thanks」提示改为「谢谢。」(原来「再见。」)"]
        );
        let long = said(&[], Some(("thanks", "感谢您的来电，我们会尽快办理。再见。")));
        assert_eq!(long, ["「thanks」提示改为「感谢您的来电，我们会尽快办理。再见。」(原来「再见。」)"]);
        assert_eq!(
            apart(
                "供水请按1，供电请按2，燃气请按3，返回请按星号键。",
                "供水请按1，供电请按2，煤气请按3，返回请按星号键。"
            ),
            ("…1，供电请按2，燃气请按3，返回请…".to_owned(), "…1，供电请按2，煤气请按3，返回请…".to_owned())
        );
        let key = said(&[("0 = \"operator\"", "9 = \"operator\"")], None);
        assert_eq!(key[..2], ["随时按 0 不再有(原来 转接 operator)", "随时按 9 转接 operator(新增)"]);
    }
}
