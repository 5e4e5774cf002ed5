//! Each port through a pointer: an embedder gives the engine an `Arc` and keeps a clone of it.
//!
//! No trait has default methods, so the compiler notices when one is missing here.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    AppendError, Appended, AuthError, Authenticator, BackendError, BlockStore, Broker, Change,
    Created, Credential, Delivery, Draft, ErasureStore, Hint, HistoryCache, InboxStore,
    InviteStore, LogStore, LookStore, Moderator, PolicyStore, PresenceCache, RateCache, RateKey,
    ReceiptStore, RoomStore, Topic, Transition, Verdict,
};
use crate::{
    model::{
        Block, Cursor, Decision, Ends, Entry, Epoch, InboxFilter, InboxPlace, InboxRoom, Invite,
        InviteId, InviteToken, Look, Mark, Me, MeChange, Member, Membership, MessageId,
        NewDecision, NewEntry, NewRoom, Page, Presence, Principal, ReceiptTimes, Room, RoomId, Seq,
        SessionId, UserId, Version, Watermarks,
    },
    rate::{self, RatePolicy},
};

macro_rules! ports_through {
    ($pointer:ident) => {
        #[async_trait]
        impl<T: RoomStore + ?Sized> RoomStore for $pointer<T> {
            async fn create_room(&self, room: NewRoom) -> Result<Created, BackendError> {
                (**self).create_room(room).await
            }

            async fn room(&self, id: &RoomId) -> Result<Option<Room>, BackendError> {
                (**self).room(id).await
            }

            async fn member(
                &self,
                id: &RoomId,
                user: &UserId,
            ) -> Result<Option<Member>, BackendError> {
                (**self).member(id, user).await
            }

            async fn members(
                &self,
                id: &RoomId,
                after: Option<&UserId>,
                limit: usize,
            ) -> Result<Vec<Member>, BackendError> {
                (**self).members(id, after, limit).await
            }

            async fn rooms_of(
                &self,
                user: &UserId,
                after: Option<&RoomId>,
                limit: usize,
            ) -> Result<Vec<Membership>, BackendError> {
                (**self).rooms_of(user, after, limit).await
            }

            async fn rooms_with(
                &self,
                users: &[UserId],
                after: Option<&RoomId>,
                limit: usize,
            ) -> Result<Vec<Room>, BackendError> {
                (**self).rooms_with(users, after, limit).await
            }

            async fn directory(
                &self,
                query: &str,
                after: Option<&RoomId>,
                limit: usize,
            ) -> Result<Vec<Room>, BackendError> {
                (**self).directory(query, after, limit).await
            }
        }

        #[async_trait]
        impl<T: InboxStore + ?Sized> InboxStore for $pointer<T> {
            async fn inbox(
                &self,
                user: &UserId,
                filter: InboxFilter,
                after: Option<&InboxPlace>,
                limit: usize,
            ) -> Result<Vec<InboxRoom>, BackendError> {
                (**self).inbox(user, filter, after, limit).await
            }

            async fn inbox_room(
                &self,
                room: &RoomId,
                user: &UserId,
            ) -> Result<Option<InboxRoom>, BackendError> {
                (**self).inbox_room(room, user).await
            }

            async fn hidden_by(&self, room: &RoomId) -> Result<Vec<(UserId, Seq)>, BackendError> {
                (**self).hidden_by(room).await
            }

            async fn set_me(
                &self,
                room: &RoomId,
                user: &UserId,
                change: MeChange,
            ) -> Result<Option<Me>, BackendError> {
                (**self).set_me(room, user, change).await
            }
        }

        #[async_trait]
        impl<T: InviteStore + ?Sized> InviteStore for $pointer<T> {
            async fn add_invite(&self, invite: Invite) -> Result<(), BackendError> {
                (**self).add_invite(invite).await
            }

            async fn invite(&self, token: &InviteToken) -> Result<Option<Invite>, BackendError> {
                (**self).invite(token).await
            }

            async fn invites(
                &self,
                room: &RoomId,
                after: Option<InviteId>,
                limit: usize,
            ) -> Result<Vec<Invite>, BackendError> {
                (**self).invites(room, after, limit).await
            }

            async fn remove_invite(
                &self,
                room: &RoomId,
                id: InviteId,
            ) -> Result<bool, BackendError> {
                (**self).remove_invite(room, id).await
            }

            async fn use_invite(
                &self,
                token: &InviteToken,
                now: DateTime<Utc>,
            ) -> Result<Option<Invite>, BackendError> {
                (**self).use_invite(token, now).await
            }

            async fn unuse_invite(&self, id: InviteId) -> Result<(), BackendError> {
                (**self).unuse_invite(id).await
            }
        }

        #[async_trait]
        impl<T: LogStore + ?Sized> LogStore for $pointer<T> {
            async fn append(&self, batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>> {
                (**self).append(batch).await
            }

            async fn page(
                &self,
                room: &RoomId,
                page: Page,
                limit: usize,
            ) -> Result<Vec<Arc<Entry>>, BackendError> {
                (**self).page(room, page, limit).await
            }

            async fn find(
                &self,
                room: &RoomId,
                id: MessageId,
            ) -> Result<Option<Arc<Entry>>, BackendError> {
                (**self).find(room, id).await
            }
        }

        #[async_trait]
        impl<T: ReceiptStore + ?Sized> ReceiptStore for $pointer<T> {
            async fn advance(
                &self,
                room: &RoomId,
                user: &UserId,
                mark: Mark,
                upto: Seq,
            ) -> Result<Change<Watermarks>, BackendError> {
                (**self).advance(room, user, mark, upto).await
            }

            async fn watermarks(
                &self,
                room: &RoomId,
                users: &[UserId],
            ) -> Result<Vec<Watermarks>, BackendError> {
                (**self).watermarks(room, users).await
            }

            async fn readers(
                &self,
                room: &RoomId,
                seq: Seq,
                after: Option<&UserId>,
                limit: usize,
            ) -> Result<Vec<Member>, BackendError> {
                (**self).readers(room, seq, after, limit).await
            }

            async fn receipt_times(
                &self,
                room: &RoomId,
                user: &UserId,
                seqs: &[Seq],
            ) -> Result<Vec<ReceiptTimes>, BackendError> {
                (**self).receipt_times(room, user, seqs).await
            }
        }

        #[async_trait]
        impl<T: PolicyStore + ?Sized> PolicyStore for $pointer<T> {
            async fn decide(&self, new: NewDecision) -> Result<Decision, BackendError> {
                (**self).decide(new).await
            }

            async fn decisions(
                &self,
                after: Version,
                limit: usize,
            ) -> Result<Vec<Decision>, BackendError> {
                (**self).decisions(after, limit).await
            }

            async fn newest_decision(&self) -> Result<Version, BackendError> {
                (**self).newest_decision().await
            }

            async fn forget_decisions(
                &self,
                before: DateTime<Utc>,
                now: DateTime<Utc>,
            ) -> Result<(), BackendError> {
                (**self).forget_decisions(before, now).await
            }

            async fn in_force(
                &self,
                after: Ends,
                limit: usize,
            ) -> Result<Vec<Decision>, BackendError> {
                (**self).in_force(after, limit).await
            }
        }

        #[async_trait]
        impl<T: LookStore + ?Sized> LookStore for $pointer<T> {
            async fn claim_look(&self, look: &Look, user: &UserId) -> Result<UserId, BackendError> {
                (**self).claim_look(look, user).await
            }
        }

        #[async_trait]
        impl<T: BlockStore + ?Sized> BlockStore for $pointer<T> {
            async fn block(&self, block: Block) -> Result<Block, BackendError> {
                (**self).block(block).await
            }

            async fn unblock(
                &self,
                by: &UserId,
                user: &UserId,
            ) -> Result<Option<Block>, BackendError> {
                (**self).unblock(by, user).await
            }

            async fn blocks_by(
                &self,
                by: &UserId,
                after: Option<&UserId>,
                limit: usize,
            ) -> Result<Vec<Block>, BackendError> {
                (**self).blocks_by(by, after, limit).await
            }

            async fn blocks_of(
                &self,
                users: &[UserId],
                by: &[UserId],
            ) -> Result<Vec<Block>, BackendError> {
                (**self).blocks_of(users, by).await
            }
        }

        #[async_trait]
        impl<T: ErasureStore + ?Sized> ErasureStore for $pointer<T> {
            async fn delete_room(&self, room: &RoomId, epoch: Epoch) -> Result<bool, BackendError> {
                (**self).delete_room(room, epoch).await
            }

            async fn rooms_about(
                &self,
                user: &UserId,
                after: Option<&RoomId>,
                limit: usize,
            ) -> Result<Vec<RoomId>, BackendError> {
                (**self).rooms_about(user, after, limit).await
            }

            async fn entries_about(
                &self,
                room: &RoomId,
                user: &UserId,
                after: Seq,
                limit: usize,
            ) -> Result<Vec<Arc<Entry>>, BackendError> {
                (**self).entries_about(room, user, after, limit).await
            }

            async fn erase_in(
                &self,
                room: &RoomId,
                user: &UserId,
                name: &UserId,
            ) -> Result<(), BackendError> {
                (**self).erase_in(room, user, name).await
            }

            async fn erase_user(&self, user: &UserId, name: &UserId) -> Result<(), BackendError> {
                (**self).erase_user(user, name).await
            }
        }

        #[async_trait]
        impl<T: PresenceCache + ?Sized> PresenceCache for $pointer<T> {
            async fn touch(
                &self,
                user: &UserId,
                session: SessionId,
                ttl: Duration,
            ) -> Result<Transition, BackendError> {
                (**self).touch(user, session, ttl).await
            }

            async fn release(
                &self,
                user: &UserId,
                session: SessionId,
            ) -> Result<Transition, BackendError> {
                (**self).release(user, session).await
            }

            async fn presence(&self, users: &[UserId]) -> Result<Vec<Presence>, BackendError> {
                (**self).presence(users).await
            }

            async fn online(&self, limit: usize) -> Result<Vec<UserId>, BackendError> {
                (**self).online(limit).await
            }

            async fn forget_user(&self, user: &UserId) -> Result<(), BackendError> {
                (**self).forget_user(user).await
            }

            async fn take_expired(&self, limit: usize) -> Result<Vec<UserId>, BackendError> {
                (**self).take_expired(limit).await
            }
        }

        #[async_trait]
        impl<T: RateCache + ?Sized> RateCache for $pointer<T> {
            async fn acquire(
                &self,
                key: &RateKey,
                policy: &RatePolicy,
            ) -> Result<rate::Decision, BackendError> {
                (**self).acquire(key, policy).await
            }
        }

        #[async_trait]
        impl<T: HistoryCache + ?Sized> HistoryCache for $pointer<T> {
            async fn window(
                &self,
                room: &RoomId,
                at: Cursor,
                range: RangeInclusive<Seq>,
            ) -> Result<Option<Vec<Arc<Entry>>>, BackendError> {
                (**self).window(room, at, range).await
            }

            async fn forget_room(&self, room: &RoomId) -> Result<(), BackendError> {
                (**self).forget_room(room).await
            }

            async fn fill(
                &self,
                room: &RoomId,
                at: Cursor,
                newest: &[Arc<Entry>],
            ) -> Result<(), BackendError> {
                (**self).fill(room, at, newest).await
            }

            async fn extend(
                &self,
                room: &RoomId,
                epoch: Epoch,
                entries: &[Arc<Entry>],
            ) -> Result<(), BackendError> {
                (**self).extend(room, epoch, entries).await
            }
        }

        #[async_trait]
        impl<T: Broker + ?Sized> Broker for $pointer<T> {
            async fn publish(&self, topic: &Topic, hint: &Hint) -> Result<(), BackendError> {
                (**self).publish(topic, hint).await
            }

            async fn subscribe(&self, topic: &Topic) -> Result<(), BackendError> {
                (**self).subscribe(topic).await
            }

            async fn unsubscribe(&self, topic: &Topic) -> Result<(), BackendError> {
                (**self).unsubscribe(topic).await
            }

            async fn next(&self) -> Delivery {
                (**self).next().await
            }
        }

        #[async_trait]
        impl<T: Moderator + ?Sized> Moderator for $pointer<T> {
            async fn review(&self, draft: &Draft) -> Result<Verdict, BackendError> {
                (**self).review(draft).await
            }
        }

        #[async_trait]
        impl<T: Authenticator + ?Sized> Authenticator for $pointer<T> {
            async fn authenticate(
                &self,
                presented: &Credential<'_>,
            ) -> Result<Principal, AuthError> {
                (**self).authenticate(presented).await
            }
        }
    };
}

ports_through!(Arc);
ports_through!(Box);
