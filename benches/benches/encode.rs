//! From a command's bytes to a command, and from an entry to the bytes of the native protocol:
//! `cargo bench -p benches --bench encode`.
//!
//! An entry is encoded once, however many receive it. The clone of a frame is what each receiver costs.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench fails by panicking; its macros write items"
)]

use std::{hint::black_box, sync::Arc};

use benches::{Messages, TEXT};
use chat_core::{
    Answer, Entry, Epoch, Event, Frame, HistoryPage, IdGen, RandomIds, Reply, Seq, decode,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn native(c: &mut Criterion) {
    let messages = Messages::between("alice", "bob").unwrap();
    let entries = (1..).zip(messages).take(50);
    let entries: Vec<Arc<Entry>> = entries
        .map(|(seq, message)| Arc::new(message.numbered(Seq(seq))))
        .collect();
    let entry = || Frame::from(Event::Entry(Arc::clone(&entries[0])));
    let page = || {
        Frame::from(Answer::Reply {
            id: 7,
            result: Reply::History(HistoryPage {
                epoch: Epoch(RandomIds.next()),
                entries: entries.clone(),
                older: true,
                newer: false,
            }),
        })
    };
    let command = format!(
        r#"{{"id":1234567890,"type":"send","room":"alice,bob","text":"{TEXT}","client_id":"18c2f0a-499602d2"}}"#
    );

    let mut group = c.benchmark_group("native");
    group.throughput(Throughput::Bytes(command.len() as u64));
    group.bench_function("decode a send", |b| {
        b.iter(|| decode(black_box(&command)).unwrap());
    });
    group.throughput(Throughput::Bytes(entry().json().len() as u64));
    group.bench_function("encode an entry", |b| {
        b.iter_batched(
            entry,
            |frame| Arc::clone(frame.json()),
            BatchSize::SmallInput,
        );
    });
    let encoded = entry();
    encoded.json();
    group.bench_function("share an entry", |b| {
        b.iter(|| Arc::clone(black_box(&encoded).clone().json()));
    });
    group.throughput(Throughput::Bytes(page().json().len() as u64));
    group.bench_function("encode a page of 50", |b| {
        b.iter_batched(
            page,
            |frame| Arc::clone(frame.json()),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, native);
criterion_main!(benches);
