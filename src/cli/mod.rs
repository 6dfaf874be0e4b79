//! The command line: one file per subcommand.
//!
//! Exit codes (kept stable; scripts depend on them): 0 done; 1 the answer is no (a fault was found, nothing was filed,
//! no such ticket); 64 bad usage or configuration, before any port is bound; 70 a fault of ours.

mod answers;
mod call;
mod case;
mod check;
mod classify;
mod demo;
mod dispatch;
mod emergency;
mod eval;
mod flow;
mod incident;
mod learn;
mod matter;
mod outbox;
mod phone;
mod place;
mod prompts;
mod reload;
mod replay;
mod said;
mod scores;
mod serve;
mod stored;
mod ticket;
mod trace;
mod transcribe;
mod trends;
mod trunk;
mod version;
mod worker;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::config::Config;
use said::said;

/// How a subcommand ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    /// The answer is no.
    No = 1,
    /// Bad usage or configuration.
    Usage = 64,
    /// A fault of ours.
    Fault = 70,
}

/// A citizen-hotline gateway: answers a city's merged hotline over SIP and turns calls into tickets.
#[derive(Debug, Parser)]
#[command(name = "jiesu", version, propagate_version = true, max_term_width = 110)]
struct Arguments {
    /// The configuration folder.
    #[arg(short, long, global = true, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon until SIGTERM.
    Serve,
    /// Check the configuration: every fault with file, line, key and remedy. Exit 0 or 1.
    Check,
    /// The running daemon takes the configuration as it is now, or says why not. Exit 0 or 1.
    Reload(reload::Arguments),
    /// Look at a flow, and what calls follow: tree, picture, conversations, changes; versions, rollback, activation.
    #[command(subcommand)]
    Flow(flow::Command),
    /// Daemon on free ports and one call on loopback; prints the ticket. Exit 0 when it was filed.
    Demo(demo::Arguments),
    /// A test telephone: calls a SIP address.
    Call(call::Arguments),
    /// Tickets in the store.
    #[command(subcommand)]
    Ticket(ticket::Command),
    /// What becomes of a ticket: its state, limits and log; what a unit or the desk does with it.
    Case(case::Arguments),
    /// Known incidents: callers from there hear of them first.
    #[command(subcommand)]
    Incident(incident::Command),
    /// Which tickets report the same.
    #[command(subcommand)]
    Matter(matter::Command),
    /// Why a ticket went where it went, and what other rules would change.
    #[command(subcommand)]
    Dispatch(dispatch::Command),
    /// How units are judged by what callers say: the three rates, the composite, classes; export and recount.
    Scores(scores::Arguments),
    /// Candidates for joint handling or another rule: rising categories, busy streets, matters that return.
    Trends(trends::Arguments),
    /// What waits to be sent to the backends.
    #[command(subcommand)]
    Outbox(outbox::Command),
    /// The message ladder of a recent call.
    Trace(trace::Arguments),
    /// The carriers: list them, or examine one.
    #[command(subcommand)]
    Trunk(trunk::Command),
    /// Type, category, urgency and place of a text.
    Classify(classify::Classify),
    /// The street office that a text names, with candidates and the question back; import of roads and landmarks.
    Place(place::Arguments),
    /// Answers to questions: which one a text would get, and what had none.
    #[command(subcommand)]
    Answers(answers::Command),
    /// Which emergency a text would raise, and by which words. Exit 1 where it is none.
    Emergency(emergency::Arguments),
    /// Learn from labelled texts.
    #[command(subcommand)]
    Train(learn::Train),
    /// How the configuration does on texts of yours.
    #[command(subcommand)]
    Eval(Eval),
    /// Speech in a WAV file to text.
    Transcribe(transcribe::Arguments),
    /// Work off what waits in the store, in a process of its own beside the daemon.
    #[command(subcommand)]
    Worker(worker::Command),
    /// Render the prompts of the catalogue that have no recording yet.
    Prompts(prompts::Arguments),
}

#[derive(Debug, Subcommand)]
enum Eval {
    /// False alarms: which of old, ordinary requests would be taken for an emergency.
    Emergency(emergency::Files),
    /// The learned classifier: F1, calibration, coverage, homophones, time. Exit 1 where a gate is missed.
    Classify(learn::Evaluation),
    /// How well a model hears: character error rate over clips, also on a telephone line and in noise. Exit 1 where a
    /// gate is missed.
    Asr(eval::Arguments),
    /// Which texts would be taken for one matter, and how fast.
    Matter(matter::File),
}

/// Reads the arguments and runs the subcommand.
pub fn run() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // A closed standard output cannot be told about.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let config = &arguments.config;
    let ended = match arguments.command {
        Command::Serve => serve::run(config),
        Command::Check => check::run(config),
        Command::Reload(arguments) => reload::run(config, &arguments),
        Command::Flow(command) => flow::run(config, &command),
        Command::Demo(arguments) => demo::run(config, &arguments),
        Command::Call(arguments) => call::run(&arguments),
        Command::Ticket(command) => ticket::run(config, &command),
        Command::Case(arguments) => case::run(config, &arguments),
        Command::Incident(command) => incident::run(config, &command),
        Command::Matter(command) => matter::run(config, &command),
        Command::Dispatch(command) => dispatch::run(config, &command),
        Command::Scores(arguments) => scores::run(config, &arguments),
        Command::Trends(arguments) => trends::run(config, &arguments),
        Command::Outbox(command) => outbox::run(config, &command),
        Command::Trace(arguments) => trace::run(config, &arguments),
        Command::Trunk(command) => trunk::run(config, &command),
        Command::Classify(arguments) => classify::run(config, &arguments),
        Command::Place(arguments) => place::run(config, &arguments),
        Command::Answers(command) => answers::run(config, &command),
        Command::Emergency(arguments) => emergency::run(config, &arguments),
        Command::Train(command) => learn::train(&command),
        Command::Eval(Eval::Classify(arguments)) => learn::eval(&arguments),
        Command::Eval(Eval::Emergency(files)) => emergency::eval(config, &files),
        Command::Eval(Eval::Asr(arguments)) => eval::run(config, &arguments),
        Command::Eval(Eval::Matter(file)) => matter::eval(config, &file),
        Command::Transcribe(arguments) => transcribe::run(config, &arguments),
        Command::Worker(command) => worker::run(config, &command),
        Command::Prompts(arguments) => prompts::run(config, &arguments),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("jiesu: {error:#}");
        Exit::Fault
    })
}

/// The checked configuration; its faults are printed and the exit is 64.
fn load(folder: &Path) -> Result<Config, Exit> {
    crate::config::load(folder).map_err(|faults| {
        eprint!("{faults}");
        let count = faults.len();
        eprintln!(
            "jiesu: {count} fault{} in {}; nothing was started",
            if count == 1 { "" } else { "s" },
            folder.display()
        );
        Exit::Usage
    })
}

/// A runtime for subcommands that only read the store or make one call.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
