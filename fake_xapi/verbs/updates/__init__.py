"""The verbs that keep a pool up to date: patches, updates, repositories, licences."""
