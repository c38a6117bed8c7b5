"""Proof that the packages do what they say, and that the code is as its rules say."""
