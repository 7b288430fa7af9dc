//! What a person, a script and a foreign program read of a run.
