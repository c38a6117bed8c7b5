"""Handlers of the volume endpoint: as much of Cinder's v3 API as clients of a cloud need."""
