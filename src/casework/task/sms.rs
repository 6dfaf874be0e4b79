//! Tells callers of answers through a program of the city's.
//!
//! [`Event::CallerTold`] is written once the program has ended well; a crash in between sends the same message again with
//! the same key. What fails is tried again with growing waits, and given up, counted, after `tries`.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::casework::sms::{Config, Message, is_due};
use crate::store::{Error, Store};
use crate::ticket::Number;
use crate::ticket::case::{ANSWER, By, Case, Event, State};

const PAGE: u32 = 200;

/// A message that was not taken, by ticket: as many as there are answered cases.
type Failed = HashMap<Number, (u32, Option<Instant>)>;

/// Runs until `stop`.
pub async fn run(store: Store, config: Arc<Config>, stop: CancellationToken) {
    if config.command.is_empty() {
        return stop.cancelled().await;
    }
    let mut looks = tokio::time::interval(config.look_every);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failed = Failed::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        // A program under way is ended with the daemon: its message goes out again with the same key.
        tokio::select! {
            () = stop.cancelled() => return,
            result = look(&store, &config, &mut failed) => if let Err(error) = result {
                tracing::error!(%error, "whom to write to is not known; it is looked again");
            }
        }
    }
}

async fn look(store: &Store, config: &Config, failed: &mut Failed) -> Result<(), Error> {
    let mut after = None;
    let mut waiting = Failed::new();
    loop {
        let page = store.cases_in(&[State::Answered], after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (number, case) in page.into_iter().filter(|(_, case)| is_due(case)) {
            let (tried, next) = failed.remove(&number).unwrap_or_default();
            let given_up = tried > 0 && next.is_none();
            if given_up || next.is_some_and(|next| next > Instant::now()) {
                waiting.insert(number, (tried, next));
                continue;
            }
            let Some(message) = message(store, config, number, &case).await? else { continue };
            if send(config, &message).await {
                metrics::counter!("jiesu_sms_total", "outcome" => "sent").increment(1);
                let told = Event::CallerTold { channel: "sms".to_owned(), what: ANSWER.to_owned() };
                if let Err(error) = store.case_happens(number, By::rule("sms"), told, Timestamp::now()).await {
                    tracing::error!(ticket = %number, %error, "that the caller was told could not be written");
                }
                continue;
            }
            let next = config.wait(tried + 1).map(|wait| Instant::now() + wait);
            let outcome = if next.is_some() { "failed" } else { "given_up" };
            metrics::counter!("jiesu_sms_total", "outcome" => outcome).increment(1);
            waiting.insert(number, (tried + 1, next));
        }
    }
    *failed = waiting;
    Ok(())
}

/// `None`: nobody can be written to.
async fn message(store: &Store, config: &Config, number: Number, case: &Case) -> Result<Option<Message>, Error> {
    let Some(ticket) = store.ticket(number).await? else { return Ok(None) };
    let Some(to) = ticket.caller else { return Ok(None) };
    let log = store.case_log(number).await?;
    let answer = log.into_iter().rev().find_map(|entry| match entry.event {
        Event::Answered { text, .. } => Some(text),
        _ => None,
    });
    Ok(answer.map(|answer| config.message(number, case, &to, &ticket.title, &answer)))
}

async fn send(config: &Config, message: &Message) -> bool {
    let run = async {
        let (program, arguments) = config.command.split_first()?;
        let body = serde_json::to_vec(message).ok()?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .inspect_err(|error| tracing::error!(program, %error, "sms.command cannot be run"))
            .ok()?;
        if let Some(mut stdin) = child.stdin.take() {
            // Whoever does not read it may still have what they need; the exit code says.
            let _ = stdin.write_all(&body).await;
        }
        Some(child.wait().await.ok()?.success())
    };
    let sent = tokio::time::timeout(config.timeout, run).await.ok().flatten().unwrap_or(false);
    if !sent {
        tracing::warn!(ticket = %message.ticket, "a message was not taken");
    }
    sent
}
