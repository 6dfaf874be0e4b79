//! Client transactions (RFC 3261 section 17.1, INVITE with RFC 6026's Accepted state).

use std::time::Duration;

use bytes::Bytes;

use super::server::Todo;
use super::timing::Timing;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing came yet (RFC: Calling, Trying).
    Calling,
    Proceeding,
    /// A final response (for INVITE: not 2xx) came.
    Completed,
    /// A 2xx to an INVITE came; its repetitions go to the user (RFC 6026 section 7.2).
    Accepted,
}

/// One client transaction.
#[derive(Debug)]
pub struct Client {
    invite: bool,
    reliable: bool,
    timing: Timing,
    state: State,
    request: Bytes,
    interval: Duration,
}

impl Client {
    /// The transaction and its first sending.
    pub fn start(invite: bool, reliable: bool, timing: Timing, request: Bytes) -> (Client, Todo) {
        let client = Client { invite, reliable, timing, state: State::Calling, request, interval: timing.t1 };
        let todo = Todo {
            send: Some(client.request.clone()),
            again: (!reliable).then_some(timing.t1), // A, E
            end: Some(timing.long()),                // B, F
            ..Todo::default()
        };
        (client, todo)
    }

    pub fn is_invite(&self) -> bool {
        self.invite
    }

    /// Whether a provisional response came and no final one: only then may a CANCEL be sent (section 9.1).
    pub fn is_proceeding(&self) -> bool {
        self.state == State::Proceeding
    }

    pub fn is_calling(&self) -> bool {
        self.state == State::Calling
    }

    pub fn request(&self) -> &Bytes {
        &self.request
    }

    /// A response. The second value: whether the user is to see it.
    pub fn response(&mut self, code: u16) -> (Todo, bool) {
        let mut todo = Todo::default();
        match (self.state, code) {
            (State::Calling | State::Proceeding, 100..=199) => {
                self.state = State::Proceeding;
                if self.invite {
                    // No B any more: ringing is bounded by the user.
                    todo.quiet = true;
                    todo.end = Some(Duration::from_secs(180)); // timer C of section 16.6, in case the user sets none
                } else if !self.reliable {
                    self.interval = self.timing.t2; // section 17.1.2.2
                }
                (todo, true)
            }
            (State::Calling | State::Proceeding, 200..=299) if self.invite => {
                self.state = State::Accepted;
                (Todo { quiet: true, end: Some(self.timing.long()), ..todo }, true) // M
            }
            (State::Accepted, 200..=299) => (todo, true),
            (State::Calling | State::Proceeding, _) => {
                self.state = State::Completed;
                let end = match (self.invite, self.reliable) {
                    (_, true) => Duration::ZERO,
                    (true, false) => self.timing.long().max(Duration::from_secs(32)), // D: at least 32 s
                    (false, false) => self.timing.t4,                                 // K
                };
                (Todo { quiet: true, end: Some(end), ..todo }, true)
            }
            (State::Completed | State::Accepted, _) => (todo, false),
        }
    }

    /// Whether a final response that comes (again) must be acknowledged by the transaction: non-2xx to INVITE.
    pub fn acknowledges(&self, code: u16) -> bool {
        self.invite && code >= 300 && self.state == State::Completed
    }

    /// Timers A and E.
    pub fn again(&mut self) -> Todo {
        let runs = match self.state {
            State::Calling => true,
            State::Proceeding => !self.invite,
            State::Completed | State::Accepted => false,
        };
        if !runs {
            return Todo::default();
        }
        // A doubles without limit (B ends it); E stops at T2.
        self.interval = if self.invite { self.interval * 2 } else { self.timing.doubled(self.interval) };
        Todo { send: Some(self.request.clone()), again: Some(self.interval), ..Todo::default() }
    }

    /// Timers B, D, F, K, M.
    pub fn ended(&self) -> Todo {
        let timed_out = matches!(self.state, State::Calling | State::Proceeding);
        Todo { over: true, quiet: true, timed_out, ..Todo::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(invite: bool, reliable: bool) -> (Client, Todo) {
        Client::start(invite, reliable, Timing::default(), Bytes::from_static(b"request"))
    }

    #[test]
    fn invite_is_repeated_until_a_provisional_response() {
        let (mut tx, todo) = start(true, false);
        assert_eq!((todo.again, todo.end), (Some(Duration::from_millis(500)), Some(Duration::from_secs(32))));
        let waits: Vec<_> = (0..5).map(|_| tx.again().again.expect("A runs").as_millis()).collect();
        assert_eq!(waits, [1000, 2000, 4000, 8000, 16000]);
        assert!(tx.ended().timed_out);
        assert!(tx.response(100).0.quiet && tx.is_proceeding());
        assert_eq!(tx.again(), Todo::default());
    }

    #[test]
    fn a_refusal_is_acknowledged_each_time_it_comes_but_told_once() {
        let (mut tx, _) = start(true, false);
        let (todo, told) = tx.response(486);
        assert!(told && tx.acknowledges(486));
        assert_eq!(todo.end, Some(Duration::from_secs(32)));
        assert!(!tx.response(486).1 && tx.acknowledges(486));
    }

    #[test]
    fn every_200_goes_to_the_user() {
        let (mut tx, _) = start(true, false);
        assert!(tx.response(200).1 && tx.response(200).1);
        assert!(!tx.response(486).1);
    }

    #[test]
    fn other_requests_are_repeated_up_to_t2() {
        let (mut tx, _) = start(false, false);
        let waits: Vec<_> = (0..4).map(|_| tx.again().again.expect("E runs").as_millis()).collect();
        assert_eq!(waits, [1000, 2000, 4000, 4000]);
        assert_eq!(tx.response(200).0.end, Some(Duration::from_secs(5)));
        assert_eq!(start(false, true).1.again, None);
    }
}
