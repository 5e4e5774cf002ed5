#![doc = include_str!("../README.md")]
//! The examples are small programs, each runnable, each ending by itself: the files beside this one. This library
//! exists so that the code in the workspace's README is a test.
