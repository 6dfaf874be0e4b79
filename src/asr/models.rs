//! The loaded models, and which of them hears what. Pure.

use std::sync::Arc;

use super::{Purpose, Recogniser};

/// A recogniser, and where it stands: a worker keeps its ears for it under `slot` until `generation` changes.
#[derive(Clone)]
pub struct Loaded {
    pub slot: usize,
    pub generation: u64,
    pub recogniser: Arc<dyn Recogniser>,
}

/// One place a purpose.
#[derive(Default)]
pub struct Models {
    places: [Option<Loaded>; Models::PLACES],
}

impl Models {
    pub const PLACES: usize = Purpose::ALL.len();

    /// Puts `recogniser` in the place of whatever was meant for `purpose` before.
    pub fn put(&mut self, purpose: Purpose, recogniser: Arc<dyn Recogniser>) {
        let slot = purpose as usize;
        let generation = self.places[slot].as_ref().map_or(0, |loaded| loaded.generation + 1);
        self.places[slot] = Some(Loaded { slot, generation, recogniser });
    }

    /// The one that was meant for `purpose`.
    pub fn meant(&self, purpose: Purpose) -> Option<&Loaded> {
        self.places[purpose as usize].as_ref()
    }

    /// The one that hears for `purpose`. A large model, meant for the background, never keeps a caller waiting: rather
    /// there is no text for now.
    pub fn hears(&self, purpose: Purpose) -> Option<&Loaded> {
        let others = [Purpose::Complaint, Purpose::Choice];
        std::iter::once(purpose).chain(others).find_map(|purpose| self.meant(purpose))
    }

    pub fn count(&self) -> usize {
        self.places.iter().flatten().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asr::{Fault, Worker};

    struct Named(&'static str);

    impl Recogniser for Named {
        fn name(&self) -> &str {
            self.0
        }

        fn worker(&self) -> Result<Box<dyn Worker>, Fault> {
            Err(Fault::Engine("nobody asks".to_owned()))
        }
    }

    fn who(models: &Models) -> [Option<String>; 3] {
        [Purpose::Choice, Purpose::Complaint, Purpose::Correction]
            .map(|purpose| models.hears(purpose).map(|loaded| loaded.recogniser.name().to_owned()))
    }

    #[test]
    fn what_is_missing_is_stood_in_for_but_not_by_the_largest() {
        let mut models = Models::default();
        let named = |names: [Option<&str>; 3]| names.map(|name| name.map(str::to_owned));
        models.put(Purpose::Correction, Arc::new(Named("large")));
        assert_eq!(who(&models), named([None, None, Some("large")]));
        models.put(Purpose::Choice, Arc::new(Named("tiny")));
        assert_eq!(who(&models), named([Some("tiny"), Some("tiny"), Some("large")]));
        models.put(Purpose::Complaint, Arc::new(Named("base")));
        assert_eq!(who(&models), named([Some("tiny"), Some("base"), Some("large")]));
        assert_eq!(models.count(), 3);
        let mut models = Models::default();
        models.put(Purpose::Complaint, Arc::new(Named("base")));
        assert_eq!(who(&models), named([Some("base"); 3]));
    }

    #[test]
    fn another_model_in_the_same_place_is_noticed() {
        let mut models = Models::default();
        for (name, generation) in [("a", 0), ("b", 1)] {
            models.put(Purpose::Choice, Arc::new(Named(name)));
            let loaded = models.meant(Purpose::Choice).expect("put there");
            assert_eq!((loaded.recogniser.name(), loaded.generation), (name, generation));
        }
    }
}
