"""Tests about the code itself: that it is as the house rules say."""
