"""Handlers of the Compute API, one module per resource: from a call to the core, and its answer in the API's words."""
