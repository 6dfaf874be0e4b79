//! Sentences of callers, by the rules of the demonstration generator (`complaint`, consultation, suggestion, praise), with
//! what has to come out of them: category and urgency stand in `tests/classify/phrases.tsv`, written by hand.
//!
//! Every sentence names a street office of `config/places`, since that is what is asked for in the end. Parts are drawn
//! as often as the generator draws them.

use std::path::Path;

use jiesu::catalogue::{Level, Places};
use jiesu::tts::Manner;

use crate::house::draw;

/// Phrase, type, category, urgency.
const PHRASES: &str = include_str!("../../classify/phrases.tsv");

/// Offices that were founded or renamed after the list that the recogniser learned.
const UNTAUGHT: &[&str] = &[
    "临河里街道",
    "九棵树街道",
    "五里店街道",
    "六里桥街道",
    "北宫镇",
    "宛平街道",
    "成寿寺街道",
    "文景街道",
    "方庄街道",
    "杨庄街道",
    "梨园镇",
    "永顺镇",
    "潞邑街道",
    "玉泉营街道",
    "看丹街道",
    "石榴庄街道",
    "花乡街道",
    "青塔街道",
];

/// Lists are as the generator has them: what stands twice comes twice as often, `-` is nothing.
const OPENINGS: &str = "- - - 喂， 你好， 喂你好， 您好， 喂，您好， 你好，我想反映一下， 我想反映一下， 我要投诉， 我要反映一个问题， 麻烦您， \
    麻烦帮我反映一下， 您好，我想反映个事， 师傅你好， 同志你好， 喂，是市民热线吗， 你好，请问是12345吗， 我跟您说一下， 我想投诉一下， \
    您好，我这边有个情况， 请帮我记一下， 是这样的， 哎，你好，";
const CLOSINGS: &str = "- - - - ，请尽快处理 ，麻烦尽快派人来看看 ，能不能管一管 ，希望有关部门处理一下 ，谢谢 ，麻烦你们了 ，请派人来修一下 \
    ，太影响生活了 ，到底归谁管 ，希望尽快解决 ，什么时候能修好 ，很危险 ，请马上派人过来 ，没有人管 ，打了好几次电话都没人管 ，居民意见很大 \
    ，我们都等着呢 ，给我回个电话";
const ESTATES: &str = "花家地 望京西园 天通苑 回龙观 龙泽苑 万科城 阳光花园 幸福里 和平里 安贞西里 芍药居 双榆树 知春里 牡丹园 玉泉路 方庄 \
    芳星园 芳古园 金台里 团结湖 甜水园 水碓子 呼家楼 劲松 潘家园 松榆里 垂杨柳 百子湾 双井 定福庄 管庄 常营 东坝 酒仙桥 \
    太阳宫 惠新里 育新花园 西三旗 清河 上地 马连洼 西北旺 苏家坨 田村 五棵松 万寿路 青塔 西罗园 马家堡 角门 新宫 旧宫 \
    亦庄 梨园 果园 新华 潞河名苑 翠屏里 绿城百合 枫丹丽舍 碧水庄园 紫竹院 世纪城 远大园 北洼 车道沟 晨光家园 丽泽景园 \
    珠江帝景 怡海花园 富力城 鲁谷 老山 八角南里 古城 苹果园 西黄村 模式口 阜成路 广安门 白纸坊 陶然亭 牛街 天桥 前门 \
    崇文门 龙潭湖 光明楼 永定门 体育馆路 东四 北新桥 安定门 交道口 和平门";
const ESTATE_ENDS: &str = "小区 小区 小区 社区 家园 公寓 大院 新村";
const ROADS: &str = "建国路 朝阳路 长安街 学院路 中关村大街 复兴路 平安大街 阜石路 莲花池东路 南三环 北四环 东二环 西直门外大街 京开路 \
    姚家园路 广渠路 两广路 安立路 北苑路 湖光中街 来广营西路 清华东路 成府路 知春路 大屯路 科荟路 光华路 人民路 解放路 和平路 胜利街 \
    文化路 青年路 幸福路 建设路 友谊路 滨河路 公园路 站前街 民族路 振兴路 育才街 健康路 光明街 团结路";
const SPOTS: &str = "门口 东门 西门 南门 北门 楼下 对面 旁边 路口 附近 地下车库 地下室 院子里 单元门口 楼道里 幼儿园旁边 菜市场旁边 公交站旁边 \
    地铁站出口 天桥下面";
const TIMES: &str = "今天 昨天 前天 今天早上 今天下午 昨天晚上 昨天半夜 上周 这两天 最近 这几天 从上个月开始 周末 每天晚上 每天早上 刚才 \
    半个小时以前 上周五 上周一 这个星期";
const SPANS: &str = "两个小时 三个小时 半天 一整天 两天 三天 四天 五天 一个星期 两个星期 半个月 一个月 两个月 三个月 半年 一年 好几天 好几个月";
const ASKS: &str = "- 请问 请问一下， 我想咨询一下， 我想问一下， 你好，我想咨询一下， 您好，请问 喂你好，我想问一下， 麻烦问一下， 我咨询一下 帮我查一下";
const PROPOSES: &str = "建议 我建议 我有个建议， 希望 能不能";
const PRAISES: &str = "我要表扬一下， 我想表扬 感谢你们， 非常感谢， 谢谢， 打电话表示感谢， 我要送一面锦旗，";

/// espeak-ng's variants of the voice, as often as the recogniser heard them while it learned.
const VOICES: &str = "- - - - - - - - +f2 +f2 +f2 +m3 +m3 +m3 +f1 +f3 +f4 +m1 +m2 +m4 +m7 +f5";

/// What a caller says, and what the ticket has to say.
#[derive(Debug, Clone)]
pub struct Sentence {
    pub text: String,
    pub category: [&'static str; 3],
    pub urgency: &'static str,
    pub street: String,
    pub district: String,
}

fn one(list: &'static str) -> &'static str {
    let all: Vec<&str> = list.split_ascii_whitespace().collect();
    let drawn = all[draw(all.len() as u64) as usize];
    if drawn == "-" { "" } else { drawn }
}

fn chance(percent: u64) -> bool {
    draw(100) < percent
}

/// The street offices of a configuration folder that the recogniser has heard of: name and district.
pub fn streets(config: &Path) -> Vec<(String, String)> {
    let config = jiesu::config::load(config).expect("the shipped configuration");
    taught(&config.places)
}

pub fn taught(places: &Places) -> Vec<(String, String)> {
    let streets = places.areas().filter(|area| area.level == Level::Street);
    let named = streets.map(|area| (area.name.clone(), places.area(area.district).name.clone()));
    named.filter(|(name, _)| !UNTAUGHT.contains(&name.as_str())).collect()
}

/// What stands behind the street: an estate with or without a building, a spot, a road, or nothing.
fn rest_of_place() -> String {
    let spot = |percent| if chance(percent) { one(SPOTS) } else { "" };
    match draw(56) {
        0..30 => {
            let estate = format!("{}{}", one(ESTATES), if chance(75) { one(ESTATE_ENDS) } else { "" });
            if chance(50) { estate + &unit() } else { estate + spot(40) }
        }
        30..48 => spot(30).to_owned(),
        _ => {
            let at = ["", "路口", "南口", "北口", "中间", one(SPOTS)];
            format!("{}{}", one(ROADS), at[draw(at.len() as u64) as usize])
        }
    }
}

fn unit() -> String {
    let mut unit = String::new();
    if chance(75) {
        unit += &format!("{}号楼", 1 + draw(35));
    }
    if chance(40) {
        unit += &format!("{}单元", 1 + draw(8));
    }
    if chance(35) {
        unit += &format!("{}0{}室", 1 + draw(24), 1 + draw(8));
    }
    unit
}

/// A sentence that nobody knew before.
pub fn draw_sentence(streets: &[(String, String)]) -> Sentence {
    let lines: Vec<Vec<&str>> =
        PHRASES.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    // As often as in the generator, of those four kinds.
    let kind = match draw(67) {
        0..50 => "matter",
        50..59 => "咨询",
        59..64 => "建议",
        _ => "表扬",
    };
    let of_kind = |line: &&Vec<&str>| match kind {
        "matter" => !["咨询", "建议", "表扬"].contains(&line[1]),
        kind => line[1] == kind,
    };
    let of_kind: Vec<&Vec<&str>> = lines.iter().filter(of_kind).collect();
    let line = of_kind[draw(of_kind.len() as u64) as usize];
    let phrase = line[0];
    let (street, district) = streets[draw(streets.len() as u64) as usize].clone();
    // Of streets of one name the district tells which is meant.
    let twice = streets.iter().filter(|(name, _)| *name == street).count() > 1;
    let named = if twice || chance(7) { format!("{district}{street}") } else { street.clone() };
    let mut urgency = line[3];
    let text = match kind {
        "咨询" => format!("{}{named}的{phrase}{}", one(ASKS), if chance(20) { "，谢谢" } else { "" }),
        "建议" => {
            format!("{}在{named}{}{}", one(PROPOSES), rest_of_place(), phrase.trim_start_matches("建议"))
        }
        "表扬" => {
            let of = if chance(30) { "的" } else { "" };
            format!("{}{named}{of}{}", one(PRAISES), phrase.trim_start_matches("感谢你们，"))
        }
        _ => {
            let closing = if chance(55) { one(CLOSINGS) } else { "" };
            if closing == "，很危险" {
                urgency = "urgent";
            }
            let place = named + &rest_of_place();
            let when = if chance(25) { one(TIMES) } else { "" };
            let pause = if chance(35) { "，" } else { "" };
            let here = if chance(15) { ["我们这儿", "我住在", "在"][draw(3) as usize] } else { "" };
            let said = match draw(100) {
                0..50 => format!("{here}{place}{pause}{when}{phrase}"),
                50..70 => format!("{when}{place}{phrase}已经{}了", one(SPANS)),
                70..85 => format!("{phrase}，地址是{place}"),
                _ => format!("{phrase}，在{place}"),
            };
            format!("{}{said}{closing}", one(OPENINGS))
        }
    };
    // Longer ones the generator throws away.
    if text.chars().filter(|c| c.is_alphanumeric()).count() > 30 {
        return draw_sentence(streets);
    }
    let category: Vec<&'static str> = line[2].split('/').collect();
    let category = category.try_into().expect("three levels");
    Sentence { text, category, urgency, street, district }
}

/// A voice that nobody knew before, with the sentence's pace: long ones are spoken faster.
pub fn draw_manner(sentence: &Sentence) -> Manner {
    let long = sentence.text.chars().count() > 22;
    let speed = if long { 155 + draw(36) } else { 130 + draw(61) };
    Manner {
        voice: format!("cmn-latn-pinyin{}", one(VOICES)),
        speed: u32::try_from(speed).expect("small"),
        pitch: 30 + u32::try_from(draw(41)).expect("small"),
    }
}
