//! Assembly: makes the parts of an engine from what the builder was given, and starts the tasks.

use std::sync::{Arc, atomic::AtomicBool};

use tokio::sync::mpsc;

use super::{
    acts::{access::Access, limits::Limits, looks::Looks, review::Review},
    builder::ChatEngineBuilder,
    deliver::{hub::Hub, news::News, typing::Typing},
    log::{
        follower::{Follower, Followers},
        lagging::{CatchUps, Lagging},
        publish::Publisher,
        queue::AppendQueue,
        sequencer::Sequencer,
    },
    metrics::Metrics,
    nodes::{
        caught::CaughtBroker, hints_in::HintsIn, hints_out::HintsOut, listen::Listening,
        policy::Policy, record::Record,
    },
    parts::Parts,
    presence::{PresenceTask, changes::PresenceChanges, leases::Leases},
    read::{blocks::Blocks, directory::Directory, shared_reads::SharedReads, windows::WindowTask},
    state::{
        admission::Admission, hints::Hints, moved::Moved, outage::Outage, rooms::Rooms,
        standings::Standings, typists::Typists, window_writes::WindowWrites,
    },
    tasks::Tasks,
    watched::Watched,
};
use crate::{
    memory::{MemoryCache, MemoryStore},
    moderation::Chain,
    port::{Broker, Cache, Store},
    time::{RandomIds, SystemClock},
};

/// How many devices that have gone may wait for the end of their leases; of more, the leases end by
/// themselves.
const DEPARTURES: usize = 65_536;

/// The list of followers: everything that happens after a commit, in the order in which it is called. A new
/// one is a line here and a file of its own.
fn followers(
    metrics: &Arc<Metrics>,
    typing: &Arc<Typing>,
    windows: Option<&WindowWrites>,
    hints: &Hints,
    news: &News,
) -> Followers {
    let mut followers: Vec<Box<dyn Follower>> = vec![
        Box::new(Arc::clone(metrics)),
        Box::new(Arc::clone(typing)),
        Box::new(hints.clone()),
        Box::new(news.clone()),
    ];
    if let Some(windows) = windows {
        followers.push(Box::new(windows.clone()));
    }
    followers.into()
}

/// Makes the parts and starts the tasks, on the current runtime.
#[expect(clippy::too_many_lines, reason = "it is a list of parts")]
pub(super) fn assemble(builder: ChatEngineBuilder) -> Arc<Parts> {
    let ChatEngineBuilder {
        store,
        cache,
        broker,
        moderation,
        clock,
        ids,
        policy: rules,
        config,
    } = builder;
    let clock = clock.unwrap_or_else(|| Arc::new(SystemClock::default()));
    let ids = ids.unwrap_or_else(|| Arc::new(RandomIds));
    let metrics = Arc::<Metrics>::default();
    let tasks = Tasks::default();

    let store = store.unwrap_or_else(|| Arc::new(MemoryStore::default()));
    let outage = Outage::new("the store fails; what it can't take is refused");
    let watched_store = Arc::new(Watched::new(store, outage, Arc::clone(&clock)));
    let store: Arc<dyn Store> = Arc::clone(&watched_store) as _;

    let cache = cache.unwrap_or_else(|| Arc::new(MemoryCache::new(Arc::clone(&clock))));
    let outage =
        Outage::new("the cache fails; limits are this node's own, and nobody knows who is online");
    let watched_cache = Arc::new(Watched::new(cache, outage, Arc::clone(&clock)));
    let cache: Arc<dyn Cache> = Arc::clone(&watched_cache) as _;

    let broker = broker.map(|broker| Arc::new(CaughtBroker(broker)) as Arc<dyn Broker>);
    let hub = Arc::<Hub>::default();
    // Hints and windows are for other nodes, which only a broker reaches.
    let (hints, outbound) = Hints::new(broker.is_some(), Arc::clone(&metrics));
    let (windows, window_writes) = broker.as_ref().map(|_| WindowWrites::queue()).unzip();
    let standings = Arc::<Standings>::default();
    let blocks = Blocks::new(
        Arc::clone(&store),
        Arc::clone(&standings),
        Arc::clone(&clock),
        broker.is_some(),
    );
    let directory = Arc::new(Directory {
        store: Arc::clone(&store),
        hub: Arc::clone(&hub),
        hints: hints.clone(),
        rooms: Rooms::default(),
        blocks,
    });
    let (catch_ups, lagging) = CatchUps::queue();
    let listening = broker.as_ref().map(|broker| {
        let (broker, directory) = (Arc::clone(broker), Arc::clone(&directory));
        Arc::new(Listening::new(broker, directory, catch_ups.clone()))
    });

    let policy = Arc::new(Policy::new(
        standings,
        Arc::clone(&store),
        Arc::clone(&hub),
        hints.clone(),
        Arc::clone(&clock),
        config.policy_stale,
    ));
    tasks.spawn_until_stop(Arc::clone(&policy));
    tasks.spawn_until_stop(Record {
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        keep: config.audit_keep,
    });

    let typing = Arc::new(Typing {
        typists: Typists::default(),
        hub: Arc::clone(&hub),
        hints: hints.clone(),
        clock: Arc::clone(&clock),
        throttle: config.typing_throttle,
        expiry: config.typing_expiry,
    });
    tasks.spawn_until_stop(Arc::clone(&typing));

    let (news, news_task) = News::new(&hub, &store);
    tasks.spawn_until_stop(news_task);

    let moved = Arc::<Moved>::default();
    let leases = Arc::new(Leases::new(
        Arc::clone(&cache),
        Arc::clone(&hub),
        Arc::clone(&moved),
        config.presence_lease,
    ));
    let presence = Arc::new(PresenceChanges::new(
        Arc::clone(&cache),
        Arc::clone(&directory),
        hints.clone(),
        moved,
    ));
    let (departures, departed) = mpsc::channel(DEPARTURES);
    let (task_leases, task_presence) = (Arc::clone(&leases), Arc::clone(&presence));
    let listens = listening.clone();
    let keeper = PresenceTask::new(task_leases, task_presence, listens, &config, departed);
    tasks.spawn_until_stop(keeper);

    let admission = Arc::<Admission>::default();
    let (jobs, waiting) = mpsc::channel(config.append_queue);
    let publisher = Publisher {
        store: Arc::clone(&store),
        hub: Arc::clone(&hub),
        followers: followers(&metrics, &typing, windows.as_ref(), &hints, &news),
        standings: Arc::clone(&policy.standings),
        clock: Arc::clone(&clock),
    };
    let sequencer = Sequencer::new(
        waiting,
        Arc::clone(&metrics),
        Arc::clone(&admission),
        hints.clone(),
        publisher,
        Lagging::new(Arc::clone(&directory), lagging),
    );
    // It ends by itself, after what is queued is stored.
    tasks.spawn(sequencer);
    let queue = AppendQueue {
        jobs,
        admission,
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
    };

    if let Some(broker) = broker {
        tasks.spawn_until_stop(HintsOut {
            broker: Arc::clone(&broker),
            waiting: outbound,
            metrics: Arc::clone(&metrics),
        });
        tasks.spawn_until_stop(HintsIn {
            broker,
            cache: Arc::clone(&cache),
            hub: Arc::clone(&hub),
            directory: Arc::clone(&directory),
            catch_ups,
            news: news.clone(),
            leases: Arc::clone(&leases),
            presence: Arc::clone(&presence),
            policy: Arc::clone(&policy),
            metrics: Arc::clone(&metrics),
            check_every: config.position_check,
        });
    }
    if let Some(writes) = window_writes {
        let cache = Arc::clone(&cache);
        tasks.spawn_until_stop(WindowTask { cache, writes });
    }

    let limits = Arc::new(Limits {
        cache: Arc::clone(&cache),
        local: MemoryCache::new(Arc::clone(&clock)),
    });
    let access = Access {
        directory: Arc::clone(&directory),
        limits: Arc::clone(&limits),
        room_limit: config.room_limit,
        policy: Arc::clone(&policy),
        looks: config.unique_looks.then(|| Looks::new(Arc::clone(&store))),
        rules,
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    };
    let review = Review {
        limits,
        moderation: Chain::new(moderation),
        send_limit: config.send_limit,
        max_chars: config.text_chars,
        max_bytes: config.text_bytes,
    };
    let reads = SharedReads {
        store: Arc::clone(&store),
        cache: Arc::clone(&cache),
        windows,
        metrics: Arc::clone(&metrics),
    };
    Arc::new(Parts {
        config,
        clock,
        ids,
        metrics,
        store,
        watched_store,
        cache,
        watched_cache,
        hub,
        directory,
        reads,
        access,
        review,
        queue,
        typing,
        leases,
        presence,
        departures,
        hints,
        news,
        policy,
        listening,
        tasks,
        draining: AtomicBool::new(false),
    })
}
