//! SIP: messages, transactions, dialogs (RFC 3261), all without I/O; `task` is the one file with sockets.

pub mod address;
pub mod advertised;
pub mod auth;
pub mod build;
pub mod check;
pub mod client;
pub mod dialog;
pub mod endpoint;
pub mod ladder;
pub mod message;
pub mod multipart;
pub mod name;
pub mod overload;
pub mod parse;
pub mod privacy;
pub mod reason;
pub mod registration;
pub mod server;
pub mod session;
pub mod stream;
#[cfg(feature = "daemon")]
pub mod task;
pub mod timing;
pub mod trunk;
pub mod uri;
pub mod via;

pub use address::NameAddr;
pub use advertised::Advertised;
pub use build::Builder;
pub use endpoint::{Command, DialogId, Endpoint, Event, Flow, Invite, Output, ReferTo, Transport, TrunkName, Why};
pub use message::{Framing, Message};
pub use name::{Method, Name};
pub use reason::Reason;
#[cfg(feature = "daemon")]
pub use task::{Handle, Refusals, Trace};
pub use trunk::{Cidr, Trunk, Trunks, Unlisted};
pub use uri::Uri;
pub use via::Via;
