//! A Redis that loses its data, stalls, goes away and comes back.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chat_cache_redis::{PATIENCE, RedisBroker, RedisCache};
use chat_core::{
    SessionId, UserId,
    port::{
        BackendError, BackendErrorKind, Broker, Delivery, Hint, PresenceCache, RateCache, RateKey,
        Retry, Topic, Transition,
    },
    rate::{Decision, RatePolicy},
};
use chat_testkit::{Proxy, Redis};
use tokio::time::timeout;

use crate::fails_soon;

const POLICY: RatePolicy = RatePolicy::Steady {
    interval: Duration::from_mins(1),
    burst: 1,
};
const LEASE: Duration = Duration::from_mins(1);

fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

fn topic() -> Topic {
    Topic::User(alice())
}

fn hint(name: &str) -> Hint {
    let user = UserId::new(name).unwrap();
    Hint::Presence { user }
}

fn delivery(name: &str) -> Delivery {
    let (topic, hint) = (topic(), hint(name));
    Delivery::Hint { topic, hint }
}

async fn touch(cache: &RedisCache) -> Result<Transition, BackendError> {
    let session = SessionId(uuid::Uuid::nil());
    cache.touch(&alice(), session, LEASE).await
}

async fn acquire(cache: &RedisCache) -> Result<Decision, BackendError> {
    let (action, user) = ("send".into(), alice());
    cache.acquire(&RateKey { action, user }, &POLICY).await
}

async fn next(broker: &RedisBroker) -> Delivery {
    let next = timeout(Duration::from_secs(5), broker.next()).await;
    next.expect("something arrives within 5 s")
}

/// Waits until the gap is reported; while Redis was away, only its absence was.
async fn lagged(broker: &RedisBroker) {
    loop {
        match next(broker).await {
            Delivery::Lagged => return,
            other => assert_eq!(other, Delivery::Away),
        }
    }
}

/// Waits until a call succeeds, for up to 5 s.
async fn succeeds<T, E>(mut call: impl AsyncFnMut() -> Result<T, E>) -> T {
    let tries = async {
        loop {
            match call().await {
                Ok(done) => return done,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let done = timeout(Duration::from_secs(5), tries).await;
    done.expect("it works again within 5 s")
}

/// Returns two nodes, the second of which listens.
async fn pair(server: &Redis) -> (RedisBroker, RedisBroker) {
    let from = RedisBroker::connect(&server.url()).await.unwrap();
    let to = RedisBroker::connect(&server.url()).await.unwrap();
    to.subscribe(&topic()).await.unwrap();
    (from, to)
}

#[tokio::test]
async fn scripts_that_were_flushed_are_loaded_again() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let cache = RedisCache::connect(&server.url()).await.unwrap();
    assert_eq!(touch(&cache).await.unwrap(), Transition::BecameOnline);
    assert_eq!(server.command("SCRIPT FLUSH"), "+OK");
    assert_eq!(touch(&cache).await.unwrap(), Transition::Same);
    assert_eq!(acquire(&cache).await.unwrap(), Decision::Allowed);
}

#[tokio::test]
async fn who_was_forgotten_is_online_again_with_the_next_renewal() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let cache = RedisCache::connect(&server.url()).await.unwrap();
    touch(&cache).await.unwrap();
    assert_eq!(server.command("FLUSHALL"), "+OK");
    assert_eq!(cache.online(10).await.unwrap(), []);
    assert_eq!(touch(&cache).await.unwrap(), Transition::BecameOnline);
    assert_eq!(cache.online(10).await.unwrap(), [alice()]);
}

#[tokio::test]
async fn a_killed_subscription_comes_back_and_the_gap_is_told_once() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let (from, to) = pair(&server).await;
    for round in ["one", "two", "three"] {
        let killed = server.command("CLIENT KILL TYPE pubsub");
        assert!(killed.starts_with(':') && killed != ":0", "{killed}");
        lagged(&to).await;
        from.publish(&topic(), &hint(round)).await.unwrap();
        assert_eq!(next(&to).await, delivery(round), "and not Lagged again");
    }
}

#[tokio::test]
async fn what_is_no_hint_is_ignored() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let (from, to) = pair(&server).await;
    for forged in ["", "{}", "null", "\\xff", r#"{"node":1,"hint":2}"#] {
        let heard = server.command(&format!("PUBLISH chat:{{t616c696365}} '{forged}'"));
        assert_eq!(heard, ":1", "on the right channel");
    }
    from.publish(&topic(), &hint("bob")).await.unwrap();
    assert_eq!(next(&to).await, delivery("bob"));
}

/// The lines of the log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn take(&self) -> Vec<String> {
        let lines = std::mem::take(&mut *self.0.lock().unwrap());
        let lines = String::from_utf8(lines).unwrap();
        lines.lines().map(str::to_owned).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn while_redis_is_dead_calls_fail_at_once_and_then_all_works_again() {
    let Some(mut server) = Redis::start().await else {
        return;
    };
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());

    let cache = RedisCache::connect(&server.url()).await.unwrap();
    let (from, to) = pair(&server).await;
    assert_eq!(acquire(&cache).await.unwrap(), Decision::Allowed);
    assert_eq!(lines.take(), [""; 0]);

    server.kill();
    for _ in 0..20 {
        fails_soon(touch(&cache)).await;
        fails_soon(acquire(&cache)).await;
        fails_soon(cache.online(10)).await;
        fails_soon(cache.take_expired(10)).await;
        fails_soon(from.publish(&topic(), &hint("nobody"))).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let late = Topic::User(UserId::new("late").unwrap());
    to.subscribe(&late).await.unwrap();
    for _ in 0..2 {
        assert_eq!(next(&to).await, Delivery::Away, "again and again");
    }
    let told = lines.take();
    assert_eq!(told.len(), 5, "one line a connection: {told:#?}");
    assert!(
        told.iter().all(|line| line.contains("redis is away")),
        "{told:#?}"
    );

    server.restart();
    server.ready().await;
    let first = succeeds(async || acquire(&cache).await).await;
    assert_eq!(first, Decision::Allowed, "a fresh budget");
    assert_eq!(touch(&cache).await.unwrap(), Transition::BecameOnline);
    lagged(&to).await;
    succeeds(async || from.publish(&topic(), &hint("bob")).await).await;
    assert_eq!(next(&to).await, delivery("bob"));
    from.publish(&late, &hint("carol")).await.unwrap();
    let (topic, hint) = (late, hint("carol"));
    assert_eq!(next(&to).await, Delivery::Hint { topic, hint });
    // Each connection logs its own line.
    let mut told = lines.take();
    succeeds(async || {
        told.extend(lines.take());
        if told.len() < 5 { Err(()) } else { Ok(()) }
    })
    .await;
    let back = told.iter().all(|line| line.contains("redis is back"));
    assert!(back && told.len() == 5, "each once: {told:#?}");
}

#[tokio::test]
async fn a_redis_that_stalls_costs_one_call_its_patience_and_the_others_nothing() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let cache = RedisCache::connect(&server.url()).await.unwrap();
    let (from, to) = pair(&server).await;
    touch(&cache).await.unwrap();
    server.signal("STOP");
    let read = cache.online(10).await.unwrap_err();
    assert_eq!(read.retry, Retry::Safe, "a read leaves no doubt: {read:?}");
    fails_soon(touch(&cache)).await;
    fails_soon(from.publish(&topic(), &hint("nobody"))).await;
    let start = Instant::now();
    for _ in 0..1_000 {
        fails_soon(touch(&cache)).await;
        fails_soon(from.publish(&topic(), &hint("nobody"))).await;
    }
    // If the calls did not fail at once, each of them would wait for its patience.
    assert!(start.elapsed() < 100 * PATIENCE, "{:?}", start.elapsed());
    // The calls fail until the connection is given up.
    for _ in 0..3 {
        while next(&to).await != Delivery::Away {}
    }
    server.signal("CONT");
    let renewed = succeeds(async || touch(&cache).await).await;
    assert_eq!(renewed, Transition::Same, "nothing was lost");
    // Hints that Redis had received when it stalled may arrive now; then the gap is reported.
    while next(&to).await != Delivery::Lagged {}
    succeeds(async || from.publish(&topic(), &hint("bob")).await).await;
    while next(&to).await != delivery("bob") {}
}

#[tokio::test]
async fn away_is_told_once_a_second_however_many_subscribe() {
    let Some(mut server) = Redis::start().await else {
        return;
    };
    let broker = RedisBroker::connect(&server.url()).await.unwrap();
    server.kill();
    while next(&broker).await != Delivery::Away {}
    let mut aways = 0;
    let subscribing = async {
        for n in 0..200 {
            let user = UserId::new(format!("user{n}")).unwrap();
            broker.subscribe(&Topic::User(user)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let counting = async {
        loop {
            assert_eq!(broker.next().await, Delivery::Away);
            aways += 1;
        }
    };
    tokio::select! {
        () = subscribing => {}
        () = counting => {}
    }
    assert!((1..=4).contains(&aways), "{aways} in two seconds");
}

#[tokio::test]
async fn a_url_that_is_of_no_use_is_refused_with_its_reason() {
    let Some(mut server) = Redis::start().await else {
        return;
    };
    let kind = async |url: &str| RedisCache::connect(url).await.unwrap_err().kind;
    let url = server.url();
    for wrong in ["", "redis", "http://127.0.0.1", "redis:/127.0.0.1:1"] {
        assert_eq!(
            kind(wrong).await,
            BackendErrorKind::Misconfigured,
            "{wrong}"
        );
    }
    assert_eq!(server.command("CONFIG SET requirepass secret"), "+OK");
    let refused = RedisCache::connect(&url).await.unwrap_err();
    assert_eq!(refused.kind, BackendErrorKind::Unauthorized, "{refused:?}");
    let wrong = url.replace("redis://", "redis://:wrong@");
    let refused = RedisCache::connect(&wrong).await.unwrap_err();
    assert_eq!(refused.kind, BackendErrorKind::Unauthorized, "{refused:?}");
    let right = url.replace("redis://", "redis://:secret@");
    touch(&RedisCache::connect(&right).await.unwrap())
        .await
        .unwrap();
    server.kill();
    assert_eq!(kind(&url).await, BackendErrorKind::Unavailable);
}

/// Returns the answer to a command that gives a list of words.
fn listed(server: &Redis, command: &str) -> Vec<String> {
    let answer = server.command(command);
    let words = answer.lines().filter(|line| !line.starts_with(['*', '$']));
    words.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_primary_that_became_a_replica_and_keeps_its_connections_is_left() {
    let (Some(old), Some(new)) = (Redis::start().await, Redis::start().await) else {
        return;
    };
    let proxy = Proxy::to(old.address()).await;
    let url = format!("redis://{}", proxy.address());
    let cache = RedisCache::connect(&url).await.unwrap();
    let broker = RedisBroker::connect(&url).await.unwrap();
    broker.subscribe(&topic()).await.unwrap();
    assert_eq!(touch(&cache).await.unwrap(), Transition::BecameOnline);

    let replica = format!("REPLICAOF 127.0.0.1 {}", new.port());
    assert_eq!(old.command(&replica), "+OK");
    // Open connections stay as they are; only a new connection is led to the new primary.
    proxy.lead_to(new.address());
    let refused = touch(&cache).await.unwrap_err();
    assert_eq!(refused.kind, BackendErrorKind::Unavailable);
    let came = succeeds(async || touch(&cache).await).await;
    assert_eq!(
        came,
        Transition::BecameOnline,
        "the new primary knows of no lease"
    );
    lagged(&broker).await;
    let other = RedisBroker::connect(&new.url()).await.unwrap();
    other.publish(&topic(), &hint("bob")).await.unwrap();
    assert_eq!(next(&broker).await, delivery("bob"));
    other.subscribe(&topic()).await.unwrap();
    succeeds(async || {
        broker.publish(&topic(), &hint("carol")).await.unwrap();
        match timeout(Duration::from_millis(200), other.next()).await {
            Ok(found) if found == delivery("carol") => Ok(()),
            _ => Err(()),
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_clock_that_was_an_hour_ahead_left_behind_lasts_no_longer_than_it_may() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let cache = RedisCache::connect(&server.url()).await.unwrap();
    let time = server.command("TIME");
    let now: u64 = time
        .lines()
        .find_map(|line| line.trim().parse().ok())
        .unwrap();
    let later = (now + 3_600) * 1_000_000;

    // A budget that is muted until then.
    let budget = "chat:{r616c696365}:send";
    server.command(&format!("HSET {budget} phase muted ends {later} used 0"));
    let (limit, window, mute) = (1, Duration::from_mins(1), Duration::from_secs(3));
    let policy = RatePolicy::Window {
        limit,
        window,
        mute,
    };
    let (action, user) = ("send".into(), alice());
    let key = RateKey { action, user };
    let mut waits = Vec::new();
    for _ in 0..2 {
        match cache.acquire(&key, &policy).await.unwrap() {
            Decision::Muted { retry_after } => waits.push(retry_after),
            other => panic!("{other:?}"),
        }
    }
    assert!(waits[0] <= mute && waits[1] < waits[0], "{waits:?}");

    // A lease of a node that died, and a lease of a device that stays connected.
    let lease = Duration::from_millis(800);
    let session = |number| SessionId(uuid::Uuid::from_u128(number));
    for (user, number) in [("alice", 1), ("bob", 2)] {
        let user = UserId::new(user).unwrap();
        cache.touch(&user, session(number), lease).await.unwrap();
    }
    let keys = ["chat:*:ends", "chat:*:leases:*"]
        .map(|pattern| listed(&server, &format!("KEYS {pattern}")));
    for key in keys.concat() {
        for member in listed(&server, &format!("ZRANGE {key} 0 -1")) {
            server.command(&format!("ZADD {key} {later} {member}"));
        }
    }
    let users = [alice(), UserId::new("bob").unwrap()];
    let online = async || {
        let presence = cache.presence(&users).await.unwrap();
        [presence[0].online, presence[1].online]
    };
    assert_eq!(online().await, [true, true]);
    // Alice has a second device, whose lease is renewed.
    assert_eq!(
        cache.touch(&users[0], session(3), lease).await.unwrap(),
        Transition::Same
    );
    let (mut gone, began) = (Vec::new(), Instant::now());
    while gone.is_empty() && began.elapsed() < Duration::from_secs(5) {
        assert_eq!(
            cache.touch(&users[0], session(3), lease).await.unwrap(),
            Transition::Same
        );
        gone = cache.take_expired(10).await.unwrap();
        tokio::time::sleep(lease / 20).await;
    }
    assert_eq!(gone, users[1..]);
    assert_eq!(online().await, [true, false]);
    let last = cache.release(&users[0], session(3)).await.unwrap();
    assert_eq!(
        last,
        Transition::BecameOffline,
        "the device of the dead node is gone too"
    );
}
