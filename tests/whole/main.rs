//! The whole daemon against real clients: SIPp, baresip, plain sockets. Each test has a network of its own.

#[path = "../house/mod.rs"]
mod house;

mod acceptance;
mod answers;
mod callback;
mod case;
mod codecs;
mod dialogs;
mod dispatch;
mod drawn;
mod drawn_load;
mod drawn_texts;
mod durability;
mod edge;
mod emergency;
mod endings;
mod flows;
mod hearing;
mod junk;
mod kill;
mod kinds;
mod lines;
mod manners;
mod overheard;
mod peers;
mod place;
mod reload;
mod sipp;
mod soak;
mod softphone;
mod spoken_over;
mod states;
mod surge;
mod tls;
mod trace;
mod transfer;
mod trunks;
mod webhook;
mod workers;
