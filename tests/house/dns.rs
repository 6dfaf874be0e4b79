//! A name server that a test writes: it answers from a list, over UDP.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// One record: what stands behind its name.
#[derive(Clone)]
pub enum Data {
    Address(IpAddr),
    /// Priority, weight, port, target.
    Srv(u16, u16, u16, String),
    /// Order, preference, service, replacement; flag "s".
    Naptr(u16, u16, String, String),
}

#[derive(Clone)]
pub struct Record {
    pub name: String,
    pub data: Data,
}

pub fn record(name: &str, data: Data) -> Record {
    Record { name: name.to_owned(), data }
}

pub struct NameServer {
    pub address: SocketAddr,
    records: Arc<Mutex<Option<Vec<Record>>>>,
    asked: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How long its answers count, in seconds: the daemon asks again after ten.
const TTL: u32 = 1;

impl NameServer {
    pub fn start(records: Vec<Record>) -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
        let address = socket.local_addr().expect("bound");
        let records = Arc::new(Mutex::new(Some(records)));
        let (asked, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (list, log, end) = (records.clone(), asked.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !end.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let Some((name, kind, question)) = read(&buffer[..length]) else { continue };
                log.lock().expect("no panic").push(format!("{name} {kind}"));
                if let Some(records) = &*list.lock().expect("no panic") {
                    let answer = answer(&buffer[..2], question, &name, kind, records);
                    socket.send_to(&answer, from).expect("loopback");
                }
            }
        });
        NameServer { address, records, asked, over, thread: Some(thread) }
    }

    /// From now on these are the records; `None`: it says nothing at all.
    pub fn now(&self, records: Option<Vec<Record>>) {
        *self.records.lock().expect("no panic") = records;
    }

    /// Names and types that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it is a failed test already.
            let _ = thread.join();
        }
    }
}

/// The question (RFC 1035 section 4.1.2): name, type, and its bytes.
fn read(query: &[u8]) -> Option<(String, u16, &[u8])> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes(query.get(at..at + 2)?.try_into().ok()?);
    Some((labels.join("."), kind, query.get(12..at + 4)?))
}

fn answer(id: &[u8], question: &[u8], name: &str, kind: u16, records: &[Record]) -> Vec<u8> {
    let fits = |record: &&Record| record.name == name && record.data.kind() == kind;
    let list: Vec<&Record> = records.iter().filter(fits).collect();
    // NXDOMAIN for a name that is not there at all.
    let code = if records.iter().any(|record| record.name == name) { 0 } else { 3 };
    let mut out = id.to_vec();
    out.extend([0x85, 0x80 | code, 0, 1, 0, list.len() as u8, 0, 0, 0, 0]);
    out.extend(question);
    for record in list {
        out.extend(written(name));
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out.extend(TTL.to_be_bytes());
        let data = record.data.bytes();
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    out
}

fn written(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

impl Data {
    fn kind(&self) -> u16 {
        match self {
            Data::Address(IpAddr::V4(_)) => 1,
            Data::Address(IpAddr::V6(_)) => 28,
            Data::Srv(..) => 33,
            Data::Naptr(..) => 35,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let numbers = |list: &[u16]| list.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<_>>();
        let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        match self {
            Data::Address(IpAddr::V4(ip)) => ip.octets().to_vec(),
            Data::Address(IpAddr::V6(ip)) => ip.octets().to_vec(),
            Data::Srv(priority, weight, port, target) => {
                [numbers(&[*priority, *weight, *port]), written(target)].concat()
            }
            Data::Naptr(order, preference, service, replacement) => {
                [numbers(&[*order, *preference]), text("s"), text(service), text(""), written(replacement)].concat()
            }
        }
    }
}
