//! Server transactions (RFC 3261 section 17.2, INVITE with RFC 6026's Accepted state).
//!
//! A machine knows neither socket nor clock: it is told what came or fell due and says what to do.

use std::time::Duration;

use bytes::Bytes;

use super::timing::Timing;

/// What a transaction wants done, in this order: send, set or clear timers, end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Todo {
    pub send: Option<Bytes>,
    /// The retransmission timer (A, E, G).
    pub again: Option<Duration>,
    /// The transaction's own end or time-out (B, D, F, H, I, J, K, L, M).
    pub end: Option<Duration>,
    /// Stop retransmitting.
    pub quiet: bool,
    /// The transaction is over: forget it.
    pub over: bool,
    /// The transaction timed out (B, F, H): its user must know.
    pub timed_out: bool,
}

impl Todo {
    fn send(bytes: Option<Bytes>) -> Todo {
        Todo { send: bytes, ..Todo::default() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No final response yet.
    Proceeding,
    /// A final response (for INVITE: not 2xx) was sent.
    Completed,
    /// The ACK for a non-2xx came.
    Confirmed,
    /// A 2xx was sent: repeated INVITEs are absorbed, the dialog repeats the 2xx (RFC 6026 section 7.1).
    Accepted,
}

/// One server transaction.
#[derive(Debug)]
pub struct Server {
    invite: bool,
    reliable: bool,
    timing: Timing,
    state: State,
    last: Option<Bytes>,
    interval: Duration,
}

impl Server {
    /// `reliable`: TCP and the like, where nothing is repeated (but 2xx).
    pub fn new(invite: bool, reliable: bool, timing: Timing) -> Server {
        Server { invite, reliable, timing, state: State::Proceeding, last: None, interval: timing.t1 }
    }

    pub fn is_invite(&self) -> bool {
        self.invite
    }

    /// Whether a final response is still owed.
    pub fn is_pending(&self) -> bool {
        self.state == State::Proceeding
    }

    /// The same request again.
    pub fn repeated(&self) -> Todo {
        match self.state {
            State::Proceeding | State::Completed => Todo::send(self.last.clone()),
            State::Confirmed | State::Accepted => Todo::default(),
        }
    }

    /// The user's response.
    pub fn respond(&mut self, code: u16, bytes: Bytes) -> Todo {
        if self.state != State::Proceeding {
            return Todo::default();
        }
        let mut todo = Todo::send(Some(bytes.clone()));
        self.last = Some(bytes);
        match (self.invite, code) {
            (_, 100..=199) => {}
            (true, 200..=299) => {
                // Timer L. The bytes are the dialog's to repeat.
                self.state = State::Accepted;
                self.last = None;
                todo.end = Some(self.timing.long());
            }
            (true, _) => {
                // Timers G and H.
                self.state = State::Completed;
                todo.again = (!self.reliable).then_some(self.interval);
                todo.end = Some(self.timing.long());
            }
            (false, _) => {
                // Timer J: zero over a reliable transport.
                self.state = State::Completed;
                todo.end = Some(if self.reliable { Duration::ZERO } else { self.timing.long() });
            }
        }
        todo
    }

    /// The ACK of a non-2xx response.
    pub fn acknowledged(&mut self) -> Todo {
        if !self.invite || self.state != State::Completed {
            return Todo::default();
        }
        self.state = State::Confirmed;
        self.last = None;
        // Timer I.
        let end = if self.reliable { Duration::ZERO } else { self.timing.t4 };
        Todo { quiet: true, end: Some(end), ..Todo::default() }
    }

    /// Timer G.
    pub fn again(&mut self) -> Todo {
        if self.state != State::Completed || !self.invite {
            return Todo::default();
        }
        self.interval = self.timing.doubled(self.interval);
        Todo { send: self.last.clone(), again: Some(self.interval), ..Todo::default() }
    }

    /// Timers H, I, J, L.
    pub fn ended(&self) -> Todo {
        let timed_out = self.invite && self.state == State::Completed;
        Todo { over: true, quiet: true, timed_out, ..Todo::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: fn() -> Timing = Timing::default;

    fn bytes() -> Bytes {
        Bytes::from_static(b"response")
    }

    #[test]
    fn invite_refused_over_udp() {
        let mut tx = Server::new(true, false, T());
        assert_eq!(tx.repeated(), Todo::default());
        tx.respond(100, bytes());
        assert_eq!(tx.repeated().send, Some(bytes()));
        let todo = tx.respond(486, bytes());
        assert_eq!((todo.again, todo.end), (Some(T().t1), Some(T().long())));
        let waits: Vec<_> = (0..5).map(|_| tx.again().again.expect("G runs").as_millis()).collect();
        assert_eq!(waits, [1000, 2000, 4000, 4000, 4000]);
        let todo = tx.acknowledged();
        assert_eq!((todo.quiet, todo.end, todo.send), (true, Some(T().t4), None));
        assert_eq!(tx.repeated(), Todo::default(), "confirmed absorbs");
        assert!(!tx.ended().timed_out);
    }

    #[test]
    fn a_missing_ack_is_a_time_out() {
        let mut tx = Server::new(true, false, T());
        tx.respond(486, bytes());
        assert!(tx.ended().timed_out);
    }

    #[test]
    fn an_accepted_invite_absorbs_its_repetitions() {
        let mut tx = Server::new(true, false, T());
        let todo = tx.respond(200, bytes());
        assert_eq!((todo.send, todo.again, todo.end), (Some(bytes()), None, Some(T().long())));
        assert_eq!(tx.repeated(), Todo::default());
        assert_eq!(tx.acknowledged(), Todo::default());
    }

    #[test]
    fn other_requests() {
        let mut udp = Server::new(false, false, T());
        assert_eq!(udp.respond(200, bytes()).end, Some(T().long()));
        assert_eq!(udp.repeated().send, Some(bytes()));
        assert_eq!(udp.respond(500, bytes()), Todo::default(), "the first final response stands");
        assert_eq!(Server::new(false, true, T()).respond(200, bytes()).end, Some(Duration::ZERO));
    }
}
