//! Test callers: sentences from the demonstration generator's phrases, drawn now, spoken by the voice that the
//! demonstration recogniser understands.

use std::path::{Path, PathBuf};

use super::draw;

/// Openings, matters and closings of the demonstration generator.
const OPENINGS: &[&str] = &["你好，", "喂你好，", "您好，", "你好，我想反映一下，", "麻烦您，", "同志你好，"];
const WATER: &[&str] = &["水管爆裂了", "自来水管爆了", "水管漏水", "自来水停水了", "停水了没有通知"];
const OTHERS: &[&str] = &[
    "路灯坏了",
    "井盖丢了",
    "垃圾没有人清运",
    "工地夜间施工噪音扰民",
    "电梯坏了",
    "暖气不热",
    "消防通道被堵了",
    "违章停车",
    "公司拖欠工资",
    "食品过期了",
];
const CLOSINGS: &[&str] = &["，请尽快处理", "，谢谢", "，希望有关部门处理一下", "，请派人来修一下"];
const ESTATES: &[&str] = &["花家地小区", "芍药居小区", "和平里小区", "天通苑小区", "知春里小区", "方庄小区"];
/// Street offices that the recogniser was trained on, with their districts.
const STREETS: &[(&str, &str)] = &[
    ("望京街道", "朝阳区"),
    ("麦子店街道", "朝阳区"),
    ("中关村街道", "海淀区"),
    ("学院路街道", "海淀区"),
    ("德胜街道", "西城区"),
    ("和平里街道", "东城区"),
    ("方庄街道", "丰台区"),
    ("八角街道", "石景山区"),
    ("回龙观街道", "昌平区"),
    ("建国门街道", "东城区"),
];

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    pub text: String,
    pub street: &'static str,
    pub district: &'static str,
    pub water: bool,
}

fn one<T: Copy>(list: &[T]) -> T {
    list[draw(list.len() as u64) as usize]
}

/// A request that nobody knew before.
pub fn request(water: bool) -> Request {
    let (street, district) = one(STREETS);
    let matter = if water { one(WATER) } else { one(OTHERS) };
    let text = format!("{}{street}{}{}号楼{matter}{}", one(OPENINGS), one(ESTATES), 1 + draw(30), one(CLOSINGS));
    Request { text, street, district, water }
}

/// An emergency that nobody knew before, and the rule of the shipped `emergency.toml` that it is.
pub fn emergency() -> (String, &'static str) {
    const EMERGENCIES: &[(&str, &str)] = &[
        ("着火了", "fire"),
        ("楼道里着火了", "fire"),
        ("电动车着火了", "fire"),
        ("天然气泄漏", "gas"),
        ("楼道里有煤气味", "gas"),
        ("闻到煤气味", "gas"),
    ];
    let ((street, _), (words, rule)) = (one(STREETS), one(EMERGENCIES));
    (format!("{street}{}{}号楼{words}", one(ESTATES), 1 + draw(30)), rule)
}

/// Speaks it into an 8 kHz WAV.
pub fn say(text: &str, into: &Path) -> PathBuf {
    let voice = jiesu::tts::Voice::new(jiesu::tts::Config::default(), into.join("spoken"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let pcm = runtime.block_on(voice.speak(text)).expect("espeak-ng speaks");
    std::fs::create_dir_all(into).expect("mkdir");
    let path = into.join("caller.wav");
    std::fs::write(&path, jiesu::audio::wav::bytes(&pcm, 8000)).expect("write");
    path
}

/// A question that nobody knew before, as the demonstration recogniser can hear it.
pub fn question() -> String {
    let (street, _) = one(STREETS);
    format!("{street}{}{}号楼{}", one(ESTATES), 1 + draw(30), one(OTHERS))
}

/// The samples of what is said, 8 kHz.
pub fn spoken(text: &str, into: &Path) -> Vec<i16> {
    let wav = std::fs::read(say(text, into)).expect("spoken");
    jiesu::audio::wav::read(&wav).expect("a WAV").to_8k()
}
