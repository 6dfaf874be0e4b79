//! What one file names must stand in another: nodes, categories with their units, addresses.
//!
//! Owns the comparison only; each file's own reading has found what is wrong within it. Every fault stands where the
//! name is written, not where it is missing.

use std::collections::HashMap;
use std::sync::Arc;

use crate::backend;
use crate::casework::callback::Config;
use crate::casework::{duty, units::Units};
use crate::catalogue::{Catalogue, Urgency};
use crate::ivr::{Flow, Lines, Rules};
use crate::sip::{Trunk, Trunks, Uri};
use crate::written::{Faults, Written};

/// Each line follows a flow that is there.
pub(super) fn followed(lines: &Lines, flows: &HashMap<String, Arc<Flow>>, faults: &Faults) {
    for line in lines.iter() {
        let Written { value: flow, place, key } = &line.flow;
        if !flows.contains_key(flow) {
            let mut known: Vec<&str> = flows.keys().map(String::as_str).collect();
            known.sort_unstable();
            let remedy = format!("write flows/{flow}.toml, or one of: {}", known.join(", "));
            faults.at(place, key, format!("flow \"{flow}\" does not exist"), remedy);
        }
    }
}

/// Whoever was not put through goes on in the flow that they were in.
pub(super) fn goes(flows: &HashMap<String, Arc<Flow>>, rules: &Rules, faults: &Faults) {
    let mut names: Vec<&String> = flows.keys().collect();
    names.sort_unstable();
    for rule in rules.iter().filter(|rule| !rule.go.value.is_empty()) {
        let Written { value: node, place, key } = &rule.go;
        for name in &names {
            if !flows[*name].nodes().any(|known| known == node) {
                let what = format!("flow \"{name}\" has no node \"{node}\"");
                faults.at(place, key, what, format!("write [node.{node}] in flows/{name}.toml, or another node here"));
            }
        }
    }
}

/// What menus and emergencies say about a request must be words of the catalogue, and somebody must be in charge of it.
pub(super) fn hints(flows: &HashMap<String, Arc<Flow>>, rules: &Rules, catalogue: &Catalogue, faults: &Faults) {
    let raised = rules.iter().map(|rule| &rule.hints);
    for Written { value: hints, place, key } in flows.values().flat_map(|flow| flow.hints()).chain(raised) {
        if let Some(category) = &hints.category {
            match catalogue.categories().find(category) {
                None => {
                    let what = format!("category \"{category}\" is not in catalogue/");
                    faults.at(place, key, what, "write a category's name, or \"first/second/third\"");
                }
                Some(id) if catalogue.categories().get(id).unit.is_none() => {
                    let what =
                        format!("no unit is in charge of category \"{category}\": its tickets would reach nobody");
                    faults.at(place, key, what, "write its unit in catalogue/, at the category or at one above it");
                }
                Some(_) => {}
            }
        }
        if let Some(kind) = &hints.kind
            && catalogue.kind(kind).is_none()
        {
            let known: Vec<&str> = catalogue.kinds().iter().map(|kind| kind.name.as_str()).collect();
            faults.at(
                place,
                key,
                format!("\"{kind}\" is no type of request"),
                format!("write one of {}", known.join(" ")),
            );
        }
        if let Some(urgency) = &hints.urgency
            && urgency.parse::<Urgency>().is_err()
        {
            faults.at(place, key, format!("\"{urgency}\" is no urgency"), "write urgent, soon or ordinary");
        }
    }
}

/// People are called back by a flow that is there, at an address that can be called.
pub(super) fn called_back(callback: &Config, flows: &HashMap<String, Arc<Flow>>, trunks: &Trunks, faults: &Faults) {
    let Some(target) = &callback.target else { return };
    let Written { value: flow, place, key } = &callback.flow;
    if !flows.contains_key(flow) {
        let remedy = format!("write flows/out/{flow}.toml");
        faults.at(place, key, format!("outward flow \"{flow}\" does not exist"), remedy);
    }
    // With any number in it.
    callable(&target.0.clone().map(|_| target.of("13800000000")), trunks, faults);
}

/// Where flows transfer to must be an address that can be called.
pub(super) fn targets(flows: &HashMap<String, Arc<Flow>>, rules: &Rules, trunks: &Trunks, faults: &Faults) {
    let raised = rules.iter().flat_map(|rule| &rule.targets);
    for target in flows.values().flat_map(|flow| flow.transfers()).chain(raised) {
        callable(target, trunks, faults);
    }
}

/// Duty numbers can be called and have something to say; the backends that tell units are plugged in.
pub(super) fn units(
    units: &Units,
    trunks: &Trunks,
    backends: &[backend::Config],
    texts: &HashMap<String, String>,
    faults: &Faults,
) {
    for number in units.numbers() {
        callable(number, trunks, faults);
    }
    if let Some(Written { place, key, .. }) = units.numbers().first() {
        for id in duty::PROMPTS.iter().filter(|id| !texts.contains_key(**id)) {
            let remedy = format!("write its text in prompts/prompts.toml: {id} = \"...\"");
            faults.at(place, key, format!("whoever answers is told by prompt \"{id}\", which does not exist"), remedy);
        }
    }
    for Written { value: name, place, key } in units.channels() {
        if !backends.iter().any(|backend| backend.name == *name) {
            let mut known: Vec<&str> = backends.iter().map(|backend| backend.name.as_str()).collect();
            known.extend(["telephone", "none"]);
            let remedy = format!("write [[backend]] in jiesu.toml, or one of: {}", known.join(", "));
            faults.at(place, key, format!("no backend is called \"{name}\""), remedy);
        }
    }
}

/// Somebody can be called at this address.
fn callable(target: &Written<String>, trunks: &Trunks, faults: &Faults) {
    let over = |uri: &Uri<'_>| {
        let trunk = trunks.get(&String::from_utf8_lossy(uri.host));
        trunk.is_some_and(Trunk::is_called) && uri.number().is_some()
    };
    let callable = Uri::parse(target.value.as_bytes()).is_ok_and(|uri| uri.ip().is_some() || over(&uri));
    if !callable {
        let what = format!("\"{}\" cannot be called", target.value);
        faults.at(
            &target.place,
            &target.key,
            what,
            "write sip:NAME@IP-ADDRESS:PORT, or sip:NUMBER@TRUNK with a trunk that has `outbound`",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::Source;

    const CATALOGUE: &str = "[[type]]\nname = \"求助\"\nusual = true\n[[unit]]\nname = \"自来水集团\"\n[category]\n\
        name = \"城乡建设\"\n[[category.second]]\nname = \"供水\"\nunit = \"自来水集团\"\n[[category.second]]\nname = \"路灯\"\n";

    /// What is wrong where a flow's menu says this category.
    fn said(category: &str) -> String {
        let faults = Faults::default();
        let catalogue = Catalogue::read(&[Source::new("c.toml", CATALOGUE)], &faults);
        let flow = format!(
            "start = \"ask\"\ntoo_long = \"bye\"\n[[no_input]]\ngo = \"bye\"\n[[no_match]]\ngo = \"bye\"\n[times]\n\
             [node.ask]\ndo = \"menu\"\nsay = \"ask\"\nchoice = [{{ key = \"1\", go = \"bye\", category = \"{category}\" }}]\n\
             [node.bye]\ndo = \"hangup\"\nsay = \"bye\"\n"
        );
        let flow = Flow::read(&Source::new("f.toml", flow), &faults).unwrap_or_else(|| panic!("{faults}"));
        assert!(faults.is_empty(), "{faults}");
        hints(&HashMap::from([("f".to_owned(), Arc::new(flow))]), &Rules::default(), &catalogue, &faults);
        faults.to_string()
    }

    #[test]
    fn a_category_that_is_there_but_nobodys_is_a_fault_where_it_is_named() {
        assert_eq!(said("供水"), "");
        let lamp = said("路灯");
        assert!(lamp.starts_with("f.toml:11:") && lamp.contains("no unit is in charge of category \"路灯\""), "{lamp}");
        assert!(lamp.contains("write its unit in catalogue/"), "{lamp}");
        assert!(said("路牌").contains("is not in catalogue/"));
    }
}
