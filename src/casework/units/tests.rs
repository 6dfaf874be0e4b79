use super::*;
use crate::written::Fault;

pub(in crate::casework) const PLACES: &str = "[city]\nname = \"江州\"\nendings = [\"街道\"]\nroads = [\"路\"]\n\
    beside = []\nestates = []\nsilent = []\n";
pub(in crate::casework) const EAST: &str = "[district]\ncode = \"11\"\nname = \"城东区\"\n\
    [[street]]\ncode = \"111\"\nname = \"柳林街道\"\n[[street]]\ncode = \"112\"\nname = \"河口街道\"\n";
pub(in crate::casework) const WEST: &str = "[district]\ncode = \"22\"\nname = \"城西区\"\n\
    [[street]]\ncode = \"221\"\nname = \"光明街道\"\n";
pub(in crate::casework) const CATALOGUE: &str = "[[type]]\nname = \"求助\"\nusual = true\n[[type]]\nname = \"表扬\"\n\
    [[unit]]\nname = \"自来水集团\"\n[[unit]]\nname = \"市教委\"\ndistrict = \"教委\"\n\
    [category]\nname = \"城建\"\nunit = \"street\"\n\
    [[category.second]]\nname = \"供水\"\nunit = \"自来水集团\"\nco = [\"street\"]\n\
    [[category.second]]\nname = \"学校\"\nunit = \"市教委\"\ncopies = [\"street\", \"自来水集团\"]\n\
    [[category.second]]\nname = \"环卫\"\n\
    [[category.second.third]]\nname = \"清运\"\n";
pub(in crate::casework) const UNITS: &str = "[desk]\nname = \"派单台\"\nchannel = \"log\"\n\
    [street]\nchannel = \"log\"\nduty = [\"sip:{code}@duty\", \"sip:9{code}@duty\"]\nnight = [\"sip:7{code}@duty\"]\n\
    [street.hours]\nworkday = [\"09:00-18:00\"]\n\
    [district]\nchannel = \"none\"\nduty = [\"sip:0{code}@duty\"]\n\
    [[special]]\ntype = \"表扬\"\nreason = \"thanks are counted\"\n\
    [[unit]]\nname = \"自来水集团\"\ncode = \"water\"\nkind = \"enterprise\"\nchannel = \"telephone\"\nduty = [\"sip:1@192.0.2.1\"]\n\
    [[unit]]\ncode = \"112\"\nchannel = \"none\"\n";

/// The small city of the tests, with these units.
pub(in crate::casework) fn city(units: &str) -> (Catalogue, Places, Units, Vec<String>) {
    let faults = Faults::default();
    let source = |name: &str, text: &str| Source::new(name, text);
    let catalogue = Catalogue::read(&[source("catalogue/c.toml", CATALOGUE)], &faults);
    let places = [("city", PLACES), ("east", EAST), ("west", WEST)];
    let places = Places::read(&places.map(|(name, text)| source(&format!("places/{name}.toml"), text)), &faults);
    assert!(faults.is_empty(), "{faults}");
    let units = Units::read(&[source("units/u.toml", units)], &catalogue, &places, &faults);
    (catalogue, places, units, faults.sorted().iter().map(Fault::to_string).collect())
}

#[test]
fn every_street_and_every_branch_is_an_office_whether_written_of_or_not() {
    let (_, _, units, faults) = city(UNITS);
    assert_eq!(faults, Vec::<String>::new());
    let street = units.office("111").expect("of places/");
    assert_eq!(
        (street.name.as_str(), street.kind, street.district.as_deref()),
        ("城东区柳林街道", Kind::Street, Some("11"))
    );
    assert_eq!(street.channel, Channel::Backend("log".into()));
    let branch = units.find("城西区教委").expect("of the catalogue");
    assert_eq!((branch.kind, branch.district.as_deref()), (Kind::Department, Some("22")));
    let water = units.find("自来水集团").expect("by the catalogue's name");
    assert_eq!((water.code.as_str(), water.kind), ("water", Kind::Enterprise));
    // 1 desk, 2 districts, 3 streets, water, 市教委 and its 2 branches.
    assert_eq!(units.iter().count(), 10);
}

#[test]
fn who_says_more_of_itself_keeps_what_its_kind_says_of_the_rest() {
    let (_, _, units, _) = city(UNITS);
    let quiet = units.office("112").expect("of places/");
    assert_eq!((quiet.channel.clone(), quiet.name.as_str()), (Channel::None, "城东区河口街道"));
    let day: DateTime = "2026-03-04T10:00".parse().expect("a time");
    assert_eq!(quiet.on_duty(&Calendar::default(), day), ["sip:112@duty", "sip:9112@duty"]);
}

#[test]
fn at_night_others_answer() {
    let (_, _, units, _) = city(UNITS);
    let at = |time: &str, code: &str| {
        let time: DateTime = time.parse().expect("a time");
        units.office(code).expect("of places/").on_duty(&Calendar::default(), time).to_vec()
    };
    // A Wednesday, a Saturday.
    assert_eq!(at("2026-03-04T17:59", "111"), ["sip:111@duty", "sip:9111@duty"]);
    assert_eq!(at("2026-03-04T18:00", "111"), ["sip:7111@duty"]);
    assert_eq!(at("2026-03-07T10:00", "111"), ["sip:7111@duty"]);
    assert_eq!(at("2026-03-04T23:00", "11"), ["sip:011@duty"], "no night numbers: the same");
}

#[test]
fn every_fault_at_once() {
    let bad = "[street]\nchanel = \"log\"\n[department]\nduty = [\"sip:{code}@duty\"]\n\
        [[unit]]\ncode = \"999\"\n[[unit]]\nname = \"X\"\nkind = \"desk\"\ndistrict = \"111\"\n\
        [[unit]]\ncode = \"111\"\n[[unit]]\ncode = \"111\"\n[[special]]\ntype = \"诉苦\"\nreason = \"-\"\n";
    let (_, _, _, faults) = city(bad);
    let expected = [
        "units/u.toml:2:1: street.chanel: unknown key; did you mean channel?",
        "units/u.toml:4:8: department.duty: \"sip:{code}@duty\": only streets and districts have codes that can be dialled",
        "units/u.toml:5:1: unit[0].name: neither places/ nor catalogue/ has a unit with the code 999; write its name",
        "units/u.toml:9:8: unit[1].kind: \"desk\" is no kind; write street, district, department or enterprise",
        "units/u.toml:10:12: unit[1].district: no district has the code 111",
        "units/u.toml:13:1: unit[3].code: the unit 111 is written of already (units/u.toml:11:1); put the two together",
        "units/u.toml:15:1: special[0].type: nothing says which requests are meant",
        "units/u.toml:16:8: special[0].type: \"诉苦\" is no type of request; write one of catalogue/types.toml",
    ];
    for part in expected {
        assert!(faults.iter().any(|fault| fault.starts_with(part)), "{part} is missing in\n{}", faults.join("\n"));
    }
    assert!(faults.iter().any(|fault| fault.contains("no file has a [desk]")), "{faults:?}");
}
