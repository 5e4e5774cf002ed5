//! The client and the user of a request, known while it is answered, for its line in the access log.

use std::{cell::OnceCell, future::Future, net::IpAddr};

use chat_core::UserId;

/// The client and the user of a request.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The client whom a proxy has named.
    pub(super) client: OnceCell<IpAddr>,
    /// The user whom the token proves.
    pub(super) user: OnceCell<UserId>,
}

tokio::task_local! {
    static KNOWN: Known;
}

/// Answers a request; gives the answer to `finish`, with what became known meanwhile.
pub(super) async fn collect<A>(
    answer: impl Future<Output = A>,
    finish: impl FnOnce(&Known, &A),
) -> A {
    let collected = async {
        let answer = answer.await;
        KNOWN.with(|known| finish(known, &answer));
        answer
    };
    KNOWN.scope(Known::default(), collected).await
}

/// Notes who has logged in with the request that this task answers, if it is one that is logged.
pub(crate) fn note_user(user: &UserId) {
    KNOWN
        .try_with(|known| known.user.set(user.clone()).ok())
        .ok();
}

/// The same for the address of its client.
pub(super) fn note_client(client: IpAddr) {
    KNOWN.try_with(|known| known.client.set(client).ok()).ok();
}
