//! Spoken addresses, drawn at test time, against the shipped places: the right street office where one can be meant, a
//! question where several can, and never surely a wrong district.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use jiesu::catalogue::Places;
use jiesu::catalogue::text::Text;
use jiesu::classify::place::{Placed, read};
use jiesu::written::{Faults, Source};

#[path = "places/sentences.rs"]
mod sentences;

use sentences::{Lists, Sentence};

const SENTENCES: usize = 1000;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn places() -> &'static Places {
    static SHIPPED: OnceLock<Places> = OnceLock::new();
    SHIPPED.get_or_init(|| {
        let faults = Faults::default();
        let entries = std::fs::read_dir(folder("config/places")).expect("it ships");
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
        files.sort();
        let source = |file: &PathBuf| Source::new(file, std::fs::read_to_string(file).expect("it is text"));
        let places = Places::read(&files.iter().map(source).collect::<Vec<_>>(), &faults);
        assert!(faults.is_empty(), "{faults}");
        places
    })
}

/// The shared lists, else the shipped ones.
fn lists() -> &'static Lists {
    static LISTS: OnceLock<Lists> = OnceLock::new();
    LISTS.get_or_init(|| {
        let shared = std::env::var_os("SHARED").map_or_else(|| folder("../shared"), PathBuf::from);
        Lists::shared(&shared.join("data/places")).unwrap_or_else(|| {
            eprintln!("{}: no lists of places; drawn from config/places instead", shared.display());
            Lists::shipped(&folder("config/places"))
        })
    })
}

#[derive(Debug, Default)]
struct Score {
    clear: usize,
    clear_right: usize,
    open: usize,
    /// A question that names the right one, no more than the right district, or the right one all the same.
    open_fair: usize,
    surely_wrong_district: usize,
    misses: Vec<String>,
}

impl Score {
    fn add(&mut self, sentence: &Sentence) {
        let text = Text::new(&sentence.text);
        let placed = read(places(), &text, &[]);
        let is = |found: &jiesu::classify::place::Found| {
            let area = places().area(found.area);
            area.name == sentence.street && places().area(area.district).name == sentence.district
        };
        let is_district = |found: &jiesu::classify::place::Found| places().area(found.area).name == sentence.district;
        let right = match &placed {
            Placed::Sure(found) => is(found) || (!sentence.clear && is_district(found)),
            Placed::Ask { candidates, .. } => !sentence.clear && candidates.iter().any(is),
            Placed::Nowhere => false,
        };
        let (all, good) = if sentence.clear {
            (&mut self.clear, &mut self.clear_right)
        } else {
            (&mut self.open, &mut self.open_fair)
        };
        *all += 1;
        *good += usize::from(right);
        if let Placed::Sure(found) = &placed {
            let district = &places().area(places().area(found.area).district).name;
            self.surely_wrong_district += usize::from(*district != sentence.district);
        }
        if !right {
            let names =
                |f: &jiesu::classify::place::Found| format!("{} {:.2}", places().area(f.area).name, f.confidence);
            let told: Vec<String> = placed.candidates().iter().take(4).map(names).collect();
            let kind = if sentence.clear { "clear" } else { "open" };
            let asked = if matches!(placed, Placed::Ask { .. }) { "asked" } else { "told" };
            self.misses.push(format!(
                "{kind} {}: {}{}, {asked} {}",
                sentence.text,
                sentence.district,
                sentence.street,
                told.join(" ")
            ));
        }
    }

    fn share(good: usize, all: usize) -> f64 {
        good as f64 / all.max(1) as f64
    }
}

fn score(share: f64, count: usize) -> Score {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| rand::rng().random());
    println!("SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut score = Score::default();
    for _ in 0..count {
        let mut sentence = lists().draw(&mut rng);
        if share > 0.0 {
            sentence.text = lists().misheard(&sentence.text, share, &mut rng);
        }
        score.add(&sentence);
    }
    println!(
        "{} of {} clear ones right, {} of {} open ones asked about or right, {} surely in a wrong district",
        score.clear_right, score.clear, score.open_fair, score.open, score.surely_wrong_district
    );
    for miss in score.misses.iter().take(40) {
        println!("  {miss}");
    }
    score
}

#[test]
fn a_clear_address_is_found_and_an_open_one_asked_about() {
    let score = score(0.0, SENTENCES);
    assert!(Score::share(score.clear_right, score.clear) >= 0.97);
    assert!(Score::share(score.open_fair, score.open) >= 0.85);
    assert_eq!(score.surely_wrong_district, 0);
}

#[test]
fn one_character_in_ten_may_be_another_of_the_same_sound() {
    let score = score(0.1, SENTENCES);
    assert!(Score::share(score.clear_right, score.clear) >= 0.9);
    assert!(Score::share(score.surely_wrong_district, SENTENCES) <= 0.015);
}
