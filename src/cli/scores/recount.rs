//! The figures once more, from the exported log by another way: SQL over the lines as they are.
//!
//! It shares nothing with [`crate::casework::scores`] but the settings and the ends of the windows, so that a fault in one
//! of the two shows. The lines are read by SQLite's JSON functions, not by our types.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use anyhow::Context as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection};
use tokio::sync::Mutex;

use crate::casework::scores::{By, Config, Row, Table, Window};

/// A log in a database of its own, in memory.
pub(super) struct Recount {
    db: Mutex<SqliteConnection>,
    settings: Config,
    events: i64,
}

const LOG: &str = "
CREATE TABLE log AS SELECT line ->> '$.ticket' AS ticket, line ->> '$.seq' AS seq,
    CAST(round(unixepoch(line ->> '$.at', 'subsec') * 1000) AS INTEGER) AS at, line ->> '$.event' AS kind, line
    FROM lines WHERE line ->> '$.line' = 'event';
CREATE INDEX log_ticket ON log (ticket, seq);
CREATE TABLE tickets AS SELECT line ->> '$.ticket' AS ticket, line ->> '$.place' AS place,
    line ->> '$.category' AS category FROM lines WHERE line ->> '$.line' = 'ticket';
CREATE INDEX tickets_ticket ON tickets (ticket);
CREATE TABLE units AS SELECT line ->> '$.code' AS code, line ->> '$.sort' AS sort, line ->> '$.district' AS district
    FROM lines WHERE line ->> '$.line' = 'unit';
CREATE INDEX units_code ON units (code);
CREATE TABLE marks (win TEXT, ticket TEXT, received INTEGER, reopened INTEGER, asked TEXT, contacted, solved,
    satisfied TEXT, unit TEXT);
";

/// What each ticket brings to one window: ?1 its name, from ?2 to before ?3, exclusions until before ?4.
const MARKS: &str = "
INSERT INTO marks
WITH last AS (SELECT ticket, max(seq) AS seq FROM log
              WHERE kind = 'called_back' AND at >= ?2 AND at < ?3 AND line ->> '$.survey.valid' GROUP BY ticket),
     sums AS (SELECT ticket, max(kind = 'received' AND at >= ?2 AND at < ?3) AS received,
                     sum(kind = 'reopened' AND at >= ?2 AND at < ?3) AS reopened,
                     max(kind = 'called_back' AND at >= ?2 AND at < ?3) AS surveyed,
                     max(kind = 'callback_failed' AND at >= ?2 AND at < ?3) AS failed,
                     max(kind = 'excluded' AND at < ?4) AS excluded
              FROM log GROUP BY ticket)
SELECT ?1, sums.ticket, received, reopened,
       CASE WHEN NOT surveyed AND NOT failed THEN 'not' WHEN excluded THEN 'excluded'
            WHEN last.seq IS NOT NULL THEN 'valid' WHEN surveyed THEN 'invalid' ELSE 'no_answer' END,
       said.line ->> '$.survey.contacted', said.line ->> '$.survey.solved', said.line ->> '$.survey.satisfied',
       (SELECT coalesce(lead.line ->> '$.unit', lead.line ->> '$.lead') FROM log AS lead
        WHERE lead.ticket = sums.ticket AND lead.kind IN ('dispatched', 'whistled', 'reopened')
          AND CASE WHEN last.seq IS NULL THEN lead.at < ?3 ELSE lead.seq <= last.seq END
        ORDER BY lead.seq DESC LIMIT 1)
FROM sums LEFT JOIN last USING (ticket)
     LEFT JOIN log AS said ON said.ticket = sums.ticket AND said.seq = last.seq
WHERE received OR reopened OR surveyed OR failed";

/// The rows of both windows: ?1 by what is compared ('' for all), ?2 to ?4 the weights, ?5 what 基本满意 counts.
const ROWS: &str = "
WITH keyed AS (SELECT m.*, CASE ?1
        WHEN '' THEN ''
        WHEN 'street' THEN iif(u.sort = 'street', m.unit, NULL)
        WHEN 'department' THEN iif(coalesce(u.sort, 'department') = 'department', m.unit, NULL)
        WHEN 'district' THEN coalesce(p.district, u.district)
        WHEN 'category' THEN nullif(t.category, '') END AS key
    FROM marks AS m LEFT JOIN tickets AS t USING (ticket) LEFT JOIN units AS u ON u.code = m.unit
         LEFT JOIN units AS p ON p.code = t.place),
counts AS (SELECT win, key, sum(received) AS received, sum(reopened) AS reopened, sum(asked <> 'not') AS tried,
        sum(asked = 'no_answer') AS no_answer, sum(asked = 'invalid') AS invalid, sum(asked = 'excluded') AS excluded,
        sum(asked = 'valid') AS valid, sum(asked = 'valid' AND coalesce(contacted, 0)) AS contacted,
        sum(asked = 'valid' AND coalesce(solved, 0)) AS solved,
        sum(asked = 'valid' AND satisfied IS 'satisfied') AS satisfied,
        sum(asked = 'valid' AND satisfied IS 'mostly') AS mostly,
        sum(asked = 'valid' AND satisfied IS 'dissatisfied') AS dissatisfied
    FROM keyed WHERE key IS NOT NULL GROUP BY win, key),
rates AS (SELECT *, 100.0 * contacted / nullif(valid, 0) AS response, 100.0 * solved / nullif(valid, 0) AS solution,
        100.0 * (satisfied + ?5 * mostly) / nullif(valid, 0) AS satisfaction FROM counts)
SELECT *, (?2 * response + ?3 * solution + ?4 * satisfaction) / 100.0 AS composite FROM rates";

/// The counts of [`ROWS`], as a table calls them.
const COUNTS: [&str; 12] = [
    "received",
    "reopened",
    "tried",
    "no_answer",
    "invalid",
    "excluded",
    "valid",
    "contacted",
    "solved",
    "satisfied",
    "mostly",
    "dissatisfied",
];
const RATES: [&str; 4] = ["response", "solution", "satisfaction", "composite"];

/// One row as SQL has it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Again {
    counts: [i64; COUNTS.len()],
    rates: Option<[f64; RATES.len()]>,
}

impl Again {
    fn valid(&self) -> i64 {
        self.counts[6]
    }

    fn composite(&self) -> Option<f64> {
        self.rates.map(|rates| rates[3])
    }
}

/// One table as SQL has it.
pub(super) struct Counted {
    total: (Again, Again),
    /// Each key's rows of the window and of the one before.
    rows: BTreeMap<String, (Again, Again)>,
    settings: Config,
}

impl Recount {
    /// # Errors
    /// A line that is no JSON.
    pub(super) async fn new(settings: &Config, text: &str, now: &Window, before: &Window) -> anyhow::Result<Recount> {
        let mut db = SqliteConnectOptions::from_str("sqlite::memory:")?.disable_statement_logging().connect().await?;
        sqlx::raw_sql("CREATE TABLE lines (line TEXT CHECK (json_valid(line))); BEGIN").execute(&mut db).await?;
        for (i, line) in text.lines().enumerate() {
            let insert = sqlx::query("INSERT INTO lines VALUES (?)").bind(line).execute(&mut db).await;
            insert.with_context(|| format!("line {} of the log", i + 1))?;
        }
        sqlx::raw_sql("COMMIT").execute(&mut db).await?;
        sqlx::raw_sql(LOG).execute(&mut db).await?;
        let late = i64::try_from(settings.exclusions.as_millis())?;
        for (name, window) in [("now", now), ("before", before)] {
            let [from, until] = [window.from, window.until].map(|at| at.as_millisecond());
            sqlx::query(MARKS).bind(name).bind(from).bind(until).bind(until + late).execute(&mut db).await?;
        }
        let events = sqlx::query_scalar("SELECT count(*) FROM log").fetch_one(&mut db).await?;
        Ok(Recount { db: Mutex::new(db), settings: settings.clone(), events })
    }

    pub(super) fn events(&self) -> i64 {
        self.events
    }

    pub(super) async fn table(&self, by: By) -> anyhow::Result<Counted> {
        let rows = self.rows(by.code()).await?;
        let total = self.rows("").await?.remove("").unwrap_or_default();
        Ok(Counted { total, rows, settings: self.settings.clone() })
    }

    async fn rows(&self, by: &str) -> anyhow::Result<BTreeMap<String, (Again, Again)>> {
        let settings = &self.settings;
        let query = sqlx::query(ROWS).bind(by).bind(settings.response).bind(settings.solution);
        let query = query.bind(settings.satisfaction).bind(settings.mostly);
        let mut found: BTreeMap<String, (Again, Again)> = BTreeMap::new();
        for row in query.fetch_all(&mut *self.db.lock().await).await? {
            let both = found.entry(row.try_get("key")?).or_default();
            let side = if row.try_get::<String, _>("win")? == "now" { &mut both.0 } else { &mut both.1 };
            *side = again(&row)?;
        }
        Ok(found)
    }
}

fn again(row: &SqliteRow) -> Result<Again, sqlx::Error> {
    let mut again = Again::default();
    for (count, name) in again.counts.iter_mut().zip(COUNTS) {
        *count = row.try_get(name)?;
    }
    let rates: Vec<Option<f64>> = RATES.into_iter().map(|name| row.try_get(name)).collect::<Result<_, _>>()?;
    if let [Some(a), Some(b), Some(c), Some(d)] = rates[..] {
        again.rates = Some([a, b, c, d]);
    }
    Ok(again)
}

impl Counted {
    /// Says of each figure of `table` that is another here; gives how many were compared.
    pub(super) fn compare(&self, table: &Table, wrong: &mut Vec<String>) -> usize {
        let mut figures = 0;
        let mut left: Vec<&String> = self.rows.keys().collect();
        for row in &table.rows {
            left.retain(|key| **key != row.key);
            let (now, before) = self.rows.get(&row.key).cloned().unwrap_or_default();
            figures += self.row(&format!("{} {}", table.by, row.key), row, (&now, &before), wrong);
            let composites = self.rows.values().filter_map(|(now, _)| now.composite());
            let rank = now.composite().map(|own| composites.filter(|other| above(*other, own)).count() as i64 + 1);
            let name = format!("{} {} rank", table.by, row.key);
            differs(&name, row.rank.map(i64::from), rank, |a, b| a == b, wrong);
            figures += 1;
        }
        for key in left {
            wrong.push(format!("{} {key}: by the log it has a row", table.by));
        }
        let (now, before) = &self.total;
        figures + self.row("all", &table.total, (now, before), wrong)
    }

    fn row(&self, name: &str, row: &Row, (now, before): (&Again, &Again), wrong: &mut Vec<String>) -> usize {
        let count = &row.count;
        let counts = [
            count.received,
            count.reopened,
            count.tried,
            count.no_answer,
            count.invalid,
            count.excluded,
            count.valid,
            count.contacted,
            count.solved,
            count.satisfied,
            count.mostly,
            count.dissatisfied,
        ];
        for ((what, theirs), ours) in COUNTS.into_iter().zip(counts).zip(now.counts) {
            differs(&format!("{name} {what}"), Some(i64::from(theirs)), Some(ours), |a, b| a == b, wrong);
        }
        let rates = row.rates.map(|rates| [rates.response, rates.solution, rates.satisfaction, rates.composite]);
        for (i, what) in RATES.into_iter().enumerate() {
            let (theirs, ours) = (rates.map(|rates| rates[i]), now.rates.map(|rates| rates[i]));
            differs(&format!("{name} {what}"), theirs, ours, |a, b| near(*a, *b), wrong);
        }
        let change = now.composite().zip(before.composite()).map(|(now, before)| now - before);
        differs(&format!("{name} change"), row.change, change, |a, b| near(*a, *b), wrong);
        let class = self.class(now, before);
        differs(&format!("{name} class"), row.class.map(|class| class.code()), class, |a, b| a == b, wrong);
        COUNTS.len() + RATES.len() + 2
    }

    fn class(&self, now: &Again, before: &Again) -> Option<&'static str> {
        let Config { least, advanced, progress, rectify, .. } = self.settings;
        let enough = |again: &Again| again.composite().filter(|_| again.valid() >= i64::from(least));
        let own = enough(now)?;
        match enough(before) {
            _ if !above(advanced, own) => Some("advanced"),
            Some(past) if !above(progress, own - past) => Some("progress"),
            _ if !above(rectify, own) => None,
            Some(past) if above(rectify, past) => Some("governed"),
            _ => Some("rectify"),
        }
    }
}

/// The last digits of a sum depend on the order of its parts.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

fn above(a: f64, b: f64) -> bool {
    a > b && !near(a, b)
}

fn differs<T: std::fmt::Display>(
    name: &str,
    published: Option<T>,
    counted: Option<T>,
    same: impl Fn(&T, &T) -> bool,
    wrong: &mut Vec<String>,
) {
    let equal = match (&published, &counted) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        _ => false,
    };
    if !equal {
        let text = |value: Option<T>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
        wrong.push(format!("{name}: {} published, {} by the log", text(published), text(counted)));
    }
}

#[cfg(test)]
mod tests;
