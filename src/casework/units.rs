//! Who may be put in charge: the city's offices, how each is told, and who answers its telephone at night.
//!
//! Owns the files under `units/` and what follows from them: every street and district of `places/`, every unit that the
//! catalogue names and its branch in each district is an office with a code, whether a file writes of it or not; its
//! kind's section says what it does not say itself. The street offices of a city need not be written one by one. Knows
//! no ticket (`dispatch`) and calls nobody.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use jiff::civil::DateTime;

use crate::calendar::{Calendar, Hours};
use crate::catalogue::{Area, Catalogue, Level, Places, Unit};
use crate::written::{Faults, Place, Source, Table, Value, Written};

/// Stands for the office's own code in a number that holds for many.
const CODE: &str = "{code}";

/// So many numbers may stand in one list.
const MOST_NUMBERS: usize = 16;

/// What an office is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 派单台: has what nobody else can be found for, and what is not dispatched (art. 11).
    Desk,
    Street,
    District,
    Department,
    /// Water, power, gas, heat.
    Enterprise,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Desk, Kind::Street, Kind::District, Kind::Department, Kind::Enterprise];

    /// The word of the files and of `--json`.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Desk => "desk",
            Kind::Street => "street",
            Kind::District => "district",
            Kind::Department => "department",
            Kind::Enterprise => "enterprise",
        }
    }

    fn read(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.code() == text)
    }
}

/// How an office hears of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// By nothing of ours: it looks into its own list.
    None,
    /// It is called, whatever the ticket's urgency.
    Telephone,
    /// A `[[backend]]` of this name takes it there: its own system, a gateway for short messages.
    Backend(String),
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Channel::None => f.write_str("none"),
            Channel::Telephone => f.write_str("telephone"),
            Channel::Backend(name) => f.write_str(name),
        }
    }
}

/// One unit that can be in charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Office {
    /// What the log of a case calls it: the code of `places/`, the one in its file, else its name.
    pub code: String,
    pub name: String,
    pub kind: Kind,
    /// The code of the district that it is in or is a branch of: who is told when it does not answer.
    pub district: Option<String>,
    pub channel: Channel,
    /// SIP addresses, in the order in which they are called.
    duty: Vec<String>,
    /// The same outside its hours; none: as in them.
    night: Vec<String>,
    hours: Option<Hours>,
    /// Where that is written.
    pub ruled: Option<Place>,
}

impl Office {
    /// Whether somebody is there at this time; without hours always.
    pub fn is_open(&self, calendar: &Calendar, now: DateTime) -> bool {
        self.hours.as_ref().is_none_or(|hours| hours.open(calendar, now))
    }

    /// Who is called at this time, in order.
    pub fn on_duty(&self, calendar: &Calendar, now: DateTime) -> &[String] {
        let open = self.is_open(calendar, now);
        if open || self.night.is_empty() { &self.duty } else { &self.night }
    }
}

/// Requests that are not dispatched to whoever has the matter (art. 11): the desk has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Special {
    /// A request type, or a category's name or path.
    kind: Option<String>,
    category: Option<String>,
    /// What is done instead, for whoever reads why.
    pub reason: String,
    pub ruled: Place,
}

impl Special {
    /// Whether a ticket of this type and category is one.
    pub fn is(&self, kind: &str, category: &[String; 3]) -> bool {
        let within = |path: &String| path.split('/').zip(category).all(|(name, own)| name.trim() == own);
        self.kind.as_deref().is_none_or(|own| own == kind) && self.category.as_ref().is_none_or(within)
    }
}

/// The files under `units/`, checked, and every office that follows from them.
#[derive(Debug)]
pub struct Units {
    offices: HashMap<String, Arc<Office>>,
    /// Codes by names.
    names: HashMap<String, String>,
    desk: Arc<Office>,
    specials: Vec<Special>,
    /// Numbers and channels where they are written: others know what can be called and what is plugged in.
    numbers: Vec<Written<String>>,
    channels: Vec<Written<String>>,
}

impl Units {
    /// Reads every file under `units/`; what is wrong goes to `faults`. The names of the files mean nothing.
    pub fn read(sources: &[Source], catalogue: &Catalogue, places: &Places, faults: &Faults) -> Units {
        let mut reader = Reader::default();
        let mut tables: Vec<Table<'_>> = sources.iter().filter_map(|source| source.read(faults)).collect();
        for table in &mut tables {
            reader.kinds(table);
            reader.specials(table, catalogue);
        }
        reader.follow(catalogue, places);
        for mut table in tables {
            for unit in table.tables("unit") {
                reader.unit(unit);
            }
            table.finish();
        }
        if reader.desk.is_none() && !sources.is_empty() {
            let folder = sources.first().and_then(|source| source.file().parent()).unwrap_or("units".as_ref());
            faults.file(folder, "no file has a [desk]", "write [desk]: who has the tickets that nobody else has");
        }
        reader.whole()
    }

    /// Who has what nobody else has.
    pub fn desk(&self) -> &Arc<Office> {
        &self.desk
    }

    pub fn office(&self, code: &str) -> Option<&Arc<Office>> {
        self.offices.get(code)
    }

    /// By code or by name.
    pub fn find(&self, text: &str) -> Option<&Arc<Office>> {
        self.offices.get(text).or_else(|| self.offices.get(self.names.get(text)?))
    }

    /// The office that a unit of the catalogue is at this place.
    pub fn of(&self, unit: &Unit, district: Option<&Area>, street: Option<&Area>) -> Option<&Arc<Office>> {
        match unit {
            Unit::Street => self.offices.get(&street.or(district)?.code),
            Unit::Named { .. } => self.find(&unit.name(district.map(|area| area.name.as_str()), None)?),
        }
    }

    pub fn specials(&self) -> &[Special] {
        &self.specials
    }

    /// Every office, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Office>> {
        self.offices.values()
    }

    /// Every number as it is written (with `{code}` filled in by that of some street).
    pub fn numbers(&self) -> &[Written<String>] {
        &self.numbers
    }

    /// Every backend's name as it is written.
    pub fn channels(&self) -> &[Written<String>] {
        &self.channels
    }
}

impl Default for Units {
    fn default() -> Units {
        Reader::default().whole()
    }
}

/// What a section says of an office, or of all of a kind.
#[derive(Debug, Clone, Default)]
struct Reached {
    channel: Option<Channel>,
    duty: Option<Vec<String>>,
    night: Option<Vec<String>>,
    hours: Option<Hours>,
    ruled: Option<Place>,
}

#[derive(Default)]
struct Reader {
    kinds: HashMap<Kind, Reached>,
    desk: Option<Office>,
    offices: HashMap<String, Office>,
    names: HashMap<String, String>,
    written: HashMap<String, Place>,
    specials: Vec<Special>,
    numbers: Vec<Written<String>>,
    channels: Vec<Written<String>>,
}

impl Reader {
    /// `[desk]`, and the sections of the kinds.
    fn kinds(&mut self, file: &mut Table<'_>) {
        for kind in Kind::ALL {
            let Some(mut table) = file.table(kind.code()) else { continue };
            if kind == Kind::Desk {
                let code = table.text("code").or("desk");
                let name = table.text("name").or("派单台");
                let reached = self.reached(&mut table, kind);
                if self.desk.is_some() {
                    table.fault("name", "there is a [desk] already", "leave one of the two");
                }
                self.desk = Some(reached.office(code, name, kind, None));
            } else {
                let reached = self.reached(&mut table, kind);
                if self.kinds.insert(kind, reached).is_some() {
                    table.fault("channel", format!("there is a [{}] already", kind.code()), "put the two together");
                }
            }
            table.finish();
        }
    }

    fn specials(&mut self, file: &mut Table<'_>, catalogue: &Catalogue) {
        for mut table in file.tables("special") {
            let kind = table.text("type").check(|name| match catalogue.kind(name) {
                Some(_) => Ok(name.clone()),
                None => Err((format!("\"{name}\" is no type of request"), "write one of catalogue/types.toml".into())),
            });
            let category = table.text("category").check(|name| match catalogue.categories().find(name) {
                // As a path from the top, without the 其他 that fill it up.
                Some(id) => {
                    let level = catalogue.categories().get(id).level;
                    Ok(catalogue.categories().path(id)[..=level].join("/"))
                }
                None => Err((
                    format!("category \"{name}\" is not in catalogue/"),
                    "write its name, or \"first/second/third\"".into(),
                )),
            });
            let (kind, category) = (kind.get(), category.get());
            let reason =
                table.text("reason").need("what is done instead, as in \"art. 11 (2): name the legal channel\"");
            if kind.is_none() && category.is_none() {
                table.fault("type", "nothing says which requests are meant", "write type, category or both");
            } else {
                self.specials.push(Special { kind, category, reason, ruled: table.place().clone() });
            }
            table.finish();
        }
    }

    /// Every office that places and catalogue have, as its kind's section says.
    fn follow(&mut self, catalogue: &Catalogue, places: &Places) {
        let none = Reached::default();
        let mut all: Vec<Office> = Vec::new();
        for area in places.areas() {
            let district = places.area(area.district);
            let (kind, name) = match area.level {
                Level::District => (Kind::District, area.name.clone()),
                Level::Street => (Kind::Street, format!("{}{}", district.name, area.name)),
            };
            let reached = self.kinds.get(&kind).unwrap_or(&none);
            all.push(reached.office(area.code.clone(), name, kind, Some(district.code.clone())));
        }
        let reached = self.kinds.get(&Kind::Department).unwrap_or(&none);
        let named = catalogue.categories().iter().flat_map(|(_, c)| c.unit.iter().chain(&c.co).chain(&c.copies));
        for unit in named {
            let districts = places.areas().filter(|area| area.level == Level::District).map(Some);
            for district in std::iter::once(None).chain(districts) {
                let Unit::Named { city, .. } = &**unit else { continue };
                let Some(name) = unit.name(district.map(|area| area.name.as_str()), None) else { continue };
                let branch = district.filter(|_| name != *city).map(|area| area.code.clone());
                all.push(reached.office(name.clone(), name, Kind::Department, branch));
            }
        }
        for office in all {
            self.names.entry(office.name.clone()).or_insert_with(|| office.code.clone());
            self.offices.entry(office.code.clone()).or_insert(office);
        }
    }

    /// `[[unit]]`: one that is there already and says more of itself, or another.
    fn unit(&mut self, mut table: Table<'_>) {
        let (code, name) = (table.text("code").get(), table.text("name").get());
        let kind = table.text("kind").check(|text| {
            let known =
                || (format!("\"{text}\" is no kind"), "write street, district, department or enterprise".into());
            Kind::read(text).filter(|kind| *kind != Kind::Desk).ok_or_else(known)
        });
        let kind = kind.get();
        let district = table.text("district").check(|code| match self.offices.get(code) {
            Some(office) if office.kind == Kind::District => Ok(code.clone()),
            _ => {
                Err((format!("no district has the code {code}"), "write its code of places/, as in \"110105\"".into()))
            }
        });
        let district = district.get();
        let known = code.as_ref().filter(|code| self.offices.contains_key(*code)).cloned();
        let known = known.or_else(|| self.names.get(name.as_ref()?).cloned());
        let there = known.and_then(|code| self.offices.remove(&code));
        let (code, name) = match (&there, code, name) {
            (Some(there), code, name) => (code.unwrap_or(there.code.clone()), name.unwrap_or(there.name.clone())),
            (None, code, Some(name)) => (code.unwrap_or_else(|| name.clone()), name),
            (None, code, None) => {
                let what = code.map_or("nothing says which unit it is".to_owned(), |code| {
                    format!("neither places/ nor catalogue/ has a unit with the code {code}")
                });
                table.fault("name", what, "write its name");
                self.reached(&mut table, kind.unwrap_or(Kind::Department));
                return table.finish();
            }
        };
        let kind = kind.or(there.as_ref().map(|there| there.kind)).unwrap_or(Kind::Department);
        let own = self.reached(&mut table, kind);
        let district = district.or_else(|| there.as_ref()?.district.clone());
        let office = own.over(self.kinds.get(&kind)).office(code.clone(), name.clone(), kind, district);
        self.names.insert(name, code.clone());
        if let Some(there) = there.filter(|there| there.name != office.name) {
            // The catalogue and the places go on calling it so.
            self.names.insert(there.name, code.clone());
        }
        match self.written.entry(code.clone()) {
            Entry::Occupied(first) => {
                let what = format!("the unit {code} is written of already ({})", first.get());
                table.fault("code", what, "put the two together");
            }
            Entry::Vacant(place) => {
                place.insert(table.place().clone());
            }
        }
        self.offices.insert(code, office);
        table.finish();
    }

    /// How an office of this kind is reached.
    fn reached(&mut self, table: &mut Table<'_>, kind: Kind) -> Reached {
        let channel = table.text("channel").written().map(|written| match written.value.as_str() {
            "none" => Channel::None,
            "telephone" => Channel::Telephone,
            name => {
                let channel = Channel::Backend(name.to_owned());
                self.channels.push(written);
                channel
            }
        });
        let lists = ["duty", "night"].map(|key| self.numbers(table.texts(key), kind));
        let [duty, night] = lists;
        let hours = table.table("hours").map(|mut hours| {
            let read = Hours::read(&mut hours);
            hours.finish();
            read
        });
        Reached { channel, duty, night, hours, ruled: Some(table.place().clone()) }
    }

    fn numbers(&mut self, value: Value<Vec<Written<String>>>, kind: Kind) -> Option<Vec<String>> {
        let many = matches!(kind, Kind::Street | Kind::District);
        let list = value.check(|list| {
            if list.len() > MOST_NUMBERS {
                return Err((format!("more than {MOST_NUMBERS} numbers"), "leave those that answer".to_owned()));
            }
            match list.iter().find(|number| number.value.contains(CODE) && !many) {
                Some(number) => Err((
                    format!("\"{}\": only streets and districts have codes that can be dialled", number.value),
                    "write the number of a [[unit]] of its own".to_owned(),
                )),
                None => Ok(list.clone()),
            }
        });
        let list = list.written()?;
        for number in &list.value {
            // One text alone has no place of its own.
            let place = if number.place == Place::default() { list.place.clone() } else { number.place.clone() };
            let value = number.value.replace(CODE, "110105026");
            self.numbers.push(Written { value, place, key: number.key.clone() });
        }
        Some(list.value.into_iter().map(|number| number.value).collect())
    }

    fn whole(mut self) -> Units {
        let desk = self
            .desk
            .take()
            .unwrap_or_else(|| Reached::default().office("desk".to_owned(), "派单台".to_owned(), Kind::Desk, None));
        let desk = Arc::new(desk);
        let mut offices: HashMap<String, Arc<Office>> =
            self.offices.into_iter().map(|(code, office)| (code, Arc::new(office))).collect();
        offices.insert(desk.code.clone(), desk.clone());
        self.names.insert(desk.name.clone(), desk.code.clone());
        let Reader { names, specials, numbers, channels, .. } = Reader { offices: HashMap::new(), ..self };
        Units { offices, names, desk, specials, numbers, channels }
    }
}

impl Reached {
    /// What is not said here is as the kind says.
    fn over(self, kind: Option<&Reached>) -> Reached {
        let Some(kind) = kind else { return self };
        Reached {
            channel: self.channel.or_else(|| kind.channel.clone()),
            duty: self.duty.or_else(|| kind.duty.clone()),
            night: self.night.or_else(|| kind.night.clone()),
            hours: self.hours.or_else(|| kind.hours.clone()),
            ruled: self.ruled,
        }
    }

    fn office(&self, code: String, name: String, kind: Kind, district: Option<String>) -> Office {
        let numbers = |list: &Option<Vec<String>>| {
            let own = |number: &String| number.replace(CODE, &code);
            list.iter().flatten().map(own).collect()
        };
        Office {
            duty: numbers(&self.duty),
            night: numbers(&self.night),
            channel: self.channel.clone().unwrap_or(Channel::None),
            hours: self.hours.clone(),
            ruled: self.ruled.clone(),
            code,
            name,
            kind,
            district,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
