//! Tickets posted to a city's own system.
//!
//! `POST` of the JSON body, with
//! * `Idempotency-Key`: the delivery's key, the same for every try;
//! * [`SIGNATURE`]: `t=UNIX-SECONDS,v1=HEX`, where HEX is HMAC-SHA256 with the shared secret over the seconds, a full
//!   stop and the body. The receiver computes it again, compares in constant time, and refuses what is older than a few
//!   minutes, so that nobody can play a delivery back.
//!
//! 2xx is taken (a JSON answer's `reference` or `id` is kept in the ticket's history). 408, 425, 429, 5xx and a silent
//! network are tried again, not before Retry-After. Anything else will not change by itself and is parked. Redirects
//! are not followed: they could carry citizens' words elsewhere.

use std::time::Duration;

use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use sha2::Sha256;

use super::{Backend, Delivery, Error, Receipt, Refusal, Sending};

/// The header that proves who sent it.
pub const SIGNATURE: &str = "Jiesu-Signature";

/// How much of an answer is read.
const ANSWER: usize = 4096;
/// A backend cannot put us off for longer.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// See the module.
pub struct Webhook {
    name: String,
    url: Url,
    client: Client,
    /// The key, already mixed in: the secret itself is not kept.
    mac: Hmac<Sha256>,
}

impl Webhook {
    /// # Errors
    /// The TLS library or the client cannot be set up.
    pub fn new(name: &str, url: Url, secret: Vec<u8>, timeout: Duration) -> Result<Webhook, Error> {
        let fault = |what: String| Error::Client { name: name.to_owned(), what };
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error means that another thread was faster, with the same provider.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("jiesu/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| fault(error.to_string()))?;
        let mac = Hmac::new_from_slice(&secret).map_err(|error| fault(error.to_string()))?;
        Ok(Webhook { name: name.to_owned(), url, client, mac })
    }

    async fn post(&self, delivery: &Delivery) -> Result<Receipt, Refusal> {
        let seconds = Timestamp::now().as_second();
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", &delivery.key)
            .header(SIGNATURE, sign(self.mac.clone(), seconds, delivery.body.as_bytes()))
            .body(delivery.body.clone());
        let response = request.send().await.map_err(|error| Refusal::Retry { reason: why(&error), after: None })?;
        let status = response.status();
        let after = retry_after(&response);
        let answer = read_some(response).await;
        if status.is_success() {
            return Ok(Receipt { reference: reference(&answer) });
        }
        let reason = refusal(status, &answer);
        let passes = status.is_server_error()
            || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        Err(if passes { Refusal::Retry { reason, after } } else { Refusal::Park(reason) })
    }
}

impl Backend for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Sending<'a> {
        Box::pin(self.post(delivery))
    }
}

/// What [`SIGNATURE`] holds for `body`, for receivers written in Rust and for tests.
pub fn signature(secret: &[u8], seconds: i64, body: &[u8]) -> String {
    let mac = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
    sign(mac, seconds, body)
}

fn sign(mut mac: Hmac<Sha256>, seconds: i64, body: &[u8]) -> String {
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

/// What the client says, without the address (it may hold a token) but with its causes.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    if causes.is_empty() { "no connection".to_owned() } else { causes.join(": ") }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

/// The answer as far as it comes; what it says only serves people.
async fn read_some(mut response: Response) -> Vec<u8> {
    let mut answer = Vec::new();
    while answer.len() < ANSWER
        && let Ok(Some(chunk)) = response.chunk().await
    {
        answer.extend_from_slice(&chunk[..chunk.len().min(ANSWER - answer.len())]);
    }
    answer
}

fn reference(answer: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(answer).ok()?;
    let reference = value.get("reference").or_else(|| value.get("id"))?;
    let text = reference.as_str().map_or_else(|| reference.to_string(), str::to_owned);
    Some(text.chars().take(100).collect())
}

fn refusal(status: StatusCode, answer: &[u8]) -> String {
    let said: String = String::from_utf8_lossy(answer).split_whitespace().collect::<Vec<_>>().join(" ");
    let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
    if status.is_redirection() {
        return format!("{status}: redirects are not followed; write the final address in url");
    }
    if said.is_empty() { status.to_string() } else { format!("{status}: {said}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2, with our framing taken out of the way.
    #[test]
    fn the_mac_is_hmac_sha256() {
        let mut mac: Hmac<Sha256> = Hmac::new_from_slice(b"Jefe").expect("any length");
        mac.update(b"what do ya want for nothing?");
        let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn what_a_server_says_is_cut_and_tamed() {
        let long = format!("<p>\u{1b}[2J\r\n{}</p>", "x".repeat(5000));
        let reason = refusal(StatusCode::GONE, long.as_bytes());
        assert!(reason.starts_with("410 Gone: <p>") && reason.chars().count() < 230, "{reason}");
        assert!(!reason.contains('\u{1b}'));
        assert!(refusal(StatusCode::FOUND, b"").contains("final address"));
        assert_eq!(reference(br#"{"id": 77}"#).as_deref(), Some("77"));
        assert_eq!(reference(br#"{"reference": "K-7", "id": 1}"#).as_deref(), Some("K-7"));
        assert_eq!(reference(b"<html>"), None);
    }
}
