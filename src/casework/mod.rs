//! What happens to a ticket after it was filed: who is in charge, by when, who is called back, what it says of those in
//! charge. The rules are pure; clock, store and calls are in `task` files only.

pub mod scores;
pub mod trends;
