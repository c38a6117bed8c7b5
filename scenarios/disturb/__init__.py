"""What goes wrong in a rehearsal, done to simulated hosts through the simulator's faults and worlds."""
