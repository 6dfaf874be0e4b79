//! The task against real sockets on loopback. Every wait is for something that must come.

use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::*;
use crate::sip::endpoint::{Invite, Why};
use crate::sip::trunk::Trunk;
use crate::written::{Faults, Source};

const SOON: Duration = Duration::from_secs(10);

struct House {
    handle: Handle,
    task: JoinHandle<()>,
    events: mpsc::Receiver<Event>,
    stop: CancellationToken,
    udp: SocketAddr,
    tcp: SocketAddr,
}

fn start(change: impl FnOnce(&mut Config), room: usize) -> House {
    let listen = Listen { address: "127.0.0.1:0".parse().unwrap(), udp: true, tcp: true };
    let mut config = Config { listen: vec![listen], ..Config::default() };
    change(&mut config);
    let local = Trunk::new("local", vec!["127.0.0.1".parse().unwrap()]);
    let bound = bind(&config, Trunks::new(vec![local], Unlisted::Drop)).expect("loopback");
    let (udp, tcp) = (bound.udp()[0], bound.tcp()[0]);
    let (send, events) = mpsc::channel(room);
    let stop = CancellationToken::new();
    let (handle, task) = bound.spawn(send, stop.clone()).expect("in a runtime");
    House { handle, task, events, stop, udp, tcp }
}

/// A request with the least that it needs.
fn request(method: &str, number: u32, call: &str, more: &str) -> String {
    format!(
        "{method} sip:12345@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK{call}{method}{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:110@127.0.0.1>;tag=f{call}\r\nTo: <sip:12345@127.0.0.1>\r\nCall-ID: {call}\r\n\
         CSeq: {number} {method}\r\nContact: <sip:110@127.0.0.1:9>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

struct Phone(UdpSocket);

impl Phone {
    async fn at(ip: &str, server: SocketAddr) -> Phone {
        let socket = UdpSocket::bind((ip, 0)).await.expect("loopback");
        let server =
            if server.ip().is_unspecified() { SocketAddr::new([127, 0, 0, 1].into(), server.port()) } else { server };
        socket.connect(server).await.expect("loopback");
        Phone(socket)
    }

    async fn send(&self, bytes: impl AsRef<[u8]>) {
        self.0.send(bytes.as_ref()).await.expect("loopback");
    }

    async fn hears(&self) -> String {
        let mut buffer = vec![0; 65_536];
        let length = timeout(SOON, self.0.recv(&mut buffer)).await.expect("an answer").expect("loopback");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn heard_nothing(&self) -> bool {
        self.0.try_recv(&mut [0; 1]).is_err()
    }
}

async fn event(house: &mut House) -> Event {
    timeout(SOON, house.events.recv()).await.expect("an event").expect("the task lives")
}

async fn read_some(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 65_536];
    let length = timeout(SOON, stream.read(&mut buffer)).await.expect("bytes or an end").unwrap_or(0);
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn junk_is_silent_and_service_goes_on() {
    let house = start(|_| {}, 8);
    let phone = Phone::at("127.0.0.1", house.udp).await;
    for junk in [vec![], b"\r\n\r\n".to_vec(), vec![0xA5; 65_507], b"INVITE".to_vec(), b"\0\0\0\0".to_vec()] {
        phone.send(junk).await;
    }
    phone.send(request("OPTIONS", 1, "a", "")).await;
    assert!(phone.hears().await.starts_with("SIP/2.0 200 OK\r\n"));
    assert!(phone.heard_nothing());
    house.handle.turns().await.expect("it turns");
}

#[tokio::test]
async fn strangers_get_nothing_or_403_whatever_they_ask() {
    let house = start(|_| {}, 8);
    let (stranger, phone) = (Phone::at("127.0.0.2", house.udp).await, Phone::at("127.0.0.1", house.udp).await);
    stranger.send(request("INVITE", 1, "a", "")).await;
    phone.send(request("OPTIONS", 1, "b", "")).await;
    phone.hears().await;
    assert!(stranger.heard_nothing(), "the stranger came first and got nothing");

    let house = start(|config| config.unlisted = Unlisted::Forbid, 8);
    let stranger = Phone::at("127.0.0.2", house.udp).await;
    let mut answers = Vec::new();
    for number in ["12345", "12319"] {
        stranger
            .send(
                request("INVITE", 1, "a", "")
                    .replace("sip:12345@127.0.0.1 SIP", &format!("sip:{number}@127.0.0.1 SIP")),
            )
            .await;
        answers.push(stranger.hears().await);
    }
    assert!(answers[0].starts_with("SIP/2.0 403 Forbidden\r\n"), "{}", answers[0]);
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn a_call_over_udp_on_all_addresses() {
    let mut house = start(|config| config.listen[0].address = "0.0.0.0:0".parse().unwrap(), 8);
    let phone = Phone::at("127.0.0.1", house.udp).await;
    phone.send(request("INVITE", 1, "a", "")).await;
    assert!(phone.hears().await.starts_with("SIP/2.0 100 "));
    let Event::Invited { dialog, flow, trunk, .. } = event(&mut house).await else { panic!("a call") };
    assert_eq!((&*trunk, flow.local.ip()), ("local", [127, 0, 0, 1].into()));
    house.handle.send(Command::Answer { dialog, sdp: Bytes::from_static(b"v=0\r\n") }).await.expect("it runs");
    let answer = phone.hears().await;
    let contact = format!("Contact: <sip:127.0.0.1:{}>\r\n", house.udp.port());
    assert!(answer.starts_with("SIP/2.0 200 ") && answer.contains(&contact), "{answer}");
    let to = answer.lines().find(|line| line.starts_with("To: ")).expect("To").to_owned();
    let inside = |method: &str, number| request(method, number, "a", "").replace("To: <sip:12345@127.0.0.1>", &to);
    phone.send(inside("ACK", 1)).await;
    assert!(matches!(event(&mut house).await, Event::Confirmed { .. }));
    phone.send(inside("BYE", 2)).await;
    assert!(phone.hears().await.starts_with("SIP/2.0 200 "));
    assert!(matches!(event(&mut house).await, Event::Ended { why: Why::ByeReceived, .. }));
}

#[tokio::test]
async fn a_stream_is_framed_however_it_is_cut_and_pings_are_answered() {
    let house = start(|_| {}, 8);
    let mut stream = TcpStream::connect(house.tcp).await.expect("loopback");
    stream.write_all(b"\r\n\r\n").await.expect("open");
    assert_eq!(read_some(&mut stream).await, "\r\n");
    let two = request("OPTIONS", 1, "a", "") + &request("OPTIONS", 2, "a", "");
    for part in two.as_bytes().chunks(100) {
        stream.write_all(part).await.expect("open");
        stream.flush().await.expect("open");
        house.handle.turns().await.expect("it turns");
    }
    let mut heard = String::new();
    while heard.matches("SIP/2.0 200 OK").count() < 2 {
        let more = read_some(&mut stream).await;
        assert!(!more.is_empty(), "closed after {heard}");
        heard += &more;
    }
}

#[tokio::test]
async fn a_bad_stream_closes_only_itself() {
    let house = start(|_| {}, 8);
    let mut good = TcpStream::connect(house.tcp).await.expect("loopback");
    for bad in ["OPTIONS sip:a@h SIP/2.0\r\nl: -1\r\n\r\n", "OPTIONS sip:a@h SIP/2.0\r\n\r\n", &"x".repeat(70_000)] {
        let mut stream = TcpStream::connect(house.tcp).await.expect("loopback");
        stream.write_all(bad.as_bytes()).await.ok(); // it may be closed before all is written
        assert_eq!(read_some(&mut stream).await, "", "closed");
    }
    good.write_all(request("OPTIONS", 1, "a", "").as_bytes()).await.expect("open");
    assert!(read_some(&mut good).await.starts_with("SIP/2.0 200 "));
}

#[tokio::test]
async fn caps_and_time_outs_of_connections() {
    let house = start(
        |config| {
            config.tcp.connections = 2;
            config.tcp.message = Duration::from_millis(500);
        },
        8,
    );
    let mut first = TcpStream::connect(house.tcp).await.expect("loopback");
    let mut second = TcpStream::connect(house.tcp).await.expect("loopback");
    for stream in [&mut first, &mut second] {
        stream.write_all(b"\r\n\r\n").await.expect("open");
        assert_eq!(read_some(stream).await, "\r\n");
    }
    let mut third = TcpStream::connect(house.tcp).await.expect("the kernel accepts it");
    assert_eq!(read_some(&mut third).await, "", "over the cap");
    first.write_all(b"OPTIONS sip:a").await.expect("open");
    assert_eq!(read_some(&mut first).await, "", "half a message is not waited for");
    // The place is free again.
    loop {
        let mut next = TcpStream::connect(house.tcp).await.expect("loopback");
        if next.write_all(b"\r\n\r\n").await.is_ok() && read_some(&mut next).await == "\r\n" {
            break;
        }
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_not_kept() {
    let house = start(|config| config.tcp.message = Duration::from_millis(50), 8);
    let mut silent = TcpStream::connect(house.tcp).await.expect("loopback");
    assert_eq!(read_some(&mut silent).await, "");
}

fn invite(house: &House, peer: SocketAddr, transport: Transport) -> Box<Invite> {
    Box::new(Invite {
        dialog: house.handle.new_dialog(),
        target: format!("sip:110@{peer}"),
        flow: Flow { transport, local: house.handle.local(transport).expect("listening"), peer, connection: 0 },
        from: "sip:12345@127.0.0.1".into(),
        display: None,
        sdp: Bytes::from_static(b"v=0\r\n"),
        routes: Vec::new(),
        trunk: None,
        silence: None,
        headers: Vec::new(),
    })
}

#[tokio::test]
async fn calls_of_ours_over_tcp() {
    let mut house = start(|_| {}, 8);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let peer = listener.local_addr().expect("bound");
    house.handle.send(Command::Invite(invite(&house, peer, Transport::Tcp))).await.expect("it runs");
    let (mut stream, _) = timeout(SOON, listener.accept()).await.expect("a connection").expect("loopback");
    let text = read_some(&mut stream).await;
    assert!(text.starts_with(&format!("INVITE sip:110@{peer} SIP/2.0\r\n")), "{text}");
    assert!(text.contains(&format!("Via: SIP/2.0/TCP {};", house.tcp)), "{text}");
    drop((listener, stream));
    // The way is gone before anybody answered, and nobody listens there any more.
    let Event::Failed { code: 503, .. } = event(&mut house).await else { panic!("no call") };
    house.handle.send(Command::Invite(invite(&house, peer, Transport::Tcp))).await.expect("it runs");
    let Event::Failed { code: 503, .. } = event(&mut house).await else { panic!("no call") };
}

#[tokio::test]
async fn a_full_switchboard_turns_new_calls_away_and_loses_no_event() {
    let mut house = start(|_| {}, 1);
    let phone = Phone::at("127.0.0.1", house.udp).await;
    phone.send(request("INVITE", 1, "a", "")).await;
    assert!(phone.hears().await.starts_with("SIP/2.0 100 "));
    // The one place is taken by Invited. The caller gives up, which must not be lost; the next caller hears 503.
    phone.send(request("CANCEL", 1, "a", "").replace("aCANCEL1", "aINVITE1")).await;
    let answers = [phone.hears().await, phone.hears().await].concat();
    assert!(answers.contains("SIP/2.0 200 ") && answers.contains("SIP/2.0 487 "), "{answers}");
    phone.send(request("INVITE", 1, "b", "")).await;
    let answers = [phone.hears().await, phone.hears().await].concat();
    assert!(answers.contains("SIP/2.0 503 ") && answers.contains("Retry-After: "), "{answers}");
    assert!(matches!(event(&mut house).await, Event::Invited { .. }));
    assert!(matches!(event(&mut house).await, Event::Ended { why: Why::Cancelled, .. }));
}

#[tokio::test]
async fn stopping_says_good_bye() {
    let mut house = start(|_| {}, 8);
    let phone = Phone::at("127.0.0.1", house.udp).await;
    phone.send(request("INVITE", 1, "a", "")).await;
    assert!(phone.hears().await.starts_with("SIP/2.0 100 "));
    let Event::Invited { dialog, .. } = event(&mut house).await else { panic!("a call") };
    house.stop.cancel();
    assert!(phone.hears().await.starts_with("SIP/2.0 480 "));
    let Event::Ended { dialog: ended, .. } = event(&mut house).await else { panic!("its end") };
    assert_eq!(ended, dialog);
    assert!(timeout(SOON, house.events.recv()).await.expect("the end").is_none());
    timeout(SOON, house.task).await.expect("it ends").expect("without a panic");
    assert_eq!(house.handle.send(Command::Drain(true)).await, Err(Stopped));
    assert!(house.handle.turns().await.is_err());
}

#[tokio::test]
async fn other_trunks_from_now_on() {
    let house = start(|_| {}, 8);
    let phone = Phone::at("127.0.0.1", house.udp).await;
    house.handle.replace_trunks(Trunks::new(Vec::new(), Unlisted::Forbid));
    phone.send(request("OPTIONS", 1, "a", "")).await;
    assert!(phone.hears().await.starts_with("SIP/2.0 403 "));
}

#[test]
fn the_section_is_read_and_every_fault_is_told() {
    let faults = Faults::default();
    let source = Source::new(
        "jiesu.toml",
        "listen = [\"udp:127.0.0.1:0\", \"[::1]:5062\"]\nunlisted = \"forbid\"\nadvertised = \"203.0.113.5\"\n",
    );
    let mut table = source.read(&faults).expect("TOML");
    let config = Config::read(&mut table);
    table.finish();
    assert!(faults.is_empty(), "{faults}");
    assert_eq!(config.listen[0], Listen { address: "127.0.0.1:0".parse().unwrap(), udp: true, tcp: false });
    assert_eq!(config.listen[1], Listen { address: "[::1]:5062".parse().unwrap(), udp: true, tcp: true });
    assert_eq!(config.unlisted, Unlisted::Forbid);
    assert_eq!(config.advertised.of([10, 0, 0, 1].into(), [198, 51, 100, 1].into()), IpAddr::from([203, 0, 113, 5]));

    let source = Source::new(
        "jiesu.toml",
        "listen = [\"5060\"]\nunlisted = \"no\"\nadvertised = \"h\"\nagent = \"\"\nidle = 1\n",
    );
    let mut table = source.read(&faults).expect("TOML");
    Config::read(&mut table);
    table.finish();
    assert_eq!(faults.len(), 5, "{faults}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let address = taken.local_addr().expect("bound");
    let config = Config { listen: vec![Listen { address, udp: true, tcp: true }], ..Config::default() };
    let error = bind(&config, Trunks::default()).expect_err("taken").to_string();
    assert!(error.starts_with(&format!("cannot listen on udp {address}: ")), "{error}");
}
