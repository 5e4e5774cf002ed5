//! The presence of the other user, as people are shown it. No input or output.

use std::time::Duration;

use chat_core::Presence;
use tokio::time::Instant;

/// The time for which the other has to be away before it is shown: a device that changes networks,
/// or a server that starts again, is soon back.
const LASTS: Duration = Duration::from_secs(2);

/// The presence that was shown last, and the one that is shown if it lasts.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    shown: Option<Presence>,
    away: Option<(Instant, Presence)>,
}

impl Peer {
    /// The other came or went; gives back what is to be shown at once.
    pub(crate) fn changed(&mut self, now: Instant, presence: Presence) -> Option<Presence> {
        self.away = None;
        if presence.online || self.shown.is_none() {
            return self.show(presence);
        }
        self.away = Some((now + LASTS, presence));
        None
    }

    /// Gives the presence back unless it is the one shown last.
    pub(crate) fn show(&mut self, presence: Presence) -> Option<Presence> {
        if self.shown.as_ref() == Some(&presence) {
            return None;
        }
        self.shown = Some(presence.clone());
        Some(presence)
    }

    /// The time at which [`lasted`](Self::lasted) is due.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        self.away.as_ref().map(|(when, _)| *when)
    }

    /// The other has stayed away.
    pub(crate) fn lasted(&mut self) -> Option<Presence> {
        let (_, presence) = self.away.take()?;
        self.show(presence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::UserId;

    fn bob(online: bool) -> Presence {
        Presence {
            user: UserId::new("bob").unwrap(),
            online,
            last_seen: None,
        }
    }

    #[test]
    fn a_peer_that_is_back_within_two_seconds_is_not_shown_as_away() {
        let now = Instant::now();
        let mut peer = Peer::default();
        assert_eq!(peer.changed(now, bob(true)), Some(bob(true)));
        assert_eq!(peer.changed(now, bob(false)), None);
        assert_eq!(peer.alarm(), Some(now + LASTS));
        assert_eq!(peer.changed(now, bob(true)), None, "it was shown so");
        assert_eq!(peer.alarm(), None);
        assert_eq!(peer.changed(now, bob(false)), None);
        assert_eq!(peer.lasted(), Some(bob(false)));
        assert_eq!(peer.lasted(), None);
    }

    #[test]
    fn a_peer_that_is_offline_at_the_start_is_shown_so_at_once() {
        let mut peer = Peer::default();
        assert_eq!(peer.changed(Instant::now(), bob(false)), Some(bob(false)));
    }
}
