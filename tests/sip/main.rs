//! SIP without sockets: torture files, attacks, two endpoints over a bad link, and a second opinion.
//!
//! Needs only the cores. Torture files lie in `$JIESU_SHARED/sip-torture` (or `../shared` beside the checkout); where
//! they are missing the tests that need them say so and pass.

mod calls;
mod desk;
mod differential;
mod extensions;
mod link;
mod login;
mod midcall;
mod outside;
mod overload;
mod redirect;
mod soup;
mod syntax;
mod torture;
mod trust;
