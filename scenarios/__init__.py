"""Rehearsals: roll out a cell, break it, measure it. Combines the other packages, none of which may know it."""
