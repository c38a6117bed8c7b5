"""Rehearsals: roll out a cell, break it, measure it. Composes the other packages; none of them may know it."""
