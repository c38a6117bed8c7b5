"""The verbs of hosts: enabling, power, hardware, clocks, failures, and what a control domain keeps."""
