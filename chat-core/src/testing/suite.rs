//! The mechanism of the suite: a macro turns one list of cases into a table, and into a macro that
//! writes the tests.

use std::{
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
    time::Duration,
};

/// The maximum time of a case, so that a backend that never answers fails.
const CASE_TIMEOUT: Duration = Duration::from_mins(1);

type Run<H> = for<'a> fn(&'a H) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A case for one sentence of a contract, to be run on a harness `H`.
pub struct Case<H: ?Sized> {
    pub(crate) name: &'static str,
    pub(crate) run: Run<H>,
}

/// All cases of one port, for harnesses of type `H`.
pub struct Suite<H: ?Sized + 'static>(pub(crate) &'static [Case<H>]);

impl<H: ?Sized> Suite<H> {
    /// The names of all cases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|case| case.name)
    }

    /// Runs the case of this name. If it panics, the text of the panic is the error.
    ///
    /// A case that takes longer than 60 s of tokio's time fails too.
    ///
    /// # Errors
    ///
    /// The fault of the backend.
    ///
    /// # Panics
    ///
    /// When no case has this name.
    pub async fn run(&self, name: &str, harness: &H) -> Result<(), String> {
        let case = self.0.iter().find(|case| case.name == name);
        let mut run = (case
            .unwrap_or_else(|| panic!("no case is called {name}"))
            .run)(harness);
        let caught = poll_fn(
            |cx| match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
                Ok(poll) => poll.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            },
        );
        match tokio::time::timeout(CASE_TIMEOUT, caught).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(panic)) => Err(match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(panic) => (*panic.downcast_ref::<&str>().unwrap_or(&"a panic")).to_owned(),
            }),
            Err(_) => Err(format!("no end after {CASE_TIMEOUT:?}")),
        }
    }
}

impl<H: ?Sized> fmt::Debug for Case<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

impl<H: ?Sized> fmt::Debug for Suite<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Suite").field(&self.0).finish()
    }
}

/// Runs one test on several threads, so that concurrent calls really run in parallel.
#[doc(hidden)]
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test)
}

/// `suite! { $ store_conformance: store, dyn StoreHarness; first_case, second_case }` makes
///
/// - `pub static CASES: Suite<dyn StoreHarness>`, to run a single case by name, and
/// - `chat_core::store_conformance!(fresh)`, which writes one `#[test]` per case, named
///   `store_conformance::first_case`; `fresh` is an `async fn() -> impl StoreHarness` beside it, called
///   anew for each case.
///
/// A case is a private `async fn first_case(h: &dyn StoreHarness)` that panics when the contract is
/// broken. Only the table mentions it, so the compiler warns of a case that is not in the list.
/// The line is in module `testing::store`; the `$` lets one macro write another. The macro
/// can't be called from inside this crate's `src`: call it from `tests/`.
macro_rules! suite {
    ($d:tt $conformance:ident: $module:ident, $harness:ty; $($case:ident),+ $(,)?) => {
        /// The cases.
        pub static CASES: $crate::testing::Suite<$harness> = $crate::testing::Suite(&[
            $($crate::testing::Case {
                name: stringify!($case),
                run: |harness| Box::pin($case(harness)),
            }),+
        ]);

        /// Writes one test for each case; see [`testing`](crate::testing).
        #[macro_export]
        macro_rules! $conformance {
            ($d fresh:ident) => {
                mod $conformance {
                    $(#[test]
                    fn $case() {
                        $crate::testing::block_on(async {
                            let harness = super::$d fresh().await;
                            let cases = &$crate::testing::$module::CASES;
                            if let Err(fault) = cases.run(stringify!($case), &harness).await {
                                panic!("{fault}");
                            }
                        });
                    })+
                }
            };
        }
    };
}
pub(crate) use suite;

#[cfg(test)]
mod tests {
    use super::*;

    static CASES: Suite<u32> = Suite(&[
        Case {
            name: "is_even",
            run: |number| Box::pin(async move { assert_eq!(number % 2, 0, "odd") }),
        },
        Case {
            name: "ends",
            run: |number| {
                Box::pin(async move {
                    if *number == 7 {
                        std::future::pending::<()>().await;
                    }
                })
            },
        },
    ]);

    #[tokio::test(start_paused = true)]
    async fn a_case_that_panics_or_never_ends_is_an_error_and_any_other_is_not() {
        assert_eq!(CASES.names().collect::<Vec<_>>(), ["is_even", "ends"]);
        assert_eq!(CASES.run("is_even", &2).await, Ok(()));
        assert_eq!(CASES.run("ends", &2).await, Ok(()));
        let odd = CASES.run("is_even", &7).await.unwrap_err();
        assert!(odd.contains("odd"), "{odd}");
        assert_eq!(
            CASES.run("ends", &7).await,
            Err("no end after 60s".to_owned())
        );
    }

    #[tokio::test]
    #[should_panic(expected = "no case is called is_odd")]
    async fn a_case_that_does_not_exist_is_not_a_failure_of_the_backend() {
        drop(CASES.run("is_odd", &2).await);
    }
}
