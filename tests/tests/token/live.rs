//! With strace of this machine: not on an emulated one.

mod kill;
