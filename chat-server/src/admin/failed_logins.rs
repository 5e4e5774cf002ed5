//! Logins that failed, on record: one row for each address and minute.

use std::{net::IpAddr, sync::Arc, time::Duration};

use chat_core::{
    ChatEngine, ClientMessageId, Error, IdGen as _, NewDecision, RandomIds, Reason, Ruling, UserId,
    Via,
};
use tokio_util::sync::CancellationToken;

use crate::auth::failures::Failures;

/// The time whose failed logins make one row for each address.
const EVERY: Duration = Duration::from_mins(1);

/// Writes the rows each minute, and a last time at the stop.
pub(crate) async fn record(
    engine: ChatEngine,
    failures: Vec<Arc<Failures>>,
    stop: CancellationToken,
) {
    while stop
        .run_until_cancelled(tokio::time::sleep(EVERY))
        .await
        .is_some()
    {
        write(&engine, &failures).await;
    }
    write(&engine, &failures).await;
}

async fn write(engine: &ChatEngine, failures: &[Arc<Failures>]) {
    for failures in failures {
        for (address, count) in failures.take() {
            if let Err(error) = row(engine, address, count).await {
                tracing::debug!(%error, "failed logins can't be put on record for now");
                failures.count(address, count);
            }
        }
    }
}

async fn row(engine: &ChatEngine, address: Option<IpAddr>, count: u64) -> Result<(), Error> {
    let new = NewDecision {
        at: engine.clock().now(),
        by: UserId::new("system")?,
        via: Via::Host,
        address,
        reason: Reason::default(),
        client_id: ClientMessageId::new(RandomIds.next().to_string())?,
        what: Ruling::FailedLogins { count },
    };
    engine.decide(new).await.map(drop)
}
