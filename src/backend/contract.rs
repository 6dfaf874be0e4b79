//! What every backend must do, run against each of them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use reqwest::Url;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// A backend and its far end.
trait Bench {
    fn backend(&self) -> Arc<dyn Backend>;
    /// What the far end holds: bodies by key.
    fn holds(&self) -> HashMap<String, String>;
}

fn delivery(key: &str, text: &str) -> Delivery {
    let body = serde_json::json!({ "event": "created", "key": key, "ticket": { "text": text } }).to_string();
    Delivery { key: key.to_owned(), body }
}

async fn contract(bench: &dyn Bench) {
    let backend = bench.backend();
    assert_eq!(backend.name(), "bench");

    // What was taken is there, whole, whatever it says.
    let first = delivery("261124000011-1", "\"楼道\"灯\n坏了 \u{1b}[2J \u{202e}");
    backend.send(&first).await.expect("taken");
    assert_eq!(bench.holds(), HashMap::from([(first.key.clone(), first.body.clone())]));

    // The answer of the first try was lost: the second one is taken and adds nothing.
    backend.send(&first).await.expect("taken again");
    assert_eq!(bench.holds().len(), 1);

    // Many at once are all there.
    let mut sends = tokio::task::JoinSet::new();
    for n in 0..50 {
        let backend = backend.clone();
        sends.spawn(async move { backend.send(&delivery(&format!("26112400{n:03}-1"), "x")).await });
    }
    assert!(sends.join_all().await.iter().all(Result::is_ok));
    assert_eq!(bench.holds().len(), 51);
    let large = delivery("large-1", &"长".repeat(100_000));
    backend.send(&large).await.expect("taken");
    assert_eq!(bench.holds()["large-1"], large.body);
}

struct LogBench {
    path: PathBuf,
    log: Arc<Log>,
    _folder: tempfile::TempDir,
}

impl Bench for LogBench {
    fn backend(&self) -> Arc<dyn Backend> {
        self.log.clone()
    }

    fn holds(&self) -> HashMap<String, String> {
        let text = std::fs::read_to_string(&self.path).expect("read");
        let entry = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).expect("a line is one JSON object");
            (value["key"].as_str().expect("a key").to_owned(), line.to_owned())
        };
        let lines: Vec<_> = text.lines().map(entry).collect();
        let map: HashMap<_, _> = lines.iter().cloned().collect();
        assert_eq!(map.len(), lines.len(), "a key was written twice");
        map
    }
}

#[tokio::test]
async fn the_log_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tickets.jsonl");
    let log = Arc::new(Log::open("bench", path.clone()).expect("opened"));
    contract(&LogBench { path, log, _folder: folder }).await;
}

const SECRET: &[u8] = b"a secret of the city";

/// A status code, and Retry-After with it.
type Refusing = (u16, Option<&'static str>);

/// A city's system: checks the signature, drops keys that it has seen, answers as it is told.
#[derive(Clone, Default)]
struct City {
    holds: Arc<Mutex<HashMap<String, String>>>,
    /// What to answer instead, and with which Retry-After.
    refuse: Arc<Mutex<Option<Refusing>>>,
    forged: Arc<Mutex<Vec<String>>>,
}

async fn take(State(city): State<City>, headers: HeaderMap, body: String) -> (StatusCode, HeaderMap, String) {
    let mut answer = HeaderMap::new();
    if let Some((code, after)) = *city.refuse.lock().expect("whole") {
        if let Some(after) = after {
            answer.insert("retry-after", after.parse().expect("a header"));
        }
        return (StatusCode::from_u16(code).expect("a code"), answer, "not today".to_owned());
    }
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let signed = header(SIGNATURE);
    let seconds: i64 = signed.split(['=', ',']).nth(1).and_then(|t| t.parse().ok()).unwrap_or(0);
    if signed != signature(SECRET, seconds, body.as_bytes()) || header("content-type") != "application/json" {
        city.forged.lock().expect("whole").push(signed);
        return (StatusCode::UNAUTHORIZED, answer, String::new());
    }
    city.holds.lock().expect("whole").entry(header("idempotency-key")).or_insert(body);
    (StatusCode::CREATED, answer, r#"{"reference": "K-7"}"#.to_owned())
}

struct HookBench {
    hook: Arc<Webhook>,
    city: City,
    server: JoinHandle<()>,
}

impl HookBench {
    async fn start(secret: &[u8]) -> HookBench {
        let city = City::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/tickets", listener.local_addr().expect("bound"));
        let limit = axum::extract::DefaultBodyLimit::disable();
        let app =
            axum::Router::new().route("/tickets", axum::routing::post(take)).layer(limit).with_state(city.clone());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        let url = Url::parse(&url).expect("an address");
        let hook = Webhook::new("bench", url, secret.to_vec(), Duration::from_secs(20)).expect("a client");
        HookBench { hook: Arc::new(hook), city, server }
    }

    fn refuse(&self, code: u16, after: Option<&'static str>) {
        *self.city.refuse.lock().expect("whole") = Some((code, after));
    }
}

impl Drop for HookBench {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Bench for HookBench {
    fn backend(&self) -> Arc<dyn Backend> {
        self.hook.clone()
    }

    fn holds(&self) -> HashMap<String, String> {
        self.city.holds.lock().expect("whole").clone()
    }
}

#[tokio::test]
async fn the_webhook_keeps_the_contract() {
    let bench = HookBench::start(SECRET).await;
    contract(&bench).await;
    let receipt = bench.hook.send(&delivery("x-1", "x")).await.expect("taken");
    assert_eq!(receipt.reference.as_deref(), Some("K-7"));
}

#[tokio::test]
async fn another_secret_is_found_out_and_parked() {
    let bench = HookBench::start(b"another secret altogether").await;
    let refusal = bench.hook.send(&delivery("x-1", "x")).await.expect_err("refused");
    assert!(matches!(&refusal, Refusal::Park(reason) if reason.starts_with("401")), "{refusal:?}");
    assert_eq!(bench.city.forged.lock().expect("whole").len(), 1);
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_parked() {
    let bench = HookBench::start(SECRET).await;
    for code in [408, 425, 429, 500, 502, 503, 504] {
        bench.refuse(code, None);
        let refusal = bench.hook.send(&delivery("x-1", "x")).await.expect_err("refused");
        assert!(matches!(refusal, Refusal::Retry { after: None, .. }), "{code}: {refusal:?}");
    }
    for code in [301, 307, 400, 403, 404, 409, 410, 413, 422] {
        bench.refuse(code, None);
        let refusal = bench.hook.send(&delivery("x-1", "x")).await.expect_err("refused");
        assert!(
            matches!(&refusal, Refusal::Park(reason) if reason.starts_with(&code.to_string())),
            "{code}: {refusal:?}"
        );
    }
    for (header, after) in [("120", Some(120)), ("99999999", Some(3600)), ("tomorrow", None)] {
        bench.refuse(503, Some(header));
        let expected = Refusal::Retry {
            reason: "503 Service Unavailable: not today".into(),
            after: after.map(Duration::from_secs),
        };
        assert_eq!(bench.hook.send(&delivery("x-1", "x")).await, Err(expected));
    }
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url =
        Url::parse(&format!("http://{}/?token=hunter2", listener.local_addr().expect("bound"))).expect("an address");
    let hook = |wait| Webhook::new("bench", url.clone(), SECRET.to_vec(), wait).expect("a client");
    // The listener takes the connection and never answers.
    let refusal = hook(Duration::from_millis(100)).send(&delivery("x-1", "x")).await.expect_err("silent");
    assert_eq!(refusal, Refusal::Retry { reason: "no answer in time".into(), after: None });
    drop(listener);
    let refusal = hook(Duration::from_secs(20)).send(&delivery("x-1", "x")).await.expect_err("nobody");
    let Refusal::Retry { reason, .. } = refusal else { panic!("{refusal:?}") };
    assert!(reason.contains("refused") && !reason.contains("hunter2"), "{reason}");
}
