"""What a rehearsal tells: JSON for machines, one HTML page that needs no network for people, a table for the terminal."""
