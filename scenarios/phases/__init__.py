"""The phases of a rehearsal, one module each: register, smoke test, storm, settle and check, drain."""
