"""What goes wrong in a rehearsal: applied to simulated hosts through the simulator's faults and worlds."""
