//! A flow as a tree in plain Chinese, with seconds: what `jiesu flow show` prints.
//!
//! Each node stands once, where the shortest way comes to it; further ways to it only name it. Keys and words that work
//! everywhere stand at the top, not at every node.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use super::flow::{Flow, Kind, NodeId, Wanted, Which};
use super::prove::ways::{Manner, own};
use super::prove::{self, Cause, Measured, Premises, Spoken, Way};

/// A text longer than this is cut, in characters.
const TEXT: usize = 60;

/// The whole tree.
pub fn show(flow: &Flow, premises: Premises<'_>) -> String {
    let mut out = format!("流程 {}\n", flow.name());
    let lines: Vec<&str> = premises.lines.iter().map(|line| line.line.as_str()).collect();
    match lines.as_slice() {
        [] => out += "没有线路使用它\n",
        lines => line(&mut out, 0, &format!("线路:{}", lines.join(" "))),
    }
    line(&mut out, 0, &measured(&prove::measure(flow, premises)));
    for shortcut in &flow.graph.keys {
        line(&mut out, 0, &format!("随时按 {} → {}", shortcut.key, flow.name_of(shortcut.go)));
    }
    for (to, words) in words(flow) {
        line(&mut out, 0, &format!("随时说{words} → {}", flow.name_of(to)));
    }
    let others = flow.graph.keys.iter().map(|s| s.go).chain(flow.graph.words.iter().map(|(_, go)| *go));
    let others = others.map(|id| (id, "随时")).chain([(flow.too_long(), "绕得太久后")]);
    let roots: Vec<(NodeId, &str)> = [(flow.start(), "接通后")].into_iter().chain(others).collect();
    let above = above(flow, &roots);
    let mut tree = Tree { flow, spoken: premises.spoken, out, above, seen: BTreeSet::new() };
    for (id, from) in roots {
        if !tree.seen.contains(&id) && tree.above.get(&id) == Some(&None) {
            tree.out.push('\n');
            tree.node(id, 0, from);
        }
    }
    tree.out
}

/// The figures of GB/T 33358-2016, in one line.
fn measured(measured: &Measured) -> String {
    let human = match (measured.knows, measured.listens) {
        (Some(knows), Some(listens)) => {
            format!("到人工:熟悉按键的 {},听完提示的 {}", seconds(knows), seconds(listens))
        }
        (Some(knows), None) => format!("到人工:熟悉按键的 {},只听提示的到不了", seconds(knows)),
        _ => "到不了人工".to_owned(),
    };
    let menus = match measured.depth {
        0 => "没有菜单".to_owned(),
        depth => format!("菜单最深 {depth} 层"),
    };
    format!("{human};一直无应答的最长 {};{menus}", seconds(measured.silent))
}

/// Words of the whole flow, by where they lead.
fn words(flow: &Flow) -> Vec<(NodeId, String)> {
    let mut list: Vec<(NodeId, String)> = Vec::new();
    for (word, to) in &flow.graph.words {
        match list.iter_mut().find(|(known, _)| known == to) {
            Some((_, words)) => *words += &format!("「{word}」"),
            None => list.push((*to, format!("「{word}」"))),
        }
    }
    list
}

fn line(out: &mut String, depth: usize, text: &str) {
    writeln!(out, "{}{text}", "    ".repeat(depth)).expect("a String takes everything");
}

/// Under which node each stands: the one from which the shortest way comes (breadth first); the roots under none.
fn above(flow: &Flow, roots: &[(NodeId, &str)]) -> BTreeMap<NodeId, Option<NodeId>> {
    let mut above = BTreeMap::new();
    for (root, _) in roots {
        let mut next = VecDeque::new();
        if !above.contains_key(root) {
            above.insert(*root, None);
            next.push_back(*root);
        }
        while let Some(id) = next.pop_front() {
            for Way { to, .. } in ways(flow, id) {
                above.entry(to).or_insert_with(|| {
                    next.push_back(to);
                    Some(id)
                });
            }
        }
    }
    above
}

/// The node's own ways and keys.
fn ways(flow: &Flow, id: NodeId) -> Vec<Way> {
    let node = flow.node(id);
    let keys = node.keys.iter().filter(|_| flow.manner(id).takes_keys());
    let keys = keys.map(|shortcut| Way { cause: Cause::Key(shortcut.key.to_string()), to: shortcut.go });
    own(&node.kind).into_iter().chain(keys).collect()
}

struct Tree<'a> {
    flow: &'a Flow,
    spoken: &'a Spoken,
    out: String,
    above: BTreeMap<NodeId, Option<NodeId>>,
    seen: BTreeSet<NodeId>,
}

impl Tree<'_> {
    /// A node and what lies below it; as deep as there are nodes (`check::MOST_NODES`).
    fn node(&mut self, id: NodeId, depth: usize, by: &str) {
        let mut id = id;
        let mut by = by.to_owned();
        loop {
            let name = self.flow.name_of(id);
            self.seen.insert(id);
            let text = format!("{by} → {name}:{}", describe(self.flow, id, self.spoken));
            line(&mut self.out, depth, &text);
            let groups = grouped(&ways(self.flow, id));
            let here = |to: &NodeId| self.above.get(to) == Some(&Some(id));
            // What simply goes on stays in its column.
            if let [(only, causes)] = groups.as_slice()
                && causes == "接着"
                && here(only)
            {
                (id, by) = (*only, causes.clone());
                continue;
            }
            let groups: Vec<(NodeId, String, bool)> =
                groups.into_iter().map(|(to, causes)| (to, causes, here(&to))).collect();
            for (to, causes, here) in groups {
                match here {
                    true => self.node(to, depth + 1, &causes),
                    false => line(&mut self.out, depth + 1, &format!("{causes} → {}(另见)", self.flow.name_of(to))),
                }
            }
            return;
        }
    }
}

/// Ways with the same end are one line: 「按 1 或 按 2」.
fn grouped(ways: &[Way]) -> Vec<(NodeId, String)> {
    let mut groups: Vec<(NodeId, String)> = Vec::new();
    for way in ways {
        match groups.iter_mut().find(|(to, _)| *to == way.to) {
            Some((_, causes)) => *causes += &format!(" 或{}", way.cause),
            None => groups.push((way.to, way.cause.to_string())),
        }
    }
    groups
}

/// What a node does, says, and how long that takes.
pub fn describe(flow: &Flow, id: NodeId, spoken: &Spoken) -> String {
    let mut text = act(flow, id);
    let pieces: Vec<_> = flow.question(id).concat();
    if !pieces.is_empty() {
        let held = if flow.manner(id) == Manner::Says(false) { ",不能打断" } else { "" };
        let length = seconds(spoken.length(&pieces, None));
        write!(text, " {length}{held}「{}」", cut(&spoken.text(&pieces))).expect("a String takes everything");
    }
    text
}

/// What a node is for, in a word or two.
pub fn act(flow: &Flow, id: NodeId) -> String {
    let desk = |target: &str| flow.target_name(target).unwrap_or(target).to_owned();
    match &flow.node(id).kind {
        Kind::Say { .. } => "播放".to_owned(),
        Kind::Menu { .. } => "菜单".to_owned(),
        Kind::Listen { .. } => "听取诉求".to_owned(),
        Kind::Confirm { .. } => "复述确认".to_owned(),
        Kind::Collect { into, .. } => format!("请按键输入〈{into}〉"),
        Kind::Record { .. } => "录音留言".to_owned(),
        Kind::Set { wanted, variables, .. } => set(wanted, variables),
        Kind::Branch { .. } => "按情况分".to_owned(),
        Kind::Hours { .. } => "看开放时间".to_owned(),
        Kind::Place { .. } => "问清地点".to_owned(),
        Kind::File { .. } => "登记工单".to_owned(),
        Kind::Answer { .. } => "回答咨询".to_owned(),
        Kind::Status { which: Which::Keyed(number), .. } => format!("查询工单〈{number}〉"),
        Kind::Status { which: Which::Repeated, .. } => "查询以前反映同一件事的工单".to_owned(),
        Kind::Status { .. } => "查询最近的工单".to_owned(),
        Kind::Queue { name, .. } => format!("排队等候 {name}"),
        Kind::Transfer { target, .. } => format!("转接 {}", desk(target)),
        Kind::Sub { flow, .. } => format!("子流程 {flow}"),
        Kind::Return { .. } => "子流程结束".to_owned(),
        Kind::Goto { .. } => "转到".to_owned(),
        Kind::Hangup { .. } => "挂断".to_owned(),
    }
}

fn set(wanted: &Wanted, variables: &[(String, String)]) -> String {
    let mut parts: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    parts.extend(wanted.language.as_ref().map(|language| format!("语言 {language}")));
    parts.extend(wanted.pace.map(|pace| format!("语速 {pace:?}")));
    parts.extend(wanted.gain.map(|gain| format!("音量 {gain:?}")));
    format!("设定 {}", parts.join(" "))
}

/// A text of bearable length.
pub fn cut(text: &str) -> String {
    match text.chars().count() {
        0..=TEXT => text.to_owned(),
        _ => text.chars().take(TEXT).chain("…".chars()).collect(),
    }
}

/// `12.5 秒`.
pub fn seconds(time: Duration) -> String {
    format!("{} 秒", (time.as_secs_f64() * 10.0).round() / 10.0)
}

impl Flow {
    /// A node's name.
    pub(super) fn name_of(&self, id: NodeId) -> &str {
        &self.node(id).name.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Calendar;
    use crate::ivr::Rules;
    use crate::ivr::prove::{Dialled, Limits};
    use crate::written::{Faults, Source};

    const FLOW: &str = r#"
start = "hello"
too_long = "bye"
[targets]
"朝阳区值班" = "sip:desk@192.0.2.1"
[keys]
0 = "human"
[words]
"人工" = "human"
[[no_input]]
count = 2
go = "human"
[node.hello]
do = "say"
say = "hello"
barge_in = false
go = "ask"
[node.ask]
do = "menu"
say = "ask"
choice = [{ key = "1", go = "bye" }, { key = "2", go = "bye" }]
no_match = [{ go = "ask" }]
[node.human]
do = "transfer"
say = "hello"
to = "朝阳区值班"
failed = "bye"
[node.bye]
do = "hangup"
say = "hello"
"#;

    #[test]
    fn the_tree_as_an_admin_reads_it() {
        let faults = Faults::default();
        let flow = Flow::read(&Source::new("f.toml", FLOW), &faults).unwrap_or_else(|| panic!("{faults}"));
        let texts = [("hello", "您好"), ("ask", "水请按1，电请按2")];
        let spoken = Spoken {
            texts: texts.map(|(id, text)| (id.to_owned(), text.to_owned())).into(),
            lengths: [("hello".to_owned(), Duration::from_millis(1250))].into(),
        };
        let (limits, rules, calendar) = (Limits::default(), Rules::default(), Calendar::default());
        let lines = [Dialled { line: "12319".to_owned(), greeting: None }];
        let today = jiff::civil::date(2026, 1, 1);
        let premises =
            Premises { spoken: &spoken, limits: &limits, lines: &lines, rules: &rules, calendar: &calendar, today };
        let expected = "流程 f
线路:12319
到人工:熟悉按键的 1.3 秒,听完提示的 19 秒;一直无应答的最长 19 秒;菜单最深 1 层
随时按 0 → human
随时说「人工」 → human

接通后 → hello:播放 1.3 秒,不能打断「您好」
接着 → ask:菜单 2.3 秒「水请按1，电请按2」
    按 1 或按 2 → bye:挂断 1.3 秒「您好」
    2 次无应答 → human:转接 朝阳区值班 1.3 秒「您好」
        无人接听 → bye(另见)
    按错 → ask(另见)
";
        assert_eq!(show(&flow, premises), expected);
    }
}
