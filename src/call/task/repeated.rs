//! Whether a caller has reported the same before: they hear how far that is (Provisions of Beijing Municipality on
//! Handling Complaints upon Receipt, art. 11 (3)).
//!
//! The new ticket is compared as `intake` will compare it a moment later, which then links the two; but here only with
//! what came from the same number, because the caller waits.

use jiff::{SignedDuration, Timestamp};

use crate::id::CallId;
use crate::matter::{self, Config, Index};
use crate::store::{Error, Store, Ticket};

/// A caller's last tickets that a new one is compared with.
const EARLIER: u32 = 20;

/// The caller's earlier ticket about what the ticket of `call` reports.
pub(super) async fn find(store: &Store, config: &Config, call: CallId, caller: &str) -> Result<Option<Ticket>, Error> {
    let since = Timestamp::now().saturating_sub(SignedDuration::from_secs(config.window)).unwrap_or(Timestamp::MIN);
    let mut tickets = store.reported_by(caller, since, EARLIER).await?;
    let Some(new) = store.ticket_of(call).await? else { return Ok(None) };
    let Some(at) = tickets.iter().position(|ticket| ticket.number == new.number) else { return Ok(None) };
    let new = tickets.remove(at);
    let Some(report) = new.report() else { return Ok(None) };
    let mut index = Index::new(config.clone());
    for ticket in &tickets {
        if let Some(report) = ticket.report() {
            index.keep(ticket.number, &report);
        }
    }
    match index.add(new.number, &report).iter().find(|earlier| matter::repeats(config, earlier)) {
        Some(earlier) => store.ticket(earlier.id).await,
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Filing, planted};
    use crate::ticket::{Number, Text};

    const CALLER: &str = "13800138000";

    async fn file(store: &Store, n: u128, caller: &str, text: &str) -> (CallId, Number) {
        let now = Timestamp::now();
        let call = CallId::new(now.as_millisecond(), n);
        let filing = Filing {
            caller: Some(caller.to_owned()),
            began: now,
            text: Some(text.to_owned()),
            text_state: Text::Whole,
            ..planted::pending(call)
        };
        (call, store.file(filing, now).await.expect("filed").number)
    }

    #[tokio::test]
    async fn a_caller_hears_of_their_own_earlier_ticket_and_of_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = planted::open(folder.path(), &[]).await;
        let config = Config::default();
        let (_, earlier) = file(&store, 1, CALLER, "望京街道幸福家园3号楼停水两天了，没有人修").await;
        file(&store, 2, CALLER, "亮马桥路口的红绿灯坏了，晚上很危险").await;
        file(&store, 3, "13900139000", "望京街道幸福家园3号楼又停水了").await;
        let (again, _) = file(&store, 4, CALLER, "我昨天打过，望京街道幸福家园3号楼还是停水，两天没有人修").await;
        let found = find(&store, &config, again, CALLER).await.expect("read");
        assert_eq!(found.map(|ticket| ticket.number), Some(earlier));
        let (other, _) = file(&store, 5, CALLER, "公园里有人卖假药，请查一查").await;
        assert_eq!(find(&store, &config, other, CALLER).await.expect("read"), None, "another matter");
        let (withheld, _) = file(&store, 6, "", "望京街道幸福家园3号楼停水两天了").await;
        assert_eq!(find(&store, &config, withheld, "").await.expect("read"), None, "nobody knows who they are");
        let unfiled = CallId::new(20_000, 7);
        assert_eq!(find(&store, &config, unfiled, CALLER).await.expect("read"), None, "a call without a ticket");
    }
}
