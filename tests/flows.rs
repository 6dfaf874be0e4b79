//! The shipped flow and lines: conversations as an admin reads them, and the promises that hold for every caller.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiesu::calendar::Calendar;
use jiesu::ivr::coverage::Coverage;
use jiesu::ivr::script::World;
use jiesu::ivr::{Answers, Flow, Lines, Rules, SubFlows, script};
use jiesu::written::{Faults, Source};

fn file(path: &str) -> Source {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    Source::new(&path, fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// A flow that may call the sub-flows beside it.
fn shipped(path: &str) -> Arc<Flow> {
    let faults = Faults::default();
    let subs = SubFlows::read(&[file("config/examples/flows/sub/identity.toml")], &faults);
    let flow = Flow::read_with(&file(path), &subs, &faults);
    assert!(faults.is_empty(), "{faults}");
    Arc::new(flow.expect("it has no faults"))
}

fn calendar() -> Arc<Calendar> {
    let faults = Faults::default();
    let calendar = Calendar::read(&[file("config/calendar/2026.toml")], &faults);
    assert!(faults.is_empty(), "{faults}");
    Arc::new(calendar)
}

/// Flows with the folders of their scripts.
const FLOWS: [(&str, &str); 3] = [
    ("config/flows/main.toml", "tests/flows"),
    ("config/flows/out/callback.toml", "tests/flows/callback"),
    ("config/examples/flows/every-kind.toml", "tests/flows/every-kind"),
];

fn scripts(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut scripts: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder of scripts").map(|e| e.expect("an entry").path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "script"));
    scripts.sort();
    scripts
}

#[test]
fn every_script_holds_and_together_they_come_through_every_node() {
    let world = world();
    for (flow, folder) in FLOWS {
        let flow = shipped(flow);
        let mut seen = Coverage::default();
        let mut failures = Vec::new();
        for path in scripts(folder) {
            match script::run(&world, &flow, &fs::read_to_string(&path).expect("a script")) {
                Ok(touched) => seen.add(touched),
                Err(mismatch) => failures.push(format!("{}: {mismatch}", path.display())),
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        let missed = seen.of(&flow).nodes.missing;
        assert!(missed.is_empty(), "no script comes through {missed:?}");
    }
}

/// There is one to copy from for every word that a node may do: in the shipped flow or in the example.
#[test]
fn every_kind_of_node_is_shown() {
    let text = |path: &str| fs::read_to_string(file(path).file()).expect("a flow");
    let files = ["flows/main.toml", "examples/flows/every-kind.toml", "examples/flows/sub/identity.toml"];
    let all: String = files.iter().map(|path| text(&format!("config/{path}"))).collect();
    for kind in jiesu::ivr::flow::KINDS {
        assert!(all.contains(&format!("do = \"{kind}\"")), "{kind} is not shown");
    }
}

/// A script that says something else than the flow fails: the runner is no rubber stamp.
#[test]
fn a_script_with_any_line_changed_or_left_out_fails() {
    let world = world();
    let all = FLOWS.iter().flat_map(|(flow, folder)| scripts(folder).into_iter().map(|path| (shipped(flow), path)));
    for (flow, path) in all {
        let text = fs::read_to_string(&path).expect("a script");
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let changed = match line.split_whitespace().next() {
                Some("<") => format!("{line} nonsense"),
                Some("=") if line.starts_with("= at") => "= at nowhere".to_owned(),
                Some("=") => "= look-down".to_owned(),
                _ => continue,
            };
            for planted in [changed.as_str(), ""] {
                // A key before the prompt is over may as well be one before the prompt has begun.
                let typed_ahead = lines.get(i + 1).is_some_and(|next| next.starts_with("> !"));
                if planted.is_empty() && (line.starts_with("= at") || typed_ahead) {
                    continue;
                }
                let mut copy = lines.clone();
                copy[i] = planted;
                let result = script::run(&world, &flow, &copy.join("\n"));
                assert!(result.is_err(), "{}:{} may be {planted:?}", path.display(), i + 1);
            }
        }
    }
}

#[test]
fn the_shipped_flow_puts_no_menu_in_front_of_people() {
    let measure = shipped("config/flows/main.toml").measure();
    assert!(measure.ticket_without_menu);
    assert_eq!(measure.keys_to_human, Some(1));
    assert_eq!(measure.depth, 3);
}

fn lines(path: &str) -> Lines {
    let faults = Faults::default();
    let lines = Lines::read(&file(path), &faults);
    assert!(faults.is_empty(), "{faults}");
    lines
}

#[test]
fn the_24_national_lines_of_the_merger_are_shipped() {
    let lines = lines("config/lines.toml");
    let numbers: BTreeSet<&str> = lines.iter().map(|line| line.number.as_str()).collect();
    let whole = "12300 12301 12312 12322 12330 12331 12336 12343 12349 12356 12358 12365 12396 96119";
    let parallel = "12315 12316 12317 12318 12319 12320 12328 12329 12333 12348";
    let expected: BTreeSet<&str> = format!("12345 {whole} {parallel}").leak().split(' ').collect();
    assert_eq!(numbers, expected);
    for emergency in ["110", "119", "120", "122"] {
        assert!(!numbers.contains(emergency));
    }
}

#[test]
fn each_of_68_lines_is_found_in_every_place_and_form() {
    let lines = lines("config/examples/lines-68.toml");
    assert_eq!(lines.iter().count(), 68);
    for line in lines.iter().filter(|line| line.number != "12345") {
        let n = &line.number;
        let forms = [
            n.clone(),
            format!("010{n}"),
            format!("010-{n}"),
            format!("+8610{n}"),
            format!("+86-10-{n}"),
            format!("008610{n}"),
        ];
        for form in forms {
            let old = [form.clone()];
            let ways = [
                lines.choose(Some(&form), None, &[], &[]),
                lines.choose(Some("pilot"), Some(&form), &[], &[]),
                lines.choose(Some("12345"), Some("12345"), &old, &[]),
                lines.choose(Some("+861012345"), None, &[], &old),
            ];
            for chosen in ways {
                assert_eq!(&chosen.line, n, "{form}");
                assert_eq!(chosen.greeting, Some(format!("line-{n}")), "{form}");
                assert_eq!(chosen.flow, "main");
            }
        }
    }
    assert_eq!(lines.texts().len(), 67);
}

fn emergencies() -> Arc<Rules> {
    let faults = Faults::default();
    let rules = Rules::read(&file("config/emergency.toml"), &faults);
    assert!(faults.is_empty(), "{faults}");
    Arc::new(rules)
}

fn world() -> World {
    let faults = Faults::default();
    let answers = Answers::read(&[file("config/answers/hotline.toml")], &faults);
    assert!(faults.is_empty(), "{faults}");
    World { calendar: calendar(), rules: emergencies(), answers: Arc::new(answers) }
}

fn raised(rules: &Rules, said: &str) -> Option<String> {
    rules.look(said).and_then(|alarm| rules.get(alarm.rule).map(|rule| rule.name.value.clone()))
}

#[test]
fn the_shipped_rules_take_what_people_shout_and_leave_what_they_complain_of() {
    let rules = emergencies();
    for (rule, said) in [
        ("gas", "我家燃气泄漏了"),
        ("gas", "楼道里有煤气味"),
        ("gas", "闻到很大的煤气味"),
        ("gas", "天然气泄漏"),
        ("gas", "施工把燃气管道挖断了，燃气在漏"),
        ("fire", "着火了着火了"),
        ("fire", "楼道里着火了"),
        ("fire", "电动车着火了"),
        ("fire", "三楼窗户往外冒黑烟"),
        ("fire", "有浓烟"),
        ("collapse", "隔壁房子塌了"),
        ("collapse", "有人被埋在下面"),
        ("water", "有小孩掉河里了"),
        ("water", "水库有人溺水了"),
        ("trapped", "我被困在电梯里了"),
        ("trapped", "电梯里有人被困"),
        ("suicide", "楼顶有人要跳楼"),
        ("suicide", "我不想活了"),
        ("violence", "有人持刀砍人"),
        ("violence", "救命啊"),
        ("threat", "他扬言要把人都砍死"),
        ("threat", "再不解决就同归于尽"),
        ("medical", "有人受伤"),
        ("medical", "老人晕倒了没有呼吸"),
        ("traffic", "我在环路上被追尾了"),
        ("traffic", "前面两车相撞，堵住了"),
        ("traffic", "有辆货车翻车了"),
        ("medical", "追尾了，有人受伤"),
        // Both: gas goes first, because its first words are to go outside.
        ("gas", "煤气泄漏，着火了"),
    ] {
        assert_eq!(raised(&rules, said).as_deref(), Some(rule), "{said}");
    }
    for said in [
        "没有着火",
        "没有人受伤",
        "我想问一下火锅店的油烟",
        "消防栓坏了",
        "小区有火灾隐患",
        "一旦着火后果严重",
        "消防通道被堵了",
        "万一漏气了怎么办",
        "停气了",
        "燃气表坏了",
        "楼上漏水把我家泡了",
        "水管爆裂了",
        "火车站广场的水迹",
        "电梯坏了",
        "暖气不热",
        "物业扬言要退出小区",
        "这是我们的救命钱",
        "去年小区里着火",
        "燃气公司漏装了一户",
        "路口红绿灯坏了，容易发生交通事故",
        "这条路天天堵车，电动车逆行差点追尾了",
        "上个月在停车场被别人追尾的，保险怎么办理",
        "肇事逃逸的案件什么时候有结果",
        "喂，你好",
        "",
    ] {
        assert_eq!(raised(&rules, said), None, "{said}");
    }
}

/// Every line of every script is a state of the shipped flow: there words, or keys, raise the rule at once, and the
/// ticket is filed as urgent before anything else.
#[test]
fn an_emergency_is_taken_in_every_state_of_the_shipped_flow() {
    let (flow, world) = (shipped("config/flows/main.toml"), world());
    let (mut states, mut nodes) = (0, BTreeSet::new());
    for path in scripts("tests/flows") {
        let text = fs::read_to_string(&path).expect("a script");
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(['<', '>', '=', 'c'])).collect();
        for n in 1..lines.len() {
            let before = lines[..n].join("\n");
            if before.contains("= hangup") || before.contains("> hang-up") {
                break;
            }
            for (means, filed) in [
                ("!shout 我家着火了", "火灾"),
                ("shout 我家着火了", "火灾"),
                ("say 我家着火了", "火灾"),
                ("!*120", "急救"),
            ] {
                let emergency = format!("{before}\n> {means}\n= nothing");
                let what = script::run(&world, &flow, &emergency).expect_err("nothing is no word").what;
                // Something is due first, or it is the other way of listening: no moment for this.
                if ["first the flow", "nobody listens", "write say"].iter().any(|no| what.contains(no)) {
                    continue;
                }
                let ticket = format!("topic=\"{filed}\"");
                let raised =
                    what.contains(&ticket) && what.contains("urgency=\"urgent\"") || what.contains("stop-transfer");
                // The keys may have done something of their own before the last of them.
                let keyed = means.starts_with("!*")
                    && (what.contains("= file") || what.contains("= look-up") || what.contains("= transfer"));
                assert!(raised || keyed, "{}: {means} after {}: {what}", path.display(), lines[n - 1]);
                states += 1;
                nodes.extend(what.rsplit("(at ").next().map(|node| node.trim_end_matches(')').to_owned()));
            }
        }
    }
    eprintln!("{states} states at {} nodes", nodes.len());
    assert!(states > 100 && nodes.len() > 20, "only {states} states at {nodes:?}");
}

/// What citizens wrote by letter is seldom an emergency. The shared folder is not part of the project.
#[test]
fn ordinary_complaints_seldom_raise_an_alarm() {
    let shared = std::env::var_os("JIESU_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let (rules, mut texts, mut alarms) = (emergencies(), 0, 0);
    for name in ["dev.csv", "train.csv", "stream.csv"] {
        let Ok(text) = fs::read_to_string(shared.join("data/complaints").join(name)) else {
            eprintln!("skipped: {} is not there", shared.join("data/complaints").join(name).display());
            return;
        };
        let mut quoted = false;
        let records = text.split(move |c| {
            quoted ^= c == '"';
            c == '\n' && !quoted
        });
        for record in records.filter(|record| !record.trim().is_empty()) {
            texts += 1;
            alarms += usize::from(rules.look(record).is_some());
        }
    }
    let share = f64::from(u32::try_from(alarms).expect("few")) * 100.0 / f64::from(texts);
    eprintln!("{alarms} of {texts} complaints raise an alarm: {share:.2} %");
    assert!(texts > 5_000 && share < 0.5, "{alarms} of {texts}");
    // The measure itself: rules without doubt and harmless words would cry wolf.
    let faults = Faults::default();
    let blunt = Rules::read(
        &jiesu::written::Source::new(
            "x.toml",
            "[[rule]]\nname = \"fire\"\nwords = [\"火灾\", \"起火\", \"着火\"]\nsay = \"x\"\ngo = \"x\"\n",
        ),
        &faults,
    );
    assert!(blunt.look("万一发生火灾").is_some());
}

/// Whoever has chosen English is spoken to in English from the request to the good-bye, and to the people.
#[test]
fn the_way_of_most_calls_is_said_in_english_too() {
    let faults = Faults::default();
    let texts = jiesu::tts::catalogue::read(&file("config/prompts/prompts.toml"), &faults);
    let flow = shipped("config/flows/main.toml");
    assert_eq!(flow.languages().iter().map(|language| language.value.as_str()).collect::<Vec<_>>(), ["en"]);
    let way = "request request-again not-heard request-hint you-said recorded confirm number-is number-again thanks goodbye \
               filed-later transferring busy-leave-request busy-number-is wrong-key to-a-human slower-louder";
    for id in way.split_whitespace() {
        assert!(flow.prompts().iter().any(|prompt| prompt.value == id), "{id} is not said by the flow");
        let english = texts.get(&format!("en/{id}")).unwrap_or_else(|| panic!("{id} has no English text"));
        assert!(english.is_ascii(), "{id}: {english}");
    }
    assert!(faults.is_empty(), "{faults}");
}
