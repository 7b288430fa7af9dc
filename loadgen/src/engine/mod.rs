//! Makes a plan happen: one executor per core, streams between servers, the schedule.
