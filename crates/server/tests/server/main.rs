//! The server as its clients meet it: the router in process, and the program.

mod bad_input;
mod bad_sessions;
mod circuits;
mod deletion;
mod durability;
mod evaluations;
mod guarded;
mod leaving;
mod logs;
mod names;
mod openapi;
mod operation;
mod owners;
mod program;
mod program_settings;
mod program_tokens;
mod random_bytes;
mod room;
mod sessions;
mod shutdown;
mod socket;
mod storage;
mod texts;
mod tls;
mod uploads;
mod world;
