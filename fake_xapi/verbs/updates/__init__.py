"""The verbs by which a pool is kept up to date: patches, updates, repositories, licences."""
