//! A SIP peer over TLS, and daemons that listen for it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use jiesu::sip::stream::{Framer, Piece};
use jiesu::sip::{Framing, Message};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::certificates::Signed;
use super::{Plan, draw};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A daemon that listens for TLS and shows this.
pub fn listening(shows: &Signed) -> Plan {
    let written = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let mut plan = Plan {
        edits: vec![
            written("#: listen = [\"0.0.0.0:5061\"]", "listen = [\"127.0.0.1:0\"]"),
            written("#: certificate = \"tls/", "certificate = \"tls/"),
            written("#: key = \"tls/", "key = \"tls/"),
        ],
        ..Plan::default()
    };
    plan.files.push(("tls/jiesu.pem".into(), shows.certificate.clone()));
    plan.files.push(("tls/jiesu.key".into(), shows.key.clone()));
    plan
}

/// A connection.
pub struct Line {
    stream: StreamOwned<ClientConnection, TcpStream>,
    framer: Framer,
}

impl Line {
    /// Connects and makes its handshake.
    ///
    /// # Errors
    /// Either side did not believe the other. (In TLS 1.3 the other side's refusal may only be read later.)
    pub fn open(at: SocketAddr, config: ClientConfig) -> io::Result<Line> {
        let socket = TcpStream::connect(at)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let connection = ClientConnection::new(Arc::new(config), at.ip().into()).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Line { stream, framer: Framer::default() })
    }

    pub fn local(&self) -> SocketAddr {
        self.stream.sock.local_addr().expect("it is connected")
    }

    /// What the daemon showed.
    pub fn shown(&self) -> Vec<u8> {
        self.stream.conn.peer_certificates().and_then(<[_]>::first).expect("it showed something").to_vec()
    }

    pub fn send(&mut self, text: &str) {
        // It may have been refused meanwhile; then nothing is heard.
        let _ = self.stream.write_all(text.as_bytes()).and_then(|()| self.stream.flush());
    }

    /// Ends with a RST.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream.sock).set_linger(Some(Duration::ZERO)).expect("a socket option");
    }

    /// The next message, or why none comes any more.
    ///
    /// # Errors
    /// The connection is closed, or nothing came for long.
    pub fn next(&mut self) -> io::Result<Message> {
        loop {
            match self.framer.poll() {
                Ok(Some(Piece::Message(bytes))) => {
                    return Ok(Message::parse(bytes, Framing::Stream).expect("what a daemon sends is SIP"));
                }
                Ok(Some(Piece::Ping)) => {}
                Ok(None) => {
                    let mut buffer = [0; 4096];
                    let length = self.stream.read(&mut buffer)?;
                    if length == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.framer.push(&buffer[..length]);
                }
                Err(error) => panic!("what a daemon sends is framed: {error}"),
            }
        }
    }

    /// A request as a good peer writes it, without a body.
    pub fn ask(&self, method: &str) -> String {
        let (own, call) = (self.local(), draw(u64::MAX));
        format!(
            "{method} sip:12345@127.0.0.1;transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS {own};rport;branch=z9hG4bK{call:x}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:13800001111@{own}>;tag=t{call:x}\r\nTo: <sip:12345@127.0.0.1>\r\n\
             Call-ID: {call:x}\r\nCSeq: 1 {method}\r\nContact: <sip:13800001111@{own};transport=tls>\r\n\
             Content-Length: 0\r\n\r\n"
        )
    }

    /// The code that a request gets.
    ///
    /// # Errors
    /// As [`Line::next`].
    pub fn code(&mut self, method: &str) -> io::Result<u16> {
        let text = self.ask(method);
        self.send(&text);
        self.next().map(|answer| answer.code().unwrap_or(0))
    }
}
