"""Handlers of the identity endpoint: as much of Keystone's v3 API as clients of a cloud need."""
