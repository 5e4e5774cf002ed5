//! The fuzz targets, for a moment each and without a fuzzer: good inputs, damaged in some places.

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};

#[expect(unreachable_pub, reason = "public for the fuzzer's programs")]
#[expect(clippy::expect_used, reason = "to panic is how a target fails")]
#[path = "../../../fuzz/targets.rs"]
mod targets;

/// Bytes that mean something to a decoder, and any others.
fn splinter() -> impl Strategy<Value = Vec<u8>> {
    let telling: &[&[u8]] = &[
        b"\"",
        b",",
        b":",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\\",
        b"\\ud800",
        b"\0",
        b"\x1e",
        b"\n",
        b"-1",
        b"1e400",
        b"18446744073709551616",
        b"null",
        b"true",
        b"\xff",
        b"\xc3",
        b"\xe2\x80\x8b",
        b"e\xcc\x81",
        b"\x1b[31m",
        b"%",
        b"&",
        b"=",
    ];
    prop_oneof![
        4 => select(telling).prop_map(<[u8]>::to_vec),
        2 => vec(any::<u8>(), 0..8),
        1 => (select(telling), 1..300_usize).prop_map(|(part, times)| part.repeat(times)),
    ]
}

/// A seed in which some stretches are replaced.
fn spoilt(seeds: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let seeds: Vec<&[u8]> = seeds.lines().map(str::as_bytes).collect();
    let edits = vec((any::<Index>(), 0..12_usize, splinter()), 0..6);
    (select(seeds), edits).prop_map(|(seed, edits)| {
        let mut bytes = seed.to_vec();
        for (at, length, splinter) in edits {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + length);
            bytes.splice(at..end, splinter);
        }
        bytes
    })
}

#[test]
fn every_seed_is_accepted() {
    for (name, seeds, target) in targets::TARGETS {
        for seed in seeds.lines() {
            assert!(target(seed.as_bytes()), "{name}: {seed}");
        }
    }
}

#[test]
fn no_bytes_break_a_decoder() {
    for (name, seeds, target) in targets::TARGETS {
        let config = Config {
            cases: 1_000,
            failure_persistence: None,
            ..Config::default()
        };
        TestRunner::new(config)
            .run(&spoilt(seeds), |bytes| {
                target(&bytes);
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
