//! Whole logs of the tickets that something happened to within a span of time, with what they are about: what figures,
//! exports and trends are made of. No telephone number and no text of a caller is among it.

use jiff::Timestamp;

use super::cases::Log;
use super::{Error, Store, millis, tickets};
use crate::ticket::Number;
use crate::ticket::case::Entry;

/// A ticket as it is assessed.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessed {
    pub number: Number,
    pub category: [String; 3],
    /// The code of the street or district that it names.
    pub place: Option<String>,
    pub matter: Option<i64>,
    /// From its first event on, also those before and after the span.
    pub log: Vec<Entry>,
}

type Row = (i64, [String; 3], Option<String>, Option<i64>, String);

impl Store {
    /// Tickets with an event from `from` to before `to`, by number, `limit` at a time; go on with the last one's number.
    pub async fn assessed(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<Number>,
        limit: u32,
    ) -> Result<Vec<Assessed>, Error> {
        let sql = "SELECT t.id, t.category1, t.category2, t.category3, t.place, t.matter, \
                   (SELECT json_group_array(json_object('seq', seq, 'at', at, 'who', who, 'via', via, 'event', \
                   json(event))) FROM (SELECT * FROM case_events e WHERE e.ticket = t.id ORDER BY seq)) \
                   FROM tickets t WHERE t.id > ? AND EXISTS (SELECT 1 FROM case_events e \
                   WHERE e.ticket = t.id AND e.at >= ? AND e.at < ?) ORDER BY t.id LIMIT ?";
        let query = sqlx::query_as::<_, (i64, String, String, String, Option<String>, Option<i64>, String)>(sql);
        let query = query.bind(after.map_or(0, Number::key)).bind(millis(from)).bind(millis(to)).bind(limit);
        let mut db = self.reader().await?;
        let rows = query.fetch_all(&mut *db).await.map_err(|error| self.sort(&error))?;
        let rows = rows.into_iter().map(|(id, a, b, c, place, matter, log)| (id, [a, b, c], place, matter, log));
        rows.map(assessed).collect()
    }
}

fn assessed((id, category, place, matter, log): Row) -> Result<Assessed, Error> {
    Ok(Assessed { number: tickets::number(id)?, category, place, matter, log: Log(id, log).entries()? })
}
