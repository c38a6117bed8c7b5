"""Tests of the rehearsals and of the whole command."""
