"""The load of a rehearsal: a client of the REST API like any other, over sockets or on the loop's own thread."""
