//! Where a call goes without being asked: arms of a branch, opening hours, targets.

use super::say::is_variable;
use super::{Name, Reader, go, meant, word};
use crate::calendar::{self, Hours};
use crate::ivr::flow::{Arm, Kind, When};
use crate::ivr::talk::By;
use crate::written::{Table, Written};

use super::say::Known;

impl Reader {
    pub(super) fn arms(&mut self, table: &mut Table<'_>) -> Vec<Arm<Name>> {
        let mut arms = Vec::new();
        for mut entry in table.tables("arm") {
            let when = self.when(&mut entry);
            if when.is_empty() {
                let remedy = "write caller, line, time, load, incident or variable, or use `else`";
                entry.fault("go", "asks for nothing, so it would always be taken", remedy);
            }
            arms.push(Arm { when, go: go(&mut entry, "go") });
            entry.finish();
        }
        if arms.is_empty() {
            table.fault("arm", "a branch without arms", "write arm = [{ time = \"22:00-06:00\", go = \"...\" }]");
        }
        arms
    }

    fn when(&mut self, entry: &mut Table<'_>) -> When {
        let time = entry.text("time").check(|text| {
            calendar::span(text)
                .filter(|span| span.from != span.until)
                .ok_or_else(|| (format!("\"{text}\" is no span of the day"), "write e.g. \"22:00-06:00\"".to_owned()))
        });
        let time = time.get().map(|span| (span.from, span.until));
        let load = entry.has("load").then(|| entry.int("load").or(100, 1..100) as u8);
        let variable = entry.text("variable").written();
        let is = self.list(entry, "is", |_| true, "texts");
        if variable.is_none() && !is.is_empty() {
            entry.fault("is", "of nothing", "write variable = \"name\" beside it");
        }
        if let Some(variable) = &variable {
            match is_variable(&variable.value) {
                Ok(_) => self.uses.variables.push(variable.clone()),
                Err((what, remedy)) => self.faults.at(&variable.place, &variable.key, what, remedy),
            }
        }
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'+');
        When {
            callers: self.list(entry, "caller", digits, "first digits of numbers, e.g. [\"010\", \"+8610\"]"),
            lines: self.list(entry, "line", digits, "dialled numbers, e.g. [\"12319\"]"),
            time,
            load,
            incident: entry.flag("incident").get(),
            variable: variable.map(|variable| (variable.value, is)),
        }
    }

    fn list(&self, entry: &mut Table<'_>, key: &str, fine: impl Fn(&str) -> bool, what: &str) -> Vec<String> {
        let list = entry.texts(key).get().unwrap_or_default();
        if let Some(bad) = list.iter().find(|text| !fine(&text.value)) {
            entry.fault(key, format!("\"{}\" is none", bad.value), format!("write {what}"));
        }
        list.into_iter().map(|text| text.value).collect()
    }

    pub(super) fn opening(&mut self, table: &mut Table<'_>) -> Hours {
        let name = table.text("hours").need_written("a name of [hours], e.g. \"office\"");
        match self.hours.get(&name.value) {
            Some(hours) => {
                self.uses.hours.push(Written { value: hours.value.clone(), place: name.place, key: name.key });
                return hours.value.clone();
            }
            None if name.value.is_empty() => {}
            None => {
                let remedy = match meant(&name.value, self.hours.keys().map(String::as_str)) {
                    Some(known) => format!("did you mean \"{known}\"?"),
                    None => format!("write a section [hours.{}] with workday = [\"08:30-17:30\"]", name.value),
                };
                let what = format!("there are no opening hours \"{}\"", name.value);
                self.faults.at(&name.place, name.key, what, remedy);
            }
        }
        Hours::default()
    }

    pub(super) fn transfer(&mut self, table: &mut Table<'_>) -> Kind<Name> {
        Kind::Transfer {
            say: self.say(table, "say", Known::Call),
            target: self.target(table),
            by: word(table, "by", &By::WORDS).unwrap_or_default(),
            failed: go(table, "failed"),
            ended: table.text("ended").written(),
        }
    }

    pub(super) fn queue(&mut self, table: &mut Table<'_>) -> Kind<Name> {
        let name = table.text("to").need_written("a name of [targets], e.g. \"operator\"");
        let target = self.targets.get(&name.value).cloned();
        if target.is_none() && !name.value.is_empty() {
            let what = format!("\"{}\" is no name of [targets]", name.value);
            self.faults.at(&name.place, name.key, what, format!("known names: {}", self.known_targets()));
        }
        let uri = target.as_ref().map(|target| target.value.clone()).unwrap_or_default();
        target.into_iter().for_each(|target| self.calls(target));
        Kind::Queue {
            name: name.value,
            say: self.say(table, "say", Known::Call),
            target: uri,
            by: word(table, "by", &By::WORDS).unwrap_or_default(),
            failed: go(table, "failed"),
            ended: table.text("ended").written(),
        }
    }

    fn target(&mut self, table: &mut Table<'_>) -> String {
        let to = table.text("to").need_written("a name of [targets], or a SIP address such as \"sip:seat@192.0.2.1\"");
        let target = match self.targets.get(&to.value) {
            Some(uri) => uri.clone(),
            None if to.value.is_empty() => return String::new(),
            None => match sip_address(&to.value) {
                Ok(_) => to,
                Err(_) => {
                    let what = format!("\"{}\" is neither a name of [targets] nor a SIP address", to.value);
                    self.faults.at(&to.place, to.key, what, format!("known names: {}", self.known_targets()));
                    return String::new();
                }
            },
        };
        let uri = target.value.clone();
        self.calls(target);
        uri
    }

    fn known_targets(&self) -> String {
        self.targets.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    fn calls(&mut self, target: Name) {
        if !self.uses.transfers.contains(&target) {
            self.uses.transfers.push(target);
        }
    }
}

pub(in crate::ivr) fn sip_address(text: &String) -> Result<String, (String, String)> {
    let rest = ["sip:", "sips:", "tel:"].iter().find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        Some(rest) if !rest.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            Ok(text.clone())
        }
        _ => Err((format!("\"{text}\" is no SIP address"), "write e.g. \"sip:seats@192.0.2.1:5060\"".to_owned())),
    }
}
