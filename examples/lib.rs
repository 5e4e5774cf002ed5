//! Small programs, each runnable, each ending by itself: see the `[[example]]` files beside this one.
